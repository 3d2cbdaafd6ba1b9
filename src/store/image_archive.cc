// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "store/image_archive.h"

#include "appc/image_manifest.h"

namespace rkt::store {

namespace {

constexpr char kManifest[] = "manifest";
constexpr char kRootfs[] = "rootfs";

Error BadName(std::string_view name, std::string_view what) {
  return Err(Code::kInvalid, "image entry ", Quote(name.substr(0, 512)), ": ", what);
}

// The path beneath rootfs/ of a cleaned path; nothing where it lies elsewhere.
std::optional<std::string> BelowRootfs(const std::string& path) {
  if (path == kRootfs) return std::string();
  if (path.starts_with("rootfs/")) return path.substr(sizeof kRootfs);
  return std::nullopt;
}

}  // namespace

Result<std::string> CleanEntryPath(std::string_view name) {
  if (name.empty()) return BadName(name, "an empty name");
  if (name.find('\0') != std::string_view::npos) return BadName(name, "a NUL in the name");
  if (name[0] == '/') return BadName(name, "an absolute name");
  std::string clean;
  clean.reserve(name.size());
  while (!name.empty()) {
    size_t slash = name.find('/');
    std::string_view component = name.substr(0, slash);
    name.remove_prefix(slash == std::string_view::npos ? name.size() : slash + 1);
    if (component.empty() || component == ".") continue;
    if (component == "..") return BadName(StrCat(clean, "/../", name), "\"..\" in the name");
    if (!clean.empty()) clean += '/';
    clean += component;
  }
  return clean;
}

Status ImageArchive::ReadManifest() {
  const TarEntry& entry = reader_.entry();
  if (manifest_) return BadName(entry.name, "the manifest comes twice");
  if (entry.type != TarType::kFile) {
    return BadName(entry.name, StrCat("the manifest is a ", TarTypeName(entry.type)));
  }
  if (entry.size > appc::kMaxManifestSize) {
    return BadName(entry.name, StrCat("a manifest of ", entry.size, " bytes (at most ",
                                      appc::kMaxManifestSize, ")"));
  }
  std::string text;
  text.reserve(static_cast<size_t>(entry.size));
  for (;;) {
    std::string_view piece = TRY(reader_.ReadData());
    if (piece.empty()) break;
    text.append(piece);
  }
  manifest_ = std::move(text);
  return {};
}

Result<bool> ImageArchive::Next() {
  while (TRY(reader_.Next())) {
    const TarEntry& entry = reader_.entry();
    std::string path = TRY(CleanEntryPath(entry.name));
    if (path == kManifest) {
      TRY(ReadManifest());
      continue;
    }
    auto below = BelowRootfs(path);
    if (!below) {
      if (path.empty() && entry.type != TarType::kDirectory) {
        return BadName(entry.name, StrCat("a ", TarTypeName(entry.type), " in the place of the archive's root"));
      }
      continue;  // no part of an image
    }
    if (below->empty() && entry.type != TarType::kDirectory) {
      return BadName(entry.name, StrCat("rootfs is a ", TarTypeName(entry.type)));
    }
    path_ = *std::move(below);
    link_path_.clear();
    if (entry.type == TarType::kHardLink) {
      auto target = CleanEntryPath(entry.link_name);
      if (!target) {
        return std::move(target).error().Wrap(
            BadName(entry.name, StrCat("hard link to ", Quote(entry.link_name.substr(0, 512)))).message());
      }
      auto target_below = BelowRootfs(*target);
      if (!target_below || target_below->empty()) {
        return BadName(entry.name, StrCat("hard link to ", Quote(entry.link_name.substr(0, 512)),
                                          ", which is outside of rootfs"));
      }
      link_path_ = *std::move(target_below);
    }
    return true;
  }
  return false;
}

Status ImageArchive::Finish() {
  TRY(reader_.Drain());
  if (!manifest_) return Err(Code::kInvalid, "missing manifest");
  return {};
}

}  // namespace rkt::store
