// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// How stage0 and stage1 speak to the metadata service: requests of HTTP over a unix socket that root alone may
// connect to (docs/metadata.md).
//
//   PUT    /pods/UUID?token=T[&path=POD]      the pod's manifest, again when changed  stage0
//   PUT    /pods/UUID/APP                     the manifest of an app's image          stage0
//   POST   /pods/UUID?host=IP[&address=IP]... where it runs; answers {"port":N}       stage1, before the apps start
//   DELETE /pods/UUID                         it has ended                            stage1, or gc

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace rkt::metadata {

inline constexpr char kRegistrationSocket[] = "/run/rkt/metadata-svc.sock";
inline constexpr int kDefaultPort = 18112;
inline constexpr char kServiceState[] = "/run/rkt/metadata-service";
// Files of the state: locked while the service runs, and the number of the port that pods ask at.
inline constexpr char kServiceLock[] = "lock";
inline constexpr char kServicePort[] = "port";
// Empty file of a pod that the service knows, so that gc tells the service of its end.
inline constexpr char kRegisteredFile[] = "mds-registered";
// What stage0 says on standard error when no service answers.
extern const char kServiceHint[];

// 32 hexadecimal digits of the kernel's random numbers.
std::string NewToken();

struct Registration {
  std::string uuid;
  std::string token;
  std::string pod_path;                                       // where it will run
  std::string manifest;                                       // bytes of the pod manifest
  std::vector<std::pair<std::string, std::string>> apps = {};  // names, bytes of the image manifests
};

// The port at which pods reach the service that runs now; nothing where none does.
std::optional<int> RunningServicePort(const std::string& state = kServiceState);
// Three attempts, a second apart, where nobody answers. Errors name the socket.
Status Register(const Registration& registration, const std::string& socket = kRegistrationSocket);
// An app that came to a registered pod, and the pod's manifest as it is now. Three attempts too.
Status RegisterApp(const std::string& uuid, const std::string& token, const std::string& pod_path,
                   const std::string& manifest, const std::string& app, const std::string& image_manifest,
                   const std::string& socket = kRegistrationSocket);
// The manifest of a registered pod as it is now: what the service knows of apps that are not in it, it forgets. One attempt:
// a service that is started later reads the manifest itself.
Status RegisterManifest(const std::string& uuid, const std::string& token, const std::string& pod_path,
                        const std::string& manifest, const std::string& socket = kRegistrationSocket);
// Tells the addresses that the pod sends from (none: it shares the host's stack) and the address of the host that it
// will ask. Returns the port at which the service listens there.
Result<int> Announce(const std::string& uuid, const std::vector<std::string>& addresses, const std::string& host,
                     const std::string& socket = kRegistrationSocket);
// kOk where there is no service or it does not know the pod.
Status Unregister(const std::string& uuid, const std::string& socket = kRegistrationSocket);

// AC_METADATA_URL of an app.
std::string Url(std::string_view host, int port, std::string_view token);

}  // namespace rkt::metadata
