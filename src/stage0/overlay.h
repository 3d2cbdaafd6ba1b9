// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The root file systems of a pod: overlays over trees of the store, or copies of them. What is
// prepared here is plain directories; what is mounted is mounted in a mount namespace of the
// calling process's own, so that nothing of it shows on the host and nothing stays when the last
// process of the pod has ended.

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "pod/pod.h"
#include "stage0/prepare.h"
#include "store/store.h"

namespace rkt::stage0 {

// Why overlays cannot be used on the data directory; empty where they can.
std::string OverlayObstacle(const std::string& data_dir);

// Makes upper and work directories and mount points, and the markers that say which trees are used.
// An app whose etc has no mtab gets the link to /proc, here as in CopyTrees.
Status MakeOverlayDirs(const pod::Pod& pod, const store::Store& store,
                       const std::string& stage1_tree, const std::vector<Preparation::App>& apps);
// The same for one app alone, without its directory in stage1's root.
Status MakeAppOverlayDirs(const pod::Pod& pod, const store::Store& store,
                          const Preparation::App& app);
// Copies the trees instead.
Status CopyTrees(const pod::Pod& pod, const store::Store& store, const std::string& stage1_tree,
                 const std::vector<Preparation::App>& apps);

// Enters a mount namespace of its own; mounts of the host still come in, none goes out.
Status EnterPrivateMounts();
// The working directory is the pod's. First stage1's root: an overlay of its tree, or, for a stage1 that uses nothing of
// its tree, the directory alone that the overlay would write to, with `directories` (parents first) made in it. That
// belongs to the pod's `users` where it has some.
// `label`: the one of SELinux that all files of the overlay have; empty: their own.
Status MountStage1Overlay(const store::Store& store, const std::string& stage1_tree, const std::string& label);
Status MountStage1Directory(const std::string& stage1_tree, std::span<const char* const> directories,
                            const std::optional<PrivateUsers>& users);
// Then the overlays of the apps, upon it.
Status MountAppOverlays(const store::Store& store, const std::vector<Preparation::App>& apps, const std::string& label);
// One app's overlay onto a directory.
Status MountAppOverlay(const store::Store& store, const Preparation::App& app,
                       const std::string& target, const std::string& label);
// One app's copy: `path` is relative to the pod's directory, as that was when the pod was opened: no mount made since is
// in the way.
Status CopyAppTree(const pod::Pod& pod, const store::Store& store, const Preparation::App& app,
                   const std::string& path);
// Before overlays of these trees are mounted for a pod with users of its own: mapped views of all layers in the places of
// the layers themselves, in this mount namespace alone, each once. The overlays belong to those users, the directories
// stay as they are. What overlay makes in its work directory belongs to whoever mounts it: to them, while the result
// lives.
Result<FileOwner> MapLayers(const store::Store& store, const std::vector<std::string>& trees,
                            const PrivateUsers& users);
// The way of kernels before 6.7 to several lower directories (relative to cas, topmost first): one
// option, with paths of descriptors, for it must fit a page. The working directory is the pod's.
Status MountOverlayInOneOption(const std::vector<std::string>& lowers, const std::string& upper,
                               const std::string& work, const std::string& target,
                               const std::string& label = "");
// The overlay of one app of an exited pod, detached: read-only and of everything that the pod had,
// or as it was while the pod ran. Works from the pod's directory, which becomes the working one.
Result<Fd> OpenAppOverlay(const store::Store& store, const pod::Pod& pod, const std::string& tree,
                           const std::string& app, bool writable);
// Detaches all of it again, in this process's mount namespace.
void UnmountOverlays(const pod::Pod& pod);

}  // namespace rkt::stage0
