// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// What apps print in the journal of a host that has one: on the second host (functional.systemd).

#include <unistd.h>

#include <algorithm>

#include "functional/harness/unit.h"

namespace rkt::test {
namespace {

class SystemdJournal : public UnitTest {
 protected:
  void SetUp() override {
    UnitTest::SetUp();
    REQUIRE_JOURNALD();
  }
  // What the journal has, messages alone.
  static Args Entries(const Args& matches) {
    RunProgram({"/usr/bin/journalctl", "--sync"});
    return Lines(RunProgram(Args{"/usr/bin/journalctl", "--output=cat", "--no-pager", "--quiet"} + matches).out);
  }
};

TEST_F(SystemdJournal, HasTheLinesOfAPodByItsFields) {
  RunOk({JudgeAci(), "--name=web", "--exec=/bin/sh", "--", "-c", "echo one; echo '<3>two' >&2", "---",  //
         JudgeAci(), "--name=db", "--", "say", "three"});
  std::string pod = "RKT_POD_UUID=" + PodsIn("run").at(0);
  Args all = Entries({pod});
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, (Args{"one", "three", "two"}));
  EXPECT_EQ(Entries({"--identifier=db", pod}), Args{"three"});
  EXPECT_EQ(Entries({"--priority=err", pod}), Args{"two"});
  EXPECT_EQ(Entries({pod, "RKT_STREAM=stdout", "RKT_APP=web"}), Args{"one"});
}

TEST_F(SystemdJournal, HasThemOnceAndAsTheUnitsWhereRktIsOne) {
  std::string unit = UnitName();
  Output output = RunProgram(Args{"/usr/bin/systemd-run", "--wait", "--quiet", "--unit=" + unit} +
                             RktArgs(RunArgs({JudgeAci(), "--name=web", "--exec=/bin/sh", "--", "-c",
                                              "echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three"})));
  EXPECT_EQ(output.code, 0) << output.All();
  Args lines;
  for (const std::string& line : Entries({"--unit=" + unit})) {
    for (const char* word : {"one", "two", "three"}) {
      if (Contains(line, word)) lines.push_back(line);
    }
  }
  EXPECT_EQ(lines, (Args{"one", "two", "three"}));
  EXPECT_EQ(Entries({"RKT_POD_UUID=" + PodsIn("run").at(0), "--unit=" + unit}).size(), 3u);
}

// What an app sends by syslog(3): rkt itself takes none of it, the host's journal does where it is a volume.
TEST_F(SystemdJournal, TakesMessagesOfAppsThatHaveItAsAVolume) {
  std::string name = "from-" + std::to_string(getpid());
  RunOk({"--volume=journal,kind=host,source=/run/systemd/journal", JudgeAci(), "--exec=/bin/sh",
         "--mount=volume=journal,target=/run/systemd/journal", "--", "-c", "logger -t " + name + " words"});
  EXPECT_EQ(Entries({"--identifier=" + name}), Args{"words"});
}

}  // namespace
}  // namespace rkt::test
