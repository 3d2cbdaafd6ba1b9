// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// What the application container specification promises to apps, looked at from inside: two apps in one pod, one a
// companion of the other, both registered with the metadata service.

#include "functional/harness/network_host.h"

namespace rkt::test {
namespace {

class AceValidator : public NetworkHostTest {};

// Sourced by both apps. Every complaint is a line that begins with FAIL.
constexpr char kCommon[] = R"SH(
failed=0
fail() { echo "FAIL: $*"; failed=1; }
expect() { [ "$2" = "$3" ] || fail "$1 is '$2', not '$3'"; }
finish() { [ $failed = 0 ] && echo "$1 OK"; exit $failed; }
meta=$AC_METADATA_URL/acMetadata/v1
# Body of a GET, which must come with status 200, the content type, and in time.
get() {
  printf 'GET /%s/acMetadata/v1/%s HTTP/1.0\r\n\r\n' "${AC_METADATA_URL##*/}" "$1" > /tmp/request
  busybox timeout 5 busybox nc "$address" "$port" < /tmp/request > /tmp/reply || fail "$1: no answer"
  head -n 1 /tmp/reply | busybox grep -q ' 200 ' || fail "$1: $(head -n 1 /tmp/reply)"
  busybox grep -q "^Content-Type: $2"$'\r'"\$" /tmp/reply || fail "$1: content type is not $2"
  busybox sed '1,/^\r$/d' /tmp/reply
}
rest=${AC_METADATA_URL#http://}; rest=${rest%%/*}; address=${rest%%:*}; port=${rest##*:}
)SH";

constexpr char kPrestart[] = "#!/bin/sh\n. /common.sh\n[ -e /prestart ] && fail prestart ran twice\n"
                             "[ -e /main ] && fail prestart ran after main\ntouch /prestart; exit $failed\n";
constexpr char kPoststop[] = "#!/bin/sh\n[ -e /main ] && touch /db/poststop\nexit 0\n";
constexpr char kMain[] = R"SH(#!/bin/sh
. /common.sh
[ -e /prestart ] || fail "the pre-start handler did not run"
touch /main
expect PATH "$PATH" /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
expect "the working directory" "$(pwd)" /opt/acvalidator
expect IN_ACE_VALIDATOR "$IN_ACE_VALIDATOR" correct
expect AC_APP_NAME "$AC_APP_NAME" ace-validator-main
expect HOME "$HOME" /root
expect USER "$USER" root
expect LOGNAME "$LOGNAME" root
expect SHELL "$SHELL" /bin/sh
busybox grep -q ' /db .*[ ,]rw[ ,]' /proc/mounts || fail "/db is no mount that can be written"
json='application/json'; text='text/plain; charset=us-ascii'
uuid=$(get pod/uuid "$text")
[ ${#uuid} = 36 ] || fail "the UUID is '$uuid'"
get pod/manifest "$json" | busybox grep -q '"acKind":"PodManifest"' || fail "no pod manifest"
get pod/annotations "$json" | busybox grep -q '^\[' || fail "no list of annotations"
app=apps/ace-validator-main
get $app/annotations "$json" > /tmp/annotations
busybox grep -q '"name":"authors"' /tmp/annotations || fail "the image's annotations are missing"
expect "an annotation" "$(get $app/annotations/appc.io/role "$text")" image
get $app/image/manifest "$json" | busybox grep -q '"name":"example.com/ace-validator-main"' || fail "no image manifest"
case $(get $app/image/id "$text") in sha512-????????????????????????????????*) ;; *) fail "no image id";; esac
signature=$(busybox wget -q -O - --post-data "content=$uuid" $meta/pod/hmac/sign)
[ ${#signature} = 88 ] || fail "the signature is '$signature'"
encoded=$(echo "$signature" | busybox sed 's/+/%2B/g; s/=/%3D/g')
busybox wget -q -O - --post-data "uuid=$uuid&content=$uuid&signature=$encoded" $meta/pod/hmac/verify || fail "not verified"
busybox wget -q -O - --post-data "uuid=$uuid&content=other&signature=$encoded" $meta/pod/hmac/verify 2>/tmp/refused &&
  fail "a signature of another text was verified"
busybox grep -q 403 /tmp/refused || fail "not refused by 403"
echo ball > /db/from-main
i=0; while [ ! -e /db/from-sidekick ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done
expect "the sidekick's answer" "$(cat /db/from-sidekick)" "ball back"
finish main
)SH";
constexpr char kSidekick[] = R"SH(#!/bin/sh
. /common.sh
expect AC_APP_NAME "$AC_APP_NAME" ace-validator-sidekick
[ -e /main ] && fail "the root of the main app is seen here"
i=0; while [ ! -e /db/from-main ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done
echo "$(cat /db/from-main) back" > /db/from-sidekick
finish sidekick
)SH";

std::string ValidatorTar(const std::string& name, const std::string& program, const std::string& app) {
  ImageSpec spec;
  spec.name = "example.com/" + name;
  spec.exec = {program};
  spec.app = app;
  spec.annotations = R"([{"name": "authors", "value": "somebody"}, {"name": "appc.io/role", "value": "image"}])";
  Tar tar;
  tar.File("manifest", ManifestJson(spec));
  tar.Dir("rootfs");
  AddJudgeRoot(tar);
  tar.Dir("rootfs/opt").Dir("rootfs/opt/acvalidator").Dir("rootfs/db");
  tar.File("rootfs/common.sh", kCommon).File("rootfs/prestart.sh", kPrestart, 0755);
  tar.File("rootfs/main.sh", kMain, 0755).File("rootfs/sidekick.sh", kSidekick, 0755);
  tar.File("rootfs/poststop.sh", kPoststop, 0755);
  return tar.Finish();
}

TEST_F(AceValidator, MainAndSidekickPrintOk) {
  const std::string mount = R"("mountPoints": [{"name": "database", "path": "/db", "readOnly": false}])";
  std::string main = WriteImage("main.aci", ValidatorTar("ace-validator-main", "/main.sh",
      mount + R"(, "workingDirectory": "/opt/acvalidator",
      "environment": [{"name": "IN_ACE_VALIDATOR", "value": "correct"}],
      "eventHandlers": [{"name": "pre-start", "exec": ["/prestart.sh"]}, {"name": "post-stop", "exec": ["/poststop.sh"]}])"));
  std::string sidekick = WriteImage("sidekick.aci", ValidatorTar("ace-validator-sidekick", "/sidekick.sh", mount));
  MakeDirs(dir() + "/db");
  Background service = StartRkt({"metadata-service"});
  for (int i = 0; i < 500 && !Exists("/run/rkt/metadata-svc.sock"); i++) SleepFor(0.01);
  Output output = Run({"--net=default", "--mds-register", "--volume=database,kind=host,source=" + dir() + "/db", main,
                       sidekick});
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_EQ(AppText(output.out, "ace-validator-main"), "main OK\n") << output.All();
  EXPECT_EQ(AppText(output.out, "ace-validator-sidekick"), "sidekick OK\n") << output.All();
  EXPECT_TRUE(Exists(dir() + "/db/poststop"));
  // With an empty volume the apps share it all the same.
  Output empty = Run({"--net=default", "--mds-register", "--volume=database,kind=empty", main, sidekick});
  EXPECT_EQ(empty.code, 0) << empty.All();
}

}  // namespace
}  // namespace rkt::test
