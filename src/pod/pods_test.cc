// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/uuid.h"
#include "pod/paths.h"
#include "pod/pod.h"

namespace rkt::pod {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PodsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/pods_test.XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
  }
  void TearDown() override { (void)RemoveTreeAt(AT_FDCWD, dir_); }

  Pods Open() { return *Pods::Open(dir_); }
  std::string Where(Stage stage, const std::string& uuid) {
    return StrCat(dir_, "/pods/", StageDir(stage), "/", uuid);
  }
  // A pod without a lock in a stage, as a killed process leaves it.
  Pod Leave(Stage stage, const std::string& uuid = NewUuid()) {
    Pods pods = Open();
    EXPECT_EQ(::mkdir(Where(stage, uuid).c_str(), 0750), 0);
    return *pods.Get(uuid);
  }
  void Write(const Pod& pod, const std::string& file, const std::string& text) {
    size_t slash = file.rfind('/');
    if (slash != std::string::npos) {
      ASSERT_TRUE(MakeDirs(StrCat(pod.path(), "/", file.substr(0, slash)), 0755));
    }
    ASSERT_TRUE(WriteFileAt(pod.fd(), file, text, 0640, true));
  }

  std::string dir_;
};

TEST_F(PodsTest, ANewPodIsLockedAndPreparing) {
  Pods pods = Open();
  auto created = pods.Create(NewUuid());
  ASSERT_TRUE(created) << created.error().Text();
  EXPECT_EQ(created->pod.state(), State::kPreparing);
  EXPECT_TRUE(Exists(Where(Stage::kPrepare, created->pod.uuid())));
  EXPECT_EQ(pods.Get(created->pod.uuid())->state(), State::kPreparing);
  EXPECT_FALSE(created->pod.created_ns());
}

TEST_F(PodsTest, DirectoryAndLockTogetherAreTheState) {
  Pods pods = Open();
  struct Row {
    Stage stage;
    State unlocked, locked;
  };
  for (const Row& row : {Row{Stage::kEmbryo, State::kEmbryo, State::kEmbryo},
                         Row{Stage::kPrepare, State::kAbortedPrepare, State::kPreparing},
                         Row{Stage::kPrepared, State::kPrepared, State::kPrepared},
                         Row{Stage::kRun, State::kExited, State::kRunning},
                         Row{Stage::kExitedGarbage, State::kExitedGarbage, State::kExitedDeleting},
                         Row{Stage::kGarbage, State::kGarbage, State::kDeleting}}) {
    Pod pod = Leave(row.stage);
    EXPECT_EQ(pod.state(), row.unlocked);
    auto lock = pods.TryLock(pod);
    ASSERT_TRUE(lock && *lock);
    EXPECT_EQ(pods.Get(pod.uuid())->state(), row.locked) << StageDir(row.stage);
  }
}

TEST_F(PodsTest, TheLockGoesWithTheProcessThatIsKilled) {
  std::string uuid = NewUuid();
  auto [read_end, write_end] = *MakePipe();
  pid_t child = ::fork();
  if (child == 0) {
    Pods pods = Open();
    auto created = pods.Create(uuid);
    if (!created || !pods.Move(created->pod, Stage::kRun)) ::_exit(1);
    if (::write(write_end.get(), "x", 1) != 1) ::_exit(1);
    ::pause();
  }
  write_end.Close();
  char byte;
  ASSERT_EQ(::read(read_end.get(), &byte, 1), 1);
  Pods pods = Open();
  EXPECT_EQ(pods.Get(uuid)->state(), State::kRunning);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(pods.Get(uuid)->state(), State::kExited);
}

TEST_F(PodsTest, AReaderDoesNotKeepALockFromAnybody) {
  Pods pods = Open();
  Pod pod = Leave(Stage::kRun);
  pid_t reader = ::fork();
  if (reader == 0) {
    for (int i = 0; i < 20000; ++i) (void)Pods::Open(dir_)->Get(pod.uuid());
    ::_exit(0);
  }
  int got = 0;
  for (int i = 0; i < 200; ++i) {
    auto lock = pods.TryLock(pod);
    got += lock && *lock;
    ::usleep(100);
  }
  ::kill(reader, SIGKILL);
  ::waitpid(reader, nullptr, 0);
  EXPECT_EQ(got, 200);
}

