// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// docker-credential-NAME: the programs that keep credentials for docker and containers' tools. They run as the user who
// runs rkt, with his environment; only their name comes from a file, and they are looked for in PATH.

#include <optional>
#include <string>

#include "base/result.h"

namespace rkt::fetch::oci {

struct HelperAnswer {
  std::string user;
  std::string secret;
  bool is_refresh_token = false;  // the secret is one, and there is no user
};

// What the helper keeps for a server (`docker-credential-NAME get`, the server on its standard input, JSON on its standard
// output). Nothing: it keeps none. kInvalid: a name that is no plain word, an answer that is none; kNotFound: no such
// program; kInternal: it failed, or did not answer within two minutes.
Result<std::optional<HelperAnswer>> AskCredentialHelper(const std::string& name, const std::string& server);

}  // namespace rkt::fetch::oci
