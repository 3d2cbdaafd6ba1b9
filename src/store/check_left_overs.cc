// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// What killed processes left behind, and locks of what is gone.

#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "store/check_run.h"
#include "store/state.h"

namespace rkt::store {

namespace {
constexpr char kLeftBehind[] = "left behind by a process that was killed";
// A file that is being written has a name of this kind for an instant. One younger than this is left alone.
constexpr int64_t kTemporaryAge = 10;
}  // namespace

bool Check::IsAbandoned(const std::string& path) {
  size_t at = path.rfind(".tmp.");
  std::vector<std::string> numbers = Split(path.substr(at + 5), '.');
  auto pid = ParseUint(numbers[0]);
  if (numbers.size() != 2 || !pid || *pid == 0 || *pid > INT32_MAX || !ParseUint(numbers[1])) return false;
  auto st = StatAt(cas_, path);
  if (!st || ::time(nullptr) - st->st_mtim.tv_sec < kTemporaryAge) return false;
  return ::kill(static_cast<pid_t>(*pid), 0) != 0 && errno == ESRCH;
}

Status Check::LeftOvers() {
  for (const DirEntry& entry : TRY(ListDirAt(cas_, "."))) {
    if (entry.name.find(".tmp.") != std::string::npos) temporary_.push_back(entry.name);
  }
  for (const std::string& path : temporary_) {
    if (!IsAbandoned(path)) continue;
    Heal(Kind::kLeftOver, path, kLeftBehind, "removed", [&] { return UnlinkAt(cas_, path); });
  }
  for (const DirEntry& entry : ListDirAt(cas_, "tmp").value_or({})) {
    if (entry.name.starts_with(kKeyPrefix)) continue;  // a download, which the next fetch goes on from
    std::string path = StrCat("tmp/", entry.name);
    auto file = OpenAt(cas_, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!file && file.error().err() != ELOOP) continue;
    {
      if (file && !TRY(Lock::TryFd(*std::move(file), Lock::Kind::kExclusive))) continue;
    }
    Heal(Kind::kLeftOver, path, kLeftBehind, "removed", [&] { return store_.CollectTemporary(); });
  }
  return {};
}

Status Check::CleanUp() {
  // A list of layers that cannot be read may need any of them: then the next collection does it.
  (void)store_.CollectOrphans();
  for (const DirEntry& entry : ListDirAt(cas_, "imagelocks").value_or({})) {
    if (!IsKey(entry.name)) continue;
    RemoveLock(ImageLockPath(entry.name), [&]() -> Result<bool> {
      return !TRY(Row(entry.name)) && !ExistsAt(cas_, BlobPath(entry.name));
    });
  }
  for (const DirEntry& entry : ListDirAt(cas_, "treestorelocks").value_or({})) {
    if (!IsTreeId(entry.name)) continue;
    RemoveLock(TreeLockPath(entry.name), [&]() -> Result<bool> { return !ExistsAt(cas_, TreeDir(entry.name)); });
  }
  return {};
}

// Safe, since Lock::File looks again whether the file it has locked is still the one of that name.
void Check::RemoveLock(const std::string& path, const std::function<Result<bool>()>& stale) {
  auto lock = Lock::TryFile(cas_, path, Lock::Kind::kExclusive);
  if (!lock || !*lock) return;
  if (auto is_stale = stale(); is_stale && *is_stale) (void)UnlinkAt(cas_, path);
}

}  // namespace rkt::store
