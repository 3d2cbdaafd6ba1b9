// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "functional/harness/image.h"

#include <gtest/gtest.h>
#include <stdio.h>
#include <string.h>

#include "functional/harness/files.h"

namespace rkt::test {
namespace {

std::string Octal(unsigned long value, int digits) {
  char text[32];
  snprintf(text, sizeof text, "%0*lo", digits, value);
  return text;
}

std::string Header(const TarEntry& entry, size_t size) {
  std::string block(512, '\0');
  auto put = [&](size_t at, size_t width, const std::string& text) {
    memcpy(block.data() + at, text.data(), std::min(width, text.size()));
  };
  put(0, 100, entry.name);
  put(100, 8, Octal(entry.mode, 7));
  put(108, 8, Octal(entry.uid, 7));
  put(116, 8, Octal(entry.gid, 7));
  put(124, 12, Octal(size, 11));
  put(136, 12, Octal(static_cast<unsigned long>(entry.mtime), 11));
  put(148, 8, "        ");
  block[156] = entry.type;
  put(157, 100, entry.link);
  put(257, 8, std::string("ustar\00000", 8));
  put(329, 8, Octal(entry.major, 7));
  put(337, 8, Octal(entry.minor, 7));
  unsigned long sum = 0;
  for (unsigned char c : block) sum += c;
  put(148, 7, Octal(sum, 6) + std::string(1, '\0'));
  return block;
}

std::string Padded(std::string data) {
  data.resize((data.size() + 511) / 512 * 512, '\0');
  return data;
}

std::string PaxRecord(const std::string& key, const std::string& value) {
  std::string rest = " " + key + "=" + value + "\n";
  size_t length = rest.size() + 1;
  while (std::to_string(length).size() + rest.size() != length) {
    length = std::to_string(length).size() + rest.size();
  }
  return std::to_string(length) + rest;
}

}  // namespace

Tar& Tar::Add(const TarEntry& original) {
  TarEntry entry = original;
  if (entry.name.size() > 100) entry.pax.emplace("path", entry.name);
  if (entry.link.size() > 100) entry.pax.emplace("linkpath", entry.link);
  if (!entry.pax.empty()) {
    std::string records;
    for (const auto& [key, value] : entry.pax) records += PaxRecord(key, value);
    TarEntry extended;
    extended.name = "PaxHeaders/x";
    extended.type = 'x';
    bytes_ += Header(extended, records.size()) + Padded(records);
  }
  bytes_ += Header(entry, entry.size >= 0 ? static_cast<size_t>(entry.size) : entry.content.size());
  bytes_ += Padded(entry.content);
  return *this;
}

Tar& Tar::Dir(const std::string& name, unsigned mode) {
  return Add({.name = name + "/", .type = '5', .mode = mode});
}
Tar& Tar::File(const std::string& name, const std::string& content, unsigned mode) {
  return Add({.name = name, .content = content, .mode = mode});
}
Tar& Tar::HostFile(const std::string& name, const std::string& path, unsigned mode) {
  std::string content = ReadFile(path);
  if (content.empty()) ADD_FAILURE() << "nothing to read at " << path;
  return File(name, content, mode);
}
Tar& Tar::Symlink(const std::string& name, const std::string& target) {
  return Add({.name = name, .type = '2', .mode = 0777, .link = target});
}
Tar& Tar::HardLink(const std::string& name, const std::string& target) {
  return Add({.name = name, .type = '1', .link = target});
}
Tar& Tar::Raw(const std::string& bytes) {
  bytes_ += bytes;
  return *this;
}
std::string Tar::Finish() const { return bytes_ + std::string(1024, '\0'); }

std::string JsonQuote(const std::string& text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (c == '\n') {
      quoted += "\\n";
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string ManifestJson(const ImageSpec& spec) {
  std::string json = R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":)" +
                     JsonQuote(spec.name) + ",\"labels\":[";
  if (!spec.version.empty())
    json += R"({"name":"version","value":)" + JsonQuote(spec.version) + "},";
  json += R"({"name":"os","value":)" + JsonQuote(spec.os) + R"(},{"name":"arch","value":)" +
          JsonQuote(spec.arch) + "}]";
  if (spec.has_app) {
    json += ",\"app\":{\"exec\":[";
    for (size_t i = 0; i < spec.exec.size(); i++) json += (i ? "," : "") + JsonQuote(spec.exec[i]);
    json += "],\"user\":" + JsonQuote(spec.user) + ",\"group\":" + JsonQuote(spec.group);
    if (!spec.app.empty()) json += "," + spec.app;
    json += "}";
  }
  if (!spec.dependencies.empty()) json += ",\"dependencies\":" + spec.dependencies;
  if (!spec.path_whitelist.empty()) json += ",\"pathWhitelist\":" + spec.path_whitelist;
  if (!spec.annotations.empty()) json += ",\"annotations\":" + spec.annotations;
  return json + "}";
}

void AddJudgeRoot(Tar& tar) {
  tar.HostFile("rootfs/judge", RKT_JUDGE);
  tar.Dir("rootfs/bin");
  tar.HostFile("rootfs/bin/busybox", RKT_BUSYBOX);
  for (const char* name : {"sh",  "ls",   "cat",   "id",    "true",   "false",    "sleep", "echo",
                           "env", "ps",   "touch", "mkdir", "pwd",    "hostname", "stat",  "dd",
                           "wc",  "test", "rm",    "kill",  "printf", "head"}) {
    tar.Symlink(std::string("rootfs/bin/") + name, "busybox");
  }
  tar.Dir("rootfs/etc");
  tar.File("rootfs/etc/passwd",
           "root:x:0:0:root:/root:/bin/sh\nalice:x:1001:1002::/home/alice:/bin/sh\nzero:x:0:0::/:/"
           "bin/sh\n");
  tar.File("rootfs/etc/group", "root:x:0:\nworkers:x:1002:alice\nstaff:x:50:\n");
  tar.Dir("rootfs/root", 0700);
  tar.Dir("rootfs/tmp", 01777);
  tar.Dir("rootfs/srv");
  tar.Add({.name = "rootfs/owned", .content = "by somebody\n", .uid = 1234, .gid = 2345});
  tar.File("rootfs/opt-script", "#!/bin/sh\necho script \"$@\"\n", 0755);
  tar.File("rootfs/lost-interpreter", "#!/bin/no-such-shell\n", 0755);
  tar.File("rootfs/not-executable", "#!/bin/sh\n", 0644);
}

std::string JudgeTar(const ImageSpec& spec) {
  Tar tar;
  tar.File("manifest", ManifestJson(spec));
  tar.Dir("rootfs");
  AddJudgeRoot(tar);
  return tar.Finish();
}

}  // namespace rkt::test
