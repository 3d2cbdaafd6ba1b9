// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt cp: files into and out of apps, also of such as do not want it to go well.

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

struct stat StatOf(const std::string& path) {
  struct stat st = {};
  EXPECT_EQ(::lstat(path.c_str(), &st), 0) << path;
  return st;
}

class AnyCp : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    MakeDirs(host("tree/sub"));
    WriteFile(host("file"), "from the host\n", 0640);
    WriteFile(host("tree/a"), "a\n");
    WriteFile(host("tree/sub/b"), "b\n", 0600);
    ASSERT_EQ(::symlink("a", host("tree/link").c_str()), 0);
    ASSERT_EQ(::link(host("tree/a").c_str(), host("tree/same").c_str()), 0);
  }
  std::string host(const std::string& name) const { return dir() + "/host/" + name; }
  RunningPod Sleeper(const Args& flags = {}, const std::string& first = "true") {
    return Start(flags + Args{JudgeAci(), "--exec=/bin/sh", "--", "-c",
                              first + "; echo started; while true; do sleep 0.1; done"},
                 "started");
  }
  // What a command in the app prints.
  std::string Inside(const std::string& uuid, const std::string& script) {
    Output output = RktOk({"enter", uuid, "/bin/sh", "-c", script});
    return output.out;
  }
  void ExpectRefused(const Args& args, const std::string& text) {
    Output output = Rkt(Args{"cp"} + args);
    EXPECT_EQ(output.code, 254) << output.All();
    EXPECT_TRUE(Contains(output.err, text)) << "expected: " << text << "\n" << output.err;
  }
  void Stop(RunningPod& pod) {
    pod.rkt->Kill(SIGKILL);
    pod.rkt->Wait();
    // Under fly what the app has started outlives it for a moment, and holds the pod as long.
    EXPECT_TRUE(WaitForState(pod.uuid, "exited"));
  }
};

// Under native only: fly shows the host's /dev, with the files of this test, to its app.
class Cp : public AnyCp {};

TEST_F(AnyCp, IntoAndOutOfARunningApp) {
  RunningPod pod = Sleeper();
  RktOk({"cp", host("file"), pod.uuid + ":/tmp/renamed"});
  EXPECT_EQ(Inside(pod.uuid, "cat /tmp/renamed; stat -c '%u %g %a' /tmp/renamed"), "from the host\n0 0 640\n");
  RktOk({"cp", host("file"), pod.uuid + ":/tmp"});
  EXPECT_EQ(Inside(pod.uuid, "cat /tmp/file"), "from the host\n");
  // What is there is replaced.
  WriteFile(host("file"), "again\n");
  RktOk({"cp", host("file"), pod.uuid.substr(0, 8) + ":/tmp/file"});
  EXPECT_EQ(Inside(pod.uuid, "cat /tmp/file"), "again\n");
  RktOk({"cp", pod.uuid + ":/owned", host("out")});
  EXPECT_EQ(ReadFile(host("out")), "by somebody\n");
  EXPECT_EQ(StatOf(host("out")).st_uid, 0u);
  RktOk({"cp", "--archive", pod.uuid + ":/owned", host("kept")});
  EXPECT_EQ(StatOf(host("kept")).st_uid, 1234u);
  EXPECT_EQ(StatOf(host("kept")).st_gid, 2345u);
  EXPECT_EQ(StatOf(host("kept")).st_mtime, 1000000000);
  Stop(pod);
}

