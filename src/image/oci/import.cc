// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/oci/import.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "image/report_reader.h"
#include "store/report.h"

namespace rkt::image::oci {

std::vector<std::string> UserAuthFiles() {
  std::vector<std::string> files;
  auto add = [&](const char* variable, const char* rest) {
    const char* value = ::getenv(variable);
    if (value != nullptr && *value != '\0') files.push_back(StrCat(value, rest));
  };
  add("REGISTRY_AUTH_FILE", "");
  add("XDG_RUNTIME_DIR", "/containers/auth.json");
  add("HOME", "/.config/containers/auth.json");
  add("DOCKER_CONFIG", "/config.json");
  add("HOME", "/.docker/config.json");
  return files;
}

Result<ImportResult> ImportImage(store::Store& store, const Request& request, const ImportEvents& events) {
  Fd file(::memfd_create("request", MFD_CLOEXEC));
  if (!file) return SysErr("memfd_create");
  TRY(WriteAll(file.get(), WriteRequest(request)));
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return SysErr("lseek");
  auto [report, report_end] = TRY(MakePipe());
  SpawnOptions spawn;
  spawn.program = TRY(FindFetchProgram());
  spawn.argv = {"fetch", "oci", store.data_dir()};
  spawn.fds = {{file.get(), store::kFileFd}, {report_end.get(), store::kReportFd}};
  Child child = TRY(Child::Spawn(spawn));
  report_end.Close();
  auto result = ReadReport(report.get(), [&](const std::vector<std::string>& words) -> Result<bool> {
    auto layer = words.size() > 1 ? store::UnescapeWord(words[1]) : std::nullopt;
    if (layer && words[0] == "waiting" && words.size() == 2) {
      if (events.waiting) events.waiting(*layer);
      return true;
    }
    if (words[0] != "layer" || words.size() != 4) return false;
    auto done = ParseUint(words[2]), total = ParseUint(words[3]);
    if (!layer || !done || !total) return false;
    if (events.progress) events.progress(*layer, *done, *total);
    return true;
  });
  ExitStatus exit = TRY(child.Wait());
  if (!result && exit.signaled) {
    return Err(Code::kInternal, "importing ", request.reference, ": the fetch program was killed by signal ", exit.code);
  }
  return result;
}

}  // namespace rkt::image::oci
