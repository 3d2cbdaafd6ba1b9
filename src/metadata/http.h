// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// As much of HTTP/1.1 as a service with a handful of small answers needs: requests with a length or in chunks, kept
// connections, `Expect: 100-continue`. No connection is read here: bytes in, requests out.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rkt::metadata {

struct HttpRequest {
  std::string method;
  std::string target;        // as it came
  std::string path;          // without the query, still percent-encoded
  std::string query;         // behind '?'
  std::string content_type;  // lower case, without parameters
  std::string body;
  bool keep_alive = true;
};

struct HttpReply {
  int status = 200;
  std::string content_type = "text/plain; charset=us-ascii";
  std::string body;
};

// Status line, headers and body.
std::string FormatReply(const HttpReply& reply, bool keep_alive);

class HttpReader {
 public:
  explicit HttpReader(size_t max_body) : max_body_(max_body) {}

  void Feed(std::string_view bytes) {
    buffer_.erase(0, std::exchange(taken_, 0));
    buffer_.append(bytes);
  }
  // The next request that is complete.
  std::optional<HttpRequest> Next();
  // Not 0: the status with which to end the connection; nothing more is read from it.
  int failure() const { return failure_; }
  // True once for each request whose client waits for a word before it sends the body.
  bool TakeContinue() { return std::exchange(wants_continue_, false); }

 private:
  std::string_view Rest() const { return std::string_view(buffer_).substr(taken_); }
  // What is taken goes from the buffer at the next Feed: a peer that sends many small pieces costs no more than others.
  void Take(size_t size) { taken_ += size; }
  bool ReadHead();
  bool ReadBody();
  bool ReadChunks();
  bool Fail(int status) {
    failure_ = status;
    return false;
  }

  size_t max_body_;
  std::string buffer_;
  size_t taken_ = 0;  // of the buffer
  HttpRequest request_;
  bool have_head_ = false;
  bool chunked_ = false;
  bool wants_continue_ = false;
  size_t length_ = 0;
  int failure_ = 0;
};

// Everything but letters, digits and "-._~/" as %XX.
std::string PercentEncode(std::string_view text);
// Nothing where a "%" is not followed by two digits. With `plus`, '+' is a blank (forms).
std::optional<std::string> PercentDecode(std::string_view text, bool plus = false);

// "a=b&c=d", decoded; nothing where it is malformed.
using Form = std::vector<std::pair<std::string, std::string>>;
std::optional<Form> ParseForm(std::string_view text);
// The first value of a name, nullptr where there is none.
const std::string* FindField(const Form& form, std::string_view name);

}  // namespace rkt::metadata
