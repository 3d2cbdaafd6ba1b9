// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Pods with users of their own (--private-users): what apps see of it, what the host keeps.

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "functional/harness/pod_test.h"
#include "servers/registry.h"

namespace rkt::test {
namespace {

struct Owner {
  unsigned uid = 0, gid = 0;
};
Owner OwnerOf(const std::string& path) {
  struct stat st = {};
  EXPECT_EQ(::lstat(path.c_str(), &st), 0) << path;
  return {st.st_uid, st.st_gid};
}

// A file of the host that says something else for a while, to us and the programs that we start.
class HostFile {
 public:
  HostFile(const std::string& path, const std::string& text, const std::string& directory)
      : path_(path), made_(!Exists(path)) {
    std::string file = directory + "/" + path.substr(path.rfind('/') + 1);
    WriteFile(file, text);
    if (made_) WriteFile(path, "");
    EXPECT_EQ(::mount(file.c_str(), path.c_str(), nullptr, MS_BIND, nullptr), 0) << path;
  }
  HostFile(const HostFile&) = delete;
  ~HostFile() {
    ::umount2(path_.c_str(), MNT_DETACH);
    if (made_) ::unlink(path_.c_str());
  }

 private:
  std::string path_;
  bool made_;
};

class PrivateUsers : public PodTest {
 protected:
  Output Shell(const Args& flags, const std::string& script, const Args& image_flags = {}) {
    return Run(Args{"--private-users"} + flags + Args{JudgeAci(), "--exec=/bin/sh"} + image_flags +
               Args{"--", "-c", script});
  }
  Args ShellLines(const Args& flags, const std::string& script, const Args& image_flags = {}) {
    Output output = Shell(flags, script, image_flags);
    EXPECT_EQ(output.code, 0) << output.All();
    return AppLines(output.out);
  }
  // SHIFT of the only pod that there is.
  std::string RangeOf(const std::string& uuid) const { return ReadFile(PodDir(uuid) + "/private-users-prepared"); }
  static unsigned ShiftOf(const std::string& range) {
    return static_cast<unsigned>(std::stoul(range.substr(0, range.find(':'))));
  }
};

TEST_F(PrivateUsers, TheMapIsTheRangeOfThePod) {
  for (const Args& flags : {Args{}, Args{"--no-overlay"}}) {
    Args lines = ShellLines(flags, "cat /proc/self/uid_map; cat /proc/self/gid_map; id -u");
    ASSERT_EQ(lines.size(), 3u);
    std::string uuid = PodsIn("run").at(0);
    std::string range = RangeOf(uuid);
    ASSERT_TRUE(EndsWith(range, ":65536")) << range;
    unsigned shift = ShiftOf(range);
    EXPECT_GE(shift, 65536u);
    unsigned inside = 1, outside = 0, count = 0;
    EXPECT_EQ(sscanf(lines[0].c_str(), "%u %u %u", &inside, &outside, &count), 3) << lines[0];
    EXPECT_EQ(inside, 0u);
    EXPECT_EQ(outside, shift);
    EXPECT_EQ(count, 65536u);
    EXPECT_EQ(lines[1], lines[0]);
    EXPECT_EQ(lines[2], "0");
    RktOk({"rm", uuid});
  }
}

TEST_F(PrivateUsers, FilesKeepTheirOwnersInsideAndOnDisk) {
  for (const Args& flags : {Args{}, Args{"--no-overlay"}}) {
    Args lines = ShellLines(flags,
                            "stat -c '%u %g' /owned; stat -c '%u %g' /judge; stat -c '%u' /dev/null /dev; "
                            "chown 7:8 /owned; stat -c '%u %g' /owned; touch /tmp/new; stat -c '%u %g' /tmp/new");
    EXPECT_EQ(lines, (Args{"1234 2345", "0 0", "0", "0", "7 8", "0 0"}));
    // Nothing on disk has been moved away from the ids of the image.
    std::string uuid = PodsIn("run").at(0), pod = PodDir(uuid);
    std::string root = flags.empty() ? pod + "/overlay/" + ReadFile(pod + "/appsinfo/judge/treeStoreID") + "/upper/judge"
                                     : pod + "/stage1/rootfs/opt/stage2/judge/rootfs";
    EXPECT_EQ(OwnerOf(root + "/owned").uid, 7u);
    EXPECT_EQ(OwnerOf(root + "/tmp/new").uid, 0u);
    RktOk({"rm", uuid});
  }
  // The next pod of the image finds it as it was.
  EXPECT_EQ(ShellLines({}, "stat -c '%u %g' /owned"), Args{"1234 2345"});
}

TEST_F(PrivateUsers, SetIdProgramsAndFileCapabilitiesWork) {
  Tar tar;
  tar.File("manifest", ManifestJson({}));
  tar.Dir("rootfs");
  AddJudgeRoot(tar);
  std::string busybox = ReadFile("/bin/busybox");
  tar.Add({.name = "rootfs/suid-judge", .content = ReadFile(RKT_JUDGE), .mode = 04755, .uid = 77});
  // cap_net_raw+ep, revision 2
  std::string capability("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  tar.Add({.name = "rootfs/cap-cat",
           .content = busybox,
           .mode = 0755,
           .pax = {{"SCHILY.xattr.security.capability", capability}}});
  std::string image = WriteImage("suid.aci", tar.Finish());
  for (const Args& flags : {Args{}, Args{"--no-overlay"}}) {
    // As user 1000. no_new_privs comes with the filter for other users than root.
    Output output = RunOk(Args{"--private-users"} + flags +
                          Args{image, "--exec=/bin/sh", "--user=1000", "--group=1000",
                               "--seccomp=mode=retain,@appc.io/all", "--", "-c",
                               "/suid-judge see | /bin/busybox grep '\"euid\"'; ln -s /cap-cat /tmp/cat; "
                               "/tmp/cat /proc/self/status | /bin/busybox grep CapEff"});
    EXPECT_EQ(AppLines(output.out), (Args{"\"euid\":77,", "CapEff:\t0000000000002000"})) << output.All();
  }
}

TEST_F(PrivateUsers, DevicesAreThereAndNoOthersCanBeMade) {
  Output output = RunOk({"--private-users", JudgeAci(), "--", "try", "mknod:/tmp/x:c:1:3", "mknod:/tmp/y:b:8:0",
                         "write:/dev/null", "open:/dev/zero", "open:/dev/ptmx"});
  std::string text = AppText(output.out);
  EXPECT_TRUE(Contains(text, "mknod:/tmp/x:c:1:3 = EPERM")) << text;
  EXPECT_TRUE(Contains(text, "mknod:/tmp/y:b:8:0 = EPERM")) << text;
  EXPECT_EQ(ShellLines({}, "echo x >/dev/null && head -c 4 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; "
                           "echo x >/dev/full || echo full"),
            (Args{"4", "3", "full"}));
}

TEST_F(PrivateUsers, RootOfThePodHasNothingToSayOnTheHost) {
  Args lines = ShellLines({}, "echo x >/proc/sys/kernel/hostname; echo x >/proc/sysrq-trigger; "
                              "cat /proc/1/environ || echo no; ls /proc/1/fd || echo no; kill -9 1; echo alive");
  EXPECT_EQ(lines.back(), "alive");
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "no"), 2);
  // With every capability too, since they are worth something inside only.
  insecure_ = "image,capabilities,seccomp,paths";
  lines = ShellLines({"--volume=v,kind=host,source=" + dir(), "--mount=volume=v,target=/v"},
                     "cat /proc/1/environ || echo no environ; /bin/busybox mount -t tmpfs x /srv && echo mounted; "
                     "/bin/busybox mknod /tmp/sda b 254 0 || echo no mknod; "
                     "/judge try settime");
  EXPECT_EQ(lines, (Args{"no environ", "mounted", "no mknod", "settime = EPERM"}));
}

