// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/reference.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include "base/file.h"
#include "base/layer_progress.h"
#include "base/log.h"
#include "image/import.h"
#include "image/oci/config.h"
#include "image/oci/import.h"
#include "image/oci/reference.h"
#include "image/remote_session.h"

namespace rkt::image {

namespace {

constexpr std::string_view kExtension = ".aci";
constexpr char kDockerRepository[] = "appc.io/docker/repository";
constexpr char kDockerManifestHash[] = "appc.io/docker/manifesthash";

std::string Absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  char directory[PATH_MAX];
  if (::getcwd(directory, sizeof directory) == nullptr) return path;
  return StrCat(directory, "/", path);
}

bool IsRegularFile(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode);
}

Error InvalidString(std::string_view text) { return Err(Code::kInvalid, "invalid image string ", Quote(text)); }

// A path that is no ACI's: often an archive of another kind.
Error InvalidFile(const std::string& path) {
  return Err(Code::kInvalid, "invalid image string ", Quote(StrCat("file://", path)), ": an image file's name ends in ", kExtension,
             " (docker-archive:FILE, oci-archive:FILE and oci:DIR name others)");
}

Result<Reference> FileReference(std::string_view text, std::string path) {
  if (!path.ends_with(kExtension)) return InvalidFile(Absolute(path));
  return Reference{ReferenceKind::kFile, std::string(text), std::move(path), {}};
}

Result<Reference> NameReference(std::string_view text) {
  Reference reference{ReferenceKind::kName, std::string(text), {}, TRY(appc::ParseImageName(text))};
  TRY(appc::AddHostLabels(reference.name));
  return reference;
}

// %XX and '+' of a query.
std::optional<std::string> QueryUnescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%') {
      unsigned value = 0;
      if (i + 2 >= text.size()) return std::nullopt;
      auto [end, ec] = std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
      if (ec != std::errc() || end != text.data() + i + 3) return std::nullopt;
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

Result<Reference> DockerReference(std::string_view text, std::string_view rest) {
  if (rest.starts_with("//")) rest.remove_prefix(2);
  if (rest.empty() || rest[0] == '/') return InvalidString(text);
  return Reference{ReferenceKind::kDocker, std::string(text), std::string(rest), {}};
}

// cimd:appc:v=0:NAME?LABEL=VALUE..., cimd:aci-archive:v=0:URL (escaped), cimd:docker:v=0:REF
Result<Reference> CimdReference(std::string_view text) {
  std::vector<std::string> parts = Split(text, ':');
  if (parts.size() < 4 || parts[2] != "v=0") return InvalidString(text);
  std::string_view rest = text.substr(parts[0].size() + parts[1].size() + parts[2].size() + 3);
  if (parts[1] == "docker") return DockerReference(text, rest);
  if (parts[1] == "aci-archive") {
    auto url = QueryUnescape(rest);
    if (!url || url->starts_with("cimd:")) return InvalidString(text);
    Reference reference = TRY(ParseReference(*url));
    if (reference.kind != ReferenceKind::kFile && reference.kind != ReferenceKind::kUrl) return InvalidString(text);
    reference.text = std::string(text);
    return reference;
  }
  if (parts[1] != "appc") return InvalidString(text);
  size_t question = rest.find('?');
  std::string name(rest.substr(0, question));
  if (question != std::string_view::npos) {
    for (const std::string& pair : Split(rest.substr(question + 1), '&')) {
      size_t equals = pair.find('=');
      auto label = QueryUnescape(std::string_view(pair).substr(0, equals));
      auto value = equals == std::string::npos ? std::optional<std::string>()
                                               : QueryUnescape(std::string_view(pair).substr(equals + 1));
      if (!label || !value) return InvalidString(text);
      name += StrCat(",", *label, "=", *value);
    }
  }
  Reference reference = TRY(NameReference(name));
  reference.text = std::string(text);
  return reference;
}

// Whether the path is one of rkt's own stage1 images: in its directory, or beside its executable.
bool CameWithRkt(const std::string& path, const std::string& images_dir) {
  char real[PATH_MAX], executable[PATH_MAX], directory[PATH_MAX];
  if (::realpath(path.c_str(), real) == nullptr) return false;
  std::string_view parent = std::string_view(real).substr(0, std::string_view(real).rfind('/'));
  if (!images_dir.empty() && ::realpath(images_dir.c_str(), directory) != nullptr &&
      (parent == directory || parent.starts_with(StrCat(directory, "/")))) {
    return true;
  }
  ssize_t n = ::readlink("/proc/self/exe", executable, sizeof executable);
  if (n <= 0) return false;
  std::string_view program(executable, static_cast<size_t>(n));
  return parent == program.substr(0, program.rfind('/'));
}

