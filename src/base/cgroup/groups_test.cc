// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/cgroup/groups.h"

#include <gtest/gtest.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cgroup/groups_child.h"
#include "base/file.h"

namespace rkt::cgroup {
namespace {

// A name that no pod has; the groups are made in the hierarchies of this machine.
std::string TestUuid() { return StrCat("rkt-test-", getpid()); }

class GroupsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (getuid() != 0) GTEST_SKIP() << "needs root";
    auto layout = Discover(true);
    ASSERT_TRUE(layout) << layout.error().Text();
    layout_ = std::move(*layout);
    if (layout_.unified) GTEST_SKIP() << "needs cgroup v1";
    for (const char* controller : {"memory", "cpu"}) {
      if (layout_.Find(controller) == nullptr)
        GTEST_SKIP() << "needs the controller " << controller;
    }
    request_ = {TestUuid(), {{"web", {}}, {"log", {}}}};
    request_.apps[0].limits.memory_bytes = 64000000;
    request_.apps[0].limits.cpu_milli = 500;
    request_.apps[0].limits.cpu_shares = 512;
  }
  void TearDown() override {
    if (subcgroup_.empty()) return;
    EXPECT_TRUE(Remove(subcgroup_, TestUuid()));
    EXPECT_FALSE(Exists(Group("memory", ""))) << "left behind";
    EXPECT_FALSE(Exists(Group("cpu", ""))) << "left behind";
  }
  PodGroups Make() {
    auto groups = cgroup::SetUp(request_);
    EXPECT_TRUE(groups) << groups.error().Text();
    if (!groups) return {};
    subcgroup_ = groups->subcgroup;
    return std::move(*groups);
  }
  std::string Group(const char* controller, std::string_view beneath) {
    return StrCat(layout_.Find(controller)->mount_point, "/", subcgroup_, beneath);
  }
  // A process in the groups of the first app that waits to be killed.
  pid_t Sleeper(const PodGroups& groups) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    std::vector<int> tasks;
    for (const Fd& fd : groups.apps[0].v1_tasks) tasks.push_back(fd.get());
    pid_t pid = fork();
    if (pid == 0) {
      int err = EnterGroups(tasks.data(), tasks.size());
      if (write(ends[1], &err, sizeof err) < 0) _exit(1);
      pause();
      _exit(0);
    }
    int err = -1;
    EXPECT_EQ(read(ends[0], &err, sizeof err), static_cast<ssize_t>(sizeof err));
    EXPECT_EQ(err, 0) << ErrnoText(err);
    close(ends[0]);
    close(ends[1]);
    return pid;
  }
  static int Reap(pid_t pid) {
    int status = 0;
    waitpid(pid, &status, 0);
    return status;
  }

  Layout layout_;
  PodRequest request_;
  std::string subcgroup_;
};

TEST_F(GroupsTest, LimitsAreSetAndTheAppEntersItsGroups) {
  PodGroups groups = Make();
  ASSERT_EQ(groups.apps.size(), 2u);
  ASSERT_EQ(groups.apps[0].v1_tasks.size(), 2u);
  EXPECT_TRUE(groups.apps[1].v1_tasks.empty());
  EXPECT_FALSE(groups.supervisor);
  // The kernel counts in pages.
  std::string limit =
      ReadFile(Group("memory", "/system.slice/web.service/memory.limit_in_bytes")).value_or("");
  EXPECT_EQ(Trim(limit), StrCat(64000000 / 4096 * 4096));
  std::string quota =
      ReadFile(Group("cpu", "/system.slice/web.service/cpu.cfs_quota_us")).value_or("");
  EXPECT_EQ(Trim(quota), "50000");
  pid_t pid = Sleeper(groups);
  std::string memberships = ReadFile(StrCat("/proc/", pid, "/cgroup")).value_or("");
  EXPECT_NE(memberships.find(StrCat(":memory:/", subcgroup_, "/system.slice/web.service\n")),
            std::string::npos)
      << memberships;
  kill(pid, SIGKILL);
  Reap(pid);
}

TEST_F(GroupsTest, RemovalKillsWhatIsLeftInTheGroups) {
  PodGroups groups = Make();
  ASSERT_EQ(groups.apps.size(), 2u);
  pid_t pid = Sleeper(groups);
  signal(SIGCHLD, SIG_IGN);  // reaped as it dies, as the pod's init would
  Status removed = Remove(subcgroup_, TestUuid());
  signal(SIGCHLD, SIG_DFL);
  EXPECT_TRUE(removed) << removed.error().Text();
  EXPECT_NE(kill(pid, 0), 0);
  EXPECT_FALSE(Exists(Group("memory", "")));
}

TEST_F(GroupsTest, RemovalUnderAnotherNameKillsNothing) {
  PodGroups groups = Make();
  ASSERT_EQ(groups.apps.size(), 2u);
  pid_t pid = Sleeper(groups);
  EXPECT_FALSE(Remove(subcgroup_, "another-pod"));
  EXPECT_EQ(kill(pid, 0), 0);
  kill(pid, SIGKILL);
  EXPECT_TRUE(WIFSIGNALED(Reap(pid)));
}

