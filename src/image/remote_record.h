// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What is known of a URL that images were fetched from, and the file that its download goes to.
// Both are named by the key of the URL, "sha512-" and the first 64 hexadecimal digits of its
// SHA-512:
//
//   DIR/cas/remote/<key>     0660  which image it gave, when, how long that holds (JSON)
//   DIR/cas/tmp/<key>        0660  the download, whole or begun; locked by flock as long as
//   somebody works on it DIR/cas/tmp/<key>.etag   0660  the ETag of what the download holds, while
//   it is not whole

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/lock.h"
#include "base/result.h"
#include "store/store.h"

namespace rkt::image {

struct RemoteRecord {
  std::string key;  // of the image
  std::string etag;
  uint64_t max_age_s = 0;
  int64_t download_ns = 0;  // since the epoch
  bool verified = false;    // a signature was checked when it was imported

  // Whether the server said that nothing will change before now.
  bool IsFresh(int64_t now_ns) const;
};

// A URL as it may be shown: without user and password.
std::string ShownUrl(const std::string& url);

// The seconds of "max-age" (0 for none, "no-cache" and "no-store"; the last of them counts).
uint64_t MaxAge(std::string_view cache_control);

// Nothing where there is none, where it is damaged, or where its image is not stored any more.
std::optional<RemoteRecord> ReadRemote(const store::Store& store, const std::string& url);
// Removes the records of images that are not stored any more.
Status CollectRemotes(store::Store& store);
Status WriteRemote(store::Store& store, const std::string& url, const RemoteRecord& record);

// The file of a URL's download, locked.
class PartialDownload {
 public:
  // Waits while another process downloads this URL; `waiting` is called before that.
  static Result<PartialDownload> Lock(store::Store& store, const std::string& url,
                                      const std::function<void()>& waiting);

  int fd() const { return lock_.fd(); }
  // A path for opening the file once more, whatever happens to its name.
  std::string path() const { return path_; }
  std::string ReadEtag() const;
  void WriteEtag(const std::string& etag) const;
  // Unlinks it, before the lock goes. Otherwise what is in the file serves the next try.
  void Remove() const;

 private:
  PartialDownload(int cas, std::string name, std::string path, rkt::Lock lock)
      : cas_(cas), name_(std::move(name)), path_(std::move(path)), lock_(std::move(lock)) {}
  int cas_;
  std::string name_;  // below cas
  std::string path_;
  rkt::Lock lock_;
};

}  // namespace rkt::image
