// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// libexec/rkt/systemd: what is asked of systemd's own services by D-Bus, for which libsystemd is
// needed. Started beside a pod that runs already, or has ended; nobody waits for it to find out
// whether it succeeded.
//
//   systemd scope UUID MAIN                  starts the scope of the machine with this process in it, whose groups are the
//                                            pod's own affair (Delegate=); prints a byte when it is there, and waits for
//                                            the end of standard input: by then the pod is in the scope
//   systemd register UUID LEADER MAIN ROOT [in-scope]   makes the pod known to machined as the machine
//   rkt-UUID. LEADER is the pod's
//                                            pid 1, MAIN is rkt. In a service the pod stays in it;
//                                            elsewhere it gets a scope of its own, unless it is in that already.
//   systemd unregister UUID                  takes it from machined's list again
//
// Exit status: 0 done, 1 it could not be done (said on standard error where RKT_DEBUG is set: a
// machine without machined is nothing to complain of), 2 called wrongly, 3 asked for, but there was no answer in time.

#include <signal.h>
#include <sys/prctl.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace {

constexpr char kService[] = "org.freedesktop.machine1";
constexpr char kPath[] = "/org/freedesktop/machine1";
constexpr char kInterface[] = "org.freedesktop.machine1.Manager";
constexpr uint64_t kTimeoutUsec = 10 * 1000000;  // machined is started by the call

struct BusCloser {
  void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
};
using Bus = std::unique_ptr<sd_bus, BusCloser>;
struct MessageCloser {
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
using Message = std::unique_ptr<sd_bus_message, MessageCloser>;

int Fail(const char* what, int result, const sd_bus_error* error = nullptr) {
  if (std::getenv("RKT_DEBUG") != nullptr) {
    bool said = error != nullptr && error->message != nullptr;
    std::fprintf(stderr, "systemd: %s: %s\n", what, said ? error->message : std::strerror(-result));
  }
  return 1;
}

// The 16 bytes of a UUID with dashes; false where it is none.
bool ParseUuid(std::string_view text, uint8_t (&id)[16]) {
  size_t digits = 0;
  std::memset(id, 0, sizeof id);
  for (char c : text) {
    if (c == '-') continue;
    int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (value < 0 || digits == 32) return false;
    id[digits / 2] = static_cast<uint8_t>(id[digits / 2] << 4 | value);
    ++digits;
  }
  return digits == 32;
}

// Whether a process is in a service of the system. Another unit may hold much that is not the
// pod's: a login session, the scope of a user.
bool IsInService(pid_t pid) {
  char* unit = nullptr;
  if (sd_pid_get_unit(pid, &unit) < 0) return false;
  std::string_view name = unit;
  bool service = name.ends_with(".service") && !name.starts_with("user@");
  std::free(unit);
  return service;
}

Bus OpenBus(int* result) {
  sd_bus* bus = nullptr;
  *result = sd_bus_open_system(&bus);
  if (*result >= 0) sd_bus_set_method_call_timeout(bus, kTimeoutUsec);
  return Bus(bus);
}

// The call's head: name, id, service, class, leader, root. The negative errno where it cannot be
// made.
int AppendMachine(sd_bus_message* call, const std::string& name, const uint8_t (&id)[16],
                  uint32_t leader, const char* root) {
  int r = sd_bus_message_append(call, "s", name.c_str());
  if (r >= 0) r = sd_bus_message_append_array(call, 'y', id, sizeof id);
  if (r >= 0) r = sd_bus_message_append(call, "ssus", "rkt", "container", leader, root);
  return r;
}

// The unit's name, as machined would call it.
std::string ScopeName(std::string_view uuid) {
  std::string name = "machine-rkt\\x2d";
  for (char c : uuid) name += c == '-' ? std::string("\\x2d") : std::string(1, c);
  return name + ".scope";
}

// What is waited for until systemd has done what a call asked for.
struct Job {
  std::string path;
  std::string result;
};

int JobRemoved(sd_bus_message* message, void* data, sd_bus_error*) {
  auto* job = static_cast<Job*>(data);
  uint32_t id;
  const char *path, *unit, *result;
  if (sd_bus_message_read(message, "uoss", &id, &path, &unit, &result) >= 0 && job->path == path) job->result = result;
  return 0;
}

int StartScope(sd_bus* bus, const std::string& name, const std::string& description, Job* job) {
  constexpr char kSystemd[] = "org.freedesktop.systemd1", kObject[] = "/org/freedesktop/systemd1",
                 kManager[] = "org.freedesktop.systemd1.Manager";
  int r = sd_bus_match_signal(bus, nullptr, kSystemd, kObject, kManager, "JobRemoved", JobRemoved, job);
  // Signals are sent to those who have subscribed.
  if (r >= 0) r = sd_bus_call_method(bus, kSystemd, kObject, kManager, "Subscribe", nullptr, nullptr, nullptr);
  sd_bus_message* call = nullptr;
  if (r >= 0) r = sd_bus_message_new_method_call(bus, &call, kSystemd, kObject, kManager, "StartTransientUnit");
  Message owned(call);
  if (r >= 0) r = sd_bus_message_append(call, "ss", name.c_str(), "fail");
  if (r >= 0) {
    r = sd_bus_message_append(call, "a(sv)", 5, "Description", "s", description.c_str(), "Slice", "s", "machine.slice",
                              "Delegate", "b", 1, "CollectMode", "s", "inactive-or-failed", "PIDs", "au", 1,
                              static_cast<uint32_t>(::getpid()));
  }
  if (r >= 0) r = sd_bus_message_append(call, "a(sa(sv))", 0);
  if (r < 0) return Fail("a call of systemd", r);
  sd_bus_error error = SD_BUS_ERROR_NULL;
  sd_bus_message* answer = nullptr;
  r = sd_bus_call(bus, call, 0, &error, &answer);
  Message owned_answer(answer);
  if (r < 0) {
    Fail("starting a scope", r, &error);
    sd_bus_error_free(&error);
    return 1;
  }
  const char* path;
  r = sd_bus_message_read(answer, "o", &path);
  if (r < 0) return Fail("the answer of systemd", r);
  job->path = path;
  while (job->result.empty()) {
    r = sd_bus_process(bus, nullptr);
    if (r == 0) r = sd_bus_wait(bus, kTimeoutUsec) > 0 ? 1 : -ETIMEDOUT;
    if (r < 0) return Fail("waiting for the scope", r);
  }
  return job->result == "done" ? 0 : 1;
}

// Binds this process's life to that of rkt, its parent. A pod whose rkt is gone has ended: there is nothing to do for it
// then, and nobody to undo it; false.
bool LiveWith(pid_t main_pid) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  return ::getppid() == main_pid;
}

