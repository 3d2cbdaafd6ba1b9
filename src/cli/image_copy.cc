// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt image cat-manifest, export, extract, render: what is in an image, for looking at and taking
// away

#include "appc/image_manifest.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/settings.h"
#include "image/operations.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec kManifestFlags[] = {
    BoolFlag("pretty-print", "print one member a line, indented", true),
};
constexpr FlagGroup kManifestGroup = kManifestFlags;
constexpr const FlagGroup* kManifestGroups[] = {&kManifestGroup};

constexpr FlagSpec kExportFlags[] = {
    BoolFlag("overwrite", "replace the file where it exists"),
};
constexpr FlagGroup kExportGroup = kExportFlags;
constexpr const FlagGroup* kExportGroups[] = {&kExportGroup};

constexpr FlagSpec kUnpackFlags[] = {
    BoolFlag("overwrite", "remove the directory first where it exists"),
    BoolFlag("rootfs-only", "write the root file system alone"),
};
constexpr FlagGroup kUnpackGroup = kUnpackFlags;
constexpr const FlagGroup* kUnpackGroups[] = {&kUnpackGroup};

int CatManifest(Invocation& invocation) {
  if (invocation.words.size() != 1) return invocation.Usage();
  auto store = OpenStore(invocation);
  if (!store) return Fail(store.error());
  auto key = image::ResolveStored(*store, std::string(invocation.words[0]));
  if (!key) return Fail(key.error());
  auto manifest = store->ReadManifest(*key);
  if (!manifest) return Fail("cannot get image manifest", std::move(manifest).error());
  PrintLine(invocation.Bool("pretty-print") ? json::WriteIndented(appc::ToJson(*manifest))
                                            : appc::WriteImageManifest(*manifest));
  return 0;
}

int Export(Invocation& invocation) {
  if (invocation.words.size() != 2) return invocation.Usage();
  auto store = OpenStore(invocation);
  if (!store) return Fail(store.error());
  Status done = image::ExportImage(*store, std::string(invocation.words[0]),
                                   std::string(invocation.words[1]), invocation.Bool("overwrite"));
  return done ? 0 : Fail(done.error());
}

image::UnpackOptions UnpackOptions(const Invocation& invocation) {
  return {.rootfs_only = invocation.Bool("rootfs-only"), .overwrite = invocation.Bool("overwrite")};
}

int Extract(Invocation& invocation) {
  if (invocation.words.size() != 2) return invocation.Usage();
  auto store = OpenStore(invocation);
  if (!store) return Fail(store.error());
  Status done = image::ExtractImage(*store, std::string(invocation.words[0]),
                                    std::string(invocation.words[1]), UnpackOptions(invocation));
  return done ? 0 : Fail(done.error());
}

int Render(Invocation& invocation) {
  if (invocation.words.size() != 2) return invocation.Usage();
  auto store = OpenStore(invocation);
  if (!store) return Fail(store.error());
  Status done = image::RenderImage(
      *store, std::string(invocation.words[0]), std::string(invocation.words[1]),
      UnpackOptions(invocation),
      [](const std::string& text) { Notice("", StrCat("warning: ", TerminalSafe(text))); });
  return done ? 0 : Fail(done.error());
}

}  // namespace

constinit const CommandSpec kImageCatManifestCommand = {
    .name = "cat-manifest",
    .synopsis = "IMAGE",
    .summary = "Print the manifest of an image",
    .description = "Prints the manifest of a stored image, named by its ID or its name, as JSON.",
    .flags = kManifestGroups,
    .run = CatManifest,
    .completes = Completion::kImages,
};

constinit const CommandSpec kImageExportCommand = {
    .name = "export",
    .synopsis = "IMAGE OUTPUT_ACI_FILE",
    .summary = "Write an image of the store to a file",
    .description =
        R"(Writes the image as an ACI file that is not compressed, whatever the file was that
it came from. Its ID does not change by that. With a pipe or device in place of the
file (/dev/stdout) it is written there.)",
    .flags = kExportGroups,
    .run = Export,
    .completes = Completion::kImages,
};

constinit const CommandSpec kImageExtractCommand = {
    .name = "extract",
    .synopsis = "IMAGE OUTPUT_DIR",
    .summary = "Unpack an image of the store into a directory",
    .description =
        R"(Unpacks this image alone, without the images that it depends on. The directory is
made of plain files and can simply be removed.)",
    .flags = kUnpackGroups,
    .run = Extract,
    .completes = Completion::kImages,
};

constinit const CommandSpec kImageRenderCommand = {
    .name = "render",
    .synopsis = "IMAGE OUTPUT_DIR",
    .summary = "Write an image with all that it depends on into a directory",
    .description =
        R"(Writes the files as an app of the image would find them: the image laid over those
that it depends on. The directory is made of plain files and can simply be
removed.)",
    .flags = kUnpackGroups,
    .run = Render,
    .completes = Completion::kImages,
};

}  // namespace rkt::cli
