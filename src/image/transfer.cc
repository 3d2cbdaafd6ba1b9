// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/transfer.h"

#include "base/log.h"
#include "base/progress.h"
#include "image/import.h"
#include "image/remote_record.h"
#include "store/report.h"

namespace rkt::image {

namespace {

json::Value RequestOf(const char* op, const std::string& url, const TransferRules& rules) {
  json::Value request = json::Value::Object();
  request.Set("op", op);
  request.Set("url", url);
  if (rules.allow_http) request.Set("http", true);
  if (rules.allow_downgrade) request.Set("downgrade", true);
  if (rules.any_peer) request.Set("anyPeer", true);
  if (rules.auth_over_http) request.Set("httpAuth", true);
  if (rules.name_us) request.Set("agent", StrCat("rkt/", RKT_VERSION));
  return request;
}

std::string TextOf(const json::Value& head, std::string_view key) {
  const json::Value* value = head.Find(key);
  return value != nullptr && value->is_string() ? value->text() : "";
}

uint64_t NumberOf(const json::Value& head, std::string_view key) {
  const json::Value* value = head.Find(key);
  return value != nullptr ? value->AsUint().value_or(0) : 0;
}

}  // namespace

Status Transfer::Start() {
  if (channel_) return {};
  json::Value hello = json::Value::Object();
  hello.Set("op", "hello");
  json::Value& auth = hello.Set("auth", json::Value::Array());
  if (config_) {
    auto config = TRY(config_());
    json::Value all = config::ToJson(*config);
    if (const json::Value* entries = all.Find("stage0");
        entries != nullptr && entries->is_array()) {
      for (const json::Value& entry : entries->items()) {
        if (TextOf(entry, "rktKind") == "auth") auth.Append(entry);
      }
    }
  }
  auto [channel, end] = TRY(Channel::Create());
  SpawnOptions spawn;
  spawn.program = TRY(FindFetchProgram());
  spawn.argv = {"fetch", "transfer"};
  spawn.fds = {{end.get(), store::kFileFd}};
  child_ = TRY(Child::Spawn(spawn));
  TRY(channel.Send(hello));
  channel_ = std::move(channel);
  return {};
}

Result<Channel::Message> Transfer::Ask(const json::Value& request, int fd, const Events& events) {
  TRY(Start());
  TRY(channel_->Send(request, {}, fd));
  std::optional<Progress> progress;
  for (;;) {
    auto message = channel_->Receive();
    if (!message || !*message) {
      channel_.reset();
      child_.reset();
      if (!message) return std::move(message).error();
      return Err(Code::kInternal, "the fetch program has ended while it fetched ",
                 ShownUrl(TextOf(request, "url")));
    }
    const json::Value& head = (*message)->head;
    if (head.Find("progress") != nullptr) {
      if (events.progress_name.empty()) continue;
      if (!progress) progress.emplace(events.progress_name);
      progress->Update(NumberOf(head, "progress"), NumberOf(head, "total"));
    } else if (head.Find("begins") != nullptr) {
      if (events.begins) events.begins(TextOf(head, "begins"));
    } else if (head.Find("notice") != nullptr) {
      Notice("image", TextOf(head, "notice"));
    } else if (const json::Value* error = head.Find("error")) {
      return ErrorFromJson(*error);
    } else {
      if (progress) progress->Finish();
      return std::move(**message);
    }
  }
}

Result<Transfer::Answer> Transfer::Get(const std::string& url, const TransferRules& rules,
                                       size_t max_size, const std::string& progress_name) {
  json::Value request = RequestOf("get", url, rules);
  request.Set("max", max_size);
  Channel::Message message = TRY(Ask(request, -1, {progress_name, {}}));
  return Answer{static_cast<int>(NumberOf(message.head, "status")), TextOf(message.head, "url"),
                std::move(message.body)};
}

Result<Transfer::Downloaded> Transfer::Download(const DownloadRequest& wanted, int file) {
  json::Value request = RequestOf("download", wanted.url, wanted.rules);
  if (!wanted.etag.empty()) request.Set("etag", wanted.etag);
  if (!wanted.partial_etag.empty()) request.Set("partialEtag", wanted.partial_etag);
  Channel::Message message = TRY(Ask(request, file, {"ACI", wanted.begins}));
  return Downloaded{static_cast<int>(NumberOf(message.head, "status")),
                    TextOf(message.head, "etag"), TextOf(message.head, "cacheControl")};
}

}  // namespace rkt::image
