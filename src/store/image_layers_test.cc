// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "store/image_layers.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

#include "base/file.h"
#include "base/hash.h"
#include "store/layer_extract.h"

namespace rkt::store {
namespace {

struct Item {
  std::string name;
  std::string data = {};
  TarType type = TarType::kFile;
  uint32_t mode = 0644;
  std::string link = {};
};

std::string MakeTar(const std::vector<Item>& items) {
  std::string tar;
  TarWriter writer([&](std::string_view data) -> Status {
    tar += data;
    return {};
  });
  for (const Item& item : items) {
    TarEntry entry;
    entry.name = item.name;
    entry.type = item.type;
    entry.mode = item.mode;
    entry.link_name = item.link;
    entry.mtime = 1000;
    EXPECT_TRUE(writer.Add(entry, item.data));
  }
  EXPECT_TRUE(writer.Finish());
  return tar;
}

Item Dir(const std::string& name, uint32_t mode = 0755) { return {name, {}, TarType::kDirectory, mode}; }

class ImageLayers : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "root: layers are unpacked with their owners";
    char name[] = "/dev/shm/rkt-layers-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
    auto store = Store::Open(dir_);
    ASSERT_TRUE(store) << store.error().Text();
    store_ = std::make_unique<Store>(*std::move(store));
  }
  void TearDown() override {
    if (!dir_.empty()) EXPECT_TRUE(RemoveTreeAt(AT_FDCWD, dir_));
  }

  Result<std::string> TryAdd(const std::string& tar, bool unpack = true) {
    auto import = TRY(LayerImport::Begin(*store_, unpack));
    TRY(import.Write(tar));
    bool given = false;
    TRY(import.Unpack([&]() -> Result<std::string_view> {
      std::string_view piece = given ? std::string_view() : std::string_view(tar);
      given = true;
      return piece;
    }));
    std::string id = "sha256-" + Sha256Hex(tar);
    TRY(import.Commit(id));
    return id;
  }
  std::string Add(const std::vector<Item>& items, bool unpack = true) {
    auto id = TryAdd(MakeTar(items), unpack);
    EXPECT_TRUE(id) << id.error().Text();
    return id ? *id : std::string();
  }
  Store::Import::Stored Image(const std::vector<std::string>& layers, const std::string& name = "example.com/layered") {
    std::string manifest = StrCat(R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":")", name,
                                  R"(","labels":[{"name":"os","value":"linux"},{"name":"arch","value":"amd64"}]})");
    auto stored = StoreLayeredImage(*store_, {manifest, layers, false, true});
    EXPECT_TRUE(stored) << stored.error().Text();
    return stored ? *stored : Store::Import::Stored();
  }
  std::string LayerRoot(const std::string& id) const { return StrCat(dir_, "/cas/layertree/", id, "/rootfs"); }
  // What the merged tree has, copied.
  std::string Merged(const std::string& tree) {
    std::string to = StrCat(dir_, "/merged", copies_++);
    EXPECT_EQ(::mkdir(to.c_str(), 0755), 0);
    Status copied = store_->CopyTree(tree, to);
    EXPECT_TRUE(copied) << copied.error().Text();
    return to;
  }
  static std::string Text(const std::string& path) { return ReadFile(path).value_or("(missing)"); }
  static mode_t Mode(const std::string& path) {
    struct stat st;
    return ::lstat(path.c_str(), &st) == 0 ? st.st_mode & 07777 : 0;
  }

  std::string dir_;
  std::unique_ptr<Store> store_;
  int copies_ = 0;
};

TEST_F(ImageLayers, WhiteoutsAndOpaqueDirectoriesHideWhatIsBelow) {
  std::string low = Add({Dir("etc"), {"etc/a", "low a"}, {"etc/b", "low b"}, Dir("opt"), {"opt/x", "low x"}, {"gone", "g"}});
  std::string top = Add({Dir("etc"), {"etc/.wh.a"}, {"etc/c", "top c"}, {"opt/.wh..wh..opq"}, {"opt/y", "top y"}, {".wh.gone"}});
  struct stat st;
  ASSERT_EQ(::lstat((LayerRoot(top) + "/etc/a").c_str(), &st), 0);
  EXPECT_TRUE(S_ISCHR(st.st_mode));
  EXPECT_EQ(st.st_rdev, ::makedev(0, 0));
  char value[4] = {};
  EXPECT_EQ(::getxattr((LayerRoot(top) + "/opt").c_str(), kOpaqueXattr, value, sizeof value), 1);
  EXPECT_EQ(value[0], 'y');

  auto image = Image({low, top});
  std::string merged = Merged(image.tree_id);
  EXPECT_FALSE(Exists(merged + "/etc/a"));
  EXPECT_EQ(Text(merged + "/etc/b"), "low b");
  EXPECT_EQ(Text(merged + "/etc/c"), "top c");
  EXPECT_FALSE(Exists(merged + "/opt/x"));
  EXPECT_EQ(Text(merged + "/opt/y"), "top y");
  EXPECT_FALSE(Exists(merged + "/gone"));
  EXPECT_TRUE(Exists(merged + "/dev/stdin"));
}

