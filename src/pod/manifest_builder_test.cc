// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "pod/manifest_builder.h"

#include <gtest/gtest.h>

namespace rkt::pod {
namespace {

class ManifestBuilder : public testing::Test {
 protected:
  ManifestBuilder() {
    auto parsed = appc::ParseImageManifest(
        R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/web_x",)"
        R"("labels":[{"name":"os","value":"linux"},{"name":"arch","value":"amd64"}],)"
        R"("app":{"exec":["/bin/web","-v"],"user":"1","group":"2","x-kept":true,)"
        R"("environment":[{"name":"IMG","value":"image"}],)"
        R"("ports":[{"name":"http","protocol":"tcp","port":80}],)"
        R"("isolators":[{"name":"os/linux/cpu-shares","value":100},)"
        R"({"name":"os/linux/capabilities-retain-set","value":{"set":["CAP_KILL"]}},)"
        R"({"name":"os/linux/seccomp-retain-set","value":{"set":["read"]}}]},)"
        R"("annotations":[{"name":"created","value":"2016-01-01T00:00:00Z"}]})");
    image = *parsed;
    request.rkt_version = "2.0.0";
    Add();
  }

  AppRequest& Add() {
    AppRequest& app = request.apps.emplace_back();
    app.image = &image;
    app.image_key = "sha512-abcd";
    return app;
  }
  appc::PodManifest Build() {
    auto manifest = BuildPodManifest(request);
    EXPECT_TRUE(manifest) << manifest.error().Text();
    return manifest ? *manifest : appc::PodManifest();
  }
  std::string Refusal() {
    auto manifest = BuildPodManifest(request);
    return manifest ? "accepted" : manifest.error().Text();
  }

