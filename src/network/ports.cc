// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/ports.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <map>

#include "base/file.h"

namespace rkt::network {

namespace {

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

// Address and port as a line of /proc/net/tcp spells them, "0100007F:1F90" and the like.
std::optional<PortRule> ParseSocketLine(const std::string& line, bool tcp, bool v6) {
  std::vector<std::string> words;
  for (const std::string& word : Split(line, ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  if (words.size() < 4) return std::nullopt;
  // Listening (0A), or without a peer.
  bool waiting = tcp ? words[3] == "0A" : words[2].ends_with(":0000");
  size_t colon = words[1].find(':');
  if (!waiting || colon != (v6 ? 32u : 8u)) return std::nullopt;
  PortRule found;
  found.protocol = tcp ? IPPROTO_TCP : IPPROTO_UDP;
  unsigned port = 0;
  std::from_chars(&words[1][colon + 1], words[1].data() + words[1].size(), port, 16);
  found.host_port = static_cast<uint16_t>(port);
  Address address;
  address.v6 = v6;
  // Each 32-bit word is printed as a number of this machine.
  for (size_t i = 0; i < (v6 ? 4 : 1); ++i) {
    uint32_t word = 0;
    std::from_chars(&words[1][8 * i], &words[1][8 * i] + 8, word, 16);
    std::memcpy(&address.bytes[4 * i], &word, sizeof word);
  }
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (v6 && std::memcmp(address.data(), kMapped, sizeof kMapped) == 0) {
    Address v4;
    std::memcpy(v4.bytes.data(), address.data() + 12, 4);
    address = v4;
  }
  if (!address.IsUnspecified()) found.host = address;
  return found;
}

// Whether a process really waits there: a connection from here to elsewhere may have the port as
// well, and does no harm.
bool SomebodyListens(const PortRule& port) {
  bool tcp = port.protocol == IPPROTO_TCP;
  for (bool v6 : {false, true}) {
    auto text = ReadFile(StrCat("/proc/net/", tcp ? "tcp" : "udp", v6 ? "6" : ""), 64u << 20);
    if (!text) {
      if (v6) continue;
      return true;
    }
    for (const std::string& line : Split(*text, '\n')) {
      auto found = ParseSocketLine(line, tcp, v6);
      if (!found || found->host_port != port.host_port) continue;
      // A socket for every address of IPv6 has those of IPv4 too, unless it was told otherwise:
      // bind() has said that it is in the way.
      if (!found->host || !port.host || *found->host == *port.host) return true;
    }
  }
  return false;
}

bool CanBind(const PortRule& port) {
  bool v6 = port.host && port.host->v6;
  bool tcp = port.protocol == IPPROTO_TCP;
  Fd socket(::socket(v6 ? AF_INET6 : AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
  if (!socket) return true;
  int on = 1;
  // Old connections of a port do not count. (For datagrams it would let two have one port.)
  if (tcp) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // The address need not be there yet.
  ::setsockopt(socket.get(), v6 ? int{SOL_IPV6} : int{SOL_IP}, v6 ? IPV6_FREEBIND : IP_FREEBIND,
               &on, sizeof on);
  SocketAddress address = {};
  socklen_t size;
  if (v6) {
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(port.host_port);
    std::memcpy(&address.v6.sin6_addr, port.host->data(), 16);
    size = sizeof address.v6;
  } else {
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = htons(port.host_port);
    if (port.host) std::memcpy(&address.v4.sin_addr, port.host->data(), 4);
    size = sizeof address.v4;
  }
  return ::bind(socket.get(), &address.any, size) == 0 || errno != EADDRINUSE;
}

}  // namespace

Result<std::vector<PortRule>> SpreadPorts(const std::vector<appc::ForwardedPort>& ports) {
  std::vector<PortRule> rules;
  // The last port of a number range must be one too.
  auto fits = [](uint32_t first, uint32_t count) {
    return first >= 1 && count >= 1 && first <= 65535 && count <= 65536 - first;
  };
  std::map<std::pair<uint8_t, uint16_t>, std::vector<size_t>> by_port;
  for (const appc::ForwardedPort& port : ports) {
    PortRule rule;
    if (port.protocol != "tcp" && port.protocol != "udp") {
      return Err(Code::kInvalid, "port ", Quote(port.name), ": protocol ", Quote(port.protocol),
                 " cannot be forwarded, only tcp and udp");
    }
    rule.protocol = port.protocol == "tcp" ? IPPROTO_TCP : IPPROTO_UDP;
    if (!fits(port.host_port, port.count) || !fits(port.pod_port, port.count)) {
      return Err(Code::kInvalid, "port ", Quote(port.name), ": ", port.host_port, " and ",
                 port.pod_port, " with ", port.count, " ports do not lie in 1 to 65535");
    }
    if (!port.host_ip.empty()) {
      rule.host = ParseAddress(port.host_ip);
      if (!rule.host)
        return Err(Code::kInvalid, "port ", Quote(port.name), ": ", Quote(port.host_ip),
                   " is not an IP address");
      if (rule.host->IsUnspecified()) rule.host.reset();
    }
    for (uint32_t i = 0; i < port.count; ++i) {
      rule.host_port = static_cast<uint16_t>(port.host_port + i);
      rule.pod_port = static_cast<uint16_t>(port.pod_port + i);
      std::vector<size_t>& same = by_port[{rule.protocol, rule.host_port}];
      for (size_t other : same) {
        if (Collide(rules[other], rule)) {
          return Err(Code::kInvalid, "port ", Quote(port.name), ": ", ToText(rule),
                     " is published twice");
        }
      }
      same.push_back(rules.size());
      rules.push_back(rule);
    }
  }
  return rules;
}

Result<std::vector<PortRule>> RulesFor(const std::vector<PortRule>& ports,
                                       const std::vector<Address>& pod) {
  const Address* families[2] = {};
  for (const Address& address : pod) {
    if (families[address.v6] == nullptr) families[address.v6] = &address;
  }
  std::vector<PortRule> rules;
  for (const PortRule& port : ports) {
    if (port.host && families[port.host->v6] == nullptr) {
      return Err(Code::kInvalid, "port ", ToText(port), ": the pod has no IPv",
                 port.host->v6 ? 6 : 4, " address");
    }
    for (const Address* address : families) {
      if (address == nullptr || (port.host && port.host->v6 != address->v6)) continue;
      rules.push_back(port);
      rules.back().pod = *address;
    }
  }
  return rules;
}

bool Collide(const PortRule& a, const PortRule& b) {
  return a.protocol == b.protocol && a.host_port == b.host_port &&
         (!a.host || !b.host || *a.host == *b.host);
}

Status CheckHostPorts(const std::vector<PortRule>& ports) {
  for (const PortRule& port : ports) {
    if (!CanBind(port) && SomebodyListens(port)) {
      return Err(Code::kBusy, "port ", ToText(port),
                 " cannot be published: a process of the host listens on it");
    }
  }
  return {};
}

Status CheckOtherPods(const std::vector<PortRule>& ports, const std::vector<OwnedPort>& others,
                      const std::string& uuid,
                      const std::function<bool(const std::string&)>& is_gone) {
  std::map<std::pair<uint8_t, uint16_t>, std::vector<const OwnedPort*>> by_port;
  for (const OwnedPort& other : others)
    by_port[{other.rule.protocol, other.rule.host_port}].push_back(&other);
  for (const PortRule& port : ports) {
    auto same = by_port.find({port.protocol, port.host_port});
    if (same == by_port.end()) continue;
    for (const OwnedPort* other : same->second) {
      bool other_family = port.host ? port.host->v6 != other->rule.pod.v6 : false;
      if (other->owner == uuid || other_family || !Collide(port, other->rule) ||
          is_gone(other->owner))
        continue;
      return Err(Code::kBusy, "port ", ToText(port), " cannot be published: pod ", other->owner,
                 " has ", ToText(other->rule));
    }
  }
  return {};
}

}  // namespace rkt::network
