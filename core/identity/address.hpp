// An Ethereum-style address: the last 20 bytes of keccak(public key). Identities, contracts,
// channels.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/crypto/secp256k1.hpp"

namespace myst {

class Address {
 public:
  static constexpr std::size_t kSize = 20;
  constexpr Address() = default;  // all zero
  constexpr explicit Address(const ByteArray<kSize>& bytes) : bytes_(bytes) {}
  static Address of(const secp256k1::PublicKey& key);
  static Result<Address> from_bytes(ByteSpan bytes);  // exactly 20

  // Optional 0x or 0X, then exactly 40 hex digits of any case; no checksum is looked at.
  static Result<Address> parse(std::string_view text);
  // As the reference node reads addresses out of text it does not check: an odd digit count gets a
  // leading 0, reading stops at the first bad pair, the last 20 bytes count, missing ones are zero.
  static Address parse_lenient(std::string_view text);

  const ByteArray<kSize>& bytes() const { return bytes_; }
  bool is_zero() const { return bytes_ == ByteArray<kSize>{}; }
  std::string to_string() const;    // 0x and 40 lower-case digits: the form of identities
  std::string to_checksum() const;  // EIP-55: the form of contract addresses on the wire

  bool operator==(const Address& o) const { return bytes_ == o.bytes_; }
  bool operator!=(const Address& o) const { return bytes_ != o.bytes_; }
  bool operator<(const Address& o) const { return bytes_ < o.bytes_; }

 private:
  ByteArray<kSize> bytes_{};
};

}  // namespace myst
