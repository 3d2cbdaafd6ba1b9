// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Fetching ACIs from servers: by URL, by name, and what they depend on. One session serves one
// command: nothing is asked for twice in it. What a URL gave is remembered in the store
// (remote_record.h), so that later sessions ask less.

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "appc/image_manifest.h"
#include "base/result.h"
#include "image/reference.h"
#include "image/remote_record.h"
#include "image/transfer.h"
#include "store/store.h"

namespace rkt::image {

class RemoteSession {
 public:
  // Both must outlive it. `insecure`: without signatures.
  RemoteSession(store::Store& store, const FetchOptions& options, bool insecure)
      : store_(store), options_(options), insecure_(insecure), transfer_(options.config) {}
  RemoteSession(const RemoteSession&) = delete;

  // The key of the image behind a URL, by the pull policy. `text` is what the user wrote,
  // `signature` a file or empty.
  Result<std::string> FindUrl(const std::string& url, const std::string& text,
                              const std::string& signature);
  // The same by name, os and arch among its labels; what comes from the network is looked for by
  // discovery.
  Result<std::string> FindName(const appc::ImageName& name, const std::string& text,
                               const std::string& signature);
  // Finds, by the same policy, all that a stored image depends on. kInvalid: a cycle.
  Status FindDependencies(const std::string& key);

 private:
  struct Source {
    std::string url;
    std::string signature_url;
    std::string signature_file;  // instead of it
    const appc::ImageName* expected =
        nullptr;  // what the manifest must say, if signatures are checked
    bool latest = false;
  };
  Result<std::string> Fetch(const Source& source);
  Result<std::string> FetchLocked(const Source& source, const PartialDownload& partial,
                                  const std::optional<RemoteRecord>& known);
  std::optional<RemoteRecord> Known(const Source& source) const;
  Result<std::string> UseStored(const Source& source, const std::string& key) const;
  // Nothing where the server wants to be asked later.
  Result<std::optional<std::string>> FetchSignature(const Source& source);
  Status Discover(const appc::ImageName& name, Source* source);
  void DiscoverKeysOf(const std::string& name);
  Result<std::string> FindDependency(const appc::Dependency& dependency);
  struct Visited {
    std::string key;
    std::string name;
  };
  Status Visit(const std::string& key, std::vector<Visited>* path);
  TransferRules Rules() const;

  store::Store& store_;
  const FetchOptions& options_;
  bool insecure_;
  Transfer transfer_;
  std::unordered_map<std::string, std::string> fetched_;  // URLs and names: keys
  std::unordered_set<std::string> complete_;              // keys whose dependencies are all there
};

}  // namespace rkt::image
