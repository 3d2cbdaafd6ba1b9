// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "metadata/http.h"

#include <algorithm>

#include "base/strings.h"

namespace rkt::metadata {

namespace {

constexpr size_t kMaxHead = 16 << 10;
constexpr size_t kMaxChunkLine = 256;

const char* Reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Internal Server Error";
  }
}

bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return c > ' ' && c < 0x7f && std::string_view("\"(),/:;<=>?@[\\]{}").find(static_cast<char>(c)) ==
                                      std::string_view::npos;
  });
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string FormatReply(const HttpReply& reply, bool keep_alive) {
  return StrCat("HTTP/1.1 ", reply.status, " ", Reason(reply.status), "\r\nContent-Type: ", reply.content_type,
                "\r\nContent-Length: ", reply.body.size(), keep_alive ? "\r\n" : "\r\nConnection: close\r\n", "\r\n",
                reply.body);
}

std::optional<HttpRequest> HttpReader::Next() {
  if (failure_ != 0) return std::nullopt;
  if (!have_head_ && !ReadHead()) return std::nullopt;
  if (!(chunked_ ? ReadChunks() : ReadBody())) return std::nullopt;
  have_head_ = false;
  wants_continue_ = false;
  return std::exchange(request_, HttpRequest());
}

bool HttpReader::ReadHead() {
  // Empty lines in front of a request are passed over, as the specification asks of servers.
  while (Rest().starts_with("\r\n")) Take(2);
  size_t end = Rest().find("\r\n\r\n");
  if (end == std::string::npos) return Rest().size() > kMaxHead ? Fail(431) : false;
  if (end > kMaxHead) return Fail(431);
  std::string head(Rest().substr(0, end));
  Take(end + 4);
  if (head.find('\0') != std::string::npos) return Fail(400);

  std::vector<std::string> lines;
  for (size_t at = 0; at <= head.size();) {
    size_t stop = std::min(head.find("\r\n", at), head.size());
    lines.push_back(head.substr(at, stop - at));
    at = stop + 2;
  }
  std::vector<std::string> words = Split(lines[0], ' ');
  if (words.size() != 3 || !IsToken(words[0]) || !words[1].starts_with('/')) return Fail(400);
  if (!words[2].starts_with("HTTP/")) return Fail(400);
  if (words[2] != "HTTP/1.1" && words[2] != "HTTP/1.0") return Fail(505);
  request_ = {};
  request_.method = words[0];
  request_.target = words[1];
  request_.path = words[1].substr(0, words[1].find('?'));
  if (request_.path.size() < words[1].size()) request_.query = words[1].substr(request_.path.size() + 1);
  request_.keep_alive = words[2] == "HTTP/1.1";
  chunked_ = false;
  bool have_length = false, expects = false;
  length_ = 0;
  for (size_t i = 1; i < lines.size(); ++i) {
    size_t colon = lines[i].find(':');
    if (colon == std::string::npos || !IsToken(std::string_view(lines[i]).substr(0, colon))) return Fail(400);
    std::string name = ToLower(std::string_view(lines[i]).substr(0, colon));
    std::string value(Trim(std::string_view(lines[i]).substr(colon + 1)));
    if (name == "content-length") {
      auto number = ParseUint(value);
      // Two lengths that differ: where one request ends would be a matter of taste.
      if (!number || (have_length && *number != length_)) return Fail(400);
      if (*number > max_body_) return Fail(413);
      length_ = *number;
      have_length = true;
    } else if (name == "transfer-encoding") {
      if (ToLower(value) != "chunked") return Fail(501);
      chunked_ = true;
    } else if (name == "connection") {
      for (const std::string& option : Split(ToLower(value), ',')) {
        if (Trim(option) == "close") request_.keep_alive = false;
      }
    } else if (name == "content-type") {
      request_.content_type = std::string(Trim(ToLower(value.substr(0, value.find(';')))));
    } else if (name == "expect") {
      expects = ToLower(value) == "100-continue";
    }
  }
  if (chunked_ && have_length) return Fail(400);
  have_head_ = true;
  wants_continue_ = expects && (chunked_ || length_ > Rest().size());
  return true;
}

bool HttpReader::ReadBody() {
  if (Rest().size() < length_) return false;
  request_.body = Rest().substr(0, length_);
  Take(length_);
  return true;
}

bool HttpReader::ReadChunks() {
  for (;;) {
    std::string_view rest = Rest();
    size_t end = rest.find("\r\n");
    if (end == std::string::npos) return rest.size() > kMaxChunkLine ? Fail(400) : false;
    if (end > kMaxChunkLine) return Fail(400);
    std::string_view digits = rest.substr(0, std::min(rest.substr(0, end).find(';'), end));
    size_t size = 0;
    if (digits.empty() || digits.size() > 8) return Fail(400);
    for (char c : digits) {
      int digit = HexDigit(c);
      if (digit < 0) return Fail(400);
      size = size * 16 + static_cast<size_t>(digit);
    }
    if (size > max_body_ - request_.body.size()) return Fail(413);
    if (size == 0) {
      // The trailer: lines to an empty one.
      size_t stop = rest.find("\r\n\r\n", end);
      if (stop == std::string::npos) return rest.size() > kMaxHead ? Fail(431) : false;
      Take(stop + 4);
      return true;
    }
    if (rest.size() < end + 2 + size + 2) return false;
    if (rest.substr(end + 2 + size, 2) != "\r\n") return Fail(400);
    request_.body.append(rest.substr(end + 2, size));
    Take(end + 2 + size + 2);
  }
}

std::string PercentEncode(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 std::string_view("-._~/").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      out += StrCat('%', ToUpper(HexEncode(&c, 1)));
    }
  }
  return out;
}

std::optional<std::string> PercentDecode(std::string_view text, bool plus) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus) {
      out += ' ';
    } else if (text[i] == '%') {
      bool whole = i + 2 < text.size();
      int high = whole ? HexDigit(text[i + 1]) : -1;
      int low = whole ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::optional<Form> ParseForm(std::string_view text) {
  Form form;
  while (!text.empty()) {
    std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    if (pair.empty()) continue;
    size_t equals = std::min(pair.find('='), pair.size());
    auto name = PercentDecode(pair.substr(0, equals), true);
    auto value = PercentDecode(pair.substr(std::min(pair.size(), equals + 1)), true);
    if (!name || !value) return std::nullopt;
    form.emplace_back(*std::move(name), *std::move(value));
  }
  return form;
}

const std::string* FindField(const Form& form, std::string_view name) {
  for (const auto& [field, value] : form) {
    if (field == name) return &value;
  }
  return nullptr;
}

}  // namespace rkt::metadata
