// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "base/file.h"
#include "base/uuid.h"
#include "pod/paths.h"
#include "pod/pod.h"

namespace rkt::pod {
namespace {

constexpr Stage kAllStages[] = {Stage::kEmbryo, Stage::kPrepare,       Stage::kPrepared,
                                Stage::kRun,    Stage::kExitedGarbage, Stage::kGarbage};
constexpr int kDirFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

// Opens a directory, making it where it is missing; nothing where it is missing and may not be
// made.
Result<Fd> OpenOrMake(int at, const std::string& path) {
  auto fd = OpenAt(at, path, O_RDONLY | O_DIRECTORY);
  if (fd || fd.error().err() != ENOENT) return fd;
  if (mkdirat(at, path.c_str(), 0750) != 0 && errno != EEXIST) {
    if (errno == EACCES || errno == EPERM || errno == EROFS) return Fd();
    return SysErr("mkdir ", path);
  }
  return OpenAt(at, path, O_RDONLY | O_DIRECTORY);
}

std::string BadUuid(const std::string& name) {
  size_t digits = 0;
  for (char c : name) digits += c != '-';
  return StrCat("skipping ", Quote(name), ": ",
                digits == 32 ? "bad UUID" : "bad UUID length != 32");
}

}  // namespace

Result<Pods> Pods::Open(const std::string& data_dir) {
  Pods pods;
  pods.data_dir_ = data_dir;
  auto dir = OpenOrMake(AT_FDCWD, PodsDir(data_dir));
  if (!dir && dir.error().err() == ENOENT) {
    // The data directory itself is missing. Its parents are made as they come.
    auto made = MakeDirs(data_dir, 0755);
    if (!made && made.error().code() != Code::kPermission) return std::move(made).error();
    if (made) dir = OpenOrMake(AT_FDCWD, PodsDir(data_dir));
  }
  if (!dir) {
    if (dir.error().err() == ENOENT) return pods;  // nothing there and nothing to be made: no pods
    return std::move(dir).error();
  }
  pods.dir_ = *std::move(dir);
  if (!pods.dir_) return pods;
  for (Stage stage : kAllStages) {
    pods.stages_[static_cast<int>(stage)] = TRY(OpenOrMake(pods.dir_.get(), StageDir(stage)));
  }
  return pods;
}

Result<Fd*> Pods::StageFd(Stage stage) {
  Fd& fd = stages_[static_cast<int>(stage)];
  if (!fd) {
    return Error(Code::kPermission, EACCES,
                 StrCat("mkdir ", PodsDir(data_dir_), "/", StageDir(stage), ": permission denied"));
  }
  return &fd;
}

Pod Pods::MakePod(Stage stage, const std::string& uuid, Fd dir) const {
  Pod pod;
  pod.data_dir_ = data_dir_;
  pod.uuid_ = uuid;
  pod.path_ = StrCat(data_dir_, "/pods/", StageDir(stage), "/", uuid);
  pod.stage_ = stage;
  pod.dir_ = std::move(dir);
  return pod;
}

Result<Pods::Created> Pods::Create(const std::string& uuid) {
  Fd* embryo = TRY(StageFd(Stage::kEmbryo));
  Fd* prepare = TRY(StageFd(Stage::kPrepare));
  // Between mkdir and flock a collector may take the directory for an abandoned one. Then it is
  // made anew.
  for (int attempt = 0; attempt < 8; ++attempt) {
    if (mkdirat(embryo->get(), uuid.c_str(), 0750) != 0) {
      return SysErr("mkdir ", PodsDir(data_dir_), "/embryo/", uuid);
    }
    auto opened = OpenAt(embryo->get(), uuid, kDirFlags);
    if (!opened) continue;
    Lock lock = TRY(Lock::LockFd(*std::move(opened), Lock::Kind::kExclusive));
    if (renameat(embryo->get(), uuid.c_str(), prepare->get(), uuid.c_str()) != 0) {
      if (errno == ENOENT) continue;
      Error error = SysErr("rename embryo/", uuid, " to prepare");
      unlinkat(embryo->get(), uuid.c_str(), AT_REMOVEDIR);
      return error;
    }
    Pod pod = MakePod(Stage::kPrepare, uuid, TRY(OpenAt(prepare->get(), uuid, kDirFlags)));
    pod.state_ = State::kPreparing;
    return Created{std::move(pod), std::move(lock)};
  }
  return Err(Code::kBusy, "the directory of pod ", uuid, " is removed as soon as it is made");
}

Status Pods::Move(Pod& pod, Stage to) {
  Fd* from_fd = TRY(StageFd(pod.stage_));
  Fd* to_fd = TRY(StageFd(to));
  if (renameat(from_fd->get(), pod.uuid_.c_str(), to_fd->get(), pod.uuid_.c_str()) != 0) {
    return SysErr("moving pod ", pod.uuid_, " from ", StageDir(pod.stage_), " to ", StageDir(to));
  }
  pod.stage_ = to;
  pod.path_ = StrCat(data_dir_, "/pods/", StageDir(to), "/", pod.uuid_);
  pod.state_ = Pod::ReadState(to, pod.fd());
  return {};
}

Status Pods::Forget(const Pod& pod) {
  Fd* fd = TRY(StageFd(pod.stage_));
  return RemoveTreeAt(fd->get(), pod.uuid_);
}

Result<Pod> Pods::Get(const std::string& uuid) {
  if (!IsUuid(uuid)) return Err(Code::kInvalid, Quote(uuid), " is no UUID");
  for (Stage stage : kAllStages) {
    const Fd& fd = stages_[static_cast<int>(stage)];
    if (!fd) continue;
    auto dir = OpenAt(fd.get(), uuid, kDirFlags);
    if (!dir) {
      if (dir.error().err() == ENOENT) continue;
      return std::move(dir).error();
    }
    Pod pod = MakePod(stage, uuid, *std::move(dir));
    pod.state_ = Pod::ReadState(stage, pod.fd());
    return pod;
  }
  return Err(Code::kNotFound, "pod ", Quote(uuid), " not found");
}

Result<std::string> Pods::ResolveUuid(std::string_view prefix) {
  if (prefix.empty()) return Err(Code::kInvalid, "UUID cannot be empty");
  std::string wanted = ToLower(prefix);
  const Stage stages[] = {Stage::kRun, Stage::kExitedGarbage, Stage::kPrepare, Stage::kPrepared};
  // A whole UUID needs no walk over the directories.
  if (wanted.size() == 36 && IsUuid(wanted)) {
    for (Stage stage : stages) {
      const Fd& fd = stages_[static_cast<int>(stage)];
      if (fd && faccessat(fd.get(), wanted.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) return wanted;
    }
    return Err(Code::kNotFound, "no matches found for ", Quote(prefix));
  }
  std::set<std::string> matches;
  for (Stage stage : stages) {
    const Fd& fd = stages_[static_cast<int>(stage)];
    if (!fd) continue;
    for (DirEntry& entry : TRY(ListDirFd(fd.get()))) {
      if (entry.name.starts_with(wanted) && IsUuid(entry.name))
        matches.insert(std::move(entry.name));
    }
  }
  if (matches.empty()) return Err(Code::kNotFound, "no matches found for ", Quote(prefix));
  if (matches.size() > 1)
    return Err(Code::kInvalid, "ambiguous uuid, ", matches.size(), " matches");
  return *matches.begin();
}

Status Pods::ForEach(const std::vector<Stage>& stages, const std::function<Status(Pod&)>& visit,
                     const std::function<void(const std::string&)>& problem) {
  for (Stage stage : stages) {
    const Fd& fd = stages_[static_cast<int>(stage)];
    if (!fd) continue;
    for (const DirEntry& entry : TRY(ListDirFd(fd.get()))) {
      if (entry.type != DT_DIR && entry.type != DT_UNKNOWN) {
        problem(StrCat("unrecognized entry: ", Quote(entry.name), ", ignoring"));
        continue;
      }
      if (!IsUuid(entry.name)) {
        problem(BadUuid(entry.name));
        continue;
      }
      auto dir = OpenAt(fd.get(), entry.name, kDirFlags);
      if (!dir) {
        int err = dir.error().err();
        if (err == ENOTDIR || err == ELOOP) {
          problem(StrCat("unrecognized entry: ", Quote(entry.name), ", ignoring"));
        } else if (err != ENOENT) {  // ENOENT: it moved on
          problem(StrCat("skipping ", Quote(entry.name), ": ", ErrnoText(err)));
        }
        continue;
      }
      Pod pod = MakePod(stage, entry.name, *std::move(dir));
      pod.state_ = Pod::ReadState(stage, pod.fd());
      TRY(visit(pod));
    }
  }
  return {};
}

Result<std::optional<Lock>> Pods::TryLock(const Pod& pod) {
  // Readers hold a shared lock for a moment (Pod::ReadState): that is no reason to give up.
  for (int attempt = 0; attempt < 100; ++attempt) {
    Fd fd = TRY(OpenAt(pod.fd(), ".", O_RDONLY | O_DIRECTORY));
    int raw = fd.get();
    if (flock(raw, LOCK_EX | LOCK_NB) == 0)
      return Lock::TryFd(std::move(fd), Lock::Kind::kExclusive);
    if (errno != EWOULDBLOCK) return SysErr("locking ", pod.path());
    if (flock(raw, LOCK_SH | LOCK_NB) != 0) return std::optional<Lock>();
    flock(raw, LOCK_UN);
    sched_yield();
  }
  return std::optional<Lock>();
}

}  // namespace rkt::pod
