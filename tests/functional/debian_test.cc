// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Real programs: nginx, PostgreSQL and Redis from Debian's packages, together in a pod, with volumes, limits and users of
// their own. They serve clients, are entered, copied to and from, added to, stopped, killed, exported, and lose nothing.
//
// tests/make-debian-images makes the root file systems; each is an image that depends on the base. They are imported once.

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <map>

#include "functional/harness/network_host.h"

namespace rkt::test {
namespace {

const char kServe[] = R"(#!/bin/sh
set -eu
PATH=/usr/lib/postgresql/15/bin:$PATH
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username=postgres --auth=trust >/dev/null
  echo 'host all all all trust' >>"$PGDATA/pg_hba.conf"
fi
exec postgres -c listen_addresses='*'
)";

const char kSite[] = R"(server {
  listen 80;
  root /srv;
  access_log /dev/stdout;
  error_log /dev/stderr;
  location /own/ { alias /var/www/own/; }
}
)";

std::string DebianImages() {
  const char* path = getenv("RKT_DEBIAN_IMAGES");
  return path && *path ? path : "/var/tmp/rkt-test-cache/debian-images";
}

// The store with the images, for all tests of this program.
class SharedStore {
 public:
  SharedStore() {
    std::string name = (access("/dev/shm", W_OK) == 0 ? std::string("/dev/shm") : std::string("/tmp")) + "/rkt-debian.XXXXXX";
    if (mkdtemp(name.data())) path_ = name;
  }
  ~SharedStore() { RemoveAll(path_); }
  const std::string& path() const { return path_; }
  std::string cas() const { return path_ + "/cas"; }

 private:
  std::string path_;
};

class Debian : public NetworkHostTest {
 protected:
  void SetUp() override {
    REQUIRE_FACILITY("debian-images", Exists(DebianImages() + "/complete"),
                     "no " + DebianImages() + " (tests/make-debian-images)");
    NetworkHostTest::SetUp();
    if (HasFatalFailure() || IsSkipped()) return;
    if (!Exists(Shared().cas())) {
      ImportAll();
    } else {
      MakeDirs(data());
      ASSERT_EQ(rename(Shared().cas().c_str(), (data() + "/cas").c_str()), 0);
    }
    volumes_ = dir() + "/volumes";
    for (const char* name : {"site", "pgdata", "redisdata"}) MakeDirs(volumes_ + "/" + name);
    WriteFile(volumes_ + "/site/index.html", "the site\n");
    // As the packages give them to their users.
    ASSERT_EQ(chown((volumes_ + "/pgdata").c_str(), 100, 102), 0);
    ASSERT_EQ(chmod((volumes_ + "/pgdata").c_str(), 0700), 0);
    ASSERT_EQ(chown((volumes_ + "/redisdata").c_str(), 100, 101), 0);
  }
  void TearDown() override {
    if (!dir().empty() && Exists(data())) {
      if (collect_) CollectAll();
      rename((data() + "/cas").c_str(), Shared().cas().c_str());
    }
    NetworkHostTest::TearDown();
  }

  static SharedStore& Shared() {
    static SharedStore shared;
    return shared;
  }
  static std::string& Id(const std::string& name) {
    static std::map<std::string, std::string> ids;
    return ids[name];
  }

