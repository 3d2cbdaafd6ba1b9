// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/common/metadata.h"

#include <algorithm>

#include "base/file.h"
#include "base/json.h"
#include "metadata/registration.h"
#include "pod/paths.h"

namespace rkt::stage1 {

namespace {

constexpr char kUrlMember[] = "MetadataServiceURL";
constexpr std::string_view kVariable = "AC_METADATA_URL=";
constexpr size_t kMaxConfig = 1 << 20;

}  // namespace

Result<std::string> AnnouncePod(int pod_dir, const std::string& uuid, const std::string& token,
                                const std::vector<std::string>& addresses, const std::string& host) {
  int port = TRY_CTX(metadata::Announce(uuid, addresses, host), "announcing the pod to the metadata service");
  std::string url = metadata::Url(host, port, token);
  auto text = ReadFileAt(pod_dir, pod::kRuntimeConfigFile, kMaxConfig);
  auto config = text ? json::Parse(*text) : Result<json::Value>(json::Value::Object());
  if (!config || !config->is_object()) return Err(Code::kCorrupt, pod::kRuntimeConfigFile, " is damaged");
  config->Set(kUrlMember, url);
  TRY(WriteFileAtomicAt(pod_dir, pod::kRuntimeConfigFile, json::Write(*config), 0640));
  return url;
}

Status CheckServicePort(const std::vector<appc::ForwardedPort>& ports) {
  if (ports.empty()) return {};
  auto service = metadata::RunningServicePort();
  if (!service) return {};
  auto number = static_cast<uint32_t>(*service);
  for (const appc::ForwardedPort& port : ports) {
    if (port.protocol != "tcp" || number < port.host_port || number - port.host_port >= port.count) continue;
    return Err(Code::kBusy, "port ", Quote(port.name), " cannot be published as ", number,
               "/tcp: pods ask the metadata service there, which runs");
  }
  return {};
}

void ForgetPod(const std::string& uuid) { (void)metadata::Unregister(uuid); }

void SetMetadataUrl(std::vector<std::string>& environment, const std::string& url) {
  environment.erase(std::remove_if(environment.begin(), environment.end(),
                                   [](const std::string& entry) { return entry.starts_with(kVariable); }),
                    environment.end());
  environment.push_back(StrCat(kVariable, url));
}

}  // namespace rkt::stage1
