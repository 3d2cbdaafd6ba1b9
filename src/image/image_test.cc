// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// References, imports through the fetch program, and what the commands under `rkt image` do.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "image/import.h"
#include "image/operations.h"
#include "image/reference.h"
#include "store/test_images.h"

namespace rkt::image {
namespace {

using store::Store;
using store::TestArchive;
using store::TestDir;
using store::TestEntry;
using store::TestManifest;

std::string Image(std::string_view name, std::string_view version = {}, std::string_view more = {}) {
  TestArchive archive;
  archive.File("manifest", TestManifest(name, version, more));
  archive.File("rootfs/file", StrCat("content of ", name));
  return archive.Finish();
}

class ImageTest : public testing::Test {
 protected:
  void SetUp() override {
    auto store = Store::Open(dir_.path() + "/data");
    ASSERT_TRUE(store) << store.error().Text();
    store_.emplace(*std::move(store));
    options_.insecure_image = true;
  }
  std::string Path(std::string_view name) { return StrCat(dir_.path(), "/", name); }
  std::string File(std::string_view name, std::string_view content) {
    EXPECT_TRUE(WriteFileAt(AT_FDCWD, Path(name), content, 0644, true));
    return Path(name);
  }
  std::string Fetch(const std::string& path) {
    auto key = FindImage(*store_, path, options_);
    EXPECT_TRUE(key) << key.error().Text();
    return std::move(key).value_or("");
  }

