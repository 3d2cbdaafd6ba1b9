// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/man.h"

#include "base/strings.h"
#include "cli/help.h"

namespace rkt::cli {

namespace {

using Path = std::vector<const CommandSpec*>;

std::string PathText(const Path& path, std::string_view separator) {
  std::string text;
  for (const CommandSpec* command : path) {
    if (!text.empty()) text += separator;
    text += command->name;
  }
  return text;
}

// Text that roff takes as it stands.
std::string Escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '\'' && out.empty()) {
      out += "\\(aq";
    } else if (c == '.' && out.empty()) {
      out += "\\&.";
    } else {
      out += c;
    }
  }
  return out;
}

void AppendFlags(std::string& page, std::string_view title,
                 const std::vector<const FlagSpec*>& flags) {
  page += StrCat(".SH ", title, "\n");
  for (const FlagSpec* flag : flags) {
    std::string letter = flag->letter == 0 ? "" : StrCat("\\-", flag->letter, ", ");
    page +=
        StrCat(".TP\n\\fB", letter, Escape(FlagUsage(*flag)), "\\fR\n", Escape(flag->help), "\n");
  }
}

void AppendDescription(std::string& page, std::string_view description) {
  page += ".SH DESCRIPTION\n";
  bool literal = false;
  for (const std::string& line : Split(description, '\n')) {
    bool indented = !line.empty() && (line[0] == '\t' || line[0] == ' ');
    if (indented != literal && !line.empty()) {
      page += indented ? ".nf\n.RS\n" : ".RE\n.fi\n";
      literal = indented;
    }
    page += line.empty() ? ".PP\n" : StrCat(Escape(Trim(line)), "\n");
  }
  if (literal) page += ".RE\n.fi\n";
}

void CollectPaths(const Path& path, std::vector<Path>& pages) {
  pages.push_back(path);
  for (const CommandSpec* child : path.back()->children) {
    if (child->hidden || child->missing) continue;
    Path below = path;
    below.push_back(child);
    CollectPaths(below, pages);
  }
}

}  // namespace

std::string ManPageName(const Path& path) { return StrCat(PathText(path, "_"), ".1"); }

std::vector<Path> ManPages() {
  std::vector<Path> pages;
  CollectPaths({&kRootCommand}, pages);
  return pages;
}

std::string ManPage(const Path& path) {
  const CommandSpec& command = *path.back();
  std::string page =
      StrCat(".TH \"", ToUpper(PathText(path, "_")),
             "\" \"1\" \"\" \"rkt " RKT_VERSION "\" \"rkt \\- App Container runtime\"\n.SH NAME\n",
             Escape(PathText(path, "_")), " \\- ", Escape(command.summary), "\n.SH SYNOPSIS\n\\fB",
             Escape(PathText(path, " ")), "\\fR ", Escape(command.synopsis), "\n");
  if (!command.description.empty()) AppendDescription(page, command.description);
  AppendFlags(page, "OPTIONS", VisibleFlags(command));
  if (path.size() > 1) AppendFlags(page, "GLOBAL OPTIONS", VisibleGlobalFlags());
  page +=
      ".SH EXIT STATUS\n0 where all went well, 254 where rkt could not do what it was asked for.\n";
  page += ".SH SEE ALSO\n";
  std::string related;
  if (path.size() > 1) {
    related += StrCat("\\fB", Escape(PathText({path.begin(), path.end() - 1}, "_")), "\\fR(1)");
  }
  for (const CommandSpec* child : command.children) {
    if (child->hidden || child->missing) continue;
    if (!related.empty()) related += ",\n";
    related += StrCat("\\fB", Escape(StrCat(PathText(path, "_"), "_", child->name)), "\\fR(1)");
  }
  return StrCat(page, related, "\n");
}

}  // namespace rkt::cli
