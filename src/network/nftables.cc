// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/nftables.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>

#include <cstring>

#include "base/strings.h"

namespace rkt::network::nft {

namespace {

// Element comments are stored as the user space of nf_tables stores them: type 0, length, text with
// its NUL.
constexpr char kCommentType = 0;
nfgenmsg Header(uint8_t family) {
  nfgenmsg header = {};
  header.nfgen_family = family;
  header.version = NFNETLINK_V0;
  return header;
}

uint16_t Type(uint16_t message) {
  return static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message);
}

// Registers of four bytes begin at NFT_REG32_00.
uint32_t Register(uint32_t reg) { return NFT_REG32_00 + reg; }

// One expression: its name and whatever `attributes` puts.
template <typename F>
void Expression(NetlinkBatch& batch, const char* name, F attributes) {
  size_t element = batch.Nest(NFTA_LIST_ELEM);
  batch.PutText(NFTA_EXPR_NAME, name);
  size_t data = batch.Nest(NFTA_EXPR_DATA);
  attributes();
  batch.End(data);
  batch.End(element);
}

void PutValue(NetlinkBatch& batch, uint16_t type, const void* data, size_t size) {
  size_t nest = batch.Nest(type);
  batch.Put(NFTA_DATA_VALUE, data, size);
  batch.End(nest);
}

void PutVerdict(NetlinkBatch& batch, uint16_t type, int verdict, const std::string& chain) {
  size_t nest = batch.Nest(type);
  size_t data = batch.Nest(NFTA_DATA_VERDICT);
  batch.PutBe32(NFTA_VERDICT_CODE, static_cast<uint32_t>(verdict));
  if (!chain.empty()) batch.PutText(NFTA_VERDICT_CHAIN, chain);
  batch.End(data);
  batch.End(nest);
}

void PutElement(NetlinkBatch& batch, const Element& element, bool key_only) {
  size_t list = batch.Nest(NFTA_SET_ELEM_LIST_ELEMENTS);
  size_t item = batch.Nest(NFTA_LIST_ELEM);
  PutValue(batch, NFTA_SET_ELEM_KEY, element.key.data(), element.key.size());
  if (!key_only) {
    if (!element.jump_to.empty()) {
      PutVerdict(batch, NFTA_SET_ELEM_DATA, NFT_JUMP, element.jump_to);
    } else if (!element.data.empty()) {
      PutValue(batch, NFTA_SET_ELEM_DATA, element.data.data(), element.data.size());
    }
    std::string comment = {kCommentType, static_cast<char>(element.owner.size() + 1)};
    comment += element.owner;
    comment += '\0';
    batch.Put(NFTA_SET_ELEM_USERDATA, comment.data(), comment.size());
  }
  batch.End(item);
  batch.End(list);
}

std::string OwnerFrom(std::string_view userdata) {
  while (userdata.size() >= 2) {
    size_t length = static_cast<unsigned char>(userdata[1]);
    if (userdata.size() < 2 + length) break;
    if (userdata[0] == kCommentType && length > 0)
      return std::string(userdata.substr(2, length - 1));
    userdata.remove_prefix(2 + length);
  }
  return "";
}

std::string ValueFrom(std::string_view nested) {
  auto attributes = ParseAttributes(nested);
  const NetlinkAttribute* value = FindAttribute(attributes, NFTA_DATA_VALUE);
  return value != nullptr ? std::string(value->data) : "";
}

std::string ChainFrom(std::string_view nested) {
  auto outer = ParseAttributes(nested);
  const NetlinkAttribute* verdict = FindAttribute(outer, NFTA_DATA_VERDICT);
  if (verdict == nullptr) return "";
  auto inner = ParseAttributes(verdict->data);
  const NetlinkAttribute* chain = FindAttribute(inner, NFTA_VERDICT_CHAIN);
  return chain != nullptr ? std::string(chain->Text()) : "";
}

}  // namespace

