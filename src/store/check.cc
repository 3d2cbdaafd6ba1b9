// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "store/check.h"

#include <algorithm>

#include "base/file.h"
#include "store/check_run.h"
#include "store/state.h"

namespace rkt::store {

namespace {
std::vector<std::string> Uuids(const std::vector<PodUse>& uses) {
  std::vector<std::string> uuids;
  for (const PodUse& use : uses) uuids.push_back(use.uuid);
  return uuids;
}
}  // namespace

Result<CheckResult> Check::Run() {
  TRY(AskUsage());
  if (!Directories()) return std::move(result_);
  TRY(Index());
  TRY(Images());
  TRY(Layers());
  // Whoever may not look into trees cannot compare them; a broken index does not tell which images are in one.
  if (::geteuid() == 0 && index_good_) TRY(Trees());
  TRY(LeftOvers());
  if (options_.repair) TRY(CleanUp());
  return std::move(result_);
}

Status Check::AskUsage() {
  if (options_.usage) usage_ = TRY(options_.usage());
  return {};
}

bool Check::Running(const std::vector<PodUse>& uses) {
  return std::any_of(uses.begin(), uses.end(), [](const PodUse& use) { return use.running; });
}

void Check::Report(Kind kind, const std::string& id, std::string problem, bool healed, std::string outcome,
                   const std::vector<PodUse>& uses) {
  Finding finding{kind, id, std::move(problem), healed, std::move(outcome), Uuids(uses)};
  if (!options_.repair) {
    finding.healed = false;
    finding.outcome.clear();
  }
  if (options_.found) options_.found(finding);
  result_.findings.push_back(std::move(finding));
}

void Check::Heal(Kind kind, const std::string& id, std::string problem, std::string outcome,
                 const std::function<Status()>& heal, const std::vector<PodUse>& uses) {
  Status healed;
  if (options_.repair) healed = heal();
  Report(kind, id, std::move(problem), healed.has_value(),
         healed ? std::move(outcome) : StrCat("not repaired: ", healed.error().Text()), uses);
}

bool Check::Directories() {
  bool usable = true;  // nothing is looked at without its lock
  for (const StoreDirectory& directory : kStoreDirectories) {
    std::string path = directory.path;
    if (ExistsAt(cas_, path)) continue;
    Heal(Kind::kDirectory, path, "missing", "made", [&] { return MakeStoreDir(cas_, path, directory.mode); });
    usable = usable && (!path.ends_with("locks") || ExistsAt(cas_, path));
  }
  return usable;
}

Status Check::Index() {
  auto rows = [&]() -> Result<std::vector<IndexRow>> {
    IndexView view = TRY(IndexView::Open(cas_));
    std::vector<IndexRow> all = TRY(view.All());
    for (const IndexRow& row : all) {
      auto found = TRY(view.ByKey(row.key));
      if (!found || *found != row) return Err(Code::kCorrupt, "the index of the image store is damaged: a row is not found");
    }
    return all;
  }();
  if (!rows) {
    Code code = rows.error().code();
    if (code != Code::kCorrupt && code != Code::kNotFound) return std::move(rows).error();
    index_good_ = false;
    Heal(Kind::kIndex, "index", code == Code::kNotFound ? "missing" : rows.error().Text(), "made anew from the blobs",
         [&]() -> Status {
           TRY(store_.RebuildIndex());
           index_good_ = true;
           return {};
         });
    if (!index_good_) return {};
    rows = TRY(IndexView::Open(cas_)).All();
  }
  for (const IndexRow& row : TRY(std::move(rows))) keys_.insert(row.key);
  return {};
}

Result<std::optional<IndexRow>> Check::Row(const std::string& key) {
  if (!index_good_) return std::optional<IndexRow>();
  return TRY(IndexView::Open(cas_)).ByKey(key);
}

const char* FindingKindName(Finding::Kind kind) {
  switch (kind) {
    case Finding::Kind::kDirectory: return "directory";
    case Finding::Kind::kIndex: return "index";
    case Finding::Kind::kRow: return "row";
    case Finding::Kind::kBlob: return "blob";
    case Finding::Kind::kManifest: return "manifest";
    case Finding::Kind::kLayerList: return "layer-list";
    case Finding::Kind::kLayer: return "layer";
    case Finding::Kind::kTree: return "tree";
    case Finding::Kind::kLeftOver: return "left-over";
  }
  return "";
}

bool CheckResult::Whole() const {
  return std::all_of(findings.begin(), findings.end(), [](const Finding& finding) { return finding.healed; });
}

Result<CheckResult> CheckStore(Store& store, const CheckOptions& options) { return Check(store, options).Run(); }

}  // namespace rkt::store
