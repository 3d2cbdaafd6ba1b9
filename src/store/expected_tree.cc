// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "store/expected_tree.h"

#include <deque>

namespace rkt::store {

namespace {
constexpr int kMaxLinks = 40;  // as the kernel's limit

std::string Join(const std::string& directory, std::string_view name) {
  return directory.empty() ? std::string(name) : StrCat(directory, "/", name);
}
}  // namespace

Result<std::string> ExpectedTree::Resolve(const std::string& path, bool make_parents) {
  std::deque<std::string> todo;
  for (std::string& component : Split(path, '/')) todo.push_back(std::move(component));
  std::string at;
  int links = 0;
  while (todo.size() > 1) {
    std::string component = std::move(todo.front());
    todo.pop_front();
    if (component.empty() || component == ".") continue;
    if (component == "..") {
      size_t slash = at.rfind('/');
      at.resize(slash == std::string::npos ? 0 : slash);
      continue;
    }
    std::string next = Join(at, component);
    auto node = nodes_.find(next);
    if (node == nodes_.end()) {
      if (!make_parents) return Err(Code::kNotFound, Quote(next), " is missing");
      nodes_[next] = {};
      at = std::move(next);
    } else if (node->second.type == TarType::kDirectory) {
      at = std::move(next);
    } else if (node->second.type == TarType::kSymlink) {
      if (++links > kMaxLinks) return Err(Code::kInvalid, "too many links at ", Quote(next));
      const std::string& target = node->second.link_name;
      if (target.starts_with('/')) at.clear();
      std::vector<std::string> components = Split(target, '/');
      todo.insert(todo.begin(), components.begin(), components.end());
    } else {
      return Err(Code::kInvalid, Quote(next), " is no directory");
    }
  }
  return Join(at, todo.front());
}

void ExpectedTree::Remove(const std::string& path) {
  nodes_.erase(path);
  // '0' is the character behind '/'.
  nodes_.erase(nodes_.lower_bound(path + "/"), nodes_.lower_bound(path + "0"));
}

Status ExpectedTree::Put(const std::string& path, const TarEntry& entry, const std::string& link_path, size_t layer,
                         uint64_t offset) {
  std::string place = path.empty() ? std::string() : TRY(Resolve(path, true));
  auto old = nodes_.find(place);
  if (entry.type == TarType::kHardLink) {
    auto target = nodes_.find(TRY(Resolve(link_path, false)));
    if (target == nodes_.end()) return Err(Code::kNotFound, Quote(link_path), " is missing");
    if (old != nodes_.end() && old->second.file == target->second.file) return {};
    ExpectedNode copy = target->second;
    Remove(place);
    nodes_[place] = std::move(copy);
    return {};
  }
  ExpectedNode node;
  node.type = entry.type;
  node.mode = entry.mode;
  node.uid = entry.uid;
  node.gid = entry.gid;
  node.size = entry.size;
  node.dev_major = entry.dev_major;
  node.dev_minor = entry.dev_minor;
  node.link_name = entry.link_name;
  node.layer = layer;
  node.offset = offset;
  if (entry.type == TarType::kFile) {
    for (const auto& [name, value] : entry.xattrs) {
      if (name == "security.capability") node.capability = value;
    }
  }
  if (entry.type == TarType::kDirectory) {
    if (old != nodes_.end() && old->second.type != TarType::kDirectory) Remove(place);
  } else {
    Remove(place);
    node.file = next_file_++;
  }
  nodes_[place] = std::move(node);
  return {};
}

}  // namespace rkt::store
