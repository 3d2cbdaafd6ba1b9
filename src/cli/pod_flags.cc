// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/pod_flags.h"

#include <arpa/inet.h>
#include <ctype.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "appc/isolator.h"
#include "base/file.h"
#include "cli/app_args.h"
#include "cli/flags.h"
#include "cli/settings.h"

namespace rkt::cli {

namespace {

using pod::KeyValue;

// The request that a per-app flag belongs to.
Result<pod::AppRequest*> LastApp(Invocation& inv, const FlagSpec& flag) {
  auto& apps = inv.pod().apps;
  if (apps.empty()) return Err(Code::kInvalid, "--", flag.name, " must follow an image");
  return &apps.back().request;
}

Result<int64_t> Integer(std::string_view text) {
  auto number = ParseInt(text.starts_with('+') ? text.substr(1) : text);
  if (!number) {
    return Err(Code::kInvalid, "strconv.ParseInt: parsing ", Quote(text), ": invalid syntax, want true or false");
  }
  return *number;
}

template <std::optional<std::string> pod::AppRequest::*kMember>
Status SetAppText(Invocation& inv, const FlagSpec& flag, std::string_view value) {
  TRY(LastApp(inv, flag))->*kMember = std::string(value);
  return {};
}

// Replaces the pair of the same name, or appends.
void SetPair(std::vector<KeyValue>& list, KeyValue pair) {
  auto same = std::find_if(list.begin(), list.end(),
                           [&](const KeyValue& old) { return old.first == pair.first; });
  if (same != list.end()) {
    same->second = std::move(pair.second);
  } else {
    list.push_back(std::move(pair));
  }
}

// Adds a pair to a list of the app, replacing an earlier one of the same name.
template <std::vector<KeyValue> pod::AppRequest::*kMember,
          Result<KeyValue> (*kParse)(std::string_view)>
Status AddAppPair(Invocation& inv, const FlagSpec& flag, std::string_view value) {
  pod::AppRequest* app = TRY(LastApp(inv, flag));
  if (value.find('=') == std::string_view::npos) {
    return Err(Code::kInvalid, "invalid format of --", flag.name, " flag ", Quote(value));
  }
  SetPair(app->*kMember, TRY(kParse(value)));
  return {};
}

Status SetExec(Invocation& inv, const FlagSpec& flag, std::string_view value) {
  pod::AppRequest* app = TRY(LastApp(inv, flag));
  if (app->exec) {
    return Err(Code::kInvalid, "--exec specified multiple times for the same image");
  }
  // An empty one is as good as none, and may be followed by another.
  if (!value.empty()) app->exec = std::string(value);
  return {};
}

Status SetSignature(Invocation& inv, const FlagSpec& flag, std::string_view value) {
  TRY(LastApp(inv, flag));
  std::string& signature = inv.pod().apps.back().signature;
  if (!signature.empty()) {
    return Err(Code::kInvalid, "--signature specified multiple times for the same image");
  }
  signature = value;
  return {};
}

Status SetReadOnly(Invocation& inv, const FlagSpec& flag, std::string_view value) {
  pod::AppRequest* app = TRY(LastApp(inv, flag));
  auto wanted = ParseBool(value);
  if (!wanted) {
    return Err(Code::kInvalid, "strconv.ParseBool: parsing ", Quote(value), ": invalid syntax, want true or false");
  }
  app->read_only_root_fs = *wanted;
  return {};
}

Status AddMount(Invocation& inv, const FlagSpec&, std::string_view value) {
  PodArguments& pod = inv.pod();
  appc::Mount mount = TRY(pod::ParseMountFlag(value));
  (pod.apps.empty() ? pod.mounts : pod.apps.back().request.mounts).push_back(std::move(mount));
  return {};
}

Status AddGids(Invocation& inv, const FlagSpec& flag, std::string_view value) {
  pod::AppRequest* app = TRY(LastApp(inv, flag));
  std::vector<uint32_t> gids = TRY(pod::ParseGidsFlag(value));
  if (!app->supplementary_gids) app->supplementary_gids.emplace();
  app->supplementary_gids->insert(app->supplementary_gids->end(), gids.begin(), gids.end());
  return {};
}

Status SetMemory(Invocation& inv, const FlagSpec& flag, std::string_view value) {
  pod::AppRequest* app = TRY(LastApp(inv, flag));
  // 16m is 16 thousandths of a byte and likely meant to be 16M.
  constexpr int64_t kLeast = 4096;
  if (auto quantity = appc::Quantity::Parse(value); quantity && quantity->Value() < kLeast) {
    return Err(Code::kInvalid, "memory limit of ", quantity->Value(),
               " bytes too low. Try a reasonable value, such as --memory=16M");
  }
  TRY(appc::MakeMemory(value));
  app->memory = std::string(value);
  return {};
}

Status SetCpu(Invocation& inv, const FlagSpec& flag, std::string_view value) {
  pod::AppRequest* app = TRY(LastApp(inv, flag));
  TRY(appc::MakeCpu(value));
  app->cpu = std::string(value);
  return {};
}

Status SetCpuShares(Invocation& inv, const FlagSpec& flag, std::string_view value) {
  pod::AppRequest* app = TRY(LastApp(inv, flag));
  int64_t shares = TRY(Integer(value));
  TRY(appc::MakeCpuShares(shares));
  app->cpu_shares = shares;
  return {};
}

Status SetOomScoreAdj(Invocation& inv, const FlagSpec& flag, std::string_view value) {
  pod::AppRequest* app = TRY(LastApp(inv, flag));
  int64_t adjustment = TRY(Integer(value));
  TRY(appc::MakeOomScoreAdj(adjustment));
  app->oom_score_adj = adjustment;
  return {};
}

template <std::optional<std::vector<std::string>> pod::AppRequest::*kMember>
Status SetCapabilities(Invocation& inv, const FlagSpec& flag, std::string_view value) {
  pod::AppRequest* app = TRY(LastApp(inv, flag));
  app->*kMember = TRY(pod::ParseCapabilitiesFlag(value));
  return {};
}

Status SetSeccomp(Invocation& inv, const FlagSpec& flag, std::string_view value) {
  pod::AppRequest* app = TRY(LastApp(inv, flag));
  app->seccomp = TRY(pod::ParseSeccompFlag(value));
  return {};
}

// Stage1 reads the modes in the app's annotations.
Status SetStreamMode(Invocation& inv, const FlagSpec& flag, std::string_view value) {
  pod::AppRequest* app = TRY(LastApp(inv, flag));
  bool known = value == "null" || value == "stream" || value == "tty" ||
               (value == "log" && flag.name != "stdin");
  if (!known) return Err(Code::kInvalid, "invalid ", flag.name, " mode ", Quote(value));
  SetPair(app->annotations, {StrCat("coreos.com/rkt/stage2/", flag.name), std::string(value)});
  return {};
}

Status AddVolume(Invocation& inv, const FlagSpec&, std::string_view value) {
  auto volume = pod::ParseVolumeFlag(value);
  if (!volume) {
    return Err(Code::kInvalid, "invalid value in --volume flag ", Quote(value), ": ",
               volume.error().Text());
  }
  inv.pod().volumes.push_back(*std::move(volume));
  return {};
}

Status AddPort(Invocation& inv, const FlagSpec&, std::string_view value) {
  inv.pod().ports.push_back(TRY(pod::ParsePortFlag(value)));
  return {};
}

Status AddSetEnv(Invocation& inv, const FlagSpec&, std::string_view value) {
  if (value.find('=') == std::string_view::npos) {
    return Err(Code::kInvalid, "must be specified as key=value");
  }
  KeyValue pair = TRY(pod::ParseEnvironmentFlag(value));
  for (const KeyValue& old : inv.pod().set_env) {
    if (old.first == pair.first) {
      return Err(Code::kInvalid, "key ", Quote(pair.first), " already set");
    }
  }
  inv.pod().set_env.push_back(std::move(pair));
  return {};
}

Status AddEnvFile(Invocation& inv, const FlagSpec&, std::string_view value) {
  std::string path(value);
  std::string text = TRY(ReadFile(path, 16u << 20));
  auto in_file = [&](const Error& error) {
    return Err(Code::kInvalid, error.Text(), " (file ", Quote(path), ")");
  };
  auto pairs = pod::ParseEnvironmentFile(text);
  if (!pairs) return in_file(pairs.error());
  for (KeyValue& pair : *pairs) {
    Status added = pod::AppendUnique(inv.pod().env_file, std::move(pair));
    if (!added) return in_file(added.error());
  }
  return {};
}

Status AddNet(Invocation& inv, const FlagSpec&, std::string_view value) {
  PodArguments& pod = inv.pod();
  for (const std::string& entry : Split(value, ',')) {
    std::vector<std::string> parts = Split(entry, ':');
    const std::string& name = parts[0];
    if (name.empty()) return Err(Code::kInvalid, "netname must not be empty");
    if (pod.HasNet(name)) return Err(Code::kInvalid, "found duplicate netname ", Quote(name));
    if (parts.size() > 2) {
      return Err(Code::kInvalid, "network ", Quote(entry), " has more than one colon");
    }
    if (parts.size() == 2 && (name == "all" || name == "host" || name == "none")) {
      return Err(Code::kInvalid, "arguments are not supported by special netname ", Quote(name));
    }
    pod.net.push_back(entry);
  }
  return {};
}

Status ChooseStage1(Invocation& inv, const FlagSpec& flag, std::string_view value) {
  PodArguments& pod = inv.pod();
  if (pod.stage1_flag == flag.name) return Err(Code::kInvalid, "--", flag.name, " already used");
  if (!pod.stage1_flag.empty()) {
    return Err(Code::kInvalid, "flags --", flag.name, " and --", pod.stage1_flag,
               " are mutually exclusive");
  }
  using Kind = stage0::Stage1Choice::Kind;
  pod.stage1_flag = flag.name;
  pod.stage1.value = value;
  pod.stage1.kind = flag.name == "stage1-url"    ? Kind::kUrl
                    : flag.name == "stage1-path" ? Kind::kPath
                    : flag.name == "stage1-name" ? Kind::kName
                    : flag.name == "stage1-hash" ? Kind::kHash
                                                 : Kind::kFromDir;
  return {};
}

Status CheckIpc(Invocation&, const FlagSpec&, std::string_view value) {
  if (value.empty() || value == "auto" || value == "private" || value == "parent") return {};
  return Err(Code::kInvalid, "unknown IPC mode ", Quote(value),
             "; known are auto, private and parent");
}

constexpr FlagSpec Checked(FlagSpec flag, FlagSetter set) {
  flag.set = set;
  return flag;
}

constexpr FlagSpec Bare(FlagSpec flag, std::string_view value) {
  flag.bare = value;
  flag.initial = value;
  return flag;
}

using pod::AppRequest;

constexpr FlagSpec kAppFlagList[] = {
    ValueFlag("annotation", "annotation of the image's app (--annotation=NAME=VALUE)",
              AddAppPair<&AppRequest::annotations, pod::ParseAnnotationFlag>),
    ValueFlag("environment", "environment variable of the image's app (--environment=NAME=VALUE)",
              AddAppPair<&AppRequest::environment, pod::ParseEnvironmentFlag>),
    ValueFlag("exec", "program to run in place of the image's", SetExec),
    ValueFlag("group", "group of the image's app: a name, a number or a path in the image",
              SetAppText<&AppRequest::group>),
    ValueFlag(
        "mount",
        "path at which an app sees a volume (--mount=volume=NAME,target=PATH). In front of all "
        "images it holds for every app, behind one for that image's",
        AddMount),
    ValueFlag("name", "name of the image's app; otherwise made of the image's name",
              SetAppText<&AppRequest::name>),
    ValueFlag("readonly-rootfs", "true: the root file system of the image's app cannot be written",
              SetReadOnly),
    ValueFlag("stderr",
              "what becomes of the app's standard error: 'log', 'null', or 'stream' or 'tty' for "
              "those who attach",
              SetStreamMode, "log"),
    ValueFlag("stdin",
              "where the app's standard input comes from: 'null', or 'stream' or 'tty' from those "
              "who attach",
              SetStreamMode, "null"),
    ValueFlag("stdout", "what becomes of the app's standard output, as for --stderr",
              SetStreamMode, "log"),
    ValueFlag("supplementary-gids", "further group numbers of the image's app, separated by commas",
              AddGids),
    ValueFlag("user", "user of the image's app: a name, a number or a path in the image",
              SetAppText<&AppRequest::user>),
    ValueFlag("user-annotation",
              "free annotation of the image's app (--user-annotation=NAME=VALUE)",
              AddAppPair<&AppRequest::user_annotations, pod::ParseUserPairFlag>),
    ValueFlag("user-label", "free label of the image's app (--user-label=NAME=VALUE)",
              AddAppPair<&AppRequest::user_labels, pod::ParseUserPairFlag>),
    ValueFlag("working-dir", "directory in which the image's app starts",
              SetAppText<&AppRequest::working_directory>),
};

constexpr FlagSpec kCapsRetain =
    ValueFlag("caps-retain",
              "capabilities that the image's app keeps, all others are dropped "
              "(--caps-retain=CAP_KILL,CAP_CHOWN)",
              SetCapabilities<&AppRequest::caps_retain>);
constexpr FlagSpec kCapsRemove =
    ValueFlag("caps-remove", "capabilities that the image's app loses (--caps-remove=CAP_MKNOD)",
              SetCapabilities<&AppRequest::caps_remove>);
constexpr FlagSpec Renamed(FlagSpec flag, std::string_view name) {
  flag.name = name;
  return flag;
}

constexpr FlagSpec kIsolatorFlagList[] = {
    Deprecated(Renamed(kCapsRemove, "cap-remove"), "use --caps-remove instead"),
    Deprecated(Renamed(kCapsRetain, "cap-retain"), "use --caps-retain instead"),
    kCapsRemove,
    kCapsRetain,
    ValueFlag("cpu", "processor time that the image's app may use (--cpu=500m is half a processor)",
              SetCpu),
    ValueFlag("cpu-shares", "weight of the image's app where processors are short (2 to 262144)",
              SetCpuShares),
    ValueFlag("memory", "memory that the image's app may use (--memory=64M, --memory=1Gi)",
              SetMemory),
    ValueFlag("oom-score-adj",
              "how early the image's app is killed where memory runs out "
              "(-1000 to 1000)",
              SetOomScoreAdj),
    ValueFlag("seccomp",
              "filter of system calls for the image's app "
              "(--seccomp=mode=remove,errno=EPERM,chmod,chown)",
              SetSeccomp),
};

constexpr FlagSpec kSignatureFlagList[] = {
    ValueFlag("signature", "file with the signature of the image in front of it", SetSignature),
};

constexpr FlagSpec kStage1FlagList[] = {
    ValueFlag("stage1-from-dir", "file in the directory of stage1 images to run the pod with",
              ChooseStage1),
    ValueFlag("stage1-hash", "ID of the stored image to run the pod with", ChooseStage1),
    ValueFlag("stage1-name", "name of the image to run the pod with", ChooseStage1),
    ValueFlag("stage1-path", "file of the image to run the pod with", ChooseStage1),
    ValueFlag("stage1-url", "URL of the image to run the pod with", ChooseStage1),
};

constexpr FlagSpec kPrepareFlagList[] = {
    BoolFlag("inherit-env",
             "give the apps those variables of this environment that they do not set"),
    BoolFlag("no-overlay", "copy the images' files instead of laying an overlay over them"),
    TextFlag("pod-manifest", "file with a whole pod manifest to use instead of images"),
    ValueFlag("port",
              "port of the host that leads to a port of the pod "
              "(--port=NAME:[HOSTIP:]HOSTPORT)",
              AddPort),
    kPrivateUsersFlag,
    ValueFlag("set-env", "environment variable of all apps (--set-env=NAME=VALUE)", AddSetEnv),
    ValueFlag("set-env-file", "file with environment variables of all apps, one NAME=VALUE a line",
              AddEnvFile),
    ValueFlag("volume",
              "volume for the pod (--volume=NAME,kind=host,source=/PATH,readOnly=true or "
              "--volume=NAME,kind=empty,mode=0755,uid=0,gid=0)",
              AddVolume),
};

constexpr FlagSpec kStartFlagList[] = {
    ValueFlag("dns",
              "addresses of name servers, or 'host' to use the host's /etc/resolv.conf, or "
              "'none' to leave the app's as it is",
              nullptr),
    TextFlag("dns-domain", "domain for /etc/resolv.conf"),
    ValueFlag("dns-opt", "option for /etc/resolv.conf", nullptr),
    ValueFlag("dns-search", "search domain for /etc/resolv.conf", nullptr),
    TextFlag("hostname", "host name of the pod; otherwise rkt- and its UUID"),
    ValueFlag("hosts-entry",
              "entry for /etc/hosts (--hosts-entry=ADDRESS=NAME), or 'host' to use the "
              "host's",
              nullptr),
    Checked(TextFlag("ipc", "IPC namespace: auto, private or parent"), CheckIpc),
    BoolFlag("mds-register", "register the pod with the metadata service"),
    Bare(ValueFlag("net",
                   "networks of the pod, separated by commas, each with arguments where needed "
                   "(--net=default, --net=none, --net=host, --net=NAME:KEY=VALUE;KEY=VALUE)",
                   AddNet),
         "default"),
};

constexpr FlagSpec kInteractiveFlagList[] = {
    BoolFlag("interactive", "connect the terminal with the only app of the pod, whatever --stdin, --stdout and --stderr say"),
};

constexpr FlagSpec PullFlag(std::string_view initial) {
  return TextFlag(
      "pull-policy",
      "where images come from: 'never' (the store), 'new' (the store, then the network) or "
      "'update' (the network)",
      initial);
}
constexpr FlagSpec kNoStore = Deprecated(BoolFlag("no-store", "ignore the images of the store"),
                                         "please use --pull-policy=update");
constexpr FlagSpec kStoreOnly = Deprecated(BoolFlag("store-only", "use only images of the store"),
                                           "please use --pull-policy=never");
constexpr FlagSpec kPullNewFlagList[] = {kNoStore, PullFlag("new"), kStoreOnly};
constexpr FlagSpec kPullUpdateFlagList[] = {kNoStore, PullFlag("update"), kStoreOnly};

bool IsAddress(const std::string& text) {
  in_addr v4;
  in6_addr v6;
  return inet_pton(AF_INET, text.c_str(), &v4) == 1 || inet_pton(AF_INET6, text.c_str(), &v6) == 1;
}

std::vector<std::string> Strings(const std::vector<std::string_view>& views) {
  return {views.begin(), views.end()};
}

}  // namespace

constinit const FlagGroup kAppFlags = kAppFlagList;
constinit const FlagGroup kIsolatorFlags = kIsolatorFlagList;
constinit const FlagGroup kSignatureFlags = kSignatureFlagList;
constinit const FlagGroup kStage1Flags = kStage1FlagList;
constinit const FlagGroup kPrepareFlags = kPrepareFlagList;
constinit const FlagGroup kStartFlags = kStartFlagList;
constinit const FlagGroup kInteractiveFlags = kInteractiveFlagList;
constinit const FlagGroup kPullNewFlags = kPullNewFlagList;
constinit const FlagGroup kPullUpdateFlags = kPullUpdateFlagList;

Result<std::string> PullPolicy(const Invocation& invocation) {
  bool never = invocation.Bool("store-only");
  bool update = invocation.Bool("no-store");
  if (never && update) return Err(Code::kInvalid, "both --store-only and --no-store specified");
  if (never) return "never";
  if (update) return "update";
  return std::string(invocation.Text("pull-policy"));
}

Result<stage0::DnsConfig> Dns(const Invocation& invocation) {
  stage0::DnsConfig dns;
  using Mode = stage0::DnsConfig::Mode;
  std::vector<std::string_view> values = invocation.All("dns");
  for (std::string_view value : values) {
    if (value == "host" || value == "none") {
      if (values.size() > 1) {
        return Err(Code::kInvalid, "no other --dns options allowed when --dns=", value,
                   " is passed");
      }
      dns.mode = value == "host" ? Mode::kHost : Mode::kNone;
      break;
    }
    for (std::string& address : Split(value, ',')) {
      if (!IsAddress(address)) {
        return Err(Code::kInvalid, "Invalid IP passed to --dns: ", address);
      }
      dns.nameservers.push_back(std::move(address));
    }
  }
  dns.search = Strings(invocation.All("dns-search"));
  dns.options = Strings(invocation.All("dns-opt"));
  dns.domain = invocation.Text("dns-domain");
  bool fields = !dns.nameservers.empty() || !dns.search.empty() || !dns.options.empty() ||
                !dns.domain.empty();
  if (fields && dns.mode != Mode::kDefault) {
    return Err(Code::kInvalid, "Cannot call --dns-opt, --dns-search, or --dns-domain with --dns=",
               dns.mode == Mode::kHost ? "host" : "none");
  }
  if (fields) dns.mode = Mode::kStage0;
  return dns;
}

Result<stage0::HostsConfig> Hosts(const Invocation& invocation) {
  stage0::HostsConfig hosts;
  using Mode = stage0::HostsConfig::Mode;
  for (std::string_view value : invocation.All("hosts-entry")) {
    if (value == "host") {
      hosts.mode = Mode::kHost;
      continue;
    }
    for (const std::string& entry : Split(value, ',')) {
      size_t equals = entry.find('=');
      if (equals == std::string::npos) {
        return Err(Code::kInvalid, "Did not understand --hosts-entry ", entry);
      }
      std::string address = entry.substr(0, equals);
      std::string name = entry.substr(equals + 1);
      if (!IsAddress(address)) {
        return Err(Code::kInvalid, "Invalid IP passed to --hosts-entry: ", address);
      }
      auto same = std::find_if(hosts.entries.begin(), hosts.entries.end(),
                               [&](const auto& old) { return old.first == address; });
      if (same == hosts.entries.end()) {
        hosts.entries.push_back({std::move(address), {std::move(name)}});
      } else {
        same->second.push_back(std::move(name));
      }
    }
  }
  if (!hosts.entries.empty()) {
    if (hosts.mode == Mode::kHost) {
      return Err(Code::kInvalid, "cannot pass --hosts-entry=host with multiple hosts-entries");
    }
    hosts.mode = Mode::kStage0;
  }
  return hosts;
}

namespace {

// What the kernel and the resolver's files take; an empty one means that of the pod's UUID.
Result<std::string> HostName(const Invocation& invocation) {
  constexpr size_t kMax = 64;
  std::string name(invocation.Text("hostname"));
  bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c < 0x80 && (::isalnum(c) != 0 || c == '-' || c == '.' || c == '_');
  });
  if (!plain) {
    return Err(Code::kInvalid, "--hostname may have only letters, digits, \"-\", \".\" and \"_\": ", Quote(name));
  }
  if (name.size() > kMax) {
    return Err(Code::kInvalid, "--hostname may have at most ", kMax, " characters: ", Quote(name));
  }
  return name;
}

}  // namespace

Result<stage0::RunOptions> StartOptions(Invocation& invocation) {
  stage0::RunOptions options;
  const Globals& globals = invocation.globals;
  options.debug = globals.debug;
  options.interactive = invocation.Bool("interactive");
  options.mds_register = invocation.Bool("mds-register");
  options.net = invocation.pod().net;
  options.hostname = TRY(HostName(invocation));
  options.ipc = invocation.Text("ipc");
  options.local_config = globals.LocalConfig();
  options.log_settings = TRY(LogSettings(invocation));
  options.dns = TRY_CTX(Dns(invocation), "error with dns flags");
  options.hosts = TRY_CTX(Hosts(invocation), "error with dns flags");
  options.insecure_capabilities = (globals.insecure & kInsecureCapabilities) != 0;
  options.insecure_paths = (globals.insecure & kInsecurePaths) != 0;
  options.insecure_seccomp = (globals.insecure & kInsecureSeccomp) != 0;
  options.linked = invocation.linked_stage1;
  options.insecure_limits = (globals.insecure & kInsecureLimits) != 0;
  return options;
}

}  // namespace rkt::cli
