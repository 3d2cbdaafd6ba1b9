// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Indexes in indexes: how deep they may lie, and those that lead back to themselves. No digest can name the very text that
// it stands in, so whoever says so lies, and the digest tells.

#include "functional/harness/pod_test.h"
#include "servers/registry.h"

namespace rkt::test {
namespace {

const char kIndexType[] = "application/vnd.oci.image.index.v1+json";
const char kListType[] = "application/vnd.docker.distribution.manifest.list.v2+json";
constexpr int kDeepest = 4;  // so many indexes, and the manifest below

std::string Entry(const std::string& type, const std::string& digest, size_t size, bool platform = true) {
  return "{\"mediaType\":" + JsonQuote(type) + ",\"digest\":" + JsonQuote(digest) + ",\"size\":" + std::to_string(size) +
         (platform ? R"(,"platform":{"os":"linux","architecture":"amd64"}})" : "}");
}
std::string IndexOf(const std::string& entry, const std::string& type = kIndexType) {
  return "{\"schemaVersion\":2,\"mediaType\":" + JsonQuote(type) + ",\"manifests\":[" + entry + "]}";
}

class NestedIndex : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    insecure_ = "image,http";
    image_.layers = {Tar().Dir("bin").HostFile("bin/busybox", RKT_BUSYBOX).Finish()};
    image_.config = R"("Cmd":["/bin/busybox","true"])";
    built_ = Build(image_);
  }

  // Indexes around the image's manifest, innermost first.
  std::vector<std::string> Nest(int indexes) const {
    std::vector<std::string> nest;
    std::string type = built_.manifest_type, digest = built_.manifest_digest;
    size_t size = built_.manifest.size();
    for (int i = 0; i < indexes; ++i) {
      const char* own = i % 2 == 0 ? kIndexType : kListType;
      nest.push_back(IndexOf(Entry(type, digest, size), own));
      type = own;
      digest = Digest(nest.back());
      size = nest.back().size();
    }
    return nest;
  }
  // The index that says of itself what `digest` says; its size is right.
  static std::string Itself(const std::string& digest) {
    std::string index;
    for (size_t size = SIZE_MAX; index.size() != size;) {
      size = index.size();
      index = IndexOf(Entry(kIndexType, digest, size));
    }
    return index;
  }
  void ExpectRefused(const std::string& reference, const std::vector<std::string>& texts) {
    Output output = Rkt({"fetch", reference}, {.timeout = 60});
    EXPECT_EQ(output.code, 254) << output.All();
    for (const std::string& text : texts) EXPECT_TRUE(Contains(output.err, text)) << "expected: " << text << "\n" << output.err;
    EXPECT_EQ(Trim(RktOk({"image", "list", "--format=json"}).out), "null");
    for (const char* name : {"layer", "layertree", "imageLayers", "partial", "tmp", "tree", "blob/sha512", "imageManifest/sha512"}) {
      EXPECT_TRUE(ListDir(data() + "/cas/" + name).empty()) << name;
    }
  }
  std::string Layout() const { return dir() + "/layout"; }
  void PutInLayout(const std::string& digest, const std::string& bytes) const {
    WriteFile(Layout() + "/blobs/sha256/" + digest.substr(7), bytes);
  }
  // The layout as it lies there, and archives of it.
  std::vector<std::string> FormsOfLayout() {
    EXPECT_EQ(RunProgram({"tar", "cf", dir() + "/image.tar", "-C", Layout(), "."}).code, 0);
    EXPECT_EQ(RunProgram({"tar", "czf", dir() + "/image.tar.gz", "-C", Layout(), "."}).code, 0);
    return {"oci:" + Layout(), "oci-archive:" + dir() + "/image.tar", "oci-archive:" + dir() + "/image.tar.gz"};
  }
  void WriteIndexJson(const std::string& entry) const {
    WriteFile(Layout() + "/index.json", "{\"schemaVersion\":2,\"manifests\":[" + entry + "]}");
  }

  OciImage image_;
  BuiltImage built_;
  const std::string claimed_ = "sha256:" + std::string(64, 'c');
};

// Everything that it is asked for is the one index.
class IndexServer {
 public:
  explicit IndexServer(std::string index) : index_(std::move(index)) {}
  HttpServer& server() { return server_; }

 private:
  const std::string index_;
  HttpServer server_{[this](const HttpRequest& request, Reply& reply) {
    if (request.target == "/v2/") return reply.Send(200, {}, "{}");
    reply.Send(200, {std::string("Content-Type: ") + kIndexType}, index_);
  }};
};

TEST_F(NestedIndex, OneThatContainsItselfIsRefusedByItsDigest) {
  const std::string index = Itself(claimed_);
  IndexServer lying(index);
  const std::string image = "docker://" + lying.server().host() + "/a";
  ExpectRefused(image + ":1", {"manifest " + claimed_, "another size or digest"});
  EXPECT_EQ(lying.server().Count("/manifests/1"), 1);
  EXPECT_EQ(lying.server().Count("/manifests/" + claimed_), 1);
  EXPECT_EQ(lying.server().requests().size(), 3u);

  lying.server().Forget();
  ExpectRefused(image + "@" + claimed_, {"manifest " + claimed_, "another digest"});
  EXPECT_EQ(lying.server().requests().size(), 2u);

  // By its true digest it is what was asked for; what it lists is not.
  lying.server().Forget();
  ExpectRefused(image + "@" + Digest(index), {"manifest " + claimed_, "another size or digest"});
  EXPECT_EQ(lying.server().requests().size(), 3u);
}

