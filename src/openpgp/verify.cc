// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "openpgp/verify.h"

#include <unistd.h>

#include <algorithm>
#include <optional>

namespace rkt::openpgp {

namespace {

using OpHandle = RnpHandle<rnp_op_verify_t, rnp_op_verify_destroy>;

// What the library reads from: the descriptor, and at its end the keys, which nobody knows sooner.
struct Data {
  int fd;
  const std::function<Status()>& add_keys;
  bool ended = false;
  std::optional<Error> error;
};

bool ReadData(void* context, void* buffer, size_t size, size_t* read) {
  auto& data = *static_cast<Data*>(context);
  *read = 0;
  if (data.error) return false;
  if (data.ended) return true;
  ssize_t n;
  do {
    n = ::read(data.fd, buffer, size);
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    data.error = SysErr("reading the signed data");
    return false;
  }
  if (n == 0) {
    data.ended = true;
    Status added = data.add_keys();
    if (!added) {
      data.error = std::move(added).error();
      return false;
    }
  }
  *read = static_cast<size_t>(n);
  return true;
}

Error Unknown() { return Err(Code::kNotFound, "signature made by unknown entity"); }

// The fingerprint of the key or subkey that a signature names; empty where the ring has no such
// key.
std::string SignerOf(const Keyring& keyring, rnp_op_verify_signature_t verified,
                     rnp_signature_handle_t signature) {
  char* text = nullptr;
  if (rnp_signature_get_key_fprint(signature, &text) == RNP_SUCCESS && text != nullptr) {
    std::string fingerprint = ToLower(TakeText(text));
    return keyring.Find(fingerprint) ? fingerprint : std::string();
  }
  rnp_key_handle_t raw = nullptr;
  if (rnp_op_verify_signature_get_key(verified, &raw) != RNP_SUCCESS || raw == nullptr) return {};
  KeyHandle key(raw);
  if (rnp_key_get_fprint(raw, &text) != RNP_SUCCESS) return {};
  return ToLower(TakeText(text));
}

// The signer's primary key where this signature holds.
Result<std::string> Judge(const Keyring& keyring, rnp_op_verify_signature_t verified,
                          uint64_t now) {
  const rnp_result_t status = rnp_op_verify_signature_get_status(verified);
  if (status == RNP_ERROR_KEY_NOT_FOUND || status == RNP_ERROR_SIGNATURE_UNKNOWN) return Unknown();
  rnp_signature_handle_t raw = nullptr;
  if (rnp_op_verify_signature_get_handle(verified, &raw) != RNP_SUCCESS) return Unknown();
  SignatureHandle signature(raw);
  const std::string signer = SignerOf(keyring, verified, raw);
  if (signer.empty()) return Unknown();

  // The key before the signature: a key that must not be used says more than what it signed.
  TRY(keyring.CheckSigner(signer, now));
  uint32_t created = 0;
  uint32_t lasts = 0;
  (void)rnp_signature_get_creation(raw, &created);
  (void)rnp_signature_get_expiration(raw, &lasts);
  KeyHandle key = keyring.Find(signer);
  uint32_t key_created = 0;
  (void)rnp_key_get_creation(key.get(), &key_created);
  if (created > now) return Err(Code::kPermission, "signature was made in the future");
  if (created < key_created) return Err(Code::kPermission, "signature is older than its key");
  if (lasts != 0 && static_cast<uint64_t>(created) + lasts <= now) {
    return Err(Code::kPermission, "signature has expired");
  }
  if (status != RNP_SUCCESS) {
    return Err(Code::kCorrupt, "invalid signature: it was not made over these data by key ",
               ToUpper(signer));
  }
  if (bool primary = false; rnp_key_is_primary(key.get(), &primary) == RNP_SUCCESS && primary)
    return signer;
  char* text = nullptr;
  if (rnp_key_get_primary_fprint(key.get(), &text) != RNP_SUCCESS || text == nullptr)
    return Unknown();
  return ToLower(TakeText(text));
}

}  // namespace

Result<std::string> VerifyDetached(Keyring& keyring, const std::string& signatures, int fd,
                                   uint64_t now, const std::function<Status()>& add_keys) {
  Data data{fd, add_keys};
  rnp_input_t raw_data = nullptr;
  rnp_input_t raw_signature = nullptr;
  if (rnp_input_from_callback(&raw_data, ReadData, nullptr, &data) != RNP_SUCCESS) {
    return Err(Code::kInternal, "setting up librnp");
  }
  InputHandle data_input(raw_data);
  if (rnp_input_from_memory(&raw_signature, reinterpret_cast<const uint8_t*>(signatures.data()),
                            signatures.size(), /*do_copy=*/false) != RNP_SUCCESS) {
    return Err(Code::kInternal, "setting up librnp");
  }
  InputHandle signature_input(raw_signature);
  (void)rnp_set_timestamp(keyring.ffi(), now);
  rnp_op_verify_t raw_op = nullptr;
  if (rnp_op_verify_detached_create(&raw_op, keyring.ffi(), raw_data, raw_signature) !=
      RNP_SUCCESS) {
    return Err(Code::kInternal, "setting up librnp");
  }
  OpHandle op(raw_op);
  const rnp_result_t executed = rnp_op_verify_execute(raw_op);
  if (data.error) return *std::move(data.error);
  size_t count = 0;
  (void)rnp_op_verify_get_signature_count(raw_op, &count);
  // Before the end of the data no verdict means anything.
  if (!data.ended || count == 0) {
    return Err(Code::kInvalid, "signature cannot be read: ", RnpText(executed));
  }

  std::string signer;
  std::optional<Error>
      refusal;  // the one that says most: of a known key rather than of an unknown one
  for (size_t i = 0; i < count; ++i) {
    rnp_op_verify_signature_t verified = nullptr;
    if (rnp_op_verify_get_signature_at(raw_op, i, &verified) != RNP_SUCCESS) continue;
    auto judged = Judge(keyring, verified, now);
    if (judged) {
      if (signer.empty()) signer = *std::move(judged);
      continue;
    }
    if (judged.error().code() == Code::kCorrupt) return std::move(judged).error();
    if (!refusal || refusal->code() == Code::kNotFound) refusal = std::move(judged).error();
  }
  if (!signer.empty()) return signer;
  return refusal ? *std::move(refusal) : Unknown();
}

}  // namespace rkt::openpgp
