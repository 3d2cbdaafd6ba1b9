// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The images of a store: blobs against their keys, all else against the blobs.

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/hash.h"
#include "store/check_run.h"
#include "store/image_archive.h"
#include "store/layer_state.h"
#include "store/state.h"

namespace rkt::store {

namespace {
// Names of keys in a directory of the store such as blob/.
std::set<std::string> KeysIn(int cas, const char* kind, std::vector<std::string>* temporary) {
  std::set<std::string> keys;
  std::string top = StrCat(kind, "/sha512");
  for (const DirEntry& group : ListDirAt(cas, top).value_or({})) {
    for (DirEntry& file : ListDirAt(cas, StrCat(top, "/", group.name)).value_or({})) {
      if (IsKey(file.name)) {
        keys.insert(std::move(file.name));
      } else if (file.name.find(".tmp.") != std::string::npos) {
        temporary->push_back(StrCat(top, "/", group.name, "/", file.name));
      }
    }
  }
  return keys;
}
}  // namespace

// What the begin of a blob says about the image.
struct Check::BlobHead {
  std::string manifest;
  std::optional<std::string> layers;  // of a blob that the import of layers made
};

Result<Check::BlobHead> Check::ReadHead(int blob) {
  std::string buffer(256u << 10, '\0');
  if (::lseek(blob, 0, SEEK_SET) != 0) return SysErr("lseek");
  TarReader reader([&]() -> Result<std::string_view> {
    ssize_t n = ::read(blob, buffer.data(), buffer.size());
    if (n < 0) return SysErr("read blob");
    return std::string_view(buffer).substr(0, static_cast<size_t>(n));
  });
  reader.SetSeek([&](uint64_t bytes) -> Status {
    if (::lseek(blob, static_cast<off_t>(bytes), SEEK_CUR) < 0) return SysErr("seek in blob");
    return {};
  });
  auto read_text = [&]() -> Result<std::string> {
    std::string text;
    for (;;) {
      std::string_view piece = TRY(reader.ReadData());
      if (piece.empty()) return text;
      text.append(piece);
    }
  };
  BlobHead head;
  for (size_t i = 0; TRY(reader.Next()); ++i) {
    const TarEntry entry = reader.entry();
    if (entry.type == TarType::kFile && TRY(CleanEntryPath(entry.name)) == "manifest") {
      if (entry.size > appc::kMaxManifestSize) break;
      head.manifest = TRY(read_text());
      if (i != 0) return head;
      continue;
    }
    // Its second entry, in the very form that it is written in (docs/formats/layers.md).
    if (i == 1 && entry.name == "layers" && entry.type == TarType::kFile && entry.mtime == 0 && entry.uid == 0 &&
        entry.size < (64u << 10)) {
      std::string list = TRY(read_text());
      bool more = TRY(reader.Next());
      if (more && reader.entry().name == "rootfs" && !TRY(reader.Next()) && ParseLayerList(list)) head.layers = list;
      return head;
    }
    if (!head.manifest.empty()) return head;
  }
  if (head.manifest.empty()) return Err(Code::kCorrupt, "missing manifest");
  return head;
}

Status Check::Images() {
  for (const char* kind : {"blob", "imageManifest", "imageLayers"}) keys_.merge(KeysIn(cas_, kind, &temporary_));
  for (const std::string& key : keys_) TRY_CTX(Image(key), "image ", key);
  return {};
}

Status Check::Image(const std::string& key) {
  std::optional<Lock> lock = TRY(Lock::File(cas_, ImageLockPath(key), Lock::Kind::kShared));
  auto row = TRY(Row(key));
  bool blob_there = ExistsAt(cas_, BlobPath(key));
  if (index_good_ && !row) {
    // Under the lock: no import is between the blob and the row.
    if (!blob_there && !ExistsAt(cas_, ManifestPath(key)) && !ExistsAt(cas_, ImageLayersPath(key))) return {};
    lock.reset();
    Heal(Kind::kLeftOver, BlobPath(key), "belongs to no image: an import or a removal was killed", "removed",
         [&] { return RemoveOrphan(key); });
    return {};
  }
  ++result_.images;
  auto head = blob_there ? ReadBlob(key) : Err(Code::kCorrupt, "missing");
  if (!head) {
    Code code = head.error().code();
    if (code != Code::kCorrupt && code != Code::kInvalid) return std::move(head).error();
    lock.reset();
    return LoseImage(Kind::kBlob, key, head.error().Text());
  }
  blobs_.insert(key);
  if (!TRY(ManifestFile(key, *head))) return {};
  TRY(LayerList(key, *head));
  if (row) TRY(CheckRow(*row, *head));
  return {};
}

Result<Check::BlobHead> Check::ReadBlob(const std::string& key) {
  auto blob = OpenAt(cas_, BlobPath(key), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!blob) return blob.error().err() == ELOOP ? Err(Code::kCorrupt, "is a symlink") : std::move(blob).error();
  struct stat st;
  if (::fstat(blob->get(), &st) != 0) return SysErr("stat ", BlobPath(key));
  if (!S_ISREG(st.st_mode)) return Err(Code::kCorrupt, "is no regular file");
  Sha512 hash;
  Status hashed = HashFd(blob->get(), hash);
  if (!hashed && hashed.error().err() == EIO) return Err(Code::kCorrupt, hashed.error().Text());
  TRY(std::move(hashed));
  if (KeyOfDigest(hash.HexDigest()) != key) return Err(Code::kCorrupt, "its content has another hash");
  return ReadHead(blob->get());
}

Status Check::RemoveOrphan(const std::string& key) {
  auto lock = TRY(Lock::TryFile(cas_, ImageLockPath(key), Lock::Kind::kExclusive));
  if (!lock) return Err(Code::kBusy, "in use");
  if (TRY(Row(key))) return {};  // imported meanwhile
  TRY(RemoveStoreFile(cas_, ManifestPath(key)));
  TRY(RemoveStoreFile(cas_, ImageLayersPath(key)));
  return RemoveStoreFile(cas_, BlobPath(key));
}

Status Check::LoseImage(Kind kind, const std::string& key, std::string problem) {
  if (options_.repair) TRY(AskUsage());
  const std::vector<PodUse> uses = ImageUse(key);
  if (!uses.empty()) {
    if (options_.repair && kind == Kind::kBlob) {
      // So that a fetch brings it back.
      auto lock = TRY(Lock::File(cas_, ImageLockPath(key), Lock::Kind::kExclusive));
      if (!ReadBlob(key)) (void)RemoveStoreFile(cas_, BlobPath(key));
    }
    Report(kind, key, std::move(problem), false, "cannot be repaired: fetch the image again", uses);
    return {};
  }
  Heal(kind, key, std::move(problem), "the image was removed: fetch it again", [&]() -> Status {
    std::string tree = TreeIdOf({{key, 0, {}}});
    Status files;
    // A damaged index cannot be the reason here: with repair it has been made anew.
    TRY(store_.RemoveImages({key}, /*wait=*/true, [&](const std::string&, const Status& status) { files = status; }));
    TRY(std::move(files));
    if (::geteuid() == 0 && TreeUse(tree).empty()) TRY(store_.RemoveTree(tree));
    return {};
  });
  return {};
}

Result<bool> Check::ManifestFile(const std::string& key, const BlobHead& head) {
  auto text = ReadStoreFile(cas_, ManifestPath(key), appc::kMaxManifestSize);
  if (text && *text == head.manifest) return true;
  if (!appc::ParseImageManifest(head.manifest)) {
    TRY(LoseImage(Kind::kBlob, key, "its manifest cannot be read"));
    return false;
  }
  Heal(Kind::kManifest, key,
       text ? "differs from the one in the blob" : text.error().code() == Code::kNotFound ? "missing" : text.error().Text(),
       "copied from the blob",
       [&]() -> Status { return WriteKeyFile(ManifestPath(key), head.manifest); });
  return true;
}

Status Check::LayerList(const std::string& key, const BlobHead& head) {
  auto text = ReadStoreFile(cas_, ImageLayersPath(key), 64u << 10);
  bool there = ExistsAt(cas_, ImageLayersPath(key));
  if (!head.layers) {
    if (!there) return {};
    Heal(Kind::kLayerList, key, "the image has no layers", "removed",
         [&] { return RemoveStoreFile(cas_, ImageLayersPath(key)); });
    return {};
  }
  std::vector<std::string> ids = TRY(ParseLayerList(*head.layers));
  if (!text || *text != *head.layers) {
    // An image that only looks as if it were made of layers has none of them here.
    bool stored = std::all_of(ids.begin(), ids.end(), [&](const std::string& id) { return HasLayer(store_, id); });
    if (!there && !stored) return {};
    Heal(Kind::kLayerList, key, there ? "differs from the one in the blob" : "missing", "copied from the blob",
         [&]() -> Status { return WriteKeyFile(ImageLayersPath(key), *head.layers); });
    // A tree is judged by the list that is there.
    if (!options_.repair) blobs_.erase(key);
  }
  for (std::string& id : ids) layers_[std::move(id)].push_back(key);
  return {};
}

Status Check::WriteKeyFile(const std::string& path, const std::string& text) {
  TRY(MakeStoreDirsAbove(cas_, path));
  struct stat st;
  // Rename takes the place of anything but a directory.
  if (::fstatat(cas_, path.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
    TRY(RemoveTreeAt(cas_, path));
  }
  return WriteFileAtomicAt(cas_, path, text, 0660);
}

Status Check::CheckRow(const IndexRow& row, const BlobHead& head) {
  auto manifest = appc::ParseImageManifest(head.manifest);
  if (!manifest) return {};
  IndexRow wanted = row;
  wanted.name = manifest->name;
  wanted.labels = manifest->labels;
  for (appc::Label& label : wanted.labels) label.unknown.clear();
  wanted.size = TRY(StatAt(cas_, BlobPath(row.key))).st_size;
  if (head.layers) {
    for (const std::string& id : TRY(ParseLayerList(*head.layers))) {
      auto st = StatAt(cas_, LayerPath(id));
      if (!st) return {};  // told of where the layer is looked at
      wanted.size += st->st_size;
    }
  }
  if (wanted == row) return {};
  Heal(Kind::kRow, row.key, "its row in the index says something else than its manifest", "written anew",
       [&]() -> Status {
         return store_.UpdateRow(row.key, [&](IndexRow& changed) {
           changed.name = wanted.name;
           changed.labels = wanted.labels;
           changed.size = wanted.size;
         });
       });
  return {};
}

}  // namespace rkt::store
