// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt metadata-service: becomes the program of that name in libexec.

#include <limits.h>
#include <netinet/in.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/invocation.h"
#include "cli/settings.h"
#include "network/inventory.h"

namespace rkt::cli {

namespace {

Status CheckPort(Invocation&, const FlagSpec&, std::string_view value) {
  auto port = ParseInt(value);
  if (!port || *port < 1 || *port > 65535) return Err(Code::kInvalid, "must be between 1 and 65535");
  return {};
}

Status CheckAddresses(Invocation&, const FlagSpec&, std::string_view value) {
  for (const std::string& address : Split(value, ',')) {
    if (!address.empty() && !network::ParseAddress(address)) return Err(Code::kInvalid, Quote(address), " is not an IP address");
  }
  return {};
}

constexpr FlagSpec kOwnFlags[] = {
    ValueFlag("listen-address", "addresses to listen at beside 127.0.0.1 and the gateways of registered pods, separated by commas",
              CheckAddresses, ""),
    ValueFlag("listen-port", "TCP port at which pods reach the service", CheckPort, "18112"),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags};

Result<std::string> FindProgram() {
  char executable[PATH_MAX];
  ssize_t n = ::readlink("/proc/self/exe", executable, sizeof executable);
  if (n <= 0) return SysErr("readlink /proc/self/exe");
  std::string directory(executable, static_cast<size_t>(n));
  directory.resize(directory.rfind('/'));
  std::string installed = StrCat(directory, "/../libexec/rkt/metadata-service");
  for (const std::string& candidate : {installed, StrCat(directory, "/metadata-service")}) {
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return Err(Code::kNotFound, installed, " is missing: the installation is not complete");
}

// A pod that has published the port would get the requests, and the tokens, of all others.
Status CheckPublished(const Invocation& invocation) {
  network::InventoryRequest request;
  request.data_dir = TRY(DataDir(invocation));
  request.local_config = invocation.globals.LocalConfig();
  for (const network::OwnedPort& port : network::ListPortsOfPods(request)) {
    if (port.rule.protocol != IPPROTO_TCP || StrCat(port.rule.host_port) != invocation.Text("listen-port")) continue;
    return Err(Code::kBusy, "the metadata service cannot listen on port ", port.rule.host_port, ": pod ", port.owner,
               " has published ", network::ToText(port.rule), " (of pods that have ended, `rkt gc` takes them back)");
  }
  return {};
}

int Run(Invocation& invocation) {
  if (!invocation.words.empty()) return invocation.Usage();
  if (Status free = CheckPublished(invocation); !free) return Fail(free.error());
  auto program = FindProgram();
  if (!program) return Fail(program.error());
  std::string name = "metadata-service";
  std::string port = StrCat("--listen-port=", invocation.Text("listen-port"));
  std::string addresses = StrCat("--listen-address=", invocation.Text("listen-address"));
  std::string debug = "--debug";
  char* argv[] = {name.data(), port.data(), addresses.data(), invocation.globals.debug ? debug.data() : nullptr, nullptr};
  ::execv(program->c_str(), argv);
  return Fail(SysErr("executing ", *program));
}

}  // namespace

constinit const CommandSpec kMetadataServiceCommand = {
    .name = "metadata-service",
    .synopsis = "[--listen-port=PORT] [--listen-address=IP,...]",
    .summary = "Serve the metadata of pods to their apps",
    .description = R"(Runs in the foreground, best by a service manager. Pods that were started with
--mds-register find the service by their variable AC_METADATA_URL; each is given
its own manifests, annotations and UUID, and can have texts signed and verified.

Pods are registered at the socket /run/rkt/metadata-svc.sock, or at the one that
a service manager hands over (LISTEN_FDS). Pods ask at the host's address in
their network and at 127.0.0.1; at no other address does the service listen,
unless --listen-address names it: the gateways of pods whose stage1 was made for
rkt 1.x and does not tell them.)",
    .flags = kGroups,
    .run = Run,
    .needs_root = true,
};

}  // namespace rkt::cli
