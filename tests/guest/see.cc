// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// What the judge reports: identity, capabilities, descriptors, environment, mounts, namespaces,
// devices, limits.

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>

#include "guest/judge.h"

extern char** environ;

namespace judge {
namespace {

std::vector<std::string> Names(const std::string& path) {
  std::vector<std::string> names;
  if (DIR* dir = opendir(path.c_str())) {
    while (dirent* entry = readdir(dir)) {
      std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    closedir(dir);
  }
  std::sort(names.begin(), names.end());
  return names;
}

const char* TypeName(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "dir";
    case S_IFLNK:
      return "link";
    case S_IFCHR:
      return "char";
    case S_IFBLK:
      return "block";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    default:
      return "other";
  }
}

std::string Octal(mode_t mode) {
  char text[16];
  snprintf(text, sizeof text, "%04o", mode & 07777);
  return text;
}

void Entry(Json& json, const std::string& path) {
  struct stat st;
  if (lstat(path.c_str(), &st) < 0) {
    json.Text("type", ErrnoName(errno));
    return;
  }
  json.Text("type", TypeName(st.st_mode));
  json.Text("mode", Octal(st.st_mode));
  json.Number("uid", st.st_uid);
  json.Number("gid", st.st_gid);
  if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
    json.Text("device",
              std::to_string(major(st.st_rdev)) + ":" + std::to_string(minor(st.st_rdev)));
  }
  if (S_ISLNK(st.st_mode)) json.Text("target", LinkTarget(path));
}

std::string OpenResult(const std::string& path, int flags) {
  int fd = open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return ErrnoName(errno);
  // Inaccessible directories open as empty ones: what counts is whether anything can be read there.
  std::string result = "ok";
  char byte;
  if (flags == O_RDONLY && read(fd, &byte, 1) < 0 && errno != EISDIR && errno != EAGAIN) {
    result = ErrnoName(errno);
  }
  close(fd);
  return result;
}

void Status(Json& json) {
  json.OpenObject("status");
  for (const std::string& line : SplitAt(Slurp("/proc/self/status"), '\n')) {
    size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    std::string value = line.substr(colon + 1);
    value.erase(0, value.find_first_not_of(" \t") == std::string::npos
                       ? value.size()
                       : value.find_first_not_of(" \t"));
    while (!value.empty() && value.back() == ' ') value.pop_back();
    std::replace(value.begin(), value.end(), '\t', ' ');
    json.Text(line.substr(0, colon), value);
  }
  json.CloseObject();
}

void Mounts(Json& json) {
  json.OpenArray("mounts");
  for (const std::string& line : SplitAt(Slurp("/proc/self/mountinfo"), '\n')) {
    std::vector<std::string> words = SplitAt(line, ' ');
    size_t dash = std::find(words.begin(), words.end(), "-") - words.begin();
    if (words.size() < 7 || dash + 3 >= words.size()) continue;
    json.OpenObject();
    json.Text("root", words[3]);
    json.Text("target", words[4]);
    json.Text("options", words[5]);
    json.Text("type", words[dash + 1]);
    json.Text("source", words[dash + 2]);
    json.Text("super", words[dash + 3]);
    json.CloseObject();
  }
  json.CloseArray();
}

void Processes(Json& json) {
  json.OpenObject("processes");
  for (const std::string& name : Names("/proc")) {
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::string comm = Slurp("/proc/" + name + "/comm");
    json.Text(name, comm.substr(0, comm.find('\n')));
  }
  json.CloseObject();
}

void Limits(Json& json) {
  static const struct {
    const char* name;
    int id;
  } kLimits[] = {{"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC}, {"core", RLIMIT_CORE},
                 {"as", RLIMIT_AS},         {"stack", RLIMIT_STACK}, {"memlock", RLIMIT_MEMLOCK}};
  json.OpenObject("limits");
  for (const auto& limit : kLimits) {
    struct rlimit value = {};
    getrlimit(static_cast<__rlimit_resource>(limit.id), &value);
    auto text = [](rlim_t n) {
      return n == RLIM_INFINITY ? std::string("unlimited") : std::to_string(n);
    };
    json.Text(limit.name, text(value.rlim_cur) + " " + text(value.rlim_max));
  }
  json.CloseObject();
}

// Paths that a pod hides, protects, or must not have open.
const char* const kPaths[] = {"/proc/config.gz",
                              "/proc/interrupts",
                              "/proc/kallsyms",
                              "/proc/sched_debug",
                              "/proc/kcore",
                              "/proc/kmem",
                              "/proc/mem",
                              "/proc/bus",
                              "/proc/sys",
                              "/proc/irq",
                              "/proc/fs",
                              "/proc/sys/kernel/core_pattern",
                              "/proc/sys/kernel/modprobe",
                              "/proc/sys/vm/panic_on_oom",
                              "/proc/sysrq-trigger",
                              "/sys/firmware",
                              "/sys/fs",
                              "/sys/hypervisor",
                              "/sys/module",
                              "/sys/power",
                              "/sys/block",
                              "/sys/bus",
                              "/sys/class",
                              "/sys/dev",
                              "/sys/devices",
                              "/sys/kernel",
                              "/proc/1/exe",
                              "/proc/1/root",
                              "/proc/1/environ",
                              "/proc/1/mem",
                              "/dev/mem",
                              "/etc/resolv.conf",
                              "/etc/hosts",
                              "/etc/hostname",
                              "/etc/mtab",
                              "/sys/fs/cgroup"};

}  // namespace

std::string See() {
  Json json;
  json.OpenObject();
  json.OpenObject("ids");
  json.Number("uid", getuid());
  json.Number("euid", geteuid());
  json.Number("gid", getgid());
  json.Number("egid", getegid());
  json.Number("pid", getpid());
  json.Number("ppid", getppid());
  json.Number("sid", getsid(0));
  json.Number("pgid", getpgid(0));
  json.CloseObject();
  json.Number("no_new_privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  json.Number("dumpable", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
  Status(json);
  json.OpenObject("fds");
  for (const std::string& name : Names("/proc/self/fd")) {
    std::string target = LinkTarget("/proc/self/fd/" + name);
    // The directory that is being listed at this moment is ours.
    if (target.find("/proc/") == 0 && target.find("/fd") != std::string::npos) continue;
    if (target.empty()) continue;
    json.Text(name, target);
  }
  json.CloseObject();
  json.OpenObject("env");
  for (char** entry = environ; *entry; entry++) {
    std::string text = *entry;
    size_t equals = text.find('=');
    json.Text(text.substr(0, equals), equals == std::string::npos ? "" : text.substr(equals + 1));
  }
  json.CloseObject();
  char cwd[4096] = "";
  json.Text("cwd", getcwd(cwd, sizeof cwd) ? cwd : ErrnoName(errno));
  struct utsname uts = {};
  uname(&uts);
  json.Text("hostname", uts.nodename);
  json.Text("domainname", uts.domainname);
  mode_t mask = umask(0);
  umask(mask);
  json.Text("umask", Octal(mask));
  json.OpenObject("namespaces");
  for (const char* name : {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"}) {
    json.Text(name, LinkTarget(std::string("/proc/self/ns/") + name));
  }
  json.CloseObject();
  Mounts(json);
  Processes(json);
  json.OpenArray("cgroups");
  for (const std::string& line : SplitAt(Slurp("/proc/self/cgroup"), '\n')) {
    if (!line.empty()) json.Text(line);
  }
  json.CloseArray();
  Limits(json);
  std::string oom = Slurp("/proc/self/oom_score_adj");
  json.Text("oom_score_adj", oom.substr(0, oom.find('\n')));
  json.OpenArray("interfaces");
  for (const std::string& line : SplitAt(Slurp("/proc/self/net/dev"), '\n')) {
    size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    size_t start = line.find_first_not_of(' ');
    json.Text(line.substr(start, colon - start));
  }
  json.CloseArray();
  json.OpenObject("dev");
  for (const std::string& name : Names("/dev")) {
    json.OpenObject(name);
    Entry(json, "/dev/" + name);
    json.CloseObject();
  }
  json.CloseObject();
  json.OpenObject("paths");
  for (const char* path : kPaths) {
    json.OpenObject(path);
    Entry(json, path);
    json.Text("read", OpenResult(path, O_RDONLY));
    json.Text("write", OpenResult(path, O_WRONLY));
    json.Number("entries", static_cast<long long>(Names(path).size()));
    json.CloseObject();
  }
  json.CloseObject();
  json.OpenArray("root");
  for (const std::string& name : Names("/")) json.Text(name);
  json.CloseArray();
  json.CloseObject();
  return json.text() + "\n";
}

}  // namespace judge
