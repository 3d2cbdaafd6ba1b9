// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/remote_session.h"

#include "base/duration.h"
#include "base/file.h"
#include "base/log.h"
#include "image/discovery.h"
#include "image/import.h"
#include "image/signature/verify.h"

namespace rkt::image {

namespace {

// A chain that goes on and on is no better than a cycle.
constexpr size_t kMaxDependencies = 1024;

// The image must be what was asked for, or a server could give an old version for a new one, well
// signed as it is.
Status CheckIdentity(const appc::ImageName& expected, const std::string& name,
                     const std::vector<appc::Label>& labels) {
  if (name != expected.name) {
    return Err(Code::kInvalid, "requested image ", Quote(expected.name),
               ", but the fetched one calls itself ", Quote(name));
  }
  for (const appc::Label& label : expected.labels) {
    const std::string* value = appc::FindLabel(labels, label.name);
    if (value == nullptr) {
      return Err(Code::kInvalid, "requested label ", Quote(label.name),
                 " not provided by the image manifest");
    }
    if (*value != label.value) {
      return Err(Code::kInvalid, "requested value for label ", Quote(label.name), ": ",
                 Quote(label.value), " differs from fetched aci label value: ", Quote(*value));
    }
  }
  return {};
}

// What no header can hold would spoil all later requests.
bool MayBeSentBack(std::string_view etag) {
  constexpr size_t kMaxEtag = 4096;
  for (unsigned char c : etag) {
    if (c < ' ' || c > '~') return false;
  }
  return etag.size() <= kMaxEtag;
}

}  // namespace

TransferRules RemoteSession::Rules() const {
  // A URL of http that somebody wrote is what he wants. One of https is not to become one of http
  // underway.
  return {.allow_http = true,
          .allow_downgrade = options_.insecure_http,
          .any_peer = options_.insecure_tls,
          .name_us = true};
}

Result<std::string> RemoteSession::FindUrl(const std::string& url, const std::string& text,
                                           const std::string& signature) {
  if (options_.pull != PullPolicy::kUpdate) {
    if (auto record = ReadRemote(store_, url)) {
      DebugNotice("image", StrCat("using image from local store for url ", ShownUrl(url)));
      return record->key;
    }
  }
  if (options_.pull == PullPolicy::kNever) {
    return Err(Code::kNotFound, "unable to fetch image from URL ", Quote(text),
               ": it is not in the store");
  }
  return Fetch({.url = url, .signature_url = SignatureLocation(url), .signature_file = signature});
}

Result<std::string> RemoteSession::FindName(const appc::ImageName& name, const std::string& text,
                                            const std::string& signature) {
  if (options_.pull != PullPolicy::kUpdate) {
    auto found = store_.FindImage(name);
    if (found) DebugNotice("image", StrCat("using image from local store for image name ", text));
    if (found || found.error().code() != Code::kNotFound) return found;
    if (options_.pull == PullPolicy::kNever) {
      return Err(Code::kNotFound, "unable to fetch image from image name ", Quote(text),
                 ": it is not in the store");
    }
  }
  const std::string asked = name.Text();
  if (auto before = fetched_.find(asked); before != fetched_.end()) return before->second;
  Source source{
      .signature_file = signature, .expected = &name, .latest = name.Find("version") == nullptr};
  TRY(Discover(name, &source));
  std::string key = TRY(Fetch(source));
  fetched_.emplace(asked, key);
  return key;
}

Status RemoteSession::Discover(const appc::ImageName& name, Source* source) {
  DebugNotice("image", StrCat("searching for app image ", name.name));
  DiscoveredImage found = TRY(DiscoverImage(
      transfer_, name, {.allow_http = options_.insecure_http, .any_peer = options_.insecure_tls}));
  source->url = std::move(found.image_url);
  source->signature_url = std::move(found.signature_url);
  if (!insecure_) DiscoverKeysOf(name.name);
  return {};
}

void RemoteSession::DiscoverKeysOf(const std::string& name) {
  auto keys = options_.keystore.KeysFor(name);
  if (!keys || !keys->empty()) return;  // an error comes up again where the keys are needed
  // Without TLS anybody could offer his key.
  if (options_.insecure_tls && !options_.insecure_pubkey) {
    Notice(
        "image",
        "TLS verification is off, so no keys are looked for; --insecure-options=pubkey allows it");
    return;
  }
  TrustOptions trust;
  trust.prefix = name;
  trust.allow_http = options_.insecure_pubkey;
  trust.skip_tls_check = options_.insecure_pubkey;
  trust.trust_https = options_.trust_keys_from_https;
  trust.fetch = KeyFetcher(transfer_);
  trust.discover = KeyDiscoverer(transfer_);
  Status trusted = TrustKeys(options_.keystore, {}, trust, options_.dialog);
  if (!trusted) {
    Notice("image", StrCat("no keys of ", Quote(name), " were found to verify it with: ",
                           trusted.error().Innermost().message()));
  }
}

std::optional<RemoteRecord> RemoteSession::Known(const Source& source) const {
  auto record = ReadRemote(store_, source.url);
  // What came in without a signature does not pass for signed.
  if (record && !insecure_ && !record->verified) record.reset();
  return record;
}

Result<std::string> RemoteSession::UseStored(const Source& source, const std::string& key) const {
  if (source.expected != nullptr && !insecure_) {
    appc::ImageManifest manifest = TRY(store_.ReadManifest(key));
    TRY(CheckIdentity(*source.expected, manifest.name, manifest.labels));
  }
  return key;
}

Result<std::string> RemoteSession::Fetch(const Source& source) {
  if (auto before = fetched_.find(source.url); before != fetched_.end())
    return UseStored(source, before->second);
  auto known = Known(source);
  if (known && known->IsFresh(NowNs())) {
    DebugNotice("image",
                StrCat("image for ", ShownUrl(source.url), " isn't expired, not fetching."));
    return UseStored(source, known->key);
  }
  DebugNotice("image", StrCat("remote fetching from URL ", Quote(ShownUrl(source.url))));
  PartialDownload partial = TRY(PartialDownload::Lock(store_, source.url, [] {
    Notice("image", "another rkt instance is downloading this file, waiting...");
  }));
  // Another process may just have done it: then the record is another one. (That it is younger says nothing where the clock
  // was set back.)
  const int64_t before = known ? known->download_ns : 0;
  known = Known(source);
  std::string key;
  if (known && known->download_ns != before) {
    partial.Remove();
    key = TRY(UseStored(source, known->key));
  } else {
    auto fetched = FetchLocked(source, partial, known);
    // What is left after an error is nothing to go on from; only a kill leaves a good beginning.
    partial.Remove();
    key = TRY(std::move(fetched));
  }
  fetched_.emplace(source.url, key);
  return key;
}

Result<std::string> RemoteSession::FetchLocked(const Source& source, const PartialDownload& partial,
                                               const std::optional<RemoteRecord>& known) {
  std::optional<std::string> signature;
  bool deferred = false;
  if (!insecure_) {
    signature = TRY(FetchSignature(source));
    deferred = !signature.has_value();
  }

  Transfer::DownloadRequest request;
  request.url = source.url;
  request.rules = Rules();
  if (known) request.etag = known->etag;
  request.partial_etag = partial.ReadEtag();
  request.begins = [&](const std::string& etag) { partial.WriteEtag(etag); };
  Transfer::Downloaded downloaded =
      TRY_CTX(transfer_.Download(request, partial.fd()), "error downloading ACI");
  if (downloaded.status == 202) {
    return Err(Code::kNetwork,
               "the server is still preparing the image (HTTP status code 202), try again later");
  }
  RemoteRecord record;
  if (MayBeSentBack(downloaded.etag)) record.etag = downloaded.etag;
  record.max_age_s = MaxAge(downloaded.cache_control);
  record.download_ns = NowNs();
  if (downloaded.status == 304) {
    if (!known)
      return Err(Code::kNetwork,
                 "the server says that an image is unchanged which it was not asked for");
    record.key = known->key;
    record.verified = known->verified;
    if (record.etag.empty()) record.etag = known->etag;
    std::string key = TRY(UseStored(source, known->key));
    TRY(WriteRemote(store_, source.url, record));
    return key;
  }
  if (deferred) {
    signature = TRY(FetchSignature(source));
    if (!signature) {
      return Err(
          Code::kNetwork,
          "the server is still preparing the signature (HTTP status code 202), try again later");
    }
  }

  ImportOptions import;
  import.shown_as = ShownUrl(source.url);  // it shows in the list of processes, too
  import.render = options_.render;
  import.latest = source.latest;
  import.insecure = insecure_;
  import.keystore = options_.keystore;
  import.signature_bytes = std::move(signature);
  if (source.expected != nullptr) {
    import.check = [&](const std::string& name, const std::vector<appc::Label>& labels) {
      return CheckIdentity(*source.expected, name, labels);
    };
  }
  record.key = TRY(ImportFile(store_, partial.path(), import)).key;
  record.verified = !insecure_;
  record.download_ns = NowNs();
  TRY(WriteRemote(store_, source.url, record));
  return record.key;
}

Result<std::optional<std::string>> RemoteSession::FetchSignature(const Source& source) {
  if (!source.signature_file.empty()) {
    auto file = Open(source.signature_file, O_RDONLY);
    if (!file) return std::move(file).error().Wrap("error opening signature file");
    return std::optional(TRY_CTX(ReadFd(file->get(), kMaxSignatureSize),
                                 "error reading signature file ", Quote(source.signature_file)));
  }
  DebugNotice("image", StrCat("downloading signature from ", ShownUrl(source.signature_url)));
  Transfer::Answer answer =
      TRY_CTX(transfer_.Get(source.signature_url, Rules(), kMaxSignatureSize, "signature"),
              "error downloading the signature file");
  if (answer.status == 202) return std::optional<std::string>();
  if (answer.status != 200) {
    return Err(Code::kNetwork, "bad HTTP status code: ", answer.status, " from ", answer.url)
        .Wrap("error downloading the signature file");
  }
  return std::optional(std::move(answer.body));
}

Result<std::string> RemoteSession::FindDependency(const appc::Dependency& dependency) {
  appc::ImageName name{dependency.image_name, dependency.labels};
  if (!dependency.image_id.empty()) {
    // The id says all; there is nothing newer to ask for.
    auto stored = store_.ResolveKey(dependency.image_id);
    if (stored) return stored;
  }
  if (options_.pull != PullPolicy::kUpdate) {
    auto stored = store_.FindImage(name);
    if (stored) return stored;
  }
  TRY(appc::AddHostLabels(name));
  std::string key = TRY(FindName(name, name.Text(), {}));
  if (!dependency.image_id.empty() && !dependency.image_id.starts_with(key) &&
      !key.starts_with(dependency.image_id)) {
    return Err(Code::kInvalid, "the dependency ", Quote(name.name), " must be ",
               dependency.image_id, ", but ", key, " was fetched");
  }
  return key;
}

Status RemoteSession::Visit(const std::string& key, std::vector<Visited>* path) {
  for (size_t i = 0; i < path->size(); ++i) {
    if ((*path)[i].key != key) continue;
    std::string names;
    for (; i < path->size(); ++i) names += StrCat(Quote((*path)[i].name), " -> ");
    return Err(Code::kInvalid, "images depend on each other in a cycle: ", names,
               Quote(TRY(store_.GetInfo(key)).name));
  }
  if (complete_.contains(key)) return {};
  if (complete_.size() + path->size() >= kMaxDependencies) {
    return Err(Code::kInvalid, "more than ", kMaxDependencies, " dependencies");
  }
  appc::ImageManifest manifest = TRY(store_.ReadManifest(key));
  path->push_back({key, manifest.name});
  for (const appc::Dependency& dependency : manifest.dependencies) {
    auto found = FindDependency(dependency);
    if (!found) {
      // In one message: of a chain people see the ends only, and "discovery failed" says of what nowhere.
      const Error& error = found.error();
      return Error(error.code(), error.err(),
                   StrCat("image ", Quote(manifest.name), " depends on ", Quote(dependency.image_name), ": ", error.Text()));
    }
    TRY(Visit(*found, path));
  }
  path->pop_back();
  complete_.insert(key);
  return {};
}

Status RemoteSession::FindDependencies(const std::string& key) {
  std::vector<Visited> path;
  return Visit(key, &path);
}

}  // namespace rkt::image
