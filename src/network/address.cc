// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "base/strings.h"

namespace rkt::network {

bool Address::IsLoopback() const {
  if (!v6) return bytes[0] == 127;
  return bytes[15] == 1 &&
         std::all_of(bytes.begin(), bytes.end() - 1, [](uint8_t b) { return b == 0; });
}

std::optional<Address> ParseAddress(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof buffer) return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  Address address;
  if (::inet_pton(AF_INET, buffer, address.bytes.data()) == 1) return address;
  address = {};
  if (::inet_pton(AF_INET6, buffer, address.bytes.data()) != 1) return std::nullopt;
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::memcmp(address.data(), kMapped, sizeof kMapped) == 0) {
    Address v4;
    std::memcpy(v4.bytes.data(), address.data() + 12, 4);
    return v4;
  }
  address.v6 = true;
  return address;
}

std::string ToText(const Address& address) {
  char buffer[INET6_ADDRSTRLEN];
  ::inet_ntop(address.v6 ? AF_INET6 : AF_INET, address.data(), buffer, sizeof buffer);
  return buffer;
}

Address Next(const Address& address, uint64_t offset) {
  Address next = address;
  uint64_t carry = offset;
  for (int i = static_cast<int>(address.size()) - 1; i >= 0 && carry > 0; --i) {
    carry += next.bytes[static_cast<size_t>(i)];
    next.bytes[static_cast<size_t>(i)] = static_cast<uint8_t>(carry);
    carry >>= 8;
  }
  return next;
}

Prefix Prefix::Masked() const {
  Prefix masked = *this;
  for (int bit = length; bit < address.bits(); ++bit) {
    masked.address.bytes[static_cast<size_t>(bit / 8)] &=
        static_cast<uint8_t>(~(0x80u >> (bit % 8)));
  }
  return masked;
}

bool Prefix::Contains(const Address& other) const {
  return other.v6 == address.v6 && Prefix{other, length}.Masked().address == Masked().address;
}

bool Prefix::Overlaps(const Prefix& other) const {
  return length <= other.length ? Contains(other.address) : other.Contains(address);
}

Address Prefix::Last() const {
  Prefix last = *this;
  for (int bit = length; bit < address.bits(); ++bit) {
    last.address.bytes[static_cast<size_t>(bit / 8)] |= static_cast<uint8_t>(0x80u >> (bit % 8));
  }
  return last.address;
}

std::optional<Prefix> ParsePrefix(std::string_view text) {
  size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto address = ParseAddress(text.substr(0, slash));
  auto length = ParseUint(text.substr(slash + 1));
  if (!address || !length || *length > static_cast<uint64_t>(address->bits())) return std::nullopt;
  return Prefix{*address, static_cast<int>(*length)};
}

std::string ToText(const Prefix& prefix) {
  return StrCat(ToText(prefix.address), "/", prefix.length);
}

std::string MaskText(const Prefix& prefix) {
  Prefix ones = prefix;
  ones.address.bytes.fill(0xff);
  return ToText(ones.Masked().address);
}

std::optional<MacAddress> ParseMac(std::string_view text) {
  if (text.size() != 17) return std::nullopt;
  MacAddress mac;
  for (size_t i = 0; i < 6; ++i) {
    if (i > 0 && text[3 * i - 1] != ':' && text[3 * i - 1] != '-') return std::nullopt;
    const char* begin = text.data() + 3 * i;
    auto [end, ec] = std::from_chars(begin, begin + 2, mac[i], 16);
    if (ec != std::errc() || end != begin + 2) return std::nullopt;
  }
  return mac;
}

std::string ToText(const MacAddress& mac) {
  std::string text;
  for (uint8_t byte : mac) {
    if (!text.empty()) text += ':';
    text += HexEncode(&byte, 1);
  }
  return text;
}

MacAddress MacFrom(std::string_view text) {
  std::string hex = Sha512Hex(text);
  MacAddress mac;
  for (size_t i = 0; i < 6; ++i) std::from_chars(&hex[2 * i], &hex[2 * i] + 2, mac[i], 16);
  mac[0] = static_cast<uint8_t>((mac[0] & 0xfc) | 0x02);
  return mac;
}

Address LinkLocalFrom(const MacAddress& mac) {
  Address address;
  address.v6 = true;
  address.bytes = {
      0xfe,   0x80,   0,    0,    0,      0,      0,     0, static_cast<uint8_t>(mac[0] ^ 2),
      mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};
  return address;
}

}  // namespace rkt::network