  appc::ImageManifest image;
  PodRequest request;
};

TEST_F(ManifestBuilder, PlainPodHasTheOriginalsShape) {
  EXPECT_EQ(
      appc::WritePodManifest(Build()),
      R"({"acVersion":"2.0.0","acKind":"PodManifest","apps":[{"name":"web-x","image":{)"
      R"("name":"example.com/web_x","id":"sha512-abcd","labels":[{"name":"os","value":"linux"},)"
      R"({"name":"arch","value":"amd64"}]},"app":{"exec":["/bin/web","-v"],"user":"1","group":"2",)"
      R"("environment":[{"name":"IMG","value":"image"}],)"
      R"("ports":[{"name":"http","protocol":"tcp","port":80,"count":1,"socketActivated":false}],)"
      R"("isolators":[{"name":"os/linux/cpu-shares","value":100},)"
      R"({"name":"os/linux/capabilities-retain-set","value":{"set":["CAP_KILL"]}},)"
      R"({"name":"os/linux/seccomp-retain-set","value":{"set":["read"]}}],"x-kept":true}}],)"
      R"("volumes":null,"isolators":null,"annotations":[{"name":"coreos.com/rkt/stage1/mutable",)"
      R"("value":"false"}],"ports":[]})");
  request.is_mutable = true;
  EXPECT_TRUE(Build().IsMutable());
}

TEST_F(ManifestBuilder, WhatIsBuiltCanBeReadBack) {
  AppRequest& app = request.apps[0];
  app.annotations = {{"example.com/a", "b"}};
  app.mounts = {*ParseMountFlag("volume=d,target=/d")};
  app.memory = "64M";
  app.seccomp = *ParseSeccompFlag("mode=retain,@appc.io/all");
  request.volumes = {*ParseVolumeFlag("d,kind=empty")};
  request.ports = {*ParsePortFlag("http:127.0.0.1:8080")};
  request.user_labels = {{"k", "v"}};
  appc::PodManifest built = Build();
  auto read = appc::ParsePodManifest(appc::WritePodManifest(built));
  ASSERT_TRUE(read) << read.error().Text();
  EXPECT_EQ(*read, built);
}

TEST_F(ManifestBuilder, AppNamesComeFromTheImageOrTheFlagAndMustDiffer) {
  Add();
  EXPECT_EQ(Refusal(), "error: multiple apps with name web-x (--name=NAME behind an image gives its app another)");
  request.apps[1].name = "other";
  EXPECT_EQ(Build().apps[1].name, "other");
  request.apps[1].name = "Other";
  EXPECT_NE(Refusal(), "accepted");
}

TEST_F(ManifestBuilder, ArgumentsFollowTheImagesOwnOrTheOverride) {
  using Words = std::vector<std::string>;
  AppRequest& app = request.apps[0];
  app.args = {"a", "b"};
  EXPECT_EQ(Build().apps[0].app->exec, (Words{"/bin/web", "-v", "a", "b"}));
  app.args_replace = true;
  EXPECT_EQ(Build().apps[0].app->exec, (Words{"/bin/web", "a", "b"}));
  app.args = {};
  EXPECT_EQ(Build().apps[0].app->exec, (Words{"/bin/web", "-v"}));
  app.args_replace = false;
  app.exec = "/bin/sh";
  app.args = {"-c"};
  EXPECT_EQ(Build().apps[0].app->exec, (Words{"/bin/sh", "-c"}));
}

TEST_F(ManifestBuilder, AnImageWithoutAppOrProgramNeedsExec) {
  image.app->exec.clear();
  EXPECT_NE(Refusal().find("--exec"), std::string::npos);
  request.apps[0].args = {"x"};  // arguments alone are no program
  EXPECT_NE(Refusal().find("--exec"), std::string::npos);
  image.app.reset();
  EXPECT_NE(Refusal().find("--exec"), std::string::npos);
  request.apps[0].exec = "/bin/sh";
  request.caller_uid = 10;
  request.caller_gid = 20;
  appc::PodManifest pod = Build();
  EXPECT_EQ(pod.apps[0].app->user, "10");
  EXPECT_EQ(pod.apps[0].app->group, "20");
}

TEST_F(ManifestBuilder, OverridesReachTheApp) {
  AppRequest& app = request.apps[0];
  app.working_directory = "/w";
  app.user = "u";
  app.group = "g";
  app.supplementary_gids = {{7, 8}};
  app.read_only_root_fs = true;
  app.user_annotations = {{"a", "1"}};
  app.user_labels = {{"b", "2"}};
  app.annotations = {{"c", "3"}, {"c", "4"}};
  appc::RuntimeApp built = Build().apps[0];
  EXPECT_EQ(built.app->working_directory, "/w");
  EXPECT_EQ(built.app->user, "u");
  EXPECT_EQ(built.app->group, "g");
  EXPECT_EQ(built.app->supplementary_gids, (std::vector<uint32_t>{7, 8}));
  EXPECT_TRUE(built.read_only_root_fs);
  EXPECT_EQ(built.app->user_annotations.at("a"), "1");
  EXPECT_EQ(built.app->user_labels.at("b"), "2");
  ASSERT_EQ(built.annotations.size(), 1u);  // the image's annotations stay with the image
  EXPECT_EQ(built.annotations[0].value, "4");
  app.working_directory = "w";
  EXPECT_NE(Refusal().find("absolute"), std::string::npos);
}

TEST_F(ManifestBuilder, EnvironmentIsMergedWeakestFirst) {
  image.app->environment = {{"A", "image"}, {"B", "image"}, {"C", "image"}};
  request.apps[0].environment = {{"B", "app"}, {"D", "app"}};
  request.environment.inherit = true;
  request.environment.caller = {"A=caller", "E=caller", "BASH_FUNC_x%%=() { :; }", "F=caller",
                                "bad"};
  request.environment.from_files = {{"C", "file"}, {"F", "file"}, {"G", "file"}};
  request.environment.set = {{"D", "set"}, {"G", "set"}};
  std::string text;
  appc::PodManifest pod = Build();
  for (const auto& variable : pod.apps[0].app->environment) {
    text += StrCat(variable.name, "=", variable.value, " ");
  }
  EXPECT_EQ(text, "A=image B=app C=file D=set E=caller F=file G=set ");
  request.environment.inherit = false;
  EXPECT_EQ(appc::FindVariable(Build().apps[0].app->environment, "E"), nullptr);
}

TEST_F(ManifestBuilder, MemoryAndCpuAreAppendedTheOthersReplace) {
  AppRequest& app = request.apps[0];
  image.app->isolators.push_back(*appc::MakeMemory("32M"));
  app.memory = "64M";
  app.cpu = "500m";
  app.cpu_shares = 512;
  app.oom_score_adj = 10;
  app.caps_remove = {{"CAP_MKNOD"}};
  app.seccomp = appc::Seccomp{false, {"chmod"}, ""};
  appc::Isolators isolators = Build().apps[0].app->isolators;
  std::string names;
  for (const appc::Isolator& isolator : isolators) names += isolator.name + " ";
  EXPECT_EQ(
      names,
      "resource/memory resource/memory resource/cpu os/linux/cpu-shares os/linux/oom-score-adj "
      "os/linux/capabilities-remove-set os/linux/seccomp-remove-set ");
  EXPECT_EQ(appc::MemoryLimit(isolators), 64000000);
  EXPECT_EQ(appc::CpuShares(isolators), 512);

  app.caps_retain = {{"CAP_KILL"}};
  EXPECT_EQ(Refusal(), "cannot use both --caps-retain and --caps-remove");
  app.caps_retain.reset();
  app.memory = "16m";
  EXPECT_NE(Refusal(), "accepted");
}

TEST_F(ManifestBuilder, MountsNeedADeclaredVolume) {
  request.apps[0].mounts = {*ParseMountFlag("volume=v,target=/p")};
  EXPECT_EQ(Refusal(), "dangling mount point \"/p\": volume \"v\" not found");
  request.apps[0].mounts.clear();
  request.mounts = {*ParseMountFlag("volume=v,target=/p")};
  EXPECT_EQ(Refusal(), "dangling mount point \"/p\": volume \"v\" not found");
  request.mounts = {*ParseMountVolumeFlag("name=v,kind=empty,target=/p")};
  EXPECT_EQ(Build().apps[0].mounts.size(), 1u);
}

TEST_F(ManifestBuilder, TheAppsOwnMountBeatsTheGlobalOneOnTheSamePlace) {
  request.volumes = {*ParseVolumeFlag("own,kind=empty"), *ParseVolumeFlag("global,kind=empty")};
  request.apps[0].mounts = {*ParseMountFlag("volume=own,target=/a/../p/")};
  request.mounts = {*ParseMountFlag("volume=global,target=//p/."),
                    *ParseMountFlag("volume=global,target=/q")};
  std::vector<appc::Mount> mounts = Build().apps[0].mounts;
  ASSERT_EQ(mounts.size(), 2u);
  EXPECT_EQ(mounts[0].volume, "own");
  EXPECT_EQ(mounts[0].path, "/a/../p/");
  EXPECT_EQ(mounts[1].path, "/q");
}

TEST_F(ManifestBuilder, VolumeNamesMustDiffer) {
  request.volumes = {*ParseVolumeFlag("x,kind=empty"), *ParseVolumeFlag("x,kind=host,source=/s")};
  EXPECT_EQ(Refusal(), "duplicate volume name \"x\"");
}

TEST_F(ManifestBuilder, PortsMustBelongToOneApp) {
  request.ports = {*ParsePortFlag("http:8080")};
  EXPECT_EQ(Build().ports[0].host_port, 8080u);
  request.ports = {*ParsePortFlag("smtp:8080")};
  EXPECT_NE(Refusal().find("smtp"), std::string::npos);
}

TEST_F(ManifestBuilder, ImagesMustBeMadeForWhatRunsHere) {
  image.labels = {{"os", "linux"}};
  EXPECT_NE(Refusal().find("arch"), std::string::npos);
  image.labels = {{"os", "freebsd"}, {"arch", "amd64"}};
  EXPECT_NE(Refusal().find("freebsd"), std::string::npos);
  image.labels = {{"os", "linux"}, {"arch", "aarch64"}};
  EXPECT_EQ(Refusal(), "accepted");
}

TEST_F(ManifestBuilder, CustomManifestsNeedImageIdsAndVolumes) {
  appc::PodManifest pod = Build();
  EXPECT_TRUE(CheckCustomManifest(pod));
  pod.ports = {*ParsePortFlag("nothing:80")};
  EXPECT_FALSE(CheckCustomManifest(pod));
  pod.apps[0].app.reset();  // left to the image
  EXPECT_TRUE(CheckCustomManifest(pod));
  pod.apps[0].mounts = {*ParseMountFlag("volume=v,target=/p")};
  EXPECT_FALSE(CheckCustomManifest(pod));
  pod.apps[0].mounts.clear();
  pod.apps[0].image.id.clear();
  EXPECT_FALSE(CheckCustomManifest(pod));
}

}  // namespace
}  // namespace rkt::pod
