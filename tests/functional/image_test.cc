// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Fetching files, and the commands about images in the store.

#include <sys/stat.h>
#include <unistd.h>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class Fetching : public PodTest {
 protected:
  void Refused(const std::string& tar, const std::string& text) {
    std::string path = WriteImage("refused.aci", tar);
    Output output = Rkt({"fetch", path});
    EXPECT_EQ(output.code, 254) << output.All();
    EXPECT_TRUE(Contains(output.err, text)) << "expected: " << text << "\n" << output.err;
    EXPECT_EQ(Trim(RktOk({"image", "list", "--format=json"}).out), "null");
    EXPECT_TRUE(ListDir(data() + "/cas/blob/sha512").empty());
  }
  std::string WithManifest(const std::string& json) {
    return Tar().File("manifest", json).Dir("rootfs").Finish();
  }
};
class Images : public PodTest {};

std::string KeyOf(const std::string& tar_path) {
  return "sha512-" + RunProgram({"sha512sum", tar_path}).out.substr(0, 64);
}

TEST_F(Fetching, IdIsTheHashOfTheUncompressedTarWhateverTheCompression) {
  std::string tar = WriteImage("plain.aci", ImageSpec{});
  std::string key = KeyOf(tar);
  std::string id = Fetch(tar);
  EXPECT_EQ(id.substr(0, 71), key);
  const std::pair<const char*, const char*> tools[] = {
      {"gzip", "gzip -1"}, {"bzip2", "bzip2 -1"}, {"xz", "xz -0"}, {"zstd", "zstd -q -1"}};
  for (const auto& [name, command] : tools) {
    std::string file = dir() + "/" + name + ".aci";
    ASSERT_EQ(RunProgram({"sh", "-c", std::string(command) + " < " + tar + " > " + file}).code, 0)
        << name;
    RktOk({"image", "rm", key});
    EXPECT_EQ(Fetch(file), id) << name;
  }
  std::string two = dir() + "/members.aci";
  ASSERT_EQ(RunProgram({"sh", "-c",
                        "(head -c 100000 " + tar + " | gzip; tail -c +100001 " + tar +
                            " | gzip) > " + two})
                .code,
            0);
  EXPECT_EQ(Fetch(two), id) << "gzip of two members";
}

TEST_F(Fetching, IdsAreShortUnlessFullOnesAreAskedFor) {
  std::string shorter = Trim(RktOk({"fetch", JudgeAci()}).out);
  std::string full = Trim(RktOk({"fetch", "--full", JudgeAci()}).out);
  EXPECT_EQ(shorter.size(), 39u);
  EXPECT_EQ(full.size(), 71u);
  EXPECT_TRUE(StartsWith(full, shorter));
}

TEST_F(Fetching, KindsOfReferencesToFiles) {
  std::string image = WriteImage("a.aci", ImageSpec{});
  std::string id = Fetch(image);
  EXPECT_EQ(Trim(RktOk({"fetch", "--full", "./a.aci"}, {.directory = dir()}).out), id);
  EXPECT_EQ(Trim(RktOk({"fetch", "--full", "a.aci"}, {.directory = dir()}).out), id);
  EXPECT_EQ(Trim(RktOk({"fetch", "--full", "file://" + image}).out), id);
  EXPECT_EQ(Trim(RktOk({"image", "fetch", "--full", image}).out), id);
  std::string escaped;
  for (char c : "file://" + image)
    escaped += c == '/' ? "%2F" : c == ':' ? "%3A" : std::string(1, c);
  EXPECT_EQ(Trim(RktOk({"fetch", "--full", "cimd:aci-archive:v=0:" + escaped}).out), id);
  WriteFile(dir() + "/noext", ReadFile(image));
  Output output = Rkt({"fetch", dir() + "/noext"});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "invalid image string \"file://" + dir() + "/noext\""))
      << output.err;
}

TEST_F(Fetching, ImageIsRenderedAtOnce) {
  Fetch(JudgeAci());
  std::vector<std::string> trees = ListDir(data() + "/cas/tree");
  ASSERT_EQ(trees.size(), 1u);
  std::string tree = data() + "/cas/tree/" + trees[0];
  EXPECT_TRUE(StartsWith(trees[0], "deps-sha512-"));
  EXPECT_TRUE(Exists(tree + "/rendered"));
  struct stat st;
  ASSERT_EQ(lstat((tree + "/rootfs/owned").c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 1234u);
  EXPECT_EQ(st.st_gid, 2345u);
  EXPECT_EQ(st.st_mtime, 1000000000);
  EXPECT_EQ(ModeOf(tree + "/rootfs/tmp"), 01777u);
}

TEST_F(Fetching, NeverAsksTheNetworkWhenToldNotTo) {
  Output output = Rkt({"fetch", "--pull-policy=never", "example.com/unknown"});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "unable to fetch image from image name")) << output.err;
  Fetch(JudgeAci());
  EXPECT_EQ(Rkt({"fetch", "--pull-policy=never", "example.com/judge"}).code, 0);
  EXPECT_EQ(Rkt({"fetch", "--pull-policy=bogus", "example.com/judge"}).code, 0);
}

