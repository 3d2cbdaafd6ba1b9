// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/make/patch.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "appc/image_manifest.h"
#include "base/file.h"
#include "base/tar.h"
#include "image/make/output_file.h"
#include "store/image_archive.h"

namespace rkt::image {

namespace {

constexpr char kManifest[] = "manifest";

uint64_t RoundUp(uint64_t size) { return (size + kTarBlock - 1) / kTarBlock * kTarBlock; }

// What the archive's reader takes out of the input, on its way to the output. Bytes wait here until it is known what
// becomes of them; places are counted from the begin of the archive.
class Passage {
 public:
  Passage(ArchiveInput& input, ArchiveOutput& output) : input_(input), output_(output) {}

  Result<std::string_view> Pull() {
    std::string_view piece = TRY(input_.Read());
    waiting_.append(piece);
    TRY(Settle());
    return piece;
  }
  // All before this place goes to the output, also what has not been read yet.
  Status PassTo(uint64_t place) {
    pass_to_ = place;
    return Settle();
  }
  // All before it is left out.
  Status DropTo(uint64_t place) {
    drop_to_ = place;
    return Settle();
  }
  // The bytes that wait, from the first that is neither passed nor dropped.
  std::string_view waiting() const { return waiting_; }
  uint64_t begin() const { return begin_; }

 private:
  Status Settle() {
    uint64_t end = begin_ + waiting_.size();
    if (pass_to_ > begin_) {
      size_t size = static_cast<size_t>(std::min(pass_to_, end) - begin_);
      TRY(output_.Write(std::string_view(waiting_).substr(0, size)));
      Forget(size);
    }
    if (drop_to_ > begin_) Forget(static_cast<size_t>(std::min(drop_to_, end) - begin_));
    return {};
  }
  void Forget(size_t size) {
    waiting_.erase(0, size);
    begin_ += size;
  }

  ArchiveInput& input_;
  ArchiveOutput& output_;
  std::string waiting_;
  uint64_t begin_ = 0, pass_to_ = 0, drop_to_ = 0;
};

// Of the headers in front of the manifest's own, those that count for entries behind it too.
std::string GlobalHeaders(std::string_view headers) {
  std::string kept;
  while (headers.size() >= kTarBlock) {
    uint64_t size = ParseOctal(headers.substr(124, 11)).value_or(0);
    size_t length = static_cast<size_t>(std::min<uint64_t>(headers.size(), kTarBlock + RoundUp(size)));
    if (headers[156] == 'g') kept.append(headers.substr(0, length));
    headers.remove_prefix(length);
  }
  return kept;
}

Status Pass(ArchiveInput& input, ArchiveOutput& output, const ManifestEdits& edits) {
  Passage passage(input, output);
  TarReader reader([&] { return passage.Pull(); });
  bool found = false;
  while (TRY(reader.Next())) {
    const TarEntry entry = reader.entry();
    uint64_t data = reader.data_offset(), end = data + (entry.type == TarType::kFile ? RoundUp(entry.size) : 0);
    const std::string path = TRY(store::CleanEntryPath(entry.name));
    if (path != kManifest) {
      TRY(passage.PassTo(end));
      while (!TRY(reader.ReadData()).empty()) {
      }
      continue;
    }
    if (found) return Err(Code::kInvalid, "image entry \"manifest\": the manifest comes twice");
    found = true;
    if (entry.type != TarType::kFile) {
      return Err(Code::kInvalid, "image entry \"manifest\": the manifest is a ", TarTypeName(entry.type));
    }
    if (entry.size > appc::kMaxManifestSize) {
      return Err(Code::kInvalid, "image entry \"manifest\": a manifest of ", entry.size, " bytes (at most ",
                 appc::kMaxManifestSize, ")");
    }
    std::string headers(passage.waiting().substr(0, static_cast<size_t>(data - kTarBlock - passage.begin())));
    std::string text;
    for (;;) {
      std::string_view piece = TRY(reader.ReadData());
      if (piece.empty()) break;
      text.append(piece);
    }
    std::string edited = TRY_CTX(EditManifest(text, edits), "manifest");
    TRY(output.Write(GlobalHeaders(headers)));
    std::string replacement;
    TarWriter writer([&](std::string_view bytes) -> Status {
      replacement.append(bytes);
      return {};
    });
    TRY(writer.Add(entry, edited));
    replacement.resize(RoundUp(replacement.size()));
    TRY(output.Write(replacement));
    TRY(passage.DropTo(end));
  }
  TRY(passage.PassTo(UINT64_MAX));
  TRY(reader.Drain());
  if (!found) return Err(Code::kInvalid, "missing manifest");
  return {};
}

}  // namespace

Result<std::string> PatchImage(const std::string& input, const std::string& output, const PatchOptions& options) {
  Fd file = TRY(Open(input, O_RDONLY | O_NONBLOCK));
  struct stat st;
  if (::fstat(file.get(), &st) != 0) return SysErr("stat ", input);
  if (!S_ISREG(st.st_mode)) return Err(Code::kInvalid, input, " is not a regular file");
  Compression compression = options.compression ? *options.compression : TRY(CompressionOf(file.get()));
  if (compression == Compression::kOther) compression = Compression::kGzip;
  OutputFile target = TRY(OutputFile::Create(output, options.overwrite || options.replace));
  if (options.replace) target.TakeAttributes(st);
  ArchiveInput archive = TRY(ArchiveInput::Open(file.get(), input));
  ArchiveOutput edited = TRY(ArchiveOutput::Open(target.fd(), output, compression));
  TRY(Pass(archive, edited, options.edits));
  std::string key = TRY(edited.Finish());
  TRY(target.Commit());
  return key;
}

}  // namespace rkt::image
