// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/lease.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>

#include "base/file.h"
#include "base/lock.h"
#include "base/uuid.h"

namespace rkt::network {

namespace {

constexpr char kLockFile[] = "lock";
constexpr char kLastReserved[] = "last_reserved_ip.";
constexpr size_t kLargestLease = 4096;

// As the plugin writes it.
std::string Content(const std::string& id, const std::string& interface) {
  return StrCat(id, "\r\n", interface);
}

// The range that an address lies in, nullptr where it lies in none.
const IpRange* RangeOf(const RangeSet& set, const Address& address) {
  for (const IpRange& range : set) {
    if (range.first.v6 == address.v6 && !(address < range.first) && !(range.last < address))
      return &range;
  }
  return nullptr;
}

int64_t BootTimeNs() {
  timespec now, up;
  ::clock_gettime(CLOCK_REALTIME, &now);
  ::clock_gettime(CLOCK_BOOTTIME, &up);
  return (now.tv_sec - up.tv_sec) * int64_t{1000000000} + (now.tv_nsec - up.tv_nsec);
}

}  // namespace

bool IsFromBeforeBoot(int64_t modified_ns) {
  // Clocks are set while a machine runs: a minute is allowed for.
  return modified_ns < BootTimeNs() - int64_t{60} * 1000000000;
}

Result<LeaseDirectory> LeaseDirectory::Open(const std::string& root, const std::string& network) {
  auto existing = OpenExisting(root, network);
  if (existing || existing.error().code() != Code::kNotFound) return existing;
  TRY(MakeDirs(StrCat(root, "/", network), 0755));
  return OpenExisting(root, network);
}

Result<LeaseDirectory> LeaseDirectory::OpenExisting(const std::string& root,
                                                    const std::string& network) {
  Fd dir = TRY(rkt::Open(StrCat(root, "/", network), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  Lock lock = TRY_CTX(Lock::File(dir.get(), kLockFile, Lock::Kind::kExclusive),
                      "addresses of network ", network);
  return LeaseDirectory(std::move(dir), std::move(lock).Take());
}

Result<bool> LeaseDirectory::Take(const Address& address, const std::string& content) {
  Status written = WriteFileAt(dir_.get(), ToText(address), content, 0644);
  if (written) return true;
  if (written.error().err() == EEXIST) return false;
  return std::move(written).error();
}

Result<std::optional<Lease>> LeaseDirectory::Search(const RangeSet& set, size_t index,
                                                    const std::string& content) {
  std::string marker = StrCat(kLastReserved, index);
  // Begins behind the address given last, so that one is not used again at once.
  Address start = set[0].first;
  const IpRange* range = &set[0];
  if (auto last = ReadFileAt(dir_.get(), marker, kLargestLease)) {
    auto address = ParseAddress(Trim(*last));
    const IpRange* of = address ? RangeOf(set, *address) : nullptr;
    if (of != nullptr) {
      range = of;
      start = Next(*address);
    }
  }
  const IpRange* first_range = range;
  bool wrapped = false;
  for (Address address = start;; address = Next(address)) {
    if (range->last < address || address < range->first) {
      if (wrapped && range == first_range) return std::optional<Lease>();
      range = range + 1 == set.data() + set.size() ? set.data() : range + 1;
      if (range == first_range) wrapped = true;
      address = range->first;
    }
    if (wrapped && range == first_range && !(address < start)) return std::optional<Lease>();
    if (address == range->gateway || address == range->subnet.address) continue;
    if (!TRY(Take(address, content))) continue;
    TRY(WriteFileAt(dir_.get(), marker, ToText(address), 0644, true));
    return std::optional<Lease>(Lease{address, range->subnet, range->gateway});
  }
}

Result<std::vector<Lease>> LeaseDirectory::Allocate(const std::vector<RangeSet>& sets,
                                                    const std::string& id,
                                                    const std::string& interface,
                                                    const std::vector<Address>& requested,
                                                    const HolderCheck& check) {
  for (const Address& address : requested) {
    if (std::none_of(sets.begin(), sets.end(),
                     [&](const RangeSet& set) { return RangeOf(set, address) != nullptr; })) {
      return Err(Code::kInvalid, "the requested address ", ToText(address),
                 " lies in no range of the network");
    }
  }
  std::string content = Content(id, interface);
  std::vector<Lease> leases;
  auto allocate = [&](const RangeSet& set, size_t index) -> Result<Lease> {
    for (const Address& address : requested) {
      const IpRange* range = RangeOf(set, address);
      if (range == nullptr) continue;
      if (address == range->gateway) {
        return Err(Code::kInvalid, "the requested address ", ToText(address),
                   " is the network's gateway");
      }
      if (TRY(Take(address, content))) return Lease{address, range->subnet, range->gateway};
      TRY(Prune(check));
      if (TRY(Take(address, content))) return Lease{address, range->subnet, range->gateway};
      return Err(Code::kBusy, "the requested address ", ToText(address), " is in use");
    }
    auto found = TRY(Search(set, index, content));
    if (!found && TRY(Prune(check)) > 0) found = TRY(Search(set, index, content));
    if (found) return *found;
    return Err(Code::kBusy, "no address is left in ", ToText(set[0].subnet));
  };
  for (size_t i = 0; i < sets.size(); ++i) {
    auto lease = allocate(sets[i], i);
    if (!lease) {
      for (const Lease& taken : leases) (void)ReleaseAddress(taken.address, id);
      return std::move(lease).error();
    }
    leases.push_back(*lease);
  }
  return leases;
}

Status LeaseDirectory::ReleaseAddress(const Address& address, const std::string& id) {
  std::string name = ToText(address);
  auto content = ReadFileAt(dir_.get(), name, kLargestLease);
  if (!content)
    return content.error().code() == Code::kNotFound ? Status() : std::move(content).error();
  if (Trim(std::string_view(*content).substr(0, content->find('\n'))) != id) return {};
  return UnlinkAt(dir_.get(), name);
}

Status LeaseDirectory::Release(const std::string& id, const std::string& interface) {
  for (const Entry& entry : TRY(List())) {
    if (entry.id != id ||
        (!interface.empty() && !entry.interface.empty() && entry.interface != interface))
      continue;
    TRY(UnlinkAt(dir_.get(), ToText(entry.address)));
  }
  return {};
}

Result<int> LeaseDirectory::Prune(const HolderCheck& check) {
  int pruned = 0;
  for (const Entry& entry : TRY(List())) {
    HolderState state = check(entry.id);
    // Who holds the lock has written all of it: nobody's is what was killed before that. Ids of the form below are pods',
    // if not of this data directory; the boot ended them.
    bool gone =
        state == HolderState::kGone || entry.id.empty() || (state == HolderState::kUnknown && entry.id.size() == 36 &&
                                        IsUuid(entry.id) && IsFromBeforeBoot(entry.modified_ns));
    if (!gone) continue;
    TRY(UnlinkAt(dir_.get(), ToText(entry.address)));
    ++pruned;
  }
  return pruned;
}

Result<std::vector<LeaseDirectory::Entry>> LeaseDirectory::List() {
  std::vector<Entry> entries;
  Fd again = TRY(OpenAt(dir_.get(), ".", O_RDONLY | O_DIRECTORY));
  for (const DirEntry& file : TRY(ListDirFd(again.get()))) {
    auto address = ParseAddress(file.name);
    if (!address) continue;
    auto content = ReadFileAt(dir_.get(), file.name, kLargestLease);
    auto st = StatAt(dir_.get(), file.name);
    if (!content || !st) continue;
    Entry entry;
    entry.address = *address;
    std::vector<std::string> lines = Split(*content, '\n');
    entry.id = Trim(lines[0]);
    if (lines.size() > 1) entry.interface = Trim(lines[1]);
    entry.modified_ns = st->st_mtim.tv_sec * int64_t{1000000000} + st->st_mtim.tv_nsec;
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace rkt::network
