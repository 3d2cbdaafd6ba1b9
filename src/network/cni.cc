// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/cni.h"

#include "base/file.h"
#include "base/log.h"
#include "network/program.h"

namespace rkt::network {

namespace {

constexpr size_t kLargestCache = 8u << 20;
constexpr size_t kLongestComplaint = 2000;

std::string CacheFile(const NetworkConfig& config, const CniRuntime& runtime) {
  return StrCat(runtime.results_dir, "/", config.name, "-", runtime.container_id, "-",
                runtime.interface);
}

std::string Base64(std::string_view text) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string encoded;
  for (size_t i = 0; i < text.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t j = 0; j < 3; ++j)
      bits = bits << 8 | (i + j < text.size() ? static_cast<uint8_t>(text[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j)
      encoded += i + j <= text.size() ? kDigits[bits >> (18 - 6 * j) & 63] : '=';
  }
  return encoded;
}

std::vector<std::string> Environment(const NetworkConfig& config, const CniRuntime& runtime,
                                     const char* command) {
  std::vector<std::string> environment = {StrCat("CNI_COMMAND=", command),
                                          StrCat("CNI_VERSION=", config.cni_version),
                                          StrCat("CNI_PATH=", Join(runtime.path, ":"))};
  // What plugins call (iptables and the like) is looked for there.
  environment.push_back("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  if (std::string_view(command) == "VERSION" || std::string_view(command) == "GC")
    return environment;
  environment.push_back(StrCat("CNI_CONTAINERID=", runtime.container_id));
  environment.push_back(StrCat("CNI_NETNS=", runtime.netns));
  environment.push_back(StrCat("CNI_IFNAME=", runtime.interface));
  std::string arguments = runtime.arguments;
  // Each plugin of a chain knows its own arguments only.
  if (!arguments.empty() && arguments.find("IgnoreUnknown") == std::string::npos)
    arguments += ";IgnoreUnknown=1";
  environment.push_back(StrCat("CNI_ARGS=", arguments));
  return environment;
}

// Runs one plugin; what it printed where it succeeded.
Result<std::string> RunPlugin(const NetworkConfig& config, size_t index, const CniRuntime& runtime,
                              const char* command, std::string input) {
  const PluginConfig& plugin = config.plugins[index];
  ProgramRun run;
  run.program = plugin.program;
  run.argv = {plugin.program};
  run.env = Environment(config, runtime, command);
  run.input = std::move(input);
  run.interrupt = runtime.interrupt;
  std::string what =
      StrCat("plugin ", plugin.type, " of network ", Quote(config.name), " (", command, ")");
  ProgramOutput output = TRY_CTX(RunBounded(run), what);
  // The end of what it said tells why.
  std::string_view words = Trim(output.err);
  if (words.size() > kLongestComplaint) words.remove_prefix(words.size() - kLongestComplaint);
  std::string said = TerminalSafe(words);
  if (runtime.debug && !said.empty()) Notice("networking", StrCat(what, ": ", said));
  if (output.status.ok()) return std::move(output.out);
  if (auto error = ParseCniError(output.out)) return Err(Code::kNetwork, what, " failed: ", *error);
  std::string how = output.status.signaled ? StrCat("was killed by signal ", output.status.code)
                                           : StrCat("ended with status ", output.status.code);
  return Err(Code::kNetwork, what, " ", how, said.empty() ? "" : ": ", said);
}

// DEL after a failed ADD, which nothing interrupts.
void Undo(const NetworkConfig& config, CniRuntime runtime) {
  runtime.interrupt = -1;
  (void)CniDel(config, runtime);
}

// Another version is no failure of the configuration alone: say what the plugin can do.
Error ExplainVersion(Error error, const NetworkConfig& config, size_t index,
                     const CniRuntime& runtime) {
  if (error.message().find("(code 1)") == std::string::npos) return error;
  auto printed = RunPlugin(config, index, runtime, "VERSION",
                           StrCat("{\"cniVersion\":", json::QuoteString(config.cni_version), "}"));
  auto root = printed ? json::Parse(*printed) : Result<json::Value>(printed.error());
  const json::Value* versions =
      root && root->is_object() ? root->Find("supportedVersions") : nullptr;
  if (versions == nullptr) return error;
  return std::move(error).Wrap(StrCat("cniVersion ", config.cni_version, " of ", config.path,
                                      "; the plugin supports ",
                                      TerminalSafe(json::Write(*versions))));
}

Status WriteCache(const NetworkConfig& config, const CniRuntime& runtime, const CniResult& result) {
  json::Value arguments = json::Value::Array();
  for (const std::string& pair : Split(runtime.arguments, ';')) {
    size_t equals = pair.find('=');
    if (equals != std::string::npos) {
      arguments.Append(json::Value::Array(
          std::vector<std::string>{pair.substr(0, equals), pair.substr(equals + 1)}));
    }
  }
  json::Value cache = json::Value::Object({{"kind", "cniCacheV1"},
                                           {"containerId", runtime.container_id},
                                           {"config", Base64(config.text)},
                                           {"ifName", runtime.interface},
                                           {"networkName", config.name}});
  if (!arguments.items().empty()) cache.Set("cniArgs", std::move(arguments));
  if (runtime.capabilities.is_object()) cache.Set("capabilityArgs", runtime.capabilities);
  cache.Set("result", result.document);
  TRY(MakeDirs(runtime.results_dir, 0700));
  return WriteFileAtomicAt(AT_FDCWD, CacheFile(config, runtime), json::Write(cache), 0600);
}

// The last result of the pod's attachment, null where none was kept.
json::Value CachedResult(const NetworkConfig& config, const CniRuntime& runtime) {
  auto text = ReadFile(CacheFile(config, runtime), kLargestCache);
  if (!text) return {};
  auto root = json::Parse(*text, {.max_size = kLargestCache});
  if (!root || !root->is_object()) return {};
  const json::Value* result = root->Find("result");
  return result != nullptr ? *result : json::Value();
}

}  // namespace

bool HasCapability(const NetworkConfig& config, std::string_view capability) {
  for (const PluginConfig& plugin : config.plugins) {
    const json::Value* all = plugin.config.Find("capabilities");
    const json::Value* one = all != nullptr ? all->Find(capability) : nullptr;
    if (one != nullptr && one->is_bool() && one->boolean()) return true;
  }
  return false;
}

std::string PluginInput(const NetworkConfig& config, size_t index, const CniRuntime& runtime,
                        const json::Value* previous) {
  json::Value input = config.plugins[index].config;
  input.Set("name", config.name);
  input.Set("cniVersion", config.cni_version);
  const json::Value* capabilities = input.Find("capabilities");
  json::Value runtime_config = json::Value::Object();
  if (capabilities != nullptr && capabilities->is_object() && runtime.capabilities.is_object()) {
    for (const json::Member& capability : capabilities->members()) {
      const json::Value* arguments = runtime.capabilities.Find(capability.key);
      bool wanted = capability.value.is_bool() && capability.value.boolean();
      if (wanted && arguments != nullptr) runtime_config.Set(capability.key, *arguments);
    }
  }
  // The list's own; plugins do not know it.
  input.Erase("capabilities");
  if (!runtime_config.members().empty()) input.Set("runtimeConfig", std::move(runtime_config));
  if (previous != nullptr && !previous->is_null()) input.Set("prevResult", *previous);
  return json::Write(input);
}

Result<CniResult> CniAdd(const NetworkConfig& config, const CniRuntime& runtime) {
  std::optional<CniResult> result;
  for (size_t i = 0; i < config.plugins.size(); ++i) {
    auto printed = RunPlugin(config, i, runtime, "ADD",
                             PluginInput(config, i, runtime, result ? &result->document : nullptr));
    auto parsed = printed ? ParseCniResult(*printed) : Result<CniResult>(printed.error());
    if (!parsed) {
      Error error = std::move(parsed).error();
      if (printed)
        error = std::move(error).Wrap(
            StrCat("plugin ", config.plugins[i].type, " of network ", Quote(config.name)));
      // Its words are not asked for where nobody wants to wait.
      if (error.code() != Code::kBusy) error = ExplainVersion(std::move(error), config, i, runtime);
      Undo(config, runtime);
      return error;
    }
    result = *std::move(parsed);
  }
  if (!result) return Err(Code::kInvalid, "network ", Quote(config.name), " has no plugins");
  Status cached = WriteCache(config, runtime, *result);
  if (!cached) {
    Undo(config, runtime);
    return std::move(cached).error();
  }
  return *std::move(result);
}

Status CniDel(const NetworkConfig& config, const CniRuntime& runtime) {
  Status first;
  json::Value previous;
  if (CompareVersions(config.cni_version, "0.4.0") >= 0) previous = CachedResult(config, runtime);
  for (size_t i = config.plugins.size(); i-- > 0;) {
    const std::string& program = config.plugins[i].program;
    if (program.empty() || !Exists(program)) {
      DebugNotice("networking", StrCat("plugin ", config.plugins[i].type, " of network ",
                                       config.name, " is gone"));
      continue;
    }
    auto done = RunPlugin(config, i, runtime, "DEL", PluginInput(config, i, runtime, &previous));
    if (!done && first) first = std::move(done).error();
  }
  if (!first) return first;
  return UnlinkAt(AT_FDCWD, CacheFile(config, runtime));
}

Status CniCheck(const NetworkConfig& config, const CniRuntime& runtime) {
  if (CompareVersions(config.cni_version, "0.4.0") < 0) {
    return Err(Code::kUnsupported, "network ", Quote(config.name),
               ": CHECK needs cniVersion 0.4.0 or newer");
  }
  if (config.disable_check)
    return Err(Code::kUnsupported, "network ", Quote(config.name), ": disableCheck is set");
  json::Value previous = CachedResult(config, runtime);
  if (previous.is_null())
    return Err(Code::kNotFound, "network ", Quote(config.name), ": no result of the pod was kept");
  for (size_t i = 0; i < config.plugins.size(); ++i) {
    TRY(RunPlugin(config, i, runtime, "CHECK", PluginInput(config, i, runtime, &previous)));
  }
  return {};
}

Status CniGc(const NetworkConfig& config,
             const std::vector<std::pair<std::string, std::string>>& valid,
             const std::vector<std::string>& path) {
  if (CompareVersions(config.cni_version, "1.1.0") < 0) {
    return Err(Code::kUnsupported, "network ", Quote(config.name), ": GC needs cniVersion 1.1.0");
  }
  json::Value attachments = json::Value::Array();
  for (const auto& [id, interface] : valid) {
    attachments.Append(json::Value::Object({{"containerID", id}, {"ifname", interface}}));
  }
  CniRuntime runtime;
  runtime.path = path;
  Status first;
  for (size_t i = 0; i < config.plugins.size(); ++i) {
    auto input = json::Parse(PluginInput(config, i, runtime, nullptr));
    if (!input) return std::move(input).error();
    input->Set("cni.dev/valid-attachments", attachments);
    auto done = RunPlugin(config, i, runtime, "GC", json::Write(*input));
    if (!done && first) first = std::move(done).error();
  }
  return first;
}

}  // namespace rkt::network
