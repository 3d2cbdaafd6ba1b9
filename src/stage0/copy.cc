// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/copy.h"

#include <fcntl.h>
#include <unistd.h>

#include <optional>

#include "base/file.h"
#include "base/lock.h"
#include "base/mount.h"
#include "base/tar.h"
#include "image/make/codec.h"
#include "image/make/tree_writer.h"
#include "pod/paths.h"
#include "stage0/app_root.h"
#include "stage0/file_copier.h"

namespace rkt::stage0 {

namespace {

constexpr char kStream[] = "-";

// The pod's side of a copy, kept as it is meanwhile.
struct Inside {
  std::optional<Lock> change_lock, lock;
  AppRoot root;
};

Result<Inside> OpenInside(const CopyOptions& options, bool writable) {
  pod::Pods pods = TRY(pod::Pods::Open(options.data_dir));
  pod::Pod pod = TRY(pods.Get(options.uuid));
  Inside inside;
  if (pod.state() == pod::State::kRunning) {
    inside.root = TRY(OpenRunningRoot(pod, options.app));
    return inside;
  }
  auto has_exited = [&] { return pod.state() == pod::State::kExited || pod.state() == pod::State::kExitedGarbage; };
  if (!has_exited()) {
    return Err(Code::kInvalid, "pod ", Quote(options.uuid), " neither runs nor has exited: it is ",
               pod::StateName(pod.state()));
  }
  // Overlays must not be mounted twice at once; and gc keeps off.
  if (writable) {
    inside.change_lock = TRY(Lock::File(pod.fd(), pod::kLockFile, Lock::Kind::kExclusive));
  }
  auto lock = TRY(Lock::TryDirectory(pod.fd(), ".", Lock::Kind::kShared));
  if (!lock) return Err(Code::kBusy, "somebody else is working on pod ", Quote(options.uuid));
  inside.lock = std::move(*lock);
  TRY(pod.Refresh());
  if (!has_exited()) return Err(Code::kInvalid, "pod ", Quote(options.uuid), " has not exited");
  // Paths of the command line are relative to where it was given, and mounting is done from the pod's directory.
  Fd here = TRY(Open(".", O_PATH | O_DIRECTORY));
  store::Store store = TRY(store::Store::OpenExisting(options.data_dir));
  auto root = OpenExitedRoot(store, pod, options.app, writable);
  if (::fchdir(here.get()) != 0) return SysErr("chdir");
  inside.root = TRY(std::move(root));
  return inside;
}

// Paths of one side: of the host, or inside of a root.
class Side {
 public:
  Side() = default;
  explicit Side(int root) : root_(root) {}
  Result<Fd> Open(const std::string& path, int flags) const {
    return root_ < 0 ? rkt::Open(path.empty() ? "." : path, flags) : OpenInRoot(root_, path.empty() ? "/" : path, flags);
  }

