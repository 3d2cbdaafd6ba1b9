// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/oci/file_sources.h"

#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/tar.h"
#include "fetch/decoder.h"
#include "image/oci/reference.h"
#include "store/image_archive.h"

namespace rkt::fetch::oci {

namespace {

using image::oci::Descriptor;
using image::oci::Document;
using image::oci::kMaxDocument;

constexpr size_t kBuffer = 256u << 10;
constexpr size_t kMaxMembers = 1u << 16;
constexpr int kMaxLinks = 8;

// Delivers a part of a file.
Status ReadRange(int file, uint64_t offset, uint64_t size, const Sink& sink) {
  std::string buffer(kBuffer, '\0');
  while (size != 0) {
    ssize_t n = ::pread(file, buffer.data(), std::min<uint64_t>(buffer.size(), size), static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      return SysErr("read image");
    }
    if (n == 0) return Err(Code::kCorrupt, "the image file ends too early");
    TRY(sink(std::string_view(buffer).substr(0, static_cast<size_t>(n))));
    offset += static_cast<uint64_t>(n);
    size -= static_cast<uint64_t>(n);
  }
  return {};
}

// The files of an image, by path.
class Files : public BlobSource {
 public:
  Status Read(const Blob& blob, uint64_t have, const Sink& sink) override {
    return ReadFrom(blob.place.empty() ? TRY(PathOf(blob.digest)) : blob.place, have, sink);
  }
  Result<std::string> ReadText(const std::string& path) {
    std::string text;
    TRY(ReadFrom(path, 0, [&](std::string_view piece) -> Status {
      text += piece;
      return text.size() <= kMaxDocument ? Status() : Err(Code::kInvalid, path, " is too large");
    }));
    return text;
  }

 protected:
  virtual Status ReadFrom(const std::string& path, uint64_t offset, const Sink& sink) = 0;

 private:
  static Result<std::string> PathOf(const std::string& digest) {
    std::string id = TRY(image::oci::DigestId(digest));
    return StrCat("blobs/", id.substr(0, 6), "/", id.substr(7));
  }
};

class Directory : public Files {
 public:
  explicit Directory(Fd directory) : directory_(std::move(directory)) {}

 private:
  Status ReadFrom(const std::string& path, uint64_t offset, const Sink& sink) override {
    auto file = OpenInRoot(directory_.get(), path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS);
    if (!file) {
      if (file.error().err() == ELOOP) return Err(Code::kInvalid, path, " of the layout is a link, or lies behind one");
      return std::move(file).error();
    }
    struct stat st;
    if (::fstat(file->get(), &st) != 0) return SysErr("stat ", path);
    if (!S_ISREG(st.st_mode)) return Err(Code::kInvalid, path, " of the layout is no regular file");
    auto size = static_cast<uint64_t>(st.st_size);
    return offset > size ? Err(Code::kCorrupt, path, " is shorter than it was")
                         : ReadRange(file->get(), offset, size - offset, sink);
  }

  Fd directory_;
};

// A tar, of which the places of its members are noted at first.
class Archive : public Files {
 public:
  static Result<std::unique_ptr<Archive>> Open(const store::Store& store, const std::string& path) {
    Fd file = TRY(rkt::Open(path, O_RDONLY | O_NONBLOCK));
    struct stat st;
    if (::fstat(file.get(), &st) != 0) return SysErr("stat ", path);
    if (!S_ISREG(st.st_mode)) return Err(Code::kInvalid, path, " is not a regular file");
    char head[kTarBlock];
    ssize_t n = ::pread(file.get(), head, sizeof head, 0);
    if (n != static_cast<ssize_t>(sizeof head) || !LooksLikeTar({head, sizeof head})) {
      file = TRY(Decompressed(store, path, std::move(file)));
    }
    std::unique_ptr<Archive> archive(new Archive(std::move(file)));
    TRY_CTX(archive->Scan(), path);
    return archive;
  }

 private:
  struct Member {
    uint64_t offset = 0, size = 0;
    std::string link;  // another member, for links
  };
  explicit Archive(Fd file) : file_(std::move(file)) {}

