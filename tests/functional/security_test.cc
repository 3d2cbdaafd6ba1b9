// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Confinement as an app sees it: capabilities, system calls, protected paths, devices, descriptors,
// namespaces.

#include <unistd.h>

#include <map>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class Security : public PodTest {
 protected:
  // What became of each attempt.
  std::map<std::string, std::string> Try(const Args& flags, const Args& image_flags,
                                         const Args& attempts) {
    Output output = RunOk(flags + Args{JudgeAci()} + image_flags + Args{"--", "try"} + attempts);
    std::map<std::string, std::string> results;
    for (const std::string& line : AppLines(output.out)) {
      size_t at = line.find(" = ");
      if (at != std::string::npos) results[line.substr(0, at)] = line.substr(at + 3);
    }
    EXPECT_EQ(results.size(), attempts.size()) << output.All();
    return results;
  }
};

TEST_F(Security, DefaultCapabilities) {
  Facts facts = See({});
  EXPECT_EQ(facts["/status/CapBnd"], "00000000a80425fb");
  EXPECT_EQ(facts["/status/CapEff"], "00000000a80425fb");
  EXPECT_EQ(facts["/status/CapInh"], "0000000000000000");
  EXPECT_EQ(facts["/status/CapAmb"], "0000000000000000");
}

TEST_F(Security, CapabilitiesOfOtherUsers) {
  Facts facts = See({}, {"--user=1000"});
  EXPECT_EQ(facts["/status/CapBnd"], "00000000a80425fb");
  for (const char* set : {"CapEff", "CapPrm", "CapInh", "CapAmb"}) {
    EXPECT_EQ(facts[std::string("/status/") + set], "0000000000000000") << set;
  }
}

TEST_F(Security, RetainedAndRemovedCapabilities) {
  EXPECT_EQ(See({}, {"--caps-retain=CAP_CHOWN,cap_kill"})["/status/CapBnd"], "0000000000000021");
  EXPECT_EQ(See({}, {"--caps-remove=CAP_CHOWN,CAP_SYS_ADMIN"})["/status/CapBnd"],
            "00000000a80425fa");
  EXPECT_EQ(See({}, {"--caps-retain=CAP_SYS_ADMIN"})["/status/CapBnd"], "0000000000200000");
  insecure_ = "image,capabilities";
  Facts facts = See({});
  EXPECT_NE(facts["/status/CapBnd"], "00000000a80425fb");
  EXPECT_TRUE(Contains(facts["/status/CapBnd"], "1ff")) << facts["/status/CapBnd"];
}

TEST_F(Security, UnknownCapabilityFailsInStage1) {
  EXPECT_EQ(Run({JudgeAci(), "--caps-retain=CAP_NOT_THERE", "--", "see"}).code, 1);
}

TEST_F(Security, ForbiddenCallKillsTheApp) {
  EXPECT_EQ(Run({JudgeAci(), "--", "do", "umount:/"}).code, 31);
  EXPECT_EQ(Run({JudgeAci(), "--", "do", "swapoff:/x"}).code, 31);
}

TEST_F(Security, DefaultFilterAllowsACurrentLibc) {
  Output output = RunOk({JudgeAci(), "--", "threads", "16"});
  EXPECT_EQ(AppLines(output.out), Args{"threads: 16"});
  auto results = Try({}, {}, {"statx", "faccessat2", "socket:2:1", "clone3"});
  EXPECT_EQ(results["statx"], "ok");
  EXPECT_EQ(results["faccessat2"], "ok");
  EXPECT_EQ(results["socket:2:1"], "ok");
  EXPECT_TRUE(results["clone3"] == "ok" || results["clone3"] == "ENOSYS") << results["clone3"];
}

TEST_F(Security, DefaultFilterRefusesWhatOpensTheKernel) {
  for (const auto& [what, result] :
       Try({}, {},
           {"unshare-user", "unshare-mount", "clone-newuser", "mount:/tmp", "bpf", "keyctl",
            "userfaultfd", "io_uring", "reboot", "settime", "ptrace:1", "x32", "int80",
            "socket:38:5", "socket:40:1"})) {
    EXPECT_NE(result, "ok") << what;
  }
}

