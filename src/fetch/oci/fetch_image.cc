// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/oci/fetch_image.h"

#include <time.h>

#include <map>

#include "fetch/oci/file_sources.h"
#include "fetch/oci/layer_pipeline.h"
#include "fetch/oci/registry.h"
#include "image/oci/reference.h"

namespace rkt::fetch::oci {

namespace {

using image::oci::Request;

// Lets each layer speak now and then, and when it is complete.
class Throttle {
 public:
  using Progress = std::function<void(const std::string&, uint64_t, uint64_t)>;
  explicit Throttle(Progress progress) : progress_(std::move(progress)) {}
  void operator()(const std::string& layer, uint64_t done, uint64_t total) {
    timespec now;
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    int64_t ms = static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
    auto [last, is_new] = last_.emplace(layer, ms);
    if (!is_new && ms - last->second < kInterval && done != total) return;
    last->second = ms;
    progress_(layer, done, total);
  }

 private:
  static constexpr int64_t kInterval = 250;
  Progress progress_;
  std::map<std::string, int64_t> last_;
};

Result<OpenImage> OpenSource(const store::Store& store, const Request& request) {
  if (request.kind == Request::Kind::kRegistry) return OpenRegistry(request);
  auto file = TRY(image::oci::ParseFileReference(request.reference));
  switch (request.kind) {
    case Request::Kind::kLayout: return OpenLayout(file.path, file.name);
    case Request::Kind::kOciArchive: return OpenOciArchive(store, file.path, file.name);
    default: return OpenDockerArchive(store, file.path, file.name);
  }
}

}  // namespace

Result<store::Store::Import::Stored> FetchImage(store::Store& store, const Request& request,
                                                const image::oci::ImportEvents& events) {
  OpenImage image = TRY(OpenSource(store, request));
  ImportOptions options;
  options.render = request.render;
  options.events = events;
  if (events.progress) options.events.progress = Throttle(events.progress);
  return ImportImage(store, *image.source, image.image, options);
}

}  // namespace rkt::fetch::oci
