// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Small things with files and text that tests need. Failures are failures of the test.

#include <string>
#include <vector>

namespace rkt::test {

std::string ReadFile(const std::string& path);  // empty where it cannot be read
void WriteFile(const std::string& path, const std::string& content, unsigned mode = 0644);
bool Exists(const std::string& path);
void MakeDirs(const std::string& path);
void RemoveAll(const std::string& path);
std::vector<std::string> ListDir(const std::string& path);  // sorted, empty where there is none
unsigned ModeOf(const std::string& path);                   // permission bits

std::vector<std::string> Lines(const std::string& text);
std::vector<std::string> Split(const std::string& text, char separator);
std::string Trim(const std::string& text);
bool Contains(const std::string& text, const std::string& part);
bool StartsWith(const std::string& text, const std::string& part);
bool EndsWith(const std::string& text, const std::string& part);

// "2026-11-21 23:29:26.6 +0000 UTC": the format in which rkt prints times.
bool IsLongTime(const std::string& text);

}  // namespace rkt::test
