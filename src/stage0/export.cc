// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/export.h"

#include "appc/image_manifest.h"
#include "base/file.h"
#include "base/lock.h"
#include "image/make/output_file.h"
#include "image/make/tree_writer.h"
#include "pod/paths.h"
#include "stage0/app_root.h"

namespace rkt::stage0 {

namespace {

constexpr char kRootfs[] = "rootfs";

bool HasExited(const pod::Pod& pod) {
  return pod.state() == pod::State::kExited || pod.state() == pod::State::kExitedGarbage;
}

// The manifest of the image, without what an image says that holds but a part of its root: the exported one holds all of
// it, and its dependencies would bring back what the app has removed, its whitelist hide what it has made.
Result<std::string> ManifestOfWhole(std::string text) {
  appc::ImageManifest manifest = TRY(appc::ParseImageManifest(text));
  if (manifest.dependencies.empty() && manifest.path_whitelist.empty()) return text;
  manifest.dependencies.clear();
  manifest.path_whitelist.clear();
  return appc::WriteImageManifest(manifest);
}

}  // namespace

Status Export(const ExportOptions& options) {
  size_t slash = options.output.rfind('/');
  std::string name = slash == std::string::npos ? options.output : options.output.substr(slash + 1);
  if (!name.ends_with(".aci") || name == ".aci") {
    return Err(Code::kInvalid, "extension must be .aci (given ", Quote(options.output), ")");
  }
  pod::Pods pods = TRY(pod::Pods::Open(options.data_dir));
  pod::Pod pod = TRY(pods.Get(options.uuid));
  if (!HasExited(pod)) {
    return Err(Code::kInvalid, "pod ", Quote(options.uuid), " has not exited: it is ", pod::StateName(pod.state()));
  }
  // Keeps it from being collected meanwhile; to those that look, a shared lock is none.
  auto lock = TRY(Lock::TryDirectory(pod.fd(), ".", Lock::Kind::kShared));
  if (!lock) return Err(Code::kBusy, "somebody else is working on pod ", Quote(options.uuid));
  TRY(pod.Refresh());
  if (!HasExited(pod)) return Err(Code::kInvalid, "pod ", Quote(options.uuid), " has not exited");

  std::string manifest = TRY(ManifestOfWhole(TRY(pod.ReadFile(pod::AppImageManifest(options.app)))));
  auto modified = pod.ModifiedNs(pod::AppImageManifest(options.app).c_str());
  image::OutputFile file = TRY(image::OutputFile::Create(options.output, options.overwrite));
  store::Store store = TRY(store::Store::OpenExisting(options.data_dir));
  AppRoot root = TRY(OpenExitedRoot(store, pod, options.app, /*writable=*/false));

  image::TreeOptions tree;
  tree.users = root.users;
  tree.skip_sockets = true;  // nobody listens there any more
  image::ArchiveOutput archive =
      TRY(image::ArchiveOutput::Open(file.fd(), options.output, image::Compression::kGzip));
  image::TreeWriter writer(archive, tree);
  TRY(writer.Directory(root.directory.get(), kRootfs));
  TRY(writer.Manifest(manifest, modified.value_or(0) / 1'000'000'000));
  TRY(writer.Finish());
  TRY(archive.Finish());
  return file.Commit();
}

}  // namespace rkt::stage0
