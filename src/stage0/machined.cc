// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/machined.h"

#include <limits.h>
#include <unistd.h>

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

}  // namespace rkt::stage0
