// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// fuzz_replay CORPUS [MUTATIONS]: gives every target its corpus and so many changed inputs for each file (200 unless said;
// the same ones every time). Prints a line a target; a target without inputs is an error.

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "fuzz/targets.h"

namespace {

class Random {
 public:
  uint64_t Below(uint64_t limit) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return limit == 0 ? 0 : (state_ >> 33) % limit;
  }

 private:
  uint64_t state_ = 1;
};

std::string Changed(std::string text, const std::vector<std::string>& others, Random& random) {
  static const std::string kOdd[] = {std::string(1, '\0'), "\xff", "\"", "[", "{", "}", "/", "..", "\n", "\\u0000", "-1",
                                     "99999999999999999999", "%2f", "\x80", "null"};
  for (uint64_t changes = 1 + random.Below(4); changes > 0; --changes) {
    size_t at = random.Below(text.size() + 1);
    switch (random.Below(7)) {
      case 0: text.resize(at); break;
      case 1: text.erase(at, 1 + random.Below(16)); break;
      case 2: text.insert(at, kOdd[random.Below(std::size(kOdd))]); break;
      case 3: text.insert(at, text.substr(random.Below(text.size() + 1), random.Below(64))); break;
      case 4: {
        const std::string& other = others[random.Below(others.size())];
        text = text.substr(0, at) + other.substr(random.Below(other.size() + 1));
        break;
      }
      default:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << random.Below(8)));
    }
  }
  return text;
}

// What is being tried: written to standard error (escaped, as Python reads it) where it ends the program.
std::string current;
void OnAbort(int) {
  std::fprintf(stderr, "\ninput: b'");
  for (unsigned char c : current) std::fprintf(stderr, c >= ' ' && c < 0x7f && c != '\'' && c != '\\' ? "%c" : "\\x%02x", c);
  std::fprintf(stderr, "'\n");
  std::_Exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: fuzz_replay CORPUS [MUTATIONS]\n"), 2;
  const int mutations = argc > 2 ? std::atoi(argv[2]) : 200;
  for (int signal : {SIGABRT, SIGSEGV, SIGFPE}) std::signal(signal, OnAbort);
  bool whole = true;
  for (const rkt::fuzz::Target& target : rkt::fuzz::kAllTargets) {
    std::vector<std::string> paths, inputs;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(std::string(argv[1]) + "/" + target.name, none)) {
      paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    for (const std::string& path : paths) {
      auto text = rkt::ReadFile(path);
      if (!text) return std::fprintf(stderr, "%s: %s\n", path.c_str(), text.error().Text().c_str()), 1;
      inputs.push_back(*std::move(text));
    }
    if (inputs.empty()) {
      std::printf("%s: no inputs\n", target.name);
      whole = false;
      continue;
    }
    Random random;
    long runs = 0;
    target.run("");
    for (size_t i = 0; i < inputs.size(); ++i) {
      // Seen last where something aborts.
      std::fprintf(stderr, "%s\r", paths[i].c_str());
      target.run(current = inputs[i]);
      for (int n = 0; n < mutations; ++n, ++runs) target.run(current = Changed(inputs[i], inputs, random));
    }
    std::printf("%s: %zu inputs, %ld changed ones\n", target.name, inputs.size(), runs);
  }
  return whole ? 0 : 1;
}
