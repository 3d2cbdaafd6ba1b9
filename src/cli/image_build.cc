// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt image build, patch-manifest, sign: making image files

#include <optional>

#include "base/file.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/invocation.h"
#include "image/make/build.h"
#include "image/make/patch.h"
#include "image/make/sign.h"

namespace rkt::cli {

namespace {

// Setters check what a value is; the commands read it again.
template <typename T, Result<T> (*parse)(std::string_view)>
Status Check(Invocation&, const FlagSpec&, std::string_view value) {
  TRY(parse(value));
  return {};
}

Result<std::pair<uint32_t, uint32_t>> ParseOwner(std::string_view text) {
  size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    auto uid = ParseUint(text.substr(0, colon)), gid = ParseUint(text.substr(colon + 1));
    if (uid && gid && *uid < UINT32_MAX && *gid < UINT32_MAX) {
      return std::pair(static_cast<uint32_t>(*uid), static_cast<uint32_t>(*gid));
    }
  }
  return Err(Code::kInvalid, "not UID:GID, both as numbers");
}

Status CheckOwner(Invocation&, const FlagSpec&, std::string_view value) {
  TRY(ParseOwner(value));
  return {};
}

constexpr FlagSpec kBuildFlags[] = {
    ValueFlag("compression", "gzip, zstd, xz or none",
              Check<image::Compression, image::ParseCompression>, "gzip"),
    BoolFlag("overwrite", "replace the file where it exists"),
    ValueFlag("owner", "UID:GID of every file in the image, instead of the files' own", CheckOwner),
    ValueFlag("timestamp",
              "time of every file in the image, as seconds since the epoch or like "
              "2017-07-14T02:40:00Z, instead of the files' own",
              Check<int64_t, image::ParseTimestamp>),
};
constexpr FlagGroup kBuildGroup = kBuildFlags;
constexpr const FlagGroup* kBuildGroups[] = {&kBuildGroup};

int Build(Invocation& invocation) {
  if (invocation.words.size() != 2) return invocation.Usage();
  image::BuildOptions options;
  auto compression = image::ParseCompression(invocation.Text("compression"));
  if (!compression) return Fail(compression.error());
  options.compression = *compression;
  options.overwrite = invocation.Bool("overwrite");
  if (invocation.Given("timestamp")) {
    auto timestamp = image::ParseTimestamp(invocation.Text("timestamp"));
    if (!timestamp) return Fail(timestamp.error());
    options.tree.timestamp = *timestamp;
  }
  if (invocation.Given("owner")) {
    auto owner = ParseOwner(invocation.Text("owner"));
    if (!owner) return Fail(owner.error());
    options.tree.owner = *owner;
  }
  auto key = image::BuildImage(std::string(invocation.words[0]), std::string(invocation.words[1]),
                               options);
  if (!key) return Fail(key.error());
  PrintLine(*key);
  return 0;
}

// --- patch-manifest

constexpr FlagSpec kPatchFlags[] = {
    ValueFlag("annotation", "NAME=VALUE to set (may be repeated)",
              Check<std::pair<std::string, std::string>, image::ParseAssignment>),
    TextFlag("capability",
             "capabilities that the app keeps, separated by commas, instead of the set it had"),
    ValueFlag("compression", "gzip, zstd, xz or none, instead of what the input has",
              Check<image::Compression, image::ParseCompression>),
    ValueFlag("cpu", "limit of the app, like 500m or 2",
              [](Invocation&, const FlagSpec&, std::string_view value) -> Status {
                TRY(appc::MakeCpu(value));
                return {};
              }),
    ValueFlag("environment", "NAME=VALUE to set (may be repeated)",
              Check<std::pair<std::string, std::string>, image::ParseAssignment>),
    ValueFlag("exec",
              "what the app executes: words separated by blanks, or [\"a\", \"JSON array\"]",
              Check<std::vector<std::string>, image::ParseExec>),
    TextFlag("group", "group of the app"),
    ValueFlag("label", "NAME=VALUE to set (may be repeated)",
              Check<std::pair<std::string, std::string>, image::ParseAssignment>),
    TextFlag("manifest", "file with a manifest that replaces the whole one, before other changes"),
    ValueFlag("memory", "limit of the app, like 512M",
              [](Invocation&, const FlagSpec&, std::string_view value) -> Status {
                TRY(appc::MakeMemory(value));
                return {};
              }),
    ValueFlag("mount", "mount point to add: name=NAME,path=PATH[,readOnly=true] (may be repeated)",
              Check<appc::MountPoint, image::ParseMount>),
    TextFlag("name", "name of the image"),
    BoolFlag("overwrite", "replace the file where it exists"),
    ValueFlag("port",
              "port to add: name=NAME,port=NUMBER[,protocol=tcp][,count=1]"
              "[,socketActivated=true] (may be repeated)",
              Check<appc::Port, image::ParsePort>),
    TextFlag("remove-annotation", "name of an annotation (may be repeated, as all of these)"),
    TextFlag("remove-environment", "name of a variable"),
    TextFlag("remove-isolator", "name of an isolator"),
    TextFlag("remove-label", "name of a label"),
    TextFlag("remove-mount", "name of a mount point"),
    TextFlag("remove-port", "name of a port"),
    BoolFlag("replace", "write the result over IN.aci"),
    TextFlag("revoke-capability", "capabilities that the app loses, separated by commas"),
    TextFlag("seccomp-mode", "retain or remove, perhaps followed by ,errno=NAME"),
    TextFlag("seccomp-set", "system calls and @sets for --seccomp-mode, separated by commas"),
    ValueFlag("supplementary-gids", "groups of the app beside its own, separated by commas",
              Check<std::vector<uint32_t>, image::ParseGids>),
    TextFlag("user", "user of the app"),
    TextFlag("working-directory", "directory that the app starts in"),
};
constexpr FlagGroup kPatchGroup = kPatchFlags;
constexpr const FlagGroup* kPatchGroups[] = {&kPatchGroup};

template <typename T>
Status ReadAll(const Invocation& invocation, std::string_view flag,
               Result<T> (*parse)(std::string_view), std::vector<T>* out) {
  for (std::string_view value : invocation.All(flag)) {
    out->push_back(TRY_CTX(parse(value), "--", flag));
  }
  return {};
}

void ReadTexts(const Invocation& invocation, std::string_view flag, std::vector<std::string>* out) {
  for (std::string_view value : invocation.All(flag)) out->emplace_back(value);
}

void ReadText(const Invocation& invocation, std::string_view flag,
              std::optional<std::string>* out) {
  if (invocation.Given(flag)) *out = std::string(invocation.Text(flag));
}

Status ReadIsolators(const Invocation& invocation, std::vector<appc::Isolator>* out) {
  if (invocation.Given("capability") && invocation.Given("revoke-capability")) {
    return Err(Code::kInvalid, "--capability and --revoke-capability exclude each other");
  }
  for (std::string_view flag : {"capability", "revoke-capability"}) {
    std::vector<std::string> set;
    for (std::string_view value : invocation.All(flag)) {
      for (std::string& name : Split(value, ',')) set.push_back(std::move(name));
    }
    if (!invocation.Given(flag)) continue;
    out->push_back(TRY_CTX(appc::MakeCapabilities(flag == "capability", set), "--", flag));
  }
  if (invocation.Given("seccomp-mode") != invocation.Given("seccomp-set")) {
    return Err(Code::kInvalid, "--seccomp-mode and --seccomp-set go together");
  }
  if (invocation.Given("seccomp-mode")) {
    out->push_back(TRY_CTX(
        image::ParseSeccomp(invocation.Text("seccomp-mode"), invocation.Text("seccomp-set")),
        "--seccomp-mode"));
  }
  if (invocation.Given("memory")) {
    out->push_back(TRY_CTX(appc::MakeMemory(invocation.Text("memory")), "--memory"));
  }
  if (invocation.Given("cpu")) {
    out->push_back(TRY_CTX(appc::MakeCpu(invocation.Text("cpu")), "--cpu"));
  }
  return {};
}

Result<image::PatchOptions> ReadPatch(const Invocation& invocation) {
  image::PatchOptions options;
  image::ManifestEdits& edits = options.edits;
  if (invocation.Given("manifest")) {
    edits.manifest =
        TRY(ReadFile(std::string(invocation.Text("manifest")), appc::kMaxManifestSize));
  }
  ReadText(invocation, "name", &edits.name);
  ReadText(invocation, "user", &edits.user);
  ReadText(invocation, "group", &edits.group);
  ReadText(invocation, "working-directory", &edits.working_directory);
  if (invocation.Given("exec")) {
    edits.exec = TRY_CTX(image::ParseExec(invocation.Text("exec")), "--exec");
  }
  if (invocation.Given("supplementary-gids")) {
    edits.supplementary_gids = TRY(image::ParseGids(invocation.Text("supplementary-gids")));
  }
  TRY(ReadAll(invocation, "label", image::ParseAssignment, &edits.labels));
  TRY(ReadAll(invocation, "annotation", image::ParseAssignment, &edits.annotations));
  TRY(ReadAll(invocation, "environment", image::ParseAssignment, &edits.environment));
  TRY(ReadAll(invocation, "mount", image::ParseMount, &edits.mounts));
  TRY(ReadAll(invocation, "port", image::ParsePort, &edits.ports));
  ReadTexts(invocation, "remove-label", &edits.remove_labels);
  ReadTexts(invocation, "remove-annotation", &edits.remove_annotations);
  ReadTexts(invocation, "remove-environment", &edits.remove_environment);
  ReadTexts(invocation, "remove-isolator", &edits.remove_isolators);
  ReadTexts(invocation, "remove-mount", &edits.remove_mounts);
  ReadTexts(invocation, "remove-port", &edits.remove_ports);
  TRY(ReadIsolators(invocation, &edits.isolators));
  options.overwrite = invocation.Bool("overwrite");
  options.replace = invocation.Bool("replace");
  if (invocation.Given("compression")) {
    options.compression = TRY(image::ParseCompression(invocation.Text("compression")));
  }
  return options;
}

int Patch(Invocation& invocation) {
  bool replace = invocation.Bool("replace");
  if (invocation.words.size() != (replace ? 1 : 2)) return invocation.Usage();
  auto options = ReadPatch(invocation);
  if (!options) return Fail(options.error());
  auto key = image::PatchImage(std::string(invocation.words[0]),
                               std::string(invocation.words[replace ? 0 : 1]), *options);
  if (!key) return Fail(key.error());
  PrintLine(*key);
  return 0;
}

// --- sign

constexpr FlagSpec kSignFlags[] = {
    TextFlag("key", "key to sign with, as gpg knows it: fingerprint or mail address"),
    BoolFlag("overwrite", "replace the signature where it exists"),
};
constexpr FlagGroup kSignGroup = kSignFlags;
constexpr const FlagGroup* kSignGroups[] = {&kSignGroup};

int Sign(Invocation& invocation) {
  if (invocation.words.empty() || invocation.words.size() > 2) return invocation.Usage();
  image::SignOptions options;
  options.key = std::string(invocation.Text("key"));
  options.overwrite = invocation.Bool("overwrite");
  if (invocation.words.size() == 2) options.signature = std::string(invocation.words[1]);
  auto made = image::SignImage(std::string(invocation.words[0]), options);
  if (!made) return Fail(made.error());
  Notice("image", image::VerifiedMessage(made->signer));
  PrintLine(made->signature);
  return 0;
}

}  // namespace

