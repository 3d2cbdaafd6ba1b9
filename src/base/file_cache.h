// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// A directory of small results that are dear to compute. A file is named by a hash of what its result was made from and
// holds that, the result and a checksum; it is believed only where all of it fits. Nobody but this process's user may
// have written it: whatever belongs to others, or may be written by them, is as good as missing. Files come by rename,
// so that two writers and a kill leave the old, the new or something that does not fit.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace rkt {

class FileCache {
 public:
  // `path` is relative to `directory`, a descriptor of the caller's. It is made by the first Keep, mode 0700.
  FileCache(int directory, std::string path) : directory_(directory), path_(std::move(path)) {}

  // The result that was kept for exactly this. Says in the file's time, once a day, that it is used.
  std::optional<std::string> Find(std::string_view made_from);
  // Keeps a result, in the place of whatever is there. What cannot be kept is nobody's loss: there are no errors.
  void Keep(std::string_view made_from, std::string_view result);

  // Removes what nobody has used for `seconds`, what is no file of a cache, and the oldest where there are more than
  // `most`. A missing directory is fine.
  static Status Collect(int directory, const std::string& path, int64_t seconds, size_t most);

 private:
  bool Open();

  int directory_;
  std::string path_;
  Fd opened_;
};

}  // namespace rkt
