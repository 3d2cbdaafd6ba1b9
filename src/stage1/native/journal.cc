// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"

namespace rkt::native {

namespace {

// NAME=value and a newline, or, where the value has newlines, NAME, a newline, the length (64 bits, little-endian),
// the value and a newline.
void AddField(std::string& text, std::string_view name, std::string_view value) {
  text += name;
  if (value.find('\n') == std::string_view::npos) {
    text += '=';
  } else {
    text += '\n';
    uint64_t size = value.size();
    for (int i = 0; i < 8; ++i, size >>= 8) text += static_cast<char>(size & 0xff);
  }
  text += value;
  text += '\n';
}

}  // namespace

std::unique_ptr<Journal> Journal::Connect(const std::string& path, std::string uuid) {
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return nullptr;
  memcpy(address.sun_path, path.data(), path.size());
  Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket ||
      ::connect(socket.get(), reinterpret_cast<const struct sockaddr*>(&address), sizeof address) != 0) {
    return nullptr;
  }
  return std::make_unique<Journal>(std::move(socket), std::move(uuid));
}

void Journal::Send(const Entry& entry) {
  if (gone_) return;
  std::string text;
  text.reserve(entry.message.size() + 256);
  AddField(text, "MESSAGE", entry.message);
  AddField(text, "PRIORITY", StrCat(entry.priority));
  AddField(text, "SYSLOG_IDENTIFIER", entry.app);
  if (entry.pid > 0) AddField(text, "SYSLOG_PID", StrCat(entry.pid));
  AddField(text, "RKT_POD_UUID", uuid_);
  AddField(text, "RKT_APP", entry.app);
  AddField(text, "RKT_STREAM", entry.stream);
  if (!SendText(text)) {
    ++lost_;
    return;
  }
  if (lost_ == 0) return;
  std::string report;
  AddField(report, "MESSAGE", StrCat("rkt: the journal did not take ", lost_, " lines of this pod"));
  AddField(report, "PRIORITY", "4");
  AddField(report, "SYSLOG_IDENTIFIER", "rkt");
  AddField(report, "RKT_POD_UUID", uuid_);
  if (SendText(report)) lost_ = 0;
}

bool Journal::SendText(const std::string& text) {
  if (::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL) >= 0) return true;
  if (errno == EMSGSIZE || errno == ENOBUFS) return SendFile(text);
  // EAGAIN: it is slow. Of the rest nothing gets better: the socket that was connected to is gone.
  gone_ = errno != EAGAIN && errno != EINTR && errno != ENOMEM;
  return false;
}

// What is too large for a datagram goes as a sealed file in memory.
bool Journal::SendFile(const std::string& text) {
  Fd file(::memfd_create("rkt-journal", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file || !WriteAll(file.get(), text) ||
      ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
    return false;
  }
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  struct msghdr message = {};
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = file.get();
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL) >= 0;
}

int TakePriority(std::string_view& line, int otherwise) {
  if (line.size() < 3 || line[0] != '<' || line[1] < '0' || line[1] > '7' || line[2] != '>') return otherwise;
  int priority = line[1] - '0';
  line.remove_prefix(3);
  return priority;
}

bool IsJournalStream(int fd, const char* text) {
  struct stat st;
  if (text == nullptr || ::fstat(fd, &st) != 0) return false;
  return text == StrCat(st.st_dev, ":", st.st_ino);
}

}  // namespace rkt::native
