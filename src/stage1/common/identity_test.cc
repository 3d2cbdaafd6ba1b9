// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/common/identity.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"

namespace rkt::stage1 {
namespace {

class IdentityTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/identity-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    path_ = name;
    auto root = Open(path_, O_PATH | O_DIRECTORY);
    ASSERT_TRUE(root);
    root_ = std::move(*root);
    ASSERT_TRUE(MakeDirs(path_ + "/etc", 0755));
    Write("etc/passwd",
          "root:x:0:0::/root:/bin/sh\n"
          "www-data:x:33:33:www:/var/www:/bin/false\n"
          "1000:x:0:0:hijack::\n"
          "huge:x:4294967296:0::\n"
          "minus:x:-1:0::\n"
          "broken\n"
          "words:x:zero:0::\n"
          "last:x:77:78::/:/bin/sh");
    Write("etc/group", "root:x:0:\nwww:x:34:root\nempty:x::\n");
  }
  void TearDown() override { EXPECT_TRUE(RemoveTreeAt(AT_FDCWD, path_)); }

  void Write(const std::string& name, std::string_view text) {
    ASSERT_TRUE(WriteFileAt(AT_FDCWD, path_ + "/" + name, text, 0644, true));
  }
  Result<Identity> Resolve(std::string user, std::string group, bool docker = false) {
    return ResolveIdentity(root_.get(), {std::move(user), std::move(group), {}, docker});
  }
  std::string path_;
  Fd root_;
};

TEST_F(IdentityTest, NumbersRootAndNames) {
  auto identity = Resolve("1234", "root");
  ASSERT_TRUE(identity) << identity.error().Text();
  EXPECT_EQ(identity->uid, 1234u);
  EXPECT_EQ(identity->gid, 0u);
  identity = Resolve("www-data", "www");
  ASSERT_TRUE(identity) << identity.error().Text();
  EXPECT_EQ(identity->uid, 33u);
  EXPECT_EQ(identity->gid, 34u);
  identity = Resolve("last", "2147483647");
  ASSERT_TRUE(identity) << identity.error().Text();
  EXPECT_EQ(identity->uid, 77u);
  EXPECT_EQ(identity->gid, 2147483647u);
}

TEST_F(IdentityTest, RootNeedsNoFiles) {
  ASSERT_TRUE(RemoveTreeAt(AT_FDCWD, path_ + "/etc"));
  EXPECT_TRUE(Resolve("root", "0"));
  auto missing = Resolve("www-data", "0");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), Code::kNotFound);
}

TEST_F(IdentityTest, PathsGiveTheirOwnerWithoutFollowingLinks) {
  if (getuid() != 0) GTEST_SKIP() << "needs root";
  Write("file", "");
  ASSERT_EQ(chown((path_ + "/file").c_str(), 5, 6), 0);
  ASSERT_EQ(symlink("/file", (path_ + "/link").c_str()), 0);
  ASSERT_EQ(lchown((path_ + "/link").c_str(), 8, 9), 0);
  ASSERT_EQ(symlink("/", (path_ + "/up").c_str()), 0);
  auto identity = Resolve("/file", "/link");
  ASSERT_TRUE(identity) << identity.error().Text();
  EXPECT_EQ(identity->uid, 5u);
  EXPECT_EQ(identity->gid, 9u);
  // Links on the way stay inside: /up/file is the file of the root, not of the host.
  identity = Resolve("/up/../../file", "/up/file");
  ASSERT_TRUE(identity) << identity.error().Text();
  EXPECT_EQ(identity->uid, 5u);
  EXPECT_EQ(identity->gid, 6u);
  EXPECT_FALSE(Resolve("/nothing", "0"));
}

TEST_F(IdentityTest, NumericNameOfTheImageHijacksNoNumber) {
  auto identity = Resolve("1000", "0");
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->uid, 1000u);
}

TEST_F(IdentityTest, IdsOutOfRangeAreErrorsAndNeverZero) {
  for (const char* id : {"-1", "2147483648", "4294967295", "4294967296", "18446744073709551616",
                         "99999999999999999999999", "-0x1", "", "+5", "huge", "minus", "words"}) {
    EXPECT_FALSE(Resolve(id, "0")) << id;
    EXPECT_FALSE(Resolve("0", id)) << id;
  }
  EXPECT_FALSE(Resolve("0", "empty"));
  EXPECT_FALSE(Resolve("broken", "0"));
  EXPECT_FALSE(Resolve("www-dat", "0"));
  EXPECT_FALSE(Resolve("www-data:x", "0"));
  EXPECT_FALSE(Resolve(std::string("ro\0ot", 5), "0"));
}

