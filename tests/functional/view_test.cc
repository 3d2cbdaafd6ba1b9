// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The whole of what an app sees, against the list of what it is given: nothing of the host's beside.

#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

struct Seen {
  const char* target;
  const char* type;
  const char* root;     // which part of the file system; "*" stands for the app's process
  const char* options;  // of the mount, as the list in /proc has them
  bool always;          // else: where the kernel has such a file
};

constexpr char kHidden[] = "ro,nosuid,nodev,noexec,relatime";
constexpr Seen kMounts[] = {
    {"/", "overlay", "/", "rw,nodev,relatime", true},
    {"/proc", "proc", "/", "rw,nosuid,nodev,noexec,relatime", true},
    {"/proc/bus", "proc", "/bus", kHidden, false},
    {"/proc/fs", "proc", "/fs", kHidden, false},
    {"/proc/irq", "proc", "/irq", kHidden, false},
    {"/proc/sys", "proc", "/sys", kHidden, true},
    {"/proc/sysrq-trigger", "proc", "/sysrq-trigger", kHidden, false},
    {"/proc/config.gz", "tmpfs", "/hidden-file", kHidden, false},
    {"/proc/interrupts", "tmpfs", "/hidden-file", kHidden, true},
    {"/proc/kallsyms", "tmpfs", "/hidden-file", kHidden, false},
    {"/proc/kcore", "tmpfs", "/hidden-file", kHidden, false},
    {"/proc/keys", "tmpfs", "/hidden-file", kHidden, false},
    {"/proc/sched_debug", "tmpfs", "/hidden-file", kHidden, false},
    {"/proc/timer_list", "tmpfs", "/hidden-file", kHidden, false},
    {"/proc/timer_stats", "tmpfs", "/hidden-file", kHidden, false},
    {"/proc/1/mountinfo", "proc", "/*/mountinfo", "rw,nosuid,nodev,noexec,relatime", true},
    {"/proc/1/mounts", "proc", "/*/mounts", "rw,nosuid,nodev,noexec,relatime", true},
    {"/proc/1/mountstats", "tmpfs", "/hidden-file", kHidden, true},
    {"/proc/1/task", "tmpfs", "/hidden-directory", kHidden, true},
    {"/proc/latency_stats", "tmpfs", "/hidden-file", kHidden, false},
    {"/proc/asound", "tmpfs", "/hidden-directory", kHidden, false},
    {"/sys/devices/virtual/powercap", "tmpfs", "/hidden-directory", kHidden, false},
    {"/proc/acpi", "tmpfs", "/hidden-directory", kHidden, false},
    {"/proc/scsi", "tmpfs", "/hidden-directory", kHidden, false},
    {"/sys", "sysfs", "/", kHidden, true},
    {"/sys/firmware", "tmpfs", "/hidden-directory", kHidden, false},
    {"/sys/fs", "tmpfs", "/hidden-directory", kHidden, true},
    {"/sys/hypervisor", "tmpfs", "/hidden-directory", kHidden, false},
    {"/sys/module", "tmpfs", "/hidden-directory", kHidden, true},
    {"/sys/power", "tmpfs", "/hidden-directory", kHidden, false},
    {"/dev", "tmpfs", "/app-judge", "rw,nosuid,relatime", true},
    {"/dev/pts", "devpts", "/", "rw,nosuid,noexec,relatime", true},
    {"/dev/shm", "tmpfs", "/shm", "rw,nosuid,nodev,relatime", true},
    {"/etc/hostname", "tmpfs", "/hostname", "ro,nosuid,nodev,relatime", true},
    {"/etc/hosts", "tmpfs", "/hosts", "ro,nosuid,nodev,relatime", true},
};

class AppView : public PodTest {
 protected:
  // What the judge reports when rkt is run by somebody who has a lot lying about: descriptors, ignored signals,
  // variables, a working directory.
  Facts SeeFromAnUntidyCaller(const Args& image_flags) {
    MakeDirs(dir() + "/caller");
    WriteFile(dir() + "/caller/open", "x");
    std::string line = "echo caller.domain > /proc/sys/kernel/domainname; hostname callers-host; trap '' PIPE HUP USR1; "
                       "umask 077; cd " + dir() + "/caller; exec 7< open 8< . 9>&1; exec";
    for (const std::string& word : RktArgs(RunArgs(Args{JudgeAci()} + image_flags + Args{"--", "see"}))) {
      line += " '" + word + "'";
    }
    Output output = RunProgram({"/usr/bin/unshare", "--uts", "/bin/sh", "-c", line},
                               {.env = {"HOST_SECRET=1", "LD_LIBRARY_PATH=/x", "NOTIFY_SOCKET=/x", "LISTEN_FDS=3",
                                        "RKT_SECRET=1", "TERM=host", "LANG=host"}});
    EXPECT_EQ(output.code, 0) << output.All();
    text_ = AppText(output.out);
    return Facts::Parse(text_);
  }
  std::string text_;
};

