// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/prepare.h"

#include "base/file.h"
#include "base/log.h"
#include "base/uuid.h"
#include "pod/paths.h"
#include "stage0/overlay.h"

namespace rkt::stage0 {
namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirMode = 0750;

bool ChooseOverlay(const PrepareOptions& options) {
  if (!options.use_overlay) return false;
  std::string obstacle = OverlayObstacle(options.data_dir);
  if (obstacle.empty()) return true;
  Notice("", StrCat("disabling overlay support: ", Quote(obstacle)));
  return false;
}

// Image manifests of the apps: those that the caller has parsed, and those read here.
struct Images {
  std::vector<std::string> bytes;
  std::vector<appc::ImageManifest> read;
  std::vector<const appc::ImageManifest*> manifests;
};

Result<Images> ReadImages(const store::Store& store, const std::vector<PodImage>& wanted) {
  Images images;
  images.read.reserve(wanted.size());
  for (const PodImage& image : wanted) {
    images.bytes.push_back(TRY(store.ReadManifestBytes(image.key)));
    if (image.manifest) {
      images.manifests.push_back(image.manifest);
    } else {
      images.read.push_back(TRY(appc::ParseImageManifest(images.bytes.back())));
      images.manifests.push_back(&images.read.back());
    }
  }
  return images;
}

Status ShiftCopies(const pod::Pod& pod, const IdRange& range) {
  Fd root = TRY(OpenAt(pod.fd(), pod::kStage1Rootfs, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  return ShiftOwners(root.get(), range);
}

Status WritePodFiles(const pod::Pod& pod, const PrepareOptions& options, const Images& images,
                     bool overlay, const std::string& stage1_tree,
                     const std::string& stage1_manifest) {
  int dir = pod.fd();
  TRY(WriteFileAt(dir, pod::kManifestFile, options.manifest_bytes, kFileMode));
  TRY(WriteFileAt(dir, pod::kLockFile, "", 0600));
  pod::Summary summary = pod::Summarize(*options.manifest, images.manifests);
  summary.stage1_dir = overlay ? pod::OverlayUpper(stage1_tree) : pod::kStage1Rootfs;
  TRY(WriteFileAt(dir, pod::kSummaryFile,
                  pod::FormatSummary(summary, options.manifest_bytes.size()), kFileMode));
  TRY(WriteFileAt(dir, pod::kStage1TreeFile, stage1_tree, kFileMode));
  TRY(MakeDirAt(dir, pod::kStage1Dir, kDirMode));
  TRY(WriteFileAt(dir, pod::kStage1Manifest, stage1_manifest, kFileMode));
  TRY(MakeDirAt(dir, pod::kStage1Rootfs, kDirMode));
  TRY(MakeDirAt(dir, pod::kAppsInfoDir, kDirMode));
  for (size_t i = 0; i < options.images.size(); ++i) {
    const std::string& app = options.images[i].app;
    TRY(MakeDirAt(dir, pod::AppInfoDir(app), kDirMode));
    TRY(WriteFileAt(dir, pod::AppImageManifest(app), images.bytes[i], kFileMode));
  }
  return {};
}

}  // namespace

Status CheckAppNameLength(const std::string& name) {
  constexpr size_t kMax = 128;
  if (name.size() <= kMax) return {};
  return Err(Code::kInvalid, "app name ", Quote(name.substr(0, 32)), "... has ", name.size(), " characters, ", kMax,
             " are allowed");
}

Result<Preparation> PrepareLocked(pod::Pods& pods, store::Store& store,
                                  const PrepareOptions& options) {
  for (const PodImage& image : options.images) TRY(CheckAppNameLength(image.app));
  // Keeps the collector of trees away until the pod says which trees it uses.
  Lock prepare_lock = TRY(store.LockPreparing(Lock::Kind::kShared));
  Stage1Image stage1 = TRY(FindStage1(store, options.stage1));
  std::string stage1_manifest = TRY(ReadFile(StrCat(store.TreePath(stage1.tree_id), "/manifest")));
  bool overlay = ChooseOverlay(options);
  Images images = TRY(ReadImages(store, options.images));
  std::vector<Preparation::App> apps;
  for (const PodImage& image : options.images) {
    apps.push_back({image.app, TRY_CTX(store.RenderTree(image.key), "rendering the image of app ",
                                       image.app)});
  }

  auto created = TRY(pods.Create(options.uuid.empty() ? NewUuid() : options.uuid));
  std::optional<PrivateUsers> users;
  auto fill = [&]() -> Status {
    if (options.private_users) users = TRY(TakePrivateUsers(pods, created.pod, &overlay));
    if (users && users->shifted && options.manifest->IsMutable()) {
      // Nothing that is brought into it later could be given away in time.
      return Err(Code::kUnsupported, "a mutable pod with users of its own needs a data directory whose file system can map ids");
    }
    if (!options.uuid_file.empty()) {
      TRY_CTX(
          WriteFileAt(AT_FDCWD, options.uuid_file, created.pod.uuid(), 0644, /*overwrite=*/true),
          "saving the UUID");
    }
    TRY(WritePodFiles(created.pod, options, images, overlay, stage1.tree_id, stage1_manifest));
    if (overlay) {
      TRY(MakeOverlayDirs(created.pod, store, stage1.tree_id, apps));
    } else {
      TRY(CopyTrees(created.pod, store, stage1.tree_id, apps));
      if (users && users->shifted) TRY(ShiftCopies(created.pod, users->range));
    }
    // Last, since its time is the pod's.
    return WriteFileAt(created.pod.fd(), pod::kCreatedFile, "", kFileMode);
  };
  if (auto status = fill(); !status) {
    (void)pods.Forget(created.pod);
    return std::move(status).error().Wrap("preparing the pod");
  }
  if (!overlay) {
    for (Preparation::App& app : apps) app.tree_id.clear();
  }
  return Preparation{std::move(created.pod), std::move(created.lock),    overlay,
                     stage1.tree_id,         std::move(stage1_manifest), std::move(apps),
                     std::move(users)};
}

Result<std::string> Prepare(store::Store& store, const PrepareOptions& options) {
  pod::Pods pods = TRY(pod::Pods::Open(options.data_dir));
  Preparation preparation = TRY(PrepareLocked(pods, store, options));
  // Renamed before the lock goes, so that nobody takes it for an aborted one in between.
  if (auto moved = pods.Move(preparation.pod, pod::Stage::kPrepared); !moved) {
    (void)pods.Forget(preparation.pod);
    return std::move(moved).error();
  }
  return preparation.pod.uuid();
}

}  // namespace rkt::stage0
