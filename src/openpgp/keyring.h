// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Public keys in the OpenPGP library, and what we ask of a key before it counts. The library judges
// bindings and signatures; the rules on top of it are here, each for a reason told in keyring.cc.

#include <rnp/rnp.h>
#include <rnp/rnp_err.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"

namespace rkt::openpgp {

template <auto kDestroy>
struct RnpDelete {
  template <typename T>
  void operator()(T* handle) const {
    (void)kDestroy(handle);
  }
};
template <typename Handle, auto kDestroy>
using RnpHandle = std::unique_ptr<std::remove_pointer_t<Handle>, RnpDelete<kDestroy>>;

using Ffi = RnpHandle<rnp_ffi_t, rnp_ffi_destroy>;
using KeyHandle = RnpHandle<rnp_key_handle_t, rnp_key_handle_destroy>;
using UidHandle = RnpHandle<rnp_uid_handle_t, rnp_uid_handle_destroy>;
using SignatureHandle = RnpHandle<rnp_signature_handle_t, rnp_signature_handle_destroy>;
using InputHandle = RnpHandle<rnp_input_t, rnp_input_destroy>;

// A text that the library allocated.
std::string TakeText(char* text);
// Its words for an error.
std::string RnpText(rnp_result_t result);

class Keyring {
 public:
  // Empty. kInternal where the library cannot be set up.
  static Result<Keyring> Create();

  // Adds the first key of an armored text and gives its fingerprint, 40 digits in lower case. With
  // `allow_sha1`, its self-signatures of before 2024 may be over SHA-1. kInvalid: what is no public
  // key.
  struct Added {
    std::string fingerprint;
    int more = 0;  // keys behind it
  };
  Result<Added> Add(std::string_view armored, bool allow_sha1);

  // The key or subkey with this fingerprint; null where there is none.
  KeyHandle Find(const std::string& fingerprint) const;
  rnp_ffi_t ffi() const { return strict_.get(); }

  // Whether signatures of the primary key count at the moment `now`. kPermission: the key 1234...
  // has expired on DATE, was revoked, was made in the future, has no identity bound to it, ...
  Status CheckPrimary(const std::string& fingerprint, uint64_t now) const;
  // The same for a subkey, its own binding and its being a key to sign with included, or for a
  // primary key that signs.
  Status CheckSigner(const std::string& fingerprint, uint64_t now) const;

  // Identities that are bound to the key and not revoked, printable.
  std::vector<std::string> Identities(const std::string& fingerprint) const;
  // Fingerprints of the subkeys of a primary key that may sign.
  std::vector<std::string> SigningSubkeys(const std::string& fingerprint) const;

 private:
  Keyring(Ffi strict, Ffi lenient) : strict_(std::move(strict)), lenient_(std::move(lenient)) {}
  Status CheckAlone(rnp_key_handle_t key, const std::string& fingerprint, uint64_t now) const;

  Ffi strict_;   // by which keys count
  Ffi lenient_;  // by which they do not
};

}  // namespace rkt::openpgp