  void Import(const std::string& name, const std::string& app, const std::function<void(const std::string&)>& add) {
    std::string directory = dir() + "/image";
    std::string root = directory + "/rootfs";
    MakeDirs(root);
    Output unpacked = RunProgram({"tar", "-C", root, "--numeric-owner", "-xpf", DebianImages() + "/" + name + ".tar"},
                                 {.timeout = 300});
    ASSERT_EQ(unpacked.code, 0) << unpacked.All();
    add(root);
    std::string dependencies = name == "base" ? "" : R"("dependencies": [{"imageName": "example.com/base"}],)";
    WriteFile(directory + "/manifest", R"({"acKind": "ImageManifest", "acVersion": "0.8.11", "name": "example.com/)" + name +
                                           R"(", "labels": [{"name": "version", "value": "1.0.0"}, {"name": "os", "value": "linux"},
                                              {"name": "arch", "value": "amd64"}],)" + dependencies + R"("app": )" + app + "}");
    std::string file = dir() + "/" + name + ".aci";
    RktOk({"image", "build", "--compression=none", directory, file}, {.timeout = 300});
    Id(name) = Trim(RktOk({"fetch", "--full", "--pull-policy=new", file}, {.timeout = 300}).out);
    RemoveAll(directory);
    RemoveAll(file);
  }
  void ImportAll() {
    auto nothing = [](const std::string&) {};
    Import("base", R"({"exec": ["/bin/bash"], "user": "0", "group": "0"})", nothing);
    Import("nginx", R"({"exec": ["/usr/sbin/nginx", "-g", "daemon off;"], "user": "0", "group": "0",
                        "mountPoints": [{"name": "site", "path": "/srv"}],
                        "ports": [{"name": "http", "protocol": "tcp", "port": 80, "count": 1, "socketActivated": false}]})",
           [](const std::string& root) {
             // Not through the link that lies there: it is absolute, and we are outside.
             RemoveAll(root + "/etc/nginx/sites-enabled/default");
             WriteFile(root + "/etc/nginx/conf.d/site.conf", kSite);
             MakeDirs(root + "/var/www/own");
           });
    Import("postgres", R"({"exec": ["/usr/local/bin/serve"], "user": "postgres", "group": "postgres",
                           "environment": [{"name": "PGDATA", "value": "/var/lib/postgresql/data"}],
                           "mountPoints": [{"name": "pgdata", "path": "/var/lib/postgresql/data"}]})",
           [](const std::string& root) {
             MakeDirs(root + "/usr/local/bin");
             WriteFile(root + "/usr/local/bin/serve", kServe, 0755);
           });
    Import("redis", R"({"exec": ["/usr/bin/redis-server", "/etc/redis/redis.conf", "--daemonize", "no", "--dir", "/data",
                                 "--appendonly", "yes", "--appendfsync", "always", "--bind", "0.0.0.0",
                                 "--protected-mode", "no", "--logfile", "", "--supervised", "no"],
                        "user": "redis", "group": "redis", "mountPoints": [{"name": "redisdata", "path": "/data"}]})",
           nothing);
    Import("clients", R"({"exec": ["/bin/sleep", "1000"], "user": "nobody", "group": "nogroup"})", nothing);
  }

  // PostgreSQL waits for its clients at SIGTERM and disconnects them at SIGINT.
  static constexpr const char* kFastStop = "coreos.com/rkt/stage2/stop-signal=SIGINT";

  Args HostVolumes() const {
    return {"--volume=site,kind=host,source=" + volumes_ + "/site,readOnly=true",
            "--volume=pgdata,kind=host,source=" + volumes_ + "/pgdata",
            "--volume=redisdata,kind=host,source=" + volumes_ + "/redisdata"};
  }
  // The same as a whole pod manifest, with limits.
  std::string Manifest(const std::string& nginx_id) const {
    auto app = [](const std::string& name, const std::string& id, const std::string& rest) {
      return R"({"name": ")" + name + R"(", "image": {"id": ")" + id + R"("})" + rest + "}";
    };
    auto limits = [](const char* memory, int pids) {
      return std::string(R"({"name": "resource/memory", "value": {"limit": ")") + memory +
             R"("}}, {"name": "os/linux/pids-limit", "value": )" + std::to_string(pids) + "}";
    };
    auto volume = [&](const std::string& name, const char* read_only) {
      return R"({"name": ")" + name + R"(", "kind": "host", "source": ")" + volumes_ + "/" + name + R"(", "readOnly": )" +
             read_only + "}";
    };
    return R"({"acKind": "PodManifest", "acVersion": "0.8.11", "apps": [)" +
           app("web", nginx_id,
               R"(, "app": {"exec": ["/usr/sbin/nginx", "-g", "daemon off;"], "user": "0", "group": "0",
                   "isolators": [)" + limits("64Mi", 32) + R"(]}, "mounts": [{"volume": "site", "path": "/srv"}])") + "," +
           app("db", Id("postgres"),
               R"(, "app": {"exec": ["/usr/local/bin/serve"], "user": "postgres", "group": "postgres",
                   "environment": [{"name": "PGDATA", "value": "/var/lib/postgresql/data"}],
                   "isolators": [)" + limits("256Mi", 64) + R"(, {"name": "resource/cpu", "value": {"limit": "1500m"}}]},
                 "annotations": [{"name": "coreos.com/rkt/stage2/stop-signal", "value": "SIGINT"}],
                 "mounts": [{"volume": "pgdata", "path": "/var/lib/postgresql/data"}])") + "," +
           app("cache", Id("redis"), "") + "," + app("clients", Id("clients"), "") +
           R"(], "volumes": [)" + volume("site", "true") + "," + volume("pgdata", "false") + "," +
           volume("redisdata", "false") + R"(], "isolators": [{"name": "resource/memory", "value": {"limit": "512Mi"}}]})";
  }

  // Starts the pod of a manifest and waits until all of it serves.
  RunningPod StartPod(const std::string& nginx_id, const Args& flags = {}) {
    std::string file = dir() + "/pod.json";
    WriteFile(file, Manifest(nginx_id));
    RunningPod pod = Start(flags + Args{"--pod-manifest=" + file}, "", {.timeout = 300});
    AwaitServers(pod);
    return pod;
  }
  void AwaitServers(RunningPod& pod) {
    EXPECT_TRUE(pod.rkt->WaitForText("database system is ready to accept connections", 60)) << Said(pod);
    EXPECT_TRUE(pod.rkt->WaitForText("Ready to accept connections", 60)) << Said(pod);
  }
  static std::string Said(const RunningPod& pod) { return pod.rkt->out() + pod.rkt->err(); }
  void StopPod(RunningPod& pod) {
    RktOk({"stop", pod.uuid});
    Output output = pod.rkt->Wait(60);
    EXPECT_FALSE(output.timed_out);
    EXPECT_EQ(output.code, 0) << output.All();
    EXPECT_TRUE(Contains(output.All(), "database system is shut down")) << output.All();
    EXPECT_TRUE(Contains(output.All(), "Redis is now ready to exit")) << output.All();
  }
  // What a command in an app prints.
  std::string In(const std::string& uuid, const std::string& app, const Args& command) {
    return RktOk(Args{"enter", "--app=" + app, uuid} + command).out;
  }
  std::string Sql(const std::string& uuid, const std::string& statement, const std::string& host = "127.0.0.1") {
    return Trim(In(uuid, "clients", {"/usr/bin/psql", "-h", host, "-U", "postgres", "-Atqc", statement}));
  }
  std::string Redis(const std::string& uuid, const Args& words) {
    return Trim(In(uuid, "clients", Args{"/usr/bin/redis-cli"} + words));
  }
  void WriteRows(const std::string& uuid) {
    EXPECT_EQ(Sql(uuid, "create table rows(n int primary key); insert into rows select generate_series(1, 5000)"), "");
    EXPECT_EQ(Redis(uuid, {"set", "kept", "value"}), "OK");
  }
  void ExpectRows(const std::string& uuid) {
    EXPECT_EQ(Sql(uuid, "select count(*), sum(n) from rows"), "5000|12502500");
    EXPECT_EQ(Redis(uuid, {"get", "kept"}), "value");
  }
  // pid of a process below another, by the name that it has; 0 where there is none.
  static int PidOf(int ancestor, const std::string& name) {
    for (int pid : DescendantsOf(ancestor)) {
      if (Trim(ReadFile("/proc/" + std::to_string(pid) + "/comm")) == name) return pid;
    }
    return 0;
  }
  static std::string UidOf(int pid) {
    for (const std::string& line : Lines(ReadFile("/proc/" + std::to_string(pid) + "/status"))) {
      if (StartsWith(line, "Uid:")) return Split(line, '\t').at(2);
    }
    return "";
  }
  // A file of the group of control groups that a process is in.
  static std::string Group(int pid, const std::string& controller, const std::string& file) {
    for (const std::string& line : Lines(ReadFile("/proc/" + std::to_string(pid) + "/cgroup"))) {
      std::vector<std::string> parts = Split(line, ':');
      if (parts.size() == 3 && parts[1] == controller) return Trim(ReadFile(CgroupV1(controller) + parts[2] + "/" + file));
    }
    return "";
  }

  std::string volumes_;
};

