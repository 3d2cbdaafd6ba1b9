// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/common/program_lookup.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "base/fd.h"
#include "base/file.h"

namespace rkt::stage1 {
namespace {

using Paths = std::vector<std::string>;

TEST(ProgramCandidates, FollowPathWorkingDirectoryAndSlashes) {
  EXPECT_EQ(ProgramCandidates("/bin/x", "/w", "/a"), Paths{"/bin/x"});
  EXPECT_EQ(ProgramCandidates("d/x", "/w", "/a"), Paths{"/w/d/x"});
  EXPECT_EQ(ProgramCandidates("./x", "", "/a"), Paths{"/./x"});
  EXPECT_EQ(ProgramCandidates("x", "/w", "/a:b::/c/"), (Paths{"/a/x", "/w/b/x", "/w/x", "/c/x"}));
  EXPECT_EQ(ProgramCandidates("x", "/w", ""), (Paths{"/w/x", "/bin/x", "/usr/bin/x"}));
  EXPECT_EQ(ProgramCandidates("x", "", ""), (Paths{"/x", "/bin/x", "/usr/bin/x"}));
}

class ProgramTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/program-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    path_ = name;
    auto root = Open(path_, O_PATH | O_DIRECTORY);
    ASSERT_TRUE(root);
    root_ = std::move(*root);
    ASSERT_TRUE(MakeDirs(path_ + "/bin", 0755));
    ASSERT_TRUE(MakeDirs(path_ + "/opt/dir", 0755));
  }
  void TearDown() override { EXPECT_TRUE(RemoveTreeAt(AT_FDCWD, path_)); }
  void Write(const std::string& name, std::string_view text, mode_t mode = 0755) {
    ASSERT_TRUE(WriteFileAt(AT_FDCWD, path_ + name, text, mode, true));
    ASSERT_EQ(chmod((path_ + name).c_str(), mode), 0);
  }
  std::string Explain(const std::string& program, int err = ENOENT) {
    return ExplainExecFailure(root_.get(), program, err);
  }
  static std::string Elf(const std::string& loader) {
    Elf64_Ehdr header = {};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 1;
    Elf64_Phdr segment = {};
    segment.p_type = PT_INTERP;
    segment.p_offset = sizeof header + sizeof segment;
    segment.p_filesz = loader.size() + 1;
    std::string image(reinterpret_cast<char*>(&header), sizeof header);
    image.append(reinterpret_cast<char*>(&segment), sizeof segment);
    return image + loader + '\0';
  }
  std::string path_;
  Fd root_;
};

TEST_F(ProgramTest, BareNameIsTheFirstExecutableFile) {
  Write("/bin/plain", "", 0644);
  ASSERT_TRUE(MakeDirs(path_ + "/bin/sub", 0755));
  Write("/opt/plain", "");
  Write("/opt/sub", "");
  auto found = FindProgram(root_.get(), "plain", "/", "/nowhere:/bin:/opt");
  ASSERT_TRUE(found) << found.error().Text();
  EXPECT_EQ(*found, "/opt/plain");
  EXPECT_EQ(*FindProgram(root_.get(), "sub", "/", "/bin:/opt"), "/opt/sub");
  EXPECT_EQ(*FindProgram(root_.get(), "plain", "/opt", ""), "/opt/plain");
  EXPECT_EQ(*FindProgram(root_.get(), "/no/such", "/", ""), "/no/such");
}

TEST_F(ProgramTest, LinksAreResolvedInsideTheRoot) {
  Write("/opt/tool", "");
  ASSERT_EQ(symlink("/opt/tool", (path_ + "/bin/inside").c_str()), 0);
  ASSERT_EQ(symlink("/usr/bin/env", (path_ + "/bin/outside").c_str()), 0);
  ASSERT_EQ(symlink("../../../../../../usr/bin/env", (path_ + "/bin/climbing").c_str()), 0);
  EXPECT_EQ(*FindProgram(root_.get(), "inside", "/", "/bin"), "/bin/inside");
  EXPECT_FALSE(FindProgram(root_.get(), "outside", "/", "/bin"));
  EXPECT_FALSE(FindProgram(root_.get(), "climbing", "/", "/bin"));
}

TEST_F(ProgramTest, MissingBareNameIsNotFound) {
  auto found = FindProgram(root_.get(), "sh", "/", "/sbin:/bin");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), Code::kNotFound);
  EXPECT_EQ(found.error().message(), "unable to find \"sh\" in \"/sbin:/bin\"");
  EXPECT_FALSE(FindProgram(root_.get(), "", "/", "/bin"));
}

TEST_F(ProgramTest, ExplanationNamesTheMissingFile) {
  EXPECT_EQ(Explain("/x"), "Unable to open \"/x\": No such file or directory");
  Write("/script", "#! /bin/interpreter -x\n");
  EXPECT_EQ(Explain("/script"), "Unable to open \"/bin/interpreter\": No such file or directory");
  Write("/program", Elf("/lib64/loader.so"));
  EXPECT_EQ(Explain("/program"), "Unable to open \"/lib64/loader.so\": No such file or directory");
  Write("/script-of-program", "#!/program");
  EXPECT_EQ(Explain("/script-of-program"),
            "Unable to open \"/lib64/loader.so\": No such file or directory");
}

TEST_F(ProgramTest, ExplanationOfWhatIsThere) {
  Write("/text", "hello", 0644);
  EXPECT_EQ(Explain("/text", EACCES), "Unable to execute \"/text\": Permission denied");
  EXPECT_EQ(Explain("/opt/dir", EACCES), "Unable to execute \"/opt/dir\": Permission denied");
  Write("/noise", "hello");
  EXPECT_EQ(Explain("/noise", ENOEXEC), "Unable to execute \"/noise\": Exec format error");
  Write("/loop", "#!/loop\n");
  EXPECT_EQ(Explain("/loop", ELOOP),
            "Unable to execute \"/loop\": Too many levels of symbolic links");
  ASSERT_EQ(mkfifo((path_ + "/fifo").c_str(), 0755), 0);
  EXPECT_EQ(Explain("/fifo", EACCES), "Unable to execute \"/fifo\": Permission denied");
}

TEST_F(ProgramTest, BrokenProgramsAreNoTrouble) {
  std::string elf = Elf("/loader");
  for (size_t size = 0; size < elf.size(); ++size) {
    Write("/cut", elf.substr(0, size));
    EXPECT_FALSE(Explain("/cut", ENOEXEC).empty());
  }
  elf[offsetof(Elf64_Ehdr, e_phoff) + 7] = '\x7f';
  Write("/far", elf);
  EXPECT_EQ(Explain("/far", ENOEXEC), "Unable to execute \"/far\": Exec format error");
  Write("/escape", "#!/\x1b[2J\n");
  EXPECT_EQ(Explain("/escape").find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace rkt::stage1
