// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The judge's sub-commands. `judge see` reports; the others do something and say how it went.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

#include "guest/hunt.h"
#include "guest/judge.h"

namespace judge {

void Json::Comma() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (!first_) text_ += ",";
  if (!text_.empty()) text_ += "\n";
  first_ = false;
}
void Json::Raw(std::string_view value) {
  Comma();
  text_ += value;
}
void Json::Text(std::string_view value) {
  std::string quoted = "\"";
  for (unsigned char c : value) {
    char escape[8];
    if (c == '"' || c == '\\') {
      quoted += '\\', quoted += static_cast<char>(c);
    } else if (c < 0x20 ||
               c >= 0x7f) {  // every odd byte as one code point: it must stay one line of ASCII
      snprintf(escape, sizeof escape, "\\u%04x", c);
      quoted += escape;
    } else {
      quoted += static_cast<char>(c);
    }
  }
  Raw(quoted + "\"");
}
void Json::Key(std::string_view key) {
  Text(key);
  text_ += ":";
  after_key_ = true;
}
void Json::Open(char bracket) {
  Comma();
  text_ += bracket;
  first_ = true;
}
void Json::Close(char bracket) {
  text_ += bracket;
  first_ = false;
}

std::string Slurp(const std::string& path) {
  std::string content;
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return content;
  char buffer[16384];
  ssize_t n;
  while (content.size() < (1u << 20) && (n = read(fd, buffer, sizeof buffer)) > 0) {
    content.append(buffer, static_cast<size_t>(n));
  }
  close(fd);
  return content;
}

std::string LinkTarget(const std::string& path) {
  char buffer[4096];
  ssize_t n = readlink(path.c_str(), buffer, sizeof buffer);
  return n < 0 ? std::string() : std::string(buffer, static_cast<size_t>(n));
}

std::string ErrnoName(int err) {
  const char* name = strerrorname_np(err);
  return name ? name : std::to_string(err);
}

void Print(std::string_view text) {
  while (!text.empty()) {
    ssize_t n = write(1, text.data(), text.size());
    if (n < 0) _exit(126);
    text.remove_prefix(static_cast<size_t>(n));
  }
}

std::vector<std::string> SplitAt(std::string_view text, char separator) {
  std::vector<std::string> pieces;
  for (size_t start = 0;;) {
    size_t end = text.find(separator, start);
    pieces.emplace_back(text.substr(start, end == std::string_view::npos ? end : end - start));
    if (end == std::string_view::npos) return pieces;
    start = end + 1;
  }
}

