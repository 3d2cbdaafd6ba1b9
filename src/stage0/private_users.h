// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Pods whose users are others of the host (docs/user-namespaces.md): where the file systems are made so that they belong
// to those. Files lie on disk as the image has them; mapped mounts show them to the pod. Where the file system of
// the data directory cannot be mapped, they are copied and given away.

#include <optional>

#include "base/user_namespace.h"
#include "pod/pod.h"

namespace rkt::stage0 {

struct PrivateUsers {
  IdRange range;
  Fd user_namespace;     // of that mapping, without processes
  bool shifted = false;  // files below S1 belong to the range on disk: nothing is to be mapped
};

// Takes a range for a pod that is being prepared. `overlay` becomes false, with a notice, where it does not go
// together with mapped mounts here.
Result<PrivateUsers> TakePrivateUsers(pod::Pods& pods, const pod::Pod& pod, bool* overlay);
// Those of a pod that was prepared with some.
Result<std::optional<PrivateUsers>> OpenPrivateUsers(const pod::Pod& pod);

// Gives all below an open directory (and itself) to the range: owner and group of every file move by the shift. Set-id
// bits and file capabilities stay.
Status ShiftOwners(int directory, const IdRange& range);

}  // namespace rkt::stage0
