// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "pod/flag_values.h"

#include <algorithm>
#include <array>
#include <optional>

#include "appc/names.h"

namespace rkt::pod {

namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// %XX and '+' as in the query of a URL.
Result<std::string> UrlDecode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      int high = i + 1 < text.size() ? HexDigit(text[i + 1]) : -1;
      int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return Err(Code::kInvalid, "invalid URL escape ", Quote(text.substr(i, 3)));
      }
      if (high == 0 && low == 0) return Err(Code::kInvalid, "NUL in ", Quote(text));
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

// KEY=VALUE pairs between commas, in order. A repeated key is an error.
Result<std::vector<KeyValue>> ParsePairs(std::string_view text) {
  std::vector<KeyValue> pairs;
  for (const std::string& piece : Split(text, ',')) {
    size_t equals = piece.find('=');
    if (equals == std::string::npos) {
      return Err(Code::kInvalid, Quote(piece), " is no KEY=VALUE");
    }
    KeyValue pair{piece.substr(0, equals), piece.substr(equals + 1)};
    for (const KeyValue& other : pairs) {
      if (other.first == pair.first) {
        return Err(Code::kInvalid, "parameter ", Quote(pair.first), " is given more than once");
      }
    }
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

Result<uint32_t> ParseId(std::string_view key, std::string_view text) {
  std::optional<uint64_t> number = ParseUint(text);
  if (!number || *number >= UINT32_MAX) {
    return Err(Code::kInvalid, key, " must be a number between 0 and ", UINT32_MAX - 1, ": ",
               Quote(text));
  }
  return static_cast<uint32_t>(*number);
}

// Takes one parameter of a volume; false where the key is none of a volume's.
Result<bool> SetVolumeParameter(const KeyValue& pair, appc::Volume* volume, bool* kind_seen) {
  const auto& [key, value] = pair;
  if (key == "kind") {
    if (value != "host" && value != "empty") {
      return Err(Code::kInvalid, "unknown kind of volume ", Quote(value), ", want host or empty");
    }
    volume->kind = value == "host" ? appc::Volume::Kind::kHost : appc::Volume::Kind::kEmpty;
    *kind_seen = true;
  } else if (key == "source") {
    volume->source = value;
  } else if (key == "readOnly") {
    volume->read_only = TRY_CTX(ParseBoolText(value), "parameter readOnly");
  } else if (key == "recursive") {
    volume->recursive = TRY_CTX(ParseBoolText(value), "parameter recursive");
  } else if (key == "mode") {
    volume->mode = value;
  } else if (key == "uid") {
    volume->uid = TRY(ParseId(key, value));
  } else if (key == "gid") {
    volume->gid = TRY(ParseId(key, value));
  } else {
    return false;
  }
  return true;
}

Status FinishVolume(appc::Volume* volume, bool kind_seen) {
  if (!kind_seen)
    return Err(Code::kInvalid, "the volume has no kind (want kind=host or kind=empty)");
  TRY(appc::CheckVolume(*volume));
  if (volume->kind == appc::Volume::Kind::kEmpty) {
    if (!volume->mode) volume->mode = "0755";
    if (!volume->uid) volume->uid = 0;
    if (!volume->gid) volume->gid = 0;
  }
  return {};
}

Status CheckTarget(std::string_view path) {
  if (!path.starts_with('/')) {
    return Err(Code::kInvalid, "target must be an absolute path: ", Quote(path));
  }
  return {};
}

Result<uint32_t> ParsePortNumber(std::string_view text) {
  std::optional<uint64_t> number = ParseUint(text);
  if (!number || *number < 1 || *number > 65535) {
    return Err(Code::kInvalid, "port must be between 1 and 65535: ", Quote(text));
  }
  return static_cast<uint32_t>(*number);
}

Result<std::string> ParseAddress(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  if (!appc::IsIpAddress(text)) return Err(Code::kInvalid, "not an IP address: ", Quote(text));
  return std::string(text);
}

Status CheckPortName(std::string_view name) {
  TRY_CTX(appc::CheckACName(name), "port name");
  return {};
}

Result<KeyValue> SplitPair(std::string_view text) {
  size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return Err(Code::kInvalid, "must be NAME=VALUE: ", Quote(text));
  }
  return KeyValue(text.substr(0, equals), text.substr(equals + 1));
}

}  // namespace

Result<bool> ParseBoolText(std::string_view text) {
  for (std::string_view word : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == word) return true;
  }
  for (std::string_view word : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == word) return false;
  }
  return Err(Code::kInvalid, "must be true or false: ", Quote(text));
}

