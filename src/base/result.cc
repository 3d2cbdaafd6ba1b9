// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/result.h"

#include <cstring>

namespace rkt {

Code CodeFromErrno(int err) {
  switch (err) {
    case ENOENT:
    case ESRCH:
    case ENXIO:
    case ENODEV:
      return Code::kNotFound;
    case EEXIST:
    case ENOTEMPTY:
      return Code::kExists;
    case EBUSY:
    case EAGAIN:
    case ETXTBSY:
      return Code::kBusy;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::kPermission;
    case EINVAL:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
      return Code::kInvalid;
    case ENOSYS:
    case EOPNOTSUPP:
      return Code::kUnsupported;
    default:
      return Code::kInternal;
  }
}

const char* ErrnoText(int err) {
  // The original printed Go's table of messages, which is the C library's in lower case.
  static thread_local char text[128];
  const char* description = strerrordesc_np(err);
  if (description == nullptr) return "unknown error";
  size_t n = 0;
  for (; description[n] != '\0' && n + 1 < sizeof text; ++n) text[n] = description[n];
  text[n] = '\0';
  // Only the first letter, and not of words like "RPC" or "I/O".
  if (n > 1 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z') {
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  }
  return text;
}

Error::Error(Code code, std::string message) : code_(code), message_(std::move(message)) {}
Error::Error(Code code, int err, std::string message) : code_(code), errno_(err), message_(std::move(message)) {}
Error::Error(const Error&) = default;
Error::Error(Error&&) noexcept = default;
Error& Error::operator=(const Error&) = default;
Error& Error::operator=(Error&&) noexcept = default;
Error::~Error() = default;

Error Error::Wrap(std::string message) && {
  Error outer(code_, errno_, std::move(message));
  outer.cause_ = std::make_shared<const Error>(std::move(*this));
  return outer;
}

const Error& Error::Innermost() const {
  const Error* error = this;
  while (error->cause_) error = error->cause_.get();
  return *error;
}

std::string Error::Text() const {
  std::string text = message_;
  for (const Error* error = cause_.get(); error != nullptr; error = error->cause_.get()) {
    text += ": ";
    text += error->message_;
  }
  return text;
}

Error ErrnoError(int err, std::string_view what) {
  return Error(CodeFromErrno(err), err, StrCat(what, ": ", ErrnoText(err)));
}

}  // namespace rkt
