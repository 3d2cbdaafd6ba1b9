// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "pod/summary.h"

#include <sys/stat.h>

#include "pod/paths.h"
#include "pod/pod.h"

namespace rkt::pod {
namespace {

// One line a fact, fields separated by tabs. The first line has the size of the manifest that it
// was made of, so that a summary which has fallen behind is noticed for one stat; the last is
// "end", so that a cut one is.
constexpr std::string_view kMagic = "rkt-summary 1";
constexpr std::string_view kEnd = "end\n";

void AppendField(std::string& out, std::string_view text) {
  out += '\t';
  for (char c : text) {
    switch (c) {
      case '\\':
        out += "\\\\";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\n':
        out += "\\n";
        break;
      default:
        out += c;
    }
  }
}

void AppendLine(std::string& out, std::string_view kind,
                std::initializer_list<std::string_view> fields) {
  out += kind;
  for (std::string_view field : fields) AppendField(out, field);
  out += '\n';
}

void AppendPairs(std::string& out, std::string_view kind, const KeyValues& pairs) {
  for (const auto& [key, value] : pairs) AppendLine(out, kind, {key, value});
}

std::vector<std::string> Fields(std::string_view line) {
  std::vector<std::string> fields(1);
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\t') {
      fields.emplace_back();
    } else if (line[i] == '\\' && i + 1 < line.size()) {
      char c = line[++i];
      fields.back() += c == 't' ? '\t' : c == 'n' ? '\n' : c;
    } else {
      fields.back() += line[i];
    }
  }
  return fields;
}

KeyValues Pairs(const appc::StringMap& map) { return KeyValues(map.begin(), map.end()); }

// The volume that a mount shows: its own, or the pod's of that name.
const appc::Volume* VolumeOf(const appc::PodManifest& manifest, const appc::Mount& mount) {
  if (mount.app_volume) return &*mount.app_volume;
  return manifest.FindVolume(mount.volume);
}

}  // namespace

Summary Summarize(const appc::PodManifest& manifest,
                  const std::vector<const appc::ImageManifest*>& images) {
  Summary summary;
  summary.user_annotations = Pairs(manifest.user_annotations);
  summary.user_labels = Pairs(manifest.user_labels);
  summary.is_mutable = manifest.IsMutable();
  for (size_t i = 0; i < manifest.apps.size(); ++i) {
    const appc::RuntimeApp& app = manifest.apps[i];
    const appc::ImageManifest* image = i < images.size() ? images[i] : nullptr;
    AppSummary& row = summary.apps.emplace_back();
    row.name = app.name;
    row.image_id = app.image.id;
    if (image) {
      std::string version = image->version();
      row.image_name = version.empty() ? image->name : StrCat(image->name, ":", version);
    }
    for (const appc::Mount& mount : app.mounts) {
      const appc::Volume* volume = VolumeOf(manifest, mount);
      MountSummary& entry = row.mounts.emplace_back();
      entry.name = mount.volume;
      entry.container_path = mount.path;
      if (!volume) continue;
      if (volume->kind == appc::Volume::Kind::kHost) entry.host_path = volume->source;
      entry.read_only = volume->read_only.value_or(false);
    }
    const std::optional<appc::App>& section = app.app ? app.app : image ? image->app : app.app;
    if (!section) continue;
    row.user_annotations = Pairs(section->user_annotations);
    row.user_labels = Pairs(section->user_labels);
  }
  return summary;
}

std::string FormatSummary(const Summary& summary, size_t manifest_size) {
  std::string out = StrCat(kMagic, " ", manifest_size, "\n");
  AppendLine(out, "stage1", {summary.stage1_dir});
  if (summary.is_mutable) AppendLine(out, "mutable", {});
  AppendPairs(out, "annotation", summary.user_annotations);
  AppendPairs(out, "label", summary.user_labels);
  for (const AppSummary& app : summary.apps) {
    AppendLine(out, "app", {app.name, app.image_id, app.image_name});
    for (const MountSummary& mount : app.mounts) {
      AppendLine(
          out, "mount",
          {mount.name, mount.container_path, mount.host_path, mount.read_only ? "ro" : "rw"});
    }
    AppendPairs(out, "annotation", app.user_annotations);
    AppendPairs(out, "label", app.user_labels);
  }
  out += kEnd;
  return out;
}

