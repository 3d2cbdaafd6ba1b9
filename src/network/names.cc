// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/names.h"

#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/lock.h"

namespace rkt::network {

namespace {

constexpr size_t kLargestHosts = 16u << 20;
// Lines take multiples of it.
constexpr size_t kLineUnit = 64;

std::string NetworkDir(const Paths& paths, const std::string& network) {
  return StrCat(paths.run, "/networks/", network);
}

// The line and its newline, filled up with spaces.
std::string Padded(const std::string& line) {
  std::string padded = line;
  size_t size = (line.size() + 1 + kLineUnit - 1) / kLineUnit * kLineUnit;
  padded.resize(size - 1, ' ');
  return padded + "\n";
}

Status WriteAt(int fd, std::string_view data, size_t offset) {
  if (::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset)) !=
      static_cast<ssize_t>(data.size())) {
    return SysErr("writing a hosts file");
  }
  return {};
}

Result<std::string> ReadHosts(int fd) {
  std::string text;
  char buffer[8192];
  for (;;) {
    ssize_t n = ::pread(fd, buffer, sizeof buffer, static_cast<off_t>(text.size()));
    if (n < 0) return SysErr("reading a hosts file");
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > kLargestHosts)
      return Err(Code::kInvalid, "a hosts file has more than ", kLargestHosts, " bytes");
  }
}

// The files are the pods' and may be gone or replaced: only what is a plain file is written to.
Result<Fd> OpenHosts(const std::string& path) {
  Fd fd = TRY(Open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK));
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) return SysErr("stat ", path);
  if (!S_ISREG(st.st_mode)) return Err(Code::kCorrupt, path, " is not a regular file");
  return fd;
}

Status EditHosts(const std::string& path, const std::vector<std::string>& lines,
                 Status (*edit)(int, const std::string&)) {
  auto fd = OpenHosts(path);
  // Its pod is ending, or damaged: no matter for the others.
  if (!fd) return {};
  for (const std::string& line : lines) TRY(edit(fd->get(), line));
  return {};
}

std::string MemberText(const Member& member) {
  return StrCat(member.hosts_file, "\n", Join(member.lines, "\n"), "\n");
}

}  // namespace

std::string MemberLine(const Address& address, const std::string& hostname,
                       const std::vector<std::string>& apps) {
  std::string line = StrCat(ToText(address), "\t", hostname);
  for (const std::string& app : apps) {
    if (app != hostname) line += StrCat(" ", app);
    line += StrCat(" ", app, ".", hostname);
  }
  return line;
}

std::string HostsBeginning(const std::vector<std::string>& lines) {
  std::string text =
      "127.0.0.1\tlocalhost\n"
      "::1\tlocalhost ip6-localhost ip6-loopback\n"
      "fe00::0\tip6-localnet\n"
      "ff02::1\tip6-allnodes\n"
      "ff02::2\tip6-allrouters\n";
  for (const std::string& line : lines) text += StrCat(line, "\n");
  return text;
}

Status AddHostsLine(int fd, const std::string& line) {
  std::string text = TRY(ReadHosts(fd));
  std::string padded = Padded(line);
  std::string hidden = padded;
  hidden[0] = '#';
  size_t at = 0;
  // A hidden line of the same length, else the end.
  for (; at < text.size(); at = text.find('\n', at) + 1) {
    size_t end = text.find('\n', at);
    if (end == std::string::npos) {
      at = text.size();
      break;
    }
    if (text[at] == '#' && end + 1 - at == padded.size()) break;
  }
  if (at == text.size() && !text.empty() && text.back() != '\n') {
    TRY(WriteAt(fd, "\n", at));
    ++at;
  }
  TRY(WriteAt(fd, hidden, at));
  return WriteAt(fd, std::string_view(padded).substr(0, 1), at);
}

Status HideHostsLine(int fd, const std::string& line) {
  std::string text = TRY(ReadHosts(fd));
  std::string padded = Padded(line);
  for (size_t at = 0; at < text.size();) {
    if (text.compare(at, padded.size(), padded) == 0) TRY(WriteAt(fd, "#", at));
    size_t end = text.find('\n', at);
    if (end == std::string::npos) break;
    at = end + 1;
  }
  return {};
}

Result<std::vector<Member>> ListMembers(const Paths& paths, const std::string& network) {
  std::vector<Member> members;
  std::string dir = StrCat(NetworkDir(paths, network), "/members");
  auto files = ListDirAt(AT_FDCWD, dir);
  if (!files)
    return files.error().code() == Code::kNotFound ? members
                                                   : Result<std::vector<Member>>(files.error());
  // In the order in which they came.
  std::vector<std::pair<int64_t, Member>> dated;
  for (const DirEntry& file : *files) {
    auto text = ReadFile(StrCat(dir, "/", file.name), 1 << 20);
    auto st = StatAt(AT_FDCWD, StrCat(dir, "/", file.name));
    if (!text || !st) continue;
    std::vector<std::string> lines = Split(Trim(*text), '\n');
    Member member;
    member.uuid = file.name;
    member.hosts_file = lines[0];
    member.lines.assign(lines.begin() + 1, lines.end());
    dated.emplace_back(st->st_mtim.tv_sec * int64_t{1000000000} + st->st_mtim.tv_nsec,
                       std::move(member));
  }
  std::sort(dated.begin(), dated.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [date, member] : dated) members.push_back(std::move(member));
  return members;
}

Status JoinNames(const Paths& paths, const std::string& network, const Member& member,
                 const HolderCheck& check) {
  std::string dir = NetworkDir(paths, network);
  TRY(MakeDirs(StrCat(dir, "/members"), 0755));
  Lock lock = TRY(Lock::File(AT_FDCWD, StrCat(dir, "/lock"), Lock::Kind::kExclusive));
  // First, so that whoever takes it back knows which lines the others may have got.
  TRY(WriteFileAtomicAt(AT_FDCWD, StrCat(dir, "/members/", member.uuid), MemberText(member), 0644));
  for (const Member& other : TRY(ListMembers(paths, network))) {
    if (other.uuid == member.uuid) continue;
    if (check(other.uuid) == HolderState::kGone) {
      TRY(UnlinkAt(AT_FDCWD, StrCat(dir, "/members/", other.uuid)));
      for (const Member& rest : TRY(ListMembers(paths, network)))
        TRY(EditHosts(rest.hosts_file, other.lines, HideHostsLine));
      continue;
    }
    TRY(EditHosts(other.hosts_file, member.lines, AddHostsLine));
    TRY(EditHosts(member.hosts_file, other.lines, AddHostsLine));
  }
  return EditHosts(member.hosts_file, member.lines, AddHostsLine);
}

Status LeaveNames(const Paths& paths, const std::string& network, const std::string& uuid) {
  std::string dir = NetworkDir(paths, network);
  if (!Exists(StrCat(dir, "/members"))) return {};
  Lock lock = TRY(Lock::File(AT_FDCWD, StrCat(dir, "/lock"), Lock::Kind::kExclusive));
  std::vector<Member> members = TRY(ListMembers(paths, network));
  auto left =
      std::find_if(members.begin(), members.end(), [&](const Member& m) { return m.uuid == uuid; });
  if (left == members.end()) return {};
  for (const Member& other : members) {
    if (other.uuid != uuid) TRY(EditHosts(other.hosts_file, left->lines, HideHostsLine));
  }
  return UnlinkAt(AT_FDCWD, StrCat(dir, "/members/", uuid));
}

}  // namespace rkt::network
