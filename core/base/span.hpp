// A view of contiguous elements: parameters only, lives no longer than the call (C++17 has no
// std::span).
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <vector>

namespace myst {

template <typename T>
class Span {
 public:
  using Value = std::remove_const_t<T>;
  constexpr Span() = default;
  constexpr Span(T* data, std::size_t size) : data_(data), size_(size) {}
  template <std::size_t N>
  constexpr Span(T (&array)[N]) : data_(array), size_(N) {}  // NOLINT: implicit by design
  // From anything with data() and size(): std::array, std::vector, std::string of the right type.
  template <typename C, typename = std::enable_if_t<
                            std::is_convertible_v<decltype(std::declval<C&>().data()), T*>>>
  constexpr Span(C&& container)  // NOLINT: implicit by design
      : data_(container.data()), size_(container.size()) {}

  constexpr T* data() const { return data_; }
  constexpr std::size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr T* begin() const { return data_; }
  constexpr T* end() const { return data_ + size_; }
  constexpr T& operator[](std::size_t i) const {
    assert(i < size_);
    return data_[i];
  }
  // The caller has checked the bounds; out of range is our own mistake.
  constexpr Span subspan(std::size_t offset) const {
    assert(offset <= size_);
    return {data_ + offset, size_ - offset};
  }
  constexpr Span subspan(std::size_t offset, std::size_t count) const {
    assert(offset <= size_ && count <= size_ - offset);
    return {data_ + offset, count};
  }
  constexpr Span first(std::size_t count) const { return subspan(0, count); }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

using ByteSpan = Span<const std::uint8_t>;
using MutableByteSpan = Span<std::uint8_t>;
using Bytes = std::vector<std::uint8_t>;
template <std::size_t N>
using ByteArray = std::array<std::uint8_t, N>;

inline ByteSpan as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(ByteSpan bytes) { return Bytes(bytes.begin(), bytes.end()); }

}  // namespace myst
