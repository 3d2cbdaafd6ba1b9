// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "config/kinds.h"

#include <algorithm>

#include "appc/quantity.h"

namespace rkt::config {

namespace {

// A text of an object; empty where it is missing, as Go has it.
Result<std::string> Text(const json::Value& object, const char* key) {
  const json::Value* value = object.Find(key);
  if (!value || value->is_null()) return std::string();
  if (!value->is_string()) return Err(Code::kInvalid, key, " must be a string");
  return value->text();
}

Result<std::string> NeededText(const json::Value& object, const char* key) {
  std::string text = TRY(Text(object, key));
  if (text.empty()) return Err(Code::kInvalid, "no ", key, " specified");
  return text;
}

// A list of texts with at least one, none of them empty.
Result<std::vector<std::string>> NeededTexts(const json::Value& object, const char* key) {
  const json::Value* list = object.Find(key);
  if (list && !list->is_null() && !list->is_array()) {
    return Err(Code::kInvalid, key, " must be an array");
  }
  std::vector<std::string> texts;
  if (list && list->is_array()) {
    for (const json::Value& item : list->items()) {
      if (!item.is_string() || item.text().empty()) {
        return Err(Code::kInvalid, key, " must have non-empty strings only");
      }
      texts.push_back(item.text());
    }
  }
  if (texts.empty()) return Err(Code::kInvalid, "no ", key, " specified");
  return texts;
}

Result<const json::Value*> Credentials(const json::Value& document) {
  const json::Value* credentials = document.Find("credentials");
  if (!credentials || !credentials->is_object()) {
    return Err(Code::kInvalid, "no credentials specified");
  }
  return credentials;
}

Result<Basic> ReadBasic(const json::Value& credentials) {
  Basic basic;
  basic.user = TRY(NeededText(credentials, "user"));
  basic.password = TRY(NeededText(credentials, "password"));
  return basic;
}

Status ReadAuth(const json::Value& document, Config* config) {
  std::vector<std::string> domains = TRY(NeededTexts(document, "domains"));
  std::string type = TRY(Text(document, "type"));
  if (type.empty()) return Err(Code::kInvalid, "no auth type specified");
  Auth auth;
  if (type == "basic") {
    auth.type = Auth::Type::kBasic;
    auth.basic = TRY(ReadBasic(*TRY(Credentials(document))));
  } else if (type == "oauth") {
    auth.type = Auth::Type::kOAuth;
    auth.token = TRY(NeededText(*TRY(Credentials(document)), "token"));
  } else if (type == "aws") {
    auth.type = Auth::Type::kAws;
    const json::Value* credentials = TRY(Credentials(document));
    auth.access_key_id = TRY(NeededText(*credentials, "accessKeyID"));
    auth.secret_access_key = TRY(NeededText(*credentials, "secretAccessKey"));
    auth.region = TRY(Text(*credentials, "awsRegion"));
  } else {
    return Err(Code::kInvalid, "unknown auth type: ", Quote(type));
  }
  for (const std::string& domain : domains) {
    if (!config->auth.emplace(domain, auth).second) {
      return Err(Code::kInvalid, "auth for domain ", Quote(domain), " is already specified");
    }
  }
  return {};
}

Status ReadDockerAuth(const json::Value& document, Config* config) {
  std::vector<std::string> registries = TRY(NeededTexts(document, "registries"));
  Basic basic = TRY(ReadBasic(*TRY(Credentials(document))));
  for (const std::string& registry : registries) {
    if (!config->docker_auth.emplace(registry, basic).second) {
      return Err(Code::kInvalid, "credentials for docker registry ", Quote(registry),
                 " are already specified");
    }
  }
  return {};
}

Status CheckRegistryLocation(const std::string& location) {
  std::string_view rest = location;
  size_t scheme = rest.find("://");
  if (scheme != std::string_view::npos) {
    if (rest.substr(0, scheme) != "https" && rest.substr(0, scheme) != "http") {
      return Err(Code::kInvalid, "registry location ", Quote(location), " is neither https nor http");
    }
    rest.remove_prefix(scheme + 3);
  }
  if (rest.empty() || rest[0] == '/' || rest.find_first_of("@?# ") != std::string_view::npos) {
    return Err(Code::kInvalid, "malformed registry location ", Quote(location));
  }
  return {};
}

Status ReadRegistry(const json::Value& document, Config* config) {
  std::vector<std::string> registries = TRY(NeededTexts(document, "registries"));
  Registry registry;
  registry.endpoint = TRY(Text(document, "endpoint"));
  const json::Value* mirrors = document.Find("mirrors");
  if (mirrors && !mirrors->is_null()) registry.mirrors = TRY(NeededTexts(document, "mirrors"));
  if (registry.endpoint.empty() && registry.mirrors.empty()) {
    return Err(Code::kInvalid, "neither endpoint nor mirrors specified");
  }
  if (!registry.endpoint.empty()) TRY(CheckRegistryLocation(registry.endpoint));
  for (const std::string& mirror : registry.mirrors) TRY(CheckRegistryLocation(mirror));
  for (const std::string& name : registries) {
    if (!config->registries.emplace(name, registry).second) {
      return Err(Code::kInvalid, "registry ", Quote(name), " is already specified");
    }
  }
  return {};
}

Status ReadPods(const json::Value& document, Config* config) {
  const json::Value* value = document.Find("privateUsers");
  if (!value || value->is_null()) return {};
  if (!value->is_bool()) return Err(Code::kInvalid, "privateUsers must be true or false");
  if (config->private_users) return Err(Code::kInvalid, "privateUsers is already specified");
  config->private_users = value->boolean();
  return {};
}

// Sets a text that only one file of a directory may set.
Status SetOnce(const char* what, std::string value, std::string* to) {
  if (value.empty()) return {};
  if (!to->empty()) return Err(Code::kInvalid, what, " is already specified");
  *to = std::move(value);
  return {};
}

Status ReadPaths(const json::Value& document, Config* config) {
  struct Item {
    const char* key;
    const char* what;
    std::string* to;
  };
  for (const Item& item :
       {Item{"data", "data directory", &config->data},
        Item{"stage1-images", "stage1 images directory", &config->stage1_images}}) {
    std::string path = TRY(Text(document, item.key));
    if (!path.empty() && path[0] != '/') {
      return Err(Code::kInvalid, item.what, " must be an absolute path");
    }
    TRY(SetOnce(item.what, std::move(path), item.to));
  }
  return {};
}

Status CheckLocation(std::string_view location) {
  if (location.empty() || location[0] == '/') return {};
  size_t colon = location.find(':');
  std::string scheme = colon == std::string_view::npos ? "" : ToLower(location.substr(0, colon));
  if (scheme.empty() || scheme.find('/') != std::string::npos) {
    return Err(Code::kInvalid,
               "location of the default stage1 image is neither an absolute path nor a URL");
  }
  if (scheme != "docker" && scheme != "file" && scheme != "http" && scheme != "https") {
    return Err(Code::kInvalid, "location of the default stage1 image has the scheme ",
               Quote(scheme), ", allowed are \"docker\", \"file\", \"http\", \"https\"");
  }
  return {};
}

Status ReadStage1(const json::Value& document, Config* config) {
  std::string name = TRY(Text(document, "name"));
  std::string version = TRY(Text(document, "version"));
  std::string location = TRY(Text(document, "location"));
  if (name.empty() != version.empty()) {
    return Err(Code::kInvalid, "invalid stage1 configuration: ", name.empty() ? "version" : "name",
               " of the default stage1 image is given without its ",
               name.empty() ? "name" : "version");
  }
  if (Status status = CheckLocation(location); !status) {
    return Err(Code::kInvalid, "invalid stage1 configuration: ", status.error().message());
  }
  TRY(SetOnce("name and version of a default stage1 image", std::move(name), &config->stage1_name));
  if (!version.empty()) config->stage1_version = std::move(version);
  return SetOnce("location of a default stage1 image", std::move(location),
                 &config->stage1_location);
}

Status ReadLogs(const json::Value& document, Config* config) {
  Logs& logs = config->logs;
  std::string size = TRY(Text(document, "maxSize"));
  if (!size.empty()) {
    auto quantity = appc::Quantity::Parse(size);
    constexpr int64_t kSmallest = 4096;
    if (!quantity || quantity->Value() < kSmallest) {
      return Err(Code::kInvalid, "maxSize ", Quote(size), " is no size of at least 4096 bytes, such as \"10Mi\"");
    }
    if (logs.max_size != 0) return Err(Code::kInvalid, "maxSize of logs is already specified");
    logs.max_size = static_cast<uint64_t>(quantity->Value());
  }
  if (const json::Value* files = document.Find("maxFiles"); files != nullptr && !files->is_null()) {
    auto number = files->AsInt();
    if (!number || *number < 1 || *number > 1000) return Err(Code::kInvalid, "maxFiles must be a number from 1 to 1000");
    if (logs.max_files != 0) return Err(Code::kInvalid, "maxFiles of logs is already specified");
    logs.max_files = static_cast<int>(*number);
  }
  if (const json::Value* journal = document.Find("journal"); journal != nullptr && !journal->is_null()) {
    if (!journal->is_bool()) return Err(Code::kInvalid, "journal must be true or false");
    if (logs.journal) return Err(Code::kInvalid, "journal of logs is already specified");
    logs.journal = journal->boolean();
  }
  return {};
}

}  // namespace

const std::vector<SubDirectory>& SubDirectories() {
  static const std::vector<SubDirectory> kList = {
      {"auth.d", {"auth", "dockerAuth"}},
                                              {"logs.d", {"logs"}},
                                              {"paths.d", {"paths"}},
                                              {"pods.d", {"pods"}},
                                              {"registry.d", {"registry"}},
                                              {"stage1.d", {"stage1"}}};
  return kList;
}

Status ReadFileText(std::string_view text, const std::vector<std::string_view>& kinds,
                    const std::string& path, Config* config) {
  json::Value document = TRY(json::Parse(text, {.max_size = 1u << 20, .max_depth = 64}));
  if (!document.is_object()) return Err(Code::kInvalid, "the file must hold a JSON object");
  std::string kind = TRY(Text(document, "rktKind"));
  std::string version = TRY(Text(document, "rktVersion"));
  if (kind.empty()) return Err(Code::kInvalid, "no rktKind specified in ", Quote(path));
  if (version.empty()) return Err(Code::kInvalid, "no rktVersion specified in ", Quote(path));
  if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
    std::vector<std::string> quoted;
    quoted.reserve(kinds.size());
    for (std::string_view allowed : kinds) quoted.push_back(Quote(allowed));
    return Err(Code::kInvalid, Quote(path), " is of kind ", Quote(kind),
               ", but its directory takes only ", Join(quoted, ", "));
  }
  if (version != "v1") {
    return Err(Code::kInvalid, "rktVersion ", Quote(version), " of kind ", Quote(kind),
               " is not known, want \"v1\"");
  }
  if (kind == "auth") return ReadAuth(document, config);
  if (kind == "dockerAuth") return ReadDockerAuth(document, config);
  if (kind == "registry") return ReadRegistry(document, config);
  if (kind == "logs") return ReadLogs(document, config);
  if (kind == "paths") return ReadPaths(document, config);
  if (kind == "pods") return ReadPods(document, config);
  return ReadStage1(document, config);
}

}  // namespace rkt::config
