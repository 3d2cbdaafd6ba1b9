// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Netlink by hand: messages are written into a buffer, a batch of them goes out in one sendmsg(2),
// and the kernel's answers are matched to the requests by sequence number. Knows nothing of links
// or rules.

#include <linux/netlink.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace rkt::network {

// Messages in a row, each a header, a fixed part and attributes.
class NetlinkBatch {
 public:
  // Begins a message; `what` is for the error ("adding the address 10.1.1.2"). `tolerated` is an
  // errno that counts as success (EEXIST for what may be there already), 0: none.
  template <typename T>
  void Begin(uint16_t type, uint16_t flags, const T& fixed, std::string what, int tolerated = 0) {
    BeginRaw(type, flags, &fixed, sizeof fixed, std::move(what), tolerated);
  }
  void BeginRaw(uint16_t type, uint16_t flags, const void* fixed, size_t size, std::string what,
                int tolerated = 0);

  void Put(uint16_t type, const void* data, size_t size);
  void PutText(uint16_t type, std::string_view text);  // with a NUL at the end
  void PutU8(uint16_t type, uint8_t value) { Put(type, &value, sizeof value); }
  void PutU32(uint16_t type, uint32_t value) { Put(type, &value, sizeof value); }
  void PutBe32(uint16_t type, uint32_t value);
  // A fixed part inside of an attribute.
  void PutBytes(const void* data, size_t size);
  // Nested attributes: End(Nest(type)) around what belongs inside.
  size_t Nest(uint16_t type);
  void End(size_t nest);
  // The messages of another batch behind those of this one.
  void Append(NetlinkBatch& other);
  // What was put without a message around it: attributes for PutBytes of another batch.
  const std::string& bytes() const { return buffer_; }

  bool empty() const { return requests_.empty(); }
  size_t count() const { return requests_.size(); }

 private:
  friend class NetlinkSocket;
  struct Request {
    size_t offset;
    std::string what;
    int tolerated;
  };
  std::string Finished(uint32_t first_sequence);
  void CloseMessage();
  std::string buffer_;
  std::vector<Request> requests_;
};

// One attribute of an answer.
struct NetlinkAttribute {
  uint16_t type = 0;
  std::string_view data;
  uint32_t U32() const;
  std::string_view Text() const;  // up to the first NUL
};
std::vector<NetlinkAttribute> ParseAttributes(std::string_view data);
// The attribute of that type, nullptr where there is none.
const NetlinkAttribute* FindAttribute(const std::vector<NetlinkAttribute>& attributes,
                                      uint16_t type);

class NetlinkSocket {
 public:
  static Result<NetlinkSocket> Open(int protocol);
  NetlinkSocket(NetlinkSocket&&) noexcept = default;
  NetlinkSocket& operator=(NetlinkSocket&&) noexcept = default;
  // Does not wait for the kernel to let go of what was deleted (see the source).
  ~NetlinkSocket();

  // Sends all messages and takes the answers. The error is that of the first message that failed
  // and was not tolerated: its `what`, the errno, and the kernel's own words where it has some.
  // Messages behind a failed one have been carried out all the same, unless the batch is an
  // nf_tables transaction.
  Status Run(NetlinkBatch& batch);
  // One request for a dump or for one object; `visit` gets type and payload (behind the netlink
  // header) of each answer. Interrupted dumps are begun again, so `begin` is called to forget what
  // was collected.
  Status Dump(NetlinkBatch& batch, const std::function<void()>& begin,
              const std::function<void(uint16_t type, std::string_view payload)>& visit);

  // Index of an interface by name in the socket's namespace; kNotFound where there is none.
  Result<int> InterfaceIndex(const std::string& name);
  int fd() const { return fd_.get(); }

 private:
  NetlinkSocket(Fd fd, int protocol) : fd_(std::move(fd)), protocol_(protocol) {}
  Status Send(const std::string& bytes);
  Fd fd_;
  int protocol_;
  uint32_t sequence_ = 1;
};

}  // namespace rkt::network
