// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/private_users.h"

#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <set>

#include "base/file.h"
#include "base/log.h"
#include "base/mount.h"
#include "pod/paths.h"
#include "pod/private_users.h"

namespace rkt::stage0 {

namespace {

constexpr char kCapabilityXattr[] = "security.capability";

// Whether overlay takes mapped mounts for its layers (Linux 5.19).
bool OverlayTakesMapped() {
  struct utsname name;
  if (::uname(&name) != 0) return false;
  std::vector<std::string> parts = Split(name.release, '.');
  auto major = ParseInt(parts[0]), minor = parts.size() > 1 ? ParseInt(parts[1]) : std::nullopt;
  return major && minor && (*major > 5 || (*major == 5 && *minor >= 19));
}

// Whether the pod's directory can be mapped. What else keeps it from being is an error.
Result<bool> CanMap(const pod::Pod& pod, int user_namespace) {
  Fd mount = TRY(CloneMount(pod.fd(), "", false));
  Status mapped = MapMount(mount.get(), user_namespace, false);
  if (mapped) return true;
  int err = mapped.error().err();
  if (err == EINVAL || err == ENOSYS || err == EPERM) return false;
  return std::move(mapped).error();
}

// Capabilities of a file hold for one owner of namespaces: for the host's root (revision 2), or for the one named.
std::string CapabilityFor(const std::string& value, uint32_t root) {
  vfs_ns_cap_data data = {};
  if (value.size() < sizeof(vfs_cap_data) || value.size() > sizeof data) return value;
  memcpy(&data, value.data(), value.size());
  data.magic_etc = (data.magic_etc & ~static_cast<uint32_t>(VFS_CAP_REVISION_MASK)) | VFS_CAP_REVISION_3;
  data.rootid = root;
  return std::string(reinterpret_cast<const char*>(&data), sizeof data);
}

class Shifter {
 public:
  explicit Shifter(const IdRange& range) : range_(range) {}

  Status Directory(int dir) {
    for (const DirEntry& entry : TRY(ListDirFd(dir))) TRY(Entry(dir, entry.name));
    struct stat st;
    if (::fstat(dir, &st) != 0) return SysErr("stat");
    TRY(CheckIds(st, "."));
    if (::fchown(dir, range_.Outside(st.st_uid), range_.Outside(st.st_gid)) != 0) return SysErr("chown");
    if ((st.st_mode & 06000) != 0 && ::fchmod(dir, st.st_mode & 07777) != 0) return SysErr("chmod");
    return {};
  }

 private:
  Status CheckIds(const struct stat& st, const std::string& name) const {
    if (st.st_uid < range_.count && st.st_gid < range_.count) return {};
    return Err(Code::kInvalid, Quote(name), " belongs to ", st.st_uid, ":", st.st_gid, ", and --private-users gives a pod ",
               range_.count, " ids");
  }
  Status Entry(int dir, const std::string& name) {
    struct stat st = TRY(StatAt(dir, name));
    if (S_ISDIR(st.st_mode)) {
      Fd child = TRY(OpenAt(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      return Directory(child.get());
    }
    if (st.st_nlink > 1 && !seen_.emplace(st.st_dev, st.st_ino).second) return {};
    TRY(CheckIds(st, name));
    std::string capability;
    Fd file;
    if (S_ISREG(st.st_mode)) {
      file = TRY(OpenAt(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
      char value[sizeof(vfs_ns_cap_data)];
      ssize_t n = ::fgetxattr(file.get(), kCapabilityXattr, value, sizeof value);
      if (n > 0) capability.assign(value, static_cast<size_t>(n));
    }
    if (::fchownat(dir, name.c_str(), range_.Outside(st.st_uid), range_.Outside(st.st_gid), AT_SYMLINK_NOFOLLOW) != 0) {
      return SysErr("chown ", Quote(name));
    }
    // Both go with the owner.
    if (file && (st.st_mode & 06000) != 0 && ::fchmod(file.get(), st.st_mode & 07777) != 0) {
      return SysErr("chmod ", Quote(name));
    }
    if (capability.empty()) return {};
    capability = CapabilityFor(capability, range_.shift);
    if (::fsetxattr(file.get(), kCapabilityXattr, capability.data(), capability.size(), 0) != 0) {
      return SysErr("setxattr ", kCapabilityXattr, " of ", Quote(name));
    }
    return {};
  }

  IdRange range_;
  std::set<std::pair<dev_t, ino_t>> seen_;
};

}  // namespace

Result<PrivateUsers> TakePrivateUsers(pod::Pods& pods, const pod::Pod& pod, bool* overlay) {
  PrivateUsers users;
  users.range = TRY_CTX(pod::TakePrivateUsers(pods, pod), "choosing ids for --private-users");
  users.user_namespace = TRY(MakeUserNamespace(users.range));
  if (!TRY_CTX(CanMap(pod, users.user_namespace.get()), "--private-users")) {
    if (*overlay) Notice("", "disabling overlay support: the file system of the data directory cannot map ids");
    *overlay = false;
    users.shifted = true;
    TRY(WriteFileAt(pod.fd(), pod::kPrivateUsersShifted, "", 0640));
  } else if (*overlay && !OverlayTakesMapped()) {
    Notice("", "disabling overlay support: --private-users goes together with it from Linux 5.19 on");
    *overlay = false;
  }
  return users;
}

Result<std::optional<PrivateUsers>> OpenPrivateUsers(const pod::Pod& pod) {
  auto range = TRY(pod::ReadPrivateUsers(pod));
  if (!range) return std::optional<PrivateUsers>();
  return std::optional<PrivateUsers>(PrivateUsers{*range, TRY(MakeUserNamespace(*range)),
                                                  ExistsAt(pod.fd(), pod::kPrivateUsersShifted)});
}

Status ShiftOwners(int directory, const IdRange& range) { return Shifter(range).Directory(directory); }

}  // namespace rkt::stage0
