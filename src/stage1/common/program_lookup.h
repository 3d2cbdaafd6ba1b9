// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Which file an app's exec[0] means, inside its root, and why executing it failed (runtime.md of
// the reference, sections 7 and 8).

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace rkt::stage1 {

inline constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// The absolute paths inside the root to try in order, without looking at any file: one for an
// absolute program or one with a slash in it (joined to the working directory); for a bare name
// each entry of `path_variable` (the PATH of the app's environment; relative and empty entries are
// joined to the working directory), or, where that is empty, the working directory, /bin and
// /usr/bin.
std::vector<std::string> ProgramCandidates(std::string_view program,
                                           std::string_view working_directory,
                                           std::string_view path_variable);

// How a path of the app's is opened: beneath its root, or, where a volume will cover it, in that. Never blocking.
using OpenFile = std::function<Result<Fd>(const std::string& path, int flags)>;
// Everything beneath a descriptor of the app's root.
OpenFile FilesBeneath(int root);

// The first candidate that is a regular file somebody may execute. A program with a slash is
// returned unseen: its execve will tell. kNotFound: unable to find "x" in "PATH".
Result<std::string> FindProgram(const OpenFile& open, std::string_view program,
                                std::string_view working_directory, std::string_view path_variable);
inline Result<std::string> FindProgram(int root, std::string_view program,
                                       std::string_view working_directory, std::string_view path_variable) {
  return FindProgram(FilesBeneath(root), program, working_directory, path_variable);
}

// The sentence for a failed execve, printed behind "Error: ". Names the file that is missing, be it
// the program, its #! interpreter or the loader of an ELF file: Unable to open "/x": No such file
// or directory
std::string ExplainExecFailure(const OpenFile& open, const std::string& program, int exec_errno);
inline std::string ExplainExecFailure(int root, const std::string& program, int exec_errno) {
  return ExplainExecFailure(FilesBeneath(root), program, exec_errno);
}

}  // namespace rkt::stage1