TEST_F(AnyCp, DirectoriesAndWhatIsInThem) {
  RunningPod pod = Sleeper();
  RktOk({"cp", host("tree"), pod.uuid + ":/srv"});
  EXPECT_EQ(Inside(pod.uuid, "cat /srv/tree/a /srv/tree/sub/b /srv/tree/link; stat -c %h /srv/tree/a"), "a\nb\na\n2\n");
  RktOk({"cp", host("tree"), pod.uuid + ":/srv/other"});
  EXPECT_EQ(Inside(pod.uuid, "ls /srv/other"), "a\nlink\nsame\nsub\n");
  RktOk({"cp", host("tree/."), pod.uuid + ":/srv"});
  EXPECT_EQ(Inside(pod.uuid, "cat /srv/sub/b; stat -c %a /srv/sub/b"), "b\n600\n");
  MakeDirs(host("back"));
  RktOk({"cp", pod.uuid + ":/srv/tree", host("back")});
  EXPECT_EQ(ListDir(host("back/tree")), (Args{"a", "link", "same", "sub"}));
  EXPECT_TRUE(S_ISLNK(StatOf(host("back/tree/link")).st_mode));
  EXPECT_EQ(StatOf(host("back/tree/a")).st_ino, StatOf(host("back/tree/same")).st_ino);
  RktOk({"cp", pod.uuid + ":/srv/tree/.", host("back")});
  EXPECT_EQ(ReadFile(host("back/sub/b")), "b\n");
  RktOk({"cp", pod.uuid + ":/srv/tree/link", host("link")});
  EXPECT_TRUE(S_ISLNK(StatOf(host("link")).st_mode));
  RktOk({"cp", "--follow-link", pod.uuid + ":/srv/tree/link", host("followed")});
  EXPECT_EQ(ReadFile(host("followed")), "a\n");
  Stop(pod);
}

TEST_F(AnyCp, MistakesAreNamed) {
  RunningPod pod = Sleeper();
  ExpectRefused({host("file"), host("other")}, "neither SRC nor DEST");
  ExpectRefused({pod.uuid + ":/owned", pod.uuid + ":/other"}, "between pods");
  ExpectRefused({host("nothing"), pod.uuid + ":/tmp"}, "no such file");
  ExpectRefused({pod.uuid + ":/nothing", host("x")}, "no such file");
  ExpectRefused({host("file"), pod.uuid + ":/nowhere/x"}, "no such file");
  ExpectRefused({host("file"), pod.uuid + ":/nowhere/"}, "no directory");
  ExpectRefused({host("tree"), pod.uuid + ":/owned"}, "no directory");
  ExpectRefused({pod.uuid + ":/owned/", host("x")}, "ot a directory");
  ExpectRefused({pod.uuid + ":other:/owned", host("x")}, "no app \"other\"");
  ExpectRefused({"ffffffff:/owned", host("x")}, "no matches found");
  ExpectRefused({host("file"), pod.uuid + ":/proc/sys/kernel"}, "kernel");
  ExpectRefused({pod.uuid + ":/proc/self", host("x")}, "kernel");
  ExpectRefused({pod.uuid + ":/proc/version", host("x")}, "kernel");
  EXPECT_FALSE(Exists(host("x")));
  std::string prepared = Prepare({JudgeAci()});
  ExpectRefused({prepared + ":/owned", host("x")}, "neither runs nor has exited");
  Stop(pod);
}

TEST_F(AnyCp, ArchivesOnStandardInputAndOutput) {
  RunningPod pod = Sleeper();
  Tar tar;
  tar.Dir("d").File("d/f", "in an archive\n", 0604).Symlink("d/l", "f").HardLink("d/h", "d/f").File("deep/er/g", "g\n");
  Output output = RktOk({"cp", "-", pod.uuid + ":/srv"}, {.input = tar.Finish()});
  EXPECT_EQ(Inside(pod.uuid, "cat /srv/d/f /srv/d/l /srv/deep/er/g; stat -c '%h %a' /srv/d/h"),
            "in an archive\nin an archive\ng\n2 604\n");
  output = RktOk({"cp", pod.uuid + ":/srv/d", "-"});
  WriteFile(host("d.tar"), output.out);
  EXPECT_EQ(RunProgram({"/bin/tar", "-tf", host("d.tar")}).out, "d\nd/f\nd/h\nd/l\n");
  output = RktOk({"cp", pod.uuid + ":/owned", "-"});
  WriteFile(host("o.tar"), output.out);
  EXPECT_TRUE(Contains(RunProgram({"/bin/tar", "--numeric-owner", "-tvf", host("o.tar")}).out, "1234/2345"));
  for (const char* name : {"../escape", "/absolute", "d/../../escape"}) {
    Output bad = Rkt({"cp", "-", pod.uuid + ":/srv"}, {.input = Tar().File(name, "x").Finish()});
    EXPECT_EQ(bad.code, 254) << name;
  }
  Output broken = Rkt({"cp", "-", pod.uuid + ":/srv"}, {.input = "no archive"});
  EXPECT_EQ(broken.code, 254);
  ExpectRefused({"-", pod.uuid + ":/nowhere"}, "no such file");
  Stop(pod);
}

