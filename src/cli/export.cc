// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt export

#include "stage0/export.h"

#include "base/log.h"
#include "cli/commands.h"
#include "cli/pod_argument.h"
#include "stage0/app_root.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec kOwnFlags[] = {
    TextFlag("app", "name of the app to export; may be left out where the pod has one"),
    BoolFlag("overwrite", "replace the file where it exists"),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags};

int Run(Invocation& invocation) {
  if (invocation.words.size() != 2) return invocation.Usage();
  auto pod = ResolvePod(invocation, invocation.words[0]);
  if (!pod) return Fail("problem retrieving pod", std::move(pod).error());
  auto pods = pod::Pods::Open(pod->data_dir);
  if (!pods) return Fail("problem retrieving pod", std::move(pods).error());
  auto opened = pods->Get(pod->uuid);
  if (!opened) return Fail("problem retrieving pod", std::move(opened).error());
  auto app = stage0::FindApp(*opened, std::string(invocation.Text("app")));
  if (!app) {
    if (invocation.Text("app").empty()) Notice("", TerminalSafe(StrCat(app.error().message(), "; choose one by --app")));
    return Fail("unable to determine app name", std::move(app).error());
  }
  stage0::ExportOptions options;
  options.data_dir = pod->data_dir;
  options.uuid = pod->uuid;
  options.app = *app;
  options.output = invocation.words[1];
  options.overwrite = invocation.Bool("overwrite");
  Status done = stage0::Export(options);
  return done ? 0 : Fail(done.error());
}

}  // namespace

constinit const CommandSpec kExportCommand = {
    .name = "export",
    .synopsis = "[--app=APPNAME] [--overwrite] UUID OUTPUT_ACI_FILE",
    .summary = "Write an app of an exited pod to an ACI file",
    .description =
        R"(Writes an image, compressed with gzip, of the root file system of an app as the app
left it, with the manifest of the image that it was started from. The pod must
have exited. What was in volumes is not part of it, and sockets are left out. The
name of the file must end in ".aci". Users of a pod's own are translated back.)",
    .flags = kGroups,
    .run = Run,
    .completes = Completion::kExitedPods,
};

}  // namespace rkt::cli
