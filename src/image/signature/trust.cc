// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/signature/trust.h"

#include "base/file.h"

namespace rkt::image {

namespace {

bool HasScheme(std::string_view location, std::string_view scheme) {
  return ToLower(location.substr(0, scheme.size())) == scheme;
}

Result<std::string> ReadLocation(const std::string& location, const TrustOptions& options) {
  const bool http = HasScheme(location, "http://");
  if (!http && !HasScheme(location, "https://")) {
    // Pipes are welcome, as a shell makes them of <(gpg --export --armor ...).
    return TRY_CTX(ReadFile(location, kMaxKeySize), "error opening the key ", Quote(location));
  }
  if (http && !options.allow_http) {
    return Err(Code::kPermission, "the key ", Quote(location),
               " would come over plain http, where anybody can replace it: --insecure-allow-http "
               "allows that");
  }
  if (!options.fetch)
    return Err(Code::kUnsupported, "keys cannot be fetched from URLs in this version");
  KeyFetchOptions fetch{.allow_http = options.allow_http, .skip_tls_check = options.skip_tls_check};
  return TRY_CTX(options.fetch(location, fetch), "error downloading the key ", Quote(location));
}

void Show(const KeyInfo& key, const std::string& location, const TrustDialog& dialog) {
  dialog.print(StrCat("gpg key fingerprint is: ", GroupedFingerprint(key.fingerprint)));
  for (const std::string& subkey : key.subkeys) {
    dialog.print(StrCat("    Subkey fingerprint: ", GroupedFingerprint(subkey)));
  }
  for (const std::string& identity : key.identities) dialog.print(StrCat("\t", identity));
  if (!key.problem.empty()) {
    dialog.notice(StrCat("signatures of this key are refused as it stands: ", key.problem));
  }
  if (key.more_keys > 0) {
    dialog.notice(
        StrCat(Quote(location), " holds more keys than this one; they will not be trusted"));
  }
}

// Whether the user wants the key. Anything but yes and no is asked again.
Result<bool> Ask(const TrustDialog& dialog) {
  for (;;) {
    std::string answer = TRY(dialog.ask("Are you sure you want to trust this key (yes/no)?"));
    if (Trim(answer) == "yes") return true;
    if (Trim(answer) == "no") return false;
  }
}

Status TrustKey(const Keystore& keystore, const std::string& location, const TrustOptions& options,
                const TrustDialog& dialog) {
  dialog.notice(StrCat("prefix: ", Quote(options.prefix), "\nkey: ", Quote(location)));
  std::string armored = TRY(ReadLocation(location, options));
  KeyInfo key = TRY_CTX(ReadKey(armored), "error reading the key ", Quote(location));
  Show(key, location, dialog);

  const bool unreviewed =
      options.skip_review || (options.trust_https && HasScheme(location, "https://"));
  if (!unreviewed) {
    if (!dialog.ask) {
      dialog.notice(
          "the key's fingerprint must be reviewed, and there is no terminal to ask on. Either\n"
          "  run the command on a terminal, or\n"
          "  compare the fingerprint yourself and add --skip-fingerprint-review, or\n"
          "  for keys from https servers that you trust, add --trust-keys-from-https");
      return Err(Code::kPermission, "cannot review the fingerprint of ", Quote(location),
                 ": standard input is not a terminal");
    }
    if (!TRY(Ask(dialog))) {
      dialog.notice(StrCat("not trusting ", Quote(location)));
      return {};
    }
  }
  dialog.print(StrCat("Trusting ", Quote(location), " for prefix ", Quote(options.prefix),
                      unreviewed ? " without fingerprint review." : " after fingerprint review."));
  std::string path =
      TRY_CTX(keystore.Add(options.prefix, key.fingerprint, armored), "error adding the key");
  if (options.prefix.empty()) {
    dialog.print(StrCat("Added root key at ", Quote(path)));
  } else {
    dialog.print(StrCat("Added key for prefix ", Quote(options.prefix), " at ", Quote(path)));
  }
  return {};
}

}  // namespace

Status TrustKeys(const Keystore& keystore, const std::vector<std::string>& locations,
                 const TrustOptions& options, const TrustDialog& dialog) {
  if (!options.prefix.empty()) TRY(CheckKeyPrefix(options.prefix));
  std::vector<std::string> found = locations;
  if (found.empty()) {
    if (options.prefix.empty()) {
      return Err(Code::kInvalid, "root keys are not published by anybody: a key must be named");
    }
    if (!options.discover) {
      return Err(Code::kUnsupported, "keys cannot be discovered in this version: name one");
    }
    KeyFetchOptions fetch{.allow_http = options.allow_http,
                          .skip_tls_check = options.skip_tls_check};
    found = TRY_CTX(options.discover(options.prefix, fetch), "error discovering the keys of ",
                    Quote(options.prefix));
    // What a page on the network names is no file of this machine.
    for (const std::string& location : found) {
      if (!HasScheme(location, "https://") && !HasScheme(location, "http://")) {
        return Err(Code::kInvalid, "the discovered key ", Quote(location),
                   " is not a URL of http or https");
      }
    }
  }
  for (const std::string& location : found) TRY(TrustKey(keystore, location, options, dialog));
  return {};
}

}  // namespace rkt::image