TEST_F(PodsTest, OnlyOneMoverWins) {
  Pods pods = Open();
  Pod first = Leave(Stage::kPrepared);
  Pod second = *pods.Get(first.uuid());
  ASSERT_TRUE(pods.Move(first, Stage::kRun));
  auto moved = pods.Move(second, Stage::kRun);
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().code(), Code::kNotFound);
}

TEST_F(PodsTest, RefreshFollowsAPodThatMovedOn) {
  Pods pods = Open();
  Pod pod = Leave(Stage::kPrepared);
  Pod other = *pods.Get(pod.uuid());
  ASSERT_TRUE(pods.Move(other, Stage::kExitedGarbage));
  EXPECT_TRUE(pod.HasMoved());
  ASSERT_TRUE(pod.Refresh());
  EXPECT_EQ(pod.stage(), Stage::kExitedGarbage);
  EXPECT_EQ(pod.path(), Where(Stage::kExitedGarbage, pod.uuid()));
  ASSERT_TRUE(pods.Forget(other));
  auto gone = pod.Refresh();
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code(), Code::kNotFound);
}

TEST_F(PodsTest, APrefixOfOnePodIsItsName) {
  Pods pods = Open();
  Leave(Stage::kRun, "aaaaaaaa-0000-4000-8000-000000000001");
  Leave(Stage::kPrepared, "aaaabbbb-0000-4000-8000-000000000002");
  Leave(Stage::kGarbage, "cccccccc-0000-4000-8000-000000000003");
  EXPECT_EQ(*pods.ResolveUuid("aaaab"), "aaaabbbb-0000-4000-8000-000000000002");
  EXPECT_EQ(*pods.ResolveUuid("AAAAA"), "aaaaaaaa-0000-4000-8000-000000000001");
  EXPECT_EQ(*pods.ResolveUuid("aaaaaaaa-0000-4000-8000-000000000001"),
            "aaaaaaaa-0000-4000-8000-000000000001");
  EXPECT_EQ(pods.ResolveUuid("aaaa").error().message(), "ambiguous uuid, 2 matches");
  EXPECT_EQ(pods.ResolveUuid("x").error().message(), "no matches found for \"x\"");
  EXPECT_EQ(pods.ResolveUuid("cccc").error().message(), "no matches found for \"cccc\"");
  EXPECT_EQ(pods.ResolveUuid("").error().message(), "UUID cannot be empty");
}

TEST_F(PodsTest, WhatIsNoPodIsNamedAndTheOthersAreVisited) {
  Pods pods = Open();
  Pod pod = Leave(Stage::kRun);
  std::string run = StrCat(dir_, "/pods/run/");
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, run + "file", "", 0644));
  ASSERT_EQ(::mkdir((run + "short").c_str(), 0750), 0);
  ASSERT_EQ(::symlink("/", (run + NewUuid()).c_str()), 0);
  std::vector<std::string> uuids, problems;
  ASSERT_TRUE(pods.ForEach(
      {Stage::kRun},
      [&](Pod& visited) -> Status {
        uuids.push_back(visited.uuid());
        return {};
      },
      [&](const std::string& problem) { problems.push_back(problem); }));
  EXPECT_THAT(uuids, ElementsAre(pod.uuid()));
  EXPECT_THAT(problems, ::testing::UnorderedElementsAre("unrecognized entry: \"file\", ignoring",
                                                        "skipping \"short\": bad UUID length != 32",
                                                        HasSubstr("unrecognized entry: ")));
}

