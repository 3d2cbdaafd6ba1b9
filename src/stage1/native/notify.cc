// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "pod/paths.h"
#include "stage1/native/memory.h"

namespace rkt::native {

namespace {

// In the pod's root; a socket for each app that notifies, by its number.
constexpr char kSocketDir[] = "rkt/notify";
// What an app sees of it. In /dev, which no image and hardly a volume brings.
constexpr char kAppSocket[] = "dev/notify";
constexpr size_t kLongestStatus = 200;

int64_t NowMs() {
  struct timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

std::string InStage1(std::string_view path) { return StrCat(pod::kStage1Rootfs, "/", path); }

void SetVariable(std::vector<std::string>& environment, const std::string& name,
                 const std::string& value) {
  std::erase_if(environment,
                [&](const std::string& entry) { return entry.starts_with(name + "="); });
  environment.push_back(StrCat(name, "=", value));
}

// The address of a path, or, behind '@', of a name without one. False where it is neither or too
// long.
bool Address(std::string_view text, sockaddr_un* address, socklen_t* length) {
  *address = {};
  address->sun_family = AF_UNIX;
  if (text.size() < 2 || text.size() >= sizeof address->sun_path ||
      (text[0] != '/' && text[0] != '@'))
    return false;
  memcpy(address->sun_path, text.data(), text.size());
  bool abstract = text[0] == '@';
  if (abstract) address->sun_path[0] = '\0';
  *length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size() + (abstract ? 0 : 1));
  return true;
}

// Text of an app for a terminal: one line, of printable characters.
std::string Printable(std::string_view text) {
  std::string plain(text.substr(0, kLongestStatus));
  for (char& c : plain) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return plain;
}

bool IsNumber(std::string_view text) {
  return !text.empty() && text.size() <= 20 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

Status Notifier::OpenHost() {
  const char* word = ::getenv("NOTIFY_SOCKET");
  const char* usec_text = ::getenv("WATCHDOG_USEC");
  if (word == nullptr && usec_text == nullptr) return {};
  std::string path = word != nullptr ? word : "";
  int64_t usec = usec_text != nullptr ? ParseInt(usec_text).value_or(0) : 0;
  const char* watched_text = ::getenv("WATCHDOG_PID");
  auto watched = watched_text != nullptr ? ParseInt(watched_text) : std::nullopt;
  bool ours = watched_text == nullptr || watched.value_or(0) == ::getpid();
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  sockaddr_un address;
  socklen_t length;
  if (path.empty()) return {};
  if (!Address(path, &address, &length)) {
    Notice("stage1",
           StrCat("warning: NOTIFY_SOCKET is ", Quote(path), ", which is no address of a socket"));
    return {};
  }
  host_ = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!host_) return SysErr("socket");
  if (::connect(host_.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) {
    Notice("stage1", StrCat("warning: NOTIFY_SOCKET ", Quote(path), ": ", ErrnoText(errno)));
    host_.Close();
    return {};
  }
  // Whoever listens there must not hold the pod up for ever.
  struct timeval patience = {5, 0};
  ::setsockopt(host_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (ours && usec > 0) watchdog_ms_ = std::max<int64_t>(1, usec / 1000);
  return {};
}

Status Notifier::OpenApp(AppPlan& plan, size_t index) {
  App app;
  app.name = plan.name;
  std::string path = StrCat(kSocketDir, "/", index);
  std::string host_path = InStage1(path);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, host_path.c_str(), host_path.size() + 1);
  app.socket = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!app.socket) return SysErr("socket");
  (void)::unlink(host_path.c_str());
  if (::bind(app.socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return SysErr("binding ", host_path);
  }
  // Only this app gets to see it, whatever its user is.
  if (::chmod(host_path.c_str(), 0666) != 0) return SysErr("chmod ", host_path);

  plan.strings.push_back(path);
  MountStep file = {}, bind = {};
  file.kind = MountStep::Kind::kFile;
  file.target = kAppSocket;
  file.mode = 0600;
  bind.kind = MountStep::Kind::kBind;
  bind.source = plan.strings.back().c_str();
  bind.target = kAppSocket;
  bind.attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  plan.mounts.insert(plan.mounts.begin() + static_cast<ptrdiff_t>(plan.system_mount_count),
                     {file, bind});
  plan.system_mount_count += 2;
  SetVariable(plan.environment, "NOTIFY_SOCKET", StrCat("/", kAppSocket));
  std::erase_if(plan.environment, [](const std::string& entry) {
    return entry.starts_with("WATCHDOG_USEC=") || entry.starts_with("WATCHDOG_PID=");
  });
  if (watchdog_ms_ > 0) SetVariable(plan.environment, "WATCHDOG_USEC", StrCat(watchdog_ms_ * 1000));
  apps_.push_back(std::move(app));
  return {};
}

Result<Notifier> Notifier::Open(PodPlan& plan) {
  Notifier notifier;
  TRY(notifier.OpenHost());
  bool any = std::any_of(plan.apps.begin(), plan.apps.end(),
                         [](const AppPlan& app) { return app.notifies; });
  if (!any && !notifier.host_) return notifier;
  notifier.uuid_ = plan.uuid;
  notifier.app_count_ = plan.apps.size();
  notifier.users_ = plan.private_users;
  auto owner = TRY(FileOwner::BecomeRootOf(plan.private_users));
  if (any) {
    TRY(MakeDirAt(AT_FDCWD, InStage1(kSocketDir), 0755));
    for (size_t i = 0; i < plan.apps.size(); ++i) {
      if (plan.apps[i].notifies) TRY(notifier.OpenApp(plan.apps[i], i));
    }
    plan.awaits_apps = true;
  }
  notifier.watch_ = Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  std::string status = InStage1(pod::kSupervisorStatus);
  std::string directory = status.substr(0, status.rfind('/'));
  if (!notifier.watch_ ||
      ::inotify_add_watch(notifier.watch_.get(), directory.c_str(), IN_CREATE) < 0) {
    return SysErr("watching ", directory);
  }
  return notifier;
}

// A message that cannot be sent is lost: the service manager has gone away, and there is nobody to
// complain to.
void Notifier::Tell(const std::string& text) {
  if (host_) (void)!::send(host_.get(), text.data(), text.size(), MSG_NOSIGNAL);
}

void Notifier::CheckReady() {
  if (ready_) return;
  std::string status = InStage1(pod::kSupervisorStatus);
  struct stat st;
  if (::lstat(status.c_str(), &st) != 0) return;  // not all apps have started
  if (!std::all_of(apps_.begin(), apps_.end(), [](const App& app) { return app.ready; })) return;
  ready_ = true;
  if (!apps_.empty()) {
    // In place of the word that pid 1 has left.
    std::string fresh = StrCat(status, ".new");
    auto owner = FileOwner::BecomeRootOf(users_);
    if (::symlink("ready", fresh.c_str()) != 0 || ::rename(fresh.c_str(), status.c_str()) != 0) {
      PrintError("stage1", SysErr("announcing readiness").Wrap(status));
    }
  }
  Tell(StrCat("READY=1\nSTATUS=pod ", uuid_, " runs ", app_count_,
              app_count_ == 1 ? " app\n" : " apps\n"));
}

void Notifier::HearLine(App& app, std::string_view line) {
  if (line == "READY=1") {
    app.ready = true;
    CheckReady();
  } else if (line == "WATCHDOG=1") {
    app.alive = true;
    if (std::all_of(apps_.begin(), apps_.end(), [](const App& a) { return a.alive; })) {
      for (App& a : apps_) a.alive = false;
      Tell("WATCHDOG=1\n");
    }
  } else if (line == "WATCHDOG=trigger") {
    Tell("WATCHDOG=trigger\n");
  } else if (line.starts_with("STATUS=")) {
    Tell(StrCat("STATUS=", app.name, ": ", Printable(line.substr(7)), "\n"));
  } else if (line.starts_with("EXTEND_TIMEOUT_USEC=") && IsNumber(line.substr(20))) {
    Tell(StrCat(line, "\n"));
  }
  // What is left is about the service's processes and descriptors, of which an app knows nothing.
}

void Notifier::ReadApp(App& app) {
  char buffer[4096];
  // Without a place for them, descriptors that come along are closed by the kernel.
  for (int round = 0; round < 32; ++round) {
    ssize_t n = ::recv(app.socket.get(), buffer, sizeof buffer, 0);
    if (n <= 0) return;
    std::string_view text(buffer, static_cast<size_t>(n));
    while (!text.empty()) {
      size_t end = std::min(text.find('\n'), text.size());
      HearLine(app, text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }
}

// Whether somebody has stopped pid 1 (SIGSTOP, a debugger): then nobody looks after the pod.
bool Notifier::PodIsStopped(pid_t pod) const {
  auto stat = ReadFile(StrCat("/proc/", pod, "/stat"));
  if (!stat) return false;
  size_t name_end = stat->rfind(") ");
  if (name_end == std::string::npos || name_end + 2 >= stat->size()) return false;
  char state = (*stat)[name_end + 2];
  return state == 'T' || state == 't';
}

int Notifier::WaitForPod(pid_t pod, const sigset_t& signals, Machine& machine) {
  Fd signal_fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  // Where apps are asked whether they are alive, their answers are passed on; otherwise we answer
  // for the pod, twice as often as systemd wants to hear it.
  int64_t period_ms = apps_.empty() ? watchdog_ms_ / 2 : 0;
  int64_t next_ms = NowMs() + period_ms;
  bool stopping = false;
  std::vector<struct pollfd> polls = {{signal_fd.get(), POLLIN, 0}, {watch_.get(), POLLIN, 0}};
  for (const App& app : apps_) polls.push_back({app.socket.get(), POLLIN, 0});
  for (;;) {
    CheckReady();
    int timeout = -1;
    if (period_ms > 0) {
      timeout = static_cast<int>(std::clamp<int64_t>(next_ms - NowMs(), 0, INT_MAX));
    }
    int ready =
        ::poll(polls.data(), polls.size(), timeout < 0 || timeout > kIdleMs ? kIdleMs : timeout);
    if (ready == 0 && (timeout < 0 || timeout > kIdleMs)) {
      ready = PollWithoutMemory(polls.data(), polls.size(), timeout < 0 ? -1 : timeout - kIdleMs);
    }
    if (period_ms > 0 && NowMs() >= next_ms) {
      if (!PodIsStopped(pod)) Tell("WATCHDOG=1\n");
      next_ms = NowMs() + period_ms;
    }
    if (ready <= 0) continue;
    if (polls[1].revents != 0) {
      alignas(struct inotify_event) char events[4096];
      (void)!::read(watch_.get(), events, sizeof events);
    }
    for (size_t i = 0; i < apps_.size(); ++i) {
      if (polls[2 + i].revents != 0) ReadApp(apps_[i]);
    }
    struct signalfd_siginfo info;
    while (polls[0].revents != 0 &&
           ::read(signal_fd.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      if (info.ssi_signo != SIGCHLD) {
        if (!stopping) Tell("STOPPING=1\n");
        stopping = true;
        ::kill(pod, SIGTERM);
        continue;
      }
      int status;
      if (::waitpid(pod, &status, WNOHANG) != pod) {
        machine.Reap();
        continue;
      }
      for (App& app : apps_) ReadApp(app);
      CheckReady();
      return status;
    }
  }
}

}  // namespace rkt::native
