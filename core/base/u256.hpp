// Unsigned 256-bit integer: amounts in wei, agreement ids, chain words. Nothing wraps silently:
// what may overflow is checked_*, what may not says so.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/base/result.hpp"
#include "core/base/span.hpp"

namespace myst {

class U256 {
 public:
  static constexpr std::size_t kMaxDigits = 78;  // decimal digits of 2^256 - 1

  constexpr U256() = default;
  // From any integer that is not negative: a negative one is our own mistake and becomes zero, not
  // the huge amount its bits would be.
  template <typename T, typename = std::enable_if_t<std::is_integral_v<T>>>
  constexpr U256(T value)  // NOLINT: implicit by design
      : U256(FromBits{}, value < T{0} ? 0 : static_cast<std::uint64_t>(value)) {
    assert(value >= T{0});
  }
  static constexpr U256 max() {
    U256 value;
    for (auto& limb : value.limbs_) limb = 0xffffffffu;
    return value;
  }

  static U256 from_word(const ByteArray<32>& big_endian);
  // Any length; Malformed above 2^256 - 1. Empty is zero.
  static Result<U256> from_bytes(ByteSpan big_endian);
  // Digits only, leading zeros allowed, any length while the value fits.
  static Result<U256> parse(std::string_view decimal);
  // What peers may write: as parse(), with an optional leading '+'. A '-' is refused.
  static Result<U256> parse_wire(std::string_view decimal);

  ByteArray<32> to_word() const;   // big-endian
  Bytes to_minimal_bytes() const;  // big-endian without leading zeros; zero is empty
  std::string to_string() const;   // decimal
  // Writes decimal digits without terminator and returns their count; allocates nothing.
  std::size_t write_decimal(std::array<char, kMaxDigits>& out) const;
  std::optional<std::uint64_t> to_u64() const;

  bool is_zero() const;
  unsigned bit_length() const;  // 0 for zero

  // nullopt: the result does not fit (below zero, above 2^256 - 1).
  static std::optional<U256> checked_add(const U256& a, const U256& b);
  static std::optional<U256> checked_sub(const U256& a, const U256& b);
  static std::optional<U256> checked_mul(const U256& a, const U256& b);
  // max(0, a - b) and min(max(), a + b): for amounts that are only compared.
  static U256 saturating_sub(const U256& a, const U256& b);
  static U256 saturating_add(const U256& a, const U256& b);
  static U256 saturating_mul(const U256& a, const U256& b);
  U256 divided_by(std::uint64_t divisor) const;  // divisor 0 is our own mistake
  std::uint64_t modulo(std::uint64_t divisor) const;

  bool operator==(const U256& o) const { return limbs_ == o.limbs_; }
  bool operator!=(const U256& o) const { return limbs_ != o.limbs_; }
  bool operator<(const U256& o) const { return compare(o) < 0; }
  bool operator>(const U256& o) const { return compare(o) > 0; }
  bool operator<=(const U256& o) const { return compare(o) <= 0; }
  bool operator>=(const U256& o) const { return compare(o) >= 0; }

 private:
  // 32-bit limbs, least significant first: the widest that every target multiplies exactly.
  using Limbs = std::array<std::uint32_t, 8>;
  struct FromBits {};
  constexpr U256(FromBits, std::uint64_t value)
      : limbs_{static_cast<std::uint32_t>(value), static_cast<std::uint32_t>(value >> 32)} {}
  int compare(const U256& o) const;
  std::uint32_t divide_small(std::uint32_t divisor);  // in place; returns the remainder
  std::uint64_t divide(std::uint64_t divisor);        // in place; returns the remainder
  Limbs limbs_{};
};

using Wei = U256;

}  // namespace myst
