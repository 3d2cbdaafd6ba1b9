// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// One ACI out of the layers of an image: what all layers come to is worked out from their archives on a map of paths,
// then written in order of the paths. Needs no root and no unpacked tree.

#include <unistd.h>

#include <algorithm>
#include <deque>
#include <map>

#include "base/file.h"
#include "base/hash.h"
#include "store/image_layers.h"
#include "store/layer_extract.h"
#include "store/layer_state.h"
#include "store/state.h"

namespace rkt::store {

namespace {

constexpr size_t kBuffer = 256u << 10;
constexpr int kMaxLinks = 40;  // as the kernel's limit

struct Node {
  TarEntry entry;
  size_t layer = 0;     // that put it here, or made the directory
  uint64_t offset = 0;  // of its data in that layer's tar
  size_t file = 0;      // the same for all names of one file
};

std::string Join(const std::string& directory, std::string_view name) {
  return directory.empty() ? std::string(name) : StrCat(directory, "/", name);
}

class FlatTree {
 public:
  FlatTree() { nodes_[""] = Directory(0); }
  const std::map<std::string, Node>& nodes() const { return nodes_; }

  void NextLayer(size_t layer) { layer_ = layer; }

  Status Put(const LayerEntry& at, const TarEntry& entry, uint64_t offset) {
    if (at.kind == LayerEntry::Kind::kNothing) return {};
    if (at.kind == LayerEntry::Kind::kOpaque) {
      Uncover(at.path, false);
      return {};
    }
    if (at.kind == LayerEntry::Kind::kWhiteout) {
      Uncover(at.path, true);
      return {};
    }
    std::string place = at.path.empty() ? std::string() : TRY(Resolve(at.path, true));
    auto old = nodes_.find(place);
    if (entry.type == TarType::kHardLink) {
      auto target = nodes_.find(TRY(Resolve(at.link_path, false)));
      if (target == nodes_.end() || target->second.layer != layer_) return Missing(at.link_path);
      if (old != nodes_.end() && old->second.file != 0 && old->second.file == target->second.file) return {};
      Node copy = target->second;
      Remove(place);
      nodes_[place] = std::move(copy);
      return {};
    }
    Node node{entry, layer_, offset, 0};
    std::erase_if(node.entry.xattrs, [](const auto& xattr) { return !IsKeptXattr(xattr.first); });
    if (entry.type != TarType::kDirectory) {
      Remove(place);
      node.file = next_file_++;
    } else if (old != nodes_.end() && old->second.entry.type != TarType::kDirectory) {
      Remove(place);
    }
    nodes_[place] = std::move(node);
    return {};
  }

  void AddSymlink(const std::string& path, const std::string& target) {
    Node node{{}, layer_, 0, next_file_++};
    node.entry.type = TarType::kSymlink;
    node.entry.mode = 0777;
    node.entry.link_name = target;
    nodes_[path] = std::move(node);
  }
  void AddDirectory(const std::string& path) { nodes_[path] = Directory(layer_); }

 private:
  static Node Directory(size_t layer) {
    Node node;
    node.entry.type = TarType::kDirectory;
    node.entry.mode = 0755;
    node.layer = layer;
    return node;
  }
  static Error Missing(const std::string& path) {
    return Err(Code::kInvalid, "hard link to ", Quote(path), ", which is not in the same layer");
  }

  // The path with links of this layer in its directories resolved. What a lower layer has in the place of a parent gives way.
  Result<std::string> Resolve(const std::string& path, bool make_parents) {
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
      bool there = node != nodes_.end();
      bool directory = there && node->second.entry.type == TarType::kDirectory;
      if (there && !directory && node->second.layer != layer_ && make_parents) {
        Remove(next);
        there = false;
      }
      if (!there) {
        if (!make_parents) return Missing(next);
        nodes_[next] = Directory(layer_);
        at = std::move(next);
      } else if (directory) {
        at = std::move(next);
      } else if (node->second.entry.type == TarType::kSymlink) {
        if (++links > kMaxLinks) return Err(Code::kInvalid, "too many links at ", Quote(next));
        const std::string& target = node->second.entry.link_name;
        if (target.starts_with('/')) at.clear();
        std::vector<std::string> components = Split(target, '/');
        todo.insert(todo.begin(), components.begin(), components.end());
      } else {
        return Err(Code::kInvalid, Quote(next), " is no directory");
      }
    }
    return Join(at, todo.front());
  }

