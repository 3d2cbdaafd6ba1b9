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
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(address);
    socket.port = ntohs(v4.sin_port);
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  } else if (address.ss_family == AF_INET6) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(address);
    socket.port = ntohs(v6.sin6_port);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  } else {
    return socket;
  }
  socket.address = text;
  int listens = 0;
  size = sizeof listens;
  if (type == SOCK_DGRAM) {
    socket.protocol = "udp";
  } else if (type == SOCK_STREAM && ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0) {
    socket.protocol = "tcp";
  }
  return socket;
}

bool IsForEveryAddress(const std::string& address) { return address == "0.0.0.0" || address == "::"; }

// "tcp 127.0.0.1:8081", "tcp [::]:8081".
std::string Name(const PassedSocket& socket) {
  if (socket.protocol.empty()) return "something that is no listening TCP or UDP socket";
  bool v6 = socket.address.find(':') != std::string::npos;
  return StrCat(socket.protocol, " ", v6 ? "[" : "", socket.address, v6 ? "]" : "", ":", socket.port);
}

// Where a port of an app is to be served: published by the pod, else at every address by the port's own number.
struct HostSide {
  uint32_t first = 0, last = 0;
  std::string address;  // empty: every one, or whichever the socket has
};
HostSide HostSideOf(const appc::PodManifest& manifest, const appc::Port& port) {
  HostSide side{port.port, 0, ""};
  for (const appc::ExposedPort& exposed : manifest.ports) {
    if (exposed.name != port.name) continue;
    side.first = exposed.host_port;
    side.address = IsForEveryAddress(exposed.host_ip) ? "" : exposed.host_ip;
  }
  side.last = side.first + std::max(port.count, 1u) - 1;
  return side;
}

bool Serves(const PassedSocket& socket, const std::string& protocol, const HostSide& side) {
  return socket.protocol == protocol && socket.port >= side.first && socket.port <= side.last;
}

// Why no socket is one for a port.
Error NoSocket(const std::string& app, const appc::Port& port, const HostSide& side, const std::string& owner,
               const std::vector<PassedSocket>& passed) {
  std::string what = StrCat("port ", Quote(port.name), " of app ", Quote(app), " is socket-activated");
  if (port.protocol != "tcp" && port.protocol != "udp")
    return Err(Code::kInvalid, what, ", but its protocol is ", Quote(port.protocol), ": only tcp and udp ports can be");
  if (!owner.empty()) return Err(Code::kInvalid, what, ", but the socket of ", port.protocol, " port ", side.first, " is ", owner, "'s already");
  std::vector<std::string> names;
  for (const PassedSocket& socket : passed) names.push_back(Name(socket));
  std::string wanted = StrCat(port.protocol, " port ", side.first);
  if (side.last > side.first) wanted += StrCat(" to ", side.last);
  if (!side.address.empty()) wanted += StrCat(" of ", side.address, " alone");
  return Err(Code::kInvalid, what, ", but no socket was passed that listens on ", wanted, "; passed was ",
             names.empty() ? "none: a service manager has to start the pod with it (LISTEN_FDS)" : Join(names, ", "));
}

// The port of the pod that has the same host's port as a socket, which leads past the socket.
Status CheckPublished(const PodPlan& plan, const appc::PodManifest& manifest, const std::vector<PassedSocket>& passed) {
  for (const appc::ForwardedPort& port : TRY(appc::ResolvePorts(manifest))) {
    if (IsActivated(plan, port)) continue;
    HostSide side{port.host_port, port.host_port + std::max(port.count, 1u) - 1, port.host_ip};
    for (const PassedSocket& socket : passed) {
      bool collides = side.address.empty() || IsForEveryAddress(side.address) || IsForEveryAddress(socket.address) ||
                      side.address == socket.address;
      if (!Serves(socket, port.protocol, side) || !collides) continue;
      return Err(Code::kInvalid, "port ", Quote(port.name), " cannot be published as ", port.protocol, " port ", socket.port,
                 ": a socket was passed that listens on ", Name(socket));
    }
  }
  return {};
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

Result<std::vector<std::string>> AssignSockets(PodPlan& plan, const appc::PodManifest& manifest,
                                               const std::vector<PassedSocket>& passed) {
  std::vector<std::string> owners(passed.size());  // empty: nobody's
  for (AppPlan& app : plan.apps) {
    std::vector<std::string> names;
    for (AppPlan::ActivatedPort& port : app.activated_ports) {
      HostSide side = HostSideOf(manifest, port.port);
      std::string other;
      for (size_t i = 0; i < passed.size(); ++i) {
        const PassedSocket& socket = passed[i];
        if (!Serves(socket, port.port.protocol, side)) continue;
        if (!side.address.empty() && side.address != socket.address) continue;
        if (!owners[i].empty()) {
          other = owners[i];
          continue;
        }
        app.sockets.push_back(socket.fd);
        names.push_back(socket.name.empty() ? port.port.name : socket.name);
        owners[i] = StrCat("port ", Quote(port.port.name), " of app ", Quote(app.name));
        port.passed = true;
      }
      if (!port.passed) return NoSocket(app.name, port.port, side, other, passed);
    }
    if (app.sockets.empty()) continue;
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"})
      DropVariable(app.environment, name);
    // The first is completed by the child, who alone knows its pid.
    app.socket_environment = {"LISTEN_PID=0000000000", StrCat("LISTEN_FDS=", app.sockets.size()),
                              StrCat("LISTEN_FDNAMES=", Join(names, ":"))};
  }
  if (!passed.empty()) TRY(CheckPublished(plan, manifest, passed));
  std::vector<std::string> warnings;
  for (size_t i = 0; i < passed.size(); ++i) {
    if (!owners[i].empty()) continue;
    ::close(passed[i].fd);
    warnings.push_back(
        passed[i].protocol.empty()
            ? StrCat("warning: descriptor ", passed[i].fd,
                     " was passed, but is no listening TCP or UDP socket; no app gets it")
            : StrCat("warning: a socket was passed that listens on ", Name(passed[i]),
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
