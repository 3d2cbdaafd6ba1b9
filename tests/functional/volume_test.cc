// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Volumes and mounts: what is seen where, who may write, whose word counts; devices; what images from docker put into
// their volumes.

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <csignal>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class VolumeMounts : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    MakeDirs(shared());
    WriteFile(shared() + "/in", "from the host\n");
  }
  std::string shared() const { return dir() + "/shared"; }
  // --volume and --mount for the shared directory.
  Args Mounted(const std::string& target, const std::string& more = "") const {
    return {"--volume=v,kind=host,source=" + shared() + more, "--mount=volume=v,target=" + target};
  }
  static Args Shell(const std::string& script) { return {"--exec=/bin/sh", "--", "-c", script}; }
  // An image with a mount point "data" at /data.
  std::string WithMountPoint(const std::string& more = "") {
    ImageSpec spec;
    spec.app = R"("mountPoints":[{"name":"data","path":"/data")" + more + "}]";
    return WriteImage("mp.aci", spec);
  }
};

TEST_F(VolumeMounts, FileOntoAFileAndOntoNothing) {
  Output output = RunOk(Args{"--volume=v,kind=host,source=" + shared() + "/in", "--mount=volume=v,target=/etc/group",
                         "--mount=volume=v,target=/new/deep/file", JudgeAci()} +
                        Shell("cat /etc/group /new/deep/file; echo changed > /new/deep/file; stat -c %a /new/deep"));
  EXPECT_EQ(AppLines(output.out), (Args{"from the host", "from the host", "755"}));
  EXPECT_EQ(ReadFile(shared() + "/in"), "changed\n");
}

TEST_F(VolumeMounts, DirectoryOntoAFileIsRefusedWithItsName) {
  Output output = Run(Mounted("/etc/passwd") + Args{JudgeAci(), "--", "exit", "0"});
  EXPECT_NE(output.code, 0);
  EXPECT_TRUE(Contains(output.err, "/etc/passwd")) << output.All();
}

TEST_F(VolumeMounts, SubmountsAreSeenUnlessTheVolumeIsNotRecursive) {
  MakeDirs(shared() + "/sub");
  SmallDisk disk(shared() + "/sub", "size=1m");
  WriteFile(shared() + "/sub/file", "below\n");
  Output output = RunOk(Mounted("/mnt") + Args{JudgeAci()} + Shell("cat /mnt/sub/file; touch /mnt/sub/touched"));
  EXPECT_EQ(AppLines(output.out), Args{"below"});
  EXPECT_TRUE(Exists(shared() + "/sub/touched"));
  output = RunOk(Mounted("/mnt", ",recursive=false") + Args{JudgeAci()} + Shell("ls -a /mnt/sub"));
  EXPECT_EQ(AppLines(output.out), (Args{".", ".."}));
}

TEST_F(VolumeMounts, ReadOnlyHoldsForSubmountsToo) {
  MakeDirs(shared() + "/sub");
  SmallDisk disk(shared() + "/sub", "size=1m");
  Output output = RunOk(Mounted("/mnt", ",readOnly=true") +
                        Args{JudgeAci(), "--", "try", "create:/mnt/x", "create:/mnt/sub/x", "read:/mnt/in"});
  EXPECT_EQ(AppLines(output.out),
            (Args{"create:/mnt/x = EROFS", "create:/mnt/sub/x = EROFS", "read:/mnt/in = ok"}));
}

TEST_F(VolumeMounts, TheVolumesWordOnReadOnlyBeatsTheMountPoints) {
  std::string image = WithMountPoint(R"(,"readOnly":true)");
  const std::string volume = "--volume=data,kind=host,source=" + shared();
  const Args attempt = {image, "--", "try", "create:/data/x"};
  EXPECT_EQ(AppLines(RunOk(Args{volume} + attempt).out), Args{"create:/data/x = EROFS"});
  EXPECT_EQ(AppLines(RunOk(Args{volume + ",readOnly=false"} + attempt).out), Args{"create:/data/x = ok"});
  std::string writable = WithMountPoint();
  EXPECT_EQ(AppLines(RunOk({volume + ",readOnly=true", writable, "--", "try", "create:/data/y"}).out),
            Args{"create:/data/y = EROFS"});
}

