// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The sockets of the metadata service and its loop: one thread, one epoll.

#include <csignal>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/fd.h"
#include "base/lock.h"
#include "base/result.h"
#include "metadata/http.h"
#include "metadata/registration.h"
#include "metadata/registry.h"

namespace rkt::metadata {

struct ServerOptions {
  int port = 0;
  std::set<std::string> addresses;  // to listen at, beside 127.0.0.1 and those that pods announce
  std::string socket;          // where pods are registered; not used where `socket_fd` is given
  int socket_fd = -1;          // a listening socket that was handed over
  std::string state = kServiceState;
};

class Server {
 public:
  // Binds everything. kBusy: another service runs.
  static Result<std::unique_ptr<Server>> Create(const ServerOptions& options);
  ~Server();
  // Serves until SIGTERM or SIGINT.
  Status Run();

 private:
  struct Connection {
    Fd fd;
    HttpReader reader;
    std::string peer;  // empty: the registration socket
    std::string out;
    int64_t deadline_ms = 0;
    bool closing = false;  // when all is written
  };

  Server(const ServerOptions& options, Registry registry, Lock lock);
  Status Listen();
  // One listener for each address that pods ask, and 127.0.0.1.
  Status MatchListeners();
  Result<Fd> Bind(const std::string& address) const;
  Status Watch(int fd, uint32_t events, bool add);
  void Accept(int listener, bool registration);
  void Serve(Connection& connection, uint32_t events);
  bool Read(Connection& connection);
  bool Reply(Connection& connection);
  bool Flush(Connection& connection);
  void Drop(int fd);
  void DropExpired(int64_t now_ms);

  ServerOptions options_;
  Registry registry_;
  Lock lock_;
  Fd epoll_;
  Fd signals_;
  Fd registration_;
  std::map<std::string, Fd> listeners_;  // by address
  std::map<int, Connection> connections_;
  std::map<std::string, int> per_peer_;
};

}  // namespace rkt::metadata
