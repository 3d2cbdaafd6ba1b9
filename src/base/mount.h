// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Mounts by descriptor (the mount API of Linux 5.2, mount_setattr of 5.12): a mount is made detached, looked at, and
// attached to what was opened. Nothing goes by a path that could be swapped in between, and no option string has to
// be escaped.

#include <sys/mount.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace rkt {

// A new, detached mount of a file system: NewMount("overlay", {{"lowerdir", l}, ...}, MOUNT_ATTR_NODEV). A parameter
// with an empty value is a flag. The kernel's own explanation of a refusal is in the error. `attributes` are
// MOUNT_ATTR_* (ro, nosuid, nodev, noexec).
using MountParameters = std::vector<std::pair<std::string, std::string>>;
Result<Fd> NewMount(const std::string& type, const MountParameters& parameters, unsigned attributes);

// A detached copy of the mount (or of a part of one) at a path: a bind mount not attached yet.
Result<Fd> CloneMount(int dir, const std::string& path, bool recursive);

// Attaches a detached mount onto an opened directory or file (O_PATH will do).
Status AttachMount(int mount, int target);
// The same onto a path below `dir`.
Status AttachMountAt(int mount, int dir, const std::string& path);

// Sets and clears MOUNT_ATTR_* of the mount at a path (or of `dir` itself where the path is empty).
Status SetMountAttributes(int dir, const std::string& path, uint64_t set, uint64_t clear, bool recursive);
// Sets the propagation of the mount at a path (MS_SLAVE, MS_SHARED, MS_PRIVATE).
Status SetPropagation(const std::string& path, uint64_t propagation, bool recursive);

// Whether an opened file (O_PATH will do) is the kernel's own: proc, sysfs, cgroups and their like, where reading and writing
// does things.
bool IsKernelFile(int fd);

// Whether the opened file is the root of a mount.
Result<bool> IsMountRoot(int fd);

// Mount points of this mount namespace below a directory (whose links are resolved), in the order in which they were
// mounted, absolute. The directory itself is not one of them.
Result<std::vector<std::string>> MountsBelow(const std::string& directory);

// Detaches whatever is mounted at the path, with all below it; no mount there is success.
Status DetachMount(const std::string& path);

}  // namespace rkt
