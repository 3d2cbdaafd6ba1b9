// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Times short commands against each other: all of them once in every round, so that what disturbs
// the machine disturbs all alike.
//
//   rounds ROUNDS AT_ONCE < COMMANDS
//
// A line of COMMANDS is a name, a tab and words with spaces between; "%n" in a word becomes a
// number that no other run has. AT_ONCE of a command are started together and timed from the first
// start to the last end. Prints a line for each: name, median and minimum in milliseconds, with
// tabs between; "failed" and what it said where a run does not exit with 0. One round before the
// counted ones warms the caches.

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

extern char** environ;

namespace {

struct Command {
  std::string name;
  std::vector<std::string> words;
  std::vector<double> times;
  std::string failure;
};

double Now() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

std::vector<Command> ReadCommands() {
  std::vector<Command> commands;
  char* line = nullptr;
  size_t capacity = 0;
  ssize_t length;
  while ((length = getline(&line, &capacity, stdin)) > 0) {
    std::string text(line, static_cast<size_t>(length - (line[length - 1] == '\n' ? 1 : 0)));
    size_t tab = text.find('\t');
    if (tab == std::string::npos) continue;
    Command command;
    command.name = text.substr(0, tab);
    for (size_t at = tab + 1; at < text.size();) {
      size_t end = std::min(text.find(' ', at), text.size());
      if (end > at) command.words.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    if (!command.words.empty()) commands.push_back(command);
  }
  free(line);
  return commands;
}

pid_t Start(const Command& command, const posix_spawn_file_actions_t* actions) {
  static int number = 0;
  number++;
  std::vector<std::string> words = command.words;
  std::vector<char*> argv;
  for (std::string& word : words) {
    for (size_t at; (at = word.find("%n")) != std::string::npos;)
      word.replace(at, 2, std::to_string(number));
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  pid_t pid = -1;
  int err = posix_spawnp(&pid, argv[0], actions, nullptr, argv.data(), environ);
  return err == 0 ? pid : -err;
}

// Milliseconds until the last has ended; negative where one failed.
double Run(Command& command, int at_once) {
  int said = memfd_create("stderr", MFD_CLOEXEC);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, said, 2);
  std::vector<pid_t> pids;
  bool failed = false;
  double start = Now();
  for (int i = 0; i < at_once; i++) {
    pid_t pid = Start(command, &actions);
    if (pid < 0) {
      command.failure = strerror(-pid);
      failed = true;
      break;
    }
    pids.push_back(pid);
  }
  for (pid_t pid : pids) {
    int status = 0;
    waitpid(pid, &status, 0);
    failed = failed || status != 0;
  }
  double time = Now() - start;
  posix_spawn_file_actions_destroy(&actions);
  if (failed && command.failure.empty()) {
    char text[300] = "";
    ssize_t n = pread(said, text, sizeof text - 1, 0);
    command.failure.assign(text, n > 0 ? static_cast<size_t>(n) : 0);
    std::replace(command.failure.begin(), command.failure.end(), '\n', ' ');
    if (command.failure.empty()) command.failure = "status is not 0";
  }
  close(said);
  return failed ? -1 : time;
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 20;
  int at_once = argc > 2 ? atoi(argv[2]) : 1;
  std::vector<Command> commands = ReadCommands();
  for (int round = 0; round <= rounds; round++) {
    for (Command& command : commands) {
      if (!command.failure.empty()) continue;
      double time = Run(command, at_once);
      if (time >= 0 && round > 0) command.times.push_back(time);
    }
  }
  for (Command& command : commands) {
    if (!command.failure.empty() || command.times.empty()) {
      printf("%s\tfailed\t%s\n", command.name.c_str(), command.failure.c_str());
      continue;
    }
    std::sort(command.times.begin(), command.times.end());
    printf("%s\t%.3f\t%.3f\n", command.name.c_str(), command.times[command.times.size() / 2],
           command.times.front());
  }
  return 0;
}
