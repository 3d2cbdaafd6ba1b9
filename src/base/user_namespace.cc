// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/user_namespace.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mount.h"
#include "base/user_namespace_child.h"

namespace rkt {

namespace {

constexpr uint64_t kIdsEnd = 0xffffffff;  // the last is no id

// setfsuid takes capabilities away or gives them; this is what is permitted.
bool RaiseCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  for (__user_cap_data_struct& part : data) part.effective = part.permitted;
  return ::syscall(SYS_capset, &header, data) == 0;
}

Error NamespaceError() {
  int err = errno;
  if (err == EINVAL || err == ENOSYS) return Err(Code::kUnsupported, "the kernel has no user namespaces");
  if (err == ENOSPC || err == EUSERS) {
    return Error(Code::kUnsupported, err, "no further user namespace can be made (/proc/sys/user/max_user_namespaces)");
  }
  return ErrnoError(err, "making a user namespace");
}

}  // namespace

Result<IdRange> ParseIdRange(std::string_view text) {
  size_t colon = text.find(':');
  // 0 is no part of a range.
  uint64_t shift = ParseUint(text.substr(0, colon)).value_or(0);
  uint64_t count = colon == std::string_view::npos ? 0 : ParseUint(text.substr(colon + 1)).value_or(0);
  if (shift == 0 || count == 0 || shift >= kIdsEnd || count > kIdsEnd - shift) {
    return Err(Code::kInvalid, Quote(text), " is no range of ids (SHIFT:COUNT)");
  }
  return IdRange{static_cast<uint32_t>(shift), static_cast<uint32_t>(count)};
}

std::string FormatIdRange(const IdRange& range) { return StrCat(range.shift, ":", range.count); }

Result<Fd> MakeUserNamespace(const IdRange& range) {
  // A process is needed to make one; it ends when the pipe does, whatever becomes of this one.
  auto [read_end, write_end] = TRY(MakePipe());
  struct clone_args args = {};
  args.flags = CLONE_NEWUSER;
  args.exit_signal = 0;
  auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
  if (pid == 0) internal::HoldNamespace(read_end.get(), write_end.get());
  if (pid < 0) return NamespaceError();
  Status written = WriteIdMaps(pid, range);
  Result<Fd> found = written ? Open(StrCat("/proc/", pid, "/ns/user"), O_RDONLY) : Result<Fd>(written.error());
  write_end.Close();
  while (::waitpid(pid, nullptr, __WALL) < 0 && errno == EINTR) {
  }
  return found;
}

Status WriteIdMaps(pid_t pid, const IdRange& range) {
  std::string line = StrCat("0 ", range.shift, " ", range.count, "\n");
  for (const char* map : {"uid_map", "gid_map"}) {
    std::string path = StrCat("/proc/", pid, "/", map);
    Fd file = TRY(Open(path, O_WRONLY));
    // All of it in one write, or nothing.
    if (::write(file.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
      return SysErr("mapping the ids ", FormatIdRange(range), " in ", path);
    }
  }
  return {};
}

Status MapMount(int mount, int user_namespace, bool recursive) {
  struct mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_IDMAP;
  attributes.userns_fd = static_cast<uint64_t>(user_namespace);
  if (::mount_setattr(mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attributes, sizeof attributes) != 0) {
    return SysErr("mapping the ids of a mount");
  }
  return {};
}

Status MapDirectory(int dir, const std::string& path, int user_namespace) {
  Fd mount = TRY(CloneMount(dir, path, false));
  TRY_CTX(MapMount(mount.get(), user_namespace, false), path);
  return AttachMountAt(mount.get(), dir, path);
}

Result<FileOwner> FileOwner::Become(uint32_t uid, uint32_t gid) {
  auto old_gid = static_cast<uint32_t>(::setfsgid(gid));
  auto old_uid = static_cast<uint32_t>(::setfsuid(uid));
  FileOwner owner(old_uid, old_gid);
  if (!RaiseCapabilities()) return SysErr("keeping capabilities");
  return owner;
}

Result<std::optional<FileOwner>> FileOwner::BecomeRootOf(const std::optional<IdRange>& users) {
  std::optional<FileOwner> owner;
  if (users) owner.emplace(TRY(Become(users->shift, users->shift)));
  return owner;
}

FileOwner::~FileOwner() {
  if (!active_) return;
  ::setfsuid(uid_);
  ::setfsgid(gid_);
  (void)RaiseCapabilities();
}

}  // namespace rkt
