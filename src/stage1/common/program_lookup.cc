// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/common/program_lookup.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


namespace rkt::stage1 {

namespace {

// `path` beneath `directory` unless it is absolute.
std::string Absolute(std::string_view directory, std::string_view path) {
  if (path.starts_with('/')) return std::string(path);
  std::string joined = StrCat(directory.empty() ? "/" : directory);
  if (!path.empty()) {
    if (!joined.ends_with('/')) joined += '/';
    joined += path;
  }
  if (joined[0] != '/') joined.insert(joined.begin(), '/');
  return joined;
}

bool IsExecutable(const OpenFile& open, const std::string& path) {
  Result<Fd> file = open(path, O_PATH);
  struct stat status;
  return file && ::fstat(file->get(), &status) == 0 && S_ISREG(status.st_mode) &&
         (status.st_mode & 0111) != 0;
}

std::string Sentence(const char* what, std::string_view path, int err) {
  const char* text = ::strerrordesc_np(err);
  return StrCat("Unable to ", what, " \"", TerminalSafe(path),
                "\": ", text != nullptr ? text : "Unknown error");
}

bool ReadExactly(int fd, void* buffer, size_t size, uint64_t offset) {
  return offset <= INT64_MAX &&
         ::pread(fd, buffer, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
}

template <typename Header, typename Segment>
std::string ElfInterpreter(int fd) {
  constexpr uint64_t kMaxPath = 4096;
  constexpr int kMaxSegments = 256;
  Header header;
  if (!ReadExactly(fd, &header, sizeof header, 0) || header.e_phentsize != sizeof(Segment))
    return "";
  for (int i = 0; i < header.e_phnum && i < kMaxSegments; ++i) {
    Segment segment;
    uint64_t offset = uint64_t{header.e_phoff} + static_cast<uint64_t>(i) * sizeof segment;
    if (!ReadExactly(fd, &segment, sizeof segment, offset)) return "";
    if (segment.p_type != PT_INTERP) continue;
    if (segment.p_filesz < 2 || segment.p_filesz > kMaxPath) return "";
    std::string path(segment.p_filesz, '\0');
    if (!ReadExactly(fd, path.data(), path.size(), segment.p_offset)) return "";
    return path.substr(0, path.find('\0'));
  }
  return "";
}

// The file that the kernel needs to run this one: behind #! or in PT_INTERP. Empty: none.
std::string Interpreter(int fd) {
  char head[256];
  ssize_t size = ::pread(fd, head, sizeof head, 0);
  std::string_view text(head, size > 0 ? static_cast<size_t>(size) : 0);
  if (text.starts_with("#!")) {
    text.remove_prefix(2);
    text = text.substr(0, text.find('\n'));
    size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return "";
    text.remove_prefix(begin);
    return std::string(text.substr(0, text.find_first_of(" \t")));
  }
  if (text.size() <= EI_CLASS || !text.starts_with(ELFMAG)) return "";
  return text[EI_CLASS] == ELFCLASS64 ? ElfInterpreter<Elf64_Ehdr, Elf64_Phdr>(fd)
                                      : ElfInterpreter<Elf32_Ehdr, Elf32_Phdr>(fd);
}

}  // namespace

std::vector<std::string> ProgramCandidates(std::string_view program,
                                           std::string_view working_directory,
                                           std::string_view path_variable) {
  if (program.find('/') != std::string_view::npos) return {Absolute(working_directory, program)};
  std::vector<std::string> candidates;
  auto add = [&](std::string_view directory) {
    candidates.push_back(Absolute(Absolute(working_directory, directory), program));
  };
  if (path_variable.empty()) {
    add("");
    add("/bin");
    add("/usr/bin");
  } else {
    for (const std::string& directory : Split(path_variable, ':')) add(directory);
  }
  return candidates;
}

OpenFile FilesBeneath(int root) {
  return [root](const std::string& path, int flags) { return OpenInRoot(root, path, flags); };
}

Result<std::string> FindProgram(const OpenFile& open, std::string_view program,
                                std::string_view working_directory,
                                std::string_view path_variable) {
  if (program.empty()) return Err(Code::kInvalid, "no program given");
  std::vector<std::string> candidates =
      ProgramCandidates(program, working_directory, path_variable);
  if (program.find('/') != std::string_view::npos) return std::move(candidates.front());
  for (std::string& candidate : candidates) {
    if (IsExecutable(open, candidate)) return std::move(candidate);
  }
  return Err(
      Code::kNotFound, "unable to find ", Quote(program), " in ",
      Quote(path_variable.empty()
                ? StrCat(working_directory.empty() ? "/" : working_directory, ":/bin:/usr/bin")
                : std::string(path_variable)));
}

std::string ExplainExecFailure(const OpenFile& open, const std::string& program, int exec_errno) {
  constexpr int kMaxDepth = 6;  // one more than the kernel follows scripts
  std::string path = program;
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    Result<Fd> look = open(path, O_PATH);
    if (!look) return Sentence("open", path, look.error().err());
    struct stat status;
    if (::fstat(look->get(), &status) != 0) return Sentence("open", path, errno);
    if (!S_ISREG(status.st_mode) || (status.st_mode & 0111) == 0) {
      return Sentence("execute", path, EACCES);
    }
    Result<Fd> file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!file) return Sentence("open", path, file.error().err());
    std::string interpreter = Interpreter(file->get());
    if (interpreter.empty()) break;
    path = Absolute("/", interpreter);
  }
  return Sentence("execute", program, exec_errno);
}

}  // namespace rkt::stage1
