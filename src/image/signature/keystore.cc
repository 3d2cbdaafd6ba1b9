// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/signature/keystore.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "appc/names.h"
#include "base/file.h"

namespace rkt::image {

namespace {

constexpr char kRoot[] = "root.d";
constexpr char kPrefix[] = "prefix.d";
constexpr char kSha1[] = "sha1.d";

std::string TrustedKeys(const std::string& config_dir) {
  return StrCat(config_dir, "/trustedkeys");
}

// The path elements of a name, each fit to be a directory's name. A name like "a/../../tmp" would
// lead out of the keystore to a directory whose owner is anybody.
Result<std::vector<std::string>> Elements(std::string_view name) {
  std::vector<std::string> elements = Split(name, '/');
  for (const std::string& element : elements) {
    if (element.empty() || element == "." || element == ".." ||
        element.find('\0') != std::string::npos) {
      return Err(Code::kInvalid, "no keys can be trusted for the name ", Quote(name),
                 ": an element of its path is ", Quote(element));
    }
  }
  return elements;
}

// Takes in what one directory says; files in it only, sorted, since a directory has no order of its
// own.
Status Collect(const std::string& directory, std::vector<TrustedKey>& keys) {
  auto entries = ListDirAt(AT_FDCWD, directory);
  if (!entries) {
    if (entries.error().err() == ENOENT || entries.error().err() == ENOTDIR) return {};
    return std::move(entries).error();
  }
  std::vector<std::string> names;
  for (DirEntry& entry : *entries) names.push_back(std::move(entry.name));
  std::sort(names.begin(), names.end());
  for (std::string& name : names) {
    std::string path = StrCat(directory, "/", name);
    struct stat st;
    if (::stat(path.c_str(), &st) != 0) {
      if (errno == ENOENT) continue;  // gone since, or a link to nowhere
      return SysErr("stat ", path);
    }
    if (S_ISDIR(st.st_mode)) continue;
    std::erase_if(keys, [&](const TrustedKey& key) { return key.fingerprint == name; });
    if (S_ISREG(st.st_mode) && st.st_size == 0) continue;
    keys.push_back({std::move(name), std::move(path)});
  }
  return {};
}

// mkdir -p with this mode whatever the umask says; directories that exist stay as they are.
Status MakeKeyDirs(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    std::string part = path.substr(0, slash);
    if (::mkdir(part.c_str(), 0755) == 0) {
      if (::chmod(part.c_str(), 0755) != 0) return SysErr("chmod ", part);
    } else if (errno != EEXIST) {
      return SysErr("mkdir ", part);
    }
    if (slash == std::string::npos) return {};
  }
}

}  // namespace

Status CheckKeyPrefix(std::string_view prefix) {
  TRY(appc::CheckACIdentifier(prefix));
  TRY(Elements(prefix));
  return {};
}

Result<std::vector<TrustedKey>> Keystore::KeysFor(std::string_view image_name) const {
  const std::vector<std::string> elements = TRY(Elements(image_name));
  const std::string system = TrustedKeys(system_dir_);
  const std::string local = TrustedKeys(local_dir_);
  std::vector<TrustedKey> keys;
  if (system_dir_.empty() && local_dir_.empty()) return keys;
  TRY(Collect(StrCat(system, "/", kRoot), keys));
  TRY(Collect(StrCat(local, "/", kRoot), keys));
  for (const std::string& keystore : {system, local}) {
    std::string directory = StrCat(keystore, "/", kPrefix);
    for (const std::string& element : elements) {
      directory += StrCat("/", element);
      TRY(Collect(directory, keys));
    }
  }
  for (TrustedKey& key : keys) {
    key.sha1_allowed = Exists(StrCat(system, "/", kSha1, "/", key.fingerprint)) ||
                       Exists(StrCat(local, "/", kSha1, "/", key.fingerprint));
  }
  return keys;
}

Result<std::string> Keystore::Add(std::string_view prefix, const std::string& fingerprint,
                                  std::string_view armored) const {
  if (local_dir_.empty()) return Err(Code::kInternal, "there is no keystore");
  std::string directory = TrustedKeys(local_dir_);
  if (prefix.empty()) {
    directory += StrCat("/", kRoot);
  } else {
    TRY(CheckKeyPrefix(prefix));
    directory += StrCat("/", kPrefix, "/", prefix);
  }
  TRY(MakeKeyDirs(directory));
  std::string path = StrCat(directory, "/", fingerprint);
  TRY(WriteFileAtomicAt(AT_FDCWD, path, armored, 0644, /*durable=*/true));
  return path;
}

Result<std::string> ReadKeyFile(const std::string& path) {
  // A FIFO must not block, and a device not be read for ever.
  Fd fd = TRY(Open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) return SysErr("stat ", path);
  if (!S_ISREG(st.st_mode)) return Err(Code::kInvalid, "key ", path, " is not a regular file");
  return TRY_CTX(ReadFd(fd.get(), kMaxKeySize), "reading key ", path);
}

}  // namespace rkt::image
