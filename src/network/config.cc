// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/config.h"

#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "network/config_reader.h"

namespace rkt::network {

namespace {

constexpr size_t kLargestFile = 1 << 20;

constexpr char kDefaultFile[] = "99-default.conf";
constexpr char kDefaultText[] = R"({
	"cniVersion": "0.1.0",
	"name": "default",
	"type": "ptp",
	"ipMasq": true,
	"ipam": {
		"type": "host-local",
		"subnet": "172.16.28.0/24",
		"routes": [ { "dst": "0.0.0.0/0" } ]
	}
}
)";
constexpr char kRestrictedFile[] = "99-default-restricted.conf";
constexpr char kRestrictedText[] = R"({
	"cniVersion": "0.1.0",
	"name": "default-restricted",
	"type": "ptp",
	"ipMasq": false,
	"ipam": {
		"type": "host-local",
		"subnet": "172.31.0.0/16"
	}
}
)";

bool IsEngineType(std::string_view type) {
  return type == "ptp" || type == "bridge" || type == "macvlan";
}

// The specification's rule (section "Network configuration format"); the name becomes a directory.
bool IsNetworkName(std::string_view name) {
  auto alnum = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= 200 && alnum(name[0]) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return alnum(c) || c == '_' || c == '.' || c == '-'; });
}

// A plugin's type is the name of a program in a directory, and never a path out of it.
bool IsPluginType(std::string_view type) {
  return !type.empty() && type.size() <= 255 && type.find('/') == std::string_view::npos &&
         type != "." && type != ".." && type.find('\0') == std::string_view::npos;
}

bool IsCniVersion(std::string_view text) {
  std::vector<std::string> parts = Split(text, '.');
  return parts.size() == 3 && std::all_of(parts.begin(), parts.end(), [](const std::string& part) {
           return ParseUint(part).has_value();
         });
}

Result<PluginConfig> ReadPlugin(const json::Value& object, const std::string& path,
                                const std::string& where) {
  ConfigReader reader(object, path, where);
  PluginConfig plugin;
  plugin.type = reader.Text("type");
  TRY(reader.status());
  if (plugin.type.empty()) return ConfigError(path, reader.Field("type"), "is missing");
  if (!IsPluginType(plugin.type)) {
    return ConfigError(path, reader.Field("type"),
                       StrCat(Quote(plugin.type), " is not the name of a plugin"));
  }
  plugin.config = object;
  return plugin;
}

// The first executable file of that name.
std::string FindProgram(const std::string& name, const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) {
    std::string path = StrCat(directory, "/", name);
    struct stat st;
    if (::stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && ::access(path.c_str(), X_OK) == 0)
      return path;
  }
  return "";
}

Status FindPlugins(NetworkConfig& config, const std::vector<std::string>& directories) {
  for (PluginConfig& plugin : config.plugins) {
    plugin.program = FindProgram(plugin.type, directories);
    if (plugin.program.empty()) {
      return Err(Code::kNotFound, "network ", Quote(config.name), " (", config.path,
                 "): no plugin ", Quote(plugin.type), " in ", Join(directories, ", "));
    }
  }
  return {};
}

// The names of the configuration files of a directory, sorted; none where it is missing.
Result<std::vector<std::string>> ConfigFiles(const std::string& directory) {
  std::vector<std::string> files;
  if (directory.empty()) return files;
  auto entries = ListDirAt(AT_FDCWD, directory);
  if (!entries) {
    if (entries.error().code() == Code::kNotFound) return files;
    return std::move(entries).error().Wrap("reading network configurations");
  }
  for (DirEntry& entry : *entries) {
    if (entry.name.ends_with(".conf") || entry.name.ends_with(".conflist"))
      files.push_back(std::move(entry.name));
  }
  std::sort(files.begin(), files.end());
  return files;
}

const NetworkConfig* FindByName(const std::vector<NetworkConfig>& networks, std::string_view name) {
  for (const NetworkConfig& network : networks) {
    if (network.name == name) return &network;
  }
  return nullptr;
}

NetworkConfig BuiltIn(const char* file, const char* text) {
  auto config = ParseNetworkConfig(text, file);
  config->path.clear();
  return *std::move(config);
}

}  // namespace

