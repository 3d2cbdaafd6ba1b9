// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What syslog(3) of a C library sends to /dev/log: "<PRI>Mmm dd hh:mm:ss IDENTIFIER[PID]: text" (RFC 3164), every part
// but the text optional.

#include <string_view>

namespace rkt::native {

struct SyslogMessage {
  int facility = 1;             // user
  int priority = 5;             // notice
  std::string_view identifier;  // empty: none
  int pid = 0;                  // 0: none
  std::string_view text;        // behind the identifier
  std::string_view line;        // with the identifier, as a log shows it
};

// The views point into `datagram`. Newlines and NULs at its end are left out.
SyslogMessage ParseSyslog(std::string_view datagram);

}  // namespace rkt::native
