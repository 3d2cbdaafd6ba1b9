// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// IP addresses, prefixes and hardware addresses as values. Text forms are those of inet_pton(3); no
// names are ever looked up.

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rkt::network {

// An IPv4 address (the first four bytes) or an IPv6 address.
struct Address {
  bool v6 = false;
  std::array<uint8_t, 16> bytes = {};

  int bits() const { return v6 ? 128 : 32; }
  size_t size() const { return v6 ? 16 : 4; }
  const uint8_t* data() const { return bytes.data(); }
  bool IsUnspecified() const { return bytes == std::array<uint8_t, 16>{}; }
  bool IsLoopback() const;
  auto operator<=>(const Address&) const = default;
};
// "10.1.2.3", "fd00::2"; an IPv4 address written as IPv6 (::ffff:10.1.2.3) becomes IPv4.
std::optional<Address> ParseAddress(std::string_view text);
std::string ToText(const Address& address);
// The address that is `offset` further; wraps around at the end of the family.
Address Next(const Address& address, uint64_t offset = 1);

struct Prefix {
  Address address;
  int length = 0;

  // With all bits behind the prefix cleared.
  Prefix Masked() const;
  bool Contains(const Address& other) const;
  bool Overlaps(const Prefix& other) const;
  // The last address (IPv4: the broadcast address).
  Address Last() const;
  auto operator<=>(const Prefix&) const = default;
};
// "10.1.0.0/16"; the host bits may be set.
std::optional<Prefix> ParsePrefix(std::string_view text);
std::string ToText(const Prefix& prefix);
// "255.255.0.0"; for IPv6 "ffff:ffff::".
std::string MaskText(const Prefix& prefix);

using MacAddress = std::array<uint8_t, 6>;
// "02:00:0a:00:00:01"; dashes will do as well (--net's arguments have no room for colons).
std::optional<MacAddress> ParseMac(std::string_view text);
std::string ToText(const MacAddress& mac);
// A locally administered unicast address that depends on the text alone.
MacAddress MacFrom(std::string_view text);
// fe80::/64 with the interface identifier that the kernel makes from a hardware address (RFC 4291,
// appendix A).
Address LinkLocalFrom(const MacAddress& mac);

}  // namespace rkt::network
