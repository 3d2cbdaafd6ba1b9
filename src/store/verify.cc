// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Verification: blobs against their keys, a rendered tree against the archives it was made of, and the tree's hash by
// the original's formula. Three jobs that run beside each other.

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <unordered_map>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "store/expected_tree.h"
#include "store/image_archive.h"
#include "store/layer_extract.h"
#include "store/layer_state.h"
#include "store/state.h"
#include "store/store.h"

namespace rkt::store {

namespace {

using Difference = std::optional<std::string>;

class Comparison {
 public:
  Comparison(const ExpectedTree& expected, const std::vector<Fd>& blobs)
      : nodes_(expected.nodes()), blobs_(blobs), ours_(kBuffer, '\0'), theirs_(kBuffer, '\0') {
    for (const auto& [path, node] : nodes_) {
      if (node.file != 0) ++names_[node.file];
    }
  }

  Result<Difference> Run(int rootfs) {
    struct stat st;
    if (::fstat(rootfs, &st) != 0) return SysErr("stat rootfs");
    seen_ = 1;
    if (auto difference = Attributes("", nodes_.at(""), st)) return difference;
    auto difference = TRY(Directory(rootfs, ""));
    if (difference || seen_ == nodes_.size()) return difference;
    return Difference("an entry of the image is missing");
  }

 private:
  static constexpr size_t kBuffer = 256u << 10;

  static Difference Differs(const std::string& path, std::string_view what) {
    return StrCat("/", path, " ", what);
  }

  Difference Attributes(const std::string& path, const ExpectedNode& node, const struct stat& st) {
    mode_t type = node.type == TarType::kDirectory     ? S_IFDIR
                  : node.type == TarType::kFile        ? S_IFREG
                  : node.type == TarType::kSymlink     ? S_IFLNK
                  : node.type == TarType::kCharDevice  ? S_IFCHR
                  : node.type == TarType::kBlockDevice ? S_IFBLK
                                                       : S_IFIFO;
    if ((st.st_mode & S_IFMT) != type) return Differs(path, StrCat("is no ", TarTypeName(node.type)));
    if (type != S_IFLNK && (st.st_mode & 07777) != node.mode) return Differs(path, "has another mode");
    if (st.st_uid != node.uid || st.st_gid != node.gid) return Differs(path, "has another owner");
    if (type == S_IFREG && static_cast<uint64_t>(st.st_size) != node.size) return Differs(path, "has another size");
    if ((type == S_IFCHR || type == S_IFBLK) && st.st_rdev != ::makedev(node.dev_major, node.dev_minor)) {
      return Differs(path, "is another device");
    }
    if (node.file != 0) {
      auto [first, is_new] = inodes_.emplace(node.file, st.st_ino);
      if (!is_new && first->second != st.st_ino) return Differs(path, "is no hard link any more");
      if (st.st_nlink != names_.at(node.file)) return Differs(path, "has another number of hard links");
    }
    return std::nullopt;
  }

