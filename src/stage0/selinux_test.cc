// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/selinux.h"

#include <gtest/gtest.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <set>

#include "base/file.h"
#include "base/strings.h"
#include "base/uuid.h"
#include "pod/paths.h"

namespace rkt::stage0 {
namespace {

class SelinuxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/rkt-selinux-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    path_ = path;
    host_ = {path_, path_ + "/etc", true};
    ASSERT_TRUE(MakeDirs(path_ + "/etc/mls/contexts", 0755));
    ASSERT_TRUE(MakeDirs(path_ + "/etc/targeted/contexts", 0755));
    pods_.emplace(*pod::Pods::Open(path_ + "/data"));
  }
  void TearDown() override { (void)RemoveTreeAt(AT_FDCWD, path_); }

  void Write(const std::string& file, const std::string& text) {
    ASSERT_TRUE(WriteFileAt(AT_FDCWD, path_ + "/etc/" + file, text, 0644, true));
  }
  pod::Pods::Created NewPod() { return *pods_->Create(NewUuid()); }
  static std::string Level(const std::string& context) {
    std::vector<std::string> fields = Split(context, ':');
    return fields.size() > 4 ? StrCat(fields[3], ":", fields[4]) : "";
  }

  std::string path_;
  SelinuxHost host_;
  std::optional<pod::Pods> pods_;
};

constexpr char kContexts[] =
    "# labels\n"
    "process = \"system_u:system_r:container_t:s0\"\n"
    "  content= \"system_u:object_r:virt_var_lib_t:s0\"\n"
    "file = \"system_u:object_r:container_file_t:s0\"\n"
    "sandbox_kvm_process = \"system_u:system_r:container_kvm_t:s0\"\n";

TEST_F(SelinuxTest, LabelsAreThoseOfThePolicyThatTheHostHasChosen) {
  Write("config", "SELINUX=enforcing\n# SELINUXTYPE=other\nSELINUXTYPE=mls\n");
  Write("mls/contexts/lxc_contexts", kContexts);
  auto pod = NewPod();
  auto labels = TakeSelinuxLabels(*pods_, pod.pod, host_);
  ASSERT_TRUE(labels) << labels.error().Text();
  EXPECT_TRUE(labels->process.starts_with("system_u:system_r:container_t:s0:c")) << labels->process;
  EXPECT_TRUE(labels->mount.starts_with("system_u:object_r:container_file_t:s0:c")) << labels->mount;
  EXPECT_EQ(Level(labels->process), Level(labels->mount));
  auto read = ReadSelinuxLabels(pod.pod);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->process, labels->process);
  EXPECT_EQ(read->mount, labels->mount);
}

TEST_F(SelinuxTest, WithoutAConfigurationThePolicyIsTheTargetedOne) {
  Write("targeted/contexts/lxc_contexts", kContexts);
  auto pod = NewPod();
  EXPECT_NE(TakeSelinuxLabels(*pods_, pod.pod, host_)->process, "");
}

TEST_F(SelinuxTest, NoLabelsWhereSelinuxIsOffOrThePolicyHasNone) {
  auto pod = NewPod();
  EXPECT_EQ(TakeSelinuxLabels(*pods_, pod.pod, host_)->process, "");
  Write("targeted/contexts/lxc_contexts", "process = \"a:b:c:s0\"\n");
  EXPECT_EQ(TakeSelinuxLabels(*pods_, pod.pod, host_)->process, "") << "no label for the files";
  Write("targeted/contexts/lxc_contexts", kContexts);
  SelinuxHost off = host_;
  off.any_file_system = false;  // some directory, which is not the kernel's
  EXPECT_EQ(TakeSelinuxLabels(*pods_, pod.pod, off)->process, "");
  EXPECT_FALSE(ExistsAt(pod.pod.fd(), pod::kSelinuxFile));
  EXPECT_EQ(ReadSelinuxLabels(pod.pod)->process, "");
}

