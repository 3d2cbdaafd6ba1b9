// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Images that would steer the host by what they contain or say: user databases, name files, variables, annotations;
// their root file systems and what is mounted there; directories and programs that lead out. Whatever becomes of the
// pod, nothing outside of it is read or changed.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class Steering : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    MakeDirs(bait());
    WriteFile(bait() + "/file", "untouched\n", 0640);
    WriteFile(bait() + "/passwd", "hostuser:x:0:0::/:/bin/sh\n");
  }
  std::string bait() const { return dir() + "/bait"; }
  void BaitIsUntouched(const std::string& what) {
    EXPECT_EQ(ListDir(bait()), (Args{"file", "passwd"})) << what;
    EXPECT_EQ(ReadFile(bait() + "/file"), "untouched\n") << what;
    EXPECT_EQ(ModeOf(bait() + "/file"), 0640u) << what;
  }
  // An image of the judge with more entries; those of `without` are left out of what the judge usually has.
  std::string Image(const ImageSpec& spec, const std::function<void(Tar&)>& add) {
    Tar tar;
    tar.File("manifest", ManifestJson(spec)).Dir("rootfs");
    AddJudgeRoot(tar);
    add(tar);
    return WriteImage("steering" + std::to_string(++images_) + ".aci", tar.Finish());
  }
  // The program must not have run, and whoever looks is told why.
  void Refused(const Output& output, const std::string& why) {
    EXPECT_NE(output.code, 0) << output.All();
    EXPECT_FALSE(output.timed_out) << output.All();
    EXPECT_TRUE(AppLines(output.out).empty()) << output.All();
    EXPECT_TRUE(Contains(output.err, why)) << "expected: " << why << "\n" << output.All();
  }
  int images_ = 0;
};
class AnySteering : public Steering {};

TEST_F(AnySteering, IdsThatAreNoneAreErrors) {
  for (const char* user : {"2147483648", "4294967295", "4294967296", "18446744073709551616", "-1", "+1", "0x0", " 0"}) {
    ImageSpec spec;
    spec.user = user;
    Refused(Run({Image(spec, [](Tar&) {}), "--", "see"}, {.timeout = 20}), user);
    spec = {};
    spec.group = user;
    Refused(Run({Image(spec, [](Tar&) {}), "--", "see"}, {.timeout = 20}), user);
  }
}

TEST_F(AnySteering, NumbersAreNotLookedUpAsNames) {
  std::string image = Image({}, [](Tar& tar) {
    tar.File("rootfs/etc/passwd", "1000:x:0:0::/:/bin/sh\n");
    tar.File("rootfs/etc/group", "1000:x:0:\n");
  });
  Output output = RunOk({image, "--user=1000", "--group=1000", "--", "see"});
  Facts facts = Facts::Parse(AppText(output.out));
  EXPECT_EQ(facts["/ids/uid"], "1000");
  EXPECT_EQ(facts["/ids/gid"], "1000");
}

TEST_F(AnySteering, LinesOfADatabaseThatGiveNoIdAreErrors) {
  std::string image = Image({}, [](Tar& tar) {
    tar.File("rootfs/etc/passwd",
             "high:x:4294967296:0::/:\nminus:x:-1:0::/:\nempty:x::0::/:\nword:x:root:0::/:\nshort:x\nbare\n");
  });
  for (const char* user : {"high", "minus", "empty", "word", "short", "bare"}) {
    Refused(Run({image, std::string("--user=") + user, "--", "see"}), user);
  }
}

