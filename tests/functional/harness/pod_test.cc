// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "functional/harness/pod_test.h"

#include "functional/harness/host.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

namespace rkt::test {
namespace {

std::string FromEnv(const char* name, const std::string& otherwise) {
  const char* value = getenv(name);
  return value && *value ? value : otherwise;
}

const char* const kStages[] = {"embryo", "prepare", "prepared", "run", "exited-garbage", "garbage"};

bool LooksLikeUuid(const std::string& name) {
  return name.size() == 36 && name[8] == '-' && name[23] == '-';
}

// Where the directories of tests are made: memory, because a disk's file system would be measured
// more than rkt.
std::string ScratchRoot() {
  return FromEnv("RKT_TEST_DIR", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

// What is made once for all tests and removed at the end of the program.
class SharedFiles {
 public:
  SharedFiles() {
    std::string name = ScratchRoot() + "/rkt-tests-shared.XXXXXX";
    if (mkdtemp(name.data())) path_ = name;
    WriteFile(judge(), JudgeTar());
  }
  ~SharedFiles() { RemoveAll(path_); }
  std::string judge() const { return path_ + "/judge.aci"; }

 private:
  std::string path_;
};

}  // namespace

Args operator+(Args left, const Args& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

std::string RktBinary() { return FromEnv("RKT_BIN", RKT_BUILD_BIN); }
std::string Flavor() { return FromEnv("RKT_FLAVOR", "native"); }

bool MustRun(const std::string& facility) {
  for (const std::string& name : Split(FromEnv("RKT_TESTS_MUST_RUN", ""), ',')) {
    if (name == facility) return true;
  }
  return false;
}

bool HaveOverlay() { return Contains(ReadFile("/proc/filesystems"), "\toverlay\n"); }

std::string CgroupV1(const std::string& controller) {
  for (const std::string& line : Lines(ReadFile("/proc/self/mountinfo"))) {
    std::vector<std::string> words = Split(line, ' ');
    if (!Contains(line, " - cgroup ") || words.size() < 5) continue;
    for (const std::string& option : Split(words.back(), ',')) {
      if (option == controller) return words[4];
    }
  }
  return "";
}

void PodTest::SetUp() {
  REQUIRE_FACILITY("root", geteuid() == 0, "pods need root");
  REQUIRE_FACILITY("overlay", HaveOverlay(), "the kernel has no overlay file system");
  std::string name = ScratchRoot() + "/rkt-test.XXXXXX";
  ASSERT_TRUE(mkdtemp(name.data())) << name << ": " << strerror(errno);
  dir_ = name;
  // Reachable by tests that run rkt as another user.
  chmod(dir_.c_str(), 0755);
  before_ = TakeTraces(dir_);
}

void PodTest::TearDown() {
  if (dir_.empty()) return;
  NotePods();
  if (collect_ && Exists(data() + "/pods")) CollectAll();
  std::vector<std::string> leaks = FindLeaks(before_, dir_, uuids_);
  for (const char* stage : kStages) {
    for (const std::string& name : PodsIn(stage)) {
      if (collect_ && LooksLikeUuid(name))
        leaks.push_back("pod in " + std::string(stage) + ": " + name);
    }
  }
  for (const char* place : {"/cas/tmp", "/tmp"}) {
    for (const std::string& name : ListDir(data() + place))
      leaks.push_back("file in " + std::string(place) + ": " + name);
  }
  // Whatever is left must not disturb the tests that follow.
  for (int pid : DescendantsOf(getpid())) kill(pid, SIGKILL);
  while (waitpid(-1, nullptr, 0) > 0) {
  }
  for (const std::string& line : Lines(ReadFile("/proc/self/mountinfo"))) {
    std::vector<std::string> words = Split(line, ' ');
    if (words.size() > 4 && StartsWith(words[4], dir_)) umount2(words[4].c_str(), MNT_DETACH);
  }
  RemoveAll(dir_);
  for (const std::string& leak : leaks) ADD_FAILURE() << "left behind: " << leak;
}

Args PodTest::RktArgs(const Args& args) const {
  Args all = {RktBinary(), "--dir=" + data(), "--system-config=" + dir_ + "/config-system",
              "--local-config=" + dir_ + "/config-local"};
  if (!insecure_.empty()) all.push_back("--insecure-options=" + insecure_);
  return all + args;
}

Output PodTest::Rkt(const Args& args, const Options& options) {
  Output output = RunProgram(RktArgs(args), options);
  NotePods();
  if (output.timed_out)
    ADD_FAILURE() << "timed out: rkt " << (args.empty() ? "" : args[0]) << "\n" << output.All();
  return output;
}

Output PodTest::RktOk(const Args& args, const Options& options) {
  Output output = Rkt(args, options);
  if (output.code != 0) {
    std::string line;
    for (const std::string& arg : args) line += " " + arg;
    ADD_FAILURE() << "failed: rkt" << line << "\n" << output.All();
  }
  return output;
}

Args PodTest::PrepareArgs(const Args& args) const {
  Args flags = {"prepare"};
  bool chosen = std::any_of(args.begin(), args.end(),
                            [](const std::string& a) { return StartsWith(a, "--stage1"); });
  if (Flavor() != "native" && !chosen)
    flags.push_back("--stage1-from-dir=stage1-" + Flavor() + ".aci");
  return flags + args;
}

Args PodTest::RunArgs(const Args& args) const {
  Args flags = PrepareArgs({});
  flags[0] = "run";
  bool net = std::any_of(args.begin(), args.end(),
                         [](const std::string& a) { return StartsWith(a, "--net"); });
  bool chosen = std::any_of(args.begin(), args.end(),
                            [](const std::string& a) { return StartsWith(a, "--stage1"); });
  if (chosen) flags.resize(1);
  if (!net) flags.push_back(Flavor() == "fly" ? "--net=host" : "--net=none");
  return flags + args;
}

std::string PodTest::Prepare(const Args& args) {
  Output output = RktOk(PrepareArgs(args));
  std::string uuid = Trim(output.out);
  EXPECT_TRUE(LooksLikeUuid(uuid)) << output.All();
  return uuid;
}

Background PodTest::StartRkt(const Args& args, const Options& options) {
  return Background(RktArgs(args), options, dir_ + "/background." + std::to_string(files_++));
}

// Waits for the program that makes the pod known to machined: a pod that is killed in that moment can come to be listed
// after its end (docs/systemd.md).
static void AwaitRegistration(int rkt) {
  auto registers = [&] {
    for (int pid : DescendantsOf(rkt)) {
      if (Trim(ReadFile("/proc/" + std::to_string(pid) + "/comm")) == "systemd") return true;
    }
    return false;
  };
  // It is started right after the pod, and ends within its own time limit.
  SleepFor(0.2);
  for (double end = Now() + 30; Now() < end && registers(); SleepFor(0.05)) {
  }
}

RunningPod PodTest::Start(const Args& args, const std::string& text, const Options& options) {
  std::string file = dir_ + "/uuid." + std::to_string(files_++);
  RunningPod pod;
  pod.rkt = std::make_unique<Background>(RktArgs(RunArgs(Args{"--uuid-file-save=" + file} + args)),
                                         options, dir_ + "/background." + std::to_string(files_++));
  for (double end = Now() + 20; Now() < end && pod.uuid.size() != 36; SleepFor(0.003)) {
    pod.uuid = ReadFile(file);
    if (!pod.rkt->Running()) break;
  }
  pod.uuid = ReadFile(file);
  EXPECT_EQ(pod.uuid.size(), 36u) << "no UUID of the started pod\n"
                                  << pod.rkt->out() << pod.rkt->err();
  if (!text.empty()) {
    EXPECT_TRUE(pod.rkt->WaitForText(text)) << "it never said " << text << "\n"
                                            << pod.rkt->out() << pod.rkt->err();
  }
  if (pod.uuid.size() == 36) uuids_.insert(pod.uuid);
  if (HaveMachined()) AwaitRegistration(pod.rkt->pid());
  return pod;
}

std::string PodTest::WriteImage(const std::string& name, const std::string& tar) {
  WriteFile(dir_ + "/" + name, tar);
  return dir_ + "/" + name;
}

std::string PodTest::JudgeAci() {
  static SharedFiles shared;
  return shared.judge();
}

std::string PodTest::Fetch(const std::string& path) {
  std::string id = Trim(RktOk({"fetch", "--full", path}).out);
  EXPECT_TRUE(StartsWith(id, "sha512-")) << id;
  return id;
}

std::vector<std::string> PodTest::AppLines(const std::string& output,
                                           const std::string& app) const {
  std::vector<std::string> lines;
  for (std::string line : Lines(output)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    size_t bracket = StartsWith(line, "[") ? line.find("] ") : std::string::npos;
    size_t text = bracket == std::string::npos ? std::string::npos : line.find("]: ", bracket + 2);
    if (text == std::string::npos && bracket != std::string::npos && EndsWith(line, "]:"))
      text = line.size() - 2;
    if (text == std::string::npos) {
      if (Flavor() == "fly") lines.push_back(line);
      continue;
    }
    std::string name = line.substr(bracket + 2, text - bracket - 2);
    name = name.substr(0, name.find('['));
    if (app.empty() || app == name)
      lines.push_back(text + 3 <= line.size() ? line.substr(text + 3) : "");
  }
  return lines;
}

std::string PodTest::AppText(const std::string& output, const std::string& app) const {
  std::string text;
  for (const std::string& line : AppLines(output, app)) text += line + "\n";
  return text;
}

Facts PodTest::See(const Args& flags, const Args& image_flags, const Options& options) {
  Output output = RunOk(flags + Args{JudgeAci()} + image_flags + Args{"--", "see"}, options);
  return Facts::Parse(AppText(output.out));
}

std::string PodTest::StatusValue(const std::string& uuid, const std::string& key) {
  for (const std::string& line : Lines(RktOk({"status", uuid}).out)) {
    if (StartsWith(line, key + "=")) return line.substr(key.size() + 1);
  }
  return "";
}

std::string PodTest::StateOf(const std::string& uuid) { return StatusValue(uuid, "state"); }

bool PodTest::WaitForState(const std::string& uuid, const std::string& state, double seconds) {
  std::string seen;
  for (double end = Now() + seconds; Now() < end; SleepFor(0.01)) {
    seen = StateOf(uuid);
    if (seen == state) return true;
  }
  ADD_FAILURE() << "pod " << uuid << " is " << seen << ", not " << state;
  return false;
}

std::string PodTest::PodDir(const std::string& uuid) const {
  for (const char* stage : kStages) {
    std::string path = data() + "/pods/" + stage + "/" + uuid;
    if (Exists(path)) return path;
  }
  ADD_FAILURE() << "no directory of pod " << uuid;
  return "";
}

void PodTest::CollectAll() {
  // A pod that was killed a moment ago holds its lock until the kernel has taken its last process away.
  for (double end = Now() + 5; Now() < end; SleepFor(0.01)) {
    Output output = Rkt({"gc", "--grace-period=0s", "--expire-prepared=0s"});
    EXPECT_EQ(output.code, 0) << "rkt gc: " << output.All();
    bool empty = true;
    for (const char* stage : kStages) {
      for (const std::string& name : PodsIn(stage)) empty = empty && !LooksLikeUuid(name);
    }
    if (empty) return;
  }
}

void PodTest::NotePods() {
  for (const char* stage : kStages) {
    for (const std::string& name : PodsIn(stage)) {
      if (LooksLikeUuid(name)) uuids_.insert(name);
    }
  }
}

SmallDisk::SmallDisk(const std::string& path, const std::string& options) : path_(path) {
  MakeDirs(path);
  EXPECT_EQ(mount("tmpfs", path.c_str(), "tmpfs", 0, options.c_str()), 0) << strerror(errno);
}

SmallDisk::~SmallDisk() {
  if (umount2(path_.c_str(), 0) < 0) {
    ADD_FAILURE() << "unmounting " << path_ << ": " << strerror(errno);
    umount2(path_.c_str(), MNT_DETACH);
  }
}

}  // namespace rkt::test
