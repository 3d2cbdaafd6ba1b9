// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/common/capabilities.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "base/file.h"
#include "stage1/common/capabilities_child.h"
#include "stage1/common/identity_child.h"

namespace rkt::stage1 {
namespace {

uint64_t Mask(const CapabilityPolicy& policy) {
  auto mask = CapabilityMask(policy);
  EXPECT_TRUE(mask) << mask.error().Text();
  return mask ? *mask : 0;
}

TEST(Capabilities, NamesAreReadInAnyCaseWithTheirPrefix) {
  EXPECT_EQ(CapabilityNumber("CAP_CHOWN"), 0);
  EXPECT_EQ(CapabilityNumber("cap_Net_Admin"), 12);
  EXPECT_EQ(CapabilityNumber("CAP_SYS_ADMIN"), 21);
  EXPECT_EQ(CapabilityNumber("CAP_CHECKPOINT_RESTORE"), 40);
  EXPECT_FALSE(CapabilityNumber("SYS_ADMIN"));
  EXPECT_FALSE(CapabilityNumber("CAP_"));
  EXPECT_FALSE(CapabilityNumber("CAP_WHATEVER"));
  for (int number = 0; number <= 40; ++number) {
    EXPECT_EQ(CapabilityNumber(CapabilityName(number)), number);
  }
  EXPECT_EQ(CapabilityName(63), "CAP_63");
}

TEST(Capabilities, DefaultSetIsTheFourteenOfTheReference) {
  std::vector<std::string> names;
  for (int number = 0; number < 64; ++number) {
    if ((kDefaultCapabilities >> number & 1) != 0) names.push_back(CapabilityName(number));
  }
  EXPECT_EQ(Join(names, " "),
            "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID "
            "CAP_SETPCAP CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_SYS_CHROOT CAP_MKNOD CAP_AUDIT_WRITE "
            "CAP_SETFCAP");
  EXPECT_EQ(Mask({}), kDefaultCapabilities);
}

TEST(Capabilities, RetainIsExactAndRemoveTakesFromTheDefault) {
  EXPECT_EQ(Mask({.retain = {{"CAP_SYS_ADMIN", "cap_chown"}}}), uint64_t{1} << 21 | 1);
  EXPECT_EQ(Mask({.retain = {{}}}), 0u);
  EXPECT_EQ(Mask({.remove = {{"CAP_CHOWN"}}}), kDefaultCapabilities & ~uint64_t{1});
  EXPECT_EQ(Mask({.remove = {{"CAP_SYS_ADMIN"}}}), kDefaultCapabilities);
}

TEST(Capabilities, UnknownNamesAndBothSetsAreErrors) {
  EXPECT_EQ(CapabilityMask({.retain = {{"CAP_X"}}}).error().message(),
            "unknown capability \"CAP_X\"");
  EXPECT_FALSE(CapabilityMask({.remove = {{"chown"}}}));
  EXPECT_FALSE(CapabilityMask({.retain = {{"CAP_CHOWN"}}, .remove = {{"CAP_KILL"}}}));
}

// The Cap and Groups lines of /proc/self/status in a child that has run `body`, as an executed
// program sees them.
std::string StatusAfter(const std::function<int()>& body) {
  int ends[2];
  if (pipe(ends) != 0) return "";
  pid_t pid = fork();
  if (pid == 0) {
    if (int err = body(); err != 0) _exit(err);
    dup2(ends[1], STDOUT_FILENO);
    execl("/bin/grep", "grep", "-E", "^(Cap|Groups|Uid)", "/proc/self/status", nullptr);
    _exit(126);
  }
  close(ends[1]);
  std::string text = ReadFd(ends[0]).value_or("");
  close(ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  return text;
}
std::string Line(const std::string& text, std::string_view name) {
  for (const std::string& line : Split(text, '\n')) {
    if (line.starts_with(name))
      return std::string(Trim(std::string_view(line).substr(name.size() + 1)));
  }
  return "none";
}

TEST(CapabilitiesApplied, RootGetsTheBoundingSet) {
  if (getuid() != 0) GTEST_SKIP() << "needs root";
  std::string status = StatusAfter([] {
    CapabilityStep step;
    return ApplyCapabilities(kDefaultCapabilities, &step);
  });
  for (const char* set : {"CapPrm", "CapEff", "CapBnd"}) {
    EXPECT_EQ(Line(status, set), "00000000a80425fb") << set;
  }
  EXPECT_EQ(Line(status, "CapInh"), "0000000000000000");
  EXPECT_EQ(Line(status, "CapAmb"), "0000000000000000");
}

TEST(CapabilitiesApplied, OtherUsersGetAnEmptyEffectiveSet) {
  if (getuid() != 0) GTEST_SKIP() << "needs root";
  std::string status = StatusAfter([] {
    // What a careless parent could leave behind.
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0);
    CapabilityStep step;
    if (int err = ApplyCapabilities(kDefaultCapabilities, &step)) return err;
    gid_t groups[] = {1000, 7, 8};
    IdentityStep identity_step;
    return ApplyIdentity(1000, 1000, groups, 3, &identity_step);
  });
  EXPECT_EQ(Line(status, "CapBnd"), "00000000a80425fb");
  for (const char* set : {"CapPrm", "CapEff", "CapInh", "CapAmb"}) {
    EXPECT_EQ(Line(status, set), "0000000000000000") << set;
  }
  EXPECT_EQ(Line(status, "Uid"), "1000\t1000\t1000\t1000");
  EXPECT_EQ(Line(status, "Groups"), "7 8 1000");
}

TEST(CapabilitiesApplied, AllDropsNothing) {
  if (getuid() != 0) GTEST_SKIP() << "needs root";
  std::string before = StatusAfter([] { return 0; });
  std::string after = StatusAfter([] {
    CapabilityStep step;
    return ApplyCapabilities(kAllCapabilities, &step);
  });
  EXPECT_EQ(Line(before, "CapBnd"), Line(after, "CapBnd"));
}

TEST(CapabilitiesApplied, FailureNamesItsStep) {
  if (getuid() != 0) GTEST_SKIP() << "needs root";
  pid_t pid = fork();
  if (pid == 0) {
    if (setresuid(65534, 65534, 65534) != 0) _exit(1);
    CapabilityStep step;
    int err = ApplyCapabilities(0, &step);
    _exit(err == EPERM && step == CapabilityStep::kBounding ? 0 : 2);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace rkt::stage1
