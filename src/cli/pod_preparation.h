// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// From the command line of run and prepare to what stage0 prepares a pod from: images found,
// manifest made.

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "appc/image_manifest.h"
#include "appc/pod_manifest.h"
#include "base/result.h"
#include "cli/invocation.h"
#include "stage0/prepare.h"
#include "store/store.h"

namespace rkt::cli {

// Owns what the options borrow; not to be moved once made.
struct PodPreparation {
  std::string pull_policy;
  std::optional<store::Store> store;
  std::deque<appc::ImageManifest> images;  // does not move what it holds
  appc::PodManifest manifest;
  stage0::PrepareOptions options;
};

// What is wrong with the flags of run and prepare together, which is said before anything is looked
// up. Messages are whole, without a cause.
Status CheckPodArguments(Invocation& invocation, std::string_view pull_policy);

// The command line of run and prepare, checked; nothing is looked up. Gives the status to end with
// after an error, which is printed, or after help; nothing where there is a pod to prepare.
std::optional<int> ReadPodArguments(Invocation& invocation, PodPreparation& preparation);

// --private-users, or what the host's configuration says where it is not given.
Result<bool> WantsPrivateUsers(const Invocation& invocation);

// Opens the store, finds (and imports) the images, makes or reads the manifest.
Status PreparePod(Invocation& invocation, PodPreparation& preparation);

}  // namespace rkt::cli