namespace {

using Args = std::vector<std::string>;

long Num(const Args& args, size_t index, long otherwise = 0) {
  return index < args.size() ? strtol(args[index].c_str(), nullptr, 0) : otherwise;
}

void SleepSeconds(double seconds) {
  struct timespec left = {
      static_cast<time_t>(seconds),
      static_cast<long>((seconds - static_cast<double>(static_cast<time_t>(seconds))) * 1e9)};
  while (nanosleep(&left, &left) < 0) {
  }
}
double Seconds(const Args& args, size_t index, double otherwise) {
  return index < args.size() ? strtod(args[index].c_str(), nullptr) : otherwise;
}

int term_code = 0;
double term_delay = 0;
void OnTerm(int) {
  static const char kText[] = "judge: got TERM\n";
  (void)!write(1, kText, sizeof kText - 1);
  if (term_delay > 0) SleepSeconds(term_delay);
  _exit(term_code);
}

int Lines(const Args& args) {
  long count = Num(args, 1, 10000);
  int fd = args.size() > 2 && args[2] == "stderr" ? 2 : 1;
  // Written as fast as the pipe takes it and left at once: whoever reads must not lose the end.
  std::string block;
  for (long i = 1; i <= count; i++) {
    block += "line " + std::to_string(i) + "\n";
    if (block.size() > 4000 || i == count) {
      for (std::string_view rest = block; !rest.empty();) {
        ssize_t n = write(fd, rest.data(), rest.size());
        if (n < 0) return 1;
        rest.remove_prefix(static_cast<size_t>(n));
      }
      block.clear();
    }
  }
  return 0;
}

int Threads(const Args& args) {
  long count = Num(args, 1, 8);
  std::vector<pthread_t> threads(static_cast<size_t>(count));
  static long total = 0;
  for (pthread_t& thread : threads) {
    int err = pthread_create(
        &thread, nullptr,
        [](void*) -> void* { return __atomic_add_fetch(&total, 1, __ATOMIC_RELAXED), nullptr; },
        nullptr);
    if (err != 0) {
      Print("threads: " + ErrnoName(err) + "\n");
      return 1;
    }
  }
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  Print("threads: " + std::to_string(total) + "\n");
  return 0;
}

int Allocate(const Args& args) {
  size_t size = static_cast<size_t>(Num(args, 1, 1)) << 20;
  char* memory = static_cast<char*>(
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (memory == MAP_FAILED) {
    Print("allocate: " + ErrnoName(errno) + "\n");
    return 1;
  }
  for (size_t i = 0; i < size; i += 4096) memory[i] = 1;
  Print("allocate: ok\n");
  return 0;
}

// Burns one CPU for some wall time and says how much of it this process got, in milliseconds.
int Spin(const Args& args) {
  double wall = Seconds(args, 1, 1);
  struct timespec start, now, cpu;
  clock_gettime(CLOCK_MONOTONIC, &start);
  do {
    for (int i = 0; i < 10000; i++) asm volatile("");
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while (static_cast<double>(now.tv_sec - start.tv_sec) +
               static_cast<double>(now.tv_nsec - start.tv_nsec) / 1e9 <
           wall);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  Print("spin: " + std::to_string(cpu.tv_sec * 1000 + cpu.tv_nsec / 1000000) + "\n");
  return 0;
}

int Tty() {
  Json json;
  json.OpenObject();
  for (int fd = 0; fd < 3; fd++) {
    json.OpenObject(std::to_string(fd));
    json.Number("tty", isatty(fd));
    char name[256] = "";
    if (isatty(fd)) ttyname_r(fd, name, sizeof name);
    json.Text("name", name);
    struct winsize size = {};
    ioctl(fd, TIOCGWINSZ, &size);
    json.Number("rows", size.ws_row);
    json.Number("columns", size.ws_col);
    json.CloseObject();
  }
  int controlling = open("/dev/tty", O_RDWR | O_CLOEXEC);
  json.Text("controlling", controlling < 0 ? ErrnoName(errno) : "ok");
  json.Number("foreground", controlling < 0 ? -1 : (tcgetpgrp(controlling) == getpgrp() ? 1 : 0));
  json.CloseObject();
  Print(json.text() + "\n");
  return 0;
}

sockaddr_in Loopback(const Args& args) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(Num(args, 1)));
  inet_pton(AF_INET, args.size() > 2 ? args[2].c_str() : "127.0.0.1", &address.sin_addr);
  return address;
}

int Listen(const Args& args) {
  sockaddr_in address = Loopback(args);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 ||
      listen(fd, 8) < 0) {
    Print("listen: " + ErrnoName(errno) + "\n");
    return 1;
  }
  Print("listen: ok\n");
  int client = accept(fd, nullptr, nullptr);
  static const char kHello[] = "hello from the judge\n";
  (void)!write(client, kHello, sizeof kHello - 1);
  close(client);
  return 0;
}

int Connect(const Args& args) {
  sockaddr_in address = Loopback(args);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
    Print("connect: " + ErrnoName(errno) + "\n");
    return 1;
  }
  char buffer[256];
  ssize_t n = read(fd, buffer, sizeof buffer);
  Print("connect: " + std::string(buffer, n > 0 ? static_cast<size_t>(n) : 0) + "\n");
  return 0;
}

int Cat() {
  char buffer[4096];
  long total = 0;
  ssize_t n;
  while ((n = read(0, buffer, sizeof buffer)) > 0) {
    total += n;
    Print(std::string_view(buffer, static_cast<size_t>(n)));
  }
  Print("cat: " + std::to_string(total) + (n < 0 ? " " + ErrnoName(errno) : "") + "\n");
  return 0;
}

