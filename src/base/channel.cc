// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/channel.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstring>
#include <vector>

namespace rkt {

namespace {

struct Prefix {
  uint32_t head;
  uint32_t body;
};

Status SendAll(int socket, std::string_view data) {
  while (!data.empty()) {
    ssize_t n = ::send(socket, data.data(), data.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SysErr("send to the helper program");
    data.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

// All bytes, or kCorrupt.
Status ReceiveAll(int socket, char* data, size_t size) {
  while (size > 0) {
    ssize_t n = ::recv(socket, data, size, MSG_WAITALL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SysErr("receive from the helper program");
    if (n == 0) return Err(Code::kCorrupt, "a message ended in its middle");
    data += n;
    size -= static_cast<size_t>(n);
  }
  return {};
}

}  // namespace

Result<std::pair<Channel, Fd>> Channel::Create() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return SysErr("socketpair");
  return std::make_pair(Channel(Fd(ends[0])), Fd(ends[1]));
}

Status Channel::Send(const json::Value& head, std::string_view body, int fd) {
  std::string text = json::Write(head);
  if (text.size() > kMaxHead || body.size() > kMaxBody)
    return Err(Code::kInvalid, "a message is too long");
  Prefix prefix{static_cast<uint32_t>(text.size()), static_cast<uint32_t>(body.size())};
  struct iovec piece = {&prefix, sizeof prefix};
  struct msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    struct cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(part), &fd, sizeof fd);
  }
  ssize_t n;
  do {
    n = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return SysErr("send to the helper program");
  // The descriptor went with the first byte.
  TRY(SendAll(socket_.get(), std::string_view(reinterpret_cast<char*>(&prefix), sizeof prefix)
                                 .substr(static_cast<size_t>(n))));
  TRY(SendAll(socket_.get(), text));
  return SendAll(socket_.get(), body);
}

Result<std::optional<Channel::Message>> Channel::Receive() {
  Prefix prefix;
  struct iovec piece = {&prefix, sizeof prefix};
  struct msghdr header = {};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ssize_t n;
  do {
    n = ::recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return SysErr("receive from the helper program");
  if (n == 0) return std::optional<Message>();
  Message message;
  struct cmsghdr* part = CMSG_FIRSTHDR(&header);
  if (part != nullptr && part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS &&
      part->cmsg_len == CMSG_LEN(sizeof(int))) {
    int fd;
    std::memcpy(&fd, CMSG_DATA(part), sizeof fd);
    message.fd = Fd(fd);
  }
  TRY(ReceiveAll(socket_.get(), reinterpret_cast<char*>(&prefix) + n,
                 sizeof prefix - static_cast<size_t>(n)));
  if (prefix.head > kMaxHead || prefix.body > kMaxBody)
    return Err(Code::kCorrupt, "a message is too long");
  std::string text(prefix.head, '\0');
  TRY(ReceiveAll(socket_.get(), text.data(), text.size()));
  message.body.resize(prefix.body);
  TRY(ReceiveAll(socket_.get(), message.body.data(), message.body.size()));
  message.head =
      TRY_CTX(json::Parse(text, {.max_size = kMaxHead}), "a message of the helper program");
  return std::optional<Message>(std::move(message));
}

json::Value ErrorToJson(const Error& error) {
  json::Value links = json::Value::Array();
  for (const Error* link = &error; link != nullptr; link = link->cause()) {
    json::Value entry = json::Value::Object();
    entry.Set("code", static_cast<int>(link->code()));
    entry.Set("errno", link->err());
    entry.Set("message", link->message());
    links.Append(std::move(entry));
  }
  return links;
}

Error ErrorFromJson(const json::Value& value) {
  std::optional<Error> error;
  if (value.is_array()) {
    for (size_t i = value.items().size(); i-- > 0;) {
      const json::Value& entry = value.items()[i];
      const json::Value* code = entry.Find("code");
      const json::Value* err = entry.Find("errno");
      const json::Value* message = entry.Find("message");
      if (code == nullptr || err == nullptr || message == nullptr || !message->is_string())
        continue;
      if (error) {
        error = std::move(*error).Wrap(message->text());
        continue;
      }
      int64_t number = code->AsInt().value_or(0);
      if (number < 0 || number > static_cast<int64_t>(Code::kNetwork)) number = 0;
      error = Error(static_cast<Code>(number), static_cast<int>(err->AsInt().value_or(0)),
                    message->text());
    }
  }
  if (!error) return Err(Code::kInternal, "the helper program reports nonsense");
  return std::move(*error);
}

}  // namespace rkt
