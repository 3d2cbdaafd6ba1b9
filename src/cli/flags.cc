// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/flags.h"

#include <unistd.h>

#include "base/duration.h"
#include "base/file.h"

namespace rkt::cli {

namespace {

constexpr std::string_view kTrueWords[] = {"1", "t", "T", "TRUE", "true", "True"};
constexpr std::string_view kFalseWords[] = {"0", "f", "F", "FALSE", "false", "False"};

Status CheckValue(const FlagSpec& flag, std::string_view value) {
  switch (flag.type) {
    case FlagType::kBool:
      if (!ParseBool(value)) {
        return Err(Code::kInvalid, "strconv.ParseBool: parsing ", Quote(value), ": invalid syntax, want true or false");
      }
      break;
    case FlagType::kDuration:
      if (!ParseDuration(value)) {
        return Err(Code::kInvalid, "time: invalid duration ", Quote(value), ", want numbers with units, such as 30m or 24h");
      }
      break;
    case FlagType::kText:
    case FlagType::kValue:
      break;
  }
  return {};
}

Status Take(Invocation& invocation, const FlagSpec& flag, std::string_view value,
            std::string_view word) {
  Status status = CheckValue(flag, value);
  if (status && flag.set != nullptr) status = flag.set(invocation, flag, value);
  if (!status) {
    return Err(Code::kInvalid, "invalid argument ", Quote(value), " for ", word, ": ",
               status.error().Text());
  }
  invocation.Add(flag, value);
  if (!flag.deprecated.empty()) {
    (void)WriteAll(STDERR_FILENO,
                   StrCat("Flag --", flag.name, " has been deprecated, ", flag.deprecated, "\n"));
  }
  return {};
}

// A word that begins with "--" and is longer; `rest` is what stands behind it.
Status TakeLong(Invocation& invocation, std::string_view word,
                std::span<const std::string_view>& rest, bool& help) {
  std::string_view name = word.substr(2);
  if (name[0] == '-' || name[0] == '=') return Err(Code::kInvalid, "bad flag syntax: ", word);
  size_t equals = name.find('=');
  std::optional<std::string_view> value;
  if (equals != std::string_view::npos) {
    value = name.substr(equals + 1);
    name = name.substr(0, equals);
  }
  if (name == "help") {
    auto wanted = ParseBool(value.value_or("true"));
    if (!wanted) {
      return Err(Code::kInvalid, "invalid argument ", Quote(*value), " for ", word,
                 ": strconv.ParseBool: parsing ", Quote(*value), ": invalid syntax, want true or false");
    }
    help = *wanted;
    return {};
  }
  const FlagSpec* flag = invocation.FindFlag(name);
  if (flag == nullptr) return Err(Code::kInvalid, "unknown flag: --", name);
  if (!value) {
    if (!flag->bare.empty()) {
      value = flag->bare;
    } else if (!rest.empty()) {
      value = rest.front();
      rest = rest.subspan(1);
    } else {
      return Err(Code::kInvalid, "flag needs an argument: ", word);
    }
  }
  return Take(invocation, *flag, *value, word);
}

// A word of "-" and letters: h for help, and the letters of flags that need no value.
Status TakeShort(Invocation& invocation, std::string_view word, bool& help) {
  std::string_view letters = word.substr(1);
  for (size_t i = 0; i < letters.size(); ++i) {
    if (letters[i] == 'h') {
      help = true;
      continue;
    }
    const FlagSpec* flag = invocation.FindLetter(letters[i]);
    if (flag == nullptr) {
      return Err(Code::kInvalid, "unknown shorthand flag: '", TerminalSafe(letters.substr(i, 1)),
                 "' in -", letters.substr(i));
    }
    TRY(Take(invocation, *flag, flag->bare, word));
  }
  return {};
}

}  // namespace

std::optional<bool> ParseBool(std::string_view text) {
  for (std::string_view word : kTrueWords) {
    if (text == word) return true;
  }
  for (std::string_view word : kFalseWords) {
    if (text == word) return false;
  }
  return std::nullopt;
}

Result<ParsedWords> ParseFlags(Invocation& invocation,
                               std::span<const std::string_view> arguments) {
  ParsedWords parsed;
  auto take_all = [&] {
    parsed.words.insert(parsed.words.end(), arguments.begin(), arguments.end());
  };
  while (!arguments.empty()) {
    std::string_view word = arguments.front();
    if (word.size() < 2 || word[0] != '-') {
      if (invocation.command().first_word_ends_flags) {
        take_all();
        return parsed;
      }
      parsed.words.push_back(word);
      arguments = arguments.subspan(1);
      continue;
    }
    arguments = arguments.subspan(1);
    if (word == "--") {
      take_all();
      return parsed;
    }
    if (word[1] == '-') {
      TRY(TakeLong(invocation, word, arguments, parsed.help));
    } else {
      TRY(TakeShort(invocation, word, parsed.help));
    }
  }
  return parsed;
}

}  // namespace rkt::cli
