// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Web servers for tests of transfers (tests/servers/aci_server.py), and certificates of a CA of our
// own.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "functional/harness/program.h"

namespace rkt::test {

// A CA and a certificate for localhost, 127.0.0.1, 127.0.0.2 and images.example, made by openssl in
// a directory.
struct Certificates {
  std::string ca;
  std::string certificate;
  std::string key;
  static Certificates Make(const std::string& directory);
};

class AciServer {
 public:
  // `tls` is null for plain http. Port 0: any.
  AciServer(const std::string& directory, const Certificates* tls, int port = 0,
            const std::string& address = "127.0.0.1");
  AciServer(const AciServer&) = delete;

  bool ready() const { return port_ != 0; }
  int port() const { return port_; }
  // "https://127.0.0.1:1234" and the path.
  std::string Url(const std::string& path) const;
  std::string HostPort() const;
  // What path serves.
  void Put(const std::string& path, const std::string& content);
  // A rule (JSON) for a path; see the server's own description.
  void Rule(const std::string& path, const std::string& json);
  void ClearRules();

  // The lines of all requests since the last Forget: "GET /a.aci | Host: x | ...".
  std::vector<std::string> Requests() const;
  // Method and path alone: "GET /a.aci".
  std::vector<std::string> Asked() const;
  // The value of a header in the first request that begins so; "-" where it has none, "" where
  // there is no such request.
  std::string HeaderOf(const std::string& method_and_path, const std::string& header) const;
  void Forget();

 private:
  std::string directory_;
  std::string scheme_;
  std::string address_;
  int port_ = 0;
  std::map<std::string, std::string> rules_;
  std::unique_ptr<Background> server_;
};

}  // namespace rkt::test