TEST_F(Debian, APodOfThreeServersLosesNothing) {
  RunningPod pod = StartPod(Id("nginx"));

  // Served: to an app of the pod, over loopback.
  WriteRows(pod.uuid);
  ExpectRows(pod.uuid);
  EXPECT_EQ(In(pod.uuid, "clients", {"/usr/bin/curl", "-s", "http://127.0.0.1/"}), "the site\n");
  EXPECT_TRUE(pod.rkt->WaitForText("\"GET / HTTP/1.1\" 200")) << "nginx has its log on /dev/stdout: " << Said(pod);

  // Each as its own user and within its own limits.
  int nginx = PidOf(pod.rkt->pid(), "nginx"), postgres = PidOf(pod.rkt->pid(), "postgres"),
      redis = PidOf(pod.rkt->pid(), "redis-server");
  ASSERT_TRUE(nginx && postgres && redis);
  EXPECT_EQ(UidOf(postgres), "100");
  EXPECT_EQ(UidOf(redis), "100");
  EXPECT_EQ(Trim(In(pod.uuid, "db", {"/usr/bin/id", "-un"})), "postgres");
  EXPECT_EQ(Trim(In(pod.uuid, "cache", {"/usr/bin/id", "-un"})), "redis");
  std::multiset<std::string> workers;
  for (int pid : DescendantsOf(pod.rkt->pid())) {
    if (Trim(ReadFile("/proc/" + std::to_string(pid) + "/comm")) == "nginx") workers.insert(UidOf(pid));
  }
  EXPECT_EQ(workers.count("0"), 1u);
  EXPECT_GE(workers.count("33"), 1u) << "www-data";
  if (!CgroupV1("memory").empty() && !CgroupV1("pids").empty()) {
    EXPECT_EQ(Group(postgres, "memory", "memory.limit_in_bytes"), std::to_string(256 << 20));
    EXPECT_EQ(Group(postgres, "memory", "../memory.limit_in_bytes"), std::to_string(512 << 20));
    EXPECT_EQ(Group(postgres, "pids", "pids.max"), "64");
    EXPECT_EQ(Group(nginx, "pids", "pids.max"), "32");
  }

  // Copied into and out of.
  WriteFile(dir() + "/page.html", "copied in\n");
  RktOk({"cp", dir() + "/page.html", pod.uuid + ":web:/var/www/own/page.html"});
  EXPECT_EQ(In(pod.uuid, "clients", {"/usr/bin/curl", "-s", "http://127.0.0.1/own/page.html"}), "copied in\n");
  RktOk({"cp", pod.uuid + ":db:/var/lib/postgresql/data/PG_VERSION", dir() + "/version"});
  EXPECT_EQ(ReadFile(dir() + "/version"), "15\n");
  EXPECT_NE(Rkt({"cp", dir() + "/page.html", pod.uuid + ":web:/srv/page.html"}).code, 0) << "the site is read-only";

  // Killed with no warning at all: what was committed is there, by PostgreSQL's own recovery and Redis' own file.
  pod.rkt->Kill(SIGKILL);
  pod.rkt->Wait();
  EXPECT_TRUE(WaitForState(pod.uuid, "exited"));
  CollectAll();
  pod = StartPod(Id("nginx"));
  EXPECT_TRUE(Contains(Said(pod), "automatic recovery in progress")) << Said(pod);
  ExpectRows(pod.uuid);

  // Stopped in order: nothing to recover the next time.
  RktOk({"cp", dir() + "/page.html", pod.uuid + ":web:/var/www/own/page.html"});
  In(pod.uuid, "web", {"/bin/rm", "/usr/share/nginx/html/index.html"});
  StopPod(pod);
  EXPECT_EQ(StatusValue(pod.uuid, "app-db"), "0");

  // Exported, imported, run again.
  std::string exported = dir() + "/web.aci";
  RktOk({"export", "--app=web", pod.uuid, exported}, {.timeout = 300});
  CollectAll();
  std::string again = Trim(RktOk({"fetch", "--full", "--pull-policy=new", exported}, {.timeout = 300}).out);
  EXPECT_NE(again, Id("nginx"));
  pod = StartPod(again);
  EXPECT_FALSE(Contains(Said(pod), "recovery")) << Said(pod);
  ExpectRows(pod.uuid);
  EXPECT_EQ(In(pod.uuid, "clients", {"/usr/bin/curl", "-s", "http://127.0.0.1/own/page.html"}), "copied in\n");
  EXPECT_EQ(Trim(In(pod.uuid, "web", {"/bin/ls", "/usr/share/nginx/html"})), "") << "what was removed stays away";
  StopPod(pod);
  RktOk({"rm", pod.uuid});
  RktOk({"image", "rm", again});
}

