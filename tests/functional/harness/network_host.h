// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The fixture of tests of networks. The host is the test program's own network namespace; its leases and state are in
// memory, so that each test begins with none.

#include <string>

#include "functional/harness/pod_test.h"

namespace rkt::test {

class NetworkHostTest : public PodTest {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Adds a network to this test's configuration directory; WithConfig makes rkt use that.
  void AddNetwork(const std::string& file, const std::string& text);
  std::string config() const { return dir() + "/config"; }
  Args WithConfig(const Args& args) const { return Args{"--local-config=" + config()} + args; }

  // What a shell on the host prints.
  static std::string Shell(const std::string& command);
  // Files of leases; the names are addresses: "./default/172.16.28.2\n".
  static std::string Leases();
  // What a URL gives, until a server answers; "(no answer)" after five seconds.
  static std::string Get(const std::string& url);

  // Flags of an image: a web server on port 80 that says the text.
  static Args Web(const std::string& text);
  // Flags of an image: a shell.
  static Args Script(const std::string& script) { return {"--exec=/bin/sh", "--", "-c", script}; }
  // An image with the ports "web" (80/tcp) and "dns" (53/udp).
  std::string WebImage();
  // A pod with that web server; the configuration directory is this test's. Flags end with the image.
  RunningPod StartInNetwork(const Args& flags, const std::string& text);
  // A pod that runs a script until it says a word.
  RunningPod StartScript(const Args& flags, const std::string& script, const std::string& word);
  void Stop(RunningPod& pod);

 private:
  int started_ = 0;
};

}  // namespace rkt::test
