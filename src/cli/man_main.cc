// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt-man DIR: writes the man pages into a directory. Used by the build only.

#include <fcntl.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/man.h"

int main(int argc, char** argv) {
  rkt::SetLogName("rkt-man");
  if (argc != 2) {
    rkt::Notice("", "usage: rkt-man DIRECTORY");
    return 2;
  }
  std::string directory = argv[1];
  rkt::Status status = rkt::MakeDirs(directory, 0755);
  for (const auto& path : rkt::cli::ManPages()) {
    if (!status) break;
    status =
        rkt::WriteFileAtomicAt(AT_FDCWD, rkt::StrCat(directory, "/", rkt::cli::ManPageName(path)),
                               rkt::cli::ManPage(path), 0644);
  }
  if (status) return 0;
  rkt::PrintError("", status.error());
  return 1;
}