TEST_F(VolumeMounts, TheMountBehindAnImageBeatsTheOneBeforeAll) {
  MakeDirs(dir() + "/other");
  WriteFile(dir() + "/other/in", "other\n");
  Output output = RunOk(Mounted("/mnt//x/../") + Args{"--volume=w,kind=host,source=" + dir() + "/other", JudgeAci(),
                                                      "--name=a", "--mount=volume=w,target=/mnt"} +
                        Shell("cat /mnt/in") + Args{"---", JudgeAci(), "--name=b"} + Shell("cat /mnt/in"));
  EXPECT_EQ(AppLines(output.out, "a"), Args{"other"});
  EXPECT_EQ(AppLines(output.out, "b"), Args{"from the host"});
}

TEST_F(VolumeMounts, ValuesOfAMountAreDecodedThoseOfAVolumeAreNot) {
  MakeDirs(dir() + "/a%20b+c");
  WriteFile(dir() + "/a%20b+c/in", "odd\n");
  Output output = RunOk(Args{"--volume=v,kind=host,source=" + dir() + "/a%20b+c",
                         "--mount=volume=v,target=/m%2Cn+t", JudgeAci()} +
                        Shell("cat '/m,n t/in'"));
  EXPECT_EQ(AppLines(output.out), Args{"odd"});
}

TEST_F(VolumeMounts, LinksInTheWayStayInsideTheRoot) {
  MakeDirs(dir() + "/host");
  WriteFile(dir() + "/host/kept", "kept\n");
  Tar tar;
  tar.File("manifest", ManifestJson({})).Dir("rootfs");
  AddJudgeRoot(tar);
  tar.Symlink("rootfs/out", dir() + "/host");
  tar.Symlink("rootfs/up", "../../../../../../../.." + dir() + "/host");
  tar.Symlink("rootfs/dangling", "srv/missing/deep");
  tar.Symlink("rootfs/chain", "/dangling");
  tar.Symlink("rootfs/loop", "loop");
  tar.Symlink("rootfs/self", "/proc/self/root/mnt");
  std::string image = WriteImage("links.aci", tar.Finish());
  for (const char* target : {"/out", "/up", "/dangling", "/chain", "/out/below/it", "/dangling/../beside"}) {
    // A target is cleaned as text: /dangling/.. is /.
    std::string seen = Contains(target, "..") ? "/beside" : target;
    Output output = RunOk(Mounted(target) + Args{image} + Shell("cat " + seen + "/in"));
    EXPECT_EQ(AppLines(output.out), Args{"from the host"}) << target;
    EXPECT_EQ(ListDir(dir() + "/host"), Args{"kept"}) << target;
  }
  EXPECT_EQ(AppLines(RunOk(Mounted("/chain") + Args{image} + Shell("cat /srv/missing/deep/in")).out),
            Args{"from the host"});
  for (const char* target : {"/loop", "/self", "/proc/1/root/mnt", "/proc/self/fd/1"}) {
    Output output = Run(Mounted(target) + Args{image, "--", "exit", "0"});
    EXPECT_NE(output.code, 0) << target;
    EXPECT_TRUE(Contains(output.err, target)) << output.All();
  }
}

TEST_F(VolumeMounts, InnerMountsComeAfterOuterOnesInAnyOrder) {
  MakeDirs(dir() + "/inner");
  WriteFile(dir() + "/inner/in", "inner\n");
  Output output = RunOk(Args{"--volume=i,kind=host,source=" + dir() + "/inner", "--mount=volume=i,target=/mnt/a/b"} +
                        Mounted("/mnt") + Args{JudgeAci()} + Shell("cat /mnt/in /mnt/a/b/in"));
  EXPECT_EQ(AppLines(output.out), (Args{"from the host", "inner"}));
  EXPECT_TRUE(Exists(shared() + "/a/b")) << "the target is made in the outer volume";
}

