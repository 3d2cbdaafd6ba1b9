// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/cgroup/layout.h"

#include <linux/magic.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include <algorithm>

#include "base/file.h"

namespace rkt::cgroup {

namespace {

// One line or word at a time, without copies.
std::string_view NextPiece(std::string_view& text, char separator) {
  size_t end = std::min(text.find(separator), text.size());
  std::string_view piece = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return piece;
}

// The kernel writes blanks, tabs, newlines and backslashes of paths as three octal digits.
std::string Unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      if (auto code = ParseOctal(text.substr(i + 1, 3)); code && *code < 256) {
        plain += static_cast<char>(*code);
        i += 3;
        continue;
      }
    }
    plain += text[i];
  }
  return plain;
}

// Where the group `path` lies beneath a mount that shows `root` of the hierarchy.
std::string BeneathMount(std::string_view root, std::string_view path) {
  if (path.find("/..") != std::string_view::npos) return "/";  // outside of our cgroup namespace
  if (root == "/") return std::string(path);
  if (path.starts_with(root)) {
    path.remove_prefix(root.size());
    if (path.empty()) return "/";
    if (path.starts_with('/')) return std::string(path);
  }
  return "/";  // only a part of the hierarchy is mounted, and we are not in it
}

struct Membership {
  std::vector<std::string> controllers;  // empty: v2
  std::string_view path;
};

std::vector<Membership> ParseMemberships(std::string_view self_cgroup) {
  std::vector<Membership> memberships;
  while (!self_cgroup.empty()) {
    std::string_view line = NextPiece(self_cgroup, '\n');
    NextPiece(line, ':');
    std::string_view controllers = NextPiece(line, ':');
    if (line.empty()) continue;
    memberships.push_back(
        {controllers.empty() ? std::vector<std::string>() : Split(controllers, ','), line});
  }
  return memberships;
}

std::vector<std::string> Words(std::string_view text) {
  text = Trim(text);
  return text.empty() ? std::vector<std::string>() : Split(text, ' ');
}

bool AllIn(const std::vector<std::string>& wanted, const std::vector<std::string>& options) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& word) {
    return std::find(options.begin(), options.end(), word) != options.end();
  });
}

// systemd marks the groups that it hands over (systemd.resource-control(5), Delegate=).
bool IsDelegated(const std::string& group) {
  for (const char* name : {"trusted.delegate", "user.delegate"}) {
    char value = 0;
    if (::getxattr(group.c_str(), name, &value, 1) == 1 && value == '1') return true;
  }
  return false;
}

}  // namespace

bool Hierarchy::Has(std::string_view controller) const {
  return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

const Hierarchy* Layout::Find(std::string_view controller) const {
  for (const Hierarchy& hierarchy : v1) {
    if (hierarchy.Has(controller)) return &hierarchy;
  }
  return v2 && v2->Has(controller) ? &*v2 : nullptr;
}

std::string_view WithoutSupervisor(std::string_view own_path) {
  constexpr std::string_view kName = "/supervisor";
  if (own_path.ends_with(kName)) own_path.remove_suffix(kName.size());
  return own_path;
}

Layout ParseLayout(std::string_view mountinfo, std::string_view self_cgroup,
                   std::string_view v2_controllers) {
  Layout layout;
  std::vector<Membership> memberships = ParseMemberships(self_cgroup);
  while (!mountinfo.empty()) {
    // ID PARENT DEVICE ROOT MOUNTPOINT OPTIONS [TAGS...] - TYPE SOURCE SUPEROPTIONS
    std::string_view line = NextPiece(mountinfo, '\n');
    size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    std::string_view tail = line.substr(dash + 3);
    std::string_view type = NextPiece(tail, ' ');
    if (type != "cgroup" && type != "cgroup2") continue;
    NextPiece(tail, ' ');
    std::vector<std::string> options = Split(tail, ',');
    for (int i = 0; i < 3; ++i) NextPiece(line, ' ');
    std::string root = Unescape(NextPiece(line, ' '));
    std::string mount_point = Unescape(NextPiece(line, ' '));
    for (const Membership& membership : memberships) {
      bool is_v2 = membership.controllers.empty();
      if (is_v2 != (type == "cgroup2") || !AllIn(membership.controllers, options)) continue;
      Hierarchy hierarchy = {membership.controllers, mount_point,
                             BeneathMount(root, membership.path)};
      if (is_v2) {
        if (layout.v2) break;
        layout.unified = mount_point == kRoot;
        hierarchy.controllers = Words(v2_controllers);
        layout.v2 = std::move(hierarchy);
      } else if (layout.Find(membership.controllers.front()) == nullptr ||
                 (layout.v2 && layout.v2->Has(membership.controllers.front()))) {
        layout.v1.push_back(std::move(hierarchy));
      }
      break;
    }
  }
  return layout;
}

Result<Layout> Discover(bool with_limits) {
  struct statfs root;
  bool mounted = ::statfs(kRoot, &root) == 0;
  if (mounted && root.f_type == CGROUP2_SUPER_MAGIC) {
    std::string self_cgroup = TRY(ReadFile("/proc/self/cgroup"));
    Layout layout;
    layout.unified = true;
    layout.v2 = Hierarchy{{}, kRoot, "/"};
    for (const Membership& membership : ParseMemberships(self_cgroup)) {
      if (membership.controllers.empty()) layout.v2->own_path = BeneathMount("/", membership.path);
    }
    if (with_limits) {
      layout.v2->controllers = Words(TRY(ReadFile(StrCat(kRoot, "/cgroup.controllers"))));
      layout.delegated = IsDelegated(StrCat(kRoot, WithoutSupervisor(layout.v2->own_path)));
      // The root of the hierarchy has no type.
      layout.namespaced = Exists(StrCat(kRoot, "/cgroup.type"));
    }
    return layout;
  }
  if (!mounted || !with_limits) return Layout();
  std::string mountinfo = TRY(ReadFile("/proc/self/mountinfo"));
  std::string self_cgroup = TRY(ReadFile("/proc/self/cgroup"));
  Layout layout = ParseLayout(mountinfo, self_cgroup, "");
  if (layout.v2) {
    auto controllers = ReadFile(StrCat(layout.v2->mount_point, "/cgroup.controllers"));
    if (controllers) layout.v2->controllers = Words(*controllers);
  }
  return layout;
}

}  // namespace rkt::cgroup
