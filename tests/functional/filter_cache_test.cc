// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Filters of system calls that are not the default one are compiled once and kept.

#include <sys/stat.h>
#include <unistd.h>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class FilterCache : public PodTest {
 protected:
  std::string Kept() const { return data() + "/filters"; }
  std::string OnlyFile() {
    Args names = ListDir(Kept());
    EXPECT_EQ(names.size(), 1u);
    return names.empty() ? "" : Kept() + "/" + names[0];
  }
  // What chmod says under a filter without it.
  std::string Chmod(const Args& flags = {"--seccomp=mode=remove,errno=EACCES,chmod,fchmodat"}) {
    Output output = Run(Args{JudgeAci()} + flags + Args{"--", "do", "chmod:/"});
    EXPECT_EQ(output.code, 0) << output.All();
    return Trim(AppText(output.out));
  }
};

TEST_F(FilterCache, HoldsOneFileForEachFilterAndNoneForTheDefaultOne) {
  EXPECT_EQ(Chmod({}), "ok");
  EXPECT_FALSE(Exists(Kept()));
  EXPECT_EQ(Chmod(), "EACCES");
  std::string file = OnlyFile();
  EXPECT_EQ(ModeOf(Kept()), 0700u);
  EXPECT_EQ(ModeOf(file), 0600u);
  EXPECT_EQ(Chmod({"--seccomp=mode=remove,errno=EACCES,fchmodat,chmod,chmod"}), "EACCES");
  EXPECT_EQ(ListDir(Kept()).size(), 1u) << "the order of names is none";
  EXPECT_EQ(Chmod({"--seccomp=mode=remove,errno=EPERM,chmod,fchmodat"}), "EPERM");
  EXPECT_EQ(ListDir(Kept()).size(), 2u);
  EXPECT_EQ(Chmod(), "EACCES");
}

TEST_F(FilterCache, TheKeptProgramIsWhatIsUsed) {
  EXPECT_EQ(Chmod(), "EACCES");
  std::string denying = OnlyFile();
  struct stat before;
  ASSERT_EQ(stat(denying.c_str(), &before), 0);
  EXPECT_EQ(Chmod(), "EACCES");
  struct stat after;
  ASSERT_EQ(stat(denying.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino) << "it was compiled again";
  RunningPod pod = Start({JudgeAci(), "--seccomp=mode=remove,errno=EACCES,chmod,fchmodat", "--", "sleep"}, "sleeping");
  EXPECT_EQ(RktOk({"enter", pod.uuid, "/judge", "do", "chmod:/"}).out, "EACCES\n");
  ASSERT_EQ(stat(denying.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino) << "entering compiled it again";
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
}

TEST_F(FilterCache, DamagedAndForeignFilesAreReplaced) {
  EXPECT_EQ(Chmod(), "EACCES");
  std::string file = OnlyFile(), good = ReadFile(file);
  std::string lax = good;
  for (char& c : lax) c = static_cast<char>(c ^ 1);
  for (const std::string& text : {std::string(), std::string("x"), good.substr(0, good.size() / 2), lax}) {
    WriteFile(file, text);
    EXPECT_EQ(Chmod(), "EACCES");
    EXPECT_EQ(ReadFile(file), good);
  }
  ASSERT_EQ(chown(file.c_str(), 1000, 1000), 0);
  EXPECT_EQ(Chmod(), "EACCES");
  struct stat st;
  ASSERT_EQ(stat(file.c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 0u);
}

TEST_F(FilterCache, ADirectoryOfAnotherUsersIsNotUsed) {
  EXPECT_EQ(Chmod(), "EACCES");
  std::string file = OnlyFile();
  // Some other program of the right size and form, in the place of this one.
  EXPECT_EQ(Chmod({"--seccomp=mode=remove,errno=EPERM,mkdir"}), "ok");
  for (const std::string& name : ListDir(Kept())) {
    if (Kept() + "/" + name != file) ASSERT_EQ(rename((Kept() + "/" + name).c_str(), file.c_str()), 0);
  }
  EXPECT_EQ(Chmod(), "EACCES") << "a filter for something else";
  ASSERT_EQ(chown(Kept().c_str(), 1000, 1000), 0);
  std::string before = ReadFile(file);
  EXPECT_EQ(Chmod({"--seccomp=mode=remove,errno=ENOSYS,chmod,fchmodat"}), "ENOSYS");
  EXPECT_EQ(ListDir(Kept()).size(), 1u) << "nothing is written there either";
}

TEST_F(FilterCache, CollectingRemovesWhatNobodyHasUsedForLong) {
  EXPECT_EQ(Chmod(), "EACCES");
  std::string file = OnlyFile();
  RktOk({"gc"});
  EXPECT_TRUE(Exists(file));
  ASSERT_EQ(RunProgram({"touch", "-d", "40 days ago", file}).code, 0);
  EXPECT_EQ(Chmod(), "EACCES");
  RktOk({"gc"});
  EXPECT_TRUE(Exists(file)) << "it was used today";
  ASSERT_EQ(RunProgram({"touch", "-d", "40 days ago", file}).code, 0);
  WriteFile(file + ".tmp.1.1", "left by a writer that was killed");
  ASSERT_EQ(RunProgram({"touch", "-d", "2 days ago", file + ".tmp.1.1"}).code, 0);
  RktOk({"gc"});
  EXPECT_EQ(ListDir(Kept()), Args{});
}

}  // namespace
}  // namespace rkt::test
