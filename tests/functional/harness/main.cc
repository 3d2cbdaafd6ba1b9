// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Runs the functional tests of one flavor and names at the end what was skipped and why.

#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>

#include <string>
#include <utility>
#include <vector>

#include "functional/harness/leaks.h"
#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class SkipReport : public ::testing::EmptyTestEventListener {
  void OnTestEnd(const ::testing::TestInfo& info) override {
    if (!info.result()->Skipped()) return;
    std::string why;
    for (int i = 0; i < info.result()->total_part_count(); i++)
      why += Trim(info.result()->GetTestPartResult(i).message());
    skipped_.emplace_back(std::string(info.test_suite_name()) + "." + info.name(), why);
  }
  void OnTestProgramEnd(const ::testing::UnitTest&) override {
    printf("%zu tests skipped\n", skipped_.size());
    for (const auto& [name, why] : skipped_) printf("SKIPPED %s: %s\n", name.c_str(), why.c_str());
  }
  std::vector<std::pair<std::string, std::string>> skipped_;
};

std::string FilterOf(const std::string& flavor, bool slow) {
  if (slow) return "Slow*";
  const char* second_host = getenv("RKT_SECOND_HOST_KIND");
  if (second_host != nullptr) return std::string(second_host) == "systemd" ? "Systemd*" : "Cgroup2*";
  if (flavor == "native") return "-Fly*:Slow*:Debian*";
  return "Any*:Fly*";
}

}  // namespace
}  // namespace rkt::test

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  bool slow = argc > 1 && std::string(argv[1]) == "--slow";
  if (GTEST_FLAG_GET(filter) == "*")
    GTEST_FLAG_SET(filter, rkt::test::FilterOf(rkt::test::Flavor(), slow));
  ::testing::UnitTest::GetInstance()->listeners().Append(new rkt::test::SkipReport);
  if (!rkt::test::Isolate())
    fprintf(stderr, "no namespaces of our own: tests that need root are skipped\n");
  return RUN_ALL_TESTS();
}