TEST_F(ImageLayers, ALayerMayReplaceWhatItDeletesInAnyOrder) {
  std::string low = Add({Dir("a"), {"a/old", "1"}, Dir("b"), {"b/old", "1"}, {"f", "1"}});
  std::string top = Add({{".wh.a"}, Dir("a"), {"a/new", "2"}, Dir("b"), {"b/new", "2"}, {".wh.b"}, {"f", "2"}, {".wh.f"}});
  std::string merged = Merged(Image({low, top}).tree_id);
  EXPECT_FALSE(Exists(merged + "/a/old"));
  EXPECT_FALSE(Exists(merged + "/b/old"));
  EXPECT_EQ(Text(merged + "/a/new"), "2");
  EXPECT_EQ(Text(merged + "/b/new"), "2");
  EXPECT_EQ(Text(merged + "/f"), "2");
}

TEST_F(ImageLayers, DirectoriesThatALayerOnlyPassesThroughKeepTheirMode) {
  std::string low = Add({Dir("./", 0711), Dir("tmp", 01777), Dir("tmp/deep", 0700)});
  std::string top = Add({{"tmp/deep/file", "x"}});
  std::string merged = Merged(Image({low, top}).tree_id);
  EXPECT_EQ(Mode(merged), 0711u);
  EXPECT_EQ(Mode(merged + "/tmp"), 01777u);
  EXPECT_EQ(Mode(merged + "/tmp/deep"), 0700u);
  EXPECT_EQ(Text(merged + "/tmp/deep/file"), "x");
}

TEST_F(ImageLayers, TheArchivePutTogetherSaysTheSameAsTheTree) {
  std::string low = Add({Dir("etc"), {"etc/a", "low a"}, {"etc/link", {}, TarType::kHardLink, 0644, "etc/a"},
                         Dir("opt"), {"opt/x", "x"}, {"was-link", {}, TarType::kSymlink, 0777, "opt"}});
  std::string middle = Add({{"etc/a", "middle a"}, {"was-link/inside", "i"}, Dir("tmp", 01777)});
  std::string top = Add({{".wh.opt"}, {"opt/new", "n"}, {"tmp/t", "t"}});
  auto image = Image({low, middle, top});
  std::string out = dir_ + "/extracted", merged = Merged(image.tree_id);
  ASSERT_EQ(::mkdir(out.c_str(), 0755), 0);
  Status extracted = store_->ExtractImage(image.key, out, /*rootfs_only=*/true);
  ASSERT_TRUE(extracted) << extracted.error().Text();
  for (const std::string& root : {out, merged}) {
    EXPECT_EQ(Text(root + "/etc/a"), "middle a") << root;
    EXPECT_EQ(Text(root + "/etc/link"), "low a") << root;
    EXPECT_EQ(Text(root + "/was-link/inside"), "i") << root;
    EXPECT_FALSE(Exists(root + "/opt/x")) << root;
    EXPECT_EQ(Text(root + "/opt/new"), "n") << root;
    EXPECT_EQ(Mode(root + "/tmp"), 01777u) << root;
    EXPECT_TRUE(Exists(root + "/dev/fd")) << root;
  }
}

TEST_F(ImageLayers, AnImageThatDependsOnALayeredOneGetsItsFiles) {
  Image({Add({{"base", "b"}, {"gone", "g"}}), Add({{".wh.gone"}})}, "example.com/base");
  std::string tar = MakeTar({{"manifest",
                              R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/top",)"
                              R"("dependencies":[{"imageName":"example.com/base"}]})"},
                             Dir("rootfs"), {"rootfs/own", "o"}});
  auto import = Store::Import::Begin(*store_, {});
  ASSERT_TRUE(import);
  bool given = false;
  ASSERT_TRUE(import->Read([&]() -> Result<std::string_view> {
    std::string_view piece = given ? std::string_view() : std::string_view(tar);
    given = true;
    return piece;
  }));
  auto stored = import->Commit(Sha512Hex(tar));
  ASSERT_TRUE(stored) << stored.error().Text();
  auto tree = store_->RenderTree(stored->key);
  ASSERT_TRUE(tree) << tree.error().Text();
  std::string root = store_->TreeRootfsPath(*tree);
  EXPECT_EQ(Text(root + "/own"), "o");
  EXPECT_EQ(Text(root + "/base"), "b");
  EXPECT_FALSE(Exists(root + "/gone"));
  auto verified = store_->VerifyTree(stored->key);
  ASSERT_TRUE(verified) << verified.error().Text();
  EXPECT_EQ(verified->state, Store::TreeState::kIntact) << verified->detail;
}

