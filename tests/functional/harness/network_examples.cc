// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "functional/harness/network_examples.h"

#include "functional/harness/files.h"
#include "functional/harness/image.h"

namespace rkt::test {

std::vector<std::string> ExampleBlocks(const std::string& language) {
  std::vector<std::string> blocks;
  bool in_section = false, in_block = false;
  for (const std::string& line : Lines(ReadFile(std::string(RKT_SOURCE_DIR) + "/docs/networking.md"))) {
    if (StartsWith(line, "## ")) in_section = line == "## Two examples";
    if (!in_section) continue;
    if (in_block && line == "```") {
      in_block = false;
    } else if (in_block) {
      blocks.back() += line + "\n";
    } else if (line == "```" + language) {
      in_block = true;
      blocks.emplace_back();
    }
  }
  return blocks;
}

std::string ExampleWebImage() {
  ImageSpec spec;
  spec.name = "example.com/web";
  spec.exec = {"/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/srv"};
  spec.app = R"("ports": [{"name": "http", "protocol": "tcp", "port": 80, "count": 1, "socketActivated": false}])";
  Tar web;
  web.File("manifest", ManifestJson(spec)).Dir("rootfs");
  AddJudgeRoot(web);
  web.File("rootfs/srv/index.html", "welcome\n");
  return web.Finish();
}

std::string ExampleClientImage() {
  ImageSpec spec;
  spec.name = "example.com/client";
  Tar client;
  client.File("manifest", ManifestJson(spec)).Dir("rootfs");
  AddJudgeRoot(client);
  client.Symlink("rootfs/bin/wget", "busybox");
  return client.Finish();
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
  return text;
}

}  // namespace rkt::test