  Result<Difference> Content(int dir, const std::string& name, const std::string& path, const ExpectedNode& node) {
    Fd file = TRY(OpenAt(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    char capability[128];
    ssize_t size = ::fgetxattr(file.get(), "security.capability", capability, sizeof capability);
    if (size < 0 && errno == ENODATA) size = 0;
    // Where the file system has no attributes none were written.
    if (size >= 0 && std::string_view(capability, static_cast<size_t>(size)) != node.capability) {
      return Differs(path, "has other capabilities");
    }
    // All names of a file have one content.
    if (!compared_.insert({node.file, true}).second) return Difference();
    for (uint64_t done = 0; done < node.size;) {
      size_t want = static_cast<size_t>(std::min<uint64_t>(kBuffer, node.size - done));
      ssize_t have = ::read(file.get(), ours_.data(), want);
      if (have < 0) return SysErr("read ", Quote(path));
      if (have == 0) return Differs(path, "ends too early");
      auto length = static_cast<size_t>(have);
      for (size_t got = 0; got < length;) {
        ssize_t n = ::pread(blobs_[node.layer].get(), theirs_.data() + got, length - got,
                            static_cast<off_t>(node.offset + done + got));
        if (n <= 0) return n < 0 ? SysErr("read image blob") : Err(Code::kCorrupt, "the image's blob was cut");
        got += static_cast<size_t>(n);
      }
      if (std::memcmp(ours_.data(), theirs_.data(), length) != 0) return Differs(path, "has other content");
      done += length;
    }
    return Difference();
  }

  Result<Difference> Directory(int dir, const std::string& path) {
    for (const DirEntry& entry : TRY(ListDirFd(dir))) {
      std::string entry_path = path.empty() ? entry.name : StrCat(path, "/", entry.name);
      auto node = nodes_.find(entry_path);
      if (node == nodes_.end()) return Differs(entry_path, "does not belong to the image");
      ++seen_;
      struct stat st = TRY(StatAt(dir, entry.name));
      if (auto difference = Attributes(entry_path, node->second, st)) return difference;
      if (S_ISREG(st.st_mode)) {
        if (auto difference = TRY(Content(dir, entry.name, entry_path, node->second))) return difference;
      } else if (S_ISLNK(st.st_mode)) {
        std::string target(node->second.link_name.size() + 1, '\0');
        ssize_t n = ::readlinkat(dir, entry.name.c_str(), target.data(), target.size());
        if (n < 0) return SysErr("readlink ", Quote(entry_path));
        if (std::string_view(target).substr(0, static_cast<size_t>(n)) != node->second.link_name) {
          return Differs(entry_path, "leads elsewhere");
        }
      } else if (S_ISDIR(st.st_mode)) {
        Fd child = TRY(OpenAt(dir, entry.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        if (auto difference = TRY(Directory(child.get(), entry_path))) return difference;
      }
    }
    return Difference();
  }

  const std::map<std::string, ExpectedNode>& nodes_;
  const std::vector<Fd>& blobs_;
  std::string ours_, theirs_;
  std::unordered_map<size_t, size_t> names_;   // of each file
  std::unordered_map<size_t, ino_t> inodes_;
  std::unordered_map<size_t, bool> compared_;
  size_t seen_ = 0;
};

class TreeHasher {
 public:
  Status Directory(int dir, const std::string& path) {
    std::vector<DirEntry> entries = TRY(ListDirFd(dir));
    std::sort(entries.begin(), entries.end(), [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
    for (const DirEntry& entry : entries) {
      if (path.empty() && (entry.name == "manifest" || entry.name == "hash" || entry.name == "rendered" ||
                           entry.name == "image")) {
        continue;
      }
      TRY(Entry(dir, entry.name, path.empty() ? entry.name : StrCat(path, "/", entry.name)));
    }
    return {};
  }
  std::string Key() { return KeyOfDigest(hash_.HexDigest()); }

 private:
  Status Entry(int dir, const std::string& name, const std::string& path) {
    struct stat st = TRY(StatAt(dir, name));
    char type;
    std::string link;
    unsigned dev_major = 0, dev_minor = 0;
    switch (st.st_mode & S_IFMT) {
      case S_IFREG: type = '0'; break;
      case S_IFDIR: type = '5'; break;
      case S_IFIFO: type = '6'; break;
      case S_IFCHR:
      case S_IFBLK:
        type = S_ISCHR(st.st_mode) ? '3' : '4';
        dev_major = ::major(st.st_rdev);
        dev_minor = ::minor(st.st_rdev);
        break;
      case S_IFLNK: {
        type = '2';
        link.resize(4096);
        ssize_t n = ::readlinkat(dir, name.c_str(), link.data(), link.size());
        if (n < 0) return SysErr("readlink ", Quote(path));
        link.resize(static_cast<size_t>(n));
        break;
      }
      default:
        return {};  // sockets
    }
    int64_t size = type == '0' ? st.st_size : 0;
    auto [first, is_new] = seen_.emplace(st.st_ino, path);
    if (!is_new) {
      type = '1';
      link = first->second;
      size = 0;
    }
    hash_.Update(StrCat("{\"Name\":", json::Write(json::Value(path)), ",\"Mode\":", st.st_mode & 07777,
                        ",\"UID\":", st.st_uid, ",\"GID\":", st.st_gid, ",\"Size\":", size,
                        ",\"Typeflag\":", static_cast<int>(type), ",\"Linkname\":", json::Write(json::Value(link)),
                        ",\"Devmajor\":", dev_major, ",\"Devminor\":", dev_minor, ",\"Xattrs\":[]}"));
    if (type == '0') {
      Fd file = TRY(OpenAt(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
      return HashFd(file.get(), hash_);
    }
    if (type == '5') {
      Fd child = TRY(OpenAt(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      return Directory(child.get(), path);
    }
    return {};
  }

  Sha512 hash_;
  std::unordered_map<ino_t, std::string> seen_;
};

Status CheckLayer(const Store& store, const std::string& id) {
  Fd tar = TRY(OpenLayer(store, id));
  LayerDigest digest(id);
  std::string buffer(256u << 10, '\0');
  for (;;) {
    ssize_t n = ::read(tar.get(), buffer.data(), buffer.size());
    if (n < 0) return SysErr("read ", LayerPath(id));
    if (n == 0) break;
    digest.Update(std::string_view(buffer).substr(0, static_cast<size_t>(n)));
  }
  return digest.Matches() ? Status() : DamagedLayer(id);
}

// The rules of LayerExtractor on the map of paths.
Status ExpectLayer(int tar, ExpectedTree* expected, std::set<std::string>* opaque) {
  std::string buffer(256u << 10, '\0');
  off_t offset = 0;
  TarReader reader([&]() -> Result<std::string_view> {
    ssize_t n = ::pread(tar, buffer.data(), buffer.size(), offset);
    if (n < 0) return SysErr("read layer");
    offset += n;
    return std::string_view(buffer).substr(0, static_cast<size_t>(n));
  });
  reader.AllowOpenEnd();
  std::set<std::string> whiteouts;
  while (TRY(reader.Next())) {
    LayerEntry entry = TRY(ReadLayerEntry(reader.entry()));
    switch (entry.kind) {
      case LayerEntry::Kind::kNothing: break;
      case LayerEntry::Kind::kOpaque: opaque->insert(std::move(entry.path)); break;
      case LayerEntry::Kind::kWhiteout: whiteouts.insert(std::move(entry.path)); break;
      case LayerEntry::Kind::kEntry:
        TRY(expected->Put(entry.path, reader.entry(), entry.link_path, 0, reader.data_offset()));
    }
  }
  TarEntry made;
  made.type = TarType::kDirectory;
  made.mode = 0755;
  for (const std::string& path : *opaque) {
    if (!path.empty() && !expected->nodes().contains(path)) TRY(expected->Put(path, made, {}, 0, 0));
  }
  made.type = TarType::kCharDevice;
  made.mode = 0;
  for (const std::string& path : whiteouts) {
    auto node = expected->nodes().find(path);
    if (node == expected->nodes().end()) {
      TRY(expected->Put(path, made, {}, 0, 0));
    } else if (node->second.type == TarType::kDirectory) {
      opaque->insert(path);
    }
  }
  return {};
}

Status CheckBlobs(const Store& store, const std::vector<Layer>& layers) {
  for (const Layer& layer : layers) {
    for (const std::string& id : TRY(ReadImageLayers(store, layer.key))) {
      TRY(CheckLayer(store, id));
    }
    Store::OpenBlob blob = TRY(store.OpenForReading(layer.key, /*use=*/false));
    Sha512 hash;
    TRY_CTX(HashFd(blob.blob.get(), hash), "image ", layer.key);
    if (KeyOfDigest(hash.HexDigest()) != layer.key) {
      return DamagedImage(layer.key, "its content has another hash");
    }
  }
  return {};
}

}  // namespace

Result<std::optional<std::string>> CompareTree(const Store& store, const std::vector<Layer>& layers, int rootfs) {
  ExpectedTree expected;
  std::vector<Fd> blobs;
  const Layer* last = nullptr;
  TRY(ReadLayers(store, layers, /*check=*/false, [&](ImageArchive& archive, const LayerBlob& from) -> Status {
    if (from.layer != last) {
      blobs.push_back(TRY(DupFd(from.blob)));
      last = from.layer;
    }
    return expected.Put(archive.path(), archive.entry(), archive.link_path(), blobs.size() - 1,
                        archive.reader().data_offset());
  }));
  return Comparison(expected, blobs).Run(rootfs);
}

Result<std::optional<std::string>> CompareLayer(const Store& store, const std::string& id) {
  std::vector<Fd> tars;
  tars.push_back(TRY(OpenLayer(store, id)));
  ExpectedTree expected;
  std::set<std::string> opaque;
  Status read = ExpectLayer(tars[0].get(), &expected, &opaque);
  if (!read && read.error().code() == Code::kInvalid) return DamagedLayer(id);
  TRY(std::move(read));
  auto root = OpenAt(store.cas_fd(), StrCat(LayerTreePath(id), "/rootfs"), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!root) return Difference(StrCat("layer ", id, " is missing"));
  if (!CheckLayerInfo(store, id)) return Difference(StrCat("layer ", id, " has no good info"));
  for (const std::string& path : opaque) {
    auto directory = OpenInRoot(root->get(), path.empty() ? "." : path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    char value = 0;
    if (!directory || ::fgetxattr(directory->get(), kOpaqueXattr, &value, 1) != 1 || value != 'y') {
      return Difference(StrCat("/", path, " shows what its layer hides"));
    }
  }
  return Comparison(expected, tars).Run(root->get());
}

Status RemoveDamagedLayers(const Store& store, const std::vector<std::string>& layers) {
  for (const std::string& id : layers) {
    if (!HasLayerTree(store, id) || !TRY(CompareLayer(store, id))) continue;
    Temporary temporary = TRY(Temporary::Create(store.cas_fd()));
    TRY(RenameAt(store.cas_fd(), LayerTreePath(id), temporary.fd(), "damaged"));
    TRY(temporary.Remove());
  }
  return {};
}

namespace {

// The trees of all layers, and the topmost directory against one made anew.
Result<Difference> CompareLayered(const Store& store, const std::string& key, const std::vector<std::string>& layers,
                                  int tree) {
  for (const std::string& id : layers) {
    if (auto difference = TRY(CompareLayer(store, id))) return difference;
  }
  if (ReadFileAt(tree, "layers").value_or("") != WriteLayerList(layers)) return Difference("the list of layers differs");
  Temporary temporary = TRY(Temporary::Create(store.cas_fd()));
  for (const char* path : {"tree", "tree/rootfs"}) TRY(MakeTreeDir(temporary.fd(), path));
  uint64_t bytes = 0;
  TRY(RenderLayered(store, key, layers, temporary.fd(), &bytes));
  Fd fresh = TRY(OpenAt(temporary.fd(), "tree", O_RDONLY | O_DIRECTORY));
  if (TRY(HashTree(fresh.get())) != TRY(HashTree(tree))) return Difference("the topmost directory differs");
  return Difference();
}

}  // namespace

Result<std::string> HashTree(int tree) {
  TreeHasher hasher;
  TRY(hasher.Directory(tree, ""));
  return hasher.Key();
}

Result<Store::Verification> Store::VerifyTree(const std::string& key, bool check_blobs) const {
  std::vector<Layer> layers = TRY(ListLayers(*this, key));
  std::string id = TreeIdOf(layers);
  if (!IsRendered(id)) {
    if (check_blobs) TRY(CheckBlobs(*this, layers));
    return Verification{TreeState::kNotRendered, {}};
  }
  Lock lock = TRY(LockTree(id));
  Fd tree = TRY(OpenAt(state_->cas.get(), TreeDir(id), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  auto rootfs = OpenAt(tree.get(), "rootfs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!rootfs) return Verification{TreeState::kDamaged, "wrong tree hash: rootfs is missing"};

  Status blobs;
  Result<std::string> hash = std::string();
  std::thread hash_tree, hash_blobs;
  std::vector<std::string> image_layers;
  if (layers.size() == 1) image_layers = TRY(ReadImageLayers(*this, key));
  std::optional<Lock> layers_lock;
  if (!image_layers.empty()) layers_lock = TRY(LockLayers(*this, Lock::Kind::kShared));
  // A check changes nothing.
  bool write_hash = check_blobs && image_layers.empty() && !ExistsAt(tree.get(), "hash");
  if (check_blobs) hash_blobs = std::thread([&] { blobs = CheckBlobs(*this, layers); });
  if (write_hash) hash_tree = std::thread([&] { hash = HashTree(tree.get()); });
  auto difference = image_layers.empty() ? CompareTree(*this, layers, rootfs->get())
                                         : CompareLayered(*this, key, image_layers, tree.get());
  if (hash_blobs.joinable()) hash_blobs.join();
  if (hash_tree.joinable()) hash_tree.join();

  TRY(std::move(blobs));
  if (!difference) return std::move(difference).error();
  if (*difference) return Verification{TreeState::kDamaged, StrCat("wrong tree hash: ", **difference)};
  std::string manifest = TRY(ReadManifestBytes(key));
  if (ReadFileAt(tree.get(), "manifest", appc::kMaxManifestSize).value_or("") != manifest) {
    return Verification{TreeState::kDamaged, "wrong tree hash: the manifest differs"};
  }
  if (write_hash && hash) (void)WriteFileAtomicAt(tree.get(), "hash", *hash, 0644);
  return Verification{TreeState::kIntact, {}};
}

}  // namespace rkt::store
