// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt image rm, verify

#include "base/log.h"
#include "cli/commands.h"
#include "cli/settings.h"
#include "image/operations.h"

namespace rkt::cli {

namespace {

int Remove(Invocation& invocation) {
  if (invocation.words.empty()) return Refuse("must provide at least one image ID");
  auto store = OpenStore(invocation);
  if (!store) return Fail(store.error());
  size_t removed = 0, stale = 0, failed = 0;
  std::vector<std::string> words(invocation.words.begin(), invocation.words.end());
  for (image::RemovedImage& row : image::RemoveImages(*store, words)) {
    if (row.key.empty()) {
      // Images that are not there are told of and are no failure.
      (void)Fail(row.status.error());
      continue;
    }
    if (!row.status && !row.stale_files) {
      (void)Fail(StrCat("error removing aci for image ", Quote(row.key)),
                 std::move(row.status).error());
      ++failed;
      continue;
    }
    if (!row.status) {
      (void)Fail(StrCat("some files cannot be removed for image ", Quote(row.key)),
                 std::move(row.status).error());
      ++stale;
    }
    PrintLine(StrCat("successfully removed aci for image: ", Quote(row.key)));
    ++removed;
  }
  if (removed > 0) Notice("", StrCat(removed, " image(s) successfully removed"));
  if (stale > 0) Notice("", StrCat(stale, " image(s) removed but left some stale files"));
  if (failed > 0) Notice("", StrCat(failed, " image(s) cannot be removed"));
  return stale + failed == 0 ? 0 : Refuse("error(s) found while removing images");
}

int Verify(Invocation& invocation) {
  if (invocation.words.empty()) return Refuse("must provide at least one image ID");
  auto store = OpenStore(invocation);
  if (!store) return Fail(store.error());
  for (std::string_view word : invocation.words) {
    std::string image(word);
    std::string shown = TerminalSafe(word);
    auto key = image::ResolveStored(*store, image);
    if (!key) {
      return Fail(StrCat("unable to resolve store key for image ", shown), std::move(key).error());
    }
    auto verified = image::VerifyImage(*store, image, [&](const std::string& detail) {
      PrintLine(StrCat("tree cache verification failed for image ", shown, ": ",
                       TerminalSafe(detail), ";  rebuilding..."));
    });
    if (!verified) {
      if (verified.error().code() == Code::kCorrupt) {
        return Fail(StrCat("verification failed for image ", shown), std::move(verified).error());
      }
      return Fail(StrCat("unable to repair cache for image ", shown), std::move(verified).error());
    }
    switch (verified->outcome) {
      case image::VerifyOutcome::kVerified:
        PrintLine(StrCat("successfully verified checksum for image: ", Quote(word), " (",
                         Quote(verified->key), ")"));
        break;
      case image::VerifyOutcome::kNotRendered:
        PrintLine(StrCat("image ", Quote(word), " not rendered; no verification needed"));
        break;
      case image::VerifyOutcome::kRebuilt:
        break;  // said before it was done
    }
  }
  return 0;
}

}  // namespace

constinit const CommandSpec kImageRmCommand = {
    .name = "rm",
    .synopsis = "IMAGE...",
    .summary = "Remove images from the local store",
    .description =
        "Removes the images at once, where image gc asks how long they have not been used.",
    .run = Remove,
    .completes = Completion::kImages,
};

constinit const CommandSpec kImageVerifyCommand = {
    .name = "verify",
    .synopsis = "IMAGE...",
    .summary = "Check stored images against damage",
    .description =
        R"(Compares the image and its rendered tree with their checksums, and makes the tree
anew where it has changed. For disks that are not to be trusted.)",
    .run = Verify,
    .completes = Completion::kImages,
};

}  // namespace rkt::cli
