// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// A file that is there whole or not at all: it has no name until Commit, so that whoever is killed before leaves nothing.
// A device or pipe ("/dev/stdout") is written to as it is, and stays.

#include <sys/stat.h>

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace rkt::image {

class OutputFile {
 public:
  // kExists where there is one already and `overwrite` is false: output file FILE exists (try --overwrite). A directory,
  // a link to a file and a socket are not replaced.
  static Result<OutputFile> Create(const std::string& path, bool overwrite);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  int fd() const { return file_.get(); }
  // Mode, and as far as that is permitted the owner, of the file whose place it takes. For new files only.
  void TakeAttributes(const struct stat& old);
  // Gives it its name. What it replaces is there until then; that one's successor is on disk before.
  Status Commit();

 private:
  OutputFile(std::string path, bool overwrite) : path_(std::move(path)), overwrite_(overwrite) {}
  std::string path_;
  bool overwrite_;
  Fd directory_;
  std::string name_;       // in the directory
  std::string temporary_;  // the name it has meanwhile, where the file system knows no files without one
  bool in_place_ = false;  // no file of ours: a device or pipe
  Fd file_;
};

}  // namespace rkt::image
