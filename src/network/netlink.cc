// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/netlink.h"

#include <endian.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "base/strings.h"

namespace rkt::network {

namespace {

constexpr size_t kReceiveSize = 64 << 10;

// The kernel's explanation in an answer (NETLINK_EXT_ACK), empty where there is none.
std::string Explanation(const nlmsghdr* header) {
  if ((header->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return "";
  size_t skip = sizeof(nlmsghdr) + sizeof(nlmsgerr);
  if ((header->nlmsg_flags & NLM_F_CAPPED) == 0) {
    auto* error = reinterpret_cast<const nlmsgerr*>(NLMSG_DATA(header));
    skip += NLMSG_ALIGN(error->msg.nlmsg_len) - sizeof(nlmsghdr);
  }
  if (skip >= header->nlmsg_len) return "";
  auto attributes =
      ParseAttributes({reinterpret_cast<const char*>(header) + skip, header->nlmsg_len - skip});
  const NetlinkAttribute* text = FindAttribute(attributes, NLMSGERR_ATTR_MSG);
  return text != nullptr ? std::string(text->Text()) : "";
}

}  // namespace

void NetlinkBatch::BeginRaw(uint16_t type, uint16_t flags, const void* fixed, size_t size,
                            std::string what, int tolerated) {
  CloseMessage();
  requests_.push_back({buffer_.size(), std::move(what), tolerated});
  nlmsghdr header = {};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  PutBytes(&header, sizeof header);
  PutBytes(fixed, size);
}

void NetlinkBatch::PutBytes(const void* data, size_t size) {
  buffer_.append(static_cast<const char*>(data), size);
  buffer_.resize(NLMSG_ALIGN(buffer_.size()));
}

void NetlinkBatch::Put(uint16_t type, const void* data, size_t size) {
  nlattr attribute = {static_cast<uint16_t>(NLA_HDRLEN + size), type};
  buffer_.append(reinterpret_cast<const char*>(&attribute), sizeof attribute);
  PutBytes(data, size);
}

void NetlinkBatch::PutText(uint16_t type, std::string_view text) {
  std::string terminated(text);
  Put(type, terminated.c_str(), terminated.size() + 1);
}

void NetlinkBatch::PutBe32(uint16_t type, uint32_t value) { PutU32(type, htobe32(value)); }

size_t NetlinkBatch::Nest(uint16_t type) {
  size_t offset = buffer_.size();
  nlattr attribute = {NLA_HDRLEN, static_cast<uint16_t>(type | NLA_F_NESTED)};
  PutBytes(&attribute, sizeof attribute);
  return offset;
}

void NetlinkBatch::End(size_t nest) {
  auto length = static_cast<uint16_t>(buffer_.size() - nest);
  std::memcpy(&buffer_[nest + offsetof(nlattr, nla_len)], &length, sizeof length);
}

void NetlinkBatch::CloseMessage() {
  if (requests_.empty()) return;
  size_t offset = requests_.back().offset;
  auto length = static_cast<uint32_t>(buffer_.size() - offset);
  std::memcpy(&buffer_[offset + offsetof(nlmsghdr, nlmsg_len)], &length, sizeof length);
}

void NetlinkBatch::Append(NetlinkBatch& other) {
  CloseMessage();
  other.CloseMessage();
  for (Request request : other.requests_) {
    request.offset += buffer_.size();
    requests_.push_back(std::move(request));
  }
  buffer_ += other.buffer_;
}

std::string NetlinkBatch::Finished(uint32_t first_sequence) {
  CloseMessage();
  for (size_t i = 0; i < requests_.size(); ++i) {
    uint32_t sequence = first_sequence + static_cast<uint32_t>(i);
    std::memcpy(&buffer_[requests_[i].offset + offsetof(nlmsghdr, nlmsg_seq)], &sequence,
                sizeof sequence);
  }
  return buffer_;
}

uint32_t NetlinkAttribute::U32() const {
  uint32_t value = 0;
  if (data.size() >= sizeof value) std::memcpy(&value, data.data(), sizeof value);
  return value;
}

std::string_view NetlinkAttribute::Text() const { return data.substr(0, data.find('\0')); }

std::vector<NetlinkAttribute> ParseAttributes(std::string_view data) {
  std::vector<NetlinkAttribute> attributes;
  while (data.size() >= sizeof(nlattr)) {
    nlattr header;
    std::memcpy(&header, data.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > data.size()) break;
    attributes.push_back({static_cast<uint16_t>(header.nla_type & NLA_TYPE_MASK),
                          data.substr(sizeof header, header.nla_len - sizeof header)});
    data.remove_prefix(std::min<size_t>(NLA_ALIGN(header.nla_len), data.size()));
  }
  return attributes;
}

const NetlinkAttribute* FindAttribute(const std::vector<NetlinkAttribute>& attributes,
                                      uint16_t type) {
  for (const NetlinkAttribute& attribute : attributes) {
    if (attribute.type == type) return &attribute;
  }
  return nullptr;
}

Result<NetlinkSocket> NetlinkSocket::Open(int protocol) {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!fd) return SysErr("netlink socket");
  int on = 1;
  ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  // Dumps that list by filters only, and answers that are refused rather than guessed at
  // (Linux 4.20).
  ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  return NetlinkSocket(std::move(fd), protocol);
}

namespace {

// Lets the kernel close a descriptor by and by: it is sent, in a message that nobody will read,
// over a pair of sockets that travel in the same message. Such a circle is found and freed by a
// worker of the kernel.
//
// Closing a netfilter socket waits until everything deleted before, by anybody of the namespace,
// has been freed, which takes an RCU grace period: 10 ms and more (seen with Linux 6.18) between
// the end of an app and that of rkt. Where a kernel frees circles at once, this is a close like any
// other.
void CloseLater(Fd fd) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) != 0) return;
  Fd first(pair[0]), second(pair[1]);
  int fds[3] = {fd.get(), first.get(), second.get()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fds)] = {};
  char byte = 0;
  iovec data = {&byte, 1};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fds);
  std::memcpy(CMSG_DATA(header), fds, sizeof fds);
  // Where it fails, the descriptors are simply closed.
  (void)::sendmsg(first.get(), &message, 0);
}

}  // namespace