 private:
  int root_ = -1;
};

bool IsDirectory(int fd) {
  struct stat st;
  return ::fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

// A path taken apart: "/a/b/" is b in /a, and a directory; "/a/." is all that is in /a.
struct Place {
  std::string directory;  // "" is where the path begins
  std::string name;       // empty: the directory itself is meant
  bool must_be_directory = false;
};
Place PlaceOf(const std::string& path) {
  Place place;
  std::string_view rest = path;
  while (rest.size() > 1 && rest.ends_with('/')) {
    rest.remove_suffix(1);
    place.must_be_directory = true;
  }
  size_t slash = rest.rfind('/');
  std::string_view name = slash == std::string_view::npos ? rest : rest.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") {
    place.directory = rest;
    place.must_be_directory = true;
    return place;
  }
  place.name = name;
  place.directory = slash == std::string_view::npos ? "" : slash == 0 ? "/" : std::string(rest.substr(0, slash));
  return place;
}

// Opens the source; a link is one unless it is to be followed.
Result<Fd> OpenSource(const Side& side, const std::string& path, bool follow) {
  Place place = PlaceOf(path);
  bool through = follow || place.must_be_directory;
  Fd source = TRY(side.Open(path, O_PATH | (through ? 0 : O_NOFOLLOW)));
  if (place.must_be_directory && !IsDirectory(source.get())) {
    return Err(Code::kInvalid, Quote(path), " is no directory");
  }
  return source;
}

// Copies the opened source to a path of the other side, as cp does: into a directory that is there, else under the
// name that is given.
Status CopyTo(FileCopier& copier, int source, const std::string& source_path, const Side& side, const std::string& path) {
  std::string name = PlaceOf(source_path).name;
  bool directory = IsDirectory(source);
  Place place = PlaceOf(path);
  auto refuse_kernel = [&](int fd) -> Status {
    if (IsKernelFile(fd)) return Err(Code::kInvalid, Quote(path), " is the kernel's: nothing is copied there");
    return {};
  };
  auto there = side.Open(path, O_PATH);
  if (there && IsDirectory(there->get())) {
    TRY(refuse_kernel(there->get()));
    if (directory && name.empty()) return copier.Contents(source, there->get(), source_path);
    if (name.empty()) return Err(Code::kInvalid, Quote(source_path), " has no name");
    return copier.Entry(source, there->get(), name, source_path);
  }
  if (!there && there.error().code() != Code::kNotFound) return std::move(there).error();
  if (there && directory) return Err(Code::kInvalid, Quote(path), " is no directory");
  if (place.name.empty() || (place.must_be_directory && !directory)) {
    return Err(Code::kNotFound, "there is no directory ", Quote(path));
  }
  Fd parent = TRY(side.Open(place.directory, O_PATH | O_DIRECTORY));
  TRY(refuse_kernel(parent.get()));
  return copier.Entry(source, parent.get(), place.name, source_path);
}

Status WriteStream(const CopyOptions& options, const Inside& inside, int source) {
  image::TreeOptions tree;
  tree.users = inside.root.users;
  tree.live = true;
  tree.notice = options.notice;
  image::ArchiveOutput output =
      TRY(image::ArchiveOutput::Open(STDOUT_FILENO, "standard output", image::Compression::kNone));
  image::TreeWriter writer(output, tree);
  std::string name = PlaceOf(options.inside).name;
  if (IsDirectory(source)) {
    Fd directory = TRY(OpenAt(source, ".", O_RDONLY | O_DIRECTORY));
    TRY(writer.Directory(directory.get(), name.empty() ? "." : name));
  } else {
    TRY(writer.Opened(source, name));
  }
  TRY(writer.Finish());
  TRY(output.Finish());
  return {};
}

Status ReadStream(const CopyOptions& options, FileCopier& copier, int root) {
  Fd target = TRY(OpenInRoot(root, options.inside, O_PATH | O_DIRECTORY));
  if (IsKernelFile(target.get())) {
    return Err(Code::kInvalid, Quote(options.inside), " is the kernel's: nothing is copied there");
  }
  std::string buffer(256u << 10, '\0');
  TarReader reader([&]() -> Result<std::string_view> {
    for (;;) {
      ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return SysErr("reading standard input");
      return std::string_view(buffer).substr(0, static_cast<size_t>(n));
    }
  });
  return copier.Archive(reader, root, options.inside);
}

}  // namespace

Status CopyIn(const CopyOptions& options) {
  Inside inside = TRY(OpenInside(options, /*writable=*/true));
  CopyPolicy policy;
  policy.archive = options.archive;
  policy.keep_set_id = true;
  policy.target_users = inside.root.users;
  policy.notice = options.notice;
  Fd source;
  if (options.outside != kStream) source = TRY(OpenSource(Side(), options.outside, options.follow));
  if (inside.root.users) policy.owner = {inside.root.users->shift, inside.root.users->shift};
  auto owner = TRY(FileOwner::BecomeRootOf(inside.root.users));
  FileCopier copier(std::move(policy));
  int root = inside.root.directory.get();
  if (!source) return ReadStream(options, copier, root);
  return CopyTo(copier, source.get(), options.outside, Side(root), options.inside);
}

Status CopyOut(const CopyOptions& options) {
  Inside inside = TRY(OpenInside(options, /*writable=*/false));
  Fd source = TRY(OpenSource(Side(inside.root.directory.get()), options.inside, options.follow));
  if (IsKernelFile(source.get())) {
    return Err(Code::kInvalid, Quote(options.inside), " is the kernel's: nothing is copied from there");
  }
  if (options.outside == kStream) return WriteStream(options, inside, source.get());
  CopyPolicy policy;
  policy.archive = options.archive;
  policy.owner = {::geteuid(), ::getegid()};
  policy.source_users = inside.root.users;
  policy.notice = options.notice;
  FileCopier copier(std::move(policy));
  return CopyTo(copier, source.get(), options.inside, Side(), options.outside);
}

}  // namespace rkt::stage0
