// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/activation.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/strings.h"

namespace rkt::native {

namespace {

constexpr int kFirst = 3;  // SD_LISTEN_FDS_START

PassedSocket Describe(int fd) {
  PassedSocket socket;
  socket.fd = fd;
  int type = 0;
  socklen_t size = sizeof type;
  sockaddr_storage address = {};
  socklen_t length = sizeof address;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return socket;
  }
  if (address.ss_family == AF_INET) {
    socket.port = ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);
  } else if (address.ss_family == AF_INET6) {
    socket.port = ntohs(reinterpret_cast<sockaddr_in6&>(address).sin6_port);
  } else {
    return socket;
  }
  socket.protocol = type == SOCK_STREAM ? "tcp" : type == SOCK_DGRAM ? "udp" : "";
  return socket;
}

// The host's ports of an app's port, first to last: published by the pod, else the port's own.
std::pair<uint32_t, uint32_t> HostPorts(const appc::PodManifest& manifest, const appc::Port& port) {
  uint32_t first = port.port;
  for (const appc::ExposedPort& exposed : manifest.ports) {
    if (exposed.name == port.name) first = exposed.host_port;
  }
  return {first, first + std::max(port.count, 1u) - 1};
}

void DropVariable(std::vector<std::string>& environment, const std::string& name) {
  std::erase_if(environment,
                [&](const std::string& entry) { return entry.starts_with(name + "="); });
}

}  // namespace

std::vector<PassedSocket> TakePassedSockets() {
  const char* count_text = ::getenv("LISTEN_FDS");
  if (count_text == nullptr) return {};
  const char* pid_text = ::getenv("LISTEN_PID");
  const char* names_text = ::getenv("LISTEN_FDNAMES");
  auto count = ParseInt(count_text);
  auto pid = pid_text != nullptr ? ParseInt(pid_text) : std::nullopt;
  std::vector<std::string> names;
  if (names_text != nullptr) names = Split(names_text, ':');
  for (const char* name : {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}) ::unsetenv(name);
  // Meant for another process, whose environment this one has inherited.
  if (!count || !pid || *pid != ::getpid() || *count < 0 || *count > int64_t{kMaxSockets})
    return {};
  std::vector<PassedSocket> passed;
  for (int i = 0; i < *count; ++i) {
    int fd = kFirst + i;
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) continue;
    passed.push_back(Describe(fd));
    if (static_cast<size_t>(i) < names.size()) passed.back().name = names[static_cast<size_t>(i)];
  }
  return passed;
}

std::vector<std::string> AssignSockets(PodPlan& plan, const appc::PodManifest& manifest,
                                       std::vector<PassedSocket> passed) {
  std::vector<std::string> warnings;
  if (passed.empty()) return warnings;
  for (AppPlan& app : plan.apps) {
    std::vector<std::string> names;
    for (AppPlan::ActivatedPort& port : app.activated_ports) {
      auto [first, last] = HostPorts(manifest, port.port);
      for (PassedSocket& socket : passed) {
        if (socket.fd < 0 || socket.protocol != port.port.protocol || socket.port < first ||
            socket.port > last) {
          continue;
        }
        app.sockets.push_back(socket.fd);
        names.push_back(socket.name.empty() ? port.port.name : socket.name);
        socket.fd = -1;
        port.passed = true;
      }
      if (!port.passed) {
        warnings.push_back(StrCat("warning: port ", Quote(port.port.name), " of app ",
                                  Quote(app.name),
                                  " is socket-activated, but no socket was passed that listens on ",
                                  port.port.protocol, " port ", first));
      }
    }
    if (app.sockets.empty()) continue;
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"})
      DropVariable(app.environment, name);
    // The first is completed by the child, who alone knows its pid.
    app.socket_environment = {"LISTEN_PID=0000000000", StrCat("LISTEN_FDS=", app.sockets.size()),
                              StrCat("LISTEN_FDNAMES=", Join(names, ":"))};
  }
  for (const PassedSocket& socket : passed) {
    if (socket.fd < 0) continue;
    ::close(socket.fd);
    warnings.push_back(
        socket.protocol.empty()
            ? StrCat("warning: descriptor ", socket.fd,
                     " was passed, but is no TCP or UDP socket; no app gets it")
            : StrCat("warning: a socket was passed that listens on ", socket.protocol, " port ",
                     socket.port,
                     ", which no socket-activated port of an app means; no app gets it"));
  }
  return warnings;
}

bool IsActivated(const PodPlan& plan, const appc::ForwardedPort& port) {
  return std::any_of(plan.apps.begin(), plan.apps.end(), [&](const AppPlan& app) {
    return std::any_of(app.activated_ports.begin(), app.activated_ports.end(),
                       [&](const AppPlan::ActivatedPort& own) {
                         return own.passed && own.port.name == port.name;
                       });
  });
}

}  // namespace rkt::native