constinit const CommandSpec kImageBuildCommand = {
    .name = "build",
    .synopsis = "DIR OUT.aci",
    .summary = "Make an image file of a directory",
    .description = R"(Makes an image of DIR/manifest, which is checked first, and of all that is below
DIR/rootfs, and prints the image's ID. Links are not followed; owners are kept as
numbers. The same files give the same image: entries are sorted, and with
--timestamp and --owner it does not depend on when and by whom they were made.

The file appears when it is complete. It is not signed: see image sign.)",
    .flags = kBuildGroups,
    .run = Build,
};

constinit const CommandSpec kImagePatchManifestCommand = {
    .name = "patch-manifest",
    .synopsis = "[--FIELD=VALUE...] IN.aci OUT.aci",
    .summary = "Change the manifest of an image file",
    .description = R"(Writes OUT.aci, which is IN.aci with another manifest, and prints its ID. All
else in the archive is kept as it is. With --replace, OUT.aci is left out and
IN.aci changes.

A signature of IN.aci does not hold for the result.)",
    .flags = kPatchGroups,
    .run = Patch,
};

constinit const CommandSpec kImageSignCommand = {
    .name = "sign",
    .synopsis = "[--key=ID] IN.aci [OUT.aci.asc]",
    .summary = "Sign an image file",
    .description = R"(Makes a detached signature with the user's gpg and its default key, or the one
given, and prints the name of its file: IN.aci.asc unless another is given. The
signature is verified as rkt fetch would do it.)",
    .flags = kSignGroups,
    .run = Sign,
};

}  // namespace rkt::cli
