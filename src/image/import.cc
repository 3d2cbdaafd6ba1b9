// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/import.h"

#include <sys/stat.h>
#include <unistd.h>

#include <climits>

#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "image/signature/verify.h"
#include "store/report.h"

namespace rkt::image {

namespace {

constexpr size_t kMaxReportLine = 64u << 10;

// The signature that belongs to an image file: the one that was named, or FILE.aci.asc beside FILE.aci.
Result<std::string> ReadSignature(const std::string& path, const ImportOptions& options) {
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

Status Approve(SignatureCheck& check, const Keystore& keystore, const std::string& name) {
  auto signer = check.verification.Finish(keystore, name);
  if (!signer) {
    if (IsUnknownSigner(signer.error())) Notice("image", UnknownSignerHint(name));
    return std::move(signer).error();
  }
  Notice("image", VerifiedMessage(*signer));
  return WriteAll(check.approval.get(), "y");
}

// The lines of a report as they come.
class Reader {
 public:
  explicit Reader(int fd) : fd_(fd) {}
  // Empty at the end.
  Result<std::string> Line() {
    for (;;) {
      size_t newline = buffer_.find('\n');
      if (newline != std::string::npos) {
        std::string line = buffer_.substr(0, newline);
        buffer_.erase(0, newline + 1);
        return line;
      }
      if (buffer_.size() > kMaxReportLine) return Err(Code::kInternal, "the fetch program reports nonsense");
      char piece[4096];
      ssize_t n = ::read(fd_, piece, sizeof piece);
      if (n < 0) {
        if (errno == EINTR) continue;
        return SysErr("read from the fetch program");
      }
      if (n == 0) return std::string();
      buffer_.append(piece, static_cast<size_t>(n));
    }
  }

 private:
  int fd_;
  std::string buffer_;
};

Error Nonsense(std::string_view line) {
  return Err(Code::kInternal, "the fetch program reports ", Quote(line.substr(0, 200)));
}

struct Link {
  Code code;
  int err;
  std::string message;
};
// Links come outermost first.
Error Chain(const std::vector<Link>& links) {
  Error error(links.back().code, links.back().err, links.back().message);
  for (size_t i = links.size() - 1; i-- > 0;) error = std::move(error).Wrap(links[i].message);
  return error;
}

Result<ImportResult> ReadReport(int fd, uint64_t size, const ImportOptions& options,
                                std::optional<SignatureCheck>& check) {
  Reader reader(fd);
  std::vector<Link> links;
  bool approved = !check.has_value();
  std::optional<ImportResult> result;
  for (;;) {
    std::string line = TRY(reader.Line());
    if (line.empty()) break;
    std::vector<std::string> words = Split(line, ' ');
    if (words[0] == "progress" && words.size() == 2) {
      if (options.progress) options.progress(ParseUint(words[1]).value_or(0), size);
    } else if (words[0] == "read" && words.size() == 2 && check) {
      auto name = store::UnescapeWord(words[1]);
      if (!name) return Nonsense(line);
      // On an error nobody holds the other end any more, and the fetch program gives up.
      TRY(Approve(*check, options.keystore, *name));
      approved = true;
    } else if (words[0] == "error" && words.size() == 4) {
      auto code = ParseUint(words[1]), err = ParseUint(words[2]);
      auto message = store::UnescapeWord(words[3]);
      if (!code || *code > static_cast<uint64_t>(Code::kNetwork) || !err || !message) return Nonsense(line);
      links.push_back({static_cast<Code>(*code), static_cast<int>(*err), *message});
    } else if (words[0] == "done" && words.size() == 6 && approved) {
      auto name = store::UnescapeWord(words[4]), version = store::UnescapeWord(words[5]);
      if (!name || !version) return Nonsense(line);
      result = ImportResult{words[1], *name, *version, words[3] == "-" ? std::string() : words[3], words[2] == "1"};
    } else {
      return Nonsense(line);
    }
  }
  if (!links.empty()) return Chain(links);
  if (!result) return Err(Code::kInternal, "the fetch program ended without a word");
  return *std::move(result);
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
  spawn.argv = {"fetch", "import", store.data_dir(), path};
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
  auto result = ReadReport(report.get(), static_cast<uint64_t>(st.st_size), options, check);
  check.reset();
  ExitStatus exit = TRY(child.Wait());
  if (!result && exit.signaled) {
    return Err(Code::kInternal, "importing ", path, ": the fetch program was killed by signal ", exit.code);
  }
  return result;
}

}  // namespace rkt::image
