// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Where everything of a pod lies. The tree is drawn here and nowhere else; the functions below are
// the only ones that build these paths. POD is the pod's directory, paths below it are relative to
// it, so that they hold whichever directory of DIR/pods the pod is in.
//
//   DIR/pods/{embryo,prepare,prepared,run,exited-garbage,garbage}/<uuid>/   0750, flock: alive
//     pod                       0640  pod manifest
//     pod-created               0640  empty; its mtime is the time of creation
//     pod.lck                   0600  flock of those who change the pod's apps
//     summary                   0640  what `list` needs of the manifests (summary.h); ours, may be
//     missing appsinfo/<app>/manifest   0640  image manifest of the app appsinfo/<app>/treeStoreID
//     tree of the app's image (overlay only), no newline stage1TreeStoreID               tree of
//     stage1's image, no newline overlay-prepared                empty; the pod uses overlays
//     private-users-prepared          SHIFT:COUNT (private_users.h)
//     private-users-shifted           empty; files below S1 were given to these ids (no mapped mounts)
//     overlay/<tree>/{upper,work}[/<app>]     stage1 directly below, apps one level deeper
//     stage1/manifest  stage1/rootfs/         S1: mount point of the overlay, or a copy
//     S1/opt/stage2/<app>/{manifest,rootfs}   the app's image, in the same two ways
//     S1/rkt/status/<app>             decimal exit status and a newline
//     S1/rkt/status/<app>-{created,started}   of mutable pods: empty, their times count
//     S1/rkt/iottymux/<app>/          where an app's streams can be attached to
//     S1/rkt/env/<app>          0644  K=V, as the flavor's own `enter` reads it (ours: fly alone, each ended by NUL)
//     S1/rkt/supervisor-status        symlink whose target is the word "ready"
//     S1/etc/{rkt-resolv.conf,rkt-hosts}      what --dns and --hosts-entry ask for
//     runtime-config            0640  flags given to stage1, as JSON
//     logs/<app>[.N]            0640  output, CRI log format; .1 and so on are older (docs/formats/logs.md)
//     pid | ppid  pgid          0644  decimal and a newline, written by stage1
//     subcgroup                       written by stage1, no newline
//     nothing-to-collect              empty; stage1 says that its gc entry point has nothing to do
//     selinux                   0640  labels of its processes and of its files, a line each (where SELinux is on)
//     netns  net/*.conf  net-info.json  sharedVolumes/<name>  mds-registered

#include <string>
#include <string_view>

#include "base/strings.h"

namespace rkt::pod {

inline constexpr char kManifestFile[] = "pod";
inline constexpr char kCreatedFile[] = "pod-created";
inline constexpr char kLockFile[] = "pod.lck";
inline constexpr char kSummaryFile[] = "summary";
inline constexpr char kAppsInfoDir[] = "appsinfo";
inline constexpr char kStage1TreeFile[] = "stage1TreeStoreID";
inline constexpr char kOverlayMarker[] = "overlay-prepared";
inline constexpr char kPrivateUsersFile[] = "private-users-prepared";
inline constexpr char kPrivateUsersShifted[] = "private-users-shifted";
inline constexpr char kOverlayDir[] = "overlay";
inline constexpr char kStage1Dir[] = "stage1";
inline constexpr char kStage1Manifest[] = "stage1/manifest";
inline constexpr char kStage1Rootfs[] = "stage1/rootfs";
inline constexpr char kRuntimeConfigFile[] = "runtime-config";
inline constexpr char kLogsDir[] = "logs";
inline constexpr char kPidFile[] = "pid";
inline constexpr char kPpidFile[] = "ppid";
inline constexpr char kPgidFile[] = "pgid";
inline constexpr char kSubcgroupFile[] = "subcgroup";
inline constexpr char kSelinuxFile[] = "selinux";
inline constexpr char kNothingToCollect[] = "nothing-to-collect";
inline constexpr char kNetInfoFile[] = "net-info.json";
inline constexpr char kSharedVolumesDir[] = "sharedVolumes";

// Below POD.
inline std::string AppInfoDir(std::string_view app) { return StrCat(kAppsInfoDir, "/", app); }
inline std::string AppImageManifest(std::string_view app) {
  return StrCat(kAppsInfoDir, "/", app, "/manifest");
}
inline std::string AppTreeFile(std::string_view app) {
  return StrCat(kAppsInfoDir, "/", app, "/treeStoreID");
}
inline std::string OverlayTreeDir(std::string_view tree) { return StrCat(kOverlayDir, "/", tree); }
inline std::string OverlayUpper(std::string_view tree) {
  return StrCat(kOverlayDir, "/", tree, "/upper");
}
inline std::string OverlayWork(std::string_view tree) {
  return StrCat(kOverlayDir, "/", tree, "/work");
}
inline std::string AppLog(std::string_view app) { return StrCat(kLogsDir, "/", app); }
inline std::string SharedVolume(std::string_view name) {
  return StrCat(kSharedVolumesDir, "/", name);
}

// Below S1 (and so below the overlay's upper directory).
inline constexpr char kStage2Dir[] = "opt/stage2";
inline constexpr char kStatusDir[] = "rkt/status";
inline constexpr char kEnvDir[] = "rkt/env";
inline constexpr char kSupervisorStatus[] = "rkt/supervisor-status";
inline constexpr char kResolvConf[] = "etc/rkt-resolv.conf";
inline constexpr char kHosts[] = "etc/rkt-hosts";
inline std::string AppDir(std::string_view app) { return StrCat(kStage2Dir, "/", app); }
inline std::string AppRootfs(std::string_view app) {
  return StrCat(kStage2Dir, "/", app, "/rootfs");
}
inline std::string AppStatusFile(std::string_view app) { return StrCat(kStatusDir, "/", app); }
inline std::string AppCreatedFile(std::string_view app) {
  return StrCat(kStatusDir, "/", app, "-created");
}
inline std::string AppStartedFile(std::string_view app) {
  return StrCat(kStatusDir, "/", app, "-started");
}
inline constexpr char kIottymuxDir[] = "rkt/iottymux";
inline std::string IottymuxDir(std::string_view app) { return StrCat(kIottymuxDir, "/", app); }
inline std::string AppEnvFile(std::string_view app) { return StrCat(kEnvDir, "/", app); }

// Below DIR.
inline std::string PodsDir(std::string_view data_dir) { return StrCat(data_dir, "/pods"); }
// Compiled seccomp filters (stage1/common/seccomp_cache.h), 0700: below DIR, and the same from POD.
inline constexpr char kFiltersDir[] = "filters";
inline constexpr char kFiltersFromPod[] = "../../../filters";

}  // namespace rkt::pod
