// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Damage of every kind is found, and healed as far as that is possible.

#include "store/check.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/disk_usage.h"
#include "store/image_layers.h"
#include "store/layer_state.h"
#include "store/state.h"
#include "store/test_images.h"

namespace rkt::store {
namespace {

class CheckTest : public testing::Test {
 protected:
  void SetUp() override {
    auto store = Store::Open(dir_.path());
    ASSERT_TRUE(store) << store.error().Text();
    store_.emplace(*std::move(store));
    a_ = Add("example.com/a");
    b_ = Add("example.com/b");
  }
  std::string Bytes(const std::string& name) {
    TestArchive archive;
    archive.File("manifest", TestManifest(name, "1"));
    archive.File("rootfs/file", StrCat("content of ", name));
    return archive.Finish();
  }
  std::string Add(const std::string& name) {
    Store::Import::Options options;
    options.unpack = ::geteuid() == 0;
    auto stored = ImportBytes(*store_, Bytes(name), options);
    EXPECT_TRUE(stored) << stored.error().Text();
    return stored ? stored->key : "";
  }
  std::string Path(const std::string& below_cas) { return StrCat(dir_.path(), "/cas/", below_cas); }
  // Changes one byte; the time stays.
  void Damage(const std::string& path, off_t at) {
    Fd file = *Open(path, O_RDWR);
    struct stat st;
    ASSERT_EQ(::fstat(file.get(), &st), 0);
    char byte;
    ASSERT_EQ(::pread(file.get(), &byte, 1, at), 1);
    byte ^= 1;
    ASSERT_EQ(::pwrite(file.get(), &byte, 1, at), 1);
    timespec times[2] = {st.st_atim, st.st_mtim};
    ::futimens(file.get(), times);
  }
  CheckResult Run(bool repair) {
    CheckOptions options;
    options.repair = repair;
    options.usage = [&]() -> Result<StoreUsage> { return usage_; };
    auto result = CheckStore(*store_, options);
    EXPECT_TRUE(result) << result.error().Text();
    return result ? *result : CheckResult{};
  }
  // Finds exactly this, changes nothing without repair, heals with it, and finds nothing afterwards.
  void ExpectHealed(Finding::Kind kind, const std::string& id) {
    for (int i = 0; i < 2; ++i) {
      CheckResult found = Run(false);
      ASSERT_EQ(found.findings.size(), 1u) << (found.findings.empty() ? "" : found.findings.back().problem);
      EXPECT_EQ(FindingKindName(found.findings[0].kind), std::string(FindingKindName(kind)));
      EXPECT_EQ(found.findings[0].id, id);
      EXPECT_FALSE(found.Whole());
    }
    CheckResult repaired = Run(true);
    ASSERT_EQ(repaired.findings.size(), 1u);
    EXPECT_TRUE(repaired.Whole()) << repaired.findings[0].outcome;
    ExpectClean();
  }
  void ExpectClean() {
    CheckResult result = Run(false);
    EXPECT_TRUE(result.findings.empty()) << result.findings[0].id << ": " << result.findings[0].problem;
  }
  bool Stored(const std::string& key) { return store_->GetInfo(key).has_value(); }
  std::string TreeOf(const std::string& key) { return *store_->TreeId(key); }

