// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// What the judge does as a service: tells how it is by NOTIFY_SOCKET, takes the sockets that it is
// passed.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

#include "guest/judge.h"

namespace judge {
namespace {

std::string Variable(const char* name) {
  const char* value = getenv(name);
  return value ? value : "-";
}

// Each word is a message ("READY=1"), or a pause ("sleep:0.5"). Ends with "notify: ok" or the
// errno.
int Notify(const std::vector<std::string>& args) {
  std::string path = Variable("NOTIFY_SOCKET");
  for (size_t i = 1; i < args.size(); i++) {
    if (args[i].rfind("sleep:", 0) == 0) {
      double seconds = strtod(args[i].c_str() + 6, nullptr);
      struct timespec pause = {
          static_cast<time_t>(seconds),
          static_cast<long>((seconds - static_cast<double>(static_cast<time_t>(seconds))) * 1e9)};
      nanosleep(&pause, nullptr);
      continue;
    }
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sendto(fd, args[i].data(), args[i].size(), 0, reinterpret_cast<sockaddr*>(&address),
               sizeof address) < 0) {
      Print("notify: " + path + ": " + ErrnoName(errno) + "\n");
      return 1;
    }
    close(fd);
    Print("notify: sent " + args[i] + "\n");
  }
  return 0;
}

// A line for each descriptor from 3 on, with its port, and what the environment says.
int Sockets() {
  Print("sockets: count=" + Variable("LISTEN_FDS") + " names=" + Variable("LISTEN_FDNAMES") +
        " mine=" + (Variable("LISTEN_PID") == std::to_string(getpid()) ? "yes" : "no") + "\n");
  for (int fd = 3; fd < 64; fd++) {
    if (fcntl(fd, F_GETFD) < 0) continue;
    sockaddr_in address = {};
    socklen_t size = sizeof address;
    int port = getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0
                   ? ntohs(address.sin_port)
                   : -1;
    Print("sockets: " + std::to_string(fd) + " port=" + std::to_string(port) + "\n");
  }
  return 0;
}

// Answers the first connection to descriptor 3.
int Serve() {
  int client = accept(3, nullptr, nullptr);
  if (client < 0) {
    Print("serve: " + ErrnoName(errno) + "\n");
    return 1;
  }
  char request[512];
  (void)!read(client, request, sizeof request);
  static const char kAnswer[] =
      "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nserved by the judge\n";
  (void)!write(client, kAnswer, sizeof kAnswer - 1);
  close(client);
  Print("serve: ok\n");
  return 0;
}

}  // namespace

bool IsServiceVerb(const std::string& verb) {
  return verb == "notify" || verb == "sockets" || verb == "serve";
}

int Service(const std::vector<std::string>& args) {
  if (args[0] == "notify") return Notify(args);
  if (args[0] == "sockets") return Sockets();
  return Serve();
}

}  // namespace judge
