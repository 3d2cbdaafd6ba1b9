// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/oci/manifest.h"

#include <gtest/gtest.h>

#include "appc/names.h"

namespace rkt::image::oci {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');
std::string Entry(const std::string& more = "", const std::string& digest = kDigest) {
  return "{\"digest\":\"" + digest + "\",\"size\":10" + more + "}";
}
std::string ManifestText(const std::string& more = "") {
  return "{\"schemaVersion\":2," + more + "\"config\":" + Entry() + ",\"layers\":[" + Entry() + "]}";
}
std::string IndexText(const std::string& entries) { return "{\"schemaVersion\":2,\"manifests\":[" + entries + "]}"; }
std::string Refusal(const std::string& text, const std::string& type) {
  auto document = ParseDocument(text, type);
  return document ? "" : document.error().Text();
}
std::string For(const std::string& os, const std::string& arch, const std::string& variant = "") {
  return ",\"platform\":{\"os\":\"" + os + "\",\"architecture\":\"" + arch + "\",\"variant\":\"" + variant + "\"}";
}

TEST(OciManifest, TheTypeDecidesWhatADocumentIs) {
  auto manifest = ParseDocument(ManifestText(), kOciManifest);
  ASSERT_TRUE(manifest) << manifest.error().Text();
  EXPECT_EQ(manifest->kind, Document::Kind::kManifest);
  EXPECT_EQ(manifest->manifest.layers.size(), 1u);
  EXPECT_EQ(manifest->manifest.config.size, 10u);
  EXPECT_TRUE(ParseDocument(ManifestText(), "application/vnd.docker.distribution.manifest.v2+json; charset=utf-8"));
  EXPECT_TRUE(ParseDocument(ManifestText("\"mediaType\":\"" + std::string(kDockerManifest) + "\","), "text/plain"));
  EXPECT_EQ(ParseDocument(IndexText(Entry()), "")->kind, Document::Kind::kIndex);
  EXPECT_EQ(ParseDocument(IndexText(""), kDockerList)->kind, Document::Kind::kIndex);
}

TEST(OciManifest, DocumentsOfTwoFacesAreRefused) {
  EXPECT_NE(Refusal(ManifestText("\"manifests\":[],"), kOciManifest), "");
  EXPECT_NE(Refusal(ManifestText("\"manifests\":[],"), kOciIndex), "");
  EXPECT_NE(Refusal(ManifestText("\"manifests\":[],"), ""), "");
  EXPECT_NE(Refusal(ManifestText("\"fsLayers\":[],"), kOciManifest), "");
  EXPECT_NE(Refusal(ManifestText(), kOciIndex), "");
  EXPECT_NE(Refusal(IndexText(Entry()), kOciManifest), "");
  EXPECT_NE(Refusal(ManifestText("\"mediaType\":\"" + std::string(kOciIndex) + "\","), kOciManifest), "");
  EXPECT_NE(Refusal(ManifestText("\"config\":{},"), kOciManifest), "") << "a member twice";
  EXPECT_NE(Refusal(ManifestText(), "text/html"), "");
  EXPECT_NE(Refusal(ManifestText(), kDockerSigned1), "");
  EXPECT_NE(Refusal("[]", kOciManifest), "");
  EXPECT_NE(Refusal(std::string(1 << 20, '['), kOciManifest), "");
  EXPECT_NE(Refusal(ManifestText() + "{}", kOciManifest), "") << "bytes behind the end";
}

TEST(OciManifest, DescriptorsAreChecked) {
  for (const std::string& digest : {std::string("sha256:../../x"), std::string("sha256:"), kDigest + "0"}) {
    EXPECT_NE(Refusal("{\"schemaVersion\":2,\"config\":" + Entry() + ",\"layers\":[" + Entry("", digest) + "]}", kOciManifest), "");
  }
  for (const char* size : {"-1", "1.5", "\"10\"", "99999999999999999999999"}) {
    EXPECT_NE(Refusal("{\"schemaVersion\":2,\"config\":{\"digest\":\"" + kDigest + "\",\"size\":" + size + "},\"layers\":[]}",
                      kOciManifest), "")
        << size;
  }
  std::string many;
  for (size_t i = 0; i <= kMaxDescriptors; ++i) many += (i ? "," : "") + Entry();
  EXPECT_NE(Refusal(IndexText(many), kOciIndex), "");
}

TEST(OciManifest, ThePlatformOfTheHostIsChosen) {
  Platform host = HostPlatform();
  auto chosen = [](const std::string& entries) -> std::string {
    auto document = ParseDocument(IndexText(entries), kOciIndex);
    if (!document) return "malformed";
    auto descriptor = ChoosePlatform(document->index);
    return descriptor ? descriptor->platform.os + "/" + descriptor->platform.architecture : descriptor.error().message();
  };
  std::string mine = Entry(For(host.os, host.architecture, host.variant)), other = Entry(For("linux", "sparc64"));
  EXPECT_EQ(chosen(other + "," + mine), host.os + "/" + host.architecture);
  EXPECT_NE(chosen(other).find("only for linux/sparc64"), std::string::npos);
  EXPECT_NE(chosen(Entry(For("windows", host.architecture))).find("is not made for"), std::string::npos);
  EXPECT_EQ(chosen(Entry()), "/") << "a lone one without a platform";
  EXPECT_NE(chosen(Entry() + "," + Entry()).find("is not made for"), std::string::npos);
  EXPECT_NE(chosen("").find("is not made for"), std::string::npos);
}

TEST(OciManifest, ArchitecturesGoByTheSpecificationsNames) {
  EXPECT_EQ(AppcArchitecture({"linux", "amd64"}), "amd64");
  EXPECT_EQ(AppcArchitecture({"linux", "arm64", "v8"}), "aarch64");
  EXPECT_EQ(AppcArchitecture({"linux", "arm", "v7"}), "armv7l");
  EXPECT_EQ(AppcArchitecture({"linux", "arm", "v6"}), "armv6l");
  EXPECT_EQ(AppcArchitecture({"linux", "386"}), "i386");
  EXPECT_EQ(AppcArchitecture({"linux", "riscv64"}), "");
  EXPECT_EQ(AppcArchitecture(HostPlatform()), appc::HostArchitecture());
}

}  // namespace
}  // namespace rkt::image::oci
