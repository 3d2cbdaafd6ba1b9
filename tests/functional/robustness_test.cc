// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// What may happen at any moment: SIGKILL, a full disk, fifty at once, everybody at the same image.

#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class Robustness : public PodTest {};
class AnyMany : public PodTest {};

// Kills the command after a while, or one of the processes that it started. True where it still
// ran.
bool KillSomething(Background& victim, double after, std::mt19937& random) {
  SleepFor(after);
  if (!victim.Running()) return false;
  // Looking for the others takes milliseconds, in which much happens: every other time the command
  // itself, at once.
  if (random() % 2) {
    victim.Kill(SIGKILL);
    return true;
  }
  std::vector<int> ours = {victim.pid()};
  for (int pid : DescendantsOf(victim.pid())) {
    // Only those of rkt: what the app does is the app's affair.
    if (Trim(ReadFile("/proc/" + std::to_string(pid) + "/comm")) != "judge") ours.push_back(pid);
  }
  kill(ours[random() % ours.size()], SIGKILL);
  return true;
}

TEST_F(Robustness, KilledAtAHundredMomentsEverythingComesBack) {
  unsigned seed = static_cast<unsigned>(getpid());
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::string image = WriteImage("killed.aci", ImageSpec{.name = "example.com/killed"});
  std::string id = Fetch(image);
  // How long each takes, so that the moments fall into it. A machine that is now loaded and now not takes another time
  // each round: who is missed was given too long.
  double import_time = RktOk({"fetch", image}).seconds;
  double prepare_time = RktOk({"prepare", id}).seconds;
  double run_time = RunOk({id, "--", "exit", "0", "0.01"}).seconds;
  double gc_time = RktOk({"gc", "--grace-period=0s"}).seconds;
  int hit = 0;
  auto kill_in = [&](Background& command, double& length) {
    bool struck = KillSomething(command, std::uniform_real_distribution<double>(0, length)(random), random);
    length *= struck ? 1.1 : 0.85;
    hit += struck;
    command.Wait();
  };
  for (int round = 0; round < 25; round++) {
    SCOPED_TRACE("round " + std::to_string(round));
    if (round % 5 == 0) {
      RktOk({"image", "rm", id});
      RktOk({"image", "gc", "--grace-period=0s"});
    }
    {
      Background fetch = StartRkt({"fetch", image});
      kill_in(fetch, import_time);
    }
    // The image is there whole or not at all, and the next import works.
    Output verify = Rkt({"image", "verify", "example.com/killed"});
    EXPECT_TRUE(verify.code != 0 || Contains(verify.out, "successfully verified") ||
                Contains(verify.out, "not rendered; no verification needed"))
        << verify.All();
    EXPECT_EQ(Fetch(image), id);
    {
      Background prepare = StartRkt({"prepare", id});
      kill_in(prepare, prepare_time);
    }
    {
      Background run = StartRkt(RunArgs({id, "--", "exit", "0", "0.01"}));
      kill_in(run, run_time);
    }
    EXPECT_EQ(Rkt({"list"}).code, 0);
    {
      Background gc = StartRkt({"gc", "--grace-period=0s", "--expire-prepared=0s"});
      kill_in(gc, gc_time);
    }
    EXPECT_EQ(RunOk({id, "--", "exit", "0"}).code, 0);
    CollectAll();
    for (const char* stage :
         {"embryo", "prepare", "prepared", "run", "exited-garbage", "garbage"}) {
      EXPECT_TRUE(PodsIn(stage).empty()) << stage << ": " << PodsIn(stage).at(0);
    }
    if (HasFailure()) break;
  }
  EXPECT_GE(hit, 40) << "most moments must fall into the work";
}

TEST_F(AnyMany, FiftyPodsAtOnce) {
  Fetch(JudgeAci());
  RunOk({JudgeAci(), "--", "exit", "0"});
  CollectAll();
  double start = Now();
  std::vector<Background> pods;
  for (int i = 0; i < 50; i++)
    pods.push_back(StartRkt(RunArgs({"example.com/judge", "--", "exit", std::to_string(i)})));
  for (int i = 0; i < 50; i++) {
    Output output = pods[static_cast<size_t>(i)].Wait();
    EXPECT_EQ(output.code, i) << output.All();
  }
  EXPECT_LT(Now() - start, 20);
  EXPECT_EQ(PodsIn("run").size(), 50u);
}

