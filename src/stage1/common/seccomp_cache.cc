// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/common/seccomp_cache.h"

#include <algorithm>
#include <cstring>

#include "base/file_cache.h"
#include "base/strings.h"
#include "pod/paths.h"
#include "stage1/common/seccomp_names.h"
#include "stage1/common/seccomp_rules.h"

namespace rkt::stage1 {

namespace {

constexpr char kCompiler[] =
#include "seccomp_compiler.inc"
    ;

// The policy as text, the same for policies that mean the same. Names are counted, as an image may put anything into
// them.
std::string Origin(const SeccompPolicy& policy) {
  std::vector<std::string_view> set(policy.set.begin(), policy.set.end());
  std::sort(set.begin(), set.end());
  set.erase(std::unique(set.begin(), set.end()), set.end());
  std::string text =
      StrCat("seccomp ", kCompiler, " ", static_cast<int>(kNativeArchitecture), " ", static_cast<int>(policy.mode), " ",
             policy.device_policy ? 1 : 0, " ", policy.errno_name.size(), ":", policy.errno_name);
  for (std::string_view name : set) text += StrCat(" ", name.size(), ":", name);
  return text;
}

}  // namespace

Result<std::vector<sock_filter>> CompileSeccompOnce(const SeccompPolicy& policy, int pod_dir) {
  if (policy.mode == SeccompPolicy::Mode::kOff) return CompileSeccomp(policy);
  FileCache cache(pod_dir, pod::kFiltersFromPod);
  std::string origin = Origin(policy);
  if (auto kept = cache.Find(origin)) {
    std::vector<sock_filter> program(kept->size() / sizeof(sock_filter));
    if (!program.empty() && program.size() <= BPF_MAXINSNS && kept->size() % sizeof(sock_filter) == 0) {
      memcpy(program.data(), kept->data(), kept->size());
      return program;
    }
  }
  std::vector<sock_filter> program = TRY(CompileSeccomp(policy));
  if (program.empty()) return program;
  cache.Keep(origin, std::string_view(reinterpret_cast<const char*>(program.data()),
                                      program.size() * sizeof(sock_filter)));
  return program;
}

}  // namespace rkt::stage1