TEST_F(Security, FilterOfTheCommandLine) {
  auto results = Try({}, {"--seccomp=mode=remove,errno=EACCES,chmod,fchmodat"},
                     {"chmod:/tmp", "mkdir:/tmp/x"});
  EXPECT_EQ(results["chmod:/tmp"], "EACCES");
  EXPECT_EQ(results["mkdir:/tmp/x"], "ok");
  EXPECT_EQ(See({}, {"--seccomp=mode=retain,@appc.io/all"})["/status/Seccomp"], "0");
  EXPECT_EQ(See({}, {"--seccomp=mode=remove,@appc.io/empty"})["/status/Seccomp"], "2");
  EXPECT_EQ(Run({JudgeAci(), "--seccomp=mode=remove,@appc.io/empty", "--", "do", "umount:/"}).code,
            31);
  EXPECT_EQ(
      Run({JudgeAci(), "--seccomp=mode=remove,mkdir,mkdirat", "--", "do", "mkdir:/tmp/x"}).code,
      31);
  EXPECT_EQ(Run({JudgeAci(), "--seccomp=mode=retain,@docker/default-whitelist,@not/known", "--",
                 "exit", "3"})
                .code,
            3);
  insecure_ = "image,seccomp";
  EXPECT_EQ(See({})["/status/Seccomp"], "0");
}

TEST_F(Security, NoNewPrivileges) {
  EXPECT_EQ(See({})["/no_new_privs"], "0");
  EXPECT_EQ(See({}, {"--user=1000"})["/no_new_privs"], "1");
  ImageSpec spec;
  spec.app = R"("isolators":[{"name":"os/linux/no-new-privileges","value":true}])";
  Output output = RunOk({WriteImage("nnp.aci", spec), "--", "see"});
  EXPECT_EQ(Facts::Parse(AppText(output.out))["/no_new_privs"], "1");
}

TEST_F(Security, HiddenPathsHaveNothingToRead) {
  Facts facts = See({});
  for (const char* path :
       {"/proc/interrupts", "/proc/kallsyms", "/proc/kcore", "/proc/sched_debug", "/proc/config.gz"}) {
    std::string at = std::string("/paths/") + path;
    if (facts[at + "/type"] == "ENOENT") continue;
    EXPECT_EQ(facts[at + "/mode"], "0000") << path;
    EXPECT_EQ(facts[at + "/type"], "file") << path;
  }
  for (const char* path :
       {"/sys/firmware", "/sys/fs", "/sys/module", "/sys/power", "/sys/hypervisor"}) {
    std::string at = std::string("/paths/") + path;
    if (facts[at + "/type"] == "ENOENT") continue;
    EXPECT_EQ(facts[at + "/mode"], "0000") << path;
    EXPECT_EQ(facts[at + "/entries"], "0") << path;
  }
}

TEST_F(Security, ProtectedPathsAreReadOnly) {
  Facts facts = See({});
  for (const char* path :
       {"/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/panic_on_oom"}) {
    std::string at = std::string("/paths/") + path;
    if (facts[at + "/type"] == "ENOENT") continue;  // not every kernel has all of them
    EXPECT_EQ(facts[at + "/write"], "EROFS") << path;
  }
  auto results = Try({}, {},
                     {"mkdir:/sys/kernel/x", "create:/sys/block/x", "mkdir:/sys/fs/cgroup/x",
                      "create:/proc/sys/x", "mkdir:/sys/fs/cgroup/memory/x"});
  for (const auto& [what, result] : results) EXPECT_NE(result, "ok") << what;
}

TEST_F(Security, MountsOfAnAppCannotBeUndoneByItsCapabilities) {
  auto results = Try({}, {"--caps-retain=CAP_SYS_ADMIN,CAP_DAC_OVERRIDE,CAP_SYS_CHROOT"},
                     {"umount:/proc/kcore", "remount-rw:/proc/sys", "mount:/sys", "move:/proc:/tmp",
                      "chroot:/proc/1/root"});
  for (const auto& [what, result] : results) {
    if (what != "chroot:/proc/1/root") {
      EXPECT_NE(result, "ok") << what;
    }
  }
}

TEST_F(Security, InsecurePathsLiftsTheProtection) {
  insecure_ = "image,paths";
  Facts facts = See({});
  EXPECT_NE(facts["/paths//proc/kallsyms/mode"], "0000");
  EXPECT_NE(facts["/paths//sys/module/mode"], "0000");
}

TEST_F(Security, DevicesThatMayBeMade) {
  auto results =
      Try({}, {},
          {"mknod:/tmp/null:c:1:3", "mknod:/tmp/console:c:5:2", "mknod:/tmp/loop:c:10:237",
           "mknod:/tmp/disk:b:254:0", "mknod:/tmp/mem:c:1:1"});
  EXPECT_EQ(results["mknod:/tmp/null:c:1:3"], "ok");
  for (const auto& [what, result] : results) {
    if (what != "mknod:/tmp/null:c:1:3") {
      EXPECT_NE(result, "ok") << what;
    }
  }
}

