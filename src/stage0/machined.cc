// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/machined.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/strings.h"

namespace rkt::stage0 {

std::string MachinedProgram() {
  if (::access("/run/dbus/system_bus_socket", F_OK) != 0) return "";
  if (::access("/usr/share/dbus-1/system-services/org.freedesktop.machine1.service", F_OK) != 0 ||
      ::access("/run/systemd/system", F_OK) != 0) {
    return "";
  }
  char executable[PATH_MAX];
  ssize_t n = ::readlink("/proc/self/exe", executable, sizeof executable);
  if (n <= 0) return "";
  std::string directory(executable, static_cast<size_t>(n));
  directory.resize(directory.rfind('/'));
  for (const char* place : {"/../libexec/rkt/systemd", "/systemd"}) {
    std::string program = directory + place;
    if (::access(program.c_str(), X_OK) == 0) return program;
  }
  return "";
}

Status ForgetMachine(const std::string& uuid) {
  // Where machined keeps its list.
  std::string machine = StrCat("/run/systemd/machines/rkt-", uuid);
  if (::access(machine.c_str(), F_OK) != 0) return {};
  std::string program = MachinedProgram();
  if (program.empty()) return {};
  SpawnOptions spawn;
  spawn.program = program;
  spawn.argv = {"systemd", "unregister", uuid};
  Fd null = TRY(Open("/dev/null", O_RDWR));
  spawn.fds = {{null.get(), 0}, {null.get(), 1}, {2, 2}};
  ExitStatus exit = TRY_CTX(RunProgram(spawn), "asking machined to forget pod ", Quote(uuid));
  // It may have gone by itself in the meantime.
  if ((exit.code == 0 && !exit.signaled) || ::access(machine.c_str(), F_OK) != 0) return {};
  return Err(Code::kInternal, "machined did not take pod ", Quote(uuid), " off its list");
}

}  // namespace rkt::stage0
