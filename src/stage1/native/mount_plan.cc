// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The mounts of an app's root that are not the user's: runtime.md of the reference, sections 10 and 11.

#include <sys/mount.h>

#include "base/strings.h"
#include "stage1/native/plan.h"

namespace rkt::native {

namespace {

constexpr uint64_t kNoExecution = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

// Files and directories that tell of the host or steer it. `sched_debug`, `timer_list`, `latency_stats`, `keys` and
// `interrupts` say what other pods do, `powercap` what they compute.
constexpr const char* kHiddenFiles[] = {
    "proc/config.gz", "proc/interrupts",  "proc/kallsyms",   "proc/kcore", "proc/kmem", "proc/mem",
    "proc/keys",      "proc/sched_debug", "proc/timer_list", "proc/timer_stats",
    "proc/latency_stats", "proc/1/mountstats",
};
constexpr const char* kHiddenDirectories[] = {
    "proc/1/task", "proc/acpi",      "proc/asound", "proc/scsi", "sys/firmware",
    "sys/fs",      "sys/hypervisor", "sys/module",  "sys/power", "sys/devices/virtual/powercap",
};
constexpr const char* kOwnMounts[][2] = {{"proc/self/mountinfo", "proc/1/mountinfo"},
                                         {"proc/self/mounts", "proc/1/mounts"}};
constexpr const char* kReadOnly[] = {
    "proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger",
};
MountStep& Add(AppPlan& app, MountStep::Kind kind, const char* target) {
  MountStep step = {};
  step.kind = kind;
  step.target = target;
  app.mounts.push_back(step);
  return app.mounts.back();
}

void Directory(AppPlan& app, const char* target, mode_t mode, bool optional) {
  MountStep& step = Add(app, MountStep::Kind::kDirectory, target);
  step.mode = mode;
  step.optional = optional;
}

void Filesystem(AppPlan& app, const char* type, const char* target, uint64_t attributes) {
  MountStep& step = Add(app, MountStep::Kind::kFilesystem, target);
  step.source = type;
  step.attributes = attributes;
  // The first column of `mount` shows the type rather than "none".
  app.lists.push_back({"source", type, nullptr});
  step.options = app.lists.back().data();
}

void Bind(AppPlan& app, const char* source, const char* target, uint64_t attributes, bool optional) {
  MountStep& step = Add(app, MountStep::Kind::kBind, target);
  step.source = source;
  step.attributes = attributes;
  step.optional = optional;
}

void ShowFile(AppPlan& app, const char* source, const char* target, bool optional) {
  MountStep& step = Add(app, MountStep::Kind::kProvide, target);
  step.source = source;
  step.attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  step.optional = optional;
}

// A file of the pod's root shown at a path of the app's. `optional`: an image whose /etc takes none goes without.
void ProvideFile(AppPlan& app, const char* source, const char* target, bool optional) {
  MountStep& file = Add(app, MountStep::Kind::kFile, target);
  file.mode = 0644;
  file.optional = optional;
  ShowFile(app, source, target, optional);
}

bool IsAskedFor(const std::string& mode) { return mode == "host" || mode == "stage0"; }

void AddDev(AppPlan& app, const RunOptions& options) {
  Directory(app, "dev", 0755, false);
  // Without a filter that keeps mknod in bounds the file system itself must open no devices.
  // In a user namespace there is no mknod: nodes are bound.
  bool filtered = (!app.seccomp.empty() || options.disable_paths) && !options.private_users;
  app.strings.push_back(StrCat("dev/app-", app.name));
  MountStep& dev = Add(app, MountStep::Kind::kDev, "dev");
  dev.source = app.strings.back().c_str();
  dev.attributes = MOUNT_ATTR_NOSUID | (filtered ? 0 : MOUNT_ATTR_NODEV);
  dev.tun = options.tun_device;
  if (!app.syslog.empty()) {
    app.strings.push_back(app.syslog);
    dev.log = app.strings.back().c_str();
  }
  Bind(app, "dev/pts", "dev/pts", 0, false);
  Bind(app, "dev/shm", "dev/shm", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, false);
  if (options.interactive) {
    Add(app, MountStep::Kind::kFile, "dev/console").mode = 0600;
    Bind(app, "dev/console", "dev/console", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, true);
  } else {
    MountStep& console = Add(app, MountStep::Kind::kSymlink, "dev/console");
    console.source = "/proc/self/fd/1";
  }
}

}  // namespace

std::span<const char* const> HiddenPaths() {
  static const std::vector<const char*> all = [] {
    std::vector<const char*> paths(std::begin(kHiddenFiles), std::end(kHiddenFiles));
    paths.insert(paths.end(), std::begin(kHiddenDirectories), std::end(kHiddenDirectories));
    return paths;
  }();
  return all;
}

std::span<const char* const> ReadOnlyPaths() { return kReadOnly; }

void AddSystemMounts(AppPlan& app, const RunOptions& options, bool has_sys_mount, bool fallback_hosts) {
  bool confined = !options.disable_paths;
  Directory(app, "proc", 0755, false);
  Filesystem(app, "proc", "proc", kNoExecution);
  if (!has_sys_mount) {
    Directory(app, "sys", 0755, false);
    Filesystem(app, "sysfs", "sys", kNoExecution | (confined ? MOUNT_ATTR_RDONLY : 0));
  }
  if (confined) {
    for (const char* path : kReadOnly) {
      Add(app, MountStep::Kind::kReadOnly, path).optional = true;
    }
    constexpr uint64_t kHidden = MOUNT_ATTR_RDONLY | kNoExecution;
    // Everybody may read every process's table of mounts. That of the pod's first one tells where things lie on the host
    // and what other apps have, so its entries show the app's own.
    for (const auto& [own, shown] : kOwnMounts) Add(app, MountStep::Kind::kOwn, shown).source = own;
    // Seen from below, the groups of the first process have the names of the host's.
    MountStep& groups = Add(app, MountStep::Kind::kOwn, "proc/1/cgroup");
    groups.source = "proc/self/cgroup";
    groups.own_groups = true;
    for (const char* path : kHiddenFiles) Bind(app, "dev/hidden-file", path, kHidden, true);
    for (const char* path : kHiddenDirectories) {
      if (has_sys_mount && std::string_view(path).starts_with("sys/")) continue;
      Bind(app, "dev/hidden-directory", path, kHidden, true);
    }
  }
  AddDev(app, options);
  Directory(app, "etc", 0755, true);
  Directory(app, "run", 0755, true);
  Directory(app, "tmp", 01777, true);
  ProvideFile(app, "dev/hostname", "etc/hostname", true);
  if (IsAskedFor(options.resolv_mode)) ProvideFile(app, "etc/rkt-resolv.conf", "etc/resolv.conf", false);
  if (IsAskedFor(options.hosts_mode)) {
    ProvideFile(app, "etc/rkt-hosts", "etc/hosts", false);
  } else if (fallback_hosts) {
    ProvideFile(app, "dev/hosts", "etc/hosts", true);
  }
}

void AddFilesOverVolumes(AppPlan& app, const RunOptions& options) {
  if (IsAskedFor(options.resolv_mode)) ShowFile(app, "etc/rkt-resolv.conf", "etc/resolv.conf", true);
  if (IsAskedFor(options.hosts_mode)) ShowFile(app, "etc/rkt-hosts", "etc/hosts", true);
}

}  // namespace rkt::native