TEST_F(Steering, DatabasesThatAreNoFilesAreNotWaitedFor) {
  const std::pair<const char*, std::function<void(Tar&)>> cases[] = {
      {"a link out", [&](Tar& tar) { tar.Symlink("rootfs/etc/passwd", bait() + "/passwd"); }},
      {"a link up", [&](Tar& tar) { tar.Symlink("rootfs/etc/passwd", "../../../../../../../.." + bait() + "/passwd"); }},
      {"a link into /proc", [](Tar& tar) { tar.Symlink("rootfs/etc/passwd", "/proc/1/root/etc/passwd"); }},
      {"a fifo", [](Tar& tar) { tar.Add({.name = "rootfs/etc/passwd", .type = '6'}); }},
      {"an endless device",
       [](Tar& tar) { tar.Add({.name = "rootfs/etc/passwd", .type = '3', .mode = 0666, .major = 1, .minor = 5}); }},
      {"a terminal",
       [](Tar& tar) { tar.Add({.name = "rootfs/etc/passwd", .type = '3', .mode = 0666, .major = 5, .minor = 0}); }},
      {"a directory", [](Tar& tar) { tar.Dir("rootfs/etc/passwd"); }},
      {"a huge file", [](Tar& tar) { tar.File("rootfs/etc/passwd", std::string(9 << 20, 'x')); }},
  };
  for (const auto& [what, add] : cases) {
    SCOPED_TRACE(what);
    Refused(Run({Image({}, add), "--user=hostuser", "--", "see"}, {.timeout = 20}), "user");
  }
  Refused(Run({Image({}, [](Tar& tar) { tar.Add({.name = "rootfs/etc/group", .type = '6'}); }), "--group=hosts", "--", "see"},
              {.timeout = 20}),
          "group");
  BaitIsUntouched("");
}

TEST_F(Steering, NameFilesOfTheImageLeadNowhere) {
  const std::pair<const char*, std::function<void(Tar&, const std::string&)>> cases[] = {
      {"a link out", [&](Tar& tar, const std::string& name) { tar.Symlink(name, bait() + "/file"); }},
      {"a link to what is missing", [&](Tar& tar, const std::string& name) { tar.Symlink(name, bait() + "/made"); }},
      {"a link as systemd's",
       [](Tar& tar, const std::string& name) { tar.Symlink(name, "../run/systemd/resolve/stub-resolv.conf"); }},
      {"a link into /proc", [](Tar& tar, const std::string& name) { tar.Symlink(name, "/proc/1/root/etc/x"); }},
      {"a fifo", [](Tar& tar, const std::string& name) { tar.Add({.name = name, .type = '6'}); }},
      {"a device",
       [](Tar& tar, const std::string& name) { tar.Add({.name = name, .type = '3', .major = 1, .minor = 5}); }},
      {"a large file", [](Tar& tar, const std::string& name) { tar.File(name, std::string(20 << 20, 'x')); }},
      {"nothing", [](Tar&, const std::string&) {}},
  };
  for (const auto& [what, add] : cases) {
    SCOPED_TRACE(what);
    std::string image = Image({}, [&, &put = add](Tar& tar) {
      for (const char* name : {"rootfs/etc/resolv.conf", "rootfs/etc/hosts", "rootfs/etc/hostname"}) put(tar, name);
    });
    Output output = Run({"--dns=8.8.8.8", "--hosts-entry=1.2.3.4=four", "--hostname=named", image, "--exec=/bin/sh", "--",
                         "-c", "cat /etc/resolv.conf /etc/hosts /etc/hostname"},
                        {.timeout = 20});
    EXPECT_EQ(output.code, 0) << output.All();
    for (const char* text : {"nameserver 8.8.8.8", "1.2.3.4", "four", "named"}) {
      EXPECT_TRUE(Contains(AppText(output.out), text)) << text << "\n" << output.All();
    }
    BaitIsUntouched(what);
  }
  Output output = Run({"--dns=8.8.8.8", Image({}, [](Tar& tar) { tar.Dir("rootfs/etc/resolv.conf"); }), "--", "see"});
  Refused(output, "/etc/resolv.conf");
}

