// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt image fsck, du: the health of the store and what it takes

#include <optional>

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/table.h"
#include "cli/commands.h"
#include "cli/pod_output.h"
#include "cli/settings.h"
#include "cli/store_usage.h"
#include "store/check.h"
#include "store/disk_usage.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec kFsckFlags[] = {
    ValueFlag("format", "print json or json-pretty instead of lines", CheckFormat),
    BoolFlag("repair", "heal what is damaged, where that is possible"),
};
constexpr FlagGroup kFsckGroup = kFsckFlags;
constexpr const FlagGroup* kFsckGroups[] = {&kFsckGroup};

std::string FindingLine(const store::Finding& finding) {
  std::string line = StrCat(store::FindingKindName(finding.kind), " ", finding.id, ": ",
                            TerminalSafe(finding.problem));
  if (!finding.outcome.empty()) line += StrCat("; ", TerminalSafe(finding.outcome));
  if (!finding.pods.empty()) {
    line += StrCat(finding.pods.size() == 1 ? " (used by pod " : " (used by pods ",
                   Join(finding.pods, ", "), ")");
  }
  return line;
}

json::Value FindingJson(const store::Finding& finding, bool repair) {
  json::Value value = json::Value::Object({{"kind", store::FindingKindName(finding.kind)},
                                           {"id", finding.id},
                                           {"problem", finding.problem},
                                           {"repaired", finding.healed}});
  if (repair) value.Set("outcome", finding.outcome);
  if (!finding.pods.empty()) value.Set("pods", json::Value::Array(finding.pods));
  return value;
}

// A directory without a store has nothing that could be damaged, and none is made here: opening a
// store for writing would mend its index before anybody could tell.
Result<std::optional<store::Store>> OpenForCheck(const Invocation& invocation) {
  auto store = store::Store::OpenExisting(TRY(DataDir(invocation)));
  if (store) return std::optional(*std::move(store));
  if (store.error().code() == Code::kNotFound) return std::optional<store::Store>();
  return std::move(store).error();
}

int Fsck(Invocation& invocation) {
  std::string_view format = invocation.Text("format");
  auto store = OpenForCheck(invocation);
  if (!store) return Fail(store.error());
  store::CheckOptions options;
  options.repair = invocation.Bool("repair");
  options.usage = [&] { return FindStoreUsage(**store); };
  if (format.empty()) {
    options.found = [](const store::Finding& finding) { PrintLine(FindingLine(finding)); };
  }
  store::CheckResult result;
  if (*store) {
    auto checked = store::CheckStore(**store, options);
    if (!checked) return Fail("checking the image store", std::move(checked).error());
    result = *std::move(checked);
  }
  size_t healed = 0;
  for (const store::Finding& finding : result.findings) healed += finding.healed ? 1 : 0;
  if (!format.empty()) {
    json::Value findings = json::Value::Array();
    for (const store::Finding& finding : result.findings) {
      findings.Append(FindingJson(finding, options.repair));
    }
    PrintJson(json::Value::Object({{"images", result.images},
                                   {"layers", result.layers},
                                   {"trees", result.trees},
                                   {"whole", result.Whole()},
                                   {"findings", std::move(findings)}}),
              format);
  } else {
    std::string end = result.findings.empty() ? "no damage"
                                              : StrCat(result.findings.size(), " problem(s)");
    if (healed > 0) end += StrCat(", ", healed, " repaired");
    PrintLine(StrCat(result.images, " image(s), ", result.layers, " layer(s), ", result.trees,
                     " tree(s): ", end));
  }
  if (result.Whole()) return 0;
  return Refuse(options.repair ? "some damage could not be repaired"
                               : "the image store is damaged (try --repair)");
}

// --- du

constexpr FlagSpec kDuFlags[] = {
    ValueFlag("format", "print json or json-pretty instead of a table", CheckFormat),
    BoolFlag("full", "print whole IDs, and sizes in bytes"),
    BoolFlag("no-legend", "leave out the line with the columns' names"),
};
constexpr FlagGroup kDuGroup = kDuFlags;
constexpr const FlagGroup* kDuGroups[] = {&kDuGroup};