TEST_F(PrivateUsers, VolumesKeepTheirOwners) {
  std::string volume = dir() + "/volume";
  MakeDirs(volume);
  WriteFile(volume + "/roots", "secret\n", 0600);
  WriteFile(volume + "/others", "x\n");
  ASSERT_EQ(::chown((volume + "/others").c_str(), 1000, 1001), 0);
  Args lines = ShellLines({"--volume=v,kind=host,source=" + volume, "--mount=volume=v,target=/v",
                           "--volume=e,kind=empty,mode=0770,uid=1000,gid=1001", "--mount=volume=e,target=/e"},
                          "cat /v/roots; stat -c '%u %g' /v/roots /v/others; touch /v/made; chown 5:6 /v/made; "
                          "stat -c '%u %g %a' /e; touch /e/f; stat -c '%u %g' /e/f");
  EXPECT_EQ(lines, (Args{"secret", "0 0", "1000 1001", "1000 1001 770", "0 0"}));
  EXPECT_EQ(OwnerOf(volume + "/made").uid, 5u);
  EXPECT_EQ(OwnerOf(volume + "/made").gid, 6u);
}

TEST_F(PrivateUsers, VolumesThatCannotBeMappedBelongToNobody) {
  std::string volume = dir() + "/unmapped";
  MakeDirs(volume);
  ASSERT_EQ(::mount("ramfs", volume.c_str(), "ramfs", 0, "mode=755"), 0);
  WriteFile(volume + "/roots", "secret\n", 0600);
  WriteFile(volume + "/readable", "hello\n", 0644);
  Output output = Shell({"--volume=v,kind=host,source=" + volume, "--mount=volume=v,target=/v",
                         // the file system around it can be mapped, what is mounted in it not
                         "--volume=w,kind=host,source=" + dir(), "--mount=volume=w,target=/w"},
                        "cat /v/roots || echo denied; cat /v/readable; stat -c %u /v/roots; touch /v/x || echo denied; "
                        "chown 0 /v/readable || echo denied; touch /w/made && cat /w/unmapped/roots || echo denied");
  EXPECT_EQ(output.code, 0) << output.All();
  Args lines = AppLines(output.out);
  lines.erase(std::remove_if(lines.begin(), lines.end(),
                             [](const std::string& line) { return Contains(line, "ermission") || Contains(line, "perm"); }),
              lines.end());
  EXPECT_EQ(lines, (Args{"denied", "hello", "65534", "denied", "denied", "denied"})) << output.All();
  EXPECT_TRUE(Contains(output.err, "cannot be mapped")) << output.err;
  EXPECT_EQ(OwnerOf(dir() + "/made").uid, 0u);
  ::umount2(volume.c_str(), MNT_DETACH);
}