TEST_F(Debian, AMutablePodOfThreeServersIsAddedToAndLosesNothing) {
  std::string file = dir() + "/sandbox.uuid";
  RunningPod pod;
  pod.rkt = std::make_unique<Background>(
      StartRkt({"app", "sandbox", "--uuid-file-save=" + file, "--net=default"}, {.timeout = 300}));
  for (double end = Now() + 30; Now() < end && pod.uuid.size() != 36 && pod.rkt->Running(); SleepFor(0.003))
    pod.uuid = ReadFile(file);
  RktOk({"status", pod.uuid, "--wait-ready=30s"});

  auto volume = [&](const std::string& name, const std::string& target) {
    return "--mnt-volume=name=" + name + ",kind=host,source=" + volumes_ + "/" + name + ",target=" + target;
  };
  RktOk({"app", "add", pod.uuid, Id("nginx"), "--name=web", "--memory=64Mi", "--pids-limit=32", volume("site", "/srv")});
  RktOk({"app", "add", pod.uuid, Id("postgres"), "--name=db", "--memory=256Mi", "--cpu=1500m", "--pids-limit=64",
         std::string("--annotation=") + kFastStop, volume("pgdata", "/var/lib/postgresql/data")});
  RktOk({"app", "add", pod.uuid, Id("redis"), "--name=cache", "--memory=64Mi", volume("redisdata", "/data")});
  for (const char* app : {"web", "db", "cache"}) RktOk({"app", "start", pod.uuid, std::string("--app=") + app});
  AwaitServers(pod);

  // An app that comes later talks to them, and so does the host.
  RktOk({"app", "add", pod.uuid, Id("clients"), "--name=clients"});
  RktOk({"app", "start", pod.uuid, "--app=clients"});
  WriteRows(pod.uuid);
  ExpectRows(pod.uuid);
  std::string address;
  for (const std::string& word : Split(StatusValue(pod.uuid, "networks"), ','))
    if (Contains(word, "ip4=")) address = word.substr(word.find("ip4=") + 4);
  EXPECT_EQ(Get("http://" + address + "/"), "the site\n") << address;
  Output from_host = RunOk({"--net=host", Id("clients"), "--exec=/usr/bin/psql", "--", "-h", address, "-U", "postgres",
                            "-Atc", "select max(n) from rows"});
  EXPECT_EQ(AppText(from_host.out), "5000\n") << from_host.All();
  EXPECT_EQ(Group(PidOf(pod.rkt->pid(), "postgres"), "pids", "pids.max"), CgroupV1("pids").empty() ? "" : "64");
  WriteFile(dir() + "/page.html", "copied in\n");
  RktOk({"cp", dir() + "/page.html", pod.uuid + ":web:/var/www/own/page.html"});
  EXPECT_EQ(Get("http://" + address + "/own/page.html"), "copied in\n");

  // One after the other is stopped, the others go on; PostgreSQL has a client that stays.
  Background client = StartRkt({"enter", "--app=clients", pod.uuid, "/usr/bin/psql", "-h", "127.0.0.1", "-U", "postgres", "-c",
                                "select pg_sleep(300)"});
  for (double end = Now() + 20; Now() < end && Sql(pod.uuid, "select count(*) from pg_stat_activity where query like "
                                                              "'select pg_sleep%'") != "1"; SleepFor(0.05)) {
  }
  RktOk({"app", "stop", pod.uuid, "--app=web"});
  ExpectRows(pod.uuid);
  RktOk({"app", "stop", pod.uuid, "--app=db"}, {.timeout = 100});
  EXPECT_TRUE(pod.rkt->WaitForText("database system is shut down")) << Said(pod);
  EXPECT_FALSE(client.Wait().timed_out);
  EXPECT_EQ(Redis(pod.uuid, {"get", "kept"}), "value");
  EXPECT_EQ(Facts::Parse(RktOk({"app", "status", pod.uuid, "--app=db", "--format=json"}).out)["/exit_code"], "0");

  // Started again it has nothing to recover.
  RktOk({"app", "start", pod.uuid, "--app=db"});
  std::string sum;
  for (double end = Now() + 60; Now() < end && sum.empty(); SleepFor(0.1)) {
    sum = Trim(Rkt({"enter", "--app=clients", pod.uuid, "/usr/bin/psql", "-h", "127.0.0.1", "-U", "postgres", "-Atqc",
                    "select sum(n) from rows"}).out);
  }
  EXPECT_EQ(sum, "12502500");
  EXPECT_FALSE(Contains(Said(pod), "recovery")) << Said(pod);

  // Removed and added anew, as a new version would be; then the whole pod is killed.
  RktOk({"app", "rm", pod.uuid, "--app=cache"}, {.timeout = 100});
  RktOk({"app", "add", pod.uuid, Id("redis"), "--name=cache2", volume("redisdata", "/data")});
  RktOk({"app", "start", pod.uuid, "--app=cache2"});
  for (double end = Now() + 30; Now() < end && !Contains(Rkt({"enter", "--app=clients", pod.uuid, "/usr/bin/redis-cli", "get",
                                                              "kept"}).out, "value"); SleepFor(0.05)) {
  }
  ExpectRows(pod.uuid);
  pod.rkt->Kill(SIGKILL);
  pod.rkt->Wait();
  EXPECT_TRUE(WaitForState(pod.uuid, "exited"));

  // An app of the dead pod is exported; what was copied in is in it.
  std::string exported = dir() + "/web.aci";
  RktOk({"export", "--app=web", pod.uuid, exported}, {.timeout = 300});
  CollectAll();
  std::string again = Trim(RktOk({"fetch", "--full", "--pull-policy=new", exported}, {.timeout = 300}).out);
  pod = StartPod(again);
  EXPECT_TRUE(Contains(Said(pod), "automatic recovery in progress")) << Said(pod);
  ExpectRows(pod.uuid);
  EXPECT_EQ(In(pod.uuid, "clients", {"/usr/bin/curl", "-s", "http://127.0.0.1/own/page.html"}), "copied in\n");
  StopPod(pod);
  RktOk({"rm", pod.uuid});
  RktOk({"image", "rm", again});
}

