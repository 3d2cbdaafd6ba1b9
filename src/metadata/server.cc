// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "metadata/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/file.h"
#include "base/log.h"
#include "metadata/registration.h"

namespace rkt::metadata {

namespace {

// What a pod may send: an annotation's name in a URL, something to sign.
constexpr size_t kMaxPublicBody = 1 << 20;
// Manifests of pods and images.
constexpr size_t kMaxRegistrationBody = 16 << 20;
constexpr size_t kMaxOutput = 1 << 20;
constexpr int64_t kIdleMs = 30 * 1000;
// A pod that opens connections and says nothing must not keep others out.
constexpr int kMaxConnections = 900;
constexpr int kMaxPerPeer = 64;
constexpr char kLoopback[] = "127.0.0.1";
constexpr int kLockAttempts = 5;
constexpr int kLockPauseUs = 20 * 1000;

int64_t NowMs() {
  struct timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

std::string PeerOf(int fd) {
  struct sockaddr_storage address = {};
  socklen_t length = sizeof address;
  if (::getpeername(fd, reinterpret_cast<struct sockaddr*>(&address), &length) != 0) return "";
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<struct sockaddr_in*>(&address)->sin_addr, text, sizeof text);
  } else if (address.ss_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<struct sockaddr_in6*>(&address)->sin6_addr, text, sizeof text);
  }
  return NormalAddress(text);
}

// Tokens are secrets; their first digits are enough to tell pods apart.
std::string WithoutToken(const HttpRequest& request, bool registration) {
  constexpr size_t kShown = 8;
  std::string target = request.target;
  size_t begin = registration ? target.find("token=") : 1;
  if (begin == std::string::npos) return target;
  if (registration) begin += strlen("token=");
  size_t end = std::min(target.find_first_of(registration ? "&" : "/?", begin), target.size());
  if (end - begin > kShown) target.replace(begin + kShown, end - begin - kShown, "...");
  return target;
}

void Log(const HttpRequest& request, int status, bool registration) {
  std::string line = StrCat(request.method, " ", WithoutToken(request, registration), " - ", status);
  (void)WriteAll(STDERR_FILENO, StrCat(TerminalSafe(line), "\n"));
}

}  // namespace

Server::Server(const ServerOptions& options, Registry registry, Lock lock)
    : options_(options), registry_(std::move(registry)), lock_(std::move(lock)) {}

Server::~Server() {
  if (options_.socket_fd < 0 && registration_) (void)UnlinkAt(AT_FDCWD, options_.socket);
}

Result<std::unique_ptr<Server>> Server::Create(const ServerOptions& options) {
  TRY(MakeDirs(options.state, 0700));
  auto lock = TRY(Lock::TryFile(AT_FDCWD, StrCat(options.state, "/", kServiceLock), Lock::Kind::kExclusive));
  // Those who look whether a service runs hold it for a moment (RunningServicePort).
  for (int i = 0; !lock && i < kLockAttempts; ++i) {
    ::usleep(kLockPauseUs);
    lock = TRY(Lock::TryFile(AT_FDCWD, StrCat(options.state, "/", kServiceLock), Lock::Kind::kExclusive));
  }
  if (!lock) return Err(Code::kBusy, "another metadata service is running");
  TRY(WriteFileAtomicAt(AT_FDCWD, StrCat(options.state, "/", kServicePort), StrCat(options.port, "\n"), 0644));
  Registry registry = TRY(Registry::Open(options.state, options.port));
  std::unique_ptr<Server> server(new Server(options, std::move(registry), *std::move(lock)));
  TRY(server->Listen());
  return server;
}

Status Server::Watch(int fd, uint32_t events, bool add) {
  struct epoll_event event = {};
  event.events = events;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) != 0) return SysErr("epoll_ctl");
  return {};
}

