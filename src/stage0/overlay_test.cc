// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/overlay.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "base/file.h"

namespace rkt::stage0 {
namespace {

TEST(Overlay, ManyLayersAreMountedInOneOptionOnOldKernels) {
  if (::geteuid() != 0) GTEST_SKIP() << "root: mounting";
  char name[] = "/dev/shm/rkt-overlay-XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  std::string top = name, pod = top + "/pods/run/uuid";
  std::vector<std::string> lowers;
  constexpr int kLayers = 120;
  for (int i = 0; i < kLayers; ++i) {
    lowers.push_back(StrCat("layertree/sha256-", std::string(61, 'a'), 100 + i, "/rootfs"));
    ASSERT_TRUE(MakeDirs(StrCat(top, "/cas/", lowers.back()), 0755));
    ASSERT_TRUE(WriteFileAt(AT_FDCWD, StrCat(top, "/cas/", lowers.back(), "/same"), StrCat(i), 0644));
    ASSERT_TRUE(WriteFileAt(AT_FDCWD, StrCat(top, "/cas/", lowers.back(), "/own", i), "x", 0644));
  }
  for (const char* dir : {"/upper", "/work", "/target"}) ASSERT_TRUE(MakeDirs(pod + dir, 0755));
  pid_t child = ::fork();
  if (child == 0) {
    if (::chdir(pod.c_str()) != 0 || !EnterPrivateMounts()) ::_exit(2);
    Status mounted = MountOverlayInOneOption(lowers, "upper", "work", "target");
    if (!mounted) {
      (void)WriteFileAt(AT_FDCWD, top + "/error", mounted.error().Text(), 0644);
      ::_exit(3);
    }
    bool good = ReadFile("target/same").value_or("") == "0";
    for (int i = 0; i < kLayers; ++i) good = good && Exists(StrCat("target/own", i));
    good = good && WriteFileAt(AT_FDCWD, "target/written", "w", 0644) && Exists("upper/written");
    ::_exit(good ? 0 : 4);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0) << ReadFile(top + "/error").value_or("");
  EXPECT_TRUE(RemoveTreeAt(AT_FDCWD, top));
}

}  // namespace
}  // namespace rkt::stage0
