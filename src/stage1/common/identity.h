// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Who an app runs as: the user and group strings of a manifest, resolved inside the app's root file
// system (runtime.md of the reference, section 8). Nothing of the host is asked, and the files of
// an image are read as the hostile input that they may be: through the root, regular files only,
// never blocking, capped in size.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/user_namespace.h"

namespace rkt::stage1 {

// Ids above are refused: tools and kernels disagree on their sign.
inline constexpr int64_t kMaxId = 0x7fffffff;

struct IdentityRequest {
  std::string user;   // "root", a number, "/path" (its owner), or a name in /etc/passwd
  std::string group;  // likewise, /etc/group
  std::vector<int64_t> supplementary_gids;
  // The image was converted from docker and nobody has overridden its group: where group equals
  // user and cannot be looked up, the gid is the uid.
  bool docker_gid_fallback = false;
  // The app's root belongs to these ids of the host; the app has no others.
  std::optional<IdRange> users;
};

struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // for setgroups: the primary one first, no duplicates
};

// `root` is a descriptor of the app's root directory. Numbers and "root" cost no system call.
// kNotFound: no such name or path; kInvalid: an id out of range, a file that is not a regular one
// or too large.
Result<Identity> ResolveIdentity(int root, const IdentityRequest& request);

// Somebody else in a running app whose own identity is `app`. `user` and `group` as in a request; an empty one is the
// app's. A user without a group gets the primary one of the entry in /etc/passwd that has the uid (root: 0), or the
// app's group where there is no such entry, and no supplementary groups; a group alone leaves those of the app.
Result<Identity> ResolveOther(int root, const std::string& user, const std::string& group, const Identity& app,
                              const std::optional<IdRange>& users = {});

}  // namespace rkt::stage1
