// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt trust

#include <unistd.h>

#include "cli/commands.h"
#include "cli/invocation.h"
#include "cli/settings.h"
#include "image/discovery.h"
#include "image/signature/trust.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec kOwnFlags[] = {
    TextFlag("prefix", "trust the key for images of this name and below it"),
    BoolFlag("root", "trust the key for images of every name"),
    BoolFlag("insecure-allow-http", "fetch keys by plain http as well"),
    BoolFlag("skip-fingerprint-review", "do not ask whether the fingerprint is right"),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags};

int Run(Invocation& invocation) {
  const std::string prefix(invocation.Text("prefix"));
  const bool root = invocation.Bool("root");
  if (prefix.empty() && !root) {
    return Refuse(
        "--root required for keys that are trusted for every image; --prefix=NAME for those of one "
        "name");
  }
  if (!prefix.empty() && root) return Refuse("--root and --prefix exclude each other");
  const Globals& globals = invocation.globals;
  if (globals.SkipImageCheck()) {
    return Refuse("could not get the keystore: --insecure-options=image switches it off");
  }

  image::TrustOptions options;
  options.prefix = prefix;
  const bool any_peer = (globals.insecure & kInsecurePubKey) != 0;
  options.allow_http = any_peer || invocation.Bool("insecure-allow-http");
  options.skip_tls_check = any_peer;
  options.skip_review = invocation.Bool("skip-fingerprint-review");
  options.trust_https = globals.trust_keys_from_https;
  image::Transfer transfer([&invocation] { return Configuration(invocation); });
  options.fetch = image::KeyFetcher(transfer);
  options.discover = image::KeyDiscoverer(transfer);

  image::Keystore keystore(globals.SystemConfig(), globals.LocalConfig());
  std::vector<std::string> keys(invocation.words.begin(), invocation.words.end());
  Status trusted = image::TrustKeys(keystore, keys, options, KeyDialog(STDOUT_FILENO));
  if (!trusted) return Fail(trusted.error());
  return 0;
}

}  // namespace

constinit const CommandSpec kTrustCommand = {
    .name = "trust",
    .synopsis =
        "[--prefix=PREFIX] [--root] [--insecure-allow-http] [--skip-fingerprint-review] "
        "[PUBKEY...]",
    .summary = "Trust keys that sign images",
    .description = R"(Puts public keys into the keystore of this machine, after a look at their
fingerprints. From then on, images that these keys signed are accepted.

A key is an ASCII-armored file or a URL of https (of http only with
--insecure-allow-http). Without any, the keys that the prefix publishes are
looked for.

--prefix=example.com/app trusts a key for images of that name and for those
below it, such as example.com/app/worker; --root trusts it for all images.)",
    .flags = kGroups,
    .run = Run,
};

}  // namespace rkt::cli
