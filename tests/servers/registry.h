// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// An HTTP server in the test program, and a registry upon it that keeps its images in memory and can be told to lie,
// stall, redirect and ask for credentials.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace rkt::test {

struct HttpRequest {
  std::string method, target, body;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string Header(const std::string& name) const;
};

// One answer, written by hand.
class Reply {
 public:
  explicit Reply(int fd) : fd_(fd) {}
  // A whole answer. A HEAD gets no body.
  void Send(int status, const std::vector<std::string>& headers, const std::string& body);
  // Bytes as they are; false when the peer is gone.
  bool Raw(const std::string& bytes);
  void Close() { open_ = false; }
  bool open() const { return open_; }
  int fd() const { return fd_; }

 private:
  int fd_;
  bool open_ = true;
};

// HTTP/1.1 on 127.0.0.1, a thread for each connection.
class HttpServer {
 public:
  using Handler = std::function<void(const HttpRequest&, Reply&)>;
  explicit HttpServer(Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;

  int port() const { return port_; }
  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  std::vector<HttpRequest> requests() const;
  // How many requests had a target with this in it.
  int Count(const std::string& part) const;
  void Forget();

 private:
  void Accept();
  void Serve(int fd);
  Handler handler_;
  int listener_ = -1, port_ = 0;
  std::atomic<bool> stop_ = false;
  mutable std::mutex mutex_;
  std::vector<HttpRequest> requests_;
  std::set<int> connections_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

std::string Digest(const std::string& bytes);  // "sha256:..."
std::string Base64(const std::string& bytes);

// What an image of docker or OCI is made of.
struct OciImage {
  std::vector<std::string> layers;                 // tars, the lowest first
  std::string config = R"("Cmd":["/bin/busybox","true"])";  // members of the object "config"
  std::string more;                                // members of the configuration, with a comma at the end
  std::string compression;                         // a command ("gzip -1", "zstd -q"), empty: none
  bool docker = false;                             // docker's media types
  std::string architecture = "amd64";
};

class Registry {
 public:
  Registry();
  const HttpServer& server() const { return server_; }
  HttpServer& server() { return server_; }
  std::string host() const { return server_.host(); }

  // Keeps the image under "NAME:TAG"; the digest of its manifest.
  std::string Push(const std::string& reference, const OciImage& image);
  std::string PutManifest(const std::string& reference, const std::string& type, const std::string& json);
  std::string PutBlob(const std::string& bytes);
  std::string Blob(const std::string& digest) const;

  // Asked first; true where it has answered.
  std::function<bool(const HttpRequest&, Reply&)> hook;
  // "user:password" for basic authentication, empty: everybody may.
  std::string basic;
  // Tokens of this realm are wanted ("" none); "self" is a realm of this server.
  std::string realm;
  std::string token_credentials;  // what the realm of this server wants, as `basic`
  std::string refresh_token;      // or this, in the body of a POST
  bool ranges = true;

 private:
  void Answer(const HttpRequest& request, Reply& reply);
  bool MayPass(const HttpRequest& request, Reply& reply);
  struct Manifest {
    std::string type, json;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Manifest> manifests_;  // by NAME:TAG and by digest
  std::map<std::string, std::string> blobs_;
  HttpServer server_;
};

// The manifest and the blobs of an image, for layouts and registries of one's own.
struct BuiltImage {
  std::string manifest, manifest_digest, manifest_type, config, config_digest;
  std::map<std::string, std::string> blobs;
};
BuiltImage Build(const OciImage& image);

// An OCI layout with one image of this tag.
void WriteLayout(const std::string& directory, const std::string& tag, const OciImage& image);

}  // namespace rkt::test
