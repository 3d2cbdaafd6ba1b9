// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "pod/pod.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "base/file.h"
#include "pod/paths.h"

namespace rkt::pod {
namespace {

int64_t Nanoseconds(const struct timespec& time) {
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

std::optional<struct stat> RegularStat(int dir, const char* file) {
  struct stat st;
  if (fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
  if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) return std::nullopt;
  return st;
}

std::optional<int> ParseNumber(std::string_view text) {
  auto number = ParseInt(Trim(text));
  if (!number || *number < INT_MIN || *number > INT_MAX) return std::nullopt;
  return static_cast<int>(*number);
}

}  // namespace

const char* StageDir(Stage stage) {
  static constexpr std::array kNames = {"embryo", "prepare",        "prepared",
                                        "run",    "exited-garbage", "garbage"};
  return kNames[static_cast<size_t>(stage)];
}

const char* StateName(State state) {
  static constexpr std::array kNames = {
      "embryo", "preparing",       "aborted prepare", "prepared", "running",
      "exited", "exited deleting", "exited garbage",  "deleting", "garbage"};
  return kNames[static_cast<size_t>(state)];
}

// The lock says whether somebody works on the pod. Trying a shared one for a moment is how readers
// learn of it; in embryo and prepared it makes no difference, so that those who take the exclusive
// lock there never meet it.
State Pod::ReadState(Stage stage, int dir) {
  if (stage == Stage::kEmbryo) return State::kEmbryo;
  if (stage == Stage::kPrepared) return State::kPrepared;
  bool locked = flock(dir, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  if (!locked) flock(dir, LOCK_UN);
  switch (stage) {
    case Stage::kPrepare:
      return locked ? State::kPreparing : State::kAbortedPrepare;
    case Stage::kRun:
      return locked ? State::kRunning : State::kExited;
    case Stage::kExitedGarbage:
      return locked ? State::kExitedDeleting : State::kExitedGarbage;
    default:
      return locked ? State::kDeleting : State::kGarbage;
  }
}

Status Pod::Refresh() {
  struct stat self, there;
  if (fstat(dir_.get(), &self) != 0) return SysErr("stat ", path_);
  // Pods only move forward, so one pass in order meets it wherever it goes meanwhile.
  for (int i = static_cast<int>(stage_); i <= static_cast<int>(Stage::kGarbage); ++i) {
    Stage stage = static_cast<Stage>(i);
    std::string path = StrCat(PodsDir(data_dir_), "/", StageDir(stage), "/", uuid_);
    if (lstat(path.c_str(), &there) != 0) continue;
    if (there.st_ino != self.st_ino || there.st_dev != self.st_dev) continue;
    stage_ = stage;
    path_ = std::move(path);
    state_ = ReadState(stage, dir_.get());
    return {};
  }
  return Err(Code::kNotFound, "pod ", Quote(uuid_), " not found");
}

bool Pod::HasMoved() const {
  struct stat self, there;
  if (fstat(dir_.get(), &self) != 0 || lstat(path_.c_str(), &there) != 0) return true;
  return there.st_ino != self.st_ino || there.st_dev != self.st_dev;
}

Result<std::string> Pod::ReadFile(const std::string& file, size_t limit) const {
  // A plain name cannot lead anywhere; a longer path is resolved beneath the pod.
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
  auto fd = file.find('/') == std::string::npos ? OpenAt(dir_.get(), file, kFlags)
                                                : OpenInRoot(dir_.get(), file, kFlags);
  if (!fd) {
    if (fd.error().err() == ELOOP) {
      return Err(Code::kCorrupt, path_, "/", file, " is a symbolic link");
    }
    return std::move(fd).error();
  }
  // The common case in one read: what fills only a part of the buffer is all there is. Nothing but a file gives that, or a
  // pipe that somebody put in its place, which does no harm.
  char buffer[4096];
  ssize_t n = read(fd->get(), buffer, sizeof buffer);
  if (n > 0 && static_cast<size_t>(n) < sizeof buffer && static_cast<size_t>(n) <= limit) {
    return std::string(buffer, static_cast<size_t>(n));
  }
  struct stat st;
  if (fstat(fd->get(), &st) != 0) return SysErr("stat ", path_, "/", file);
  if (!S_ISREG(st.st_mode)) return Err(Code::kCorrupt, path_, "/", file, " is not a regular file");
  if (static_cast<size_t>(st.st_size) > limit) {
    return Err(Code::kInvalid, path_, "/", file, " is larger than ", limit, " bytes");
  }
  if (lseek(fd->get(), 0, SEEK_SET) != 0) return SysErr("reading ", path_, "/", file);
  return TRY_CTX(ReadFd(fd->get(), limit), "reading ", path_, "/", file);
}

Result<std::string> Pod::ReadManifestBytes() const { return ReadFile(kManifestFile); }

std::optional<int64_t> Pod::ModifiedNs(const char* file) const {
  auto st = RegularStat(dir_.get(), file);
  if (!st) return std::nullopt;
  return Nanoseconds(st->st_mtim);
}

std::optional<int64_t> Pod::ChangedNs(const char* file) const {
  auto st = RegularStat(dir_.get(), file);
  if (!st) return std::nullopt;
  return Nanoseconds(st->st_ctim);
}

std::optional<int64_t> Pod::created_ns() const {
  if (stage_ <= Stage::kPrepare) return std::nullopt;
  return ModifiedNs(kCreatedFile);
}

std::optional<int64_t> Pod::started_ns() const {
  if (stage_ <= Stage::kPrepared) return std::nullopt;
  // Mostly only one of the two is there; our flavors write pid, so it is tried first.
  if (auto time = ModifiedNs(kPidFile)) return time;
  return ModifiedNs(kPpidFile);
}

std::optional<int> Pod::RecordedPid() const {
  auto text = ReadFile(kPidFile, 64);
  if (!text) return std::nullopt;
  return ParseNumber(*text);
}

Result<std::string> Pod::Stage1TreeId() const {
  std::string id(Trim(TRY(ReadFile(kStage1TreeFile, 4096))));
  // It becomes part of paths.
  if (id.empty() || id.find('/') != std::string::npos || id[0] == '.') {
    return Err(Code::kCorrupt, path_, "/", kStage1TreeFile, " holds no tree store ID");
  }
  return id;
}

bool Pod::UsesOverlay() const { return faccessat(dir_.get(), kOverlayMarker, F_OK, 0) == 0; }

Result<std::string> Pod::Stage1WritableDir() const {
  if (!UsesOverlay()) return std::string(kStage1Rootfs);
  return OverlayUpper(TRY(Stage1TreeId()));
}

std::optional<int> Pod::AppExitCode(const std::string& app) const {
  auto dir = Stage1WritableDir();
  if (!dir) return std::nullopt;
  return AppExitCode(*dir, app);
}

std::optional<int> Pod::AppExitCode(const std::string& stage1_dir, const std::string& app) const {
  auto text = ReadFile(StrCat(stage1_dir, "/", AppStatusFile(app)), 64);
  if (!text) return std::nullopt;
  return ParseNumber(*text);
}

bool Pod::IsReady() const {
  auto dir = Stage1WritableDir();
  if (!dir) return false;
  char target[8];
  ssize_t size =
      readlinkat(dir_.get(), StrCat(*dir, "/", kSupervisorStatus).c_str(), target, sizeof target);
  return size == 5 && std::string_view(target, 5) == "ready";
}

}  // namespace rkt::pod
