// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// stage1-fly: no isolation but a root directory and mounts of its own. One program under four
// names, each an entry point of the stage1 contract.

#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "stage1/fly/run.h"

namespace {

constexpr int kFailure = 254;
constexpr int kBadFlag = 2;

int Report(const rkt::Error& error) {
  rkt::PrintError("", error);
  return kFailure;
}

template <typename Arguments>
int Do(const rkt::Result<Arguments>& arguments, rkt::Status (*act)(const Arguments&)) {
  if (!arguments) {
    Report(arguments.error());
    return arguments.error().code() == rkt::Code::kUnsupported ? kBadFlag : kFailure;
  }
  if (rkt::Status done = act(*arguments); !done) return Report(done.error());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> words(argv, argv + argc);
  std::string name = words.empty() ? "" : words[0].substr(words[0].rfind('/') + 1);
  rkt::SetLogName(name);
  for (const std::string& word : words) {
    if (word == "--") break;
    if (word == "--debug" || word == "--debug=true") rkt::SetDebug(true);
  }
  if (name == "run") return Do(rkt::fly::ParseRunArguments(words), rkt::fly::Run);
  if (name == "enter") return Do(rkt::fly::ParseEnterArguments(words), rkt::fly::Enter);
  if (name == "stop") return Do(rkt::fly::ParseStopArguments(words), rkt::fly::Stop);
  if (name == "gc") return 0;  // mounts and processes went with the app
  return Report(rkt::Err(rkt::Code::kInvalid, "no entry point is called ", rkt::Quote(name)));
}