TEST_F(VolumeMounts, WhatTheHostMountsLaterIsSeenWhereItMayBeWritten) {
  MakeDirs(shared() + "/late");
  MakeDirs(dir() + "/sealed/late");
  RunningPod pod = Start(Mounted("/mnt") +
                             Args{"--volume=s,kind=host,readOnly=true,source=" + dir() + "/sealed",
                                  "--mount=volume=s,target=/sealed", JudgeAci()} +
                             Shell("echo ready; while ! test -e /mnt/late/go; do sleep 0.02; done; "
                                   "touch /sealed/late/x 2>/dev/null && echo written; ls /sealed/late; echo end"),
                         "ready");
  SmallDisk sealed(dir() + "/sealed/late", "size=1m");
  WriteFile(dir() + "/sealed/late/file", "x");
  SmallDisk late(shared() + "/late", "size=1m");
  WriteFile(shared() + "/late/go", "x");
  Output output = pod.rkt->Wait();
  EXPECT_EQ(AppLines(output.out), (Args{"ready", "end"})) << "nothing writable appears below a read-only volume";
}

TEST_F(VolumeMounts, AVolumeOnSysKeepsOursAway) {
  Output output = RunOk(Mounted("/sys") + Args{JudgeAci()} + Shell("cat /sys/in"));
  EXPECT_EQ(AppLines(output.out), Args{"from the host"});
  output = RunOk(Mounted("/sys/fs/mine") + Args{JudgeAci(), "--", "see"});
  Facts facts = Facts::Parse(AppText(output.out));
  for (const std::string& i : facts.Keys("/mounts")) EXPECT_NE(facts["/mounts/" + i + "/type"], "sysfs");
}

TEST_F(VolumeMounts, FlagsForNamesCountMoreThanAVolumeOverThem) {
  WriteFile(shared() + "/resolv.conf", "nameserver 9.9.9.9\n");
  WriteFile(shared() + "/hosts", "9.9.9.9 nine\n");
  Output output = RunOk(Mounted("/etc") + Args{"--dns=8.8.8.8", JudgeAci()} + Shell("cat /etc/resolv.conf /etc/hosts"));
  EXPECT_EQ(AppLines(output.out), (Args{"# Generated by rkt run", "", "nameserver 8.8.8.8", "9.9.9.9 nine"}));
  EXPECT_EQ(ReadFile(shared() + "/resolv.conf"), "nameserver 9.9.9.9\n");
  EXPECT_FALSE(Exists(shared() + "/hostname")) << "nothing is put into the host's directory";
  output = RunOk(Args{"--volume=h,kind=host,source=" + shared() + "/hosts", "--mount=volume=h,target=/etc/hosts", JudgeAci()} +
                 Shell("cat /etc/hosts"));
  EXPECT_EQ(AppLines(output.out), Args{"9.9.9.9 nine"}) << "the fallback gives way";
}

TEST_F(VolumeMounts, MountsMayCarryVolumesOfTheirOwn) {
  MakeDirs(dir() + "/other");
  WriteFile(dir() + "/other/in", "other\n");
  // Two apps, each with a volume of its own by the same name.
  std::string id = Fetch(JudgeAci());
  auto app = [&](const std::string& name, const std::string& source) {
    return R"({"name":")" + name + R"(","image":{"id":")" + id +
           R"("},"app":{"exec":["/bin/cat","/mnt/in"],"user":"0","group":"0"},"mounts":[{"volume":"v","path":"/mnt",)" +
           R"("appVolume":{"name":"v","kind":"host","source":")" + source + R"("}}]})";
  };
  WriteFile(dir() + "/pod.json", R"({"acVersion":"0.8.11","acKind":"PodManifest","apps":[)" + app("a", shared()) + "," +
                                     app("b", dir() + "/other") + "]}");
  Output output = RunOk({"--pod-manifest=" + dir() + "/pod.json"});
  EXPECT_EQ(AppLines(output.out, "a"), Args{"from the host"});
  EXPECT_EQ(AppLines(output.out, "b"), Args{"other"});
}

