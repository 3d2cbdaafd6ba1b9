// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/oci/credential_helper.h"

#include <poll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/file.h"
#include "base/json.h"
#include "base/process.h"

namespace rkt::fetch::oci {

namespace {

constexpr int64_t kTimeoutMs = 120'000;  // somebody may be asked for a passphrase
constexpr size_t kMaxAnswer = 1u << 20;
// How helpers of docker say that they keep nothing for a server.
constexpr char kNotFound[] = "credentials not found in native keychain";

int64_t Milliseconds() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

bool IsPlainWord(const std::string& name) {
  return !name.empty() && name.size() <= 128 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

// Empty elements, which would be the working directory, are passed over.
Result<std::string> FindProgram(const std::string& name) {
  const char* path = std::getenv("PATH");
  for (const std::string& directory : Split(path != nullptr ? path : "", ':')) {
    if (!directory.starts_with('/')) continue;
    std::string program = StrCat(directory, "/", name);
    if (::access(program.c_str(), X_OK) == 0) return program;
  }
  return Err(Code::kNotFound, name, " is not in PATH");
}

// To the end of what it writes.
Result<std::string> ReadAnswer(int fd, const std::string& program) {
  const int64_t end = Milliseconds() + kTimeoutMs;
  std::string answer;
  for (;;) {
    pollfd waiting = {fd, POLLIN, 0};
    int ready = ::poll(&waiting, 1, static_cast<int>(std::max<int64_t>(0, end - Milliseconds())));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return SysErr("poll");
    if (ready == 0) return Err(Code::kInternal, program, " does not answer");
    char piece[4096];
    ssize_t n = ::read(fd, piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SysErr("read from ", program);
    if (n == 0) return answer;
    answer.append(piece, static_cast<size_t>(n));
    if (answer.size() > kMaxAnswer) return Err(Code::kInvalid, program, " answers without an end");
  }
}

}  // namespace

Result<std::optional<HelperAnswer>> AskCredentialHelper(const std::string& name, const std::string& server) {
  if (!IsPlainWord(name)) return Err(Code::kInvalid, "malformed name of a credential helper: ", Quote(name));
  const std::string program = StrCat("docker-credential-", name);
  Fd input(::memfd_create("server", MFD_CLOEXEC));
  if (!input) return SysErr("memfd_create");
  TRY(WriteAll(input.get(), server));
  if (::lseek(input.get(), 0, SEEK_SET) != 0) return SysErr("lseek");
  auto [output, output_end] = TRY(MakePipe());
  SpawnOptions spawn;
  spawn.program = TRY(FindProgram(program));
  spawn.argv = {program, "get"};
  spawn.fds = {{input.get(), STDIN_FILENO}, {output_end.get(), STDOUT_FILENO}};
  Child child = TRY(Child::Spawn(spawn));
  output_end.Close();
  std::string answer = TRY(ReadAnswer(output.get(), program));
  ExitStatus exit = TRY(child.Wait());
  if (!exit.ok()) {
    std::string_view said = Trim(answer);
    if (said == kNotFound) return std::optional<HelperAnswer>();
    return Err(Code::kInternal, program, exit.signaled ? " was killed by signal " : " failed with exit status ", exit.code,
               said.empty() ? "" : ": ", TerminalSafe(said.substr(0, 200)));
  }
  // The text is not shown: there is a secret in it.
  auto document = json::Parse(answer, {.max_size = kMaxAnswer, .max_depth = 16});
  if (!document || !document->is_object()) return Err(Code::kInvalid, program, " answers with something that is no JSON object");
  auto text = [&](const char* key) {
    const json::Value* value = document->Find(key);
    return value != nullptr && value->is_string() ? value->text() : std::string();
  };
  HelperAnswer found{text("Username"), text("Secret"), false};
  if (found.secret.empty()) return std::optional<HelperAnswer>();
  if (found.user == "<token>") found = {"", std::move(found.secret), true};
  return std::optional(std::move(found));
}

}  // namespace rkt::fetch::oci
