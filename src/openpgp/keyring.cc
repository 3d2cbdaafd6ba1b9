// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "openpgp/keyring.h"

#include <ctime>

#include "base/json.h"
#include "openpgp/packets.h"

namespace rkt::openpgp {

namespace {

constexpr uint64_t kSha1Ends =
    1704067200;                      // 2024-01-01: no self-signature of an old key is younger
constexpr uint32_t kMinBits = 1024;  // of RSA and DSA; anybody can factor less
constexpr char kHashes[] = "hash algorithm";
constexpr int kKeyFlags = 27;  // subpacket of a binding (RFC 4880 section 5.2.3.21)
constexpr int64_t kFlagSign = 2;

std::string Date(uint64_t seconds) {
  auto time = static_cast<time_t>(seconds);
  struct tm parts;
  char text[32];
  ::gmtime_r(&time, &parts);
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text;
}

std::string Named(const std::string& fingerprint) { return StrCat("key ", ToUpper(fingerprint)); }

// The library's rules know hashes by time; ours know them at all. An overriding rule from time 0 on
// wins.
rnp_result_t Prohibit(rnp_ffi_t ffi, const char* hash) {
  return rnp_add_security_rule(ffi, kHashes, hash, RNP_SECURITY_OVERRIDE, 0,
                               RNP_SECURITY_PROHIBITED);
}
rnp_result_t ForgetRules(rnp_ffi_t ffi, const char* hash) {
  return rnp_remove_security_rule(ffi, kHashes, hash, 0, RNP_SECURITY_REMOVE_ALL, 0, nullptr);
}

Result<Ffi> MakeFfi() {
  rnp_ffi_t ffi = nullptr;
  rnp_result_t result = rnp_ffi_create(&ffi, "GPG", "GPG");
  if (result != RNP_SUCCESS) return Err(Code::kInternal, "setting up librnp: ", RnpText(result));
  return Ffi(ffi);
}

Status Load(rnp_ffi_t ffi, const std::string& bytes) {
  rnp_input_t input = nullptr;
  rnp_result_t result = rnp_input_from_memory(
      &input, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), /*do_copy=*/false);
  if (result != RNP_SUCCESS) return Err(Code::kInternal, "reading the key: ", RnpText(result));
  InputHandle owned(input);
  result =
      rnp_import_keys(ffi, input, RNP_LOAD_SAVE_PUBLIC_KEYS | RNP_LOAD_SAVE_PERMISSIVE, nullptr);
  if (result != RNP_SUCCESS) return Err(Code::kInvalid, "reading the key: ", RnpText(result));
  return {};
}

KeyHandle Locate(rnp_ffi_t ffi, const std::string& fingerprint) {
  rnp_key_handle_t key = nullptr;
  if (rnp_locate_key(ffi, "fingerprint", fingerprint.c_str(), &key) != RNP_SUCCESS) return nullptr;
  return KeyHandle(key);
}

std::string FingerprintOf(rnp_key_handle_t key) {
  char* text = nullptr;
  if (rnp_key_get_fprint(key, &text) != RNP_SUCCESS) return {};
  return ToLower(TakeText(text));
}

// False also where the question has no answer.
template <typename Handle>
bool Is(rnp_result_t (*question)(Handle, bool*), Handle key) {
  bool answer = false;
  return question(key, &answer) == RNP_SUCCESS && answer;
}

// 0: never.
uint64_t Expires(rnp_key_handle_t key) {
  uint32_t created = 0;
  uint32_t lasts = 0;
  (void)rnp_key_get_creation(key, &created);
  (void)rnp_key_get_expiration(key, &lasts);
  return lasts == 0 ? 0 : static_cast<uint64_t>(created) + lasts;
}

// Whether the newest binding that holds says in so many words that the subkey may sign. The library
// takes a subkey without flags for one that may do all that its algorithm can, and does not ask
// then whether the subkey agreed to belong to this primary key: anybody could adopt somebody
// else's.
bool BoundForSigning(rnp_key_handle_t subkey) {
  size_t count = 0;
  (void)rnp_key_get_signature_count(subkey, &count);
  uint32_t newest = 0;
  bool signs = false;
  for (size_t i = 0; i < count; ++i) {
    rnp_signature_handle_t raw = nullptr;
    if (rnp_key_get_signature_at(subkey, i, &raw) != RNP_SUCCESS) continue;
    SignatureHandle signature(raw);
    char* text = nullptr;
    if (rnp_signature_get_type(raw, &text) != RNP_SUCCESS || TakeText(text) != "subkey binding")
      continue;
    if (rnp_signature_is_valid(raw, 0) != RNP_SUCCESS) continue;
    uint32_t created = 0;
    (void)rnp_signature_get_creation(raw, &created);
    if (created < newest) continue;
    newest = created;
    signs = false;
    text = nullptr;
    if (rnp_signature_packet_to_json(raw, 0, &text) != RNP_SUCCESS) continue;
    auto packets = json::Parse(TakeText(text));
    if (!packets || !packets->is_array() || packets->items().empty()) continue;
    const json::Value* subpackets = packets->items()[0].Find("subpackets");
    if (subpackets == nullptr || !subpackets->is_array()) continue;
    for (const json::Value& subpacket : subpackets->items()) {
      const json::Value* type = subpacket.Find("type");
      const json::Value* flags = subpacket.Find("flags");
      const json::Value* hashed = subpacket.Find("hashed");
      if (type == nullptr || flags == nullptr || hashed == nullptr || !hashed->is_bool()) continue;
      if (hashed->boolean() && type->AsInt() == kKeyFlags) {
        signs = (flags->AsInt().value_or(0) & kFlagSign) != 0;
      }
    }
  }
  return signs;
}

}  // namespace

