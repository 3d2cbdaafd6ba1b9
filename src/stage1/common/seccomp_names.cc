// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The lists are those of the original (runtime.md of the reference, appendix) and of systemd's
// groups of that name.

#include "stage1/common/seccomp_names.h"

#include <cerrno>
#include <cstring>
#include <iterator>

namespace rkt::stage1 {

namespace {

constexpr SystemCall kSystemCalls[] = {
#include "syscall_table.inc"
};

// Classic calls only; CompileSeccomp adds kAlwaysAllowed and kYoungAllowed wherever this list is
// meant.
constexpr char kWhitelist[] =
    "_llseek _newselect accept accept4 access alarm arch_prctl bind brk capget capset chdir "
    "chmod chown chown32 chroot clock_getres clock_gettime clock_nanosleep clone close "
    "connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl "
    "epoll_ctl_old epoll_pwait epoll_wait epoll_wait_old eventfd eventfd2 execve execveat "
    "exit exit_group faccessat fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod "
    "fchmodat fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock "
    "fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate "
    "ftruncate64 futex futimesat get_robust_list get_thread_area getcpu getcwd getdents "
    "getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 "
    "getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid "
    "getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname getsockopt "
    "gettid gettimeofday getuid getuid32 getxattr inotify_add_watch inotify_init "
    "inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_setup io_submit "
    "ioctl ioprio_get ioprio_set ipc kill lchown lchown32 lgetxattr link linkat listen "
    "listxattr llistxattr lremovexattr lseek lsetxattr lstat lstat64 madvise memfd_create "
    "mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 modify_ldt mprotect "
    "mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink mremap msgctl "
    "msgget msgrcv msgsnd msync munlock munlockall munmap nanosleep newfstatat open openat "
    "pause personality pipe pipe2 poll ppoll prctl pread64 preadv prlimit64 pselect6 pwrite64 "
    "pwritev read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmsg "
    "remap_file_pages removexattr rename renameat renameat2 restart_syscall rmdir "
    "rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend "
    "rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min "
    "sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval "
    "sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp "
    "select semctl semget semop semtimedop send sendfile sendfile64 sendmmsg sendmsg sendto "
    "set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 "
    "setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 "
    "setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid "
    "setsockopt setuid setuid32 setxattr shmat shmctl shmdt shmget shutdown sigaltstack "
    "signalfd signalfd4 sigreturn socket socketcall socketpair splice stat stat64 statfs "
    "statfs64 symlink symlinkat sync sync_file_range syncfs sysinfo syslog tee tgkill time "
    "timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create "
    "timerfd_gettime timerfd_settime times tkill truncate truncate64 ugetrlimit umask uname "
    "unlink unlinkat utime utimensat utimes vfork vmsplice wait4 waitid waitpid write writev "
    "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2";

constexpr char kBlacklist[] =
    "_sysctl acct add_key adjtimex bpf clock_adjtime clock_settime create_module "
    "delete_module finit_module get_kernel_syms get_mempolicy init_module ioperm iopl kcmp "
    "kexec_file_load kexec_load keyctl lookup_dcookie mbind mount move_pages "
    "name_to_handle_at nfsservctl open_by_handle_at perf_event_open pivot_root "
    "process_vm_readv process_vm_writev ptrace query_module quotactl reboot request_key "
    "set_mempolicy setns settimeofday stime swapoff swapon sysfs umount umount2 unshare "
    "uselib userfaultfd ustat vm86 vm86old";

constexpr char kSystemdClock[] =
    "adjtimex clock_adjtime clock_adjtime64 clock_settime clock_settime64 settimeofday stime";

constexpr char kSystemdMount[] =
    "chroot fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree "
    "pivot_root umount umount2";

constexpr char kSystemdNetworkIo[] =
    "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom "
    "recvmmsg recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socket "
    "socketcall socketpair";

constexpr char kSystemdObsolete[] =
    "_sysctl afs_syscall bdflush break create_module ftime get_kernel_syms getpmsg gtty idle "
    "lock mpx prof profil putpmsg query_module security sgetmask ssetmask stime stty sysfs "
    "tuxcall ulimit uselib ustat vserver";

constexpr char kSystemdProcess[] =
    "arch_prctl capget clone clone3 execve execveat fork getrusage kill pidfd_open "
    "pidfd_send_signal prctl rt_sigqueueinfo rt_tgsigqueueinfo setns swapcontext tgkill times "
    "tkill unshare vfork wait4 waitid waitpid";

constexpr char kSystemdRawIo[] =
    "ioperm iopl pciconfig_iobase pciconfig_read pciconfig_write s390_pci_mmio_read "
    "s390_pci_mmio_write";

constexpr char kSystemdPrivileged[] =
    "_sysctl acct adjtimex bpf capset chown chown32 chroot clock_adjtime clock_adjtime64 "
    "clock_settime clock_settime64 delete_module fanotify_init fchown fchown32 fchownat "
    "finit_module init_module ioperm iopl kexec_file_load kexec_load lchown lchown32 "
    "nfsservctl open_by_handle_at pciconfig_iobase pciconfig_read pciconfig_write pivot_root "
    "quotactl quotactl_fd reboot s390_pci_mmio_read s390_pci_mmio_write setdomainname "
    "setfsuid setfsuid32 setgroups setgroups32 sethostname setresuid setresuid32 setreuid "
    "setreuid32 settimeofday setuid setuid32 stime swapoff swapon vhangup";

struct Group {
  const char* name;
  const char* calls;
};
constexpr Group kGroups[] = {
    {"@docker/default-blacklist", kBlacklist},
    {"@docker/default-whitelist", kWhitelist},
    {"@rkt/default-blacklist", kBlacklist},
    {"@rkt/default-whitelist", kWhitelist},
    {"@systemd/default-whitelist", kAlwaysAllowed},
    {"@systemd/clock", kSystemdClock},
    {"@systemd/mount", kSystemdMount},
    {"@systemd/network-io", kSystemdNetworkIo},
    {"@systemd/obsolete", kSystemdObsolete},
    {"@systemd/privileged", kSystemdPrivileged},
    {"@systemd/process", kSystemdProcess},
    {"@systemd/raw-io", kSystemdRawIo},
};

}  // namespace

const char kAlwaysAllowed[] =
    "arch_prctl brk cacheflush clock_getres clock_gettime clock_nanosleep execve exit "
    "exit_group futex get_robust_list get_thread_area getegid getegid32 geteuid geteuid32 "
    "getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid getrandom getresgid "
    "getresgid32 getresuid getresuid32 getrlimit getsid gettid gettimeofday getuid getuid32 "
    "madvise membarrier mmap mmap2 mprotect munmap nanosleep pause prlimit64 restart_syscall "
    "rseq rt_sigreturn sched_getaffinity sched_yield set_robust_list set_thread_area "
    "set_tid_address set_tls sigreturn time ugetrlimit";

const char kYoungAllowed[] =
    "cachestat close_range epoll_pwait2 faccessat2 fchmodat2 futex_requeue futex_wait "
    "futex_waitv futex_wake getxattrat io_pgetevents io_pgetevents_time64 landlock_add_rule "
    "landlock_create_ruleset landlock_restrict_self listxattrat map_shadow_stack membarrier "
    "memfd_secret mseal openat2 pidfd_open pidfd_send_signal pkey_alloc pkey_free "
    "pkey_mprotect preadv2 process_madvise process_mrelease pwritev2 removexattrat rseq "
    "setxattrat statx";

const char kTime64[] =
    "clock_gettime:clock_gettime64 clock_settime:clock_settime64 "
    "clock_adjtime:clock_adjtime64 clock_getres:clock_getres_time64 "
    "clock_nanosleep:clock_nanosleep_time64 timer_gettime:timer_gettime64 "
    "timer_settime:timer_settime64 timerfd_gettime:timerfd_gettime64 "
    "timerfd_settime:timerfd_settime64 utimensat:utimensat_time64 pselect6:pselect6_time64 "
    "ppoll:ppoll_time64 io_pgetevents:io_pgetevents_time64 recvmmsg:recvmmsg_time64 "
    "mq_timedsend:mq_timedsend_time64 mq_timedreceive:mq_timedreceive_time64 "
    "semtimedop:semtimedop_time64 rt_sigtimedwait:rt_sigtimedwait_time64 futex:futex_time64 "
    "sched_rr_get_interval:sched_rr_get_interval_time64";

const char kNeverImplemented[] =
    "afs_syscall break ftime getpmsg gtty idle lock mpx prof profil putpmsg security stty tuxcall "
    "ulimit "
    "vserver";

std::span<const SystemCall> SystemCalls() { return kSystemCalls; }

std::optional<size_t> FindSystemCall(std::string_view name) {
  size_t low = 0;
  size_t high = std::size(kSystemCalls);
  while (low < high) {
    size_t middle = (low + high) / 2;
    int order = name.compare(kSystemCalls[middle].name);
    if (order == 0) return middle;
    if (order < 0) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return std::nullopt;
}

std::optional<std::string_view> SeccompGroup(std::string_view group) {
  for (const Group& known : kGroups) {
    if (group == known.name) return known.calls;
  }
  return std::nullopt;
}

// copy_file_range is the youngest call of the whitelist.
int LastClassic(Architecture architecture) {
  switch (architecture) {
    case Architecture::kX8664:
      return 326;
    case Architecture::kI386:
      return 377;
    case Architecture::kAarch64:
      return 285;
  }
  return 0;
}

std::optional<int> ErrnoNumber(std::string_view name) {
  if (name == "EWOULDBLOCK") return EWOULDBLOCK;
  if (name == "EDEADLOCK") return EDEADLOCK;
  if (name == "ENOTSUP") return ENOTSUP;
  for (int number = 1; number <= EHWPOISON; ++number) {
    const char* known = ::strerrorname_np(number);
    if (known != nullptr && name == known) return number;
  }
  return std::nullopt;
}

}  // namespace rkt::stage1
