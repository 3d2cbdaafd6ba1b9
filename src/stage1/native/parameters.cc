// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/parameters.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdlib>

#include "base/file.h"
#include "base/strings.h"

namespace rkt::native {

namespace {

// The kernel gives no number below this to anybody but the first processes.
constexpr uint64_t kReservedPids = 301;
constexpr long kPidMaxMajor = 6, kPidMaxMinor = 14;

Result<Fd> OpenParameter(const std::string& path) {
  Fd file = TRY(Open(StrCat("/proc/sys/", path), O_WRONLY));
  struct statfs system;
  if (::fstatfs(file.get(), &system) != 0) return SysErr("/proc/sys/", path);
  if (system.f_type != PROC_SUPER_MAGIC) return Err(Code::kInvalid, "/proc/sys/", path, " is no file of the kernel");
  return file;
}

Status WriteParameter(const std::string& path, const std::string& value) {
  Fd file = TRY(OpenParameter(path));
  if (::write(file.get(), value.data(), value.size()) < 0) return SysErr("write ", Quote(value), " to /proc/sys/", path);
  return {};
}

}  // namespace

bool HasOwnPidMax() {
  struct utsname name;
  if (::uname(&name) != 0) return false;
  char* end;
  long major = ::strtol(name.release, &end, 10);
  long minor = *end == '.' ? ::strtol(end + 1, nullptr, 10) : 0;
  return major > kPidMaxMajor || (major == kPidMaxMajor && minor >= kPidMaxMinor);
}

Status CheckSysctls(const PodPlan& plan) {
  if (!plan.host_network) return {};
  for (const appc::Sysctl& sysctl : plan.sysctls) {
    if (sysctl.scope != appc::Sysctl::Scope::kNetwork) continue;
    return Err(Code::kInvalid, appc::kSysctlIsolator, ": ", sysctl.name,
               " would be set for the host, whose network the pod has");
  }
  return {};
}

Status SetKernelParameters(const PodPlan& plan) {
  if (plan.task_limit != 0 && HasOwnPidMax()) {
    // A bound that nobody has asked for is no reason to fail.
    (void)WriteParameter("kernel/pid_max", StrCat(plan.task_limit + kReservedPids));
  }
  for (const appc::Sysctl& sysctl : plan.sysctls) {
    TRY_CTX(WriteParameter(sysctl.path, sysctl.value), "setting the kernel parameter ", sysctl.name);
  }
  return {};
}

}  // namespace rkt::native
