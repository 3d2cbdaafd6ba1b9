// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Images in files: OCI layouts and archives, docker archives; made by our own hand and by the usual tools.

#include <unistd.h>

#include "functional/harness/pod_test.h"
#include "servers/registry.h"

namespace rkt::test {
namespace {

std::string BaseLayer() {
  Tar tar;
  tar.Dir("bin").HostFile("bin/busybox", RKT_BUSYBOX).Symlink("bin/sh", "busybox").Symlink("bin/cat", "busybox");
  tar.Dir("etc").File("etc/passwd", "root:x:0:0:root:/:/bin/sh\n").File("etc/group", "root:x:0:\n");
  return tar.Finish();
}

class Oci : public PodTest {
 protected:
  static OciImage Image(const std::string& text) {
    OciImage image;
    image.layers = {BaseLayer(), Tar().File("hello", text + "\n").Finish()};
    image.config = R"("Cmd":["/bin/cat","/hello"])";
    return image;
  }
  std::string Layout() const { return dir() + "/layout"; }
  void Refused(const std::string& reference, const std::string& text) {
    Output output = Rkt({"fetch", reference});
    EXPECT_EQ(output.code, 254) << output.All();
    EXPECT_TRUE(Contains(output.err, text)) << "expected: " << text << "\n" << output.err;
    EXPECT_EQ(Trim(RktOk({"image", "list", "--format=json"}).out), "null");
    // Layers that were good stay for the next attempt, until they are collected.
    RktOk({"image", "gc"});
    EXPECT_TRUE(ListDir(data() + "/cas/layer").empty());
  }
  static bool Have(const std::string& tool) { return RunProgram({"sh", "-c", "command -v " + tool}).code == 0; }
  std::string BlobPath(const std::string& digest) const { return Layout() + "/blobs/sha256/" + digest.substr(7); }
};

TEST_F(Oci, LayoutsRunWithEveryCompression) {
  for (const char* compression : {"", "gzip -1", "zstd -q"}) {
    OciImage image = Image("hello");
    image.compression = compression;
    RemoveAll(Layout());
    WriteLayout(Layout(), "v1", image);
    EXPECT_EQ(Trim(AppText(RunOk({"oci:" + Layout() + ":v1"}).out)), "hello") << compression;
    EXPECT_EQ(Trim(AppText(RunOk({"oci:" + Layout()}).out)), "hello") << compression;
  }
  EXPECT_EQ(ListDir(data() + "/cas/layer").size(), 2u) << "the same layers, however compressed";
}

TEST_F(Oci, ArchivesOfLayoutsRun) {
  WriteLayout(Layout(), "v1", Image("archived"));
  ASSERT_EQ(RunProgram({"tar", "cf", dir() + "/image.tar", "-C", Layout(), "."}).code, 0);
  EXPECT_EQ(Trim(AppText(RunOk({"oci-archive:" + dir() + "/image.tar"}).out)), "archived");
  ASSERT_EQ(RunProgram({"gzip", dir() + "/image.tar"}).code, 0);
  EXPECT_EQ(Trim(AppText(RunOk({"oci-archive:" + dir() + "/image.tar.gz:v1"}).out)), "archived");
}

TEST_F(Oci, NeedsTheInsecureOption) {
  WriteLayout(Layout(), "v1", Image("x"));
  insecure_ = "";
  Output output = Rkt({"fetch", "oci:" + Layout()});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "try --insecure-options=image")) << output.err;
}

TEST_F(Oci, LinksInTheLayoutAreNotFollowed) {
  OciImage image = Image("x");
  WriteLayout(Layout(), "v1", image);
  std::string blob = BlobPath(Digest(image.layers[1]));
  std::string elsewhere = dir() + "/elsewhere";
  WriteFile(elsewhere, image.layers[1]);
  unlink(blob.c_str());
  ASSERT_EQ(symlink(elsewhere.c_str(), blob.c_str()), 0);
  Refused("oci:" + Layout(), "is a link");
  RemoveAll(Layout());
  WriteLayout(Layout(), "v1", image);
  ASSERT_EQ(rename((Layout() + "/blobs/sha256").c_str(), (dir() + "/moved").c_str()), 0);
  ASSERT_EQ(symlink((dir() + "/moved").c_str(), (Layout() + "/blobs/sha256").c_str()), 0);
  Refused("oci:" + Layout(), "is a link");
  RemoveAll(Layout());
  WriteLayout(Layout(), "v1", image);
  unlink(blob.c_str());
  ASSERT_EQ(RunProgram({"mkfifo", blob}).code, 0);
  Refused("oci:" + Layout(), "no regular file");
}

