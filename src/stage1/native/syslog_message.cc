// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/syslog_message.h"

#include <cctype>

#include "base/strings.h"

namespace rkt::native {

namespace {

constexpr int kHighest = 191;  // 23 facilities of 8 priorities

void TakeNumber(std::string_view& text, SyslogMessage& message) {
  size_t end = text.substr(0, 5).find('>');
  if (text.empty() || text[0] != '<' || end == std::string_view::npos) return;
  auto number = ParseUint(text.substr(1, end - 1));
  if (!number || *number > kHighest) return;
  message.facility = static_cast<int>(*number >> 3);
  message.priority = static_cast<int>(*number & 7);
  text.remove_prefix(end + 1);
}

// "Oct 11 22:14:15 ": letters as A, digits (the first of the day may be a space) as 0.
void TakeTime(std::string_view& text) {
  constexpr std::string_view kForm = "AAA 00 00:00:00 ";
  if (text.size() < kForm.size()) return;
  for (size_t i = 0; i < kForm.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    bool fits = kForm[i] == 'A' ? std::isalpha(c) != 0 : kForm[i] == '0' ? std::isdigit(c) != 0 || (i == 4 && c == ' ') : kForm[i] == text[i];
    if (!fits) return;
  }
  text.remove_prefix(kForm.size());
}

}  // namespace

SyslogMessage ParseSyslog(std::string_view datagram) {
  SyslogMessage message;
  while (!datagram.empty() && (datagram.back() == '\n' || datagram.back() == '\0')) datagram.remove_suffix(1);
  TakeNumber(datagram, message);
  TakeTime(datagram);
  message.text = message.line = datagram;
  size_t end = datagram.find_first_of(" :[");
  if (end == 0 || end == std::string_view::npos) return message;
  std::string_view rest = datagram.substr(end);
  int pid = 0;
  if (rest[0] == '[') {
    size_t close = rest.find(']');
    auto number = close == std::string_view::npos ? std::nullopt : ParseUint(rest.substr(1, close - 1));
    if (!number || *number > 0x7fffffff) return message;
    pid = static_cast<int>(*number);
    rest.remove_prefix(close + 1);
  }
  if (!rest.starts_with(':')) return message;
  rest.remove_prefix(1);
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  message.identifier = datagram.substr(0, end);
  message.pid = pid;
  message.text = rest;
  return message;
}

}  // namespace rkt::native