TEST_F(VolumeMounts, ProgramsMayLieInVolumes) {
  WriteFile(shared() + "/tool", "#!/bin/sh\necho tool of the host\n", 0755);
  WriteFile(shared() + "/lost", "#!/bin/no-such-shell\n", 0755);
  Args mounted = Mounted("/tools") + Args{JudgeAci(), "--environment=PATH=/nowhere:/tools:/bin"};
  EXPECT_EQ(AppLines(RunOk(mounted + Args{"--exec=tool"}).out), Args{"tool of the host"});
  Output output = Run(mounted + Args{"--exec=lost"});
  EXPECT_EQ(output.code, 203) << output.All();
  EXPECT_TRUE(Contains(output.err, "Unable to open \"/bin/no-such-shell\"")) << output.err;
  // What a volume covers is not there.
  output = Run(Mounted("/bin") + Args{JudgeAci(), "--exec=sh"});
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_TRUE(Contains(output.err, "unable to find \"sh\"")) << output.err;
  output = RunOk({"--volume=f,kind=host,source=" + shared() + "/tool", "--mount=volume=f,target=/bin/single", JudgeAci(),
                  "--exec=single"});
  EXPECT_EQ(AppLines(output.out), Args{"tool of the host"});
}

TEST_F(VolumeMounts, UnusedVolumesAreNotLookedAt) {
  RunOk({"--volume=v,kind=host,source=" + dir() + "/missing", JudgeAci(), "--", "exit", "0"});
}

TEST_F(VolumeMounts, ReadOnlyRootLeavesVolumesWritable) {
  Output output = RunOk(Mounted("/mnt") + Args{"--volume=e,kind=empty", "--mount=volume=e,target=/made/here", JudgeAci(),
                                               "--readonly-rootfs=true", "--", "try", "create:/mnt/x",
                                               "create:/made/here/x", "create:/made/x", "create:/tmp/x"});
  EXPECT_EQ(AppLines(output.out), (Args{"create:/mnt/x = ok", "create:/made/here/x = ok", "create:/made/x = EROFS",
                                        "create:/tmp/x = EROFS"}));
}

class VolumeDevices : public VolumeMounts {
 protected:
  void SetUp() override {
    VolumeMounts::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    // Devices that nobody minds being opened; not among those that every app has.
    ASSERT_EQ(mknod((dir() + "/fuse").c_str(), S_IFCHR | 0600, makedev(10, 229)), 0);
    ASSERT_EQ(mknod((dir() + "/loop7").c_str(), S_IFBLK | 0600, makedev(7, 7)), 0);
  }
  Args Device(const std::string& name, const std::string& more = "") const {
    return {"--volume=" + name + ",kind=host,source=" + dir() + "/" + name + more,
            "--mount=volume=" + name + ",target=/dev/" + name};
  }
  static bool HaveFuse() { return Exists("/dev/fuse"); }
};

TEST_F(VolumeDevices, AreUsedAsTheyAre) {
  REQUIRE_FACILITY("fuse", HaveFuse(), "no /dev/fuse");
  Output output = RunOk(Device("fuse") + Args{JudgeAci(), "--", "try", "read:/dev/fuse", "write:/dev/fuse",
                                              "mknod:/tmp/fuse:c:10:229"});
  EXPECT_EQ(AppLines(output.out),
            (Args{"read:/dev/fuse = ok", "write:/dev/fuse = ok", "mknod:/tmp/fuse:c:10:229 = EPERM"}));
}

