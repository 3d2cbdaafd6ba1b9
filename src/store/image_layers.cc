// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "store/image_layers.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <unordered_set>

#include "base/file.h"
#include "store/layer_extract.h"
#include "store/layer_state.h"
#include "store/report.h"
#include "store/state.h"

namespace rkt::store {

namespace {

constexpr char kLockFile[] = "layer.lock";
constexpr char kTar[] = "layer";
constexpr char kTree[] = "layertree";
constexpr size_t kMaxList = 64u << 10;
constexpr size_t kBuffer = 256u << 10;

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

Status MakeLayerDirs(int cas) {
  TRY(MakeStoreLayout(cas));
  for (const char* dir : {"layer", "imageLayers", "imageLayers/sha512"}) TRY(MakeStoreDir(cas, dir, 0770));
  // Set-uid programs of images: nobody but root walks in, and nobody else makes it.
  return ::geteuid() == 0 ? MakeStoreDir(cas, "layertree", 0700) : Status();
}

// The directory that a layer is unpacked into, with root's owner and the mode of a new root.
Result<Fd> MakeRootfs(int dir) {
  TRY(MakeTreeDir(dir, kTree));
  std::string path = StrCat(kTree, "/rootfs");
  TRY(MakeTreeDir(dir, path));
  return OpenAt(dir, path, O_RDONLY | O_DIRECTORY);
}

Status WriteInfo(int dir, const LayerExtractor& extractor) {
  std::string info = StrCat("bytes ", extractor.bytes(), "\n");
  for (const std::string& path : extractor.implicit()) info += StrCat("implicit ", EscapeWord(path), "\n");
  return WriteFileAt(dir, StrCat(kTree, "/info"), info, 0600);
}

// Moves what is complete to its place; what another process put there first stays.
Status Place(int from, const char* name, int cas, const std::string& path) {
  Status moved = RenameAt(from, name, cas, path, /*no_replace=*/true);
  return moved || moved.error().code() == Code::kExists || moved.error().err() == ENOTEMPTY ? Status() : moved;
}

}  // namespace

bool IsLayerId(std::string_view text) {
  return (text.starts_with("sha256-") && text.size() == 7 + 64 && IsHex(text.substr(7))) ||
         (text.starts_with("sha512-") && text.size() == 7 + 128 && IsHex(text.substr(7)));
}

LayerDigest::LayerDigest(std::string_view id) : id_(id), sha512_(id.starts_with("sha512")) {}
void LayerDigest::Update(std::string_view data) {
  if (sha512_) {
    sha512_hash_.Update(data);
  } else {
    sha256_hash_.Update(data);
  }
}
std::string LayerDigest::Id() {
  return sha512_ ? StrCat("sha512-", sha512_hash_.HexDigest()) : StrCat("sha256-", sha256_hash_.HexDigest());
}

std::string ImageLayersPath(std::string_view key) {
  return StrCat("imageLayers/sha512/", key.substr(sizeof kKeyPrefix - 1, 2), "/", key);
}

Error DamagedLayer(const std::string& id) {
  return Err(Code::kCorrupt, "layer ", id, " is damaged: its content has another hash (try rkt image fsck --repair)");
}

Result<Fd> OpenLayer(const Store& store, const std::string& id) {
  auto file = OpenAt(store.cas_fd(), LayerPath(id), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!file && file.error().code() == Code::kNotFound) return Err(Code::kCorrupt, "layer ", id, " is missing");
  struct stat st;
  if (file && ::fstat(file->get(), &st) != 0) return SysErr("stat ", LayerPath(id));
  if (file && !S_ISREG(st.st_mode)) return Err(Code::kCorrupt, "layer ", id, " is no regular file");
  return file;
}

std::string WriteLayerList(const std::vector<std::string>& ids) {
  std::string text;
  for (const std::string& id : ids) text += StrCat(id, "\n");
  return text;
}

Result<std::vector<std::string>> ParseLayerList(std::string_view text) {
  std::vector<std::string> ids = Split(text, '\n');
  if (ids.back().empty()) ids.pop_back();
  for (const std::string& id : ids) {
    if (!IsLayerId(id)) return Err(Code::kCorrupt, "malformed layer id ", Quote(id.substr(0, 200)));
  }
  if (ids.empty() || ids.size() > kMaxImageLayers) return Err(Code::kCorrupt, ids.size(), " layers in a list");
  return ids;
}

Result<Lock> LockLayers(const Store& store, Lock::Kind kind) {
  Lock lock = TRY(Lock::File(store.cas_fd(), kLockFile, kind));
  (void)::fchmod(lock.fd(), 0660);  // the group may lock it too, whatever our umask
  return lock;
}

bool HasLayer(const Store& store, const std::string& id) { return ExistsAt(store.cas_fd(), LayerPath(id)); }
bool HasLayerTree(const Store& store, const std::string& id) { return ExistsAt(store.cas_fd(), LayerTreePath(id)); }

// --- adding one

struct LayerImport::State {
  int cas;
  Temporary temporary;
  Fd tar;
  std::unique_ptr<LayerExtractor> extractor;
};

LayerImport::LayerImport(std::unique_ptr<State> state) : state_(std::move(state)) {}
LayerImport::LayerImport(LayerImport&&) noexcept = default;
LayerImport& LayerImport::operator=(LayerImport&&) noexcept = default;
LayerImport::~LayerImport() = default;

Result<LayerImport> LayerImport::Begin(const Store& store, bool unpack) {
  int cas = store.cas_fd();
  TRY(MakeLayerDirs(cas));
  Temporary temporary = TRY(Temporary::Create(cas));
  Fd tar = TRY(OpenAt(temporary.fd(), kTar, O_WRONLY | O_CREAT | O_EXCL, 0600));
  std::unique_ptr<State> state(new State{cas, std::move(temporary), std::move(tar), nullptr});
  if (unpack) state->extractor = std::make_unique<LayerExtractor>(TRY(MakeRootfs(state->temporary.fd())));
  return LayerImport(std::move(state));
}

Status LayerImport::Write(std::string_view piece) {
  if (Status written = WriteAll(state_->tar.get(), piece); !written) {
    return ErrnoError(written.error().err(), StrCat("write cas/", state_->temporary.path(), "/", kTar));
  }
  return {};
}

Status LayerImport::Unpack(const TarReader::Source& source) {
  TRY(ReadLayer(source, state_->extractor.get()));
  if (state_->extractor) TRY(WriteInfo(state_->temporary.fd(), *state_->extractor));
  return {};
}

Status LayerImport::Commit(const std::string& id) {
  if (!IsLayerId(id)) return Err(Code::kInvalid, "malformed layer id ", Quote(id.substr(0, 200)));
  TRY_CTX(SyncFs(state_->cas), "writing layer ", id);
  int dir = state_->temporary.fd();
  // The tree first: a layer counts as stored when its tar is.
  if (state_->extractor) TRY(Place(dir, kTree, state_->cas, LayerTreePath(id)));
  TRY(Place(dir, kTar, state_->cas, LayerPath(id)));
  state_->extractor.reset();
  return state_->temporary.Remove();
}

Status RenderLayer(const Store& store, const std::string& id) {
  if (HasLayerTree(store, id)) return {};
  int cas = store.cas_fd();
  TRY(MakeLayerDirs(cas));
  Temporary temporary = TRY(Temporary::Create(cas));
  Fd tar = TRY(OpenLayer(store, id));
  LayerExtractor extractor(TRY(MakeRootfs(temporary.fd())));
  LayerDigest digest(id);
  std::string buffer(kBuffer, '\0');
  Status read = ReadLayer(
      [&]() -> Result<std::string_view> {
        ssize_t n = ::read(tar.get(), buffer.data(), buffer.size());
        if (n < 0) return SysErr("read ", LayerPath(id));
        std::string_view piece = std::string_view(buffer).substr(0, static_cast<size_t>(n));
        digest.Update(piece);
        return piece;
      },
      &extractor);
  // What was imported could be read: if it cannot any more, the tar was changed.
  if (!read && read.error().code() == Code::kInvalid) return DamagedLayer(id);
  TRY_CTX(std::move(read), "layer ", id);
  if (!digest.Matches()) return DamagedLayer(id);
  TRY(WriteInfo(temporary.fd(), extractor));
  TRY(SyncFs(cas));
  return Place(temporary.fd(), kTree, cas, LayerTreePath(id));
}

// --- images

Result<std::vector<std::string>> ReadImageLayers(const Store& store, const std::string& key) {
  auto text = ReadStoreFile(store.cas_fd(), ImageLayersPath(key), kMaxList);
  if (!text && text.error().code() == Code::kNotFound) return std::vector<std::string>();
  if (!text && text.error().code() == Code::kCorrupt) return DamagedImage(key, text.error().message());
  auto list = ParseLayerList(TRY(std::move(text)));
  return list ? std::move(list) : DamagedImage(key, list.error().message());
}

Result<Store::Import::Stored> StoreLayeredImage(Store& store, const LayeredImage& image) {
  if (image.layers.empty() || image.layers.size() > kMaxImageLayers) {
    return Err(Code::kInvalid, "an image of ", image.layers.size(), " layers (1 to ", kMaxImageLayers, " can be handled)");
  }
  // Of a layer that comes several times the topmost shows all that the others would, and overlay takes a directory once.
  std::vector<std::string> layers;
  for (auto id = image.layers.begin(); id != image.layers.end(); ++id) {
    if (std::find(id + 1, image.layers.end(), *id) == image.layers.end()) layers.push_back(*id);
  }
  int cas = store.cas_fd();
  uint64_t bytes = 0;
  for (const std::string& id : layers) {
    if (!IsLayerId(id)) return Err(Code::kInvalid, "malformed layer id ", Quote(id.substr(0, 200)));
    bytes += static_cast<uint64_t>(TRY(StatAt(cas, LayerPath(id))).st_size);
  }
  std::string list = WriteLayerList(layers), tar;
  TarWriter writer([&](std::string_view data) -> Status {
    tar += data;
    return {};
  });
  TarEntry entry;
  entry.name = "manifest";
  TRY(writer.Add(entry, image.manifest));
  entry.name = "layers";
  TRY(writer.Add(entry, list));
  entry.name = "rootfs";
  entry.type = TarType::kDirectory;
  entry.mode = 0755;
  TRY(writer.Add(entry));
  TRY(writer.Finish());
  std::string digest = Sha512Hex(tar), key = KeyOfDigest(digest);

  Store::Import::Options options;
  options.unpack = false;
  options.latest = image.latest;
  options.more_bytes = bytes;
  auto import = TRY(Store::Import::Begin(store, options));
  bool given = false;
  TRY(import.Read([&]() -> Result<std::string_view> {
    std::string_view piece = given ? std::string_view() : std::string_view(tar);
    given = true;
    return piece;
  }));
  // Named by nothing until the index's row is there, and then needed at once.
  TRY(MakeLayerDirs(cas));
  std::string path = ImageLayersPath(key);
  TRY(MakeStoreDirsAbove(cas, path));
  struct stat st;
  if (::fstatat(cas, path.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) TRY(RemoveTreeAt(cas, path));
  TRY(WriteFileAtomicAt(cas, path, list, 0660));
  auto stored = TRY(import.Commit(digest));
  if (image.render && ::geteuid() == 0) stored.tree_id = TRY(store.RenderTree(key));
  return stored;
}

// --- collecting

namespace {
// Downloads that nobody came back to.
Status CollectPartial(int cas) {
  constexpr int64_t kKeep = 24 * 3600;
  auto entries = ListDirAt(cas, "partial");
  if (!entries) return entries.error().code() == Code::kNotFound ? Status() : std::move(entries).error();
  for (const DirEntry& entry : *entries) {
    std::string path = StrCat("partial/", entry.name);
    auto st = StatAt(cas, path);
    if (st && ::time(nullptr) - st->st_mtim.tv_sec > kKeep) TRY(UnlinkAt(cas, path));
  }
  return {};
}
}  // namespace

Status CollectLayers(const Store& store) {
  int cas = store.cas_fd();
  if (!ExistsAt(cas, "layer") && !ExistsAt(cas, "layertree")) return {};
  auto lock = TRY(Lock::TryFile(cas, kLockFile, Lock::Kind::kExclusive));
  if (!lock) return {};
  std::unordered_set<std::string> tars, trees;
  for (const DirEntry& group : ListDirAt(cas, "imageLayers/sha512").value_or({})) {
    for (const DirEntry& file : TRY(ListDirAt(cas, StrCat("imageLayers/sha512/", group.name)))) {
      if (!IsKey(file.name)) continue;
      // A list that cannot be read may need any layer.
      for (std::string& id : TRY(ReadImageLayers(store, file.name))) tars.insert(std::move(id));
    }
  }
  trees = tars;
  for (const std::string& tree : TRY(store.ListTrees())) {
    auto list = ReadFileAt(cas, StrCat(TreeDir(tree), "/layers"), kMaxList);
    if (!list && list.error().code() == Code::kNotFound) continue;
    for (std::string& id : TRY(ParseLayerList(TRY(std::move(list))))) trees.insert(std::move(id));
  }
  auto collect = [&](const char* directory, const std::unordered_set<std::string>& needed) -> Status {
    auto entries = ListDirAt(cas, directory);
    if (!entries) {
      Code code = entries.error().code();
      return code == Code::kPermission || code == Code::kNotFound ? Status() : std::move(entries).error();
    }
    for (const DirEntry& entry : *entries) {
      if (!IsLayerId(entry.name) || needed.contains(entry.name)) continue;
      // Out of sight in one step, then deleted.
      Temporary temporary = TRY(Temporary::Create(cas));
      TRY(RenameAt(cas, StrCat(directory, "/", entry.name), temporary.fd(), "gone"));
      TRY(temporary.Remove());
    }
    return {};
  };
  TRY(collect("layer", tars));
  TRY(collect("layertree", trees));
  return CollectPartial(cas);
}

}  // namespace rkt::store
