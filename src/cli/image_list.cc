// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt image list

#include <algorithm>

#include "base/duration.h"
#include "base/file.h"
#include "base/table.h"
#include "cli/commands.h"
#include "cli/pod_output.h"
#include "cli/settings.h"

namespace rkt::cli {

namespace {

enum class Field { kId, kName, kSize, kImportTime, kLastUsed };
struct FieldName {
  std::string_view name;
  std::string_view header;
  Field field;
};
constexpr FieldName kFields[] = {
    {"id", "ID", Field::kId},
    {"name", "NAME", Field::kName},
    {"size", "SIZE", Field::kSize},
    {"importtime", "IMPORT TIME", Field::kImportTime},
    {"lastused", "LAST USED", Field::kLastUsed},
};

// A comma list of names of fields, each once, in any case.
Result<std::vector<const FieldName*>> ParseFields(std::string_view text, bool sortable) {
  std::vector<const FieldName*> fields;
  if (text.empty()) return fields;
  for (const std::string& word : Split(ToLower(text), ',')) {
    const FieldName* found = nullptr;
    for (const FieldName& field : kFields) {
      if (field.name == word && !(sortable && field.field == Field::kId)) found = &field;
    }
    if (found == nullptr) {
      return Err(Code::kInvalid, "unknown option ", Quote(word), ", known are ", sortable ? "" : "id, ",
                 "name, size, importtime, lastused");
    }
    if (std::find(fields.begin(), fields.end(), found) != fields.end()) {
      return Err(Code::kInvalid, "duplicated option ", Quote(word));
    }
    fields.push_back(found);
  }
  return fields;
}

Status CheckFields(Invocation&, const FlagSpec& flag, std::string_view value) {
  TRY(ParseFields(value, flag.name == "sort"));
  return {};
}

Status CheckOrder(Invocation&, const FlagSpec&, std::string_view value) {
  std::string order = ToLower(value);
  if (order == "asc" || order == "desc") return {};
  return Err(Code::kInvalid, "wrong sort order ", Quote(value), ", want asc or desc");
}

constexpr FlagSpec kOwnFlags[] = {
    ValueFlag("fields",
              "columns to print, separated by commas. Known are: \"id\", \"name\", \"size\", "
              "\"importtime\", \"lastused\"",
              CheckFields, "id,name,size,importtime,lastused"),
    ValueFlag("format", "print json or json-pretty instead of a table", CheckFormat),
    BoolFlag("full", "print whole IDs and times, and sizes in bytes"),
    BoolFlag("no-legend", "leave out the line with the columns' names"),
    ValueFlag("order", "\"asc\" or \"desc\", for the fields of --sort", CheckOrder, "asc"),
    ValueFlag("sort",
              "fields to sort by, separated by commas. Known are: \"name\", \"importtime\", "
              "\"lastused\", \"size\"",
              CheckFields, "importtime"),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags};

int64_t TotalSize(const store::ImageInfo& info) { return info.size + info.tree_size; }

std::string FullName(const store::ImageInfo& info) {
  return info.version.empty() ? info.name : StrCat(info.name, ":", info.version);
}

int Compare(const store::ImageInfo& a, const store::ImageInfo& b, Field field) {
  auto order = [](auto x, auto y) { return x < y ? -1 : y < x ? 1 : 0; };
  switch (field) {
    case Field::kName:
      return a.name.compare(b.name);
    case Field::kSize:
      return order(a.size, b.size);
    case Field::kImportTime:
      return order(a.import_time_ns, b.import_time_ns);
    case Field::kLastUsed:
      return order(a.last_used_ns, b.last_used_ns);
    case Field::kId:
      break;
  }
  return a.key.compare(b.key);
}

// The index tells all that is printed. The manifest is read only where its file was touched after
// the import, which is what damages it by hand look like; reading a thousand of them would take
// longer than all the rest.
bool ManifestMayBeDamaged(const store::Store& store, const store::ImageInfo& info) {
  constexpr size_t kDigits = sizeof "sha512-" - 1;
  constexpr int64_t kSlack = 2 * kSecond;
  auto st = StatAt(store.cas_fd(),
                   StrCat("imageManifest/sha512/", info.key.substr(kDigits, 2), "/", info.key));
  if (!st) return true;
  int64_t changed = st->st_ctim.tv_sec * kSecond + st->st_ctim.tv_nsec;
  return changed > info.import_time_ns + kSlack;
}

std::string DamagedManifest(const Error& error, const std::string& key) {
  return StrCat("Unable to load manifest of an image because it is invalid:\n  ",
                ReplaceAll(TerminalSafe(error.Text()), "\n", "\n  "),
                "\nID of the invalid image:\n  ", key);
}

std::string Cell(const store::ImageInfo& info, Field field, bool full, int64_t now) {
  constexpr size_t kShortId = 19;  // sha512- and 12 digits
  auto time = [&](int64_t ns) { return full ? LongTime(ns) : ShortTime(ns, now); };
  switch (field) {
    case Field::kId:
      return full ? info.key : info.key.substr(0, kShortId);
    case Field::kName:
      return TerminalSafe(FullName(info));
    case Field::kSize:
      return full ? StrCat(TotalSize(info)) : HumanSize(static_cast<uint64_t>(TotalSize(info)));
    case Field::kImportTime:
      return time(info.import_time_ns);
    case Field::kLastUsed:
      return time(info.last_used_ns);
  }
  return "";
}

std::string TableText(const Invocation& invocation, const std::vector<store::ImageInfo>& images) {
  auto fields = ParseFields(invocation.Text("fields"), false);
  if (!fields) return "";  // checked when it was parsed
  Table table;
  std::vector<std::string> row;
  if (!invocation.Bool("no-legend")) {
    for (const FieldName* field : *fields) row.emplace_back(field->header);
    table.AddRow(row);
  }
  const bool full = invocation.Bool("full");
  const int64_t now = NowNs();
  for (const store::ImageInfo& info : images) {
    row.clear();
    for (const FieldName* field : *fields) row.push_back(Cell(info, field->field, full, now));
    table.AddRow(row);
  }
  return table.Text();
}

json::Value Json(const std::vector<store::ImageInfo>& images) {
  json::Value array;  // null where there is no image
  for (const store::ImageInfo& info : images) {
    json::Value& entry = array.Append(json::Value::Object());
    entry.Set("id", info.key);
    entry.Set("name", FullName(info));
    entry.Set("import_time", info.import_time_ns);
    entry.Set("last_used_time", info.last_used_ns);
    entry.Set("size", TotalSize(info));
  }
  return array;
}

int Run(Invocation& invocation) {
  auto store = OpenStore(invocation);
  if (!store) return Fail(store.error());
  auto all = store->ListImages();
  if (!all) return Fail("unable to get aci infos", std::move(all).error());
  std::vector<store::ImageInfo> images;
  std::vector<std::string> errors;
  for (store::ImageInfo& info : *all) {
    if (ManifestMayBeDamaged(*store, info)) {
      auto manifest = store->ReadManifest(info.key);
      if (!manifest) {
        // One that was removed meanwhile is none of anybody's business.
        if (manifest.error().code() != Code::kNotFound) {
          errors.push_back(DamagedManifest(manifest.error(), info.key));
        }
        continue;
      }
    }
    images.push_back(std::move(info));
  }
  auto sort_fields = ParseFields(invocation.Text("sort"), true);
  if (!sort_fields) return Fail(sort_fields.error());
  const int direction = ToLower(invocation.Text("order")) == "desc" ? -1 : 1;
  std::stable_sort(images.begin(), images.end(),
                   [&](const store::ImageInfo& a, const store::ImageInfo& b) {
                     for (const FieldName* field : *sort_fields) {
                       int order = Compare(a, b, field->field) * direction;
                       if (order != 0) return order < 0;
                     }
                     return false;
                   });
  PrintListingErrors(errors, "images");
  std::string_view format = invocation.Text("format");
  if (format.empty()) {
    Print(TableText(invocation, images));
  } else {
    PrintJson(Json(images), format);
  }
  return 0;
}

}  // namespace

constinit const CommandSpec kImageListCommand = {
    .name = "list",
    .summary = "List the images of the local store",
    .description =
        R"(Prints a table of the images: ID, name and version, what they take on the disk with
their rendered tree, when they were imported and last read.)",
    .flags = kGroups,
    .run = Run,
};

}  // namespace rkt::cli