TEST_F(SelinuxTest, EveryPodHasCategoriesOfItsOwn) {
  Write("targeted/contexts/lxc_contexts", kContexts);
  std::set<std::string> levels;
  std::vector<pod::Pods::Created> pods;
  for (int i = 0; i < 60; ++i) {
    pods.push_back(NewPod());
    if (i % 2 == 1) {
      ASSERT_TRUE(pods_->Move(pods.back().pod, pod::Stage::kPrepared));
    }
    auto labels = TakeSelinuxLabels(*pods_, pods.back().pod, host_);
    ASSERT_TRUE(labels);
    std::string level = Level(labels->process);
    EXPECT_TRUE(levels.insert(level).second) << level;
    // Two, the smaller first.
    int low = 0, high = 0;
    ASSERT_EQ(sscanf(level.c_str(), "s0:c%d,c%d", &low, &high), 2) << level;
    EXPECT_LT(low, high);
    EXPECT_LT(high, 1024);
  }
}

TEST_F(SelinuxTest, AContextWithoutALevelIsLeftAsItIs) {
  Write("targeted/contexts/lxc_contexts", "process = \"u:r:t\"\nfile = \"u:r:f\"\n");
  auto pod = NewPod();
  auto labels = TakeSelinuxLabels(*pods_, pod.pod, host_);
  ASSERT_TRUE(labels) << labels.error().Text();
  EXPECT_EQ(labels->process, "u:r:t");
  EXPECT_EQ(labels->mount, "u:r:f");
}

TEST_F(SelinuxTest, ARangeOfLevelsBecomesItsLowest) {
  Write("targeted/contexts/lxc_contexts", "process = \"u:r:t:s0-s15:c0.c1023\"\nfile = \"u:r:f:s0:c1\"\n");
  auto pod = NewPod();
  auto labels = TakeSelinuxLabels(*pods_, pod.pod, host_);
  ASSERT_TRUE(labels) << labels.error().Text();
  EXPECT_TRUE(labels->process.starts_with("u:r:t:s0:c")) << labels->process;
  EXPECT_EQ(Level(labels->process), Level(labels->mount));
}

TEST_F(SelinuxTest, WhatIsNoContextIsRefusedWithItsPlace) {
  auto pod = NewPod();
  for (const char* bad : {"u:r", "u:r:t,upperdir=/x", "u:r:t\\\"", "u::t:s0", ":r:t:s0", "u:r:t x:s0"}) {
    Write("targeted/contexts/lxc_contexts", StrCat("process = \"", bad, "\"\nfile = \"u:r:f:s0\"\n"));
    auto labels = TakeSelinuxLabels(*pods_, pod.pod, host_);
    ASSERT_FALSE(labels) << bad;
    EXPECT_NE(labels.error().Text().find("targeted/contexts/lxc_contexts: process"), std::string::npos)
        << labels.error().Text();
  }
  Write("config", "SELINUXTYPE=../../elsewhere\n");
  EXPECT_FALSE(TakeSelinuxLabels(*pods_, pod.pod, host_));
}

TEST_F(SelinuxTest, ADamagedNoteIsNamed) {
  auto pod = NewPod();
  ASSERT_TRUE(WriteFileAt(pod.pod.fd(), pod::kSelinuxFile, "u:r:t:s0\n", 0640));
  auto labels = ReadSelinuxLabels(pod.pod);
  ASSERT_FALSE(labels);
  EXPECT_NE(labels.error().Text().find("selinux is damaged"), std::string::npos);
}

// On a file system that takes labels; without SELinux in the kernel the label is an attribute like others.
TEST_F(SelinuxTest, TheFilesOfACopyAreLabelled) {
  std::string tree = path_ + "/tree";
  ASSERT_TRUE(MakeDirs(tree + "/a/b", 0755));
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, tree + "/a/b/file", "x", 0644));
  ASSERT_EQ(::symlink("/etc/passwd", (tree + "/a/link").c_str()), 0);
  auto directory = Open(tree, O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(directory);
  if (::setxattr((tree + "/a").c_str(), "security.selinux", "x", 2, 0) != 0) GTEST_SKIP() << "no labels in " << tree;
  Status labelled = LabelTree(directory->get(), "u:r:f:s0:c1,c2");
  ASSERT_TRUE(labelled) << labelled.error().Text();
  for (const char* path : {"", "/a", "/a/b", "/a/b/file", "/a/link"}) {
    char value[64] = "";
    EXPECT_GT(::lgetxattr((tree + path).c_str(), "security.selinux", value, sizeof value), 0) << path;
    EXPECT_STREQ(value, "u:r:f:s0:c1,c2") << path;
  }
  EXPECT_LT(::getxattr("/etc/passwd", "security.selinux", nullptr, 0), 0) << "a link was followed";
}

}  // namespace
}  // namespace rkt::stage0
