// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/stage1_image.h"

#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include "base/file.h"
#include "image/import.h"

namespace rkt::stage0 {
namespace {

// Image files that were imported as stage1, so that running a pod needs one stat of the file and no
// look into it, and a file that was built anew under the same name and version is noticed all the
// same. A line each:
//   SIZE MTIME_NS INODE CHECKED KEY TREE PATH
// It is a cache: without it the file is imported again, which finds the image stored already.
constexpr char kSeenFile[] = "stage1-images";
constexpr char kSeenLock[] = "locks/stage1-images";
constexpr size_t kMaxSeen = 1 << 20;

struct ImageFile {
  std::string path;
  std::string stamp;  // "SIZE MTIME_NS INODE"
};

std::optional<ImageFile> StatImageFile(const std::string& path) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return std::nullopt;
  return ImageFile{
      path, StrCat(st.st_size, " ",
                   static_cast<int64_t>(st.st_mtim.tv_sec) * 1'000'000'000 + st.st_mtim.tv_nsec,
                   " ", st.st_ino)};
}

// The image that the file was imported as, unless it has changed since, or was accepted unchecked
// and must be checked now, or its tree is gone.
std::optional<Stage1Image> FindSeen(const store::Store& store, const ImageFile& file,
                                    bool check_signature) {
  auto text = ReadFile(StrCat(store.data_dir(), "/", kSeenFile), kMaxSeen);
  if (!text) return std::nullopt;
  std::string begin = StrCat(file.stamp, " ");
  std::string_view rest = *text;
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (!line.starts_with(begin)) continue;
    std::vector<std::string> words = Split(line.substr(begin.size()), ' ');
    if (words.size() < 4) continue;
    size_t path_at = begin.size() + words[0].size() + words[1].size() + words[2].size() + 3;
    if (line.substr(path_at) != file.path) continue;
    if (check_signature && words[0] != "1") continue;
    if (!store.IsRendered(words[2])) continue;
    return Stage1Image{words[1], words[2]};
  }
  return std::nullopt;
}

// Failure costs a second import and nothing else.
void RecordSeen(const store::Store& store, const ImageFile& file, bool checked,
                const Stage1Image& image) {
  std::string path = StrCat(store.data_dir(), "/", kSeenFile);
  std::string text;
  if (auto old = ReadFile(path, kMaxSeen)) {
    for (const std::string& line : Split(*old, '\n')) {
      if (!line.empty() && !line.ends_with(StrCat(" ", file.path))) text += StrCat(line, "\n");
    }
  }
  text += StrCat(file.stamp, " ", checked ? 1 : 0, " ", image.key, " ", image.tree_id, " ",
                 file.path, "\n");
  (void)WriteFileAtomicAt(AT_FDCWD, path, text, 0640);
}

Result<Stage1Image> Rendered(store::Store& store, const std::string& key) {
  return Stage1Image{key, TRY_CTX(store.RenderTree(key), "rendering the stage1 image")};
}

Result<std::string> Import(store::Store& store, const Stage1Options& options,
                           const std::string& location, bool check_signature) {
  if (options.import) return options.import(store, location, check_signature);
  image::ImportOptions import;
  import.insecure = !check_signature;
  auto result = TRY(image::ImportFile(store, location, import));
  return result.key;
}

Result<Stage1Image> FromFile(store::Store& store, const Stage1Options& options,
                             const ImageFile& file, bool check_signature) {
  if (auto image = FindSeen(store, file, check_signature)) return *image;
  // Many pods may be started at once on a fresh machine: one imports, the others wait for it.
  TRY(MakeDirs(StrCat(store.data_dir(), "/locks"), 0750));
  Lock lock =
      TRY(Lock::File(AT_FDCWD, StrCat(store.data_dir(), "/", kSeenLock), Lock::Kind::kExclusive));
  if (auto image = FindSeen(store, file, check_signature)) return *image;
  std::string key = TRY_CTX(Import(store, options, file.path, check_signature),
                            "importing stage1 image ", file.path);
  Stage1Image image = TRY(Rendered(store, key));
  RecordSeen(store, file, check_signature, image);
  return image;
}