std::string NameOf(const store::ImageInfo& info) {
  return info.version.empty() ? info.name : StrCat(info.name, ":", info.version);
}

json::Value UsageJson(const store::DiskUsage& usage) {
  json::Value images = json::Value::Array();
  for (const store::ImageDiskUsage& image : usage.images) {
    images.Append(json::Value::Object({{"id", image.info.key},
                                       {"name", NameOf(image.info)},
                                       {"blob", image.blob},
                                       {"layers", image.layers},
                                       {"shared", image.shared},
                                       {"trees", image.trees},
                                       {"reclaimable", image.reclaimable},
                                       {"pods", json::Value::Array(image.pods)}}));
  }
  return json::Value::Object({{"images", std::move(images)},
                              {"blobs", usage.blobs},
                              {"layers", usage.layers},
                              {"trees", usage.trees},
                              {"temporary", usage.temporary},
                              {"total", usage.total},
                              {"reclaimable", usage.reclaimable}});
}

int Du(Invocation& invocation) {
  auto store = OpenStore(invocation);
  if (!store) return Fail(store.error());
  auto pods = FindStoreUsage(*store);
  if (!pods) return Fail(pods.error());
  auto usage = store::MeasureStore(*store, *pods);
  if (!usage) return Fail(usage.error());
  if (std::string_view format = invocation.Text("format"); !format.empty()) {
    PrintJson(UsageJson(*usage), format);
    return 0;
  }
  bool full = invocation.Bool("full");
  auto size = [&](int64_t bytes) {
    return full ? StrCat(bytes) : HumanSize(static_cast<uint64_t>(bytes));
  };
  Table table;
  if (!invocation.Bool("no-legend")) {
    table.AddRow({"ID", "NAME", "BLOB", "LAYERS", "SHARED", "TREES", "RECLAIMABLE", "PODS"});
  }
  constexpr size_t kShortId = 19;  // sha512- and 12 digits
  for (const store::ImageDiskUsage& image : usage->images) {
    table.AddRow({full ? image.info.key : image.info.key.substr(0, kShortId),
                  TerminalSafe(NameOf(image.info)), size(image.blob), size(image.layers),
                  size(image.shared), size(image.trees), size(image.reclaimable),
                  StrCat(image.pods.size())});
  }
  Print(table.Text());
  PrintLine(StrCat("total ", size(usage->total), ": blobs ", size(usage->blobs), ", layers ",
                   size(usage->layers), ", trees ", size(usage->trees), ", temporary files ",
                   size(usage->temporary), "; reclaimable ", size(usage->reclaimable)));
  return 0;
}

}  // namespace

constinit const CommandSpec kImageFsckCommand = {
    .name = "fsck",
    .synopsis = "[--repair] [--format=json]",
    .summary = "Find and heal damage in the image store",
    .description = R"(Reads all that is in the store and compares it with what it was made of. Prints a
line for each damage.

With --repair, all that can be made anew is: the index, rows of it, manifests,
layers unpacked, trees. An image whose bytes are damaged is removed, and has to be
fetched again; if a prepared or running pod uses it, this is said and its row
stays until it is fetched. What killed processes left is removed. Other processes
may use the store meanwhile; the tree of a running pod is not touched.

Exit status: 0 where nothing was found or all was healed, 254 where damage is left.)",
    .flags = kFsckGroups,
    .run = Fsck,
};

constinit const CommandSpec kImageDuCommand = {
    .name = "du",
    .synopsis = "[--full] [--format=json]",
    .summary = "Tell what images take on disk",
    .description = R"(Prints for each image what its blob takes, its layers that no other image has,
those that it shares with others, the trees rendered of it, what would come free
with it alone, and how many pods use it. The last line has the sums, and what image
gc --grace-period=0s would free.)",
    .flags = kDuGroups,
    .run = Du,
};

}  // namespace rkt::cli
