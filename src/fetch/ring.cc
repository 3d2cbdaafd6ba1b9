// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/ring.h"

#include <algorithm>

namespace rkt::fetch {

Ring::Ring(size_t buffers, size_t buffer_size, size_t readers)
    : buffers_(buffers),
      buffer_size_(buffer_size),
      memory_(new char[buffers * buffer_size]),
      sizes_(buffers),
      finished_(readers),
      holds_(readers) {}

char* Ring::Acquire() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return error_ || published_ - *std::min_element(finished_.begin(), finished_.end()) < buffers_;
  });
  if (error_) return nullptr;
  return memory_.get() + published_ % buffers_ * buffer_size_;
}

void Ring::Publish(size_t bytes) {
  std::lock_guard lock(mutex_);
  sizes_[published_ % buffers_] = bytes;
  ++published_;
  changed_.notify_all();
}

void Ring::Close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

Result<std::string_view> Ring::Next(size_t reader) {
  std::unique_lock lock(mutex_);
  if (holds_[reader]) {
    ++finished_[reader];
    holds_[reader] = false;
    changed_.notify_all();
  }
  changed_.wait(lock, [&] { return error_ || closed_ || finished_[reader] < published_; });
  if (error_) return *error_;
  if (finished_[reader] == published_) return std::string_view();
  holds_[reader] = true;
  size_t slot = finished_[reader] % buffers_;
  return std::string_view(memory_.get() + slot * buffer_size_, sizes_[slot]);
}

void Ring::Abort(Error error) {
  std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(error);
  changed_.notify_all();
}

}  // namespace rkt::fetch
