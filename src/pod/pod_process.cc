// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Which process of the host is the pod: stage1 writes its pid, or that of its parent, whose only
// child it is.

#include <dirent.h>
#include <errno.h>
#include <time.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "pod/paths.h"
#include "pod/pod.h"

namespace rkt::pod {
namespace {

std::vector<int> Numbers(std::string_view text) {
  std::vector<int> numbers;
  for (const std::string& piece : Split(text, ' ')) {
    if (auto number = ParseInt(Trim(piece))) numbers.push_back(static_cast<int>(*number));
  }
  return numbers;
}

// Parent of a process, from the fourth field of its stat; the second may contain anything, so count
// from its end.
int ParentOf(const std::string& pid) {
  auto stat = ReadFile(StrCat("/proc/", pid, "/stat"), 4096);
  if (!stat) return -1;
  size_t end = stat->rfind(')');
  if (end == std::string::npos || end + 4 >= stat->size()) return -1;
  std::string_view rest = std::string_view(*stat).substr(end + 4);
  return static_cast<int>(ParseInt(rest.substr(0, rest.find(' '))).value_or(-1));
}

Result<std::vector<int>> ChildrenOf(int pid) {
  auto text = ReadFile(StrCat("/proc/", pid, "/task/", pid, "/children"), 1 << 20);
  if (text) return Numbers(*text);
  if (!Exists(StrCat("/proc/", pid))) return Err(Code::kNotFound, "process ", pid, " is gone");
  // A kernel without CONFIG_PROC_CHILDREN.
  std::vector<int> children;
  for (const DirEntry& entry : TRY(ListDirAt(AT_FDCWD, "/proc"))) {
    auto number = ParseInt(entry.name);
    if (number && ParentOf(entry.name) == pid) children.push_back(static_cast<int>(*number));
  }
  return children;
}

}  // namespace

Result<int> Pod::ContainerPid() const {
  auto pid = ReadFile(kPidFile, 64);
  if (pid) {
    if (auto number = ParseInt(Trim(*pid)); number && *number > 0) return static_cast<int>(*number);
    if (Trim(*pid).empty()) return Err(Code::kBusy, "the pid of pod ", uuid_, " is being written");
    return Err(Code::kCorrupt, path_, "/", kPidFile, " holds no process id");
  }
  if (pid.error().code() != Code::kNotFound) return std::move(pid).error();
  std::string ppid = TRY(ReadFile(kPpidFile, 64));
  if (Trim(ppid).empty()) return Err(Code::kBusy, "the pid of pod ", uuid_, " is being written");
  auto parent = ParseInt(Trim(ppid));
  if (!parent || *parent <= 0) {
    return Err(Code::kCorrupt, path_, "/", kPpidFile, " holds no process id");
  }
  std::vector<int> children = TRY(ChildrenOf(static_cast<int>(*parent)));
  if (children.empty()) return Err(Code::kBusy, "process ", *parent, " has no child yet");
  if (children.size() > 1) return Err(Code::kInvalid, "too many children of pid ", *parent);
  return children[0];
}

Result<int> Pod::WaitContainerPid() {
  while (true) {
    auto pid = ContainerPid();
    if (pid) return pid;
    if (pid.error().code() != Code::kNotFound && pid.error().code() != Code::kBusy) return pid;
    TRY(Refresh());
    if (state_ != State::kRunning) {
      return Err(Code::kInvalid, "pod ", Quote(uuid_), " has exited before its process was known");
    }
    struct timespec pause = {0, 5'000'000};
    nanosleep(&pause, nullptr);
  }
}

}  // namespace rkt::pod
