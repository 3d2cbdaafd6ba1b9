// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// libexec/rkt/metadata-service: what `rkt metadata-service` becomes.

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/log.h"
#include "base/strings.h"
#include "metadata/registration.h"
#include "metadata/server.h"

namespace rkt::metadata {

namespace {

constexpr int kFailed = 254;
constexpr int kFirstPassedFd = 3;

// The socket that a service manager has bound, or -1.
int PassedSocket() {
  const char* count = ::getenv("LISTEN_FDS");
  const char* pid = ::getenv("LISTEN_PID");
  if (count == nullptr || ParseInt(count).value_or(0) < 1) return -1;
  if (pid != nullptr && ParseInt(pid) != ::getpid()) return -1;
  return kFirstPassedFd;
}

// The protocol of sd_notify(3): one datagram.
void TellReady() {
  const char* path = ::getenv("NOTIFY_SOCKET");
  struct sockaddr_un address = {};
  if (path == nullptr || (*path != '/' && *path != '@') || strlen(path) >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path, strlen(path));
  if (*path == '@') address.sun_path[0] = '\0';
  Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  constexpr char kReady[] = "READY=1";
  auto length = static_cast<socklen_t>(offsetof(struct sockaddr_un, sun_path) + strlen(path));
  (void)::sendto(fd.get(), kReady, sizeof kReady - 1, MSG_NOSIGNAL, reinterpret_cast<struct sockaddr*>(&address),
                 length);
}

Status Serve(int argc, char** argv) {
  ServerOptions options;
  options.port = kDefaultPort;
  options.socket = kRegistrationSocket;
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    if (word == "--debug") {
      SetDebug(true);
    } else if (word.starts_with("--listen-port=")) {
      auto port = ParseInt(word.substr(strlen("--listen-port=")));
      if (!port || *port < 1 || *port > 65535) {
        return Err(Code::kInvalid, "--listen-port must be between 1 and 65535");
      }
      options.port = static_cast<int>(*port);
    } else if (word.starts_with("--listen-address=")) {
      for (const std::string& text : Split(word.substr(strlen("--listen-address=")), ',')) {
        if (text.empty()) continue;
        std::string address = NormalAddress(text);
        if (address.empty()) return Err(Code::kInvalid, "--listen-address: ", Quote(text), " is not an IP address");
        options.addresses.insert(address);
      }
    } else {
      return Err(Code::kInvalid, "unknown argument ", Quote(word));
    }
  }
  options.socket_fd = PassedSocket();
  auto server = TRY(Server::Create(options));
  TellReady();
  return server->Run();
}

}  // namespace

}  // namespace rkt::metadata

int main(int argc, char** argv) {
  rkt::Status served = rkt::metadata::Serve(argc, argv);
  if (served) return 0;
  rkt::PrintError("metadata-service", served.error());
  return rkt::metadata::kFailed;
}
