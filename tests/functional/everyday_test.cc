// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// What people meet in their first hour: slips in names, output into devices and pipes, names that the original's
// documentation uses.

#include <sys/stat.h>
#include <unistd.h>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class Everyday : public PodTest {
 protected:
  // A name in the test's directory that leads to a device.
  std::string LinkTo(const std::string& device) {
    std::string path = dir() + device.substr(device.rfind('/'));
    EXPECT_EQ(::symlink(device.c_str(), path.c_str()), 0);
    return path;
  }
  void ExpectLink(const std::string& path) {
    struct stat st;
    ASSERT_EQ(::lstat(path.c_str(), &st), 0) << path << " is gone";
    EXPECT_TRUE(S_ISLNK(st.st_mode)) << path << " was replaced";
  }
  std::string Refused(const Args& args) {
    Output output = Run(args);
    EXPECT_EQ(output.code, 254) << output.All();
    EXPECT_TRUE(PodsIn("run").empty() && PodsIn("prepare").empty()) << "nothing half made";
    return output.err;
  }
};

TEST_F(Everyday, DevicesAreWrittenToAndStay) {
  std::string id = Fetch(JudgeAci());
  std::string full = LinkTo("/dev/full"), null = LinkTo("/dev/null");
  for (const Args& flags : {Args{}, Args{"--overwrite"}}) {
    Output output = Rkt(Args{"image", "export"} + flags + Args{id, full});
    EXPECT_EQ(output.code, 254);
    EXPECT_EQ(output.err, "export: write " + full + ": no space left on device\n");
    ExpectLink(full);
    RktOk(Args{"image", "export"} + flags + Args{id, null});
    ExpectLink(null);
  }
  Output saved = Run({"--uuid-file-save=" + full, JudgeAci()});
  EXPECT_EQ(saved.code, 254);
  EXPECT_TRUE(Contains(saved.err, "no space left on device")) << saved.err;
  ExpectLink(full);
  EXPECT_TRUE(PodsIn("run").empty());
}

TEST_F(Everyday, AnImageIsExportedIntoAPipe) {
  std::string id = Fetch(JudgeAci());
  std::string file = dir() + "/out.tar", pipe = dir() + "/pipe", copy = dir() + "/copy.tar";
  RktOk({"image", "export", id, file});
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  Background cat({"/bin/sh", "-c", "cat " + pipe + " > " + copy}, {}, dir() + "/cat");
  RktOk({"image", "export", id, pipe});
  EXPECT_EQ(cat.Wait().code, 0);
  std::string piped = ReadFile(copy), written = ReadFile(file);
  EXPECT_EQ(piped.size(), written.size());
  EXPECT_TRUE(piped == written);
}

TEST_F(Everyday, AFailedExportLeavesTheOldFile) {
  std::string id = Fetch(JudgeAci());
  MakeDirs(dir() + "/disk");
  SmallDisk disk(dir() + "/disk", "size=64k");
  std::string file = dir() + "/disk/out.aci";
  WriteFile(file, "the old one");
  Output output = Rkt({"image", "export", "--overwrite", id, file});
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_EQ(ReadFile(file), "the old one");
  EXPECT_EQ(ListDir(dir() + "/disk").size(), 1u);
}

TEST_F(Everyday, ALinkIsNotReplacedByAnOutputFile) {
  std::string id = Fetch(JudgeAci());
  std::string file = dir() + "/real.aci", link = dir() + "/link.aci";
  WriteFile(file, "precious");
  ASSERT_EQ(::symlink("real.aci", link.c_str()), 0);
  Output output = Rkt({"image", "export", "--overwrite", id, link});
  EXPECT_EQ(output.code, 254);
  EXPECT_EQ(output.err, "export: " + link + " is a symbolic link, name the file itself\n");
  ExpectLink(link);
  EXPECT_EQ(ReadFile(file), "precious");
}

TEST_F(Everyday, ABadNameOfAnAppIsCalledThat) {
  EXPECT_EQ(Refused({JudgeAci(), "--name=Web"}),
            "run: error setting up stage0: app name may have only lower case letters, digits and \"-\": \"Web\"\n");
  EXPECT_EQ(Refused({JudgeAci(), "--name="}), "run: error setting up stage0: app name must not be empty\n");
  EXPECT_EQ(Refused({JudgeAci(), JudgeAci()}), "run: error setting up stage0: error: multiple apps with name judge "
                                               "(--name=NAME behind an image gives its app another)\n");
  std::string longest(128, 'a');
  EXPECT_TRUE(Contains(Refused({JudgeAci(), "--name=" + longest + "a"}), "has 129 characters, 128 are allowed"));
  RunOk({JudgeAci(), "--name=" + longest, "--", "show", "/etc/hostname"});
  RunOk({"--no-overlay", JudgeAci(), "--name=" + longest, "--", "show", "/etc/hostname"});
}

