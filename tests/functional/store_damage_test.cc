// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Damage of every kind in the image store: fsck tells it and changes nothing, --repair heals it or says what to fetch again,
// and afterwards the images run.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

#include "functional/harness/pod_test.h"
#include "servers/registry.h"

namespace rkt::test {
namespace {

// The names below the directory with what lstat says, except of locks: what a check must leave as it is.
std::string Picture(const std::string& directory) {
  return RunProgram({"sh", "-c",
                     "cd " + directory + " && find . -path ./imagelocks -prune -o -path ./treestorelocks -prune -o "
                     "-name layer.lock -prune -o -type d -printf '%p %m %i\\n' -o -printf '%p %y %m %s %T@ %i\\n' | sort"}).out;
}

class StoreDamage : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    shared_ = Tar().Dir("bin").HostFile("bin/busybox", RKT_BUSYBOX).Dir("d").File("d/low", "low").Finish();
    one_layer_ = Tar().File("what", "one\n").Finish();
    base_ = Fetch(WriteImage("base.aci", ImageSpec{.name = "example.com/base"}));
    one_ = FetchLayers("one", {shared_, one_layer_});
    two_ = FetchLayers("two", {shared_, Tar().File("what", "two\n").File("d/.wh.low", "").Finish()});
  }

  std::string FetchLayers(const std::string& name, const std::vector<std::string>& layers) {
    OciImage image;
    image.layers = layers;
    image.config = R"("Cmd":["/bin/busybox","cat","/what"])";
    WriteLayout(dir() + "/" + name, name, image);
    return FetchAgain(name);
  }
  std::string FetchAgain(const std::string& name) {
    return Trim(RktOk({"fetch", "--full", name == "base" ? dir() + "/base.aci" : "oci:" + dir() + "/" + name}).out);
  }
  // Each image as it is, and by name: its pod prints what it should.
  void ExpectRuns(const std::string& name) {
    if (name == "base") {
      RunOk({base_, "--exec=/bin/true"});
    } else {
      EXPECT_EQ(Trim(AppText(RunOk({name == "one" ? one_ : two_}).out)), name);
    }
  }

