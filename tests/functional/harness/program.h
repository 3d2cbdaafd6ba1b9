// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Programs that a test starts: to the end with everything captured, in the background, or on a
// terminal. The child has a session and an environment of its own (PATH, HOME and what the test
// gives), so that tests do not depend on who runs them.

#include <sys/types.h>

#include <string>
#include <vector>

namespace rkt::test {

struct Options {
  std::vector<std::string> env;  // NAME=VALUE, beside PATH and HOME
  std::string input;             // what it reads on stdin
  std::string directory;         // working directory
  double timeout = 60;           // seconds, then SIGKILL
  int uid = -1;                  // run as this user and group
};

struct Output {
  int code = -1;   // exit code, 128 + signal where it was killed
  int signal = 0;  // the signal that killed it
  bool timed_out = false;
  std::string out;
  std::string err;
  double seconds = 0;
  long max_rss_kb = 0;  // of the largest of its processes; RunProgram only
  // Everything, for messages of assertions.
  std::string All() const;
};

Output RunProgram(const std::vector<std::string>& argv, const Options& options = {});

// A program in the background. Its output goes to files, readable at any time. The destructor kills
// what still runs.
class Background {
 public:
  Background(const std::vector<std::string>& argv, const Options& options, std::string prefix);
  Background(const Background&) = delete;
  Background(Background&& other) noexcept;
  Background& operator=(Background&& other) noexcept;
  ~Background();

  pid_t pid() const { return pid_; }
  bool Running();
  std::string out() const;
  std::string err() const;
  // True as soon as stdout (or stderr) has the text; false when the time is over or the program
  // ended without it.
  bool WaitForText(const std::string& text, double seconds = 20);
  void Kill(int signal);
  // Waits for its end; kills it where the time is over (timed_out).
  Output Wait(double seconds = 60);

 private:
  bool Reap(bool block);
  pid_t pid_ = -1;
  std::string prefix_;
  int status_ = 0;
  bool ended_ = false;
};

// A program on a pseudo terminal of its own, its controlling one.
class Terminal {
 public:
  Terminal(const std::vector<std::string>& argv, const Options& options, int rows = 24,
           int columns = 80);
  Terminal(const Terminal&) = delete;
  ~Terminal();

  pid_t pid() const { return pid_; }
  void Type(const std::string& text);
  void Resize(int rows, int columns);
  // Reads until the screen has shown the text (since the last success) or the time is over.
  bool Expect(const std::string& text, double seconds = 20);
  // All that was shown so far.
  const std::string& screen() const { return screen_; }
  // Waits for the end; the exit code as in Output, -1 where the time is over (then it is killed).
  int Wait(double seconds = 20);

 private:
  bool ReadSome(double seconds);
  int master_ = -1;
  pid_t pid_ = -1;
  std::string screen_;
  size_t expected_ = 0;
};

double Now();  // seconds of the monotonic clock
void SleepFor(double seconds);

}  // namespace rkt::test
