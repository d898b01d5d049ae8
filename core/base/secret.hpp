// Key material: wiped on destruction and on move, no printer, compared in constant time.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/base/span.hpp"

namespace myst {

inline void wipe(void* data, std::size_t size) {
  if (size == 0) return;  // data may then be null, which memset forbids
  std::memset(data, 0, size);
  __asm__ __volatile__("" : : "r"(data) : "memory");  // the store may not be optimised away
}

inline bool equal_constant_time(ByteSpan a, ByteSpan b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned>(a[i] ^ b[i]);
  return difference == 0;
}

template <std::size_t N>
class Secret {
 public:
  Secret() = default;
  explicit Secret(const ByteArray<N>& bytes) : bytes_(bytes) {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  Secret(Secret&& other) noexcept : bytes_(other.bytes_) { other.clear(); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      other.clear();
    }
    return *this;
  }
  ~Secret() { clear(); }

  static constexpr std::size_t size() { return N; }
  ByteSpan bytes() const { return bytes_; }
  MutableByteSpan mutable_bytes() { return bytes_; }
  const std::uint8_t* data() const { return bytes_.data(); }
  void clear() { wipe(bytes_.data(), N); }
  bool operator==(const Secret& other) const { return equal_constant_time(bytes_, other.bytes_); }
  bool operator!=(const Secret& other) const { return !(*this == other); }

 private:
  ByteArray<N> bytes_{};
};

}  // namespace myst
