// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The layers of docker and OCI images: tars against their ids, what is unpacked of them against the tars.

#include <unistd.h>

#include "base/file.h"
#include "store/check_run.h"
#include "store/layer_state.h"
#include "store/state.h"

namespace rkt::store {

Status Check::Layers() {
  for (const auto& [id, keys] : layers_) {
    ++result_.layers;
    std::string problem;
    {
      Lock lock = TRY(LockLayers(store_, Lock::Kind::kShared));
      Status whole = CheckLayerTar(id);
      if (whole) {
        TRY(LayerTree(id));
        continue;
      }
      if (whole.error().code() != Code::kCorrupt) return whole;
      problem = HasLayer(store_, id) ? "its content has another hash" : "missing";
      if (options_.repair && HasLayer(store_, id)) {
        // Nobody must take it for stored. Pods use its tree.
        Temporary temporary = TRY(Temporary::Create(cas_));
        TRY(RenameAt(cas_, LayerPath(id), temporary.fd(), "damaged"));
        TRY(temporary.Remove());
      }
    }
    for (const std::string& key : keys) {
      if (!blobs_.contains(key)) continue;  // lost with another layer
      blobs_.erase(key);
      TRY(LoseImage(Kind::kLayer, key, StrCat("its layer ", id, " is damaged: ", problem)));
    }
  }
  return {};
}

Status Check::CheckLayerTar(const std::string& id) {
  Fd tar = TRY(OpenLayer(store_, id));
  LayerDigest digest(id);
  std::string buffer(256u << 10, '\0');
  for (;;) {
    ssize_t n = ::read(tar.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EIO) return DamagedLayer(id);
    if (n < 0) return SysErr("read ", LayerPath(id));
    if (n == 0) return digest.Matches() ? Status() : DamagedLayer(id);
    digest.Update(std::string_view(buffer).substr(0, static_cast<size_t>(n)));
  }
}

std::vector<PodUse> Check::LayerTreeUse(const std::string& id) {
  std::vector<PodUse> uses;
  for (const auto& [tree, pods] : usage_.trees) {
    auto list = ReadFileAt(cas_, StrCat(TreeDir(tree), "/layers"));
    if (list && list->find(id) != std::string::npos) uses.insert(uses.end(), pods.begin(), pods.end());
  }
  return uses;
}

Status Check::LayerTree(const std::string& id) {
  if (::geteuid() != 0 || !HasLayerTree(store_, id)) return {};
  auto difference = CompareLayer(store_, id);
  if (difference && !*difference) return {};
  std::string problem = StrCat("its unpacked tree is damaged: ", difference ? **difference : difference.error().Text());
  std::optional<Lock> preparing;
  if (options_.repair) {
    preparing = TRY(store_.LockPreparing(Lock::Kind::kExclusive));
    TRY(AskUsage());
  }
  std::vector<PodUse> uses = LayerTreeUse(id);
  if (Running(uses)) {
    Report(Kind::kLayer, id, std::move(problem), false, "not repaired while pods that use it are running", uses);
    return {};
  }
  Heal(Kind::kLayer, id, std::move(problem), "unpacked anew", [&]() -> Status {
    Temporary temporary = TRY(Temporary::Create(cas_));
    TRY(RenameAt(cas_, LayerTreePath(id), temporary.fd(), "damaged"));
    TRY(RenderLayer(store_, id));
    return temporary.Remove();
  }, uses);
  return {};
}

}  // namespace rkt::store
