// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "functional/harness/files.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace rkt::test {
namespace fs = std::filesystem;

std::string ReadFile(const std::string& path) {
  std::string content;
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return content;
  char buffer[65536];
  ssize_t n;
  while ((n = read(fd, buffer, sizeof buffer)) > 0) content.append(buffer, static_cast<size_t>(n));
  close(fd);
  return content;
}

void WriteFile(const std::string& path, const std::string& content, unsigned mode) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0) {
    ADD_FAILURE() << "writing " << path << ": " << strerror(errno);
    return;
  }
  for (size_t done = 0; done < content.size();) {
    ssize_t n = write(fd, content.data() + done, content.size() - done);
    if (n < 0) {
      ADD_FAILURE() << "writing " << path << ": " << strerror(errno);
      break;
    }
    done += static_cast<size_t>(n);
  }
  fchmod(fd, mode);
  close(fd);
}

bool Exists(const std::string& path) {
  struct stat st;
  return lstat(path.c_str(), &st) == 0;
}

void MakeDirs(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) ADD_FAILURE() << "making " << path << ": " << error.message();
}

void RemoveAll(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) ADD_FAILURE() << "removing " << path << ": " << error.message();
}

std::vector<std::string> ListDir(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

unsigned ModeOf(const std::string& path) {
  struct stat st;
  return lstat(path.c_str(), &st) == 0 ? st.st_mode & 07777 : 0;
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> pieces;
  size_t start = 0;
  for (size_t end; (end = text.find(separator, start)) != std::string::npos; start = end + 1) {
    pieces.push_back(text.substr(start, end - start));
  }
  pieces.push_back(text.substr(start));
  return pieces;
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines = Split(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

std::string Trim(const std::string& text) {
  size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string::npos) return "";
  return text.substr(start, text.find_last_not_of(" \t\r\n") - start + 1);
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
bool StartsWith(const std::string& text, const std::string& part) {
  return text.rfind(part, 0) == 0;
}
bool EndsWith(const std::string& text, const std::string& part) {
  return text.size() >= part.size() &&
         text.compare(text.size() - part.size(), part.size(), part) == 0;
}

bool IsLongTime(const std::string& text) {
  std::vector<std::string> words = Split(text, ' ');
  if (words.size() != 4) return false;
  auto matches = [](const std::string& word, const std::string& pattern) {
    if (word.size() != pattern.size()) return false;
    for (size_t i = 0; i < word.size(); i++) {
      if (pattern[i] == '0' ? !isdigit(static_cast<unsigned char>(word[i])) : pattern[i] != word[i])
        return false;
    }
    return true;
  };
  std::string clock = words[1].substr(0, 8);
  std::string fraction = words[1].size() > 8 ? words[1].substr(8) : ".1";
  return matches(words[0], "0000-00-00") && matches(clock, "00:00:00") && fraction.size() >= 2 &&
         fraction.size() <= 4 && fraction[0] == '.' && fraction.back() != '0' &&
         words[2].size() == 5;
}

}  // namespace rkt::test
