// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Result<T> and Error: how every room of this program reports failure. Nothing throws; a library that does is
// fenced into one file. Member names follow std::expected, so that a later move is mechanical.
// An Error carries a code to branch on, the errno where there was one, a message and the chain of causes.

#include <cerrno>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/strings.h"

namespace rkt {

// What a caller may branch on. Never branch on an error's text.
enum class Code {
  kInternal,
  kNotFound,
  kExists,
  kBusy,
  kPermission,
  kInvalid,
  kUnsupported,
  kCorrupt,
  kNetwork,
};

// The code that an errno stands for (ENOENT is kNotFound and so on; kInternal where nothing fits).
Code CodeFromErrno(int err);

// "No such file or directory" and the like, in lower case as the original's messages had it, never null.
const char* ErrnoText(int err);

// What makes an error or takes one apart is cold and never inlined: the compiler then keeps the ways that end there out of
// the functions that normally succeed, and the pages that a start has to read in are few.
class [[nodiscard]] Error {
 public:
  [[gnu::cold]] Error(Code code, std::string message);
  [[gnu::cold]] Error(Code code, int err, std::string message);
  [[gnu::cold]] Error(const Error&);
  [[gnu::cold]] Error(Error&&) noexcept;
  [[gnu::cold]] Error& operator=(const Error&);
  [[gnu::cold]] Error& operator=(Error&&) noexcept;
  [[gnu::cold]] ~Error();

  Code code() const { return code_; }
  // The errno of the innermost cause that had one, or 0.
  int err() const { return errno_; }
  const std::string& message() const { return message_; }
  const Error* cause() const { return cause_.get(); }

  // The error that says `message` and has this one as its cause. Code and errno are kept.
  [[gnu::cold]] Error Wrap(std::string message) &&;
  // The last link of the chain: what happened, without the circumstances.
  const Error& Innermost() const;
  // "message: cause: cause", for logs and tests.
  std::string Text() const;

 private:
  Code code_;
  int errno_ = 0;
  std::string message_;
  std::shared_ptr<const Error> cause_;
};

// An Error from errno: message "<what>: <errno text>", code by CodeFromErrno.
[[gnu::cold]] Error ErrnoError(int err, std::string_view what);

// Err(Code::kInvalid, "volume \"", name, "\" is not declared")
template <typename... Parts>
[[gnu::cold]] [[gnu::noinline]] Error Err(Code code, const Parts&... parts) {
  return Error(code, StrCat(parts...));
}
// SysErr("open ", path): uses the errno of the moment.
template <typename... Parts>
[[gnu::cold]] [[gnu::noinline]] Error SysErr(const Parts&... parts) {
  int err = errno;
  return ErrnoError(err, StrCat(parts...));
}

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : ok_(true) { new (&value_) T(std::move(value)); }  // NOLINT: implicit by design
  Result(Error error) : ok_(false) { new (&error_) Error(std::move(error)); }  // NOLINT
  template <typename U>
    requires(std::is_convertible_v<U, T> && !std::is_same_v<std::remove_cvref_t<U>, T> &&
             !std::is_same_v<std::remove_cvref_t<U>, Result> &&
             !std::is_same_v<std::remove_cvref_t<U>, Error>)
  Result(U&& value) : ok_(true) {  // NOLINT
    new (&value_) T(std::forward<U>(value));
  }
  Result(Result&& other) noexcept : ok_(other.ok_) { MoveFrom(std::move(other)); }
  Result(const Result& other) : ok_(other.ok_) {
    if (ok_) [[likely]] {
      new (&value_) T(other.value_);
    } else {
      new (&error_) Error(other.error_);
    }
  }
  Result& operator=(Result&& other) noexcept {
    if (this != &other) {
      Destroy();
      ok_ = other.ok_;
      MoveFrom(std::move(other));
    }
    return *this;
  }
  Result& operator=(const Result& other) {
    Result copy(other);
    return *this = std::move(copy);
  }
  ~Result() { Destroy(); }

  bool has_value() const { return ok_; }
  explicit operator bool() const { return ok_; }
  T& value() & { return value_; }
  const T& value() const& { return value_; }
  T&& value() && { return std::move(value_); }
  T& operator*() & { return value_; }
  const T& operator*() const& { return value_; }
  T&& operator*() && { return std::move(value_); }
  T* operator->() { return &value_; }
  const T* operator->() const { return &value_; }
  Error& error() & { return error_; }
  const Error& error() const& { return error_; }
  Error&& error() && { return std::move(error_); }
  T value_or(T other) && { return ok_ ? std::move(value_) : std::move(other); }

 private:
  void MoveFrom(Result&& other) {
    if (ok_) [[likely]] {
      new (&value_) T(std::move(other.value_));
    } else {
      new (&error_) Error(std::move(other.error_));
    }
  }
  void Destroy() {
    if (ok_) [[likely]] {
      value_.~T();
    } else {
      error_.~Error();
    }
  }
  bool ok_;
  union {
    T value_;
    Error error_;
  };
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  Result() = default;
  Result(Error error) : error_(std::make_unique<Error>(std::move(error))) {}  // NOLINT
  Result(Result&&) noexcept = default;
  Result& operator=(Result&&) noexcept = default;
  Result(const Result& other) : error_(other.error_ ? std::make_unique<Error>(*other.error_) : nullptr) {}
  Result& operator=(const Result& other) {
    error_ = other.error_ ? std::make_unique<Error>(*other.error_) : nullptr;
    return *this;
  }
  bool has_value() const { return !error_; }
  explicit operator bool() const { return !error_; }
  void value() const {}
  void operator*() const {}
  Error& error() & { return *error_; }
  const Error& error() const& { return *error_; }
  Error&& error() && { return std::move(*error_); }

 private:
  std::unique_ptr<Error> error_;
};
using Status = Result<void>;

// auto fd = TRY(Open(path)); returns the error to the caller of this function, or yields the value.
#define TRY(expr)                                                             \
  ({                                                                          \
    auto try_result_ = (expr);                                                \
    if (!try_result_) [[unlikely]]                                            \
      return std::move(try_result_).error();                                  \
    *std::move(try_result_);                                                  \
  })

// TRY_CTX(ReadFile(p), "reading the pod manifest ", p): the same, and the error gains a message in front.
#define TRY_CTX(expr, ...)                                                    \
  ({                                                                          \
    auto try_result_ = (expr);                                                \
    if (!try_result_) [[unlikely]]                                            \
      return std::move(try_result_).error().Wrap(::rkt::StrCat(__VA_ARGS__)); \
    *std::move(try_result_);                                                  \
  })

}  // namespace rkt