TEST_F(Everyday, AHostNameIsCheckedBeforeAnythingIsMade) {
  EXPECT_EQ(Refused({"--hostname=a\nb", JudgeAci()}),
            "run: --hostname may have only letters, digits, \"-\", \".\" and \"_\": \"a\\nb\"\n");
  EXPECT_TRUE(Contains(Refused({"--hostname=" + std::string(65, 'h'), JudgeAci()}), "at most 64 characters"));
  std::string longest = std::string(60, 'h') + ".a_B";
  EXPECT_EQ(See({"--hostname=" + longest})["/hostname"], longest);
}

TEST_F(Everyday, MessagesNameWhatIsWrongWithAnImage) {
  std::string text = dir() + "/text.aci", cut = dir() + "/cut.aci", tar = dir() + "/image.tar";
  WriteFile(text, "no image\n");
  WriteFile(cut, ReadFile(JudgeAci()).substr(0, 1000));
  WriteFile(tar, Tar().File("oci-layout", "{}").Finish());
  const std::pair<std::string, std::string> cases[] = {
      {text, text + ": no type returned from DetectFileType?"},
      {cut, cut + ": "},
      {tar, "invalid image string \"file://" + tar + "\": an image file's name ends in .aci (docker-archive:FILE, "},
      {"docker-archive:" + tar, "\"manifest.json\" is not in the archive, which is one of OCI (oci-archive:FILE)"},
      {"localhost/none", "discovery failed for localhost/none"},
      {"sha512-0123456789", "no image IDs found for \"sha512-0123456789\""}};
  for (const auto& [image, message] : cases) {
    Output output = Rkt({"run", "--net=none", image});
    EXPECT_EQ(output.code, 254) << output.All();
    EXPECT_TRUE(StartsWith(output.err, "run: " + message)) << output.err;
  }
}

TEST_F(Everyday, AMistakeInTheConfigurationNamesItsFile) {
  std::string file = dir() + "/etc/paths.d/place.json";
  MakeDirs(dir() + "/etc/paths.d");
  WriteFile(file, R"({"rktKind": "paths", "rktVersion": "v1", "data": "relative"})");
  Output output = RunProgram({RktBinary(), "--local-config=" + dir() + "/etc", "list"});
  EXPECT_EQ(output.code, 254);
  EXPECT_EQ(output.err, "list: cannot get configuration: failed to parse \"" + file + "\": data directory must be an absolute path\n");
}

TEST_F(Everyday, ThePortsThatThereAreAreNamed) {
  ImageSpec spec;
  spec.app = R"("ports": [{"name": "8080-tcp", "protocol": "tcp", "port": 8080}, {"name": "dns", "protocol": "udp", "port": 53}])";
  EXPECT_EQ(Refused({"--net=default", "--port=8080:80", WriteImage("ports.aci", spec)}),
            "run: error setting up stage0: port name \"8080\" is not declared by any app, only: \"8080-tcp\", \"dns\"\n");
  EXPECT_TRUE(Contains(Refused({"--net=default", "--port=http:80", JudgeAci()}), "by any app, none is\n"));
}

TEST_F(Everyday, CommandsOfOtherEnginesAreTranslated) {
  Output output = Rkt({"images"});
  EXPECT_EQ(output.code, 254);
  EXPECT_EQ(output.err, "Error: unknown command \"images\" for \"rkt\"\n\nDid you mean this?\n\timage list\n\n"
                        "Run 'rkt --help' for usage.\n");
}

// The original's documentation starts fly by this name.
TEST_F(Everyday, FlyIsFoundByItsName) {
  std::string uuid = RktOk({"prepare", "--stage1-name=coreos.com/rkt/stage1-fly", JudgeAci()}).out;
  EXPECT_EQ(ReadFile(PodDir(uuid.substr(0, 36)) + "/stage1/manifest").find("stage1-native"), std::string::npos);
  RktOk({"rm", uuid.substr(0, 36)});
  Output old = Rkt({"prepare", "--stage1-name=coreos.com/rkt/stage1-fly:1.30.0", "--pull-policy=never", JudgeAci()});
  EXPECT_EQ(old.code, 254);
  EXPECT_TRUE(StartsWith(old.err, "prepare: error setting up stage0: stage1 image coreos.com/rkt/stage1-fly:1.30.0 is neither in the store nor "
                                  "among those that came with rkt: "))
      << old.err;
}

}  // namespace
}  // namespace rkt::test
