// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/transfer.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <optional>

#include "base/file.h"
#include "config/config.h"
#include "config/kinds.h"
#include "fetch/http/auth.h"
#include "fetch/http/client.h"
#include "fetch/http/date.h"

namespace rkt::fetch {

namespace {

constexpr uint64_t kProgressStep = 128u << 10;
constexpr uint64_t kMaxDownload = uint64_t{1} << 40;

std::string Text(const json::Value& head, std::string_view key) {
  const json::Value* value = head.Find(key);
  return value != nullptr && value->is_string() ? value->text() : "";
}

bool Flag(const json::Value& head, std::string_view key) {
  const json::Value* value = head.Find(key);
  return value != nullptr && value->is_bool() && value->boolean();
}

json::Value Single(std::string_view key, json::Value value) {
  json::Value object = json::Value::Object();
  object.Set(key, std::move(value));
  return object;
}

class Server {
 public:
  explicit Server(Channel channel) : channel_(std::move(channel)) {}

  Status Serve() {
    for (;;) {
      auto message = TRY(channel_.Receive());
      if (!message) return {};
      std::string op = Text(message->head, "op");
      if (op == "hello") {
        TRY(ReadAuth(message->head));
        continue;
      }
      Status status = op == "get" ? Get(message->head)
                      : op == "download"
                          ? Download(message->head, std::move(message->fd))
                          : Status(Err(Code::kInternal, "unknown request ", Quote(op)));
      if (!status) TRY(channel_.Send(Single("error", ErrorToJson(status.error()))));
    }
  }

 private:
  Status ReadAuth(const json::Value& head) {
    const json::Value* entries = head.Find("auth");
    if (entries == nullptr || !entries->is_array()) return {};
    for (const json::Value& entry : entries->items()) {
      TRY(config::ReadFileText(json::Write(entry), {"auth"}, "credentials", &config_));
    }
    return {};
  }

  http::Request MakeRequest(const json::Value& head) {
    http::Request request;
    request.url = Text(head, "url");
    request.user_agent = Text(head, "agent");
    request.allow_http = Flag(head, "http");
    request.allow_downgrade = Flag(head, "downgrade");
    request.skip_tls_check = Flag(head, "anyPeer");
    bool http_auth = Flag(head, "httpAuth");
    request.authorize = [this, http_auth](const std::string& method, const http::Url& url) {
      std::vector<http::Header> headers;
      auto found = config_.auth.find(url.HostPort());
      if (found != config_.auth.end() && (url.https() || http_auth)) {
        headers = http::AuthHeaders(found->second, method, url, ::time(nullptr));
      }
      return headers;
    };
    return request;
  }

  void Report(uint64_t done, uint64_t total, bool always) {
    if (!always && done - reported_ < kProgressStep) return;
    reported_ = done;
    json::Value event = json::Value::Object();
    event.Set("progress", done);
    event.Set("total", total);
    (void)channel_.Send(event);
  }

  Status Get(const json::Value& head) {
    http::Request request = MakeRequest(head);
    const json::Value* max = head.Find("max");
    if (max != nullptr) request.max_body = max->AsUint().value_or(request.max_body);
    std::string body;
    uint64_t total = 0;
    reported_ = 0;
    request.on_response = [&](const http::Response& response) -> Status {
      total = ParseUint(response.Find("Content-Length")).value_or(0);
      if (response.status == 200) Report(0, total, /*always=*/true);
      return {};
    };
    request.on_body = [&](std::string_view piece) -> Status {
      body += piece;
      Report(body.size(), total, /*always=*/false);
      return {};
    };
    http::Response response = TRY(client_.Do(request));
    if (response.status == 200) Report(body.size(), total, /*always=*/true);
    json::Value answer = json::Value::Object();
    answer.Set("status", response.status);
    answer.Set("url", response.url);
    return channel_.Send(answer, body);
  }

  // Whether what the file holds may be the beginning of what the server has now: the answer to
  // HEAD, or nothing.
  Result<std::optional<http::Response>> MayResume(const json::Value& head,
                                                  const struct stat& partial) {
    http::Request request = MakeRequest(head);
    request.method = "HEAD";
    http::Response response = TRY(client_.Do(request));
    auto refuse = [&](std::string_view why) -> Result<std::optional<http::Response>> {
      TRY(channel_.Send(
          Single("notice", StrCat("cannot resume the download of ", response.url, ", ", why))));
      return std::optional<http::Response>();
    };
    if (response.status != 200) return refuse(StrCat("bad HTTP status code: ", response.status));
    if (ToLower(response.Find("Accept-Ranges")) != "bytes")
      return refuse("the server does not support it");
    std::string before = Text(head, "partialEtag");
    std::string_view now = response.Find("ETag");
    if (!before.empty() && !now.empty()) {
      if (before == now) return std::optional(std::move(response));
      return refuse("the file has changed");
    }
    auto modified = http::ParseDate(response.Find("Last-Modified"));
    if (modified && *modified < partial.st_mtim.tv_sec) return std::optional(std::move(response));
    return refuse("the file may have changed");
  }

