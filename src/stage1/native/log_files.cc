// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/log_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "base/file.h"
#include "base/strings.h"

namespace rkt::native {

namespace {

constexpr uint64_t kSmallest = 4096;
constexpr int kMostFiles = 1000;

// Renames from the oldest on: killed in between, there is a number less, and nothing is there twice or lost.
Status Rotate(int directory, const std::string& app, int file, int max_files) {
  if (max_files == 1) {
    if (::ftruncate(file, 0) != 0) return SysErr("emptying the log");
    return {};
  }
  for (int number = max_files - 1; number >= 1; --number) {
    std::string from = number == 1 ? app : StrCat(app, ".", number - 1);
    Status renamed = RenameAt(directory, from, directory, StrCat(app, ".", number));
    if (!renamed && renamed.error().code() != Code::kNotFound) return renamed;
  }
  Fd fresh = TRY(OpenAt(directory, app, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW, 0640));
  if (::dup3(fresh.get(), file, O_CLOEXEC) < 0) return SysErr("dup3");
  return {};
}

// So many bytes of whole lines go into so much room. 0: not even one line.
size_t WholeLines(std::string_view lines, uint64_t room) {
  if (lines.size() <= room) return lines.size();
  if (room == 0) return 0;
  size_t end = lines.rfind('\n', static_cast<size_t>(room) - 1);
  return end == std::string_view::npos ? 0 : end + 1;
}

}  // namespace

Result<LogSettings> ParseLogSettings(const char* text) {
  LogSettings settings;
  if (text == nullptr) return settings;
  auto fields = Split(text, ':');
  if (fields.size() == 3) {
    auto size = fields[0].empty() ? std::optional(settings.limits.max_size) : ParseUint(fields[0]);
    auto files = fields[1].empty() ? std::optional<int64_t>(settings.limits.max_files) : ParseInt(fields[1]);
    if (size && *size >= kSmallest && files && *files >= 1 && *files <= kMostFiles &&
        (fields[2].empty() || fields[2] == "0" || fields[2] == "1")) {
      settings.limits = {*size, static_cast<int>(*files)};
      settings.journal = fields[2] != "0";
      return settings;
    }
  }
  return Err(Code::kInvalid, kLogVariable, ": ", Quote(text), " is not SIZE:FILES:JOURNAL");
}

Status AppendToLog(int directory, const std::string& app, int file, const LogLimits& limits, std::string_view lines) {
  while (!lines.empty()) {
    struct stat st;
    if (::fstat(file, &st) != 0) return SysErr("stat of the log");
    auto size = static_cast<uint64_t>(st.st_size);
    size_t piece = WholeLines(lines, limits.max_size > size ? limits.max_size - size : 0);
    if (piece == 0 && size > 0) {
      TRY(Rotate(directory, app, file, limits.max_files));
      continue;
    }
    // A line that is longer than a file has one to itself.
    if (piece == 0) piece = std::min(lines.find('\n'), lines.size() - 1) + 1;
    if (Status written = WriteAll(file, lines.substr(0, piece)); !written) {
      // What is half written would run into the next line.
      (void)!::ftruncate(file, st.st_size);
      return written;
    }
    lines.remove_prefix(piece);
  }
  return {};
}

}  // namespace rkt::native
