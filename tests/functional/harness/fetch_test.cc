// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "functional/harness/fetch_test.h"

namespace rkt::test {

void FetchTest::SetUp() {
  PodTest::SetUp();
  if (IsSkipped() || HasFatalFailure()) return;
  tls_ = Certificates::Make(dir() + "/tls");
  env_.env = {"SSL_CERT_FILE=" + tls_.ca};
  StartServer();
}

void FetchTest::TearDown() {
  server_.reset();
  other_.reset();
  PodTest::TearDown();
}

void FetchTest::StartServer() {
  server_ = std::make_unique<AciServer>(dir() + "/www", &tls_, port_);
  ASSERT_TRUE(server_->ready());
}

AciServer& FetchTest::Other(bool tls, int port, const std::string& address) {
  other_ = std::make_unique<AciServer>(dir() + "/other", tls ? &tls_ : nullptr, port, address);
  return *other_;
}

Output FetchTest::FetchImage(const std::string& image, const Args& flags) {
  return Rkt(Args{"fetch", "--full"} + flags + Args{image}, env_);
}

std::string FetchTest::FetchOk(const std::string& image, const Args& flags) {
  Output output = FetchImage(image, flags);
  EXPECT_EQ(output.code, 0) << output.All();
  return Trim(output.out);
}

void FetchTest::Fails(const std::string& image, const std::string& text, const Args& flags) {
  Output output = FetchImage(image, flags);
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_TRUE(Contains(output.err, text)) << "expected: " << text << "\n" << output.err;
  EXPECT_FALSE(output.timed_out);
  EXPECT_TRUE(ListDir(data() + "/cas/tmp").empty());
}

std::string FetchTest::KeyOf(const std::string& bytes) {
  WriteFile(dir() + "/to-hash", bytes);
  return "sha512-" + RunProgram({"sha512sum", dir() + "/to-hash"}).out.substr(0, 64);
}

}  // namespace rkt::test