Result<NetworkConfig> ParseNetworkConfig(std::string_view text, const std::string& path) {
  json::Value root = TRY_CTX(json::Parse(text), "network configuration ", path);
  if (!root.is_object())
    return Err(Code::kInvalid, "network configuration ", path, ": must be an object");
  NetworkConfig config;
  config.path = path;
  config.file = path.substr(path.rfind('/') + 1);
  config.text = text;
  ConfigReader reader(root, path);
  config.name = reader.Text("name");
  config.cni_version = reader.Text("cniVersion");
  config.disable_check = reader.Bool("disableCheck");
  TRY(reader.status());
  if (config.name.empty()) return ConfigError(path, "name", "is missing");
  if (!IsNetworkName(config.name)) {
    return ConfigError(
        path, "name",
        StrCat(Quote(config.name),
               " must begin with a letter or digit and hold only letters, digits, '_', '.', '-'"));
  }
  if (config.name == "host" || config.name == "none" || config.name == "all") {
    return ConfigError(path, "name",
                       StrCat(Quote(config.name), " has a meaning of its own in --net"));
  }
  if (config.cni_version.empty()) config.cni_version = "0.1.0";
  if (!IsCniVersion(config.cni_version)) {
    return ConfigError(path, "cniVersion",
                       StrCat(Quote(config.cni_version), " is not of the form MAJOR.MINOR.PATCH"));
  }
  const json::Value* plugins = reader.Member("plugins", json::Type::kArray);
  TRY(reader.status());
  config.is_list = plugins != nullptr;
  if (!config.is_list) {
    config.plugins.push_back(TRY(ReadPlugin(root, path, "")));
    return config;
  }
  if (plugins->items().empty())
    return ConfigError(path, "plugins", "must hold at least one plugin");
  for (size_t i = 0; i < plugins->items().size(); ++i) {
    std::string where = StrCat("plugins[", i, "]");
    if (!plugins->items()[i].is_object()) return ConfigError(path, where, "must be an object");
    config.plugins.push_back(TRY(ReadPlugin(plugins->items()[i], path, where)));
  }
  return config;
}

Status ChooseEngine(NetworkConfig& config, const ConfigSources& sources) {
  std::vector<std::string> all_dirs = sources.plugin_dirs;
  all_dirs.insert(all_dirs.end(), sources.system_plugin_dirs.begin(),
                  sources.system_plugin_dirs.end());
  PluginConfig& first = config.plugins.at(0);
  ConfigReader reader(first.config, config.path, config.is_list ? "plugins[0]" : "");
  std::string engine = reader.Text("engine");
  TRY(reader.status());
  if (!engine.empty() && engine != "rkt" && engine != "plugin") {
    return ConfigError(config.path, reader.Field("engine"),
                       StrCat(Quote(engine), " is neither \"rkt\" nor \"plugin\""));
  }
  bool possible = config.plugins.size() == 1 && IsEngineType(first.type);
  if (!possible && engine == "rkt") {
    return ConfigError(config.path, reader.Field("engine"),
                       "only a single plugin of type ptp, bridge or macvlan is built in");
  }
  if (!possible || engine == "plugin") return FindPlugins(config, all_dirs);
  if (engine.empty() && !config.built_in() &&
      !FindProgram(first.type, sources.plugin_dirs).empty()) {
    return FindPlugins(config, all_dirs);
  }
  std::optional<std::string> unknown;
  EngineConfig parsed = TRY(ReadEngineConfig(config, &unknown));
  if (!unknown) {
    config.engine = std::move(parsed);
    return {};
  }
  if (engine.empty()) {
    Status found = FindPlugins(config, all_dirs);
    if (found) return {};
    return ConfigError(
        config.path, *unknown,
        StrCat("the built-in ", first.type,
               " does not know it, and no such plugin is installed in ", Join(all_dirs, ", ")));
  }
  return ConfigError(config.path, *unknown,
                     StrCat("the built-in ", first.type, " does not know it"));
}

std::vector<NetworkConfig> BuiltInNetworks() {
  std::vector<NetworkConfig> networks;
  networks.push_back(BuiltIn(kRestrictedFile, kRestrictedText));
  networks.push_back(BuiltIn(kDefaultFile, kDefaultText));
  return networks;
}

Result<std::vector<NetworkConfig>> LoadNetworkConfigs(const ConfigSources& sources) {
  std::vector<NetworkConfig> networks;
  for (const std::string& directory : {sources.local_dir, sources.stage1_dir}) {
    for (const std::string& file : TRY(ConfigFiles(directory))) {
      std::string path = StrCat(directory, "/", file);
      std::string text = TRY_CTX(ReadFile(path, kLargestFile), "network configuration");
      NetworkConfig config = TRY(ParseNetworkConfig(text, path));
      if (config.is_list != file.ends_with(".conflist")) {
        return ConfigError(path, "plugins",
                           config.is_list ? "a list of plugins must be in a file named *.conflist"
                                          : "is missing in a file named *.conflist");
      }
      if (FindByName(networks, config.name) == nullptr) networks.push_back(std::move(config));
    }
  }
  for (NetworkConfig& built_in : BuiltInNetworks()) {
    if (FindByName(networks, built_in.name) == nullptr) networks.push_back(std::move(built_in));
  }
  // Two directories may hold files of one name; the name of the network then decides.
  std::sort(networks.begin(), networks.end(), [](const NetworkConfig& a, const NetworkConfig& b) {
    return a.file != b.file ? a.file < b.file : a.name < b.name;
  });
  return networks;
}

std::optional<std::string> WrongDnsWord(const DnsConfig& dns) {
  std::vector<std::string> words = dns.search;
  words.insert(words.end(), dns.options.begin(), dns.options.end());
  if (!dns.domain.empty()) words.push_back(dns.domain);
  for (std::string& word : words) {
    bool plain = std::all_of(word.begin(), word.end(), [](unsigned char c) { return c > ' ' && c != 0x7f; });
    if (word.empty() || !plain) return std::move(word);
  }
  return std::nullopt;
}

}  // namespace rkt::network
