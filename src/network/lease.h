// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Addresses in use, in the files of CNI's host-local plugin, so that the engine and the plugin
// (other engines' too) can give out of one subnet: a file per address, its name the address, its
// content the holder's id and interface.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "network/config.h"

namespace rkt::network {

struct Lease {
  Address address;
  Prefix subnet;  // the range's, for the mask
  Address gateway;
};

// Whether a holder may still use its addresses. kUnknown: not a pod of ours.
enum class HolderState { kAlive, kGone, kUnknown };
using HolderCheck = std::function<HolderState(const std::string& id)>;

// The directory of one network, locked for as long as the object lives.
class LeaseDirectory {
 public:
  // Makes `root`/`network` where it is missing.
  static Result<LeaseDirectory> Open(const std::string& root, const std::string& network);
  // The same without making it: kNotFound.
  static Result<LeaseDirectory> OpenExisting(const std::string& root, const std::string& network);

  // One address of each range set, for that holder. `requested` are taken as they are where they
  // lie in a set. Where a set is used up, leases of holders that are gone are taken back first.
  // kBusy: no address left, or the requested one is taken; kInvalid: a requested one lies in no
  // range, or is the gateway. Gives all back on error.
  Result<std::vector<Lease>> Allocate(const std::vector<RangeSet>& sets, const std::string& id,
                                      const std::string& interface,
                                      const std::vector<Address>& requested,
                                      const HolderCheck& check);
  // Gives back all addresses of a holder (of one of its interfaces, unless `interface` is empty).
  Status Release(const std::string& id, const std::string& interface = "");
  // Gives back one address if that holder has it: no search through the directory.
  Status ReleaseAddress(const Address& address, const std::string& id);
  // Gives back what holders left that are gone. The number of them.
  Result<int> Prune(const HolderCheck& check);

  struct Entry {
    Address address;
    std::string id;
    std::string interface;  // empty: written by an old plugin
    int64_t modified_ns = 0;
  };
  Result<std::vector<Entry>> List();

 private:
  LeaseDirectory(Fd dir, Fd lock) : dir_(std::move(dir)), lock_(std::move(lock)) {}
  Result<std::optional<Lease>> Search(const RangeSet& set, size_t index,
                                      const std::string& content);
  Result<bool> Take(const Address& address, const std::string& content);
  Fd dir_;
  Fd lock_;
};

// Whether something last changed before this machine booted: then nobody of that time still runs.
bool IsFromBeforeBoot(int64_t modified_ns);

}  // namespace rkt::network
