// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt attach

#include "stage0/app.h"

#include "cli/commands.h"
#include "cli/enter.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec kOwnFlags[] = {
    TextFlag("app", "name of the app; may be left out where the pod has one"),
    TextFlag("mode",
             "'list' prints what there is to attach to, 'auto' attaches to all of it; or a list, "
             "separated by commas, of stdin, stdout, stderr, or of tty, tty-in, tty-out",
             "auto"),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags};

Result<stage0::AttachOptions> ParseMode(std::string_view text) {
  using Action = stage0::AttachOptions::Action;
  stage0::AttachOptions options;
  if (text == "list" || text == "auto" || text.empty()) {
    options.action = text == "list" ? Action::kList : Action::kAuto;
    return options;
  }
  options.action = Action::kCustom;
  auto invalid = [] { return Err(Code::kInvalid, "invalid attach mode"); };
  for (const std::string& word : Split(text, ',')) {
    if (word == "stdin") {
      options.standard_in = true;
    } else if (word == "stdout") {
      options.standard_out = true;
    } else if (word == "stderr") {
      options.standard_err = true;
    } else if (word == "tty") {
      options.tty_in = options.tty_out = true;
    } else if (word == "tty-in") {
      options.tty_in = true;
    } else if (word == "tty-out") {
      options.tty_out = true;
    } else {
      return invalid();
    }
  }
  bool streams = options.standard_in || options.standard_out || options.standard_err;
  if (streams && (options.tty_in || options.tty_out)) return invalid();
  return options;
}

int Run(Invocation& invocation) {
  if (invocation.words.size() != 1) return invocation.Usage();
  auto options = ParseMode(invocation.Text("mode"));
  if (!options) return Fail(options.error());
  auto pod = ResolvePod(invocation, invocation.words[0]);
  if (!pod) return Fail("problem retrieving pod", std::move(pod).error());
  auto app = ChosenApp(invocation, *pod);
  if (!app) return Fail("unable to determine app name", std::move(app).error());
  Status failed = stage0::Attach({pod->data_dir, pod->uuid, *app, invocation.globals.debug}, *options);
  return Fail("attach failed", std::move(failed).error());
}

}  // namespace

constinit const CommandSpec kAttachCommand = {
    .name = "attach",
    .synopsis = "[--app=APPNAME] [--mode=MODE] UUID",
    .summary = "Connect with the standard streams of a running app",
    .description =
        R"(Connects the standard streams of this command with those streams of the app whose mode
(--stdin, --stdout, --stderr of run, prepare and app add) is stream or tty. Any number
may attach to one app. It ends with the app; on a terminal, ^] three times within a
second ends it alone.

The end of this command's input does not close the app's: others may attach.)",
    .flags = kGroups,
    .run = Run,
    .completes = Completion::kRunningPods,
    .needs_root = true,
};

}  // namespace rkt::cli