void ExpectMounts(const Facts& facts) {
  std::set<std::string> seen;
  for (const std::string& i : facts.Keys("/mounts")) {
    std::string at = "/mounts/" + i;
    std::string target = facts[at + "/target"];
    auto known = std::find_if(std::begin(kMounts), std::end(kMounts),
                              [&](const Seen& mount) { return target == mount.target; });
    ASSERT_NE(known, std::end(kMounts)) << "a mount that nobody knows of: " << target;
    EXPECT_EQ(facts[at + "/type"], known->type) << target;
    std::string root = facts[at + "/root"];
    if (known->root[1] == '*') root = "/*" + root.substr(std::min(root.find('/', 1), root.size()));
    EXPECT_EQ(root, known->root) << target;
    EXPECT_EQ(facts[at + "/options"], known->options) << target;
    EXPECT_TRUE(seen.insert(target).second) << "mounted twice: " << target;
  }
  for (const Seen& mount : kMounts) {
    EXPECT_TRUE(!mount.always || seen.count(mount.target) == 1) << "not mounted: " << mount.target;
  }
}

TEST_F(AppView, IsWhatTheAppWasGivenAndNothingElse) {
  Facts facts = SeeFromAnUntidyCaller({});
  EXPECT_EQ(facts.Keys("/fds"), (Args{"0", "1", "2"}));
  EXPECT_EQ(facts["/fds/0"], "/dev/null");
  EXPECT_TRUE(StartsWith(facts["/fds/1"], "pipe:"));
  EXPECT_TRUE(StartsWith(facts["/fds/2"], "pipe:"));
  std::vector<std::string> variables = facts.Keys("/env");
  std::sort(variables.begin(), variables.end());
  EXPECT_EQ(variables, (Args{"AC_APP_NAME", "HOME", "LOGNAME", "PATH", "SHELL", "USER", "container"}));
  EXPECT_EQ(facts["/env/container"], "rkt");
  ExpectMounts(facts);
  EXPECT_EQ(facts.Keys("/dev"), (Args{"console", "fd", "full", "log", "net", "null", "ptmx", "pts", "random", "shm",
                                      "stderr", "stdin", "stdout", "tty", "urandom", "zero"}));
  EXPECT_EQ(facts.List("/root"), (Args{"bin", "dev", "etc", "judge", "lost-interpreter", "not-executable", "opt-script",
                                       "owned", "proc", "root", "run", "srv", "sys", "tmp"}));
  // Processes: the supervisor and the app itself.
  std::vector<std::string> processes = facts.Keys("/processes");
  ASSERT_EQ(processes.size(), 2u) << text_;
  EXPECT_EQ(facts["/processes/1"], "rkt-pod");
  EXPECT_EQ(facts["/processes/" + processes[1]], "judge");
  EXPECT_EQ(facts["/ids/ppid"], "1");
  EXPECT_EQ(facts["/ids/sid"], facts["/ids/pid"]);
  EXPECT_EQ(facts.List("/interfaces"), Args{"lo"});
  // What a caller hands down to programs without meaning to.
  for (const char* set : {"SigIgn", "SigBlk", "SigCgt"}) {
    EXPECT_EQ(facts[std::string("/status/") + set], "0000000000000000") << set;
  }
  EXPECT_EQ(facts["/umask"], "0022");
  EXPECT_EQ(facts["/cwd"], "/");
  EXPECT_EQ(facts["/status/Groups"], "0");
  EXPECT_EQ(facts["/domainname"], "(none)");
  EXPECT_TRUE(StartsWith(facts["/hostname"], "rkt-"));
  for (const char* name : {"ipc", "mnt", "net", "pid", "uts"}) {
    char host[64] = "";
    (void)!readlink((std::string("/proc/self/ns/") + name).c_str(), host, sizeof host - 1);
    EXPECT_NE(facts[std::string("/namespaces/") + name], host) << name;
  }
  EXPECT_FALSE(Contains(text_, dir())) << "a path of the host shows up";
  EXPECT_FALSE(Contains(text_, "callers-host")) << "the host's name shows up";
}

