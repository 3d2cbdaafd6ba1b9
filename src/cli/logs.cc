// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt logs

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/duration.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/app_log.h"
#include "cli/commands.h"
#include "cli/pod_argument.h"
#include "pod/paths.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec FollowFlag() {
  FlagSpec flag = BoolFlag("follow", "go on until the pod has ended");
  flag.letter = 'f';
  return flag;
}
constexpr FlagSpec kOwnFlags[] = {
    TextFlag("app", "name of the app whose log is printed; otherwise all of the pod's"),
    FollowFlag(),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags};

constexpr int64_t kPollNs = 100'000'000;

// The logs of a pod's apps, merged by time.
class LogMerger {
 public:
  LogMerger(const pod::Pod& pod, std::string app)
      : pod_(pod), only_(std::move(app)), terminal_(isatty(STDOUT_FILENO) == 1) {}

  // Opens the logs that are there and not open yet.
  Status OpenNew() {
    std::vector<std::string> names;
    if (!only_.empty()) {
      names.push_back(only_);
    } else {
      auto entries = ListDirAt(pod_.fd(), pod::kLogsDir);
      if (!entries) {
        if (entries.error().code() == Code::kNotFound) return {};
        return std::move(entries).error();
      }
      for (DirEntry& entry : *entries) names.push_back(std::move(entry.name));
      std::sort(names.begin(), names.end());
    }
    for (std::string& name : names) TRY(OpenLog(name));
    return {};
  }

  // Prints everything that can be read now. With `last`, also what stands behind the files' last
  // newlines.
  Status PrintAvailable(bool last) {
    for (;;) {
      Log* next = nullptr;
      for (const auto& log : logs_) {
        if (!log->head) log->head = TRY(log->reader.Next(last));
        if (log->head && (next == nullptr || log->head->time_ns < next->head->time_ns)) {
          next = log.get();
        }
      }
      if (next == nullptr) break;
      PrintEntry(*next);
      next->head.reset();
      if (output_.size() >= kFlushAt) Flush();
    }
    if (last && open_line_ != nullptr) EndLine();
    Flush();
    return {};
  }

 private:
  struct Log {
    std::string app;
    LogReader reader;
    std::optional<LogEntry> head;
  };
  static constexpr size_t kFlushAt = 64 << 10;

  Status OpenLog(const std::string& name) {
    for (const auto& log : logs_) {
      if (log->app == name) return {};
    }
    auto file = OpenAt(pod_.fd(), pod::AppLog(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!file) {
      if (file.error().code() == Code::kNotFound) return {};
      return std::move(file).error();
    }
    struct stat st;
    if (fstat(file->get(), &st) != 0) return SysErr("stat ", name);
    if (!S_ISREG(st.st_mode)) return {};
    logs_.push_back(std::make_unique<Log>(Log{name, LogReader(*std::move(file)), std::nullopt}));
    return {};
  }

  void PrintEntry(const Log& log) {
    if (open_line_ != &log) {
      if (open_line_ != nullptr) EndLine();
      if (logs_.size() > 1) output_ += StrCat(TerminalSafe(log.app), ": ");
      open_line_ = &log;
    }
    output_ += terminal_ ? TerminalSafeLines(log.head->text) : log.head->text;
    if (log.head->ends_line) EndLine();
  }
  void EndLine() {
    output_ += '\n';
    open_line_ = nullptr;
  }
  void Flush() {
    if (!output_.empty()) Print(output_);
    output_.clear();
  }

  const pod::Pod& pod_;
  std::string only_;
  bool terminal_;
  std::vector<std::unique_ptr<Log>> logs_;
  std::string output_;
  const Log* open_line_ = nullptr;  // whose line has not ended yet
};

// An app that has written nothing has no log; one that the pod does not have is a mistake.
Status CheckApp(const pod::Pod& pod, const std::string& app) {
  if (app.empty()) return {};
  if (app.find('/') == std::string::npos && ExistsAt(pod.fd(), pod::AppLog(app))) return {};
  pod::Summary summary = TRY(pod.ReadSummary());
  for (const pod::AppSummary& known : summary.apps) {
    if (known.name == app) return {};
  }
  return Err(Code::kNotFound, "no app ", Quote(app), " in pod ", Quote(pod.uuid()));
}

Status PrintLogs(pod::Pod& pod, const std::string& app, bool follow) {
  TRY(CheckApp(pod, app));
  LogMerger merger(pod, app);
  for (;;) {
    // Asked before reading: what a pod that has ended wrote is all there by then.
    bool ended = !follow;
    if (follow) {
      Status refreshed = pod.Refresh();
      ended = !refreshed || pod.state() != pod::State::kRunning;
    }
    TRY(merger.OpenNew());
    TRY(merger.PrintAvailable(ended));
    if (ended || OutputFailed()) return {};
    timespec pause = {0, kPollNs};
    nanosleep(&pause, nullptr);
  }
}

int Run(Invocation& invocation) {
  if (invocation.words.size() != 1) return invocation.Usage();
  auto argument = ResolvePod(invocation, invocation.words[0]);
  if (!argument) return Fail("problem retrieving pod", std::move(argument).error());
  auto pods = pod::Pods::Open(argument->data_dir);
  if (!pods) return Fail("problem retrieving pod", std::move(pods).error());
  auto pod = pods->Get(argument->uuid);
  if (!pod) return Fail("problem retrieving pod", std::move(pod).error());
  Status printed = PrintLogs(*pod, std::string(invocation.Text("app")), invocation.Bool("follow"));
  return printed ? 0 : Fail(printed.error());
}

}  // namespace

constinit const CommandSpec kLogsCommand = {
    .name = "logs",
    .synopsis = "[-f] [--app=APPNAME] UUID",
    .summary = "Print what the apps of a pod have written",
    .description =
        R"(Prints the output of the pod's apps, running or exited. Where there are several
apps, their lines are merged by time and begin with the app's name. With -f, what
is written from then on is printed too, until the pod has ended.)",
    .flags = kGroups,
    .run = Run,
    .completes = Completion::kPods,
};

}  // namespace rkt::cli
