// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The host's journal as one more reader of what apps print: a datagram for each line, by the journal's native
// protocol, with fields by which it can be found again. Nothing here waits; what the journal does not take at once is
// counted and told of later. The lines are in the log in any case.
//
//   MESSAGE, PRIORITY, SYSLOG_IDENTIFIER (the app's name), SYSLOG_PID (in the pod), RKT_POD_UUID, RKT_APP, RKT_STREAM

#include <memory>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace rkt::native {

inline constexpr char kJournalSocket[] = "/run/systemd/journal/socket";

class Journal {
 public:
  struct Entry {
    std::string_view app;
    std::string_view stream;          // "stdout", "stderr"
    std::string_view message;
    int pid = 0;                      // in the pod; 0: not known
    int priority = 6;                 // of syslog(3); 6 is info
  };
  // Null where there is no journal, or the path is longer than an address can be.
  static std::unique_ptr<Journal> Connect(const std::string& path, std::string uuid);
  Journal(Fd socket, std::string uuid) : socket_(std::move(socket)), uuid_(std::move(uuid)) {}

  void Send(const Entry& entry);
  // Lines that the journal has not taken and that it has not been told of yet.
  size_t lost() const { return lost_; }

 private:
  bool SendText(const std::string& text);
  bool SendFile(const std::string& text);

  Fd socket_;
  std::string uuid_;
  bool gone_ = false;
  size_t lost_ = 0;
};

// Takes "<N>" off the front of a line, N a priority from 0 to 7, as the journal does with what services print.
int TakePriority(std::string_view& line, int otherwise);

// Whether a descriptor is the stream that the journal reads, by what JOURNAL_STREAM ("DEVICE:INODE") says. `text` may be
// null.
bool IsJournalStream(int fd, const char* text);

}  // namespace rkt::native