Key& Key::Add(const void* data, size_t size) {
  bytes_.append(static_cast<const char*>(data), size);
  bytes_.resize((bytes_.size() + 3) & ~size_t{3});
  return *this;
}
Key& Key::Name(std::string_view interface) {
  char name[16] = {};
  std::memcpy(name, interface.data(), std::min(interface.size(), sizeof name - 1));
  return Add(name, sizeof name);
}
Key& Key::Ip(const Address& address) { return Add(address.data(), address.size()); }
Key& Key::Mac(const MacAddress& mac) { return Add(mac.data(), mac.size()); }
Key& Key::Protocol(uint8_t protocol) { return Add(&protocol, 1); }
Key& Key::Port(uint16_t port) {
  uint16_t big = htons(port);
  return Add(&big, sizeof big);
}

Rule& Rule::Meta(uint32_t key, uint32_t reg) {
  Expression(expressions_, "meta", [&] {
    expressions_.PutBe32(NFTA_META_DREG, Register(reg));
    expressions_.PutBe32(NFTA_META_KEY, key);
  });
  return *this;
}

Rule& Rule::Payload(uint32_t base, uint32_t offset, uint32_t length, uint32_t reg) {
  Expression(expressions_, "payload", [&] {
    expressions_.PutBe32(NFTA_PAYLOAD_DREG, Register(reg));
    expressions_.PutBe32(NFTA_PAYLOAD_BASE, base);
    expressions_.PutBe32(NFTA_PAYLOAD_OFFSET, offset);
    expressions_.PutBe32(NFTA_PAYLOAD_LEN, length);
  });
  return *this;
}

Rule& Rule::Ct(uint32_t key, uint32_t reg) {
  Expression(expressions_, "ct", [&] {
    expressions_.PutBe32(NFTA_CT_DREG, Register(reg));
    expressions_.PutBe32(NFTA_CT_KEY, key);
  });
  return *this;
}