Result<appc::Volume> ParseVolumeFlag(std::string_view text) {
  size_t comma = std::min(text.find(','), text.size());
  appc::Volume volume;
  volume.name = text.substr(0, comma);
  bool kind_seen = false;
  if (comma < text.size()) {
    for (const KeyValue& pair : TRY(ParsePairs(text.substr(comma + 1)))) {
      if (!TRY(SetVolumeParameter(pair, &volume, &kind_seen))) {
        return Err(Code::kInvalid, "unknown volume parameter ", Quote(pair.first));
      }
    }
  }
  TRY(FinishVolume(&volume, kind_seen));
  return volume;
}

Result<appc::Mount> ParseMountFlag(std::string_view text) {
  appc::Mount mount;
  for (const KeyValue& pair : TRY(ParsePairs(text))) {
    std::string value = TRY(UrlDecode(pair.second));
    if (pair.first == "volume") {
      TRY_CTX(appc::CheckACName(value), "volume name");
      mount.volume = std::move(value);
    } else if (pair.first == "target") {
      TRY(CheckTarget(value));
      mount.path = std::move(value);
    } else {
      return Err(Code::kInvalid, "unknown mount parameter ", Quote(pair.first));
    }
  }
  if (mount.volume.empty())
    return Err(Code::kInvalid, "the mount names no volume (want volume=NAME)");
  if (mount.path.empty()) return Err(Code::kInvalid, "the mount has no target (want target=PATH)");
  return mount;
}

Result<appc::Mount> ParseMountVolumeFlag(std::string_view text) {
  appc::Mount mount;
  appc::Volume volume;
  bool kind_seen = false;
  for (const KeyValue& pair : TRY(ParsePairs(text))) {
    KeyValue decoded{pair.first, TRY(UrlDecode(pair.second))};
    if (decoded.first == "name") {
      volume.name = decoded.second;
    } else if (decoded.first == "target") {
      TRY(CheckTarget(decoded.second));
      mount.path = decoded.second;
    } else if (!TRY(SetVolumeParameter(decoded, &volume, &kind_seen))) {
      return Err(Code::kInvalid, "unknown mount parameter ", Quote(pair.first));
    }
  }
  if (mount.path.empty()) return Err(Code::kInvalid, "the mount has no target (want target=PATH)");
  TRY(FinishVolume(&volume, kind_seen));
  mount.volume = volume.name;
  mount.app_volume = std::move(volume);
  return mount;
}

Result<appc::ExposedPort> ParsePortFlag(std::string_view text) {
  size_t first = text.find(':');
  if (first == std::string_view::npos) {
    return Err(Code::kInvalid, "must be NAME:[HOSTIP:]HOSTPORT: ", Quote(text));
  }
  size_t last = text.rfind(':');  // an IPv6 address has colons of its own
  appc::ExposedPort port;
  port.name = text.substr(0, first);
  TRY(CheckPortName(port.name));
  if (last > first) port.host_ip = TRY(ParseAddress(text.substr(first + 1, last - first - 1)));
  port.host_port = TRY(ParsePortNumber(text.substr(last + 1)));
  return port;
}

Result<appc::ExposedPort> ParseSandboxPortFlag(std::string_view text) {
  std::array<std::string_view, 3> front;
  std::string_view rest = text;
  for (std::string_view& part : front) {
    size_t colon = rest.find(':');
    if (colon == std::string_view::npos) {
      return Err(Code::kInvalid, "must be NAME:PROTOCOL:PODPORT:HOSTIP:HOSTPORT: ", Quote(text));
    }
    part = rest.substr(0, colon);
    rest.remove_prefix(colon + 1);
  }
  size_t last = rest.rfind(':');
  if (last == std::string_view::npos) {
    return Err(Code::kInvalid, "must be NAME:PROTOCOL:PODPORT:HOSTIP:HOSTPORT: ", Quote(text));
  }
  appc::ExposedPort port;
  port.name = front[0];
  TRY(CheckPortName(port.name));
  if (front[1] != "tcp" && front[1] != "udp") {
    return Err(Code::kInvalid, "protocol must be tcp or udp: ", Quote(front[1]));
  }
  appc::Port& target = port.pod_port.emplace();
  target.name = port.name;
  target.protocol = front[1];
  target.port = TRY(ParsePortNumber(front[2]));
  port.host_ip = TRY(ParseAddress(rest.substr(0, last)));
  port.host_port = TRY(ParsePortNumber(rest.substr(last + 1)));
  return port;
}

