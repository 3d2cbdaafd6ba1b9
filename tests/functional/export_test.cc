// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt export: an app of an exited pod as an image.

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

#include "functional/harness/pod_test.h"
#include "servers/registry.h"

namespace rkt::test {
namespace {

class Export : public PodTest {
 protected:
  // Runs a script in a pod and gives its UUID.
  std::string After(const Args& flags, const std::string& script, const std::string& image = "") {
    Output output = Run(flags + Args{image.empty() ? JudgeAci() : image, "--exec=/bin/sh", "--", "-c", script});
    EXPECT_EQ(output.code, 0) << output.All();
    std::vector<std::string> pods = PodsIn("run");
    EXPECT_EQ(pods.size(), 1u);
    return pods.empty() ? "" : pods[0];
  }
  // `tar tvz` of a file, a line for each entry.
  static Args Listing(const std::string& file) {
    Output output = RunProgram({"/bin/tar", "--numeric-owner", "-tvzf", file});
    EXPECT_EQ(output.code, 0) << output.All();
    return Lines(output.out);
  }
  static std::string Find(const Args& listing, const std::string& name) {
    for (const std::string& line : listing) {
      if (EndsWith(line, " " + name) || Contains(line, " " + name + " ")) return line;
    }
    return "";
  }
  static std::string ContentOf(const std::string& file, const std::string& name) {
    return RunProgram({"/bin/tar", "-xzOf", file, name}).out;
  }
  void ExpectRefused(const Args& args, const std::string& text, const std::string& file) {
    Output output = Rkt(Args{"export"} + args);
    EXPECT_EQ(output.code, 254) << output.All();
    EXPECT_TRUE(Contains(output.err, text)) << output.err;
    EXPECT_FALSE(Exists(file)) << file;
  }
  // Names in the directory of the outputs: nothing half-made is there under another one.
  std::string Out(const std::string& name) {
    MakeDirs(dir() + "/out");
    return dir() + "/out/" + name;
  }
};

TEST_F(Export, HasWhatTheAppChangedAndRunsAgain) {
  for (const Args& flags : {Args{}, Args{"--no-overlay"}}) {
    std::string uuid = After(flags, "echo changed >/owned; echo new >/srv/new; rm /opt-script; mkdir -p /a/b; chown 5:6 /a/b; "
                                    "chmod 02711 /a/b; ln /srv/new /srv/same; ln -s new /srv/link; mkfifo /srv/fifo || "
                                    "/bin/busybox mkfifo /srv/fifo; rm -rf /root; mkdir /root; touch /root/fresh");
    std::string file = Out(flags.empty() ? "a.aci" : "b.aci");
    Output output = RktOk({"export", uuid, file});
    EXPECT_EQ(output.out, "");
    Args listing = Listing(file);
    EXPECT_EQ(ContentOf(file, "rootfs/owned"), "changed\n");
    EXPECT_TRUE(Contains(Find(listing, "rootfs/owned"), "1234/2345"));
    EXPECT_EQ(ContentOf(file, "rootfs/srv/new"), "new\n");
    EXPECT_EQ(Find(listing, "rootfs/opt-script"), "");
    EXPECT_TRUE(StartsWith(Find(listing, "rootfs/a/b"), "drwx--s--x 5/6")) << Find(listing, "rootfs/a/b");
    EXPECT_TRUE(Contains(Find(listing, "rootfs/srv/same"), "link to rootfs/srv/new"));
    EXPECT_TRUE(Contains(Find(listing, "rootfs/srv/link"), "-> new"));
    EXPECT_TRUE(StartsWith(Find(listing, "rootfs/srv/fifo"), "p"));
    EXPECT_NE(Find(listing, "rootfs/root/fresh"), "");
    EXPECT_TRUE(EndsWith(listing.back(), " manifest")) << listing.back();
    EXPECT_EQ(ContentOf(file, "manifest"), ReadFile(PodDir(uuid) + "/appsinfo/judge/manifest"));
    // The pod is as it was, and gives the same file again.
    RktOk({"export", uuid, Out("again.aci")});
    EXPECT_TRUE(ReadFile(file) == ReadFile(Out("again.aci")));
    ::unlink(Out("again.aci").c_str());
    EXPECT_EQ(StateOf(uuid), "exited");
    RktOk({"rm", uuid});
    Output again = RunOk(Args{file, "--exec=/bin/sh", "--", "-c", "cat /owned /srv/link; stat -c '%u %a' /a/b"});
    EXPECT_EQ(AppLines(again.out), (Args{"changed", "new", "5 2711"}));
    RktOk({"rm", PodsIn("run").at(0)});
  }
}

TEST_F(Export, WhatAnImageSaysOfAPartOfItsRootIsLeftOut) {
  ImageSpec base, top;
  base.name = "example.com/base";
  top.name = "example.com/top";
  top.dependencies = R"([{"imageName": "example.com/base"}])";
  Fetch(WriteImage("base.aci", base));
  Tar tar;
  tar.File("manifest", ManifestJson(top)).Dir("rootfs").File("rootfs/own", "own\n");
  std::string image = Trim(RktOk({"fetch", "--full", "--pull-policy=new", WriteImage("top.aci", tar.Finish())}).out);
  std::string uuid = After({}, "rm /opt-script; echo new >/new", image);
  std::string file = Out("whole.aci");
  RktOk({"export", uuid, file});
  Facts manifest = Facts::Parse(ContentOf(file, "manifest"));
  EXPECT_EQ(manifest["/name"], "example.com/top");
  EXPECT_FALSE(manifest.Has("/dependencies"));
  RktOk({"rm", uuid});
  Output again = RunOk(Args{file, "--exec=/bin/sh", "--", "-c", "cat /own /new; test -e /opt-script || echo gone"});
  EXPECT_EQ(AppLines(again.out), (Args{"own", "new", "gone"}));
}

TEST_F(Export, WhitelistsDoNotHideWhatTheAppHasMade) {
  ImageSpec spec;
  spec.path_whitelist = R"(["/judge", "/bin", "/bin/sh", "/bin/busybox", "/bin/cat"])";
  std::string uuid = After({}, "echo new >/new", WriteImage("some.aci", spec));
  std::string file = Out("all.aci");
  RktOk({"export", uuid, file});
  RktOk({"rm", uuid});
  EXPECT_EQ(AppLines(RunOk(Args{file, "--exec=/bin/sh", "--", "-c", "cat /new"}).out), Args{"new"});
}

TEST_F(Export, OneOfSeveralApps) {
  RunOk({JudgeAci(), "--name=one", "--exec=/bin/sh", "--", "-c", "echo 1 >/mark", "---",  //
         JudgeAci(), "--name=two", "--exec=/bin/sh", "--", "-c", "echo 2 >/mark"});
  std::string uuid = PodsIn("run").at(0);
  std::string file = Out("x.aci");
  ExpectRefused({uuid, file}, "one, two", file);
  ExpectRefused({"--app=three", uuid, file}, "no app \"three\"", file);
  RktOk({"export", "--app=two", uuid, file});
  EXPECT_EQ(ContentOf(file, "rootfs/mark"), "2\n");
}

TEST_F(Export, RefusesWhatItCannotDo) {
  std::string file = Out("x.aci");
  std::string prepared = Prepare({JudgeAci()});
  ExpectRefused({prepared, file}, "has not exited", file);
  RunningPod running = Start({JudgeAci(), "--", "sleep"}, "sleeping");
  ExpectRefused({running.uuid, file}, "has not exited", file);
  running.rkt->Kill(SIGTERM);
  running.rkt->Wait();
  ExpectRefused({running.uuid, Out("x.tar")}, "extension must be .aci", Out("x.tar"));
  ExpectRefused({running.uuid, dir() + "/nowhere/x.aci"}, "no such file", file);
  ExpectRefused({"ffffffff", file}, "no matches found", file);
  WriteFile(file, "mine");
  Output exists = Rkt({"export", running.uuid, file});
  EXPECT_EQ(exists.code, 254);
  EXPECT_TRUE(Contains(exists.err, "exists")) << exists.err;
  EXPECT_EQ(ReadFile(file), "mine");
  RktOk({"export", "--overwrite", running.uuid, file});
  EXPECT_FALSE(Listing(file).empty());
  EXPECT_EQ(Rkt({"export", running.uuid}).code, 254);
  EXPECT_EQ(ListDir(dir() + "/out"), Args{"x.aci"});
}

TEST_F(Export, FullDiskLeavesNothing) {
  std::string uuid = After({}, "dd if=/dev/urandom of=/big bs=1024 count=3000 2>/dev/null");
  MakeDirs(dir() + "/small");
  SmallDisk disk(dir() + "/small", "size=1m");
  Output output = Rkt({"export", uuid, dir() + "/small/x.aci"});
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_TRUE(ListDir(dir() + "/small").empty());
}

TEST_F(Export, KilledInBetweenLeavesNothingAndThePodAsItWas) {
  std::string uuid = After({}, "dd if=/dev/urandom of=/big bs=65536 count=200 2>/dev/null");
  std::string file = Out("x.aci");
  for (double delay : {0.02, 0.1, 0.3}) {
    Background exporting = StartRkt({"export", uuid, file});
    SleepFor(delay);
    exporting.Kill(SIGKILL);
    exporting.Wait();
    // One may have been quick: then the file is whole.
    if (Exists(file)) EXPECT_EQ(RunProgram({"/bin/tar", "-tzf", file}).code, 0);
    ::unlink(file.c_str());
  }
  EXPECT_TRUE(ListDir(dir() + "/out").empty());
  EXPECT_EQ(StateOf(uuid), "exited");
  RktOk({"export", uuid, file});
  RktOk({"rm", uuid});
}

TEST_F(Export, AttributesCapabilitiesAndSpecialNames) {
  Tar tar;
  tar.File("manifest", ManifestJson({}));
  tar.Dir("rootfs");
  AddJudgeRoot(tar);
  std::string capability("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  tar.Add({.name = "rootfs/cap-cat", .content = ReadFile("/bin/busybox"), .mode = 0755,
           .pax = {{"SCHILY.xattr.security.capability", capability}, {"SCHILY.xattr.user.note", "kept"}}});
  tar.Add({.name = "rootfs/device", .type = '3', .mode = 0600, .major = 1, .minor = 7});
  std::string image = WriteImage("special.aci", tar.Finish());
  for (const Args& flags : {Args{}, Args{"--private-users"}, Args{"--private-users", "--no-overlay"}}) {
    std::string uuid = After(flags, "echo x >'/a b\n\033[1m'; touch /cap-cat; chown 3:4 /device; echo changed >>/owned; "
                                    "/judge socket /socket", image);
    std::string file = Out("x.aci");
    RktOk({"export", "--overwrite", uuid, file});
    Args listing = Listing(file);
    EXPECT_TRUE(StartsWith(Find(listing, "rootfs/device"), "crw------- 3/4")) << Find(listing, "rootfs/device");
    EXPECT_TRUE(Contains(Find(listing, "rootfs/owned"), "1234/2345"));
    EXPECT_TRUE(Contains(Find(listing, "rootfs/judge"), " 0/0 "));
    RktOk({"rm", uuid});
    Output again = RunOk({file, "--exec=/bin/sh", "--user=1000", "--group=1000", "--seccomp=mode=retain,@appc.io/all", "--",
                          "-c", "ln -s /cap-cat /tmp/cat; /tmp/cat /proc/self/status | /bin/busybox grep CapEff; ls / | wc -l"});
    EXPECT_EQ(AppLines(again.out).at(0), "CapEff:\t0000000000002000");
    RktOk({"rm", PodsIn("run").at(0)});
    std::string id = Fetch(file);
    RktOk({"image", "extract", "--overwrite", id, dir() + "/extracted"});
    char value[16] = {};
    EXPECT_EQ(::getxattr((dir() + "/extracted/rootfs/cap-cat").c_str(), "user.note", value, sizeof value), 4);
    EXPECT_TRUE(Exists(dir() + "/extracted/rootfs/a b\n\033[1m"));
    EXPECT_FALSE(Exists(dir() + "/extracted/rootfs/socket"));
  }
}

TEST_F(Export, IdsThatWereGivenAwayAreTranslatedBack) {
  MakeDirs(data());
  ASSERT_EQ(::mount("ramfs", data().c_str(), "ramfs", 0, "mode=755"), 0);
  std::string uuid = After({"--private-users"}, "echo x >/made; chown 9:9 /made");
  RktOk({"export", uuid, Out("x.aci")});
  Args listing = Listing(Out("x.aci"));
  EXPECT_TRUE(Contains(Find(listing, "rootfs/owned"), "1234/2345"));
  EXPECT_TRUE(Contains(Find(listing, "rootfs/made"), " 9/9 "));
  EXPECT_TRUE(Contains(Find(listing, "rootfs/judge"), " 0/0 "));
  CollectAll();
  ::umount2(data().c_str(), MNT_DETACH);
}

TEST_F(Export, LayeredImagesAreOneAgain) {
  Registry registry;
  OciImage image;
  Tar base, top;
  base.Dir("bin").HostFile("bin/busybox", "/bin/busybox").Symlink("bin/sh", "busybox").Symlink("bin/rm", "busybox");
  base.Dir("etc").File("etc/passwd", "root:x:0:0:root:/:/bin/sh\n").File("etc/group", "root:x:0:\n");
  base.File("low", "low\n").File("gone", "x").Dir("d").File("d/old", "old");
  top.File("high", "high\n").File(".wh.gone", "").Dir("d").File("d/.wh..wh..opq", "").File("d/new", "new");
  image.layers = {base.Finish(), top.Finish()};
  image.config = R"("Entrypoint":["/bin/sh","-c"],"Cmd":["echo more >>/low; rm /high"])";
  image.docker = true;
  registry.Push("lib/x:v1", image);
  insecure_ = "image,http";
  for (const Args& flags : {Args{}, Args{"--no-overlay"}, Args{"--private-users"}}) {
    RunOk(flags + Args{"docker://" + registry.host() + "/lib/x:v1"});
    std::string uuid = PodsIn("run").at(0);
    std::string file = Out("x.aci");
    RktOk({"export", "--overwrite", uuid, file});
    Args listing = Listing(file);
    EXPECT_EQ(ContentOf(file, "rootfs/low"), "low\nmore\n");
    for (const char* gone : {"rootfs/gone", "rootfs/high", "rootfs/d/old"}) EXPECT_EQ(Find(listing, gone), "") << gone;
    EXPECT_EQ(ContentOf(file, "rootfs/d/new"), "new");
    RktOk({"rm", uuid});
  }
}

}  // namespace
}  // namespace rkt::test
