// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/holders.h"

#include <limits.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/uuid.h"

namespace rkt::network {

namespace {

std::string PodsLink(const Paths& paths, const std::string& uuid) {
  return StrCat(paths.run, "/pods/", uuid);
}

std::string Parent(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// A running pod's directory is locked.
bool IsLocked(const std::string& path) {
  auto dir = Open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  return dir && ::flock(dir->get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

}  // namespace

Status AddHolder(const Paths& paths, const std::string& uuid, const std::string& pod_path) {
  std::string link = PodsLink(paths, uuid);
  if (::symlink(pod_path.c_str(), link.c_str()) == 0) return {};
  if (errno == ENOENT) {
    TRY(MakeDirs(Parent(link), 0755));
    if (::symlink(pod_path.c_str(), link.c_str()) == 0) return {};
  }
  if (errno != EEXIST) return SysErr("link ", link);
  TRY(UnlinkAt(AT_FDCWD, link));
  if (::symlink(pod_path.c_str(), link.c_str()) != 0) return SysErr("link ", link);
  return {};
}

Status RemoveHolder(const Paths& paths, const std::string& uuid) {
  return UnlinkAt(AT_FDCWD, PodsLink(paths, uuid));
}

std::string FindPod(const std::string& pod_path, const std::string& uuid) {
  if (Exists(pod_path) && pod_path.ends_with(uuid)) return pod_path;
  std::string pods = Parent(Parent(pod_path));
  if (pods.empty()) return "";
  for (const char* stage : {"run", "exited-garbage", "garbage", "prepared", "prepare"}) {
    std::string path = StrCat(pods, "/", stage, "/", uuid);
    if (Exists(path)) return path;
  }
  return "";
}

HolderCheck HoldersOf(const Paths& paths, const std::string& pod_path) {
  return [paths, pod_path](const std::string& id) {
    if (!IsUuid(id)) return HolderState::kUnknown;
    char target[PATH_MAX];
    ssize_t n = ::readlink(PodsLink(paths, id).c_str(), target, sizeof target - 1);
    std::string linked = n > 0 ? FindPod(std::string(target, static_cast<size_t>(n)), id) : "";
    std::string path = !linked.empty() ? linked : pod_path.empty() ? "" : FindPod(pod_path, id);
    if (path.empty()) return n > 0 ? HolderState::kGone : HolderState::kUnknown;
    return IsLocked(path) ? HolderState::kAlive : HolderState::kGone;
  };
}

}  // namespace rkt::network
