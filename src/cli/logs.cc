// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt logs

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>

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
    TextFlag("app", "name of an app whose log is printed, may be given several times; otherwise all of the pod's"),
    FollowFlag(),
    TextFlag("since", "leave out what is older: a time (2006-01-02T15:04:05Z, 2006-01-02, seconds since 1970) or a "
                      "duration before now (10m)"),
    TextFlag("until", "leave out what is younger, likewise"),
    TextFlag("tail", "print that many lines of what there is, the last ones; \"all\" is all", "all"),
    BoolFlag("timestamps", "begin lines with their time"),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags};

constexpr int64_t kPollNs = 100'000'000;

struct Selection {
  std::vector<std::string> apps;  // empty: all that have a log
  int64_t since_ns = INT64_MIN;
  int64_t until_ns = INT64_MAX;
  std::optional<uint64_t> tail;
  bool timestamps = false;
  bool follow = false;
};

// Lines on their way out. With a tail they are held back until everything that there is has been read.
class LineOutput {
 public:
  explicit LineOutput(std::optional<uint64_t> tail) : tail_(tail) {}
  void Begin(std::string_view prefix) {
    if (tail_) {
      if (held_.size() > *tail_) held_.pop_front();
      held_.emplace_back();
    }
    Add(prefix);
  }
  void Add(std::string_view text) {
    (tail_ ? held_.back() : text_) += text;
    if (!tail_ && text_.size() >= kFlushAt) Flush();
  }
  void Flush() {
    if (!text_.empty()) Print(text_);
    text_.clear();
  }
  // From here on lines go out as they come.
  void Release() {
    if (!tail_) return;
    while (held_.size() > *tail_) held_.pop_front();
    tail_.reset();
    for (const std::string& line : held_) Add(line);
    held_.clear();
  }

 private:
  static constexpr size_t kFlushAt = 64 << 10;
  std::optional<uint64_t> tail_;
  std::deque<std::string> held_;
  std::string text_;
};

// The logs of a pod's apps, merged by time.
class LogMerger {
 public:
  LogMerger(const pod::Pod& pod, const Selection& selection, bool name_apps)
      : pod_(pod),
        selection_(selection),
        name_apps_(name_apps),
        terminal_(isatty(STDOUT_FILENO) == 1),
        output_(selection.tail) {}