TEST_F(Fetching, UnsignedImageIsRefusedUnlessAllowed) {
  insecure_ = "";
  Output output = Rkt({"fetch", JudgeAci()});
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_FALSE(Exists(data() + "/cas/blob/sha512/" + "00"));
  EXPECT_TRUE(ListDir(data() + "/cas/blob/sha512").empty());
}

TEST_F(Fetching, WhatIsNoImageIsRefused) {
  Refused("just text\n", "");
  Refused("", "");
  Refused(Tar().Dir("rootfs").Finish(), "missing manifest");
  Refused(WithManifest("{\"acKind\": \"ImageManifest\",\n  oops}"), "");
  Refused(WithManifest(R"({"acKind":"PodManifest","acVersion":"0.8.11","name":"a"})"), "");
  Refused(WithManifest(R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":"UPPER"})"), "");
  Refused(WithManifest(R"({"acKind":"ImageManifest","acVersion":"x","name":"a"})"), "");
  Refused(
      WithManifest(
          R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":"a","labels":[{"name":"name","value":"b"}]})"),
      "");
  Refused(
      WithManifest(
          R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":"a","app":{"exec":["/x"],"group":"0"}})"),
      "");
}

TEST_F(Fetching, UnknownMembersOfManifestsAreNoError) {
  ImageSpec spec;
  spec.app = R"("surprise":{"a":[1,2]})";
  Fetch(WriteImage("extra.aci", spec));
}

TEST_F(Fetching, DependenciesAreRenderedBelow) {
  Tar lower;
  ImageSpec base;
  base.name = "example.com/base";
  lower.File("manifest", ManifestJson(base))
      .Dir("rootfs")
      .File("rootfs/low", "low\n")
      .File("rootfs/both", "low\n");
  std::string base_file = WriteImage("base.aci", lower.Finish());
  Tar upper;
  ImageSpec top;
  top.name = "example.com/top";
  top.dependencies = R"([{"imageName":"example.com/base"}])";
  upper.File("manifest", ManifestJson(top))
      .Dir("rootfs")
      .HostFile("rootfs/judge", RKT_JUDGE)
      .File("rootfs/both", "top\n");
  std::string top_file = WriteImage("top.aci", upper.Finish());
  Fetch(base_file);
  std::string id = Trim(RktOk({"fetch", "--full", "--pull-policy=new", top_file}).out);
  RktOk({"image", "render", id, dir() + "/out"});
  EXPECT_EQ(ReadFile(dir() + "/out/rootfs/low"), "low\n");
  EXPECT_EQ(ReadFile(dir() + "/out/rootfs/both"), "top\n");
  RktOk({"image", "extract", id, dir() + "/only"});
  EXPECT_FALSE(Exists(dir() + "/only/rootfs/low"));
  EXPECT_EQ(AppLines(RunOk({id, "--", "show", "/low"}).out), Args{"low"});
}

TEST_F(Fetching, CycleOfDependenciesEnds) {
  ImageSpec spec;
  spec.name = "example.com/self";
  spec.dependencies = R"([{"imageName":"example.com/self"}])";
  Output output =
      Rkt({"fetch", "--pull-policy=new", WriteImage("self.aci", spec)}, {.timeout = 20});
  EXPECT_FALSE(output.timed_out);
  EXPECT_EQ(output.code, 254) << output.All();
}

