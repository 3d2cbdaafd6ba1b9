// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include <sys/random.h>
#include <sys/stat.h>

#include "base/file.h"
#include "store/state.h"

namespace rkt::store {

Result<Temporary> Temporary::Create(int cas) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    unsigned char bytes[12];
    if (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) return SysErr("getrandom");
    std::string path = StrCat("tmp/", HexEncode(bytes, sizeof bytes));
    if (::mkdirat(cas, path.c_str(), 0700) != 0) {
      if (errno == EEXIST) continue;
      return SysErr("mkdir cas/", path);
    }
    // A collector may take the directory before it is locked: then it is gone, and the next one will do.
    auto lock = Lock::TryDirectory(cas, path, Lock::Kind::kExclusive);
    if (!lock) {
      if (lock.error().code() == Code::kNotFound) continue;
      return std::move(lock).error();
    }
    if (!*lock) continue;
    struct stat st;
    if (::fstat((*lock)->fd(), &st) != 0) return SysErr("stat cas/", path);
    if (st.st_nlink == 0) continue;
    return Temporary(cas, std::move(path), **std::move(lock));
  }
  return Err(Code::kInternal, "cannot make a directory in cas/tmp");
}

Temporary::~Temporary() {
  if (lock_.fd() >= 0) (void)Remove();
}

Status Temporary::Remove() { return RemoveTreeAt(cas_, path_); }

}  // namespace rkt::store