TEST_F(Cp, LinksOfTheAppLeadNowhereElse) {
  std::string secret = dir() + "/secret";
  MakeDirs(secret);
  WriteFile(secret + "/file", "host\n");
  RunningPod pod = Sleeper({}, "ln -s " + secret + "/file /tmp/file-link; ln -s " + secret + " /tmp/dir-link; "
                               "ln -s ../../../../../../.." + secret + " /tmp/up; ln -s /proc/1/root /tmp/root; mkdir /tmp/d");
  ExpectRefused({"--follow-link", pod.uuid + ":/tmp/file-link", host("x")}, "no such file");
  ExpectRefused({pod.uuid + ":/tmp/dir-link/file", host("x")}, "no such file");
  ExpectRefused({pod.uuid + ":/tmp/up/file", host("x")}, "no such file");
  Output magic = Rkt({"cp", pod.uuid + ":/tmp/root/etc/shadow", host("x")});
  EXPECT_EQ(magic.code, 254) << magic.All();
  ExpectRefused({host("file"), pod.uuid + ":/tmp/dir-link/planted"}, "no such file");
  ExpectRefused({host("file"), pod.uuid + ":/tmp/up/planted"}, "no such file");
  // In the place of a link comes the file; what it leads to stays as it is.
  RktOk({"cp", host("file"), pod.uuid + ":/tmp/file-link"});
  Output archive = Rkt({"cp", "-", pod.uuid + ":/tmp"},
                       {.input = Tar().Symlink("d/out", secret).File("d/out/planted", "x").Finish()});
  EXPECT_NE(archive.code, 0);
  Inside(pod.uuid, "ln -s " + secret + " /tmp/d/sub");
  MakeDirs(host("d/sub"));
  WriteFile(host("d/sub/planted"), "x");
  ExpectRefused({host("d"), pod.uuid + ":/tmp"}, "in the place of a directory");
  EXPECT_EQ(ListDir(secret), Args{"file"});
  EXPECT_EQ(ReadFile(secret + "/file"), "host\n");
  EXPECT_FALSE(Exists(host("x")));
  Stop(pod);
}

TEST_F(AnyCp, FifosDevicesAndSocketsAreNotOpened) {
  RunningPod pod = Sleeper({}, "mkdir /tmp/d; /bin/busybox mkfifo /tmp/d/fifo /tmp/fifo; echo x >/tmp/d/file; "
                               "/judge socket /tmp/d/socket");
  Output out = Rkt({"cp", pod.uuid + ":/tmp/d", host("d")}, {.timeout = 20});
  EXPECT_EQ(out.code, 0) << out.All();
  EXPECT_TRUE(Contains(out.err, "socket")) << out.err;
  EXPECT_TRUE(S_ISFIFO(StatOf(host("d/fifo")).st_mode));
  EXPECT_EQ(ReadFile(host("d/file")), "x\n");
  // A FIFO in the way of a file, on either side.
  RktOk({"cp", host("file"), pod.uuid + ":/tmp/fifo"}, {.timeout = 20});
  EXPECT_EQ(Inside(pod.uuid, "cat /tmp/fifo"), "from the host\n");
  ASSERT_EQ(::mkfifo(host("fifo").c_str(), 0600), 0);
  RktOk({"cp", pod.uuid + ":/owned", host("fifo")}, {.timeout = 20});
  EXPECT_EQ(ReadFile(host("fifo")), "by somebody\n");
  // Devices come only with --archive.
  Output device = RktOk({"cp", pod.uuid + ":/dev/null", host("null")}, {.timeout = 20});
  EXPECT_TRUE(Contains(device.err, "it is a device")) << device.err;
  EXPECT_FALSE(Exists(host("null")));
  Stop(pod);
}