TEST_F(Debian, ServersRunWithUsersOfThePodsOwn) {
  RunningPod pod = StartPod(Id("nginx"), {"--private-users"});
  WriteRows(pod.uuid);
  ExpectRows(pod.uuid);
  EXPECT_GT(std::stol(UidOf(PidOf(pod.rkt->pid(), "postgres"))), 65535);
  EXPECT_EQ(In(pod.uuid, "clients", {"/usr/bin/curl", "-s", "http://127.0.0.1/"}), "the site\n");
  StopPod(pod);
  // On the host the files are those of the image's users: the next pod needs no users of its own.
  struct stat st = {};
  ASSERT_EQ(stat((volumes_ + "/pgdata/PG_VERSION").c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 100u);
  pod = StartPod(Id("nginx"));
  EXPECT_FALSE(Contains(Said(pod), "recovery")) << Said(pod);
  ExpectRows(pod.uuid);
  StopPod(pod);
}

TEST_F(Debian, ACurrentLibraryWorksUnderTheDefaultFilter) {
  std::string program = dir() + "/program";
  MakeDirs(program);
  Output built = RunProgram({"gcc", "-std=gnu11", "-O1", "-o", program + "/current_libc",
                             std::string(RKT_SOURCE_DIR) + "/tests/guest/current_libc.c", "-pthread"});
  ASSERT_EQ(built.code, 0) << built.All();
  for (const Args& who : {Args{}, Args{"--user=1000", "--group=1000"}}) {
    Output output = Run(Args{"--volume=program,kind=host,source=" + program + ",readOnly=true", Id("base"),
                             "--mount=volume=program,target=/program", "--exec=/program/current_libc"} + who);
    EXPECT_EQ(output.code, 0) << output.All();
    EXPECT_EQ(AppLines(output.out), (Args{"threads", "processes", "clocks", "files", "refused"})) << output.All();
  }
}

TEST_F(Debian, AServerOnTheHostsNetworkSurvivesTheWayThroughAnEmptyStore) {
  const Args site = {"--net=host", "--volume=site,kind=host,source=" + volumes_ + "/site,readOnly=true"};
  auto answers = [] {
    std::string page;
    for (int i = 0; i < 200 && page != "the site\n"; ++i) {
      page = Shell("curl -s http://127.0.0.1/ || sleep 0.1");
    }
    return page == "the site\n";
  };
  RunningPod pod = Start(site + Args{Id("nginx")}, "");
  EXPECT_TRUE(answers()) << Said(pod);
  RktOk({"stop", pod.uuid});
  Output output = pod.rkt->Wait(60);
  EXPECT_EQ(output.code, 0) << output.All();
  for (const char* name : {"base", "nginx"}) RktOk({"image", "export", Id(name), dir() + "/" + name + ".aci"});

  const Args empty = {"--dir=" + dir() + "/empty"};
  for (const char* name : {"base", "nginx"}) {
    Output fetched = RktOk(empty + Args{"fetch", "--full", "--pull-policy=new", dir() + "/" + name + ".aci"}, {.timeout = 300});
    EXPECT_EQ(Trim(fetched.out), Id(name));
  }
  Background again = StartRkt(empty + RunArgs(Args{"--uuid-file-save=" + dir() + "/again"} + site + Args{Id("nginx")}));
  EXPECT_TRUE(answers()) << again.err();
  RktOk(empty + Args{"stop", "--uuid-file=" + dir() + "/again"});
  EXPECT_EQ(again.Wait(60).code, 0);
  RktOk(empty + Args{"gc", "--grace-period=0s"});
  for (const char* name : {"base", "nginx"}) RemoveAll(dir() + "/" + name + ".aci");
}

TEST_F(Debian, ImagesSurviveExportAndImport) {
  std::string exported = dir() + "/exported.aci";
  RktOk({"image", "export", Id("nginx"), exported});
  RktOk({"image", "rm", Id("nginx")});
  EXPECT_EQ(Trim(RktOk({"fetch", "--full", "--pull-policy=new", exported}).out), Id("nginx"));
  Output version = RunOk({"example.com/nginx:1.0.0", "--exec=/bin/sh", "--", "-c", "cat /etc/debian_version; nginx -v 2>&1"});
  EXPECT_TRUE(StartsWith(AppLines(version.out).at(0), "12.")) << version.out;
  EXPECT_TRUE(Contains(version.out, "nginx version: nginx/1.")) << version.All();
  for (const char* name : {"nginx", "postgres"})
    EXPECT_TRUE(Contains(RktOk({"image", "verify", Id(name)}, {.timeout = 300}).out, "successfully verified"));
}

}  // namespace
}  // namespace rkt::test
