// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Which ids of the host a pod's users are (docs/user-namespaces.md). A range is taken by a file in the pod's directory
// (POD/private-users-prepared), so that it is free again when the directory is gone, whoever was killed before.

#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/user_namespace.h"
#include "pod/pod.h"

namespace rkt::pod {

inline constexpr uint32_t kPrivateUsersCount = 65536;

// What the host says of ids. Texts are the files' contents, empty where there is none.
struct HostIds {
  std::string_view subuid, subgid;  // NAME:FIRST:COUNT a line (subuid(5))
  std::string_view passwd, group;
};
// Where a pod may get its range from: blocks of kPrivateUsersCount that nobody else has been given. `begin` says at
// which of the free ones the search begins. kNotFound: none is left; kInvalid names the file whose line for the user
// rkt is damaged or missing.
Result<IdRange> ChooseRange(const HostIds& host, const std::vector<IdRange>& taken, uint32_t begin);

// Takes a range for a pod that is being prepared, and writes it down.
Result<IdRange> TakePrivateUsers(Pods& pods, const Pod& pod);
// What was taken; nothing for a pod without.
Result<std::optional<IdRange>> ReadPrivateUsers(const Pod& pod);

}  // namespace rkt::pod
