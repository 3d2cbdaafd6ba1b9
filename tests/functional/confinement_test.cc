// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// What an app tries that means harm, and what a harmless program of a current system needs: the
// filter of system calls by all its entries, devices, the supervisor, floods.

#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <map>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class Confinement : public PodTest {
 protected:
  std::map<std::string, std::string> Try(const Args& flags, const Args& image_flags,
                                         const Args& attempts, const Args& prefix = {}) {
    Args args =
        RktArgs(RunArgs(flags + Args{JudgeAci()} + image_flags + Args{"--", "try"} + attempts));
    Output output = RunProgram(prefix + args);
    EXPECT_EQ(output.code, 0) << output.All();
    std::map<std::string, std::string> results;
    for (const std::string& line : AppLines(output.out)) {
      size_t at = line.find(" = ");
      if (at != std::string::npos) results[line.substr(0, at)] = line.substr(at + 3);
    }
    EXPECT_EQ(results.size(), attempts.size()) << output.All();
    return results;
  }
  std::string Line(const Output& output) {
    std::vector<std::string> lines = AppLines(output.out);
    return lines.empty() ? output.All() : lines.back();
  }
};
class Floods : public Confinement {};
class SlowFloods : public Confinement {};

const char kEverything[] = "--seccomp=mode=retain,@appc.io/all";

// Threads, processes, clocks and input and output as a dynamic program of the host makes them, with
// the newest calls that its C library knows.
const char kPython[] = R"(
import asyncio, fcntl, mmap, multiprocessing, os, resource, select, shutil, signal, socket, subprocess, tempfile, threading, time
def done(name): print("ok", name, flush=True)
results = []
threads = [threading.Thread(target=results.append, args=(i,)) for i in range(32)]
[t.start() for t in threads]; [t.join() for t in threads]; assert len(results) == 32; done("threads")
assert subprocess.run(["/bin/true"]).returncode == 0
pid = os.posix_spawn("/bin/true", ["true"], {}); assert os.waitpid(pid, 0)[1] == 0
pid = os.fork()
if pid == 0: os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7; done("processes")
with multiprocessing.Pool(2) as pool: assert pool.map(abs, [-1, -2]) == [1, 2]
done("multiprocessing")
time.sleep(0.001); time.clock_gettime(time.CLOCK_BOOTTIME); time.clock_getres(time.CLOCK_MONOTONIC); time.process_time(); time.thread_time()
signal.setitimer(signal.ITIMER_REAL, 10); signal.setitimer(signal.ITIMER_REAL, 0)
signal.sigtimedwait([signal.SIGUSR1], 0.001); done("clocks")
async def echo():
    async def serve(r, w): w.write(await r.read(3)); await w.drain(); w.close()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    r, w = await asyncio.open_connection(*server.sockets[0].getsockname()); w.write(b"abc"); assert await r.read() == b"abc"
    child = await asyncio.create_subprocess_exec("/bin/true"); assert await child.wait() == 0
    server.close()
asyncio.run(echo()); done("asyncio")
with tempfile.NamedTemporaryFile() as a, tempfile.NamedTemporaryFile() as b:
    a.write(b"x" * 100000); a.flush(); shutil.copyfile(a.name, b.name); os.copy_file_range(a.fileno(), b.fileno(), 10, 0, 0)
    os.preadv(a.fileno(), [bytearray(9)], 0, os.RWF_HIPRI); os.pwritev(a.fileno(), [b"x"], 0); fcntl.flock(a, fcntl.LOCK_EX)
    mmap.mmap(a.fileno(), 4096).close(); os.posix_fadvise(a.fileno(), 0, 0, os.POSIX_FADV_DONTNEED); os.truncate(a.name, 5)
    os.stat(a.name); os.statvfs(a.name); os.access(a.name, os.R_OK, effective_ids=True); os.utime(a.name); os.chmod(a.name, 0o600)
