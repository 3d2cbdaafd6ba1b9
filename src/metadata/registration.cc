// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "metadata/registration.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/lock.h"
#include "metadata/http.h"

namespace rkt::metadata {

const char kServiceHint[] =
    "The pod was to be registered with the metadata service, and no service answers at\n"
    "/run/rkt/metadata-svc.sock. Start it with `rkt metadata-service`, or with\n"
    "`systemctl start rkt-metadata.socket` where rkt's units are installed,\n"
    "or run the pod without --mds-register.";

namespace {

constexpr int kAttempts = 3;
constexpr int kTimeoutSeconds = 10;

struct Answer {
  int status = 0;
  std::string body;
};

Result<Fd> Connect(const std::string& path) {
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Err(Code::kInvalid, "the path ", Quote(path), " is too long");
  memcpy(address.sun_path, path.data(), path.size());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return SysErr("socket");
  struct timeval timeout = {kTimeoutSeconds, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  if (::connect(fd.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address) != 0) {
    return SysErr("connecting to the metadata service at ", path);
  }
  return fd;
}

Status SendAll(int fd, std::string_view data) {
  while (!data.empty()) {
    ssize_t n = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SysErr("writing to the metadata service");
    data.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

Result<Answer> Ask(const std::string& socket, const char* method, const std::string& target, std::string_view body) {
  Fd fd = TRY(Connect(socket));
  TRY(SendAll(fd.get(), StrCat(method, " ", target, " HTTP/1.1\r\nHost: rkt\r\nConnection: close\r\nContent-Length: ",
                               body.size(), "\r\n\r\n")));
  TRY(SendAll(fd.get(), body));
  std::string text = TRY_CTX(ReadFd(fd.get(), 1 << 20), "reading the metadata service's answer");
  size_t end = text.find("\r\n\r\n");
  auto status = text.starts_with("HTTP/1.") && text.size() > 12 ? ParseInt(text.substr(9, 3)) : std::nullopt;
  if (end == std::string::npos || !status) {
    return Err(Code::kCorrupt, "the metadata service at ", socket, " gave no HTTP answer");
  }
  return Answer{static_cast<int>(*status), text.substr(end + 4)};
}

Status Expect200(const Answer& answer) {
  if (answer.status == 200) return {};
  return Err(Code::kInvalid, "the metadata service answered ", answer.status, ": ",
             TerminalSafe(Trim(std::string_view(answer.body).substr(0, 400))));
}

bool NobodyThere(const Error& error) {
  return error.err() == ENOENT || error.err() == ECONNREFUSED;
}

std::string PodTarget(const std::string& uuid, const std::string& token, const std::string& pod_path) {
  std::string target = StrCat("/pods/", uuid, "?token=", token);
  if (!pod_path.empty()) target += StrCat("&path=", PercentEncode(pod_path));
  return target;
}

// Where nobody answers, tries again a second later: the service may be about to be started again.
Status PutManifest(const std::string& uuid, const std::string& token, const std::string& pod_path,
                   const std::string& manifest, const std::string& socket, int attempts) {
  for (int attempt = 1;; ++attempt) {
    auto answer = Ask(socket, "PUT", PodTarget(uuid, token, pod_path), manifest);
    if (answer) return Expect200(*answer);
    if (attempt == attempts || !NobodyThere(answer.error())) return std::move(answer).error();
    ::sleep(1);
  }
}

}  // namespace

std::string NewToken() {
  unsigned char bytes[16];
  if (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) ::abort();
  return HexEncode(bytes, sizeof bytes);
}

std::optional<int> RunningServicePort(const std::string& state) {
  auto lock_file = Open(StrCat(state, "/", kServiceLock), O_RDONLY);
  if (!lock_file) return std::nullopt;
  auto lock = Lock::TryFd(*std::move(lock_file), Lock::Kind::kShared);
  if (!lock || *lock) return std::nullopt;  // nobody has it
  auto text = ReadFile(StrCat(state, "/", kServicePort), 64);
  auto port = text ? ParseInt(Trim(*text)) : std::nullopt;
  if (!port) return std::nullopt;
  return static_cast<int>(*port);
}

Status Register(const Registration& registration, const std::string& socket) {
  TRY(PutManifest(registration.uuid, registration.token, registration.pod_path, registration.manifest, socket,
                  kAttempts));
  for (const auto& [app, manifest] : registration.apps) {
    TRY(Expect200(TRY(Ask(socket, "PUT", StrCat("/pods/", registration.uuid, "/", app), manifest))));
  }
  return {};
}

Status RegisterApp(const std::string& uuid, const std::string& token, const std::string& pod_path,
                   const std::string& manifest, const std::string& app, const std::string& image_manifest,
                   const std::string& socket) {
  TRY(PutManifest(uuid, token, pod_path, manifest, socket, kAttempts));
  return Expect200(TRY(Ask(socket, "PUT", StrCat("/pods/", uuid, "/", app), image_manifest)));
}

Status RegisterManifest(const std::string& uuid, const std::string& token, const std::string& pod_path,
                        const std::string& manifest, const std::string& socket) {
  return PutManifest(uuid, token, pod_path, manifest, socket, 1);
}

Result<int> Announce(const std::string& uuid, const std::vector<std::string>& addresses, const std::string& host,
                     const std::string& socket) {
  std::string target = StrCat("/pods/", uuid, "?host=", PercentEncode(host));
  for (const std::string& address : addresses) target += StrCat("&address=", PercentEncode(address));
  Answer answer = TRY(Ask(socket, "POST", target, ""));
  // Another's service does not know of this; it listens at every address.
  if (answer.status == 404 || answer.status == 405) return kDefaultPort;
  TRY(Expect200(answer));
  json::Value value = TRY_CTX(json::Parse(answer.body), "the metadata service's answer");
  const json::Value* port = value.Find("port");
  auto number = port != nullptr ? port->AsInt() : std::nullopt;
  if (!number || *number < 1 || *number > 65535) {
    return Err(Code::kCorrupt, "the metadata service's answer has no port");
  }
  return static_cast<int>(*number);
}

Status Unregister(const std::string& uuid, const std::string& socket) {
  auto answer = Ask(socket, "DELETE", StrCat("/pods/", uuid), "");
  if (!answer) return NobodyThere(answer.error()) ? Status() : Status(std::move(answer).error());
  return answer->status == 404 ? Status() : Expect200(*answer);
}

std::string Url(std::string_view host, int port, std::string_view token) {
  bool v6 = host.find(':') != std::string_view::npos;
  return StrCat("http://", v6 ? "[" : "", host, v6 ? "]" : "", ":", port, "/", token);
}

}  // namespace rkt::metadata