Rule& Rule::DestinationType(uint32_t reg) {
  Expression(expressions_, "fib", [&] {
    expressions_.PutBe32(NFTA_FIB_DREG, Register(reg));
    expressions_.PutBe32(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    expressions_.PutBe32(NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
  });
  return *this;
}

Rule& Rule::SourceRoute(uint32_t reg) {
  Expression(expressions_, "fib", [&] {
    expressions_.PutBe32(NFTA_FIB_DREG, Register(reg));
    expressions_.PutBe32(NFTA_FIB_RESULT, NFT_FIB_RESULT_OIF);
    expressions_.PutBe32(NFTA_FIB_FLAGS, NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF);
  });
  return *this;
}

Rule& Rule::Mask(uint32_t reg, const void* mask, size_t size) {
  Expression(expressions_, "bitwise", [&] {
    expressions_.PutBe32(NFTA_BITWISE_SREG, Register(reg));
    expressions_.PutBe32(NFTA_BITWISE_DREG, Register(reg));
    expressions_.PutBe32(NFTA_BITWISE_LEN, static_cast<uint32_t>(size));
    PutValue(expressions_, NFTA_BITWISE_MASK, mask, size);
    std::string zero(size, '\0');
    PutValue(expressions_, NFTA_BITWISE_XOR, zero.data(), size);
  });
  return *this;
}

Rule& Rule::Compare(uint32_t reg, uint32_t operation, const void* data, size_t size) {
  Expression(expressions_, "cmp", [&] {
    expressions_.PutBe32(NFTA_CMP_SREG, Register(reg));
    expressions_.PutBe32(NFTA_CMP_OP, operation);
    PutValue(expressions_, NFTA_CMP_DATA, data, size);
  });
  return *this;
}
Rule& Rule::Equal(uint32_t reg, const void* data, size_t size) {
  return Compare(reg, NFT_CMP_EQ, data, size);
}
Rule& Rule::NotEqual(uint32_t reg, const void* data, size_t size) {
  return Compare(reg, NFT_CMP_NEQ, data, size);
}

Rule& Rule::Lookup(const std::string& set, uint32_t reg, std::optional<uint32_t> to) {
  Expression(expressions_, "lookup", [&] {
    expressions_.PutText(NFTA_LOOKUP_SET, set);
    expressions_.PutBe32(NFTA_LOOKUP_SREG, Register(reg));
    if (to) expressions_.PutBe32(NFTA_LOOKUP_DREG, *to);
  });
  return *this;
}
Rule& Rule::In(const std::string& set, uint32_t reg) { return Lookup(set, reg, std::nullopt); }
Rule& Rule::Map(const std::string& map, uint32_t reg, uint32_t to) {
  return Lookup(map, reg, Register(to));
}
Rule& Rule::Verdict(int verdict, const std::string& chain) {
  Expression(expressions_, "immediate", [&] {
    expressions_.PutBe32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    PutVerdict(expressions_, NFTA_IMMEDIATE_DATA, verdict, chain);
  });
  return *this;
}

Rule& Rule::Dnat(bool v6, uint32_t address_reg, uint32_t port_reg) {
  Expression(expressions_, "nat", [&] {
    expressions_.PutBe32(NFTA_NAT_TYPE, NFT_NAT_DNAT);
    expressions_.PutBe32(NFTA_NAT_FAMILY, v6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
    expressions_.PutBe32(NFTA_NAT_REG_ADDR_MIN, Register(address_reg));
    expressions_.PutBe32(NFTA_NAT_REG_PROTO_MIN, Register(port_reg));
  });
  return *this;
}

Rule& Rule::Masquerade() {
  Expression(expressions_, "masq", [] {});
  return *this;
}

Rule& Rule::Ipv4() {
  uint8_t family = NFPROTO_IPV4;
  return Meta(NFT_META_NFPROTO, 0).Equal(0, &family, 1);
}
Rule& Rule::Ipv6() {
  uint8_t family = NFPROTO_IPV6;
  return Meta(NFT_META_NFPROTO, 0).Equal(0, &family, 1);
}

Rule& Rule::SourceIp(bool v6, uint32_t reg) {
  return Payload(NFT_PAYLOAD_NETWORK_HEADER, v6 ? 8 : 12, v6 ? 16 : 4, reg);
}
Rule& Rule::DestinationIp(bool v6, uint32_t reg) {
  return Payload(NFT_PAYLOAD_NETWORK_HEADER, v6 ? 24 : 16, v6 ? 16 : 4, reg);
}

Rule& Rule::AddressPrefix(const Prefix& prefix, uint32_t offset4, uint32_t offset6, uint32_t reg,
                          uint32_t operation) {
  const Address& address = prefix.address;
  Payload(NFT_PAYLOAD_NETWORK_HEADER, address.v6 ? offset6 : offset4,
          static_cast<uint32_t>(address.size()), reg);
  if (prefix.length < address.bits()) {
    Prefix ones = prefix;
    ones.address.bytes.fill(0xff);
    Mask(reg, ones.Masked().address.data(), address.size());
  }
  return Compare(reg, operation, prefix.Masked().address.data(), address.size());
}
Rule& Rule::SourcePrefix(const Prefix& prefix, uint32_t reg) {
  (prefix.address.v6 ? Ipv6() : Ipv4()).AddressPrefix(prefix, 12, 8, reg, NFT_CMP_EQ);
  return *this;
}
Rule& Rule::DestinationPrefix(const Prefix& prefix, uint32_t reg) {
  (prefix.address.v6 ? Ipv6() : Ipv4()).AddressPrefix(prefix, 16, 24, reg, NFT_CMP_EQ);
  return *this;
}
Rule& Rule::NotToPrefix(const Prefix& prefix, uint32_t reg) {
  return AddressPrefix(prefix, 16, 24, reg, NFT_CMP_NEQ);
}

void Transaction::Begin(uint16_t message, uint16_t flags, const std::string& what) {
  // One message asks for an answer, which comes after the commit; the others answer where they
  // fail.
  if (batch_.empty()) flags |= NLM_F_ACK;
  batch_.Begin(Type(message), flags, Header(family_), what);
}

void Transaction::AddTable() {
  Begin(NFT_MSG_NEWTABLE, NLM_F_CREATE, StrCat("adding the table ", table_));
  batch_.PutText(NFTA_TABLE_NAME, table_);
}

void Transaction::DeleteTable() {
  Begin(NFT_MSG_DELTABLE, 0, StrCat("deleting the table ", table_));
  batch_.PutText(NFTA_TABLE_NAME, table_);
}

void Transaction::AddSet(const Set& set) {
  Begin(NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL, StrCat("adding the set ", set.name));
  batch_.PutText(NFTA_SET_TABLE, table_);
  batch_.PutText(NFTA_SET_NAME, set.name);
  bool map = set.verdicts || set.data_length > 0;
  batch_.PutBe32(NFTA_SET_FLAGS, map ? NFT_SET_MAP : 0);
  batch_.PutBe32(NFTA_SET_KEY_TYPE, set.key_type);
  batch_.PutBe32(NFTA_SET_KEY_LEN, set.key_length);
  if (set.verdicts) {
    batch_.PutBe32(NFTA_SET_DATA_TYPE, NFT_DATA_VERDICT);
  } else if (map) {
    batch_.PutBe32(NFTA_SET_DATA_TYPE, set.data_type);
    batch_.PutBe32(NFTA_SET_DATA_LEN, set.data_length);
  }
  // The transaction may name the set by it; names do as well.
  batch_.PutBe32(NFTA_SET_ID, static_cast<uint32_t>(batch_.count()));
}

void Transaction::AddChain(const std::string& name, const std::optional<BaseChain>& base) {
  Begin(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, StrCat("adding the chain ", name));
  batch_.PutText(NFTA_CHAIN_TABLE, table_);
  batch_.PutText(NFTA_CHAIN_NAME, name);
  if (!base) return;
  batch_.PutText(NFTA_CHAIN_TYPE, base->type);
  batch_.PutBe32(NFTA_CHAIN_POLICY, NF_ACCEPT);
  size_t hook = batch_.Nest(NFTA_CHAIN_HOOK);
  batch_.PutBe32(NFTA_HOOK_HOOKNUM, base->hook);
  batch_.PutBe32(NFTA_HOOK_PRIORITY, static_cast<uint32_t>(base->priority));
  batch_.End(hook);
}

void Transaction::DeleteChain(const std::string& name) {
  Begin(NFT_MSG_DELCHAIN, 0, StrCat("deleting the chain ", name));
  batch_.PutText(NFTA_CHAIN_TABLE, table_);
  batch_.PutText(NFTA_CHAIN_NAME, name);
}

void Transaction::FlushChain(const std::string& name) {
  Begin(NFT_MSG_DELRULE, 0, StrCat("flushing the chain ", name));
  batch_.PutText(NFTA_RULE_TABLE, table_);
  batch_.PutText(NFTA_RULE_CHAIN, name);
}

void Transaction::AddRule(const std::string& chain, const Rule& rule) {
  Begin(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, StrCat("adding a rule to the chain ", chain));
  batch_.PutText(NFTA_RULE_TABLE, table_);
  batch_.PutText(NFTA_RULE_CHAIN, chain);
  size_t expressions = batch_.Nest(NFTA_RULE_EXPRESSIONS);
  batch_.PutBytes(rule.expressions_.bytes().data(), rule.expressions_.bytes().size());
  batch_.End(expressions);
}

void Transaction::AddElement(const Element& element, bool exclusive, const std::string& what) {
  Begin(NFT_MSG_NEWSETELEM, static_cast<uint16_t>(NLM_F_CREATE | (exclusive ? NLM_F_EXCL : 0)),
        what);
  batch_.PutText(NFTA_SET_ELEM_LIST_TABLE, table_);
  batch_.PutText(NFTA_SET_ELEM_LIST_SET, element.set);
  PutElement(batch_, element, false);
}

void Transaction::DeleteElement(const Element& element) {
  Begin(NFT_MSG_DELSETELEM, 0, StrCat("deleting from the set ", element.set));
  batch_.PutText(NFTA_SET_ELEM_LIST_TABLE, table_);
  batch_.PutText(NFTA_SET_ELEM_LIST_SET, element.set);
  PutElement(batch_, element, true);
}

Status Transaction::Commit(NetlinkSocket& socket, const std::vector<Transaction*>& transactions) {
  nfgenmsg subsystem = {};
  subsystem.nfgen_family = AF_UNSPEC;
  subsystem.version = NFNETLINK_V0;
  subsystem.res_id = htons(NFNL_SUBSYS_NFTABLES);
  NetlinkBatch all;
  all.Begin(NFNL_MSG_BATCH_BEGIN, 0, subsystem, "nf_tables transaction");
  bool any = false;
  for (Transaction* transaction : transactions) {
    any |= !transaction->empty();
    all.Append(transaction->batch_);
  }
  if (!any) return {};
  all.Begin(NFNL_MSG_BATCH_END, 0, subsystem, "nf_tables transaction");
  return socket.Run(all);
}

Result<std::vector<Element>> ListElements(NetlinkSocket& socket, uint8_t family,
                                          const std::string& table, const std::string& set) {
  NetlinkBatch batch;
  batch.Begin(Type(NFT_MSG_GETSETELEM), NLM_F_DUMP, Header(family),
              StrCat("listing the set ", set));
  batch.PutText(NFTA_SET_ELEM_LIST_TABLE, table);
  batch.PutText(NFTA_SET_ELEM_LIST_SET, set);
  std::vector<Element> elements;
  auto visit = [&](uint16_t, std::string_view payload) {
    if (payload.size() < sizeof(nfgenmsg)) return;
    for (const NetlinkAttribute& list : ParseAttributes(payload.substr(sizeof(nfgenmsg)))) {
      if (list.type != NFTA_SET_ELEM_LIST_ELEMENTS) continue;
      for (const NetlinkAttribute& item : ParseAttributes(list.data)) {
        Element element;
        element.set = set;
        for (const NetlinkAttribute& attribute : ParseAttributes(item.data)) {
          if (attribute.type == NFTA_SET_ELEM_KEY) element.key = ValueFrom(attribute.data);
          if (attribute.type == NFTA_SET_ELEM_DATA) {
            element.data = ValueFrom(attribute.data);
            element.jump_to = ChainFrom(attribute.data);
          }
          if (attribute.type == NFTA_SET_ELEM_USERDATA) element.owner = OwnerFrom(attribute.data);
        }
        elements.push_back(std::move(element));
      }
    }
  };
  TRY(socket.Dump(
      batch, [&] { elements.clear(); }, visit));
  return elements;
}

Result<std::vector<std::string>> ListChains(NetlinkSocket& socket, uint8_t family,
                                            const std::string& table) {
  NetlinkBatch batch;
  batch.Begin(Type(NFT_MSG_GETCHAIN), NLM_F_DUMP, Header(family), "listing chains");
  std::vector<std::string> chains;
  auto visit = [&](uint16_t, std::string_view payload) {
    if (payload.size() < sizeof(nfgenmsg)) return;
    auto attributes = ParseAttributes(payload.substr(sizeof(nfgenmsg)));
    const NetlinkAttribute* in = FindAttribute(attributes, NFTA_CHAIN_TABLE);
    const NetlinkAttribute* name = FindAttribute(attributes, NFTA_CHAIN_NAME);
    if (in != nullptr && name != nullptr && in->Text() == table) chains.emplace_back(name->Text());
  };
  TRY(socket.Dump(
      batch, [&] { chains.clear(); }, visit));
  return chains;
}

bool ChainDrops(NetlinkSocket& socket, uint8_t family, const std::string& table,
                const std::string& chain) {
  NetlinkBatch batch;
  batch.Begin(Type(NFT_MSG_GETCHAIN), 0, Header(family), "chain");
  batch.PutText(NFTA_CHAIN_TABLE, table);
  batch.PutText(NFTA_CHAIN_NAME, chain);
  bool drops = false;
  (void)socket.Dump(
      batch, [] {},
      [&](uint16_t, std::string_view payload) {
        if (payload.size() < sizeof(nfgenmsg)) return;
        auto attributes = ParseAttributes(payload.substr(sizeof(nfgenmsg)));
        const NetlinkAttribute* policy = FindAttribute(attributes, NFTA_CHAIN_POLICY);
        drops = policy != nullptr && policy->U32() == htonl(NF_DROP);
      });
  return drops;
}

}  // namespace rkt::network::nft
