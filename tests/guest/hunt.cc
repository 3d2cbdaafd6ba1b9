// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "guest/hunt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "guest/judge.h"

namespace judge {

namespace {

double Seconds() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace

int Hunt(double seconds, bool by_call) {
  Print("hunt: ready\n");
  int next = getpid() + 1, seen = 0, opened = 0;
  for (double end = Seconds() + seconds; Seconds() < end;) {
    for (int round = 0; round < 200; ++round) {
      for (int pid = next; pid < next + 4; ++pid) {
        char path[64], program[128] = "";
        snprintf(path, sizeof path, "/proc/%d/mem", pid);
        int memory = open(path, O_RDWR | O_CLOEXEC);
        if (memory < 0 && errno == ENOENT) {
          if (pid == seen) next = pid + 1;
          continue;
        }
        seen = pid;
        // Where the file does not open, the calls that need none may work.
        char byte;
        struct iovec here = {&byte, 1}, there = {reinterpret_cast<void*>(0x400000), 1};
        if (memory < 0 && !(by_call && (process_vm_readv(pid, &here, 1, &there, 1, 0) == 1 || errno == EFAULT))) continue;
        ++opened;
        if (memory >= 0) close(memory);
        snprintf(path, sizeof path, "/proc/%d/exe", pid);
        if (readlink(path, program, sizeof program - 1) < 0 || strcmp(program, "/judge") == 0) continue;
        Print(std::string("hunt: caught ") + program + "\n");
        return 1;
      }
    }
  }
  Print("hunt: over, " + std::to_string(opened) + " opened\n");
  return 0;
}

}  // namespace judge