TEST_F(PrivateUsers, DataDirectoriesThatCannotBeMappedAreCopiedAndGivenAway) {
  MakeDirs(data());
  ASSERT_EQ(::mount("ramfs", data().c_str(), "ramfs", 0, "mode=755"), 0);
  Output output = Shell({"--volume=e,kind=empty,uid=9", "--mount=volume=e,target=/e"},
                        "stat -c '%u %g' /owned /judge /e; touch /tmp/x && stat -c %u /tmp/x; cat /proc/self/uid_map");
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_TRUE(Contains(output.err, "disabling overlay support")) << output.err;
  Args lines = AppLines(output.out);
  ASSERT_EQ(lines.size(), 5u) << output.All();
  EXPECT_EQ(Args(lines.begin(), lines.begin() + 4), (Args{"1234 2345", "0 0", "9 0", "0"}));
  std::string uuid = PodsIn("run").at(0);
  unsigned shift = ShiftOf(RangeOf(uuid));
  EXPECT_EQ(OwnerOf(PodDir(uuid) + "/stage1/rootfs/opt/stage2/judge/rootfs/owned").uid, shift + 1234);
  EXPECT_EQ(StatusValue(uuid, "app-judge"), "0");
  CollectAll();
  EXPECT_TRUE(PodsIn("run").empty() && PodsIn("garbage").empty());
  ::umount2(data().c_str(), MNT_DETACH);
}

