// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "servers/registry.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "functional/harness/files.h"
#include "functional/harness/image.h"
#include "functional/harness/program.h"

namespace rkt::test {

namespace {

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(tolower(c));
  return text;
}

const char kOciManifest[] = "application/vnd.oci.image.manifest.v1+json";
const char kDockerManifest[] = "application/vnd.docker.distribution.manifest.v2+json";

std::string Descriptor(const std::string& type, const std::string& digest, size_t size) {
  return "{\"mediaType\":" + JsonQuote(type) + ",\"digest\":" + JsonQuote(digest) + ",\"size\":" + std::to_string(size) +
         "}";
}

std::string Compressed(const std::string& bytes, const std::string& command) {
  if (command.empty()) return bytes;
  return RunProgram({"sh", "-c", command}, {.input = bytes}).out;
}

}  // namespace

std::string HttpRequest::Header(const std::string& name) const {
  auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

bool Reply::Raw(const std::string& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    ssize_t n = send(fd_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (n <= 0) {
      open_ = false;
      return false;
    }
    done += static_cast<size_t>(n);
  }
  return true;
}

void Reply::Send(int status, const std::vector<std::string>& headers, const std::string& body) {
  std::string head = "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  for (const std::string& header : headers) head += header + "\r\n";
  if (Raw(head + "\r\n")) Raw(body);
}

HttpServer::HttpServer(Handler handler) : handler_(std::move(handler)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 64) != 0) {
    perror("listening on 127.0.0.1");
    abort();
  }
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

