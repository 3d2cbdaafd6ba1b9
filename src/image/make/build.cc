// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/make/build.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "appc/image_manifest.h"
#include "base/file.h"
#include "image/make/output_file.h"
#include "image/make/tree_writer.h"

namespace rkt::image {

namespace {

constexpr char kManifest[] = "manifest";
constexpr char kRootfs[] = "rootfs";
}  // namespace

Result<std::string> BuildImage(const std::string& directory, const std::string& output, const BuildOptions& options) {
  Fd dir = TRY(Open(directory, O_RDONLY | O_DIRECTORY));
  for (const DirEntry& entry : TRY(ListDirFd(dir.get()))) {
    if (entry.name != kManifest && entry.name != kRootfs) {
      return Err(Code::kInvalid, directory, "/", entry.name, " does not belong into an image (manifest and rootfs/ do)");
    }
  }
  Fd manifest = TRY(OpenAt(dir.get(), kManifest, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  struct stat st;
  if (::fstat(manifest.get(), &st) != 0) return SysErr("stat ", directory, "/manifest");
  if (!S_ISREG(st.st_mode)) return Err(Code::kInvalid, directory, "/manifest is no regular file");
  std::string text = TRY(ReadFd(manifest.get(), appc::kMaxManifestSize));
  if (auto parsed = appc::ParseImageManifest(text); !parsed) {
    return Err(Code::kInvalid, directory, "/manifest: ", parsed.error().Text());
  }
  Fd rootfs = TRY(OpenAt(dir.get(), kRootfs, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));

  OutputFile file = TRY(OutputFile::Create(output, options.overwrite));
  ArchiveOutput archive = TRY(ArchiveOutput::Open(file.fd(), output, options.compression));
  TreeWriter writer(archive, options.tree);
  TRY(writer.Manifest(text, st.st_mtim.tv_sec));
  TRY(writer.Directory(rootfs.get(), kRootfs));
  TRY(writer.Finish());
  std::string key = TRY(archive.Finish());
  TRY(file.Commit());
  return key;
}

Result<int64_t> ParseTimestamp(std::string_view text) {
  if (auto seconds = ParseInt(text)) return *seconds;
  Error bad = Err(Code::kInvalid, "neither seconds since the epoch nor a time such as 2017-07-14T02:40:00Z");
  tm time = {};
  std::string copy(text);
  const char* rest = ::strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &time);
  if (rest == nullptr) return bad;
  int64_t seconds = ::timegm(&time);
  if (*rest == '.') {
    const char* digits = ++rest;
    while (*rest >= '0' && *rest <= '9') ++rest;
    if (rest == digits) return bad;
  }
  std::string_view zone = rest;
  if (zone == "Z" || zone == "z") return seconds;
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return bad;
  auto hours = ParseUint(zone.substr(1, 2)), minutes = ParseUint(zone.substr(4, 2));
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return bad;
  int64_t offset = static_cast<int64_t>(*hours * 3600 + *minutes * 60);
  return zone[0] == '+' ? seconds - offset : seconds + offset;
}

}  // namespace rkt::image
