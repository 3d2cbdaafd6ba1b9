// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/import.h"

#include <sys/stat.h>
#include <unistd.h>

#include <climits>

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "image/report_reader.h"
#include "image/signature/verify.h"
#include "store/report.h"

namespace rkt::image {

namespace {

// The signature that belongs to an image file: the one that was named, or FILE.aci.asc beside FILE.aci.
Result<std::string> ReadSignature(const std::string& path, const ImportOptions& options) {
  if (options.signature_bytes) return *options.signature_bytes;
  const bool named = !options.signature.empty();
  const std::string signature = named ? options.signature : SignatureLocation(path);
  // One that was named may be a pipe; one that lies there must not keep us waiting.
  auto file = Open(signature, named ? O_RDONLY : O_RDONLY | O_NONBLOCK);
  if (!file) return std::move(file).error().Wrap("error opening signature file");
  return TRY_CTX(ReadFd(file->get(), kMaxSignatureSize), "error reading signature file ", Quote(signature));
}

// The check of a signature beside the import: the verifier gets the bytes that the fetch program reads.
struct SignatureCheck {
  Verification verification;
  Fd approval;  // writing a byte allows the fetch program to go on
};

Status Approve(SignatureCheck& check, const ImportOptions& options, const std::string& name,
               const std::vector<appc::Label>& labels) {
  auto signer = check.verification.Finish(options.keystore, name);
  if (!signer) {
    if (IsUnknownSigner(signer.error())) Notice("image", UnknownSignerHint(name));
    return std::move(signer).error();
  }
  Notice("image", VerifiedMessage(*signer));
  if (options.check) TRY(options.check(name, labels));
  return WriteAll(check.approval.get(), "y");
}

}  // namespace

Result<std::string> FindFetchProgram() {
  char executable[PATH_MAX];
  ssize_t n = ::readlink("/proc/self/exe", executable, sizeof executable);
  if (n <= 0) return SysErr("readlink /proc/self/exe");
  std::string directory(executable, static_cast<size_t>(n));
  directory.resize(directory.rfind('/'));
  std::string installed = StrCat(directory, "/../libexec/rkt/fetch");
  for (const std::string& candidate : {installed, StrCat(directory, "/fetch")}) {
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return Err(Code::kNotFound, "the program that imports images is missing: ", installed);
}

Result<ImportResult> ImportFile(store::Store& store, const std::string& path, const ImportOptions& options) {
  // No FIFO or device keeps us waiting.
  Fd file = TRY(Open(path, O_RDONLY | O_NONBLOCK));
  struct stat st;
  if (::fstat(file.get(), &st) != 0) return SysErr("stat ", path);
  if (!S_ISREG(st.st_mode)) return Err(Code::kInvalid, path, " is not a regular file");
  std::optional<SignatureCheck> check;
  Fd approval;
  if (!options.insecure) {
    Verification verification = TRY(Verification::Start(TRY(ReadSignature(path, options))));
    auto [read_end, write_end] = TRY(MakePipe());
    approval = std::move(read_end);
    check.emplace(SignatureCheck{std::move(verification), std::move(write_end)});
  }

  auto [report, report_end] = TRY(MakePipe());
  SpawnOptions spawn;
  spawn.program = TRY(FindFetchProgram());
  const std::string& shown = options.shown_as.empty() ? path : options.shown_as;
  spawn.argv = {"fetch", "import", store.data_dir(), shown};
  if (!options.render) spawn.argv.push_back("--no-render");
  if (options.latest) spawn.argv.push_back("--latest");
  spawn.fds = {{file.get(), store::kFileFd}, {report_end.get(), store::kReportFd}};
  if (check) {
    spawn.argv.push_back("--verify");
    spawn.fds.emplace_back(check->verification.data(), store::kCopyFd);
    spawn.fds.emplace_back(approval.get(), store::kApprovalFd);
  }
  Child child = TRY(Child::Spawn(spawn));
  report_end.Close();
  approval.Close();
  if (check) check->verification.CloseData();
  bool approved = !check.has_value(), refused = false;
  auto result = ReadReport(report.get(), [&](const std::vector<std::string>& words) -> Result<bool> {
    if (words[0] == "progress" && words.size() == 2) {
      if (options.progress) options.progress(ParseUint(words[1]).value_or(0), static_cast<uint64_t>(st.st_size));
      return true;
    }
    if (words[0] != "read" || words.size() % 2 != 0 || approved) return false;
    auto name = store::UnescapeWord(words[1]);
    if (!name) return false;
    std::vector<appc::Label> labels;
    for (size_t i = 2; i < words.size(); i += 2) {
      auto label = store::UnescapeWord(words[i]), value = store::UnescapeWord(words[i + 1]);
      if (!label || !value) return false;
      labels.push_back({*label, *value});
    }
    // On an error nobody holds the other end any more, and the fetch program gives up.
    refused = true;
    TRY(Approve(*check, options, *name, labels));
    refused = false;
    approved = true;
    return true;
  });
  if (result && !approved) result = Err(Code::kInternal, "the fetch program did not ask whether the image is good");
  check.reset();
  ExitStatus exit = TRY(child.Wait());
  if (!result && exit.signaled) {
    return Err(Code::kInternal, "importing ", shown, ": the fetch program was killed by signal ", exit.code);
  }
  if (!result && !refused && result.error().Innermost().message().find(shown) == std::string::npos) {
    // What is wrong in it says the program, and the caller may have asked for several images.
    return Err(result.error().code(), shown, ": ", result.error().Innermost().message());
  }
  return result;
}

}  // namespace rkt::image
