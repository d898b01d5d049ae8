#include "core/identity/address.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/crypto/keccak.hpp"

namespace myst {
namespace {

std::string_view without_prefix(std::string_view text) {
  if (text.size() >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    text.remove_prefix(2);
  }
  return text;
}

}  // namespace

Address Address::of(const secp256k1::PublicKey& key) {
  const Digest32 digest = keccak256(key);
  Address address;
  std::copy(digest.end() - kSize, digest.end(), address.bytes_.begin());
  return address;
}

Result<Address> Address::from_bytes(ByteSpan bytes) {
  if (bytes.size() != kSize) return Error{Errc::Malformed, 0, "address size"};
  Address address;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
  return address;
}

Result<Address> Address::parse(std::string_view text) {
  Address address;
  if (!from_hex(without_prefix(text), address.bytes_).ok()) {
    return Error{Errc::Malformed, 0, "address text"};
  }
  return address;
}

Address Address::parse_lenient(std::string_view text) {
  text = without_prefix(text);
  ByteArray<kSize> last{};  // a ring of one: each new byte pushes the oldest out
  std::size_t at = 0;
  const auto push = [&](int high, int low) {
    std::copy(last.begin() + 1, last.end(), last.begin());
    last[kSize - 1] = static_cast<std::uint8_t>(high * 16 + low);
  };
  if (text.size() % 2 == 1) {
    const int low = hex_digit(text[0]);
    if (low < 0) return Address(last);
    push(0, low);
    at = 1;
  }
  for (; at < text.size(); at += 2) {
    const int high = hex_digit(text[at]), low = hex_digit(text[at + 1]);
    if (high < 0 || low < 0) break;
    push(high, low);
  }
  return Address(last);
}

std::string Address::to_string() const { return "0x" + to_hex(bytes_); }

std::string Address::to_checksum() const {
  std::string text = to_hex(bytes_);
  const Digest32 digest = keccak256(as_bytes(text));
  for (std::size_t i = 0; i < text.size(); ++i) {
    const unsigned nibble = (i % 2 == 0 ? digest[i / 2] >> 4 : digest[i / 2]) & 15u;
    if (text[i] >= 'a' && nibble >= 8) text[i] = static_cast<char>(text[i] - 'a' + 'A');
  }
  return "0x" + text;
}

}  // namespace myst
