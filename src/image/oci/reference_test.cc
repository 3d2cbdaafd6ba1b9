// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/oci/reference.h"

#include <gtest/gtest.h>

namespace rkt::image::oci {
namespace {

std::string Parsed(std::string_view text) {
  auto reference = ParseRegistryReference(text);
  if (!reference) return "error";
  return reference->host + " " + reference->repository + " " + reference->tag + " " + reference->digest;
}
const std::string kDigest = "sha256:" + std::string(64, 'a');

TEST(DockerReference, HostNameTagAndDigestAreTakenApart) {
  EXPECT_EQ(Parsed("busybox"), "registry-1.docker.io library/busybox latest ");
  EXPECT_EQ(Parsed("docker.io/busybox:1"), "registry-1.docker.io library/busybox 1 ");
  EXPECT_EQ(Parsed("me/app:1.0_x-Y"), "registry-1.docker.io me/app 1.0_x-Y ");
  EXPECT_EQ(Parsed("localhost/app"), "localhost app latest ");
  EXPECT_EQ(Parsed("127.0.0.1:5000/lib/img"), "127.0.0.1:5000 lib/img latest ");
  EXPECT_EQ(Parsed("[::1]:5000/img:2"), "[::1]:5000 img 2 ");
  EXPECT_EQ(Parsed("quay.io/a/b/c@" + kDigest), "quay.io a/b/c  " + kDigest);
  EXPECT_EQ(Parsed("quay.io/a:t@" + kDigest), "quay.io a t " + kDigest);
  EXPECT_TRUE(ParseRegistryReference("a")->default_tag);
  EXPECT_FALSE(ParseRegistryReference("a:latest")->default_tag);
}

TEST(DockerReference, WhatCouldLeaveAPathOrAUrlIsRefused) {
  for (const char* text :
       {"", "/x", "a//b", "a/", "../x", "a/../b", "h.example/..", "a/./b", "Upper/x", "h.example/Upper", "a b", "a?b", "a#b",
        "a%2fb", "a:", "a:..", "a:t/x", "a:-t", "a@", "a@sha256:../../x", "a@sha256:abc", "a@md5:aa", "user@h.example/a",
        "h.example:0/a", "h.example:99999/a", "h.example:x/a", "-h.example/a", "h_x.example/a", "a..b", "a___b", "-a", "a-",
        "http://h.example/a", "h.example:80:80/a", "[::1/a", "a\nb", "a/\xc3\xa4"}) {
    EXPECT_EQ(Parsed(text), "error") << text;
  }
  EXPECT_EQ(Parsed(std::string(300, 'a')), "error");
  EXPECT_EQ(Parsed("a:" + std::string(129, 't')), "error");
}

TEST(DockerReference, DigestsAreExact) {
  EXPECT_TRUE(IsDigest(kDigest));
  EXPECT_TRUE(IsDigest("sha512:" + std::string(128, '0')));
  EXPECT_FALSE(IsDigest("sha512:" + std::string(64, '0')));
  EXPECT_FALSE(IsDigest("sha256:" + std::string(64, 'A')));
  EXPECT_FALSE(IsDigest("sha256:" + std::string(62, 'a') + "/x"));
  EXPECT_FALSE(IsDigest("sha256:../../x"));
  EXPECT_EQ(DigestId(kDigest).value_or(""), "sha256-" + std::string(64, 'a'));
  EXPECT_FALSE(DigestId("sha256:../../x"));
}

}  // namespace
}  // namespace rkt::image::oci
