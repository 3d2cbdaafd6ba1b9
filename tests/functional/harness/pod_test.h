// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The fixture of all functional tests: a data directory of its own for each test, rkt as a black
// box, and the leak check when the test is over. The program and the flavor come from the
// environment: RKT_BIN, RKT_FLAVOR.
//
// The name of a suite tells where it runs: Any... under every flavor, Fly... under fly only, all
// others under native only. Slow... are left to `ctest -L slow`.

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "functional/harness/facts.h"
#include "functional/harness/files.h"
#include "functional/harness/image.h"
#include "functional/harness/leaks.h"
#include "functional/harness/program.h"

namespace rkt::test {

using Args = std::vector<std::string>;
Args operator+(Args left, const Args& right);

std::string RktBinary();
std::string Flavor();

// Skips the test where the machine lacks something, or fails it where RKT_TESTS_MUST_RUN names the
// facility.
#define REQUIRE_FACILITY(facility, available, why)                                         \
  do {                                                                                     \
    if (!(available)) {                                                                    \
      if (::rkt::test::MustRun(facility)) FAIL() << facility << " must be there: " << why; \
      GTEST_SKIP() << facility << ": " << why;                                             \
    }                                                                                      \
  } while (0)
bool MustRun(const std::string& facility);
bool HaveOverlay();
std::string CgroupV1(const std::string& controller);  // where it is mounted, empty where it is not

// A running pod.
struct RunningPod {
  std::string uuid;
  std::unique_ptr<Background> rkt;
};

class PodTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // The directory of this test, and the data directory in it.
  const std::string& dir() const { return dir_; }
  std::string data() const { return dir_ + "/data"; }

  // `rkt` with the global flags of the test in front.
  Args RktArgs(const Args& args) const;
  Output Rkt(const Args& args, const Options& options = {});
  // The same, and the test fails where the exit code is not 0.
  Output RktOk(const Args& args, const Options& options = {});
  // "run" with the flavor's flags; --net=none unless there is a --net among the arguments (or the
  // flavor is fly).
  Args RunArgs(const Args& args) const;
  Args PrepareArgs(const Args& args) const;
  Output Run(const Args& args, const Options& options = {}) { return Rkt(RunArgs(args), options); }
  Output RunOk(const Args& args, const Options& options = {}) {
    return RktOk(RunArgs(args), options);
  }
  // Prepares and returns the UUID.
  std::string Prepare(const Args& args);
  // Starts in the background and waits for the UUID (and, where it is not empty, for the text in
  // the output).
  RunningPod Start(const Args& args, const std::string& text = "", const Options& options = {});
  Background StartRkt(const Args& args, const Options& options = {});

  // An ACI file of this test made of a tar; `name` without directory.
  std::string WriteImage(const std::string& name, const std::string& tar);
  std::string WriteImage(const std::string& name, const ImageSpec& spec) {
    return WriteImage(name, JudgeTar(spec));
  }
  // The image of the judge, made once for all tests.
  static std::string JudgeAci();
  // Imports an ACI file and returns its full id.
  std::string Fetch(const std::string& path);

  // The lines that an app printed: without the console's prefix. Of all apps where the name is
  // empty.
  std::vector<std::string> AppLines(const std::string& output, const std::string& app = "") const;
  std::string AppText(const std::string& output, const std::string& app = "") const;
  // Runs the judge's report in a pod of one app.
  Facts See(const Args& flags, const Args& image_flags = {}, const Options& options = {});

  std::string StateOf(const std::string& uuid);
  // The value of a line "key=value" of `rkt status`.
  std::string StatusValue(const std::string& uuid, const std::string& key);
  bool WaitForState(const std::string& uuid, const std::string& state, double seconds = 20);
  std::vector<std::string> PodsIn(const std::string& stage) const {
    return ListDir(data() + "/pods/" + stage);
  }
  std::string PodDir(const std::string& uuid) const;
  // rkt gc until nothing is left.
  void CollectAll();

  std::string insecure_ = "image";  // --insecure-options
  bool collect_ = true;             // whether TearDown runs gc before it looks for leaks

 private:
  void NotePods();
  std::string dir_;
  Traces before_;
  std::set<std::string> uuids_;
  int files_ = 0;
};

// A tmpfs of a given size, mounted while it lives.
class SmallDisk {
 public:
  SmallDisk(const std::string& path, const std::string& options);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;

 private:
  std::string path_;
};

}  // namespace rkt::test
