// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What a test may leave behind on the machine, and the comparison of before and after. The test
// program lives in mount and network namespaces of its own, so that all mounts and interfaces there
// are the doing of the programs under test.

#include <set>
#include <string>
#include <vector>

namespace rkt::test {

struct Traces {
  std::multiset<std::string> mounts;
  std::set<std::string> interfaces;
  std::set<std::string> namespaces;  // names in /run/netns
  std::set<std::string> cgroups;
  std::vector<std::string> processes;  // descendants of this one
  std::vector<std::string> locks;      // held on files below the directory
};

// What there is now. Ended children are reaped first. Locks are those on files below `directory`.
Traces TakeTraces(const std::string& directory);

// What is there now and was not before, a line each. Cgroups count where their path has one of the
// pods' UUIDs: others may make cgroups on this machine at the same time. Namespaces and processes
// end asynchronously: what is left gets two seconds to go.
std::vector<std::string> FindLeaks(const Traces& before, const std::string& directory,
                                   const std::set<std::string>& uuids);

// pids of all descendants of a process (of this one), children first come first.
std::vector<int> DescendantsOf(int pid);

// Enters namespaces of our own and becomes the reaper of orphans. False where that is not
// permitted.
bool Isolate();

}  // namespace rkt::test