  static Result<Fd> Decompressed(const store::Store& store, const std::string& path, Fd file) {
    Input input(file.get(), path);
    auto decoder = TRY(MakeDecoder(input));
    Fd plain = TRY(OpenAt(store.cas_fd(), "tmp", O_RDWR | O_TMPFILE, 0600));
    std::string buffer(kBuffer, '\0');
    for (;;) {
      size_t n = TRY(decoder->Read(buffer.data(), buffer.size()));
      if (n == 0) return plain;
      TRY(WriteAll(plain.get(), std::string_view(buffer).substr(0, n)));
    }
  }

  Status Scan() {
    std::string buffer(kBuffer, '\0');
    off_t offset = 0;
    TarReader reader([&]() -> Result<std::string_view> {
      ssize_t n = ::pread(file_.get(), buffer.data(), buffer.size(), offset);
      if (n < 0) return SysErr("read image");
      offset += n;
      return std::string_view(buffer).substr(0, static_cast<size_t>(n));
    });
    while (TRY(reader.Next())) {
      const TarEntry& entry = reader.entry();
      if (entry.type == TarType::kDirectory) continue;
      std::string path = TRY(store::CleanEntryPath(entry.name));
      Member member;
      switch (entry.type) {
        case TarType::kFile:
          member.offset = reader.data_offset();
          member.size = entry.size;
          break;
        case TarType::kHardLink:
          member.link = TRY(store::CleanEntryPath(entry.link_name));
          break;
        case TarType::kSymlink: {
          // Older docker wrote a layer once and linked to it; the way may go up, not out.
          std::vector<std::string> parts = Split(path, '/');
          parts.pop_back();
          for (std::string& part : Split(entry.link_name, '/')) {
            if (part.empty() || part == ".") continue;
            if (part != "..") {
              parts.push_back(std::move(part));
            } else if (parts.empty()) {
              return Err(Code::kInvalid, "archive entry ", Quote(entry.name), ": a link out of the archive");
            } else {
              parts.pop_back();
            }
          }
          member.link = entry.link_name.starts_with('/') ? "/" : Join(parts, "/");
          break;
        }
        default:
          return Err(Code::kInvalid, "archive entry ", Quote(entry.name), ": a ", TarTypeName(entry.type));
      }
      if (members_.size() >= kMaxMembers) return Err(Code::kInvalid, "more than ", kMaxMembers, " entries");
      if (!members_.emplace(path, std::move(member)).second) {
        return Err(Code::kInvalid, "archive entry ", Quote(entry.name), " comes twice");
      }
    }
    return {};
  }

  Status ReadFrom(const std::string& path, uint64_t offset, const Sink& sink) override {
    auto member = members_.find(path);
    for (int links = 0; member != members_.end() && !member->second.link.empty(); ++links) {
      if (links == kMaxLinks) return Err(Code::kInvalid, "too many links at ", Quote(path));
      member = members_.find(member->second.link);
    }
    if (member == members_.end()) {
      std::string_view hint = path == "manifest.json" && members_.contains("oci-layout") ? ", which is one of OCI (oci-archive:FILE)"
                              : path == "oci-layout" && members_.contains("manifest.json") ? ", which is one of docker (docker-archive:FILE)"
                                                                                            : "";
      return Error(Code::kNotFound, ENOENT, StrCat(Quote(path), " is not in the archive", hint));
    }
    uint64_t size = member->second.size;
    if (offset > size) return Err(Code::kCorrupt, path, " is shorter than it was");
    return ReadRange(file_.get(), member->second.offset + offset, size - offset, sink);
  }