done("files")
os.memfd_create("m"); os.eventfd(0); os.pidfd_open(os.getpid()); select.epoll().close(); os.getrandom(8); os.sched_getaffinity(0)
resource.getrlimit(resource.RLIMIT_NOFILE); os.pipe2(os.O_CLOEXEC); a, b = socket.socketpair(); os.getloadavg(); done("descriptors")
)";

TEST_F(Confinement, AProgramOfTheHostRunsUnderTheDefaultFilter) {
  REQUIRE_FACILITY("python3", access("/usr/bin/python3", X_OK) == 0, "no python3 on this machine");
  Args volumes;
  for (const std::string path : {"usr", "lib", "lib64"}) {
    if (!Exists("/" + path)) continue;
    volumes.push_back("--volume=" + path + ",kind=host,source=/" + path + ",readOnly=true");
    volumes.push_back("--mount=volume=" + path + ",target=/" + path);
  }
  for (const Args& who : {Args{}, Args{"--user=1000", "--group=1000"}}) {
    Output output = Run(volumes + Args{JudgeAci(), "--exec=/usr/bin/python3"} + who +
                        Args{"--", "-c", kPython});
    EXPECT_EQ(output.code, 0) << output.All();
    EXPECT_EQ(AppLines(output.out), (Args{"ok threads", "ok processes", "ok multiprocessing",
                                          "ok clocks", "ok asyncio", "ok files", "ok descriptors"}))
        << output.All();
  }
}

TEST_F(Confinement, NoEntryOfTheKernelIsLeftOutByTheFilter) {
  const Args attempts = {"socket:38:5",
                         "socket:40:1",
                         "int80-socket:38:5",
                         "int80-socket:40:1",
                         "int80-socketcall",
                         "x32",
                         "x32-socket:2:1",
                         "int80",
                         "io_uring",
                         "io_uring_enter",
                         "userfaultfd",
                         "bpf",
                         "keyctl",
                         "add_key",
                         "request_key",
                         "perf_event_open",
                         "mount-type:cgroup2:/tmp",
                         "mount-type:proc:/tmp"};
  for (const Args& who :
       {Args{}, Args{"--user=1000"}, Args{"--caps-retain=CAP_SYS_ADMIN,CAP_BPF,CAP_PERFMON"}}) {
    for (const auto& [what, result] : Try({}, who, attempts)) EXPECT_NE(result, "ok") << what;
  }
  auto harmless = Try({}, {}, {"socket:2:1", "int80-socket:2:1"});
  EXPECT_EQ(harmless["socket:2:1"], "ok");
  EXPECT_TRUE(harmless["int80-socket:2:1"] == "ok" || harmless["int80-socket:2:1"] == "ENOSYS" ||
              harmless["int80-socket:2:1"] == "SIGSEGV")
      << harmless["int80-socket:2:1"];
}

TEST_F(Confinement, MountingDevicesOpensNone) {
  // The node of a device that every machine has, and one of a disk.
  REQUIRE_FACILITY("loop",
                   access("/dev/loop-control", F_OK) == 0 && access("/dev/loop0", F_OK) == 0,
                   "no loop devices");
  const Args rights = {"--caps-retain=CAP_SYS_ADMIN,CAP_MKNOD,CAP_DAC_OVERRIDE", kEverything};
  const Args attempts = {"mkdir:/host",      "mount-type:devtmpfs:/host",
                         "read:/host/loop0", "read:/host/loop-control",
                         "write:/host/null", "mknod:/tmp/disk:b:7:0"};
  auto results = Try({}, rights, attempts);
  EXPECT_EQ(results["mount-type:devtmpfs:/host"], "ok") << "the attempt itself must get that far";
  EXPECT_EQ(results["read:/host/loop0"], "EPERM");
  EXPECT_EQ(results["read:/host/loop-control"], "EPERM");
  EXPECT_EQ(results["write:/host/null"], "ok");
  EXPECT_EQ(results["mknod:/tmp/disk:b:7:0"], "EPERM");
  insecure_ = "image,paths";
  EXPECT_EQ(Try({}, rights, attempts)["read:/host/loop0"], "ok") << "who says so gets them";
}

