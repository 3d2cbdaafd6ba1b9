// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/log.h"

#include <unistd.h>

#include "base/file.h"

namespace rkt {

namespace {
bool debug_enabled = false;
std::string& Name() {
  static std::string name = "rkt";
  return name;
}
void Emit(std::string text) {
  // Messages quote names that come from images and from the network.
  text = TerminalSafeLines(text);
  text += '\n';
  // Nobody is left to tell where standard error is gone.
  (void)WriteAll(STDERR_FILENO, text);
}
std::string Prefixed(std::string_view name, std::string_view text) {
  return StrCat(name.empty() ? std::string_view(Name()) : name, ": ", text);
}
}  // namespace

void SetDebug(bool debug) { debug_enabled = debug; }
bool Debug() { return debug_enabled; }
void SetLogName(std::string_view name) { Name() = name; }
const std::string& LogName() { return Name(); }

void Notice(std::string_view name, std::string_view text) { Emit(Prefixed(name, text)); }
void DebugNotice(std::string_view name, std::string_view text) {
  if (debug_enabled) Emit(Prefixed(name, text));
}

std::string FormatError(std::string_view name, const Error& error, bool debug) {
  std::string text = Prefixed(name, error.message());
  if (error.cause() == nullptr) return text;
  if (!debug) return StrCat(text, ": ", error.Innermost().message());
  std::string indent = "  ";
  for (const Error* link = error.cause(); link != nullptr; link = link->cause()) {
    text += StrCat("\n", indent, "└─", link->message());
    indent += "  ";
  }
  return text;
}

void PrintError(std::string_view name, const Error& error) {
  Emit(FormatError(name, error, debug_enabled));
}

}  // namespace rkt