// A stored image that came from this reference of a registry. kNotFound where there is none.
Result<std::string> FindStoredDocker(const store::Store& store, const oci::RegistryReference& reference) {
  appc::ImageName name;
  name.name = TRY(oci::ConvertName({reference.host, reference.repository, {}, {}, {}, {}}));
  if (reference.digest.empty()) {
    name.labels.push_back({"version", reference.tag});
    TRY(appc::AddHostLabels(name));
    std::string key = TRY(store.FindImage(name));
    appc::ImageManifest manifest = TRY(store.ReadManifest(key));
    if (appc::FindAnnotation(manifest.annotations, kDockerRepository) != nullptr) return key;
  } else {
    for (const store::ImageInfo& image : TRY(store.ListImages())) {
      if (image.name != name.name) continue;
      appc::ImageManifest manifest = TRY(store.ReadManifest(image.key));
      const std::string* hash = appc::FindAnnotation(manifest.annotations, kDockerManifestHash);
      if (hash != nullptr && *hash == reference.digest) return image.key;
    }
  }
  return Err(Code::kNotFound, "no image of that name in the store");
}

Result<std::string> FindOciImage(store::Store& store, const Reference& reference, const FetchOptions& options,
                                 bool insecure) {
  oci::Request request;
  request.reference = reference.location;
  request.render = options.render;
  switch (reference.kind) {
    case ReferenceKind::kOciLayout: request.kind = oci::Request::Kind::kLayout; break;
    case ReferenceKind::kOciArchive: request.kind = oci::Request::Kind::kOciArchive; break;
    case ReferenceKind::kDockerArchive: request.kind = oci::Request::Kind::kDockerArchive; break;
    default: {
      oci::RegistryReference parsed = TRY(oci::ParseRegistryReference(reference.location));
      if (options.pull != PullPolicy::kUpdate) {
        auto stored = FindStoredDocker(store, parsed);
        if (stored || stored.error().code() != Code::kNotFound) return stored;
        if (options.pull == PullPolicy::kNever) {
          return Err(Code::kNotFound, "unable to fetch image from docker reference ", Quote(reference.text),
                     ": it is not in the store");
        }
      }
    }
  }
  if (!insecure) {
    return Err(Code::kPermission,
               "signature verification for docker images is not supported (try --insecure-options=image)");
  }
  if (request.kind == oci::Request::Kind::kRegistry) {
    request.allow_http = options.insecure_http;
    request.skip_tls_check = options.insecure_tls;
    if (options.config) {
      auto config = TRY(options.config());
      request.credentials = config->docker_auth;
      request.registries = config->registries;
    }
    request.auth_files = oci::UserAuthFiles();
    request.user_agent = StrCat("rkt/", RKT_VERSION);
  }
  LayerProgress progress;
  oci::ImportEvents events;
  events.progress = options.progress;
  if (request.kind == oci::Request::Kind::kRegistry && !events.progress) {
    events.progress = [&](const std::string& layer, uint64_t done, uint64_t total) { progress.Update(layer, done, total); };
  }
  events.waiting = [&](const std::string& layer) {
    progress.Clear();
    Notice("image", StrCat("another rkt instance is downloading ", TerminalSafe(layer), ", waiting..."));
  };
  auto imported = oci::ImportImage(store, request, events);
  progress.Finish();
  return TRY(std::move(imported)).key;
}

Result<std::string> FindReference(store::Store& store, const Reference& reference, const FetchOptions& options,
                                  const std::string& signature, bool insecure, RemoteSession& session) {
  switch (reference.kind) {
    case ReferenceKind::kFile: {
      ImportOptions import;
      import.render = options.render;
      import.insecure = insecure;
      import.keystore = options.keystore;
      import.signature = signature;
      if (options.progress) {
        import.progress = [&](uint64_t done, uint64_t total) { options.progress(reference.text, done, total); };
      }
      return TRY(ImportFile(store, reference.location, import)).key;
    }
    case ReferenceKind::kHash:
      return store.ResolveKey(reference.location);
    case ReferenceKind::kDocker:
    case ReferenceKind::kOciLayout:
    case ReferenceKind::kOciArchive:
    case ReferenceKind::kDockerArchive:
      return FindOciImage(store, reference, options, insecure);
    case ReferenceKind::kName:
      return session.FindName(reference.name, reference.text, signature);
    case ReferenceKind::kUrl:
      return session.FindUrl(reference.location, reference.text, signature);
  }
  return Err(Code::kInternal, "no such kind of reference");
}