TEST_F(IdentityTest, SupplementaryGroupsFollowThePrimaryOne) {
  auto identity = ResolveIdentity(root_.get(), {"0", "5", {7, 8, 5, 7}, false});
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->groups, (std::vector<gid_t>{5, 7, 8}));
  EXPECT_FALSE(ResolveIdentity(root_.get(), {"0", "0", {-1}, false}));
  EXPECT_FALSE(ResolveIdentity(root_.get(), {"0", "0", {4294967296}, false}));
}

TEST_F(IdentityTest, DockerGroupFallsBackToTheUid) {
  auto identity = Resolve("www-data", "www-data", true);
  ASSERT_TRUE(identity) << identity.error().Text();
  EXPECT_EQ(identity->gid, 33u);
  EXPECT_FALSE(Resolve("www-data", "www-data", false));
  EXPECT_FALSE(Resolve("www-data", "other", true));
  EXPECT_FALSE(Resolve("nobody-here", "nobody-here", true));
}

TEST_F(IdentityTest, PasswdAsLinkIsResolvedInsideTheRoot) {
  ASSERT_EQ(unlink((path_ + "/etc/passwd").c_str()), 0);
  ASSERT_EQ(symlink("/../../../../etc/passwd-of-image", (path_ + "/etc/passwd").c_str()), 0);
  EXPECT_FALSE(Resolve("daemon", "0"));
  Write("etc/passwd-of-image", "daemon:x:4711:1::\n");
  auto identity = Resolve("daemon", "0");
  ASSERT_TRUE(identity) << identity.error().Text();
  EXPECT_EQ(identity->uid, 4711u);
  // A link through /proc would lead to the host.
  ASSERT_EQ(unlink((path_ + "/etc/passwd").c_str()), 0);
  ASSERT_EQ(symlink("/proc/self/root/etc/passwd", (path_ + "/etc/passwd").c_str()), 0);
  EXPECT_FALSE(Resolve("daemon", "0"));
}

TEST_F(IdentityTest, PasswdThatIsNoFileIsRefusedWithoutBlocking) {
  std::string passwd = path_ + "/etc/passwd";
  ASSERT_EQ(unlink(passwd.c_str()), 0);
  ASSERT_EQ(mkfifo(passwd.c_str(), 0644), 0);
  auto identity = Resolve("www-data", "0");
  ASSERT_FALSE(identity);
  EXPECT_EQ(identity.error().code(), Code::kInvalid);
  ASSERT_EQ(unlink(passwd.c_str()), 0);
  ASSERT_EQ(mkdir(passwd.c_str(), 0755), 0);
  EXPECT_FALSE(Resolve("www-data", "0"));
  ASSERT_EQ(rmdir(passwd.c_str()), 0);
  if (getuid() == 0) {
    ASSERT_EQ(mknod(passwd.c_str(), S_IFCHR | 0644, 1 << 8 | 5), 0);  // /dev/zero has no end
    EXPECT_FALSE(Resolve("www-data", "0"));
  }
}

TEST_F(IdentityTest, PasswdOfGigabytesIsRefused) {
  ASSERT_EQ(truncate((path_ + "/etc/passwd").c_str(), off_t{4} << 30), 0);
  auto identity = Resolve("nobody-here", "0");
  ASSERT_FALSE(identity);
  EXPECT_EQ(identity.error().code(), Code::kInvalid);
}

TEST_F(IdentityTest, SomebodyElseInARunningApp) {
  const Identity app = {1000, 100, {100, 4, 27}};
  auto other = [&](const std::string& user, const std::string& group) {
    auto identity = ResolveOther(root_.get(), user, group, app);
    if (!identity) return std::string("refused");
    std::string text = StrCat(identity->uid, ":", identity->gid);
    for (gid_t id : identity->groups) text += StrCat(" ", id);
    return text;
  };
  EXPECT_EQ(other("", ""), "1000:100 100 4 27");
  EXPECT_EQ(other("last", ""), "77:78 78");
  EXPECT_EQ(other("77", ""), "77:78 78");
  EXPECT_EQ(other("4321", ""), "4321:100 100");
  EXPECT_EQ(other("0", ""), "0:0 0");
  EXPECT_EQ(other("last", "27"), "77:27 27");
  EXPECT_EQ(other("", "27"), "1000:27 27 4");
  EXPECT_EQ(other("nobody", ""), "refused");
  EXPECT_EQ(other("", "nobody"), "refused");
  ASSERT_TRUE(UnlinkAt(AT_FDCWD, path_ + "/etc/passwd"));
  EXPECT_EQ(other("77", ""), "77:100 100");
  ASSERT_EQ(mkfifo((path_ + "/etc/passwd").c_str(), 0600), 0);
  EXPECT_EQ(other("77", ""), "refused");
  EXPECT_EQ(other("0", ""), "0:0 0");
}

}  // namespace
}  // namespace rkt::stage1
