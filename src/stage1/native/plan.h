// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What will be done for a pod, as values: which mounts, which identity, which limits for each app. Made from the
// manifests and the options before anything is cloned, so that what can be refused is refused while nothing runs.

#include <linux/filter.h>
#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "appc/image_manifest.h"
#include "appc/limits.h"
#include "appc/pod_manifest.h"
#include "base/cgroup/plan.h"
#include "base/result.h"
#include "stage1/common/identity.h"
#include "stage1/native/app_child.h"
#include "stage1/native/options.h"

namespace rkt::native {

// A volume of the pod, attached once at rkt/volumes/INDEX of the pod's root; the apps' mounts are copies of it.
struct VolumePlan {
  std::string source;           // host path, or POD/sharedVolumes/NAME for an empty volume
  bool empty = false;
  bool recursive = true;
  bool directory = true;        // false: the source is a file
  bool device = false;          // the source is a device node: the mount is not nodev
  bool block = false;           // and which one
  dev_t device_number = 0;
  uint32_t mode = 0755;         // of an empty volume, with uid and gid
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::string mount_path;       // "rkt/volumes/0"
  // An empty volume that begins with the content, mode and owner of a directory of the image: the app's root, in the
  // pod's root, and the path in there. Empty: it does not.
  std::string image_root, image_path;
};

// One program of an app: its main one, or an event handler.
struct ProgramPlan {
  std::vector<std::string> exec;
  std::string program;          // inside the root
  stage1::Identity identity;
  bool no_new_privileges = false;
};

// Seconds between SIGTERM and SIGKILL when an app is stopped, unless its annotation says more or less.
inline constexpr int kStopTimeoutSeconds = 90;

// Where a program's label of SELinux is written before it starts; other kinds have files of their own, on kernels that
// know more than one kind.
inline constexpr char kSelinuxLabelFile[] = "/proc/self/attr/exec";
inline constexpr char kApparmorLabelFile[] = "/proc/self/attr/apparmor/exec";

// Where one of an app's standard streams leads.
enum class StreamMode : uint8_t {
  kNull,
  kLog,     // into the app's log, and to rkt's own stream with a prefix
  kStream,  // to and from those who attach
  kTty,     // a terminal of the app's own, for those who attach
};

struct AppPlan {
  std::string name;
  std::string rootfs;                  // "opt/stage2/NAME/rootfs", in the pod's root
  ProgramPlan main;
  std::vector<ProgramPlan> pre_start;
  std::vector<ProgramPlan> post_stop;
  std::string working_directory;
  std::vector<std::string> environment;
  uint64_t capabilities = 0;
  std::vector<sock_filter> seccomp_own;          // compiled for this app
  std::span<const sock_filter> seccomp;          // seccomp_own or the default program
  std::optional<int> oom_score_adj;
  std::vector<AppRlimit> rlimits;
  std::vector<std::string> rlimit_names;
  cgroup::Limits limits;
  std::vector<cgroup::DeviceRule> devices;       // beside the pseudo devices; empty: nothing needs limiting
  int stop_signal = SIGTERM;                     // what the main program is asked to end with
  // Written to /proc/self/attr/... before the program starts, where the kernel has that kind of labels.
  std::string label_file;
  std::string label;
  int stop_timeout_seconds = kStopTimeoutSeconds;
  bool readonly_rootfs = false;
  bool allow_devices = false;
  std::string syslog;                  // the socket that is its /dev/log, in the pod's root; empty: it has none
  bool notifies = false;               // its image says that it tells when it is ready (sd_notify)
  struct ActivatedPort {
    appc::Port port;
    bool passed = false;               // by a socket that rkt was started with
  };
  std::vector<ActivatedPort> activated_ports;    // those that are `socketActivated`
  std::vector<int> sockets;                      // for the main program: descriptors 3 and up
  std::vector<std::string> socket_environment;   // and what it is told of them, LISTEN_PID first
  StreamMode stdin_mode = StreamMode::kNull;
  StreamMode stdout_mode = StreamMode::kLog;
  StreamMode stderr_mode = StreamMode::kLog;
  bool private_users = false;          // pid 1 and the app are in a user namespace
  std::vector<MountStep> mounts;       // point into `strings`
  size_t system_mount_count = 0;       // so many come before the user's own
  std::deque<std::string> strings;
  std::deque<std::vector<const char*>> lists;

