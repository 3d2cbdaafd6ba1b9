// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Pods from preparation to collection, with a stage1 of shell scripts that write down what they
// were given.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/uuid.h"
#include "pod/paths.h"
#include "stage0/enter.h"
#include "stage0/gc.h"
#include "stage0/list.h"
#include "stage0/rm.h"
#include "stage0/run.h"
#include "stage0/stop.h"
#include "store/import.h"
#include "store/test_images.h"

namespace rkt::stage0 {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Writes what it was given, says that it runs, and then does what the file `then` of the data
// directory says.
constexpr char kStubRun[] = R"(#!/bin/sh
echo $$ > pid
printf '%s\n' "$0" "$@" > argv
env | grep ^RKT_ | sort > environment
ls stage1/rootfs/opt/stage2/*/rootfs > seen
readlink stage1/rootfs/opt/stage2/*/rootfs/etc/mtab >> seen
echo written > stage1/rootfs/opt/stage2/app/rootfs/by-app
readlink /proc/$$/fd/$RKT_LOCK_FD > locked
pwd > directory
. ../../../then
)";
constexpr char kStubRecorder[] =
    "#!/bin/sh\nprintf '%s\\n' \"${0##*/}\" \"$@\" >> ../../../calls\npwd >> ../../../calls\n";

class PodOperations : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: mounts overlays";
    // Off the host's mount table, on a file system that carries overlays.
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr), 0);
    ASSERT_EQ(::mount("tmpfs", temporary_.path().c_str(), "tmpfs", 0, nullptr), 0);
    data_dir_ = StrCat(temporary_.path(), "/data, with:colon");
    ASSERT_TRUE(MakeDirs(data_dir_, 0755));
    store_ = std::make_unique<store::Store>(*store::Store::Open(data_dir_));
    store::TestArchive stage1;
    stage1_key_ = Import(
        stage1
            .File("manifest", store::TestManifest("example.com/stage1", "1", R"("annotations":[
                    {"name":"coreos.com/rkt/stage1/run","value":"/init"},
                    {"name":"coreos.com/rkt/stage1/gc","value":"/gc"},
                    {"name":"coreos.com/rkt/stage1/stop","value":"/stop"},
                    {"name":"coreos.com/rkt/stage1/enter","value":"/enter"},
                    {"name":"coreos.com/rkt/stage1/interface-version","value":"6"}])"))
            .Add(store::TestEntry("rootfs/rkt/status", TarType::kDirectory))
            .Add(Executable("rootfs/init"), kStubRun)
            .Add(Executable("rootfs/gc"), kStubRecorder)
            .Add(Executable("rootfs/stop"), kStubRecorder)
            .Add(Executable("rootfs/enter"), kStubRecorder)
            .Finish());
    store::TestArchive image;
    image_key_ = Import(image.File("manifest", store::TestManifest("example.com/app", "2"))
                            .File("rootfs/hello", "hello")
                            .Add(store::TestEntry("rootfs/etc", TarType::kDirectory))
                            .Finish());
    manifest_.ac_version = "2.0.0";
    appc::RuntimeApp app;
    app.name = "app";
    app.image.id = image_key_;
    app.app.emplace();
    app.app->exec = {"/hello"};
    app.app->user = app.app->group = "0";
    manifest_.apps.push_back(std::move(app));
    Then("exit 0");
  }
  void TearDown() override {
    store_.reset();
    if (!data_dir_.empty()) ::umount2(temporary_.path().c_str(), MNT_DETACH);
  }

  static TarEntry Executable(std::string name) {
    TarEntry entry = store::TestEntry(std::move(name));
    entry.mode = 0755;
    return entry;
  }
  std::string Import(const std::string& archive) {
    auto import = store::Store::Import::Begin(*store_, {});
    EXPECT_TRUE(import && import->Read(store::StringSource(archive)));
    Sha512 hash;
    hash.Update(archive);
    auto stored = import->Commit(hash.HexDigest());
    EXPECT_TRUE(stored) << stored.error().Text();
    return stored ? stored->key : "";
  }
  void Then(const std::string& script) {
    ASSERT_TRUE(WriteFileAt(AT_FDCWD, data_dir_ + "/then", script, 0644, true));
  }

  PrepareOptions Options() {
    PrepareOptions options;
    options.data_dir = data_dir_;
    options.stage1.choice = {Stage1Choice::Kind::kHash, stage1_key_};
    options.manifest = &manifest_;
    options.manifest_bytes = appc::WritePodManifest(manifest_);
    options.images = {{"app", image_key_, nullptr}};
    return options;
  }
  std::string PrepareOne() {
    auto uuid = Prepare(*store_, Options());
    EXPECT_TRUE(uuid) << uuid.error().Text();
    return uuid ? *uuid : "";
  }
  // Runs in a child, as `rkt run` is one; its exit status, or 100 where Run came back.
  pid_t StartPod(const std::string& uuid, bool overlay = true) {
    pid_t child = ::fork();
    if (child != 0) return child;
    PrepareOptions options = Options();
    options.uuid = uuid;
    options.use_overlay = overlay;
    Status failed = stage0::Run(*store_, options, {});
    ::fprintf(stderr, "%s\n", failed.error().Text().c_str());
    ::_exit(100);
  }
  static int WaitFor(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }
  int RunPod(const std::string& uuid, bool overlay = true) {
    return WaitFor(StartPod(uuid, overlay));
  }
  void WaitUntilRunning(const std::string& uuid) {
    std::string pid = StrCat(data_dir_, "/pods/run/", uuid, "/directory");
    for (int i = 0; i < 2000 && !Exists(pid); ++i) ::usleep(1000);
    ASSERT_TRUE(Exists(pid));
  }
  std::string PodFile(const std::string& uuid, const std::string& file) {
    auto pods = pod::Pods::Open(data_dir_);
    auto pod = pods->Get(uuid);
    auto text = pod ? pod->ReadFile(file) : Result<std::string>(pod.error());
    return text ? *text : text.error().Text();
  }
  std::vector<std::string> Left() {
    std::vector<std::string> left;
    for (const char* stage :
         {"embryo", "prepare", "prepared", "run", "exited-garbage", "garbage"}) {
      auto entries = ListDirAt(AT_FDCWD, StrCat(data_dir_, "/pods/", stage));
      if (!entries) continue;
      for (const DirEntry& entry : *entries) left.push_back(StrCat(stage, "/", entry.name));
    }
    return left;
  }
  Status Collect(int64_t grace_ns = 0) {
    notices_.clear();
    problems_.clear();
    GcOptions options;
    options.data_dir = data_dir_;
    options.grace_period_ns = grace_ns;
    GcCallbacks callbacks;
    callbacks.notice = [&](const std::string& text) { notices_.push_back(text); };
    callbacks.problem = [&](const Error& error) { problems_.push_back(error.Text()); };
    return Gc(options, callbacks);
  }
  std::string Calls() { return ReadFile(data_dir_ + "/calls").value_or(""); }

  store::TestDir temporary_;
  std::string data_dir_, stage1_key_, image_key_;
  std::unique_ptr<store::Store> store_;
  appc::PodManifest manifest_;
  std::vector<std::string> notices_, problems_;
};