TEST_F(AnyMany, FirstRunsOfAnEmptyStoreAtOnce) {
  // Stage1 and the image are imported and rendered by whoever is first; the others wait or do it
  // too.
  std::vector<Background> pods;
  for (int i = 0; i < 6; i++) pods.push_back(StartRkt(RunArgs({JudgeAci(), "--", "exit", "5"})));
  for (Background& pod : pods) {
    Output output = pod.Wait();
    EXPECT_EQ(output.code, 5) << output.All();
  }
}

TEST_F(Robustness, GcAndRunDoNotDisturbEachOther) {
  Fetch(JudgeAci());
  std::vector<Background> commands;
  for (int i = 0; i < 12; i++) {
    commands.push_back(StartRkt(RunArgs({JudgeAci(), "--", "exit", "7"})));
    commands.push_back(StartRkt({"gc", "--grace-period=0s"}));
    commands.push_back(StartRkt({"list"}));
  }
  for (size_t i = 0; i < commands.size(); i++) {
    Output output = commands[i].Wait();
    EXPECT_EQ(output.code, i % 3 == 0 ? 7 : 0) << output.All();
  }
}

TEST_F(Robustness, FullDiskWhileImporting) {
  std::string image = WriteImage("judge.aci", ImageSpec{});
  for (const char* size : {"size=300k", "size=1500k", "size=3m", "size=5m"}) {
    SmallDisk disk(dir() + "/small", size);
    Args rkt = {RktBinary(), "--dir=" + dir() + "/small/data", "--insecure-options=image"};
    Output output = RunProgram(rkt + Args{"fetch", image});
    ASSERT_EQ(output.code, 254) << size << "\n" << output.All();
    EXPECT_TRUE(Contains(output.err, "no space left on device")) << output.err;
    std::string cas = dir() + "/small/data/cas";
    EXPECT_TRUE(ListDir(cas + "/tmp").empty()) << size << ": " << ListDir(cas + "/tmp").at(0);
    for (const std::string& tree : ListDir(cas + "/tree")) {
      EXPECT_TRUE(Exists(cas + "/tree/" + tree + "/rendered")) << "a half made tree stays";
    }
    Output list = RunProgram(rkt + Args{"image", "list", "--format=json"});
    EXPECT_EQ(list.code, 0) << list.All();
  }
}

TEST_F(Robustness, FailingDiskWhileImporting) {
  // A file system on a loop device whose file cannot grow: writing its blocks gives EIO, which
  // comes to light by the sync at the end.
  REQUIRE_FACILITY("loop", access("/dev/loop-control", R_OK | W_OK) == 0, "no loop devices");
  REQUIRE_FACILITY("mkfs.ext2", RunProgram({"sh", "-c", "command -v mkfs.ext2"}).code == 0,
                   "no e2fsprogs");
  Tar tar;
  tar.File("manifest", ManifestJson({.name = "example.com/large"})).Dir("rootfs");
  tar.File("rootfs/large", std::string(24 << 20, 'l'));
  std::string image = WriteImage("large.aci", tar.Finish());
  SmallDisk backing(dir() + "/backing", "size=16m");
  std::string disk = dir() + "/backing/disk";
  WriteFile(disk, "");
  ASSERT_EQ(truncate(disk.c_str(), 128 << 20), 0);
  Output made = RunProgram({"mkfs.ext2", "-q", "-F", disk});
  ASSERT_EQ(made.code, 0) << made.All();
  MakeDirs(dir() + "/failing");
  Output mounted = RunProgram({"mount", "-o", "loop", disk, dir() + "/failing"});
  REQUIRE_FACILITY("loop", mounted.code == 0, mounted.err);
  Args rkt = {RktBinary(), "--dir=" + dir() + "/failing/data", "--insecure-options=image"};
  Output output = RunProgram(rkt + Args{"fetch", image});
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_TRUE(Contains(output.err, "input/output error") || Contains(output.err, "no space left"))
      << output.err;
  Output list = RunProgram(rkt + Args{"image", "list", "--format=json"});
  EXPECT_EQ(Trim(list.out), "null") << list.All();
  EXPECT_EQ(umount((dir() + "/failing").c_str()), 0);
}

