// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// What `rkt completion bash` prints, in the shells that read it.

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

struct Case {
  std::string line;  // up to the cursor
  Args answers;
};

class Completion : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    MakeDirs(dir() + "/bin");
    WriteFile(dir() + "/bin/rkt", "#!/bin/sh\nexec " + RktBinary() + " --dir=" + data() + " \"$@\"\n", 0755);
    Fetch(JudgeAci());
  }
  // bash splits words at "=" and ":" too, and takes answers for the last piece.
  void ExpectOfBash(const std::vector<Case>& cases) {
    Expect(cases, {"bash", "--norc", "-c", R"(
      PATH=$1:$PATH && source <(rkt completion bash) || exit 1
      shift
      for COMP_LINE; do
        COMP_POINT=${#COMP_LINE}
        spaced=${COMP_LINE//=/ = }
        read -ra COMP_WORDS <<< "${spaced//:/ : }"
        [[ $COMP_LINE == *" " ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        __start_rkt rkt
        echo "${COMPREPLY[@]}"
      done)"});
  }
  // zsh leaves words whole.
  void ExpectOfZsh(const std::vector<Case>& cases) {
    Expect(cases, {"zsh", "-f", "-c", R"(
      autoload -U compinit bashcompinit
      compinit -u -D && bashcompinit
      PATH=$1:$PATH && source <(rkt completion bash) || exit 1
      shift
      ask() {
        emulate -L sh
        setopt ksh_arrays
        COMP_LINE=$1 COMP_POINT=${#1}
        COMP_WORDS=($1)
        case $1 in *" ") COMP_WORDS+=("") ;; esac
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        __start_rkt rkt
        echo "${COMPREPLY[@]}"
      }
      for line; do ask "$line"; done)"});
  }

 private:
  void Expect(const std::vector<Case>& cases, Args command) {
    std::string shell = command[0];
    command.insert(command.end(), {shell, dir() + "/bin"});
    for (const Case& one : cases) command.push_back(one.line);
    Output output = RunProgram(command);
    ASSERT_EQ(output.err, "") << shell;
    std::string rest = output.out;
    for (const Case& one : cases) {
      std::string answers = rest.substr(0, rest.find('\n')), wanted;
      rest.erase(0, answers.size() + 1);
      for (const std::string& word : one.answers) wanted += (wanted.empty() ? "" : " ") + word;
      EXPECT_EQ(answers, wanted) << shell << ": " << one.line;
    }
  }
};

TEST_F(Completion, OfCommandsAndFlags) {
  std::vector<Case> cases = {{"rkt im", {"image"}},
                             {"rkt image ex", {"export", "extract"}},
                             {"rkt help image li", {"list"}},
                             {"rkt --dir=/x --debug image ex", {"export", "extract"}},
                             {"rkt --dir image list --no-l", {"--no-legend"}},  // "image" is a directory here
                             {"rkt run --pul", {"--pull-policy="}},
                             {"rkt run --pull-policy n", {"new", "never"}},
                             {"rkt completion ", {"bash"}}};
  ExpectOfBash(cases);
  ExpectOfZsh(cases);
}

TEST_F(Completion, OfWhatThereIs) {
  std::string uuid = Prepare({JudgeAci(), "--name=first"}).substr(0, 8);
  std::vector<Case> cases = {{"rkt run example.com/ju", {"example.com/judge:1.0.0"}},
                             {"rkt run-prepared ", {uuid}},
                             {"rkt stop ", {}},  // it does not run
                             {"rkt rm " + uuid.substr(0, 3), {uuid}},
                             {"rkt --dir=" + dir() + "/other rm ", {}},
                             {"rkt network inspect default-", {"default-restricted"}},
                             {"rkt logs --app ", {"first"}},
                             {"rkt run example.com/judge -- ex", {}},  // words of the app
                             {"rkt run example.com/judge -- x --- example.com/j", {"example.com/judge:1.0.0"}}};
  ExpectOfBash(cases);
  ExpectOfZsh(cases);
}

TEST_F(Completion, BehindEqualSignsAndColons) {
  ExpectOfBash({{"rkt run example.com/judge:1", {"1.0.0"}},
                {"rkt run --pull-policy=", {"new", "update", "never"}},
                {"rkt --insecure-options=image,tl", {"image,tls"}},
                {"rkt run --net=default,h", {"default,host"}}});
  ExpectOfZsh({{"rkt run example.com/judge:1", {"example.com/judge:1.0.0"}},
               {"rkt run --pull-policy=u", {"--pull-policy=update"}},
               {"rkt list --format=json-", {"--format=json-pretty"}}});
}

}  // namespace
}  // namespace rkt::test
