// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/make/sign.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "image/make/output_file.h"

namespace rkt::image {

namespace {

constexpr char kGpg[] = "gpg";
constexpr size_t kMaxStatus = 64u << 10;

Result<std::string> FindGpg() {
  const char* path = ::getenv("PATH");
  for (const std::string& directory : Split(path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin", ':')) {
    std::string candidate = StrCat(directory.empty() ? "." : directory, "/", kGpg);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return Err(Code::kNotFound, "gpg is not installed (it makes the signatures; Debian's package is called gpg)");
}

// A file in memory, to be read again.
Result<Fd> MemoryFile(const char* name) {
  Fd file(::memfd_create(name, MFD_CLOEXEC));
  if (!file) return SysErr("memfd_create");
  return file;
}
Result<std::string> Content(const Fd& file, size_t limit) {
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return SysErr("lseek");
  return ReadFd(file.get(), limit);
}

Status RunGpg(const std::string& gpg, std::vector<std::string> arguments, std::vector<std::pair<int, int>> fds,
              const char* what) {
  SpawnOptions spawn;
  spawn.program = gpg;
  spawn.argv = std::move(arguments);
  spawn.argv.insert(spawn.argv.begin(), kGpg);
  spawn.fds = std::move(fds);
  ExitStatus exit = TRY(RunProgram(spawn));
  if (exit.signaled) return Err(Code::kInternal, "gpg was killed by signal ", exit.code);
  if (!exit.ok()) return Err(Code::kInternal, "gpg could not ", what, " (exit status ", exit.code, ")");
  return {};
}

// "[GNUPG:] SIG_CREATED TYPE PUBKEY-ALGORITHM HASH CLASS TIME FINGERPRINT"
Result<std::string> FingerprintOf(std::string_view status) {
  for (const std::string& line : Split(status, '\n')) {
    std::vector<std::string> words = Split(line, ' ');
    if (words.size() >= 8 && words[1] == "SIG_CREATED") return words[7];
  }
  return Err(Code::kInternal, "gpg did not say that it made a signature");
}

}  // namespace

Result<SignedImage> SignImage(const std::string& image, const SignOptions& options) {
  Fd file = TRY(Open(image, O_RDONLY | O_NONBLOCK));
  struct stat st;
  if (::fstat(file.get(), &st) != 0) return SysErr("stat ", image);
  if (!S_ISREG(st.st_mode)) return Err(Code::kInvalid, image, " is not a regular file");
  SignedImage made;
  made.signature = options.signature.empty() ? SignatureLocation(image) : options.signature;
  OutputFile output = TRY(OutputFile::Create(made.signature, options.overwrite));
  std::string gpg = TRY(FindGpg());

  constexpr int kStatusFd = 3;
  Fd status = TRY(MemoryFile("gpg-status"));
  std::vector<std::string> arguments = {"--quiet", "--armor", "--detach-sign", "--status-fd", StrCat(kStatusFd)};
  if (!options.key.empty()) arguments.insert(arguments.end(), {"--local-user", options.key});
  arguments.insert(arguments.end(), {"--output", "-", "-"});
  TRY(RunGpg(gpg, std::move(arguments), {{file.get(), 0}, {output.fd(), 1}, {status.get(), kStatusFd}},
             "sign the image"));
  std::string fingerprint = TRY(FingerprintOf(TRY(Content(status, kMaxStatus))));

  Fd key = TRY(MemoryFile("gpg-key"));
  TRY(RunGpg(gpg, {"--quiet", "--armor", "--export", fingerprint}, {{key.get(), 1}}, "export the public key"));
  // A signature by a subkey: keys are trusted by the fingerprint of the primary one.
  std::string armored = TRY(Content(key, kMaxKeySize));
  KeyInfo info = TRY_CTX(ReadKey(armored), "the public key of the signature");
  if (::lseek(output.fd(), 0, SEEK_SET) != 0 || ::lseek(file.get(), 0, SEEK_SET) != 0) return SysErr("lseek");
  std::string signature = TRY(ReadFd(output.fd(), kMaxSignatureSize));
  TrustedKey trusted{info.fingerprint, StrCat("/proc/self/fd/", key.get())};
  auto verify = [&]() -> Result<Signer> {
    Verification verification = TRY(Verification::StartOn(signature, file.get()));
    return verification.Finish({trusted});
  };
  made.signer = TRY_CTX(verify(), "the signature would not be accepted");
  TRY(output.Commit());
  return made;
}

}  // namespace rkt::image