TEST_F(Images, ListShowsWhatThereIs) {
  EXPECT_EQ(Trim(RktOk({"image", "list", "--format=json"}).out), "null");
  std::string id = Fetch(JudgeAci());
  std::vector<std::string> lines = Lines(RktOk({"image", "list"}).out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(StartsWith(lines[0], "ID\t\t\tNAME\t\t\tSIZE\tIMPORT TIME\tLAST USED")) << lines[0];
  EXPECT_TRUE(StartsWith(lines[1], id.substr(0, 19) + "\texample.com/judge:1.0.0\t")) << lines[1];
  EXPECT_TRUE(Contains(lines[1], "MiB\t")) << lines[1];
  Facts list = Facts::Parse(RktOk({"image", "list", "--format=json"}).out);
  EXPECT_EQ(list.Keys("/0"), (Args{"id", "name", "import_time", "last_used_time", "size"}));
  EXPECT_EQ(list["/0/id"], id);
  EXPECT_EQ(list["/0/name"], "example.com/judge:1.0.0");
  EXPECT_EQ(list["/0/import_time"].size(), 19u);
}

TEST_F(Images, ListSortsAndSelects) {
  for (const char* name : {"example.com/b", "example.com/a", "example.com/c"}) {
    ImageSpec spec;
    spec.name = name;
    Fetch(WriteImage(std::string(name + 12) + ".aci",
                     Tar().File("manifest", ManifestJson(spec)).Dir("rootfs").Finish()));
  }
  EXPECT_EQ(
      RktOk({"image", "list", "--no-legend", "--fields=name", "--sort=name", "--order=desc"}).out,
      "example.com/c:1.0.0\nexample.com/b:1.0.0\nexample.com/a:1.0.0\n");
  EXPECT_EQ(RktOk({"image", "list", "--no-legend", "--fields=name"}).out,
            "example.com/b:1.0.0\nexample.com/a:1.0.0\nexample.com/c:1.0.0\n");
  EXPECT_TRUE(StartsWith(RktOk({"image", "list", "--fields=size,id"}).out, "SIZE"));
  EXPECT_EQ(Rkt({"image", "list", "--sort=bogus"}).code, 254);
  EXPECT_EQ(Rkt({"image", "list", "--fields=bogus"}).code, 254);
}

TEST_F(Images, NamesAndHashesFindAnImage) {
  std::string id = Fetch(JudgeAci());
  std::string manifest = RktOk({"image", "cat-manifest", id}).out;
  EXPECT_TRUE(StartsWith(manifest, "{\n\t\"acKind\": \"ImageManifest\"")) << manifest;
  for (const std::string& reference :
       {id.substr(0, 12), std::string("example.com/judge"), std::string("example.com/judge:1.0.0"),
        std::string("example.com/judge:1.0.0,os=linux")}) {
    EXPECT_EQ(RktOk({"image", "cat-manifest", reference}).out, manifest) << reference;
  }
  EXPECT_EQ(Lines(RktOk({"image", "cat-manifest", "--pretty-print=false", id}).out).size(), 1u);
  const std::pair<std::string, std::string> wrong[] = {
      {"sha512-1", "image ID too short"},
      {"sha512-ffffffffffffffff", "no image IDs found"},
      {"example.com/judge:2.0", "cannot find aci satisfying name: \"example.com/judge\""}};
  for (const auto& [reference, text] : wrong) {
    Output output = Rkt({"image", "cat-manifest", reference});
    EXPECT_EQ(output.code, 254) << reference;
    EXPECT_TRUE(Contains(output.err, text)) << reference << "\n" << output.err;
  }
}

TEST_F(Images, NewestOfSeveralIsTaken) {
  ImageSpec old, newer;
  newer.version = "2.0.0";
  Fetch(WriteImage("new.aci", Tar().File("manifest", ManifestJson(newer)).Dir("rootfs").Finish()));
  std::string id = Fetch(
      WriteImage("old.aci", Tar().File("manifest", ManifestJson(old)).Dir("rootfs").Finish()));
  EXPECT_TRUE(Contains(RktOk({"image", "cat-manifest", "example.com/judge"}).out, "\"1.0.0\""))
      << "imported last";
}

TEST_F(Images, ExportGivesTheTarBack) {
  std::string id = Fetch(JudgeAci());
  std::string file = dir() + "/exported.aci";
  RktOk({"image", "export", id, file});
  EXPECT_EQ(KeyOf(file), id.substr(0, 71));
  EXPECT_EQ(ModeOf(file), 0644u);
  Output output = Rkt({"image", "export", id, file});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "output ACI file exists (try --overwrite)")) << output.err;
  RktOk({"image", "export", "--overwrite", id, file});
}

