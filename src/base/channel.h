// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Channel: a socket between a program of ours and the helper that it started. A message is a JSON
// object, bytes behind it and perhaps a descriptor beside it. Neither side trusts the lengths that
// the other claims.

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "base/json.h"
#include "base/result.h"

namespace rkt {

class Channel {
 public:
  struct Message {
    json::Value head;
    std::string body;
    Fd fd;
  };
  static constexpr size_t kMaxHead = 4u << 20;
  static constexpr size_t kMaxBody = 64u << 20;

  // Takes one end of a stream socket.
  explicit Channel(Fd socket) : socket_(std::move(socket)) {}
  // A channel and the other end, for the child.
  static Result<std::pair<Channel, Fd>> Create();

  int fd() const { return socket_.get(); }
  // Gives a duplicate of `fd` along unless it is -1. A peer that is gone is EPIPE, without a
  // signal.
  Status Send(const json::Value& head, std::string_view body = {}, int fd = -1);
  // Waits. Nothing where the peer closed its end between two messages; kCorrupt in the middle of
  // one.
  Result<std::optional<Message>> Receive();

 private:
  Fd socket_;
};

// An error with its causes as a JSON array, the outermost first, and back. What is no such array is
// a kInternal error.
json::Value ErrorToJson(const Error& error);
Error ErrorFromJson(const json::Value& value);

}  // namespace rkt
