// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "store/check.h"

#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/file.h"
#include "base/hash.h"
#include "store/image_archive.h"
#include "store/layer_state.h"
#include "store/state.h"

namespace rkt::store {

namespace {

constexpr char kLeftBehind[] = "left behind by a process that was killed";
// A file that is being written has a name of this kind for an instant. One younger than this is left alone.
constexpr int64_t kTemporaryAge = 10;

// What the begin of a blob says about the image.
struct BlobHead {
  std::string manifest;
  std::optional<std::string> layers;  // of a blob that the import of layers made
};

Result<BlobHead> ReadHead(int blob) {
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

std::vector<std::string> Uuids(const std::vector<PodUse>& uses) {
  std::vector<std::string> uuids;
  for (const PodUse& use : uses) uuids.push_back(use.uuid);
  return uuids;
}

class Check {
 public:
  Check(Store& store, const CheckOptions& options) : store_(store), options_(options), cas_(store.cas_fd()) {}

  Result<CheckResult> Run() {
    TRY(AskUsage());
    TRY(Index());
    TRY(Images());
    TRY(Layers());
    // Whoever may not look into trees cannot compare them; a broken index does not tell which images are in one.
    if (::geteuid() == 0 && index_good_) TRY(Trees());
    TRY(LeftOvers());
    if (options_.repair) TRY(CleanUp());
    return std::move(result_);
  }

 private:
  using Kind = Finding::Kind;

  Status AskUsage() {
    if (options_.usage) usage_ = TRY(options_.usage());
    return {};
  }
  const std::vector<PodUse>& ImageUse(const std::string& key) { return usage_.images[key]; }
  const std::vector<PodUse>& TreeUse(const std::string& id) { return usage_.trees[id]; }

  void Report(Kind kind, const std::string& id, std::string problem, bool healed, std::string outcome,
              const std::vector<PodUse>& uses = {}) {
    Finding finding{kind, id, std::move(problem), healed, std::move(outcome), Uuids(uses)};
    if (!options_.repair) {
      finding.healed = false;
      finding.outcome.clear();
    }
    if (options_.found) options_.found(finding);
    result_.findings.push_back(std::move(finding));
  }
  // Heals by `heal` where that is wanted, and reports what came of it.
  void Heal(Kind kind, const std::string& id, std::string problem, std::string outcome,
            const std::function<Status()>& heal, const std::vector<PodUse>& uses = {}) {
    Status healed;
    if (options_.repair) healed = heal();
    Report(kind, id, std::move(problem), healed.has_value(),
           healed ? std::move(outcome) : StrCat("not repaired: ", healed.error().Text()), uses);
  }

  // --- the index

  Status Index() {
    auto rows = [&]() -> Result<std::vector<IndexRow>> {
      IndexView view = TRY(IndexView::Open(cas_));
      std::vector<IndexRow> all = TRY(view.All());
      for (const IndexRow& row : all) {
        auto found = TRY(view.ByKey(row.key));
        if (!found || *found != row) return Err(Code::kCorrupt, "the index of the image store is damaged: a row is not found");
      }
      return all;
    }();
    if (!rows) {
      Code code = rows.error().code();
      if (code != Code::kCorrupt && code != Code::kNotFound) return std::move(rows).error();
      index_good_ = false;
      Heal(Kind::kIndex, "index", code == Code::kNotFound ? "missing" : rows.error().Text(), "made anew from the blobs",
           [&]() -> Status {
             TRY(store_.RebuildIndex());
             index_good_ = true;
             return {};
           });
      if (!index_good_) return {};
      rows = TRY(IndexView::Open(cas_)).All();
    }
    for (const IndexRow& row : TRY(std::move(rows))) keys_.insert(row.key);
    return {};
  }

  // The row as it is now. A broken index tells nothing.
  Result<std::optional<IndexRow>> Row(const std::string& key) {
    if (!index_good_) return std::optional<IndexRow>();
    return TRY(IndexView::Open(cas_)).ByKey(key);
  }

  // --- images

  Status Images() {
    for (const char* kind : {"blob", "imageManifest", "imageLayers"}) keys_.merge(KeysIn(cas_, kind, &temporary_));
    for (const std::string& key : keys_) TRY_CTX(Image(key), "image ", key);
    return {};
  }

  Status Image(const std::string& key) {
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

  // kCorrupt where the blob is not what its key says.
  Result<BlobHead> ReadBlob(const std::string& key) {
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

  Status RemoveOrphan(const std::string& key) {
    auto lock = TRY(Lock::TryFile(cas_, ImageLockPath(key), Lock::Kind::kExclusive));
    if (!lock) return Err(Code::kBusy, "in use");
    if (TRY(Row(key))) return {};  // imported meanwhile
    TRY(UnlinkAt(cas_, ManifestPath(key)));
    TRY(UnlinkAt(cas_, ImageLayersPath(key)));
    return UnlinkAt(cas_, BlobPath(key));
  }

  // What cannot be had again. The image goes, unless a pod uses it: then its row stays and tells that it is missed.
  Status LoseImage(Kind kind, const std::string& key, std::string problem) {
    if (options_.repair) TRY(AskUsage());
    const std::vector<PodUse> uses = ImageUse(key);
    if (!uses.empty()) {
      if (options_.repair && kind == Kind::kBlob) {
        // So that a fetch brings it back.
        auto lock = TRY(Lock::File(cas_, ImageLockPath(key), Lock::Kind::kExclusive));
        if (!ReadBlob(key)) (void)UnlinkAt(cas_, BlobPath(key));
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

  // False where the image's manifest is none, which no image in a store has.
  Result<bool> ManifestFile(const std::string& key, const BlobHead& head) {
    auto text = ReadFileAt(cas_, ManifestPath(key), appc::kMaxManifestSize);
    if (text && *text == head.manifest) return true;
    if (!appc::ParseImageManifest(head.manifest)) {
      TRY(LoseImage(Kind::kBlob, key, "its manifest cannot be read"));
      return false;
    }
    Heal(Kind::kManifest, key, text ? "differs from the one in the blob" : "missing", "copied from the blob",
         [&]() -> Status { return WriteKeyFile(ManifestPath(key), head.manifest); });
    return true;
  }

  Status LayerList(const std::string& key, const BlobHead& head) {
    auto text = ReadFileAt(cas_, ImageLayersPath(key), 64u << 10);
    bool there = ExistsAt(cas_, ImageLayersPath(key));
    if (!head.layers) {
      if (!there) return {};
      Heal(Kind::kLayerList, key, "the image has no layers", "removed",
           [&] { return UnlinkAt(cas_, ImageLayersPath(key)); });
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

  Status WriteKeyFile(const std::string& path, const std::string& text) {
    for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      TRY(MakeStoreDir(cas_, path.substr(0, slash), 0770));
    }
    struct stat st;
    // Rename takes the place of anything but a directory.
    if (::fstatat(cas_, path.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
      TRY(RemoveTreeAt(cas_, path));
    }
    return WriteFileAtomicAt(cas_, path, text, 0660);
  }

  Status CheckRow(const IndexRow& row, const BlobHead& head) {
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

  // --- layers

  Status Layers() {
    for (const auto& [id, keys] : layers_) {
      ++result_.layers;
      std::string problem;
      {
        Lock lock = TRY(LockLayers(store_, Lock::Kind::kShared));
        Status whole = CheckLayerTar(id);
        if (whole) {
          TRY(LayerTree(id, keys));
          continue;
        }
        if (whole.error().code() != Code::kCorrupt) return whole;
        problem = HasLayer(store_, id) ? "its content has another hash" : "missing";
        if (options_.repair && HasLayer(store_, id)) {
          // Nobody must take it for stored. Pods use its tree.
          Temporary temporary = TRY(Temporary::Create(cas_));
          TRY(RenameAt(cas_, LayerPath(id), temporary.fd(), "damaged"));
          TRY(temporary.Remove());
        }
      }
      for (const std::string& key : keys) {
        if (!blobs_.contains(key)) continue;  // lost with another layer
        blobs_.erase(key);
        TRY(LoseImage(Kind::kLayer, key, StrCat("its layer ", id, " is damaged: ", problem)));
      }
    }
    return {};
  }

  Status CheckLayerTar(const std::string& id) {
    Fd tar = TRY(OpenLayer(store_, id));
    LayerDigest digest(id);
    std::string buffer(256u << 10, '\0');
    for (;;) {
      ssize_t n = ::read(tar.get(), buffer.data(), buffer.size());
      if (n < 0 && errno == EIO) return DamagedLayer(id);
      if (n < 0) return SysErr("read ", LayerPath(id));
      if (n == 0) return digest.Matches() ? Status() : DamagedLayer(id);
      digest.Update(std::string_view(buffer).substr(0, static_cast<size_t>(n)));
    }
  }

  // Pods that have the layer below their roots.
  std::vector<PodUse> LayerTreeUse(const std::string& id) {
    std::vector<PodUse> uses;
    for (const auto& [tree, pods] : usage_.trees) {
      auto list = ReadFileAt(cas_, StrCat(TreeDir(tree), "/layers"));
      if (list && list->find(id) != std::string::npos) uses.insert(uses.end(), pods.begin(), pods.end());
    }
    return uses;
  }

  Status LayerTree(const std::string& id, const std::vector<std::string>&) {
    if (::geteuid() != 0 || !HasLayerTree(store_, id)) return {};
    auto difference = CompareLayer(store_, id);
    if (difference && !*difference) return {};
    std::string problem = StrCat("its unpacked tree is damaged: ", difference ? **difference : difference.error().Text());
    std::optional<Lock> preparing;
    if (options_.repair) {
      preparing = TRY(store_.LockPreparing(Lock::Kind::kExclusive));
      TRY(AskUsage());
    }
    std::vector<PodUse> uses = LayerTreeUse(id);
    if (Running(uses)) {
      Report(Kind::kLayer, id, std::move(problem), false, "not repaired while pods that use it are running", uses);
      return {};
    }
    Heal(Kind::kLayer, id, std::move(problem), "unpacked anew", [&]() -> Status {
      Temporary temporary = TRY(Temporary::Create(cas_));
      TRY(RenameAt(cas_, LayerTreePath(id), temporary.fd(), "damaged"));
      TRY(RenderLayer(store_, id));
      return temporary.Remove();
    }, uses);
    return {};
  }

  static bool Running(const std::vector<PodUse>& uses) {
    return std::any_of(uses.begin(), uses.end(), [](const PodUse& use) { return use.running; });
  }

  // --- trees

  Status Trees() {
    std::set<std::string> seen;
    for (const std::string& id : TRY(store_.ListTrees())) {
      seen.insert(id);
      TRY_CTX(Tree(id), "tree ", id);
    }
    // Trees that pods name and that are not there.
    for (const auto& [id, uses] : std::map(usage_.trees)) {
      if (!seen.contains(id) && !uses.empty() && !ExistsAt(cas_, TreeDir(id))) TRY(MissingTree(id, uses));
    }
    return {};
  }

  // The image of a tree, where the tree can be made of it again.
  std::string SourceOf(const std::string& id, const std::string& image) {
    if (!blobs_.contains(image)) return {};
    auto layers = ListLayers(store_, image);
    if (!layers || TreeIdOf(*layers) != id) return {};
    for (const Layer& layer : *layers) {
      if (!blobs_.contains(layer.key)) return {};
    }
    return image;
  }

  Status Tree(const std::string& id) {
    ++result_.trees;
    auto named = ReadFileAt(cas_, StrCat(TreeDir(id), "/image"), 256);
    std::string image(named ? Trim(*named) : std::string_view());
    std::string source = SourceOf(id, image);
    // A tree that lost its name: the image may still be known by the id.
    for (auto key = blobs_.begin(); source.empty() && !IsKey(image) && key != blobs_.end(); ++key) {
      source = SourceOf(id, *key);
    }
    std::string problem;
    if (!store_.IsRendered(id)) {
      problem = "it is incomplete";
    } else if (!IsKey(image)) {
      problem = "it does not say which image it is of";
    } else if (source.empty()) {
      return {};  // of an image that is gone or has other dependencies now: nothing to compare it with
    } else {
      auto verified = store_.VerifyTree(source, /*check_blobs=*/false);
      if (!verified && verified.error().code() != Code::kCorrupt && verified.error().code() != Code::kInvalid &&
          verified.error().code() != Code::kNotFound) {
        return std::move(verified).error();
      }
      if (verified && verified->state != Store::TreeState::kDamaged) return {};
      problem = verified ? verified->detail : verified.error().Text();
    }
    std::optional<Lock> preparing;
    if (options_.repair) {
      preparing = TRY(store_.LockPreparing(Lock::Kind::kExclusive));
      TRY(AskUsage());
    }
    const std::vector<PodUse> uses = TreeUse(id);
    if (!ExistsAt(cas_, TreeDir(id))) return {};  // collected meanwhile
    if (Running(uses)) {
      Report(Kind::kTree, id, std::move(problem), false, "not repaired while pods that use it are running", uses);
      return {};
    }
    if (source.empty()) {
      if (!uses.empty()) {
        Report(Kind::kTree, id, std::move(problem), false, "cannot be repaired: its image is not in the store", uses);
        return {};
      }
      Heal(Kind::kTree, id, std::move(problem), "removed", [&] { return store_.RemoveTree(id); });
      return {};
    }
    Heal(Kind::kTree, id, std::move(problem), "rendered anew", [&]() -> Status {
      TRY(store_.RemoveTree(id));
      TRY(store_.RenderTree(source));
      return {};
    }, uses);
    return {};
  }

  Status MissingTree(const std::string& id, const std::vector<PodUse>& uses) {
    std::string source;
    for (auto key = blobs_.begin(); source.empty() && key != blobs_.end(); ++key) source = SourceOf(id, *key);
    if (source.empty()) {
      Report(Kind::kTree, id, "missing", false, "cannot be repaired: its image is not in the store", uses);
      return {};
    }
    Heal(Kind::kTree, id, "missing", "rendered anew", [&]() -> Status {
      TRY(store_.RenderTree(source));
      return {};
    }, uses);
    return {};
  }

  // --- what is left over

  // "NAME.tmp.PID.N": whether its writer has gone.
  bool IsAbandoned(const std::string& path) {
    size_t at = path.rfind(".tmp.");
    std::vector<std::string> numbers = Split(path.substr(at + 5), '.');
    auto pid = ParseUint(numbers[0]);
    if (numbers.size() != 2 || !pid || *pid == 0 || *pid > INT32_MAX || !ParseUint(numbers[1])) return false;
    auto st = StatAt(cas_, path);
    if (!st || ::time(nullptr) - st->st_mtim.tv_sec < kTemporaryAge) return false;
    return ::kill(static_cast<pid_t>(*pid), 0) != 0 && errno == ESRCH;
  }

  Status LeftOvers() {
    for (const DirEntry& entry : TRY(ListDirAt(cas_, "."))) {
      if (entry.name.find(".tmp.") != std::string::npos) temporary_.push_back(entry.name);
    }
    for (const std::string& path : temporary_) {
      if (!IsAbandoned(path)) continue;
      Heal(Kind::kLeftOver, path, kLeftBehind, "removed", [&] { return UnlinkAt(cas_, path); });
    }
    for (const DirEntry& entry : ListDirAt(cas_, "tmp").value_or({})) {
      if (entry.name.starts_with(kKeyPrefix)) continue;  // a download, which the next fetch goes on from
      std::string path = StrCat("tmp/", entry.name);
      auto file = OpenAt(cas_, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      if (!file && file.error().err() != ELOOP) continue;
      {
        if (file && !TRY(Lock::TryFd(*std::move(file), Lock::Kind::kExclusive))) continue;
      }
      Heal(Kind::kLeftOver, path, kLeftBehind, "removed", [&] { return store_.CollectTemporary(); });
    }
    return {};
  }

  // What is no damage, and not needed either.
  Status CleanUp() {
    // A list of layers that cannot be read may need any of them: then the next collection does it.
    (void)store_.CollectOrphans();
    for (const DirEntry& entry : ListDirAt(cas_, "imagelocks").value_or({})) {
      if (!IsKey(entry.name)) continue;
      RemoveLock(ImageLockPath(entry.name), [&]() -> Result<bool> {
        return !TRY(Row(entry.name)) && !ExistsAt(cas_, BlobPath(entry.name));
      });
    }
    for (const DirEntry& entry : ListDirAt(cas_, "treestorelocks").value_or({})) {
      if (!IsTreeId(entry.name)) continue;
      RemoveLock(TreeLockPath(entry.name), [&]() -> Result<bool> { return !ExistsAt(cas_, TreeDir(entry.name)); });
    }
    return {};
  }

  // Safe, since Lock::File looks again whether the file it has locked is still the one of that name.
  void RemoveLock(const std::string& path, const std::function<Result<bool>()>& stale) {
    auto lock = Lock::TryFile(cas_, path, Lock::Kind::kExclusive);
    if (!lock || !*lock) return;
    if (auto is_stale = stale(); is_stale && *is_stale) (void)UnlinkAt(cas_, path);
  }

  Store& store_;
  const CheckOptions& options_;
  int cas_;
  CheckResult result_;
  StoreUsage usage_;
  bool index_good_ = true;
  std::set<std::string> keys_;   // of everything that may be an image
  std::set<std::string> blobs_;  // of images that are whole
  std::map<std::string, std::vector<std::string>> layers_;  // the images that list each
  std::vector<std::string> temporary_;
};

}  // namespace

const char* FindingKindName(Finding::Kind kind) {
  switch (kind) {
    case Finding::Kind::kIndex: return "index";
    case Finding::Kind::kRow: return "row";
    case Finding::Kind::kBlob: return "blob";
    case Finding::Kind::kManifest: return "manifest";
    case Finding::Kind::kLayerList: return "layer-list";
    case Finding::Kind::kLayer: return "layer";
    case Finding::Kind::kTree: return "tree";
    case Finding::Kind::kLeftOver: return "left-over";
  }
  return "";
}

bool CheckResult::Whole() const {
  return std::all_of(findings.begin(), findings.end(), [](const Finding& finding) { return finding.healed; });
}

Result<CheckResult> CheckStore(Store& store, const CheckOptions& options) { return Check(store, options).Run(); }

}  // namespace rkt::store