TEST_F(PrivateUsers, FiftyPodsPreparedAtOnceHaveFiftyRanges) {
  Fetch(JudgeAci());
  // As many as there are, so that each must be found, and none twice.
  HostFile users("/etc/subuid", "rkt:4000000:3276800\n", dir()), groups("/etc/subgid", "rkt:4000000:3276800\n", dir());
  std::vector<std::unique_ptr<Background>> running;
  for (int i = 0; i < 50; i++) {
    running.push_back(std::make_unique<Background>(
        RktArgs(PrepareArgs({"--private-users", "--quiet", JudgeAci()})), Options{}, dir() + "/out" + std::to_string(i)));
  }
  for (auto& one : running) {
    Output output = one->Wait(120);
    EXPECT_EQ(output.code, 0) << output.All();
  }
  std::vector<std::string> pods = PodsIn("prepared");
  ASSERT_EQ(pods.size(), 50u);
  std::set<unsigned> shifts;
  for (const std::string& uuid : pods) shifts.insert(ShiftOf(RangeOf(uuid)));
  ASSERT_EQ(shifts.size(), 50u);
  unsigned last = 0;
  for (unsigned shift : shifts) {
    EXPECT_GE(shift, last + 65536) << "ranges overlap";
    last = shift;
  }
}

TEST_F(PrivateUsers, RangesOfTheUserRktAreUsedAndOnlyThose) {
  HostFile users("/etc/subuid", "somebody:100000:65536\nrkt:3000000:200000\n", dir());
  auto groups = std::make_unique<HostFile>("/etc/subgid", "rkt:3000000:140000\n", dir());
  std::set<std::string> ranges;
  std::vector<std::string> pods;
  for (int i = 0; i < 2; i++) {
    pods.push_back(Prepare({"--private-users", JudgeAci()}));
    ranges.insert(RangeOf(pods.back()));
  }
  EXPECT_EQ(ranges, (std::set<std::string>{"3000000:65536", "3065536:65536"}));
  Output third = Rkt(PrepareArgs({"--private-users", JudgeAci()}));
  EXPECT_EQ(third.code, 254);
  EXPECT_TRUE(Contains(third.err, "no free range")) << third.err;
  EXPECT_EQ(PodsIn("prepare").size(), 0u);
  // What a pod that is gone had is free again.
  std::string range = RangeOf(pods[0]);
  RktOk({"rm", pods[0]});
  EXPECT_EQ(RangeOf(Prepare({"--private-users", JudgeAci()})), range);
  // A pod without them needs none.
  Prepare({JudgeAci()});
  groups.reset();
  groups = std::make_unique<HostFile>("/etc/subgid", "nobody:1:1\n", dir());
  Output half = Rkt(PrepareArgs({"--private-users", JudgeAci()}));
  EXPECT_EQ(half.code, 254);
  EXPECT_TRUE(Contains(half.err, "/etc/subgid has no range for \"rkt\"")) << half.err;
}

TEST_F(PrivateUsers, TheHostsConfigurationMakesItTheDefault) {
  MakeDirs(dir() + "/config/pods.d");
  WriteFile(dir() + "/config/pods.d/users.json", R"({"rktKind":"pods","rktVersion":"v1","privateUsers":true})");
  Args config = {"--local-config=" + dir() + "/config"};
  auto map = [&](const Args& flags) {
    Output output = RktOk(config + RunArgs(flags + Args{JudgeAci(), "--exec=/bin/sh", "--", "-c", "cat /proc/self/uid_map"}));
    return Trim(AppText(output.out));
  };
  EXPECT_TRUE(EndsWith(map({}), " 65536"));
  EXPECT_TRUE(EndsWith(map({"--private-users=false"}), " 4294967295"));
  EXPECT_TRUE(Contains(RktOk(config + Args{"config"}).out, "\"privateUsers\": true"));
}

