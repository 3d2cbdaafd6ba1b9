// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "pod/flag_values.h"

#include <gtest/gtest.h>

namespace rkt::pod {
namespace {

template <typename T>
std::string Message(const Result<T>& result) {
  return result ? "accepted" : result.error().Text();
}

TEST(VolumeFlag, HostVolumesTakeTheirValuesLiterally) {
  auto volume = ParseVolumeFlag("data,kind=host,source=/srv/a%20b+c,readOnly=true,recursive=f");
  ASSERT_TRUE(volume) << volume.error().Text();
  EXPECT_EQ(volume->name, "data");
  EXPECT_EQ(volume->kind, appc::Volume::Kind::kHost);
  EXPECT_EQ(volume->source, "/srv/a%20b+c");
  EXPECT_EQ(volume->read_only, true);
  EXPECT_EQ(volume->recursive, false);
  EXPECT_EQ(volume->mode, std::nullopt);
}

TEST(VolumeFlag, EmptyVolumesHaveDefaults) {
  auto volume = ParseVolumeFlag("tmp,kind=empty");
  ASSERT_TRUE(volume);
  EXPECT_EQ(volume->mode, "0755");
  EXPECT_EQ(volume->uid, 0u);
  volume = ParseVolumeFlag("tmp,kind=empty,mode=0700,uid=5,gid=6");
  ASSERT_TRUE(volume);
  EXPECT_EQ(volume->ModeBits(), 0700u);
  EXPECT_EQ(volume->gid, 6u);
}

TEST(VolumeFlag, MistakesAreRefused) {
  for (const char* text :
       {"", "data", "data,kind=host", "data,kind=host,source=rel", "Data,kind=empty",
        "d,kind=tmpfs", "d,kind=empty,source=/x", "d,kind=host,source=/x,mode=0755",
        "d,kind=host,source=/x,uid=1", "d,kind=host,source=/x,color=red",
        "d,kind=host,source=/x,source=/y", "d,kind=empty,mode=abc", "d,kind=empty,mode=0999",
        "d,kind=empty,uid=-1", "d,kind=empty,uid=4294967295", "d,kind=empty,",
        "d,kind=host,source=/x,readOnly=yes"}) {
    EXPECT_NE(Message(ParseVolumeFlag(text)), "accepted") << text;
  }
}

TEST(MountFlag, ValuesAreUrlDecoded) {
  auto mount = ParseMountFlag("volume=data,target=/a+b%2Cc");
  ASSERT_TRUE(mount);
  EXPECT_EQ(mount->volume, "data");
  EXPECT_EQ(mount->path, "/a b,c");
  for (const char* text :
       {"", "volume=data", "target=/x", "volume=data,target=x", "volume=D,target=/x",
        "volume=d,target=/%2", "volume=d,target=/%zz", "volume=d,target=/%00",
        "volume=d,target=/x,mode=1", "volume=d,volume=e,target=/x"}) {
    EXPECT_NE(Message(ParseMountFlag(text)), "accepted") << text;
  }
}

TEST(MountVolumeFlag, CarriesItsVolume) {
  auto mount = ParseMountVolumeFlag("name=v,kind=host,source=/src,target=/dst,readOnly=true");
  ASSERT_TRUE(mount) << mount.error().Text();
  EXPECT_EQ(mount->volume, "v");
  EXPECT_EQ(mount->path, "/dst");
  ASSERT_TRUE(mount->app_volume);
  EXPECT_EQ(mount->app_volume->source, "/src");
  EXPECT_EQ(mount->app_volume->read_only, true);
  EXPECT_NE(Message(ParseMountVolumeFlag("name=v,kind=host,source=/src")), "accepted");
}

TEST(PortFlag, AddressIsOptional) {
  EXPECT_EQ(ParsePortFlag("http:8080")->host_port, 8080u);
  EXPECT_EQ(ParsePortFlag("http:8080")->host_ip, "");
  EXPECT_EQ(ParsePortFlag("http:127.0.0.1:80")->host_ip, "127.0.0.1");
  EXPECT_EQ(ParsePortFlag("http:[::1]:80")->host_ip, "::1");
  EXPECT_EQ(ParsePortFlag("http:::1:80")->host_ip, "::1");
  for (const char* text : {"http", "http:", "http:0", "http:65536", "http:x", ":80", "HTTP:80",
                           "http:1.2.3:80", "http:localhost:80", "http:-1"}) {
    EXPECT_NE(Message(ParsePortFlag(text)), "accepted") << text;
  }
}

TEST(PortFlag, SandboxPortsNameTheirTarget) {
  auto port = ParseSandboxPortFlag("dns:udp:53:0.0.0.0:5353");
  ASSERT_TRUE(port) << port.error().Text();
  EXPECT_EQ(port->pod_port->port, 53u);
  EXPECT_EQ(port->pod_port->protocol, "udp");
  EXPECT_EQ(port->host_port, 5353u);
  for (const char* text :
       {"dns:53", "dns:sctp:53:0.0.0.0:53", "dns:udp:0:0.0.0.0:53", "dns:udp:53:53"}) {
    EXPECT_NE(Message(ParseSandboxPortFlag(text)), "accepted") << text;
  }
}

TEST(SeccompFlag, FollowsItsGrammar) {
  auto seccomp = ParseSeccompFlag("mode=remove,errno=EACCES,chmod,@docker/default-blacklist");
  ASSERT_TRUE(seccomp);
  EXPECT_EQ(*seccomp, (appc::Seccomp{false, {"chmod", "@docker/default-blacklist"}, "EACCES"}));
  EXPECT_TRUE(ParseSeccompFlag("chmod,mode=retain")->retain);
}

TEST(SeccompFlag, ErrorsAreTheKnownOnes) {
  EXPECT_EQ(Message(ParseSeccompFlag("chmod")), "invalid seccomp mode command-line override");
  EXPECT_EQ(Message(ParseSeccompFlag("mode=drop,chmod")),
            "invalid seccomp mode command-line override");
  EXPECT_EQ(Message(ParseSeccompFlag("mode=retain,x=y,chmod")),
            "invalid seccomp command-line override");
  EXPECT_EQ(Message(ParseSeccompFlag("mode=retain")), "set must be non-empty");
  EXPECT_NE(Message(ParseSeccompFlag("mode=retain,errno=eacces,chmod")), "accepted");
}

TEST(ListFlags, NumbersAndNamesAreSplitAtCommas) {
  EXPECT_EQ(*ParseGidsFlag("7,8"), (std::vector<uint32_t>{7, 8}));
  EXPECT_NE(Message(ParseGidsFlag("7,")), "accepted");
  EXPECT_NE(Message(ParseGidsFlag("-1")), "accepted");
  EXPECT_NE(Message(ParseGidsFlag("4294967296")), "accepted");
  EXPECT_EQ(*ParseCapabilitiesFlag("CAP_KILL,CAP_CHOWN"),
            (std::vector<std::string>{"CAP_KILL", "CAP_CHOWN"}));
  EXPECT_NE(Message(ParseCapabilitiesFlag("")), "accepted");
}

TEST(PairFlags, NamesAreCheckedAndValuesAreFree) {
  EXPECT_EQ(ParseEnvironmentFlag("A=b=c")->second, "b=c");
  EXPECT_EQ(ParseEnvironmentFlag("A=")->second, "");
  for (const char* text : {"A", "=b", "1A=b", "A B=c"}) {
    EXPECT_NE(Message(ParseEnvironmentFlag(text)), "accepted") << text;
  }
  EXPECT_TRUE(ParseAnnotationFlag("example.com/x=y"));
  EXPECT_FALSE(ParseAnnotationFlag("Example=y"));
  EXPECT_TRUE(ParseUserPairFlag("Any Name=y"));
}

TEST(EnvironmentFile, CommentsAndBlankLinesAreSkipped) {
  auto list = ParseEnvironmentFile("# c\n; c\n\n   \nA=1\r\nB= x \nC=");
  ASSERT_TRUE(list) << list.error().Text();
  EXPECT_EQ(*list, (std::vector<KeyValue>{{"A", "1"}, {"B", " x "}, {"C", ""}}));
}

TEST(EnvironmentFile, MistakesNameTheirLine) {
  EXPECT_TRUE(Message(ParseEnvironmentFile("A=1\nB")).starts_with("line 2: "));
  EXPECT_TRUE(Message(ParseEnvironmentFile("A=1\n\nA=2\n"))
                  .starts_with("line 3: environment variable \"A\" already"));
  EXPECT_TRUE(Message(ParseEnvironmentFile(std::string_view("A=1\0", 4))).starts_with("line 1"));
}

}  // namespace
}  // namespace rkt::pod
