// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/common/identity.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "base/fd.h"
#include "base/file.h"

namespace rkt::stage1 {

namespace {

constexpr size_t kMaxDatabase = 8u << 20;

Error OutOfRange(const char* kind, std::string_view text) {
  return Err(Code::kInvalid, kind, " id ", Quote(text), " is out of range (0 to ", kMaxId, ")");
}

// The content of a passwd or group file. First looked at without opening: opening alone may block
// on a FIFO or move a tape.
Result<std::string> ReadDatabase(int root, const std::string& path) {
  Fd look = TRY(OpenInRoot(root, path, O_PATH));
  struct stat status;
  if (::fstat(look.get(), &status) != 0) return SysErr("stat ", path);
  if (!S_ISREG(status.st_mode)) return Err(Code::kInvalid, path, " is not a regular file");
  Fd file = TRY(OpenInRoot(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  if (::fstat(file.get(), &status) != 0) return SysErr("stat ", path);
  if (!S_ISREG(status.st_mode)) return Err(Code::kInvalid, path, " is not a regular file");
  auto text = ReadFd(file.get(), kMaxDatabase);
  if (!text) return Err(text.error().code(), path, " cannot be read: ", text.error().Text());
  return text;
}

// The third field of the first line whose first field is `name`; both files have the id there.
std::optional<std::string_view> FindId(std::string_view database, std::string_view name) {
  while (!database.empty()) {
    size_t end = std::min(database.find('\n'), database.size());
    std::string_view line = database.substr(0, end);
    database.remove_prefix(std::min(end + 1, database.size()));
    if (line.size() <= name.size() || !line.starts_with(name) || line[name.size()] != ':') continue;
    line.remove_prefix(name.size() + 1);
    size_t password_end = line.find(':');
    if (password_end == std::string_view::npos) continue;
    line.remove_prefix(password_end + 1);
    return line.substr(0, line.find(':'));
  }
  return std::nullopt;
}

bool LooksNumeric(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

Result<uint32_t> ParseId(const char* kind, std::string_view text) {
  std::optional<int64_t> number = ParseInt(text);
  if (!number || *number < 0 || *number > kMaxId) return OutOfRange(kind, text);
  return static_cast<uint32_t>(*number);
}

struct Kind {
  const char* name;
  const char* database;
  bool is_user;
};
constexpr Kind kUser = {"user", "/etc/passwd", true};
constexpr Kind kGroup = {"group", "/etc/group", false};

// In a user namespace there are only so many.
Status CheckCount(const char* kind, uint32_t id, const std::optional<IdRange>& users) {
  if (!users || id < users->count) return {};
  return Err(Code::kInvalid, kind, " id ", id, " is not one of the ", users->count, " ids that --private-users gives a pod");
}

Result<uint32_t> Resolve(int root, const Kind& kind, const std::string& text, const std::optional<IdRange>& users) {
  if (text == "root") return 0u;
  // What looks like a number is one, whatever the image's files say of such a name.
  if (LooksNumeric(text)) return ParseId(kind.name, text);
  if (text.empty()) return Err(Code::kInvalid, "no ", kind.name, " given");
  if (text.find_first_of(std::string_view("\0\n:", 3)) != std::string::npos) {
    return Err(Code::kInvalid, "invalid ", kind.name, " ", Quote(text));
  }
  if (text[0] == '/') {
    Fd file = TRY_CTX(OpenInRoot(root, text, O_PATH | O_NOFOLLOW), "cannot determine the ",
                      kind.name, " that owns ", Quote(text));
    struct stat status;
    if (::fstat(file.get(), &status) != 0) return SysErr("stat ", text);
    uint32_t id = kind.is_user ? status.st_uid : status.st_gid;
    if (users) {
      if (!users->HasOutside(id)) return Err(Code::kInvalid, Quote(text), " belongs to nobody of the pod");
      id = users->Inside(id);
    }
    if (id > kMaxId) return OutOfRange(kind.name, std::to_string(id));
    return id;
  }
  // One message, not a chain: users are shown the innermost cause of an app's failure.
  auto database = ReadDatabase(root, kind.database);
  if (!database) {
    return Error(database.error().code(), database.error().err(),
                 StrCat("cannot look up ", kind.name, " ", Quote(text), ": ", database.error().Text()));
  }
  std::optional<std::string_view> id = FindId(*database, text);
  if (!id) {
    return Err(Code::kNotFound, kind.name, " ", Quote(text), " not found in ", kind.database);
  }
  auto number = ParseId(kind.name, *id);
  if (!number) {
    return Err(Code::kInvalid, kind.database, ": ", kind.name, " ", Quote(text), ": ", number.error().Text());
  }
  return number;
}

// The group of the first entry in the image's /etc/passwd that has this uid; `otherwise` where there is none.
Result<uint32_t> PrimaryGroup(int root, uint32_t uid, uint32_t otherwise) {
  if (uid == 0) return 0u;
  Result<std::string> database = ReadDatabase(root, kUser.database);
  if (!database) {
    if (database.error().code() == Code::kNotFound) return otherwise;
    return std::move(database).error();
  }
  for (const std::string& line : Split(*database, '\n')) {
    std::vector<std::string> fields = Split(line, ':');
    if (fields.size() < 4 || ParseInt(fields[2]) != static_cast<int64_t>(uid)) continue;
    return TRY_CTX(ParseId(kGroup.name, fields[3]), kUser.database, ": user id ", uid);
  }
  return otherwise;
}

}  // namespace

Result<Identity> ResolveIdentity(int root, const IdentityRequest& request) {
  Identity identity;
  identity.uid = TRY(Resolve(root, kUser, request.user, request.users));
  TRY(CheckCount("user", identity.uid, request.users));
  Result<uint32_t> gid = Resolve(root, kGroup, request.group, request.users);
  if (gid) {
    identity.gid = *gid;
  } else if (request.docker_gid_fallback && request.group == request.user &&
             gid.error().code() == Code::kNotFound) {
    identity.gid = identity.uid;
  } else {
    return std::move(gid).error();
  }
  TRY(CheckCount("group", identity.gid, request.users));
  identity.groups.reserve(request.supplementary_gids.size() + 1);
  identity.groups.push_back(identity.gid);
  for (int64_t id : request.supplementary_gids) {
    if (id < 0 || id > kMaxId) return OutOfRange("supplementary group", std::to_string(id));
    auto group = static_cast<gid_t>(id);
    TRY(CheckCount("supplementary group", group, request.users));
    if (std::find(identity.groups.begin(), identity.groups.end(), group) == identity.groups.end()) {
      identity.groups.push_back(group);
    }
  }
  return identity;
}

Result<Identity> ResolveOther(int root, const std::string& user, const std::string& group, const Identity& app,
                              const std::optional<IdRange>& users) {
  Identity identity = app;
  if (!user.empty()) {
    identity.uid = TRY(Resolve(root, kUser, user, users));
    TRY(CheckCount("user", identity.uid, users));
    if (group.empty()) identity.gid = TRY(PrimaryGroup(root, identity.uid, app.gid));
    identity.groups.clear();
  }
  if (!group.empty()) identity.gid = TRY(Resolve(root, kGroup, group, users));
  TRY(CheckCount("group", identity.gid, users));
  std::erase(identity.groups, app.gid);
  std::erase(identity.groups, identity.gid);
  identity.groups.insert(identity.groups.begin(), identity.gid);
  return identity;
}

}  // namespace rkt::stage1