TEST_F(Confinement, DeviceNodesOfAnImageAreDead) {
  // Unpacked or not, with all capabilities or not: they do not open.
  Tar tar;
  tar.File("manifest", ManifestJson({}));
  AddJudgeRoot(tar);
  tar.Add({.name = "rootfs/disk", .type = '4', .mode = 0666, .major = 7, .minor = 0});
  tar.Add({.name = "rootfs/zero", .type = '3', .mode = 0666, .major = 1, .minor = 5});
  std::string image = WriteImage("nodes.aci", tar.Finish());
  for (const Args& flags : {Args{}, Args{"--caps-retain=CAP_MKNOD,CAP_SYS_ADMIN"}}) {
    Output output = RunOk(Args{image} + flags + Args{"--", "try", "read:/disk", "read:/zero"});
    for (const std::string& line : AppLines(output.out))
      EXPECT_FALSE(EndsWith(line, "= ok")) << line;
  }
}

TEST_F(Confinement, TheSupervisorIsOutOfReachForWhoeverMayMount) {
  for (const auto& [what, result] :
       Try({}, {"--caps-retain=CAP_SYS_ADMIN,CAP_DAC_OVERRIDE,CAP_CHOWN,CAP_KILL", kEverything},
           {"setns:/proc/1/ns/mnt", "setns:/proc/1/ns/cgroup", "write:/proc/1/mem",
            "write:/proc/1/exe", "read:/proc/1/root/etc", "ptrace:1",
            "chroot:/proc/1/root"})) {
    EXPECT_NE(result, "ok") << what;
  }
}

TEST_F(Confinement, TheEnvironmentOfTheCallerIsNotToBeRead) {
  Output output = Run(
      {JudgeAci(), "--caps-retain=CAP_SYS_ADMIN,CAP_PERFMON", "--", "show", "/proc/1/environ"},
      {.env = {"SECRET_OF_THE_HOST=1"}});
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_FALSE(Contains(output.out, "SECRET_OF_THE_HOST")) << output.All();
}

TEST_F(Confinement, WithAllCapabilitiesTheFilterStillKeepsItsMounts) {
  insecure_ = "image,capabilities";
  for (const auto& [what, result] :
       Try({}, {},
           {"umount:/proc/kcore", "remount-rw:/proc/sys", "mount:/tmp", "move:/proc:/tmp",
            "bind:/:/tmp", "mount-type:cgroup2:/tmp", "setns:/proc/1/ns/mnt", "unshare-mount"})) {
    EXPECT_NE(result, "ok") << what;
  }
}

TEST_F(Confinement, ControlGroupsCannotBeWrittenFromInside) {
  Args attempts;
  for (const char* place : {"/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified",
                            "/sys/fs/cgroup/pids"}) {
    attempts.push_back(std::string("mkdir:") + place + "/x");
    attempts.push_back(std::string("write-text:") + place + "/cgroup.procs:0");
  }
  for (const auto& [what, result] : Try({}, {"--memory=64Mi", "--pids-limit=50"}, attempts))
    EXPECT_NE(result, "ok") << what;
}

TEST_F(Confinement, NothingOfTheCallersRightsGetsIn) {
  REQUIRE_FACILITY("setpriv", RunProgram({"setpriv", "--version"}).code == 0, "no setpriv");
  Args caller = {"setpriv", "--inh-caps=+net_admin,+sys_time", "--ambient-caps=+net_admin",
                 "--groups=7,8,9"};
  for (const Args& who : {Args{}, Args{"--user=1000", "--group=1000"}}) {
    Output output =
        RunProgram(caller + RktArgs(RunArgs(Args{JudgeAci()} + who + Args{"--", "see"})));
    ASSERT_EQ(output.code, 0) << output.All();
    Facts facts = Facts::Parse(AppText(output.out));
    EXPECT_EQ(facts["/status/CapInh"], "0000000000000000");
    EXPECT_EQ(facts["/status/CapAmb"], "0000000000000000");
    EXPECT_EQ(facts["/status/Groups"], who.empty() ? "0" : "1000");
  }
}

