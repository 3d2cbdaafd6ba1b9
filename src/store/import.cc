// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "store/import.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "store/image_archive.h"
#include "store/state.h"

namespace rkt::store {

namespace {

constexpr char kBlob[] = "blob";
constexpr char kManifest[] = "manifest";
constexpr char kTree[] = "tree";

int64_t Now() {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

struct Store::Import::State {
  Store::State* store;
  Options options;
  Temporary temporary;
  Fd blob;
  uint64_t blob_size = 0;
  std::unique_ptr<Extractor> extractor;
  std::string manifest_bytes;
  std::optional<appc::ImageManifest> manifest;
  bool has_tree = false;
  uint64_t tree_size = 0;

  Status TakeManifest(const std::string& bytes);
  Status MakeTree(const std::string& key);
  Status PlaceTree(const std::string& tree_id, bool* placed);
  Status PlaceImage(const std::string& key, bool* already_stored);
};

Store::Import::Import(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::Import::Import(Import&&) noexcept = default;
Store::Import& Store::Import::operator=(Import&&) noexcept = default;
Store::Import::~Import() = default;

Result<Store::Import> Store::Import::Begin(Store& store, const Options& options) {
  TRY(MakeStoreLayout(store.cas_fd()));
  (void)store.CollectTemporary();
  Temporary temporary = TRY(Temporary::Create(store.cas_fd()));
  Fd blob = TRY(OpenAt(temporary.fd(), kBlob, O_WRONLY | O_CREAT | O_EXCL, 0600));
  std::unique_ptr<State> state(
      new State{store.state_.get(), options, std::move(temporary), std::move(blob), 0, nullptr, {}, {}, false, 0});
  if (options.unpack) {
    int dir = state->temporary.fd();
    for (const char* path : {kTree, "tree/rootfs"}) TRY(MakeTreeDir(dir, path));
    Fd rootfs = TRY(OpenAt(dir, "tree/rootfs", O_RDONLY | O_DIRECTORY));
    state->extractor = std::make_unique<Extractor>(std::move(rootfs));
  }
  return Import(std::move(state));
}

Status Store::Import::State::TakeManifest(const std::string& bytes) {
  manifest = TRY(appc::ParseImageManifest(bytes));
  manifest_bytes = bytes;
  // Its tree is not its own archive alone.
  if (!manifest->dependencies.empty() || !manifest->path_whitelist.empty()) extractor.reset();
  return {};
}

Status Store::Import::Read(const TarReader::Source& source) {
  State& state = *state_;
  ImageArchive archive([&]() -> Result<std::string_view> {
    std::string_view piece = TRY(source());
    if (auto written = WriteAll(state.blob.get(), piece); !written) {
      return ErrnoError(written.error().err(),
                        StrCat("write ", state.store->data_dir, "/cas/", state.temporary.path(), "/", kBlob));
    }
    state.blob_size += piece.size();
    return piece;
  });
  while (TRY(archive.Next())) {
    if (archive.manifest() && !state.manifest) TRY(state.TakeManifest(*archive.manifest()));
    if (state.extractor) {
      TRY(state.extractor->Put(archive.path(), archive.entry(), archive.link_path(), archive.reader()));
    }
  }
  TRY(archive.Finish());
  if (!state.manifest) TRY(state.TakeManifest(*archive.manifest()));
  if (state.extractor) {
    TRY(state.extractor->Finish());
    state.tree_size = state.extractor->bytes();
    state.has_tree = true;
    state.extractor.reset();
  }
  return {};
}

Status Store::Import::State::MakeTree(const std::string& key) {
  int dir = temporary.fd();
  TRY(WriteFileAt(dir, "tree/manifest", manifest_bytes, 0644));
  return WriteFileAt(dir, "tree/image", key, 0644);
}

Status Store::Import::State::PlaceTree(const std::string& tree_id, bool* placed) {
  int cas = store->cas.get();
  Lock lock = TRY(Lock::File(cas, TreeLockPath(tree_id), Lock::Kind::kExclusive));
  if (ExistsAt(cas, StrCat(TreeDir(tree_id), "/rendered"))) return {};
  if (ExistsAt(cas, TreeDir(tree_id))) TRY(RenameAt(cas, TreeDir(tree_id), temporary.fd(), "old-tree"));
  TRY(RenameAt(temporary.fd(), kTree, cas, TreeDir(tree_id)));
  *placed = true;
  return {};
}

Status Store::Import::State::PlaceImage(const std::string& key, bool* already_stored) {
  int cas = store->cas.get();
  Lock lock = TRY(Lock::File(cas, ImageLockPath(key), Lock::Kind::kExclusive));
  (void)::fchmod(lock.fd(), 0660);  // the group may lock it too, whatever our umask
  IndexView view = TRY(store->View());
  bool has_row = TRY(view.ByKey(key)).has_value();
  auto old = StatAt(cas, BlobPath(key));
  // The same key is the same content, unless somebody cut the file.
  bool keep_blob = has_row && old && S_ISREG(old->st_mode) && static_cast<uint64_t>(old->st_size) == blob_size;
  *already_stored = keep_blob;
  Status placed = [&]() -> Status {
    if (keep_blob) {
      (void)::utimensat(cas, BlobPath(key).c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
    } else {
      TRY(PlaceStoreFile(temporary.fd(), kBlob, cas, BlobPath(key)));
    }
    auto text = ReadStoreFile(cas, ManifestPath(key), appc::kMaxManifestSize);
    if (!text || *text != manifest_bytes) TRY(PlaceStoreFile(temporary.fd(), kManifest, cas, ManifestPath(key)));
    return store->UpdateIndex([&](std::vector<IndexRow>& rows) -> Status {
      IndexRow row = {key, manifest->name, manifest->labels, Now(), options.latest,
                      static_cast<int64_t>(blob_size + options.more_bytes), 0};
      for (IndexRow& existing : rows) {
        if (existing.key != key) continue;
        row.tree_size = has_tree ? static_cast<int64_t>(tree_size) : existing.tree_size;
        existing = std::move(row);
        return {};
      }
      row.tree_size = static_cast<int64_t>(has_tree ? tree_size : 0);
      rows.push_back(std::move(row));
      return {};
    });
  }();
  if (!placed && !has_row) {
    (void)UnlinkAt(cas, BlobPath(key));
    (void)UnlinkAt(cas, ManifestPath(key));
  }
  return placed;
}

const std::string& Store::Import::name() const { return state_->manifest->name; }
const std::vector<appc::Label>& Store::Import::labels() const { return state_->manifest->labels; }

Result<Store::Import::Stored> Store::Import::Commit(const std::string& sha512) {
  State& state = *state_;
  if (!state.manifest) return Err(Code::kInternal, "an import is committed before its archive was read");
  Stored stored;
  stored.key = KeyOfDigest(sha512);
  stored.name = state.manifest->name;
  stored.version = state.manifest->version();
  if (state.has_tree) stored.tree_id = TreeIdOf({{stored.key, 0, {}}});

  int cas = state.store->cas.get(), dir = state.temporary.fd();
  TRY(WriteFileAt(dir, kManifest, state.manifest_bytes, 0660));
  if (::fchmodat(dir, kManifest, 0660, 0) != 0) return SysErr("chmod ", kManifest);
  if (state.has_tree) TRY(state.MakeTree(stored.key));
  bool known = TRY(TRY(state.store->View()).ByKey(stored.key)).has_value();
  bool rendered = !state.has_tree || ExistsAt(cas, StrCat(TreeDir(stored.tree_id), "/rendered"));
  // All data reach the disk before anything names them; the only wait for it.
  if (!known || !rendered) TRY_CTX(SyncFs(cas), "writing image ", stored.key);
  if (state.has_tree) TRY(WriteFileAt(dir, "tree/rendered", "", 0644));

  // The tree's lock and the image's are never held together: rendering takes them in the other order.
  bool tree_placed = false;
  if (state.has_tree) TRY(state.PlaceTree(stored.tree_id, &tree_placed));
  auto placed = state.PlaceImage(stored.key, &stored.already_stored);
  if (!placed) {
    // A tree of an image that is not stored would be found by nobody but garbage collection.
    if (tree_placed && !known) {
      auto lock = Lock::TryFile(cas, TreeLockPath(stored.tree_id), Lock::Kind::kExclusive);
      if (lock && *lock) (void)RenameAt(cas, TreeDir(stored.tree_id), dir, "unwanted-tree");
    }
    return std::move(placed).error();
  }
  TRY(state.temporary.Remove());
  return stored;
}

}  // namespace rkt::store