int HoldScope(const char* uuid, pid_t main_pid) {
  uint8_t id[16];
  if (!ParseUuid(uuid, id)) return 2;
  if (!LiveWith(main_pid)) return 1;
  {
    int r;
    Bus bus = OpenBus(&r);
    if (!bus) return Fail("the system bus", r);
    Job job;
    if (int status = StartScope(bus.get(), ScopeName(uuid), std::string("Pod ") + uuid, &job)) return status;
  }
  if (::write(1, "1", 1) != 1) return 1;
  char byte;
  while (::read(0, &byte, 1) > 0 || errno == EINTR) errno = 0;
  return 0;
}

int Register(const char* uuid, pid_t leader, pid_t main_pid, const char* root, bool in_scope) {
  uint8_t id[16];
  if (!ParseUuid(uuid, id)) return 2;
  if (!LiveWith(main_pid)) return 1;
  int r;
  Bus bus = OpenBus(&r);
  if (!bus) return Fail("the system bus", r);
  bool keep_unit = in_scope || IsInService(main_pid);
  sd_bus_message* call = nullptr;
  r = sd_bus_message_new_method_call(bus.get(), &call, kService, kPath, kInterface,
                                     keep_unit ? "RegisterMachine" : "CreateMachine");
  Message owned(call);
  if (r >= 0)
    r = AppendMachine(call, std::string("rkt-") + uuid, id, static_cast<uint32_t>(leader), root);
  if (r >= 0 && !keep_unit) {
    // The groups in the scope are the pod's own affair; an ended one leaves no unit behind.
    r = sd_bus_message_append(call, "a(sv)", 3, "Description", "s",
                              (std::string("Pod ") + uuid).c_str(), "Delegate", "b", 1,
                              "CollectMode", "s", "inactive-or-failed");
  }
  if (r < 0) return Fail("a call of machined", r);
  sd_bus_error error = SD_BUS_ERROR_NULL;
  r = sd_bus_call(bus.get(), call, 0, &error, nullptr);
  int status = r < 0 ? Fail("registering with machined", r, &error) : 0;
  if (r == -ETIMEDOUT) status = 3;
  sd_bus_error_free(&error);
  return status;
}

int Unregister(const char* uuid) {
  int r;
  Bus bus = OpenBus(&r);
  if (!bus) return Fail("the system bus", r);
  sd_bus_error error = SD_BUS_ERROR_NULL;
  r = sd_bus_call_method(bus.get(), kService, kPath, kInterface, "UnregisterMachine", &error,
                         nullptr, "s", (std::string("rkt-") + uuid).c_str());
  int status = r < 0 ? Fail("unregistering from machined", r, &error) : 0;
  sd_bus_error_free(&error);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  std::string_view verb = argc > 1 ? argv[1] : "";
  if (verb == "scope" && argc == 4) return HoldScope(argv[2], std::atoi(argv[3]));
  if (verb == "register" && (argc == 6 || (argc == 7 && std::string_view(argv[6]) == "in-scope"))) {
    return Register(argv[2], std::atoi(argv[3]), std::atoi(argv[4]), argv[5], argc == 7);
  }
  if (verb == "unregister" && argc == 3) return Unregister(argv[2]);
  std::fprintf(stderr, "usage: systemd scope UUID MAIN | register UUID LEADER MAIN ROOT [in-scope] | unregister UUID\n");
  return 2;
}
