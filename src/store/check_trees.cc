// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Rendered trees, against the images that they were made of.

#include "base/file.h"
#include "store/check_run.h"
#include "store/state.h"

namespace rkt::store {

Status Check::Trees() {
  std::set<std::string> seen;
  for (const std::string& id : TRY(store_.ListTrees())) {
    seen.insert(id);
    TRY_CTX(Tree(id), "tree ", id);
  }
  // Trees that pods name and that are not there.
  for (const auto& [id, uses] : std::map(usage_.trees)) {
    if (!seen.contains(id) && !uses.empty() && !ExistsAt(cas_, TreeDir(id))) TRY(MissingTree(id, uses));
  }
  return {};
}

std::string Check::SourceOf(const std::string& id, const std::string& image) {
  if (!blobs_.contains(image)) return {};
  auto layers = ListLayers(store_, image);
  if (!layers || TreeIdOf(*layers) != id) return {};
  for (const Layer& layer : *layers) {
    if (!blobs_.contains(layer.key)) return {};
  }
  return image;
}

Status Check::Tree(const std::string& id) {
  ++result_.trees;
  auto named = ReadStoreFile(cas_, StrCat(TreeDir(id), "/image"), 256);
  std::string image(named ? Trim(*named) : std::string_view());
  std::string source = SourceOf(id, image);
  // A tree that lost its name: the image may still be known by the id.
  for (auto key = blobs_.begin(); source.empty() && !IsKey(image) && key != blobs_.end(); ++key) {
    source = SourceOf(id, *key);
  }
  std::string problem;
  if (!store_.IsRendered(id)) {
    problem = "it is incomplete";
  } else if (!IsKey(image)) {
    problem = "it does not say which image it is of";
  } else if (source.empty()) {
    return {};  // of an image that is gone or has other dependencies now: nothing to compare it with
  } else {
    auto verified = store_.VerifyTree(source, /*check_blobs=*/false);
    if (!verified && verified.error().code() != Code::kCorrupt && verified.error().code() != Code::kInvalid &&
        verified.error().code() != Code::kNotFound) {
      return std::move(verified).error();
    }
    if (verified && verified->state != Store::TreeState::kDamaged) return {};
    problem = verified ? verified->detail : verified.error().Text();
  }
  std::optional<Lock> preparing;
  if (options_.repair) {
    preparing = TRY(store_.LockPreparing(Lock::Kind::kExclusive));
    TRY(AskUsage());
  }
  const std::vector<PodUse> uses = TreeUse(id);
  if (!ExistsAt(cas_, TreeDir(id))) return {};  // collected meanwhile
  if (Running(uses)) {
    Report(Kind::kTree, id, std::move(problem), false, "not repaired while pods that use it are running", uses);
    return {};
  }
  if (source.empty()) {
    if (!uses.empty()) {
      Report(Kind::kTree, id, std::move(problem), false, "cannot be repaired: its image is not in the store", uses);
      return {};
    }
    Heal(Kind::kTree, id, std::move(problem), "removed", [&] { return store_.RemoveTree(id); });
    return {};
  }
  Heal(Kind::kTree, id, std::move(problem), "rendered anew", [&]() -> Status {
    TRY(store_.RemoveTree(id));
    TRY(store_.RenderTree(source));
    return {};
  }, uses);
  return {};
}

Status Check::MissingTree(const std::string& id, const std::vector<PodUse>& uses) {
  std::string source;
  for (auto key = blobs_.begin(); source.empty() && key != blobs_.end(); ++key) source = SourceOf(id, *key);
  if (source.empty()) {
    Report(Kind::kTree, id, "missing", false, "cannot be repaired: its image is not in the store", uses);
    return {};
  }
  Heal(Kind::kTree, id, "missing", "rendered anew", [&]() -> Status {
    TRY(store_.RenderTree(source));
    return {};
  }, uses);
  return {};
}

}  // namespace rkt::store