Result<std::string> Complete(store::Store& store, std::string key, const FetchOptions& options, bool render,
                             RemoteSession& session) {
  if (options.dependencies) TRY(session.FindDependencies(key));
  // Does nothing where the import rendered it already.
  if (render && options.render && ::geteuid() == 0) TRY(store.RenderTree(key));
  return key;
}

}  // namespace

Result<Reference> ParseReference(std::string_view text) {
  std::string string(text);
  if (text.empty()) return InvalidString(text);
  if (text.starts_with("docker:")) return DockerReference(text, text.substr(7));
  for (const auto& [scheme, kind] : {std::pair("oci:", ReferenceKind::kOciLayout),
                                     std::pair("oci-archive:", ReferenceKind::kOciArchive),
                                     std::pair("docker-archive:", ReferenceKind::kDockerArchive)}) {
    if (!text.starts_with(scheme)) continue;
    std::string path = string.substr(std::string_view(scheme).size());
    if (path.empty()) return InvalidString(text);
    return Reference{kind, string, std::move(path), {}};
  }
  if (text.starts_with("cimd:")) return CimdReference(text);
  if (text.starts_with("file://")) {
    // What stands where a URL has its host is dropped, as ever.
    size_t slash = text.find('/', 7);
    std::string path(slash == std::string_view::npos ? std::string_view() : text.substr(slash));
    if (!path.ends_with(kExtension)) return InvalidString(text);
    return Reference{ReferenceKind::kFile, string, std::move(path), {}};
  }
  if (text.starts_with("http://") || text.starts_with("https://")) {
    std::string_view path = text.substr(0, text.find_first_of("?#"));
    if (!path.ends_with(kExtension)) return InvalidString(text);
    return Reference{ReferenceKind::kUrl, string, string, {}};
  }
  if (text.starts_with('/')) return FileReference(text, string);
  if (IsRegularFile(string)) return FileReference(text, string);
  if (text.starts_with("sha512-")) {
    return Reference{ReferenceKind::kHash, string, string, {}};
  }
  if (text.find(':') != std::string_view::npos) return NameReference(text);
  if (text.find("./") != std::string_view::npos || text.ends_with(kExtension)) return FileReference(text, string);
  return NameReference(text);
}

PullPolicy ParsePullPolicy(std::string_view word) {
  if (word == "update") return PullPolicy::kUpdate;
  if (word == "never") return PullPolicy::kNever;
  return PullPolicy::kNew;
}

Result<std::string> FindImage(store::Store& store, const std::string& text, const FetchOptions& options,
                              const std::string& signature) {
  Reference reference = TRY(ParseReference(text));
  RemoteSession session(store, options, options.insecure_image);
  std::string key = TRY(FindReference(store, reference, options, signature, options.insecure_image, session));
  const bool fetched = reference.kind == ReferenceKind::kFile || reference.kind == ReferenceKind::kUrl;
  return Complete(store, std::move(key), options, fetched, session);
}

Result<std::string> FindStage1Image(store::Store& store, const std::string& text, const FetchOptions& options,
                                    const std::string& images_dir) {
  Reference reference = TRY(ParseReference(text));
  bool insecure = options.insecure_image ||
                  (reference.kind == ReferenceKind::kFile && CameWithRkt(reference.location, images_dir));
  RemoteSession session(store, options, insecure);
  return FindReference(store, reference, options, {}, insecure, session);
}

Result<std::vector<std::string>> FetchImages(store::Store& store, const std::vector<FetchRequest>& requests,
                                             const FetchOptions& options) {
  RemoteSession session(store, options, options.insecure_image);
  std::vector<std::string> keys;
  for (const FetchRequest& request : requests) {
    Reference reference = TRY(ParseReference(request.image));
    if (reference.kind == ReferenceKind::kHash) reference = TRY(NameReference(request.image));
    std::string key =
        TRY(FindReference(store, reference, options, request.signature, options.insecure_image, session));
    keys.push_back(TRY(Complete(store, std::move(key), options, /*render=*/true, session)));
  }
  return keys;
}

}  // namespace rkt::image
