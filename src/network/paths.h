// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Where the networks' state lies on the host and in a pod. Tests point all of it into a temporary
// directory.
//
//   /var/lib/cni/networks/<net>/           addresses in use; host-local's format, shared with it
//     <ip>                                 "<pod uuid>\r\n<interface>"
//     last_reserved_ip.<range set>         where the next search begins
//     lock                                 flock
//   /var/lib/cni/results/<net>-<id>-<if>   results of plugins, in the format of CNI's library
//   /run/rkt/network/                      gone after a reboot, as what it describes is
//     lock                                 flock of who publishes ports or changes whole tables
//     networks/<net>/lock, members/<uuid>  who is in a named network (names.h)
//   POD/net/<file>                         copies of the configurations of the pod's start
//   POD/net/applied                        what has to be taken back, written before it is done
//                                          (applied.h)
//   POD/net/hosts                          /etc/hosts of a pod in a named network (names.h)
//   POD/netns                              a path of the network namespace while the pod runs
//   POD/net-info.json                      the pod's networks as `rkt list` shows them

#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"

namespace rkt::network {

struct Paths {
  std::string leases = "/var/lib/cni/networks";
  std::string results = "/var/lib/cni/results";
  std::string run = "/run/rkt/network";
  // Searched for plugins in front of the built-in types, behind LOCALCONFIG/net.d and in front of
  // stage1's own.
  std::string rkt_plugins = "/usr/lib/rkt/plugins/net";
  // Searched last, where distributions put CNI plugins.
  std::vector<std::string> system_plugins = {"/usr/lib/cni", "/usr/libexec/cni", "/opt/cni/bin"};
};

inline constexpr char kPodNetDir[] = "net";
inline constexpr char kAppliedFile[] = "net/applied";
inline constexpr char kPodHostsFile[] = "net/hosts";
inline constexpr char kNetnsFile[] = "netns";
inline constexpr char kStage1PluginDir[] = "stage1/rootfs/usr/lib/rkt/plugins/net";
inline constexpr char kStage1ConfigDir[] = "stage1/rootfs/etc/rkt/net.d";

}  // namespace rkt::network
