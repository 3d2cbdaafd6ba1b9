// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Pods as services of the host's systemd: on the second host (functional.systemd).

#include "functional/harness/unit.h"

namespace rkt::test {
namespace {

using SystemdUnits = UnitTest;

TEST_F(SystemdUnits, PodStaysInTheGroupOfItsUnit) {
  Unit unit = StartUnit({"--property=Delegate=yes"}, RunArgs({JudgeAci(), "--", "sleep"}));
  ASSERT_TRUE(WaitForOutput(unit, "sleeping"));
  std::string uuid = OnlyPod();
  EXPECT_EQ(ReadFile(PodDir(uuid) + "/subcgroup"), unit.ControlGroup() + "/payload");
  std::string pod = Trim(ReadFile(PodDir(uuid) + "/pid"));
  EXPECT_TRUE(Contains(ReadFile("/proc/" + pod + "/cgroup"), "0::/" + unit.ControlGroup() + "/payload"))
      << ReadFile("/proc/" + pod + "/cgroup");
  EXPECT_EQ(Systemctl({"stop", unit.name()}).code, 0);
}

}  // namespace
}  // namespace rkt::test