TEST_F(ImageLayers, DamageToALayerIsFoundAndHealed) {
  std::string low = Add({Dir("d"), {"d/file", "content"}}), top = Add({{"d/.wh..wh..opq"}, {"d/other", "o"}});
  auto image = Image({low, top});
  auto state = [&]() -> std::string {
    auto verified = store_->VerifyTree(image.key);
    if (!verified) return verified.error().Text();
    return verified->state == Store::TreeState::kIntact ? "intact" : verified->detail;
  };
  EXPECT_EQ(state(), "intact");
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, LayerRoot(low) + "/d/file", "CONTENT", 0644, true));
  EXPECT_NE(state(), "intact");
  ASSERT_TRUE(store_->RebuildTree(image.key));
  EXPECT_EQ(state(), "intact");
  EXPECT_EQ(Text(LayerRoot(low) + "/d/file"), "content");
  ASSERT_EQ(::removexattr((LayerRoot(top) + "/d").c_str(), kOpaqueXattr), 0);
  EXPECT_NE(state(), "intact");
  ASSERT_TRUE(store_->RebuildTree(image.key));
  EXPECT_EQ(::chmod(store_->TreeRootfsPath(image.tree_id).c_str(), 0700), 0);
  EXPECT_NE(state(), "intact");
  ASSERT_TRUE(store_->RebuildTree(image.key));
  EXPECT_EQ(state(), "intact");
  std::string tar = ReadFile(StrCat(dir_, "/cas/layer/", low)).value_or("");
  tar[600] = static_cast<char>(tar[600] ^ 1);
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, StrCat(dir_, "/cas/layer/", low), tar, 0600, true));
  EXPECT_NE(state().find("is damaged"), std::string::npos) << state();
}

TEST_F(ImageLayers, LayersGoWhenTheLastThatNeedsThemGoes) {
  std::string shared = Add({{"shared", "s"}}), one = Add({{"one", "1"}}), two = Add({{"two", "2"}});
  auto first = Image({shared, one}, "example.com/first"), second = Image({shared, two}, "example.com/second");
  ASSERT_TRUE(store_->RemoveImage(first.key));
  EXPECT_TRUE(HasLayer(*store_, shared));
  EXPECT_FALSE(HasLayer(*store_, one));
  EXPECT_TRUE(HasLayerTree(*store_, one)) << "the image's tree is still there, and pods may use it";
  ASSERT_TRUE(store_->RemoveTree(first.tree_id));
  ASSERT_TRUE(store_->CollectOrphans());
  EXPECT_FALSE(HasLayerTree(*store_, one));
  {
    auto lock = LockLayers(*store_, Lock::Kind::kShared);
    ASSERT_TRUE(lock);
    ASSERT_TRUE(store_->RemoveImage(second.key));
    EXPECT_TRUE(HasLayer(*store_, shared)) << "somebody is about to use it";
  }
  ASSERT_TRUE(store_->RemoveTree(second.tree_id));
  ASSERT_TRUE(store_->CollectOrphans());
  EXPECT_FALSE(HasLayer(*store_, shared));
  EXPECT_FALSE(HasLayerTree(*store_, two));
}

TEST_F(ImageLayers, DownloadsThatNobodyContinuesAreCollected) {
  Image({Add({{"file", "x"}})});
  std::string partial = dir_ + "/cas/partial";
  ASSERT_EQ(::mkdir(partial.c_str(), 0770), 0);
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, partial + "/new", "n", 0660));
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, partial + "/old", "o", 0660));
  timespec times[2] = {{1000, 0}, {1000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (partial + "/old").c_str(), times, 0), 0);
  ASSERT_TRUE(CollectLayers(*store_));
  EXPECT_TRUE(Exists(partial + "/new"));
  EXPECT_FALSE(Exists(partial + "/old"));
}

TEST_F(ImageLayers, ALayerThatComesTwiceIsMountedOnce) {
  std::string one = Add({{"f", "1"}}), two = Add({{"f", "2"}});
  auto image = Image({one, two, one});
  auto lowers = store_->TreeLowers(image.tree_id);
  ASSERT_TRUE(lowers);
  EXPECT_EQ(lowers->size(), 3u);
  EXPECT_EQ(Text(Merged(image.tree_id) + "/f"), "1");
}