std::optional<Summary> ParseSummary(std::string_view text, size_t manifest_size) {
  if (!text.starts_with(kMagic) || !text.ends_with(kEnd)) return std::nullopt;
  text.remove_prefix(kMagic.size());
  size_t newline = text.find('\n');
  if (text[0] != ' ' || ParseUint(text.substr(1, newline - 1)) != manifest_size)
    return std::nullopt;
  text.remove_prefix(newline + 1);
  text.remove_suffix(kEnd.size());
  Summary summary;
  while (!text.empty()) {
    newline = text.find('\n');
    if (newline == std::string_view::npos) return std::nullopt;
    std::vector<std::string> f = Fields(text.substr(0, newline));
    text.remove_prefix(newline + 1);
    AppSummary* app = summary.apps.empty() ? nullptr : &summary.apps.back();
    if (f[0] == "app" && f.size() == 4) {
      AppSummary& row = summary.apps.emplace_back();
      row.name = std::move(f[1]);
      row.image_id = std::move(f[2]);
      row.image_name = std::move(f[3]);
    } else if (f[0] == "stage1" && f.size() == 2) {
      summary.stage1_dir = std::move(f[1]);
    } else if (f[0] == "mutable" && f.size() == 1) {
      summary.is_mutable = true;
    } else if (f[0] == "mount" && f.size() == 5 && app) {
      app->mounts.push_back({std::move(f[1]), std::move(f[2]), std::move(f[3]), f[4] == "ro"});
    } else if (f[0] == "annotation" && f.size() == 3) {
      (app ? app->user_annotations : summary.user_annotations)
          .emplace_back(std::move(f[1]), std::move(f[2]));
    } else if (f[0] == "label" && f.size() == 3) {
      (app ? app->user_labels : summary.user_labels).emplace_back(std::move(f[1]), std::move(f[2]));
    } else {
      return std::nullopt;
    }
  }
  return summary;
}

Result<Summary> Pod::ReadSummary() const {
  struct stat st;
  if (fstatat(dir_.get(), kManifestFile, &st, AT_SYMLINK_NOFOLLOW) != 0) {
    return SysErr("pod manifest ", path_, "/", kManifestFile);
  }
  if (!S_ISREG(st.st_mode)) {
    return Err(Code::kCorrupt, path_, "/", kManifestFile, " is not a regular file");
  }
  if (auto text = ReadFile(kSummaryFile, 1 << 20)) {
    if (auto summary = ParseSummary(*text, static_cast<size_t>(st.st_size)))
      return *std::move(summary);
  }
  std::string bytes = TRY(ReadManifestBytes());
  auto manifest = appc::ParsePodManifest(bytes);
  if (!manifest) {
    return Error(Code::kCorrupt, manifest.error().message())
        .Wrap(StrCat("pod manifest ", path_, "/", kManifestFile, " is damaged"));
  }
  std::vector<std::optional<appc::ImageManifest>> images;
  std::vector<const appc::ImageManifest*> borrowed;
  for (const appc::RuntimeApp& app : manifest->apps) {
    auto image_bytes = ReadFile(AppImageManifest(app.name));
    std::optional<appc::ImageManifest>& image = images.emplace_back();
    if (!image_bytes) continue;
    if (auto parsed = appc::ParseImageManifest(*image_bytes)) image = *std::move(parsed);
  }
  for (const auto& image : images) borrowed.push_back(image ? &*image : nullptr);
  Summary summary = Summarize(*manifest, borrowed);
  // Where it is not there yet, neither is anything in it.
  if (auto dir = Stage1WritableDir()) summary.stage1_dir = *std::move(dir);
  return summary;
}

}  // namespace rkt::pod