TEST_F(GroupsTest, V2GroupIsEnteredByCloneAndKilledWhole) {
  if (!layout_.v2) GTEST_SKIP() << "needs a mounted cgroup v2";
  // A machine without controllers on v2 still has groups; ours as a unified machine would make
  // them.
  Layout unified;
  unified.v2 = Hierarchy{{}, layout_.v2->mount_point, "/"};
  unified.unified = true;
  Plan plan = MakePlan(unified, {request_.uuid, {{"web", {}}}});
  auto groups = cgroup::Make(plan, request_.uuid);
  ASSERT_TRUE(groups) << groups.error().Text();
  ASSERT_TRUE(groups->supervisor);
  ASSERT_EQ(mkdir(StrCat(plan.supervisor_group, "/beneath").c_str(), 0755), 0);
  clone_args args = {};
  args.flags = CLONE_INTO_CGROUP;
  args.exit_signal = SIGCHLD;
  args.cgroup = static_cast<uint64_t>(groups->supervisor.get());
  signal(SIGCHLD, SIG_IGN);
  long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) {
    pause();
    _exit(0);
  }
  ASSERT_GT(pid, 0);
  std::string memberships = ReadFile(StrCat("/proc/", pid, "/cgroup")).value_or("");
  EXPECT_NE(memberships.find(StrCat("0::/", plan.subcgroup, "\n")), std::string::npos)
      << memberships;
  Status removed = Remove(plan.subcgroup, request_.uuid);
  signal(SIGCHLD, SIG_DFL);
  EXPECT_TRUE(removed) << removed.error().Text();
  EXPECT_FALSE(Exists(plan.supervisor_group));
  EXPECT_NE(kill(static_cast<pid_t>(pid), 0), 0);
}

TEST_F(GroupsTest, GroupsOfAUnitGoOnceTheyAreEmpty) {
  // As if this process were in a unit of that name.
  std::string unit = StrCat("rkt-test-", getpid(), ".service");
  for (Hierarchy& hierarchy : layout_.v1) hierarchy.own_path = StrCat("/", unit);
  Plan plan = MakePlan(layout_, request_);
  ASSERT_EQ(plan.subcgroup, unit);
  auto groups = cgroup::Make(plan, request_.uuid);
  ASSERT_TRUE(groups) << groups.error().Text();
  std::string top = StrCat(layout_.Find("memory")->mount_point, "/", unit);
  pid_t pid = Sleeper(*groups);
  EXPECT_TRUE(Remove(unit, "a-pod-of-yesterday"));
  EXPECT_EQ(kill(pid, 0), 0);
  EXPECT_TRUE(Exists(StrCat(top, "/system.slice/web.service")));
  kill(pid, SIGKILL);
  Reap(pid);
  EXPECT_TRUE(Remove(unit, request_.uuid));
  EXPECT_FALSE(Exists(StrCat(top, "/system.slice")));
  for (const Hierarchy& hierarchy : layout_.v1) {
    rmdir(StrCat(hierarchy.mount_point, "/", unit).c_str());
  }
  EXPECT_FALSE(Exists(top));
}

TEST_F(GroupsTest, FailureNamesTheFileAndLeavesNothing) {
  request_.apps[0].limits.cpu_shares.reset();
  request_.apps[0].limits.cpu_milli = uint64_t{1} << 60;
  auto groups = cgroup::SetUp(request_);
  ASSERT_FALSE(groups);
  EXPECT_NE(groups.error().Text().find("cpu.cfs_quota_us"), std::string::npos)
      << groups.error().Text();
  subcgroup_ = MakePlan(layout_, request_).subcgroup;
  EXPECT_FALSE(Exists(Group("memory", "")));
}

TEST_F(GroupsTest, WithoutLimitsNoGroupIsMade) {
  request_.apps[0].limits = {};
  PodGroups groups = Make();
  EXPECT_EQ(groups.subcgroup, "");
  EXPECT_FALSE(groups.supervisor);
}

TEST(GroupsRemove, PathsThatClimbAreRefused) {
  EXPECT_TRUE(Remove("", "u"));
  for (const char* path : {"..", "a/../b", "/a//b", "a/./b", "../machine", "//"}) {
    auto removed = Remove(path, "u");
    ASSERT_FALSE(removed) << path;
    EXPECT_EQ(removed.error().code(), Code::kInvalid) << path;
  }
  for (const char* path : {"system.slice", "machine.slice/x.scope", "payload", "a/payload"}) {
    EXPECT_FALSE(Remove(path, "u")) << path;
  }
  EXPECT_TRUE(Remove(StrCat("no-such-group/", ScopeName("u")), "u"));
}

}  // namespace
}  // namespace rkt::cgroup