Result<appc::Seccomp> ParseSeccompFlag(std::string_view text) {
  appc::Seccomp seccomp;
  std::optional<std::string> mode;
  for (const std::string& word : Split(text, ',')) {
    if (word.starts_with("mode=")) {
      if (mode) return Err(Code::kInvalid, "invalid seccomp mode command-line override");
      mode = word.substr(5);
    } else if (word.starts_with("errno=")) {
      seccomp.errno_name = word.substr(6);
    } else if (word.find('=') != std::string::npos) {
      return Err(Code::kInvalid, "invalid seccomp command-line override");
    } else if (!word.empty()) {
      seccomp.set.push_back(word);
    }
  }
  if (!mode || (*mode != "retain" && *mode != "remove")) {
    return Err(Code::kInvalid, "invalid seccomp mode command-line override");
  }
  seccomp.retain = *mode == "retain";
  TRY(appc::MakeSeccomp(seccomp));
  return seccomp;
}

Result<appc::Rlimit> ParseUlimitFlag(std::string_view text) {
  size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return Err(Code::kInvalid, "must be specified as name=soft[:hard]");
  }
  appc::Rlimit limit;
  limit.name = ToLower(text.substr(0, equals));
  if (limit.name.starts_with("rlimit_")) limit.name.erase(0, 7);
  if (!appc::RlimitNumber(limit.name)) {
    return Err(Code::kInvalid, "there is no limit ", Quote(limit.name));
  }
  std::vector<std::string> bounds = Split(text.substr(equals + 1), ':');
  if (bounds.size() > 2) return Err(Code::kInvalid, Quote(text), " has more than one colon");
  auto read = [](const std::string& word) -> Result<std::optional<uint64_t>> {
    if (word == "unlimited" || word == "-1") return std::optional<uint64_t>();
    auto number = ParseUint(word);
    if (!number) {
      return Err(Code::kInvalid, Quote(word), " is neither a whole number nor \"unlimited\"");
    }
    return number;
  };
  limit.soft = TRY(read(bounds.front()));
  limit.hard = TRY(read(bounds.back()));
  TRY(appc::MakeRlimits({limit}));
  return limit;
}

Result<std::vector<std::string>> ParseCapabilitiesFlag(std::string_view text) {
  std::vector<std::string> names;
  for (const std::string& word : Split(text, ',')) {
    if (word.empty()) return Err(Code::kInvalid, "empty capability name in ", Quote(text));
    names.push_back(word);
  }
  return names;
}

Result<std::vector<uint32_t>> ParseGidsFlag(std::string_view text) {
  std::vector<uint32_t> gids;
  for (const std::string& word : Split(text, ',')) gids.push_back(TRY(ParseId("a group", word)));
  return gids;
}

Result<KeyValue> ParseEnvironmentFlag(std::string_view text) {
  KeyValue pair = TRY(SplitPair(text));
  if (!appc::IsVariableName(pair.first)) {
    return Err(Code::kInvalid, "invalid environment variable name ", Quote(pair.first));
  }
  return pair;
}

Result<KeyValue> ParseAnnotationFlag(std::string_view text) {
  KeyValue pair = TRY(SplitPair(text));
  TRY_CTX(appc::CheckACIdentifier(pair.first), "annotation name");
  return pair;
}

Result<KeyValue> ParseUserPairFlag(std::string_view text) { return SplitPair(text); }

Status AppendUnique(std::vector<KeyValue>& list, KeyValue pair) {
  for (const KeyValue& other : list) {
    if (other.first == pair.first) {
      return Err(Code::kInvalid, "environment variable ", Quote(pair.first), " already set");
    }
  }
  list.push_back(std::move(pair));
  return {};
}

Result<std::vector<KeyValue>> ParseEnvironmentFile(std::string_view text) {
  std::vector<KeyValue> list;
  size_t number = 0;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);  // white space around a value belongs to it
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (Trim(line).empty() || line[0] == '#' || line[0] == ';') continue;
    if (line.find('\0') != std::string_view::npos) {
      return Err(Code::kInvalid, "line ", number, " contains NUL");
    }
    KeyValue pair = TRY_CTX(ParseEnvironmentFlag(line), "line ", number);
    TRY_CTX(AppendUnique(list, std::move(pair)), "line ", number);
  }
  return list;
}

}  // namespace rkt::pod
