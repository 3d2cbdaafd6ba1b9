// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/import.h"

#include <sys/stat.h>
#include <unistd.h>

#include <climits>

#include "base/file.h"
#include "base/process.h"
#include "store/report.h"

namespace rkt::image {

namespace {

constexpr size_t kMaxReportLine = 64u << 10;

// FILE.aci has its signature in FILE.aci.asc.
Status CheckSignature(const std::string& path, const ImportOptions& options) {
  if (options.insecure) return {};
  std::string signature = options.signature.empty() ? path + ".asc" : options.signature;
  auto file = Open(signature, O_RDONLY | O_NONBLOCK);
  if (!file) return std::move(file).error().Wrap("error opening signature file");
  // Better no image than one that only looks checked.
  return Err(Code::kUnsupported, "verification of signatures is not supported by this version: ", signature,
             " was not checked (try --insecure-options=image)");
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

Result<ImportResult> ReadReport(int fd, uint64_t size, const ImportOptions& options) {
  Reader reader(fd);
  std::vector<Link> links;
  std::optional<ImportResult> result;
  for (;;) {
    std::string line = TRY(reader.Line());
    if (line.empty()) break;
    std::vector<std::string> words = Split(line, ' ');
    if (words[0] == "progress" && words.size() == 2) {
      if (options.progress) options.progress(ParseUint(words[1]).value_or(0), size);
    } else if (words[0] == "error" && words.size() == 4) {
      auto code = ParseUint(words[1]), err = ParseUint(words[2]);
      auto message = store::UnescapeWord(words[3]);
      if (!code || *code > static_cast<uint64_t>(Code::kNetwork) || !err || !message) return Nonsense(line);
      links.push_back({static_cast<Code>(*code), static_cast<int>(*err), *message});
    } else if (words[0] == "done" && words.size() == 6) {
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
  TRY(CheckSignature(path, options));

  auto [report, report_end] = TRY(MakePipe());
  SpawnOptions spawn;
  spawn.program = TRY(FindFetchProgram());
  spawn.argv = {"fetch", "import", store.data_dir(), path};
  if (!options.render) spawn.argv.push_back("--no-render");
  if (options.latest) spawn.argv.push_back("--latest");
  spawn.fds = {{file.get(), store::kFileFd}, {report_end.get(), store::kReportFd}};
  Child child = TRY(Child::Spawn(spawn));
  report_end.Close();
  auto result = ReadReport(report.get(), static_cast<uint64_t>(st.st_size), options);
  ExitStatus exit = TRY(child.Wait());
  if (!result && exit.signaled) {
    return Err(Code::kInternal, "importing ", path, ": the fetch program was killed by signal ", exit.code);
  }
  return result;
}

}  // namespace rkt::image