TEST_F(Floods, OtherPodsDoNotNoticeAForkBomb) {
  REQUIRE_FACILITY("cgroup-pids", !CgroupV1("pids").empty(), "no pids controller");
  RunningPod bomb =
      Start({JudgeAci(), "--pids-limit=300", "--", "forks", "100000", "1000"}, "forks: 299 EAGAIN");
  EXPECT_EQ(Run({JudgeAci(), "--pids-limit=300", "--", "exit", "3"}).code, 3);
  EXPECT_EQ(StateOf(bomb.uuid), "running");
  // What is in the way of new processes is not in the way of its end.
  RktOk({"stop", bomb.uuid});
  EXPECT_FALSE(bomb.rkt->Wait(30).timed_out);
}

TEST_F(SlowFloods, AForkBombEndsInItsPodWithoutAnyFlag) {
  RunningPod bomb = Start({JudgeAci(), "--", "forks", "1000000", "1000"}, "EAGAIN");
  EXPECT_TRUE(Contains(bomb.rkt->out(), "forks: 8")) << bomb.rkt->out();
  EXPECT_EQ(Run({JudgeAci(), "--", "exit", "3"}).code, 3);
  RktOk({"stop", "--force", bomb.uuid});
  EXPECT_FALSE(bomb.rkt->Wait(60).timed_out);
}

TEST_F(Floods, OtherPodsDoNotNoticeADescriptorBomb) {
  RunningPod bomb =
      Start({JudgeAci(), "--ulimit=nofile=1000", "--", "descriptors", "100000", "1000"}, "EMFILE");
  EXPECT_TRUE(Contains(bomb.rkt->out(), "descriptors: 997 EMFILE")) << bomb.rkt->out();
  EXPECT_EQ(Run({JudgeAci(), "--", "exit", "3"}).code, 3);
  RktOk({"stop", bomb.uuid});
  EXPECT_FALSE(bomb.rkt->Wait(30).timed_out);
}

TEST_F(Floods, MemoryOfThePodHasABoundOnFiles) {
  Output output = RunOk({JudgeAci(), "--exec=/bin/sh", "--", "-c", "df -i /dev/shm | tail -1"});
  std::vector<std::string> words;
  for (const std::string& word : Split(Line(output), ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  ASSERT_GT(words.size(), 2u) << output.All();
  EXPECT_EQ(words[1], "262144");
}

TEST_F(Floods, AFullDataDirectoryIsStillWorkedWith) {
  SmallDisk disk(dir() + "/small", "size=64m,nr_inodes=2000");
  Args rkt = {RktBinary(), "--dir=" + dir() + "/small/data", "--insecure-options=image"};
  ASSERT_EQ(RunProgram(rkt + Args{"fetch", JudgeAci()}).code, 0);
  Output output = RunProgram(
      rkt + Args{"run", "--net=none", "example.com/judge", "--", "inodes", "100000", "/tmp"});
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_TRUE(Contains(output.out, "ENOSPC")) << output.All();
  EXPECT_EQ(RunProgram(rkt + Args{"list"}).code, 0);
  EXPECT_EQ(RunProgram(rkt + Args{"image", "list"}).code, 0);
  output = RunProgram(rkt + Args{"gc", "--grace-period=0s"});
  EXPECT_EQ(output.code, 0) << output.All();
  output = RunProgram(rkt + Args{"run", "--net=none", "example.com/judge", "--", "exit", "4"});
  EXPECT_EQ(output.code, 4) << output.All();
  RunProgram(rkt + Args{"gc", "--grace-period=0s"});
}

}  // namespace
}  // namespace rkt::test
