// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// What a program linked against the distribution's own C library does all day: threads, processes, clocks, input and
// output by the newest calls that there are. Each line of output is a group of them that works; what must be refused to
// every app is in the last. Built by the test that runs it (functional/debian_test.cc).

#define _GNU_SOURCE
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/rseq.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition)                                                              \
  do {                                                                                \
    if (!(condition)) {                                                               \
      printf("line %d: %s: %s\n", __LINE__, #condition, strerror(errno));             \
      exit(1);                                                                        \
    }                                                                                 \
  } while (0)

static pthread_mutex_t robust;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int counted;

static void* Count(void* unused) {
  (void)unused;
  pthread_mutex_lock(&mutex);
  ++counted;
  pthread_cond_signal(&condition);
  pthread_mutex_unlock(&mutex);
  return NULL;
}
static void* DieWithMutex(void* unused) {
  pthread_mutex_lock(&robust);
  return unused;
}
static void* SleepForEver(void* unused) {
  for (;;) pause();
  return unused;
}
static int Joined(void* value) { return *(int*)value; }

static void Threads(void) {
  enum { kThreads = 64 };
  pthread_t threads[kThreads];
  for (int i = 0; i < kThreads; ++i) CHECK(pthread_create(&threads[i], NULL, Count, NULL) == 0);
  pthread_mutex_lock(&mutex);
  while (counted < kThreads) pthread_cond_wait(&condition, &mutex);
  pthread_mutex_unlock(&mutex);
  for (int i = 0; i < kThreads; ++i) CHECK(pthread_join(threads[i], NULL) == 0);

  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  CHECK(pthread_mutex_init(&robust, &attributes) == 0);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, DieWithMutex, NULL) == 0 && pthread_join(thread, NULL) == 0);
  CHECK(pthread_mutex_lock(&robust) == EOWNERDEAD && pthread_mutex_consistent(&robust) == 0);
  CHECK(pthread_create(&thread, NULL, SleepForEver, NULL) == 0 && pthread_cancel(thread) == 0);
  void* result;
  CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
  thrd_t c11;
  int value = 7, got;
  CHECK(thrd_create(&c11, Joined, &value) == thrd_success && thrd_join(c11, &got) == thrd_success && got == 7);
  // Registered by the library for every thread since 2.35.
  CHECK(__rseq_size == 0 || __rseq_offset != 0);
  cpu_set_t set;
  CHECK(sched_getaffinity(0, sizeof set, &set) == 0 && pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0);
  CHECK(sched_getcpu() >= 0);
  puts("threads");
}

static void Processes(void) {
  int status;
  pid_t pid = fork();
  if (pid == 0) _exit(7);
  CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
  char* arguments[] = {"true", NULL};
  CHECK(posix_spawnp(&pid, "true", NULL, NULL, arguments, NULL) == 0);
  CHECK(waitpid(pid, &status, 0) == pid && status == 0);
  CHECK(system("exit 9") >> 8 == 9);
  FILE* pipe = popen("echo piped", "r");
  char line[16];
  CHECK(pipe && fgets(line, sizeof line, pipe) && strcmp(line, "piped\n") == 0 && pclose(pipe) == 0);
  // The library falls back to clone where this is not known; a kill would end it.
  struct clone_args clone3 = {.exit_signal = SIGCHLD};
  pid = (pid_t)syscall(SYS_clone3, &clone3, sizeof clone3);
  if (pid == 0) _exit(3);
  CHECK(pid > 0 ? waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3 : errno == ENOSYS);
  pid = fork();
  if (pid == 0) pause();
  int pidfd = pidfd_open(pid, 0);
  siginfo_t info;
  CHECK(pidfd >= 0 && pidfd_send_signal(pidfd, SIGKILL, NULL, 0) == 0 && waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) == 0);
  puts("processes");
}

static void Clocks(void) {
  struct timespec now, resolution, moment = {0, 1000};
  const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_PROCESS_CPUTIME_ID,
                              CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE};
  for (size_t i = 0; i < sizeof clocks / sizeof *clocks; ++i) {
    CHECK(clock_gettime(clocks[i], &now) == 0 && clock_getres(clocks[i], &resolution) == 0);
    CHECK(syscall(SYS_clock_gettime, clocks[i], &now) == 0);
  }
  CHECK(nanosleep(&moment, NULL) == 0 && clock_nanosleep(CLOCK_BOOTTIME, 0, &moment, NULL) == 0);
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_NONE};
  struct itimerspec interval = {.it_value = {100, 0}};
  CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &interval, NULL) == 0);
  CHECK(timer_gettime(timer, &interval) == 0 && timer_getoverrun(timer) == 0 && timer_delete(timer) == 0);
  int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC);
  interval.it_value = (struct timespec){0, 1000};
  uint64_t expirations;
  CHECK(fd >= 0 && timerfd_settime(fd, 0, &interval, NULL) == 0 && read(fd, &expirations, 8) == 8);
  struct itimerval none = {0};
  CHECK(setitimer(ITIMER_REAL, &none, NULL) == 0 && alarm(0) == 0);
  struct timeval day;
  CHECK(gettimeofday(&day, NULL) == 0 && time(NULL) > 0 && timespec_get(&now, TIME_UTC) == TIME_UTC);
  puts("clocks");
}

