// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/dispatch.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/flags.h"
#include "cli/help.h"
#include "cli/invocation.h"

namespace rkt::cli {

namespace {

constexpr size_t kNone = static_cast<size_t>(-1);

// Whether `--name` without "=" is followed by its value, as far as the command found so far knows
// its flags. What is unknown is taken to have one, as the original did.
bool TakesNextWord(const CommandSpec& command, std::string_view name) {
  if (name == "help") return false;
  for (const FlagGroup* group : command.flags) {
    for (const FlagSpec& flag : *group) {
      if (flag.name == name) return flag.bare.empty();
    }
  }
  for (const FlagSpec& flag : GlobalFlags()) {
    if (flag.name == name) return flag.bare.empty();
  }
  return true;
}

// The place of the first word that is no flag and no flag's value.
size_t FirstWord(const CommandSpec& command, std::span<const std::string_view> arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view word = arguments[i];
    if (word.empty()) continue;
    if (word[0] != '-') return i;
    if (word == "--") return kNone;
    if (word.starts_with("--") && word.find('=') == std::string_view::npos &&
        TakesNextWord(command, word.substr(2))) {
      ++i;
    }
  }
  return kNone;
}

const CommandSpec* FindChild(const CommandSpec& command, std::string_view word) {
  const CommandSpec* match = nullptr;
  size_t matches = 0;
  for (const CommandSpec* child : command.children) {
    if (child->name == word) return child;
    if (child->name.starts_with(word)) {
      match = child;
      ++matches;
    }
  }
  return matches == 1 ? match : nullptr;
}

// Levenshtein's distance, letters of either case being equal.
size_t Distance(std::string_view a, std::string_view b) {
  std::string from = ToLower(a);
  std::string to = ToLower(b);
  std::vector<size_t> row(to.size() + 1);
  for (size_t j = 0; j <= to.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= from.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= to.size(); ++j) {
      size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (from[i - 1] == to[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[to.size()];
}

// What other engines, and others' habits, call what a command here does.
struct Synonym {
  std::string_view word, command;
};
constexpr Synonym kSynonyms[] = {
    {"build", "image build"},  {"create", "prepare"},      {"exec", "enter"},        {"fly", "run --stage1-name=coreos.com/rkt/stage1-fly"},
    {"images", "image list"},  {"info", "config"},         {"inspect", "status"},    {"kill", "stop --force"},
    {"load", "fetch"},         {"ls", "list"},             {"networks", "network list"}, {"pod", "list"},
    {"prune", "gc"},           {"ps", "list"},             {"pull", "fetch"},        {"rmi", "image rm"},
    {"save", "image export"},  {"sign", "image sign"},     {"start", "run-prepared"}, {"wait", "status --wait"},
};

void PrintRaw(std::string_view text) { (void)WriteAll(STDERR_FILENO, text); }

int UnknownCommand(std::string_view word) {
  std::string text = StrCat("Error: unknown command ", Quote(word), " for \"rkt\"");
  std::vector<std::string_view> suggestions = Suggestions(word);
  if (!suggestions.empty()) {
    text += "\n\nDid you mean this?\n";
    for (std::string_view suggestion : suggestions) text += StrCat("\t", suggestion, "\n");
  }
  PrintRaw(StrCat(text, "\nRun 'rkt --help' for usage.\n"));
  return kFailed;
}

// What --cpuprofile and --memprofile write. The files are made before the command starts, so that a
// path that cannot be written is known at once.
class Profile {
 public:
  Status Start(const Globals& globals) {
    TRY(Create(globals.cpu_profile, "cpu", cpu_));
    return Create(globals.memory_profile, "memory", memory_);
  }
  void Finish() {
    rusage usage;
    if ((!cpu_ && !memory_) || getrusage(RUSAGE_SELF, &usage) != 0) return;
    auto micros = [](const timeval& t) { return t.tv_sec * 1000000 + t.tv_usec; };
    if (cpu_) {
      (void)WriteAll(cpu_.get(), StrCat("user_microseconds ", micros(usage.ru_utime),
                                        "\nsystem_microseconds ", micros(usage.ru_stime), "\n"));
    }
    if (memory_) {
      (void)WriteAll(memory_.get(), StrCat("max_resident_kibibytes ", usage.ru_maxrss,
                                           "\nminor_faults ", usage.ru_minflt, "\n"));
    }
  }

 private:
  static Status Create(const std::string& file, const char* kind, Fd& fd) {
    if (file.empty()) return {};
    fd = TRY_CTX(Open(file, O_CREAT | O_TRUNC | O_WRONLY, 0666), "cannot create ", kind,
                 " profile file ", Quote(file));
    return {};
  }
  Fd cpu_, memory_;
};

int RunCommand(Invocation& invocation) {
  const CommandSpec& command = invocation.command();
  if (command.needs_root && geteuid() != 0) return Refuse("cannot run as unprivileged user");
  Profile profile;
  if (Status started = profile.Start(invocation.globals); !started) {
    return Fail("cannot setup profiling", std::move(started).error());
  }
  int status = command.run(invocation);
  profile.Finish();
  return status;
}

int FlagError(const Invocation& invocation, const Error& error) {
  PrintRaw(StrCat("Error: ", error.message(), "\n\n"));
  return invocation.Usage();
}

}  // namespace

Found FindCommand(std::span<const std::string_view> arguments) {
  Found found;
  found.path.push_back(&kRootCommand);
  found.arguments.assign(arguments.begin(), arguments.end());
  for (;;) {
    const CommandSpec& command = *found.path.back();
    if (command.children.empty()) return found;
    size_t at = FirstWord(command, found.arguments);
    if (at == kNone) return found;
    const CommandSpec* child = FindChild(command, found.arguments[at]);
    if (child == nullptr) {
      found.unknown_word = found.arguments[at];
      return found;
    }
    found.arguments.erase(found.arguments.begin() + static_cast<ptrdiff_t>(at));
    found.path.push_back(child);
  }
}

std::vector<std::string_view> Suggestions(std::string_view word) {
  constexpr size_t kMaxDistance = 2;
  for (const Synonym& synonym : kSynonyms) {
    if (synonym.word == word) return {synonym.command};
  }
  std::vector<std::string_view> names;
  for (const CommandSpec* child : kRootCommand.children) {
    if (child->hidden) continue;
    if (Distance(word, child->name) <= kMaxDistance || child->name.starts_with(ToLower(word))) {
      names.push_back(child->name);
    }
  }
  return names;
}

int Dispatch(std::span<const std::string_view> arguments, const stage0::LinkedStage1* linked) {
  Found found = FindCommand(arguments);
  if (found.path.size() == 1 && !found.unknown_word.empty()) {
    return UnknownCommand(found.unknown_word);
  }
  Invocation invocation;
  invocation.path = std::move(found.path);
  invocation.linked_stage1 = linked;
  const CommandSpec& command = invocation.command();
  SetLogName(command.name);
  if (command.missing) {
    for (std::string_view word : found.arguments) {
      if (word == "--help" || word == "-h") {
        (void)invocation.Usage();
        return FinishOutput();
      }
    }
    return Refuse(
        StrCat("the command \"", invocation.CommandPath(), "\" is not available in this version"));
  }
  auto parsed = ParseFlags(invocation, found.arguments);
  if (!parsed) return FlagError(invocation, parsed.error());
  int status = 0;
  if (parsed->help || command.run == nullptr) {
    (void)invocation.Usage();
  } else {
    invocation.words = std::move(parsed->words);
    status = RunCommand(invocation);
  }
  int lost = FinishOutput();
  return status != 0 ? status : lost;
}

}  // namespace rkt::cli
