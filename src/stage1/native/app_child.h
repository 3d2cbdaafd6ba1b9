// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The app's side of its start: what the cloned child does, in order, until execve. Everything it needs was decided
// before and lies here as plain data; nothing is allocated, nothing of the host is touched but by descriptor. The
// child shares the supervisor's memory, which waits until execve (as vfork's parent does): no page table is copied,
// and a failure is reported by writing it down. The order is the one of the functions at the end of app_child.cc.

#include <linux/filter.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace rkt::native {

// One step of laying out the app's root. `target` is relative to the app's rootfs; `source`, where it is a path, to the
// pod's root, which is the working directory.
struct MountStep {
  enum class Kind : uint8_t {
    kDirectory,   // make sure that there is a directory (mode); a symlink there is refused
    kSymlink,     // target -> source, unless something is there
    kFile,        // an empty file to bind onto (mode), unless there is anything but a symlink
    kFilesystem,  // a new file system of type `source`, options in `options`
    kBind,        // a copy of what is at `source` in the pod's root, onto a path in /proc, /sys or /dev
    kProvide,     // the same, onto a file that the image may have
    kVolume,      // like kBind, but the target is made where it is missing and may be reached through symlinks
    kReadOnly,    // the target bound onto itself, read-only
    kOwn,         // a copy of what is at `source` in the app's own /proc, onto another path in there
    kDev,         // /dev: the directory `source`, made with the pseudo devices and links
  };
  Kind kind;
  bool optional = false;        // a missing target or source is no failure
  bool directory = true;        // kVolume: make a directory, or a file, where the target is missing
  const char* source = nullptr;
  const char* target = nullptr;
  const char* const* options = nullptr;  // kFilesystem: key, value, key, value, ..., null
  uint64_t attributes = 0;      // MOUNT_ATTR_* set on the new mount
  bool recursive = false;       // attributes and copy take what is mounted below along
  bool tun = false;             // kDev: with net/tun
  bool own_groups = false;      // only where the app has control groups of its own
  const char* notify = nullptr; // kDev: the socket that /dev/notify is, likewise; null: there is none
  const char* log = nullptr;    // kDev: the socket that /dev/log is, in the pod's root; null: a link to where a journal's would be
  mode_t mode = 0755;
};

struct DeviceNode {
  const char* name;
  unsigned major, minor;
};
inline constexpr DeviceNode kDeviceNodes[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                                              {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

// A limit for setrlimit. RLIM_INFINITY in it means as much as rkt itself has.
struct AppRlimit {
  int resource;
  struct rlimit value;
};

enum class AppStep : int {
  kNone,
  kSession,
  kJoin,
  kRoot,
  kMount,
  kPivot,
  kStreams,
  kDirectory,
  kResources,
  kRlimit,
  kCapabilities,
  kLabel,
  kUser,
  kSeccomp,
  kExec,
};
const char* AppStepName(AppStep step);

// What went wrong; kNone: the program was executed. `index` is that of the mount step, for kMount, or of the limit,
// for kRlimit.
struct AppFailure {
  AppStep step = AppStep::kNone;
  int err = 0;
  int index = -1;
};

// So many sockets can be passed to a pod.
inline constexpr size_t kMaxSockets = 1024;

struct AppChildPlan {
  const char* rootfs = nullptr;        // where the app's root is mounted or lies, relative to the pod's root
  const MountStep* mounts = nullptr;
  size_t mount_count = 0;
  bool readonly_rootfs = false;
  bool allow_devices = false;          // device nodes of the image work (--insecure-options=paths)
  bool private_users = false;          // in a user namespace

  int stdin_fd = -1;                   // become 0, 1, 2; below 0 it is the app's /dev/null
  int stdout_fd = -1;
  int stderr_fd = -1;
  bool controlling_terminal = false;   // stdin_fd is a terminal to make the session's
  const int* sockets = nullptr;        // become 3 and up
  size_t socket_count = 0;
  char* listen_pid = nullptr;          // room for ten digits and a NUL: the child's pid is written there

  uint64_t clone_flags = 0;            // CLONE_NEW*
  int cgroup_fd = -1;                  // v2 group to be born in
  const int* cgroup_tasks = nullptr;   // `tasks` of v1 groups to enter
  size_t cgroup_count = 0;
  bool own_cgroup_namespace = false;   // whose root are the groups just entered
  const AppRlimit* rlimits = nullptr;
  size_t rlimit_count = 0;
  bool set_oom_score = false;
  int oom_score_adj = 0;

  const char* working_directory = "/";
  uint64_t capabilities = 0;           // the bounding set, and what a root app has
  uid_t uid = 0;
  gid_t gid = 0;
  const gid_t* groups = nullptr;
  size_t group_count = 0;
  bool no_new_privileges = false;
  const char* label_file = nullptr;    // "/proc/self/attr/...", or none
  const char* label = nullptr;
  const sock_filter* seccomp = nullptr;
  size_t seccomp_count = 0;

  const char* program = nullptr;       // path inside the app's root
  char* const* argv = nullptr;
  char* const* envp = nullptr;
};

// Clones the child, which makes the app's root, enters it, confines itself and executes the program. Returns the pid
// (or -1 with errno, where not even the clone succeeded) when the program has been executed or something has failed;
// the child of a failure exits by itself and must be reaped.
pid_t StartApp(const AppChildPlan& plan, AppFailure* failure);

// What a further program of a running app takes over from the app's process.
struct JoinPlan {
  int app_process = -1;                // a pidfd
  int namespaces = 0;                  // CLONE_NEW* that are joined last, with that process: user, cgroup
  int proc = -1;                       // the host's /proc
  const rlimit* limits = nullptr;      // RLIM_NLIMITS of them, by number
};

// The same for a further program of a running app (`enter`): the caller has joined the app's other namespaces
// already, so that nothing is mounted here; a session of its own, groups, limits, streams, confinement, execve.
pid_t StartEntered(const AppChildPlan& plan, const JoinPlan& join, AppFailure* failure);

}  // namespace rkt::native