  // Looks for logs that have come since the last time.
  Status OpenNew() {
    if (!directory_) {
      auto directory = OpenAt(pod_.fd(), pod::kLogsDir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      if (!directory) {
        if (directory.error().code() == Code::kNotFound) return {};
        return std::move(directory).error();
      }
      directory_ = *std::move(directory);
    }
    std::vector<std::string> names = selection_.apps;
    if (names.empty()) {
      for (DirEntry& entry : TRY(ListDirAt(directory_.get(), "."))) {
        // Names of apps have no dots; what has one is an older file.
        names.push_back(entry.name.substr(0, entry.name.find('.')));
      }
      std::sort(names.begin(), names.end());
      names.erase(std::unique(names.begin(), names.end()), names.end());
    }
    for (std::string& name : names) {
      bool known = std::any_of(logs_.begin(), logs_.end(), [&](const auto& log) { return log->reader.app() == name; });
      if (known || name.empty()) continue;
      logs_.push_back(std::make_unique<Log>(Log{AppLogReader(directory_.get(), std::move(name)), std::nullopt}));
      logs_.back()->reader.SkipBefore(selection_.since_ns);
    }
    return {};
  }

  // Prints everything that can be read now. With `last`, also what stands behind the files' last
  // newlines.
  Status PrintAvailable(bool last) {
    for (;;) {
      Log* next = nullptr;
      for (const auto& log : logs_) {
        if (!log->head) {
          log->head = TRY(log->reader.Next(last));
          if (log->reader.TakeLost()) {
            Notice("", StrCat("app ", Quote(log->reader.app()), ": output was thrown away before it could be read here"));
          }
        }
        if (log->head && (next == nullptr || log->head->time_ns < next->head->time_ns)) {
          next = log.get();
        }
      }
      if (next == nullptr) break;
      PrintEntry(*next);
      next->head.reset();
      if (OutputFailed()) return {};
    }
    if (last && open_line_ != nullptr) EndLine();
    output_.Release();
    output_.Flush();
    return {};
  }

 private:
  struct Log {
    AppLogReader reader;
    std::optional<LogEntry> head;
  };

  void PrintEntry(const Log& log) {
    const LogEntry& entry = *log.head;
    if (entry.time_ns < selection_.since_ns || entry.time_ns > selection_.until_ns) return;
    if (open_line_ != &log) {
      if (open_line_ != nullptr) EndLine();
      std::string prefix = selection_.timestamps ? FormatRfc3339(entry.time_ns) + ' ' : "";
      if (name_apps_) prefix += StrCat(TerminalSafe(log.reader.app()), ": ");
      output_.Begin(prefix);
      open_line_ = &log;
    }
    output_.Add(terminal_ ? TerminalSafeLines(entry.text) : entry.text);
    if (entry.ends_line) EndLine();
  }
  void EndLine() {
    output_.Add("\n");
    open_line_ = nullptr;
  }

  const pod::Pod& pod_;
  const Selection& selection_;
  bool name_apps_;
  bool terminal_;
  Fd directory_;
  std::vector<std::unique_ptr<Log>> logs_;
  LineOutput output_;
  const Log* open_line_ = nullptr;  // whose line has not ended yet
};

// How many apps the pod has had. An app that has written nothing has no log; one that the pod does not have, and
// has no log of, is a mistake.
Result<size_t> CheckApps(const pod::Pod& pod, const std::vector<std::string>& wanted) {
  pod::Summary summary = TRY(pod.ReadSummary());
  for (const std::string& app : wanted) {
    bool known = std::any_of(summary.apps.begin(), summary.apps.end(),
                             [&](const pod::AppSummary& a) { return a.name == app; });
    // One that has been taken out of the pod.
    bool has_log = app.find_first_of("./") == std::string::npos && ExistsAt(pod.fd(), pod::AppLog(app));
    if (!known && !has_log) return Err(Code::kNotFound, "no app ", Quote(app), " in pod ", Quote(pod.uuid()));
  }
  return summary.apps.size();
}

Status PrintLogs(pod::Pod& pod, const Selection& selection) {
  size_t count = TRY(CheckApps(pod, selection.apps));
  LogMerger merger(pod, selection, selection.apps.empty() ? count != 1 : selection.apps.size() > 1);
  for (;;) {
    // Asked before reading: what a pod that has ended wrote is all there by then.
    bool ended = !selection.follow || NowNs() > selection.until_ns;
    if (!ended) {
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

Result<int64_t> TimePoint(const Invocation& invocation, const char* flag, int64_t otherwise) {
  std::string_view text = invocation.Text(flag);
  if (text.empty() && !invocation.Given(flag)) return otherwise;
  auto time = ParseTimePoint(text, NowNs());
  if (!time) return Err(Code::kInvalid, "--", flag, ": ", Quote(text), " is neither a time nor a duration");
  return *time;
}

Result<Selection> ReadSelection(const Invocation& invocation) {
  Selection selection;
  for (std::string_view app : invocation.All("app")) {
    std::string name(app);
    if (name.empty()) return Err(Code::kInvalid, "--app: empty");
    if (std::find(selection.apps.begin(), selection.apps.end(), name) == selection.apps.end()) {
      selection.apps.push_back(std::move(name));
    }
  }
  selection.since_ns = TRY(TimePoint(invocation, "since", selection.since_ns));
  selection.until_ns = TRY(TimePoint(invocation, "until", selection.until_ns));
  std::string_view tail = invocation.Text("tail");
  if (tail != "all") {
    selection.tail = ParseUint(tail);
    if (!selection.tail) return Err(Code::kInvalid, "--tail: ", Quote(tail), " is no number of lines");
  }
  selection.timestamps = invocation.Bool("timestamps");
  selection.follow = invocation.Bool("follow");
  return selection;
}

int Run(Invocation& invocation) {
  if (invocation.words.size() != 1) return invocation.Usage();
  auto selection = ReadSelection(invocation);
  if (!selection) return Fail(selection.error());
  auto argument = ResolvePod(invocation, invocation.words[0]);
  if (!argument) return Fail("problem retrieving pod", std::move(argument).error());
  auto pods = pod::Pods::Open(argument->data_dir);
  if (!pods) return Fail("problem retrieving pod", std::move(pods).error());
  auto pod = pods->Get(argument->uuid);
  if (!pod) return Fail("problem retrieving pod", std::move(pod).error());
  Status printed = PrintLogs(*pod, *selection);
  return printed ? 0 : Fail(printed.error());
}

}  // namespace

constinit const CommandSpec kLogsCommand = {
    .name = "logs",
    .synopsis = "[-f] [--since=TIME] [--until=TIME] [--tail=N] [--timestamps] [--app=APPNAME ...] UUID",
    .summary = "Print what the apps of a pod have written",
    .description =
        R"(Prints the output of the pod's apps, running or exited. Where there are several
apps, their lines are merged by time and begin with the app's name. With -f, what
is written from then on is printed too, until the pod has ended.

On a terminal, escape sequences and control characters are shown and not obeyed;
anywhere else the output is what the apps have written.

Each app's output is kept in a bounded number of files of a bounded size, which
files of the kind "logs" in the configuration directories can set.)",
    .flags = kGroups,
    .run = Run,
    .completes = Completion::kPods,
};

}  // namespace rkt::cli
