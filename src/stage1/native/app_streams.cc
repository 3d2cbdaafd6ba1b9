// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/app_streams.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <tuple>

#include "base/file.h"
#include "base/json.h"
#include "base/mount.h"
#include "pod/paths.h"
#include "stage1/native/attach_paths.h"
#include "stage1/native/syslog.h"

namespace rkt::native {

namespace {

constexpr size_t kPiece = 32 << 10;

Status SetNonblocking(int fd) {
  if (::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) return SysErr("fcntl");
  return {};
}

const char* ModeName(StreamMode mode) {
  switch (mode) {
    case StreamMode::kNull:
      return "null";
    case StreamMode::kLog:
      return "log";
    case StreamMode::kStream:
      return "stream";
    case StreamMode::kTty:
      return "tty";
  }
  return "";
}

}  // namespace

Result<TerminalPair> OpenTerminalPair(uid_t owner) {
  TerminalPair pair;
  pair.master = TRY(Open("dev/pts/ptmx", O_RDWR | O_NOCTTY));
  int unlocked = 0;
  if (::ioctl(pair.master.get(), TIOCSPTLCK, &unlocked) != 0) return SysErr("unlocking the terminal");
  int peer = ::ioctl(pair.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (peer < 0) return SysErr("opening the terminal");
  pair.slave = Fd(peer);
  if (::fchown(pair.slave.get(), owner, 5) != 0) return SysErr("giving the terminal to the app");
  if (::ioctl(pair.master.get(), TIOCGPTN, &pair.number) != 0) return SysErr("the terminal's number");
  TRY(SetNonblocking(pair.master.get()));
  return pair;
}

bool AppStreams::UsesTty() const {
  return plan_.stdin_mode == StreamMode::kTty || plan_.stdout_mode == StreamMode::kTty ||
         plan_.stderr_mode == StreamMode::kTty;
}

bool AppStreams::Attachable() const {
  return UsesTty() || plan_.stdin_mode == StreamMode::kStream || plan_.stdout_mode == StreamMode::kStream ||
         plan_.stderr_mode == StreamMode::kStream;
}

Status AppStreams::Open(int log, Fd plain_log) {
  plain_log_ = std::move(plain_log);
  log_ = log;
  if (!plan_.syslog.empty()) syslog_ = TRY(ListenForApp(plan_.syslog));
  // On a terminal of its own the app's output goes out as it is; the log gets its lines all the same.
  auto add_sinks = [&](const char* name, StreamMode mode, Console* console) {
    bool logged = shared_.interactive || mode == StreamMode::kLog;
    sinks_.emplace_back(plan_.name, name, logged ? log : -1, shared_.interactive || !logged ? nullptr : console);
    sinks_.back().set_targets(shared_.log_targets);
    if (!plain_log_) return;
    plain_sinks_.emplace_back(plan_.name, name, mode == StreamMode::kStream ? plain_log_.get() : -1, nullptr);
    plain_sinks_.back().set_plain();
  };
  add_sinks("stdout", plan_.stdout_mode, shared_.out);
  add_sinks("stderr", plan_.stderr_mode, shared_.err);
  if (shared_.interactive) {
    // Without a terminal; OpenInteractiveTerminal takes their place.
    TRY(OpenPipe(kOut));
    return OpenPipe(kErr);
  }
  for (Which which : {kOut, kErr}) {
    StreamMode mode = ModeOf(which);
    if (mode == StreamMode::kLog || mode == StreamMode::kStream) TRY(OpenPipe(which));
  }
  if (!Attachable()) return {};
  return OpenPoints();
}

Status AppStreams::OpenPipe(Which which) {
  std::tie(read_end_[which], write_end_[which]) = TRY(MakePipe());
  TRY(SetNonblocking(read_end_[which].get()));
  // So that the app may open /dev/stdout again by its name.
  const stage1::Identity& identity = plan_.main.identity;
  if (identity.uid != 0 && ::fchown(write_end_[which].get(), identity.uid, identity.gid) != 0) return SysErr("chown");
  return {};
}

Result<Fd> AppStreams::OpenInteractiveTerminal() {
  for (Which which : {kOut, kErr}) {
    read_end_[which].Close();
    write_end_[which].Close();
  }
  TerminalPair pair = TRY(OpenTerminalPair(plan_.main.identity.uid));
  Fd console = TRY(rkt::Open("dev/console", O_WRONLY | O_CREAT | O_NOFOLLOW, 0600));
  Fd mount = TRY(CloneMount(AT_FDCWD, StrCat("dev/pts/", pair.number), false));
  TRY(AttachMount(mount.get(), console.get()));
  interactive_slave_ = std::move(pair.slave);
  return std::move(pair.master);
}

Status AppStreams::OpenPoints() {
  TRY(MakeDirAt(AT_FDCWD, pod::kIottymuxDir, 0755));
  std::string path = pod::IottymuxDir(plan_.name);
  TRY(RemoveTreeAt(AT_FDCWD, path));
  TRY(MakeDirAt(AT_FDCWD, path, 0700));
  Fd directory = TRY(rkt::Open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  auto listen = [&](std::unique_ptr<AttachPoint>& point, AttachPoint::Way way, const char* target) -> Status {
    point = std::make_unique<AttachPoint>(way);
    return point->Listen(directory.get(), StrCat("sock-", target));
  };
  if (UsesTty()) {
    TerminalPair pair = TRY(OpenTerminalPair(plan_.main.identity.uid));
    // For those who attach and have the window's size to tell.
    std::string link = StrCat("../../../dev/pts/", pair.number);
    if (::symlinkat(link.c_str(), directory.get(), kTerminalLink) != 0) return SysErr("symlink ", kTerminalLink);
    master_ = std::move(pair.master);
    slave_ = std::move(pair.slave);
    TRY(listen(tty_point_, AttachPoint::Way::kBoth, "tty"));
  }
  if (plan_.stdin_mode == StreamMode::kStream) {
    std::tie(stdin_read_, stdin_write_) = TRY(MakePipe());
    TRY(SetNonblocking(stdin_write_.get()));
    const stage1::Identity& identity = plan_.main.identity;
    if (identity.uid != 0 && ::fchown(stdin_read_.get(), identity.uid, identity.gid) != 0) return SysErr("chown");
    TRY(listen(in_point_, AttachPoint::Way::kInput, "stdin"));
  }
  if (plan_.stdout_mode == StreamMode::kStream) TRY(listen(out_point_, AttachPoint::Way::kOutput, "stdout"));
  if (plan_.stderr_mode == StreamMode::kStream) TRY(listen(err_point_, AttachPoint::Way::kOutput, "stderr"));
  return WriteEndpoints(directory.get());
}

// Last, since whoever sees them connects.
Status AppStreams::WriteEndpoints(int directory) const {
  std::string env = StrCat("STAGE2_TTY=", UsesTty() ? "true" : "false", "\nSTAGE1_DEBUG=false\n");
  env += StrCat("STAGE2_STDIN=", ModeName(plan_.stdin_mode), "\nSTAGE2_STDOUT=", ModeName(plan_.stdout_mode),
                "\nSTAGE2_STDERR=", ModeName(plan_.stderr_mode), "\n");
  TRY(WriteFileAt(directory, "env", env, 0644, true));
  json::Value targets = json::Value::Array();
  auto add = [&](const std::unique_ptr<AttachPoint>& point, const char* name) {
    if (!point) return;
    json::Value& target = targets.Append(json::Value::Object());
    target.Set("name", name);
    target.Set("domain", "unix");
    target.Set("address", StrCat("/", pod::IottymuxDir(plan_.name), "/sock-", name));
  };
  add(tty_point_, "tty");
  add(in_point_, "stdin");
  add(out_point_, "stdout");
  add(err_point_, "stderr");
  json::Value endpoints = json::Value::Object();
  endpoints.Set("version", 1);
  endpoints.Set("targets", std::move(targets));
  return WriteFileAtomicAt(directory, kEndpointsFile, json::Write(endpoints), 0644);
}

void AppStreams::Fill(AppChildPlan& child) const {
  if (interactive_slave_) {
    child.stdin_fd = child.stdout_fd = child.stderr_fd = interactive_slave_.get();
    child.controlling_terminal = true;
    return;
  }
  child.stdin_fd = shared_.interactive ? 0 : stdin_read_.get();
  child.stdout_fd = write_end_[kOut].get();
  child.stderr_fd = write_end_[kErr].get();
  if (!slave_) return;
  if (plan_.stdin_mode == StreamMode::kTty) {
    child.stdin_fd = slave_.get();
    child.controlling_terminal = true;
  }
  if (plan_.stdout_mode == StreamMode::kTty) child.stdout_fd = slave_.get();
  if (plan_.stderr_mode == StreamMode::kTty) child.stderr_fd = slave_.get();
}

void AppStreams::set_pid(int pid) {
  pid_ = pid;
  for (LineSink& sink : sinks_) sink.set_pid(pid);
}

AttachPoint* AppStreams::PointOf(Which which) const {
  return (which == kTty ? tty_point_ : which == kOut ? out_point_ : err_point_).get();
}

bool AppStreams::Blocked(Which which) const {
  if (AttachPoint* point = PointOf(which)) return point->full();
  if (which == kTty) return false;
  return (which == kOut ? shared_.out : shared_.err)->full();
}

void AppStreams::AddPolls(PollSet& polls) {
  for (Which which : {kOut, kErr}) {
    if (read_end_[which] && !Blocked(which)) {
      polls.Add<&AppStreams::OnOutput>(read_end_[which].get(), POLLIN, this, which);
    }
  }
  if (syslog_ && !shared_.err->full()) polls.Add<&AppStreams::OnSyslog>(syslog_.get(), POLLIN, this);
  if (master_ && !Blocked(kTty)) polls.Add<&AppStreams::OnOutput>(master_.get(), POLLIN, this, kTty);
  for (AttachPoint* point : {in_point_.get(), tty_point_.get()}) {
    if (point == nullptr || point->input().empty()) continue;
    int fd = point == tty_point_.get() ? master_.get() : stdin_write_.get();
    polls.Add<&AppStreams::OnInput>(fd, POLLOUT, this, point == tty_point_.get() ? kTty : 0);
  }
  for (auto* point : {&in_point_, &out_point_, &err_point_, &tty_point_}) {
    if (*point) (*point)->AddPolls(polls);
  }
}

void AppStreams::OnOutput(int which, short) { Read(static_cast<Which>(which), false); }

void AppStreams::OnInput(int which, short) {
  AttachPoint* point = which == kTty ? tty_point_.get() : in_point_.get();
  int fd = which == kTty ? master_.get() : stdin_write_.get();
  std::string& input = point->input();
  ssize_t n = ::write(fd, input.data(), input.size());
  if (n > 0) {
    input.erase(0, static_cast<size_t>(n));
  } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
    // The app does not read any more.
    input.clear();
  }
}

void AppStreams::Deliver(Which which, std::string_view text) {
  if (AttachPoint* point = PointOf(which)) point->Send(text);
  if (which == kTty) return;
  sinks_[which].Take(text);
  if (!plain_sinks_.empty()) plain_sinks_[which].Take(text);
  if (shared_.interactive) (which == kOut ? shared_.out : shared_.err)->Add(text);
}

void AppStreams::Read(Which which, bool all) {
  int fd = which == kTty ? master_.get() : read_end_[which].get();
  char buffer[kPiece];
  // A pipe holds 64 KiB, at most 1 MiB; whoever goes on writing meanwhile is read by the loop.
  for (int round = 0; fd >= 0 && round < 64; ++round) {
    ssize_t n = ::read(fd, buffer, sizeof buffer);
    // EIO: nobody has the terminal open at the moment.
    if (n <= 0) return;
    Deliver(which, std::string_view(buffer, static_cast<size_t>(n)));
    if (!all) return;
  }
}

// Wherever the app's standard error leads, these are for its log, and for rkt's own where that is no app's terminal.
void AppStreams::ReadSyslog(bool all) {
  char packet[8 << 10];
  // Without a place for them, descriptors that come along are closed by the kernel.
  for (int round = 0; syslog_ && round < 64; ++round) {
    ssize_t n = ::recv(syslog_.get(), packet, sizeof packet, 0);
    if (n < 0) return;
    SyslogMessage message = ParseSyslog(std::string_view(packet, static_cast<size_t>(n)));
    if (!syslog_sink_) {
      syslog_sink_.emplace(plan_.name, "stderr", log_, shared_.interactive ? nullptr : shared_.err);
      syslog_sink_->set_targets(shared_.log_targets);
    }
    syslog_sink_->set_pid(pid_);
    syslog_sink_->set_priority(message.priority);
    syslog_sink_->Take(StrCat(message.text, "\n"));
    if (!all) return;
  }
}

void AppStreams::Drain() {
  ReadSyslog(true);
  Read(kOut, true);
  Read(kErr, true);
  Read(kTty, true);
  for (LineSink& sink : sinks_) sink.Finish();
  for (LineSink& sink : plain_sinks_) sink.Finish();
}

void AppStreams::Complain(std::string_view text) {
  sinks_[kErr].Take(text);
  if (shared_.interactive) shared_.err->Add(interactive_slave_ ? ReplaceAll(text, "\n", "\r\n") : std::string(text));
  if (err_point_) err_point_->Send(text);
  if (tty_point_ && plan_.stderr_mode == StreamMode::kTty) tty_point_->Send(ReplaceAll(text, "\n", "\r\n"));
}

void AppStreams::Close() {
  for (Fd* fd : {&write_end_[kOut], &write_end_[kErr], &stdin_read_, &stdin_write_, &slave_, &interactive_slave_}) {
    fd->Close();
  }
  Drain();
  for (Fd* fd : {&read_end_[kOut], &read_end_[kErr], &master_}) fd->Close();
  if (syslog_) {
    syslog_.Close();
    (void)::unlink(plan_.syslog.c_str());
  }
  for (auto* point : {&in_point_, &out_point_, &err_point_, &tty_point_}) {
    if (*point) (*point)->Finish();
  }
}

bool AppStreams::finished() const {
  for (auto* point : {&in_point_, &out_point_, &err_point_, &tty_point_}) {
    if (*point && !(*point)->finished()) return false;
  }
  return true;
}

void AppStreams::Expire(int64_t now_ms) {
  for (auto* point : {&in_point_, &out_point_, &err_point_, &tty_point_}) {
    if (*point) (*point)->Expire(now_ms);
  }
}

int64_t AppStreams::Deadline() const {
  int64_t earliest = -1;
  for (auto* point : {&in_point_, &out_point_, &err_point_, &tty_point_}) {
    int64_t deadline = *point ? (*point)->Deadline() : -1;
    if (deadline >= 0 && (earliest < 0 || deadline < earliest)) earliest = deadline;
  }
  return earliest;
}

}  // namespace rkt::native
