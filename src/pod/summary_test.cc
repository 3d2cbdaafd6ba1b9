// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "pod/summary.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "base/uuid.h"
#include "pod/paths.h"
#include "pod/pod.h"

namespace rkt::pod {
namespace {

Summary Sample() {
  Summary summary;
  summary.stage1_dir = "overlay/deps-1/upper";
  summary.user_labels = {{"pod\tlabel", "line\nbreak"}};
  AppSummary app;
  app.name = "web";
  app.image_id = "sha512-1";
  app.image_name = "example.com/web:1.0";
  app.mounts = {{"data", "/data", "/srv", true}, {"tmp", "/tmp", "", false}};
  app.user_annotations = {{"a", "back\\slash"}};
  summary.apps = {app, app};
  summary.apps[1].name = "second";
  return summary;
}

TEST(Summary, ComesBackFromItsText) {
  Summary summary = Sample();
  auto read = ParseSummary(FormatSummary(summary, 99), 99);
  ASSERT_TRUE(read);
  ASSERT_EQ(read->apps.size(), 2u);
  EXPECT_EQ(read->stage1_dir, summary.stage1_dir);
  EXPECT_EQ(read->user_labels, summary.user_labels);
  EXPECT_EQ(read->apps[0].image_name, "example.com/web:1.0");
  EXPECT_EQ(read->apps[0].user_annotations, summary.apps[0].user_annotations);
  EXPECT_EQ(read->apps[1].name, "second");
  EXPECT_TRUE(read->apps[1].mounts[0].read_only);
  EXPECT_EQ(read->apps[1].mounts[0].host_path, "/srv");
  EXPECT_FALSE(read->apps[1].mounts[1].read_only);
}

TEST(Summary, IsNotTakenForAnotherManifestOrWhereItWasCut) {
  std::string text = FormatSummary(Sample(), 99);
  EXPECT_FALSE(ParseSummary(text, 100));
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(ParseSummary(std::string_view(text).substr(0, size), 99)) << size;
  }
  EXPECT_FALSE(ParseSummary("rkt-summary 1 99\nnonsense\nend\n", 99));
}

class SummaryFile : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/summary_test.XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
  }
  void TearDown() override { (void)RemoveTreeAt(AT_FDCWD, dir_); }
  Pod MakePod(std::string_view manifest) {
    Pods pods = *Pods::Open(dir_);
    auto created = pods.Create(NewUuid());
    EXPECT_TRUE(WriteFileAt(created->pod.fd(), kManifestFile, manifest, 0640));
    EXPECT_TRUE(pods.Move(created->pod, Stage::kExitedGarbage));
    return std::move(created->pod);
  }
  std::string dir_;
};

constexpr std::string_view kManifest =
    R"({"acVersion":"1.30.0","acKind":"PodManifest","apps":[{"name":"a","image":{"name":"example.com/a",)"
    R"("id":"sha512-00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"},)"
    R"("app":{"exec":["/a"],"user":"0","group":"0","userLabels":{"k":"v"}},)"
    R"("mounts":[{"volume":"d","path":"/d"}]}],)"
    R"("volumes":[{"name":"d","kind":"host","source":"/srv","readOnly":true}],"isolators":null,"annotations":[],"ports":[]})";

TEST_F(SummaryFile, IsMadeOfTheManifestsWhereItIsMissing) {
  Pod pod = MakePod(kManifest);
  auto summary = pod.ReadSummary();
  ASSERT_TRUE(summary) << summary.error().Text();
  ASSERT_EQ(summary->apps.size(), 1u);
  EXPECT_EQ(summary->apps[0].name, "a");
  EXPECT_EQ(summary->apps[0].image_name, "");  // no image manifest there
  EXPECT_EQ(summary->apps[0].mounts[0].host_path, "/srv");
  EXPECT_TRUE(summary->apps[0].mounts[0].read_only);
  EXPECT_EQ(summary->apps[0].user_labels, (KeyValues{{"k", "v"}}));
}

TEST_F(SummaryFile, DoesNotHideATruncatedManifest) {
  Pod pod = MakePod(kManifest);
  ASSERT_TRUE(WriteFileAt(pod.fd(), kSummaryFile, FormatSummary(Sample(), kManifest.size()), 0640));
  EXPECT_EQ(pod.ReadSummary()->apps[0].name, "web");
  ASSERT_TRUE(WriteFileAt(pod.fd(), kManifestFile, kManifest.substr(0, 50), 0640, true));
  auto summary = pod.ReadSummary();
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code(), Code::kCorrupt);
  EXPECT_NE(summary.error().Text().find(pod.uuid()), std::string::npos);
}

}  // namespace
}  // namespace rkt::pod