TEST_F(PrivateUsers, PreparedPodsKeepWhatTheyWerePreparedWith) {
  std::string uuid = Prepare({"--private-users", JudgeAci(), "--exec=/bin/sh", "--", "-c", "cat /proc/self/uid_map"});
  std::string range = RangeOf(uuid);
  Output output = RktOk({"run-prepared", "--net=none", uuid});
  unsigned inside, outside;
  ASSERT_EQ(sscanf(AppText(output.out).c_str(), "%u %u", &inside, &outside), 2) << output.All();
  EXPECT_EQ(outside, ShiftOf(range));
}

TEST_F(PrivateUsers, AnIdThatThePodDoesNotHaveIsRefused) {
  Output output = Run({"--private-users", JudgeAci(), "--user=70000", "--", "see"});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "user id 70000 is not one of the 65536 ids")) << output.err;
  EXPECT_EQ(ShellLines({}, "id -u; id -g", {"--user=/owned", "--group=/owned"}), (Args{"1234", "2345"}));
}

TEST_F(PrivateUsers, SeveralAppsShareTheNamespaceAndVolumes) {
  Output output = RunOk({"--private-users", "--volume=e,kind=empty", "--mount=volume=e,target=/e", JudgeAci(), "--name=a",
                         "--exec=/bin/sh", "--", "-c", "readlink /proc/self/ns/user; echo hi >/e/f; chown 33 /e/f", "---",
                         JudgeAci(), "--name=b", "--exec=/bin/sh", "--", "-c",
                         "readlink /proc/self/ns/user; for i in 1 2 3 4 5 6 7 8 9; do test -s /e/f && break; sleep 0.2; done; "
                         "sleep 0.2; stat -c %u /e/f"});
  Args a = AppLines(output.out, "a"), b = AppLines(output.out, "b");
  ASSERT_EQ(a.size(), 1u) << output.All();
  ASSERT_EQ(b.size(), 2u) << output.All();
  EXPECT_EQ(a[0], b[0]);
  EXPECT_EQ(b[1], "33");
  char host[64] = {};
  ASSERT_GT(::readlink("/proc/self/ns/user", host, sizeof host - 1), 0);
  EXPECT_NE(a[0], host);
}

TEST_F(PrivateUsers, ResourcesAndNamesOfTheCommandLineWork) {
  Args lines = ShellLines({"--hosts-entry=10.1.2.3=there", "--dns=9.9.9.9", "--hostname=inside"},
                          "cat /proc/self/oom_score_adj; hostname; cat /etc/hosts | /bin/busybox grep there; "
                          "/bin/busybox grep nameserver /etc/resolv.conf",
                          {"--oom-score-adj=400", "--memory=64M"});
  EXPECT_EQ(lines, (Args{"400", "inside", "10.1.2.3\tthere", "nameserver 9.9.9.9"}));
  if (CgroupV1("memory").empty()) return;
  EXPECT_FALSE(Contains(AppText(Shell({}, "cat /proc/self/cgroup", {"--memory=64M"}).out), "machine-rkt"));
  // Signal 9 of the kernel: the limit holds.
  EXPECT_EQ(Shell({}, "exec /bin/busybox dd if=/dev/zero of=/dev/null bs=64M count=1", {"--memory=16M"}).code, 9);
}

TEST_F(PrivateUsers, EnterLogsStatusAndStop) {
  RunningPod pod = Start({"--private-users", JudgeAci(), "--exec=/bin/sh", "--", "-c",
                          "echo started; while true; do sleep 0.1; done"},
                         "started");
  Output inside = RktOk({"enter", pod.uuid, "/bin/sh", "-c", "id -u; cat /proc/self/uid_map; stat -c %u /owned; touch /by-enter"});
  Args lines = Lines(inside.out);
  ASSERT_EQ(lines.size(), 3u) << inside.All();
  EXPECT_EQ(lines[0], "0");
  EXPECT_TRUE(Contains(lines[1], std::to_string(ShiftOf(RangeOf(pod.uuid))))) << lines[1];
  EXPECT_EQ(lines[2], "1234");
  EXPECT_EQ(Rkt({"enter", pod.uuid, "/bin/sh", "-c", "exit 33"}).code, 33);
  EXPECT_TRUE(Contains(RktOk({"logs", pod.uuid}).out, "started"));
  EXPECT_EQ(StateOf(pod.uuid), "running");
  RktOk({"stop", pod.uuid});
  EXPECT_EQ(pod.rkt->Wait(20).code, 0);
  EXPECT_EQ(StatusValue(pod.uuid, "app-judge"), "0");
}

