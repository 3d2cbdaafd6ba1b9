// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "functional/harness/leaks.h"

#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "functional/harness/files.h"
#include "functional/harness/program.h"

namespace rkt::test {
namespace fs = std::filesystem;
namespace {

struct MountLine {
  std::string root, target, type, source;
};

std::vector<MountLine> ReadMounts() {
  std::vector<MountLine> mounts;
  for (const std::string& line : Lines(ReadFile("/proc/self/mountinfo"))) {
    std::vector<std::string> words = Split(line, ' ');
    size_t dash = static_cast<size_t>(std::find(words.begin(), words.end(), "-") - words.begin());
    if (words.size() > 5 && dash + 2 < words.size()) {
      mounts.push_back({words[3], words[4], words[dash + 1], words[dash + 2]});
    }
  }
  return mounts;
}

std::string Unescaped(std::string name) {
  for (size_t at; (at = name.find("\\x2d")) != std::string::npos;) name.replace(at, 4, "-");
  return name;
}

void AddCgroups(const std::string& path, int depth, std::set<std::string>& cgroups) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (!entry.is_directory(error) || entry.is_symlink(error)) continue;
    cgroups.insert(Unescaped(entry.path()));
    if (depth > 0) AddCgroups(entry.path(), depth - 1, cgroups);
  }
}

std::vector<std::string> ReadInterfaces() {
  std::vector<std::string> names;
  for (const std::string& line : Lines(ReadFile("/proc/self/net/dev"))) {
    size_t colon = line.find(':');
    if (colon != std::string::npos) names.push_back(Trim(line.substr(0, colon)));
  }
  return names;
}

std::string Describe(int pid) {
  std::string directory = "/proc/" + std::to_string(pid);
  std::string command = ReadFile(directory + "/cmdline");
  std::replace(command.begin(), command.end(), '\0', ' ');
  if (command.empty()) command = "[" + Trim(ReadFile(directory + "/comm")) + "]";
  return std::to_string(pid) + " " + Trim(command).substr(0, 200);
}

std::vector<std::string> LocksBelow(const std::string& directory) {
  std::vector<std::string> held;
  std::string table = ReadFile("/proc/locks");
  if (table.empty()) return held;
  std::map<std::string, std::string> files;
  std::error_code error;
  auto add = [&](const std::string& path) {
    struct stat st;
    if (lstat(path.c_str(), &st) < 0) return;
    char key[64];
    snprintf(key, sizeof key, "%02x:%02x:%lu", major(st.st_dev), minor(st.st_dev), st.st_ino);
    files[key] = path;
  };
  add(directory);
  for (auto it = fs::recursive_directory_iterator(directory, error);
       it != fs::recursive_directory_iterator(); it.increment(error)) {
    // No lock is taken on what is inside a tree.
    if (it->path().filename() == "rootfs") it.disable_recursion_pending();
    add(it->path());
  }
  for (const std::string& line : Lines(table)) {
    std::vector<std::string> words;
    for (const std::string& word : Split(line, ' ')) {
      if (!word.empty()) words.push_back(word);
    }
    for (const std::string& word : words) {
      auto found = files.find(word);
      if (found != files.end()) held.push_back(found->second + " (" + line + ")");
    }
  }
  return held;
}

template <typename Set>
void Report(const char* what, const Set& before, const Set& after,
            std::vector<std::string>& leaks) {
  std::vector<std::string> added;
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                      std::back_inserter(added));
  for (const std::string& item : added) leaks.push_back(std::string(what) + ": " + item);
}

}  // namespace

std::vector<int> DescendantsOf(int pid) {
  std::multimap<int, int> children;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::string stat = ReadFile("/proc/" + name + "/stat");
    size_t after_name = stat.rfind(')');
    if (after_name == std::string::npos) continue;
    int parent = 0;
    char state = 0;
    if (sscanf(stat.c_str() + after_name + 1, " %c %d", &state, &parent) == 2)
      children.emplace(parent, atoi(name.c_str()));
  }
  std::vector<int> all = {pid};
  for (size_t i = 0; i < all.size(); i++) {
    auto [begin, end] = children.equal_range(all[i]);
    for (auto it = begin; it != end; ++it) all.push_back(it->second);
  }
  all.erase(all.begin());
  return all;
}

Traces TakeTraces(const std::string& directory) {
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
  Traces traces;
  for (const MountLine& mount : ReadMounts()) {
    traces.mounts.insert(mount.target + " (" + mount.type + " of " + mount.source + ", root " +
                         mount.root + ")");
    if (mount.type == "cgroup" || mount.type == "cgroup2")
      AddCgroups(mount.target, 4, traces.cgroups);
  }
  for (const std::string& name : ReadInterfaces()) traces.interfaces.insert(name);
  for (const std::string& name : ListDir("/run/netns")) traces.namespaces.insert(name);
  for (int pid : DescendantsOf(getpid())) traces.processes.push_back(Describe(pid));
  traces.locks = LocksBelow(directory);
  return traces;
}

std::vector<std::string> FindLeaks(const Traces& before, const std::string& directory,
                                   const std::set<std::string>& uuids) {
  std::vector<std::string> leaks;
  for (double end = Now() + 2;; SleepFor(0.02)) {
    Traces after = TakeTraces(directory);
    leaks.clear();
    Report("mount", before.mounts, after.mounts, leaks);
    Report("interface", before.interfaces, after.interfaces, leaks);
    for (const std::string& name : after.namespaces) {
      for (const std::string& uuid : uuids) {
        if (Contains(name, uuid) && !before.namespaces.count(name))
          leaks.push_back("network namespace: " + name);
      }
    }
    for (const std::string& path : after.cgroups) {
      for (const std::string& uuid : uuids) {
        if (Contains(path, uuid) && !before.cgroups.count(path)) leaks.push_back("cgroup: " + path);
      }
    }
    for (const std::string& process : after.processes) leaks.push_back("process: " + process);
    for (const std::string& lock : after.locks) leaks.push_back("lock: " + lock);
    if (leaks.empty() || Now() > end) return leaks;
  }
}

bool Isolate() {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  signal(SIGPIPE, SIG_IGN);
  if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0) return false;
  // Private first, so that nothing of ours gets out; then shared, as the mounts of a host with
  // systemd are: what a program under test fails to keep to itself shows up here.
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) return false;
  if (mount(nullptr, "/", nullptr, MS_REC | MS_SHARED, nullptr) < 0) return false;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request = {};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
  bool up = ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  close(fd);
  return up;
}

}  // namespace rkt::test
