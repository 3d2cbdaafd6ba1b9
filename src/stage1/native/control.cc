// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/control.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/strings.h"
#include "stage1/native/attach_paths.h"

namespace rkt::native {

namespace {

constexpr size_t kMostDescriptors = 32;
constexpr size_t kLongestPacket = 4096;
constexpr char kOk[] = "ok";
constexpr char kNotRunning[] = "not running";
constexpr std::string_view kError = "error: ";

sockaddr_un Address() {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, kControlSocket, sizeof address.sun_path - 1);
  return address;
}

// One packet with descriptors.
Status SendPacket(int socket, const std::string& text, const std::vector<int>& fds) {
  struct iovec piece = {const_cast<char*>(text.data()), text.size()};
  struct msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMostDescriptors)] = {};
  if (fds.size() > kMostDescriptors) return Err(Code::kInvalid, "too many control groups");
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    struct cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    memcpy(CMSG_DATA(part), fds.data(), sizeof(int) * fds.size());
  }
  if (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0) return SysErr("asking the pod's supervisor");
  return {};
}

}  // namespace

Status AskSupervisor(const ControlRequest& request) {
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) return SysErr("socket");
  sockaddr_un address = Address();
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return SysErr("connecting to the pod's supervisor");
  }
  std::string text = StrCat(request.verb, " ", request.app);
  std::vector<int> fds;
  auto add = [&](const char* word, const Fd& fd) {
    if (!fd) return;
    text += StrCat(" ", word);
    fds.push_back(fd.get());
  };
  add("pod", request.pod_dir);
  add("plain-log", request.plain_log);
  add("v2", request.v2_group);
  for (const Fd& tasks : request.v1_tasks) add("v1", tasks);
  TRY(SendPacket(socket.get(), text, fds));
  char answer[kLongestPacket];
  ssize_t n;
  do {
    n = ::recv(socket.get(), answer, sizeof answer, 0);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return SysErr("the answer of the pod's supervisor");
  if (n == 0) return Err(Code::kInternal, "the pod has ended");
  std::string_view word(answer, static_cast<size_t>(n));
  if (word == kOk) return {};
  if (word == kNotRunning) return Err(Code::kBusy, "app ", Quote(request.app), " is not running");
  if (word.starts_with(kError)) word.remove_prefix(kError.size());
  return Error(Code::kInternal, std::string(word));
}

Result<Fd> ListenForControl() {
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return SysErr("socket");
  sockaddr_un address = Address();
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(kControlSocket, 0600) != 0 || ::listen(socket.get(), 64) != 0) {
    return SysErr("making the socket ", kControlSocket);
  }
  return socket;
}

bool IsFromOutside(int connection) {
  struct ucred peer = {};
  socklen_t size = sizeof peer;
  if (::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  // A process that our pid namespace does not show has number 0 here, and to a pod with users of its own the host's root
  // is nobody. (No other nobody gets to the socket, which is in directories of root's alone.)
  constexpr uid_t kNobody = 65534;
  return peer.pid == 0 && (peer.uid == 0 || peer.uid == kNobody);
}

Fd AcceptControl(int listener) {
  Fd connection(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection || !IsFromOutside(connection.get())) return {};
  return connection;
}

Result<ControlRequest> ReceiveControl(int connection) {
  char text[kLongestPacket];
  struct iovec piece = {text, sizeof text};
  struct msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMostDescriptors)];
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n = ::recvmsg(connection, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (n < 0) {
    if (errno == EAGAIN || errno == EINTR) return Err(Code::kBusy, "no request yet");
    return SysErr("receiving a request");
  }
  std::vector<Fd> fds;
  for (struct cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      fds.emplace_back(fd);
    }
  }
  std::vector<std::string> words = Split(std::string_view(text, static_cast<size_t>(n)), ' ');
  if (words.size() != fds.size() + 2) return Err(Code::kInvalid, "a request that is none");
  ControlRequest request;
  request.verb = words[0];
  request.app = words[1];
  for (size_t i = 0; i < fds.size(); ++i) {
    const std::string& word = words[i + 2];
    if (word == "pod") {
      request.pod_dir = std::move(fds[i]);
    } else if (word == "plain-log") {
      request.plain_log = std::move(fds[i]);
    } else if (word == "v2") {
      request.v2_group = std::move(fds[i]);
    } else if (word == "v1") {
      request.v1_tasks.push_back(std::move(fds[i]));
    }
  }
  return request;
}

void AnswerControl(int connection, const Status& status) {
  std::string text = kOk;
  if (!status) {
    text = status.error().code() == Code::kBusy ? std::string(kNotRunning) : StrCat(kError, status.error().Text());
  }
  if (text.size() > kLongestPacket) text.resize(kLongestPacket);
  (void)::send(connection, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace rkt::native
