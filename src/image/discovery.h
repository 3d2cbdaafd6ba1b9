// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Discovery: where images of a name and the keys that sign them are, by the meta tags of the page
// that the name's host serves for it or for a part of it (appc specification, "App Container Image
// Discovery").

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "appc/names.h"
#include "base/result.h"
#include "image/signature/trust.h"
#include "image/transfer.h"

namespace rkt::image {

struct DiscoveredImage {
  std::string image_url;
  std::string signature_url;
};

// The tags of a page that speak of this image: the first template that leaves no {variable} open.
// Without a version "latest" is asked for.
std::optional<DiscoveredImage> FindImageInPage(std::string_view page, const appc::ImageName& name);
// Where the page says that keys for this name are.
std::vector<std::string> FindKeysInPage(std::string_view page, std::string_view name);

struct DiscoveryRules {
  bool allow_http = false;  // pages by plain http where https gives none, and images there
  bool any_peer = false;
};

// Asks for the pages of the name and of its parents in turn. What went wrong is told with --debug;
// the error is kNotFound: discovery failed
Result<DiscoveredImage> DiscoverImage(Transfer& transfer, const appc::ImageName& name,
                                      const DiscoveryRules& rules);
Result<std::vector<std::string>> DiscoverKeyUrls(Transfer& transfer, const std::string& prefix,
                                                 const DiscoveryRules& rules);

// For TrustOptions: key files and their places, through this transfer, which must outlive them.
FetchBytes KeyFetcher(Transfer& transfer);
DiscoverKeys KeyDiscoverer(Transfer& transfer);

}  // namespace rkt::image
