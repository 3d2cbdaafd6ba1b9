// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/syslog.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/strings.h"

namespace rkt::native {

namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// "Nov 26 13:36:18 ", in which the day may begin with a space.
bool IsTime(std::string_view text) {
  constexpr std::string_view kShape = "Aaa dd dd:dd:dd ";
  if (text.size() < kShape.size()) return false;
  for (size_t i = 0; i < kShape.size(); ++i) {
    char c = text[i];
    bool fits = kShape[i] == 'A'   ? c >= 'A' && c <= 'Z'
                : kShape[i] == 'a' ? c >= 'a' && c <= 'z'
                : kShape[i] == 'd' ? IsDigit(c) || (i == 4 && c == ' ')
                                   : c == kShape[i];
    if (!fits) return false;
  }
  return true;
}

}  // namespace

std::string SyslogSocket(std::string_view app) {
  std::string path = StrCat("dev/log-", app);
  return path.size() < sizeof sockaddr_un{}.sun_path ? path : "";
}

Result<Fd> ListenForApp(const std::string& path) {
  sockaddr_un address = {};
  if (path.size() >= sizeof address.sun_path) return Err(Code::kInvalid, path, ": too long a name for a socket");
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return SysErr("socket");
  mode_t mask = ::umask(0111);
  auto bind = [&] { return ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address); };
  int bound = bind();
  // Left by a start that failed.
  if (bound != 0 && errno == EADDRINUSE && ::unlink(path.c_str()) == 0) bound = bind();
  ::umask(mask);
  if (bound != 0) return SysErr("binding ", path);
  return socket;
}

SyslogMessage ParseSyslog(std::string_view packet) {
  SyslogMessage message;
  while (!packet.empty() && (packet.back() == '\n' || packet.back() == '\0')) packet.remove_suffix(1);
  // "<0>" to "<191>": facility * 8 + severity.
  size_t end = packet.starts_with('<') ? packet.substr(0, 5).find('>') : std::string_view::npos;
  if (end != std::string_view::npos && end > 1) {
    auto number = ParseUint(packet.substr(1, end - 1));
    if (number && *number <= 191) {
      message.priority = static_cast<int>(*number % 8);
      packet.remove_prefix(end + 1);
      if (IsTime(packet)) packet.remove_prefix(16);
    }
  }
  message.text = packet;
  return message;
}

}  // namespace rkt::native