TEST_F(Steering, VariablesAreTheAppsAndNobodyElses) {
  ImageSpec spec;
  std::string variables;
  for (const char* name : {"LD_PRELOAD", "LD_LIBRARY_PATH", "RKT_LOCK_FD", "RKT_PRIVATE_MOUNTS", "RKT_STAGE1_ENTERCMD",
                           "AC_APP_NAME", "GLIBC_TUNABLES", "BASH_ENV"}) {
    variables += std::string(variables.empty() ? "" : ",") + R"({"name":")" + name + R"(","value":"1"})";
  }
  spec.app = "\"environment\":[" + variables + "]";
  std::string image = WriteImage("variables.aci", spec);
  RunningPod pod = Start({image, "--", "sleep"}, "sleeping");
  EXPECT_EQ(StateOf(pod.uuid), "running") << "the lock's descriptor is not the image's to name";
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
  Facts facts = Facts::Parse(AppText(RunOk({image, "--", "see"}).out));
  EXPECT_EQ(facts["/env/LD_PRELOAD"], "1");
  EXPECT_EQ(facts["/env/RKT_LOCK_FD"], "1");
  EXPECT_EQ(facts["/env/AC_APP_NAME"], "judge");
  EXPECT_EQ(facts.Keys("/fds"), (Args{"0", "1", "2"}));
}

TEST_F(AnySteering, VariablesThatAreNoneAreRefused) {
  for (const char* variable : {R"({"name":"A=B","value":"x"})", R"({"name":"","value":"x"})", R"({"name":"A","value":1})",
                               R"({"name":"A\u0000B","value":"x"})", R"({"name":"A","value":"x\u0000LD_PRELOAD=/x"})",
                               R"({"value":"x"})", R"("A=B")"}) {
    ImageSpec spec;
    spec.app = std::string("\"environment\":[") + variable + "]";
    Output output = Run({WriteImage("bad.aci", spec), "--", "see"});
    EXPECT_EQ(output.code, 254) << variable << "\n" << output.All();
    EXPECT_TRUE(AppLines(output.out).empty()) << variable;
    EXPECT_TRUE(Contains(output.err, "environment")) << variable << "\n" << output.err;
  }
}

// What differs between two runs of one image is left out.
std::string Judgement(const Facts& facts) {
  std::string text;
  auto add = [&](const std::string& path) { text += path + "=" + facts[path] + "\n"; };
  for (const char* list : {"/env", "/ids", "/limits", "/dev"}) {
    for (const std::string& key : facts.Keys(list)) {
      std::string path = std::string(list) + "/" + key;
      add(path);
      for (const std::string& inner : facts.Keys(path)) add(path + "/" + inner);
    }
  }
  for (const std::string& i : facts.Keys("/mounts")) {
    for (const char* key : {"target", "options", "type"}) add("/mounts/" + i + "/" + key);
  }
  for (const char* path : {"/status/Seccomp", "/status/CapBnd", "/status/CapEff", "/status/NoNewPrivs", "/umask", "/cwd",
                           "/oom_score_adj"}) {
    add(path);
  }
  return text + std::to_string(facts.Count("/fds")) + " descriptors";
}

TEST_F(Steering, AnnotationsAndLabelsOfAnImageGrantNothing) {
  ImageSpec spec;
  std::string annotations;
  const std::pair<const char*, std::string> pairs[] = {
      {"coreos.com/rkt/stage1/run", "/bin/sh"},
      {"coreos.com/rkt/stage1/mutable", "true"},
      {"coreos.com/rkt/stage2/stdin", "interactive"},
      {"coreos.com/rkt/stage2/stdout", "null"},
      {"coreos.com/rkt/stage2/stop-timeout", "0"},
      {"coreos.com/rkt/experiment/logmode", "k8s-plain"},
      {"coreos.com/rkt/experiment/kubernetes-log-dir", bait()},
      {"coreos.com/rkt/experiment/kubernetes-log-path", "../file"},
      {"os/linux/seccomp-retain-set", "{\"set\":[\"@appc.io/all\"]}"},
      {"seccomp", "unconfined"},
      {"privileged", "true"},
      {"io.podman.annotations.privileged", "TRUE"},
      {"devices", "/dev/vda"},
      {"volumes", bait() + ":/mnt"},
      {"systemd.property.execstart", "/bin/sh"},
  };
  for (const auto& [name, value] : pairs) {
    annotations += (annotations.empty() ? "" : ",") + (R"({"name":")" + std::string(name) + R"(","value":)") +
                   JsonQuote(value) + "}";
  }
  spec.annotations = "[" + annotations + "]";
  Facts plain = See({});
  Output output = RunOk({WriteImage("annotated.aci", spec), "--", "see"});
  Facts annotated = Facts::Parse(AppText(output.out));
  EXPECT_EQ(Judgement(annotated), Judgement(plain));
  EXPECT_EQ(output.err, "");
  BaitIsUntouched("");
}

