// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/entry_point.h"

#include "base/file.h"
#include "pod/paths.h"

namespace rkt::stage0 {

Result<Stage1Contract> ReadContract(const pod::Pod& pod) {
  return Stage1Contract::Parse(TRY(pod.ReadFile(pod::kStage1Manifest)));
}

Result<std::string> EntryPointPath(const std::string& data_dir, const pod::Pod& pod,
                                   const Stage1Contract& contract, std::string_view name) {
  std::string entry = contract.EntryPoint(name);
  if (entry.empty())
    return Err(Code::kUnsupported, "rkt ", name, " not implemented for pod's stage1");
  std::string tree = TRY(pod.Stage1TreeId());
  std::string path = StrCat(data_dir, "/cas/tree/", tree, "/rootfs", entry);
  if (Exists(path)) return path;
  return StrCat(pod.path(), "/", pod::kStage1Rootfs, entry);
}

}  // namespace rkt::stage0
