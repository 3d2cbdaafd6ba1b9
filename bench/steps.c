// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Which instructions of a static program run, in the order in which they first do. For scripts/order-start.
//
//   steps OUTPUT PROGRAM [ARG...]
//
// PROGRAM and the processes that it clones are executed step by step, each until it executes another program, with
// standard output and error thrown away. OUTPUT gets a line for every address of the program's text that was executed:
// in hexadecimal, the earliest first. Slow: some 20,000 steps a second. x86-64 and aarch64, where programs that do not
// move in memory (ET_EXEC) are asked for.

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char* step) {
  fprintf(stderr, "steps: %s: %s\n", step, strerror(errno));
  exit(1);
}

static unsigned long begin, end;  // of the program's text

static void read_bounds(const char* program) {
  int fd = open(program, O_RDONLY | O_CLOEXEC);
  Elf64_Ehdr header;
  if (fd < 0 || pread(fd, &header, sizeof header, 0) != sizeof header) fail(program);
  if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_type != ET_EXEC) {
    fprintf(stderr, "steps: %s is no static program\n", program);
    exit(1);
  }
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr part;
    off_t at = (off_t)(header.e_phoff + (Elf64_Off)i * header.e_phentsize);
    if (pread(fd, &part, sizeof part, at) != sizeof part) fail(program);
    if (part.p_type != PT_LOAD || !(part.p_flags & PF_X)) continue;
    begin = part.p_vaddr;
    end = part.p_vaddr + part.p_memsz;
  }
  close(fd);
}

static unsigned long where(pid_t pid) {
  struct user_regs_struct registers;
  struct iovec all = {&registers, sizeof registers};
  if (ptrace(PTRACE_GETREGSET, pid, (void*)NT_PRSTATUS, &all) != 0) return 0;
#if defined(__x86_64__)
  return registers.rip;
#else
  return registers.pc;
#endif
}

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: steps OUTPUT PROGRAM [ARG...]\n");
    return 1;
  }
  read_bounds(argv[2]);
  unsigned char* seen = calloc(end - begin, 1);
  FILE* output = fopen(argv[1], "we");
  if (seen == NULL || output == NULL) fail(argv[1]);

  pid_t program = fork();
  if (program < 0) fail("fork");
  if (program == 0) {
    int null = open("/dev/null", O_WRONLY);
    dup2(null, 1);
    dup2(null, 2);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    execv(argv[2], argv + 2);
    _exit(127);
  }
  int status;
  if (waitpid(program, &status, 0) != program || !WIFSTOPPED(status)) fail(argv[2]);
  long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
  if (ptrace(PTRACE_SETOPTIONS, program, NULL, options) != 0) fail("ptrace");
  ptrace(PTRACE_SINGLESTEP, program, NULL, 0L);

  int result = 1;
  pid_t pid;
  while ((pid = waitpid(-1, &status, __WALL)) > 0) {
    if (!WIFSTOPPED(status)) {
      if (pid == program) result = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
      continue;
    }
    int event = status >> 16;
    long signal = WSTOPSIG(status);
    if (event == PTRACE_EVENT_EXEC && pid != program) {
      ptrace(PTRACE_DETACH, pid, NULL, 0L);
      continue;
    }
    if (signal == SIGTRAP && event == 0) {
      unsigned long address = where(pid);
      if (address >= begin && address < end && !seen[address - begin]) {
        seen[address - begin] = 1;
        fprintf(output, "%lx\n", address);
      }
    }
    // Signals of tracing are not the program's.
    if (signal == SIGTRAP || signal == SIGSTOP) signal = 0;
    ptrace(PTRACE_SINGLESTEP, pid, NULL, signal);
  }
  if (fclose(output) != 0) fail(argv[1]);
  return result;
}