Status Server::Listen() {
  epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return SysErr("epoll_create1");
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  signals_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return SysErr("signalfd");
  TRY(Watch(signals_.get(), EPOLLIN, true));

  // The addresses first: what can fail fails before pods are told that there is a service.
  TRY(MatchListeners());
  if (options_.socket_fd >= 0) {
    registration_ = Fd(options_.socket_fd);
    ::fcntl(options_.socket_fd, F_SETFD, FD_CLOEXEC);
    ::fcntl(options_.socket_fd, F_SETFL, ::fcntl(options_.socket_fd, F_GETFL) | O_NONBLOCK);
  } else {
    struct sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    if (options_.socket.size() >= sizeof address.sun_path) return Err(Code::kInvalid, "the socket's path is too long");
    memcpy(address.sun_path, options_.socket.data(), options_.socket.size());
    TRY(MakeDirs(options_.socket.substr(0, options_.socket.rfind('/')), 0755));
    // The lock is ours: what lies there is an ended service's.
    TRY(UnlinkAt(AT_FDCWD, options_.socket));
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return SysErr("socket");
    mode_t mask = ::umask(0177);
    int bound = ::bind(fd.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address);
    ::umask(mask);
    if (bound != 0) return SysErr("binding ", options_.socket);
    registration_ = std::move(fd);
    if (::listen(registration_.get(), SOMAXCONN) != 0) return SysErr("listening at ", options_.socket);
  }
  return Watch(registration_.get(), EPOLLIN, true);
}

Result<Fd> Server::Bind(const std::string& address) const {
  struct sockaddr_storage storage = {};
  socklen_t length;
  auto* v4 = reinterpret_cast<struct sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<struct sockaddr_in6*>(&storage);
  bool is_v6 = address.find(':') != std::string::npos;
  if (is_v6) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<uint16_t>(options_.port));
    ::inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr);
    length = sizeof *v6;
  } else {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<uint16_t>(options_.port));
    ::inet_pton(AF_INET, address.c_str(), &v4->sin_addr);
    length = sizeof *v4;
  }
  Fd fd(::socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return SysErr("socket");
  int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // The gateway's address goes with the last pod of a ptp network, and comes back with the next.
  ::setsockopt(fd.get(), is_v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_v6 ? IPV6_FREEBIND : IP_FREEBIND, &on, sizeof on);
  if (is_v6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(fd.get(), reinterpret_cast<struct sockaddr*>(&storage), length) != 0 ||
      ::listen(fd.get(), SOMAXCONN) != 0) {
    return SysErr("listening at ", is_v6 ? "[" : "", address, is_v6 ? "]" : "", ":", options_.port);
  }
  return fd;
}

Status Server::MatchListeners() {
  std::set<std::string> wanted = registry_.hosts();
  wanted.insert(kLoopback);
  wanted.insert(options_.addresses.begin(), options_.addresses.end());
  for (auto it = listeners_.begin(); it != listeners_.end();) {
    it = wanted.count(it->first) == 0 ? listeners_.erase(it) : std::next(it);
  }
  for (const std::string& address : wanted) {
    if (listeners_.count(address) != 0) continue;
    Fd fd = TRY(Bind(address));
    TRY(Watch(fd.get(), EPOLLIN, true));
    listeners_[address] = std::move(fd);
  }
  return {};
}

Status Server::Run() {
  for (;;) {
    struct epoll_event events[64];
    int count = ::epoll_wait(epoll_.get(), events, 64, connections_.empty() ? -1 : 1000);
    if (count < 0 && errno != EINTR) return SysErr("epoll_wait");
    for (int i = 0; i < count; ++i) {
      int fd = events[i].data.fd;
      if (fd == signals_.get()) return {};
      auto connection = connections_.find(fd);
      if (connection != connections_.end()) {
        Serve(connection->second, events[i].events);
      } else if (fd == registration_.get()) {
        Accept(fd, true);
      } else {
        for (const auto& [address, listener] : listeners_) {
          if (listener.get() == fd) {
            Accept(fd, false);
            break;
          }
        }
      }
    }
    DropExpired(NowMs());
  }
}

