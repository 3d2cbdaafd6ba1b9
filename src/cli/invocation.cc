// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/invocation.h"

#include <unistd.h>

#include <cstdlib>

#include "base/duration.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/app_args.h"
#include "cli/flags.h"
#include "cli/help.h"

namespace rkt::cli {

namespace {
// The first failure to write to standard output; constant-initialized.
int output_errno = 0;
}  // namespace

Invocation::Invocation() = default;
Invocation::~Invocation() = default;

std::string Invocation::CommandPath() const {
  std::string text;
  for (const CommandSpec* command : path) {
    if (!text.empty()) text += ' ';
    text += command->name;
  }
  return text;
}

const FlagSpec* Invocation::FindFlag(std::string_view name) const {
  for (const FlagGroup* group : command().flags) {
    for (const FlagSpec& flag : *group) {
      if (flag.name == name) return &flag;
    }
  }
  for (const FlagSpec& flag : GlobalFlags()) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

const FlagSpec* Invocation::FindLetter(char letter) const {
  for (const FlagGroup* group : command().flags) {
    for (const FlagSpec& flag : *group) {
      if (flag.letter == letter && !flag.bare.empty()) return &flag;
    }
  }
  return nullptr;
}

std::string_view Invocation::Text(std::string_view name) const {
  for (size_t i = values_.size(); i > 0; --i) {
    if (values_[i - 1].flag->name == name) return values_[i - 1].text;
  }
  const FlagSpec* flag = FindFlag(name);
  return flag == nullptr ? std::string_view() : flag->initial;
}

bool Invocation::Bool(std::string_view name) const { return ParseBool(Text(name)).value_or(false); }

int64_t Invocation::Duration(std::string_view name) const {
  return ParseDuration(Text(name)).value_or(0);
}

bool Invocation::Given(std::string_view name) const {
  for (const Value& value : values_) {
    if (value.flag->name == name) return true;
  }
  return false;
}

std::vector<std::string_view> Invocation::All(std::string_view name) const {
  std::vector<std::string_view> all;
  for (const Value& value : values_) {
    if (value.flag->name == name) all.push_back(value.text);
  }
  return all;
}

PodArguments& Invocation::pod() {
  if (!pod_) pod_ = std::make_unique<PodArguments>();
  return *pod_;
}

int Invocation::Usage() const {
  Print(HelpText(path));
  return kFailed;
}

int Fail(const Error& error) {
  if (error.message().empty() && !Debug()) {
    Notice("", error.Innermost().message());
  } else {
    PrintError("", error);
  }
  return kFailed;
}

Error ByCause(Error error) { return std::move(error).Wrap(""); }

int Fail(std::string_view message, Error error) {
  return Fail(std::move(error).Wrap(std::string(message)));
}

int Refuse(std::string_view message) {
  Notice("", message);
  return kFailed;
}

void Print(std::string_view text) {
  if (output_errno != 0) return;
  Status written = WriteAll(STDOUT_FILENO, text);
  if (!written) output_errno = written.error().err() != 0 ? written.error().err() : EIO;
}

void PrintLine(std::string_view text) { Print(StrCat(text, "\n")); }

bool OutputFailed() { return output_errno != 0; }

int FinishOutput() {
  if (output_errno == 0) return 0;
  return Fail(ErrnoError(output_errno, "writing to standard output"));
}

}  // namespace rkt::cli