  // '0' is the character behind '/'.
  auto Below(const std::string& path) {
    if (path.empty()) return std::pair(nodes_.upper_bound(""), nodes_.end());
    return std::pair(nodes_.lower_bound(path + "/"), nodes_.lower_bound(path + "0"));
  }
  void Remove(const std::string& path) {
    if (!path.empty()) nodes_.erase(path);
    auto [first, last] = Below(path);
    nodes_.erase(first, last);
  }
  // Takes away what lower layers have; a directory with something of this layer in it stays.
  void Uncover(const std::string& path, bool itself) {
    auto [at, last] = Below(path);
    bool kept = false;
    std::vector<std::string> parents;
    while (at != last) {
      if (at->second.layer == layer_) {
        kept = true;
        for (size_t slash = at->first.rfind('/'); slash != std::string::npos && slash > path.size();
             slash = at->first.rfind('/', slash - 1)) {
          parents.push_back(at->first.substr(0, slash));
        }
        ++at;
      } else {
        at = nodes_.erase(at);
      }
    }
    for (std::string& parent : parents) nodes_.try_emplace(std::move(parent), Directory(layer_));
    auto node = nodes_.find(path);
    if (!itself || path.empty() || node == nodes_.end() || node->second.layer == layer_) return;
    if (kept) {
      node->second = Directory(layer_);
    } else {
      nodes_.erase(node);
    }
  }

  std::map<std::string, Node> nodes_;
  size_t layer_ = 0;
  size_t next_file_ = 1;
};

// Reads a file in pieces, and hashes it where that is asked for.
class LayerSource {
 public:
  LayerSource(int fd, LayerDigest* digest) : fd_(fd), digest_(digest), buffer_(kBuffer, '\0') {}
  Result<std::string_view> operator()() {
    ssize_t n = ::pread(fd_, buffer_.data(), buffer_.size(), offset_);
    if (n < 0) return SysErr("read layer");
    offset_ += n;
    std::string_view piece = std::string_view(buffer_).substr(0, static_cast<size_t>(n));
    if (digest_ != nullptr) digest_->Update(piece);
    return piece;
  }

 private:
  int fd_;
  LayerDigest* digest_;
  std::string buffer_;
  off_t offset_ = 0;
};

// The links that the original added to every converted image.
Status AddDeviceLinks(FlatTree* tree) {
  auto dev = tree->nodes().find("dev");
  if (dev == tree->nodes().end()) {
    tree->AddDirectory("dev");
  } else if (dev->second.entry.type != TarType::kDirectory) {
    return Err(Code::kInvalid, "/dev of the image is a ", TarTypeName(dev->second.entry.type));
  }
  for (const DeviceLink& link : kDeviceLinks) {
    if (!tree->nodes().contains(link.path)) tree->AddSymlink(link.path, link.target);
  }
  return {};
}

}  // namespace

Status WriteFlatArchive(const Store& store, const std::string& key, int file, bool check) {
  std::vector<std::string> ids = TRY(ReadImageLayers(store, key));
  FlatTree tree;
  std::vector<Fd> tars;
  for (size_t i = 0; i < ids.size(); ++i) {
    tars.push_back(TRY(OpenLayer(store, ids[i])));
    LayerDigest digest(ids[i]);
    tree.NextLayer(i);
    LayerSource source(tars[i].get(), check ? &digest : nullptr);
    TarReader reader([&] { return source(); });
    reader.AllowOpenEnd();
    auto read = [&]() -> Status {
      while (TRY(reader.Next())) {
        TRY(tree.Put(TRY(ReadLayerEntry(reader.entry())), reader.entry(), reader.data_offset()));
      }
      return reader.Drain();
    };
    TRY_CTX(read(), "layer ", ids[i]);
    if (check && !digest.Matches()) return DamagedLayer(ids[i]);
  }
  tree.NextLayer(ids.size());
  TRY(AddDeviceLinks(&tree));

  std::string out, buffer(kBuffer, '\0');
  auto flush = [&]() -> Status {
    Status written = WriteAll(file, out);
    out.clear();
    return written;
  };
  TarWriter writer([&](std::string_view data) -> Status {
    out += data;
    return out.size() < kBuffer ? Status() : flush();
  });
  TarEntry manifest;
  manifest.name = "manifest";
  TRY(writer.Add(std::move(manifest), TRY(store.ReadManifestBytes(key))));
  std::map<size_t, std::string> written;  // files by their first name
  for (const auto& [path, node] : tree.nodes()) {
    TarEntry entry = node.entry;
    entry.name = path.empty() ? "rootfs" : StrCat("rootfs/", path);
    if (node.file != 0) {
      auto [first, is_first] = written.emplace(node.file, entry.name);
      if (!is_first) {
        entry.type = TarType::kHardLink;
        entry.link_name = first->second;
        entry.size = 0;
        entry.xattrs.clear();
      }
    }
    TRY(writer.Begin(entry));
    if (entry.type != TarType::kFile) continue;
    for (uint64_t done = 0; done < entry.size;) {
      size_t want = static_cast<size_t>(std::min<uint64_t>(kBuffer, entry.size - done));
      ssize_t n = ::pread(tars[node.layer].get(), buffer.data(), want, static_cast<off_t>(node.offset + done));
      if (n < 0) return SysErr("read layer");
      if (n == 0) return DamagedLayer(ids[node.layer]);
      TRY(writer.Data(std::string_view(buffer).substr(0, static_cast<size_t>(n))));
      done += static_cast<uint64_t>(n);
    }
  }
  TRY(writer.Finish());
  return flush();
}

}  // namespace rkt::store