TEST_F(VolumeDevices, ReadOnlyOnesAreReadOnly) {
  REQUIRE_FACILITY("fuse", HaveFuse(), "no /dev/fuse");
  Output output = RunOk(Device("fuse", ",readOnly=true") + Device("loop7") +
                        Args{JudgeAci(), "--", "try", "read:/dev/fuse", "write:/dev/fuse", "read:/dev/loop7",
                             "write:/dev/loop7", "write:/dev/null", "read:/dev/urandom", "read:/dev/ptmx",
                             "mknod:/tmp/null:c:1:3", "mknod:/tmp/mem:c:1:1"});
  EXPECT_EQ(AppLines(output.out),
            (Args{"read:/dev/fuse = ok", "write:/dev/fuse = EPERM", "read:/dev/loop7 = ok", "write:/dev/loop7 = ok",
                  "write:/dev/null = ok", "read:/dev/urandom = ok", "read:/dev/ptmx = ok", "mknod:/tmp/null:c:1:3 = ok",
                  "mknod:/tmp/mem:c:1:1 = EPERM"}));
}

TEST_F(VolumeDevices, TheUnifiedHierarchyLimitsThemToo) {
  REQUIRE_FACILITY("fuse", HaveFuse(), "no /dev/fuse");
  REQUIRE_FACILITY("cgroup-devices", !CgroupV1("devices").empty(), "no devices controller to take away");
  REQUIRE_FACILITY("cgroup-v2", Contains(ReadFile("/proc/self/mountinfo"), " - cgroup2 "), "no unified hierarchy");
  // As on a machine that has no devices controller, and then on one that has nothing at all.
  auto without = [&](const std::string& mounts, const Args& args) {
    std::string line = "for m in " + mounts + "; do umount -l $m || exit 99; done; exec";
    for (const std::string& word : RktArgs(RunArgs(args))) line += " '" + word + "'";
    return RunProgram({"/usr/bin/unshare", "--mount", "/bin/sh", "-c", line});
  };
  const Args attempt = Device("fuse", ",readOnly=true") +
                       Args{JudgeAci(), "--", "try", "read:/dev/fuse", "write:/dev/fuse", "write:/dev/null"};
  Output output = without(CgroupV1("devices"), attempt);
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_EQ(AppLines(output.out),
            (Args{"read:/dev/fuse = ok", "write:/dev/fuse = EPERM", "write:/dev/null = ok"}));
  output = without("/sys/fs/cgroup", attempt);
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_TRUE(Contains(output.err, "the policy for devices of app \"judge\" cannot be set")) << output.err;
  EXPECT_TRUE(AppLines(output.out).empty()) << output.out;
}

TEST_F(VolumeDevices, ReadOnlyHoldsForEnteredCommandsAndNotForOtherApps) {
  REQUIRE_FACILITY("fuse", HaveFuse(), "no /dev/fuse");
  RunningPod pod = Start({"--volume=r,kind=host,source=" + dir() + "/fuse,readOnly=true",
                          "--volume=w,kind=host,source=" + dir() + "/fuse", JudgeAci(), "--name=a",
                          "--mount=volume=r,target=/dev/fuse", "--", "sleep", "---", JudgeAci(), "--name=b",
                          "--mount=volume=w,target=/dev/fuse", "--", "sleep"},
                         "sleeping");
  for (int i = 0; i < 200 && Rkt({"enter", "--app=b", pod.uuid, "/bin/true"}).code != 0; i++) SleepFor(0.02);
  EXPECT_TRUE(Contains(Rkt({"enter", "--app=a", pod.uuid, "/judge", "try", "write:/dev/fuse"}).out, "EPERM"));
  EXPECT_TRUE(Contains(Rkt({"enter", "--app=b", pod.uuid, "/judge", "try", "write:/dev/fuse"}).out, "= ok"));
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
}

