// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/attach_point.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "stage1/native/clock.h"

namespace rkt::native {
namespace {

class AttachPointTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/attach-point.XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    path_ = name;
    directory_ = *Open(path_, O_RDONLY | O_DIRECTORY);
  }
  void TearDown() override { ASSERT_TRUE(RemoveTreeAt(AT_FDCWD, path_)); }

  Fd Connect() {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    StrCat(path_, "/sock").copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  // One round of a loop.
  static bool Round(AttachPoint& point) {
    PollSet polls;
    point.AddPolls(polls);
    if (::poll(polls.polls().data(), polls.polls().size(), 0) <= 0) return false;
    polls.Dispatch();
    return true;
  }

  std::string path_;
  Fd directory_;
};

TEST_F(AttachPointTest, ProcessesOfThePodAreNotLetIn) {
  // This process has a number in its own pid namespace, as an app has in the pod's.
  AttachPoint point(AttachPoint::Way::kOutput);
  ASSERT_TRUE(point.Listen(directory_.get(), "sock"));
  Fd client = Connect();
  EXPECT_TRUE(Round(point));
  char c;
  EXPECT_EQ(::read(client.get(), &c, 1), 0) << "hung up";
}

TEST_F(AttachPointTest, SocketIsRootsAlone) {
  AttachPoint point(AttachPoint::Way::kInput);
  ASSERT_TRUE(point.Listen(directory_.get(), "sock"));
  struct stat st;
  ASSERT_EQ(::stat(StrCat(path_, "/sock").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  // Once more in its place, as when an app is started again.
  AttachPoint again(AttachPoint::Way::kInput);
  EXPECT_TRUE(again.Listen(directory_.get(), "sock"));
}

}  // namespace
}  // namespace rkt::native
