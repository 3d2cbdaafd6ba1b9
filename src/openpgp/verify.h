// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The verdict over one detached signature. Keys may be added while the data are read, up to their
// end.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "openpgp/keyring.h"

namespace rkt::openpgp {

// Reads `data` to its end, hashing; then `add_keys` puts those keys into the ring that may have
// made the signature, and the signatures (as AcceptableSignatures gives them) are judged at the
// moment `now`. One of them that holds is enough, unless another one of a known key is a forgery.
// Gives the fingerprint of the signer's primary key. Errors: kNotFound (signature made by unknown
// entity), kCorrupt (the signed bytes were others), kPermission (the key or the signature must not
// be used), those of reading and of add_keys.
Result<std::string> VerifyDetached(Keyring& keyring, const std::string& signatures, int data,
                                   uint64_t now, const std::function<Status()>& add_keys);

}  // namespace rkt::openpgp
