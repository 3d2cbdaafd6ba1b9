// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The images of a command line and the flags that belong to each: IMAGE --name=a -- ARG... ---
// IMAGE ... (runtime.md of the reference, section 2). Pure parsing; nothing is looked up.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "appc/app.h"
#include "appc/pod_manifest.h"
#include "base/result.h"
#include "cli/invocation.h"
#include "pod/flag_values.h"
#include "pod/manifest_builder.h"
#include "stage0/stage1_image.h"

namespace rkt::cli {

// One image with what was asked for it. image_key and image of the request are for those who find
// the image.
struct AppArguments {
  std::string image;      // as written
  std::string signature;  // file, empty: none given
  pod::AppRequest request;
};

// What the flags of run, prepare and fetch collect while they are parsed.
struct PodArguments {
  std::vector<AppArguments> apps;
  std::vector<appc::Mount> mounts;  // --mount before the first image
  std::vector<appc::Volume> volumes;
  std::vector<appc::ExposedPort> ports;
  std::vector<pod::KeyValue> annotations;  // of the pod; app sandbox only, as the next two
  std::vector<pod::KeyValue> user_annotations;
  std::vector<pod::KeyValue> user_labels;
  std::vector<pod::KeyValue> set_env;
  std::vector<pod::KeyValue> env_file;
  appc::Isolators isolators;     // of the whole pod
  std::vector<std::string> net;  // names, with their arguments
  stage0::Stage1Choice stage1;
  std::string_view stage1_flag;  // which --stage1-* was given

  bool HasNet(std::string_view name) const;
};

// Goes over the words of the invocation, parsing the flags between the images. `app_arguments`:
// whether `--` may open an image's arguments. Sets `help` where a flag asked for it. Errors:
//   an image is required before any app arguments; only one set of app arguments allowed per image;
//   app arguments unsupported; what ParseFlags says; dangling mount point "/p": volume "v" not
//   found
Status ParseAppArguments(Invocation& invocation, bool app_arguments, bool& help);

// The same for a command's own function, which ends with the status that it gives: 254 after an
// error, which is printed behind `failure`; 0 after the help that a flag asked for. Nothing where
// the command goes on.
std::optional<int> TakeAppArguments(Invocation& invocation, bool app_arguments = true,
                                    std::string_view failure = "error parsing app image arguments");

}  // namespace rkt::cli
