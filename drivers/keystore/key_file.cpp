#include "drivers/keystore/key_file.hpp"

#include <algorithm>
#include <chrono>

#include "core/base/text.hpp"
#include "core/base/time_text.hpp"
#include "core/crypto/aes.hpp"
#include "core/crypto/keccak.hpp"
#include "core/crypto/secp256k1.hpp"
#include "core/crypto/sha2.hpp"
#include "platform/json/json.hpp"
#include "platform/json/writer.hpp"

namespace myst::keystore {
namespace {

constexpr json::Limits kLimits{kMaxFileSize, 16};
constexpr std::size_t kMaxSalt = 1024;
constexpr std::size_t kMaxCiphertext = 64;  // version 1 pads 32 bytes to 48
constexpr std::uint32_t kMaxIterations = 10000000;
// n * r * p of the standard setting, sixteen times: minutes on the smallest board, not hours.
constexpr std::uint64_t kMaxScryptWork = 16u * 262144 * 8;
using DerivedKey = Secret<32>;  // longer ones exist, but only 32 bytes are used

json::Value member(json::Value object, std::string_view name) {
  return object.get(name, json::Case::Ignore);
}

Result<Bytes> hex_member(json::Value object, std::string_view name, std::size_t most) {
  const auto text = member(object, name).string();
  if (!text.ok() || text->size() > 2 * most) return Error{Errc::Malformed, 0, "key file field"};
  return from_hex(*text);
}

Result<std::uint64_t> number_member(json::Value object, std::string_view name) {
  return member(object, name).u64();
}

// 8-4-4-4-12 hex digits.
bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : hex_digit(text[i]) < 0) return false;
  }
  return true;
}

Status check_memory(const ScryptCost& cost, std::uint64_t memory_limit) {
  if (cost.memory_bytes() <= memory_limit) return {};
  const std::uint64_t megabytes = cost.memory_bytes() >> 20;
  return Error{Errc::Unavailable, static_cast<int>(std::min<std::uint64_t>(megabytes, INT32_MAX)),
               "not enough free memory for the scrypt setting of this key"};
}

Result<DerivedKey> derive(json::Value crypto, ByteSpan passphrase, std::uint64_t memory_limit) {
  const json::Value params = member(crypto, "kdfparams");
  MYST_TRY_ASSIGN(const auto name, member(crypto, "kdf").string());
  MYST_TRY_ASSIGN(const Bytes salt, hex_member(params, "salt", kMaxSalt));
  MYST_TRY_ASSIGN(const std::uint64_t length, number_member(params, "dklen"));
  if (length < 32 || length > 1024) return Error{Errc::Malformed, 0, "key file dklen"};
  // Both derivations produce their output in blocks that do not depend on its length.
  DerivedKey key;
  if (name == "scrypt") {
    MYST_TRY_ASSIGN(const std::uint64_t n, number_member(params, "n"));
    MYST_TRY_ASSIGN(const std::uint64_t r, number_member(params, "r"));
    MYST_TRY_ASSIGN(const std::uint64_t p, number_member(params, "p"));
    if (r > 1024 || p > 1024 || n > kMaxScryptWork || n * r * p > kMaxScryptWork) {
      return Error{Errc::Malformed, 0, "key file scrypt parameters"};
    }
    const ScryptCost cost{n, static_cast<std::uint32_t>(r), static_cast<std::uint32_t>(p)};
    MYST_TRY(check_memory(cost, memory_limit));
    MYST_TRY(scrypt(passphrase, salt, cost, key.mutable_bytes()));
    return key;
  }
  if (name == "pbkdf2") {
    const auto hash = member(params, "prf").string();
    if (!hash.ok() || *hash != "hmac-sha256") {
      return Error{Errc::Unsupported, 0, "key file PBKDF2 function"};
    }
    MYST_TRY_ASSIGN(const std::uint64_t count, number_member(params, "c"));
    if (count == 0 || count > kMaxIterations) {
      return Error{Errc::Malformed, 0, "key file PBKDF2 iterations"};
    }
    pbkdf2_hmac_sha256(passphrase, salt, static_cast<std::uint32_t>(count), key.mutable_bytes());
    return key;
  }
  return Error{Errc::Unsupported, 0, "key file derivation function"};
}

Digest32 mac_of(const DerivedKey& derived, ByteSpan ciphertext) {
  return Keccak256().update(derived.bytes().subspan(16)).update(ciphertext).finish();
}

Secret<16> first_half(ByteSpan bytes) {
  Secret<16> half;
  std::copy_n(bytes.begin(), 16, half.mutable_bytes().begin());
  return half;
}

// AES-128-CBC with PKCS#7 padding; version 1 hashes the AES key once more.
Status decrypt_version1(const DerivedKey& derived, const ByteArray<16>& iv, Bytes& data) {
  const Secret<32> hashed(keccak256(derived.bytes().first(16)));
  MYST_TRY(aes128_cbc_decrypt(first_half(hashed.bytes()), iv, data));
  const std::size_t padding = data.empty() ? 0 : data.back();
  if (padding == 0 || padding > 16 || padding > data.size() ||
      !std::all_of(data.end() - static_cast<std::ptrdiff_t>(padding), data.end(),
                   [&](std::uint8_t b) { return b == padding; })) {
    return Error{Errc::Malformed, 0, "key file padding"};
  }
  data.resize(data.size() - padding);
  return {};
}

bool is_version1(json::Value root) {
  const auto text = member(root, "version").string();
  return text.ok() && *text == "1";
}

}  // namespace

