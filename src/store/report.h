// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What the fetch program and rkt say to each other. The archive is open on kFileFd; the program reports on kReportFd,
// line by line. With --verify, it copies what it reads to kCopyFd, and after "read" it waits on kApprovalFd for a byte that
// allows it to put the image in place; the end of file there forbids it.
//   progress BYTES                                 bytes of the file read so far
//   error CODE ERRNO MESSAGE                       one link of the chain of an error, the outermost first
//   layer DIGEST BYTES TOTAL                       of a docker or OCI image: bytes of a layer so far (TOTAL 0: not known)
//   waiting DIGEST                                 of the same: another process downloads a layer, and is waited for (once)
//   read NAME [LABEL VALUE]...                     with --verify: the image's, the file was read to its end
//   done KEY STORED-BEFORE TREE-ID NAME VERSION    TREE-ID is "-" where no tree was made

#include <optional>
#include <string>
#include <string_view>

namespace rkt::store {

inline constexpr int kFileFd = 3;
inline constexpr int kReportFd = 4;
inline constexpr int kCopyFd = 5;
inline constexpr int kApprovalFd = 6;

// '%', blanks and control characters as %XX, and "%" alone for an empty text: a word is always one word.
std::string EscapeWord(std::string_view text);
// Nothing where the word is malformed.
std::optional<std::string> UnescapeWord(std::string_view word);

}  // namespace rkt::store
