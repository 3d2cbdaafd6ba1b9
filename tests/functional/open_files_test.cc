// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Pods that are started with a low limit of open files, as a unit's LimitNOFILE= sets it.

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class OpenFiles : public PodTest {
 protected:
  // rkt with these limits of open files.
  Output RunWith(const std::string& soft, const std::string& hard, const Args& args, const Args& prefix = {}) {
    return RunProgram(prefix + Args{"/bin/sh", "-c", "ulimit -Sn " + soft + " && ulimit -Hn " + hard + " && exec \"$@\"", "sh"} +
                      RktArgs(RunArgs(args)));
  }
  // So many apps that each tell their limits.
  Args Apps(int count) {
    Args args;
    for (int i = 0; i < count; ++i) {
      if (i > 0) args.push_back("---");
      args = args + Args{JudgeAci(), "--name=a" + std::to_string(i), "--exec=/bin/sh", "--", "-c",
                         "echo limits $(ulimit -Sn) $(ulimit -Hn)"};
    }
    return args;
  }
  static size_t Count(const std::string& text, const std::string& what) {
    size_t count = 0;
    for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
    return count;
  }
};

TEST_F(OpenFiles, ManyAppsRunWhereTheLimitCanBeRaisedAndHaveTheCallersOwn) {
  Output output = RunWith("64", "2000", Apps(30));
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_EQ(Count(output.out, "limits 64 2000"), 30u) << output.All();
}

TEST_F(OpenFiles, ManyAppsAreRefusedWhereItCannot) {
  // Whoever may raise hard limits gets what is needed; nobody else does.
  Output output = RunWith("64", "64", Apps(30), {"setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"});
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_TRUE(Contains(output.err, "a pod of 30 apps needs ")) << output.err;
  EXPECT_TRUE(Contains(output.err, "and the limit is 64")) << output.err;
  EXPECT_FALSE(Contains(output.out, "limits")) << output.out;
}

TEST_F(OpenFiles, OneAppRunsWithFew) {
  Output output = RunWith("40", "40", Apps(1));
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_EQ(Count(output.out, "limits 40 40"), 1u) << output.All();
}

TEST_F(OpenFiles, TheLimitOfAnAppCountsFromTheCallersOwn) {
  Args apps = Apps(30);
  apps.insert(apps.begin() + 1, "--ulimit=nofile=20:100");
  Output output = RunWith("64", "2000", apps);
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_EQ(Count(output.out, "limits 20 100"), 1u) << output.All();
  EXPECT_EQ(Count(output.out, "limits 64 2000"), 29u) << output.All();
}

TEST_F(OpenFiles, HelpersOfRktStartWithFewToo) {
  // An import runs another program.
  Output output = RunProgram(Args{"/bin/sh", "-c", "ulimit -n 30 && exec \"$@\"", "sh"} + RktArgs({"fetch", JudgeAci()}));
  EXPECT_EQ(output.code, 0) << output.All();
}

}  // namespace
}  // namespace rkt::test
