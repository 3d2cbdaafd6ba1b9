// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/operations.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <unordered_set>

#include "appc/names.h"
#include "base/copy_tree.h"
#include "base/file.h"
#include "image/make/output_file.h"
#include "image/remote_record.h"
#include "store/image_layers.h"

namespace rkt::image {

namespace {

// A directory that did not exist, or whose content was removed on demand. "/" in any spelling is refused.
Status MakeTarget(const std::string& directory, bool overwrite) {
  char real[PATH_MAX];
  if (Exists(directory)) {
    if (!overwrite) return Err(Code::kExists, "output directory exists (try --overwrite)");
    if (::realpath(directory.c_str(), real) == nullptr) return SysErr("realpath ", directory);
    if (std::string_view(real) == "/") return Err(Code::kInvalid, "cannot overwrite the root directory");
    TRY(RemoveTreeAt(AT_FDCWD, real));
  }
  return MakeDirs(directory, 0755);
}

// To a file by the kernel, which shares the data where it can; into a pipe from front to end.
Status CopyBlob(int from, int to) {
  struct stat st;
  if (::fstat(to, &st) == 0 && S_ISREG(st.st_mode)) return CopyFileData(from, to);
  std::string buffer(256u << 10, '\0');
  for (;;) {
    ssize_t n = ::read(from, buffer.data(), buffer.size());
    if (n == 0) return {};
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SysErr("read");
    TRY(WriteAll(to, std::string_view(buffer).substr(0, static_cast<size_t>(n))));
  }
}

}  // namespace

Result<std::string> ResolveStored(const store::Store& store, const std::string& image) {
  if (image.starts_with("sha512-")) return store.ResolveKey(image);
  return store.FindImage(TRY(appc::ParseImageName(image)));
}

Status ExportImage(const store::Store& store, const std::string& image, const std::string& file, bool overwrite) {
  std::string key = TRY(ResolveStored(store, image));
  auto blob = TRY(store.OpenForReading(key));
  bool layered = !TRY(store::ReadImageLayers(store, key)).empty();
  auto target = OutputFile::Create(file, overwrite);
  if (!target) {
    if (target.error().code() == Code::kExists) return Err(Code::kExists, "output ACI file exists (try --overwrite)");
    return std::move(target).error();
  }
  Status copied = layered ? store::WriteFlatArchive(store, key, target->fd(), /*check=*/false)
                          : CopyBlob(blob.blob.get(), target->fd());
  if (!copied) {
    int err = copied.error().err();
    return err == 0 ? std::move(copied).error() : ErrnoError(err, StrCat("write ", file));
  }
  return target->Commit();
}

Status ExtractImage(const store::Store& store, const std::string& image, const std::string& directory,
                    const UnpackOptions& options) {
  std::string key = TRY(ResolveStored(store, image));
  if (::geteuid() != 0) return Err(Code::kPermission, "chroot capability not available.");
  TRY(MakeTarget(directory, options.overwrite));
  if (Status status = store.ExtractImage(key, directory, options.rootfs_only); !status) {
    (void)RemoveTreeAt(AT_FDCWD, directory);
    return status;
  }
  return {};
}

Status RenderImage(store::Store& store, const std::string& image, const std::string& directory,
                   const UnpackOptions& options, const std::function<void(const std::string&)>& warn) {
  std::string key = TRY(ResolveStored(store, image));
  if (::geteuid() != 0) return Err(Code::kPermission, "chroot capability not available.");
  std::string tree = TRY(store.RenderTree(key));
  auto verified = TRY(store.VerifyTree(key));
  if (verified.state != store::Store::TreeState::kIntact) {
    if (warn) warn("tree cache is in a bad state. Rebuilding...");
    tree = TRY(store.RebuildTree(key));
  }
  TRY(MakeTarget(directory, options.overwrite));
  auto copy = [&]() -> Status {
    if (options.rootfs_only) return store.CopyTree(tree, directory);
    std::string rootfs = directory + "/rootfs";
    TRY(MakeDirs(rootfs, 0755));
    TRY(store.CopyTree(tree, rootfs));
    return WriteFileAt(AT_FDCWD, directory + "/manifest", TRY(store.ReadManifestBytes(key)), 0644);
  };
  if (Status status = copy(); !status) {
    (void)RemoveTreeAt(AT_FDCWD, directory);
    return status;
  }
  return {};
}

std::vector<RemovedImage> RemoveImages(store::Store& store, const std::vector<std::string>& images) {
  std::vector<RemovedImage> rows;
  for (const std::string& image : images) {
    RemovedImage row;
    row.image = image;
    auto key = ResolveStored(store, image);
    if (key) {
      row.key = *key;
      row.status = store.RemoveImage(*key, &row.stale_files);
    } else {
      row.status = std::move(key).error();
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<VerifiedImage> VerifyImage(store::Store& store, const std::string& image,
                                  const std::function<void(const std::string&)>& before_rebuild) {
  std::string key = TRY(ResolveStored(store, image));
  auto verified = TRY(store.VerifyTree(key));
  switch (verified.state) {
    case store::Store::TreeState::kIntact:
      return VerifiedImage{key, VerifyOutcome::kVerified, {}};
    case store::Store::TreeState::kNotRendered:
      return VerifiedImage{key, VerifyOutcome::kNotRendered, {}};
    case store::Store::TreeState::kDamaged:
      break;
  }
  if (before_rebuild) before_rebuild(verified.detail);
  TRY(store.RebuildTree(key));
  return VerifiedImage{key, VerifyOutcome::kRebuilt, std::move(verified.detail)};
}

Result<GcResult> GarbageCollect(store::Store& store, const GcOptions& options,
                                const std::function<void(const std::string&)>& removed_tree) {
  GcResult result;
  TRY(store.RemoveUnusedTrees(
      options.used_trees,
      [&](const std::string& tree) {
        if (removed_tree) removed_tree(tree);
        result.removed_trees.push_back(tree);
      },
      [&](const std::string& tree, const Error& error) {
        result.errors.push_back(Error(error).Wrap(StrCat("removing treestore ", Quote(tree))));
      }));

  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  int64_t now_ns = static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
  std::unordered_set<std::string> used(options.used_keys.begin(), options.used_keys.end());
  for (const std::string& key : options.used_keys) {
    auto images = store.TreeImages(key);
    if (images) used.insert(images->begin(), images->end());
  }
  std::vector<std::string> old;
  for (const store::ImageInfo& image : TRY(store.ListImages())) {
    if (!used.contains(image.key) && now_ns - image.last_used_ns > options.grace_ns) old.push_back(image.key);
  }
  if (!old.empty()) {
    // An image that is being read is in use.
    TRY(store.RemoveImages(old, /*wait=*/false, [&](const std::string& key, const Status& files) {
      result.removed_images.push_back(key);
      if (!files) result.errors.push_back(Error(files.error()).Wrap(StrCat("removing image ", Quote(key))));
    }));
  }
  for (Status status : {store.CollectTemporary(), store.CollectOrphans(), CollectRemotes(store)}) {
    if (!status) result.errors.push_back(std::move(status).error());
  }
  return result;
}

}  // namespace rkt::image
