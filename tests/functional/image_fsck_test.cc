// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The health of the store: image fsck, du, and what image gc must spare.

#include <unistd.h>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class ImageFsck : public PodTest {
 protected:
  std::string cas() const { return data() + "/cas"; }
  std::string Blob(const std::string& id) const {
    return cas() + "/blob/sha512/" + id.substr(7, 2) + "/" + id;
  }
  void Damage(const std::string& file) {
    std::string bytes = ReadFile(file);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    RunProgram({"chmod", "600", file});
    WriteFile(file, bytes, 0600);
  }
  Output Fsck(const Args& flags = {}) { return Rkt(Args{"image", "fsck"} + flags); }
  void ExpectClean() {
    Output output = Fsck();
    EXPECT_EQ(output.code, 0) << output.All();
    EXPECT_TRUE(Contains(output.out, "no damage")) << output.All();
  }
  // A file in the rendered tree of the only image.
  std::string InTree(const std::string& path) {
    for (const std::string& id : ListDir(cas() + "/tree")) {
      std::string file = cas() + "/tree/" + id + "/rootfs" + path;
      if (Exists(file)) return file;
    }
    return "";
  }
};

TEST_F(ImageFsck, ADirectoryWithoutAStoreIsHealthyAndStaysEmpty) {
  ExpectClean();
  EXPECT_FALSE(Exists(cas()));
}

TEST_F(ImageFsck, DamageIsToldAndHealed) {
  std::string id = Fetch(JudgeAci());
  ExpectClean();
  std::string file = InTree("/bin/busybox");
  ASSERT_NE(file, "");
  Damage(file);
  Output found = Fsck();
  EXPECT_EQ(found.code, 254) << found.All();
  EXPECT_TRUE(StartsWith(found.out, "tree deps-sha512-")) << found.out;
  EXPECT_TRUE(Contains(found.err, "try --repair")) << found.err;
  Output healed = Fsck({"--repair"});
  EXPECT_EQ(healed.code, 0) << healed.All();
  EXPECT_TRUE(Contains(healed.out, "rendered anew")) << healed.out;
  EXPECT_TRUE(Contains(healed.out, "1 problem(s), 1 repaired")) << healed.out;
  ExpectClean();
  EXPECT_EQ(AppText(RunOk({id, "--exec=/bin/echo", "--", "well"}).out), "well\n");
}

TEST_F(ImageFsck, TheIndexComesBackFromTheBlobs) {
  std::string id = Fetch(JudgeAci());
  WriteFile(cas() + "/index", "nonsense");
  std::string nonsense = ReadFile(cas() + "/index");
  EXPECT_EQ(Fsck().code, 254);
  EXPECT_EQ(ReadFile(cas() + "/index"), nonsense) << "a check without --repair changed something";
  Output healed = Fsck({"--repair", "--format=json"});
  EXPECT_EQ(healed.code, 0) << healed.All();
  Facts facts = Facts::Parse(healed.out);
  EXPECT_EQ(facts["/whole"], "true");
  EXPECT_EQ(facts["/findings/0/kind"], "index");
  EXPECT_EQ(facts["/findings/0/repaired"], "true");
  ExpectClean();
  EXPECT_TRUE(Contains(RktOk({"image", "list", "--full"}).out, id));
}

TEST_F(ImageFsck, WhatCannotBeHealedNamesThePodsThatUseIt) {
  std::string id = Fetch(JudgeAci());
  std::string uuid = Prepare({JudgeAci(), "--", "see"});
  Damage(Blob(id));
  for (int i = 0; i < 2; ++i) {
    Output left = Fsck({"--repair"});
    EXPECT_EQ(left.code, 254) << left.All();
    EXPECT_TRUE(Contains(left.out, "fetch the image again")) << left.out;
    EXPECT_TRUE(Contains(left.out, uuid)) << left.out;
  }
  // The pod is whole all the same, and the image comes back.
  EXPECT_EQ(Fetch(JudgeAci()), id);
  ExpectClean();
  EXPECT_EQ(RktOk({"run-prepared", "--net=none", uuid}).code, 0);
}

TEST_F(ImageFsck, ADamagedImageThatNobodyUsesGoes) {
  std::string id = Fetch(JudgeAci());
  Damage(Blob(id));
  EXPECT_EQ(Fsck().code, 254);
  Output healed = Fsck({"--repair"});
  EXPECT_EQ(healed.code, 0) << healed.All();
  EXPECT_TRUE(Contains(healed.out, "the image was removed: fetch it again")) << healed.out;
  EXPECT_EQ(Trim(RktOk({"image", "list", "--format=json"}).out), "null");
  EXPECT_EQ(Fetch(JudgeAci()), id);
  ExpectClean();
}