TEST_F(PodOperations, APreparedPodHasTheDocumentedFiles) {
  std::string uuid = PrepareOne();
  std::string dir = StrCat(data_dir_, "/pods/prepared/", uuid, "/");
  struct stat st;
  ASSERT_EQ(::stat((dir + "pod").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0640u);
  ASSERT_EQ(::stat((dir + "pod.lck").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600u);
  ASSERT_EQ(::stat((dir + "appsinfo/app").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0750u);
  std::string tree = *store_->TreeId(image_key_);
  EXPECT_EQ(PodFile(uuid, "appsinfo/app/treeStoreID"), tree);
  EXPECT_EQ(PodFile(uuid, "stage1TreeStoreID"), *store_->TreeId(stage1_key_));
  EXPECT_TRUE(Exists(StrCat(dir, "overlay/", tree, "/upper/app")));
  EXPECT_TRUE(Exists(dir + "overlay-prepared"));
  EXPECT_TRUE(Exists(dir + "pod-created"));
  EXPECT_EQ(PodFile(uuid, "pod"), appc::WritePodManifest(manifest_));
}

TEST_F(PodOperations, Stage1GetsItsArgumentsTheLockAndTheMounts) {
  std::string uuid = NewUuid();
  ASSERT_EQ(RunPod(uuid), 0);
  std::string dir = StrCat(data_dir_, "/pods/run/", uuid);
  EXPECT_EQ(PodFile(uuid, "argv"), StrCat(dir, "/stage1/rootfs/init\n--net=default\n", uuid, "\n"));
  EXPECT_THAT(PodFile(uuid, "environment"), HasSubstr("RKT_LOCK_FD="));
  EXPECT_THAT(PodFile(uuid, "environment"), HasSubstr("RKT_SELINUX_MOUNT_CONTEXT=\n"));
  EXPECT_EQ(PodFile(uuid, "locked"), dir + "\n");
  EXPECT_EQ(PodFile(uuid, "directory"), dir + "\n");
  EXPECT_EQ(PodFile(uuid, "seen"), "etc\nhello\n../proc/self/mounts\n");
  // The app's file went to the upper directory, and no mount to this namespace.
  std::string tree = *store_->TreeId(image_key_);
  EXPECT_EQ(PodFile(uuid, StrCat("overlay/", tree, "/upper/app/by-app")), "written\n");
  EXPECT_FALSE(Exists(dir + "/stage1/rootfs/init"));
}

TEST_F(PodOperations, WithoutOverlayTheTreesAreCopied) {
  std::string uuid = NewUuid();
  ASSERT_EQ(RunPod(uuid, /*overlay=*/false), 0);
  EXPECT_EQ(PodFile(uuid, "stage1/rootfs/opt/stage2/app/rootfs/by-app"), "written\n");
  EXPECT_EQ(PodFile(uuid, "seen"), "etc\nhello\n../proc/self/mounts\n");
  EXPECT_FALSE(Exists(StrCat(data_dir_, "/pods/run/", uuid, "/appsinfo/app/treeStoreID")));
  EXPECT_FALSE(Exists(StrCat(data_dir_, "/pods/run/", uuid, "/overlay")));
}

TEST_F(PodOperations, TheProcessKeepsItsNumberAndThePodRunsAsLongAsItLives) {
  Then("while :; do sleep 0.01; done");
  std::string uuid = NewUuid();
  pid_t child = StartPod(uuid);
  WaitUntilRunning(uuid);
  auto status = GetPodStatus(data_dir_, uuid);
  ASSERT_TRUE(status) << status.error().Text();
  EXPECT_EQ(status->state, pod::State::kRunning);
  EXPECT_EQ(status->pid, child);
  EXPECT_STREQ(status->apps[0].state, "running");
  EXPECT_EQ(status->apps[0].summary.image_name, "example.com/app:2");
  EXPECT_EQ(Rm(uuid, GcOptions{.data_dir = data_dir_}, {}).error().code(), Code::kBusy);
  EXPECT_EQ(WaitExited(data_dir_, uuid, 1'000'000).error().message(), "context deadline exceeded");
  ASSERT_TRUE(Collect());
  EXPECT_THAT(Left(), ElementsAre(StrCat("run/", uuid)));
  ::kill(child, SIGKILL);
  EXPECT_EQ(WaitFor(child), 1000 + SIGKILL);
  EXPECT_TRUE(WaitExited(data_dir_, uuid, 5'000'000'000));
  EXPECT_EQ(GetPodStatus(data_dir_, uuid)->state, pod::State::kExited);
}

TEST_F(PodOperations, APreparedPodRunsOnce) {
  std::string uuid = PrepareOne();
  auto run = [&] {
    pid_t child = ::fork();
    if (child == 0) {
      Status failed = RunPrepared(data_dir_, uuid, {});
      ::_exit(failed.error().message() == StrCat("pod \"", uuid, "\" is not prepared") ? 101 : 100);
    }
    return WaitFor(child);
  };
  EXPECT_EQ(run(), 0);
  EXPECT_EQ(PodFile(uuid, "seen"), "etc\nhello\n../proc/self/mounts\n");
  EXPECT_EQ(run(), 101);
}

TEST_F(PodOperations, WhatCannotStartLeavesNoPod) {
  // A stage1 without run entry point.
  store::TestArchive bad;
  std::string key = Import(bad.File("manifest", store::TestManifest("example.com/bad", "1"))
                               .Add(store::TestEntry("rootfs/rkt/status", TarType::kDirectory))
                               .Finish());
  PrepareOptions options = Options();
  options.stage1.choice.value = key;
  auto failed = stage0::Run(*store_, options, {});
  EXPECT_EQ(failed.error().message(), "the stage1 image has no run entry point");
  // One that cannot be executed: this comes behind the mounts.
  store::TestArchive missing;
  key = Import(
      missing
          .File("manifest",
                store::TestManifest(
                    "example.com/missing", "1",
                    R"("annotations":[{"name":"coreos.com/rkt/stage1/run","value":"/none"}])"))
          .Add(store::TestEntry("rootfs/rkt/status", TarType::kDirectory))
          .Finish());
  options.stage1.choice.value = key;
  pid_t child = ::fork();
  if (child == 0) {
    ::_exit(stage0::Run(*store_, options, {}).error().err() == ENOENT ? 0 : 1);
  }
  EXPECT_EQ(WaitFor(child), 0);
  EXPECT_THAT(Left(), IsEmpty());
}

TEST_F(PodOperations, AFullDiskLeavesNoPod) {
  ASSERT_TRUE(MakeDirs(data_dir_ + "/pods", 0755));
  ASSERT_EQ(::mount("tmpfs", (data_dir_ + "/pods").c_str(), "tmpfs", 0, "nr_inodes=24"), 0);
  auto uuid = Prepare(*store_, Options());
  ASSERT_FALSE(uuid);
  EXPECT_EQ(uuid.error().err(), ENOSPC);
  EXPECT_THAT(uuid.error().Text(), HasSubstr("no space left on device"));
  EXPECT_THAT(Left(), IsEmpty());
  ::umount2((data_dir_ + "/pods").c_str(), MNT_DETACH);
}

TEST_F(PodOperations, CollectingMarksWaitsAsksStage1AndRemoves) {
  std::string uuid = NewUuid();
  ASSERT_EQ(RunPod(uuid), 0);
  ASSERT_TRUE(Collect(3600ll * 1'000'000'000));
  EXPECT_THAT(notices_, ElementsAre(StrCat("moving pod \"", uuid, "\" to garbage"),
                                    StrCat("pod \"", uuid,
                                           "\" not removed: still within grace period (1h0m0s)")));
  auto status = GetPodStatus(data_dir_, uuid);
  EXPECT_EQ(status->state, pod::State::kExitedGarbage);
  EXPECT_TRUE(status->marked_ns);
  EXPECT_EQ(status->apps[0].finished_ns, status->marked_ns);
  ASSERT_TRUE(Collect());
  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_EQ(Calls(), StrCat("gc\n", uuid, "\n", data_dir_, "/pods/exited-garbage/", uuid, "\n"));
  EXPECT_THAT(Left(), IsEmpty());
}

TEST_F(PodOperations, AStage1ThatLeftNothingIsNotAsked) {
  Then("touch nothing-to-collect");
  ASSERT_EQ(RunPod(NewUuid()), 0);
  ASSERT_TRUE(Collect());
  EXPECT_EQ(Calls(), "");
  EXPECT_THAT(Left(), IsEmpty());
}

TEST_F(PodOperations, CollectingSkipsWhatIsLockedAndGoesOn) {
  std::string busy = NewUuid(), free_one = NewUuid();
  ASSERT_EQ(RunPod(busy), 0);
  ASSERT_EQ(RunPod(free_one), 0);
  pod::Pods pods = *pod::Pods::Open(data_dir_);
  pod::Pod pod = *pods.Get(busy);
  ASSERT_TRUE(pods.Move(pod, pod::Stage::kExitedGarbage));
  auto lock = pods.TryLock(pod);
  ASSERT_TRUE(lock && *lock);
  ASSERT_TRUE(Collect());
  EXPECT_THAT(notices_, ::testing::Contains(HasSubstr(busy)));
  EXPECT_THAT(Left(), ElementsAre(StrCat("exited-garbage/", busy)));
}

TEST_F(PodOperations, MountsInAPodAreDetachedAndWhatTheyShowStays) {
  std::string uuid = NewUuid();
  ASSERT_EQ(RunPod(uuid), 0);
  std::string precious = StrCat(temporary_.path(), "/precious");
  ASSERT_TRUE(MakeDirs(precious, 0755));
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, precious + "/file", "", 0644));
  std::string target = StrCat(data_dir_, "/pods/run/", uuid, "/stage1/rootfs");
  ASSERT_EQ(::mount(precious.c_str(), target.c_str(), nullptr, MS_BIND, nullptr), 0);
  Fd busy = *Open(target + "/file", O_RDONLY);
  ASSERT_TRUE(Collect());
  EXPECT_THAT(Left(), IsEmpty());
  EXPECT_TRUE(Exists(precious + "/file"));
}

TEST_F(PodOperations, StopAndEnterGoByTheTreeStoresCopy) {
  Then("while :; do sleep 0.01; done");
  std::string uuid = NewUuid();
  pid_t pod = StartPod(uuid);
  WaitUntilRunning(uuid);
  auto stopped = Stop(data_dir_, uuid, /*force=*/true);
  ASSERT_TRUE(stopped) << stopped.error().Text();
  EXPECT_EQ(*stopped, StopResult::kStopped);
  std::string dir = StrCat(data_dir_, "/pods/run/", uuid);
  EXPECT_EQ(Calls(), StrCat("stop\n--force\n", uuid, "\n", dir, "\n"));
  EXPECT_THAT(*AppNames(data_dir_, uuid), ElementsAre("app"));
  pid_t child = ::fork();
  if (child == 0) {
    (void)Enter(data_dir_, uuid, "app", {}, {"/bin/sh", "--pid=1"});
    ::_exit(100);
  }
  EXPECT_EQ(WaitFor(child), 0);
  EXPECT_THAT(Calls(), HasSubstr(StrCat("enter\n--pid=", pod,
                                        "\n--appname=app\n--\n/bin/sh\n--pid=1\n", dir, "\n")));
  ::kill(pod, SIGKILL);
  WaitFor(pod);
  ASSERT_TRUE(WaitExited(data_dir_, uuid,
                         5'000'000'000));  // the stub's child holds the lock a moment longer
  EXPECT_EQ(*Stop(data_dir_, uuid, false), StopResult::kAlreadyStopped);
  EXPECT_FALSE(Enter(data_dir_, uuid, "app", {}, {"/bin/sh"}));
}

TEST_F(PodOperations, RmTakesPreparedAndExitedPodsAtOnce) {
  std::string prepared = PrepareOne(), exited = NewUuid();
  ASSERT_EQ(RunPod(exited), 0);
  GcOptions options;
  options.data_dir = data_dir_;
  EXPECT_TRUE(Rm(prepared, options, {}));
  EXPECT_TRUE(Rm(exited, options, {}));
  EXPECT_THAT(Left(), IsEmpty());
  EXPECT_EQ(Rm(exited, options, {}).error().code(), Code::kNotFound);
}

TEST_F(PodOperations, PreparedPodsExpire) {
  std::string uuid = PrepareOne();
  ASSERT_TRUE(Collect());
  EXPECT_THAT(Left(), SizeIs(1));
  GcOptions options;
  options.data_dir = data_dir_;
  options.expire_prepared_ns = 0;
  ASSERT_TRUE(Gc(options, {}));
  EXPECT_THAT(Left(), IsEmpty());
}

// Killed wherever it happens to be: what is left is a pod that can be listed and collected.
TEST_F(PodOperations, AKilledRunIsCollectedWhereverItWas) {
  Then("sleep 0.002");
  for (int i = 0; i < 60; ++i) {
    std::string uuid = NewUuid();
    pid_t child = StartPod(uuid);
    ::usleep(static_cast<useconds_t>(i * 60));
    ::kill(child, SIGKILL);
    WaitFor(child);
    auto listed = ListPods({.data_dir = data_dir_, .details = true});
    ASSERT_TRUE(listed) << listed.error().Text();
    EXPECT_THAT(listed->errors, IsEmpty());
    ASSERT_TRUE(Collect());
    // The stub's own child may hold the lock for a moment longer than it.
    for (int wait = 0; wait < 100 && !Left().empty(); ++wait) {
      ::usleep(1000);
      ASSERT_TRUE(Collect());
    }
    EXPECT_THAT(Left(), IsEmpty()) << "killed after " << i * 60 << " us";
    EXPECT_THAT(problems_, IsEmpty());
  }
}

TEST_F(PodOperations, DamagedPodsAreNamedAndTheOthersListed) {
  std::string good = PrepareOne(), truncated = PrepareOne(), linked = PrepareOne();
  std::string prepared = data_dir_ + "/pods/prepared/";
  ASSERT_EQ(::truncate((prepared + truncated + "/pod").c_str(), 20), 0);
  ASSERT_EQ(::unlink((prepared + linked + "/pod").c_str()), 0);
  ASSERT_EQ(::symlink("/etc/passwd", (prepared + linked + "/pod").c_str()), 0);
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, prepared + "stray", "", 0644));
  auto listed = ListPods({.data_dir = data_dir_});
  ASSERT_TRUE(listed);
  EXPECT_THAT(listed->pods, SizeIs(3));
  ASSERT_THAT(listed->errors, SizeIs(2));
  std::string errors = listed->errors[0].Text() + listed->errors[1].Text();
  EXPECT_THAT(errors, HasSubstr(truncated));
  EXPECT_THAT(errors, HasSubstr(linked));
  EXPECT_THAT(listed->notices, ElementsAre("unrecognized entry: \"stray\", ignoring"));
}

}  // namespace
}  // namespace rkt::stage0