TEST_F(NestedIndex, OneThatContainsItselfWithAnotherSizeIsRefused) {
  for (size_t size : {size_t{0}, size_t{1}, size_t{4000}, size_t{4} << 20, SIZE_MAX}) {
    SCOPED_TRACE(size);
    IndexServer lying(IndexOf(Entry(kIndexType, claimed_, size)));
    ExpectRefused("docker://" + lying.server().host() + "/a:1",
                  {size == 0 || size > 4u << 20 ? "a manifest of " + std::to_string(size) + " bytes (at most"
                   : size == 1                  ? "more than the 1 bytes"
                                                : "manifest " + claimed_});
    EXPECT_LE(lying.server().requests().size(), 3u);
  }
}

TEST_F(NestedIndex, MirrorsThatSayItAreAskedOnce) {
  IndexServer mirror(Itself(claimed_)), other(Itself(claimed_)), lying(Itself(claimed_));
  MakeDirs(dir() + "/config-local/registry.d");
  WriteFile(dir() + "/config-local/registry.d/a.json",
            R"({"rktKind":"registry","rktVersion":"v1","registries":["example.com"],"mirrors":["http://)" +
                mirror.server().host() + R"(","http://)" + other.server().host() + R"("],"endpoint":"http://)" +
                lying.server().host() + "\"}");
  ExpectRefused("docker://example.com/a:1", {"manifest " + claimed_, "another size or digest"});
  for (IndexServer* server : {&mirror, &other, &lying}) EXPECT_EQ(server->server().requests().size(), 3u);
}

TEST_F(NestedIndex, DepthHasALimitInRegistries) {
  Registry registry;
  for (auto& [digest, bytes] : built_.blobs) registry.PutBlob(bytes);
  registry.PutManifest("x:manifest", built_.manifest_type, built_.manifest);
  auto push = [&](int indexes) {
    std::vector<std::string> nest = Nest(indexes);
    for (size_t i = 0; i < nest.size(); ++i) registry.PutManifest("a:1", i % 2 == 0 ? kIndexType : kListType, nest[i]);
    return Digest(nest.back());
  };
  std::string outermost = push(kDeepest + 1);
  const std::string image = "docker://" + registry.host() + "/a";
  ExpectRefused(image + ":1", {"index " + outermost, "nested deeper than 4"});
  EXPECT_EQ(registry.server().Count("/manifests/"), kDeepest + 1);
  outermost = push(100);
  registry.server().Forget();
  ExpectRefused(image + "@" + outermost, {"index " + outermost, "nested deeper than 4"});
  EXPECT_EQ(registry.server().Count("/manifests/"), kDeepest + 1);
  EXPECT_EQ(registry.server().Count("/blobs/"), 0);
  push(kDeepest);
  RunOk({image + ":1"});
}

TEST_F(NestedIndex, OneThatContainsItselfIsRefusedInFiles) {
  WriteLayout(Layout(), "v1", image_);
  const std::string index = Itself(claimed_);
  WriteIndexJson(Entry(kIndexType, claimed_, index.size(), /*platform=*/false));
  PutInLayout(claimed_, index);
  for (const std::string& form : FormsOfLayout()) ExpectRefused(form, {"blob " + claimed_, "another digest"});
  // Below one whose digest is right.
  PutInLayout(Digest(index), index);
  WriteIndexJson(Entry(kIndexType, Digest(index), index.size(), /*platform=*/false));
  for (const std::string& form : FormsOfLayout()) ExpectRefused(form, {"blob " + claimed_, "another digest"});
  // The layout's own index as a blob of it.
  const std::string outer = "{\"schemaVersion\":2,\"manifests\":[" + Entry(kIndexType, claimed_, 250, false) + "]}";
  WriteFile(Layout() + "/index.json", outer);
  PutInLayout(claimed_, outer);
  for (const std::string& form : FormsOfLayout()) ExpectRefused(form, {"blob " + claimed_, " bytes instead of the 250"});
  // Two that contain each other: one of them at least is not what it is called.
  const std::string second = IndexOf(Entry(kIndexType, claimed_, index.size()));
  const std::string first = IndexOf(Entry(kIndexType, Digest(second), second.size()));
  PutInLayout(Digest(second), second);
  PutInLayout(claimed_, first);
  WriteIndexJson(Entry(kIndexType, Digest(second), second.size(), false));
  for (const std::string& form : FormsOfLayout()) ExpectRefused(form, {"blob " + claimed_, "another digest"});
}

TEST_F(NestedIndex, DepthHasALimitInFiles) {
  for (int indexes : {kDeepest + 1, 50, kDeepest}) {
    SCOPED_TRACE(indexes);
    RemoveAll(Layout());
    WriteLayout(Layout(), "v1", image_);
    std::vector<std::string> nest = Nest(indexes);
    for (const std::string& index : nest) PutInLayout(Digest(index), index);
    const std::string outermost = Digest(nest.back());
    WriteIndexJson(Entry(indexes % 2 == 1 ? kIndexType : kListType, outermost, nest.back().size(), false));
    for (const std::string& form : FormsOfLayout()) {
      if (indexes > kDeepest) {
        ExpectRefused(form, {"index " + outermost, "nested deeper than 4"});
      } else {
        RunOk({form});
      }
    }
  }
}

}  // namespace
}  // namespace rkt::test
