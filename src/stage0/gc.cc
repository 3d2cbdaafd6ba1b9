// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/gc.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/duration.h"
#include "base/file.h"
#include "base/file_cache.h"
#include "base/mount.h"
#include "pod/paths.h"
#include "stage0/entry_point.h"
#include "stage0/gc_child.h"
#include "stage0/machined.h"
#include "stage0/metadata.h"

namespace rkt::stage0 {
namespace {

using pod::Pod;
using pod::Pods;
using pod::Stage;

void Report(const GcCallbacks& callbacks, const std::string& text) {
  if (callbacks.notice) callbacks.notice(text);
}
void Report(const GcCallbacks& callbacks, Error error) {
  if (callbacks.problem) callbacks.problem(error);
}

int64_t WallClockNs() {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// --- mounts that were left behind (of stage1 images that mount in the host's namespace)

// Detached, so that whoever still uses one does not keep us.
void UnmountBelow(const std::string& directory, const GcCallbacks& callbacks) {
  auto targets = MountsBelow(directory);
  if (!targets) return Report(callbacks, std::move(targets).error());
  for (auto target = targets->rbegin(); target != targets->rend(); ++target) {
    if (::umount2(target->c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL &&
        errno != ENOENT) {
      Report(callbacks, SysErr("unmounting ", *target));
    }
  }
}

// --- stage1's own clean-up

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

const char* StepText(internal::GcStep step) {
  switch (step) {
    case internal::GcStep::kDirectory:
      return "entering the pod's directory";
    case internal::GcStep::kNamespace:
    case internal::GcStep::kPropagation:
      return "making a mount namespace";
    case internal::GcStep::kMount:
      return "mounting stage1";
    default:
      return "executing it";
  }
}

// Runs the entry point with stage1's root mounted as it was while the pod ran.
Status RunStage1Gc(const GcOptions& options, const Pod& pod) {
  Stage1Contract contract = TRY(ReadContract(pod));
  std::string entry = contract.EntryPoint("gc");
  if (entry.empty()) return {};
  std::string program = StrCat(pod.path(), "/", pod::kStage1Rootfs, entry);
  std::vector<std::string> argv =
      GcArguments(contract, program, options.debug, options.local_config, pod.uuid());
  std::vector<char*> argv_pointers = Pointers(argv);

  internal::GcChildPlan plan = {};
  plan.pod = pod.fd();
  plan.target = pod::kStage1Rootfs;
  plan.program = program.c_str();
  plan.argv = argv_pointers.data();
  plan.env = environ;
  std::string overlay, stale, stale_file;
  if (pod.UsesOverlay()) {
    std::string tree = TRY(pod.Stage1TreeId());
    overlay =
        StrCat("lowerdir=../../../cas/tree/", tree, "/rootfs,upperdir=", pod::OverlayUpper(tree),
               ",workdir=", pod::OverlayWork(tree));
    stale = StrCat(pod::OverlayWork(tree), "/work/incompat/volatile");
    plan.options = overlay.c_str();
    stale_file = StrCat(stale, "/dirty");
    plan.stale = stale.c_str();
    plan.stale_file = stale_file.c_str();
  }
  auto [read_end, write_end] = TRY(MakePipe());
  ::signal(SIGCHLD, SIG_DFL);  // ignored by our caller, there would be nothing to wait for
  pid_t child = ::fork();
  if (child < 0) return SysErr("fork");
  if (child == 0) internal::RunGcChild(plan, write_end.get());
  write_end.Close();
  internal::GcFailure failure;
  bool failed = ::read(read_end.get(), &failure, sizeof failure) == sizeof failure;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (failed) return ErrnoError(failure.err, StepText(failure.step));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (WIFEXITED(status)) return Err(Code::kInternal, "exit status ", WEXITSTATUS(status));
  return Err(Code::kInternal, "signal ", WTERMSIG(status));
}

// --- phases

Status ForEachLocked(Pods& pods, Stage stage, const GcCallbacks& callbacks,
                     const std::function<Status(Pod&)>& visit,
                     const std::function<void(const Pod&)>& locked = {}) {
  return pods.ForEach(
      {stage},
      [&](Pod& pod) -> Status {
        auto lock = pods.TryLock(pod);
        if (!lock) {
          Report(callbacks, std::move(lock).error());
          return {};
        }
        if (!*lock) {
          if (locked) locked(pod);
          return {};
        }
        // It may have moved on before we had the lock.
        if (!pod.Refresh() || pod.stage() != stage) return {};
        if (auto status = visit(pod); !status) Report(callbacks, std::move(status).error());
        return {};
      },
      [&](const std::string& notice) { Report(callbacks, notice); });
}

Status MarkExited(Pods& pods, const GcCallbacks& callbacks) {
  return ForEachLocked(pods, Stage::kRun, callbacks, [&](Pod& pod) -> Status {
    Report(callbacks, StrCat("moving pod ", Quote(pod.uuid()), " to garbage"));
    return pods.Move(pod, Stage::kExitedGarbage);
  });
}

// Unlocked pods that nobody will finish: whoever prepared them was killed.
Status MarkAborted(Pods& pods, const GcCallbacks& callbacks) {
  for (Stage stage : {Stage::kEmbryo, Stage::kPrepare}) {
    TRY(ForEachLocked(pods, stage, callbacks, [&](Pod& pod) -> Status {
      Report(callbacks, StrCat("moving failed prepare ", Quote(pod.uuid()), " to garbage"));
      return pods.Move(pod, Stage::kGarbage);
    }));
  }
  return {};
}

Status ExpirePrepared(Pods& pods, const GcOptions& options, const GcCallbacks& callbacks) {
  int64_t now = WallClockNs();
  return ForEachLocked(pods, Stage::kPrepared, callbacks, [&](Pod& pod) -> Status {
    // Without the file's time the directory's counts: a damaged pod goes too.
    int64_t created = pod.created_ns().value_or(pod.ChangedNs(".").value_or(now));
    if (now - created < options.expire_prepared_ns) return {};
    Report(callbacks, StrCat("moving expired prepared pod ", Quote(pod.uuid()), " to garbage"));
    return pods.Move(pod, Stage::kGarbage);
  });
}

Status DeleteMarked(Pods& pods, const GcOptions& options, Stage stage,
                    const GcCallbacks& callbacks) {
  int64_t now = WallClockNs();
  return ForEachLocked(
      pods, stage, callbacks,
      [&](Pod& pod) -> Status {
        if (stage == Stage::kExitedGarbage && options.grace_period_ns > 0) {
          int64_t marked = pod.ChangedNs(".").value_or(0);
          if (now - marked < options.grace_period_ns) {
            Report(callbacks,
                   StrCat("pod ", Quote(pod.uuid()), " not removed: still within grace period (",
                          FormatDuration(options.grace_period_ns), ")"));
            return {};
          }
        }
        if (callbacks.collecting) callbacks.collecting(pod.uuid());
        return DeletePod(options, pods, pod, callbacks);
      },
      [&](const Pod& pod) {
        Report(callbacks,
               StrCat("pod ", Quote(pod.uuid()), " not removed: somebody else is working on it"));
      });
}

// Seccomp filters that were compiled for pods and that nobody has used for a month.
void CollectFilters(const GcOptions& options, const GcCallbacks& callbacks) {
  constexpr int64_t kSeconds = 30 * 24 * 3600;
  constexpr size_t kMost = 1000;
  auto directory = Open(options.data_dir, O_PATH | O_DIRECTORY);
  if (!directory) return;
  if (auto done = FileCache::Collect(directory->get(), pod::kFiltersDir, kSeconds, kMost); !done) {
    Report(callbacks, std::move(done).error().Wrap("collecting seccomp filters"));
  }
}

}  // namespace

Status DeletePod(const GcOptions& options, Pods& pods, Pod& pod, const GcCallbacks& callbacks) {
  if (pod.stage() == Stage::kExitedGarbage) {
    // Its stage1 says so where there is nothing to do; that spares the exec.
    if (!ExistsAt(pod.fd(), pod::kNothingToCollect)) {
      if (auto status = RunStage1Gc(options, pod); !status) {
        Report(callbacks, std::move(status).error().Wrap(
                              StrCat("stage1's gc of pod ", Quote(pod.uuid()), " failed")));
      }
    }
    if (auto status = ForgetMachine(pod.uuid()); !status) Report(callbacks, std::move(status).error());
    if (auto status = UnregisterPod(pod); !status) Report(callbacks, std::move(status).error());
    // From here on it is in pieces, which a listing does not show.
    TRY(pods.Move(pod, Stage::kGarbage));
  }
  auto removed = pods.Forget(pod);
  if (removed) return {};
  // Something is mounted in it, which removing does not cross.
  UnmountBelow(pod.path(), callbacks);
  removed = pods.Forget(pod);
  if (!removed) return std::move(removed).error().Wrap(StrCat("removing pod ", Quote(pod.uuid())));
  return {};
}

Status Gc(const GcOptions& options, const GcCallbacks& callbacks) {
  Pods pods = TRY(Pods::Open(options.data_dir));
  TRY(MarkExited(pods, callbacks));
  TRY(MarkAborted(pods, callbacks));
  if (options.mark_only) return {};
  TRY(ExpirePrepared(pods, options, callbacks));
  CollectFilters(options, callbacks);
  TRY(DeleteMarked(pods, options, Stage::kExitedGarbage, callbacks));
  return DeleteMarked(pods, options, Stage::kGarbage, callbacks);
}

}  // namespace rkt::stage0
