// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/signature/verify.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <optional>

#include "base/file.h"

namespace rkt::image {

namespace {

constexpr size_t kMaxAnswer = 1u << 20;

// The conversation with libexec/rkt/openpgp, whose main.cc describes it: requests of a line and
// bytes, answers of lines, on one socket.
struct Conversation {
  Child child;
  Fd socket;
};

Status Send(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    // MSG_NOSIGNAL: a helper that died is an error here and no signal.
    ssize_t n = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      return SysErr("talking to the OpenPGP helper");
    }
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

// The next line without its newline, nothing at the end of the stream. Bytewise: answers are short,
// and nothing behind the line may be taken from the socket.
Result<std::optional<std::string>> ReadLine(int socket) {
  std::string line;
  char c;
  for (;;) {
    ssize_t n = ::read(socket, &c, 1);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != ECONNRESET) return SysErr("listening to the OpenPGP helper");
      n = 0;
    }
    if (n == 0) return std::optional<std::string>();
    if (c == '\n') return std::optional<std::string>(std::move(line));
    if (line.size() == kMaxAnswer) return Err(Code::kInternal, "the OpenPGP helper talks too much");
    line += c;
  }
}

Code CodeOfWord(std::string_view word) {
  if (word == "unknown") return Code::kNotFound;
  if (word == "invalid") return Code::kInvalid;
  if (word == "corrupt") return Code::kCorrupt;
  if (word == "refused") return Code::kPermission;
  return Code::kInternal;
}

struct Answer {
  std::string word;
  std::string text;
};

// The next line of the helper. Its errors become this function's.
Result<Answer> ReadAnswer(int socket) {
  std::optional<std::string> line = TRY(ReadLine(socket));
  if (!line) return Err(Code::kInternal, "the OpenPGP helper ended without an answer");
  size_t space = std::min(line->find(' '), line->size());
  Answer answer{line->substr(0, space), line->substr(std::min(space + 1, line->size()))};
  if (answer.word != "error") return answer;
  space = std::min(answer.text.find(' '), answer.text.size());
  return Err(CodeOfWord(answer.text.substr(0, space)),
             answer.text.substr(std::min(space + 1, answer.text.size())));
}

// `data` becomes the helper's descriptor 3 where there is any.
Result<Conversation> StartHelper(const char* task, int data) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return SysErr("socketpair");
  Fd ours(ends[0]);
  Fd theirs(ends[1]);
  SpawnOptions options;
  options.program = TRY(FindOpenpgpProgram());
  options.argv = {"openpgp", task};
  options.env.emplace();  // nothing there that could steer it
  options.directory = "/";
  options.fds = {{theirs.get(), 0}};
  if (data >= 0) options.fds.emplace_back(data, 3);
  Child child = TRY_CTX(Child::Spawn(options), "starting the OpenPGP helper");
  return Conversation{std::move(child), std::move(ours)};
}

Result<std::string> DirectoryOfExecutable() {
  char path[PATH_MAX];
  ssize_t n = ::readlink("/proc/self/exe", path, sizeof path);
  if (n < 0) return SysErr("readlink /proc/self/exe");
  std::string text(path, static_cast<size_t>(n));
  return text.substr(0, text.rfind('/'));
}

}  // namespace