TEST_F(AnyCp, SetIdBitsStayInside) {
  RunningPod pod = Sleeper({}, "echo x >/tmp/suid; chmod 4755 /tmp/suid; chown 0 /tmp/suid; chmod 4755 /tmp/suid");
  RktOk({"cp", pod.uuid + ":/tmp/suid", host("suid")});
  EXPECT_EQ(ModeOf(host("suid")) & 07777, 0755u);
  RktOk({"cp", "--archive", pod.uuid + ":/tmp/suid", host("kept")});
  EXPECT_EQ(ModeOf(host("kept")) & 07777, 04755u);
  Stop(pod);
}

// An app that swaps a directory for a link to the host and back, as fast as it can.
TEST_F(Cp, RacingLinksNeverLeadOut) {
  std::string secret = dir() + "/secret";
  MakeDirs(secret);
  WriteFile(secret + "/name", "host\n");
  RunningPod pod = Start({JudgeAci(), "--exec=/judge", "--", "swap", "/tmp/a", secret}, "swapping");
  int reached = 0;
  for (int i = 0; i < 60; i++) {
    ::unlink(host("got").c_str());
    Rkt({"cp", pod.uuid + ":/tmp/a/name", host("got")}, {.timeout = 20});
    if (Exists(host("got"))) {
      reached++;
      EXPECT_EQ(ReadFile(host("got")), "inside\n");
    }
    WriteFile(host("planted"), "x");
    Rkt({"cp", host("planted"), pod.uuid + ":/tmp/a/planted"}, {.timeout = 20});
    RemoveAll(host("all"));
    Rkt({"cp", pod.uuid + ":/tmp/a/.", host("all")}, {.timeout = 20});
    if (Exists(host("all/name"))) {
      EXPECT_EQ(ReadFile(host("all/name")), "inside\n");
    }
  }
  EXPECT_GT(reached, 0) << "nothing was ever there";
  EXPECT_EQ(ListDir(secret), Args{"name"});
  EXPECT_EQ(ReadFile(secret + "/name"), "host\n");
  Stop(pod);
}


TEST_F(Cp, ExitedPodsAreReadAndWritten) {
  for (const Args& flags : {Args{}, Args{"--no-overlay"}, Args{"--private-users"}, Args{"--private-users", "--no-overlay"}}) {
    RunOk(flags + Args{JudgeAci(), "--exec=/bin/sh", "--", "-c", "echo made >/srv/made; chown 7:8 /srv/made; rm /opt-script"});
    std::string uuid = PodsIn("run").at(0);
    RktOk({"cp", "--archive", uuid + ":/srv/made", host("made")});
    EXPECT_EQ(ReadFile(host("made")), "made\n");
    EXPECT_EQ(StatOf(host("made")).st_uid, 7u);
    ExpectRefused({uuid + ":/opt-script", host("x")}, "no such file");
    RktOk({"cp", host("tree"), uuid + ":/srv"});
    RktOk({"cp", uuid + ":/srv/tree/sub/b", host("b")});
    EXPECT_EQ(ReadFile(host("b")), "b\n");
    EXPECT_EQ(StateOf(uuid), "exited");
    std::string pod = PodDir(uuid);
    std::string root = pod + "/stage1/rootfs/opt/stage2/judge/rootfs";
    if (std::count(flags.begin(), flags.end(), "--no-overlay") == 0) {
      root = pod + "/overlay/" + ReadFile(pod + "/appsinfo/judge/treeStoreID") + "/upper/judge";
    }
    EXPECT_EQ(StatOf(root + "/srv/tree/a").st_uid, 0u);
    RktOk({"export", "--overwrite", uuid, dir() + "/x.aci"});
    EXPECT_TRUE(Contains(RunProgram({"/bin/tar", "-tzf", dir() + "/x.aci"}).out, "rootfs/srv/tree/sub/b"));
    RktOk({"rm", uuid});
    ::unlink(host("made").c_str());
  }
}