NetlinkSocket::~NetlinkSocket() {
  if (fd_ && protocol_ == NETLINK_NETFILTER) CloseLater(std::move(fd_));
}

Status NetlinkSocket::Send(const std::string& bytes) {
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  // A message goes into one buffer of the kernel; many published ports need more than the usual 200
  // KiB.
  int wanted = static_cast<int>(bytes.size() * 2 + 4096);
  int have = 0;
  socklen_t size = sizeof have;
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUF, &have, &size) == 0 && have < wanted) {
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted);
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof wanted);
  }
  ssize_t n = ::sendto(fd_.get(), bytes.data(), bytes.size(), 0,
                       reinterpret_cast<sockaddr*>(&kernel), sizeof kernel);
  if (n < 0) return SysErr("netlink");
  return {};
}

Status NetlinkSocket::Run(NetlinkBatch& batch) {
  if (batch.empty()) return {};
  uint32_t first = sequence_;
  sequence_ += static_cast<uint32_t>(batch.count());
  TRY(Send(batch.Finished(first)));
  // The kernel has worked off the messages when sendto() returns: all answers are there.
  auto buffer = std::make_unique<char[]>(kReceiveSize);
  std::optional<Error> failed;
  bool answered = false;
  for (;;) {
    ssize_t n = ::recv(fd_.get(), buffer.get(), kReceiveSize, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == ENOBUFS) {
      if (!failed) failed = SysErr("netlink: answers were lost");
      continue;
    }
    if (n < 0) break;
    auto left = static_cast<unsigned>(n);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.get()); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      size_t index = header->nlmsg_seq - first;
      if (header->nlmsg_type != NLMSG_ERROR || index >= batch.count()) continue;
      answered = true;
      auto* error = reinterpret_cast<nlmsgerr*>(NLMSG_DATA(header));
      const auto& request = batch.requests_[index];
      if (error->error == 0 || -error->error == request.tolerated || failed) continue;
      std::string why = Explanation(header);
      failed = ErrnoError(-error->error,
                          why.empty() ? request.what : StrCat(request.what, " (", why, ")"));
    }
  }
  if (failed) return *std::move(failed);
  if (!answered) return Err(Code::kInternal, "netlink: the kernel did not answer");
  return {};
}

Status NetlinkSocket::Dump(NetlinkBatch& batch, const std::function<void()>& begin,
                           const std::function<void(uint16_t, std::string_view)>& visit) {
  auto buffer = std::make_unique<char[]>(kReceiveSize);
  for (int attempt = 0; attempt < 20; ++attempt) {
    begin();
    uint32_t first = sequence_;
    sequence_ += static_cast<uint32_t>(batch.count());
    TRY(Send(batch.Finished(first)));
    bool interrupted = false, done = false;
    while (!done) {
      ssize_t n = ::recv(fd_.get(), buffer.get(), kReceiveSize, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return SysErr("netlink: ", batch.requests_.back().what);
      auto left = static_cast<unsigned>(n);
      for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.get()); NLMSG_OK(header, left);
           header = NLMSG_NEXT(header, left)) {
        if (header->nlmsg_seq < first || header->nlmsg_seq >= sequence_) continue;
        if ((header->nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted = true;
        if (header->nlmsg_type == NLMSG_DONE) {
          done = true;
        } else if (header->nlmsg_type == NLMSG_ERROR) {
          int err = -reinterpret_cast<nlmsgerr*>(NLMSG_DATA(header))->error;
          if (err == EINTR) {
            interrupted = true;
          } else if (err != 0) {
            return ErrnoError(err, batch.requests_.back().what);
          }
          done = true;
        } else {
          visit(header->nlmsg_type,
                {static_cast<const char*>(NLMSG_DATA(header)), NLMSG_PAYLOAD(header, 0)});
          if ((header->nlmsg_flags & NLM_F_MULTI) == 0) done = true;
        }
      }
    }
    if (!interrupted) return {};
  }
  return Err(Code::kBusy, batch.requests_.back().what, ": the list keeps changing");
}

Result<int> NetlinkSocket::InterfaceIndex(const std::string& name) {
  ifreq request = {};
  if (name.size() >= sizeof request.ifr_name)
    return Err(Code::kInvalid, "interface name ", Quote(name), " is too long");
  std::memcpy(request.ifr_name, name.data(), name.size());
  if (::ioctl(fd_.get(), SIOCGIFINDEX, &request) != 0) {
    int err = errno;
    Error error = ErrnoError(err, StrCat("interface ", name));
    return err == ENODEV ? Error(Code::kNotFound, err, error.message()) : error;
  }
  return request.ifr_ifindex;
}

}  // namespace rkt::network
