// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt image gc

#include "base/log.h"
#include "cli/commands.h"
#include "cli/settings.h"
#include "cli/store_usage.h"
#include "image/operations.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec kOwnFlags[] = {
    DurationFlag("grace-period", "how long images are kept after they were last used", "24h0m0s"),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags};

// What no pod may miss. A pod that is removed while it is looked at uses nothing.
Status FindUsed(const store::Store& store, image::GcOptions& options) {
  store::StoreUsage usage = TRY(FindStoreUsage(store));
  for (const auto& [tree, pods] : usage.trees) options.used_trees.push_back(tree);
  for (const auto& [key, pods] : usage.images) options.used_keys.push_back(key);
  return {};
}

int Run(Invocation& invocation) {
  auto store = OpenStore(invocation);
  if (!store) return Fail(store.error());
  // Nobody makes a pod from here on until the unused trees are gone.
  auto lock = store->LockPreparing(Lock::Kind::kExclusive);
  if (!lock) return Fail("cannot get exclusive prepare lock", std::move(lock).error());
  image::GcOptions options;
  options.grace_ns = invocation.Duration("grace-period");
  Status used = FindUsed(*store, options);
  if (!used) return Fail(used.error());
  auto collected = image::GarbageCollect(*store, options, [](const std::string& tree) {
    Notice("", StrCat("removed treestore ", Quote(tree)));
  });
  if (!collected) return Fail(collected.error());
  for (const std::string& key : collected->removed_images) {
    PrintLine(StrCat("successfully removed aci for image: ", Quote(key)));
  }
  if (!collected->removed_images.empty()) {
    Notice("", StrCat(collected->removed_images.size(), " image(s) successfully removed"));
  }
  if (collected->errors.empty()) return 0;
  for (const Error& error : collected->errors) PrintError("", error);
  return Refuse("error(s) found while removing images");
}

}  // namespace

constinit const CommandSpec kImageGcCommand = {
    .name = "gc",
    .synopsis = "[--grace-period=duration]",
    .summary = "Remove images that are no longer used",
    .description = R"(To be run now and then, by a timer for instance.

Removes the rendered trees that no pod refers to, then the images that were not
used for the grace period, except those that pods need which are prepared, run or
have exited; one that "rkt gc" has marked needs none. With --grace-period=0s, all
images that no such pod needs are removed.)",
    .flags = kGroups,
    .run = Run,
};

}  // namespace rkt::cli