int Stat(const Args& args) {
  for (size_t i = 1; i < args.size(); i++) {
    struct stat st;
    char text[256];
    if (lstat(args[i].c_str(), &st) < 0) {
      snprintf(text, sizeof text, "%s\n", ErrnoName(errno).c_str());
    } else {
      snprintf(text, sizeof text, "%o %u:%u size=%lld rdev=%u:%u links=%lu mtime=%lld\n",
               st.st_mode, st.st_uid, st.st_gid, static_cast<long long>(st.st_size),
               major(st.st_rdev), minor(st.st_rdev), static_cast<unsigned long>(st.st_nlink),
               static_cast<long long>(st.st_mtime));
    }
    Print(args[i] + " " + text);
  }
  return 0;
}

// Makes up to so many of something and says how many there were, and what stopped it.
template <typename MakeOne>
int Bomb(const char* name, const Args& args, MakeOne make_one) {
  long wanted = Num(args, 1, 1000);
  long made = 0;
  int err = 0;
  for (; made < wanted; made++) {
    if (make_one(made)) continue;
    err = errno;
    break;
  }
  Print(std::string(name) + ": " + std::to_string(made) + (err ? " " + ErrnoName(err) : "") + "\n");
  return 0;
}

// Processes that wait; those that hold the bomb's end of a pipe end with it.
int Forks(const Args& args) {
  int ends[2];
  if (pipe(ends) < 0) return 1;
  int code = Bomb("forks", args, [&](long) {
    pid_t pid = fork();
    if (pid != 0) return pid > 0;
    close(ends[1]);
    char byte;
    (void)!read(ends[0], &byte, 1);
    _exit(0);
  });
  SleepSeconds(Seconds(args, 2, 0));
  return code;
}

int Descriptors(const Args& args) {
  int code = Bomb("descriptors", args, [](long) { return open("/dev/null", O_RDONLY) >= 0; });
  SleepSeconds(Seconds(args, 2, 0));
  return code;
}

int Inodes(const Args& args) {
  std::string directory = args.size() > 2 ? args[2] : "/tmp";
  return Bomb("inodes", args, [&](long number) {
    int fd = open((directory + "/i" + std::to_string(number)).c_str(), O_CREAT | O_WRONLY, 0600);
    if (fd >= 0) close(fd);
    return fd >= 0;
  });
}

