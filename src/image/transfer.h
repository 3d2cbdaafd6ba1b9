// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What lies behind URLs of http and https, by way of libexec/rkt/fetch: this program links no HTTP.
// The helper is started with the first request and kept for the next ones (the protocol is in
// fetch/transfer.h). Credentials of the configuration go to the hosts they are configured for and
// nowhere else.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/channel.h"
#include "base/process.h"
#include "base/result.h"
#include "config/config.h"

namespace rkt::image {

using ConfigSource = std::function<Result<std::shared_ptr<const config::Config>>()>;

// How careful a request is.
struct TransferRules {
  bool allow_http = false;       // plain http at all
  bool allow_downgrade = false;  // being redirected from https to http
  bool any_peer = false;         // whatever certificate there is
  bool auth_over_http = false;   // credentials by plain http too
  bool name_us = false;          // User-Agent: rkt/VERSION
};

class Transfer {
 public:
  // `config` may be empty: no credentials then.
  explicit Transfer(ConfigSource config) : config_(std::move(config)) {}

  // Starts the helper; requests do so by themselves. Errors of the configuration.
  Status Start();

  struct Answer {
    int status = 0;
    std::string url;  // after redirects
    std::string body;
  };
  // A small body, whatever the status is. With `progress_name` ("signature") progress is shown to
  // the user.
  Result<Answer> Get(const std::string& url, const TransferRules& rules, size_t max_size,
                     const std::string& progress_name = {});

  struct DownloadRequest {
    std::string url;
    TransferRules rules;
    std::string etag;          // what we have already: 304 where that is still it
    std::string partial_etag;  // of what the file holds
    // The ETag ("" where there is none) of what goes into the file from now on.
    std::function<void(const std::string& etag)> begins;
  };
  struct Downloaded {
    int status = 0;  // 200 (also for a range), 202, 304
    std::string etag;
    std::string cache_control;
  };
  // Into an open file. What is in it is the beginning of an earlier try: it is kept where the
  // server can go on from there and says that the file is the same, with a notice to the user where
  // not. Shows progress. kNetwork: bad HTTP status code: N
  Result<Downloaded> Download(const DownloadRequest& request, int file);

 private:
  struct Events {
    std::string progress_name;
    std::function<void(const std::string& etag)> begins;
  };
  Result<Channel::Message> Ask(const json::Value& request, int fd, const Events& events);

  ConfigSource config_;
  std::optional<Child> child_;
  std::optional<Channel> channel_;
};

}  // namespace rkt::image
