// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt completion: a script for bash, which zsh can read too, made of the table of commands.

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/invocation.h"

namespace rkt::cli {

namespace {

// What does the work. Each command's function sets with_value, plain, children and arguments; the current word is taken
// from the line as it was typed, since bash also splits at "=" and ":". It is plain enough for zsh's bashcompinit.
constexpr std::string_view kEngine = R"bash(# bash completion for rkt, and for zsh behind "autoload -U bashcompinit && bashcompinit"

__rkt_images()
{
    rkt image list --no-legend "${globals[@]}" --fields=id,name 2>/dev/null | awk '{print $1; print $2}'
}

__rkt_pods()
{
    rkt list --no-legend "${globals[@]}" 2>/dev/null | grep -E "${1:-.}" | awk -F '\t' '$1 != "" {print $1}'
}

__rkt_apps()
{
    rkt list --no-legend "${globals[@]}" 2>/dev/null | awk -F '\t+' '{print $2}' | sort -u
}

__rkt_networks()
{
    rkt network list --no-legend "${globals[@]}" 2>/dev/null | awk '{print $1}'
}

# What a flag can have as its value; nothing where that is free or a file.
__rkt_values()
{
    case $1 in
        --app) __rkt_apps ;;
        --compression) echo gzip zstd xz none ;;
        --fields) echo id name size importtime lastused ;;
        --format) echo json json-pretty ;;
        --insecure-options) echo none image tls ondisk http pubkey capabilities paths seccomp limits all-fetch all-run all ;;
        --ipc) echo auto private parent ;;
        --mode) echo auto list stdin stdout stderr tty tty-in tty-out ;;
        --net) echo none host all; __rkt_networks ;;
        --no-new-privileges | --readonly-rootfs) echo true false ;;
        --order) echo asc desc ;;
        --pull-policy) echo new update never ;;
        --sort) echo name importtime lastused size ;;
        --stdin) echo null stream tty ;;
        --stdout | --stderr) echo log null stream tty ;;
    esac
}

__rkt_arguments()
{
    case $1 in
        images) __rkt_images ;;
        pods) __rkt_pods ;;
        prepared) __rkt_pods '(^|[[:space:]])prepared' ;;
        running) __rkt_pods '(^|[[:space:]])running' ;;
        exited) __rkt_pods 'prepare|exited' ;;
        paths) __rkt_pods 'running|exited' | sed 's/$/:/' ;;
        networks) __rkt_networks ;;
        shells) echo bash ;;
    esac
}

# Those of the words $1 that begin with $cur, $2 in front of each.
__rkt_reply()
{
    local word IFS=$' \t\n'
    for word in $1; do
        if [[ $2$word == "$cur"* ]]; then
            COMPREPLY+=("$2$word")
        fi
    done
}

)bash";

constexpr std::string_view kStart = R"bash(__start_rkt()
{
    local line=${COMP_LINE:0:$COMP_POINT} command=_rkt piece="" cur="" word="" flag="" help="" ended="" skip="" before=""
    local with_value="" plain="" children="" arguments="" i=0 last=0
    local -a typed globals
    typed=()
    globals=()
    COMPREPLY=()
    # The words as they were typed: what nothing separates on the line is one.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        piece=${COMP_WORDS[$i]}
        if [[ $i -eq 0 || $line == [[:space:]]* || -z $line ]]; then
            while [[ $line == [[:space:]]* ]]; do
                line=${line#?}
            done
            typed+=("")
        fi
        if [[ $i -eq $COMP_CWORD ]]; then
            piece=$line
        fi
        last=$((${#typed[@]} - 1))
        typed[$last]=${typed[$last]}$piece
        line=${line#"$piece"}
    done
    cur=${typed[$last]}
    if [[ -z ${ZSH_VERSION-} && ( $piece == = || $piece == : ) ]]; then
        piece=""
    fi

    "$command"
    for ((i = 1; i < last; i++)); do
        word=${typed[$i]}
        if [[ -n $skip ]]; then
            globals+=("$word")
            skip=""
        elif [[ $word == -- ]]; then
            ended=1
        elif [[ $word == --- ]]; then
            ended=""
        elif [[ -n $ended ]]; then
            continue
        elif [[ $word == --* ]]; then
            case "$word" in
                --dir=* | --local-config=* | --system-config=* | --user-config=*) globals+=("$word") ;;
                --dir | --local-config | --system-config | --user-config) globals+=("$word"); skip=1 ;;
                *=*) ;;
                *) if [[ " $with_value " == *" $word= "* && $i -lt $((last - 1)) ]]; then i=$((i + 1)); fi ;;
            esac
        elif [[ -n $word && " $children " == *" $word "* ]]; then
            if [[ $command == _rkt && $word == help ]]; then
                help=1
            else
                command=${command}_${word}
            fi
            "$command"
        fi
    done
    if [[ -n $help ]]; then
        arguments=""
        if [[ $cur != -* ]]; then __rkt_reply "$children" ""; fi
        before=""
    elif [[ -n $ended || -n $skip ]]; then
        return
    else
        word=${typed[$((last - 1))]}
        if [[ $cur == --*=* ]]; then
            flag=${cur%%=*}
            before=$flag=
        elif [[ $last -gt 1 && $word == --* && " $with_value " == *" $word= "* ]]; then
            flag=$word
        fi
        if [[ -n $flag ]]; then
            # Of a list, its last word.
            case $flag in
                --insecure-options | --net | --mode | --fields | --sort)
                    if [[ $cur == *,* ]]; then before=${cur%,*},; fi ;;
            esac
            __rkt_reply "$(__rkt_values "$flag")" "$before"
        elif [[ $cur == -* ]]; then
            __rkt_reply "$with_value $plain" ""
        elif [[ -n $children ]]; then
            __rkt_reply "$children" ""
        else
            __rkt_reply "$(__rkt_arguments "$arguments")" ""
        fi
    fi
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=:] && -z ${ZSH_VERSION-} ]]; then
        compopt -o nospace 2>/dev/null
    fi
    # bash puts what it is given in place of the piece behind the last "=" or ":".
    if [[ -z ${ZSH_VERSION-} ]]; then
        before=${cur%"$piece"}
        for ((i = 0; i < ${#COMPREPLY[@]}; i++)); do
            COMPREPLY[$i]=${COMPREPLY[$i]#"$before"}
        done
    fi
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
    case Completion::kPodPaths:
      return "paths";
    case Completion::kNetworks:
      return "networks";
    case Completion::kShells:
      return "shells";
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
  script += StrCat(name, "()\n{\n    with_value='", with_value, "'\n    plain='", plain, "'\n    children='", children,
                   "'\n    arguments=", Words(command.completes), "\n}\n\n");
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
        R"(Prints a script for the shell, which has to be sourced there. Only bash is known;
zsh takes the same script.

For the running shell:

	$ source <(rkt completion bash)

For zsh, in ~/.zshrc behind compinit:

	autoload -U bashcompinit && bashcompinit
	source <(rkt completion bash)

For all to come:

	$ rkt completion bash > /usr/share/bash-completion/completions/rkt)",
    .run = Run,
    .completes = Completion::kShells,
};

}  // namespace rkt::cli
