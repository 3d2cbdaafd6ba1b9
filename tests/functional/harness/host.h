// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What the host has that a test may need, and where a test runs that this host is not enough for:
// the second host (tests/second-host), on which the same test program runs with another filter.
//
//   suites Systemd...   functional.systemd: a container with systemd, dbus, machined and journald
//   suites Cgroup2...   functional.cgroup2: a virtual machine, the same with every controller on v2
//
// A test says what it needs by one of the macros; where that is missing the skip names the run that
// has it.

#include <string>

#include "functional/harness/pod_test.h"

namespace rkt::test {

bool HaveSystemd();   // as pid 1
bool HaveJournald();  // takes messages
bool HaveMachined();  // can be asked (it is started then)
// Whether the controller is on cgroup v2, mounted at /sys/fs/cgroup.
bool HaveCgroup2(const std::string& controller);
// Whether /sys/fs/cgroup is cgroup v2, with or without controllers.
bool HaveUnifiedCgroup();

#define REQUIRE_SYSTEMD()                                 \
  REQUIRE_FACILITY("systemd", ::rkt::test::HaveSystemd(), \
                   "pid 1 is another; see functional.systemd")
#define REQUIRE_JOURNALD()                                  \
  REQUIRE_FACILITY("journald", ::rkt::test::HaveJournald(), \
                   "it does not run; see functional.systemd")
#define REQUIRE_MACHINED()                                  \
  REQUIRE_FACILITY("machined", ::rkt::test::HaveMachined(), \
                   "it is not there; see functional.systemd")
#define REQUIRE_CGROUP2(controller)                                                            \
  REQUIRE_FACILITY("cgroup2-" + std::string(controller), ::rkt::test::HaveCgroup2(controller), \
                   "no such controller on cgroup v2; see functional.cgroup2")

}  // namespace rkt::test