TEST_F(Security, OnlyTheThreeDescriptorsAreOpen) {
  int stray = dup(2);  // an inheritable descriptor of the caller
  Facts facts = See({});
  close(stray);
  EXPECT_EQ(facts.Keys("/fds"), (Args{"0", "1", "2"})) << facts.text();
  EXPECT_EQ(facts["/fds/0"], "/dev/null");
  EXPECT_EQ(facts["/status/Groups"], "0") << "the caller's groups do not get in";
}

TEST_F(Security, SupervisorIsOutOfReach) {
  auto results = Try({}, {"--user=1000"},
                     {"read:/proc/1/environ", "read:/proc/1/mem", "write:/proc/1/exe",
                      "read:/proc/1/root/", "kill:1:9", "ptrace:1"});
  for (const auto& [what, result] : results) EXPECT_NE(result, "ok") << what;
  results =
      Try({}, {}, {"write:/proc/1/exe", "write:/proc/1/mem", "ptrace:1", "read:/proc/1/root/work"});
  for (const auto& [what, result] : results) EXPECT_NE(result, "ok") << what;
}

TEST_F(Security, AppsShareTheirPodButNotTheirMounts) {
  // Both live at the same time: numbers of namespaces that are gone are used again.
  const Args see = {"--exec=/bin/sh", "--", "-c", "/judge see; sleep 1"};
  Output output =
      RunOk(Args{JudgeAci(), "--name=a"} + see + Args{"---", JudgeAci(), "--name=b"} + see);
  Facts a = Facts::Parse(AppText(output.out, "a"));
  Facts b = Facts::Parse(AppText(output.out, "b"));
  for (const char* name : {"net", "ipc", "uts", "pid"}) {
    std::string at = std::string("/namespaces/") + name;
    EXPECT_EQ(a[at], b[at]) << name;
    char host[64] = "";
    (void)!readlink((std::string("/proc/self/ns/") + name).c_str(), host, sizeof host - 1);
    EXPECT_NE(a[at], host) << name;
  }
  EXPECT_NE(a["/namespaces/mnt"], b["/namespaces/mnt"]);
}

TEST_F(Security, IpcOfTheParent) {
  char host[64] = "";
  ASSERT_GT(readlink("/proc/self/ns/ipc", host, sizeof host - 1), 0);
  EXPECT_NE(See({"--ipc=private"})["/namespaces/ipc"], host);
  EXPECT_EQ(See({"--ipc=parent"})["/namespaces/ipc"], host);
  EXPECT_EQ(Run({"--ipc=bogus", JudgeAci()}).code, 254);
}

TEST_F(Security, OnlyTheMountsOfThePodAreSeen) {
  Facts facts = See({});
  for (const std::string& i : facts.Keys("/mounts")) {
    std::string at = "/mounts/" + i;
    std::string target = facts[at + "/target"];
    EXPECT_FALSE(Contains(target, "opt/stage2")) << target;
    EXPECT_FALSE(Contains(target, data())) << target;
    // A mount of the host's disk other than a file that rkt provides would be a way out.
    if (target != "/") {
      EXPECT_NE(facts[at + "/root"], "/tmp") << target;
    }
  }
  EXPECT_EQ(facts["/mounts/0/target"], "/");
  for (const std::string& pid : facts.Keys("/processes"))
    EXPECT_LT(std::stoi(pid), 20) << facts["/processes/" + pid];
}

TEST_F(Security, OrphansAreReaped) {
  Output output = RunOk({JudgeAci(), "--", "orphan"});
  EXPECT_EQ(AppLines(output.out), Args{"zombies: 0"});
}

TEST_F(Security, DirectoriesOfPodsAndStoreAreClosedToOthers) {
  Run({JudgeAci(), "--", "exit", "0"});
  std::string pod = PodDir(PodsIn("run").at(0));
  EXPECT_EQ(ModeOf(pod), 0750u);
  EXPECT_EQ(ModeOf(pod + "/pod"), 0640u);
  EXPECT_EQ(ModeOf(pod + "/pod.lck"), 0600u);
  EXPECT_EQ(ModeOf(data() + "/cas/tree") & 07, 0u);
}

}  // namespace
}  // namespace rkt::test
