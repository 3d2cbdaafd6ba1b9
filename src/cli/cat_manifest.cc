// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt cat-manifest

#include "appc/pod_manifest.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/pod_argument.h"
#include "stage0/list.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec kOwnFlags[] = {
    BoolFlag("pretty-print", "print one member a line, indented", true),
    TextFlag("uuid-file", "file to read the UUID from"),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags};

int Run(Invocation& invocation) {
  std::string argument;
  std::string_view file = invocation.Text("uuid-file");
  if (!file.empty()) {
    auto uuid = ReadUuidFile(file);
    if (!uuid) return Fail("unable to resolve UUID from file", std::move(uuid).error());
    argument = *std::move(uuid);
  } else {
    if (invocation.words.size() != 1) return invocation.Usage();
    argument = invocation.words[0];
  }
  auto pod = ResolvePod(invocation, argument);
  if (!pod) return Fail("problem retrieving pod", std::move(pod).error());
  auto bytes = stage0::ReadPodManifest(pod->data_dir, pod->uuid);
  if (!bytes) return Fail("cannot read the pod manifest", std::move(bytes).error());
  auto manifest = appc::ParsePodManifest(*bytes);
  if (!manifest) return Fail("cannot read the pod manifest", std::move(manifest).error());
  PrintLine(invocation.Bool("pretty-print") ? json::WriteIndented(appc::ToJson(*manifest))
                                            : appc::WritePodManifest(*manifest));
  return 0;
}

}  // namespace

constinit const CommandSpec kCatManifestCommand = {
    .name = "cat-manifest",
    .synopsis = "--uuid-file=FILE | UUID",
    .summary = "Print the manifest of a pod",
    .description = "Prints the manifest that the pod was made of, as JSON.",
    .flags = kGroups,
    .run = Run,
    .completes = Completion::kPods,
};

}  // namespace rkt::cli
