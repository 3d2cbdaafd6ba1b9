// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// What members of the groups rkt and rkt-admin may do without being root, in directories made by dist/setup-data-dir.sh. The
// groups exist only for that script, in an /etc of its own.

#include <sys/stat.h>
#include <unistd.h>

#include "functional/harness/pod_test.h"
#include "servers/registry.h"

namespace rkt::test {
namespace {

class Groups : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    for (const char* file : {"/bin/rkt", "/libexec/rkt/fetch", "/libexec/rkt/openpgp"}) {
      std::string target = dir() + "/public" + file, root = RktBinary().substr(0, RktBinary().rfind("/bin/"));
      MakeDirs(target.substr(0, target.rfind('/')));
      WriteFile(target, ReadFile(root + file), 0755);
    }
    chmod(dir().c_str(), 0755);
    RunSetUp();
    ASSERT_NE(rkt_, 0u) << "the script set no group";
    ASSERT_NE(admin_, 0u);
  }
  // Runs the script where /etc may be changed, and learns the numbers of the groups.
  void RunSetUp() {
    MakeDirs(dir() + "/etc");
    Output output = RunProgram(
        {"unshare", "-m", "sh", "-ec",
         "cp /etc/passwd /etc/group /etc/shadow /etc/gshadow /etc/login.defs /etc/nsswitch.conf " + dir() +
             "/etc 2>/dev/null || true; mount --make-rprivate /; mount --bind " + dir() + "/etc /etc; exec " RKT_SOURCE_DIR
             "/dist/setup-data-dir.sh " +
             data() + " " + config()});
    ASSERT_EQ(output.code, 0) << output.All();
    struct stat st = {};
    ASSERT_EQ(stat(data().c_str(), &st), 0);
    rkt_ = st.st_gid;
    ASSERT_EQ(stat(config().c_str(), &st), 0);
    admin_ = st.st_gid;
  }
  std::string config() const { return dir() + "/etc-rkt"; }
  // rkt as a user with a group of his own, and a member of another one.
  Output As(unsigned uid, unsigned group, const Args& args) {
    return RunProgram(Args{"setpriv", "--reuid=" + std::to_string(uid), "--regid=" + std::to_string(uid),
                           "--groups=" + std::to_string(group), dir() + "/public/bin/rkt", "--dir=" + data(),
                           "--local-config=" + config(), "--system-config=" + dir() + "/none", "--insecure-options=" + insecure_} +
                      args);
  }
  Output AsOk(unsigned uid, unsigned group, const Args& args) {
    Output output = As(uid, group, args);
    EXPECT_EQ(output.code, 0) << uid << ": " << args[0] << "\n" << output.All();
    return output;
  }

  unsigned rkt_ = 0, admin_ = 0;
};

