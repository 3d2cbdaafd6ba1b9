// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Names of pods in named networks: pods of one network find each other as HOSTNAME, APP and
// APP.HOSTNAME.
//
// Each pod of such a network has a hosts file of its own, POD/net/hosts, bound read-only over its
// apps' /etc/hosts. A pod that joins a network adds a line to the file of every pod that is there,
// and takes it out when it leaves. Lines come and go in place, by a single byte at their beginning
// ('#' is a hidden line), so that readers never see half of one and the mount of the file stays
// good. Needs no server, no port and no forwarding of other names.

#include <string>
#include <vector>

#include "base/result.h"
#include "network/address.h"
#include "network/lease.h"
#include "network/paths.h"

namespace rkt::network {

// The text of a member's line: the address, then its names. The first app of that name in the
// network is the one found by its name alone.
std::string MemberLine(const Address& address, const std::string& hostname,
                       const std::vector<std::string>& apps);

// What a hosts file is before anybody is added: localhost, and further lines.
std::string HostsBeginning(const std::vector<std::string>& lines);

// Edits of an open hosts file. A line is padded, so that the room of one that has left serves the
// next.
Status AddHostsLine(int fd, const std::string& line);
Status HideHostsLine(int fd, const std::string& line);

struct Member {
  std::string uuid;
  std::string hosts_file;          // absolute
  std::vector<std::string> lines;  // one for each address
};
// Adds the pod's lines to the files of all members and theirs to its own, which has to exist.
Status JoinNames(const Paths& paths, const std::string& network, const Member& member,
                 const HolderCheck& check);
// Takes them back. No such member is success.
Status LeaveNames(const Paths& paths, const std::string& network, const std::string& uuid);
Result<std::vector<Member>> ListMembers(const Paths& paths, const std::string& network);

}  // namespace rkt::network