TEST_F(ImageLayers, LayersMayEndWithoutAnEndMark) {
  std::string tar = MakeTar({Dir("d"), {"d/f", "content"}});
  tar.resize(512 + 512 + 7);  // as umoci writes them: not even the last block is whole
  auto id = TryAdd(tar);
  ASSERT_TRUE(id) << id.error().Text();
  auto image = Image({*id});
  EXPECT_EQ(Text(Merged(image.tree_id) + "/d/f"), "content");
  auto verified = store_->VerifyTree(image.key);
  ASSERT_TRUE(verified) << verified.error().Text();
  EXPECT_EQ(verified->state, Store::TreeState::kIntact) << verified->detail;
  tar.resize(512 + 512 + 3);  // but data may not be missing
  EXPECT_FALSE(TryAdd(tar));
}

TEST_F(ImageLayers, TheIndexIsRebuiltWithTheSizesOfLayers) {
  auto image = Image({Add({{"file", std::string(100000, 'x')}})});
  auto before = store_->GetInfo(image.key);
  ASSERT_TRUE(before);
  EXPECT_GT(before->size, 100000);
  ASSERT_TRUE(store_->RebuildIndex());
  auto after = store_->GetInfo(image.key);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->size, before->size);
}

TEST_F(ImageLayers, TheSameImageHasTheSameKey) {
  std::string layer = Add({{"file", "x"}});
  auto first = Image({layer}), second = Image({layer});
  EXPECT_EQ(first.key, second.key);
  EXPECT_TRUE(second.already_stored);
}

TEST_F(ImageLayers, TreesAreMadeLaterWhereTheImportMadeNone) {
  std::string layer = Add({{"file", "x"}}, /*unpack=*/false);
  EXPECT_FALSE(HasLayerTree(*store_, layer));
  EXPECT_EQ(Text(Merged(Image({layer}).tree_id) + "/file"), "x");
}

TEST_F(ImageLayers, HostileEntriesAreRefusedByName) {
  for (const Item& item : std::vector<Item>{
           {"../x"}, {"a/../../x"}, {".wh."}, {"a/.wh.."}, {".wh..."}, {"./", "data"},
           {"l", {}, TarType::kHardLink, 0644, "../etc/passwd"},
           {"l", {}, TarType::kHardLink, 0644, "later"},
           {"l", {}, TarType::kHardLink, 0644, ".wh.x"}}) {
    auto added = TryAdd(MakeTar({item}));
    ASSERT_FALSE(added) << item.name;
    EXPECT_NE(added.error().Text().find(item.name.substr(0, 1)), std::string::npos) << added.error().Text();
  }
  auto entries = ListDirAt(AT_FDCWD, dir_ + "/cas/tmp");
  ASSERT_TRUE(entries);
  EXPECT_TRUE(entries->empty());
}

TEST_F(ImageLayers, LinksOfALayerDoNotLeadOutOfIt) {
  std::string outside = dir_ + "/outside";
  ASSERT_EQ(::mkdir(outside.c_str(), 0755), 0);
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, outside + "/victim", "v", 0644));
  for (const char* name : {"l/.wh.victim", "l/.wh..wh..opq", "l/new"}) {
    (void)TryAdd(MakeTar({{"l", {}, TarType::kSymlink, 0777, outside}, {name}}));
    EXPECT_EQ(Text(outside + "/victim"), "v") << name;
    EXPECT_FALSE(Exists(outside + "/new")) << name;
    char value;
    EXPECT_LT(::getxattr(outside.c_str(), kOpaqueXattr, &value, 1), 0) << name;
  }
}

TEST_F(ImageLayers, AnOrdinaryArchiveCannotClaimLayers) {
  std::string layer = Add({{"secret", "s"}});
  std::string tar = MakeTar({{"manifest", R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/liar"})"},
                             {"layers", layer + "\n"}, Dir("rootfs"), {"rootfs/own", "o"}});
  auto import = Store::Import::Begin(*store_, {});
  ASSERT_TRUE(import);
  bool given = false;
  ASSERT_TRUE(import->Read([&]() -> Result<std::string_view> {
    std::string_view piece = given ? std::string_view() : std::string_view(tar);
    given = true;
    return piece;
  }));
  auto stored = import->Commit(Sha512Hex(tar));
  ASSERT_TRUE(stored);
  std::string merged = Merged(stored->tree_id);
  EXPECT_TRUE(Exists(merged + "/own"));
  EXPECT_FALSE(Exists(merged + "/secret"));
}

}  // namespace
}  // namespace rkt::store