TEST_F(Groups, DirectoriesHaveTheModesOfTheDocumentation) {
  struct Wanted {
    const char* path;
    unsigned mode;
  };
  for (const Wanted& wanted : {Wanted{"", 02750}, Wanted{"/cas", 02770}, Wanted{"/cas/tmp", 02770}, Wanted{"/cas/imagelocks", 02770},
                               Wanted{"/cas/blob/sha512", 02770}, Wanted{"/cas/tree", 02700},
                               Wanted{"/cas/treestorelocks", 02700}, Wanted{"/pods", 02750}, Wanted{"/pods/run", 02750}}) {
    struct stat st = {};
    std::string path = data() + wanted.path;
    ASSERT_EQ(stat(path.c_str(), &st), 0) << path;
    EXPECT_EQ(st.st_mode & 07777, wanted.mode) << path;
    EXPECT_EQ(st.st_uid, 0u);
    EXPECT_EQ(st.st_gid, rkt_) << path;
  }
  struct stat st = {};
  ASSERT_EQ(stat(config().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 02775u);
  EXPECT_NE(admin_, rkt_);
}

TEST_F(Groups, MembersAndRootShareTheStore) {
  std::string first = WriteImage("first.aci", ImageSpec{.name = "example.com/first"});
  std::string second = WriteImage("second.aci", ImageSpec{.name = "example.com/second"});
  std::string third = WriteImage("third.aci", ImageSpec{.name = "example.com/third"});
  // Whoever comes first makes what is missing, whatever his umask.
  mode_t umask_before = umask(077);
  AsOk(4001, rkt_, {"fetch", first});
  RktOk({"fetch", second});
  AsOk(4002, rkt_, {"fetch", third});
  std::string id = Trim(AsOk(4002, rkt_, {"fetch", "--full", first}).out);
  umask(umask_before);
  for (unsigned uid : {4001u, 4002u}) {
    std::string list = AsOk(uid, rkt_, {"image", "list"}).out;
    for (const char* name : {"first", "second", "third"}) EXPECT_TRUE(Contains(list, name)) << list;
    AsOk(uid, rkt_, {"image", "cat-manifest", "example.com/second"});
  }
  AsOk(4001, rkt_, {"image", "export", "example.com/first", "/dev/null", "--overwrite"});
  AsOk(4001, rkt_, {"image", "rm", "example.com/third"});
  AsOk(4002, rkt_, {"image", "rm", "example.com/second"});
  EXPECT_FALSE(Contains(RktOk({"image", "list"}).out, "example.com/second"));
  RktOk({"image", "fsck"});
  // Others see nothing.
  EXPECT_EQ(As(4003, 4003, {"image", "list"}).code, 254);
  EXPECT_EQ(As(4003, 4003, {"fetch", first}).code, 254);

  // Root runs what a member fetched, and members see the pod.
  Output run = RunOk({id, "--exec=/bin/true"});
  std::string list = AsOk(4001, rkt_, {"list"}).out;
  EXPECT_TRUE(Contains(list, "exited") && Contains(list, "example.com/first:1.0.0")) << list;
  std::string uuid = Split(Lines(list).at(1), '\t')[0];
  EXPECT_TRUE(Contains(AsOk(4001, rkt_, {"status", uuid}).out, "state=exited"));
  AsOk(4001, rkt_, {"cat-manifest", uuid});
  EXPECT_EQ(As(4001, rkt_, {"rm", uuid}).code, 254);
  EXPECT_EQ(As(4001, rkt_, {"run", id}).code, 254);
}

TEST_F(Groups, MembersShareLayersOfRegistriesAndWhatUrlsGave) {
  Registry registry;
  OciImage image;
  image.layers = {Tar().Dir("bin").HostFile("bin/busybox", RKT_BUSYBOX).Finish(), Tar().File("one", "1").Finish()};
  registry.Push("a:1", image);
  image.layers[1] = Tar().File("two", "2").Finish();
  registry.Push("b:1", image);
  const std::string host = "docker://" + registry.host();
  insecure_ = "image,http";
  mode_t umask_before = umask(077);
  AsOk(4001, rkt_, {"fetch", host + "/a:1"});
  AsOk(4002, rkt_, {"fetch", host + "/b:1"});
  HttpServer server([&](const HttpRequest&, Reply& reply) { reply.Send(200, {"ETag: \"1\""}, JudgeTar()); });
  AsOk(4001, rkt_, {"fetch", "http://" + server.host() + "/a.aci"});
  AsOk(4002, rkt_, {"fetch", "http://" + server.host() + "/a.aci"});
  AsOk(4002, rkt_, {"fetch", "http://" + server.host() + "/b.aci"});
  umask(umask_before);
  EXPECT_EQ(registry.server().Count("/blobs/" + Digest(image.layers[0])), 1);
  RunOk({host + "/b:1", "--exec=/bin/busybox", "--", "cat", "/two"});
  RktOk({"image", "fsck"});
}

TEST_F(Groups, AdministratorsTrustKeysForEverybody) {
  REQUIRE_FACILITY("gpg", RunProgram({"gpg", "--version"}).code == 0, "Debian's gnupg");
  std::string home = dir() + "/gnupg";
  MakeDirs(home);
  chmod(home.c_str(), 0700);
  auto gpg = [&](const Args& args) {
    Output output = RunProgram(Args{"gpg", "--homedir", home, "--batch", "--quiet"} + args);
    EXPECT_EQ(output.code, 0) << output.All();
    return output.out;
  };
  gpg({"--passphrase", "", "--quick-generate-key", "Tester <t@example.com>", "ed25519", "sign", "never"});
  WriteFile(dir() + "/key.gpg", gpg({"--armor", "--export"}));
  std::string image = WriteImage("signed.aci", ImageSpec{.name = "example.com/signed"});
  gpg({"--armor", "--output", image + ".asc", "--detach-sign", image});
  RunProgram({"gpgconf", "--homedir", home, "--kill", "all"});
  insecure_ = "none";
  const Args trust = {"trust", "--prefix=example.com", "--skip-fingerprint-review", dir() + "/key.gpg"};
  EXPECT_EQ(As(4001, rkt_, trust).code, 254) << "a member of rkt alone may not";
  AsOk(4002, admin_, trust);
  Output output = AsOk(4001, rkt_, {"fetch", image});
  EXPECT_TRUE(Contains(output.err, "signature verified")) << output.err;
}

}  // namespace
}  // namespace rkt::test
