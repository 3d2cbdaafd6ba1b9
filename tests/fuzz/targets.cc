// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fuzz/targets.h"

#include <cstdio>
#include <cstdlib>
#include <string>

#include "appc/image_manifest.h"
#include "appc/pod_manifest.h"
#include "base/json.h"
#include "base/tar.h"
#include "config/kinds.h"
#include "fetch/decoder.h"
#include "fetch/http/client.h"
#include "fetch/oci/credentials.h"
#include "fetch/oci/registry.h"
#include "image/meta_tags.h"
#include "image/oci/config.h"
#include "image/oci/manifest.h"
#include "image/oci/reference.h"
#include "image/oci/request.h"
#include "network/cni_result.h"
#include "pod/summary.h"
#include "store/index.h"

namespace rkt::fuzz {

namespace {

void Check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

// What is written of something that was read, is read as the same.
template <typename T>
void CheckRoundTrip(const Result<T>& parsed, Result<T> (*parse)(std::string_view), std::string (*write)(const T&),
                    const char* what) {
  if (!parsed) {
    Check(!parsed.error().message().empty(), "errors say something");
    return;
  }
  std::string text = write(*parsed);
  auto again = parse(text);
  Check(bool(again), what);
  Check(write(*again) == text, what);
}

void Json(std::string_view input) {
  auto value = json::Parse(input);
  if (!value) return;
  for (const std::string& text : {json::Write(*value), json::WriteIndented(*value)}) {
    auto again = json::Parse(text, {.max_size = text.size()});
    Check(bool(again), "what was written as JSON is JSON");
    Check(json::Write(*again) == json::Write(*value), "JSON says the same when it is read again");
  }
}

void ImageManifest(std::string_view input) {
  CheckRoundTrip<appc::ImageManifest>(appc::ParseImageManifest(input), appc::ParseImageManifest, appc::WriteImageManifest,
                                      "image manifests say the same when they are read again");
}

void PodManifest(std::string_view input) {
  auto manifest = appc::ParsePodManifest(input);
  CheckRoundTrip<appc::PodManifest>(manifest, appc::ParsePodManifest, appc::WritePodManifest,
                                    "pod manifests say the same when they are read again");
  if (manifest) {
    (void)appc::ResolvePorts(*manifest);
    std::vector<const appc::ImageManifest*> none(manifest->apps.size());
    pod::Summary summary = pod::Summarize(*manifest, none);
    std::string text = pod::FormatSummary(summary, input.size());
    auto again = pod::ParseSummary(text, input.size());
    Check(again && pod::FormatSummary(*again, input.size()) == text, "summaries say the same when they are read again");
  }
}

void Summary(std::string_view input) {
  for (size_t size : {size_t{0}, size_t{462}}) (void)pod::ParseSummary(input, size);
}

void ImageName(std::string_view input) {
  auto name = appc::ParseImageName(input);
  if (!name) return;
  Check(bool(appc::CheckACIdentifier(name->name)), "names are identifiers");
  auto again = appc::ParseImageName(name->Text());
  // The version comes first in it, wherever it stood.
  Check(again && again->Text() == name->Text(), "names say the same when they are read again");
}

// Nothing that a reference says becomes another path of a URL.
void RegistryReference(std::string_view input) {
  auto reference = image::oci::ParseRegistryReference(input);
  if (reference) {
    std::string path = "/v2/" + reference->repository + "/manifests/" + reference->Object();
    auto url = fetch::http::ParseUrl("https://" + reference->host + path);
    if (!url) return;  // a port of six digits, say: nobody is asked then
    Check(url->path == path && url->query.empty() && url->user.empty(), "a reference makes one URL");
    Check(path.find("..") == std::string::npos || reference->tag.find("..") != std::string::npos, "no element is ..");
    for (const std::string& element : Split(path, '/')) Check(element != ".." && element != ".", "no element is ..");
    (void)image::oci::ConvertName({reference->host, reference->repository, {}, {}, {}, {}});
  }
  if (auto digest = image::oci::DigestId(input)) {
    Check(digest->find('/') == std::string::npos && digest->find("..") == std::string::npos, "digests are plain names");
  }
}

void OciDocument(std::string_view input) {
  for (const char* type : {"", "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
                           "application/vnd.docker.distribution.manifest.v2+json",
                           "application/vnd.docker.distribution.manifest.v1+prettyjws"}) {
    auto document = image::oci::ParseDocument(input, type);
    if (!document) continue;
    for (const auto& descriptor : document->index.manifests) Check(image::oci::IsDigest(descriptor.digest), "digests are checked");
    for (const auto& descriptor : document->manifest.layers) Check(image::oci::IsDigest(descriptor.digest), "digests are checked");
    for (const auto& digest : document->schema1.layers) Check(image::oci::IsDigest(digest), "digests are checked");
    if (document->kind == image::oci::Document::Kind::kIndex) (void)image::oci::ChoosePlatform(document->index);
  }
}

// What is converted is a manifest that appc accepts.
void OciConfig(std::string_view input) {
  image::oci::ImageOrigin origin{"registry.example:5000", "a/b", "registry.example:5000/a/b", "1", "", "", false};
  for (bool old : {false, true}) {
    auto config = old ? image::oci::ParseV1Config(input) : image::oci::ParseImageConfig(input);
    if (!config) continue;
    origin.schema1 = old;
    auto manifest = image::oci::ConvertConfig(*config, origin);
    if (manifest) Check(bool(appc::ParseImageManifest(*manifest)), "converted manifests are valid");
  }
}

void Tar(std::string_view input) {
  for (bool open_end : {false, true}) {
    size_t at = 0;
    TarReader reader([&]() -> Result<std::string_view> {
      std::string_view piece = input.substr(at, 700);  // blocks are cut
      at += piece.size();
      return piece;
    });
    if (open_end) reader.AllowOpenEnd();
    uint64_t total = 0;
    for (;;) {
      auto next = reader.Next();
      if (!next || !*next) break;
      Check(reader.entry().name.find('\0') == std::string::npos, "names have no NUL");
      Check((reader.entry().mode & ~07777u) == 0, "modes are permissions");
      for (;;) {
        auto piece = reader.ReadData();
        if (!piece || piece->empty()) break;
        total += piece->size();
      }
    }
    Check(total <= input.size(), "there is no more data than the archive has");
  }
}

void Decode(std::string_view input) {
  for (bool layer : {false, true}) {
    bool given = false;
    fetch::Input in([&]() -> Result<std::string_view> { return std::exchange(given, true) ? std::string_view() : input; }, "input");
    auto decoder = layer ? fetch::MakeLayerDecoder(in) : fetch::MakeDecoder(in);
    if (!decoder) continue;
    std::string buffer(64 << 10, '\0');
    for (int i = 0; i < 64; ++i) {
      auto size = (*decoder)->Read(buffer.data(), buffer.size());
      if (!size || *size == 0) break;
      Check(*size <= buffer.size(), "decoders keep to their buffer");
    }
  }
}

void MetaTags(std::string_view input) {
  auto tags = image::ScanMetaTags(input);
  Check(tags.size() <= image::kMaxMetaTags, "meta tags have a limit");
}

void Registry(std::string_view input) {
  (void)fetch::oci::ParseChallenges(input);
  (void)fetch::oci::Base64Decode(input);
  for (const char* host : {"r.example", "registry-1.docker.io"}) (void)fetch::oci::FindInAuthFile(input, host, "a/b");
  (void)image::oci::ParseRequest(input);
  auto url = fetch::http::ParseUrl(input);
  if (!url) return;
  auto again = fetch::http::ParseUrl(url->Text());
  Check(again && again->Origin() == url->Origin(), "URLs have the same origin when they are read again");
}

void Index(std::string_view input) {
  auto view = store::IndexView::OfText(std::string(input));
  if (!view) return;
  auto rows = view->All();
  (void)view->ByName("example.com/a");
  (void)view->ByKeyPrefix("a", 10);
  if (!rows) return;
  for (const store::IndexRow& row : *rows) {
    auto found = view->ByKey(row.key);
    Check(!found || !*found || (*found)->key == row.key, "a key finds its own row");
  }
  auto again = store::IndexView::OfText(store::WriteIndex(*rows));
  Check(bool(again), "what was written is an index");
}

void Host(std::string_view input) {
  (void)network::ParseCniResult(input);
  config::Config config;
  (void)config::ReadFileText(input, {"auth", "dockerAuth", "paths", "stage1", "registry"}, "file.json", &config);
}

}  // namespace

const Target kAllTargets[kTargets] = {
    {"json", Json},           {"image_manifest", ImageManifest},
    {"pod_manifest", PodManifest}, {"summary", Summary},
    {"image_name", ImageName},     {"registry_reference", RegistryReference},
    {"oci_document", OciDocument}, {"oci_config", OciConfig},
    {"tar", Tar},             {"decode", Decode},
    {"meta_tags", MetaTags},  {"registry", Registry},
    {"index", Index},         {"host", Host},
};

const Target* FindTarget(std::string_view name) {
  for (const Target& target : kAllTargets) {
    if (name == target.name) return &target;
  }
  return nullptr;
}

}  // namespace rkt::fuzz
