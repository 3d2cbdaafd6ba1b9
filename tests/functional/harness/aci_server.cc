// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "functional/harness/aci_server.h"

#include <gtest/gtest.h>

#include "functional/harness/files.h"
#include "functional/harness/image.h"

namespace rkt::test {

Certificates Certificates::Make(const std::string& directory) {
  MakeDirs(directory);
  Certificates made{directory + "/ca.pem", directory + "/server.pem", directory + "/server.key"};
  Output output = RunProgram(
      {"sh", "-ec",
       "cd " + directory +
           "\n"
           "new='openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'\n"
           "$new -x509 -subj /CN=tests -days 30 -keyout ca.key -out ca.pem\n"
           "$new -subj /CN=server -keyout server.key -out server.csr\n"
           "echo subjectAltName=DNS:localhost,DNS:images.example,IP:127.0.0.1,IP:127.0.0.2 > "
           "names\n"
           "openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 "
           "-extfile names -out server.pem\n"});
  EXPECT_EQ(output.code, 0) << output.All();
  return made;
}

AciServer::AciServer(const std::string& directory, const Certificates* tls, int port,
                     const std::string& address)
    : directory_(directory), scheme_(tls != nullptr ? "https" : "http"), address_(address) {
  MakeDirs(directory + "/files");
  std::vector<std::string> argv = {"python3", RKT_ACI_SERVER, directory,
                                   "--port=" + std::to_string(port), "--address=" + address};
  if (tls != nullptr) argv.push_back("--tls=" + tls->certificate + "," + tls->key);
  server_ = std::make_unique<Background>(argv, Options{}, directory + "/server");
  if (!server_->WaitForText("ready ")) {
    ADD_FAILURE() << "the server did not start: " << server_->err();
    return;
  }
  port_ = std::stoi(server_->out().substr(6));
}

std::string AciServer::HostPort() const {
  if (port_ == (scheme_ == "https" ? 443 : 80)) return address_;
  return address_ + ":" + std::to_string(port_);
}

std::string AciServer::Url(const std::string& path) const {
  return scheme_ + "://" + HostPort() + path;
}

void AciServer::Put(const std::string& path, const std::string& content) {
  std::string file = directory_ + "/files" + path;
  MakeDirs(file.substr(0, file.rfind('/')));
  WriteFile(file, content);
}

void AciServer::Rule(const std::string& path, const std::string& json) {
  rules_[path] = json;
  std::string all;
  for (const auto& [name, rule] : rules_) {
    all += (all.empty() ? "{" : ",\n ") + JsonQuote(name) + ": " + rule;
  }
  WriteFile(directory_ + "/rules.json", all + "}\n");
}

void AciServer::ClearRules() {
  rules_.clear();
  WriteFile(directory_ + "/rules.json", "{}\n");
}

std::vector<std::string> AciServer::Requests() const {
  return Lines(ReadFile(directory_ + "/requests"));
}

std::vector<std::string> AciServer::Asked() const {
  std::vector<std::string> asked;
  for (const std::string& line : Requests()) {
    size_t first = line.find(" | "), second = line.find(" | ", first + 1);
    asked.push_back(line.substr(0, first) + " " + line.substr(first + 3, second - first - 3));
  }
  return asked;
}

std::string AciServer::HeaderOf(const std::string& method_and_path,
                                const std::string& header) const {
  std::vector<std::string> asked = Asked(), requests = Requests();
  for (size_t i = 0; i < asked.size(); ++i) {
    if (asked[i] != method_and_path) continue;
    std::string wanted = " | " + header + ": ";
    size_t at = requests[i].find(wanted);
    if (at == std::string::npos) return "-";
    at += wanted.size();
    return requests[i].substr(at, requests[i].find(" | ", at) - at);
  }
  return "";
}

void AciServer::Forget() { WriteFile(directory_ + "/requests", ""); }

}  // namespace rkt::test
