// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Messages that apps send by syslog(3): the other side of their /dev/log. They become lines of the app's log.

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace rkt::native {

// Where the socket of an app is, in S1; it is linked into the app's /dev. Empty: the name is too long for a socket's.
std::string SyslogSocket(std::string_view app);

// A socket for packets, bound, to which whoever sees it may send, whatever its user is. Nothing waits on it.
Result<Fd> ListenForApp(const std::string& path);

struct SyslogMessage {
  int priority = 5;  // as the journal counts them, 0 to 7; notice where the message says none
  std::string_view text;
};
// A packet as RFC 3164 has it and C libraries send it: "<PRI>Mmm dd hh:mm:ss TAG: TEXT". What the log tells itself, the
// time, is left out; whatever does not look like this is text. Points into the packet.
SyslogMessage ParseSyslog(std::string_view packet);

}  // namespace rkt::native
