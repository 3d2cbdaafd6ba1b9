// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Build tool: prints the table of system call names and numbers (seccomp_names.cc includes it). The
// numbers come from libseccomp, which knows those of every architecture; the program that is built
// needs no libseccomp.

#include <seccomp.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

namespace {

constexpr std::array<uint32_t, 3> kArchitectures = {SCMP_ARCH_X86_64, SCMP_ARCH_X86,
                                                    SCMP_ARCH_AARCH64};

struct NewCall {
  const char* name;
  int number;
};
// Newer than some libseccomp releases in use. From 424 on, all architectures share their numbers.
constexpr NewCall kNewCalls[] = {
    {"process_mrelease", 448},  {"futex_waitv", 449},      {"set_mempolicy_home_node", 450},
    {"cachestat", 451},         {"fchmodat2", 452},        {"map_shadow_stack", 453},
    {"futex_wake", 454},        {"futex_wait", 455},       {"futex_requeue", 456},
    {"statmount", 457},         {"listmount", 458},        {"lsm_get_self_attr", 459},
    {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
    {"setxattrat", 463},        {"getxattrat", 464},       {"listxattrat", 465},
    {"removexattrat", 466},     {"open_tree_attr", 467},   {"file_getattr", 468},
    {"file_setattr", 469},      {"listns", 470},
};

}  // namespace

int main() {
  std::map<std::string, std::array<int, 3>> table;
  for (size_t arch = 0; arch < kArchitectures.size(); ++arch) {
    for (int number = 0; number < 1024; ++number) {
      char* name = seccomp_syscall_resolve_num_arch(kArchitectures[arch], number);
      if (name == nullptr) continue;
      table.try_emplace(name, std::array<int, 3>{-1, -1, -1}).first->second[arch] = number;
      std::free(name);
    }
    for (const NewCall& call : kNewCalls) {
      table.try_emplace(call.name, std::array<int, 3>{-1, -1, -1}).first->second[arch] =
          call.number;
    }
  }
  std::printf("// Made by gen/syscall_table.cc: name, x86_64, i386, aarch64; sorted by name.\n");
  for (const auto& [name, numbers] : table) {
    std::printf("{\"%s\", {%d, %d, %d}},\n", name.c_str(), numbers[0], numbers[1], numbers[2]);
  }
  return table.size() > 300 ? 0 : 1;
}