std::string TakeText(char* text) {
  std::string copy = text == nullptr ? "" : text;
  rnp_buffer_destroy(text);
  return copy;
}

std::string RnpText(rnp_result_t result) { return ToLower(rnp_result_to_string(result)); }

Result<Keyring> Keyring::Create() {
  Ffi strict = TRY(MakeFfi());
  Ffi lenient = TRY(MakeFfi());
  bool ok = true;
  for (const char* hash : {"MD5", "SHA1", "RIPEMD160"}) {
    ok = ok && Prohibit(strict.get(), hash) == RNP_SUCCESS &&
         ForgetRules(lenient.get(), hash) == RNP_SUCCESS;
  }
  if (!ok) return Err(Code::kInternal, "setting up librnp: its rules cannot be set");
  return Keyring(std::move(strict), std::move(lenient));
}

Result<Keyring::Added> Keyring::Add(std::string_view armored, bool allow_sha1) {
  FirstKey first = TRY(TakeFirstKey(TRY(Dearmor(armored, "PUBLIC KEY BLOCK"))));

  // Into an empty ring first: which key it is, however many are there already.
  Ffi alone = TRY(MakeFfi());
  TRY(Load(alone.get(), first.bytes));
  rnp_identifier_iterator_t iterator = nullptr;
  if (rnp_identifier_iterator_create(alone.get(), &iterator, "fingerprint") != RNP_SUCCESS) {
    return Err(Code::kInternal, "reading the key");
  }
  std::string fingerprint;
  const char* text = nullptr;
  while (rnp_identifier_iterator_next(iterator, &text) == RNP_SUCCESS && text != nullptr) {
    KeyHandle key = Locate(alone.get(), text);
    if (key && Is(rnp_key_is_primary, key.get())) fingerprint = FingerprintOf(key.get());
  }
  (void)rnp_identifier_iterator_destroy(iterator);
  if (fingerprint.size() != 40) {
    return Err(Code::kUnsupported, "the key is of a version or kind that is not supported");
  }

  // Self-signatures are judged when they are loaded, each by the rules of that moment.
  bool ok = true;
  if (allow_sha1) {
    ok = ForgetRules(strict_.get(), "SHA1") == RNP_SUCCESS &&
         rnp_add_security_rule(strict_.get(), kHashes, "SHA1", RNP_SECURITY_VERIFY_KEY, kSha1Ends,
                               RNP_SECURITY_PROHIBITED) == RNP_SUCCESS &&
         rnp_add_security_rule(strict_.get(), kHashes, "SHA1", RNP_SECURITY_VERIFY_DATA, 0,
                               RNP_SECURITY_PROHIBITED) == RNP_SUCCESS;
  }
  Status loaded = Load(strict_.get(), first.bytes);
  if (allow_sha1) {
    ok = ok && ForgetRules(strict_.get(), "SHA1") == RNP_SUCCESS &&
         Prohibit(strict_.get(), "SHA1") == RNP_SUCCESS;
  }
  TRY(std::move(loaded));
  if (!ok) return Err(Code::kInternal, "setting up librnp: its rules cannot be set");
  TRY(Load(lenient_.get(), first.bytes));
  return Added{fingerprint, first.more};
}

KeyHandle Keyring::Find(const std::string& fingerprint) const {
  return Locate(strict_.get(), fingerprint);
}