void Server::Accept(int listener, bool registration) {
  for (;;) {
    Fd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) return;
    std::string peer;
    if (!registration) {
      peer = PeerOf(fd.get());
      auto others = per_peer_.find(peer);
      if (peer.empty() || connections_.size() >= kMaxConnections) continue;
      if (others != per_peer_.end() && others->second >= kMaxPerPeer) continue;
      int on = 1;
      ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ++per_peer_[peer];
    }
    int number = fd.get();
    if (!Watch(number, EPOLLIN, true)) continue;
    connections_.emplace(number, Connection{std::move(fd), HttpReader(registration ? kMaxRegistrationBody
                                                                                   : kMaxPublicBody),
                                            std::move(peer), "", NowMs() + kIdleMs});
  }
}

void Server::Serve(Connection& connection, uint32_t events) {
  int fd = connection.fd.get();
  bool alive = (events & EPOLLERR) == 0;
  if (alive && (events & EPOLLOUT) != 0) alive = Flush(connection);
  if (alive && (events & (EPOLLIN | EPOLLHUP)) != 0 && connection.out.empty()) alive = Read(connection);
  // What was read before the last answer was away.
  if (alive && connection.out.empty() && !connection.closing) alive = Reply(connection);
  if (!alive || (connection.closing && connection.out.empty())) return Drop(fd);
  (void)Watch(fd, connection.out.empty() ? EPOLLIN : EPOLLOUT, false);
}

bool Server::Read(Connection& connection) {
  char buffer[16 << 10];
  ssize_t n = ::recv(connection.fd.get(), buffer, sizeof buffer, 0);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) return false;
  connection.reader.Feed({buffer, static_cast<size_t>(n)});
  return true;
}

bool Server::Reply(Connection& connection) {
  const bool registration = connection.peer.empty();
  while (connection.out.size() < kMaxOutput && !connection.closing) {
    auto request = connection.reader.Next();
    if (!request) {
      if (int status = connection.reader.failure(); status != 0) {
        connection.out += FormatReply({status, "text/plain; charset=us-ascii", ""}, false);
        connection.closing = true;
      } else if (connection.reader.TakeContinue()) {
        connection.out += "HTTP/1.1 100 Continue\r\n\r\n";
      }
      break;
    }
    HttpReply reply = registration ? registry_.Register(*request) : registry_.Answer(*request, connection.peer);
    if (registration) {
      Status listening = MatchListeners();
      if (!listening) reply = {500, "text/plain; charset=us-ascii", StrCat(listening.error().Text(), "\n")};
    }
    Log(*request, reply.status, registration);
    std::string text = FormatReply(reply, request->keep_alive);
    if (request->method == "HEAD") text.resize(text.size() - reply.body.size());
    connection.out += text;
    connection.closing = !request->keep_alive;
    connection.deadline_ms = NowMs() + kIdleMs;
  }
  return Flush(connection);
}

bool Server::Flush(Connection& connection) {
  while (!connection.out.empty()) {
    ssize_t n = ::send(connection.fd.get(), connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    connection.out.erase(0, static_cast<size_t>(n));
  }
  return true;
}

void Server::Drop(int fd) {
  auto connection = connections_.find(fd);
  if (connection == connections_.end()) return;
  auto peer = per_peer_.find(connection->second.peer);
  if (peer != per_peer_.end() && --peer->second == 0) per_peer_.erase(peer);
  connections_.erase(connection);
}

void Server::DropExpired(int64_t now_ms) {
  for (auto it = connections_.begin(); it != connections_.end();) {
    int fd = it->first;
    bool expired = it->second.deadline_ms < now_ms;
    ++it;
    if (expired) Drop(fd);
  }
}

}  // namespace rkt::metadata
