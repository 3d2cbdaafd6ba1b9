// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/stage1_image.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "store/import.h"
#include "store/test_images.h"

namespace rkt::stage0 {
namespace {

// The importer of the tests takes a file's content for the version of an image.
class Stage1Images : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: renders images";
    store_ =
        std::make_unique<store::Store>(*store::Store::Open(StrCat(temporary_.path(), "/data")));
    file_ = StrCat(temporary_.path(), "/stage1-x.aci");
    Build("1");
    options_.import = [this](store::Store& store, const std::string& location,
                             bool check) -> Result<std::string> {
      ++imports_;
      checked_ = check;
      return Import(store, TRY(ReadFile(location)));
    };
  }
  void Build(const std::string& version) {
    ASSERT_TRUE(WriteFileAtomicAt(AT_FDCWD, file_, version, 0644));
  }
  static std::string Import(store::Store& store, const std::string& version) {
    store::TestArchive archive;
    const std::string& bytes = archive.File("manifest", store::TestManifest("example.com/x", "1"))
                                   .File("rootfs/init", version)
                                   .Finish();
    auto import = store::Store::Import::Begin(store, {});
    EXPECT_TRUE(import && import->Read(store::StringSource(bytes)));
    Sha512 hash;
    hash.Update(bytes);
    return import->Commit(hash.HexDigest())->key;
  }
  std::string Find() {
    auto image = FindStage1(*store_, options_);
    EXPECT_TRUE(image) << image.error().Text();
    if (!image) return "";
    EXPECT_TRUE(store_->IsRendered(image->tree_id));
    return image->key;
  }

  store::TestDir temporary_;
  std::unique_ptr<store::Store> store_;
  std::string file_;
  Stage1Options options_;
  int imports_ = 0;
  bool checked_ = false;
};

TEST_F(Stage1Images, AFileIsImportedOnceAndAgainWhenItHasChanged) {
  options_.choice = {Stage1Choice::Kind::kPath, file_};
  std::string first = Find();
  EXPECT_TRUE(checked_);
  EXPECT_EQ(Find(), first);
  EXPECT_EQ(imports_, 1);
  Build("2");  // the same size, name and version
  EXPECT_NE(Find(), first);
  EXPECT_EQ(imports_, 2);
  Find();
  EXPECT_EQ(imports_, 2);
}

TEST_F(Stage1Images, AFileIsImportedAgainWhenItsTreeIsGone) {
  options_.choice = {Stage1Choice::Kind::kPath, file_};
  std::string key = Find();
  ASSERT_TRUE(store_->RemoveTree(*store_->TreeId(key)));
  EXPECT_EQ(Find(), key);
  EXPECT_EQ(imports_, 2);
}

TEST_F(Stage1Images, ADamagedRecordIsNoRecord) {
  options_.choice = {Stage1Choice::Kind::kPath, file_};
  std::string key = Find();
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, StrCat(store_->data_dir(), "/stage1-images"),
                          "nonsense\n\n1 2 3\n", 0640, true));
  EXPECT_EQ(Find(), key);
  EXPECT_EQ(imports_, 2);
}

TEST_F(Stage1Images, TheConfiguredNameIsFoundInTheStoreWithoutItsFile) {
  std::string key = Import(*store_, "1");
  options_.defaults = {.name = "example.com/x", .version = "1", .location = "/does/not/exist.aci"};
  EXPECT_EQ(Find(), key);
  options_.choice = {Stage1Choice::Kind::kHash, key.substr(0, 20)};
  EXPECT_EQ(Find(), key);
  options_.choice = {Stage1Choice::Kind::kName, "example.com/x:1"};
  EXPECT_EQ(Find(), key);
  EXPECT_EQ(imports_, 0);
}

TEST_F(Stage1Images, WhereNoneIsFoundTheErrorSaysWhereItWasLookedFor) {
  options_.defaults = {.name = "example.com/y", .version = "3", .location = "/does/not/exist.aci"};
  auto image = FindStage1(*store_, options_);
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().message(),
            "no stage1 image: example.com/y:3 is neither in the store nor at /does/not/exist.aci");
}

}  // namespace
}  // namespace rkt::stage0