  std::string Cas(const std::string& path) const { return data() + "/cas/" + path; }
  std::string Keyed(const std::string& kind, const std::string& id) const {
    return Cas(kind + "/sha512/" + id.substr(7, 2) + "/" + id);
  }
  std::string LayerId(const std::string& tar) const { return "sha256-" + Digest(tar).substr(7); }
  std::string TreeOf(const std::string& id) const {
    for (const std::string& tree : ListDir(Cas("tree"))) {
      if (Trim(ReadFile(Cas("tree/" + tree + "/image"))) == id) return Cas("tree/" + tree);
    }
    return "";
  }
  static void Flip(const std::string& file) {
    std::string bytes = ReadFile(file);
    ASSERT_FALSE(bytes.empty()) << file;
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC);
    ASSERT_GE(fd, 0) << file;
    EXPECT_EQ(pwrite(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    close(fd);
  }
  static void Replace(const std::string& file, const std::string& content) {
    RemoveAll(file);
    WriteFile(file, content, 0660);
  }
  static void ReplaceByDirectory(const std::string& file) {
    RemoveAll(file);
    MakeDirs(file + "/inside");
  }
  static void ReplaceByFifo(const std::string& file) {
    RemoveAll(file);
    ASSERT_EQ(mkfifo(file.c_str(), 0660), 0);
  }

  struct Case {
    std::string what;  // for messages
    std::function<void()> damage;
    std::string found;    // begins a line of the check; empty: that is no damage
    std::string outcome;  // part of that line with --repair
    std::vector<std::string> images = {"base"};  // that must run afterwards
    bool fetch = false;                          // having been fetched again
  };
  void Check(const std::vector<Case>& cases) {
    for (const Case& each : cases) {
      SCOPED_TRACE(each.what);
      each.damage();
      const std::string before = Picture(data() + "/cas");
      Output found = Rkt({"image", "fsck"}, {.timeout = 60});
      EXPECT_EQ(found.code, each.found.empty() ? 0 : 254) << found.All();
      EXPECT_TRUE(Picture(data() + "/cas") == before) << "a check changed something";
      EXPECT_TRUE(Contains("\n" + found.out, "\n" + each.found)) << "expected: " << each.found << "\n" << found.All();
      Output healed = RktOk({"image", "fsck", "--repair"});
      EXPECT_TRUE(Contains(healed.out, each.outcome)) << "expected: " << each.outcome << "\n" << healed.out;
      for (const std::string& name : each.images) {
        if (each.fetch) FetchAgain(name);
        ExpectRuns(name);  // which renders its tree, too
      }
      RktOk({"gc", "--grace-period=0s"});
      Output whole = Rkt({"image", "fsck"});
      EXPECT_EQ(whole.code, 0) << whole.All();
      if (HasFailure()) return;
    }
  }

  std::string shared_, one_layer_, base_, one_, two_;
};

TEST_F(StoreDamage, Blobs) {
  const std::string blob = Keyed("blob", base_);
  const std::string gone = "the image was removed: fetch it again";
  Check({
      {"cut", [&] { ASSERT_EQ(truncate(blob.c_str(), 1000), 0); }, "blob " + base_ + ": its content has another hash", gone, {"base"}, true},
      {"a bit", [&] { Flip(blob); }, "blob " + base_ + ": its content has another hash", gone, {"base"}, true},
      {"missing", [&] { unlink(blob.c_str()); }, "blob " + base_ + ": missing", gone, {"base"}, true},
      {"a directory", [&] { ReplaceByDirectory(blob); }, "blob " + base_ + ": is no regular file", gone, {"base"}, true},
      {"a FIFO", [&] { ReplaceByFifo(blob); }, "blob " + base_ + ": is no regular file", gone, {"base"}, true},
      {"of layers", [&] { Flip(Keyed("blob", one_)); }, "blob " + one_ + ": its content", gone, {"one", "two"}, true},
      {"all", [&] { RemoveAll(Cas("blob")); }, "directory blob: missing", gone, {"base", "one"}, true},
  });
}

TEST_F(StoreDamage, Manifests) {
  const std::string manifest = Keyed("imageManifest", base_), copied = "copied from the blob";
  const std::string line = "manifest " + base_ + ": ";
  Check({
      {"a bit", [&] { Flip(manifest); }, line + "differs", copied},
      {"empty", [&] { Replace(manifest, ""); }, line + "differs", copied},
      {"missing", [&] { unlink(manifest.c_str()); }, line + "missing", copied},
      {"a directory", [&] { ReplaceByDirectory(manifest); }, line, copied},
      {"a FIFO", [&] { ReplaceByFifo(manifest); }, line, copied},
      {"all", [&] { RemoveAll(Cas("imageManifest")); }, "directory imageManifest: missing", copied, {"base", "one"}},
      {"list of layers missing", [&] { unlink(Keyed("imageLayers", one_).c_str()); }, "layer-list " + one_ + ": missing", copied, {"one"}},
      {"list of layers garbage", [&] { Replace(Keyed("imageLayers", one_), "x\n"); }, "layer-list " + one_ + ": differs", copied, {"one"}},
      {"list of another", [&] { Replace(Keyed("imageLayers", one_), ReadFile(Keyed("imageLayers", two_))); },
       "layer-list " + one_ + ": differs", copied, {"one", "two"}},
  });
}

// Until somebody repairs it, the command says which image it is, and fetching it again mends it too.
TEST_F(StoreDamage, ADamagedManifestIsNamedAndMendedByAFetch) {
  const std::string manifest = Keyed("imageManifest", base_);
  const std::vector<std::function<void()>> damages = {
      [&] { Flip(manifest); }, [&] { Replace(manifest, ""); }, [&] { unlink(manifest.c_str()); },
      [&] { ReplaceByDirectory(manifest); }, [&] { ReplaceByFifo(manifest); }};
  for (size_t i = 0; i < damages.size(); ++i) {
    SCOPED_TRACE(i);
    damages[i]();
    Output output = Run({base_, "--exec=/bin/true"});
    EXPECT_EQ(output.code, 254) << output.All();
    EXPECT_TRUE(Contains(output.err, "image " + base_ + " is damaged: its manifest") ||
                Contains(output.err, "image " + base_ + " is damaged: imageManifest/"))
        << output.err;
    EXPECT_TRUE(Contains(output.err, "(try rkt image fsck --repair)")) << output.err;
    EXPECT_EQ(FetchAgain("base"), base_);
    ExpectRuns("base");
  }
}

TEST_F(StoreDamage, TheIndex) {
  const std::string index = Cas("index"), anew = "made anew from the blobs";
  const std::vector<std::string> all = {"base", "one", "two"};
  std::string earlier;
  Check({
      {"garbage", [&] { Replace(index, "garbage"); }, "index index: ", anew, all},
      {"empty", [&] { Replace(index, ""); }, "index index: ", anew, all},
      {"missing", [&] { unlink(index.c_str()); }, "index index: missing", anew, all},
      {"cut", [&] { ASSERT_EQ(truncate(index.c_str(), 200), 0); }, "index index: ", anew, all},
      {"a directory", [&] { ReplaceByDirectory(index); }, "index index: ", anew, all},
      {"a FIFO", [&] { ReplaceByFifo(index); }, "index index: ", anew, all},
      {"a row of nothing",
       [&] {
         unlink(Keyed("blob", base_).c_str());
         unlink(Keyed("imageManifest", base_).c_str());
       },
       "blob " + base_ + ": missing", "fetch it again", {"base"}, true},
      {"rows missing",
       [&] {
         earlier = ReadFile(index);
         FetchLayers("three", {shared_, Tar().File("what", "three\n").Finish()});
         Replace(index, earlier);
       },
       "left-over blob/", "removed", all},
  });
}

TEST_F(StoreDamage, Trees) {
  const std::string anew = "rendered anew", line = "tree deps-sha512-";
  auto in = [&](const std::string& path) { return TreeOf(base_) + path; };
  Check({
      {"entry missing", [&] { unlink(in("/rootfs/bin/busybox").c_str()); }, line, anew},
      {"entry changed", [&] { Flip(in("/rootfs/bin/busybox")); }, line, anew},
      {"entry's mode", [&] { chmod(in("/rootfs/bin/busybox").c_str(), 04755); }, line, anew},
      {"entry's owner", [&] { ASSERT_EQ(chown(in("/rootfs/bin/busybox").c_str(), 7, 7), 0); }, line, anew},
      {"entry's kind", [&] { Replace(in("/rootfs/bin/sh"), "x"); }, line, anew},
      {"entry too many", [&] { WriteFile(in("/rootfs/more"), ""); }, line, anew},
      {"half deleted", [&] { RemoveAll(in("/rootfs/bin")); }, line, anew},
      {"root deleted", [&] { RemoveAll(in("/rootfs")); }, line, anew},
      {"not marked as complete", [&] { unlink(in("/rendered").c_str()); }, line, anew},
      {"without a name", [&] { unlink(in("/image").c_str()); }, line, anew},
      {"without a manifest", [&] { unlink(in("/manifest").c_str()); }, line, anew},
      {"a file", [&] { Replace(TreeOf(base_), "x"); }, line, anew},
      {"missing", [&] { RemoveAll(TreeOf(base_)); }, "", "no damage"},
      {"all", [&] { RemoveAll(Cas("tree")); }, "directory tree: missing", "made", {"base", "one"}},
      {"of layers", [&] { Replace(TreeOf(one_) + "/layers", "x\n"); }, line, anew, {"one"}},
      {"of layers, root deleted", [&] { RemoveAll(TreeOf(one_) + "/rootfs"); }, line, anew, {"one"}},
  });
}

TEST_F(StoreDamage, SharedLayers) {
  const std::string tar = Cas("layer/" + LayerId(shared_)), tree = Cas("layertree/" + LayerId(shared_));
  const std::string lost = "its layer " + LayerId(shared_) + " is damaged: ", anew = "unpacked anew";
  const std::vector<std::string> both = {"one", "two"};
  Check({
      {"missing", [&] { unlink(tar.c_str()); }, "layer ", lost + "missing; the image was removed: fetch it again", both, true},
      {"a bit", [&] { Flip(tar); }, "layer ", lost + "its content has another hash", both, true},
      {"cut", [&] { ASSERT_EQ(truncate(tar.c_str(), 600), 0); }, "layer ", lost, both, true},
      {"a directory", [&] { ReplaceByDirectory(tar); }, "layer ", lost, both, true},
      {"of one alone", [&] { Flip(Cas("layer/" + LayerId(one_layer_))); }, "layer " + one_, "fetch it again", both, true},
      {"unpacked entry missing", [&] { unlink((tree + "/rootfs/bin/busybox").c_str()); }, "layer " + LayerId(shared_), anew, both},
      {"unpacked entry changed", [&] { Flip(tree + "/rootfs/bin/busybox"); }, "layer " + LayerId(shared_), anew, both},
      {"unpacked entry too many", [&] { WriteFile(tree + "/rootfs/more", ""); }, "layer " + LayerId(shared_), anew, both},
      {"half deleted", [&] { RemoveAll(tree + "/rootfs/bin"); }, "layer " + LayerId(shared_), anew, both},
      {"list of made directories", [&] { WriteFile(tree + "/info", "garbage"); }, "layer " + LayerId(shared_), anew, both},
  });
}

TEST_F(StoreDamage, WhatKilledProcessesLeaveAndWhatIsNotOurs) {
  const std::string other = "sha512-" + std::string(64, 'e');
  auto put = [&](const std::string& path, bool old = false) {
    MakeDirs(path.substr(0, path.rfind('/')));
    WriteFile(path, "x");
    if (old) RunProgram({"touch", "-d", "2001-01-01", path});
  };
  Check({
      {"half of an import", [&] { put(Cas("tmp/aabb/blob")); }, "left-over tmp/aabb", "removed"},
      {"half of a write", [&] { put(Keyed("blob", base_) + ".tmp.4194303.1", true); }, "left-over blob/", "removed"},
      {"half of an index", [&] { put(Cas("index.tmp.4194303.1"), true); }, "left-over index.tmp", "removed"},
      {"a write under way", [&] { put(Cas("index.tmp.4194303.2")); }, "", "no damage"},
      {"a blob without a row", [&] { put(Keyed("blob", other)); }, "left-over blob/", "removed"},
      {"a manifest without a row", [&] { put(Keyed("imageManifest", other)); }, "left-over blob/", "removed"},
      {"a download", [&] { put(Cas("tmp/" + other)); }, "", "no damage"},
      {"half of a layer", [&] { put(Cas("partial/" + LayerId(shared_))); }, "", "no damage"},
      {"a layer that nothing needs", [&] { put(Cas("layer/sha256-" + std::string(64, 'e'))); }, "", "no damage"},
      {"foreign files", [&] { for (const char* name : {"foreign", "blob/foreign", "layer/foreign", "tree/foreign"}) put(Cas(name)); },
       "", "no damage"},
  });
  EXPECT_FALSE(Exists(Cas("layer/sha256-" + std::string(64, 'e'))));
  RemoveAll(Cas("tmp/" + other));
  for (const char* name : {"foreign", "blob/foreign", "layer/foreign", "tree/foreign"}) EXPECT_TRUE(Exists(Cas(name))) << name;
}

TEST_F(StoreDamage, WithoutTheDirectoriesOfLocksNothingElseIsLookedAt) {
  RemoveAll(Cas("imagelocks"));
  RemoveAll(Cas("treestorelocks"));
  Output found = Rkt({"image", "fsck"});
  EXPECT_EQ(found.code, 254) << found.All();
  EXPECT_TRUE(StartsWith(found.out, "directory imagelocks: missing\ndirectory treestorelocks: missing\n0 image(s)")) << found.out;
  EXPECT_FALSE(Exists(Cas("imagelocks")));
  Output healed = RktOk({"image", "fsck", "--repair"});
  EXPECT_TRUE(Contains(healed.out, "directory imagelocks: missing; made")) << healed.out;
  for (const char* name : {"base", "one"}) ExpectRuns(name);
}

TEST_F(StoreDamage, ACheckIsNoUse) {
  auto used = [&] { return RktOk({"image", "list", "--format=json"}).out; };
  const std::string before = used();
  SleepFor(0.02);
  RktOk({"image", "fsck"});
  RktOk({"image", "fsck", "--repair"});
  EXPECT_EQ(used(), before) << "an image that is only looked at must get old";
}

TEST_F(StoreDamage, AMissingDependencyIsNamed) {
  ImageSpec spec{.name = "example.com/top"};
  spec.dependencies = R"([{"imageName": "example.com/base"}])";
  std::string id = Trim(RktOk({"fetch", "--full", "--pull-policy=new", WriteImage("top.aci", spec)}).out);
  Flip(Keyed("blob", base_));
  RktOk({"image", "fsck", "--repair"});
  Output output = Run({"--pull-policy=never", id});
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_TRUE(Contains(output.err, "image \"example.com/top\" depends on \"example.com/base\": ")) << output.err;
  FetchAgain("base");
  RunOk({id, "--exec=/bin/true"});
}

TEST_F(StoreDamage, DiskUsageCountsSharedBytesOnceAndAddsUp) {
  ImageSpec spec{.name = "example.com/top"};
  spec.dependencies = R"([{"imageName": "example.com/base"}])";
  RktOk({"fetch", "--pull-policy=new", WriteImage("top.aci", spec)});
  auto usage = [&] { return Facts::Parse(RktOk({"image", "du", "--format=json"}).out); };
  auto number = [](const Facts& facts, const std::string& path) { return std::atoll(facts[path].c_str()); };
  auto check = [&](const Facts& facts) {
    long long blobs = 0, own = 0, trees = 0, shared = 0, reclaimable = 0;
    for (size_t i = 0; i < facts.Count("/images"); ++i) {
      const std::string image = "/images/" + std::to_string(i) + "/";
      blobs += number(facts, image + "blob");
      own += number(facts, image + "layers");
      trees += number(facts, image + "trees");
      shared = std::max(shared, number(facts, image + "shared"));
      reclaimable += number(facts, image + "reclaimable");
    }
    EXPECT_EQ(blobs, number(facts, "/blobs"));
    EXPECT_EQ(trees, number(facts, "/trees"));
    EXPECT_EQ(own + shared, number(facts, "/layers")) << "what two share counts once";
    EXPECT_GT(shared, 0);
    EXPECT_GE(number(facts, "/total"), number(facts, "/blobs") + number(facts, "/layers") + number(facts, "/trees") +
                                           number(facts, "/temporary"));
    return reclaimable;
  };
  Facts before = usage();
  EXPECT_EQ(before.Count("/images"), 4u);
  EXPECT_LE(check(before), number(before, "/reclaimable"));
  EXPECT_EQ(number(before, "/reclaimable"), number(before, "/blobs") + number(before, "/layers") + number(before, "/trees"));
  // What du says of the whole is what the file system says.
  const std::string du = RunProgram({"du", "-s", "-B1", data() + "/cas"}).out;
  EXPECT_EQ(std::atoll(du.c_str()), number(before, "/total"));
  // Without one of the two the shared layer is the other's own.
  RktOk({"image", "rm", two_});
  RktOk({"image", "gc"});
  Facts after = usage();
  for (size_t i = 0; i < after.Count("/images"); ++i) {
    EXPECT_EQ(number(after, "/images/" + std::to_string(i) + "/shared"), 0);
  }
  EXPECT_LT(number(after, "/layers"), number(before, "/layers"));
  // And that is what comes free.
  RktOk({"image", "gc", "--grace-period=0s"});
  Facts none = usage();
  EXPECT_EQ(number(none, "/reclaimable"), 0);
  EXPECT_EQ(number(none, "/blobs") + number(none, "/layers") + number(none, "/trees"), 0);
}

}  // namespace
}  // namespace rkt::test
