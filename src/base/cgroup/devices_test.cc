// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/cgroup/devices.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cgroup/layout.h"
#include "base/fd.h"
#include "base/strings.h"

namespace rkt::cgroup {
namespace {

TEST(DeviceRules, Texts) {
  EXPECT_EQ(DeviceRuleText({.major = 1, .minor = 3, .make = true}), "c 1:3 rwm");
  EXPECT_EQ(DeviceRuleText({.block = true, .major = 8, .minor = -1, .write = false}), "b 8:* r");
}

TEST(DeviceRules, OneDeviceGivenTwiceIsOneRule) {
  size_t alone = DevicePolicy({}).size();
  auto rules = DevicePolicy({{.major = 10, .minor = 229, .write = false}, {.major = 10, .minor = 229, .read = false}});
  ASSERT_EQ(rules.size(), alone + 1);
  EXPECT_EQ(DeviceRuleText(rules.back()), "c 10:229 rw");
  EXPECT_EQ(DevicePolicy({{.major = 1, .minor = 3, .write = false}}).size(), alone) << "/dev/null stays writable";
}

// The kernel is asked: a group of the unified hierarchy, and a process born in it that opens devices.
TEST(DevicePolicy, ProgramAllowsWhatTheRulesSay) {
  auto layout = Discover(true);
  if (getuid() != 0 || !layout || !layout->v2) GTEST_SKIP() << "needs root and a unified hierarchy";
  std::string group = StrCat(layout->v2->mount_point, "/rkt-devices-test-", getpid());
  ASSERT_EQ(mkdir(group.c_str(), 0755), 0);
  // null may be read only, zero not at all, made is nothing but full.
  Status attached = AttachDevicePolicy(group, {{.major = 1, .minor = 3, .write = false},
                                               {.major = 1, .minor = 7, .read = false, .write = false, .make = true},
                                               {.major = 1, .minor = -1, .read = false, .write = false}});
  EXPECT_TRUE(attached) << attached.error().Text();
  Fd directory = *Open(group, O_RDONLY | O_DIRECTORY);
  struct clone_args args = {};
  args.flags = CLONE_INTO_CGROUP;
  args.exit_signal = SIGCHLD;
  args.cgroup = static_cast<uint64_t>(directory.get());
  std::string made = StrCat("/tmp/rkt-device-", getpid());
  long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) {
    int bits = 0;
    if (open("/dev/null", O_RDONLY) >= 0) bits |= 1;
    if (open("/dev/null", O_WRONLY) < 0 && errno == EPERM) bits |= 2;
    if (open("/dev/zero", O_RDONLY) < 0 && errno == EPERM) bits |= 4;
    if (mknod(made.c_str(), S_IFCHR | 0600, makedev(1, 3)) < 0 && errno == EPERM) bits |= 8;
    if (mknod(made.c_str(), S_IFCHR | 0600, makedev(1, 7)) == 0) bits |= 16;
    _exit(bits);
  }
  ASSERT_GT(pid, 0);
  int status = 0;
  waitpid(static_cast<pid_t>(pid), &status, 0);
  unlink(made.c_str());
  EXPECT_EQ(rmdir(group.c_str()), 0);
  EXPECT_EQ(WEXITSTATUS(status), 31);
}

}  // namespace
}  // namespace rkt::cgroup
