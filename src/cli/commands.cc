// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The root of the table, the group `image`, and the commands that are known without being built.

#include "cli/commands.h"

#include "base/log.h"
#include "cli/invocation.h"

namespace rkt::cli {

namespace {

int RunNothing(Invocation& invocation) {
  Notice("", "missing command");
  (void)invocation.Usage();
  return 2;
}

constexpr CommandSpec Missing(std::string_view name, std::string_view synopsis,
                              std::string_view summary) {
  return {.name = name, .synopsis = synopsis, .summary = summary, .missing = true};
}

constexpr CommandSpec kApiService =
    Missing("api-service", "[--listen=ADDRESS]", "Serve the gRPC interface for reading pods and images");

constexpr const CommandSpec* kImageChildren[] = {
    &kImageBuildCommand, &kImageCatManifestCommand, &kImageDuCommand,
    &kImageExportCommand, &kImageExtractCommand, &kImageFetchCommand,
    &kImageFsckCommand, &kImageGcCommand, &kImageListCommand,
    &kImagePatchManifestCommand, &kImageRenderCommand, &kImageRmCommand,
    &kImageSignCommand, &kImageVerifyCommand,
};

constexpr const CommandSpec* kRootChildren[] = {
    &kApiService,    &kAppCommand,   &kAttachCommand, &kCatManifestCommand, &kCompletionCommand,
    &kConfigCommand, &kCpCommand,    &kEnterCommand,  &kExportCommand,      &kFetchCommand,      &kGcCommand,
    &kImageCommand,  &kListCommand, &kLogsCommand,   &kMetadataServiceCommand, &kNetworkCommand, &kPrepareCommand,
    &kRmCommand,     &kRunCommand, &kRunPreparedCommand, &kStatusCommand,  &kStopCommand,
    &kTrustCommand,         &kVersionCommand, &kHelpCommand,
};

}  // namespace

constinit const CommandSpec kImageCommand = {
    .name = "image",
    .synopsis = "[command]",
    .summary = "Operate on the images of the local store",
    .description = R"(Lists, checks, copies and removes images that are in the store; makes image files.

An image is named by its ID or by its name. Of the ID, "sha512-" and the first
digits are enough where no other image's ID begins with them. The name may be
followed by a version and by labels: "example.com/app",
"example.com/app:1.0,arch=amd64". Without a version, an image that was fetched
without one is preferred, then the one imported last.)",
    .children = kImageChildren,
};

constinit const CommandSpec kRootCommand = {
    .name = "rkt",
    .synopsis = "[command]",
    .summary = "rkt, the application container runner",
    .description = R"(Runs pods of app container images on Linux, without a daemon.

"rkt help COMMAND" tells more about a command.)",
    .children = kRootChildren,
    .run = RunNothing,
};

}  // namespace rkt::cli