TEST_F(Steering, MountTargetsThatAreLinksAreRefusedByName) {
  for (const char* name : {"dev", "proc", "sys"}) {
    for (const std::string& to : {bait(), std::string("/tmp"), std::string("../../../../../../..") + bait()}) {
      std::string image = Image({}, [&](Tar& tar) { tar.Symlink(std::string("rootfs/") + name, to); });
      Refused(Run({image, "--", "see"}), std::string("/") + name);
      BaitIsUntouched(name);
    }
  }
  // Where rkt can do without, it does.
  for (const char* name : {"run", "tmp"}) {
    std::string image = Image({}, [&](Tar& tar) { tar.Symlink(std::string("rootfs/") + name, bait()); });
    EXPECT_EQ(Run({image, "--", "exit", "3"}).code, 3) << name;
    BaitIsUntouched(name);
  }
  std::string image = Image({}, [&](Tar& tar) { tar.File("rootfs/proc", "a file\n"); });
  Refused(Run({image, "--", "see"}), "/proc");
}

TEST_F(Steering, DevicesAreOursWhateverTheImageHasThere) {
  std::string image = Image({}, [&](Tar& tar) {
    tar.Dir("rootfs/dev");
    for (const char* name : {"null", "console", "pts", "shm", "tty", "ptmx", "net", "log", "fd", "zero"}) {
      tar.Symlink(std::string("rootfs/dev/") + name, bait() + "/file");
    }
    tar.Add({.name = "rootfs/dev/mem", .type = '3', .mode = 0666, .major = 1, .minor = 1});
  });
  Facts facts = Facts::Parse(AppText(RunOk({image, "--", "see"}).out));
  Facts plain = See({});
  EXPECT_EQ(facts.Keys("/dev"), plain.Keys("/dev"));
  for (const auto& [name, device] :
       {std::pair("null", "1:3"), {"zero", "1:5"}, {"full", "1:7"}, {"urandom", "1:9"}, {"tty", "5:0"}}) {
    EXPECT_EQ(facts[std::string("/dev/") + name + "/type"], "char") << name;
    EXPECT_EQ(facts[std::string("/dev/") + name + "/device"], device) << name;
  }
  BaitIsUntouched("");
}

TEST_F(Steering, WhatIsWrittenToProcIsWrittenToProc) {
  // The image's own /proc is covered.
  std::string image = Image({}, [&](Tar& tar) {
    tar.Dir("rootfs/proc").Dir("rootfs/proc/self").File("rootfs/proc/self/oom_score_adj", "fake\n", 0666);
  });
  Facts facts = Facts::Parse(AppText(RunOk({image, "--oom-score-adj=500", "--", "see"}).out));
  EXPECT_EQ(facts["/oom_score_adj"], "500");
  // A volume over it is not, and is not taken for it.
  MakeDirs(dir() + "/fake/self");
  WriteFile(dir() + "/fake/self/oom_score_adj", "fake\n");
  Output output = Run({"--volume=p,kind=host,source=" + dir() + "/fake", "--mount=volume=p,target=/proc", JudgeAci(),
                       "--oom-score-adj=500", "--", "say", "ran"});
  EXPECT_NE(output.code, 0) << output.All();
  EXPECT_EQ(ReadFile(dir() + "/fake/self/oom_score_adj"), "fake\n");
}

