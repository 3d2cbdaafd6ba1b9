// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "openpgp/packets.h"

#include <array>
#include <optional>

namespace rkt::openpgp {

namespace {

constexpr std::string_view kBegin = "-----BEGIN PGP ";
constexpr std::string_view kDashes = "-----";

int Base64Digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

// Whole groups of four, padded. Nothing where it is no base64.
std::optional<std::string> DecodeBase64(std::string_view text) {
  if (text.size() % 4 != 0) return {};
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (size_t i = 0; i < text.size(); i += 4) {
    std::string_view group = text.substr(i, 4);
    size_t padding = group.ends_with("==") ? 2 : group.ends_with('=') ? 1 : 0;
    if (padding > 0 && i + 4 != text.size()) return {};
    uint32_t bits = 0;
    for (size_t k = 0; k < 4; ++k) {
      int digit = k >= 4 - padding ? 0 : Base64Digit(group[k]);
      if (digit < 0) return {};
      bits = bits << 6 | static_cast<uint32_t>(digit);
    }
    for (size_t k = 0; k < 3 - padding; ++k) out += static_cast<char>(bits >> (16 - 8 * k) & 0xff);
  }
  return out;
}

// RFC 4880 section 6.1.
uint32_t Crc24(std::string_view data) {
  uint32_t crc = 0xb704ce;
  for (char c : data) {
    crc ^= static_cast<uint32_t>(static_cast<unsigned char>(c)) << 16;
    for (int bit = 0; bit < 8; ++bit) {
      crc <<= 1;
      if ((crc & 0x1000000) != 0) crc ^= 0x1864cfb;
    }
  }
  return crc & 0xffffff;
}

// Takes the next line off the text, without what ends it.
std::string_view TakeLine(std::string_view& text) {
  size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return Trim(line);
}

uint32_t BigEndian(std::string_view bytes) {
  uint32_t value = 0;
  for (char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

bool HashIsAcceptable(uint8_t hash) {
  switch (hash) {
    case 8:   // SHA-256
    case 9:   // SHA-384
    case 10:  // SHA-512
    case 11:  // SHA-224
    case 12:  // SHA3-256
    case 14:  // SHA3-512
      return true;
    default:
      return false;
  }
}

const char* HashName(uint8_t hash) {
  switch (hash) {
    case 1:
      return "MD5";
    case 2:
      return "SHA-1";
    case 3:
      return "RIPEMD-160";
    default:
      return "an unknown hash";
  }
}

}  // namespace

Result<std::string> Dearmor(std::string_view text, std::string_view kind) {
  size_t begin = text.find(kBegin);
  // A block begins its line; the phrase may also stand in some sentence.
  while (begin != std::string_view::npos && begin > 0 && text[begin - 1] != '\n') {
    begin = text.find(kBegin, begin + 1);
  }
  if (begin == std::string_view::npos) return Err(Code::kInvalid, "no armored data found");
  text.remove_prefix(begin + kBegin.size());
  std::string_view found = TakeLine(text);
  if (!found.ends_with(kDashes)) return Err(Code::kInvalid, "no armored data found");
  found.remove_suffix(kDashes.size());
  if (found != kind) {
    if (found.starts_with("PRIVATE KEY")) {
      return Err(Code::kInvalid, "this is a private key; give the public one to others");
    }
    return Err(Code::kInvalid, "the armored data are a PGP ", TerminalSafe(found), ", not a PGP ",
               kind);
  }
  const std::string end = StrCat("-----END PGP ", kind, kDashes);
  // "Version:" and the like, up to an empty line. Some leave out both.
  std::string base64;
  std::string_view checksum;
  bool headers = true;
  bool ended = false;
  while (!text.empty()) {
    std::string_view line = TakeLine(text);
    if (line == end) {
      ended = true;
      break;
    }
    if (headers && line.find(':') != std::string_view::npos) continue;
    headers = false;
    if (line.empty()) continue;
    if (line.size() == 5 && line[0] == '=') {
      checksum = line.substr(1);
    } else if (!checksum.empty()) {
      return Err(Code::kInvalid, "the armored data go on behind their checksum");
    } else {
      base64 += line;
    }
  }
  if (!ended) return Err(Code::kInvalid, "the armored data do not end");
  std::optional<std::string> data = DecodeBase64(base64);
  if (!data || data->empty()) return Err(Code::kInvalid, "the armored data are not base64");
  if (!checksum.empty()) {
    std::optional<std::string> crc = DecodeBase64(checksum);
    if (!crc || crc->size() != 3 || BigEndian(*crc) != Crc24(*data)) {
      return Err(Code::kInvalid, "the checksum of the armored data is wrong");
    }
  }
  return *std::move(data);
}

Result<std::vector<Packet>> SplitPackets(std::string_view data) {
  std::vector<Packet> packets;
  while (!data.empty()) {
    auto first = static_cast<uint8_t>(data[0]);
    if ((first & 0x80) == 0) return Err(Code::kInvalid, "not OpenPGP data");
    uint8_t tag;
    size_t header;
    size_t length;
    if ((first & 0x40) != 0) {  // the new format
      tag = first & 0x3f;
      if (data.size() < 2) return Err(Code::kInvalid, "truncated OpenPGP data");
      auto second = static_cast<uint8_t>(data[1]);
      if (second < 192) {
        header = 2;
      } else if (second < 224) {
        header = 3;
      } else if (second == 255) {
        header = 6;
      } else {
        return Err(Code::kInvalid, "OpenPGP packet of partial length");
      }
      if (data.size() < header) return Err(Code::kInvalid, "truncated OpenPGP data");
      length = header == 2   ? second
               : header == 3 ? ((second - 192u) << 8) + static_cast<uint8_t>(data[2]) + 192u
                             : BigEndian(data.substr(2, 4));
    } else {
      tag = first >> 2 & 0xf;
      constexpr std::array<size_t, 3> kLengthSizes = {1, 2, 4};
      if ((first & 3) == 3) return Err(Code::kInvalid, "OpenPGP packet of indeterminate length");
      header = 1 + kLengthSizes[first & 3];
      if (data.size() < header) return Err(Code::kInvalid, "truncated OpenPGP data");
      length = BigEndian(data.substr(1, header - 1));
    }
    if (length > data.size() - header) return Err(Code::kInvalid, "truncated OpenPGP data");
    packets.push_back(
        {static_cast<Tag>(tag), data.substr(0, header + length), data.substr(header, length)});
    data.remove_prefix(header + length);
  }
  return packets;
}

Result<FirstKey> TakeFirstKey(std::string_view data) {
  FirstKey key;
  int keys = 0;
  for (const Packet& packet : TRY(SplitPackets(data))) {
    switch (packet.tag) {
      case Tag::kMarker:
      case Tag::kTrust:
        continue;
      case Tag::kPublicKey:
        ++keys;
        break;
      case Tag::kSignature:
      case Tag::kUserId:
      case Tag::kUserAttribute:
      case Tag::kPublicSubkey:
        if (keys == 0) return Err(Code::kInvalid, "the data do not begin with a public key");
        break;
      case Tag::kSecretKey:
      case Tag::kSecretSubkey:
        return Err(Code::kInvalid, "this is a private key; give the public one to others");
      default:
        return Err(Code::kInvalid, "a packet with tag ", static_cast<int>(packet.tag),
                   " does not belong to a public key");
    }
    if (keys == 1) key.bytes += packet.whole;
  }
  if (keys == 0) return Err(Code::kInvalid, "there is no public key");
  key.more = keys - 1;
  return key;
}

Result<SignatureHead> ReadSignatureHead(std::string_view body) {
  SignatureHead head = {};
  if (!body.empty()) head.version = static_cast<uint8_t>(body[0]);
  if (head.version == 4 && body.size() >= 4) {
    head.type = static_cast<uint8_t>(body[1]);
    head.hash = static_cast<uint8_t>(body[3]);
  } else if (head.version == 3 && body.size() >= 17) {
    head.type = static_cast<uint8_t>(body[2]);
    head.hash = static_cast<uint8_t>(body[16]);
  } else {
    return Err(Code::kInvalid, "signature of version ", static_cast<int>(head.version));
  }
  return head;
}

Result<std::string> AcceptableSignatures(std::string_view signature) {
  if (signature.empty()) return Err(Code::kInvalid, "signature is empty");
  std::string dearmored;
  if ((static_cast<uint8_t>(signature[0]) & 0x80) == 0) {
    dearmored = TRY(Dearmor(signature, "SIGNATURE"));
    signature = dearmored;
  }
  std::string accepted;
  size_t count = 0;
  std::string why = "no signature in it";
  for (const Packet& packet : TRY(SplitPackets(signature))) {
    if (packet.tag == Tag::kMarker) continue;
    if (packet.tag != Tag::kSignature) {
      return Err(Code::kInvalid, "not a detached signature: it holds a packet with tag ",
                 static_cast<int>(packet.tag));
    }
    if (++count > kMaxSignatures) return Err(Code::kInvalid, "too many signatures");
    auto head = ReadSignatureHead(packet.body);
    if (!head) {
      why = head.error().message();
    } else if (head->type != 0) {
      why = "signature is not over binary data";
    } else if (!HashIsAcceptable(head->hash)) {
      why = StrCat("signature is over ", HashName(head->hash), ", which proves nothing any more");
    } else {
      accepted += packet.whole;
    }
  }
  if (accepted.empty()) return Err(Code::kInvalid, why);
  return accepted;
}

}  // namespace rkt::openpgp