TEST_F(PrivateUsers, TheTerminalIsTheApps) {
  Terminal terminal(RktArgs(RunArgs({"--private-users", "--interactive", JudgeAci(), "--exec=/bin/sh"})), {});
  ASSERT_TRUE(terminal.Expect("#")) << terminal.screen();
  terminal.Type("stat -c 'owner %u' /dev/pts/0; id -u; tty=$(readlink /proc/self/fd/0); echo on $tty\n");
  EXPECT_TRUE(terminal.Expect("owner 0")) << terminal.screen();
  EXPECT_TRUE(terminal.Expect("on /dev/pts/0")) << terminal.screen();
  terminal.Type("exit 5\n");
  EXPECT_EQ(terminal.Wait(), 5) << terminal.screen();
}

TEST_F(PrivateUsers, LogsAreKeptWithinBounds) {
  MakeDirs(dir() + "/config/logs.d");
  WriteFile(dir() + "/config/logs.d/logs.json", R"({"rktKind":"logs","rktVersion":"v1","maxSize":"4096","maxFiles":3})");
  Output output = RktOk(Args{"--local-config=" + dir() + "/config"} +
                        RunArgs({"--private-users", JudgeAci(), "--", "lines", "400"}));
  EXPECT_EQ(AppLines(output.out).size(), 400u);
  std::string logs = PodDir(PodsIn("run").at(0)) + "/logs";
  EXPECT_EQ(ListDir(logs), (Args{"judge", "judge.1", "judge.2"}));
  for (const std::string& name : ListDir(logs)) {
    EXPECT_LE(ReadFile(logs + "/" + name).size(), 4096u) << name;
    EXPECT_EQ(OwnerOf(logs + "/" + name).uid, 0u) << name;
  }
}

TEST_F(PrivateUsers, KilledPodsLeaveNothing) {
  RunningPod pod = Start({"--private-users", "--volume=e,kind=empty", "--mount=volume=e,target=/e", JudgeAci(),
                          "--exec=/bin/sh", "--", "-c",
                          "mkdir /e/d; chown 44:45 /e/d; chmod 0 /e/d; mkdir /locked; touch /locked/x; chmod 0 /locked; "
                          "echo started; sleep 1000"},
                         "started");
  pod.rkt->Kill(SIGKILL);
  pod.rkt->Wait();
  EXPECT_TRUE(WaitForState(pod.uuid, "exited"));
  CollectAll();
  for (const char* stage : {"prepare", "prepared", "run", "exited-garbage", "garbage"}) {
    EXPECT_TRUE(PodsIn(stage).empty()) << stage;
  }
}

TEST_F(PrivateUsers, TheHostsNetworkCanBeUsed) {
  Args lines = ShellLines({"--net=host"}, "ls /sys/class/net | /bin/busybox grep -c lo; readlink /proc/self/ns/net; "
                                          "touch /sys/x || echo read-only");
  ASSERT_GE(lines.size(), 3u);
  EXPECT_EQ(lines[0], "1");
  char host[64] = {};
  ASSERT_GT(::readlink("/proc/self/ns/net", host, sizeof host - 1), 0);
  EXPECT_EQ(lines[1], host);
  EXPECT_EQ(lines.back(), "read-only");
}

class PrivateUsersNetwork : public PrivateUsers {
 protected:
  void SetUp() override {
    for (const char* directory : kState) {
      MakeDirs(directory);
      ASSERT_EQ(::mount("tmpfs", directory, "tmpfs", 0, nullptr), 0);
    }
    PodTest::SetUp();
  }
  void TearDown() override {
    PodTest::TearDown();
    for (const char* directory : kState) ::umount2(directory, MNT_DETACH);
  }
  static constexpr const char* kState[] = {"/var/lib/cni", "/run/rkt"};
};

