// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The fixture of tests that fetch from servers: one that speaks TLS with a certificate that rkt is
// told to trust.

#include <memory>
#include <string>

#include "functional/harness/aci_server.h"
#include "functional/harness/pod_test.h"

namespace rkt::test {

class FetchTest : public PodTest {
 protected:
  // The port of the server; 0: any.
  explicit FetchTest(int port = 0) : port_(port) {}
  void SetUp() override;
  void TearDown() override;

  AciServer& server() { return *server_; }
  void StartServer();
  // A second one, which lives as long as the test or until the next one.
  AciServer& Other(bool tls, int port, const std::string& address);

  // `image` is what rkt fetch takes: a URL or a name.
  Output FetchImage(const std::string& image, const Args& flags = {});
  // The image's full ID; the test fails where nothing comes.
  std::string FetchOk(const std::string& image, const Args& flags = {});
  // Expects exit code 254, `text` among the errors and no temporary file in the store.
  void Fails(const std::string& image, const std::string& text, const Args& flags = {});
  // "sha512-" and the hash of the bytes.
  std::string KeyOf(const std::string& bytes);

  Certificates tls_;
  Options env_;
  std::unique_ptr<AciServer> server_;
  std::unique_ptr<AciServer> other_;

 private:
  int port_;
};

}  // namespace rkt::test
