// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The judge: a static program that the functional tests run as an app inside a pod. It reports what
// it sees there
// (`judge see`, JSON) or does one thing and tells how that went. It knows nothing of rkt.

#include <string>
#include <string_view>
#include <vector>

namespace judge {

// A JSON value in the making: text that is put together in order. Values are written a line each,
// so that no line of a large report becomes too long for whoever carries it.
class Json {
 public:
  void OpenObject() { Open('{'); }
  void OpenArray() { Open('['); }
  void OpenObject(std::string_view key) { Key(key), Open('{'); }
  void OpenArray(std::string_view key) { Key(key), Open('['); }
  void CloseObject() { Close('}'); }
  void CloseArray() { Close(']'); }
  void Text(std::string_view key, std::string_view value) { Key(key), Text(value); }
  void Text(std::string_view value);
  void Number(std::string_view key, long long value) { Key(key), Raw(std::to_string(value)); }
  const std::string& text() const { return text_; }

 private:
  void Key(std::string_view key);
  void Open(char bracket);
  void Close(char bracket);
  void Raw(std::string_view value);
  void Comma();
  std::string text_;
  bool first_ = true;
  bool after_key_ = false;
};

// The whole of a (small or endless) file, at most 1 MiB of it; empty where it cannot be read.
std::string Slurp(const std::string& path);
std::string LinkTarget(const std::string& path);
// "EPERM" for 1 and so on, "0" for 0.
std::string ErrnoName(int err);
void Print(std::string_view text);
std::vector<std::string> SplitAt(std::string_view text, char separator);

// Everything that can be seen, as one JSON object.
std::string See();
// One attempt such as "mknod:/dev/x:c:1:3"; returns "ok", an errno's name, or "SIGSYS" and the like
// where the attempt killed the process that made it.
std::string Attempt(const std::string& what);
// The same in this very process: it may die of it.
std::string AttemptHere(const std::string& what);
// What it does as a service (service.cc): notify, sockets, serve.
bool IsServiceVerb(const std::string& verb);
int Service(const std::vector<std::string>& args);

}  // namespace judge
