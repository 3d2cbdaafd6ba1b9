// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "store/layer_extract.h"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "store/image_archive.h"

namespace rkt::store {

namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kBookkeeping = ".wh..wh.";
constexpr std::string_view kOpaqueMarker = ".wh..wh..opq";
// Names of directories and deletions that wait for the end.
constexpr size_t kMaxRemembered = 24u << 20;

Error BadEntry(std::string_view name, std::string_view what) {
  return Err(Code::kInvalid, "layer entry ", Quote(name.substr(0, 512)), ": ", what);
}

std::string_view Base(std::string_view path) { return path.substr(path.rfind('/') + 1); }
std::string ParentOf(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

// Whether a component begins as aufs's own files do; the last one may be the opaque marker.
bool IsBookkeeping(std::string_view path) {
  while (!path.empty()) {
    size_t slash = path.find('/');
    std::string_view component = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (component.starts_with(kBookkeeping) && !(path.empty() && component == kOpaqueMarker)) return true;
  }
  return false;
}

}  // namespace

Result<LayerEntry> ReadLayerEntry(const TarEntry& entry) {
  LayerEntry result;
  // Absolute names occur in layers of old tools; below the root they mean the same.
  std::string_view name = entry.name;
  while (name.size() > 1 && name[0] == '/') name.remove_prefix(1);
  result.path = TRY(CleanEntryPath(name == "/" ? "." : name));
  if (IsBookkeeping(result.path)) {
    result.kind = LayerEntry::Kind::kNothing;
    return result;
  }
  std::string_view base = Base(result.path);
  if (base == kOpaqueMarker) {
    result.kind = LayerEntry::Kind::kOpaque;
    result.path = ParentOf(result.path);
    return result;
  }
  if (base.starts_with(kWhiteout)) {
    std::string_view gone = base.substr(kWhiteout.size());
    if (gone.empty() || gone == "." || gone == "..") return BadEntry(entry.name, "a whiteout of nothing");
    std::string parent = ParentOf(result.path);
    result.kind = LayerEntry::Kind::kWhiteout;
    result.path = parent.empty() ? std::string(gone) : StrCat(parent, "/", gone);
    return result;
  }
  if (result.path.empty() && entry.type != TarType::kDirectory) {
    return BadEntry(entry.name, StrCat("a ", TarTypeName(entry.type), " in the place of the root"));
  }
  if (entry.type == TarType::kCharDevice && entry.dev_major == 0 && entry.dev_minor == 0) {
    result.kind = LayerEntry::Kind::kWhiteout;
  }
  if (entry.type == TarType::kHardLink) {
    std::string_view target = entry.link_name;
    while (target.size() > 1 && target[0] == '/') target.remove_prefix(1);
    auto clean = CleanEntryPath(target);
    if (!clean || clean->empty() || Base(*clean).starts_with(kWhiteout)) {
      return BadEntry(entry.name, StrCat("hard link to ", Quote(entry.link_name.substr(0, 512))));
    }
    result.link_path = *std::move(clean);
  }
  return result;
}

LayerExtractor::LayerExtractor(Fd root)
    : root_(std::move(root)),
      extractor_(DupFd(root_.get()).value_or(Fd())),
      nothing_([]() -> Result<std::string_view> { return std::string_view(); }) {}

Status LayerExtractor::Remember(std::set<std::string>* set, const std::string& path) {
  if (!set->insert(path).second) return {};
  remembered_ += path.size() + 64;
  if (remembered_ > kMaxRemembered) return Err(Code::kUnsupported, "more directories than can be handled");
  return {};
}

void LayerExtractor::NoteParents(const std::string& path) {
  std::string parent = ParentOf(path);
  if (parent == last_parent_) return;
  last_parent_ = parent;
  while (!parent.empty() && !listed_.contains(parent) && implicit_.insert(parent).second) parent = ParentOf(parent);
}

Status LayerExtractor::Put(TarReader& reader) {
  LayerEntry entry = TRY(ReadLayerEntry(reader.entry()));
  switch (entry.kind) {
    case LayerEntry::Kind::kNothing: return {};
    case LayerEntry::Kind::kWhiteout: return Remember(&whiteouts_, entry.path);
    case LayerEntry::Kind::kOpaque: return Remember(&opaque_, entry.path);
    case LayerEntry::Kind::kEntry: break;
  }
  if (reader.entry().type == TarType::kDirectory) {
    TRY(Remember(&listed_, entry.path));
    implicit_.erase(entry.path);
  }
  NoteParents(entry.path);
  Status put = extractor_.Put(entry.path, reader.entry(), entry.link_path, reader);
  if (!put && put.error().err() == ENOENT && reader.entry().type == TarType::kHardLink) {
    return BadEntry(reader.entry().name, StrCat("hard link to ", Quote(entry.link_path),
                                                ", which does not come before it in the same layer"));
  }
  return put;
}

Status LayerExtractor::MakeOpaque(const std::string& path, bool make) {
  auto directory = OpenInRoot(root_.get(), path.empty() ? "." : path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!directory && make && directory.error().err() == ENOENT) {
    TarEntry entry;
    entry.type = TarType::kDirectory;
    entry.mode = 0755;
    TRY(extractor_.Put(path, entry, {}, nothing_));
    implicit_.insert(path);
    NoteParents(path);
    directory = OpenInRoot(root_.get(), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  }
  if (!directory) return std::move(directory).error().Wrap(StrCat("whiteouts in ", Quote(path)));
  if (::fsetxattr(directory->get(), kOpaqueXattr, "y", 1, 0) != 0) {
    return SysErr("setting ", kOpaqueXattr, " of ", Quote(path));
  }
  return {};
}

Status LayerExtractor::MakeWhiteout(const std::string& path) {
  std::string parent = ParentOf(path);
  auto directory = OpenInRoot(root_.get(), parent.empty() ? "." : parent, O_PATH | O_DIRECTORY);
  struct stat st;
  if (directory && ::fstatat(directory->get(), std::string(Base(path)).c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) {
    // The layer puts something in the place of what it deletes: a file hides it, a directory must not be merged.
    return S_ISDIR(st.st_mode) ? MakeOpaque(path, false) : Status();
  }
  TarEntry entry;
  entry.type = TarType::kCharDevice;
  entry.mode = 0;
  NoteParents(path);
  return extractor_.Put(path, entry, {}, nothing_);
}

Status LayerExtractor::Finish() {
  // Before the directories get their times. Opaque ones first: a whiteout in one of them needs it to exist.
  for (const std::string& path : opaque_) TRY(MakeOpaque(path, true));
  for (const std::string& path : whiteouts_) TRY(MakeWhiteout(path));
  return extractor_.Finish();
}

Status ReadLayer(const TarReader::Source& source, LayerExtractor* extractor) {
  TarReader reader(source);
  reader.AllowOpenEnd();
  while (TRY(reader.Next())) {
    if (extractor != nullptr) {
      TRY(extractor->Put(reader));
    } else {
      (void)TRY(ReadLayerEntry(reader.entry()));
    }
  }
  if (extractor != nullptr) TRY(extractor->Finish());
  return reader.Drain();
}

}  // namespace rkt::store