Result<std::string> FindOpenpgpProgram() {
  std::string directory = TRY(DirectoryOfExecutable());
  for (const char* place : {"/../libexec/rkt/openpgp", "/openpgp"}) {
    std::string path = directory + place;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return Err(Code::kNotFound, "cannot find libexec/rkt/openpgp, which verifies signatures, near ",
             directory);
}

Result<Verification> Verification::Start(std::string_view signature) {
  auto [read_end, write_end] = TRY(MakePipe());
  Verification verification = TRY(StartOn(signature, read_end.get()));
  verification.data_ = std::move(write_end);
  return verification;
}

Result<Verification> Verification::StartOn(std::string_view signature, int data) {
  if (signature.size() > kMaxSignatureSize) {
    return Err(Code::kInvalid, "openpgp: signature is too large");
  }
  auto [child, socket] = TRY(StartHelper("verify", data));
  TRY(Send(socket.get(), StrCat("signature ", signature.size(), "\n")));
  TRY(Send(socket.get(), signature));
  Answer answer = TRY(ReadAnswer(socket.get()));
  if (answer.word != "ready") return Err(Code::kInternal, "the OpenPGP helper is not ready");
  return Verification(std::move(child), std::move(socket), Fd());
}

Result<Signer> Verification::Finish(const std::vector<TrustedKey>& keys) {
  data_.Close();
  for (const TrustedKey& key : keys) {
    std::string armored = TRY_CTX(ReadKeyFile(key.path), "error reading the keystore");
    Status sent = Send(
        socket_.get(),
        StrCat("key ", key.fingerprint, key.sha1_allowed ? " sha1 " : " - ", armored.size(), "\n"));
    if (sent) sent = Send(socket_.get(), armored);
    // It answered already and has gone: the answer says more than the broken pipe.
    if (!sent) break;
  }
  (void)Send(socket_.get(), "end\n");
  Signer signer;
  for (;;) {
    Answer answer = TRY(ReadAnswer(socket_.get()));
    if (answer.word == "ok") break;
    if (answer.word == "signer") signer.fingerprint = std::move(answer.text);
    if (answer.word == "identity") signer.identities.push_back(std::move(answer.text));
  }
  ExitStatus exit = TRY(child_.Wait());
  // Whatever the helper says, only these keys were asked for.
  bool trusted = std::any_of(keys.begin(), keys.end(), [&](const TrustedKey& key) {
    return key.fingerprint == signer.fingerprint;
  });
  if (!exit.ok() || !trusted) return Err(Code::kInternal, "the OpenPGP helper failed");
  return signer;
}

Result<Signer> Verification::Finish(const Keystore& keystore, std::string_view image_name) {
  return Finish(TRY_CTX(keystore.KeysFor(image_name), "error reading the keystore"));
}

Result<Signer> VerifyDetached(const Keystore& keystore, std::string_view image_name, int data,
                              std::string_view signature) {
  Verification verification = TRY(Verification::StartOn(signature, data));
  return verification.Finish(keystore, image_name);
}

std::string VerifiedMessage(const Signer& signer) {
  std::string text = "signature verified:";
  for (const std::string& identity : signer.identities) text += StrCat("\n  ", identity);
  return text;
}

bool IsUnknownSigner(const Error& error) {
  const Error& innermost = error.Innermost();
  return innermost.code() == Code::kNotFound && innermost.err() == 0 &&
         innermost.message().starts_with("openpgp: ");
}

std::string UnknownSignerHint(std::string_view image_name) {
  return StrCat("no key that is trusted for ", Quote(image_name),
                " made this signature. If you know the key, trust it first:\n  rkt trust --prefix=",
                Quote(image_name), " PUBKEY");
}

std::string SignatureLocation(std::string_view image) {
  size_t end = image.size();
  if (image.find("://") != std::string_view::npos) end = std::min(image.find_first_of("?#"), end);
  std::string_view path = image.substr(0, end);
  std::string_view rest = image.substr(end);
  if (path.ends_with(".aci")) path.remove_suffix(4);
  return StrCat(path, ".aci.asc", rest);
}

Result<KeyInfo> ReadKey(std::string_view armored) {
  if (armored.size() > kMaxKeySize) return Err(Code::kInvalid, "the key is too large");
  auto [child, socket] = TRY(StartHelper("inspect", -1));
  TRY(Send(socket.get(), StrCat("key ", armored.size(), "\n")));
  (void)Send(socket.get(), armored);
  KeyInfo info;
  for (;;) {
    Answer answer = TRY(ReadAnswer(socket.get()));
    if (answer.word == "ok") break;
    if (answer.word == "fingerprint") info.fingerprint = std::move(answer.text);
    if (answer.word == "identity") info.identities.push_back(std::move(answer.text));
    if (answer.word == "subkey") info.subkeys.push_back(std::move(answer.text));
    if (answer.word == "problem") info.problem = std::move(answer.text);
    if (answer.word == "more") info.more_keys = static_cast<int>(ParseInt(answer.text).value_or(0));
  }
  ExitStatus exit = TRY(child.Wait());
  bool plausible = info.fingerprint.size() == 40 &&
                   info.fingerprint.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!exit.ok() || !plausible) return Err(Code::kInternal, "the OpenPGP helper failed");
  return info;
}

std::string GroupedFingerprint(std::string_view fingerprint) {
  std::string text;
  for (size_t i = 0; i < fingerprint.size(); i += 4) {
    if (i > 0) text += i == fingerprint.size() / 2 ? "  " : " ";
    text += ToUpper(fingerprint.substr(i, 4));
  }
  return text;
}

}  // namespace rkt::image