TEST_F(PodsTest, NoDataDirectoryMeansNoPods) {
  std::string missing = StrCat(dir_, "/nothing/there");
  ASSERT_TRUE(Pods::Open(missing));
  EXPECT_TRUE(Exists(StrCat(missing, "/pods/exited-garbage")));
}

TEST_F(PodsTest, TheProcessIsInPidOrIsTheOnlyChildOfPpid) {
  Pod pod = Leave(Stage::kRun);
  EXPECT_EQ(pod.ContainerPid().error().code(), Code::kNotFound);
  pid_t parent = ::fork();
  auto spawn = [] {
    pid_t pid = ::fork();
    if (pid == 0) {
      ::pause();
      ::_exit(0);
    }
    return pid;
  };
  if (parent == 0) {
    spawn();
    ::raise(SIGSTOP);
    spawn();
    ::pause();
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(parent, nullptr, WUNTRACED), parent);
  Write(pod, kPpidFile, StrCat(parent, "\n"));
  auto child = pod.ContainerPid();
  ASSERT_TRUE(child) << child.error().Text();
  EXPECT_GT(*child, 0);
  EXPECT_NE(*child, parent);
  ::kill(parent, SIGCONT);
  auto many = pod.ContainerPid();
  for (int i = 0; i < 1000 && many; ++i) {
    ::usleep(1000);
    many = pod.ContainerPid();
  }
  EXPECT_EQ(many.error().message(), StrCat("too many children of pid ", parent));
  Write(pod, kPidFile, "4711\n");
  EXPECT_EQ(*pod.ContainerPid(), 4711);
  EXPECT_EQ(pod.RecordedPid(), 4711);
  auto children = ReadFile(StrCat("/proc/", parent, "/task/", parent, "/children"));
  for (const std::string& pid : Split(*children, ' ')) {
    if (auto number = ParseInt(pid)) ::kill(static_cast<pid_t>(*number), SIGKILL);
  }
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
}

TEST_F(PodsTest, ExitCodesAndReadinessAreReadFromTheUpperDirectoryOrTheCopy) {
  Pod copy = Leave(Stage::kRun);
  Write(copy, "stage1/rootfs/rkt/status/app", "7\n");
  EXPECT_EQ(copy.AppExitCode("app"), 7);
  EXPECT_EQ(copy.AppExitCode("other"), std::nullopt);
  EXPECT_FALSE(copy.IsReady());
  ASSERT_EQ(::symlinkat("ready", copy.fd(), "stage1/rootfs/rkt/supervisor-status"), 0);
  EXPECT_TRUE(copy.IsReady());

  Pod overlay = Leave(Stage::kRun);
  Write(overlay, kOverlayMarker, "");
  Write(overlay, kStage1TreeFile, "deps-sha512-1");
  Write(overlay, "overlay/deps-sha512-1/upper/rkt/status/app", "9\n");
  EXPECT_EQ(overlay.AppExitCode("app"), 9);
}

TEST_F(PodsTest, AFileReplacedByALinkIsNotFollowed) {
  Pod pod = Leave(Stage::kRun);
  ASSERT_EQ(::symlinkat("/etc/passwd", pod.fd(), kManifestFile), 0);
  auto manifest = pod.ReadManifestBytes();
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code(), Code::kCorrupt);
  auto summary = pod.ReadSummary();
  ASSERT_FALSE(summary);
  EXPECT_THAT(summary.error().Text(), HasSubstr(StrCat(pod.path(), "/pod is not a regular file")));
  // Nor does a FIFO block.
  Pod fifo = Leave(Stage::kRun);
  ASSERT_EQ(::mkfifoat(fifo.fd(), kManifestFile, 0600), 0);
  EXPECT_FALSE(fifo.ReadManifestBytes());
}

TEST_F(PodsTest, ATreeIdThatIsAPathIsDamage) {
  Pod pod = Leave(Stage::kRun);
  Write(pod, kStage1TreeFile, "../../etc");
  EXPECT_EQ(pod.Stage1TreeId().error().code(), Code::kCorrupt);
}

}  // namespace
}  // namespace rkt::pod