  TestDir dir_;
  std::optional<Store> store_;
  FetchOptions options_;
};

TEST(Reference, StringsAreWhatTheReferenceSays) {
  auto kind = [](std::string_view text) {
    auto reference = ParseReference(text);
    EXPECT_TRUE(reference) << text << ": " << reference.error().Text();
    return reference ? reference->kind : ReferenceKind::kUrl;
  };
  EXPECT_EQ(kind("/abs/a.aci"), ReferenceKind::kFile);
  EXPECT_EQ(kind("./a.aci"), ReferenceKind::kFile);
  EXPECT_EQ(kind("missing.aci"), ReferenceKind::kFile);
  EXPECT_EQ(kind("file:///abs/a.aci"), ReferenceKind::kFile);
  EXPECT_EQ(kind("https://host/a.aci"), ReferenceKind::kUrl);
  EXPECT_EQ(kind("docker://busybox"), ReferenceKind::kDocker);
  EXPECT_EQ(kind("docker:busybox:1"), ReferenceKind::kDocker);
  EXPECT_EQ(kind("example.com/a"), ReferenceKind::kName);
  EXPECT_EQ(kind("my-app:v1"), ReferenceKind::kName);
  EXPECT_EQ(kind("example.com/a:1.0,os=linux"), ReferenceKind::kName);
  EXPECT_EQ(kind("sha512-80af"), ReferenceKind::kHash);
  EXPECT_EQ(kind("cimd:docker:v=0:busybox"), ReferenceKind::kDocker);
  EXPECT_EQ(ParseReference("file://rel/a.aci")->location, "/a.aci") << "a host is dropped";
  EXPECT_EQ(ParseReference("cimd:aci-archive:v=0:file%3A%2F%2F%2Fx%2Fa.aci")->location, "/x/a.aci");
  auto named = ParseReference("cimd:appc:v=0:example.com/a?version=2&os=linux");
  ASSERT_TRUE(named) << named.error().Text();
  EXPECT_EQ(named->name.version(), "2");
  EXPECT_EQ(*ParseReference("example.com/a")->name.Find("os"), "linux") << "the host's unless asked otherwise";
  EXPECT_EQ(ParseReference("/x/noext").error().message(), "invalid image string \"file:///x/noext\": an image file's name ends in .aci "
            "(docker-archive:FILE, oci-archive:FILE and oci:DIR name others)");
  for (const char* bad : {"", "file:///x/noext", "https://host/a.tar", "docker:///x", "docker:", "cimd:x:v=0:y",
                          "cimd:appc:v=1:a", "cimd:aci-archive:v=0:a%2", "a,os=plan9", "a:1:2", "Upper"}) {
    EXPECT_FALSE(ParseReference(bad)) << bad;
  }
}

TEST_F(ImageTest, AnExistingFileIsPreferredToAName) {
  std::string path = File("a.aci", Image("a"));
  ASSERT_EQ(::chdir(dir_.path().c_str()), 0);
  EXPECT_EQ(ParseReference("a.aci")->kind, ReferenceKind::kFile);
  File("plain", "x");
  EXPECT_FALSE(ParseReference("plain")) << "a file, and its name must end in .aci";
  ASSERT_EQ(::chdir("/"), 0);
}

TEST_F(ImageTest, AFileIsImportedAndFoundAgain) {
  std::string bytes = Image("example.com/a", "1.0");
  std::string path = File("a.aci", bytes);
  ImportOptions import;
  import.insecure = true;
  auto result = ImportFile(*store_, path, import);
  ASSERT_TRUE(result) << result.error().Text();
  EXPECT_EQ(result->key, "sha512-" + Sha512Hex(bytes).substr(0, 64));
  EXPECT_EQ(result->name, "example.com/a");
  EXPECT_EQ(result->version, "1.0");
  EXPECT_FALSE(result->already_stored);
  EXPECT_EQ(result->tree_id.empty(), ::geteuid() != 0);
  EXPECT_TRUE(ImportFile(*store_, path, import)->already_stored);
  EXPECT_EQ(FindImage(*store_, "example.com/a:1.0", options_).value_or(""), result->key);
  EXPECT_EQ(FindImage(*store_, result->key.substr(0, 20), options_).value_or(""), result->key);
  EXPECT_EQ(*FetchImages(*store_, {{path, ""}, {"example.com/a", ""}}, options_),
            (std::vector<std::string>{result->key, result->key}));
}

TEST_F(ImageTest, NothingIsAcceptedUnsignedUnlessAskedFor) {
  std::string path = File("a.aci", Image("a"));
  options_.insecure_image = false;
  auto missing = FindImage(*store_, path, options_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message(), "error opening signature file");
  EXPECT_EQ(missing.error().Innermost().message(), StrCat("open ", path, ".asc: no such file or directory"));
  File("a.aci.asc", "-----BEGIN PGP SIGNATURE-----");
  auto unchecked = FindImage(*store_, path, options_);
  ASSERT_FALSE(unchecked);
  EXPECT_EQ(store_->ListImages()->size(), 0u);
  // Stage1 images that came with rkt are its own.
  EXPECT_TRUE(FindStage1Image(*store_, path, options_, dir_.path()));
  EXPECT_FALSE(FindStage1Image(*store_, path, options_, "/usr/lib/rkt/stage1-images"));
}

TEST_F(ImageTest, ErrorsOfTheFetchProgramComeBackWhole) {
  ImportOptions import;
  import.insecure = true;
  auto text = [&](std::string_view content) {
    auto result = ImportFile(*store_, File("x.aci", content), import);
    EXPECT_FALSE(result);
    return result ? std::string() : result.error().Innermost().message();
  };
  std::string file = Path("x.aci") + ": ";
  EXPECT_EQ(text(""), file + "no type returned from DetectFileType?");
  EXPECT_EQ(text("hello\n"), file + "no type returned from DetectFileType?");
  EXPECT_EQ(text(std::string(1000, '\2')), file + "error: unknown image filetype");
  TestArchive none, evil;
  none.File("rootfs/f", "x");
  EXPECT_EQ(text(none.Finish()), file + "missing manifest");
  evil.File("manifest", TestManifest("a")).File("rootfs/../../x%y", "x");
  EXPECT_NE(text(evil.Finish()).find("\"..\" in the name"), std::string::npos);
  EXPECT_EQ(ImportFile(*store_, Path("nowhere.aci"), import).error().message(),
            StrCat("open ", Path("nowhere.aci"), ": no such file or directory"));
  ASSERT_EQ(::mkfifo(Path("fifo.aci").c_str(), 0600), 0);
  EXPECT_FALSE(ImportFile(*store_, Path("fifo.aci"), import)) << "and it does not wait";
}

TEST_F(ImageTest, NeverMeansTheStoreAlone) {
  options_.pull = PullPolicy::kNever;
  const std::pair<const char*, const char*> cases[] = {
      {"https://host/a.aci", "unable to fetch image from URL \"https://host/a.aci\""},
      {"docker://busybox", "unable to fetch image from docker reference \"docker://busybox\""},
      {"example.com/unknown", "unable to fetch image from image name \"example.com/unknown\""}};
  for (const auto& [text, message] : cases) {
    auto found = FindImage(*store_, text, options_);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code(), Code::kNotFound);
    EXPECT_NE(found.error().message().find(message), std::string::npos) << found.error().message();
  }
  EXPECT_EQ(ParsePullPolicy("bogus"), PullPolicy::kNew);
}

TEST_F(ImageTest, DependenciesMustBeStored) {
  options_.pull = PullPolicy::kNever;
  std::string top = File("top.aci", Image("top", {}, R"("dependencies":[{"imageName":"base"}])"));
  auto missing = FindImage(*store_, top, options_);
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message().find("depends on \"base\""), std::string::npos) << missing.error().message();
  Fetch(File("base.aci", Image("base")));
  std::string key = Fetch(top);
  EXPECT_EQ(store_->IsRendered(*store_->TreeId(key)), ::geteuid() == 0) << "now it can be rendered";
}

