// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// For tests: keys and signatures made by Debian's gpg in a home directory of their own, at any
// date. Also gpgv, as a second opinion.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "base/process.h"

namespace rkt {

class TestGpg {
 public:
  TestGpg() {
    char path[] = "/tmp/rkt-gpg-XXXXXX";  // short: a socket lies in it
    if (::mkdtemp(path) != nullptr) home_ = path;
  }
  ~TestGpg() {
    Run("gpgconf --kill all");
    (void)RemoveTreeAt(AT_FDCWD, home_);
  }
  TestGpg(const TestGpg&) = delete;

  const std::string& home() const { return home_; }
  std::string Path(const std::string& name) const { return StrCat(home_, "/", name); }

  // A shell command in the home directory. What it printed goes to the file "out" there.
  bool Run(const std::string& command) const {
    SpawnOptions options;
    options.program = "/bin/sh";
    options.argv = {"sh", "-c", StrCat("exec >out 2>err </dev/null\n", command)};
    options.env = std::vector<std::string>{"PATH=/usr/bin:/bin", StrCat("GNUPGHOME=", home_)};
    options.directory = home_;
    auto status = RunProgram(options);
    return status && status->ok();
  }
  std::string Text(const std::string& name) const { return ReadFile(Path(name)).value_or(""); }
  void Write(const std::string& name, std::string_view text) const {
    EXPECT_TRUE(WriteFileAt(AT_FDCWD, Path(name), text, 0644, /*overwrite=*/true));
  }
  // gpg with these arguments, which must work. `at` is the date it believes in: 20200101T000000.
  void Gpg(const std::string& arguments, const std::string& at = "") const {
    std::string time = at.empty() ? "" : StrCat("--faked-system-time ", at, "! ");
    EXPECT_TRUE(
        Run(StrCat("gpg --batch --yes --no-tty --quiet --passphrase '' --pinentry-mode loopback ",
                   time, arguments)))
        << arguments << "\n"
        << Text("err");
  }
  // A new key that can sign; gives its fingerprint in lower case.
  std::string MakeKey(const std::string& identity, const std::string& at = "",
                      const std::string& expires = "0", const std::string& options = "",
                      const std::string& algorithm = "ed25519") const {
    Gpg(StrCat(options, " --quick-generate-key '", identity, "' ", algorithm, " sign ", expires),
        at);
    Gpg(StrCat("--with-colons --list-keys '=", identity, "'"));
    std::string fingerprint;
    for (const std::string& line : Split(Text("out"), '\n')) {
      std::vector<std::string> fields = Split(line, ':');
      if (fields[0] == "fpr" && fingerprint.empty()) fingerprint = ToLower(fields[9]);
    }
    EXPECT_EQ(fingerprint.size(), 40u) << Text("out");
    return fingerprint;
  }
  // The fingerprint of the newest subkey.
  std::string LastSubkey(const std::string& key) const {
    Gpg(StrCat("--with-colons --list-keys ", key));
    std::string fingerprint;
    for (const std::string& line : Split(Text("out"), '\n')) {
      std::vector<std::string> fields = Split(line, ':');
      if (fields[0] == "fpr") fingerprint = ToLower(fields[9]);
    }
    return fingerprint;
  }
  std::string Export(const std::string& key) const {
    Gpg(StrCat("--armor --export ", key));
    return Text("out");
  }
  // A detached signature over the file `name`, armored unless `options` say otherwise.
  std::string Sign(const std::string& key, const std::string& name, const std::string& at = "",
                   const std::string& options = "--armor") const {
    Gpg(StrCat(options, " -u ", key, " --output - --detach-sign ", name), at);
    return Text("out");
  }
  // Makes the key known as revoked, by the certificate that gpg laid by when it made the key.
  void Revoke(const std::string& key) const {
    EXPECT_TRUE(
        Run(StrCat("sed 's/^:-----/-----/' openpgp-revocs.d/", ToUpper(key), ".rev > revocation")));
    Gpg("--import revocation");
  }
  // Whether gpgv takes the signature for good, today, by one of the keys.
  bool GpgvAccepts(const std::string& keys, const std::string& signature,
                   const std::string& name) const {
    Write("gpgv.keys", keys);
    Write("gpgv.sig", signature);
    return Run(
        StrCat("gpg --batch --yes --dearmor -o gpgv.ring gpgv.keys && "
               "gpgv --keyring ./gpgv.ring gpgv.sig ",
               name));
  }

 private:
  std::string home_;
};

// What gpg and gpgv are: whether they are there.
inline bool HaveGpg() {
  return ::access("/usr/bin/gpg", X_OK) == 0 && ::access("/usr/bin/gpgv", X_OK) == 0;
}

}  // namespace rkt