TEST_F(AppView, TheSupervisorsOwnFilesAreClosedToRootToo) {
  for (const Args& flags : {Args{}, Args{"--user=1000"}}) {
    Facts facts = SeeFromAnUntidyCaller(flags);
    for (const char* path : {"/proc/1/exe", "/proc/1/root", "/proc/1/environ", "/proc/1/mem"}) {
      std::string at = std::string("/paths/") + path;
      EXPECT_NE(facts[at + "/read"], "ok") << path;
      EXPECT_NE(facts[at + "/write"], "ok") << path;
      EXPECT_EQ(facts[at + "/entries"], "0") << path;
    }
  }
}

TEST_F(AppView, WhereThePodLiesOnTheHostIsNotTold) {
  // As the first thing that runs, while the supervisor may still have the host's mounts, and later.
  const std::string look = "cat /proc/1/mountinfo /proc/1/mounts /proc/1/mountstats /proc/1/task/*/mountinfo 2>/dev/null";
  for (const char* user : {"0", "1000"}) {
    Output output = RunOk({"--volume=v,kind=empty", JudgeAci(), "--name=other", "--mount=volume=v,target=/of-the-other",
                           "--exec=/bin/sleep", "--", "0.3", "---", JudgeAci(), std::string("--user=") + user, "--exec=/bin/sh",
                           "--", "-c", look + "; sleep 0.1; " + look + "; cat /proc/1/comm"});
    std::string text = AppText(output.out, "judge");
    EXPECT_TRUE(Contains(text, " /proc ")) << "the app's own table\n" << text;
    EXPECT_TRUE(Contains(text, "rkt-pod")) << text;
    for (const std::string& foreign : {dir(), std::string("opt/stage2"), std::string("of-the-other")}) {
      EXPECT_FALSE(Contains(text, foreign)) << foreign << "\n" << text;
    }
  }
}

TEST_F(AppView, OtherPodsAreNotSeen) {
  RunningPod other = Start({"--hostname=other-pod", JudgeAci(), "--name=other", "--", "sleep"}, "sleeping");
  Facts facts = See({});
  EXPECT_EQ(facts.Count("/processes"), 2u);
  EXPECT_FALSE(Contains(facts.text(), "other"));
  EXPECT_FALSE(Contains(facts.text(), other.uuid));
  RktOk({"stop", "--force", other.uuid});
  other.rkt->Wait();
}

TEST_F(AppView, AppsOfAPodDoNotSeeEachOthersFiles) {
  Output output = RunOk({JudgeAci(), "--name=a", "--exec=/bin/sh", "--", "-c", "touch /of-a; sleep 0.5", "---",  //
                         JudgeAci(), "--name=judge", "--exec=/bin/sh", "--", "-c", "sleep 0.2; /judge see"});
  Facts facts = Facts::Parse(AppText(output.out, "judge"));
  ExpectMounts(facts);
  EXPECT_FALSE(Contains(facts.text(), "of-a"));
  EXPECT_FALSE(Contains(facts.text(), "app-a"));
}

TEST_F(AppView, TheCallersKeysStayWithTheCaller) {
  // 1: KEYCTL_JOIN_SESSION_KEYRING. The test program has a session keyring of its own from here on.
  long mine = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "rkt-test");
  REQUIRE_FACILITY("keys", mine > 0, "the kernel has no keys");
  insecure_ = "image,seccomp";
  Output output = RunOk({JudgeAci(), "--", "keyring"});
  std::vector<std::string> lines = AppLines(output.out);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(StartsWith(lines[0], "keyring: ")) << lines[0];
  EXPECT_NE(lines[0], "keyring: " + std::to_string(mine));
}

TEST_F(AppView, ATerminalHasItsNameAndNothingElseOfTheCaller) {
  Terminal terminal(RktArgs(RunArgs({"--interactive", JudgeAci(), "--exec=/bin/env"})),
                    {.env = {"TERM=judged-term", "HOST_SECRET=1"}});
  EXPECT_EQ(terminal.Wait(), 0);
  EXPECT_TRUE(Contains(terminal.screen(), "TERM=judged-term")) << terminal.screen();
  EXPECT_FALSE(Contains(terminal.screen(), "HOST_SECRET")) << terminal.screen();
  Terminal own(RktArgs(RunArgs({"--interactive", JudgeAci(), "--exec=/bin/env", "--environment=TERM=mine"})),
               {.env = {"TERM=judged-term"}});
  EXPECT_EQ(own.Wait(), 0);
  EXPECT_TRUE(Contains(own.screen(), "TERM=mine")) << own.screen();
}

}  // namespace
}  // namespace rkt::test