TEST_F(Images, ExtractAndRender) {
  Tar tar;
  tar.File("manifest", ManifestJson({}))
      .Dir("rootfs")
      .File("rootfs/one", "text\n")
      .HardLink("rootfs/two", "rootfs/one");
  tar.Add({.name = "rootfs/pipe", .type = '6'})
      .Add({.name = "rootfs/node", .type = '3', .major = 1, .minor = 3});
  std::string id = Fetch(WriteImage("links.aci", tar.Finish()));
  RktOk({"image", "extract", id, dir() + "/whole"});
  EXPECT_EQ(ListDir(dir() + "/whole"), (Args{"manifest", "rootfs"}));
  struct stat one, two;
  ASSERT_EQ(lstat((dir() + "/whole/rootfs/one").c_str(), &one), 0);
  ASSERT_EQ(lstat((dir() + "/whole/rootfs/two").c_str(), &two), 0);
  EXPECT_EQ(one.st_ino, two.st_ino);
  RktOk({"image", "extract", "--rootfs-only", id, dir() + "/root"});
  EXPECT_EQ(ListDir(dir() + "/root"), (Args{"node", "one", "pipe", "two"}));
  EXPECT_EQ(Rkt({"image", "extract", id, dir() + "/whole"}).code, 254);
  RktOk({"image", "extract", "--overwrite", id, dir() + "/whole"});
  EXPECT_EQ(Rkt({"image", "extract", "--overwrite", id, "/"}).code, 254);
  RktOk({"image", "render", id, dir() + "/rendered"});
  EXPECT_EQ(ReadFile(dir() + "/rendered/rootfs/two"), "text\n");
}

TEST_F(Images, RmSaysWhatItDid) {
  std::string id = Fetch(JudgeAci());
  Output output = Rkt({"image", "rm", id, "sha512-ffffffffffffffff"});
  EXPECT_TRUE(Contains(output.out, "successfully removed aci for image: \"" + id + "\""))
      << output.All();
  EXPECT_TRUE(Contains(output.err, "1 image(s) successfully removed")) << output.All();
  output = Rkt({"image", "rm", "example.com/unknown"});
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_EQ(Trim(RktOk({"image", "list", "--format=json"}).out), "null");
}

TEST_F(Images, VerifyFindsAndRepairsDamage) {
  std::string id = Fetch(JudgeAci());
  Output output = RktOk({"image", "verify", id});
  EXPECT_EQ(output.out,
            "successfully verified checksum for image: \"" + id + "\" (\"" + id + "\")\n");
  std::string tree = data() + "/cas/tree/" + ListDir(data() + "/cas/tree").at(0);
  WriteFile(tree + "/rootfs/owned", "changed\n");
  output = RktOk({"image", "verify", id});
  EXPECT_TRUE(Contains(output.out, "tree cache verification failed for image " + id))
      << output.All();
  EXPECT_TRUE(Contains(output.out, "rebuilding...")) << output.All();
  EXPECT_EQ(ReadFile(tree + "/rootfs/owned"), "by somebody\n");
  EXPECT_TRUE(Contains(RktOk({"image", "verify", id}).out, "successfully verified"));
}

TEST_F(Images, DamagedBlobIsNoticed) {
  std::string id = Fetch(JudgeAci());
  std::string hex = id.substr(7);
  std::string blob = data() + "/cas/blob/sha512/" + hex.substr(0, 2) + "/" + id;
  ASSERT_TRUE(Exists(blob));
  EXPECT_EQ(ModeOf(blob), 0600u);
  std::string bytes = ReadFile(blob);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] + 1);
  WriteFile(blob, bytes, 0600);
  Output output = Rkt({"image", "verify", id});
  EXPECT_NE(output.code, 0) << output.All();
}

TEST_F(Images, GcKeepsWhatPodsUse) {
  std::string id = Fetch(JudgeAci());
  RunningPod pod = Start({JudgeAci(), "--", "sleep"}, "sleeping");
  RktOk({"image", "gc", "--grace-period=0s"});
  EXPECT_TRUE(Contains(RktOk({"image", "list"}).out, "example.com/judge"));
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
  CollectAll();
  Output output = RktOk({"image", "gc", "--grace-period=0s"});
  EXPECT_TRUE(Contains(output.err, "gc: removed treestore \"deps-sha512-")) << output.err;
  EXPECT_EQ(Trim(RktOk({"image", "list", "--format=json"}).out), "null");
  EXPECT_TRUE(ListDir(data() + "/cas/tree").empty());
}

TEST_F(Images, LastUseIsThatOfTheBlob) {
  std::string id = Fetch(JudgeAci());
  auto used = [&] {
    return Facts::Parse(RktOk({"image", "list", "--format=json"}).out)["/0/last_used_time"];
  };
  std::string first = used();
  SleepFor(0.02);
  RktOk({"image", "cat-manifest", id});
  EXPECT_EQ(used(), first);
  RktOk({"image", "export", id, dir() + "/out.aci"});
  EXPECT_NE(used(), first);
}

}  // namespace
}  // namespace rkt::test
