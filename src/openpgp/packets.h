// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The outer form of OpenPGP data (RFC 4880 sections 4 and 6): ASCII armor, packets and their
// lengths. It is read here before the OpenPGP library sees any of it, so that nothing but keys,
// identities and signatures gets there: no compressed, encrypted, literal or nested data.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rkt::openpgp {

// The bytes of the first armored block of this kind ("PUBLIC KEY BLOCK", "SIGNATURE"); text around
// it is passed over. kInvalid: no armored data found; another kind of block; broken base64 or
// checksum.
Result<std::string> Dearmor(std::string_view text, std::string_view kind);

enum class Tag : uint8_t {
  kSignature = 2,
  kSecretKey = 5,
  kPublicKey = 6,
  kSecretSubkey = 7,
  kMarker = 10,
  kTrust = 12,
  kUserId = 13,
  kPublicSubkey = 14,
  kUserAttribute = 17,
};

struct Packet {
  Tag tag;
  std::string_view whole;  // header included
  std::string_view body;
};

// All packets of `data`, which they point into. kInvalid: lengths that are partial, indeterminate
// or do not fit.
Result<std::vector<Packet>> SplitPackets(std::string_view data);

// The first key of packets that make up one or more public keys: its own packets in a row, markers
// and trust packets left out. kInvalid where it is no public key, or holds what no public key
// holds.
struct FirstKey {
  std::string bytes;
  int more = 0;  // keys behind it
};
Result<FirstKey> TakeFirstKey(std::string_view data);

// What a signature packet says of itself, before anything is verified.
struct SignatureHead {
  uint8_t version;
  uint8_t type;  // 0: over binary data
  uint8_t hash;  // RFC 4880 section 9.4
};
Result<SignatureHead> ReadSignatureHead(std::string_view body);

// Those of a detached signature's packets that may be verified: over binary data, with a hash of
// the SHA-2 or SHA-3 families. `signature` is armored or binary. kInvalid where it is something
// else, or where nothing is left.
inline constexpr size_t kMaxSignatures = 16;
Result<std::string> AcceptableSignatures(std::string_view signature);

}  // namespace rkt::openpgp
