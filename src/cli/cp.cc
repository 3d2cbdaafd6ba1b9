// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt cp

#include <optional>

#include "appc/names.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/pod_argument.h"
#include "stage0/app_root.h"
#include "stage0/copy.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec Lettered(FlagSpec flag, char letter) {
  flag.letter = letter;
  return flag;
}

constexpr FlagSpec kOwnFlags[] = {
    Lettered(BoolFlag("archive",
                      "keep owners, set-id bits, extended attributes and devices; otherwise files "
                      "belong to root of the pod, or to whoever calls"),
             'a'),
    Lettered(BoolFlag("follow-link", "copy what the source leads to, where it is a symbolic link"), 'L'),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags};

// UUID:/path or UUID:APP:/path.
struct PodPath {
  std::string pod, app, path;
};

// Nothing for a path of the host, which may have a colon in it: then with a slash in front of that.
std::optional<PodPath> ParsePodPath(std::string_view word) {
  size_t colon = word.find(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  std::string_view pod = word.substr(0, colon);
  if (pod.find_first_not_of("0123456789abcdefABCDEF-") != std::string_view::npos) return std::nullopt;
  std::string_view rest = word.substr(colon + 1);
  PodPath path{std::string(pod), "", ""};
  if (!rest.starts_with('/')) {
    size_t second = rest.find(':');
    if (second == std::string_view::npos) return std::nullopt;
    path.app = rest.substr(0, second);
    rest = rest.substr(second + 1);
    if (!rest.starts_with('/')) return std::nullopt;
  }
  path.path = rest;
  return path;
}

int Run(Invocation& invocation) {
  if (invocation.words.size() != 2) return invocation.Usage();
  auto from = ParsePodPath(invocation.words[0]), to = ParsePodPath(invocation.words[1]);
  if (from && to) return Refuse("copying between pods is not supported: copy to the host first");
  if (!from && !to) return Refuse("neither SRC nor DEST is in a pod (UUID:/PATH or UUID:APP:/PATH)");
  const PodPath& inside = from ? *from : *to;
  auto pod = ResolvePod(invocation, inside.pod);
  if (!pod) return Fail("problem retrieving pod", std::move(pod).error());
  auto pods = pod::Pods::Open(pod->data_dir);
  if (!pods) return Fail("problem retrieving pod", std::move(pods).error());
  auto opened = pods->Get(pod->uuid);
  if (!opened) return Fail("problem retrieving pod", std::move(opened).error());
  auto app = stage0::FindApp(*opened, inside.app);
  if (!app) return Fail("unable to determine app name", std::move(app).error());
  stage0::CopyOptions options;
  options.data_dir = pod->data_dir;
  options.uuid = pod->uuid;
  options.app = *app;
  options.inside = inside.path;
  options.outside = invocation.words[from ? 1 : 0];
  options.archive = invocation.Bool("archive");
  options.follow = invocation.Bool("follow-link");
  options.notice = [](const std::string& text) { Notice("", TerminalSafe(text)); };
  if (options.outside.empty()) return Refuse("an empty path");
  Status done = from ? stage0::CopyOut(options) : stage0::CopyIn(options);
  return done ? 0 : Fail(done.error());
}

}  // namespace

constinit const CommandSpec kCpCommand = {
    .name = "cp",
    .synopsis = "[--archive] [--follow-link] SRC DEST",
    .summary = "Copy files into and out of the apps of running and exited pods",
    .description =
        R"(One of SRC and DEST is UUID:/PATH, or UUID:APP:/PATH where the pod has several
apps; the other is a path of the host. A path of the host that looks like the former
is written with a slash in it ("./ab:/x").

Directories are copied with all that is in them. Where DEST is a directory that is
there, the copy is made in it; otherwise DEST is the name of the copy. "SRC/." stands
for what is in the directory SRC. Times and permissions are kept.

With "-" for the path of the host, an archive (tar) is read from standard input and
unpacked in the directory DEST, or written to standard output.

Paths in the pod are resolved as the app would; no link leads out of its root, and no
program of the pod is executed. In a running app its volumes are seen, in an exited
one they are not. What is below /proc and /sys is not copied.)",
    .flags = kGroups,
    .run = Run,
    .completes = Completion::kPodPaths,
    .needs_root = true,
};

}  // namespace rkt::cli
