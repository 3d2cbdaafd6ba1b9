// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "functional/harness/unit.h"

#include <unistd.h>

#include <cstdlib>

namespace rkt::test {

Output Systemctl(const Args& args) { return RunProgram(Args{"systemctl"} + args); }

Unit::~Unit() {
  if (name_.empty()) return;
  Systemctl({"kill", "--signal=KILL", name_});
  Systemctl({"stop", name_});
  Systemctl({"reset-failed", name_});
}

std::string Unit::Property(const std::string& property) const {
  return Trim(Systemctl({"show", "--value", "--property=" + property, name_}).out);
}

bool Unit::WaitFor(const std::string& property, const std::string& value, double seconds) const {
  std::string seen;
  for (double end = Now() + seconds; Now() < end; SleepFor(0.02)) {
    seen = Property(property);
    if (seen == value) return true;
  }
  ADD_FAILURE() << name_ << ": " << property << " is " << seen << ", not " << value;
  return false;
}

std::string Unit::ControlGroup() const {
  std::string path = Property("ControlGroup");
  return path.empty() ? path : path.substr(1);
}

void UnitTest::SetUp() {
  REQUIRE_SYSTEMD();
  PodTest::SetUp();
}

void UnitTest::TearDown() {
  PodTest::TearDown();
  if (dir().empty()) return;
  // What a service does, it does in the host's namespaces, not in those of the test program.
  for (const std::string& line : Lines(ReadFile("/proc/1/mountinfo")))
    EXPECT_FALSE(Contains(line, dir())) << "left behind: mount of the host: " << line;
  for (const std::string& line :
       Lines(Systemctl({"list-units", "--all", "--plain", "--no-legend", "rkt-test-*"}).out))
    ADD_FAILURE() << "left behind: unit " << line;
  if (HaveMachined()) {
    // An ended machine is taken from the list when its scope is gone, a little later.
    std::string machines;
    for (double end = Now() + 20; Now() < end; SleepFor(0.05)) {
      machines = RunProgram({"machinectl", "list", "--no-legend", "--no-pager"}).out;
      if (!Contains(machines, "rkt-")) break;
    }
    EXPECT_FALSE(Contains(machines, "rkt-")) << "left behind: machine " << machines;
  }
}

std::string UnitTest::UnitName(const std::string& kind) {
  return "rkt-test-" + std::to_string(getpid()) + "-" + std::to_string(units_++) + "." + kind;
}

Output UnitTest::TryUnit(const std::string& name, const Args& properties, const Args& rkt_args) {
  std::string output = dir() + "/" + name + ".out";
  Args args = {"systemd-run", "--quiet", "--unit=" + name,
               "--property=StandardOutput=append:" + output,
               "--property=StandardError=append:" + output};
  return RunProgram(args + properties + RktArgs(rkt_args));
}

Unit UnitTest::StartUnit(const Args& properties, const Args& rkt_args) {
  Unit unit(UnitName());
  Output started = TryUnit(unit.name(), properties, rkt_args);
  EXPECT_EQ(started.code, 0) << started.All() << OutputOf(unit)
                             << Systemctl({"status", "--no-pager", unit.name()}).out;
  return unit;
}

std::string UnitTest::OnlyPod() const {
  std::vector<std::string> pods = PodsIn("run");
  if (pods.size() == 1) return pods[0];
  ADD_FAILURE() << pods.size() << " pods run";
  return "";
}

bool UnitTest::WaitForOutput(const Unit& unit, const std::string& text, double seconds) const {
  for (double end = Now() + seconds; Now() < end; SleepFor(0.02)) {
    if (Contains(OutputOf(unit), text)) return true;
  }
  ADD_FAILURE() << unit.name() << " never said " << text << "\n"
                << OutputOf(unit) << Systemctl({"status", "--no-pager", unit.name()}).out;
  return false;
}

}  // namespace rkt::test
