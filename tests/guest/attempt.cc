// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Things that a confined app may try. Each is named by a word with arguments after colons.

#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

#include "guest/judge.h"

namespace judge {
namespace {

using Words = std::vector<std::string>;

const char* Arg(const Words& words, size_t index) {
  return index < words.size() ? words[index].c_str() : "";
}
long Num(const Words& words, size_t index) { return strtol(Arg(words, index), nullptr, 0); }

int OpenAndClose(const char* path, int flags) {
  int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
  if (fd >= 0) close(fd);
  return fd;
}

int WriteTo(const char* path, const char* text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return -1;
  ssize_t n = write(fd, text, strlen(text));
  int err = errno;
  close(fd);
  errno = err;
  return n < 0 ? -1 : 0;
}

int Mknod(const Words& w) {
  mode_t type = *Arg(w, 2) == 'b' ? S_IFBLK : *Arg(w, 2) == 'p' ? S_IFIFO : S_IFCHR;
  int rc = mknod(Arg(w, 1), type | 0600, makedev(Num(w, 3), Num(w, 4)));
  if (rc == 0) unlink(Arg(w, 1));
  return rc;
}

int Clone3() {
  struct clone_args args = {};
  args.exit_signal = SIGCHLD;
  long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) _exit(0);
  if (pid < 0) return -1;
  waitpid(static_cast<pid_t>(pid), nullptr, 0);
  return 0;
}

int CloseIfOpen(long fd) {
  if (fd >= 0) close(static_cast<int>(fd));
  return fd < 0 ? -1 : 0;
}

// The system call's result: negative with errno set where it failed.
int Run(const Words& w) {
  const std::string& verb = w[0];
  if (verb == "umount") return umount2(Arg(w, 1), MNT_DETACH);
  if (verb == "swapoff") return swapoff(Arg(w, 1));
  if (verb == "mount") return mount("tmpfs", Arg(w, 1), "tmpfs", 0, nullptr);
  if (verb == "mount-type") return mount(Arg(w, 1), Arg(w, 2), Arg(w, 1), 0, Arg(w, 3));
  if (verb == "bind") return mount(Arg(w, 1), Arg(w, 2), nullptr, MS_BIND, nullptr);
  if (verb == "move") return mount(Arg(w, 1), Arg(w, 2), nullptr, MS_MOVE, nullptr);
  if (verb == "remount-rw")
    return mount(nullptr, Arg(w, 1), nullptr, MS_REMOUNT | MS_BIND, nullptr);
  if (verb == "mknod") return Mknod(w);
  if (verb == "read") return OpenAndClose(Arg(w, 1), O_RDONLY);
  if (verb == "write") return OpenAndClose(Arg(w, 1), O_WRONLY);
  if (verb == "create") return OpenAndClose(Arg(w, 1), O_WRONLY | O_CREAT);
  if (verb == "write-text") return WriteTo(Arg(w, 1), Arg(w, 2));
  if (verb == "mkdir") return mkdir(Arg(w, 1), 0755);
  if (verb == "unlink") return unlink(Arg(w, 1));
  if (verb == "chmod") return chmod(Arg(w, 1), 0700);
  if (verb == "chown") return chown(Arg(w, 1), Num(w, 2), Num(w, 3));
  if (verb == "exec") {
    char* const argv[] = {const_cast<char*>(Arg(w, 1)), nullptr};
    return execv(Arg(w, 1), argv);
  }
  if (verb == "chroot") return chroot(Arg(w, 1));
  if (verb == "setuid") return setuid(Num(w, 1));
  if (verb == "sethostname") return sethostname("judged", 6);
  if (verb == "ptrace") return static_cast<int>(ptrace(PTRACE_SEIZE, Num(w, 1), nullptr, nullptr));
  if (verb == "kill") return kill(Num(w, 1), static_cast<int>(Num(w, 2)));
  if (verb == "unshare-user") return unshare(CLONE_NEWUSER);
  if (verb == "unshare-mount") return unshare(CLONE_NEWNS);
  if (verb == "clone3") return Clone3();
  if (verb == "clone-newuser") {
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    if (pid == 0) _exit(0);
    if (pid > 0) waitpid(static_cast<pid_t>(pid), nullptr, 0);
    return pid < 0 ? -1 : 0;
  }
  if (verb == "statx") {
    struct statx st;
    return statx(AT_FDCWD, "/", 0, STATX_BASIC_STATS, &st);
  }
  if (verb == "faccessat2")
    return static_cast<int>(syscall(SYS_faccessat2, AT_FDCWD, "/", R_OK, 0));
  if (verb == "socket") {
    return CloseIfOpen(socket(static_cast<int>(Num(w, 1)), static_cast<int>(Num(w, 2)), 0));
  }
  if (verb == "io_uring") {
    struct io_uring_params params = {};
    return CloseIfOpen(syscall(SYS_io_uring_setup, 4, &params));
  }
  if (verb == "bpf") return CloseIfOpen(syscall(SYS_bpf, 0, nullptr, 0));
  if (verb == "keyctl") return static_cast<int>(syscall(SYS_keyctl, 0, -3, 0));
  if (verb == "userfaultfd") return CloseIfOpen(syscall(SYS_userfaultfd, O_CLOEXEC | 1));
  if (verb == "reboot") return static_cast<int>(syscall(SYS_reboot, 0, 0, 0, nullptr));
  if (verb == "settime") {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<int>(syscall(SYS_clock_settime, CLOCK_REALTIME, &now));
  }
  if (verb == "x32") return static_cast<int>(syscall(0x40000000 + SYS_getpid));
  if (verb == "int80") {
    long result;
    // unshare(0) by its number of the 32-bit entry (310): harmless, needs no privilege, and the
    // number of an allowed or of another call for a filter that does not look at the entry.
    asm volatile("int $0x80" : "=a"(result) : "a"(310), "b"(0) : "memory");
    if (result < 0) errno = static_cast<int>(-result);
    return result < 0 ? -1 : 0;
  }
  if (verb == "int80-socket" || verb == "int80-socketcall") {
    // The same call by the 32-bit entry: socket (359), or socketcall (102) with SYS_SOCKET, whose
    // arguments are behind a pointer.
    long result;
    bool direct = verb == "int80-socket";
    asm volatile("int $0x80"
                 : "=a"(result)
                 : "a"(direct ? 359 : 102), "b"(direct ? Num(w, 1) : 1),
                   "c"(direct ? Num(w, 2) : 0), "d"(0)
                 : "memory");
    if (result < 0) errno = static_cast<int>(-result);
    return result < 0 ? -1 : 0;
  }
  if (verb == "x32-socket") {
    long fd = syscall(0x40000000 + SYS_socket, Num(w, 1), Num(w, 2), 0);
    return CloseIfOpen(fd);
  }
  if (verb == "add_key") return static_cast<int>(syscall(SYS_add_key, "user", "judge", "x", 1, -2));
  if (verb == "request_key") {
    return static_cast<int>(syscall(SYS_request_key, "user", "judge", nullptr, -2));
  }
  if (verb == "io_uring_enter")
    return static_cast<int>(syscall(SYS_io_uring_enter, 0, 0, 0, 0, nullptr, 0));
  if (verb == "perf_event_open") {
    char attributes[128] = {};
    return CloseIfOpen(syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0));
  }
  if (verb == "setns") {
    int fd = open(Arg(w, 1), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    int rc = setns(fd, 0);
    int err = errno;
    close(fd);
    errno = err;
    return rc;
  }
  errno = EINVAL;
  return -1;
}

}  // namespace

std::string AttemptHere(const std::string& what) {
  Words words = SplitAt(what, ':');
  errno = 0;
  return Run(words) < 0 ? ErrnoName(errno) : "ok";
}

std::string Attempt(const std::string& what) {
  int pipe_fds[2];
  if (pipe(pipe_fds) < 0) return ErrnoName(errno);
  pid_t pid = fork();
  if (pid < 0) return ErrnoName(errno);
  if (pid == 0) {
    std::string result = AttemptHere(what);
    (void)!write(pipe_fds[1], result.data(), result.size());
    _exit(0);
  }
  close(pipe_fds[1]);
  char buffer[256];
  ssize_t n = read(pipe_fds[0], buffer, sizeof buffer);
  close(pipe_fds[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) return std::string("SIG") + sigabbrev_np(WTERMSIG(status));
  return std::string(buffer, n > 0 ? static_cast<size_t>(n) : 0);
}

}  // namespace judge