TEST_F(ImageTest, WithoutRootAnImportWorksAndUnpackingIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "gives root up";
  std::string path = File("a.aci", Image("a"));
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0777), 0);
  pid_t pid = ::fork();
  if (pid == 0) {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(1);
    auto store = Store::Open(Path("own"));
    if (!store) ::_exit(2);
    auto key = FindImage(*store, path, options_);
    if (!key) {
      std::fprintf(stderr, "%s\n", key.error().Text().c_str());
      ::_exit(3);
    }
    if (store->IsRendered(*store->TreeId(*key))) ::_exit(4);
    auto extracted = ExtractImage(*store, *key, Path("out"), {});
    if (extracted || extracted.error().message() != "chroot capability not available.") ::_exit(5);
    if (!ExportImage(*store, *key, Path("copy.aci"), false)) ::_exit(6);
    if (!store->RemoveImage(*key)) ::_exit(7);
    ::_exit(0);
  }
  int status;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0) << "step " << WEXITSTATUS(status);
}

TEST_F(ImageTest, ExportGivesTheBytesBack) {
  std::string bytes = Image("a");
  std::string key = Fetch(File("a.aci", bytes));
  ASSERT_TRUE(ExportImage(*store_, "a", Path("out.tar"), false));
  EXPECT_EQ(ReadFile(Path("out.tar")).value_or(""), bytes);
  auto again = ExportImage(*store_, key, Path("out.tar"), false);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().message(), "output ACI file exists (try --overwrite)");
  EXPECT_TRUE(ExportImage(*store_, key, Path("out.tar"), true));
  EXPECT_EQ(ExportImage(*store_, "nowhere", Path("x"), false).error().code(), Code::kNotFound);
}

