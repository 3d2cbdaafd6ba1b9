// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt enter: what a command in a running app may do, who it is, and what is between it and the caller.

#include <signal.h>
#include <unistd.h>

#include <map>
#include <memory>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class EnterTest : public PodTest {
 protected:
  // A pod that has reported what its app sees and goes on.
  void Begin(const Args& flags, const Args& image_flags, const std::string& aci = JudgeAci()) {
    pod_ = Start(flags + Args{aci, "--name=a", "--exec=/bin/sh"} + image_flags +
                     Args{"--", "-c", "/judge see; echo begun; exec /judge sleep"},
                 "begun");
    app_ = Facts::Parse(JsonOf(pod_.rkt->out()));
    ASSERT_EQ(Rkt({"status", "--wait-ready=10s", pod_.uuid}).code, 0);
  }
  void TearDown() override {
    if (pod_.rkt) {
      Rkt({"stop", "--force", pod_.uuid});
      pod_.rkt->Wait(10);
    }
    PodTest::TearDown();
  }
  std::string JsonOf(const std::string& output) {
    std::string text;
    for (const std::string& line : AppLines(output)) {
      if (line == "begun") break;
      text += line + "\n";
    }
    return text;
  }
  Facts Inside(const Args& flags = {}) {
    return Facts::Parse(RktOk(Args{"enter"} + flags + Args{pod_.uuid, "/judge", "see"}).out);
  }
  Output Enter(const Args& words, const Options& options = {}) {
    return Rkt(Args{"enter", pod_.uuid} + words, options);
  }
  RunningPod pod_;
  Facts app_;
};

