// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/common/seccomp.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

#include "stage1/common/seccomp_child.h"
#include "stage1/common/seccomp_names.h"

namespace rkt::stage1 {
namespace {

using Mode = SeccompPolicy::Mode;

#if defined(__x86_64__)
constexpr uint32_t kNativeAudit = AUDIT_ARCH_X86_64;
#else
constexpr uint32_t kNativeAudit = AUDIT_ARCH_AARCH64;
#endif

std::vector<sock_filter> Compile(const SeccompPolicy& policy) {
  auto program = CompileSeccomp(policy);
  EXPECT_TRUE(program) << program.error().Text();
  return program ? *program : std::vector<sock_filter>();
}

// What the kernel would make of a call: the instructions that the emitter uses, executed.
uint32_t Judge(const std::vector<sock_filter>& program, uint32_t arch, uint32_t number,
               std::vector<uint64_t> args = {}) {
  seccomp_data data = {};
  data.arch = arch;
  data.nr = static_cast<int>(number);
  for (size_t i = 0; i < args.size(); ++i) data.args[i] = args[i];
  uint32_t a = 0, x = 0, memory = 0;
  for (size_t pc = 0; pc < program.size(); ++pc) {
    const sock_filter& code = program[pc];
    bool taken = false;
    switch (code.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        memcpy(&a, reinterpret_cast<const char*>(&data) + code.k, sizeof a);
        continue;
      case BPF_ALU | BPF_AND | BPF_K:
        a &= code.k;
        continue;
      case BPF_ALU | BPF_LSH | BPF_X:
        a <<= x;
        continue;
      case BPF_MISC | BPF_TAX:
        x = a;
        continue;
      case BPF_LD | BPF_IMM:
        a = code.k;
        continue;
      case BPF_ST:
        EXPECT_EQ(code.k, 0u);
        memory = a;
        continue;
      case BPF_LD | BPF_MEM:
        EXPECT_EQ(code.k, 0u);
        a = memory;
        continue;
      case BPF_RET | BPF_K:
        return code.k;
      case BPF_JMP | BPF_JA:
        pc += code.k;
        continue;
      case BPF_JMP | BPF_JEQ | BPF_K:
        taken = a == code.k;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        taken = a >= code.k;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        taken = (a & code.k) != 0;
        break;
      default:
        ADD_FAILURE() << "unexpected instruction " << code.code;
        return 0;
    }
    pc += taken ? code.jt : code.jf;
  }
  ADD_FAILURE() << "the program ran off its end";
  return 0;
}

uint32_t JudgeName(const std::vector<sock_filter>& program, const char* name,
                   std::vector<uint64_t> args = {}) {
  int number = seccomp_syscall_resolve_name(name);
  EXPECT_GE(number, 0) << name;
  return Judge(program, kNativeAudit, static_cast<uint32_t>(number), std::move(args));
}

constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr uint32_t kKill = SECCOMP_RET_KILL_PROCESS;
constexpr uint32_t Errno(int err) { return SECCOMP_RET_ERRNO | static_cast<uint32_t>(err); }

// Runs `body` under the filter in a child. Its result is the exit code; 200 where the filter was
// refused.
int RunFiltered(const std::vector<sock_filter>& program, const std::function<int()>& body) {
  pid_t pid = fork();
  if (pid == 0) {
    rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    if (SetNoNewPrivileges() != 0 || InstallSeccomp(program.data(), program.size()) != 0) {
      _exit(200);
    }
    _exit(body());
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return status;
}
bool DiedOfSigsys(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS; }
bool Exited(int status, int code) { return WIFEXITED(status) && WEXITSTATUS(status) == code; }
// Exit code 0 where the call failed with `expected`, else its errno (or 99 for success).
int FailsWith(int expected, long result) {
  if (result >= 0) return 99;
  return errno == expected ? 0 : errno;
}

TEST(SeccompNames, NumbersAreThoseOfLibseccomp) {
  const uint32_t architectures[] = {SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_AARCH64};
  size_t compared = 0;
  for (const SystemCall& call : SystemCalls()) {
    EXPECT_EQ(FindSystemCall(call.name), static_cast<size_t>(&call - SystemCalls().data()));
    for (int i = 0; i < 3; ++i) {
      int number = seccomp_syscall_resolve_name_arch(architectures[i], call.name);
      if (number < 0) continue;  // not of this architecture, or younger than this libseccomp
      EXPECT_EQ(call.number[i], number) << call.name;
      ++compared;
    }
  }
  EXPECT_GT(compared, 1000u);
  EXPECT_FALSE(FindSystemCall("no_such_call"));
  EXPECT_FALSE(FindSystemCall(""));
}

TEST(SeccompNames, EveryListedCallExistsSomewhere) {
  for (const char* group :
       {"@rkt/default-whitelist", "@docker/default-blacklist", "@systemd/clock", "@systemd/mount",
        "@systemd/network-io", "@systemd/obsolete", "@systemd/privileged", "@systemd/process",
        "@systemd/raw-io", "@systemd/default-whitelist"}) {
    auto names = SeccompGroup(group);
    ASSERT_TRUE(names) << group;
    for (const std::string& name : Split(*names, ' ')) {
      // __NR_SCMP_ERROR: libseccomp has never heard of it.
      EXPECT_NE(seccomp_syscall_resolve_name(name.c_str()), __NR_SCMP_ERROR) << name;
    }
  }
  EXPECT_EQ(Split(*SeccompGroup("@rkt/default-whitelist"), ' ').size(), 309u + 6u);
  EXPECT_EQ(Split(*SeccompGroup("@rkt/default-blacklist"), ' ').size(), 50u);
  EXPECT_FALSE(SeccompGroup("@systemd/nothing"));
}

TEST(SeccompNames, ErrnoNamesIncludeAliases) {
  EXPECT_EQ(ErrnoNumber("EACCES"), EACCES);
  EXPECT_EQ(ErrnoNumber("EWOULDBLOCK"), EWOULDBLOCK);
  EXPECT_EQ(ErrnoNumber("ENOSYS"), ENOSYS);
  EXPECT_FALSE(ErrnoNumber("EWHATEVER"));
  EXPECT_FALSE(ErrnoNumber("eperm"));
}

TEST(Seccomp, PrecomputedDefaultIsWhatWouldBeCompiled) {
  std::vector<sock_filter> program = Compile({});
  auto precomputed = DefaultSeccompFilter();
  ASSERT_EQ(program.size(), precomputed.size());
  EXPECT_EQ(memcmp(program.data(), precomputed.data(), program.size() * sizeof program[0]), 0);
  EXPECT_LT(program.size(), 400u);
}

TEST(Seccomp, DefaultJudgesEveryCallOfEveryArchitecture) {
  std::vector<sock_filter> program = Compile({});
  std::vector<std::string> allowed;
  for (const char* list :
       {SeccompGroup("@rkt/default-whitelist")->data(), kAlwaysAllowed, kYoungAllowed}) {
    for (std::string& name : Split(list, ' ')) allowed.push_back(std::move(name));
  }
  struct {
    Architecture architecture;
    uint32_t audit;
  } const architectures[] = {
#if defined(__x86_64__)
    {Architecture::kX8664, AUDIT_ARCH_X86_64},
    {Architecture::kI386, AUDIT_ARCH_I386}
#else
    {Architecture::kAarch64, AUDIT_ARCH_AARCH64}
#endif
  };
  for (const auto& [architecture, audit] : architectures) {
    for (const SystemCall& call : SystemCalls()) {
      int number = call.number[static_cast<size_t>(architecture)];
      if (number < 0) continue;
      std::string name = call.name;
      uint32_t verdict = Judge(program, audit, static_cast<uint32_t>(number));
      if (StrCat(" ", kNeverImplemented, " ").find(StrCat(" ", name, " ")) != std::string::npos) {
        continue;
      }
      if (std::find(allowed.begin(), allowed.end(), name) != allowed.end() ||
          name.ends_with("_time64") || name == "clock_gettime64" || name == "timer_gettime64" ||
          name == "timer_settime64" || name == "timerfd_gettime64" || name == "timerfd_settime64") {
        EXPECT_EQ(verdict, kAllow) << name;
      } else {
        EXPECT_EQ(verdict, number > LastClassic(architecture) ? Errno(ENOSYS) : kKill) << name;
      }
    }
    for (uint32_t unknown : {500u, 511u, 512u, 1000u, 0x3fffffffu}) {
      EXPECT_EQ(Judge(program, audit, unknown), Errno(ENOSYS)) << unknown;
    }
  }
  EXPECT_EQ(Judge(program, AUDIT_ARCH_PPC64LE, 1), kKill);
}

TEST(Seccomp, DefaultRefusesWhatTheListsOfTheAttackersName) {
  std::vector<sock_filter> program = Compile({});
  for (const char* name :
       {"bpf", "keyctl", "add_key", "request_key", "userfaultfd", "ptrace", "mount", "umount2",
        "swapoff", "perf_event_open", "kexec_load", "setns"}) {
    EXPECT_EQ(JudgeName(program, name), kKill) << name;
  }
  for (const char* name : {"io_uring_setup", "io_uring_enter", "clone3", "fsopen", "move_mount"}) {
    EXPECT_EQ(JudgeName(program, name), Errno(ENOSYS)) << name;
  }
#if defined(__x86_64__)
  for (uint32_t number : {0u, 39u, 520u, 0x3ffu}) {
    EXPECT_EQ(Judge(program, AUDIT_ARCH_X86_64, 0x40000000u | number), Errno(ENOSYS));
  }
  EXPECT_EQ(Judge(program, AUDIT_ARCH_X86_64, 0xffffffffu), Errno(ENOSYS));
#endif
}

TEST(Seccomp, DefaultChecksArguments) {
  std::vector<sock_filter> program = Compile({});
  EXPECT_EQ(JudgeName(program, "clone", {CLONE_VM | CLONE_THREAD | CLONE_SIGHAND}), kAllow);
  for (uint64_t flag : {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC,
                        CLONE_NEWUTS, CLONE_NEWCGROUP}) {
    EXPECT_EQ(JudgeName(program, "clone", {flag | SIGCHLD}), Errno(EPERM)) << flag;
  }
  EXPECT_EQ(JudgeName(program, "socket", {AF_INET6}), kAllow);
  EXPECT_EQ(JudgeName(program, "socket", {AF_ALG}), Errno(EAFNOSUPPORT));
  EXPECT_EQ(JudgeName(program, "socket", {AF_VSOCK}), Errno(EAFNOSUPPORT));
  EXPECT_EQ(JudgeName(program, "socket", {AF_ALG | uint64_t{1} << 32}), Errno(EAFNOSUPPORT));
  EXPECT_EQ(JudgeName(program, "personality", {0xffffffff}), kAllow);
  EXPECT_EQ(JudgeName(program, "personality", {ADDR_NO_RANDOMIZE}), kAllow);
  EXPECT_EQ(JudgeName(program, "personality", {READ_IMPLIES_EXEC}), Errno(EPERM));
#if defined(__x86_64__)
  constexpr uint32_t kSocketcall = 102;
  EXPECT_EQ(Judge(program, AUDIT_ARCH_I386, kSocketcall, {1}), Errno(ENOSYS));
  EXPECT_EQ(Judge(program, AUDIT_ARCH_I386, kSocketcall, {5}), kAllow);
  EXPECT_EQ(Judge(program, AUDIT_ARCH_I386, 359, {AF_ALG}), Errno(EAFNOSUPPORT));
  EXPECT_EQ(Judge(program, AUDIT_ARCH_I386, 120, {CLONE_NEWUSER}), Errno(EPERM));
  EXPECT_EQ(Judge(program, AUDIT_ARCH_I386, 22), kKill);           // umount
  EXPECT_EQ(Judge(program, AUDIT_ARCH_I386, 403), kAllow);         // clock_gettime64
  EXPECT_EQ(Judge(program, AUDIT_ARCH_I386, 404), Errno(ENOSYS));  // clock_settime64
#endif
}

TEST(Seccomp, DevicePolicyAllowsPseudoDevicesOnly) {
  std::vector<sock_filter> program = Compile({});
  auto mknodat = [&](mode_t mode, unsigned major, unsigned minor) {
    return JudgeName(program, "mknodat", {0, 0, mode, makedev(major, minor)});
  };
  for (auto [major, minor] :
       {std::pair{1u, 3u}, {1u, 5u}, {1u, 7u}, {1u, 8u}, {1u, 9u}, {5u, 0u}, {0u, 0u}}) {
    EXPECT_EQ(mknodat(S_IFCHR | 0666, major, minor), kAllow) << major << ":" << minor;
    EXPECT_EQ(mknodat(S_IFBLK | 0666, major, minor), Errno(EPERM)) << major << ":" << minor;
  }
  for (auto [major, minor] :
       {std::pair{5u, 2u}, {10u, 237u}, {1u, 1u}, {1u, 3u + 256u}, {0x103u, 0u}}) {
    EXPECT_EQ(mknodat(S_IFCHR, major, minor), Errno(EPERM)) << major << ":" << minor;
  }
  EXPECT_EQ(mknodat(S_IFIFO | 0600, 8, 0), kAllow);
  EXPECT_EQ(mknodat(0600, 8, 0), kAllow);
#if defined(__x86_64__)
  EXPECT_EQ(JudgeName(program, "mknod", {0, S_IFCHR, makedev(5, 2)}), Errno(EPERM));
  EXPECT_EQ(JudgeName(program, "mknod", {0, S_IFCHR, makedev(1, 3)}), kAllow);
#endif
  SeccompPolicy open;
  open.device_policy = false;
  program = Compile(open);
  EXPECT_EQ(mknodat(S_IFBLK, 8, 0), kAllow);
  EXPECT_EQ(JudgeName(program, "umount2"), kKill);
  // Whatever the lists say: devices are not their business.
  program = Compile({Mode::kRetain, {"mknodat"}, "", true});
  EXPECT_EQ(mknodat(S_IFBLK, 8, 0), Errno(EPERM));
  program = Compile({Mode::kRemove, {"chmod"}, "", true});
  EXPECT_EQ(mknodat(S_IFCHR, 5, 2), Errno(EPERM));
}

TEST(Seccomp, RetainAllowsItsSetAndWhatAnyProgramNeeds) {
  std::vector<sock_filter> program =
      Compile({Mode::kRetain, {"write", "clone", "futex"}, "", true});
  for (const char* name :
       {"write", "execve", "exit_group", "rt_sigreturn", "brk", "mmap", "rseq"}) {
    EXPECT_EQ(JudgeName(program, name), kAllow) << name;
  }
  EXPECT_EQ(JudgeName(program, "openat"), kKill);
  EXPECT_EQ(JudgeName(program, "statx"), Errno(ENOSYS));
  // Named by the user: as it is, without the checks of the default list.
  EXPECT_EQ(JudgeName(program, "clone", {CLONE_NEWUSER}), kAllow);
  EXPECT_EQ(JudgeName(program, "clone3"), Errno(ENOSYS));

  program = Compile(
      {Mode::kRetain, {"@rkt/default-whitelist", "mount", "@systemd/raw-io"}, "EPERM", true});
  EXPECT_EQ(JudgeName(program, "mount"), kAllow);
  EXPECT_EQ(JudgeName(program, "umount2"), Errno(EPERM));
  EXPECT_EQ(JudgeName(program, "statx"), kAllow);
  EXPECT_EQ(JudgeName(program, "clone", {CLONE_NEWUSER}), Errno(EPERM));
#if defined(__x86_64__)
  EXPECT_EQ(JudgeName(program, "iopl"), kAllow);
#endif
}

TEST(Seccomp, RemoveRefusesItsSetOnly) {
  std::vector<sock_filter> program = Compile(
      {Mode::kRemove, {"fchmodat", "@systemd/mount", "nonsense", "@no/group"}, "EACCES", true});
  EXPECT_EQ(JudgeName(program, "fchmodat"), Errno(EACCES));
  EXPECT_EQ(JudgeName(program, "mount"), Errno(EACCES));
  EXPECT_EQ(JudgeName(program, "fsopen"), Errno(EACCES));
  EXPECT_EQ(JudgeName(program, "ptrace"), kAllow);
  EXPECT_EQ(JudgeName(program, "clone3"), kAllow);
  EXPECT_EQ(Judge(program, kNativeAudit, 600), kAllow);
#if defined(__x86_64__)
  EXPECT_EQ(Judge(program, AUDIT_ARCH_X86_64, 0x40000000), Errno(ENOSYS));
#endif
  program = Compile({Mode::kRemove, {"clone"}, "", true});
  EXPECT_EQ(JudgeName(program, "clone3"), Errno(ENOSYS));
}

TEST(Seccomp, WordsOfTheSpecificationTurnTheFilterOffOrBackToTheDefault) {
  EXPECT_TRUE(Compile({Mode::kOff, {}, "", true}).empty());
  EXPECT_TRUE(Compile({Mode::kRetain, {"@appc.io/all"}, "", true}).empty());
  EXPECT_EQ(JudgeName(Compile({Mode::kRemove, {"@appc.io/empty"}, "", true}), "umount2"), kKill);
  std::vector<sock_filter> with_errno =
      Compile({Mode::kRemove, {"@appc.io/empty"}, "ENOSYS", true});
  EXPECT_EQ(JudgeName(with_errno, "umount2"), Errno(ENOSYS));
  auto bad = CompileSeccomp({Mode::kRetain, {"write"}, "EWHATEVER", true});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code(), Code::kInvalid);
}

TEST(SeccompInstalled, UmountAndSwapoffDieOfSigsys) {
  std::vector<sock_filter> program = Compile({});
  EXPECT_TRUE(DiedOfSigsys(RunFiltered(program, [] { return umount2("/nowhere", 0); })));
  EXPECT_TRUE(DiedOfSigsys(RunFiltered(program, [] { return swapoff("/nowhere"); })));
  EXPECT_TRUE(Exited(RunFiltered(program, [] { return 7; }), 7));
}

TEST(SeccompInstalled, ErrnoComesBackInPlaceOfTheSignal) {
  std::vector<sock_filter> program =
      Compile({Mode::kRemove, {"chmod", "fchmodat"}, "EACCES", true});
  EXPECT_TRUE(
      Exited(RunFiltered(program, [] { return FailsWith(EACCES, chmod("/nowhere", 0)); }), 0));
  EXPECT_TRUE(
      Exited(RunFiltered(program,
                         [] { return FailsWith(ENOENT, umount2("/nowhere", UMOUNT_NOFOLLOW)); }),
             0) ||
      getuid() != 0);
}

TEST(SeccompInstalled, ThreadedProgramOfACurrentLibcWorks) {
  int status = RunFiltered(Compile({}), [] {
    pthread_t thread;
    auto body = [](void*) -> void* { return reinterpret_cast<void*>(long{42}); };
    if (pthread_create(&thread, nullptr, body, nullptr) != 0) return 1;
    void* result = nullptr;
    if (pthread_join(thread, &result) != 0) return 2;
    if (result != reinterpret_cast<void*>(long{42})) return 3;
    return system("exit 5") == 5 << 8 ? 0 : 4;
  });
  EXPECT_TRUE(Exited(status, 0)) << status;
}

TEST(SeccompInstalled, DynamicProgramStartsUnderTheDefault) {
  int status = RunFiltered(Compile({}), [] {
    execl("/bin/sh", "sh", "-c", "ls / >/dev/null && cat /proc/self/status >/dev/null && exit 3",
          nullptr);
    return 1;
  });
  EXPECT_TRUE(Exited(status, 3)) << status;
}

TEST(SeccompInstalled, NamespacesFamiliesAndDevicesFailWithErrno) {
  std::vector<sock_filter> program = Compile({});
  EXPECT_TRUE(Exited(
      RunFiltered(
          program,
          [] { return FailsWith(EPERM, syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)); }),
      0));
  EXPECT_TRUE(
      Exited(RunFiltered(program,
                         [] { return FailsWith(EAFNOSUPPORT, socket(AF_ALG, SOCK_SEQPACKET, 0)); }),
             0));
  EXPECT_TRUE(
      Exited(RunFiltered(program,
                         [] { return FailsWith(EAFNOSUPPORT, socket(AF_VSOCK, SOCK_STREAM, 0)); }),
             0));
  EXPECT_TRUE(Exited(RunFiltered(program,
                                 [] {
                                   return FailsWith(ENOSYS,
                                                    syscall(425, 1, nullptr));  // io_uring_setup
                                 }),
                     0));
  EXPECT_TRUE(Exited(
      RunFiltered(
          program,
          [] { return FailsWith(EPERM, mknod("/tmp/never-made", S_IFCHR | 0600, makedev(5, 2))); }),
      0));
}

TEST(SeccompInstalled, RootMakesPseudoDevices) {
  if (getuid() != 0) GTEST_SKIP() << "needs root";
  char directory[] = "/tmp/seccomp-test-XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  std::string path = std::string(directory) + "/null";
  int status = RunFiltered(Compile({}), [&] {
    return mknod(path.c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0 ? 0 : errno;
  });
  EXPECT_TRUE(Exited(status, 0)) << status;
  unlink(path.c_str());
  rmdir(directory);
}

#if defined(__x86_64__)
long Int80(long number, long first) {
  long result;
  asm volatile("int $0x80"
               : "=a"(result)
               : "a"(number), "b"(first), "c"(0), "d"(0), "S"(0), "D"(0)
               : "memory", "r8", "r9", "r10", "r11");
  return result;
}

TEST(SeccompInstalled, ThirtyTwoBitCallsHaveTheirOwnTable) {
  constexpr long kGetpid = 20, kUmount = 22, kSocketcall = 102, kClone = 120, kSocket = 359;
  // Without the emulation in the kernel the instruction itself is a fault.
  int status = RunFiltered({}, [] { return Int80(kGetpid, 0) == getpid() ? 0 : 1; });
  if (!Exited(status, 0)) GTEST_SKIP() << "the kernel runs no 32-bit programs";
  std::vector<sock_filter> program = Compile({});
  EXPECT_TRUE(
      Exited(RunFiltered(program, [] { return Int80(kGetpid, 0) == getpid() ? 0 : 1; }), 0));
  EXPECT_TRUE(
      DiedOfSigsys(RunFiltered(program, [] { return static_cast<int>(Int80(kUmount, 0)); })));
  auto result_is = [&](long number, long first, long expected) {
    return Exited(RunFiltered(program, [&] { return Int80(number, first) == expected ? 0 : 1; }),
                  0);
  };
  EXPECT_TRUE(result_is(kSocketcall, 1, -ENOSYS));
  EXPECT_TRUE(result_is(kClone, CLONE_NEWUSER, -EPERM));
  EXPECT_TRUE(result_is(kSocket, AF_ALG, -EAFNOSUPPORT));
}

TEST(SeccompInstalled, X32CallsAreRefused) {
  int status =
      RunFiltered(Compile({}), [] { return FailsWith(ENOSYS, syscall(0x40000000 | SYS_getpid)); });
  EXPECT_TRUE(Exited(status, 0)) << status;
}
#endif

TEST(SeccompInstalled, SmallRetainSetLetsAProgramEnd) {
  std::vector<sock_filter> program = Compile({Mode::kRetain, {"write"}, "", true});
  // Plain calls: what a sanitizer does at exit is not in the set.
  int status = RunFiltered(program, [] {
    syscall(SYS_exit_group, syscall(SYS_write, STDERR_FILENO, "", 0) == 0 ? 4 : 1);
    return 2;
  });
  EXPECT_TRUE(Exited(status, 4)) << status;
  EXPECT_TRUE(DiedOfSigsys(RunFiltered(program, [] { return chdir("/"); })));
}

TEST(SeccompInstalled, OnlyRootInstallsWithoutNoNewPrivileges) {
  EXPECT_TRUE(SeccompNeedsNoNewPrivileges(true, 1000));
  EXPECT_FALSE(SeccompNeedsNoNewPrivileges(true, 0));
  EXPECT_FALSE(SeccompNeedsNoNewPrivileges(false, 1000));
  if (getuid() != 0) GTEST_SKIP() << "needs root";
  auto install = [](uid_t uid) {
    pid_t pid = fork();
    if (pid == 0) {
      if (uid != 0 && setresuid(uid, uid, uid) != 0) _exit(100);
      auto program = DefaultSeccompFilter();
      _exit(InstallSeccomp(program.data(), program.size()));
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
  };
  EXPECT_EQ(install(0), 0);
  EXPECT_EQ(install(65534), EACCES);
}

}  // namespace
}  // namespace rkt::stage1
