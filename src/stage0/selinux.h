// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The labels that pods get on hosts where SELinux is on: those that the policy's lxc_contexts gives to the processes and
// files of containers, with two categories that no other pod of the data directory has, so that pods do not get at each
// other's files.

#include <string>

#include "base/result.h"
#include "pod/pod.h"

namespace rkt::stage0 {

// Both empty: the pod gets none.
struct SelinuxLabels {
  std::string process;  // of the apps' programs
  std::string mount;    // of the files of its root file systems
};

// Where the host says what of SELinux it has. Tests have others.
struct SelinuxHost {
  std::string file_system = "/sys/fs/selinux";   // mounted there where it is on
  std::string configuration = "/etc/selinux";    // config, TYPE/contexts/lxc_contexts
  bool any_file_system = false;                  // take it for on, whatever is mounted there
};

// Chooses the labels and writes them down in the pod, which is not in `run` yet. None where SELinux is off or the policy
// has no lxc_contexts. kInvalid names the file and the line that is none.
Result<SelinuxLabels> TakeSelinuxLabels(pod::Pods& pods, const pod::Pod& pod, const SelinuxHost& host = {});
// What was written down; none where nothing was.
Result<SelinuxLabels> ReadSelinuxLabels(const pod::Pod& pod);

// Gives the files of a copied root the label. File systems without labels are left as they are.
Status LabelTree(int directory, const std::string& label);

}  // namespace rkt::stage0