// What of a report tells how a process is confined.
std::map<std::string, std::string> Confinement(const Facts& facts) {
  std::map<std::string, std::string> values;
  for (const char* path : {"/ids/uid", "/ids/euid", "/ids/gid", "/ids/egid", "/no_new_privs", "/cwd", "/hostname",
                           "/umask", "/oom_score_adj"}) {
    values[path] = facts[path];
  }
  for (const char* name : {"Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "Seccomp", "Seccomp_filters"}) {
    values[name] = facts[std::string("/status/") + name];
  }
  for (const char* part : {"/namespaces", "/limits", "/cgroups", "/env"}) {
    for (const std::string& key : facts.Keys(part)) {
      std::string path = std::string(part) + "/" + key;
      // What a shell sets by itself, and the caller's terminal.
      if (key == "TERM" || key == "PWD" || key == "SHLVL" || key == "_") continue;
      values[path] = facts[path];
    }
  }
  return values;
}

class EnterConfined : public EnterTest {};

TEST_F(EnterConfined, IsAsConfinedAsTheApp) {
  Begin({}, {"--user=1000", "--group=100", "--supplementary-gids=4,27", "--working-dir=/tmp", "--environment=OWN=value",
             "--memory=256Mi", "--caps-retain=CAP_NET_RAW,CAP_CHOWN", "--seccomp=mode=remove,errno=EPERM,chroot",
             "--oom-score-adj=321"});
  EXPECT_EQ(Confinement(Inside()), Confinement(app_));
  EXPECT_EQ(app_["/cwd"], "/tmp");
  EXPECT_EQ(app_["/status/Groups"], "4 27 100");
  EXPECT_EQ(app_["/oom_score_adj"], "321");
  EXPECT_EQ(app_["/no_new_privs"], "1");
  EXPECT_EQ(Trim(Enter({"/judge", "try", "chroot:/tmp"}).out), "chroot:/tmp = EPERM");
}

TEST_F(EnterConfined, RootAppsTooAndInTheirGroups) {
  Begin({}, {"--memory=256Mi", "--cpu=500m"});
  Facts inside = Inside();
  EXPECT_EQ(Confinement(inside), Confinement(app_));
  EXPECT_EQ(inside["/ids/uid"], "0");
  // The app's groups are the root of all that it sees; any other group would begin with "/..".
  EXPECT_EQ(inside["/namespaces/cgroup"], app_["/namespaces/cgroup"]);
  for (const std::string& group : inside.List("/cgroups")) EXPECT_TRUE(EndsWith(group, ":/")) << group;
}

TEST_F(EnterConfined, NothingOfTheCallerComesAlong) {
  Begin({}, {"--user=1000", "--group=100"});
  WriteFile(dir() + "/secret", "of the host\n");
  std::string rkt;
  for (const std::string& word : RktArgs({"enter", pod_.uuid, "/judge", "see"})) rkt += " '" + word + "'";
  // Groups, inheritable capabilities, limits, a mask, an open file, an ignored signal and variables.
  Output output = RunProgram(
      {"/usr/bin/setpriv", "--groups=7,8", "--inh-caps=+net_raw,+sys_admin", "--ambient-caps=+net_raw", "/bin/sh", "-c",
       "ulimit -n 99; ulimit -c 0; umask 077; trap '' USR1; exec 5<" + dir() + "/secret; exec" + rkt},
      {.env = {"HOSTS_OWN=1", "LD_PRELOAD=/nowhere.so"}});
  ASSERT_EQ(output.code, 0) << output.All();
  Facts inside = Facts::Parse(output.out);
  auto values = Confinement(inside);
  // The hard limit of the caller is one that not even root can raise everywhere; the app's are kept as far as that goes.
  auto expected = Confinement(app_);
  if (values["/limits/nofile"] == "99 99") expected["/limits/nofile"] = "99 99";
  if (values["/limits/core"] == "0 0") expected["/limits/core"] = "0 0";
  EXPECT_EQ(values, expected);
  EXPECT_EQ(inside["/status/CapInh"], "0000000000000000");
  EXPECT_EQ(inside["/status/CapAmb"], "0000000000000000");
  EXPECT_EQ(inside["/status/SigIgn"], "0000000000000000");
  EXPECT_FALSE(inside.Has("/env/HOSTS_OWN"));
  EXPECT_FALSE(inside.Has("/env/LD_PRELOAD"));
  EXPECT_EQ(inside.Keys("/fds"), (Args{"0", "1", "2"}));
}

TEST_F(EnterConfined, LimitsAreThoseOfTheApp) {
  pod_ = Start({JudgeAci(), "--name=a", "--exec=/bin/sh", "--", "-c", "ulimit -n 77; ulimit -u 55; exec /judge sleep"},
               "sleeping");
  ASSERT_EQ(Rkt({"status", "--wait-ready=10s", pod_.uuid}).code, 0);
  Facts inside = Inside();
  EXPECT_EQ(inside["/limits/nofile"], "77 77");
  EXPECT_EQ(inside["/limits/nproc"], "55 55");
  pod_ = Start({JudgeAci(), "--name=a", "--exec=/bin/sh", "--", "-c", "ulimit -n 3; exec /judge sleep"}, "sleeping");
  ASSERT_EQ(Rkt({"status", "--wait-ready=10s", pod_.uuid}).code, 0);
  EXPECT_EQ(Enter({"/judge", "exit", "4"}).code, 4) << "even where that leaves no descriptor to work with";
}

TEST_F(EnterConfined, UserAndGroupByNameNumberAndPath) {
  Begin({}, {"--user=1000", "--group=100", "--supplementary-gids=4"});
  auto who = [&](const Args& flags) {
    Facts facts = Inside(flags);
    return facts["/ids/uid"] + ":" + facts["/ids/gid"] + " " + facts["/status/Groups"];
  };
  EXPECT_EQ(who({}), "1000:100 4 100");
  EXPECT_EQ(who({"--user=0"}), "0:0 0");
  EXPECT_EQ(who({"--user=root"}), "0:0 0");
  EXPECT_EQ(who({"--user=4321"}), "4321:100 100") << "nobody of the image: the group is the app's";
  EXPECT_EQ(who({"--user=4321", "--group=4322"}), "4321:4322 4322");
  EXPECT_EQ(who({"--group=55"}), "1000:55 4 55");
  EXPECT_EQ(who({"--user=/judge", "--group=/judge"}), "0:0 0");
  // A name of the image's passwd and the group that stands there.
  Args fields;
  for (const std::string& line : Lines(Enter({"/judge", "show", "/etc/passwd"}).out)) {
    fields = Split(line, ':');
    if (fields.size() > 3 && fields[2] != "0") break;
  }
  ASSERT_GT(fields.size(), 3u);
  EXPECT_EQ(who({"--user=" + fields[0]}), fields[2] + ":" + fields[3] + " " + fields[3]);
  EXPECT_EQ(who({"--user=" + fields[2]}), fields[2] + ":" + fields[3] + " " + fields[3]);
  // Root without more rights than the app.
  EXPECT_EQ(Inside({"--user=0"})["/status/CapBnd"], app_["/status/CapBnd"]);
  for (const char* flag : {"--user=nobody-knows", "--group=nobody-knows", "--user=-1", "--user=4294967296", "--user=",
                           "--group=/no/such/file"}) {
    Output output = Rkt({"enter", flag, pod_.uuid, "/judge", "see"});
    EXPECT_EQ(output.code, 254) << flag << output.All();
    EXPECT_EQ(output.out, "") << flag;
  }
}

TEST_F(EnterConfined, PrivilegedIsRootWithEverythingButInThePod) {
  Begin({}, {"--user=1000", "--group=100", "--memory=256Mi"});
  Facts inside = Inside({"--privileged"});
  EXPECT_EQ(inside["/ids/uid"], "0");
  EXPECT_EQ(inside["/ids/gid"], "0");
  EXPECT_EQ(inside["/status/Seccomp"], "0");
  EXPECT_EQ(inside["/no_new_privs"], "0");
  std::string own;
  for (const std::string& line : Lines(ReadFile("/proc/self/status"))) {
    if (StartsWith(line, "CapBnd:")) own = Trim(line.substr(7));
  }
  EXPECT_EQ(inside["/status/CapEff"], own);
  for (const std::string& name : inside.Keys("/namespaces")) {
    EXPECT_EQ(inside["/namespaces/" + name], app_["/namespaces/" + name]) << name;
  }
  EXPECT_EQ(inside.List("/cgroups"), app_.List("/cgroups"));
  EXPECT_EQ(Inside({"--privileged", "--user=1000"})["/status/CapEff"], "0000000000000000");
}

// Attack: files that programs of the host read of their own accord. Whoever opened one of these would wait for ever.
TEST_F(EnterConfined, FilesOfTheImageAreNotLoaded) {
  Tar tar;
  tar.File("manifest", ManifestJson({}));
  AddJudgeRoot(tar);
  for (const char* name : {"rootfs/etc/nsswitch.conf", "rootfs/etc/ld.so.preload", "rootfs/etc/ld.so.cache",
                           "rootfs/etc/localtime", "rootfs/etc/locale.alias", "rootfs/etc/host.conf",
                           "rootfs/etc/shadow"}) {
    tar.Add({.name = name, .type = '6'});
  }
  Begin({}, {}, WriteImage("fifos.aci", tar.Finish()));
  Options soon = {.env = {"LANG=de_DE.UTF-8", "LC_ALL=de_DE.UTF-8", "LOCPATH=/etc", "TZ=:/etc/localtime"}, .timeout = 15};
  EXPECT_EQ(Rkt({"enter", pod_.uuid, "/judge", "exit", "3"}, soon).code, 3);
  EXPECT_EQ(Rkt({"enter", "--user=root", "--group=root", pod_.uuid, "/judge", "exit", "3"}, soon).code, 3);
  EXPECT_EQ(Rkt({"enter", "--user=12", pod_.uuid, "/judge", "exit", "3"}, soon).code, 3);
  EXPECT_EQ(Rkt({"enter", pod_.uuid, "/no/such"}, soon).code, 1);
  // And one that the image's own app has put where names are looked up.
  EXPECT_EQ(Rkt({"enter", pod_.uuid, "/bin/sh", "-c", "rm /etc/passwd /etc/group; mkfifo /etc/passwd; "
                                                      "ln -s /proc/1/root/etc/group /etc/group"}, soon).code, 0);
  Output output = Rkt({"enter", "--user=somebody", pod_.uuid, "/judge", "see"}, soon);
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_TRUE(Contains(output.err, "/etc/passwd")) << output.err;
  EXPECT_EQ(Rkt({"enter", "--group=somebody", pod_.uuid, "/judge", "see"}, soon).code, 254);
}

// Attack: the app's user is taken from where the app was started, not from files that it may have changed since.
TEST_F(EnterConfined, ChangedPasswdDoesNotChangeTheUser) {
  Tar tar;
  tar.File("manifest", ManifestJson({}));
  AddJudgeRoot(tar);
  tar.Add({.name = "rootfs/etc/passwd", .content = "root:x:0:0::/:/bin/sh\nsomebody:x:1234:1234::/:/bin/sh\n",
           .mode = 0666});
  Begin({}, {"--user=somebody", "--group=1234"}, WriteImage("open-passwd.aci", tar.Finish()));
  EXPECT_EQ(Enter({"/bin/sh", "-c", "echo somebody:x:0:0::/:/bin/sh > /etc/passwd"}).code, 0);
  EXPECT_EQ(Inside()["/ids/uid"], "1234");
}

// Attack: a /proc that the app has made itself.
TEST_F(EnterConfined, FakeProcIsNotWrittenTo) {
  pod_ = Start({JudgeAci(), "--name=a", "--exec=/bin/sh", "--oom-score-adj=300",
                "--caps-retain=CAP_SYS_ADMIN,CAP_DAC_OVERRIDE", "--seccomp=mode=retain,@appc.io/all", "--", "-c",
                "mount -t tmpfs t /proc && mkdir -p /proc/self/fd /proc/self/attr && echo mine > /tmp/target && "
                "ln -s /tmp/target /proc/self/oom_score_adj && ln -s / /proc/1 && exec /judge sleep"},
               "sleeping");
  ASSERT_EQ(Rkt({"status", "--wait-ready=10s", pod_.uuid}).code, 0);
  Background entered = StartRkt({"enter", pod_.uuid, "/judge", "sleep"});
  ASSERT_TRUE(entered.WaitForText("sleeping")) << entered.err();
  std::vector<int> children = DescendantsOf(entered.pid());
  ASSERT_EQ(children.size(), 1u);
  EXPECT_EQ(Trim(ReadFile("/proc/" + std::to_string(children[0]) + "/oom_score_adj")), "300");
  EXPECT_EQ(Trim(Enter({"/judge", "show", "/tmp/target"}).out), "mine");
  entered.Kill(SIGTERM);
  EXPECT_EQ(entered.Wait(10).code, 143);
}

// Attack: a process that has changed its root. What counts is the app's.
TEST_F(EnterConfined, ChrootOfTheAppIsNotTheRoot) {
  pod_ = Start({JudgeAci(), "--name=a", "--exec=/bin/sh", "--", "-c",
                "mkdir -p /jail/etc && cp /judge /jail/other && echo somebody:x:0:0::/:/ > /jail/etc/passwd && "
                "exec chroot /jail /other sleep"},
               "sleeping");
  ASSERT_EQ(Rkt({"status", "--wait-ready=10s", pod_.uuid}).code, 0);
  EXPECT_EQ(Enter({"/judge", "exit", "6"}).code, 6);
  EXPECT_EQ(Enter({"/other", "exit", "6"}).code, 1);
  EXPECT_EQ(Rkt({"enter", "--user=somebody", pod_.uuid, "/judge", "see"}).code, 254);
}

TEST_F(EnterConfined, UnknownAppHasACodeOfItsOwn) {
  Begin({}, {});
  EXPECT_EQ(Rkt({"enter", "--app=unknown", pod_.uuid, "/judge", "see"}).code, 6);
}

TEST_F(EnterConfined, WorkingDirectoryThatIsGoneIsAnError) {
  Begin({}, {"--working-dir=/srv"});
  Output gone = Enter({"/bin/sh", "-c", "rmdir /srv"});
  EXPECT_EQ(gone.code, 0) << gone.All();
  Output output = Enter({"/judge", "see"});
  EXPECT_EQ(output.code, 1) << output.All();
  EXPECT_TRUE(Contains(output.err, "working directory")) << output.err;
}

class EnterStreams : public EnterTest {};

TEST_F(EnterStreams, PipesPassUntouched) {
  Begin({}, {});
  std::string bytes;
  for (int i = 0; i < 200000; i++) bytes += static_cast<char>(i % 256);
  Output output = Enter({"/bin/cat"}, {.input = bytes});
  EXPECT_EQ(output.code, 0);
  EXPECT_EQ(output.out, bytes);
  output = Enter({"/bin/sh", "-c", "echo out; echo err >&2"});
  EXPECT_EQ(output.out, "out\n");
  EXPECT_EQ(output.err, "err\n");
}

TEST_F(EnterStreams, EndBySignalIsTold) {
  Begin({}, {});
  EXPECT_EQ(Enter({"/judge", "kill", "9"}).code, 137);
  EXPECT_EQ(Enter({"/judge", "kill", "15"}).code, 143);
}

TEST_F(EnterStreams, SignalsArePassedOn) {
  Begin({}, {});
  Background entered = StartRkt({"enter", pod_.uuid, "/judge", "trap-term", "7"});
  ASSERT_TRUE(entered.WaitForText("waiting for TERM")) << entered.err();
  entered.Kill(SIGTERM);
  EXPECT_EQ(entered.Wait(10).code, 7);
  Background interrupted = StartRkt({"enter", pod_.uuid, "/judge", "sleep"});
  ASSERT_TRUE(interrupted.WaitForText("sleeping"));
  interrupted.Kill(SIGINT);
  EXPECT_EQ(interrupted.Wait(10).code, 130);
}

TEST_F(EnterStreams, CallersSessionIsLeft) {
  Begin({}, {});
  Facts inside = Inside();
  EXPECT_EQ(inside["/ids/sid"], inside["/ids/pid"]);
}

class EnterTerminal : public EnterTest {};

TEST_F(EnterTerminal, IsOneOfThePod) {
  Begin({}, {"--user=1000", "--group=100"});
  Terminal terminal(RktArgs({"enter", pod_.uuid, "/bin/sh"}), {.env = {"TERM=screen"}}, 33, 111);
  terminal.Type("echo tty=$(readlink /proc/self/fd/0) $(readlink /proc/self/fd/2) term=$TERM.\n");
  EXPECT_TRUE(terminal.Expect("tty=/dev/pts/0 /dev/pts/0 term=screen.")) << terminal.screen();
  terminal.Type("stat -c 'owner=%u:%g' /dev/pts/0; stty size\n");
  EXPECT_TRUE(terminal.Expect("owner=1000:5")) << terminal.screen();
  EXPECT_TRUE(terminal.Expect("33 111")) << terminal.screen();
  terminal.Resize(50, 132);
  kill(terminal.pid(), SIGWINCH);
  SleepFor(0.2);
  terminal.Type("stty size\n");
  EXPECT_TRUE(terminal.Expect("50 132")) << terminal.screen();
  terminal.Type("exit 3\n");
  EXPECT_EQ(terminal.Wait(), 3) << terminal.screen();
}

TEST_F(EnterTerminal, HasJobControl) {
  Begin({}, {});
  Terminal terminal(RktArgs({"enter", pod_.uuid, "/bin/sh"}), {});
  terminal.Type("/judge sleep 60\n");
  ASSERT_TRUE(terminal.Expect("judge: sleeping")) << terminal.screen();
  terminal.Type("\x1a");
  EXPECT_TRUE(terminal.Expect("Stopped")) << terminal.screen();
  terminal.Type("fg\n");
  ASSERT_TRUE(terminal.Expect("/judge sleep 60")) << terminal.screen();
  SleepFor(0.2);
  terminal.Type("\x03");
  terminal.Type("echo still=$((1+1))\n");
  // With the prompt the shell has the terminal to itself again.
  EXPECT_TRUE(terminal.Expect("still=2\r\n/ # ")) << terminal.screen();
  EXPECT_FALSE(Contains(terminal.screen(), "job control")) << terminal.screen();
  terminal.Type("\x04");
  EXPECT_EQ(terminal.Wait(), 0) << "the status of the last command: " << terminal.screen();
}

TEST_F(EnterTerminal, EndsWithItsCaller) {
  Begin({}, {});
  Terminal terminal(RktArgs({"enter", pod_.uuid, "/bin/sh"}), {});
  terminal.Type("echo here=$((1+1))\n");
  ASSERT_TRUE(terminal.Expect("here=2"));
  kill(terminal.pid(), SIGTERM);
  EXPECT_EQ(terminal.Wait(), 129) << terminal.screen();
}

TEST_F(EnterTerminal, LastOutputIsShownWhole) {
  Begin({}, {});
  Terminal terminal(RktArgs({"enter", pod_.uuid, "/judge", "lines", "3000"}), {});
  EXPECT_TRUE(terminal.Expect("line 3000")) << terminal.screen().size();
  EXPECT_EQ(terminal.Wait(), 0);
}

// Where only one side is a terminal, the streams are what they are: nothing is translated on the way.
TEST_F(EnterTerminal, OutputIntoAPipeIsRaw) {
  Begin({}, {});
  std::string enter;
  for (const std::string& word : RktArgs({"enter", pod_.uuid, "/bin/echo", "text"})) enter += " '" + word + "'";
  Terminal terminal({"/bin/sh", "-c", enter + " | od -c"}, {});
  EXPECT_TRUE(terminal.Expect("t   e   x   t  \\n")) << terminal.screen();
  terminal.Wait();
}

// A stage1 of somebody else: what it was never told about it must not be left to guess.
class EnterOtherStage1 : public EnterTest {
 protected:
  void BeginStub(const std::string& more) {
    ImageSpec spec;
    spec.name = "example.com/stub";
    spec.has_app = false;
    spec.annotations = R"([{"name":"coreos.com/rkt/stage1/run","value":"/run"},)"
                       R"({"name":"coreos.com/rkt/stage1/gc","value":"/gc"},)"
                       R"({"name":"coreos.com/rkt/stage1/stop","value":"/stop"},)"
                       R"({"name":"coreos.com/rkt/stage1/enter","value":"/enter"},)" +
                       more + R"({"name":"coreos.com/rkt/stage1/interface-version","value":"5"}])";
    Tar tar;
    tar.File("manifest", ManifestJson(spec)).Dir("rootfs");
    tar.Dir("rootfs/rkt").Dir("rootfs/rkt/status").Dir("rootfs/opt").Dir("rootfs/opt/stage2");
    tar.File("rootfs/run", "#!/bin/sh\necho $$ > pid\necho up\nexec sleep 60\n", 0755);
    tar.File("rootfs/gc", "#!/bin/sh\nexit 0\n", 0755);
    tar.File("rootfs/stop", "#!/bin/sh\nkill -9 $(cat pid)\n", 0755);
    tar.File("rootfs/enter", "#!/bin/sh\necho \"$0\"; for a; do echo \"$a\"; done\n", 0755);
    std::string file = dir() + "/uuid";
    pod_.rkt = std::make_unique<Background>(StartRkt({"run", "--stage1-path=" + WriteImage("stub.aci", tar.Finish()),
                                                      "--uuid-file-save=" + file, "--net=none", JudgeAci()}));
    ASSERT_TRUE(pod_.rkt->WaitForText("up")) << pod_.rkt->err();
    pod_.uuid = ReadFile(file);
  }
  Args Words(const Args& flags) {
    Args words = Lines(RktOk(Args{"enter"} + flags + Args{pod_.uuid, "cmd", "--x"}).out);
    EXPECT_TRUE(StartsWith(words[0], data() + "/cas/tree/")) << words[0];
    EXPECT_TRUE(StartsWith(words[1], "--pid=")) << words[1];
    words.erase(words.begin(), words.begin() + 2);
    return words;
  }
};

TEST_F(EnterOtherStage1, IsCalledAsEver) {
  BeginStub("");
  EXPECT_EQ(Words({}), (Args{"--appname=judge", "--", "cmd", "--x"}));
  for (const char* flag : {"--user=0", "--group=0", "--privileged"}) {
    Output output = Rkt({"enter", flag, pod_.uuid, "cmd"});
    EXPECT_EQ(output.code, 254);
    EXPECT_TRUE(Contains(output.err, "is not supported by the stage1 of pod")) << output.err;
    EXPECT_EQ(output.out, "");
  }
}

TEST_F(EnterOtherStage1, GetsTheFlagsThatItKnows) {
  BeginStub(R"({"name":"coreos.com/rkt/stage1/enter-flags","value":"user, privileged"},)");
  EXPECT_EQ(Words({"--user=me", "--privileged"}),
            (Args{"--appname=judge", "--user=me", "--privileged", "--", "cmd", "--x"}));
  EXPECT_EQ(Rkt({"enter", "--group=0", pod_.uuid, "cmd"}).code, 254);
}

class AnyEnter : public EnterTest {};

TEST_F(AnyEnter, UserCanBeChosen) {
  pod_ = Start({JudgeAci(), "--user=1000", "--group=100", "--", "sleep"}, "sleeping");
  auto id = [&](const Args& flags) {
    Facts facts = Inside(flags);
    return facts["/ids/uid"] + ":" + facts["/ids/gid"];
  };
  EXPECT_EQ(id({}), "1000:100");
  EXPECT_EQ(id({"--user=0"}), "0:0");
  EXPECT_EQ(id({"--user=77", "--group=78"}), "77:78");
  EXPECT_EQ(id({"--privileged"}), "0:0");
}

}  // namespace
}  // namespace rkt::test
