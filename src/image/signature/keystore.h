// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The keys that images may be signed with: which files count for an image's name, and putting a key
// where it counts. Only files and their names are looked at here; what is in them is read by
// libexec/rkt/openpgp (verify.h), in a process of its own. There are two keystores, the system's
// and the machine's own:
//
//   DIR/trustedkeys/
//     root.d/FPR                  for images of every name
//     prefix.d/example.com/a/FPR  for example.com/a and what lies below it: a/b, and not ab
//     sha1.d/FPR                  this key may be bound by SHA-1, as old ones are (content ignored)
//
// FPR is the fingerprint of the file's first key, 40 hexadecimal digits in lower case; the file is
// an ASCII-armored public key. An empty file takes back what was trusted under that fingerprint
// before it, in the order system root, local root, system prefixes, local prefixes; a shorter
// prefix comes before a longer one.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rkt::image {

struct TrustedKey {
  std::string fingerprint;  // as the file's name says; not yet compared with the key in it
  std::string path;
  bool sha1_allowed = false;  // self-signatures over SHA-1 count for it
};

// A directory for keys below prefix.d must be an AC Identifier whose path elements are neither
// empty nor "." or "..", so that no name reaches another directory. kInvalid.
Status CheckKeyPrefix(std::string_view prefix);

class Keystore {
 public:
  // No keys at all.
  Keystore() = default;
  // The configuration directories, such as /usr/lib/rkt and /etc/rkt. Nothing is opened; missing
  // ones are empty.
  Keystore(std::string system_dir, std::string local_dir)
      : system_dir_(std::move(system_dir)), local_dir_(std::move(local_dir)) {}

  // The keys that images of this name may be signed with, in the order above. kInvalid where the
  // name has path elements that no directory can have; errors of the file system but that something
  // is missing.
  Result<std::vector<TrustedKey>> KeysFor(std::string_view image_name) const;

  // Puts an armored public key into the local keystore, 0644, directories 0755, replacing the same
  // key. An empty prefix stands for root.d. The caller knows the fingerprint from ReadKey
  // (verify.h). Gives the path of the file.
  Result<std::string> Add(std::string_view prefix, const std::string& fingerprint,
                          std::string_view armored) const;

 private:
  std::string system_dir_;
  std::string local_dir_;
};

// The content of a key file: a regular file (links are followed) of at most kMaxKeySize bytes.
inline constexpr size_t kMaxKeySize = 4u << 20;
Result<std::string> ReadKeyFile(const std::string& path);

}  // namespace rkt::image