  Fd file_;
  std::map<std::string, Member> members_;
};

std::string BaseName(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path.substr(path.rfind('/') + 1);
}

// What a name written into an image file says about its origin; a lone tag leaves the name to the file's.
image::oci::ImageOrigin OriginOf(const std::string& path, const std::string& written) {
  image::oci::ImageOrigin origin;
  auto reference = written.find_first_of("/:") == std::string::npos
                       ? Err(Code::kInvalid, "a tag")
                       : image::oci::ParseRegistryReference(written);
  if (reference) {
    origin.host = reference->host;
    origin.repository = reference->repository;
    origin.original_name = reference->original;
    origin.tag = reference->tag;
    return origin;
  }
  std::string base = BaseName(path);
  for (std::string_view extension : {".gz", ".tar"}) {
    if (base.ends_with(extension)) base.resize(base.size() - extension.size());
  }
  origin.repository = origin.original_name = base;
  origin.tag = written;
  return origin;
}

Error Several(const std::string& path, const std::vector<std::string>& names) {
  return Err(Code::kInvalid, path, " has several images, name one of: ", Join(names, ", ").substr(0, 1024));
}

// The descriptor that the name chooses; all of them as one index where it is one image for several platforms.
Result<Descriptor> ChooseDescriptor(const image::oci::Index& index, const std::string& path, const std::string& name) {
  std::vector<Descriptor> fitting;
  std::vector<std::string> names;
  for (const Descriptor& descriptor : index.manifests) {
    names.push_back(descriptor.ref_name.empty() ? descriptor.digest : descriptor.ref_name);
    bool fits = name.empty() || descriptor.ref_name == name || descriptor.image_name == name ||
                descriptor.digest == name || descriptor.ref_name.ends_with(StrCat(":", name));
    if (fits) fitting.push_back(descriptor);
  }
  if (fitting.empty()) {
    return Err(Code::kNotFound, path, " has no image ", name.empty() ? "at all" : Quote(name),
               names.empty() ? std::string() : StrCat(", only: ", Join(names, ", ").substr(0, 1024)));
  }
  if (fitting.size() == 1) return fitting[0];
  bool platforms = std::all_of(fitting.begin(), fitting.end(), [&](const Descriptor& descriptor) {
    return !descriptor.platform.architecture.empty() && descriptor.ref_name == fitting[0].ref_name;
  });
  if (platforms) return image::oci::ChoosePlatform({fitting});
  return Several(path, names);
}

Result<OpenImage> OpenOci(std::unique_ptr<Files> files, const std::string& path, const std::string& name) {
  std::string layout = TRY_CTX(files->ReadText("oci-layout"), Quote(path), " is no OCI layout");
  json::Value version = TRY(json::Parse(layout, {.max_size = 1u << 16, .max_depth = 8}));
  const json::Value* text = version.Find("imageLayoutVersion");
  if (text == nullptr || !text->is_string() || !text->text().starts_with("1.")) {
    return Err(Code::kUnsupported, Quote(path), " is a layout of an unknown version");
  }
  Document index = TRY(image::oci::ParseDocument(TRY(files->ReadText("index.json")), image::oci::kOciIndex));
  Descriptor descriptor = TRY(ChooseDescriptor(index.index, path, name));
  auto chosen = TRY(ChooseManifest(descriptor, [&](const Descriptor& wanted) {
    return ReadDocument(*files, BlobOf(wanted));
  }));
  if (chosen.document.kind != Document::Kind::kManifest) {
    return Err(Code::kUnsupported, "old docker manifests do not occur in OCI layouts");
  }
  FoundImage image = TRY(FindByManifest(*files, chosen.document.manifest, chosen.digest));
  auto origin = OriginOf(path, descriptor.image_name.empty() ? descriptor.ref_name : descriptor.image_name);
  origin.image_id = image.origin.image_id;
  origin.manifest_hash = image.origin.manifest_hash;
  image.origin = std::move(origin);
  image.latest = image.origin.tag == "latest";
  return OpenImage{std::move(files), std::move(image)};
}

struct SavedImage {
  std::string config;
  std::vector<std::string> tags, layers;
};

Result<std::vector<SavedImage>> ReadSaved(std::string_view text) {
  auto malformed = [] { return Err(Code::kInvalid, "malformed manifest.json of a docker archive"); };
  json::Value list = TRY(json::Parse(text, {.max_size = kMaxDocument, .max_depth = 64}));
  if (!list.is_array() || list.items().empty()) return malformed();
  std::vector<SavedImage> images;
  for (const json::Value& item : list.items()) {
    SavedImage saved;
    const json::Value* config = item.Find("Config");
    if (config == nullptr || !config->is_string()) return malformed();
    saved.config = TRY(store::CleanEntryPath(config->text()));
    auto read = [&](const char* key, bool paths, std::vector<std::string>* to) -> Status {
      const json::Value* value = item.Find(key);
      if (value == nullptr || value->is_null()) return {};
      if (!value->is_array()) return malformed();
      for (const json::Value& member : value->items()) {
        if (!member.is_string()) return malformed();
        to->push_back(paths ? TRY(store::CleanEntryPath(member.text())) : member.text());
      }
      return {};
    };
    TRY(read("RepoTags", false, &saved.tags));
    TRY(read("Layers", true, &saved.layers));
    images.push_back(std::move(saved));
  }
  return images;
}

// Full names as docker sees them, so that "busybox" finds "docker.io/library/busybox:latest".
bool SameName(const std::string& written, const std::string& wanted) {
  if (written == wanted) return true;
  auto left = image::oci::ParseRegistryReference(written), right = image::oci::ParseRegistryReference(wanted);
  return left && right && left->host == right->host && left->repository == right->repository &&
         left->tag == right->tag && right->digest.empty();
}

}  // namespace

Result<OpenImage> OpenLayout(const std::string& path, const std::string& name) {
  Fd directory = TRY(rkt::Open(path, O_RDONLY | O_DIRECTORY));
  return OpenOci(std::make_unique<Directory>(std::move(directory)), path, name);
}

Result<OpenImage> OpenOciArchive(const store::Store& store, const std::string& path, const std::string& name) {
  return OpenOci(TRY(Archive::Open(store, path)), path, name);
}

Result<OpenImage> OpenDockerArchive(const store::Store& store, const std::string& path, const std::string& name) {
  auto archive = TRY(Archive::Open(store, path));
  std::string text = TRY_CTX(archive->ReadText("manifest.json"), Quote(path), " is no docker archive");
  std::vector<SavedImage> images = TRY(ReadSaved(text));
  const SavedImage* chosen = images.size() == 1 && name.empty() ? &images[0] : nullptr;
  std::string written = chosen != nullptr && !chosen->tags.empty() ? chosen->tags[0] : name;
  std::vector<std::string> names;
  for (const SavedImage& image : images) {
    for (const std::string& tag : image.tags) {
      names.push_back(tag);
      if (chosen != nullptr || name.empty() || !SameName(tag, name)) continue;
      chosen = &image;
      written = tag;
    }
  }
  if (chosen == nullptr) {
    if (name.empty()) return Several(path, names);
    return Err(Code::kNotFound, path, " has no image ", Quote(name), ", only: ", Join(names, ", ").substr(0, 1024));
  }
  std::string config = TRY(archive->ReadText(chosen->config));
  std::string digest = StrCat("sha256:", Sha256Hex(config));
  // The file is called by its digest; where it is, it must have it.
  std::string base = BaseName(chosen->config);
  if (base.ends_with(".json")) base.resize(base.size() - 5);
  if (image::oci::IsDigest(StrCat("sha256:", base)) && digest != StrCat("sha256:", base)) {
    return Err(Code::kCorrupt, "the configuration ", chosen->config, " has another digest");
  }
  FoundImage found;
  found.config = TRY(image::oci::ParseImageConfig(config));
  if (found.config.diff_ids.size() != chosen->layers.size()) {
    return Err(Code::kInvalid, "manifest.json lists ", chosen->layers.size(), " layers, the configuration ",
               found.config.diff_ids.size());
  }
  for (const std::string& layer : chosen->layers) found.layers.push_back({{}, 0, false, layer});
  found.origin = OriginOf(path, written);
  found.origin.image_id = digest;
  found.latest = found.origin.tag == "latest";
  return OpenImage{std::move(archive), std::move(found)};
}

}  // namespace rkt::fetch::oci
