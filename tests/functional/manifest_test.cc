// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The arguments of run and prepare, and the pod manifest that comes of them.

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class Manifest : public PodTest {
 protected:
  // The manifest of a pod prepared with these arguments.
  Facts Of(const Args& args) {
    std::string uuid = Prepare(args);
    return Facts::Parse(RktOk({"cat-manifest", uuid}).out);
  }
  // Fails, with 254 and a message on stderr that has `text`; no pod stays.
  void Refused(const Args& args, const std::string& text) {
    Output output = Rkt(PrepareArgs(args));
    EXPECT_EQ(output.code, 254) << output.All();
    EXPECT_TRUE(Contains(output.err, text)) << "expected: " << text << "\n" << output.err;
    EXPECT_TRUE(PodsIn("prepared").empty()) << output.All();
  }
};

TEST_F(Manifest, ArgumentsBelongToTheImageBeforeThem) {
  Facts pod = Of(
      {JudgeAci(), "--name=a", "--", "x", "-y", "--z", "---", JudgeAci(), "--name=b", "--", "w"});
  ASSERT_EQ(pod.Count("/apps"), 2u);
  EXPECT_EQ(pod["/apps/0/name"], "a");
  EXPECT_EQ(pod.List("/apps/0/app/exec"), (Args{"/judge", "x", "-y", "--z"}));
  EXPECT_EQ(pod["/apps/1/name"], "b");
  EXPECT_EQ(pod.List("/apps/1/app/exec"), (Args{"/judge", "w"}));
}

TEST_F(Manifest, SecondGroupOfArgumentsIsRefused) {
  Refused({JudgeAci(), "--", "a", "---", "--", "b"},
          "only one set of app arguments allowed per image");
}

TEST_F(Manifest, BareSeparatorBetweenImagesIsIgnored) {
  EXPECT_EQ(Of({JudgeAci(), "---", JudgeAci(), "--name=b"}).Count("/apps"), 2u);
}

TEST_F(Manifest, SeparatorRightAfterFlagsIsBadSyntax) {
  Refused({JudgeAci(), "--name=x", "---", JudgeAci()}, "bad flag syntax: ---");
}

TEST_F(Manifest, FlagsOfAnAppMustFollowAnImage) {
  Refused({"--memory=1G", JudgeAci()}, "--memory must follow an image");
  Refused({"--exec=/x", JudgeAci()}, "--exec must follow an image");
}

TEST_F(Manifest, ArgumentsNeedAnImage) {
  Output output = Rkt(PrepareArgs({"--", "a"}));
  EXPECT_EQ(output.code, 254) << output.All();
}

TEST_F(Manifest, ExecOverridesAndIsGivenOnce) {
  Facts pod = Of({JudgeAci(), "--exec=/bin/sh", "--", "-c", "true"});
  EXPECT_EQ(pod.List("/apps/0/app/exec"), (Args{"/bin/sh", "-c", "true"}));
  Output output = Rkt(PrepareArgs({JudgeAci(), "--exec=/a", "--exec=/b"}));
  EXPECT_EQ(output.code, 254) << output.All();
}

TEST_F(Manifest, DanglingMountPointIsNamed) {
  Refused({"--mount", "volume=x,target=/f", JudgeAci()},
          "dangling mount point \"/f\": volume \"x\" not found");
}

TEST_F(Manifest, NameOfTheAppComesFromTheImage) {
  ImageSpec spec;
  spec.name = "example.com/foo_bar.baz";
  Facts pod = Of({WriteImage("named.aci", spec)});
  EXPECT_EQ(pod["/apps/0/name"], "foo-bar-baz");
  EXPECT_EQ(pod["/apps/0/image/name"], "example.com/foo_bar.baz");
}

TEST_F(Manifest, TwoAppsOfOneNameAreRefused) {
  Refused({JudgeAci(), JudgeAci()}, "error: multiple apps with name judge");
}

TEST_F(Manifest, HeaderAndAnnotationsAreRkts) {
  std::string uuid = Prepare({JudgeAci()});
  std::string bytes = ReadFile(PodDir(uuid) + "/pod");
  EXPECT_TRUE(StartsWith(
      bytes, R"({"acVersion":"2.0.0","acKind":"PodManifest","apps":[{"name":"judge","image":)"))
      << bytes;
  EXPECT_TRUE(Contains(bytes, R"("volumes":null,"isolators":null,)")) << bytes;
  EXPECT_TRUE(Contains(bytes, R"({"name":"coreos.com/rkt/stage1/mutable","value":"false"})"))
      << bytes;
  EXPECT_EQ(ModeOf(PodDir(uuid) + "/pod"), 0640u);
}

TEST_F(Manifest, ImageWithoutAppNeedsExec) {
  ImageSpec spec;
  spec.has_app = false;
  std::string image = WriteImage("appless.aci", spec);
  Output output = Rkt(PrepareArgs({image}));
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_TRUE(Contains(output.err, "no app section")) << output.err;
  Facts pod = Of({image, "--exec=/judge"});
  EXPECT_EQ(pod["/apps/0/app/user"], "0");
  EXPECT_EQ(pod["/apps/0/app/group"], "0");
}

TEST_F(Manifest, AnnotationsAndUserDataOfAnApp) {
  Facts pod = Of(
      {JudgeAci(), "--annotation=example.com/a=b", "--user-annotation=ua=1", "--user-label=ul=2"});
  EXPECT_EQ(pod["/apps/0/annotations/0/name"], "example.com/a");
  EXPECT_EQ(pod["/apps/0/annotations/0/value"], "b");
  EXPECT_EQ(pod["/apps/0/app/userAnnotations/ua"], "1");
  EXPECT_EQ(pod["/apps/0/app/userLabels/ul"], "2");
}