  AppPlan() = default;
  AppPlan(AppPlan&&) = default;
  AppPlan& operator=(AppPlan&&) = default;
  AppPlan(const AppPlan&) = delete;
};

struct PodPlan {
  std::string uuid;
  std::string metadata_url;  // AC_METADATA_URL of every app; empty: none
  std::string hostname;
  bool host_network = false;           // set when the networks are planned
  bool private_ipc = true;
  std::optional<IdRange> private_users;  // the pod has a user namespace
  bool interactive = false;
  // Pid 1 stays in the mount namespace of the process outside, which has a private one already: one namespace less to
  // copy and to take down. That process then has the pod's root, too.
  bool shares_mount_namespace = false;
  bool awaits_apps = false;            // it is ready when the apps that notify say so, not when all have started
  bool grows = false;                  // apps are added while it runs (--mutable)
  // Files of the pod's root that its networks gave, with the app's paths they are shown at.
  struct NetworkFile {
    const char* target;
    const char* source;
  };
  std::vector<NetworkFile> network_files;
  std::string file_label;              // of SELinux, for the files of the pod's own volumes; empty: none
  std::deque<VolumePlan> volumes;      // mount steps point into them
  cgroup::Limits limits;               // of all apps together
  // Some app could get at any device without a policy; those of the volumes, beside the pseudo devices.
  bool confine_devices = false;
  std::vector<cgroup::DeviceRule> devices;
  std::vector<appc::Sysctl> sysctls;
  uint64_t task_limit = 0;             // processes and threads of the pod where nobody asks for others; 0: none
  std::vector<AppPlan> apps;
  std::vector<std::string> warnings;   // for standard error
};

// Paths of /proc and /sys that are hidden from apps, and those that they may only read.
std::span<const char* const> HiddenPaths();
std::span<const char* const> ReadOnlyPaths();

// Adds the mounts that every app gets: /proc, /sys, /dev and what is in it, the confined paths, /etc/hostname and
// the other files that rkt provides. `has_sys_mount`: a volume of the user covers /sys, or lies below it.
void AddSystemMounts(AppPlan& app, const RunOptions& options, bool has_sys_mount, bool fallback_hosts);

// The files that the command line asks for (--dns, --hosts-entry), once more: a volume of the user lies over /etc or
// over one of them, and the flags count more. Into a volume that has no such file none is put.
void AddFilesOverVolumes(AppPlan& app, const RunOptions& options);

// `pod_dir` is a descriptor of the pod's directory. Reads the apps' image manifests and looks into their roots.
// kInvalid and kNotFound say which app cannot be started and why.
Result<PodPlan> MakePodPlan(int pod_dir, const appc::PodManifest& manifest, const RunOptions& options);

// From where an app that is added to a running pod is looked at: from the host (where volumes are host paths), or from
// pid 1 of the pod, whose working directory is S1 and where the volumes are mounted already.
enum class AddedFrom { kHost, kPod };
// The plan of one app of the manifest, for a pod that runs: `apps` has this one, `volumes` are the app's own, at
// rkt/volumes/app-NAME/INDEX. The working directory is S1. kNotFound: there is no such app in the manifest.
Result<PodPlan> MakeAddedPlan(int pod_dir, const appc::PodManifest& manifest, const std::string& app,
                              const RunOptions& options, AddedFrom from);
// Where the volumes of an added app are mounted, in S1.
std::string AddedVolumesDir(std::string_view app);

// One app's identity, confinement and environment, without its mounts: what `enter` needs too.
Status PlanConfinement(AppPlan& app, int pod_dir, const appc::App& section, const RunOptions& options);

// --- isolators (limit_plan.cc)

// Those of an app that its own processes are bound by.
Status PlanLimits(AppPlan& app, const appc::Isolators& isolators);
// The label that an app's programs get. What cannot be is skipped with a line in `warnings`.
void PlanLabel(AppPlan& app, const appc::Isolators& own, const appc::Isolators& of_pod, const appc::Isolators& of_image,
               std::vector<std::string>* warnings);
// Those of the pod. `sections` are the apps' in order. kInvalid: a kernel parameter that is not the pod's own.
Status PlanPodLimits(PodPlan& plan, const appc::PodManifest& manifest, const std::vector<const appc::App*>& sections);
// Whether an app could get at devices of the host by mounting file systems, so that only a policy of its control group
// keeps it from them.
bool NeedsDevicePolicy(const AppPlan& app, const RunOptions& options);
// The policy for devices, where the pod needs one.
void PlanDevices(PodPlan& plan, const RunOptions& options);
// What the control groups of the pod have to hold.
cgroup::PodRequest GroupRequest(const PodPlan& plan);

// The program of an AppPlan as plain data for the child. The result points into the plan and into `storage`.
struct ChildStorage {
  std::vector<char*> argv;
  std::vector<char*> envp;
};
AppChildPlan MakeChildPlan(const AppPlan& app, const ProgramPlan& program, ChildStorage& storage);

}  // namespace rkt::native
