// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The networks of one pod: planned before anything is started, set up while the pod prepares its
// mounts, taken down when it has ended or is collected. The caller is the process outside of the
// pod, on the host's network stack.
//
//   NetworkPlan plan = TRY(PlanNetworks(request));       // no effect on the host; everything that
//   can be refused is pid = clone(... CLONE_NEWNET ...)                    // the pod's pid 1
//   mounts, then waits for a word from here netns = open("/proc/PID/ns/net") PodNetwork network =
//   TRY(SetUpNetworks(plan, netns));  // beside the mounts of pid 1
//   ... resolv.conf, hosts, the word to pid 1 ...
//   TearDownNetworks(...)                                // after pid 1 has ended; and again by gc,
//   for what is left
//
// The namespace is nobody's but the pod's: it is not mounted anywhere, ends with its last process,
// and takes the pod's interfaces with it, after a crash too. Nothing has to be unmounted, and no
// deletion of an interface is waited for.

#include <memory>
#include <string>
#include <vector>

#include "appc/pod_manifest.h"
#include "base/result.h"
#include "network/address.h"
#include "network/paths.h"
#include "network/request.h"

namespace rkt::network {

struct NetworkRequest {
  std::string uuid;
  std::string pod_path;                   // POD, absolute
  std::string local_config = "/etc/rkt";  // LOCALCONFIG; its net.d is read
  std::vector<std::string> net;           // values of --net
  std::vector<appc::ForwardedPort>
      ports;  // appc::ResolvePorts; those with socket activation are left out by the caller
  std::string hostname;           // the pod's name in named networks
  std::vector<std::string> apps;  // names of its apps, for the same
  std::vector<std::string>
      hosts_lines;     // further lines for POD/net/hosts (--hosts-entry), without newline
  bool debug = false;  // plugins' standard error is shown
  Paths paths;
};

struct PlannedNetworks;  // plan.h

class NetworkPlan {
 public:
  using Mode = NetworkList::Mode;
  Mode mode() const;
  // Whether the pod shares the host's stack: no CLONE_NEWNET.
  bool HostNetwork() const { return mode() == Mode::kHost; }
  // Whether pid 1 has to wait for SetUpNetworks. With `none` that only writes a file, with `host`
  // it does nothing.
  bool NeedsSetUp() const { return mode() == Mode::kNamed || mode() == Mode::kAll; }

  explicit NetworkPlan(std::unique_ptr<PlannedNetworks> planned);
  NetworkPlan(NetworkPlan&&) noexcept;
  NetworkPlan& operator=(NetworkPlan&&) noexcept;
  ~NetworkPlan();
  const PlannedNetworks& planned() const { return *planned_; }

 private:
  std::unique_ptr<PlannedNetworks> planned_;
};

// Reads and checks the configurations, finds plugins, checks that the published ports are free.
// kInvalid names file, field and rule; kNotFound "networks not found: X"; kBusy names the port that
// somebody has.
Result<NetworkPlan> PlanNetworks(const NetworkRequest& request);

struct DnsResult {
  std::string network;  // the first network that had any; empty: none had
  std::vector<std::string> nameservers;
  std::vector<std::string> search;
  std::vector<std::string> options;
  std::string domain;
};

struct PodInterface {
  std::string network;
  std::string name;               // eth0 ...
  std::vector<Prefix> addresses;  // in the pod
  std::vector<Address> gateways;  // the host's side, for the metadata service; may be empty
};

struct PodNetwork {
  std::vector<PodInterface> interfaces;
  DnsResult dns;
  // POD/net/hosts, absolute, where the pod is in a named network: to be bound read-only over the
  // apps' /etc/hosts unless the user asked for the host's. Other pods' engines write to it. Empty:
  // the usual rules hold.
  std::string hosts_file;
  // The address under which the pod reaches the host (gateway of the network that ports are
  // forwarded from).
  std::string host_address;
};

// Writes POD/net/*, POD/netns and POD/net-info.json as it goes; what fails is undone before the
// error comes back. `netns` is a descriptor of the pod's network namespace (unused with `none` and
// `host`). `netns_path` is a path of it that is good for as long as the pod runs, for plugins and
// POD/netns ("/proc/PID/ns/net"); empty: the descriptor's own path, and then the caller keeps that
// open until the pod has ended. The calling thread visits the namespace and comes back; no other
// thread may be around. Where something is to be read from `interrupt` (-1: nothing ever is), a plugin that runs is
// given up: kBusy.
Result<PodNetwork> SetUpNetworks(const NetworkPlan& plan, int netns,
                                 const std::string& netns_path = "", int interrupt = -1);

struct TearDownRequest {
  std::string uuid;
  std::string pod_path;  // POD, absolute
  std::string local_config = "/etc/rkt";
  int netns = -1;  // where the caller still holds it: plugins get its path, else none
  bool debug = false;
  Paths paths;
  // The caller has been the pod's rkt all the time, so that nobody can have taken over what it had: its rules are found by
  // what they say, else by whose they are.
  bool by_owner = false;
};
// Gives back rules, leases, plugins' networks (in reverse order) and names; removes POD/net's
// copies and POD/netns. May be called any number of times, whatever is missing. Goes on past
// failures and reports the first; what could not be taken back stays recorded for the next call.
// kOk and nothing done for a pod without networks.
Status TearDownNetworks(const TearDownRequest& request);

}  // namespace rkt::network