TEST_F(Cp, OwnersOfAPodsOwnUsersAreTranslated) {
  WriteFile(host("alices"), "x\n");
  ASSERT_EQ(::chown(host("alices").c_str(), 1001, 1002), 0);
  std::string volume = dir() + "/volume";
  MakeDirs(volume);
  RunningPod pod = Sleeper({"--private-users", "--volume=v,kind=host,source=" + volume, "--mount=volume=v,target=/v"});
  RktOk({"cp", host("file"), pod.uuid + ":/tmp/plain"});
  RktOk({"cp", "--archive", host("alices"), pod.uuid + ":/tmp/alices"});
  RktOk({"cp", host("tree"), pod.uuid + ":/v"});
  EXPECT_EQ(Inside(pod.uuid, "stat -c '%u %g' /tmp/plain /tmp/alices /v/tree/a; echo more >>/tmp/plain && echo mine"),
            "0 0\n1001 1002\n0 0\nmine\n");
  EXPECT_EQ(StatOf(volume + "/tree/a").st_uid, 0u);
  RktOk({"cp", "--archive", pod.uuid + ":/owned", host("owned")});
  EXPECT_EQ(StatOf(host("owned")).st_uid, 1234u);
  Output stream = RktOk({"cp", pod.uuid + ":/owned", "-"});
  WriteFile(host("o.tar"), stream.out);
  EXPECT_TRUE(Contains(RunProgram({"/bin/tar", "--numeric-owner", "-tvf", host("o.tar")}).out, "1234/2345"));
  ASSERT_EQ(::chown(host("alices").c_str(), 70000, 0), 0);
  ExpectRefused({"--archive", host("alices"), pod.uuid + ":/tmp/alices"}, "nobody of the pod");
  Stop(pod);
}

TEST_F(Cp, VolumesAreSeenAndTheRightAppIsChosen) {
  std::string volume = dir() + "/volume";
  MakeDirs(volume);
  WriteFile(volume + "/here", "in the volume\n");
  Args loop = {"--exec=/bin/sh", "--", "-c", "while true; do sleep 0.1; done"};
  std::string uuid_file = dir() + "/uuid";
  RunningPod pod = Start(Args{"--volume=v,kind=host,source=" + volume, JudgeAci(), "--name=one", "--mount=volume=v,target=/v"} +
                             loop + Args{"---", JudgeAci(), "--name=two", "--exec=/bin/sh", "--", "-c",
                                         "echo two >/which; echo started; while true; do sleep 0.1; done"},
                         "started");
  RktOk({"cp", pod.uuid + ":one:/v/here", host("here")});
  EXPECT_EQ(ReadFile(host("here")), "in the volume\n");
  RktOk({"cp", host("file"), pod.uuid + ":one:/v/new"});
  EXPECT_EQ(ReadFile(volume + "/new"), "from the host\n");
  RktOk({"cp", pod.uuid + ":two:/which", host("which")});
  EXPECT_EQ(ReadFile(host("which")), "two\n");
  ExpectRefused({pod.uuid + ":two:/v/here", host("x")}, "no such file");
  ExpectRefused({pod.uuid + ":/which", host("x")}, "one, two");
  Stop(pod);
}

TEST_F(Cp, KilledInBetweenLeavesNoFileUnderItsName) {
  RunProgram({"/bin/dd", "if=/dev/urandom", "of=" + host("big"), "bs=1M", "count=120"});
  RunningPod pod = Sleeper();
  Background copying = StartRkt({"cp", host("big"), pod.uuid + ":/tmp/big"});
  SleepFor(0.03);
  copying.Kill(SIGKILL);
  copying.Wait();
  std::string size = Trim(Inside(pod.uuid, "stat -c %s /tmp/big 2>/dev/null; ls -A /tmp"));
  EXPECT_TRUE(size.empty() || StartsWith(size, "125829120")) << size;
  Stop(pod);
}

}  // namespace
}  // namespace rkt::test