TEST_F(PrivateUsersNetwork, NetworksBelongToThePod) {
  MakeDirs(dir() + "/config/net.d");
  WriteFile(dir() + "/config/net.d/10-shop.conf", R"({"name": "shop", "type": "bridge", "bridge": "shop1",
      "isDefaultGateway": true, "ipam": {"type": "host-local", "subnet": "10.45.0.0/24"},
      "dns": {"nameservers": ["10.45.0.9"]}})");
  // Its root may listen on low ports and change addresses, in there.
  Output output = RktOk({"--local-config=" + dir() + "/config", "run", "--private-users", "--net=shop", "--hostname=front",
                         JudgeAci(), "--name=web", "--exec=/bin/sh", "--caps-retain=CAP_NET_ADMIN,CAP_NET_BIND_SERVICE", "--",
                         "-c",
                         "/bin/busybox ip -o -4 addr show eth0 | /bin/busybox grep -c 10.45.0; "
                         "/bin/busybox ip addr add 10.99.0.1/24 dev eth0 && echo added; "
                         "/bin/busybox grep -c web.front /etc/hosts; /bin/busybox grep nameserver /etc/resolv.conf; "
                         "/bin/busybox timeout 1 /bin/busybox nc -l -p 80; echo $?"});
  Args lines = AppLines(output.out);
  ASSERT_EQ(lines.size(), 5u) << output.All();
  EXPECT_EQ(lines[0], "1");
  EXPECT_EQ(lines[1], "added");
  EXPECT_EQ(lines[2], "1") << output.All();
  EXPECT_EQ(lines[3], "nameserver 10.45.0.9");
  EXPECT_EQ(lines[4], "143") << "the port could not be listened on";
  RunProgram({"/bin/sh", "-c", "ip link del shop1"});
}

TEST_F(PrivateUsers, LayeredImagesAreMappedToo) {
  Registry registry;
  OciImage image;
  Tar base, top;
  base.Dir("bin").HostFile("bin/busybox", "/bin/busybox");
  for (const char* name : {"sh", "stat", "cat", "touch", "ls"}) base.Symlink(std::string("bin/") + name, "busybox");
  base.Dir("etc").File("etc/passwd", "root:x:0:0:root:/:/bin/sh\n").File("etc/group", "root:x:0:\n");
  base.Dir("data").Add({.name = "data/mine", .content = "x", .uid = 31, .gid = 32});
  base.Add({.name = "low", .content = "low\n", .uid = 11, .gid = 12}).File("gone", "x");
  top.Add({.name = "high", .content = "high\n", .uid = 21, .gid = 22}).File(".wh.gone", "");
  image.layers = {base.Finish(), top.Finish()};
  image.config = R"("Entrypoint":["/bin/sh","-c"],"Cmd":["stat -c '%u %g' /low /high; ls /gone || echo gone; )"
                 R"(touch /low && stat -c '%u %g' /low; stat -c '%u %g' /data/mine; touch /data/new"],"Volumes":{"/data":{}})";
  image.docker = true;
  registry.Push("lib/mapped:v1", image);
  insecure_ = "image,http";
  std::string url = "docker://" + registry.host() + "/lib/mapped:v1";
  for (const Args& flags : {Args{}, Args{"--no-overlay"}}) {
    Output output = RunOk(Args{"--private-users"} + flags + Args{url});
    Args lines = AppLines(output.out);
    lines.erase(std::remove_if(lines.begin(), lines.end(), [](const std::string& line) { return Contains(line, "No such"); }),
                lines.end());
    EXPECT_EQ(lines, (Args{"11 12", "21 22", "gone", "11 12", "31 32"})) << output.All();
  }
}

class FlyPrivateUsers : public PodTest {};

TEST_F(FlyPrivateUsers, IsRefused) {
  Output output = Run({"--private-users", JudgeAci(), "--", "exit", "0"});
  EXPECT_EQ(output.code, 2) << output.All();
  EXPECT_TRUE(Contains(output.All(), "private-users")) << output.All();
}

}  // namespace
}  // namespace rkt::test
