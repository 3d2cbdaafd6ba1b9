// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Fetches of one layer at the same time: one downloads, the others say that they wait and go on by themselves.

#include <signal.h>
#include <sys/stat.h>

#include "functional/harness/pod_test.h"
#include "servers/registry.h"

namespace rkt::test {
namespace {

class LayerWait : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    insecure_ = "image,http";
    layers_ = {Tar().Dir("bin").HostFile("bin/busybox", RKT_BUSYBOX).Finish(),
               Tar().File("large", std::string(kSent, 'l') + std::string(kSent, 'm')).Finish()};
    registry_.Push("a:1", {.layers = layers_});
    // Every second half of a layer waits.
    registry_.hook = [this](const HttpRequest& request, Reply& reply) {
      for (const std::string& layer : layers_) {
        if (!held_ || !Contains(request.target, "/blobs/" + Digest(layer)) || !request.Header("range").empty()) continue;
        reply.Raw("HTTP/1.1 200 X\r\nContent-Length: " + std::to_string(layer.size()) + "\r\n\r\n" + layer.substr(0, kSent));
        while (held_) SleepFor(0.01);
        reply.Raw(layer.substr(kSent));
        return true;
      }
      return false;
    };
  }
  void TearDown() override {
    held_ = false;
    PodTest::TearDown();
  }
  std::string Url(const std::string& image) const { return "docker://" + registry_.host() + "/" + image; }
  // The first fetch, holding both layers.
  Background StartFirst() {
    Background first = StartRkt({"fetch", "--full", Url("a:1")});
    for (double end = Now() + 30; Now() < end; SleepFor(0.01)) {
      bool both = true;
      for (const std::string& layer : layers_) {
        struct stat st = {};
        both = both && stat(Partial(layer).c_str(), &st) == 0 && st.st_size == kSent;
      }
      if (both) return first;
    }
    ADD_FAILURE() << "the first fetch does not get on: " << first.err();
    return first;
  }
  std::string Partial(const std::string& layer) const { return data() + "/cas/partial/sha256-" + Digest(layer).substr(7); }
  int Downloads() const {
    int count = 0;
    for (const std::string& layer : layers_) count += registry_.server().Count("/blobs/" + Digest(layer));
    return count;
  }

  static constexpr int kSent = 100'000;
  static constexpr char kWaiting[] = "image: another rkt instance is downloading sha256:";
  std::vector<std::string> layers_;
  std::atomic<bool> held_ = true;
  Registry registry_;
};

TEST_F(LayerWait, IsToldInOneLineAndEndsByItself) {
  Background first = StartFirst();
  Background second = StartRkt({"fetch", "--full", Url("a:1")});
  ASSERT_TRUE(second.WaitForText(kWaiting)) << second.err();
  SleepFor(0.1);
  held_ = false;
  Output one = first.Wait(), two = second.Wait();
  EXPECT_EQ(one.code, 0) << one.All();
  EXPECT_EQ(two.code, 0) << two.All();
  EXPECT_EQ(one.out, two.out);
  EXPECT_FALSE(Contains(one.err, "another rkt instance")) << one.err;
  std::vector<std::string> lines = Lines(two.err);
  ASSERT_EQ(lines.size(), 1u) << two.err;
  EXPECT_TRUE(StartsWith(lines[0], kWaiting) && EndsWith(lines[0], ", waiting...")) << two.err;
  EXPECT_EQ(Downloads(), 2);
}

TEST_F(LayerWait, TheNextGoesOnWhereAKilledOneStopped) {
  Background first = StartFirst();
  Background second = StartRkt({"fetch", "--full", Url("a:1")});
  ASSERT_TRUE(second.WaitForText(kWaiting)) << second.err();
  first.Kill(SIGKILL);
  first.Wait();
  Output two = second.Wait();
  EXPECT_EQ(two.code, 0) << two.All();
  int resumed = 0;
  for (const HttpRequest& request : registry_.server().requests()) {
    resumed += request.Header("range") == "bytes=" + std::to_string(kSent) + "-";
  }
  EXPECT_EQ(resumed, 2);
}

// The line stands whole between those of the layers that do get on.
TEST_F(LayerWait, IsToldOnATerminal) {
  const std::string own = Tar().File("own", std::string(3'000'000, 'o')).Finish();
  registry_.Push("b:1", {.layers = {layers_[0], layers_[1], own}});
  Background first = StartFirst();
  Terminal terminal(RktArgs({"fetch", Url("b:1")}), {});
  ASSERT_TRUE(terminal.Expect("waiting...")) << terminal.screen();
  held_ = false;
  EXPECT_EQ(terminal.Wait(), 0) << terminal.screen();
  EXPECT_EQ(first.Wait().code, 0);
  size_t at = terminal.screen().find(kWaiting);
  ASSERT_NE(at, std::string::npos) << terminal.screen();
  EXPECT_EQ(terminal.screen().find(kWaiting, at + 1), std::string::npos) << terminal.screen();
  const std::string before = terminal.screen().substr(0, at);
  EXPECT_TRUE(before.empty() || EndsWith(before, "\n") || EndsWith(before, "\x1b[J")) << terminal.screen();
}

TEST_F(LayerWait, AnErrorElsewhereIsNotKeptBack) {
  const std::string bad = Tar().File("bad", "b").Finish();
  registry_.Push("b:1", {.layers = {layers_[0], bad}});
  auto hold = registry_.hook;
  registry_.hook = [&, hold](const HttpRequest& request, Reply& reply) {
    if (!Contains(request.target, "/blobs/" + Digest(bad))) return hold(request, reply);
    reply.Send(200, {}, std::string(bad.size(), 'x'));
    return true;
  };
  Background first = StartFirst();
  Output second = Rkt({"fetch", Url("b:1")});
  EXPECT_EQ(second.code, 254);
  EXPECT_TRUE(Contains(second.err, "another digest")) << second.err;
  EXPECT_TRUE(first.Running());
  held_ = false;
  EXPECT_EQ(first.Wait().code, 0);
}

}  // namespace
}  // namespace rkt::test
