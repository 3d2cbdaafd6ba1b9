// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Detached OpenPGP signatures over images. The work is done by libexec/rkt/openpgp, which this file
// starts and talks to: this program links no OpenPGP, and what reads hostile signatures and keys
// has no rights and nothing to write to. What is accepted: a binary signature over exactly these
// bytes, by SHA-2 or SHA-3, with a key that is trusted for the image's name, validly bound, neither
// revoked nor expired now, able to sign, and older than its signature, which is not from the future
// and has not expired itself.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/process.h"
#include "base/result.h"
#include "image/signature/keystore.h"

namespace rkt::image {

// Who made a signature.
struct Signer {
  std::string fingerprint;  // of the primary key, 40 hexadecimal digits in lower case
  std::vector<std::string>
      identities;  // "Name <mail>", printable; those validly bound to the key and not revoked
};

// A signature of 1 MiB is none: anything larger is refused.
inline constexpr size_t kMaxSignatureSize = 1u << 20;

// A check that runs while the signed bytes pass by: start it, let the bytes go into data(), close
// that, and ask for the outcome once the image's name is known. Whoever reads the bytes and whoever
// verifies them see the same ones, whatever happens to the file meanwhile.
class Verification {
 public:
  // Armored or binary signature. What is no signature at all is refused here, before any data is
  // read: "openpgp: signature is empty", "openpgp: no signature in it" and the like (kInvalid).
  static Result<Verification> Start(std::string_view signature);
  // The same for bytes that are read from `data` to its end (of this open file description; its
  // offset moves).
  static Result<Verification> StartOn(std::string_view signature, int data);

  // The end of a pipe to write the signed bytes to; -1 with StartOn and after CloseData. A writer
  // sees EPIPE when the check has ended early; Finish tells why. (Writers ignore SIGPIPE.)
  int data() const { return data_.get(); }
  void CloseData() { data_.Close(); }

  // Waits for the verdict. The data must have been closed by everybody who had it. Errors:
  //   openpgp: signature made by unknown entity           kNotFound: none of the keys made it
  //   fingerprint mismatch: "aaaa...":"5b5d..."           kInvalid: a key file's name belies its
  //   first key openpgp: invalid signature ...                      kCorrupt: these are not the
  //   bytes that were signed openpgp: ... key has expired / was revoked / ...    kPermission
  Result<Signer> Finish(const std::vector<TrustedKey>& keys);
  // The same with the keys of the keystore for that name.
  Result<Signer> Finish(const Keystore& keystore, std::string_view image_name);

 private:
  Verification(Child child, Fd socket, Fd data)
      : child_(std::move(child)), socket_(std::move(socket)), data_(std::move(data)) {}
  Child child_;
  Fd socket_;
  Fd data_;
};

// All at once, for bytes that nobody else reads.
Result<Signer> VerifyDetached(const Keystore& keystore, std::string_view image_name, int data,
                              std::string_view signature);

// What is to be said after a success: "signature verified:" and the identities, two spaces deep.
std::string VerifiedMessage(const Signer& signer);
// Whether the error says that none of the trusted keys made the signature, and what to say to the
// user then, in front of the error: how to trust the key.
bool IsUnknownSigner(const Error& error);
std::string UnknownSignerHint(std::string_view image_name);

// The file beside which an image's signature is expected: FILE.aci.asc, for a path or a URL (its
// query is kept).
std::string SignatureLocation(std::string_view image);

// A public key as it is shown for review.
struct KeyInfo {
  std::string fingerprint;  // 40 hexadecimal digits in lower case
  std::vector<std::string> identities;
  std::vector<std::string> subkeys;  // fingerprints of those that may sign
  std::string problem;  // why signatures of it would be refused today; empty: they would not
  int more_keys = 0;    // further keys in the same text; they are not used
};
// The first key of an armored text. kInvalid: no armored data found
Result<KeyInfo> ReadKey(std::string_view armored);

// "5B5D 5F0A C6B7 228C 9C5A  2F6C FC6B 8FFA CA9F CE8E"
std::string GroupedFingerprint(std::string_view fingerprint);

// libexec/rkt/openpgp of this installation: $EXE/../libexec/rkt/openpgp, or "openpgp" beside the
// executable.
Result<std::string> FindOpenpgpProgram();

}  // namespace rkt::image
