// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/mount.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/file.h"

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

// Blanks and the like are octal numbers in mountinfo.
std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>(ParseOctal(text.substr(i + 1, 3)).value_or('?'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
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

bool IsKernelFile(int fd) {
  struct statfs fs;
  if (::fstatfs(fd, &fs) != 0) return false;
  constexpr long kMagics[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC,        CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
                              DEBUGFS_MAGIC,    TRACEFS_MAGIC,      SECURITYFS_MAGIC,   BPF_FS_MAGIC,
                              SELINUX_MAGIC,    DEVPTS_SUPER_MAGIC, NSFS_MAGIC};
  return std::any_of(std::begin(kMagics), std::end(kMagics), [&](long magic) { return fs.f_type == magic; });
}

Result<bool> IsMountRoot(int fd) {
  struct statx status;
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &status) != 0) return SysErr("statx");
  if ((status.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) == 0) {
    return Err(Code::kUnsupported, "the kernel does not say what a mount point is (Linux 5.8 does)");
  }
  return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

Result<std::vector<std::string>> MountsBelow(const std::string& directory) {
  char* real = ::realpath(directory.c_str(), nullptr);
  std::string prefix = real != nullptr ? real : directory;
  ::free(real);
  if (!prefix.ends_with('/')) prefix += '/';
  std::string text = TRY(ReadFile("/proc/self/mountinfo"));
  std::string_view mountinfo = text;
  std::vector<std::string> found;
  while (!mountinfo.empty()) {
    std::string_view line = mountinfo.substr(0, mountinfo.find('\n'));
    mountinfo.remove_prefix(std::min(mountinfo.size(), line.size() + 1));
    // ID PARENT MAJOR:MINOR ROOT TARGET ...
    for (int field = 0; field < 4 && !line.empty(); ++field) {
      line.remove_prefix(std::min(line.size(), line.find(' ') + 1));
    }
    std::string target = Unescape(line.substr(0, line.find(' ')));
    if (target.starts_with(prefix) && target.size() > prefix.size()) found.push_back(std::move(target));
  }
  return found;
}

Status DetachMount(const std::string& path) {
  if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT) {
    return SysErr("umount ", path);
  }
  return {};
}

}  // namespace rkt
