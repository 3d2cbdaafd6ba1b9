// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "functional/harness/host.h"

namespace rkt::test {

bool HaveSystemd() { return Exists("/run/systemd/system"); }

bool HaveJournald() { return Exists("/run/systemd/journal/socket"); }

bool HaveMachined() {
  return Exists("/run/dbus/system_bus_socket") &&
         Exists("/usr/share/dbus-1/system-services/org.freedesktop.machine1.service");
}

bool HaveUnifiedCgroup() { return Exists("/sys/fs/cgroup/cgroup.controllers"); }

bool HaveCgroup2(const std::string& controller) {
  for (const std::string& name : Split(Trim(ReadFile("/sys/fs/cgroup/cgroup.controllers")), ' ')) {
    if (name == controller) return true;
  }
  return false;
}

}  // namespace rkt::test