Result<Address> claimed_address(std::string_view json) {
  constexpr Error kNone{Errc::NotFound, 0, "no key file"};
  const auto document = json::Document::parse(json, kLimits);
  if (!document.ok()) return kNone;
  const auto text = member(document->root(), "address").string();
  if (!text.ok()) return kNone;
  const Address address = Address::parse_lenient(*text);
  if (address.is_zero()) return kNone;
  return address;
}

Result<OpenedKey> open_key(std::string_view json, ByteSpan passphrase, std::uint64_t memory_limit) {
  MYST_TRY_ASSIGN(const auto document, json::Document::parse(json, kLimits));
  const json::Value root = document.root();
  const bool version1 = is_version1(root);
  if (!version1) {
    const auto version = member(root, "version").u64();
    if (!version.ok() || *version != 3) return Error{Errc::Unsupported, 0, "key file version"};
  }
  const auto id = member(root, "id").string();
  if (!id.ok() || !is_uuid(*id)) return Error{Errc::Malformed, 0, "key file id"};
  const json::Value crypto = member(root, "crypto");
  const auto cipher = member(crypto, "cipher").string();
  if (!cipher.ok()) return Error{Errc::Malformed, 0, "key file without cipher"};
  if (!version1 && *cipher != "aes-128-ctr") return Error{Errc::Unsupported, 0, "key file cipher"};

  MYST_TRY_ASSIGN(const Bytes mac, hex_member(crypto, "mac", 32));
  MYST_TRY_ASSIGN(const Bytes iv_bytes, hex_member(member(crypto, "cipherparams"), "iv", 16));
  MYST_TRY_ASSIGN(Bytes data, hex_member(crypto, "ciphertext", kMaxCiphertext));
  ByteArray<16> iv;
  if (iv_bytes.size() != iv.size()) return Error{Errc::Malformed, 0, "key file iv"};
  std::copy(iv_bytes.begin(), iv_bytes.end(), iv.begin());

  MYST_TRY_ASSIGN(const DerivedKey derived, derive(crypto, passphrase, memory_limit));
  if (!equal_constant_time(mac_of(derived, data), mac)) {
    return Error{Errc::Unauthorized, 0, "could not decrypt key with given password"};
  }
  Status decrypted;
  if (version1) {
    decrypted = decrypt_version1(derived, iv, data);
  } else {
    aes128_ctr(first_half(derived.bytes()), iv, data);
  }
  OpenedKey out;
  const bool fits = decrypted.ok() && data.size() <= 32;
  if (fits) {
    std::copy(data.begin(), data.end(),
              out.key.mutable_bytes().end() - static_cast<std::ptrdiff_t>(data.size()));
  }
  wipe(data.data(), data.size());
  if (!decrypted.ok()) return decrypted.error();
  if (!fits) return Error{Errc::Malformed, 0, "key file key size"};
  MYST_TRY_ASSIGN(const auto public_key, secp256k1::public_key(out.key));
  out.address = Address::of(public_key);
  out.id = to_lower(*id);
  return out;
}

FileSeed::FileSeed(Rng& rng) : salt(rng.bytes<32>()), iv(rng.bytes<16>()) {
  auto raw = rng.bytes<16>();
  raw[6] = static_cast<std::uint8_t>((raw[6] & 0x0f) | 0x40);  // RFC 4122: version 4,
  raw[8] = static_cast<std::uint8_t>((raw[8] & 0x3f) | 0x80);  // variant 1
  id = to_hex(raw);
  for (const std::size_t dash : {8u, 13u, 18u, 23u}) id.insert(dash, 1, '-');
}

Result<std::string> seal_key(const Secret<32>& key, ByteSpan passphrase, const ScryptCost& cost,
                             const FileSeed& seed, std::uint64_t memory_limit) {
  MYST_TRY_ASSIGN(const auto public_key, secp256k1::public_key(key));
  MYST_TRY(check_memory(cost, memory_limit));
  DerivedKey derived;
  MYST_TRY(scrypt(passphrase, seed.salt, cost, derived.mutable_bytes()));
  ByteArray<32> data;
  std::copy(key.bytes().begin(), key.bytes().end(), data.begin());
  aes128_ctr(first_half(derived.bytes()), seed.iv, data);
  std::string text;
  json::Writer(text)
      .begin_object()
      .member("address", Address::of(public_key).to_string().substr(2))
      .key("crypto")
      .begin_object()
      .member("cipher", "aes-128-ctr")
      .member("ciphertext", to_hex(data))
      .key("cipherparams")
      .begin_object()
      .member("iv", to_hex(seed.iv))
      .end_object()
      .member("kdf", "scrypt")
      .key("kdfparams")
      .begin_object()
      .member("dklen", 32)
      .member("n", cost.n)
      .member("p", cost.p)
      .member("r", cost.r)
      .member("salt", to_hex(seed.salt))
      .end_object()
      .member("mac", to_hex(mac_of(derived, data)))
      .end_object()
      .member("id", seed.id)
      .member("version", 3)
      .end_object();
  return text;
}

std::string key_file_name(const Address& address, std::int64_t unix_nanoseconds) {
  constexpr std::int64_t kBillion = 1000000000;
  const std::int64_t rest = ((unix_nanoseconds % kBillion) + kBillion) % kBillion;
  const std::chrono::seconds whole((unix_nanoseconds - rest) / kBillion);
  std::string text = to_rfc3339(WallTime(whole));
  std::replace(text.begin(), text.end(), ':', '-');
  const std::string digits = std::to_string(kBillion + rest);  // a 1 in front keeps the zeros
  text.replace(text.size() - 1, 1, "." + digits.substr(1) + "Z--");
  return "UTC--" + text + address.to_string().substr(2);
}

}  // namespace myst::keystore
