// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "config/config.h"

#include <algorithm>
#include <optional>

#include "base/fd.h"
#include "base/file.h"
#include "config/kinds.h"

namespace rkt::config {

namespace {

// The directory opened, nothing where it is missing. Most machines have none: one system call each.
Result<std::optional<Fd>> OpenDirectory(int dir, const std::string& name, const std::string& path) {
  auto fd = OpenAt(dir, name, O_RDONLY | O_DIRECTORY);
  if (fd) return std::optional<Fd>(*std::move(fd));
  if (fd.error().err() == ENOENT) return std::optional<Fd>();
  if (fd.error().err() == ENOTDIR) {
    return Err(Code::kInvalid, "expected ", Quote(path), " to be a directory");
  }
  return std::move(fd).error();
}

Result<bool> IsRegular(int dir, const DirEntry& entry) {
  if (entry.type != DT_UNKNOWN) return entry.type == DT_REG;
  return S_ISREG(TRY(StatAt(dir, entry.name)).st_mode);
}

Status ReadSubDirectory(int dir, const SubDirectory& kind, const std::string& path,
                        Config* config) {
  std::vector<DirEntry> entries = TRY(ListDirFd(dir));
  std::sort(entries.begin(), entries.end(),
            [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
  for (const DirEntry& entry : entries) {
    if (!entry.name.ends_with(".json") || !TRY(IsRegular(dir, entry))) continue;
    std::string file = StrCat(path, "/", entry.name);
    Fd fd = TRY(OpenAt(dir, entry.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    std::string text = TRY_CTX(ReadFd(fd.get(), 1u << 20), "reading ", Quote(file));
    if (Status read = ReadFileText(text, kind.kinds, file, config); !read) {
      return Err(read.error().code(), "failed to parse ", Quote(file), ": ", read.error().Text());
    }
  }
  return {};
}

template <typename T>
void MergeMap(std::map<std::string, T>&& from, std::map<std::string, T>* to) {
  for (auto& [key, value] : from) to->insert_or_assign(key, std::move(value));
}

void MergeText(std::string&& from, std::string* to) {
  if (!from.empty()) *to = std::move(from);
}

void Merge(Config&& from, Config* to) {
  MergeMap(std::move(from.auth), &to->auth);
  MergeMap(std::move(from.docker_auth), &to->docker_auth);
  MergeMap(std::move(from.registries), &to->registries);
  if (from.logs.max_size != 0) to->logs.max_size = from.logs.max_size;
  if (from.logs.max_files != 0) to->logs.max_files = from.logs.max_files;
  if (from.logs.journal) to->logs.journal = from.logs.journal;
  MergeText(std::move(from.data), &to->data);
  MergeText(std::move(from.stage1_images), &to->stage1_images);
  MergeText(std::move(from.stage1_name), &to->stage1_name);
  MergeText(std::move(from.stage1_version), &to->stage1_version);
  MergeText(std::move(from.stage1_location), &to->stage1_location);
  if (from.private_users) to->private_users = from.private_users;
}

json::Value Entry(const char* kind) {
  return json::Value::Object({{"rktVersion", "v1"}, {"rktKind", kind}});
}

json::Value ToJson(const Basic& basic) {
  return json::Value::Object({{"user", basic.user}, {"password", basic.password}});
}

json::Value AuthEntry(const std::string& domain, const Auth& auth) {
  json::Value entry = Entry("auth");
  entry.Set("domains", json::Value::Array(std::vector<std::string>{domain}));
  switch (auth.type) {
    case Auth::Type::kBasic:
      entry.Set("type", "basic");
      entry.Set("credentials", ToJson(auth.basic));
      break;
    case Auth::Type::kOAuth:
      entry.Set("type", "oauth");
      entry.Set("credentials", json::Value::Object({{"token", auth.token}}));
      break;
    case Auth::Type::kAws:
      entry.Set("type", "aws");
      entry.Set("credentials", json::Value::Object({{"accessKeyID", auth.access_key_id},
                                                    {"secretAccessKey", auth.secret_access_key},
                                                    {"awsRegion", auth.region}}));
      break;
  }
  return entry;
}

}  // namespace

Result<Config> LoadDirectory(const std::string& directory) {
  Config config;
  std::optional<Fd> top = TRY(OpenDirectory(AT_FDCWD, directory, directory));
  if (!top) return config;
  for (const SubDirectory& kind : SubDirectories()) {
    std::string path = StrCat(directory, "/", kind.name);
    std::optional<Fd> dir = TRY(OpenDirectory(top->get(), kind.name, path));
    if (dir) TRY(ReadSubDirectory(dir->get(), kind, path, &config));
  }
  return config;
}

Result<Config> Load(const std::vector<std::string>& directories) {
  Config config;
  for (const std::string& directory : directories) {
    if (directory.empty()) continue;
    Merge(TRY_CTX(LoadDirectory(directory), "cannot get configuration"), &config);
  }
  return config;
}

json::Value ToJson(const Config& config) {
  json::Value list = json::Value::Array();
  for (const auto& [domain, auth] : config.auth) list.Append(AuthEntry(domain, auth));
  for (const auto& [registry, basic] : config.docker_auth) {
    json::Value& entry = list.Append(Entry("dockerAuth"));
    entry.Set("registries", json::Value::Array(std::vector<std::string>{registry}));
    entry.Set("credentials", ToJson(basic));
  }
  for (const auto& [name, registry] : config.registries) {
    json::Value& entry = list.Append(Entry("registry"));
    entry.Set("registries", json::Value::Array(std::vector<std::string>{name}));
    if (!registry.endpoint.empty()) entry.Set("endpoint", registry.endpoint);
    if (!registry.mirrors.empty()) entry.Set("mirrors", json::Value::Array(registry.mirrors));
  }
  if (!config.logs.empty()) {
    json::Value& logs = list.Append(Entry("logs"));
    // In bytes: what "10Mi" was written for.
    if (config.logs.max_size != 0) logs.Set("maxSize", StrCat(config.logs.max_size));
    if (config.logs.max_files != 0) logs.Set("maxFiles", config.logs.max_files);
    if (config.logs.journal) logs.Set("journal", *config.logs.journal);
  }
  json::Value& paths = list.Append(Entry("paths"));
  paths.Set("data", config.data);
  paths.Set("stage1-images", config.stage1_images);
  if (config.private_users) list.Append(Entry("pods")).Set("privateUsers", *config.private_users);
  json::Value& stage1 = list.Append(Entry("stage1"));
  stage1.Set("name", config.stage1_name);
  stage1.Set("version", config.stage1_version);
  stage1.Set("location", config.stage1_location);
  return json::Value::Object({{"stage0", std::move(list)}});
}

}  // namespace rkt::config
