// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What the metadata service knows and what it answers: pods by their UUID and token, with manifests and addresses.
// Kept in a directory below /run, so that the service may be started again while pods run:
//
//   key            0600  64 random bytes, for signatures
//   lock, port     of the service that runs (registration.h)
//   pods/<uuid>    0600  JSON: token, path, manifest, images, addresses, host
//
// No socket here: requests in, replies out.

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "appc/image_manifest.h"
#include "appc/pod_manifest.h"
#include "base/result.h"
#include "metadata/http.h"

namespace rkt::metadata {

// An address in its usual writing ("::1"), an IPv4 one mapped into IPv6 as IPv4; empty where it is none.
std::string NormalAddress(const std::string& text);

class Registry {
 public:
  // Reads what an earlier service left, and the manifests of the pods as they are now; pods whose directories are gone are
  // forgotten. `port` is told to the pods.
  static Result<Registry> Open(const std::string& directory, int port);

  // Requests at the registration socket (registration.h).
  HttpReply Register(const HttpRequest& request);
  // Requests of apps: /TOKEN/acMetadata/v1/... `peer` is the address they come from.
  HttpReply Answer(const HttpRequest& request, const std::string& peer) const;

  // Addresses of the host that pods were told to ask, beside 127.0.0.1.
  const std::set<std::string>& hosts() const { return hosts_; }
  size_t size() const { return pods_.size(); }

 private:
  struct Image {
    std::string text;
    appc::ImageManifest manifest;
  };
  struct Pod {
    std::string uuid;
    std::string token;
    std::string path;  // empty: not told
    std::string text;
    appc::PodManifest manifest;
    std::map<std::string, Image> images;
    bool announced = false;
    std::set<std::string> addresses;  // it sends from; with none it shares the host's stack
    std::string host;
  };

  HttpReply PutPod(const std::string& uuid, const HttpRequest& request);
  HttpReply PutApp(const std::string& uuid, const std::string& app, const HttpRequest& request);
  HttpReply PostPod(const std::string& uuid, const HttpRequest& request);
  HttpReply DeletePod(const std::string& uuid);
  HttpReply Get(const Pod& pod, std::string_view path) const;
  HttpReply Post(const Pod& pod, std::string_view path, const HttpRequest& request) const;
  static bool MayAsk(const Pod& pod, const std::string& peer);

  Status Load(const std::string& uuid);
  Status Save(const Pod& pod) const;
  void Index();

  std::string directory_;
  int port_ = 0;
  std::string key_;
  std::map<std::string, Pod> pods_;              // by UUID
  std::map<std::string, std::string> by_token_;  // UUIDs
  std::set<std::string> hosts_;
};

}  // namespace rkt::metadata