TEST_F(ImageFsck, TheTreeOfARunningPodIsNotTouched) {
  Fetch(JudgeAci());
  RunningPod pod = Start({JudgeAci(), "--", "sleep"}, "sleeping");
  std::string file = InTree("/bin/busybox");
  ASSERT_NE(file, "");
  Damage(file);
  Output left = Fsck({"--repair"});
  EXPECT_EQ(left.code, 254) << left.All();
  EXPECT_TRUE(Contains(left.out, pod.uuid)) << left.out;
  EXPECT_TRUE(Contains(left.out, "while pods that use it are running")) << left.out;
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
  EXPECT_EQ(Fsck({"--repair"}).code, 0);
  ExpectClean();
}

TEST_F(ImageFsck, KilledRepairsAreFinishedByTheNext) {
  std::string id = Fetch(JudgeAci());
  for (int i = 0; i < 8; ++i) {
    Damage(InTree("/bin/busybox"));
    WriteFile(cas() + "/index", "nonsense");
    MakeDirs(cas() + "/tmp/left/behind");
    Background repair = StartRkt({"image", "fsck", "--repair"});
    SleepFor(0.002 * i * i);
    repair.Kill(SIGKILL);
    repair.Wait();
    Output healed = Fsck({"--repair"});
    EXPECT_EQ(healed.code, 0) << healed.All();
    ExpectClean();
    if (InTree("/bin/busybox").empty()) RktOk({"image", "render", id, dir() + "/r" + std::to_string(i)});
  }
  EXPECT_TRUE(ListDir(cas() + "/tmp").empty());
}

TEST_F(ImageFsck, RepairsAndFetchesGoTogether) {
  std::vector<Background> programs;
  std::vector<std::string> files;
  for (int i = 0; i < 6; ++i) {
    ImageSpec spec;
    spec.name = "example.com/n" + std::to_string(i);
    files.push_back(WriteImage("n" + std::to_string(i) + ".aci", spec));
  }
  for (const std::string& file : files) {
    programs.push_back(StartRkt({"fetch", file}));
    programs.push_back(StartRkt({"image", "fsck", "--repair"}));
  }
  for (Background& program : programs) {
    Output output = program.Wait();
    EXPECT_EQ(output.code, 0) << output.All();
  }
  EXPECT_EQ(Facts::Parse(RktOk({"image", "list", "--format=json"}).out).Count(""), 6u);
  ExpectClean();
}

TEST_F(ImageFsck, GcSparesTheImagesOfPreparedPods) {
  std::string base = WriteImage("base.aci", ImageSpec{.name = "example.com/base"});
  ImageSpec spec{.name = "example.com/top"};
  spec.dependencies = R"([{"imageName": "example.com/base"}])";
  Fetch(base);
  std::string top = WriteImage("top.aci", spec);
  RktOk({"fetch", "--pull-policy=new", top});
  Fetch(WriteImage("other.aci", ImageSpec{.name = "example.com/other"}));
  std::string uuid = Prepare({top, "--", "see"});
  RktOk({"image", "gc", "--grace-period=0s"});
  std::string list = RktOk({"image", "list"}).out;
  EXPECT_TRUE(Contains(list, "example.com/top")) << list;
  EXPECT_TRUE(Contains(list, "example.com/base")) << list;
  EXPECT_TRUE(Contains(list, "/stage1-")) << list;
  EXPECT_FALSE(Contains(list, "example.com/other")) << list;
  RktOk({"rm", uuid});
  RktOk({"image", "gc", "--grace-period=0s"});
  EXPECT_EQ(Trim(RktOk({"image", "list", "--format=json"}).out), "null");
}

TEST_F(ImageFsck, DuTellsWhatGcWouldFree) {
  std::string id = Fetch(JudgeAci());
  Facts unused = Facts::Parse(RktOk({"image", "du", "--format=json"}).out);
  EXPECT_EQ(unused["/images/0/id"], id);
  EXPECT_GT(std::stol(unused["/images/0/blob"]), 1 << 20);
  EXPECT_GT(std::stol(unused["/images/0/trees"]), 1 << 20);
  EXPECT_EQ(std::stol(unused["/reclaimable"]),
            std::stol(unused["/blobs"]) + std::stol(unused["/trees"]));
  std::string uuid = Prepare({JudgeAci(), "--", "see"});
  Facts used = Facts::Parse(RktOk({"image", "du", "--format=json"}).out);
  EXPECT_EQ(used["/images/0/pods/0"], uuid);
  EXPECT_EQ(used["/reclaimable"], "0");
  EXPECT_TRUE(Contains(RktOk({"image", "du"}).out, "RECLAIMABLE"));
}

}  // namespace
}  // namespace rkt::test
