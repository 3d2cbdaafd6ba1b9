// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/cgroup/devices.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

#include "base/fd.h"
#include "base/strings.h"

namespace rkt::cgroup {

namespace {

// Made too, where rkt makes the app's /dev: that happens in the group already.
constexpr DeviceRule kForEverybody[] = {
    {false, 1, 3, true, true, true},   {false, 1, 5, true, true, true},  {false, 1, 7, true, true, true},
    {false, 1, 8, true, true, true},   {false, 1, 9, true, true, true},  {false, 5, 0, true, true, true},
    {false, 5, 2, true, true, false},  {false, 136, -1, true, true, false},
    {false, 10, 200, true, true, true},
};

bpf_insn Instruction(int code, int dst, int src, int offset, int32_t immediate) {
  bpf_insn insn = {};
  insn.code = static_cast<uint8_t>(code);
  insn.dst_reg = static_cast<uint8_t>(dst & 0xf);
  insn.src_reg = static_cast<uint8_t>(src & 0xf);
  insn.off = static_cast<int16_t>(offset);
  insn.imm = immediate;
  return insn;
}

long Bpf(int command, union bpf_attr* attributes) {
  return ::syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

}  // namespace

std::vector<DeviceRule> DevicePolicy(const std::vector<DeviceRule>& extra) {
  std::vector<DeviceRule> rules(std::begin(kForEverybody), std::end(kForEverybody));
  for (const DeviceRule& rule : extra) {
    bool known = false;
    for (DeviceRule& other : rules) {
      if (other.block != rule.block || other.major != rule.major || other.minor != rule.minor) continue;
      other.read = other.read || rule.read;
      other.write = other.write || rule.write;
      other.make = other.make || rule.make;
      known = true;
    }
    if (!known) rules.push_back(rule);
  }
  return rules;
}

std::string DeviceRuleText(const DeviceRule& rule) {
  return StrCat(rule.block ? "b " : "c ", rule.major, ":", rule.minor < 0 ? "*" : StrCat(rule.minor), " ",
                rule.read ? "r" : "", rule.write ? "w" : "", rule.make ? "m" : "");
}

std::vector<bpf_insn> DeviceProgram(const std::vector<DeviceRule>& rules) {
  // r2 the type, r3 the access, r4 the major, r5 the minor number; r1 is the context.
  constexpr int kLoad = BPF_LDX | BPF_MEM | BPF_W;
  std::vector<bpf_insn> program = {
      Instruction(kLoad, BPF_REG_2, BPF_REG_1, offsetof(bpf_cgroup_dev_ctx, access_type), 0),
      Instruction(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0),
      Instruction(BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff),
      Instruction(BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16),
      Instruction(kLoad, BPF_REG_4, BPF_REG_1, offsetof(bpf_cgroup_dev_ctx, major), 0),
      Instruction(kLoad, BPF_REG_5, BPF_REG_1, offsetof(bpf_cgroup_dev_ctx, minor), 0),
  };
  constexpr int kNotEqual = BPF_JMP | BPF_JNE | BPF_K;
  for (const DeviceRule& rule : rules) {
    int refused = (rule.make ? 0 : BPF_DEVCG_ACC_MKNOD) | (rule.read ? 0 : BPF_DEVCG_ACC_READ) |
                  (rule.write ? 0 : BPF_DEVCG_ACC_WRITE);
    // Each test jumps to the next rule; behind this one come two instructions that allow.
    int minor_tests = rule.minor < 0 ? 0 : 1;
    int skip = 4 + minor_tests;
    program.push_back(
        Instruction(kNotEqual, BPF_REG_2, 0, skip--, rule.block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR));
    program.push_back(Instruction(kNotEqual, BPF_REG_4, 0, skip--, static_cast<int32_t>(rule.major)));
    if (minor_tests != 0) {
      program.push_back(Instruction(kNotEqual, BPF_REG_5, 0, skip--, static_cast<int32_t>(rule.minor)));
    }
    program.push_back(Instruction(BPF_JMP | BPF_JSET | BPF_K, BPF_REG_3, 0, skip, refused));
    program.push_back(Instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1));
    program.push_back(Instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
  }
  program.push_back(Instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0));
  program.push_back(Instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
  return program;
}

Status AttachDevicePolicy(const std::string& group, const std::vector<DeviceRule>& rules) {
  std::vector<bpf_insn> program = DeviceProgram(rules);
  constexpr char kLicense[] = "Apache-2.0";
  union bpf_attr load;
  memset(&load, 0, sizeof load);
  load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  load.insns = reinterpret_cast<uintptr_t>(program.data());
  load.insn_cnt = static_cast<uint32_t>(program.size());
  load.license = reinterpret_cast<uintptr_t>(kLicense);
  Fd loaded(static_cast<int>(Bpf(BPF_PROG_LOAD, &load)));
  if (!loaded) return SysErr("loading the device policy of ", group);
  Fd directory = TRY(Open(group, O_RDONLY | O_DIRECTORY));
  union bpf_attr attach;
  memset(&attach, 0, sizeof attach);
  attach.target_fd = static_cast<uint32_t>(directory.get());
  attach.attach_bpf_fd = static_cast<uint32_t>(loaded.get());
  attach.attach_type = BPF_CGROUP_DEVICE;
  attach.attach_flags = BPF_F_ALLOW_MULTI;
  if (Bpf(BPF_PROG_ATTACH, &attach) != 0) return SysErr("attaching the device policy to ", group);
  return {};
}

}  // namespace rkt::cgroup
