// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/settings.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/file.h"
#include "base/log.h"
#include "cli/app_args.h"

namespace rkt::cli {

namespace {

// The path with symlinks resolved; as it is where it does not exist yet.
Result<std::string> RealPath(const std::string& dir) {
  char* real = realpath(dir.c_str(), nullptr);
  if (real == nullptr) {
    if (errno == ENOENT) return dir;  // made by the first that needs it
    return SysErr("cannot evaluate dataDir ", Quote(dir), " real path");
  }
  std::string resolved = real;
  free(real);
  return resolved;
}

// A line of standard input, which may be shared with others: nothing behind it is taken.
Result<std::string> Ask(int output, const std::string& question) {
  TRY(WriteAll(output, question + " "));
  std::string line;
  char c;
  for (;;) {
    ssize_t n = ::read(STDIN_FILENO, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SysErr("reading the answer");
    if (n == 0) return Err(Code::kInvalid, "no answer: standard input has ended");
    if (c == '\n') return line;
    if (line.size() < 256) line += c;
  }
}

}  // namespace

Result<std::shared_ptr<const config::Config>> Configuration(const Invocation& invocation) {
  static std::shared_ptr<const config::Config> loaded;
  if (!loaded) {
    const Globals& globals = invocation.globals;
    config::Config config =
        TRY(config::Load({globals.SystemConfig(), globals.LocalConfig(), globals.user_config}));
    loaded = std::make_shared<const config::Config>(std::move(config));
  }
  return loaded;
}

Result<std::string> DataDir(const Invocation& invocation) {
  if (!invocation.globals.dir.empty()) return RealPath(invocation.globals.dir);
  auto config = TRY(Configuration(invocation));
  return RealPath(config->data.empty() ? std::string(kDefaultDataDir) : config->data);
}

Result<store::Store> OpenStore(const Invocation& invocation) {
  std::string data_dir = TRY(DataDir(invocation));
  return TRY_CTX(store::Store::Open(data_dir), "cannot open store");
}

image::TrustDialog KeyDialog(int output) {
  image::TrustDialog dialog;
  dialog.print = [output](const std::string& line) {
    (void)WriteAll(output, TerminalSafeLines(line) + "\n");
  };
  dialog.notice = [](const std::string& text) { Notice("pubkey", text); };
  if (::isatty(STDIN_FILENO) == 1) {
    dialog.ask = [output](const std::string& question) { return Ask(output, question); };
  }
  return dialog;
}

image::FetchOptions FetchOptions(const Invocation& invocation, std::string_view pull_policy) {
  image::FetchOptions options;
  options.pull = image::ParsePullPolicy(pull_policy);
  options.insecure_image = invocation.globals.SkipImageCheck();
  options.keystore =
      image::Keystore(invocation.globals.SystemConfig(), invocation.globals.LocalConfig());
  options.config = [&invocation] { return Configuration(invocation); };
  options.insecure_http = (invocation.globals.insecure & kInsecureHttp) != 0;
  options.insecure_tls = (invocation.globals.insecure & kInsecureTls) != 0;
  options.insecure_pubkey = (invocation.globals.insecure & kInsecurePubKey) != 0;
  options.trust_keys_from_https = invocation.globals.trust_keys_from_https;
  options.dialog = KeyDialog(STDERR_FILENO);  // standard output is for the IDs
  return options;
}

Result<stage0::Stage1Options> Stage1Options(Invocation& invocation) {
  stage0::Stage1Options options;
  options.choice = invocation.pod().stage1;
  auto config = TRY(Configuration(invocation));
  if (!config->stage1_name.empty() && !config->stage1_version.empty()) {
    options.defaults.name = config->stage1_name;
    options.defaults.version = config->stage1_version;
  }
  options.defaults.location = config->stage1_location;
  options.defaults.images_dir = config->stage1_images;
  const bool skip_check = invocation.globals.SkipImageCheck();
  std::string images_dir = options.defaults.images_dir;
  image::FetchOptions general = FetchOptions(invocation, "new");
  options.import = [skip_check, images_dir, general](
                       store::Store& store, const std::string& location, bool check_signature) {
    image::FetchOptions fetch = general;
    fetch.dependencies = false;
    fetch.insecure_image = skip_check || !check_signature;
    return image::FindStage1Image(store, location, fetch, images_dir);
  };
  return options;
}

Result<std::string> LogSettings(const Invocation& invocation) {
  const config::Logs& logs = TRY(Configuration(invocation))->logs;
  if (logs.empty()) return std::string();
  std::string text = logs.max_size != 0 ? StrCat(logs.max_size) : "";
  text += ':';
  if (logs.max_files != 0) text += StrCat(logs.max_files);
  text += ':';
  if (logs.journal) text += *logs.journal ? '1' : '0';
  return text;
}

}  // namespace rkt::cli
