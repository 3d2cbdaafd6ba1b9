// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/pod_network.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "base/file.h"
#include "base/mount.h"
#include "base/user_namespace.h"
#include "pod/paths.h"
#include "stage1/common/metadata.h"
#include "stage1/common/name_files.h"
#include "stage1/native/activation.h"

namespace rkt::native {

namespace {

std::string InStage1(const char* path) { return StrCat(pod::kStage1Rootfs, "/", path); }

// The file `target` of every app comes from `source` of the pod's root.
void ShowFile(PodPlan& plan, const char* target, const char* source) {
  plan.network_files.push_back({target, source});
  for (AppPlan& app : plan.apps) ShowNetworkFile(app, plan.network_files.back());
}

Status AnnounceNetworks(const network::PodNetwork& networks, const RunOptions& options, int pod_dir,
                        NetworkWord& word) {
  if (networks.host_address.empty()) {
    return Err(Code::kInvalid, "--mds-register: none of the pod's networks says under which address the pod reaches "
                               "the host");
  }
  std::vector<std::string> addresses;
  for (const network::PodInterface& interface : networks.interfaces) {
    for (const network::Prefix& prefix : interface.addresses) addresses.push_back(network::ToText(prefix.address));
  }
  std::string url = TRY(
      stage1::AnnouncePod(pod_dir, options.uuid, options.metadata_token, addresses, networks.host_address));
  if (url.size() >= sizeof word.metadata_url) return Err(Code::kInvalid, "the metadata service's URL is too long");
  memcpy(word.metadata_url, url.data(), url.size());
  return {};
}

// The word, and a mount with it unless that is -1.
Status SendWord(int socket, const NetworkWord& word, int mount) {
  struct iovec data = {const_cast<NetworkWord*>(&word), sizeof word};
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  struct msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (mount >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &mount, sizeof mount);
  }
  if (::sendmsg(socket, &message, MSG_NOSIGNAL) != static_cast<ssize_t>(sizeof word)) {
    return SysErr("telling the pod that its network is ready");
  }
  return {};
}

bool ReceiveWord(int socket, NetworkWord* word, Fd* mount) {
  struct iovec data = {word, sizeof *word};
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  struct msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n;
  do {
    n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n != static_cast<ssize_t>(sizeof *word)) return false;
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    int fd;
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    *mount = Fd(fd);
  }
  return true;
}

}  // namespace

void ShowNetworkFile(AppPlan& app, const PodPlan::NetworkFile& shown) {
  for (MountStep& step : app.mounts) {
    if (step.kind != MountStep::Kind::kProvide || std::string_view(step.target) != shown.target) continue;
    step.source = shown.source;
    return;
  }
  MountStep file = {}, bind = {};
  file.kind = MountStep::Kind::kFile;
  file.mode = 0644;
  bind.kind = MountStep::Kind::kProvide;
  bind.source = shown.source;
  bind.attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  file.target = bind.target = shown.target;
  file.optional = bind.optional = true;
  auto position = app.mounts.begin() + static_cast<ptrdiff_t>(app.system_mount_count);
  app.mounts.insert(position, {file, bind});
  app.system_mount_count += 2;
}

Result<network::NetworkPlan> PlanNetwork(const PodPlan& plan, const appc::PodManifest& manifest,
                                         const RunOptions& options, const std::string& pod_path, int pod_dir) {
  network::NetworkRequest request;
  request.uuid = plan.uuid;
  request.pod_path = pod_path;
  request.local_config = options.local_config;
  request.net = options.net;
  request.ports = TRY(appc::ResolvePorts(manifest));
  // Whoever listens on those gets the connections in the pod, too.
  std::erase_if(request.ports, [&](const appc::ForwardedPort& port) { return IsActivated(plan, port); });
  TRY(stage1::CheckServicePort(request.ports));
  request.hostname = plan.hostname;
  for (const AppPlan& app : plan.apps) request.apps.push_back(app.name);
  if (options.hosts_mode == "stage0") {
    for (std::string& line : Split(TRY(ReadFileAt(pod_dir, InStage1(pod::kHosts))), '\n')) {
      if (!line.empty()) request.hosts_lines.push_back(std::move(line));
    }
  }
  request.debug = options.debug;
  return network::PlanNetworks(request);
}

Status AnnounceHostPod(const RunOptions& options, int pod_dir, PodPlan& plan) {
  plan.metadata_url = TRY(stage1::AnnouncePod(pod_dir, plan.uuid, options.metadata_token, {}, "127.0.0.1"));
  for (AppPlan& app : plan.apps) stage1::SetMetadataUrl(app.environment, plan.metadata_url);
  return {};
}

Status SetUpNetwork(const network::NetworkPlan& network, const RunOptions& options, pid_t pod, int pod_dir,
                    int word, int interrupt) {
  if (network.HostNetwork()) return {};
  if (!network.NeedsSetUp()) {
    TRY(network::SetUpNetworks(network, -1));
    return {};
  }
  Fd netns = TRY(Open(StrCat("/proc/", pod, "/ns/net"), O_RDONLY));
  network::PodNetwork result = TRY(
      network::SetUpNetworks(network, netns.get(), StrCat("/proc/", pod, "/ns/net"), interrupt));
  NetworkWord answer;
  answer.hosts = !result.hosts_file.empty() && options.hosts_mode != "host";
  if (!result.dns.network.empty() && options.resolv_mode == "default") {
    stage1::DnsSettings settings{result.dns.nameservers, result.dns.search, result.dns.options, result.dns.domain};
    auto owner = TRY(FileOwner::BecomeRootOf(options.private_users));
    TRY(WriteFileAt(pod_dir, InStage1(pod::kResolvConf), stage1::ResolvConfText(settings, result.dns.network), 0644,
                    true));
    answer.resolv_conf = true;
  }
  if (!options.metadata_token.empty()) TRY(AnnounceNetworks(result, options, pod_dir, answer));
  Fd hosts;
  if (answer.hosts && options.private_users) {
    hosts = TRY(CloneMount(pod_dir, network::kPodHostsFile, false));
  }
  return SendWord(word, answer, hosts.get());
}

Status AwaitNetwork(int word, const std::string& pod_path, PodPlan& plan) {
  NetworkWord answer;
  Fd hosts;
  // The process outside has failed, and has said why.
  if (!ReceiveWord(word, &answer, &hosts)) ::_exit(254);
  plan.metadata_url = answer.metadata_url;
  if (!plan.metadata_url.empty()) {
    for (AppPlan& app : plan.apps) stage1::SetMetadataUrl(app.environment, plan.metadata_url);
  }
  if (answer.resolv_conf) ShowFile(plan, "etc/resolv.conf", "etc/rkt-resolv.conf");
  if (answer.hosts) {
    Fd file = TRY(Open(pod::kHosts, O_WRONLY | O_CREAT | O_NOFOLLOW, 0644));
    if (!hosts) hosts = TRY(CloneMount(AT_FDCWD, StrCat(pod_path, "/", network::kPodHostsFile), false));
    TRY(AttachMountAt(hosts.get(), AT_FDCWD, pod::kHosts));
    ShowFile(plan, "etc/hosts", "etc/rkt-hosts");
  }
  return {};
}

Status TearDownNetwork(const std::string& uuid, const std::string& pod_path, const std::string& local_config, bool by_owner) {
  network::TearDownRequest request;
  request.uuid = uuid;
  request.pod_path = pod_path;
  request.local_config = local_config;
  request.by_owner = by_owner;
  return network::TearDownNetworks(request);
}

}  // namespace rkt::native
