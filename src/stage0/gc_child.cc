// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/gc_child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

namespace rkt::stage0::internal {

void RunGcChild(const GcChildPlan& plan, int failure_fd) {
  auto fail = [&](GcStep step) {
    GcFailure failure = {step, errno};
    if (::write(failure_fd, &failure, sizeof failure) < 0) ::_exit(126);
    ::_exit(127);
  };
  if (::fchdir(plan.pod) != 0) fail(GcStep::kDirectory);
  if (plan.options != nullptr) {
    // A namespace of its own: the mount goes when the entry point has ended, whatever that did.
    if (::unshare(CLONE_NEWNS) != 0) fail(GcStep::kNamespace);
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) fail(GcStep::kPropagation);
    ::unlink(plan.stale_file);
    ::rmdir(plan.stale);
    if (::mount("overlay", plan.target, "overlay", 0, plan.options) != 0) fail(GcStep::kMount);
  }
  ::execve(plan.program, plan.argv, plan.env);
  fail(GcStep::kExec);
  ::_exit(127);
}

}  // namespace rkt::stage0::internal
