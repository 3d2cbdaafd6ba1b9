// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "pod/private_users.h"

#include <fcntl.h>
#include <sys/random.h>

#include <algorithm>

#include "base/file.h"
#include "base/lock.h"
#include "pod/paths.h"

namespace rkt::pod {

namespace {

constexpr char kLock[] = "locks/private-users";
constexpr std::string_view kOwnName = "rkt";
// The ids that systemd's list of users and groups leaves to containers: nobody else's by convention.
constexpr uint64_t kFirst = 0x00080000, kEnd = 0x70000000;
constexpr size_t kMaxFile = 16u << 20;

struct Interval {
  uint64_t begin, end;
};

bool Overlaps(const std::vector<Interval>& intervals, uint64_t begin, uint64_t end) {
  return std::any_of(intervals.begin(), intervals.end(),
                     [&](const Interval& i) { return i.begin < end && begin < i.end; });
}

template <typename Visit>
void ForEachLine(std::string_view text, const Visit& visit) {
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    visit(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

struct Subordinate {
  std::vector<Interval> own;     // of the user rkt
  std::vector<Interval> others;
};

// As the tools that read these files do, lines that say nothing are passed over; one for us must be right.
Result<Subordinate> ReadSubordinate(std::string_view text, const char* file) {
  Subordinate ranges;
  Status status;
  ForEachLine(text, [&](std::string_view line) {
    std::vector<std::string> fields = Split(Trim(line), ':');
    fields.resize(3);
    constexpr uint64_t kIdsEnd = 0xffffffff;
    uint64_t first = ParseUint(fields[1]).value_or(kIdsEnd);
    uint64_t count = ParseUint(fields[2]).value_or(0);
    bool own = fields[0] == kOwnName;
    if (count == 0 || first >= kIdsEnd || count > kIdsEnd - first) {
      if (own && status) {
        status = Err(Code::kInvalid, file, ": ", Quote(line), " is no range of ids (rkt:FIRST:COUNT)");
      }
      return;
    }
    (own ? ranges.own : ranges.others).push_back({first, first + count});
  });
  if (!status) return std::move(status).error();
  return ranges;
}

// The third field of passwd and group.
void AddIds(std::string_view text, std::vector<Interval>* to) {
  ForEachLine(text, [&](std::string_view line) {
    std::vector<std::string> fields = Split(line, ':');
    auto id = fields.size() > 2 ? ParseUint(fields[2]) : std::nullopt;
    if (id) to->push_back({*id, *id + 1});
  });
}

// Whole blocks of what users and groups have in common.
std::vector<uint64_t> OwnBlocks(const Subordinate& users, const Subordinate& groups) {
  std::vector<uint64_t> blocks;
  for (const Interval& u : users.own) {
    for (const Interval& g : groups.own) {
      uint64_t end = std::min(u.end, g.end);
      for (uint64_t at = std::max({u.begin, g.begin, uint64_t{1}}); at + kPrivateUsersCount <= end;
           at += kPrivateUsersCount) {
        blocks.push_back(at);
      }
    }
  }
  return blocks;
}

std::string ReadOptional(const char* path) { return ReadFile(path, kMaxFile).value_or(""); }

}  // namespace

Result<IdRange> ChooseRange(const HostIds& host, const std::vector<IdRange>& taken, uint32_t begin) {
  Subordinate users = TRY(ReadSubordinate(host.subuid, "/etc/subuid"));
  Subordinate groups = TRY(ReadSubordinate(host.subgid, "/etc/subgid"));
  std::vector<Interval> used;
  for (const IdRange& range : taken) used.push_back({range.shift, uint64_t{range.shift} + range.count});
  used.insert(used.end(), users.others.begin(), users.others.end());
  used.insert(used.end(), groups.others.begin(), groups.others.end());
  auto is_free = [&](uint64_t at) { return !Overlaps(used, at, at + kPrivateUsersCount); };
  auto range_at = [](uint64_t at) { return IdRange{static_cast<uint32_t>(at), kPrivateUsersCount}; };

  if (users.own.empty() != groups.own.empty()) {
    return Err(Code::kInvalid, users.own.empty() ? "/etc/subuid" : "/etc/subgid", " has no range for ",
               Quote(kOwnName), ", while ", users.own.empty() ? "/etc/subgid" : "/etc/subuid", " has one");
  }
  if (!users.own.empty()) {
    std::vector<uint64_t> blocks = OwnBlocks(users, groups);
    for (size_t i = 0; i < blocks.size(); ++i) {
      uint64_t at = blocks[(begin + i) % blocks.size()];
      if (is_free(at)) return range_at(at);
    }
    return Err(Code::kNotFound, "no free range of ", kPrivateUsersCount,
               " ids: what /etc/subuid and /etc/subgid both give to ", Quote(kOwnName), " makes ", blocks.size(),
               ", all of them used");
  }
  AddIds(host.passwd, &used);
  AddIds(host.group, &used);
  constexpr uint64_t kBlocks = (kEnd - kFirst) / kPrivateUsersCount;
  for (uint64_t i = 0; i < kBlocks; ++i) {
    uint64_t at = kFirst + (begin + i) % kBlocks * kPrivateUsersCount;
    if (is_free(at)) return range_at(at);
  }
  return Err(Code::kNotFound, "no free range of ", kPrivateUsersCount, " ids from ", kFirst, " to ", kEnd - 1);
}

Result<IdRange> TakePrivateUsers(Pods& pods, const Pod& pod) {
  TRY(MakeDirs(StrCat(pods.data_dir(), "/locks"), 0750));
  Lock lock = TRY(Lock::File(AT_FDCWD, StrCat(pods.data_dir(), "/", kLock), Lock::Kind::kExclusive));
  std::vector<IdRange> taken;
  // Pods move on while we look, and only forward: in this order each of them is met.
  TRY(pods.ForEach({Stage::kEmbryo, Stage::kPrepare, Stage::kPrepared, Stage::kRun, Stage::kExitedGarbage,
                    Stage::kGarbage},
                   [&](Pod& other) -> Status {
                     auto range = ReadPrivateUsers(other);
                     if (range && *range) taken.push_back(**range);
                     return {};
                   },
                   [](const std::string&) {}));
  std::string subuid = ReadOptional("/etc/subuid"), subgid = ReadOptional("/etc/subgid");
  std::string passwd = ReadOptional("/etc/passwd"), group = ReadOptional("/etc/group");
  uint32_t begin = 0;
  // Pods of different data directories do not know of each other: they hardly ever begin at the same place.
  if (::getrandom(&begin, sizeof begin, 0) != sizeof begin) begin = 0;
  IdRange range = TRY(ChooseRange({subuid, subgid, passwd, group}, taken, begin));
  TRY(WriteFileAt(pod.fd(), kPrivateUsersFile, FormatIdRange(range), 0640));
  return range;
}

Result<std::optional<IdRange>> ReadPrivateUsers(const Pod& pod) {
  auto text = pod.ReadFile(kPrivateUsersFile, 64);
  if (!text) {
    if (text.error().code() == Code::kNotFound) return std::optional<IdRange>();
    return std::move(text).error();
  }
  auto range = ParseIdRange(Trim(*text));
  if (!range) return Err(Code::kCorrupt, pod.path(), "/", kPrivateUsersFile, ": ", range.error().Text());
  return std::optional<IdRange>(*range);
}

}  // namespace rkt::pod