// Reads so many bytes past the page cache and says how long that took, in milliseconds.
int ReadDirect(const Args& args) {
  long left = Num(args, 2, 1 << 20);
  int fd = open(args.size() > 1 ? args[1].c_str() : "", O_RDONLY | O_DIRECT);
  void* buffer = nullptr;
  if (fd < 0 || posix_memalign(&buffer, 4096, 65536) != 0) {
    Print("read-direct: " + ErrnoName(errno) + "\n");
    return 1;
  }
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  while (left > 0) {
    ssize_t n = read(fd, buffer, 65536);
    if (n <= 0) break;
    left -= n;
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  Print(
      "read-direct: " +
      std::to_string((end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000) +
      (left > 0 ? " short" : "") + "\n");
  return 0;
}

// Leaves a grandchild behind that outlives its parent, for whoever is pid 1 to reap.
int Orphan(const Args& args) {
  double seconds = Seconds(args, 1, 0.05);
  pid_t child = fork();
  if (child == 0) {
    if (fork() == 0) SleepSeconds(seconds);
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  SleepSeconds(seconds + 0.3);
  int zombies = 0;
  for (int pid = 2; pid < 400; pid++) {
    std::string stat = Slurp("/proc/" + std::to_string(pid) + "/stat");
    if (stat.find(") Z ") != std::string::npos) zombies++;
  }
  Print("zombies: " + std::to_string(zombies) + "\n");
  return 0;
}

// Leaves a socket in the file system.
int Socket(const Args& args) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, args.size() > 1 ? args[1].c_str() : "", sizeof address.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0;
}

// A directory with a file in it, and a link to elsewhere, that change places without end.
int Swap(const Args& args) {
  if (args.size() < 3) return 125;
  std::string other = args[1] + ".link";
  mkdir(args[1].c_str(), 0755);
  int fd = open((args[1] + "/name").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0 || write(fd, "inside\n", 7) != 7 || symlink(args[2].c_str(), other.c_str()) != 0) return 1;
  close(fd);
  Print("judge: swapping\n");
  constexpr unsigned kExchange = 2;
  for (;;) {
    if (syscall(SYS_renameat2, AT_FDCWD, args[1].c_str(), AT_FDCWD, other.c_str(), kExchange) != 0) return 1;
    usleep(20);
  }
}

int Main(int argc, char** argv) {
  Args args(argv + 1, argv + argc);
  if (args.empty()) {
    Print("usage: judge VERB [ARG...]\n");
    return 125;
  }
  const std::string& verb = args[0];
  if (verb == "see") return Print(See()), 0;
  if (verb == "exit") return SleepSeconds(Seconds(args, 2, 0)), static_cast<int>(Num(args, 1));
  if (verb == "kill") return kill(getpid(), static_cast<int>(Num(args, 1, 9))), SleepSeconds(5), 0;
  if (verb == "try") {
    for (size_t i = 1; i < args.size(); i++) Print(args[i] + " = " + Attempt(args[i]) + "\n");
    return 0;
  }
  if (verb == "do") return Print(AttemptHere(args.size() > 1 ? args[1] : "") + "\n"), 0;
  if (verb == "args") {
    Json json;
    json.OpenArray();
    for (size_t i = 1; i < args.size(); i++) json.Text(args[i]);
    json.CloseArray();
    return Print(json.text() + "\n"), 0;
  }
  if (verb == "say") {
    for (size_t i = 1; i < args.size(); i++) Print(args[i] + "\n");
    return 0;
  }
  if (verb == "complain") {
    for (size_t i = 1; i < args.size(); i++) dprintf(2, "%s\n", args[i].c_str());
    return 0;
  }
  if (verb == "print") return Print(args.size() > 1 ? args[1] : ""), 0;  // no newline at the end
  if (verb == "lines") return Lines(args);
  if (verb == "threads") return Threads(args);
  if (verb == "allocate") return Allocate(args);
  if (verb == "spin") return Spin(args);
  if (verb == "tty") return Tty();
  if (verb == "listen") return Listen(args);
  if (verb == "connect") return Connect(args);
  if (verb == "cat") return Cat();
  if (verb == "stat") return Stat(args);
  if (verb == "orphan") return Orphan(args);
  if (verb == "socket") return Socket(args);
  if (verb == "swap") return Swap(args);
  if (verb == "keyring") {
    // KEYCTL_GET_KEYRING_ID of KEY_SPEC_SESSION_KEYRING
    long id = syscall(SYS_keyctl, 0, -3, 0);
    return Print("keyring: " + (id < 0 ? ErrnoName(errno) : std::to_string(id)) + "\n"), 0;
  }
  if (verb == "hunt") return Hunt(Seconds(args, 1, 10), args.size() > 2);
  if (verb == "forks") return Forks(args);
  if (verb == "descriptors") return Descriptors(args);
  if (verb == "inodes") return Inodes(args);
  if (verb == "read-direct") return ReadDirect(args);
  if (verb == "show") return Print(Slurp(args.size() > 1 ? args[1] : "")), 0;
  if (verb == "sleep") return Print("judge: sleeping\n"), SleepSeconds(Seconds(args, 1, 1000)), 0;
  if (verb == "ignore-term") {
    signal(SIGTERM, SIG_IGN);
    return Print("judge: ignoring TERM\n"), SleepSeconds(Seconds(args, 1, 1000)), 0;
  }
  if (verb == "trap-term") {
    term_code = static_cast<int>(Num(args, 1));
    term_delay = Seconds(args, 2, 0);
    signal(SIGTERM, OnTerm);
    return Print("judge: waiting for TERM\n"), SleepSeconds(1000), 0;
  }
  if (IsServiceVerb(verb)) return Service(args);
  Print("judge: unknown verb " + verb + "\n");
  return 125;
}

}  // namespace
}  // namespace judge

int main(int argc, char** argv) { return judge::Main(argc, argv); }
