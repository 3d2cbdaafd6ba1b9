// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Which devices a group's processes may open: the devices controller of v1, or a program at a v2 group. All but what
// the rules name is refused (EPERM), opening as well as mknod.

#include <linux/bpf.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace rkt::cgroup {

struct DeviceRule {
  bool block = false;   // else a character device
  int64_t major = 0;
  int64_t minor = -1;   // below 0: all minors
  bool read = true;
  bool write = true;
  bool make = false;    // mknod
  bool operator==(const DeviceRule&) const = default;
};

// What every app may use (null, zero, full, random, urandom, tty, terminals, tun) and `extra`; several rules of one
// device are made one.
std::vector<DeviceRule> DevicePolicy(const std::vector<DeviceRule>& extra);
// "c 1:3 rwm", the line of v1's devices.allow.
std::string DeviceRuleText(const DeviceRule& rule);
// The program for BPF_CGROUP_DEVICE: 1 where a rule allows the whole access.
std::vector<bpf_insn> DeviceProgram(const std::vector<DeviceRule>& rules);
// Attaches the program to the v2 group. It goes with the group.
Status AttachDevicePolicy(const std::string& group, const std::vector<DeviceRule>& rules);

}  // namespace rkt::cgroup
