// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/attach_point.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "stage1/native/clock.h"
#include "stage1/native/control.h"

namespace rkt::native {

Status AttachPoint::Listen(int directory, const std::string& name) {
  TRY(UnlinkAt(directory, name));
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return SysErr("socket");
  // Relative to the directory, since an address takes 107 bytes.
  Fd back = TRY(Open(".", O_PATH | O_DIRECTORY));
  if (::fchdir(directory) != 0) return SysErr("entering the directory of ", name);
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path, sizeof address.sun_path - 1);
  int rc = ::bind(socket.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address);
  if (rc == 0) rc = ::chmod(address.sun_path, 0600);
  if (rc == 0) rc = ::listen(socket.get(), 16);
  int err = errno;
  if (::fchdir(back.get()) != 0) return SysErr("leaving the directory of ", name);
  if (rc != 0) return ErrnoError(err, StrCat("making the socket ", name));
  listener_ = std::move(socket);
  return {};
}

void AttachPoint::Send(std::string_view text) {
  for (auto client = clients_.begin(); client != clients_.end();) {
    client->queue += text;
    auto next = std::next(client);
    if (!Write(*client)) clients_.erase(client);
    client = next;
  }
}

bool AttachPoint::full() const {
  return std::any_of(clients_.begin(), clients_.end(),
                     [](const Client& client) { return client.queue.size() >= kFull; });
}

void AttachPoint::Finish() {
  listener_.Close();
  finishing_ = true;
  clients_.remove_if([](const Client& client) { return client.queue.empty(); });
}

void AttachPoint::AddPolls(PollSet& polls) {
  polls.Add<&AttachPoint::OnListener>(listener_.get(), POLLIN, this);
  for (Client& client : clients_) {
    short events = 0;
    if (client.reading && input_.size() < kMostInput) events |= POLLIN;
    if (!client.queue.empty()) events |= POLLOUT;
    polls.Add<&AttachPoint::OnClient>(client.fd.get(), events, this, client.number);
  }
}

void AttachPoint::OnListener(int, short) {
  Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd || clients_.size() >= kMostClients || !IsFromOutside(fd.get())) return;
  clients_.push_back({next_number_++, std::move(fd), "", "", way_ != Way::kOutput});
}

void AttachPoint::OnClient(int number, short events) {
  auto client = std::find_if(clients_.begin(), clients_.end(), [&](const Client& c) { return c.number == number; });
  if (client == clients_.end()) return;
  // Whoever has hung up is read to the end at once: poll would go on reporting it.
  if ((events & (POLLIN | POLLHUP)) != 0 && client->reading) Read(*client);
  // Whoever gives input alone has nothing to wait for after its end.
  bool gone = (events & POLLERR) != 0 || (!client->reading && (way_ == Way::kInput || (events & POLLHUP) != 0));
  if (!gone && (events & POLLOUT) != 0) gone = !Write(*client);
  if (gone) clients_.erase(client);
}

bool AttachPoint::Write(Client& client) {
  bool moved = false;
  size_t done = 0;
  while (done < client.queue.size()) {
    ssize_t n = ::send(client.fd.get(), client.queue.data() + done, client.queue.size() - done,
                       MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return false;
      break;
    }
    moved = true;
    done += static_cast<size_t>(n);
  }
  client.queue.erase(0, done);
  if (client.queue.empty()) {
    client.waiting_ms = 0;
    return !finishing_;
  }
  if (moved || client.waiting_ms == 0) client.waiting_ms = MonotonicMs();
  return true;
}

void AttachPoint::Read(Client& client) {
  char buffer[16 << 10];
  ssize_t n = ::recv(client.fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (n <= 0) {
    client.reading = false;
    PassOn(client, true);
    return;
  }
  client.line.append(buffer, static_cast<size_t>(n));
  // Lines of several clients do not get mixed. One alone gets every byte through at once.
  PassOn(client, clients_.size() == 1 || way_ == Way::kBoth || client.line.size() >= sizeof buffer);
}

void AttachPoint::PassOn(Client& client, bool all) {
  size_t size = client.line.size();
  if (!all) {
    size_t newline = client.line.rfind('\n');
    size = newline == std::string::npos ? 0 : newline + 1;
  }
  input_.append(client.line, 0, size);
  client.line.erase(0, size);
}

void AttachPoint::Expire(int64_t now_ms) {
  clients_.remove_if([&](const Client& client) {
    bool matters = finishing_ || client.queue.size() >= kFull;
    return matters && client.waiting_ms != 0 && now_ms - client.waiting_ms >= kPatienceMs;
  });
}

int64_t AttachPoint::Deadline() const {
  int64_t earliest = -1;
  for (const Client& client : clients_) {
    if (client.waiting_ms == 0 || !(finishing_ || client.queue.size() >= kFull)) continue;
    int64_t deadline = client.waiting_ms + kPatienceMs;
    if (earliest < 0 || deadline < earliest) earliest = deadline;
  }
  return earliest;
}

}  // namespace rkt::native