Status Keyring::CheckAlone(rnp_key_handle_t key, const std::string& fingerprint,
                           uint64_t now) const {
  uint32_t created = 0;
  (void)rnp_key_get_creation(key, &created);
  if (created > now) {
    return Err(Code::kPermission, Named(fingerprint), " was made in the future, on ",
               Date(created));
  }
  // Revocations and limits count whatever they are signed with: a weak hash makes no key any
  // better.
  KeyHandle lenient = Locate(lenient_.get(), fingerprint);
  if (!lenient) return Err(Code::kInternal, Named(fingerprint), " was lost");
  if (Is(rnp_key_is_revoked, key) || Is(rnp_key_is_revoked, lenient.get())) {
    return Err(Code::kPermission, Named(fingerprint), " was revoked");
  }
  // The library forgives a subkey whose newest binding has run out where an older one has not.
  for (uint64_t expires : {Expires(key), Expires(lenient.get())}) {
    if (expires != 0 && expires <= now) {
      return Err(Code::kPermission, Named(fingerprint), " has expired on ", Date(expires));
    }
  }
  if (!Is(rnp_key_is_valid, key)) {
    if (Is(rnp_key_is_valid, lenient.get())) {
      return Err(
          Code::kPermission, Named(fingerprint),
          " is held together by signatures over SHA-1 or older, which prove nothing any more");
    }
    return Err(Code::kPermission, Named(fingerprint), " has no valid signature of its own");
  }
  char* algorithm = nullptr;
  uint32_t bits = 0;
  std::string name = rnp_key_get_alg(key, &algorithm) == RNP_SUCCESS ? TakeText(algorithm) : "";
  if ((name == "RSA" || name == "DSA") &&
      (rnp_key_get_bits(key, &bits) != RNP_SUCCESS || bits < kMinBits)) {
    return Err(Code::kPermission, Named(fingerprint), " is too short to be safe");
  }
  return {};
}

Status Keyring::CheckPrimary(const std::string& fingerprint, uint64_t now) const {
  KeyHandle key = Find(fingerprint);
  if (!key || !Is(rnp_key_is_primary, key.get())) {
    return Err(Code::kInternal, Named(fingerprint), " is no primary key");
  }
  TRY(CheckAlone(key.get(), fingerprint, now));
  if (Identities(fingerprint).empty()) {
    return Err(Code::kPermission, Named(fingerprint), " has no identity that is bound to it",
               " by a signature that holds");
  }
  return {};
}

Status Keyring::CheckSigner(const std::string& fingerprint, uint64_t now) const {
  KeyHandle key = Find(fingerprint);
  if (!key) return Err(Code::kInternal, Named(fingerprint), " was lost");
  bool may_sign = false;
  if (Is(rnp_key_is_sub, key.get())) {
    char* text = nullptr;
    if (rnp_key_get_primary_fprint(key.get(), &text) != RNP_SUCCESS || text == nullptr) {
      return Err(Code::kPermission, Named(fingerprint), " belongs to no primary key");
    }
    TRY(CheckPrimary(ToLower(TakeText(text)), now));
    TRY(CheckAlone(key.get(), fingerprint, now));
    may_sign = BoundForSigning(key.get());
  } else {
    TRY(CheckPrimary(fingerprint, now));
    may_sign = true;
  }
  bool usage = false;
  may_sign = may_sign && rnp_key_allows_usage(key.get(), "sign", &usage) == RNP_SUCCESS && usage;
  if (!may_sign) return Err(Code::kPermission, Named(fingerprint), " is not meant for signing");
  return {};
}

std::vector<std::string> Keyring::Identities(const std::string& fingerprint) const {
  std::vector<std::string> identities;
  KeyHandle key = Find(fingerprint);
  size_t count = 0;
  if (key) (void)rnp_key_get_uid_count(key.get(), &count);
  for (size_t i = 0; i < count; ++i) {
    rnp_uid_handle_t raw = nullptr;
    if (rnp_key_get_uid_handle_at(key.get(), i, &raw) != RNP_SUCCESS) continue;
    UidHandle uid(raw);
    uint32_t type = 0;
    char* text = nullptr;
    if (rnp_uid_get_type(raw, &type) != RNP_SUCCESS || type != RNP_USER_ID) continue;
    if (!Is(rnp_uid_is_valid, raw) || Is(rnp_uid_is_revoked, raw)) continue;
    if (rnp_key_get_uid_at(key.get(), i, &text) == RNP_SUCCESS) {
      identities.push_back(TerminalSafe(TakeText(text)));
    }
  }
  return identities;
}

std::vector<std::string> Keyring::SigningSubkeys(const std::string& fingerprint) const {
  std::vector<std::string> subkeys;
  KeyHandle key = Find(fingerprint);
  size_t count = 0;
  if (key) (void)rnp_key_get_subkey_count(key.get(), &count);
  for (size_t i = 0; i < count; ++i) {
    rnp_key_handle_t raw = nullptr;
    if (rnp_key_get_subkey_at(key.get(), i, &raw) != RNP_SUCCESS) continue;
    KeyHandle subkey(raw);
    if (BoundForSigning(raw)) subkeys.push_back(FingerprintOf(raw));
  }
  return subkeys;
}

}  // namespace rkt::openpgp
