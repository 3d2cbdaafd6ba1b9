// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt metadata-service: becomes the program of that name in libexec.

#include <limits.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/invocation.h"
#include "cli/settings.h"

namespace rkt::cli {

namespace {

Status CheckPort(Invocation&, const FlagSpec&, std::string_view value) {
  auto port = ParseInt(value);
  if (!port || *port < 1 || *port > 65535) return Err(Code::kInvalid, "must be between 1 and 65535");
  return {};
}

constexpr FlagSpec kOwnFlags[] = {
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

int Run(Invocation& invocation) {
  if (!invocation.words.empty()) return invocation.Usage();
  auto program = FindProgram();
  if (!program) return Fail(program.error());
  std::string name = "metadata-service";
  std::string port = StrCat("--listen-port=", invocation.Text("listen-port"));
  std::string debug = "--debug";
  char* argv[] = {name.data(), port.data(), invocation.globals.debug ? debug.data() : nullptr, nullptr};
  ::execv(program->c_str(), argv);
  return Fail(SysErr("executing ", *program));
}

}  // namespace

constinit const CommandSpec kMetadataServiceCommand = {
    .name = "metadata-service",
    .synopsis = "[--listen-port=PORT]",
    .summary = "Serve the metadata of pods to their apps",
    .description = R"(Runs in the foreground, best by a service manager. Pods that were started with
--mds-register find the service by their variable AC_METADATA_URL; each is given
its own manifests, annotations and UUID, and can have texts signed and verified.

Pods are registered at the socket /run/rkt/metadata-svc.sock, or at the one that
a service manager hands over (LISTEN_FDS). Pods ask at the host's address in
their network and at 127.0.0.1; at no other address does the service listen.)",
    .flags = kGroups,
    .run = Run,
    .needs_root = true,
};

}  // namespace rkt::cli