TEST_F(Robustness, FullDiskWhilePreparingAndRunning) {
  SmallDisk disk(dir() + "/small", "size=40m");
  std::string data = dir() + "/small/data";
  Args rkt = {RktBinary(), "--dir=" + data, "--insecure-options=image"};
  ASSERT_EQ(RunProgram(rkt + Args{"fetch", JudgeAci()}).code, 0);
  ASSERT_EQ(RunProgram(rkt + Args{"run", "--net=none", JudgeAci(), "--", "exit", "0"}).code, 0);
  RunProgram(rkt + Args{"gc", "--grace-period=0s"});
  // All but a few kilobytes are taken away.
  RunProgram({"dd", "if=/dev/zero", "of=" + dir() + "/small/ballast", "bs=4k"});
  for (const Args& command :
       {Args{"prepare", "--no-overlay", "example.com/judge"}, Args{"prepare", "example.com/judge"},
        Args{"run", "--net=none", "example.com/judge", "--", "exit", "0"}}) {
    Output output = RunProgram(rkt + command);
    EXPECT_EQ(output.code, 254) << command[0] << "\n" << output.All();
    EXPECT_TRUE(Contains(output.err, "no space left on device")) << output.err;
  }
  EXPECT_EQ(RunProgram(rkt + Args{"list"}).code, 0);
  EXPECT_EQ(RunProgram(rkt + Args{"gc", "--grace-period=0s", "--expire-prepared=0s"}).code, 0);
  for (const char* stage : {"embryo", "prepare", "prepared", "run", "exited-garbage", "garbage"}) {
    EXPECT_TRUE(ListDir(data + "/pods/" + stage).empty()) << stage;
  }
  unlink((dir() + "/small/ballast").c_str());
  EXPECT_EQ(
      RunProgram(rkt + Args{"run", "--net=none", "example.com/judge", "--", "exit", "4"}).code, 4);
  RunProgram(rkt + Args{"gc", "--grace-period=0s"});
}

TEST_F(Robustness, ReadOnlyDataDirectoryIsAnError) {
  Fetch(JudgeAci());
  ASSERT_EQ(mount(data().c_str(), data().c_str(), nullptr, MS_BIND, nullptr), 0);
  ASSERT_EQ(mount(nullptr, data().c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr), 0);
  Output output = Run({"example.com/judge", "--", "exit", "0"});
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_TRUE(Contains(output.err, "read-only file system")) << output.err;
  EXPECT_EQ(Rkt({"image", "list"}).code, 0);
  EXPECT_EQ(Rkt({"list"}).code, 0);
  ASSERT_EQ(umount(data().c_str()), 0);
}

TEST_F(Robustness, DamagedIndexIsNamedOrRebuilt) {
  std::string id = Fetch(JudgeAci());
  for (const std::string& damage :
       {std::string(), std::string("garbage\n\xff\xff"), std::string(100000, 'x')}) {
    WriteFile(data() + "/cas/index", damage, 0660);
    Output output = Rkt({"image", "list"});
    EXPECT_EQ(output.signal, 0) << output.All();
    EXPECT_TRUE(output.code == 0 || Contains(output.err, "index")) << output.All();
    EXPECT_EQ(Fetch(JudgeAci()), id) << "a fetch brings it back";
    EXPECT_TRUE(Contains(RktOk({"image", "list"}).out, "example.com/judge"));
  }
}

TEST_F(Robustness, PodFilesThatAreLinksAreNotFollowed) {
  std::string secret = dir() + "/secret";
  WriteFile(secret, "{\"secret\": true}\n", 0600);
  std::string uuid = Prepare({JudgeAci()});
  std::string pod = PodDir(uuid);
  unlink((pod + "/pod").c_str());
  ASSERT_EQ(symlink(secret.c_str(), (pod + "/pod").c_str()), 0);
  Output output = Rkt({"cat-manifest", uuid});
  EXPECT_FALSE(Contains(output.All(), "secret\"")) << output.All();
  EXPECT_EQ(Rkt({"list"}).code, 0);
  EXPECT_EQ(ReadFile(secret), "{\"secret\": true}\n");
}

}  // namespace
}  // namespace rkt::test
