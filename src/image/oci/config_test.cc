// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/oci/config.h"

#include <gtest/gtest.h>

#include "appc/image_manifest.h"

namespace rkt::image::oci {
namespace {

const ImageOrigin kOrigin = {"127.0.0.11:5000", "lib/img", "127.0.0.11:5000/lib/img", "v1", "sha256:c", "sha256:m", false};

appc::ImageManifest Converted(const std::string& settings, const ImageOrigin& origin = kOrigin, const std::string& more = "") {
  auto config = ParseImageConfig("{" + more + "\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{" + settings +
                                 "},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}");
  EXPECT_TRUE(config) << config.error().Text();
  if (!config) return {};
  auto text = ConvertConfig(*config, origin);
  EXPECT_TRUE(text) << text.error().Text();
  if (!text) return {};
  auto manifest = appc::ParseImageManifest(*text);
  EXPECT_TRUE(manifest) << manifest.error().Text();
  return manifest ? *manifest : appc::ImageManifest();
}
std::string Annotation(const appc::ImageManifest& manifest, const std::string& name) {
  const std::string* value = appc::FindAnnotation(manifest.annotations, name);
  return value == nullptr ? "(none)" : *value;
}
bool Fails(const std::string& settings) {
  auto config = ParseImageConfig("{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{" + settings +
                                 "},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}");
  return !config || !ConvertConfig(*config, kOrigin);
}

TEST(OciConfig, NameAndLabelsTellWhereTheImageCameFrom) {
  auto manifest = Converted("");
  EXPECT_EQ(manifest.name, "127.0.0.11_5000/lib/img");
  EXPECT_EQ(manifest.version(), "v1");
  EXPECT_EQ(*manifest.Find("os"), "linux");
  EXPECT_EQ(*manifest.Find("arch"), "amd64");
  ImageOrigin by_digest = kOrigin;
  by_digest.tag.clear();
  EXPECT_EQ(Converted("", by_digest).Find("version"), nullptr);
}

TEST(OciConfig, ExecIsEntrypointAndThenCommand) {
  auto manifest = Converted(R"("Entrypoint":["/e","-x"],"Cmd":["a","b"])");
  EXPECT_EQ(manifest.app->exec, (std::vector<std::string>{"/e", "-x", "a", "b"}));
  EXPECT_EQ(Annotation(manifest, "appc.io/docker/entrypoint"), R"(["/e","-x"])");
  EXPECT_EQ(Annotation(manifest, "appc.io/docker/cmd"), R"(["a","b"])");
  EXPECT_EQ(Annotation(Converted(""), "appc.io/docker/cmd"), "(none)");
  EXPECT_EQ(Converted(R"("Entrypoint":"/alone")").app->exec, std::vector<std::string>{"/alone"});
}

TEST(OciConfig, UserAndGroupAsTheyAreWritten) {
  struct Case {
    const char *user, *expected_user, *expected_group;
  };
  for (const Case& c : {Case{"", "0", "0"}, Case{"alice", "alice", "alice"}, Case{"1000", "1000", "1000"},
                        Case{"alice:staff", "alice", "staff"}, Case{"1:2", "1", "2"}, Case{"alice:", "alice", "alice"},
                        Case{":staff", "0", "staff"}}) {
    auto manifest = Converted(std::string("\"User\":\"") + c.user + "\"");
    EXPECT_EQ(manifest.app->user, c.expected_user) << c.user;
    EXPECT_EQ(manifest.app->group, c.expected_group) << c.user;
  }
}

TEST(OciConfig, EnvironmentWithoutWhatCannotBeSaid) {
  auto manifest = Converted(R"("Env":["A=1","NOTHING","B=x=y","A=2","=x","bad name=1","EMPTY="])");
  ASSERT_EQ(manifest.app->environment.size(), 3u);
  EXPECT_EQ(*appc::FindVariable(manifest.app->environment, "A"), "2");
  EXPECT_EQ(*appc::FindVariable(manifest.app->environment, "B"), "x=y");
  EXPECT_EQ(*appc::FindVariable(manifest.app->environment, "EMPTY"), "");
}

TEST(OciConfig, PortsVolumesDirectoryLabels) {
  auto manifest = Converted(R"("ExposedPorts":{"80/tcp":{},"53/UDP":{},"443":{},"8000-8010/tcp":{}},)"
                            R"("Volumes":{"/data":{},"/DATA":{},"/var/lib/x":{}},"WorkingDir":"work",)"
                            R"("Labels":{"k":"v"},"StopSignal":"SIGINT")");
  std::map<std::string, uint32_t> ports;
  for (const appc::Port& port : manifest.app->ports) ports[port.name + "=" + port.protocol] = port.count;
  EXPECT_EQ(ports, (std::map<std::string, uint32_t>{
                       {"80-tcp=tcp", 1}, {"53-udp=udp", 1}, {"443-tcp=tcp", 1}, {"8000-8010-tcp=tcp", 11}}));
  std::map<std::string, std::string> mounts;
  for (const appc::MountPoint& mount : manifest.app->mount_points) mounts[mount.name] = mount.path;
  EXPECT_EQ(mounts, (std::map<std::string, std::string>{
                        {"volume-data", "/DATA"}, {"volume-data-1", "/data"}, {"volume-var-lib-x", "/var/lib/x"}}));
  EXPECT_EQ(manifest.app->working_directory, "/work");
  EXPECT_EQ(manifest.app->user_labels, (appc::StringMap{{"k", "v"}}));
  EXPECT_EQ(Annotation(manifest, "appc.io/docker/stopsignal"), "SIGINT");
  EXPECT_TRUE(Fails(R"("ExposedPorts":{"0/tcp":{}})"));
  EXPECT_TRUE(Fails(R"("ExposedPorts":{"80/t c p":{}})"));
  EXPECT_TRUE(Fails(R"("ExposedPorts":{"9-8/tcp":{}})"));
}

TEST(OciConfig, AnnotationsAsTheOriginalWroteThem) {
  auto manifest = Converted("", kOrigin, R"("created":"2020-01-02T03:04:05Z","author":"Me",)");
  EXPECT_EQ(Annotation(manifest, "created"), "2020-01-02T03:04:05Z");
  EXPECT_EQ(Annotation(manifest, "author"), "Me");
  EXPECT_EQ(Annotation(manifest, "appc.io/docker/originalname"), "127.0.0.11:5000/lib/img");
  EXPECT_EQ(Annotation(manifest, "appc.io/docker/registryurl"), "127.0.0.11:5000");
  EXPECT_EQ(Annotation(manifest, "appc.io/docker/repository"), "lib/img");
  EXPECT_EQ(Annotation(manifest, "appc.io/docker/imageid"), "sha256:c");
  EXPECT_EQ(Annotation(manifest, "appc.io/docker/manifesthash"), "sha256:m");
  EXPECT_EQ(Annotation(manifest, "appc.io/docker/tag"), "(none)");
  EXPECT_EQ(Annotation(Converted("", kOrigin, R"("created":"yesterday",)"), "created"), "(none)");
  auto old = ParseV1Config(R"({"id":"i","parent":"p","author":"Me","os":"linux","architecture":"amd64","config":{}})");
  ASSERT_TRUE(old);
  ImageOrigin origin = kOrigin;
  origin.schema1 = true;
  auto text = ConvertConfig(*old, origin);
  ASSERT_TRUE(text);
  manifest = *appc::ParseImageManifest(*text);
  EXPECT_EQ(Annotation(manifest, "authors"), "Me");
  EXPECT_EQ(Annotation(manifest, "appc.io/docker/parentimageid"), "p");
  EXPECT_EQ(Annotation(manifest, "appc.io/docker/tag"), "v1");
}

TEST(OciConfig, NothingInItGainsAMeaningThatItHasNot) {
  // Labels are the image's own words: no isolators, no annotations of ours come of them.
  auto manifest = Converted(R"("Labels":{"os/linux/seccomp-remove-set":"x","coreos.com/rkt/stage1/run":"/evil"})");
  EXPECT_TRUE(manifest.app->isolators.empty());
  EXPECT_EQ(Annotation(manifest, "coreos.com/rkt/stage1/run"), "(none)");
}

TEST(OciConfig, MalformedConfigurationsAreRefused) {
  for (const char* text : {"[]", "{}", R"({"rootfs":{"type":"vhd","diff_ids":[]}})", R"({"rootfs":{"type":"layers","diff_ids":["x"]}})",
                           R"({"rootfs":{"type":"layers","diff_ids":["sha256:../../x"]}})",
                           R"({"os":1,"rootfs":{"type":"layers","diff_ids":[]}})"}) {
    EXPECT_FALSE(ParseImageConfig(text)) << text;
  }
  EXPECT_TRUE(Fails(R"("Env":[1])"));
  EXPECT_TRUE(Fails("\"User\":\"a\\u0000b\""));
  EXPECT_TRUE(Fails(R"("Volumes":["/x"])"));
  auto alien = ParseImageConfig(R"({"architecture":"riscv64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}})");
  ASSERT_TRUE(alien);
  EXPECT_FALSE(ConvertConfig(*alien, kOrigin));
}

}  // namespace
}  // namespace rkt::image::oci