static void Files(void) {
  char name[] = "/tmp/fileXXXXXX";
  int fd = mkstemp(name);
  CHECK(fd >= 0 && pwritev2(fd, &(struct iovec){"0123456789", 10}, 1, 0, 0) == 10 && posix_fallocate(fd, 0, 4096) == 0);
  char buffer[16];
  struct aiocb block = {.aio_fildes = fd, .aio_buf = buffer, .aio_nbytes = 10};
  const struct aiocb* blocks[] = {&block};
  CHECK(aio_read(&block) == 0 && aio_suspend(blocks, 1, NULL) == 0 && aio_return(&block) == 10);
  CHECK(preadv2(fd, &(struct iovec){buffer, 10}, 1, 0, RWF_HIPRI) == 10 && memcmp(buffer, "0123456789", 10) == 0);
  struct statx more;
  CHECK(statx(AT_FDCWD, name, 0, STATX_BTIME, &more) == 0 && faccessat(AT_FDCWD, name, R_OK, AT_EACCESS) == 0);
  struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_NO_SYMLINKS};
  int other = (int)syscall(SYS_openat2, AT_FDCWD, name, &how, sizeof how);
  CHECK(other >= 0 || errno == ENOSYS);
  char renamed[] = "/tmp/renamedX";
  CHECK(renameat2(AT_FDCWD, name, AT_FDCWD, renamed, RENAME_NOREPLACE) == 0 && unlink(renamed) == 0);
  off64_t from = 0;
  int copy = memfd_create("copy", MFD_CLOEXEC);
  // Not between all file systems.
  CHECK(copy >= 0 && (copy_file_range(fd, &from, copy, NULL, 10, 0) == 10 || errno == EXDEV));
  CHECK(syncfs(fd) == 0 && fdatasync(fd) == 0 && flock(fd, 2) == 0);
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event;
  struct timespec moment = {0, 1000};
  CHECK(epoll >= 0 && (epoll_pwait2(epoll, &event, 1, &moment, NULL) == 0 || errno == ENOSYS));
  CHECK(close_range(200, ~0U, 0) == 0);
  void* memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED && madvise(memory, 1 << 20, MADV_DONTNEED) == 0 && mlock2(memory, 4096, 0) == 0);
  sem_t* semaphore = sem_open("/libc", O_CREAT, 0600, 1);
  CHECK(semaphore != SEM_FAILED && sem_wait(semaphore) == 0 && sem_post(semaphore) == 0 && sem_unlink("/libc") == 0);
  CHECK(getrandom(buffer, 8, 0) == 8 && getentropy(buffer, 8) == 0);
  puts("files");
}

// Whether a call is refused: by an error, or by the end of who makes it.
static int Dies(long (*call)(void)) {
  pid_t pid = fork();
  if (pid == 0) _exit(call() == -1 && (errno == EPERM || errno == ENOSYS) ? 0 : 1);
  int status;
  CHECK(waitpid(pid, &status, 0) == pid);
  return WIFSIGNALED(status) ? WTERMSIG(status) == SIGSYS : WEXITSTATUS(status) == 0;
}
static long SetClock(void) {
  struct timespec then = {1, 0};
  return clock_settime(CLOCK_REALTIME, &then);
}
static long MakeUsers(void) { return unshare(CLONE_NEWUSER); }
static long Trap(void) { return syscall(SYS_userfaultfd, 0); }

static void Refused(void) {
  // Libraries try it and go on without.
  char parameters[256] = {0};
  CHECK(syscall(SYS_io_uring_setup, 4, parameters) == -1 && (errno == EPERM || errno == ENOSYS));
  CHECK(Dies(SetClock) && Dies(MakeUsers) && Dies(Trap));
  puts("refused");
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  Threads();
  Processes();
  Clocks();
  Files();
  Refused();
  return 0;
}
