// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Images that tests make: a tar writer that also writes what no honest tool would, and ACIs around
// the judge and Debian's static busybox.

#include <map>
#include <string>
#include <vector>

namespace rkt::test {

struct TarEntry {
  std::string name;
  std::string content;
  char type =
      '0';  // of ustar: 0 file, 1 hard link, 2 symlink, 3 char, 4 block, 5 directory, 6 fifo
  unsigned mode = 0644;
  unsigned uid = 0;
  unsigned gid = 0;
  std::string link;
  unsigned major = 0;
  unsigned minor = 0;
  long mtime = 1000000000;
  std::map<std::string, std::string> pax;  // records of an extended header in front of it
  long size = -1;                          // a size to claim, where it is not the content's
};

class Tar {
 public:
  Tar& Add(const TarEntry& entry);
  Tar& Dir(const std::string& name, unsigned mode = 0755);
  Tar& File(const std::string& name, const std::string& content, unsigned mode = 0644);
  Tar& HostFile(const std::string& name, const std::string& path, unsigned mode = 0755);
  Tar& Symlink(const std::string& name, const std::string& target);
  Tar& HardLink(const std::string& name, const std::string& target);
  Tar& Raw(const std::string& bytes);  // as they are
  // The archive with its end marker.
  std::string Finish() const;

 private:
  std::string bytes_;
};

// What a manifest says. The members that hold JSON are put in as they are.
struct ImageSpec {
  std::string name = "example.com/judge";
  std::string version = "1.0.0";
  std::vector<std::string> exec = {"/judge"};
  std::string user = "0";
  std::string group = "0";
  std::string app;             // further members of the app: "\"environment\": [...]"
  std::string annotations;     // [{"name": ..., "value": ...}]
  std::string dependencies;    // [{"imageName": ...}]
  std::string path_whitelist;  // ["/a", ...]
  bool has_app = true;
  std::string os = "linux";
  std::string arch = "amd64";
};
std::string ManifestJson(const ImageSpec& spec);
std::string JsonQuote(const std::string& text);

// The root file system that most tests use: /judge, busybox with its commands in /bin, users and
// groups, /tmp, files with known owners.
void AddJudgeRoot(Tar& tar);
// manifest + rootfs/ + the judge's root.
std::string JudgeTar(const ImageSpec& spec = {});

}  // namespace rkt::test
