// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// A socket of an app's stream or terminal: whoever connects gets what the app writes, or gives what it reads, or both.
// Any number of clients. Nothing here waits: a client that takes nothing makes the point full, for which the app's
// output is left unread a while; if it goes on taking nothing it is cut off, so that it never stops the app for good.

#include <cstdint>
#include <list>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "stage1/native/poll_set.h"

namespace rkt::native {

class AttachPoint {
 public:
  // Which ways it is open.
  enum class Way { kOutput, kInput, kBoth };
  explicit AttachPoint(Way way) : way_(way) {}
  AttachPoint(const AttachPoint&) = delete;

  // Makes the socket `name` in the directory, in place of an old one.
  Status Listen(int directory, const std::string& name);

  // What the app has written, to every client.
  void Send(std::string_view text);
  // Whether the app's output is to wait for a client.
  bool full() const;
  // What clients have typed and the owner has not passed on yet.
  std::string& input() { return input_; }

  // No further clients, and the end for those there are when they have got everything.
  void Finish();
  bool finished() const { return finishing_ && clients_.empty(); }

  void AddPolls(PollSet& polls);
  // Cuts off the clients that have taken nothing for too long.
  void Expire(int64_t now_ms);
  // When there is something to expire, in monotonic milliseconds; -1: nothing.
  int64_t Deadline() const;

 private:
  static constexpr size_t kFull = 256 << 10;
  static constexpr size_t kMostInput = 64 << 10;
  static constexpr size_t kMostClients = 64;
  static constexpr int64_t kPatienceMs = 5000;

  struct Client {
    int number;
    Fd fd;
    std::string queue;       // not written yet
    std::string line;        // read, not a whole line yet
    bool reading;            // it may still give input
    int64_t waiting_ms = 0;  // since when it has taken nothing; 0: it has nothing to take
  };

  void OnListener(int which, short events);
  void OnClient(int number, short events);
  // Whether the client is still there.
  bool Write(Client& client);
  void Read(Client& client);
  void PassOn(Client& client, bool all);

  Way way_;
  Fd listener_;
  std::list<Client> clients_;
  std::string input_;
  int next_number_ = 0;
  bool finishing_ = false;
};

}  // namespace rkt::native