TEST_F(Oci, DamagedAndMissingBlobsAreRefused) {
  OciImage image = Image("x");
  WriteLayout(Layout(), "v1", image);
  std::string blob = BlobPath(Digest(image.layers[1])), good = ReadFile(blob);
  std::string bad = good;
  bad[600] ^= 1;
  WriteFile(blob, bad);
  Refused("oci:" + Layout(), "another digest");
  WriteFile(blob, good.substr(0, 1000));
  Refused("oci:" + Layout(), "ends after 1000");
  WriteFile(blob, good + "more");
  Refused("oci:" + Layout(), "longer than");
  unlink(blob.c_str());
  Refused("oci:" + Layout(), "no such file");
  RemoveAll(Layout());
  Refused("oci:" + Layout(), "no such file");
}

TEST_F(Oci, ConfigurationAndManifestMustAgreeAboutLayers) {
  OciImage image = Image("x");
  BuiltImage built = Build(image);
  WriteLayout(Layout(), "v1", image);
  // Another layer under the digest of what is compressed right, wrong for the configuration.
  std::string config = built.config;
  size_t at = config.find(Digest(image.layers[1]));
  config.replace(at, 71, Digest("something else"));
  std::string manifest = built.manifest;
  manifest.replace(manifest.find(built.config_digest), 71, Digest(config));
  WriteFile(BlobPath(Digest(config)), config);
  WriteFile(BlobPath(Digest(manifest)), manifest);
  WriteFile(Layout() + "/index.json",
            "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" + built.manifest_type + "\",\"digest\":\"" + Digest(manifest) +
                "\",\"size\":" + std::to_string(manifest.size()) + "}]}");
  Output output = Rkt({"fetch", "oci:" + Layout()});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "instead of sha256-")) << output.err;
  EXPECT_FALSE(Exists(data() + "/cas/layer/sha256-" + Digest(image.layers[1]).substr(7)));
}

TEST_F(Oci, SeveralImagesAreChosenByTag) {
  WriteLayout(Layout(), "one", Image("first"));
  std::string first = ReadFile(Layout() + "/index.json");
  WriteLayout(Layout(), "two", Image("second"));
  std::string second = ReadFile(Layout() + "/index.json");
  std::string entry = first.substr(first.find("[") + 1, first.rfind("]") - first.find("[") - 1);
  WriteFile(Layout() + "/index.json", second.insert(second.find("[") + 1, entry + ","));
  EXPECT_EQ(Trim(AppText(RunOk({"oci:" + Layout() + ":one"}).out)), "first");
  EXPECT_EQ(Trim(AppText(RunOk({"oci:" + Layout() + ":two"}).out)), "second");
  Output output = Rkt({"fetch", "oci:" + Layout()});
  EXPECT_TRUE(Contains(output.err, "several images, name one of: one, two")) << output.err;
  output = Rkt({"fetch", "oci:" + Layout() + ":three"});
  EXPECT_TRUE(Contains(output.err, "no image \"three\"")) << output.err;
}

TEST_F(Oci, AnArchiveCannotSayThingsTwiceOrPointOut) {
  auto archive = [&](const Tar& tar) {
    WriteFile(dir() + "/a.tar", tar.Finish());
    return "docker-archive:" + dir() + "/a.tar";
  };
  std::string list = R"([{"Config":"c.json","RepoTags":["a:1"],"Layers":[]}])";
  Refused(archive(Tar().File("manifest.json", list).File("manifest.json", list)), "comes twice");
  Refused(archive(Tar().File("manifest.json", list).Symlink("c.json", "../../etc/passwd")), "out of the archive");
  Refused(archive(Tar().File("manifest.json", list).Symlink("c.json", "/etc/passwd")), "is not in the archive");
  Refused(archive(Tar().File("manifest.json", list).Symlink("c.json", "d").Symlink("d", "c.json")), "too many links");
  Refused(archive(Tar().File("manifest.json", R"([{"Config":"../c.json","Layers":[]}])")), "..");
  Refused(archive(Tar().File("manifest.json", std::string(1 << 20, '['))), "levels deep");
  std::string config = R"({"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}})";
  Refused(archive(Tar().File("manifest.json", R"([{"Config":")" + std::string(64, 'a') + R"(.json","Layers":[]}])")
                      .File(std::string(64, 'a') + ".json", config)),
          "another digest");
}