TEST_F(Manifest, OverridesOfAnAppEndUpInIt) {
  Facts pod =
      Of({JudgeAci(), "--working-dir=/tmp", "--readonly-rootfs=true", "--user=7", "--group=8",
          "--supplementary-gids=9,10", "--memory=64M", "--cpu=500m", "--name=other"});
  EXPECT_EQ(pod["/apps/0/name"], "other");
  EXPECT_EQ(pod["/apps/0/readOnlyRootFS"], "true");
  EXPECT_EQ(pod["/apps/0/app/workingDirectory"], "/tmp");
  EXPECT_EQ(pod["/apps/0/app/user"], "7");
  EXPECT_EQ(pod["/apps/0/app/group"], "8");
  EXPECT_EQ(pod.List("/apps/0/app/supplementaryGIDs"), (Args{"9", "10"}));
  EXPECT_EQ(pod.Count("/apps/0/app/isolators"), 2u);
  EXPECT_EQ(pod["/apps/0/app/isolators/0/name"], "resource/memory");
  EXPECT_EQ(pod["/apps/0/app/isolators/0/value/limit"], "64M");
}

TEST_F(Manifest, BadValuesOfFlagsAreRefused) {
  Refused({JudgeAci(), "--memory=16m"}, "");
  Refused({JudgeAci(), "--cpu-shares=1"}, "");
  Refused({JudgeAci(), "--cpu-shares=262145"}, "");
  Refused({JudgeAci(), "--oom-score-adj=2000"}, "");
  Refused({JudgeAci(), "--caps-retain=CAP_CHOWN", "--caps-remove=CAP_KILL"},
          "cannot use both --caps-retain and --caps-remove");
  Refused({JudgeAci(), "--seccomp=mode=foo,chmod"}, "invalid seccomp mode command-line override");
  Refused({JudgeAci(), "--seccomp=mode=retain,bogus=1,chmod"},
          "invalid seccomp command-line override");
  Refused({JudgeAci(), "--seccomp=mode=retain"}, "set must be non-empty");
  Refused({JudgeAci(), "--seccomp=mode=retain,errno=eperm,chmod"}, "");
  Refused({JudgeAci(), "--working-dir=relative"}, "");
}

TEST_F(Manifest, VolumesAreReadStrictly) {
  for (const char* volume :
       {"v,kind=host", "v,kind=host,source=relative", "v,kind=empty,source=/x", "v,kind=bogus",
        "v,kind=host,source=/tmp,mode=0700", "v,kind=host,source=/tmp,colour=red"}) {
    Output output = Rkt(PrepareArgs({"--volume", volume, JudgeAci()}));
    EXPECT_EQ(output.code, 254) << volume << "\n" << output.All();
  }
  Refused({"--volume=v,kind=empty", "--volume=v,kind=empty", JudgeAci()},
          "duplicate volume name \"v\"");
  Facts pod =
      Of({"--volume=v,kind=empty,mode=0700,uid=5,gid=6", "--mount=volume=v,target=/v", JudgeAci()});
  EXPECT_EQ(pod["/volumes/0/kind"], "empty");
  EXPECT_EQ(pod["/volumes/0/mode"], "0700");
  EXPECT_EQ(pod["/apps/0/mounts/0/path"], "/v");
}

TEST_F(Manifest, ManifestOfOnePodMakesAnother) {
  std::string first = Prepare({JudgeAci(), "--name=again", "--", "exit", "5"});
  std::string file = dir() + "/pod.json";
  WriteFile(file, RktOk({"cat-manifest", first}).out);
  Output output = Run({"--pod-manifest=" + file});
  EXPECT_EQ(output.code, 5) << output.All();
  ASSERT_EQ(PodsIn("run").size(), 1u);
  EXPECT_EQ(ReadFile(PodDir(PodsIn("run")[0]) + "/pod"), ReadFile(file));
}

TEST_F(Manifest, GivenManifestConflictsWithFlagsThatWouldChangeIt) {
  std::string file = dir() + "/pod.json";
  WriteFile(file, R"({"acVersion":"0.8.11","acKind":"PodManifest","apps":[]})");
  for (const Args& flag : {Args{"--set-env=a=b"}, Args{"--inherit-env"},
                           Args{"--volume=v,kind=empty"}, Args{JudgeAci()}}) {
    Output output = Rkt(PrepareArgs(Args{"--pod-manifest=" + file} + flag));
    EXPECT_EQ(output.code, 254) << output.All();
    EXPECT_TRUE(Contains(output.err, "conflicting flags set with --pod-manifest (see --help)"))
        << output.err;
  }
}

TEST_F(Manifest, PodWithoutAppsIsRefused) {
  std::string file = dir() + "/pod.json";
  WriteFile(file, R"({"acVersion":"0.8.11","acKind":"PodManifest","apps":[]})");
  Output output = Run({"--pod-manifest=" + file});
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_TRUE(Contains(output.err, "pod must contain at least one application")) << output.err;
}

TEST_F(Manifest, QuietPrepareSaysTheUuidOnly) {
  Output output = RktOk(PrepareArgs({"--quiet", JudgeAci()}));
  EXPECT_EQ(output.out.size(), 37u) << output.out;
  EXPECT_EQ(output.err, "");
}

TEST_F(Manifest, InteractiveTakesOneImage) {
  Output output = Run({"--interactive", JudgeAci(), JudgeAci(), "--name=b"});
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_TRUE(PodsIn("run").empty());
}

}  // namespace
}  // namespace rkt::test