TEST_F(VolumeDevices, ThoseInDirectoriesAndImagesAreDead) {
  Tar tar;
  tar.File("manifest", ManifestJson({})).Dir("rootfs");
  AddJudgeRoot(tar);
  tar.Add({.name = "rootfs/loop", .type = '4', .mode = 0666, .major = 7, .minor = 7});
  Output output = RunOk({"--volume=v,kind=host,source=" + dir(), "--mount=volume=v,target=/mnt",
                         WriteImage("node.aci", tar.Finish()), "--", "try", "read:/mnt/loop7", "read:/loop"});
  EXPECT_EQ(AppLines(output.out), (Args{"read:/mnt/loop7 = EACCES", "read:/loop = EACCES"}));
}

class CopyUp : public VolumeMounts {
 protected:
  // An image with files at /data, converted from docker or not.
  std::string Image(bool docker, const std::string& path = "/data") {
    ImageSpec spec;
    spec.app = R"("mountPoints":[{"name":"data","path":")" + path + R"("}])";
    if (docker) spec.annotations = R"([{"name":"appc.io/docker/repository","value":"library/db"}])";
    Tar tar;
    tar.File("manifest", ManifestJson(spec)).Dir("rootfs");
    AddJudgeRoot(tar);
    tar.Add({.name = "rootfs/data/", .type = '5', .mode = 02750, .uid = 70, .gid = 71});
    tar.Add({.name = "rootfs/data/file", .content = "of the image\n", .mode = 04640, .uid = 72, .gid = 73});
    tar.HardLink("rootfs/data/same", "rootfs/data/file");
    tar.Symlink("rootfs/data/link", "/etc/passwd");
    tar.Dir("rootfs/data/sub", 0700).File("rootfs/data/sub/deep", "deep\n");
    return WriteImage(docker ? "docker.aci" : "plain.aci", tar.Finish());
  }
};

TEST_F(CopyUp, AnImplicitVolumeOfADockerImageBeginsWithTheImagesContent) {
  std::string image = Image(true);
  const Args look = Shell("stat -c '%a %u %g' /data /data/file; stat -c '%h %F' /data/same /data/link; "
                          "cat /data/file /data/sub/deep; echo changed > /data/file; touch /data/new");
  const Args expected = {"2750 70 71", "4640 72 73", "2 regular file", "1 symbolic link", "of the image", "deep"};
  EXPECT_EQ(AppLines(RunOk(Args{image} + look).out), expected);
  std::string volume = PodDir(PodsIn("run").at(0)) + "/sharedVolumes/judge-data";
  EXPECT_EQ(ReadFile(volume + "/file"), "changed\n");
  EXPECT_TRUE(Exists(volume + "/new"));
  // Neither the image nor the next pod has the changes.
  EXPECT_EQ(AppLines(RunOk(Args{image} + look).out), expected);
  EXPECT_EQ(AppLines(RunOk(Args{"--no-overlay", image} + look).out), expected);
}

TEST_F(CopyUp, OtherVolumesBeginEmpty) {
  const Args look = Shell("ls -A /data; stat -c '%a %u %g' /data");
  EXPECT_EQ(AppLines(RunOk(Args{Image(false)} + look).out), Args{"755 0 0"});
  EXPECT_EQ(AppLines(RunOk(Args{"--volume=data,kind=empty,mode=0711,uid=1", Image(true)} + look).out),
            Args{"711 1 0"});
}

TEST_F(CopyUp, NothingIsFollowedOutOfTheImage) {
  MakeDirs(dir() + "/host");
  WriteFile(dir() + "/host/secret", "secret\n");
  ImageSpec spec;
  spec.app = R"("mountPoints":[{"name":"data","path":"/data"},{"name":"none","path":"/none"}])";
  spec.annotations = R"([{"name":"appc.io/docker/repository","value":"library/db"}])";
  Tar tar;
  tar.File("manifest", ManifestJson(spec)).Dir("rootfs");
  AddJudgeRoot(tar);
  tar.Symlink("rootfs/data", dir() + "/host");
  Output output = RunOk(Args{WriteImage("out.aci", tar.Finish())} + Shell("ls -A /data/ /none/"));
  EXPECT_FALSE(Contains(output.out, "secret")) << output.out;
}

}  // namespace
}  // namespace rkt::test
