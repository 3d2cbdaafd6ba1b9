// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// What apps send by syslog(3) is in their logs.

#include <algorithm>

#include "functional/mutable_pod.h"

namespace rkt::test {
namespace {

class Syslog : public MutablePodTest {};

TEST_F(Syslog, MessagesAreLinesOfTheAppsLog) {
  for (const Args& flags : {Args{}, Args{"--private-users"}}) {
    Output output = RunOk(flags + Args{JudgeAci(), "--name=web", "--user=1000", "--group=1000", "--readonly-rootfs=true",
                                       "--exec=/bin/sh", "--", "-c", "logger -t tag one; echo two; logger -p daemon.err three", "---",
                                       JudgeAci(), "--name=db", "--stdout=null", "--stderr=null", "--exec=/bin/sh", "--", "-c",
                                       "logger -t db four; echo five"});
    std::string uuid = PodsIn("run").at(0);
    Args web = Lines(RktOk({"logs", "--app=web", uuid}).out);
    std::sort(web.begin(), web.end());
    ASSERT_EQ(web.size(), 3u) << output.All();
    EXPECT_EQ(web[1], "tag: one");
    EXPECT_EQ(web[2], "two");
    EXPECT_TRUE(EndsWith(web[0], ": three") && !Contains(web[0], "<")) << web[0];
    // Also of an app whose own output goes nowhere.
    EXPECT_EQ(RktOk({"logs", "--app=db", uuid}).out, "db: four\n");
    EXPECT_TRUE(Contains(ReadFile(PodDir(uuid) + "/logs/web"), " stderr F tag: one\n"));
    EXPECT_TRUE(Contains(AppText(output.err, "web"), "tag: one\n")) << output.All();
    RktOk({"rm", uuid});
  }
}

TEST_F(Syslog, NoneIsLostWhereAnAppSendsMany) {
  RunOk({JudgeAci(), "--exec=/bin/sh", "--", "-c", "for i in $(seq 300); do logger -t n $i; done"});
  std::string text = RktOk({"logs", PodsIn("run").at(0)}).out, expected;
  for (int i = 1; i <= 300; i++) expected += "n: " + std::to_string(i) + "\n";
  EXPECT_EQ(text, expected);
}

TEST_F(Syslog, AppsOfAMutablePodHaveItAtEveryStart) {
  RunningPod pod = Sandbox();
  AddOk(pod.uuid, "web", {"--exec=/bin/sh"}, {"-c", "logger -t tag words"});
  for (const char* log : {"tag: words\n", "tag: words\ntag: words\n"}) {
    DoOk("start", pod.uuid, "web");
    ASSERT_TRUE(WaitForApp(pod.uuid, "web", "exited"));
    EXPECT_EQ(RktOk({"logs", "--app=web", pod.uuid}).out, log);
  }
  Stop(pod);
}

TEST_F(Syslog, AJournalThatIsAVolumeTakesThemInstead) {
  MakeDirs(dir() + "/journal");
  EXPECT_EQ(AppText(RunOk({"--volume=journal,kind=host,source=" + dir() + "/journal", JudgeAci(), "--exec=/bin/sh",
                           "--mount=volume=journal,target=/run/systemd/journal", "--", "-c", "readlink /dev/log"}).out),
            "/run/systemd/journal/dev-log\n");
  EXPECT_EQ(AppText(RunOk({JudgeAci(), "--exec=/bin/sh", "--", "-c", "test -S /dev/log && stat -c %a /dev/log"}).out), "666\n");
}

}  // namespace
}  // namespace rkt::test