std::string BaseName(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

bool IsBuiltIn(const std::string& path) {
  for (const std::string& dir : BuiltInImageDirs()) {
    if (path.starts_with(StrCat(dir, "/"))) return true;
  }
  return false;
}

// Where the images of a program at this path lie.
std::vector<std::string> DirsBeside(std::string_view program) {
  std::string_view dir = program.substr(0, program.rfind('/'));
  std::string_view prefix = dir.substr(0, dir.rfind('/'));
  return {StrCat(prefix, "/lib/rkt/stage1-images"), std::string(dir)};
}

// BuiltInImageDirs by the name that this program was executed by, where that is a whole path and no link: a stat is less
// than asking procfs.
std::vector<std::string> DirsBesideThis() {
  const auto* executed = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
  struct stat st;
  if (executed != nullptr && executed[0] == '/' && ::lstat(executed, &st) == 0 && S_ISREG(st.st_mode)) {
    return DirsBeside(executed);
  }
  return BuiltInImageDirs();
}

std::optional<ImageFile> FindBuiltIn(const std::string& file_name) {
  for (const std::string& dir : DirsBesideThis()) {
    if (auto file = StatImageFile(StrCat(dir, "/", file_name))) return file;
  }
  return std::nullopt;
}

bool IsUrl(const std::string& location) { return location.find("://") != std::string::npos; }

Result<Stage1Image> FromPath(store::Store& store, const Stage1Options& options,
                             const std::string& path) {
  auto file = StatImageFile(path);
  if (!file) return Error(Code::kNotFound, errno, StrCat("stage1 image ", path, " does not exist"));
  if (char* real = ::realpath(path.c_str(), nullptr)) {
    file->path = real;
    ::free(real);
  }
  return FromFile(store, options, *file, !IsBuiltIn(file->path));
}

Result<Stage1Image> FromStoreByName(store::Store& store, const std::string& name,
                                    const std::string& version) {
  appc::ImageName image{name, {}};
  if (!version.empty()) image.labels.push_back({"version", version});
  return Rendered(store, TRY(store.FindImage(image)));
}

Result<Stage1Image> Default(store::Store& store, const Stage1Options& options) {
  const Stage1Defaults& defaults = options.defaults;
  const std::string& location = defaults.location;
  // What came with this program is compared by file, so that a new build is taken at once.
  if (location.empty()) {
    if (auto file = FindBuiltIn(StrCat(BaseName(defaults.name), ".aci"))) {
      return FromFile(store, options, *file, /*check_signature=*/false);
    }
  } else if (IsBuiltIn(location)) {
    if (auto file = StatImageFile(location))
      return FromFile(store, options, *file, /*check_signature=*/false);
  }
  // A version that ends so does not name one image: what is stored under it may be any build.
  if (!defaults.version.ends_with("-dirty")) {
    auto stored = FromStoreByName(store, defaults.name, defaults.version);
    if (stored || stored.error().code() != Code::kNotFound) return stored;
  }
  if (IsUrl(location)) {
    return Rendered(store, TRY_CTX(Import(store, options, location, /*check_signature=*/true),
                                   "fetching stage1 image ", location));
  }
  if (!location.empty()) {
    if (StatImageFile(location)) return FromPath(store, options, location);
    if (auto file = FindBuiltIn(BaseName(location))) {
      return FromFile(store, options, *file, /*check_signature=*/false);
    }
  }
  return Err(Code::kNotFound, "no stage1 image: ", defaults.name, ":", defaults.version,
             " is neither in the store nor at ",
             location.empty() ? StrCat(BuiltInImageDirs()[0], "/", BaseName(defaults.name), ".aci")
                              : location);
}

// The image of that name among those that came with this program: stage1-FLAVOR.aci has the name ANY/PATH/stage1-FLAVOR.
Result<std::optional<Stage1Image>> FromBuiltInByName(store::Store& store, const Stage1Options& options,
                                                     const appc::ImageName& name) {
  auto file = FindBuiltIn(StrCat(BaseName(name.name), ".aci"));
  if (!file) return std::nullopt;
  Stage1Image image = TRY(FromFile(store, options, *file, /*check_signature=*/false));
  auto key = store.FindImage(name);
  if (key && *key == image.key) return image;
  return std::nullopt;
}

}  // namespace

std::vector<std::string> BuiltInImageDirs() {
  char buffer[4096];
  ssize_t size = ::readlink("/proc/self/exe", buffer, sizeof buffer);
  if (size <= 0 || size == static_cast<ssize_t>(sizeof buffer))
    return {"/usr/lib/rkt/stage1-images"};
  return DirsBeside(std::string_view(buffer, static_cast<size_t>(size)));
}

Result<Stage1Image> FindStage1(store::Store& store, const Stage1Options& options) {
  const std::string& value = options.choice.value;
  switch (options.choice.kind) {
    case Stage1Choice::Kind::kPath:
      return FromPath(store, options, value);
    case Stage1Choice::Kind::kFromDir: {
      if (!options.defaults.images_dir.empty()) {
        std::string path = StrCat(options.defaults.images_dir, "/", value);
        auto file = StatImageFile(path);
        if (!file) return Err(Code::kNotFound, "stage1 image ", path, " does not exist");
        return FromFile(store, options, *file, /*check_signature=*/!IsBuiltIn(path));
      }
      auto file = FindBuiltIn(value);
      if (!file) {
        return Err(Code::kNotFound, "stage1 image ", BuiltInImageDirs()[0], "/", value,
                   " does not exist");
      }
      return FromFile(store, options, *file, /*check_signature=*/false);
    }
    case Stage1Choice::Kind::kHash:
      return Rendered(store, TRY(store.ResolveKey(value)));
    case Stage1Choice::Kind::kUrl:
      return Rendered(
          store, TRY_CTX(Import(store, options, value, true), "fetching stage1 image ", value));
    case Stage1Choice::Kind::kName: {
      appc::ImageName name = TRY(appc::ParseImageName(value));
      auto key = store.FindImage(name);
      if (key) return Rendered(store, *key);
      if (key.error().code() != Code::kNotFound) return std::move(key).error();
      if (auto built_in = TRY(FromBuiltInByName(store, options, name))) return *std::move(built_in);
      if (!options.import) return std::move(key).error();
      auto fetched = Import(store, options, value, true);
      if (fetched) return Rendered(store, *fetched);
      return Err(fetched.error().code(), "stage1 image ", value,
                 " is neither in the store nor among those that came with rkt: ", fetched.error().Innermost().message());
    }
    case Stage1Choice::Kind::kDefault:
      break;
  }
  return Default(store, options);
}

}  // namespace rkt::stage0
