// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// For tests: a directory that goes with the test, archives and images made in memory.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/hash.h"
#include "base/tar.h"
#include "store/import.h"

namespace rkt::store {

class TestDir {
 public:
  TestDir() {
    char path[] = "/tmp/rkt-test-XXXXXX";
    if (::mkdtemp(path) != nullptr) path_ = path;
  }
  ~TestDir() {
    // A forked child that leaves through here must not take it away.
    if (!path_.empty() && pid_ == ::getpid()) (void)RemoveTreeAt(AT_FDCWD, path_);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  pid_t pid_ = ::getpid();
};

inline TarEntry TestEntry(std::string name, TarType type = TarType::kFile, std::string link = {}) {
  TarEntry entry;
  entry.name = std::move(name);
  entry.type = type;
  entry.link_name = std::move(link);
  entry.mode = type == TarType::kDirectory ? 0755 : 0644;
  entry.mtime = 1500000000;
  return entry;
}

class TestArchive {
 public:
  TestArchive& Add(TarEntry entry, std::string_view data = {}) {
    EXPECT_TRUE(writer_.Add(std::move(entry), data));
    return *this;
  }
  TestArchive& File(std::string name, std::string_view data) { return Add(TestEntry(std::move(name)), data); }
  const std::string& Finish() {
    EXPECT_TRUE(writer_.Finish());
    return *bytes_;
  }

 private:
  std::unique_ptr<std::string> bytes_ = std::make_unique<std::string>();
  TarWriter writer_{[bytes = bytes_.get()](std::string_view data) -> Status {
    bytes->append(data);
    return {};
  }};
};

// A manifest with a name, perhaps a version, and further members ("\"dependencies\":[...]").
inline std::string TestManifest(std::string_view name, std::string_view version = {}, std::string_view more = {}) {
  std::string labels = R"({"name":"os","value":"linux"},{"name":"arch","value":"amd64"})";
  if (!version.empty()) labels += StrCat(R"(,{"name":"version","value":")", version, "\"}");
  return StrCat(R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":")", name, R"(","labels":[)", labels, "]",
                more.empty() ? "" : ",", more, "}");
}

inline TarReader::Source StringSource(const std::string& bytes, size_t piece = 4096) {
  auto at = std::make_shared<size_t>(0);
  return [&bytes, at, piece]() -> Result<std::string_view> {
    std::string_view next = std::string_view(bytes).substr(*at, piece);
    *at += next.size();
    return next;
  };
}

// Brings an archive into the store, as the fetch program does.
inline Result<Store::Import::Stored> ImportBytes(Store& store, const std::string& bytes,
                                                 Store::Import::Options options = {}) {
  auto import = TRY(Store::Import::Begin(store, options));
  TRY(import.Read(StringSource(bytes)));
  return import.Commit(Sha512Hex(bytes));
}

}  // namespace rkt::store
