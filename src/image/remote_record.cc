// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/remote_record.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/duration.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"

namespace rkt::image {

namespace {

constexpr size_t kMaxRecord = 256u << 10;

std::string KeyOf(const std::string& url) {
  return StrCat("sha512-", Sha512Hex(url).substr(0, 64));
}

std::string TextOf(const json::Value& value, std::string_view key) {
  const json::Value* member = value.Find(key);
  return member != nullptr && member->is_string() ? member->text() : "";
}

int64_t NumberOf(const json::Value& value, std::string_view key) {
  const json::Value* member = value.Find(key);
  return member != nullptr ? member->AsInt().value_or(0) : 0;
}

std::optional<RemoteRecord> ReadRecord(const store::Store& store, const std::string& path) {
  auto text = ReadFileAt(store.cas_fd(), path, kMaxRecord);
  if (!text) return std::nullopt;
  auto value = json::Parse(*text);
  if (!value) return std::nullopt;
  RemoteRecord record;
  record.key = TextOf(*value, "key");
  record.etag = TextOf(*value, "etag");
  record.max_age_s = static_cast<uint64_t>(std::max<int64_t>(0, NumberOf(*value, "maxAge")));
  record.download_ns = NumberOf(*value, "downloadTime");
  const json::Value* verified = value->Find("verified");
  record.verified = verified != nullptr && verified->is_bool() && verified->boolean();
  if (!store.GetInfo(record.key)) return std::nullopt;
  return record;
}

}  // namespace

std::string ShownUrl(const std::string& url) {
  size_t scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  size_t begin = scheme + 3, end = url.find_first_of("/?#", begin);
  size_t at = url.substr(0, end).rfind('@');
  return at == std::string::npos || at < begin ? url : url.substr(0, begin) + url.substr(at + 1);
}

bool RemoteRecord::IsFresh(int64_t now_ns) const {
  // A clock that was set back makes no image eternal.
  int64_t age_ns = now_ns - download_ns;
  return max_age_s > 0 && age_ns >= 0 && static_cast<uint64_t>(age_ns / kSecond) < max_age_s;
}

uint64_t MaxAge(std::string_view cache_control) {
  uint64_t seconds = 0;
  for (const std::string& piece : Split(cache_control, ',')) {
    std::string directive = ToLower(Trim(piece));
    if (directive == "no-cache" || directive == "no-store") {
      seconds = 0;
    } else if (directive.starts_with("max-age=") && !directive.starts_with("max-age=0")) {
      seconds = ParseUint(std::string_view(directive).substr(8)).value_or(seconds);
    }
  }
  return seconds;
}

std::optional<RemoteRecord> ReadRemote(const store::Store& store, const std::string& url) {
  return ReadRecord(store, StrCat("remote/", KeyOf(url)));
}

Status CollectRemotes(store::Store& store) {
  auto entries = ListDirAt(store.cas_fd(), "remote");
  if (!entries)
    return entries.error().code() == Code::kNotFound ? Status() : std::move(entries).error();
  for (const DirEntry& entry : *entries) {
    std::string path = StrCat("remote/", entry.name);
    // A temporary name is somebody's who writes just now. A record that is lost costs a download,
    // no more.
    if (entry.name.starts_with("sha512-") && !ReadRecord(store, path))
      TRY(UnlinkAt(store.cas_fd(), path));
  }
  return {};
}

Status WriteRemote(store::Store& store, const std::string& url, const RemoteRecord& record) {
  json::Value value = json::Value::Object();
  value.Set("url", ShownUrl(url));
  value.Set("key", record.key);
  value.Set("etag", record.etag);
  value.Set("maxAge", std::min<uint64_t>(record.max_age_s, INT64_MAX));
  value.Set("downloadTime", record.download_ns);
  value.Set("verified", record.verified);
  TRY(store::MakeStoreDir(store.cas_fd(), "remote", 0770));
  return WriteFileAtomicAt(store.cas_fd(), StrCat("remote/", KeyOf(url)), json::Write(value) + "\n",
                           0660);
}

Result<PartialDownload> PartialDownload::Lock(store::Store& store, const std::string& url,
                                              const std::function<void()>& waiting) {
  int cas = store.cas_fd();
  TRY(store::MakeStoreDir(cas, "tmp", 0770));
  std::string name = StrCat("tmp/", KeyOf(url));
  for (bool waited = false;;) {
    Fd file = TRY(OpenAt(cas, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0660));
    struct stat opened, named;
    if (::fstat(file.get(), &opened) != 0) return SysErr("stat cas/", name);
    if (!S_ISREG(opened.st_mode))
      return Err(Code::kCorrupt, "cas/", name, " is not a regular file");
    // Whatever the umask: the next to try may be another member of the store's group.
    (void)::fchmod(file.get(), 0660);
    auto lock = TRY(rkt::Lock::TryFd(TRY(DupFd(file.get())), rkt::Lock::Kind::kExclusive));
    if (!lock) {
      if (!waited && waiting) waiting();
      waited = true;
      lock = TRY(rkt::Lock::LockFd(std::move(file), rkt::Lock::Kind::kExclusive));
    }
    // Whoever had it may have removed it: then its name is free for a new one.
    if (::fstatat(cas, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
        named.st_ino == opened.st_ino && named.st_dev == opened.st_dev) {
      std::string path = StrCat(store.data_dir(), "/cas/", name);
      return PartialDownload(cas, std::move(name), std::move(path), std::move(*lock));
    }
  }
}

std::string PartialDownload::ReadEtag() const {
  return ReadFileAt(cas_, name_ + ".etag", 64u << 10).value_or("");
}

void PartialDownload::WriteEtag(const std::string& etag) const {
  // Without it the next try goes by the date. Replaced rather than written into: it may be somebody
  // else's file.
  if (etag.empty() || !WriteFileAtomicAt(cas_, name_ + ".etag", etag, 0660)) {
    (void)UnlinkAt(cas_, name_ + ".etag");
  }
}

void PartialDownload::Remove() const {
  (void)UnlinkAt(cas_, name_ + ".etag");
  (void)UnlinkAt(cas_, name_);
}

}  // namespace rkt::image
