#include "core/base/u256.hpp"

#include <algorithm>

namespace myst {

U256 U256::from_word(const ByteArray<32>& big_endian) {
  U256 value;
  for (std::size_t i = 0; i < 32; ++i) {
    value.limbs_[i / 4] |= std::uint32_t{big_endian[31 - i]} << (8 * (i % 4));
  }
  return value;
}

Result<U256> U256::from_bytes(ByteSpan big_endian) {
  while (big_endian.size() > 32) {
    if (big_endian[0] != 0) return Error{Errc::Malformed, 0, "integer above 256 bits"};
    big_endian = big_endian.subspan(1);
  }
  ByteArray<32> word{};
  std::copy(big_endian.begin(), big_endian.end(), word.end() - static_cast<int>(big_endian.size()));
  return from_word(word);
}

Result<U256> U256::parse(std::string_view decimal) {
  if (decimal.empty()) return Error{Errc::Malformed, 0, "empty integer"};
  U256 value;
  for (std::size_t at = 0; at < decimal.size();) {
    // Nine digits at a time: 10^9 is the largest power of ten below 2^32.
    std::uint32_t chunk = 0, scale = 1;
    for (; at < decimal.size() && scale < 1000000000u; ++at, scale *= 10) {
      const char c = decimal[at];
      if (c < '0' || c > '9') return Error{Errc::Malformed, 0, "integer digit"};
      chunk = chunk * 10 + static_cast<std::uint32_t>(c - '0');
    }
    std::uint64_t carry = chunk;
    for (auto& limb : value.limbs_) {
      carry += std::uint64_t{limb} * scale;
      limb = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
    if (carry != 0) return Error{Errc::Malformed, 0, "integer above 256 bits"};
  }
  return value;
}

Result<U256> U256::parse_wire(std::string_view decimal) {
  if (!decimal.empty() && decimal[0] == '+') decimal.remove_prefix(1);
  return parse(decimal);
}

ByteArray<32> U256::to_word() const {
  ByteArray<32> word;
  for (std::size_t i = 0; i < 32; ++i) {
    word[31 - i] = static_cast<std::uint8_t>(limbs_[i / 4] >> (8 * (i % 4)));
  }
  return word;
}

Bytes U256::to_minimal_bytes() const {
  const auto word = to_word();
  return Bytes(std::find_if(word.begin(), word.end(), [](std::uint8_t b) { return b != 0; }),
               word.end());
}

std::size_t U256::write_decimal(std::array<char, kMaxDigits>& out) const {
  U256 rest = *this;
  std::size_t from = kMaxDigits;
  do {
    std::uint32_t chunk = rest.divide_small(1000000000u);
    const bool last = rest.is_zero();
    for (int i = 0; i < 9 && from > 0 && (chunk != 0 || !last); ++i, chunk /= 10) {
      out[--from] = static_cast<char>('0' + chunk % 10);
    }
  } while (!rest.is_zero());
  if (from == kMaxDigits) out[--from] = '0';
  std::copy(out.begin() + static_cast<int>(from), out.end(), out.begin());
  return kMaxDigits - from;
}

std::string U256::to_string() const {
  std::array<char, kMaxDigits> digits;
  return {digits.data(), write_decimal(digits)};
}

std::optional<std::uint64_t> U256::to_u64() const {
  for (std::size_t i = 2; i < limbs_.size(); ++i) {
    if (limbs_[i] != 0) return std::nullopt;
  }
  return std::uint64_t{limbs_[1]} << 32 | limbs_[0];
}

bool U256::is_zero() const { return *this == U256{}; }

unsigned U256::bit_length() const {
  for (unsigned i = 8; i-- > 0;) {
    if (limbs_[i] != 0) return 32 * i + 32 - static_cast<unsigned>(__builtin_clz(limbs_[i]));
  }
  return 0;
}

std::optional<U256> U256::checked_add(const U256& a, const U256& b) {
  U256 sum;
  std::uint64_t carry = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    carry += std::uint64_t{a.limbs_[i]} + b.limbs_[i];
    sum.limbs_[i] = static_cast<std::uint32_t>(carry);
    carry >>= 32;
  }
  if (carry != 0) return std::nullopt;
  return sum;
}

std::optional<U256> U256::checked_sub(const U256& a, const U256& b) {
  if (a < b) return std::nullopt;
  U256 difference;
  std::uint64_t borrow = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    const std::uint64_t step = std::uint64_t{a.limbs_[i]} - b.limbs_[i] - borrow;
    difference.limbs_[i] = static_cast<std::uint32_t>(step);
    borrow = step >> 63;
  }
  return difference;
}

std::optional<U256> U256::checked_mul(const U256& a, const U256& b) {
  std::array<std::uint32_t, 16> wide{};
  for (std::size_t i = 0; i < 8; ++i) {
    std::uint64_t carry = 0;
    for (std::size_t k = 0; k < 8; ++k) {
      carry += std::uint64_t{a.limbs_[i]} * b.limbs_[k] + wide[i + k];
      wide[i + k] = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
    wide[i + 8] = static_cast<std::uint32_t>(carry);
  }
  U256 product;
  for (std::size_t i = 0; i < 8; ++i) {
    if (wide[i + 8] != 0) return std::nullopt;
    product.limbs_[i] = wide[i];
  }
  return product;
}

U256 U256::saturating_sub(const U256& a, const U256& b) {
  return checked_sub(a, b).value_or(U256{});
}
U256 U256::saturating_add(const U256& a, const U256& b) {
  return checked_add(a, b).value_or(max());
}
U256 U256::saturating_mul(const U256& a, const U256& b) {
  return checked_mul(a, b).value_or(max());
}

U256 U256::divided_by(std::uint64_t divisor) const {
  U256 quotient = *this;
  (void)quotient.divide(divisor);
  return quotient;
}

std::uint64_t U256::modulo(std::uint64_t divisor) const {
  U256 rest = *this;
  return rest.divide(divisor);
}

int U256::compare(const U256& o) const {
  for (std::size_t i = 8; i-- > 0;) {
    if (limbs_[i] != o.limbs_[i]) return limbs_[i] < o.limbs_[i] ? -1 : 1;
  }
  return 0;
}

std::uint32_t U256::divide_small(std::uint32_t divisor) {
  std::uint64_t remainder = 0;
  for (std::size_t i = 8; i-- > 0;) {
    remainder = remainder << 32 | limbs_[i];
    limbs_[i] = static_cast<std::uint32_t>(remainder / divisor);
    remainder %= divisor;
  }
  return static_cast<std::uint32_t>(remainder);
}

std::uint64_t U256::divide(std::uint64_t divisor) {
  assert(divisor != 0);
  if (divisor <= 0xffffffffu) return divide_small(static_cast<std::uint32_t>(divisor));
  // Bit by bit: a remainder below 2^64 shifted by one needs 65 bits, kept as `high`.
  std::uint64_t remainder = 0;
  for (unsigned bit = 256; bit-- > 0;) {
    std::uint32_t& limb = limbs_[bit / 32];
    const std::uint32_t mask = 1u << (bit % 32);
    const bool high = remainder >> 63 != 0;
    remainder = remainder << 1 | ((limb & mask) != 0 ? 1 : 0);
    limb &= ~mask;
    if (high || remainder >= divisor) {
      remainder -= divisor;
      limb |= mask;
    }
  }
  return remainder;
}

}  // namespace myst