TEST_F(Oci, ImagesOfUmociAndSkopeoRun) {
  REQUIRE_FACILITY("skopeo", Have("skopeo") && Have("umoci"), "skopeo and umoci make the test's images");
  MakeDirs(dir() + "/root/etc");
  WriteFile(dir() + "/root/etc/passwd", "root:x:0:0:root:/:/bin/sh\n");
  std::string script =
      "set -e; cd " + dir() + "; mkdir root/bin; cp /bin/busybox root/bin/; ln -s busybox root/bin/sh;"
      "umoci init --layout u; umoci new --image u:t; umoci insert --image u:t root/bin /bin; umoci insert --image u:t root/etc /etc;"
      "umoci config --image u:t --config.entrypoint /bin/sh --config.cmd -c --config.cmd 'echo made by umoci';"
      "umoci unpack --image u:t bundle; echo more > bundle/rootfs/etc/more; rm bundle/rootfs/etc/passwd; umoci repack --image u:t2 bundle;"
      "skopeo copy oci:u:t2 docker-archive:d.tar:example.com/u:t2; skopeo copy oci:u:t2 oci-archive:o.tar:t2;"
      "skopeo copy --dest-compress-format=zstd oci:u:t oci:z:t || true";
  Output made = RunProgram({"sh", "-c", script}, {.timeout = 120});
  ASSERT_EQ(made.code, 0) << made.All();
  for (const char* reference : {"oci:u:t", "oci:u:t2", "docker-archive:d.tar", "docker-archive:d.tar:example.com/u:t2",
                                "oci-archive:o.tar:t2", "oci:z:t"}) {
    EXPECT_EQ(Trim(AppText(RunOk({reference}, {.directory = dir()}).out)), "made by umoci") << reference;
  }
  EXPECT_TRUE(Contains(RktOk({"image", "list", "--no-legend"}).out, "example.com/u:t2"));
  Output files = RunOk({"oci:u:t2", "--exec=/bin/busybox", "--", "ls", "/etc"}, {.directory = dir()});
  EXPECT_TRUE(Contains(files.out, "more")) << files.All();
  EXPECT_FALSE(Contains(files.out, "passwd")) << files.All();
}

TEST_F(Oci, ImagesOfBuildahRun) {
  REQUIRE_FACILITY("buildah", Have("buildah"), "buildah makes the test's images");
  std::string script =
      "set -e; cd " + dir() + "; mkdir -p root/bin; cp /bin/busybox root/bin/; ln -s busybox root/bin/sh;"
      "export STORAGE_DRIVER=vfs; b=\"buildah --root $PWD/storage --runroot $PWD/run\"; c=$($b from scratch);"
      "$b copy $c root /; $b config --entrypoint '[\"/bin/sh\",\"-c\",\"echo made by buildah, $A\"]' --env A=b --label k=v"
      "  --port 80 --volume /data --stop-signal SIGINT --workingdir /bin --user 0 $c;"
      "$b commit $c oci:layout:t; $b commit --disable-compression=false $c oci-archive:o.tar:t;"
      "$b commit --format docker $c docker-archive:d.tar:example.com/b:t";
  Output made = RunProgram({"sh", "-c", script}, {.timeout = 120});
  ASSERT_EQ(made.code, 0) << made.All();
  for (const char* reference : {"oci:layout:t", "oci-archive:o.tar:t", "docker-archive:d.tar"}) {
    EXPECT_EQ(Trim(AppText(RunOk({reference}, {.directory = dir()}).out)), "made by buildah, b") << reference;
  }
  // As with other engines, the archive's image is there for the name that it has.
  RktOk({"fetch", "--pull-policy=never", "docker://example.com/b:t"});
  Facts manifest = Facts::Parse(RktOk({"image", "cat-manifest", "example.com/b:t"}).out);
  EXPECT_EQ(manifest["/app/workingDirectory"], "/bin");
  EXPECT_EQ(manifest["/app/ports/0/port"], "80");
  EXPECT_EQ(manifest["/app/mountPoints/0/path"], "/data");
  EXPECT_EQ(manifest["/app/userLabels/k"], "v");
}

}  // namespace
}  // namespace rkt::test