TEST_F(Steering, AMountTargetThatIsSwappedStaysInside) {
  // Whoever shares a volume with the app makes and removes a link at the target of another mount, as fast as it can.
  // Wherever the mount comes to lie, the app has it: it is never anywhere else.
  MakeDirs(dir() + "/inner");
  MakeDirs(dir() + "/outer");
  std::string link = dir() + "/outer/t";
  pid_t swapper = fork();
  if (swapper == 0) {
    for (;;) {
      (void)!symlink(bait().c_str(), link.c_str());
      unlink(link.c_str());
    }
  }
  ASSERT_GT(swapper, 0);
  for (int i = 0; i < 20; i++) {
    Output output = Run({"--volume=v,kind=host,source=" + dir() + "/outer", "--mount=volume=v,target=/mnt",
                         "--volume=i,kind=host,source=" + dir() + "/inner", "--mount=volume=i,target=/mnt/t", JudgeAci(),
                         "--", "see"});
    if (output.code == 0) {
      Facts facts = Facts::Parse(AppText(output.out));
      int seen = 0;
      for (const std::string& mount : facts.Keys("/mounts")) {
        if (EndsWith(facts["/mounts/" + mount + "/root"], "/inner")) seen++;
      }
      EXPECT_EQ(seen, 1) << "round " << i;
    } else {
      // The link went or came at the wrong moment.
      EXPECT_TRUE(Contains(output.err, "/mnt/t")) << output.All();
    }
    BaitIsUntouched("round " + std::to_string(i));
    (void)rmdir(link.c_str());  // where the mount's target was made
  }
  kill(swapper, SIGKILL);
  waitpid(swapper, nullptr, 0);
}

TEST_F(Steering, WorkingDirectoriesThatLeadOutAreRefused) {
  for (const char* path : {"/proc/1/root", "/proc/1/cwd", "/proc/self/root", "/proc/self/fd/0", "/proc/self/cwd",
                           "/proc/thread-self/root/etc", "/proc/1/root/etc"}) {
    ImageSpec spec;
    spec.app = R"("workingDirectory":)" + JsonQuote(path);
    Refused(Run({Image(spec, [](Tar&) {}), "--exec=/bin/ls", "--", "."}), path);
    spec.app = R"("workingDirectory":"/wd")";
    Refused(Run({Image(spec, [&](Tar& tar) { tar.Symlink("rootfs/wd", path); }), "--exec=/bin/ls", "--", "."}), "/wd");
  }
  // A stream of the caller's that is a directory.
  ImageSpec spec;
  spec.app = R"("workingDirectory":"/proc/self/fd/0")";
  std::string image = Image(spec, [](Tar&) {});
  Args command = RktArgs(RunArgs({"--interactive", image, "--exec=/bin/ls", "--", "."}));
  std::string line;
  for (const std::string& word : command) line += "'" + word + "' ";
  Output output = RunProgram({"/bin/sh", "-c", line + "< " + bait()});
  EXPECT_NE(output.code, 0);
  EXPECT_FALSE(Contains(output.out, "passwd")) << output.All();
}

TEST_F(Steering, ProgramsThatLeadOutAreNotExecuted) {
  // A program of the host that no image has.
  RunProgram({"/bin/cp", RKT_JUDGE, dir() + "/outside"});
  for (const std::string& link : {std::string("/proc/1/root"), std::string("/proc/1/cwd")}) {
    for (const std::string& caps : {std::string("CAP_CHOWN"), std::string("CAP_SYS_PTRACE,CAP_DAC_READ_SEARCH")}) {
      for (const std::string& path : {link + dir() + "/outside", std::string("/out") + dir() + "/outside"}) {
        std::string image = Image({}, [&](Tar& tar) { tar.Symlink("rootfs/out", link); });
        Output output = Run({image, "--caps-retain=" + caps, "--exec=" + path, "--", "say", "escaped"});
        EXPECT_NE(output.code, 0) << path;
        EXPECT_FALSE(Contains(output.out, "escaped")) << path << " with " << caps << "\n" << output.All();
      }
    }
  }
  // An app that may look at other processes finds the pod's root there and nothing of the host.
  Output output = RunOk({JudgeAci(), "--caps-retain=CAP_SYS_PTRACE,CAP_DAC_READ_SEARCH", "--exec=/bin/sh", "--", "-c",
                         "ls -d /proc/1/root" + bait() + " 2>/dev/null; ls -d /proc/1/cwd" + bait() +
                             " 2>/dev/null; echo looked"});
  EXPECT_EQ(AppLines(output.out), Args{"looked"});
}

}  // namespace
}  // namespace rkt::test
