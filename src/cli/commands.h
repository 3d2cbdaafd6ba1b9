// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Every command of the table; each is defined in the file of its name.

#include "cli/command.h"

namespace rkt::cli {

extern const CommandSpec kAppCommand;
extern const CommandSpec kAttachCommand;
extern const CommandSpec kCatManifestCommand;
extern const CommandSpec kCompletionCommand;
extern const CommandSpec kConfigCommand;
extern const CommandSpec kCpCommand;
extern const CommandSpec kEnterCommand;
extern const CommandSpec kExportCommand;
extern const CommandSpec kFetchCommand;
extern const CommandSpec kGcCommand;
extern const CommandSpec kHelpCommand;
extern const CommandSpec kImageCommand;
extern const CommandSpec kListCommand;
extern const CommandSpec kLogsCommand;
extern const CommandSpec kMetadataServiceCommand;
extern const CommandSpec kNetworkCommand;
extern const CommandSpec kPrepareCommand;
extern const CommandSpec kRmCommand;
extern const CommandSpec kRunCommand;
extern const CommandSpec kRunPreparedCommand;
extern const CommandSpec kStatusCommand;
extern const CommandSpec kStopCommand;
extern const CommandSpec kTrustCommand;
extern const CommandSpec kVersionCommand;

extern const CommandSpec kAppAddCommand;
extern const CommandSpec kAppExecCommand;
extern const CommandSpec kAppListCommand;
extern const CommandSpec kAppRmCommand;
extern const CommandSpec kAppSandboxCommand;
extern const CommandSpec kAppStartCommand;
extern const CommandSpec kAppStatusCommand;
extern const CommandSpec kAppStopCommand;

extern const CommandSpec kImageBuildCommand;
extern const CommandSpec kImageCatManifestCommand;
extern const CommandSpec kImageDuCommand;
extern const CommandSpec kImageExportCommand;
extern const CommandSpec kImageExtractCommand;
extern const CommandSpec kImageFetchCommand;
extern const CommandSpec kImageFsckCommand;
extern const CommandSpec kImageGcCommand;
extern const CommandSpec kImageListCommand;
extern const CommandSpec kImagePatchManifestCommand;
extern const CommandSpec kImageRenderCommand;
extern const CommandSpec kImageRmCommand;
extern const CommandSpec kImageSignCommand;
extern const CommandSpec kImageVerifyCommand;

}  // namespace rkt::cli
