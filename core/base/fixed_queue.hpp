// First in, first out, at most N elements in place. push() on a full queue changes nothing and
// returns false: the caller writes down what that means.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <utility>

namespace myst {

template <typename T, std::size_t N>
class FixedQueue {
 public:
  static constexpr std::size_t capacity() { return N; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == N; }

  [[nodiscard]] bool push(T value) {
    if (full()) return false;
    items_[(head_ + size_) % N] = std::move(value);
    ++size_;
    return true;
  }
  std::optional<T> pop() {
    if (empty()) return std::nullopt;
    std::optional<T> value(std::move(items_[head_]));
    items_[head_] = T{};
    head_ = (head_ + 1) % N;
    --size_;
    return value;
  }
  void clear() {
    while (pop()) {
    }
  }

 private:
  std::array<T, N> items_{};
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

}  // namespace myst
