// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/help.h"

#include <algorithm>

#include "base/strings.h"
#include "base/table.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec HelpFlag() {
  FlagSpec flag = BoolFlag("help", "show this help");
  flag.letter = 'h';
  return flag;
}
constexpr FlagSpec kHelpFlag = HelpFlag();

void AddVisible(std::vector<const FlagSpec*>& list, FlagGroup flags) {
  for (const FlagSpec& flag : flags) {
    if (!flag.hidden && flag.deprecated.empty()) list.push_back(&flag);
  }
}

void Sort(std::vector<const FlagSpec*>& flags) {
  std::sort(flags.begin(), flags.end(),
            [](const FlagSpec* a, const FlagSpec* b) { return a->name < b->name; });
}

void AppendFlags(std::string& text, const std::vector<const FlagSpec*>& flags) {
  for (const FlagSpec* flag : flags) {
    text += flag->letter == 0 ? std::string("      ") : StrCat("  -", flag->letter, ", ");
    text += StrCat(FlagUsage(*flag), "\t", flag->help, "\n");
  }
}

void Collect(const CommandSpec& command, const std::string& prefix,
             std::vector<ListedCommand>& list) {
  for (const CommandSpec* child : command.children) {
    if (child->hidden) continue;
    std::string name = StrCat(prefix, child->name);
    if (child->run != nullptr || child->missing) list.push_back({name, child});
    Collect(*child, name + " ", list);
  }
}

}  // namespace

std::vector<ListedCommand> VisibleCommands(const CommandSpec& command) {
  std::vector<ListedCommand> list;
  Collect(command, "", list);
  return list;
}

std::vector<const FlagSpec*> VisibleFlags(const CommandSpec& command) {
  std::vector<const FlagSpec*> flags = {&kHelpFlag};
  for (const FlagGroup* group : command.flags) AddVisible(flags, *group);
  if (&command == &kRootCommand) AddVisible(flags, GlobalFlags());
  Sort(flags);
  return flags;
}

std::vector<const FlagSpec*> VisibleGlobalFlags() {
  std::vector<const FlagSpec*> flags;
  AddVisible(flags, GlobalFlags());
  Sort(flags);
  return flags;
}

std::string FlagUsage(const FlagSpec& flag) {
  std::string value =
      flag.type == FlagType::kText ? Quote(flag.initial) : std::string(flag.initial);
  if (!flag.bare.empty()) return StrCat("--", flag.name, "[=", value, "]");
  return StrCat("--", flag.name, "=", value);
}

std::string Summary(const CommandSpec& command) {
  return StrCat(command.summary, command.missing ? " (not available in this version)" : "");
}

std::string HelpText(const std::vector<const CommandSpec*>& path) {
  const CommandSpec& command = *path.back();
  const bool is_root = path.size() == 1;
  std::string whole;     // "rkt image list"
  std::string relative;  // "image list"
  for (const CommandSpec* part : path) {
    if (!whole.empty()) whole += ' ';
    whole += part->name;
    if (part == path.front() && !is_root) continue;
    if (!relative.empty()) relative += ' ';
    relative += part->name;
  }
  std::string text = StrCat("NAME:\n\t", relative, " - ", Summary(command), "\n\nUSAGE:\n\t", whole,
                            command.synopsis.empty() ? "" : " ", command.synopsis, "\n");
  if (is_root) text += "\nVERSION:\n\t" RKT_VERSION "\n";
  if (!command.children.empty()) {
    text += "\nCOMMANDS:\n";
    for (const ListedCommand& listed : VisibleCommands(command)) {
      text += StrCat("\t", listed.name, "\t", Summary(*listed.command), "\n");
    }
  }
  if (!command.description.empty()) {
    text += "\nDESCRIPTION:\n";
    for (const std::string& line : Split(command.description, '\n'))
      text += StrCat("\t", line, "\n");
  }
  text += "\nOPTIONS:\n";
  AppendFlags(text, VisibleFlags(command));
  if (!is_root) {
    text += "\nGLOBAL OPTIONS:\n";
    AppendFlags(text, VisibleGlobalFlags());
  }
  text += '\n';
  return AlignTabs(text);
}

}  // namespace rkt::cli
