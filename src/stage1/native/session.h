// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What `enter` is between its caller and the program inside. Streams that are no terminals are handed over as they
// are. Where standard input and output are a terminal, the program gets one of its own, of the pod, and what is typed
// and shown is carried: the caller's terminal never is in anybody's hands in there.

#include <sys/types.h>

#include <string>

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "stage1/native/app_child.h"
#include "stage1/native/relay.h"
#include "stage1/native/terminal.h"

namespace rkt::native {

class Session {
 public:
  // Whether standard input and output both are terminals.
  static bool WantsTerminal();
  // Makes the terminal in the devpts of the pod, whose root this is; its modes and its size are those of the caller's.
  // `app_pid`: a process of the pod's user namespace, as the host counts.
  Status OpenTerminal(int pod_root, int app_pid);
  // Says in the plan which streams the program gets: never a terminal of the caller's; the terminal becomes the plan's user's. From here on signals wait
  // for Attend.
  Status Connect(AppChildPlan& plan);
  // Until the program has ended: carries what is typed and shown, hands signals on to the program's process group.
  // Returns its exit status, or 128 + the signal that ended it.
  int Attend(pid_t pid);

 private:
  bool TakeSignals(int& status);  // whether the program has ended
  Status RelayTerminals(AppChildPlan& plan);
  void ReadKeyboard();
  void ReadProgram();
  void Show();
  void ShowRest();

  pid_t pid_ = -1;
  Fd master_, slave_;
  Fd signals_;
  std::vector<Relay> relays_;      // of those streams that are terminals, where the program gets none of its own
  TerminalModes caller_{0};
  std::string uid_map_, gid_map_;
  std::string typed_;              // what the program's terminal has not taken yet
  std::string shown_;              // what the caller's has not
  bool keyboard_open_ = true;
  bool deserted_ = false;          // nobody has the program's terminal open
};

// An id inside a user namespace as its parent counts, by the text of /proc/PID/uid_map or gid_map. ~0 where it has none.
uid_t OutsideId(std::string_view map, uid_t inside);

}  // namespace rkt::native
