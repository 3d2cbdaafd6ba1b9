// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "store/store.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/log.h"
#include "store/image_archive.h"
#include "store/layer_state.h"
#include "store/state.h"

namespace rkt::store {

namespace {

constexpr char kIndex[] = "index";
constexpr char kIndexLock[] = "index.lock";
constexpr mode_t kDirMode = 0770;
// Trees hold set-uid programs of images: nobody but root walks in.
constexpr mode_t kTreesMode = 0700;
constexpr mode_t kManifestMode = 0660;

std::string HashedPath(const char* kind, std::string_view key) {
  return StrCat(kind, "/sha512/", key.substr(sizeof kKeyPrefix - 1, 2), "/", key);
}

int64_t Nanoseconds(const timespec& time) {
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

Error NoSuchImage(const std::string& key) { return Err(Code::kNotFound, "image ", Quote(key), " is not in the store"); }

ImageInfo InfoOf(const IndexRow& row, const struct stat& blob) {
  ImageInfo info;
  info.key = row.key;
  info.name = row.name;
  if (const std::string* version = appc::FindLabel(row.labels, "version")) info.version = *version;
  info.import_time_ns = row.import_time_ns;
  info.last_used_ns = Nanoseconds(blob.st_mtim);
  info.latest = row.latest;
  info.size = row.size;
  info.tree_size = row.tree_size;
  return info;
}

Status MakeLayout(int cas) {
  TRY(MakeStoreLayout(cas));
  Fd lock = TRY(OpenAt(cas, kIndexLock, O_RDWR | O_CREAT | O_NOFOLLOW, kManifestMode));
  (void)::fchmod(lock.get(), kManifestMode);  // against the umask; fails where another user made it, and need not
  return {};
}

// The row of a stored blob. A manifest file that is gone or damaged is made anew from the blob.
Result<IndexRow> ReadRow(int cas, const std::string& key) {
  IndexRow row;
  row.key = key;
  struct stat blob = TRY(StatAt(cas, BlobPath(key)));
  if (!S_ISREG(blob.st_mode)) return Err(Code::kCorrupt, BlobPath(key), " is no regular file");
  row.size = blob.st_size;
  if (auto list = ReadStoreFile(cas, ImageLayersPath(key), 64u << 10); list) {
    for (const std::string& id : TRY(ParseLayerList(*list))) {
      row.size += TRY_CTX(StatAt(cas, LayerPath(id)), "layer ", id).st_size;
    }
  }
  auto text = ReadStoreFile(cas, ManifestPath(key), appc::kMaxManifestSize);
  auto manifest = text ? appc::ParseImageManifest(*text) : std::move(text).error();
  if (!manifest) {
    Fd file = TRY(OpenAt(cas, BlobPath(key), O_RDONLY | O_NOFOLLOW));
    std::string buffer(256u << 10, '\0');
    ImageArchive archive([&]() -> Result<std::string_view> {
      ssize_t n = ::read(file.get(), buffer.data(), buffer.size());
      if (n < 0) return SysErr("read ", BlobPath(key));
      return std::string_view(buffer).substr(0, static_cast<size_t>(n));
    });
    while (!archive.manifest() && TRY(archive.Next())) {
    }
    if (!archive.manifest()) return Err(Code::kCorrupt, "missing manifest");
    manifest = appc::ParseImageManifest(*archive.manifest());
    if (!manifest) return std::move(manifest).error();
    TRY(MakeStoreDirsAbove(cas, ManifestPath(key)));
    TRY(WriteFileAtomicAt(cas, ManifestPath(key), *archive.manifest(), kManifestMode));
  }
  struct stat st = TRY(StatAt(cas, ManifestPath(key)));
  row.import_time_ns = Nanoseconds(st.st_mtim);
  row.name = manifest->name;
  row.labels = manifest->labels;
  return row;
}

Status ReplaceIndex(int cas, std::vector<IndexRow> rows) {
  struct stat st;
  // A rename takes the place of anything but a directory.
  if (::fstatat(cas, kIndex, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) TRY(RemoveTreeAt(cas, kIndex));
  return WriteFileAtomicAt(cas, kIndex, WriteIndex(std::move(rows)), kManifestMode);
}

// Calls `visit` with the key of every blob (or manifest file) in the store.
Status ForEachKey(int cas, const char* kind, const std::function<Status(const std::string&)>& visit) {
  std::string top = StrCat(kind, "/sha512");
  auto groups = ListDirAt(cas, top);
  if (!groups) return groups.error().code() == Code::kNotFound ? Status() : std::move(groups).error();
  for (const DirEntry& group : *groups) {
    auto files = ListDirAt(cas, StrCat(top, "/", group.name));
    if (!files) continue;  // no directory: nothing of ours
    for (const DirEntry& file : *files) {
      if (IsKey(file.name) && file.name.substr(sizeof kKeyPrefix - 1, 2) == group.name) TRY(visit(file.name));
    }
  }
  return {};
}

}  // namespace

const std::vector<StoreDirectory> kStoreDirectories = {
    {"blob", kDirMode},        {"blob/sha512", kDirMode}, {"imageManifest", kDirMode},  {"imageManifest/sha512", kDirMode},
    {"imagelocks", kDirMode},  {"tmp", kDirMode},         {"treestorelocks", kDirMode}, {"tree", kTreesMode},
};

std::string KeyOfDigest(std::string_view hex) { return StrCat(kKeyPrefix, hex.substr(0, kKeyDigits)); }
std::string BlobPath(std::string_view key) { return HashedPath("blob", key); }
std::string ManifestPath(std::string_view key) { return HashedPath("imageManifest", key); }
std::string ImageLockPath(std::string_view key) { return StrCat("imagelocks/", key); }

Status MakeStoreDir(int dir, const std::string& path, mode_t mode) {
  if (::mkdirat(dir, path.c_str(), mode) != 0) {
    if (errno == EEXIST) return {};
    return SysErr("mkdir ", path);
  }
  struct stat st = TRY(StatAt(dir, path));
  mode_t wanted = mode | (st.st_mode & S_ISGID);
  if ((st.st_mode & 07777) != wanted && ::fchmodat(dir, path.c_str(), wanted, 0) != 0) {
    return SysErr("chmod ", path);
  }
  return {};
}

Status MakeStoreDirsAbove(int dir, const std::string& path) {
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    TRY(MakeStoreDir(dir, path.substr(0, slash), kDirMode));
  }
  return {};
}

Status MakeStoreLayout(int cas) {
  for (const auto& [path, mode] : kStoreDirectories) TRY(MakeStoreDir(cas, path, mode));
  return {};
}

Result<std::string> ReadStoreFile(int cas, const std::string& path, size_t limit) {
  auto file = OpenAt(cas, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!file) return file.error().err() == ELOOP ? Err(Code::kCorrupt, path, " is a symlink") : std::move(file).error();
  struct stat st;
  if (::fstat(file->get(), &st) != 0) return SysErr("stat ", path);
  if (!S_ISREG(st.st_mode)) return Err(Code::kCorrupt, path, " is no regular file");
  return TRY_CTX(ReadFd(file->get(), limit), "read ", path);
}

Status PlaceStoreFile(int from, const char* name, int cas, const std::string& path) {
  TRY(MakeStoreDirsAbove(cas, path));
  Status moved = RenameAt(from, name, cas, path);
  if (moved || moved.error().err() != EISDIR) return moved;
  TRY(RemoveTreeAt(cas, path));
  return RenameAt(from, name, cas, path);
}

Status RemoveStoreFile(int cas, const std::string& path) {
  Status removed = UnlinkAt(cas, path);
  return removed || removed.error().err() != EISDIR ? std::move(removed) : RemoveTreeAt(cas, path);
}

Error DamagedImage(std::string_view key, std::string_view what) {
  return Err(Code::kCorrupt, "image ", key, " is damaged: ", what, " (try rkt image fsck --repair)");
}

Status MakeTreeDir(int dir, const std::string& path) {
  TRY(MakeDirAt(dir, path, 0755));
  if (::fchownat(dir, path.c_str(), 0, 0, 0) != 0) return SysErr("chown ", path);
  if (::fchmodat(dir, path.c_str(), 0755, 0) != 0) return SysErr("chmod ", path);
  return {};
}

// --- the index

Result<IndexView> Store::State::View() const {
  auto view = IndexView::Open(cas.get());
  if (view) return view;
  bool missing = view.error().code() == Code::kNotFound;
  if (!missing && view.error().code() != Code::kCorrupt) return view;
  if (!missing) Notice("image", StrCat(view.error().message(), "; making it anew"));
  Status made = UpdateIndex([](std::vector<IndexRow>&) -> Status { return {}; });
  if (!made) {
    // Whoever may only read sees an empty store where there is no index.
    if (missing && made.error().code() == Code::kPermission) return IndexView::OfText(WriteIndex({}));
    return missing ? std::move(made).error() : std::move(view).error();
  }
  return IndexView::Open(cas.get());
}

Result<std::vector<IndexRow>> Store::State::ReadRows() const {
  std::vector<IndexRow> rows;
  TRY(ForEachKey(cas.get(), "blob", [&](const std::string& key) -> Status {
    auto row = ReadRow(cas.get(), key);
    if (row) {
      rows.push_back(*std::move(row));
    } else {
      Notice("image", StrCat("image ", key, " is damaged and was left out: ", row.error().Text()));
    }
    return {};
  }));
  return rows;
}

Status Store::State::UpdateIndex(const std::function<Status(std::vector<IndexRow>&)>& change) const {
  Lock lock = TRY(Lock::File(cas.get(), kIndexLock, Lock::Kind::kExclusive));
  std::vector<IndexRow> rows;
  auto view = IndexView::Open(cas.get());
  auto all = view ? view->All() : std::move(view).error();
  if (all) {
    rows = *std::move(all);
  } else if (all.error().code() == Code::kNotFound || all.error().code() == Code::kCorrupt) {
    rows = TRY(ReadRows());
  } else {
    return std::move(all).error();
  }
  TRY(change(rows));
  return ReplaceIndex(cas.get(), std::move(rows));
}

Status Store::RebuildIndex() {
  Lock lock = TRY(Lock::File(state_->cas.get(), kIndexLock, Lock::Kind::kExclusive));
  std::vector<IndexRow> rows = TRY(state_->ReadRows());
  return ReplaceIndex(state_->cas.get(), std::move(rows));
}

Status Store::UpdateRow(const std::string& key, const std::function<void(IndexRow&)>& change) {
  return state_->UpdateIndex([&](std::vector<IndexRow>& rows) -> Status {
    for (IndexRow& row : rows) {
      if (row.key == key) change(row);
    }
    return {};
  });
}

// --- opening

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Result<Store> Store::Open(const std::string& data_dir) {
  auto existing = OpenExisting(data_dir);
  if (existing && ExistsAt(existing->cas_fd(), kIndex)) return existing;
  if (!existing && existing.error().code() != Code::kNotFound) return existing;
  auto make = [&]() -> Result<Store> {
    TRY(MakeDirs(data_dir, 0750));
    TRY(MakeStoreDir(AT_FDCWD, data_dir + "/cas", kDirMode));
    Store store = TRY(OpenExisting(data_dir));
    TRY(MakeLayout(store.cas_fd()));
    // The index comes last: as long as it is missing, the next one to open the store completes it.
    TRY(store.state_->View());
    return store;
  };
  auto made = make();
  if (!made) return std::move(made).error().Wrap("cannot open store");
  return made;
}

Result<Store> Store::OpenExisting(const std::string& data_dir) {
  auto state = std::make_unique<State>();
  state->data_dir = data_dir;
  state->cas = TRY_CTX(rkt::Open(data_dir + "/cas", O_RDONLY | O_DIRECTORY), "cannot open store");
  return Store(std::move(state));
}

const std::string& Store::data_dir() const { return state_->data_dir; }
int Store::cas_fd() const { return state_->cas.get(); }

// --- looking up

Result<std::string> Store::ResolveKey(std::string_view id) const {
  if (!id.starts_with(kKeyPrefix)) return Err(Code::kInvalid, "image ID ", Quote(id), " does not begin with sha512-");
  std::string_view digits = id.substr(sizeof kKeyPrefix - 1).substr(0, kKeyDigits);
  if (digits.size() < 2) return Err(Code::kInvalid, "image ID too short: ", Quote(id));
  IndexView view = TRY(state_->View());
  std::vector<std::string> keys = TRY(view.ByKeyPrefix(ToLower(digits), 2));
  if (keys.empty()) return Err(Code::kNotFound, "no image IDs found for ", Quote(id));
  if (keys.size() > 1) return Err(Code::kInvalid, "ambiguous image ID: ", Quote(id));
  return keys[0];
}

Result<std::string> Store::FindImage(const appc::ImageName& name) const {
  IndexView view = TRY(state_->View());
  std::vector<IndexRow> rows = TRY(view.ByName(name.name));
  bool any_version = name.Find("version") == nullptr;
  const IndexRow* best = nullptr;
  for (const IndexRow& row : rows) {
    bool matches = std::all_of(name.labels.begin(), name.labels.end(), [&](const appc::Label& label) {
      const std::string* value = appc::FindLabel(row.labels, label.name);
      return value != nullptr && *value == label.value;
    });
    if (!matches || !ExistsAt(state_->cas.get(), BlobPath(row.key))) continue;
    bool better = best == nullptr;
    if (!better && any_version && row.latest != best->latest) {
      better = row.latest;
    } else if (!better) {
      better = row.import_time_ns > best->import_time_ns;
    }
    if (better) best = &row;
  }
  if (best != nullptr) return best->key;
  std::string labels;
  for (const appc::Label& label : name.labels) {
    labels += StrCat(labels.empty() ? "" : " ", "{", Quote(label.name), " ", Quote(label.value), "}");
  }
  return Err(Code::kNotFound, "cannot find aci satisfying name: ", Quote(name.name), " and labels: [", labels,
             "] in the local store");
}

Result<ImageInfo> Store::GetInfo(const std::string& key) const {
  IndexView view = TRY(state_->View());
  auto row = TRY(view.ByKey(key));
  struct stat st;
  if (!row || ::fstatat(state_->cas.get(), BlobPath(key).c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
    return NoSuchImage(key);
  }
  return InfoOf(*row, st);
}

Result<std::vector<ImageInfo>> Store::ListImages() const {
  IndexView view = TRY(state_->View());
  std::vector<IndexRow> rows = TRY(view.All());
  std::vector<ImageInfo> images;
  images.reserve(rows.size());
  for (const IndexRow& row : rows) {
    struct stat st;
    if (::fstatat(state_->cas.get(), BlobPath(row.key).c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
    images.push_back(InfoOf(row, st));
  }
  std::stable_sort(images.begin(), images.end(), [](const ImageInfo& a, const ImageInfo& b) {
    return a.import_time_ns < b.import_time_ns;
  });
  return images;
}

Result<std::string> Store::ReadManifestBytes(const std::string& key) const {
  if (!IsKey(key)) return NoSuchImage(key);
  State::ReadManifest& last = state_->last_manifest;
  if (last.key != key) {
    auto bytes = ReadStoreFile(state_->cas.get(), ManifestPath(key), appc::kMaxManifestSize);
    if (!bytes && bytes.error().code() == Code::kNotFound) {
      // Whoever removes an image begins with its row.
      bool listed = TRY(TRY(state_->View()).ByKey(key)).has_value();
      return listed && ExistsAt(state_->cas.get(), BlobPath(key)) ? DamagedImage(key, "its manifest is missing") : NoSuchImage(key);
    }
    if (!bytes && bytes.error().code() == Code::kCorrupt) return DamagedImage(key, bytes.error().message());
    if (!bytes) return bytes;
    last = {key, *std::move(bytes), std::nullopt};
  }
  return last.bytes;
}

Result<appc::ImageManifest> Store::ReadManifest(const std::string& key) const {
  std::string text = TRY(ReadManifestBytes(key));
  State::ReadManifest& last = state_->last_manifest;
  if (!last.parsed) {
    auto parsed = appc::ParseImageManifest(text);
    if (!parsed) {
      // Of a message with the place in the text only the last line.
      const std::string why = parsed.error().Innermost().message();
      return DamagedImage(key, StrCat("its manifest: ", std::string_view(why).substr(why.rfind('\n') + 1)));
    }
    last.parsed = *std::move(parsed);
  }
  return *last.parsed;
}

// --- reading and removing

Result<Store::OpenBlob> Store::OpenForReading(const std::string& key, bool use) const {
  if (!IsKey(key)) return NoSuchImage(key);
  Lock lock = TRY(Lock::File(state_->cas.get(), ImageLockPath(key), Lock::Kind::kShared));
  auto blob = OpenAt(state_->cas.get(), BlobPath(key), O_RDONLY | O_NOFOLLOW);
  if (!blob) return blob.error().code() == Code::kNotFound ? NoSuchImage(key) : std::move(blob).error();
  struct stat st;
  if (::fstat(blob->get(), &st) != 0) return SysErr("stat ", BlobPath(key));
  if (!S_ISREG(st.st_mode)) return Err(Code::kCorrupt, BlobPath(key), " is no regular file");
  if (use) (void)::futimens(blob->get(), nullptr);  // last used; on a read-only disk it stays as it is
  return OpenBlob{*std::move(blob), std::move(lock), st.st_size};
}

Result<Store::OpenBlob> Store::OpenArchive(const std::string& key, bool check) const {
  OpenBlob blob = TRY(OpenForReading(key, /*use=*/check));
  if (TRY(ReadImageLayers(*this, key)).empty()) return blob;
  // Readable by nobody else, like a blob; gone with its descriptor.
  Fd file = TRY(OpenAt(state_->cas.get(), "tmp", O_RDWR | O_TMPFILE, 0600));
  TRY_CTX(WriteFlatArchive(*this, key, file.get(), check), "image ", key);
  off_t size = ::lseek(file.get(), 0, SEEK_CUR);
  if (size < 0 || ::lseek(file.get(), 0, SEEK_SET) != 0) return SysErr("lseek");
  return OpenBlob{std::move(file), std::move(blob.lock), size};
}

Status Store::RemoveImage(const std::string& key, bool* stale_files) {
  Status files;
  bool found = false;
  TRY(RemoveImages({key}, /*wait=*/true, [&](const std::string&, const Status& status) {
    found = true;
    files = status;
  }));
  if (!found) return NoSuchImage(key);
  if (stale_files != nullptr) *stale_files = !files;
  return files;
}

Status Store::RemoveImages(const std::vector<std::string>& keys, bool wait,
                           const std::function<void(const std::string& key, const Status& files)>& removed) {
  // In portions: each image's lock is a descriptor.
  constexpr size_t kPortion = 200;
  std::vector<std::string> sorted = keys;
  std::sort(sorted.begin(), sorted.end());  // all take the locks in one order
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  int cas = state_->cas.get();
  bool layers = false;
  for (size_t begin = 0; begin < sorted.size(); begin += kPortion) {
    std::vector<std::pair<std::string, Lock>> locked;
    for (size_t i = begin; i < std::min(sorted.size(), begin + kPortion); ++i) {
      if (!IsKey(sorted[i])) continue;
      if (wait) {
        locked.emplace_back(sorted[i], TRY(Lock::File(cas, ImageLockPath(sorted[i]), Lock::Kind::kExclusive)));
      } else if (auto lock = TRY(Lock::TryFile(cas, ImageLockPath(sorted[i]), Lock::Kind::kExclusive))) {
        locked.emplace_back(sorted[i], *std::move(lock));
      }
    }
    std::vector<std::string> gone;
    TRY(state_->UpdateIndex([&](std::vector<IndexRow>& rows) -> Status {
      std::erase_if(rows, [&](const IndexRow& row) {
        bool remove = std::any_of(locked.begin(), locked.end(), [&](auto& l) { return l.first == row.key; });
        if (remove) gone.push_back(row.key);
        return remove;
      });
      return {};
    }));
    for (const std::string& key : gone) {
      Status manifest = RemoveStoreFile(cas, ManifestPath(key));
      Status blob = RemoveStoreFile(cas, BlobPath(key));
      if (ExistsAt(cas, ImageLayersPath(key))) {
        layers = true;
        if (Status list = RemoveStoreFile(cas, ImageLayersPath(key)); !list) blob = std::move(list);
      }
      removed(key, manifest ? blob : manifest);
    }
  }
  // Its layers may be needed by others; what fails here, the next collection does again.
  if (layers) (void)CollectLayers(*this);
  return {};
}

Result<Lock> Store::LockPreparing(Lock::Kind kind) const {
  std::string locks = state_->data_dir + "/locks";
  TRY(MakeDirs(locks, 0750));
  return Lock::File(AT_FDCWD, locks + "/prepareLock", kind);
}

// --- housekeeping

// Downloads (named by a key) that were broken off are gone on from for a week; imports are never.
static bool IsYoung(int cas, const std::string& path) {
  constexpr int64_t kWeek = 7 * 24 * 3600;
  struct stat st;
  return ::fstatat(cas, path.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
         ::time(nullptr) - st.st_mtim.tv_sec < kWeek;
}

Status Store::CollectTemporary() {
  int cas = state_->cas.get();
  auto entries = ListDirAt(cas, "tmp");
  if (!entries) return entries.error().code() == Code::kNotFound ? Status() : std::move(entries).error();
  Status first;
  for (const DirEntry& entry : *entries) {
    std::string path = StrCat("tmp/", entry.name);
    if (entry.name.starts_with(kKeyPrefix) && IsYoung(cas, path)) continue;
    Status status = [&]() -> Status {
      auto file = OpenAt(cas, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      if (!file) {
        if (file.error().err() == ENOENT) return {};
        if (file.error().err() == ELOOP) return UnlinkAt(cas, path);
        return std::move(file).error();
      }
      auto lock = TRY(Lock::TryFd(*std::move(file), Lock::Kind::kExclusive));
      if (!lock) return {};
      return RemoveTreeAt(cas, path);
    }();
    if (!status && first) first = std::move(status);
  }
  return first;
}

Status Store::CollectOrphans() {
  int cas = state_->cas.get();
  IndexView view = TRY(state_->View());
  for (const char* kind : {"imageManifest", "imageLayers", "blob"}) {
    TRY(ForEachKey(cas, kind, [&](const std::string& key) -> Status {
      if (TRY(view.ByKey(key))) return {};
      auto lock = TRY(Lock::TryFile(cas, ImageLockPath(key), Lock::Kind::kExclusive));
      if (!lock) return {};
      // An import may have ended between the look and the lock.
      IndexView again = TRY(state_->View());
      if (TRY(again.ByKey(key))) return {};
      return RemoveStoreFile(cas, HashedPath(kind, key));
    }));
  }
  return CollectLayers(*this);
}

}  // namespace rkt::store
