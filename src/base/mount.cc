// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/mount.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rkt {

namespace {
// What the kernel wrote about a refusal into the context's log ("e overlay: No such lower directory").
std::string ContextLog(int context) {
  char message[512];
  std::string text;
  for (int i = 0; i < 4; ++i) {
    ssize_t n = ::read(context, message, sizeof message);
    if (n <= 2) break;
    text += text.empty() ? " (" : "; ";
    text.append(message + 2, static_cast<size_t>(n - 2));
  }
  if (!text.empty()) text += ')';
  return text;
}
}  // namespace

Result<Fd> NewMount(const std::string& type, const MountParameters& parameters, unsigned attributes) {
  Fd context(::fsopen(type.c_str(), FSOPEN_CLOEXEC));
  if (!context) return SysErr("fsopen ", type);
  auto fail = [&](std::string_view what) {
    int err = errno;
    return ErrnoError(err, StrCat("mount ", type, what, ContextLog(context.get())));
  };
  for (const auto& [key, value] : parameters) {
    int rc = value.empty()
                 ? ::fsconfig(context.get(), FSCONFIG_SET_FLAG, key.c_str(), nullptr, 0)
                 : ::fsconfig(context.get(), FSCONFIG_SET_STRING, key.c_str(), value.c_str(), 0);
    if (rc != 0) return fail(StrCat(": option ", key, value.empty() ? "" : "=", value));
  }
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return fail("");
  Fd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, attributes));
  if (!mount) return fail("");
  return mount;
}

Result<Fd> CloneMount(int dir, const std::string& path, bool recursive) {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH |
                   (recursive ? static_cast<unsigned>(AT_RECURSIVE) : 0);
  Fd mount(::open_tree(dir, path.c_str(), flags));
  if (!mount) return SysErr("open_tree ", path);
  return mount;
}

Status AttachMount(int mount, int target) {
  if (::move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    return SysErr("move_mount");
  }
  return {};
}

Status AttachMountAt(int mount, int dir, const std::string& path) {
  if (::move_mount(mount, "", dir, path.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return SysErr("move_mount to ", path);
  }
  return {};
}

Status SetMountAttributes(int dir, const std::string& path, uint64_t set, uint64_t clear, bool recursive) {
  struct mount_attr attributes = {};
  attributes.attr_set = set;
  attributes.attr_clr = clear;
  unsigned flags = (path.empty() ? AT_EMPTY_PATH : 0) | (recursive ? AT_RECURSIVE : 0);
  if (::mount_setattr(dir, path.c_str(), flags, &attributes, sizeof attributes) != 0) {
    return SysErr("mount_setattr ", path);
  }
  return {};
}

Status SetPropagation(const std::string& path, uint64_t propagation, bool recursive) {
  if (::mount(nullptr, path.c_str(), nullptr, propagation | (recursive ? MS_REC : 0), nullptr) != 0) {
    return SysErr("set the mount propagation of ", path);
  }
  return {};
}

Result<bool> IsMountRoot(int fd) {
  struct statx status;
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &status) != 0) return SysErr("statx");
  if ((status.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) == 0) {
    return Err(Code::kUnsupported, "the kernel does not say what a mount point is (Linux 5.8 does)");
  }
  return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

Status DetachMount(const std::string& path) {
  if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT) {
    return SysErr("umount ", path);
  }
  return {};
}

}  // namespace rkt
