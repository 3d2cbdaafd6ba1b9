// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What one round of the supervisor's loop waits for, and who hears of it. Filled anew each round; who is told of an
// event may close what others wait for, so objects that handle events live until the round is over.

#include <poll.h>

#include <vector>

namespace rkt::native {

class PollSet {
 public:
  // `which` is what was given to Add, `events` are the poll's revents.
  using Handler = void (*)(void* object, int which, short events);

  void Clear() {
    polls_.clear();
    handlers_.clear();
  }
  // `Class::method(int which, short events)` is called where one of the events has come (or the end of the other side).
  // A negative descriptor is left out.
  template <auto kMethod, typename Class>
  void Add(int fd, short events, Class* object, int which = 0) {
    if (fd < 0) return;
    polls_.push_back({fd, events, 0});
    handlers_.push_back({[](void* target, int number, short revents) {
                           (static_cast<Class*>(target)->*kMethod)(number, revents);
                         },
                         object, which});
  }
  std::vector<struct pollfd>& polls() { return polls_; }
  void Dispatch() {
    for (size_t i = 0; i < polls_.size(); ++i) {
      if (polls_[i].revents != 0) handlers_[i].call(handlers_[i].object, handlers_[i].which, polls_[i].revents);
    }
  }

 private:
  struct Entry {
    Handler call;
    void* object;
    int which;
  };
  std::vector<struct pollfd> polls_;
  std::vector<Entry> handlers_;
};

}  // namespace rkt::native
