// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "functional/harness/program.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <utility>

#include "functional/harness/files.h"

namespace rkt::test {
namespace {

struct Pipe {
  int read = -1;
  int write = -1;
  Pipe() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) == 0) read = fds[0], write = fds[1];
  }
  ~Pipe() { CloseRead(), CloseWrite(); }
  void CloseRead() { Close(read); }
  void CloseWrite() { Close(write); }
  static void Close(int& fd) {
    if (fd >= 0) close(fd);
    fd = -1;
  }
};

// In the forked child: takes the descriptors as 0, 1, 2 and becomes the program.
[[noreturn]] void Exec(const std::vector<std::string>& argv, const Options& options, int in,
                       int out, int err, bool terminal) {
  setsid();
  if (terminal) ioctl(in, TIOCSCTTY, 0);
  dup2(in, 0);
  dup2(out, 1);
  dup2(err, 2);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  if (!options.directory.empty() && chdir(options.directory.c_str()) < 0) _exit(126);
  if (options.uid >= 0) {
    unsigned id = static_cast<unsigned>(options.uid);
    if (setgroups(0, nullptr) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0)
      _exit(126);
  }
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  static char home[] = "HOME=/root";
  std::vector<char*> env;
  for (const std::string& entry : options.env) env.push_back(const_cast<char*>(entry.c_str()));
  // The first of a name counts.
  env.push_back(path);
  env.push_back(home);
  env.push_back(nullptr);
  execvpe(words[0], words.data(), env.data());
  dprintf(2, "harness: %s: %s\n", words[0], strerror(errno));
  _exit(127);
}

