// Text, bytes and arithmetic of 256-bit integers agree with each other.
#include <cstdlib>

#include "core/base/u256.hpp"
#include "core/payment/price.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  const ByteSpan all(data, size);
  if (const auto value = U256::parse_wire(as_text(all)); value.ok()) {
    const std::string text = value->to_string();
    if (*U256::parse(text) != *value || text.size() > U256::kMaxDigits) std::abort();
    if (*U256::from_bytes(value->to_minimal_bytes()) != *value) std::abort();
  }
  if (size < 8) return 0;
  std::uint64_t divisor = 0;
  for (std::size_t i = 0; i < 8; ++i) divisor = divisor << 8 | data[i];
  const std::size_t half = 8 + (size - 8) / 2;
  const auto a = U256::from_bytes(all.subspan(8, half - 8));
  const auto b = U256::from_bytes(all.subspan(half));
  if (!a.ok() || !b.ok()) return 0;
  if (const auto sum = U256::checked_add(*a, *b)) {
    if (*U256::checked_sub(*sum, *b) != *a) std::abort();
  } else if (U256::saturating_add(*a, *b) != U256::max()) {
    std::abort();
  }
  if (divisor != 0) {
    const U256 quotient = a->divided_by(divisor);
    const auto back = U256::checked_mul(quotient, divisor);
    if (!back || *U256::checked_add(*back, a->modulo(divisor)) != *a) std::abort();
    if (a->modulo(divisor) >= divisor) std::abort();
  }
  // Doubling by the exact product of the price arithmetic agrees with addition.
  const auto twice = U256::checked_add(*a, *a);
  if (payment::scaled(*a, 2) != (twice ? *twice : U256::max())) std::abort();
  if (payment::scaled(*a, 1) != *a) std::abort();
  return 0;
}
