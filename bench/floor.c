// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The floor that starting a pod is measured against: the kernel's part of the work and nothing
// else. Clones with new mount, pid, net, ipc and uts namespaces, mounts an overlay over a
// directory, /proc, /dev with its nodes, /dev/pts, /dev/shm and /sys read-only, pivots into it,
// executes a program and waits for it. Prints nothing.
//
//   floor [--same-mounts] LOWER SCRATCH PROGRAM [ARG...]
//
// With --same-mounts it also makes the mounts that rkt adds to these: paths of /proc and /sys that apps may not see or
// may only read, /etc/hostname and /etc/hosts.
//
// LOWER is a root file system; SCRATCH a directory in which a fresh one is made for the layers of
// this run and removed afterwards. The exit status is the program's, 125 where a step of ours
// failed (named on stderr).

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char* step) {
  dprintf(2, "floor: %s: %s\n", step, strerror(errno));
  _exit(125);
}

#define MUST(call)               \
  do {                           \
    if ((call) < 0) fail(#call); \
  } while (0)

struct node {
  const char* path;
  unsigned minor;
  unsigned major;
};
static const struct node kNodes[] = {{"dev/null", 3, 1},    {"dev/zero", 5, 1},
                                     {"dev/full", 7, 1},    {"dev/random", 8, 1},
                                     {"dev/urandom", 9, 1}, {"dev/tty", 0, 5}};

static const char* const kReadOnly[] = {"proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"};
static const char* const kHiddenFiles[] = {"proc/config.gz", "proc/kallsyms",    "proc/kcore",
                                           "proc/kmem",      "proc/mem",         "proc/keys",
                                           "proc/sched_debug", "proc/timer_list", "proc/timer_stats"};
static const char* const kHiddenDirectories[] = {"proc/acpi", "proc/scsi",  "sys/firmware", "sys/fs",
                                                 "sys/hypervisor", "sys/module", "sys/power"};

static void bind_read_only(const char* source, const char* target) {
  if (mount(source, target, NULL, MS_BIND | MS_REC, NULL) != 0) {
    if (errno == ENOENT) return;
    fail(target);
  }
  MUST(mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
}

static void same_mounts(void) {
  for (size_t i = 0; i < sizeof kReadOnly / sizeof *kReadOnly; i++) bind_read_only(kReadOnly[i], kReadOnly[i]);
  MUST(mknod("dev/hidden", S_IFREG, 0));
  MUST(mkdir("dev/hidden.d", 0));
  for (size_t i = 0; i < sizeof kHiddenFiles / sizeof *kHiddenFiles; i++) {
    bind_read_only("dev/hidden", kHiddenFiles[i]);
  }
  for (size_t i = 0; i < sizeof kHiddenDirectories / sizeof *kHiddenDirectories; i++) {
    bind_read_only("dev/hidden.d", kHiddenDirectories[i]);
  }
  mkdir("etc", 0755);
  static const char* const files[] = {"etc/hostname", "etc/hosts"};
  for (size_t i = 0; i < 2; i++) {
    mknod(files[i], S_IFREG | 0644, 0);
    bind_read_only("dev/hidden", files[i]);
  }
}

static void run_inside(const char* lower, const char* scratch, int same, char** argv) {
  char options[3 * 4096];
  char root[4096];
  snprintf(root, sizeof root, "%s/root", scratch);
  snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work", lower, scratch,
           scratch);
  MUST(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));
  MUST(mount("overlay", root, "overlay", 0, options));
  MUST(chdir(root));
  mkdir("proc", 0755);
  mkdir("dev", 0755);
  mkdir("sys", 0755);
  MUST(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
  MUST(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=64k"));
  umask(0);
  for (size_t i = 0; i < sizeof kNodes / sizeof *kNodes; i++) {
    MUST(mknod(kNodes[i].path, S_IFCHR | 0666, makedev(kNodes[i].major, kNodes[i].minor)));
  }
  MUST(mkdir("dev/pts", 0755));
  MUST(mkdir("dev/shm", 01777));
  MUST(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
             "newinstance,ptmxmode=0666,mode=620,gid=5"));
  MUST(mount("tmpfs", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"));
  MUST(mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL));
  if (same) same_mounts();
  MUST(syscall(SYS_pivot_root, ".", "."));
  MUST(umount2(".", MNT_DETACH));
  MUST(chdir("/"));
  char* env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
  execve(argv[0], argv, env);
  fail(argv[0]);
}

int main(int argc, char** argv) {
  int same = argc > 1 && strcmp(argv[1], "--same-mounts") == 0;
  argv += same;
  argc -= same;
  if (argc < 4) {
    dprintf(2, "usage: floor [--same-mounts] LOWER SCRATCH PROGRAM [ARG...]\n");
    return 125;
  }
  char scratch[3000];
  snprintf(scratch, sizeof scratch, "%s/floor.%d", argv[2], getpid());
  MUST(mkdir(scratch, 0755));
  MUST(chdir(scratch));
  MUST(mkdir("upper", 0755));
  MUST(mkdir("work", 0755));
  MUST(mkdir("root", 0755));

  struct clone_args args = {
      .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS,
      .exit_signal = SIGCHLD,
  };
  pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) fail("clone3");
  if (pid == 0) run_inside(argv[1], scratch, same, argv + 3);

  int status = 0;
  MUST(waitpid(pid, &status, 0));
  rmdir("work/work");
  rmdir("upper/proc");
  rmdir("upper/dev");
  rmdir("upper/sys");
  unlink("upper/etc/hostname");
  unlink("upper/etc/hosts");
  rmdir("upper/etc");
  rmdir("upper");
  rmdir("work");
  rmdir("root");
  rmdir(scratch);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
