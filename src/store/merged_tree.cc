// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "store/merged_tree.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <set>

#include "base/copy_tree.h"
#include "base/file.h"
#include "base/strings.h"
#include "store/layer_extract.h"

namespace rkt::store {

namespace {

bool IsWhiteout(const struct stat& st) { return S_ISCHR(st.st_mode) && st.st_rdev == 0; }

bool IsOpaque(int directory) {
  char value = 0;
  return ::fgetxattr(directory, kOpaqueXattr, &value, 1) == 1 && value == 'y';
}

}  // namespace

Result<MergedEntry> StepMerged(const MergedEntry& directory, const std::string& name) {
  const std::vector<Fd>& parts = directory.parts;
  MergedEntry next;
  for (size_t i = 0; i < parts.size(); ++i) {
    struct stat st;
    if (::fstatat(parts[i].get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;
      return SysErr("stat ", Quote(name));
    }
    if (IsWhiteout(st)) break;
    bool first = next.parts.empty();
    if (!S_ISDIR(st.st_mode)) {
      if (first) {
        next.kind = MergedEntry::Kind::kOther;
        next.st = st;
        next.parts.push_back(TRY(DupFd(parts[i].get())));  // the directory that it is in
        next.layers.push_back(directory.layers[i]);
      }
      break;
    }
    if (first) next.st = st;
    next.kind = MergedEntry::Kind::kDirectory;
    next.parts.push_back(TRY(OpenAt(parts[i].get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)));
    next.layers.push_back(directory.layers[i]);
    if (IsOpaque(next.parts.back().get())) break;
  }
  return next;
}

Result<MergedEntry> FindMerged(const std::vector<Fd>& layers, const std::string& path) {
  MergedEntry entry;
  entry.kind = MergedEntry::Kind::kDirectory;
  for (size_t i = 0; i < layers.size(); ++i) {
    entry.parts.push_back(TRY(DupFd(layers[i].get())));
    entry.layers.push_back(i);
    if (IsOpaque(layers[i].get())) break;
  }
  if (entry.parts.empty()) return MergedEntry{};
  if (::fstat(entry.parts[0].get(), &entry.st) != 0) return SysErr("stat");
  for (const std::string& name : Split(path, '/')) {
    if (name.empty()) continue;
    if (entry.kind != MergedEntry::Kind::kDirectory) return MergedEntry{};
    entry = TRY(StepMerged(entry, name));
  }
  return entry;
}

namespace {
Status CopyMergedDirectory(TreeCopier& copier, const MergedEntry& from, int to, const std::string& path,
                           int depth) {
  if (depth > TreeCopier::kMaxDepth) {
    return Err(Code::kInvalid, "directories nested deeper than ", TreeCopier::kMaxDepth);
  }
  std::set<std::string> names;
  for (const Fd& part : from.parts) {
    for (DirEntry& entry : TRY(ListDirFd(part.get()))) names.insert(std::move(entry.name));
  }
  for (const std::string& name : names) {
    std::string entry_path = path.empty() ? name : StrCat(path, "/", name);
    MergedEntry entry = TRY(StepMerged(from, name));
    if (entry.kind == MergedEntry::Kind::kDirectory) {
      if (::mkdirat(to, name.c_str(), 0700) != 0) return SysErr("mkdir ", Quote(entry_path));
      Fd target = TRY(OpenAt(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      TRY(CopyMergedDirectory(copier, entry, target.get(), entry_path, depth + 1));
    } else if (entry.kind == MergedEntry::Kind::kOther) {
      TRY_CTX(copier.Entry(entry.parts[0].get(), to, name, entry_path, depth), "copying ", Quote(entry_path));
    }
  }
  return CopyAttributes(from.parts[0].get(), to, from.st);
}
}  // namespace

Status CopyMerged(const std::vector<Fd>& layers, int to) {
  MergedEntry root = TRY(FindMerged(layers, ""));
  TreeCopier copier(to);
  return CopyMergedDirectory(copier, root, to, "", 0);
}

}  // namespace rkt::store
