#include "core/payment/price.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace myst::payment {
namespace {

// Room for the product of 256 by 53 bits.
class Wide {
 public:
  static constexpr unsigned kBits = 320;

  Wide(const U256& value, std::uint64_t factor) {
    const auto word = value.to_word();
    for (std::size_t i = 0; i < 32; ++i) {
      limbs_[i / 4] |= std::uint32_t{word[31 - i]} << (8 * (i % 4));
    }
    multiply_low_then_high(static_cast<std::uint32_t>(factor),
                           static_cast<std::uint32_t>(factor >> 32));
  }

  bool bit(unsigned i) const { return i < kBits && (limbs_[i / 32] >> (i % 32) & 1) != 0; }
  unsigned bit_length() const {
    for (unsigned i = kBits; i-- > 0;) {
      if (bit(i)) return i + 1;
    }
    return 0;
  }
  bool any_below(unsigned count) const {
    for (unsigned i = 0; i < count; ++i) {
      if (bit(i)) return true;
    }
    return false;
  }
  void shift_right(unsigned by) {
    std::array<std::uint32_t, kBits / 32> out{};
    for (unsigned i = 0; i < kBits && i + by < kBits; ++i) {
      if (bit(i + by)) out[i / 32] |= 1u << (i % 32);
    }
    limbs_ = out;
  }
  void increment() {
    for (auto& limb : limbs_) {
      if (++limb != 0) return;
    }
  }
  // The value shifted left; U256::max() when it does not fit.
  U256 to_u256(unsigned left) const {
    const unsigned length = bit_length();
    if (length == 0) return 0;
    if (length > 256 || left > 256 - length) return U256::max();
    ByteArray<32> word{};
    for (unsigned i = 0; i < length; ++i) {
      const unsigned to = i + left;
      if (bit(i)) word[31 - to / 8] |= static_cast<std::uint8_t>(1u << (to % 8));
    }
    return U256::from_word(word);
  }

 private:
  void multiply_low_then_high(std::uint32_t low, std::uint32_t high) {
    const auto value = limbs_;
    limbs_ = {};
    add_product(value, low, 0);
    add_product(value, high, 1);
  }
  void add_product(const std::array<std::uint32_t, kBits / 32>& value, std::uint32_t factor,
                   std::size_t shift) {
    std::uint64_t carry = 0;
    for (std::size_t i = 0; i + shift < limbs_.size(); ++i) {
      carry += std::uint64_t{value[i]} * factor + limbs_[i + shift];
      limbs_[i + shift] = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
  }
  std::array<std::uint32_t, kBits / 32> limbs_{};
};

// node: session/pingpong/price_calculator.go: whole seconds and the rest are turned into doubles
// separately.
double seconds_of(Duration elapsed) {
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(elapsed);
  return static_cast<double>(whole.count()) + static_cast<double>((elapsed - whole).count()) / 1e9;
}

}  // namespace

U256 scaled(const U256& value, double factor) {
  if (!(factor > 0) || !std::isfinite(factor) || value.is_zero()) return 0;
  // factor = mantissa * 2^exponent with an integer mantissa of 53 bits.
  int exponent = 0;
  const auto mantissa = static_cast<std::uint64_t>(std::ldexp(std::frexp(factor, &exponent), 53));
  exponent -= 53;
  Wide product(value, mantissa);
  const unsigned precision = std::max(64u, value.bit_length());
  const unsigned length = product.bit_length();
  if (length > precision) {
    const unsigned drop = length - precision;
    const bool half = product.bit(drop - 1);
    const bool more = product.any_below(drop - 1);
    product.shift_right(drop);
    if (half && (more || product.bit(0))) product.increment();
    exponent += static_cast<int>(drop);
  }
  if (exponent >= 0) return product.to_u256(static_cast<unsigned>(exponent));
  product.shift_right(static_cast<unsigned>(std::min(-exponent, int{Wide::kBits})));
  return product.to_u256(0);
}

Wei amount_due(Duration elapsed, const DataVolume& data, const Price& price) {
  const double hours = seconds_of(elapsed) / 3600.0;
  const double gib = static_cast<double>(data.total()) / 1073741824.0;
  return U256::saturating_add(scaled(price.per_hour, hours), scaled(price.per_gib, gib));
}

double invoice_tolerance(Duration elapsed, std::uint64_t total_bytes) {
  if (elapsed < std::chrono::seconds{1}) return 3;
  const double seconds = seconds_of(elapsed);
  const double mib = static_cast<double>(total_bytes) / 1048576.0;
  double speed = mib / seconds * 8;
  if (speed == 0) speed = 1;
  const auto whole_minutes = std::chrono::duration_cast<std::chrono::minutes>(elapsed);
  const double minutes =
      std::max(1.0, static_cast<double>(whole_minutes.count()) +
                        static_cast<double>((elapsed - whole_minutes).count()) / 60e9);
  return (1 - minutes / (1 + minutes)) + (1 - 1 / (1 + speed / 1024)) + 1.11;
}

Wei largest_acceptable_total(Duration elapsed, const DataVolume& data, const Price& price,
                             std::uint64_t leeway_bytes) {
  DataVolume most = data;
  most.up_bytes += leeway_bytes;
  return scaled(amount_due(elapsed, most, price), invoice_tolerance(elapsed, most.total()));
}

Wei next_max_unpaid(const Wei& current, const Wei& limit) {
  return std::min(U256::saturating_add(current, current.divided_by(3)), limit);
}

Duration next_charge_period(Duration current, Duration limit) {
  const Duration bounded = std::min(current, limit);
  return std::min(bounded + bounded / 3, limit);
}

Wei hermes_fee(const Wei& amount, std::uint32_t fee_per_10000) {
  const auto product = U256::checked_mul(amount, fee_per_10000);
  if (!product) return U256::max();  // the contract reverts
  const U256 hundredths = product->divided_by(100);
  const U256 fee = hundredths.divided_by(100);
  return hundredths.modulo(100) == 0 ? fee : U256::saturating_add(fee, 1);
}

}  // namespace myst::payment
