// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// /attach: connects the caller's standard streams with those of an app, through the sockets that pid 1 of the pod holds
// for it. The caller's terminal is raw meanwhile and tells its size; ^] thrice within a second leaves.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/mount.h"
#include "stage1/native/attach_paths.h"
#include "stage1/native/clock.h"
#include "stage1/native/commands.h"
#include "stage1/native/options.h"
#include "stage1/native/terminal.h"

namespace rkt::native {

namespace {

constexpr time_t kDialTimeoutSeconds = 15;

// What an app offers.
struct Endpoints {
  json::Value document;
  bool tty = false, standard_in = false, standard_out = false, standard_err = false;
};

Result<Endpoints> ReadEndpoints(const std::string& app) {
  auto text = ReadFile(StrCat(pod::IottymuxDir(app), "/", kEndpointsFile), 1 << 20);
  if (!text) {
    if (text.error().code() != Code::kNotFound) return std::move(text).error();
    return Err(Code::kNotFound, "app ", Quote(app),
               " has nothing to attach to: it was not started, or none of its streams has mode stream or tty");
  }
  Endpoints endpoints;
  endpoints.document = TRY_CTX(json::Parse(*text), "endpoints of app ", Quote(app));
  const json::Value* targets = endpoints.document.Find("targets");
  if (targets == nullptr || !targets->is_array()) return Err(Code::kCorrupt, "endpoints of app ", Quote(app));
  for (const json::Value& target : targets->items()) {
    const json::Value* name = target.Find("name");
    if (name == nullptr || !name->is_string()) continue;
    if (name->text() == "tty") endpoints.tty = true;
    if (name->text() == "stdin") endpoints.standard_in = true;
    if (name->text() == "stdout") endpoints.standard_out = true;
    if (name->text() == "stderr") endpoints.standard_err = true;
  }
  return endpoints;
}

// Go's indentation by four spaces; WriteIndented has tabs.
std::string IndentedBySpaces(const json::Value& value) {
  std::string text;
  for (const std::string& line : Split(json::WriteIndented(value), '\n')) {
    size_t tabs = line.find_first_not_of('\t');
    if (tabs == std::string::npos) tabs = 0;
    text += StrCat(std::string(4 * tabs, ' '), std::string_view(line).substr(tabs), "\n");
  }
  return text;
}

Result<Fd> Dial(const std::string& app, const char* name) {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return SysErr("socket");
  struct timeval timeout = {kDialTimeoutSeconds, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  // An address takes 107 bytes; the name of an app may be longer.
  Fd back = TRY(Open(".", O_PATH | O_DIRECTORY));
  Fd directory = TRY(Open(pod::IottymuxDir(app), O_PATH | O_DIRECTORY | O_NOFOLLOW));
  if (::fchdir(directory.get()) != 0) return SysErr("entering ", pod::IottymuxDir(app));
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  StrCat("sock-", name).copy(address.sun_path, sizeof address.sun_path - 1);
  int rc = ::connect(socket.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address);
  int err = errno;
  if (::fchdir(back.get()) != 0) return SysErr("leaving ", pod::IottymuxDir(app));
  if (rc == 0) return socket;
  if (err == ECONNREFUSED) return Err(Code::kNotFound, "app ", Quote(app), " has ended");
  return ErrnoError(err, StrCat("attaching to ", name, " of app ", Quote(app)));
}

class Session {
 public:
  explicit Session(CrossingOptions options) : options_(std::move(options)) {}

  Status Connect() {
    const std::string& app = options_.app;
    if (options_.tty_in || options_.tty_out) {
      Fd tty = TRY(Dial(app, "tty"));
      if (options_.tty_in) input_ = TRY(DupFd(tty.get()));
      if (options_.tty_out) {
        outputs_.push_back({std::move(tty), 1});
      } else {
        silent_tty_ = std::move(tty);
      }
      auto terminal = Open(StrCat(pod::IottymuxDir(app), "/", kTerminalLink), O_RDWR | O_NOCTTY | O_NONBLOCK);
      if (terminal && ::isatty(terminal->get())) terminal_ = *std::move(terminal);
    }
    if (options_.standard_in) input_ = TRY(Dial(app, "stdin"));
    if (options_.standard_out) outputs_.push_back({TRY(Dial(app, "stdout")), 1});
    if (options_.standard_err) outputs_.push_back({TRY(Dial(app, "stderr")), 2});
    if (input_ && ::fcntl(input_.get(), F_SETFL, O_NONBLOCK) != 0) return SysErr("fcntl");
    return {};
  }

  void Run() {
    sigset_t watched;
    sigemptyset(&watched);
    for (int signal : {SIGWINCH, SIGTERM, SIGHUP, SIGINT}) sigaddset(&watched, signal);
    ::sigprocmask(SIG_BLOCK, &watched, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    signals_ = Fd(::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
    reads_ = static_cast<bool>(input_);
    if (terminal_ && options_.tty_in && modes_.is_terminal()) modes_.MakeRaw();
    if (terminal_) CopyWindowSize(0, terminal_.get());
    while (!over_ && (!outputs_.empty() || (input_ && (reads_ || !typed_.empty())))) Round();
    modes_.Restore();
  }

 private:
  struct OutputSide {
    Fd fd;
    int target;
  };

  void Round() {
    std::vector<struct pollfd> polls;
    polls.push_back({signals_.get(), POLLIN, 0});
    polls.push_back({reads_ && typed_.empty() ? 0 : -1, POLLIN, 0});
    // Also for its end: whoever only types must hear of it.
    polls.push_back({input_.get(), static_cast<short>(typed_.empty() ? 0 : POLLOUT), 0});
    polls.push_back({silent_tty_.get(), 0, 0});
    constexpr size_t kFixed = 4;
    for (const OutputSide& side : outputs_) polls.push_back({side.fd.get(), POLLIN, 0});
    if (::poll(polls.data(), polls.size(), -1) < 0 && errno != EINTR) {
      over_ = true;
      return;
    }
    if (polls[0].revents != 0) HandleSignals();
    for (size_t i = outputs_.size(); i-- > 0;) {
      if (polls[kFixed + i].revents != 0 && !Copy(outputs_[i])) {
        outputs_.erase(outputs_.begin() + static_cast<ptrdiff_t>(i));
      }
    }
    if ((polls[2].revents & POLLOUT) != 0) Flush();
    if (input_ && (polls[2].revents & (POLLERR | POLLHUP)) != 0) CloseInput();
    if (polls[1].revents != 0) ReadTyped();
  }

  void HandleSignals() {
    struct signalfd_siginfo info;
    while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      if (info.ssi_signo != SIGWINCH) {
        over_ = true;
      } else if (terminal_) {
        CopyWindowSize(0, terminal_.get());
      }
    }
  }

  // Whether there may be more.
  bool Copy(const OutputSide& side) {
    char buffer[64 << 10];
    ssize_t n = ::read(side.fd.get(), buffer, sizeof buffer);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return true;
    if (n <= 0) return false;
    // Nobody reads any more: nothing is left to do here.
    if (!WriteAll(side.target, std::string_view(buffer, static_cast<size_t>(n)))) over_ = true;
    return true;
  }

  void ReadTyped() {
    if (!input_) return;
    char buffer[16 << 10];
    ssize_t n = ::read(0, buffer, sizeof buffer);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n <= 0) {
      reads_ = false;
      EndInput();
      return;
    }
    std::string_view text(buffer, static_cast<size_t>(n));
    if (modes_.is_terminal() && options_.tty_in && escape_.Feed(text, MonotonicMs())) {
      over_ = true;
      return;
    }
    typed_ += text;
    Flush();
  }

  void Flush() {
    ssize_t n = ::send(input_.get(), typed_.data(), typed_.size(), MSG_NOSIGNAL);
    if (n > 0) typed_.erase(0, static_cast<size_t>(n));
    if (n < 0 && errno != EAGAIN && errno != EINTR) return CloseInput();
    if (typed_.empty() && !reads_) EndInput();
  }

  // Everything has been typed: the app's streams hear nothing more from here.
  void EndInput() {
    if (typed_.empty() && input_) ::shutdown(input_.get(), SHUT_WR);
  }

  void CloseInput() {
    input_.Close();
    typed_.clear();
    reads_ = false;
    if (silent_tty_) over_ = true;
  }

  CrossingOptions options_;
  std::vector<OutputSide> outputs_;
  Fd input_;
  Fd silent_tty_;    // tty-in alone
  Fd terminal_;      // the app's, to tell it the window's size
  Fd signals_;
  TerminalModes modes_{0};
  EscapeDetector escape_;
  std::string typed_;
  bool reads_ = false;
  bool over_ = false;
};

// The pod's mounts that this process was given to look at go again: it may stay for long, and whatever is removed from
// the pod meanwhile shall not be kept in use by it.
void LetGoOfMounts() {
  if (::unshare(CLONE_NEWNS) != 0 || !SetPropagation("/", MS_SLAVE, true)) return;
  (void)::umount2(".", MNT_DETACH);
  if (::chdir("/") != 0) return;
}

}  // namespace

Result<int> AttachCommand(const std::vector<std::string>& arguments) {
  CrossingOptions options = TRY(ParseCrossingOptions(arguments));
  Endpoints endpoints = TRY(ReadEndpoints(options.app));
  if (options.action == "list") {
    TRY(WriteAll(1, IndentedBySpaces(endpoints.document)));
    return 0;
  }
  if (options.action == "auto-attach") {
    options.tty_in = options.tty_out = endpoints.tty;
    options.standard_in = endpoints.standard_in;
    options.standard_out = endpoints.standard_out;
    options.standard_err = endpoints.standard_err;
  } else if (options.action != "custom-attach") {
    return Err(Code::kInvalid, "--action: unknown action ", Quote(options.action));
  }
  auto check = [&](bool wanted, bool offered, const char* name) -> Status {
    if (!wanted || offered) return {};
    return Err(Code::kInvalid, "app ", Quote(options.app), " offers no ", name, " to attach to");
  };
  TRY(check(options.tty_in || options.tty_out, endpoints.tty, "tty"));
  TRY(check(options.standard_in, endpoints.standard_in, "stdin"));
  TRY(check(options.standard_out, endpoints.standard_out, "stdout"));
  TRY(check(options.standard_err, endpoints.standard_err, "stderr"));
  Session session(options);
  TRY(session.Connect());
  LetGoOfMounts();
  session.Run();
  return 0;
}

}  // namespace rkt::native