HttpServer::~HttpServer() {
  stop_ = true;
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  close(listener_);
  {
    std::lock_guard lock(mutex_);
    for (int fd : connections_) shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
}

void HttpServer::Accept() {
  while (!stop_) {
    int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    std::lock_guard lock(mutex_);
    connections_.insert(fd);
    threads_.emplace_back([this, fd] { Serve(fd); });
  }
}

void HttpServer::Serve(int fd) {
  std::string buffer;
  Reply reply(fd);
  while (reply.open() && !stop_) {
    size_t end;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
      char piece[4096];
      ssize_t n = recv(fd, piece, sizeof piece, 0);
      // A greeting of TLS is no request.
      if (n <= 0 || buffer.size() > 65536 || (buffer.empty() && piece[0] == 0x16)) goto done;
      buffer.append(piece, static_cast<size_t>(n));
    }
    {
      std::vector<std::string> lines = Split(buffer.substr(0, end), '\n');
      buffer.erase(0, end + 4);
      HttpRequest request;
      std::vector<std::string> words = Split(lines[0], ' ');
      if (words.size() < 3) break;
      request.method = words[0];
      request.target = words[1];
      for (size_t i = 1; i < lines.size(); ++i) {
        size_t colon = lines[i].find(':');
        if (colon != std::string::npos) request.headers[Lower(lines[i].substr(0, colon))] = Trim(lines[i].substr(colon + 1));
      }
      size_t length = static_cast<size_t>(atoll(request.Header("content-length").c_str()));
      while (buffer.size() < length) {
        char piece[4096];
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        if (n <= 0 || buffer.size() > 65536) goto done;
        buffer.append(piece, static_cast<size_t>(n));
      }
      request.body = buffer.substr(0, length);
      buffer.erase(0, length);
      {
        std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      handler_(request, reply);
    }
  }
done:
  std::lock_guard lock(mutex_);
  connections_.erase(fd);
  close(fd);
}

std::vector<HttpRequest> HttpServer::requests() const {
  std::lock_guard lock(mutex_);
  return requests_;
}

int HttpServer::Count(const std::string& part) const {
  int count = 0;
  for (const HttpRequest& request : requests()) count += Contains(request.target, part);
  return count;
}

void HttpServer::Forget() {
  std::lock_guard lock(mutex_);
  requests_.clear();
}

std::string Digest(const std::string& bytes) {
  unsigned char hash[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), hash);
  std::string text = "sha256:";
  for (unsigned char byte : hash) {
    const char digits[] = "0123456789abcdef";
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

std::string Base64(const std::string& bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                             reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<size_t>(size));
  return out;
}

BuiltImage Build(const OciImage& image) {
  BuiltImage built;
  std::string diff_ids, layers;
  std::string suffix = image.compression.find("zstd") != std::string::npos ? "+zstd"
                       : image.compression.empty()                         ? ""
                                                                           : "+gzip";
  std::string layer_type = image.docker ? "application/vnd.docker.image.rootfs.diff.tar.gzip"
                                        : "application/vnd.oci.image.layer.v1.tar" + suffix;
  for (const std::string& layer : image.layers) {
    std::string blob = Compressed(layer, image.compression), digest = Digest(blob);
    if (!diff_ids.empty()) {
      diff_ids += ",";
      layers += ",";
    }
    diff_ids += JsonQuote(Digest(layer));
    layers += Descriptor(layer_type, digest, blob.size());
    built.blobs[digest] = std::move(blob);
  }
  built.config = "{" + image.more + "\"architecture\":" + JsonQuote(image.architecture) +
                 ",\"os\":\"linux\",\"config\":{" + image.config + "},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[" +
                 diff_ids + "]}}";
  built.config_digest = Digest(built.config);
  built.blobs[built.config_digest] = built.config;
  built.manifest_type = image.docker ? kDockerManifest : kOciManifest;
  built.manifest = "{\"schemaVersion\":2,\"mediaType\":" + JsonQuote(built.manifest_type) + ",\"config\":" +
                   Descriptor(image.docker ? "application/vnd.docker.container.image.v1+json"
                                           : "application/vnd.oci.image.config.v1+json",
                              built.config_digest, built.config.size()) +
                   ",\"layers\":[" + layers + "]}";
  built.manifest_digest = Digest(built.manifest);
  return built;
}

void WriteLayout(const std::string& directory, const std::string& tag, const OciImage& image) {
  BuiltImage built = Build(image);
  built.blobs[built.manifest_digest] = built.manifest;
  MakeDirs(directory + "/blobs/sha256");
  for (const auto& [digest, bytes] : built.blobs) WriteFile(directory + "/blobs/sha256/" + digest.substr(7), bytes);
  WriteFile(directory + "/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  std::string descriptor = Descriptor(built.manifest_type, built.manifest_digest, built.manifest.size());
  descriptor.pop_back();
  WriteFile(directory + "/index.json",
            "{\"schemaVersion\":2,\"manifests\":[" + descriptor +
                ",\"annotations\":{\"org.opencontainers.image.ref.name\":" + JsonQuote(tag) + "}}]}");
}

Registry::Registry() : server_([this](const HttpRequest& request, Reply& reply) { Answer(request, reply); }) {}

std::string Registry::PutBlob(const std::string& bytes) {
  std::lock_guard lock(mutex_);
  std::string digest = Digest(bytes);
  blobs_[digest] = bytes;
  return digest;
}

std::string Registry::Blob(const std::string& digest) const {
  std::lock_guard lock(mutex_);
  auto found = blobs_.find(digest);
  return found == blobs_.end() ? "" : found->second;
}

std::string Registry::PutManifest(const std::string& reference, const std::string& type, const std::string& json) {
  std::lock_guard lock(mutex_);
  std::string digest = Digest(json);
  manifests_[reference] = {type, json};
  manifests_[digest] = {type, json};
  return digest;
}

std::string Registry::Push(const std::string& reference, const OciImage& image) {
  BuiltImage built = Build(image);
  for (auto& [digest, bytes] : built.blobs) PutBlob(bytes);
  return PutManifest(reference, built.manifest_type, built.manifest);
}

bool Registry::MayPass(const HttpRequest& request, Reply& reply) {
  std::string given = request.Header("authorization");
  if (!basic.empty() && given != "Basic " + Base64(basic)) {
    reply.Send(401, {"WWW-Authenticate: Basic realm=\"registry\""}, "");
    return false;
  }
  if (realm.empty() || given == "Bearer good-token") return true;
  std::string where = realm == "self" ? "http://" + host() + "/token" : realm;
  reply.Send(401, {"WWW-Authenticate: Bearer realm=\"" + where + "\",service=\"test\",scope=\"repository:x:pull\""}, "");
  return false;
}

void Registry::Answer(const HttpRequest& request, Reply& reply) {
  if (hook && hook(request, reply)) return;
  if (StartsWith(request.target, "/token")) {
    if (!refresh_token.empty()) {
      bool good = request.method == "POST" && Contains(request.body, "grant_type=refresh_token&") &&
                  Contains(request.body + "&", "&refresh_token=" + refresh_token + "&");
      return good ? reply.Send(200, {}, R"({"access_token":"good-token","expires_in":300})") : reply.Send(401, {}, "");
    }
    bool good = token_credentials.empty() || request.Header("authorization") == "Basic " + Base64(token_credentials);
    if (good) return reply.Send(200, {}, R"({"token":"good-token","expires_in":300})");
    return reply.Send(401, {}, "");
  }
  if (!MayPass(request, reply)) return;
  if (request.target == "/v2/") return reply.Send(200, {"Docker-Distribution-API-Version: registry/2.0"}, "{}");
  size_t manifests = request.target.find("/manifests/"), blobs = request.target.find("/blobs/");
  if (manifests != std::string::npos) {
    std::string object = request.target.substr(manifests + 11);
    std::lock_guard lock(mutex_);
    auto found = manifests_.find(request.target.substr(4, manifests - 4) + ":" + object);
    if (found == manifests_.end()) found = manifests_.find(object);
    if (found != manifests_.end()) {
      return reply.Send(200, {"Content-Type: " + found->second.type}, found->second.json);
    }
  } else if (blobs != std::string::npos) {
    std::string digest = request.target.substr(blobs + 7), bytes = Blob(digest), range = request.Header("range");
    if (!bytes.empty() && ranges && StartsWith(range, "bytes=")) {
      size_t from = static_cast<size_t>(atoll(range.c_str() + 6));
      if (from >= bytes.size()) return reply.Send(416, {}, "");
      return reply.Send(206,
                        {"Content-Range: bytes " + std::to_string(from) + "-" + std::to_string(bytes.size() - 1) + "/" +
                         std::to_string(bytes.size())},
                        bytes.substr(from));
    }
    if (!bytes.empty()) return reply.Send(200, {}, bytes);
  }
  reply.Send(404, {}, R"({"errors":[{"code":"NOT_FOUND","message":"there is no such thing"}]})");
}

}  // namespace rkt::test
