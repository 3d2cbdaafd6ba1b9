// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Waiting for pods. There is nobody to ask and nothing to subscribe to: the lock and a link are
// looked at again and again, at first often, since most waits are short.

#include <time.h>

#include <algorithm>

#include "base/file.h"
#include "pod/paths.h"
#include "stage0/list.h"

namespace rkt::stage0 {
namespace {

constexpr int64_t kShortestPauseNs = 1'000'000;
constexpr int64_t kLongestPauseNs = 20'000'000;

int64_t NowNs() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// `done` is asked until it says yes or fails.
Status Poll(int64_t timeout_ns, const std::function<Result<bool>()>& done) {
  int64_t deadline = timeout_ns < 0 ? INT64_MAX : NowNs() + timeout_ns;
  int64_t pause_ns = kShortestPauseNs;
  while (true) {
    if (TRY(done())) return {};
    int64_t now = NowNs();
    if (now >= deadline) return Err(Code::kBusy, "context deadline exceeded");
    int64_t length = std::min(pause_ns, deadline - now);
    struct timespec pause = {0, static_cast<long>(length)};
    nanosleep(&pause, nullptr);
    pause_ns = std::min(pause_ns * 2, kLongestPauseNs);
  }
}

bool IsOver(pod::State state) { return state >= pod::State::kExited; }

}  // namespace

Status WaitReady(const std::string& data_dir, const std::string& uuid, int64_t timeout_ns) {
  pod::Pods pods = TRY(pod::Pods::Open(data_dir));
  pod::Pod pod = TRY(pods.Get(uuid));
  return Poll(timeout_ns, [&]() -> Result<bool> {
    TRY(pod.Refresh());
    return IsOver(pod.state()) || (pod.state() == pod::State::kRunning && pod.IsReady());
  });
}

Status WaitStarted(const std::string& data_dir, const std::string& uuid, int64_t timeout_ns) {
  pod::Pods pods = TRY(pod::Pods::Open(data_dir));
  pod::Pod pod = TRY(pods.Get(uuid));
  return Poll(timeout_ns, [&]() -> Result<bool> {
    if (ExistsAt(pod.fd(), pod::kPidFile) || ExistsAt(pod.fd(), pod::kPpidFile)) return true;
    TRY(pod.Refresh());
    return pod.state() != pod::State::kRunning;
  });
}

Status WaitExited(const std::string& data_dir, const std::string& uuid, int64_t timeout_ns) {
  pod::Pods pods = TRY(pod::Pods::Open(data_dir));
  pod::Pod pod = TRY(pods.Get(uuid));
  return Poll(timeout_ns, [&]() -> Result<bool> {
    TRY(pod.Refresh());
    return IsOver(pod.state());
  });
}

}  // namespace rkt::stage0