  TestDir dir_;
  std::optional<Store> store_;
  std::string a_, b_;
  StoreUsage usage_;
};

#define NEEDS_ROOT() \
  if (::geteuid() != 0) GTEST_SKIP() << "root: trees are looked at by root only"

TEST_F(CheckTest, AStoreThatIsWholeIsLeftAlone) {
  struct stat before, after;
  ASSERT_EQ(::stat(Path("index").c_str(), &before), 0);
  CheckResult result = Run(true);
  EXPECT_TRUE(result.findings.empty());
  EXPECT_EQ(result.images, 2u);
  EXPECT_EQ(result.trees, ::geteuid() == 0 ? 2u : 0u);
  ASSERT_EQ(::stat(Path("index").c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(CheckTest, AnIndexIsMadeAnewFromTheBlobsAlone) {
  auto before = store_->ListImages();
  ASSERT_TRUE(UnlinkAt(store_->cas_fd(), "index"));
  ExpectHealed(Finding::Kind::kIndex, "index");
  ASSERT_TRUE(WriteFileAt(store_->cas_fd(), "index", "rubbish", 0660, true));
  ExpectHealed(Finding::Kind::kIndex, "index");
  // Even the manifests may be gone.
  ASSERT_TRUE(RemoveTreeAt(store_->cas_fd(), "imageManifest/sha512"));
  ASSERT_TRUE(UnlinkAt(store_->cas_fd(), "index"));
  ASSERT_TRUE(MakeDirAt(store_->cas_fd(), "imageManifest/sha512", 0770));
  Run(true);
  ExpectClean();
  auto after = store_->ListImages();
  ASSERT_TRUE(before && after);
  ASSERT_EQ(after->size(), 2u);
  auto info = store_->GetInfo(a_);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->name, "example.com/a");
  EXPECT_EQ(info->version, "1");
  EXPECT_EQ(info->size, before->at(0).size);
}

TEST_F(CheckTest, ARowThatBeliesItsManifestIsWrittenAnew) {
  ASSERT_TRUE(store_->UpdateRow(a_, [](IndexRow& row) { row.name = "example.com/x"; }));
  ExpectHealed(Finding::Kind::kRow, a_);
  EXPECT_EQ(store_->GetInfo(a_)->name, "example.com/a");
  ASSERT_TRUE(store_->UpdateRow(b_, [](IndexRow& row) { row.size += 1; }));
  ExpectHealed(Finding::Kind::kRow, b_);
}

TEST_F(CheckTest, ADamagedBlobGoesSoThatAFetchBringsItBack) {
  Damage(Path(BlobPath(a_)), 1600);
  ExpectHealed(Finding::Kind::kBlob, a_);
  EXPECT_FALSE(Stored(a_));
  EXPECT_TRUE(Stored(b_));
  EXPECT_EQ(Add("example.com/a"), a_);
  ExpectClean();
}

TEST_F(CheckTest, ACutBlobAndOneThatIsGoneAreTheSame) {
  ASSERT_EQ(::truncate(Path(BlobPath(a_)).c_str(), 100), 0);
  ExpectHealed(Finding::Kind::kBlob, a_);
  ASSERT_TRUE(UnlinkAt(store_->cas_fd(), BlobPath(b_)));
  ExpectHealed(Finding::Kind::kBlob, b_);
  EXPECT_TRUE(store_->ListImages()->empty());
}

TEST_F(CheckTest, WhatAPodUsesAndCannotBeHealedIsToldAgainAndAgain) {
  usage_.images[a_] = {{"some-pod", false}};
  Damage(Path(BlobPath(a_)), 1600);
  for (int i = 0; i < 3; ++i) {
    CheckResult result = Run(true);
    ASSERT_EQ(result.findings.size(), 1u);
    EXPECT_FALSE(result.Whole());
    EXPECT_EQ(result.findings[0].pods, std::vector<std::string>{"some-pod"});
  }
  EXPECT_TRUE(::geteuid() != 0 || store_->IsRendered(TreeOf(a_))) << "the pod's tree was taken away";
  // The same image once more: now it is whole.
  EXPECT_EQ(Add("example.com/a"), a_);
  ExpectClean();
}

TEST_F(CheckTest, AManifestIsCopiedFromTheBlob) {
  std::string text = *store_->ReadManifestBytes(a_);
  ASSERT_TRUE(UnlinkAt(store_->cas_fd(), ManifestPath(a_)));
  ExpectHealed(Finding::Kind::kManifest, a_);
  Damage(Path(ManifestPath(a_)), 10);
  ExpectHealed(Finding::Kind::kManifest, a_);
  EXPECT_EQ(*ReadFile(Path(ManifestPath(a_))), text);
}

TEST_F(CheckTest, HalfRemovedImagesGo) {
  // A removal takes the row first.
  std::string index = *ReadFile(Path("index"));
  std::string blob = *ReadFile(Path(BlobPath(a_)));
  ASSERT_TRUE(store_->RemoveImage(a_));
  ASSERT_TRUE(WriteFileAt(store_->cas_fd(), BlobPath(a_), blob, 0600));
  ExpectHealed(Finding::Kind::kLeftOver, BlobPath(a_));
  EXPECT_FALSE(ExistsAt(store_->cas_fd(), BlobPath(a_)));
}

TEST_F(CheckTest, WhatKilledProcessesLeftGoesAndWhatIsInUseStays) {
  ASSERT_TRUE(MakeDirs(Path("tmp/dead/tree"), 0700));
  auto alive = Temporary::Create(store_->cas_fd());
  ASSERT_TRUE(alive);
  ExpectHealed(Finding::Kind::kLeftOver, "tmp/dead");
  EXPECT_TRUE(ExistsAt(store_->cas_fd(), alive->path()));
  // 4194304 is more than any pid.
  ASSERT_TRUE(WriteFileAt(store_->cas_fd(), "index.tmp.4194304.1", "x", 0660));
  ExpectClean();  // too young to be judged
  timespec old[2] = {{1000, 0}, {1000, 0}};
  ASSERT_EQ(::utimensat(store_->cas_fd(), "index.tmp.4194304.1", old, 0), 0);
  ExpectHealed(Finding::Kind::kLeftOver, "index.tmp.4194304.1");
}

TEST_F(CheckTest, LocksOfImagesThatAreGoneGoUnlessSomebodyHoldsThem) {
  ASSERT_TRUE(store_->RemoveImage(a_));
  {
    auto held = Lock::File(store_->cas_fd(), ImageLockPath(a_), Lock::Kind::kShared);
    ASSERT_TRUE(held);
    Run(true);
    EXPECT_TRUE(ExistsAt(store_->cas_fd(), ImageLockPath(a_)));
  }
  Run(true);
  EXPECT_FALSE(ExistsAt(store_->cas_fd(), ImageLockPath(a_)));
  EXPECT_TRUE(ExistsAt(store_->cas_fd(), ImageLockPath(b_)));
}

TEST_F(CheckTest, TreesAreRenderedAnewButNotUnderARunningPod) {
  NEEDS_ROOT();
  std::string id = TreeOf(a_), file = StrCat(store_->TreeRootfsPath(id), "/file");
  Damage(file, 0);
  usage_.trees[id] = {{"some-pod", true}};
  CheckResult result = Run(true);
  ASSERT_EQ(result.findings.size(), 1u);
  EXPECT_FALSE(result.Whole());
  EXPECT_EQ(result.findings[0].pods, std::vector<std::string>{"some-pod"});
  EXPECT_NE(*ReadFile(file), "content of example.com/a");
  usage_.trees[id][0].running = false;
  ExpectHealed(Finding::Kind::kTree, id);
  EXPECT_EQ(*ReadFile(file), "content of example.com/a");
}

TEST_F(CheckTest, ATreeThatIsIncompleteOrMissedByAPodIsRendered) {
  NEEDS_ROOT();
  std::string id = TreeOf(a_);
  ASSERT_TRUE(UnlinkAt(store_->cas_fd(), StrCat(TreeDir(id), "/rendered")));
  ExpectHealed(Finding::Kind::kTree, id);
  EXPECT_TRUE(store_->IsRendered(id));
  usage_.trees[id] = {{"some-pod", false}};
  ASSERT_TRUE(RemoveTreeAt(store_->cas_fd(), TreeDir(id)));
  ExpectHealed(Finding::Kind::kTree, id);
  EXPECT_TRUE(store_->IsRendered(id));
}

// --- layers

class LayerCheckTest : public CheckTest {
 protected:
  void SetUp() override {
    CheckTest::SetUp();
    lower_ = AddLayer("lower");
    upper_ = AddLayer("upper");
    c_ = AddImage("example.com/c", {lower_, upper_});
    d_ = AddImage("example.com/d", {lower_});
  }
  std::string AddLayer(const std::string& name) {
    TestArchive archive;
    const std::string& tar = archive.File(name, StrCat("content of ", name)).Finish();
    LayerDigest digest("sha256");
    digest.Update(tar);
    std::string id = digest.Id();
    auto import = LayerImport::Begin(*store_, ::geteuid() == 0);
    EXPECT_TRUE(import);
    EXPECT_TRUE(import->Write(tar));
    EXPECT_TRUE(import->Unpack(StringSource(tar)));
    EXPECT_TRUE(import->Commit(id));
    return id;
  }
  std::string AddImage(const std::string& name, std::vector<std::string> layers) {
    auto lock = LockLayers(*store_, Lock::Kind::kShared);
    auto stored = StoreLayeredImage(*store_, {TestManifest(name), std::move(layers)});
    EXPECT_TRUE(stored) << stored.error().Text();
    return stored ? stored->key : "";
  }
  std::string lower_, upper_, c_, d_;
};

TEST_F(LayerCheckTest, WholeOnesAreLeftAlone) {
  CheckResult result = Run(true);
  EXPECT_TRUE(result.findings.empty()) << result.findings[0].problem;
  EXPECT_EQ(result.layers, 2u);
  EXPECT_EQ(result.images, 4u);
}

TEST_F(LayerCheckTest, ADamagedLayerTakesItsImagesAlongAndComesBackWithThem) {
  Damage(Path(LayerPath(upper_)), 600);
  ExpectHealed(Finding::Kind::kLayer, c_);
  EXPECT_FALSE(Stored(c_));
  EXPECT_TRUE(Stored(d_));
  EXPECT_FALSE(HasLayer(*store_, upper_));
  EXPECT_EQ(AddLayer("upper"), upper_);
  EXPECT_EQ(AddImage("example.com/c", {lower_, upper_}), c_);
  ExpectClean();
}

TEST_F(LayerCheckTest, TheListOfLayersIsCopiedFromTheBlob) {
  ASSERT_TRUE(UnlinkAt(store_->cas_fd(), ImageLayersPath(c_)));
  ExpectHealed(Finding::Kind::kLayerList, c_);
  ASSERT_TRUE(WriteFileAt(store_->cas_fd(), ImageLayersPath(c_), lower_ + "\n", 0660, true));
  ExpectHealed(Finding::Kind::kLayerList, c_);
  EXPECT_EQ(*ReadImageLayers(*store_, c_), (std::vector<std::string>{lower_, upper_}));
}

TEST_F(LayerCheckTest, ALayerIsUnpackedAnewButNotUnderARunningPod) {
  NEEDS_ROOT();
  std::string file = Path(StrCat(LayerTreePath(upper_), "/rootfs/upper"));
  Damage(file, 0);
  usage_.trees[TreeOf(c_)] = {{"some-pod", true}};
  EXPECT_FALSE(Run(true).Whole());
  EXPECT_NE(*ReadFile(file), "content of upper");
  usage_.trees.clear();
  EXPECT_FALSE(Run(false).Whole());
  EXPECT_TRUE(Run(true).Whole());
  EXPECT_EQ(*ReadFile(file), "content of upper");
  ExpectClean();
}

TEST_F(LayerCheckTest, SharedLayersAreCountedOnceInTheSum) {
  auto usage = MeasureStore(*store_, usage_);
  ASSERT_TRUE(usage) << usage.error().Text();
  ASSERT_EQ(usage->images.size(), 4u);
  int64_t own = 0;
  for (const ImageDiskUsage& image : usage->images) {
    own += image.layers;
    if (image.info.key == c_) {
      EXPECT_GT(image.shared, 0);
      EXPECT_GT(image.layers, 0);
    }
    if (image.info.key == d_) {
      EXPECT_EQ(image.layers, 0);
    }
  }
  int64_t shared = usage->images.back().shared;
  EXPECT_EQ(usage->layers, own + shared);
  EXPECT_EQ(usage->reclaimable, usage->blobs + usage->layers + usage->trees);
  // A pod that uses the image of one layer keeps that one.
  usage_.images[d_] = {{"some-pod", false}};
  auto used = MeasureStore(*store_, usage_);
  ASSERT_TRUE(used);
  EXPECT_EQ(used->reclaimable, usage->reclaimable - shared - used->images.back().blob);
}

}  // namespace
}  // namespace rkt::store
