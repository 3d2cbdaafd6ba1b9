// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt completion: a script for bash, made of the table of commands.

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/invocation.h"

namespace rkt::cli {

namespace {

// What does the work: __rkt_words, set by one function per command, and the two lists that need rkt
// itself.
constexpr std::string_view kEngine = R"bash(# bash completion for rkt

__rkt_images()
{
    rkt image list --no-legend --fields=id,name 2>/dev/null | awk '{print $1; print $2}'
}

__rkt_pods()
{
    rkt list --no-legend 2>/dev/null | grep -E "${1:-.}" | awk -F '\t' '$1 != "" {print $1}'
}

__rkt_reply()
{
    local IFS=$' \t\n'
    COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

# $1: flags with a value, $2: other flags, $3: commands below, $4: what the arguments are
__rkt_complete()
{
    if [[ $cur == -* ]]; then
        __rkt_reply "$1 $2"
        if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
            compopt -o nospace 2>/dev/null
        fi
        return
    fi
    if [[ -n $3 ]]; then
        __rkt_reply "$3"
        return
    fi
    case $4 in
        images) __rkt_reply "$(__rkt_images)" ;;
        pods) __rkt_reply "$(__rkt_pods)" ;;
        prepared) __rkt_reply "$(__rkt_pods '(^|[[:space:]])prepared')" ;;
        running) __rkt_reply "$(__rkt_pods '(^|[[:space:]])running')" ;;
        exited) __rkt_reply "$(__rkt_pods 'prepare|exited')" ;;
    esac
    if [[ ${#COMPREPLY[@]} -eq 0 ]]; then
        COMPREPLY=($(compgen -f -- "$cur"))
    fi
}

)bash";

constexpr std::string_view kStart = R"bash(__start_rkt()
{
    local cur=${COMP_WORDS[COMP_CWORD]} command=_rkt word i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        [[ $word == -* || $word == = ]] && continue
        if declare -F "${command}_${word}" >/dev/null; then
            command=${command}_${word}
        fi
    done
    "$command"
}

complete -o default -F __start_rkt rkt
)bash";

std::string_view Words(Completion completion) {
  switch (completion) {
    case Completion::kImages:
      return "images";
    case Completion::kPods:
      return "pods";
    case Completion::kPreparedPods:
      return "prepared";
    case Completion::kRunningPods:
      return "running";
    case Completion::kExitedPods:
      return "exited";
    case Completion::kFiles:
      break;
  }
  return "files";
}

void AppendFunction(std::string& script, std::string_view name, const CommandSpec& command) {
  std::vector<const FlagSpec*> flags = VisibleFlags(command);
  if (&command != &kRootCommand) {
    std::vector<const FlagSpec*> globals = VisibleGlobalFlags();
    flags.insert(flags.end(), globals.begin(), globals.end());
  }
  std::string with_value, plain, children;
  for (const FlagSpec* flag : flags) {
    if (flag->bare.empty()) {
      with_value += StrCat("--", flag->name, "= ");
    } else {
      plain += StrCat("--", flag->name, " ");
    }
  }
  for (const CommandSpec* child : command.children) {
    if (!child->hidden && !child->missing) children += StrCat(child->name, " ");
  }
  script += StrCat(name, "()\n{\n    __rkt_complete '", with_value, "' '", plain, "' '", children,
                   "' ", Words(command.completes), "\n}\n\n");
  for (const CommandSpec* child : command.children) {
    if (!child->hidden && !child->missing) {
      AppendFunction(script, StrCat(name, "_", child->name), *child);
    }
  }
}

int Run(Invocation& invocation) {
  if (invocation.words.empty()) return Refuse("shell type is not specified");
  if (invocation.words.size() > 1) {
    return Refuse("too many arguments, only shell type is expected");
  }
  if (invocation.words[0] != "bash") {
    return Refuse(StrCat("'", TerminalSafe(invocation.words[0]), "' shell is not supported"));
  }
  std::string script(kEngine);
  AppendFunction(script, "_rkt", kRootCommand);
  script += kStart;
  Print(script);
  return 0;
}

}  // namespace

constinit const CommandSpec kCompletionCommand = {
    .name = "completion",
    .synopsis = "SHELL",
    .summary = "Print a script that completes rkt's commands in a shell",
    .description =
        R"(Prints a script for the shell, which has to be sourced there. Only bash is known.

For the running shell:

	$ source <(rkt completion bash)

For all to come:

	$ rkt completion bash > /usr/share/bash-completion/completions/rkt)",
    .run = Run,
};

}  // namespace rkt::cli