int CodeOf(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace

double Now() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void SleepFor(double seconds) {
  struct timespec left = {
      static_cast<time_t>(seconds),
      static_cast<long>((seconds - static_cast<double>(static_cast<time_t>(seconds))) * 1e9)};
  while (nanosleep(&left, &left) < 0 && errno == EINTR) {
  }
}

std::string Output::All() const {
  return "code " + std::to_string(code) + (timed_out ? " (timed out)" : "") + "\n--- stdout\n" +
         out + "--- stderr\n" + err + "---";
}

Output RunProgram(const std::vector<std::string>& argv, const Options& options) {
  Output result;
  Pipe in, out, err;
  double start = Now();
  pid_t pid = fork();
  if (pid == 0) Exec(argv, options, in.read, out.write, err.write, false);
  in.CloseRead();
  out.CloseWrite();
  err.CloseWrite();
  fcntl(in.write, F_SETFL, O_NONBLOCK);
  if (options.input.empty()) in.CloseWrite();
  size_t written = 0;
  bool ended = false;
  int status = 0;
  struct rusage usage = {};
  double idle_since = 0;
  while (out.read >= 0 || err.read >= 0 || !ended) {
    struct pollfd fds[3] = {{out.read, POLLIN, 0}, {err.read, POLLIN, 0}, {in.write, POLLOUT, 0}};
    // The end of the process is looked for every few milliseconds: something it left behind may
    // hold the pipes open.
    int ready = poll(fds, 3, out.read < 0 && err.read < 0 ? 1 : 5);
    char buffer[65536];
    Pipe* pipes[] = {&out, &err};
    for (int i = 0; ready > 0 && i < 2; i++) {
      if (!fds[i].revents) continue;
      ssize_t n = read(pipes[i]->read, buffer, sizeof buffer);
      if (n > 0) {
        (i == 0 ? result.out : result.err).append(buffer, static_cast<size_t>(n));
      } else {
        pipes[i]->CloseRead();
      }
      idle_since = 0;
    }
    if (ready > 0 && fds[2].revents) {
      ssize_t n = write(in.write, options.input.data() + written, options.input.size() - written);
      if (n > 0) written += static_cast<size_t>(n);
      if ((n < 0 && errno != EAGAIN) || written == options.input.size()) in.CloseWrite();
    }
    if (!ended && wait4(pid, &status, WNOHANG, &usage) == pid) ended = true;
    if (!ended && Now() - start > options.timeout) {
      result.timed_out = true;
      kill(pid, SIGKILL);
      wait4(pid, &status, 0, &usage);
      ended = true;
    }
    if (ended && ready <= 0) {
      if (idle_since == 0) idle_since = Now();
      if (Now() - idle_since > 0.3) break;
    }
  }
  result.seconds = Now() - start;
  result.max_rss_kb = usage.ru_maxrss;
  result.code = CodeOf(status);
  result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  return result;
}

Background::Background(const std::vector<std::string>& argv, const Options& options,
                       std::string prefix)
    : prefix_(std::move(prefix)) {
  WriteFile(prefix_ + ".in", options.input);
  int in = open((prefix_ + ".in").c_str(), O_RDONLY | O_CLOEXEC);
  int out =
      open((prefix_ + ".out").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
  int err =
      open((prefix_ + ".err").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
  pid_ = fork();
  if (pid_ == 0) Exec(argv, options, in, out, err, false);
  close(in);
  close(out);
  close(err);
}

Background::Background(Background&& other) noexcept { *this = std::move(other); }
Background& Background::operator=(Background&& other) noexcept {
  if (this != &other) {
    pid_ = std::exchange(other.pid_, -1);
    prefix_ = std::move(other.prefix_);
    status_ = other.status_;
    ended_ = std::exchange(other.ended_, true);
  }
  return *this;
}

Background::~Background() {
  if (pid_ > 0 && !ended_) {
    kill(pid_, SIGKILL);
    Reap(true);
  }
}

bool Background::Reap(bool block) {
  if (!ended_ && waitpid(pid_, &status_, block ? 0 : WNOHANG) != 0) ended_ = true;
  return ended_;
}

bool Background::Running() { return !Reap(false); }
std::string Background::out() const { return ReadFile(prefix_ + ".out"); }
std::string Background::err() const { return ReadFile(prefix_ + ".err"); }

bool Background::WaitForText(const std::string& text, double seconds) {
  for (double end = Now() + seconds;;) {
    bool ended = Reap(false);
    if (out().find(text) != std::string::npos || err().find(text) != std::string::npos) return true;
    if (ended || Now() > end) return false;
    SleepFor(0.005);
  }
}

void Background::Kill(int signal) {
  if (!ended_) kill(pid_, signal);
}

Output Background::Wait(double seconds) {
  Output result;
  double start = Now();
  while (!Reap(false)) {
    if (Now() - start > seconds) {
      result.timed_out = true;
      kill(pid_, SIGKILL);
      Reap(true);
      break;
    }
    SleepFor(0.002);
  }
  result.seconds = Now() - start;
  result.code = CodeOf(status_);
  result.signal = WIFSIGNALED(status_) ? WTERMSIG(status_) : 0;
  result.out = out();
  result.err = err();
  return result;
}

Terminal::Terminal(const std::vector<std::string>& argv, const Options& options, int rows,
                   int columns) {
  master_ = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  grantpt(master_);
  unlockpt(master_);
  char name[128] = "";
  ptsname_r(master_, name, sizeof name);
  Resize(rows, columns);
  int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  pid_ = fork();
  if (pid_ == 0) Exec(argv, options, slave, slave, slave, true);
  close(slave);
}

Terminal::~Terminal() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(master_);
}

void Terminal::Type(const std::string& text) { (void)!write(master_, text.data(), text.size()); }

void Terminal::Resize(int rows, int columns) {
  struct winsize size = {static_cast<unsigned short>(rows), static_cast<unsigned short>(columns), 0,
                         0};
  ioctl(master_, TIOCSWINSZ, &size);
}

bool Terminal::ReadSome(double seconds) {
  struct pollfd fd = {master_, POLLIN, 0};
  if (poll(&fd, 1, static_cast<int>(seconds * 1000)) <= 0) return false;
  char buffer[4096];
  ssize_t n = read(master_, buffer, sizeof buffer);
  if (n <= 0) return false;
  screen_.append(buffer, static_cast<size_t>(n));
  return true;
}

bool Terminal::Expect(const std::string& text, double seconds) {
  for (double end = Now() + seconds;;) {
    size_t at = screen_.find(text, expected_);
    if (at != std::string::npos) {
      expected_ = at + text.size();
      return true;
    }
    if (Now() > end) return false;
    if (!ReadSome(0.05)) SleepFor(0.005);
  }
}

int Terminal::Wait(double seconds) {
  int status = 0;
  for (double end = Now() + seconds; Now() < end;) {
    while (ReadSome(0.01)) {
    }
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      while (ReadSome(0.05)) {
      }
      pid_ = -1;
      return CodeOf(status);
    }
    SleepFor(0.005);
  }
  kill(pid_, SIGKILL);
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return -1;
}

}  // namespace rkt::test
