// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/discovery.h"

#include <functional>

#include "base/log.h"
#include "image/meta_tags.h"

namespace rkt::image {

namespace {

constexpr size_t kMaxPage = 4u << 20;
constexpr size_t kMaxKeys = 16;  // of one page; nobody reviews more
constexpr std::string_view kImageTag = "ac-discovery";
constexpr std::string_view kKeyTag = "ac-discovery-pubkeys";

// The second word of the content of each tag of this name whose first word is a prefix of the
// image's name.
std::vector<std::string> TemplatesFor(std::string_view page, std::string_view tag_name,
                                      std::string_view name) {
  std::vector<std::string> templates;
  for (const MetaTag& tag : ScanMetaTags(page)) {
    if (tag.name != tag_name) continue;
    std::string_view content = Trim(tag.content);
    size_t blank = content.find_first_of(" \t\r\n");
    if (blank == std::string_view::npos || !name.starts_with(content.substr(0, blank))) continue;
    templates.emplace_back(Trim(content.substr(blank)));
  }
  return templates;
}

// Empty where a variable stays open. In one pass: what a value says is not looked at again.
std::string Render(std::string_view text, const appc::ImageName& name, std::string_view extension) {
  std::string out;
  for (;;) {
    size_t open = text.find('{');
    if (open == std::string_view::npos) return out.append(text);
    size_t close = text.find('}', open);
    if (close == std::string_view::npos) return "";
    std::string_view variable = text.substr(open + 1, close - open - 1);
    out.append(text.substr(0, open));
    if (variable == "name") {
      out += name.name;
    } else if (variable == "ext") {
      out += extension;
    } else if (const std::string* value = name.Find(variable)) {
      out += *value;
    } else if (variable == "version") {
      out += "latest";
    } else {
      return "";
    }
    text.remove_prefix(close + 1);
  }
}

// "example.com/a/b", "example.com/a", "example.com"
std::vector<std::string> NameAndParents(std::string name) {
  std::vector<std::string> names;
  for (;;) {
    names.push_back(name);
    size_t slash = name.rfind('/');
    if (slash == std::string::npos) return names;
    name.resize(slash);
  }
}

bool IsHttp(std::string_view url) { return ToLower(url.substr(0, 7)) == "http://"; }

// Calls `use` with one page after the other until it says that it has enough.
Status Walk(Transfer& transfer, const std::string& name, const DiscoveryRules& rules,
            const std::function<bool(const std::string& page)>& use) {
  TRY(transfer.Start());  // or each page would fail for the same reason
  for (const std::string& part : NameAndParents(name)) {
    for (const char* scheme : {"https", "http"}) {
      const bool http = scheme == std::string_view("http");
      if (http && !rules.allow_http) continue;
      std::string url = StrCat(scheme, "://", part, "?ac-discovery=1");
      TransferRules transfer_rules{.allow_http = http,
                                   .allow_downgrade = rules.allow_http,
                                   .any_peer = rules.any_peer,
                                   .auth_over_http = rules.allow_http};
      DebugNotice("image", StrCat("discovery: asking ", url));
      auto answer = transfer.Get(url, transfer_rules, kMaxPage);
      if (!answer) {
        // A helper that cannot be started will not start for the next page either.
        if (answer.error().code() == Code::kInternal) return std::move(answer).error();
        DebugNotice("image", StrCat("discovery: ", answer.error().Text()));
        continue;
      }
      if (answer->status != 200) {
        DebugNotice("image",
                    StrCat("discovery: ", url, ": bad HTTP status code: ", answer->status));
        continue;
      }
      if (use(answer->body)) return {};
      DebugNotice("image", StrCat("discovery: ", url, " does not tell where ", Quote(name), " is"));
      break;  // by http it would be the same page
    }
  }
  return Err(Code::kNotFound, "discovery failed for ", name);
}

}  // namespace

std::optional<DiscoveredImage> FindImageInPage(std::string_view page, const appc::ImageName& name) {
  for (const std::string& text : TemplatesFor(page, kImageTag, name.name)) {
    DiscoveredImage found{Render(text, name, "aci"), Render(text, name, "aci.asc")};
    if (!found.image_url.empty()) return found;
  }
  return std::nullopt;
}

std::vector<std::string> FindKeysInPage(std::string_view page, std::string_view name) {
  std::vector<std::string> urls = TemplatesFor(page, kKeyTag, name);
  if (urls.size() > kMaxKeys) urls.resize(kMaxKeys);
  return urls;
}

Result<DiscoveredImage> DiscoverImage(Transfer& transfer, const appc::ImageName& name,
                                      const DiscoveryRules& rules) {
  std::optional<DiscoveredImage> found;
  TRY(Walk(transfer, name.name, rules, [&](const std::string& page) {
    found = FindImageInPage(page, name);
    return found.has_value();
  }));
  for (const std::string& url : {found->image_url, found->signature_url}) {
    if (IsHttp(url) && !rules.allow_http) {
      return Err(
          Code::kPermission,
          "discovery leads to plain http, which --insecure-options=http allows: ", Quote(url));
    }
  }
  return *std::move(found);
}

Result<std::vector<std::string>> DiscoverKeyUrls(Transfer& transfer, const std::string& prefix,
                                                 const DiscoveryRules& rules) {
  std::vector<std::string> urls;
  TRY(Walk(transfer, prefix, rules, [&](const std::string& page) {
    urls = FindKeysInPage(page, prefix);
    return !urls.empty();
  }));
  return urls;
}

FetchBytes KeyFetcher(Transfer& transfer) {
  return
      [&transfer](const std::string& url, const KeyFetchOptions& options) -> Result<std::string> {
        TransferRules rules{.allow_http = options.allow_http,
                            .allow_downgrade = options.allow_http,
                            .any_peer = options.skip_tls_check};
        Transfer::Answer answer = TRY(transfer.Get(url, rules, options.max_size));
        if (answer.status != 200)
          return Err(Code::kNetwork, "bad HTTP status code: ", answer.status);
        return std::move(answer.body);
      };
}

DiscoverKeys KeyDiscoverer(Transfer& transfer) {
  return [&transfer](const std::string& prefix, const KeyFetchOptions& options) {
    return DiscoverKeyUrls(transfer, prefix,
                           {.allow_http = options.allow_http, .any_peer = options.skip_tls_check});
  };
}

}  // namespace rkt::image
