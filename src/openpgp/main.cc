// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// libexec/rkt/openpgp: reads keys and verifies detached signatures for rkt, which starts it; never
// run by people. It speaks on descriptor 0, a socket, and may do nothing but that.
//
//   openpgp inspect     asked:    key SIZE<newline> BYTES
//                       answers:  fingerprint FPR, subkey FPR..., identity TEXT...,
//                                 problem TEXT, more NUMBER, ok
//   openpgp verify      asked:    signature SIZE<newline> BYTES
//                       answers:  ready
//                       reads:    the signed data from descriptor 3, to their end
//                       asked:    key FPR sha1|- SIZE<newline> BYTES ..., end
//                       answers:  signer FPR, identity TEXT..., ok
//
// Every answer is a line. In place of any: error unknown|invalid|corrupt|refused|internal TEXT

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <ctime>

#include "base/file.h"
#include "openpgp/keyring.h"
#include "openpgp/packets.h"
#include "openpgp/verify.h"

namespace {

using rkt::Code;
using rkt::Err;
using rkt::Error;
using rkt::Result;
using rkt::Split;
using rkt::Status;
using rkt::StrCat;
using rkt::openpgp::Keyring;

constexpr int kSocket = 0;
constexpr int kData = 3;
constexpr size_t kMaxSize = 4u << 20;  // of a key or signature
constexpr size_t kMaxLine = 256;
constexpr int kMaxKeys = 256;
constexpr uid_t kNobody = 65534;

// What hostile bytes could make of this process: no rights, no files, no children, a bounded
// memory. Best effort where the caller has no rights to give up.
void Confine() {
  // The library talks on standard error about whatever it reads.
  int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    if (null < 0 || ::dup2(null, fd) < 0) ::close(fd);
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::prctl(PR_SET_DUMPABLE, 0);
  auto limit = [](__rlimit_resource what, rlim_t value) {
    struct rlimit both = {value, value};
    ::setrlimit(what, &both);
  };
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_FSIZE, 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  limit(RLIMIT_AS, 1u << 30);
#endif
  if (::geteuid() == 0) {
    // The result does not matter in a user namespace without such an id.
    if (::setgroups(0, nullptr) == 0 && ::setresgid(kNobody, kNobody, kNobody) == 0) {
      if (::setresuid(kNobody, kNobody, kNobody) != 0) return;
    }
    // Changing ids clears it.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  }
}

Result<std::string> ReadRequest() {
  std::string line;
  char c;
  for (;;) {
    ssize_t n = ::read(kSocket, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return rkt::SysErr("reading a request");
    if (n == 0) return Err(Code::kInternal, "the request is missing");
    if (c == '\n') return line;
    if (line.size() == kMaxLine) return Err(Code::kInternal, "the request is too long");
    line += c;
  }
}

Result<std::string> ReadBytes(const std::string& size_text) {
  auto size = rkt::ParseUint(size_text);
  if (!size || *size > kMaxSize) return Err(Code::kInvalid, "too large");
  std::string bytes(*size, '\0');
  size_t have = 0;
  while (have < bytes.size()) {
    ssize_t n = ::read(kSocket, bytes.data() + have, bytes.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return rkt::SysErr("reading a request");
    if (n == 0) return Err(Code::kInternal, "the request ends early");
    have += static_cast<size_t>(n);
  }
  return bytes;
}

void Answer(const std::string& line) { (void)rkt::WriteAll(kSocket, line + "\n"); }

const char* WordOf(Code code) {
  switch (code) {
    case Code::kNotFound:
      return "unknown";
    case Code::kInvalid:
    case Code::kUnsupported:
      return "invalid";
    case Code::kCorrupt:
      return "corrupt";
    case Code::kPermission:
      return "refused";
    default:
      return "internal";
  }
}

Error Prefixed(Error error) { return Err(error.code(), "openpgp: ", error.Text()); }

Status Inspect() {
  std::vector<std::string> words = Split(TRY(ReadRequest()), ' ');
  if (words.size() != 2 || words[0] != "key") return Err(Code::kInternal, "unexpected request");
  const std::string armored = TRY(ReadBytes(words[1]));
  Keyring keyring = TRY(Keyring::Create());
  const Keyring::Added added = TRY(keyring.Add(armored, /*allow_sha1=*/false));
  const auto now = static_cast<uint64_t>(::time(nullptr));
  Answer(StrCat("fingerprint ", added.fingerprint));
  const std::vector<std::string> subkeys = keyring.SigningSubkeys(added.fingerprint);
  for (const std::string& subkey : subkeys) Answer(StrCat("subkey ", subkey));
  for (const std::string& identity : keyring.Identities(added.fingerprint)) {
    Answer(StrCat("identity ", identity));
  }
  // Of use where the primary key or one of its subkeys may sign.
  Status usable = keyring.CheckSigner(added.fingerprint, now);
  if (!usable && keyring.CheckPrimary(added.fingerprint, now)) {
    for (const std::string& subkey : subkeys) {
      Status sub = keyring.CheckSigner(subkey, now);
      if (sub) usable = {};
    }
  }
  if (!usable) Answer(StrCat("problem ", usable.error().Text()));
  if (added.more > 0) Answer(StrCat("more ", added.more));
  return {};
}

// The keys of the requests, up to "end".
Status AddKeys(Keyring& keyring) {
  for (int count = 0;; ++count) {
    std::vector<std::string> words = Split(TRY(ReadRequest()), ' ');
    if (words.size() == 1 && words[0] == "end") return {};
    if (words.size() != 4 || words[0] != "key") return Err(Code::kInternal, "unexpected request");
    if (count == kMaxKeys) return Err(Code::kInvalid, "too many keys are trusted");
    const std::string armored = TRY(ReadBytes(words[3]));
    auto added = keyring.Add(armored, words[2] == "sha1");
    if (!added) {
      return Err(added.error().code(), "trusted key ", words[1], ": ", added.error().Text());
    }
    if (added->fingerprint != words[1]) {
      return Err(Code::kInvalid, "fingerprint mismatch: ", rkt::Quote(words[1]), ":",
                 rkt::Quote(added->fingerprint));
    }
  }
}

Status Verify() {
  std::vector<std::string> words = Split(TRY(ReadRequest()), ' ');
  if (words.size() != 2 || words[0] != "signature")
    return Err(Code::kInternal, "unexpected request");
  auto signatures = rkt::openpgp::AcceptableSignatures(TRY(ReadBytes(words[1])));
  if (!signatures) return Prefixed(std::move(signatures).error());
  Keyring keyring = TRY(Keyring::Create());
  Answer("ready");
  bool adding = false;
  auto signer = rkt::openpgp::VerifyDetached(
      keyring, *signatures, kData, static_cast<uint64_t>(::time(nullptr)), [&]() -> Status {
        adding = true;
        TRY(AddKeys(keyring));
        adding = false;
        return {};
      });
  if (!signer) {
    // What is wrong with the keystore is no word about the signature.
    if (adding) return std::move(signer).error();
    return Prefixed(std::move(signer).error());
  }
  Answer(StrCat("signer ", *signer));
  for (const std::string& identity : keyring.Identities(*signer))
    Answer(StrCat("identity ", identity));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  Confine();
  Status done = Err(Code::kInternal, "usage: openpgp inspect|verify (started by rkt)");
  if (argc == 2 && std::strcmp(argv[1], "inspect") == 0) done = Inspect();
  if (argc == 2 && std::strcmp(argv[1], "verify") == 0) done = Verify();
  if (!done) {
    Answer(StrCat("error ", WordOf(done.error().code()), " ",
                  rkt::ReplaceAll(done.error().Text(), "\n", " ")));
    // What was asked and not read yet would otherwise reset the connection, and the answer be lost
    // with it.
    ::shutdown(kSocket, SHUT_WR);
    char rest[4096];
    while (::read(kSocket, rest, sizeof rest) > 0) {
    }
    return 1;
  }
  Answer("ok");
  return 0;
}
