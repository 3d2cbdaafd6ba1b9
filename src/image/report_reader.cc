// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/report_reader.h"

#include <unistd.h>

#include <optional>

#include "base/strings.h"
#include "store/report.h"

namespace rkt::image {

namespace {

constexpr size_t kMaxReportLine = 64u << 10;

// The lines as they come.
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

}  // namespace

Result<ImportResult> ReadReport(int fd, const std::function<Result<bool>(const std::vector<std::string>&)>& other) {
  Reader reader(fd);
  std::vector<Link> links;
  std::optional<ImportResult> result;
  for (;;) {
    std::string line = TRY(reader.Line());
    if (line.empty()) break;
    std::vector<std::string> words = Split(line, ' ');
    if (words[0] == "error" && words.size() == 4) {
      auto code = ParseUint(words[1]), err = ParseUint(words[2]);
      auto message = store::UnescapeWord(words[3]);
      if (!code || *code > static_cast<uint64_t>(Code::kNetwork) || !err || !message) return Nonsense(line);
      links.push_back({static_cast<Code>(*code), static_cast<int>(*err), *message});
    } else if (words[0] == "done" && words.size() == 6) {
      auto name = store::UnescapeWord(words[4]), version = store::UnescapeWord(words[5]);
      if (!name || !version) return Nonsense(line);
      result = ImportResult{words[1], *name, *version, words[3] == "-" ? std::string() : words[3], words[2] == "1"};
    } else if (!TRY(other(words))) {
      return Nonsense(line);
    }
  }
  if (!links.empty()) return Chain(links);
  if (!result) return Err(Code::kInternal, "the fetch program ended without a word");
  return *std::move(result);
}

}  // namespace rkt::image