TEST_F(ImageTest, ExtractAndRenderMakeTheirDirectory) {
  if (::geteuid() != 0) GTEST_SKIP() << "unpacking needs root";
  Fetch(File("base.aci", Image("base")));
  TestArchive archive;
  archive.File("manifest", TestManifest("top", {}, R"("dependencies":[{"imageName":"base"}])"));
  archive.File("rootfs/own", "own");
  std::string key = Fetch(File("top.aci", archive.Finish()));
  ASSERT_TRUE(ExtractImage(*store_, "top", Path("extracted"), {}));
  EXPECT_TRUE(Exists(Path("extracted/manifest")));
  EXPECT_TRUE(Exists(Path("extracted/rootfs/own")));
  EXPECT_FALSE(Exists(Path("extracted/rootfs/file"))) << "that image alone";
  EXPECT_EQ(ExtractImage(*store_, "top", Path("extracted"), {}).error().code(), Code::kExists);
  ASSERT_TRUE(ExtractImage(*store_, "top", Path("extracted"), {.rootfs_only = true, .overwrite = true}));
  EXPECT_TRUE(Exists(Path("extracted/own")));
  EXPECT_FALSE(Exists(Path("extracted/manifest")));
  EXPECT_FALSE(ExtractImage(*store_, "top", "//", {.rootfs_only = false, .overwrite = true}));

  std::string warning;
  auto warn = [&](const std::string& text) { warning = text; };
  ASSERT_TRUE(RenderImage(*store_, "top", Path("rendered"), {}, warn));
  EXPECT_EQ(warning, "");
  EXPECT_TRUE(Exists(Path("rendered/manifest")));
  EXPECT_TRUE(Exists(Path("rendered/rootfs/own")));
  EXPECT_TRUE(Exists(Path("rendered/rootfs/file"))) << "with its dependencies";
  std::string tree = *store_->TreeId(key);
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, store_->TreeRootfsPath(tree) + "/own", "evil", 0644, true));
  ASSERT_TRUE(RenderImage(*store_, "top", Path("rendered"), {.rootfs_only = false, .overwrite = true}, warn));
  EXPECT_EQ(warning, "tree cache is in a bad state. Rebuilding...");
  EXPECT_EQ(ReadFile(Path("rendered/rootfs/own")).value_or(""), "own");
}

TEST_F(ImageTest, VerifyHasThreeOutcomes) {
  std::string key = Fetch(File("a.aci", Image("a")));
  if (::geteuid() == 0) {
    EXPECT_EQ(VerifyImage(*store_, "a")->outcome, VerifyOutcome::kVerified);
    std::string tree = *store_->TreeId(key);
    ASSERT_TRUE(WriteFileAt(AT_FDCWD, store_->TreeRootfsPath(tree) + "/file", "evil", 0644, true));
    std::string heard;
    auto rebuilt = VerifyImage(*store_, "a", [&](const std::string& detail) { heard = detail; });
    ASSERT_TRUE(rebuilt) << rebuilt.error().Text();
    EXPECT_EQ(rebuilt->outcome, VerifyOutcome::kRebuilt);
    EXPECT_EQ(heard, rebuilt->detail);
    EXPECT_EQ(VerifyImage(*store_, "a")->outcome, VerifyOutcome::kVerified);
    ASSERT_TRUE(store_->RemoveTree(tree));
  }
  EXPECT_EQ(VerifyImage(*store_, "a")->outcome, VerifyOutcome::kNotRendered);
}

TEST_F(ImageTest, RemovingReportsEachImage) {
  std::string key = Fetch(File("a.aci", Image("a")));
  auto rows = RemoveImages(*store_, {"a", "nowhere", key});
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_TRUE(rows[0].status);
  EXPECT_EQ(rows[0].key, key);
  EXPECT_FALSE(rows[1].status);
  EXPECT_TRUE(rows[1].key.empty());
  EXPECT_FALSE(rows[2].status) << "gone already";
}

TEST_F(ImageTest, GarbageCollectionKeepsWhatIsUsed) {
  std::string a = Fetch(File("a.aci", Image("a"))), b = Fetch(File("b.aci", Image("b"))),
              c = Fetch(File("c.aci", Image("c")));
  GcOptions gc;
  gc.used_trees = {*store_->TreeId(a)};
  gc.used_keys = {b};
  gc.grace_ns = int64_t{3600} * 1'000'000'000;
  auto result = GarbageCollect(*store_, gc);
  ASSERT_TRUE(result) << result.error().Text();
  EXPECT_EQ(result->removed_trees.size(), ::geteuid() == 0 ? 2u : 0u);
  EXPECT_EQ(result->removed_images.size(), 0u) << "all younger than the grace period";
  gc.grace_ns = 0;
  auto reading = store_->OpenForReading(c);
  result = GarbageCollect(*store_, gc);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->removed_images, std::vector<std::string>{a}) << "b is used, c is being read";
  EXPECT_EQ(store_->ListImages()->size(), 2u);
  EXPECT_TRUE(result->errors.empty());
}

}  // namespace
}  // namespace rkt::image
