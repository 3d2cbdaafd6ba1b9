// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The values of flags that describe pods and apps, from text to checked data: volumes, mounts,
// ports, seccomp, environment. Errors are kInvalid and carry the message that follows `invalid
// argument "..." for ...`.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "appc/app.h"
#include "appc/limits.h"
#include "appc/pod_manifest.h"
#include "base/result.h"

namespace rkt::pod {

// --volume=NAME,kind=host,source=/PATH[,readOnly=BOOL][,recursive=BOOL]
//          NAME,kind=empty[,mode=OCTAL][,uid=N][,gid=N]      (missing ones become 0755, 0, 0)
// Values are taken as they stand. Unknown and repeated keys are errors.
Result<appc::Volume> ParseVolumeFlag(std::string_view text);
// --mount=volume=NAME,target=PATH; the values are URL-decoded.
Result<appc::Mount> ParseMountFlag(std::string_view text);
// --mnt-volume=name=NAME,kind=...,source=...,target=PATH (app add): a mount that carries its
// volume.
Result<appc::Mount> ParseMountVolumeFlag(std::string_view text);
// --port=NAME:[HOSTIP:]HOSTPORT of run and prepare. IPv6 addresses stand in brackets or plain.
Result<appc::ExposedPort> ParsePortFlag(std::string_view text);
// --port=NAME:tcp|udp:PODPORT:HOSTIP:HOSTPORT of app sandbox.
Result<appc::ExposedPort> ParseSandboxPortFlag(std::string_view text);
// --seccomp=mode=retain|remove[,errno=ENAME],NAME...
Result<appc::Seccomp> ParseSeccompFlag(std::string_view text);
// --ulimit=NAME=SOFT[:HARD]; a number, "unlimited" or -1. One number is both.
Result<appc::Rlimit> ParseUlimitFlag(std::string_view text);
// --caps-retain, --caps-remove, --supplementary-gids: one comma list per use.
Result<std::vector<std::string>> ParseCapabilitiesFlag(std::string_view text);
Result<std::vector<uint32_t>> ParseGidsFlag(std::string_view text);

using KeyValue = std::pair<std::string, std::string>;
// NAME=VALUE with a name that may be an environment variable of a manifest. The value may be empty.
Result<KeyValue> ParseEnvironmentFlag(std::string_view text);
// NAME=VALUE for --annotation (the name an AC identifier) and for --user-annotation, --user-label
// (any name).
Result<KeyValue> ParseAnnotationFlag(std::string_view text);
Result<KeyValue> ParseUserPairFlag(std::string_view text);
// The lines of a --set-env-file: empty ones and those that begin with '#' or ';' are skipped, each
// other one is NAME=VALUE. A name twice is an error (callers check across files with AppendUnique).
Result<std::vector<KeyValue>> ParseEnvironmentFile(std::string_view text);
// Appends, refusing a name that is there already: environment variable "X" already set
Status AppendUnique(std::vector<KeyValue>& list, KeyValue pair);

// 1, t, T, TRUE, true, True, 0, f, F, FALSE, false, False.
Result<bool> ParseBoolText(std::string_view text);

}  // namespace rkt::pod