  Status Download(const json::Value& head, Fd file) {
    if (!file) return Err(Code::kInternal, "a download without a file");
    struct stat st;
    if (::fstat(file.get(), &st) != 0) return SysErr("stat of the download");
    uint64_t begin = static_cast<uint64_t>(st.st_size);
    if (begin > 0) {
      auto same = TRY(MayResume(head, st));
      // An earlier try may have been killed after its last byte.
      if (same && ParseUint(same->Find("Content-Length")) == begin)
        return Answer(*same, 200, begin);
      if (!same) begin = 0;
    }
    int status = TRY(DownloadFrom(head, file.get(), begin));
    if (status == 416 && begin > 0) status = TRY(DownloadFrom(head, file.get(), 0));
    if (status == 416) return BadStatus(head, status);
    return {};
  }

  static Error BadStatus(const json::Value& head, int status) {
    return Err(Code::kNetwork, "bad HTTP status code: ", status, " from ",
               ShownUrl(Text(head, "url")));
  }
  static std::string ShownUrl(const std::string& url) {
    auto parsed = http::ParseUrl(url);
    return parsed ? parsed->Text() : url;
  }

  Status Answer(const http::Response& response, int status, uint64_t size) {
    json::Value answer = json::Value::Object();
    answer.Set("status", status);
    answer.Set("etag", response.Find("ETag"));
    answer.Set("cacheControl", CacheControl(response));
    answer.Set("size", size);
    return channel_.Send(answer);
  }

  // Has answered unless the status is 416.
  Result<int> DownloadFrom(const json::Value& head, int file, uint64_t begin) {
    http::Request request = MakeRequest(head);
    request.max_body = kMaxDownload;
    if (std::string etag = Text(head, "etag"); !etag.empty())
      request.headers.push_back({"If-None-Match", etag});
    if (begin > 0) request.headers.push_back({"Range", StrCat("bytes=", begin, "-")});
    uint64_t offset = begin, total = 0;
    reported_ = 0;
    request.on_response = [&](const http::Response& response) -> Status {
      if (response.status == 206) {
        TRY(CheckRange(response.Find("Content-Range"), begin));
      } else if (response.status != 200) {
        return {};
      } else {
        offset = 0;
      }
      if (::ftruncate(file, static_cast<off_t>(offset)) != 0)
        return SysErr("truncate the download");
      TRY(channel_.Send(Single("begins", response.Find("ETag"))));
      if (auto length = ParseUint(response.Find("Content-Length"))) total = offset + *length;
      Report(offset, total, /*always=*/true);
      return {};
    };
    request.on_body = [&](std::string_view piece) -> Status {
      while (!piece.empty()) {
        ssize_t n = ::pwrite(file, piece.data(), piece.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return SysErr("write the download");
        offset += static_cast<uint64_t>(n);
        piece.remove_prefix(static_cast<size_t>(n));
      }
      Report(offset, total, /*always=*/false);
      return {};
    };
    http::Response response = TRY(client_.Do(request));
    int status = response.status;
    if (status == 416) return status;
    if (status != 200 && status != 206 && status != 202 && status != 304) {
      return BadStatus(head, status);
    }
    if (status == 200 || status == 206) Report(offset, total, /*always=*/true);
    TRY(Answer(response, status == 206 ? 200 : status, offset));
    return status;
  }

  // "bytes 100-199/200" for a range that begins at 100.
  static Status CheckRange(std::string_view range, uint64_t begin) {
    size_t dash = range.find('-');
    if (begin > 0 && range.starts_with("bytes ") && dash != std::string_view::npos &&
        ParseUint(range.substr(6, dash - 6)) == begin) {
      return {};
    }
    return Err(Code::kNetwork,
               "the server sends another range than the one asked for: ", Quote(range));
  }

  static std::string CacheControl(const http::Response& response) {
    std::string all;
    for (const http::Header& header : response.headers) {
      if (ToLower(header.name) == "cache-control")
        all += StrCat(all.empty() ? "" : ",", header.value);
    }
    return all;
  }

  Channel channel_;
  config::Config config_;
  http::Client client_;
  uint64_t reported_ = 0;
};

}  // namespace

Status ServeTransfers(Channel channel) { return Server(std::move(channel)).Serve(); }

}  // namespace rkt::fetch
