// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/program.h"

#include <poll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

#include "base/file.h"
#include "base/strings.h"

namespace rkt::network {

namespace {

constexpr size_t kErrorLimit = 16 << 10;

int64_t MonotonicMs() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * int64_t{1000} + now.tv_nsec / 1000000;
}

// Reads what is there; false at the end.
bool ReadSome(int fd, std::string& text, size_t keep) {
  char buffer[16 << 10];
  ssize_t n = ::read(fd, buffer, sizeof buffer);
  if (n < 0) return errno == EINTR || errno == EAGAIN;
  if (text.size() < keep) text.append(buffer, std::min(static_cast<size_t>(n), keep - text.size()));
  return n > 0;
}

}  // namespace

Result<ProgramOutput> RunBounded(const ProgramRun& run) {
  Fd input(::memfd_create("input", MFD_CLOEXEC));
  if (!input) return SysErr("memfd_create");
  TRY(WriteAll(input.get(), run.input));
  ::lseek(input.get(), 0, SEEK_SET);
  auto [out_read, out_write] = TRY(MakePipe());
  auto [err_read, err_write] = TRY(MakePipe());
  SpawnOptions options;
  options.argv = run.argv;
  options.program = run.program;
  options.env = run.env;
  options.directory = "/";
  options.fds = {{input.get(), 0}, {out_write.get(), 1}, {err_write.get(), 2}};
  Child child = TRY(Child::Spawn(options));
  out_write.Close();
  err_write.Close();
  ProgramOutput output;
  int64_t deadline = MonotonicMs() + run.timeout_seconds * int64_t{1000};
  pollfd polled[2] = {{out_read.get(), POLLIN, 0}, {err_read.get(), POLLIN, 0}};
  // Both ends are waited for, but not those who were handed them and live on: the end of the
  // program is enough.
  while (polled[0].fd >= 0 || polled[1].fd >= 0) {
    pollfd all[4] = {polled[0], polled[1], {child.pidfd(), POLLIN, 0}, {run.interrupt, POLLIN, 0}};
    int64_t left = deadline - MonotonicMs();
    int ready = left <= 0 ? 0 : ::poll(all, 4, static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      (void)child.Kill(SIGKILL);
      return Err(Code::kBusy, run.program, " did not end within ", run.timeout_seconds, " seconds");
    }
    if (all[3].revents != 0) {
      (void)child.Kill(SIGKILL);
      return Err(Code::kBusy, run.program, " was interrupted");
    }
    bool read_any = false;
    for (int i = 0; i < 2; ++i) {
      if (all[i].fd < 0 || all[i].revents == 0) continue;
      read_any = true;
      if (!ReadSome(all[i].fd, i == 0 ? output.out : output.err,
                    i == 0 ? run.output_limit + 1 : kErrorLimit))
        polled[i].fd = -1;
    }
    if (output.out.size() > run.output_limit) {
      (void)child.Kill(SIGKILL);
      return Err(Code::kInvalid, run.program, " wrote more than ", run.output_limit, " bytes");
    }
    if (!read_any && all[2].revents != 0) break;
  }
  output.status = TRY(child.Wait());
  return output;
}

std::string FindHostProgram(const std::string& name) {
  const char* path = ::getenv("PATH");
  std::string directories =
      StrCat(path != nullptr ? path : "", ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin");
  for (const std::string& directory : Split(directories, ':')) {
    if (directory.empty() || directory[0] != '/') continue;
    std::string candidate = StrCat(directory, "/", name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

}  // namespace rkt::network
