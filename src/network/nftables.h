// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// nf_tables messages by hand: tables, chains, sets, elements and rules of one transaction. Knows
// the wire format; what the rules say is ruleset.h's.

#include <linux/netfilter/nf_tables.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "network/address.h"
#include "network/netlink.h"

namespace rkt::network::nft {

// A key or value of 32-bit registers: every part is padded with zeros to four bytes, as the kernel
// loads them.
class Key {
 public:
  Key& Name(std::string_view interface);  // 16 bytes
  Key& Ip(const Address& address);        // 4 or 16
  Key& Mac(const MacAddress& mac);        // 6, padded to 8
  Key& Protocol(uint8_t protocol);
  Key& Port(uint16_t port);
  const std::string& bytes() const { return bytes_; }

 private:
  Key& Add(const void* data, size_t size);
  std::string bytes_;
};

// One element of a set or map.
struct Element {
  std::string set;
  std::string key;
  std::string data;     // of a map, empty otherwise
  std::string jump_to;  // of a verdict map: chain
  std::string owner;    // kept as the element's comment; for whom it is there
  bool operator==(const Element&) const = default;
};

struct Set {
  std::string name;
  uint32_t key_type;  // for nft(8), which prints by it
  uint32_t key_length;
  uint32_t data_type = 0;
  uint32_t data_length = 0;
  bool verdicts = false;
};

struct BaseChain {
  const char* type;  // "filter", "nat"
  uint32_t hook;
  int priority;
};

// The expressions of a rule, in order. Registers are counted in units of four bytes, 0 to 15.
class Rule {
 public:
  Rule& Meta(uint32_t key, uint32_t reg);
  Rule& Payload(uint32_t base, uint32_t offset, uint32_t length, uint32_t reg);
  Rule& Ct(uint32_t key, uint32_t reg);
  // The type of the destination address as the routing table has it (RTN_LOCAL ...).
  Rule& DestinationType(uint32_t reg);
  // The interface that packets to the source address would leave by, if that is the one it came
  // from; else 0.
  Rule& SourceRoute(uint32_t reg);
  Rule& Mask(uint32_t reg, const void* mask, size_t size);
  Rule& Equal(uint32_t reg, const void* data, size_t size);
  Rule& NotEqual(uint32_t reg, const void* data, size_t size);
  Rule& In(const std::string& set, uint32_t reg);
  // The map's value into `to`.
  Rule& Map(const std::string& map, uint32_t reg, uint32_t to);
  Rule& Verdict(int verdict, const std::string& chain = "");
  Rule& Dnat(bool v6, uint32_t address_reg, uint32_t port_reg);
  Rule& Masquerade();

  // Shorthands.
  Rule& Ipv4();
  Rule& Ipv6();
  Rule& SourcePrefix(const Prefix& prefix, uint32_t reg = 0);
  Rule& DestinationPrefix(const Prefix& prefix, uint32_t reg = 0);
  Rule& NotToPrefix(const Prefix& prefix,
                    uint32_t reg = 0);  // destination; of the family that was matched before
  Rule& SourceIp(bool v6, uint32_t reg);
  Rule& DestinationIp(bool v6, uint32_t reg);

 private:
  friend class Transaction;
  Rule& Compare(uint32_t reg, uint32_t operation, const void* data, size_t size);
  Rule& Lookup(const std::string& set, uint32_t reg, std::optional<uint32_t> to);
  Rule& AddressPrefix(const Prefix& prefix, uint32_t offset4, uint32_t offset6, uint32_t reg,
                      uint32_t operation);
  NetlinkBatch expressions_;  // attributes only
};

// Messages that the kernel carries out all together or not at all.
class Transaction {
 public:
  explicit Transaction(uint8_t family, std::string table)
      : family_(family), table_(std::move(table)) {}

  void AddTable();
  void DeleteTable();
  void AddSet(const Set& set);
  // Fails with EEXIST where it is there.
  void AddChain(const std::string& name, const std::optional<BaseChain>& base = std::nullopt);
  void DeleteChain(const std::string& name);
  // Deletes all its rules.
  void FlushChain(const std::string& name);
  void AddRule(const std::string& chain, const Rule& rule);
  // `exclusive`: EEXIST where the key is there already, even with the same value.
  void AddElement(const Element& element, bool exclusive, const std::string& what);
  void DeleteElement(const Element& element);
  bool empty() const { return batch_.empty(); }

  // The transactions, as one.
  static Status Commit(NetlinkSocket& socket, const std::vector<Transaction*>& transactions);

 private:
  void Begin(uint16_t message, uint16_t flags, const std::string& what);
  uint8_t family_;
  std::string table_;
  NetlinkBatch batch_;
};

// All elements of a set; kNotFound where the table or the set is missing.
Result<std::vector<Element>> ListElements(NetlinkSocket& socket, uint8_t family,
                                          const std::string& table, const std::string& set);
// Names of the table's chains, none where the table is missing.
Result<std::vector<std::string>> ListChains(NetlinkSocket& socket, uint8_t family,
                                            const std::string& table);
// Whether the base chain drops what no rule of it takes; false where it is missing.
bool ChainDrops(NetlinkSocket& socket, uint8_t family, const std::string& table,
                const std::string& chain);

}  // namespace rkt::network::nft
