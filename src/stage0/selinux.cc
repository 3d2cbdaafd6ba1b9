// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/selinux.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/random.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/file.h"
#include "base/lock.h"
#include "base/strings.h"
#include "pod/paths.h"

namespace rkt::stage0 {

namespace {

using pod::Stage;

constexpr size_t kMaxFile = 1u << 20;
constexpr unsigned kCategories = 1024;
constexpr char kLock[] = "locks/selinux";
constexpr char kDefaultType[] = "targeted";
constexpr char kXattr[] = "security.selinux";

bool IsOn(const SelinuxHost& host) {
  struct statfs system;
  if (::statfs(host.file_system.c_str(), &system) != 0) return false;
  return host.any_file_system || static_cast<uint32_t>(system.f_type) == SELINUX_MAGIC;
}

// The value of NAME=VALUE in a file of lines, quotes around it taken off. The last one counts.
std::optional<std::string> Setting(std::string_view text, std::string_view name) {
  std::optional<std::string> found;
  for (const std::string& line : Split(text, '\n')) {
    std::string_view rest = Trim(line);
    if (rest.empty() || rest[0] == '#') continue;
    size_t equal = rest.find('=');
    if (equal == std::string_view::npos || Trim(rest.substr(0, equal)) != name) continue;
    std::string_view value = Trim(rest.substr(equal + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    found = std::string(value);
  }
  return found;
}

// USER:ROLE:TYPE[:LEVEL], of characters that mean nothing in options of mounts.
bool IsContext(std::string_view text) {
  auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_.-:,").find(c) != std::string_view::npos;
  };
  size_t colons = static_cast<size_t>(std::count(text.begin(), text.end(), ':'));
  return text.size() < 1024 && colons >= 2 && colons <= 5 && text.front() != ':' && text.back() != ':' &&
         text.find("::") == std::string_view::npos && std::all_of(text.begin(), text.end(), good);
}

// Where the level begins: behind the third colon. npos: the policy has none.
size_t LevelAt(std::string_view context) {
  size_t at = 0;
  for (int i = 0; i < 3; ++i) {
    at = context.find(':', at);
    if (at == std::string_view::npos) return at;
    ++at;
  }
  return at;
}

// The lowest sensitivity of the context's level, with these categories.
std::string WithCategories(const std::string& context, std::string_view categories) {
  size_t at = LevelAt(context);
  if (at == std::string::npos) return context;
  size_t end = context.find_first_of("-:", at);
  return StrCat(context.substr(0, end), ":", categories);
}

std::string Categories(const SelinuxLabels& labels) {
  size_t at = LevelAt(labels.process);
  size_t colon = at == std::string::npos ? at : labels.process.find(':', at);
  return colon == std::string::npos ? std::string() : labels.process.substr(colon + 1);
}

Result<std::set<std::string>> TakenCategories(pod::Pods& pods) {
  std::set<std::string> taken;
  // Pods move on while we look, and only forward: in this order each of them is met.
  TRY(pods.ForEach({Stage::kPrepare, Stage::kPrepared, Stage::kRun},
                   [&](pod::Pod& other) -> Status {
                     auto labels = ReadSelinuxLabels(other);
                     if (labels && !labels->process.empty()) taken.insert(Categories(*labels));
                     return {};
                   },
                   [](const std::string&) {}));
  return taken;
}

// Two different ones, the smaller first, which no other pod has.
Result<std::string> ChooseCategories(const std::set<std::string>& taken) {
  constexpr uint32_t kPairs = kCategories * (kCategories - 1) / 2;
  if (taken.size() >= kPairs) return Err(Code::kNotFound, "all categories of SELinux are used by pods");
  uint32_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) return SysErr("getrandom");
  for (;; ++number) {
    // Pair number n of (0,1), (0,2) (1,2), (0,3) ...: the row of the greater one.
    uint32_t n = number % kPairs, high = 1;
    while (n >= high) n -= high++;
    std::string pair = StrCat("c", n, ",c", high);
    if (taken.count(pair) == 0) return pair;
  }
}

// A context of lxc_contexts; empty where it has none of that name.
Result<std::string> ContextOf(std::string_view text, const char* name, const std::string& path) {
  std::string context = Setting(text, name).value_or("");
  if (context.empty() || IsContext(context)) return context;
  return Err(Code::kInvalid, path, ": ", name, ": ", Quote(context), " is no context of SELinux");
}

}  // namespace

Result<SelinuxLabels> TakeSelinuxLabels(pod::Pods& pods, const pod::Pod& pod, const SelinuxHost& host) {
  SelinuxLabels labels;
  if (!IsOn(host)) return labels;
  std::string config = StrCat(host.configuration, "/config");
  std::string type(kDefaultType);
  if (auto text = ReadFile(config, kMaxFile)) type = Setting(*text, "SELINUXTYPE").value_or(type);
  if (type.empty() || type.find('/') != std::string::npos || type[0] == '.') {
    return Err(Code::kInvalid, config, ": SELINUXTYPE: ", Quote(type), " is no name of a policy");
  }
  std::string path = StrCat(host.configuration, "/", type, "/contexts/lxc_contexts");
  auto text = ReadFile(path, kMaxFile);
  if (!text) {
    if (text.error().code() == Code::kNotFound) return labels;
    return std::move(text).error();
  }
  labels.process = TRY(ContextOf(*text, "process", path));
  labels.mount = TRY(ContextOf(*text, "file", path));
  if (labels.process.empty() || labels.mount.empty()) return SelinuxLabels();

  TRY(MakeDirs(StrCat(pods.data_dir(), "/locks"), 0750));
  Lock lock = TRY(Lock::File(AT_FDCWD, StrCat(pods.data_dir(), "/", kLock), Lock::Kind::kExclusive));
  std::string categories = TRY(ChooseCategories(TRY(TakenCategories(pods))));
  labels.process = WithCategories(labels.process, categories);
  labels.mount = WithCategories(labels.mount, categories);
  TRY(WriteFileAt(pod.fd(), pod::kSelinuxFile, StrCat(labels.process, "\n", labels.mount, "\n"), 0640, true));
  return labels;
}

Result<SelinuxLabels> ReadSelinuxLabels(const pod::Pod& pod) {
  SelinuxLabels labels;
  if (!ExistsAt(pod.fd(), pod::kSelinuxFile)) return labels;
  std::vector<std::string> lines = Split(TRY(pod.ReadFile(pod::kSelinuxFile, 4096)), '\n');
  lines.resize(2);
  if (!IsContext(lines[0]) || !IsContext(lines[1])) {
    return Err(Code::kCorrupt, pod.path(), "/", pod::kSelinuxFile, " is damaged");
  }
  return SelinuxLabels{lines[0], lines[1]};
}

Status LabelTree(int directory, const std::string& label) {
  for (const DirEntry& entry : TRY(ListDirFd(directory))) {
    struct stat st = TRY(StatAt(directory, entry.name));
    if (::lsetxattr(StrCat("/proc/self/fd/", directory, "/", entry.name).c_str(), kXattr, label.c_str(),
                    label.size() + 1, 0) != 0) {
      if (errno == ENOTSUP) return {};
      return SysErr("labelling ", Quote(entry.name));
    }
    if (!S_ISDIR(st.st_mode)) continue;
    Fd child = TRY(OpenAt(directory, entry.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    TRY(LabelTree(child.get(), label));
  }
  if (::fsetxattr(directory, kXattr, label.c_str(), label.size() + 1, 0) != 0 && errno != ENOTSUP) {
    return SysErr("labelling a directory");
  }
  return {};
}

}  // namespace rkt::stage0
