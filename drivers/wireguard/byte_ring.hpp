// Records from one thread to another through a ring of bytes, without locks or allocation: one
// thread pushes, one pops.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>

#include "core/base/span.hpp"

namespace myst::wireguard {

class ByteRing {
 public:
  // size: a power of two.
  explicit ByteRing(std::uint32_t size) : size_(size), bytes_(new std::uint8_t[size]) {}

  // False: full, nothing pushed. The record is both parts, one after the other.
  bool push(ByteSpan head, ByteSpan body) {
    const auto length = static_cast<std::uint32_t>(head.size() + body.size());
    const std::uint32_t write = write_.load(std::memory_order_relaxed);
    const std::uint32_t used = write - read_.load(std::memory_order_acquire);
    if (sizeof(length) + length > size_ - used) return false;
    std::uint8_t prefix[sizeof(length)];
    std::memcpy(prefix, &length, sizeof(length));
    put(write, prefix);
    put(write + static_cast<std::uint32_t>(sizeof(length)), head);
    put(write + static_cast<std::uint32_t>(sizeof(length) + head.size()), body);
    write_.store(write + static_cast<std::uint32_t>(sizeof(length)) + length,
                 std::memory_order_release);
    return true;
  }

  // The size of the next record in `out` (cut to its size), or -1 when there is none.
  std::int64_t pop(MutableByteSpan out) {
    const std::uint32_t read = read_.load(std::memory_order_relaxed);
    if (write_.load(std::memory_order_acquire) == read) return -1;
    std::uint8_t prefix[sizeof(std::uint32_t)];
    get(read, prefix);
    std::uint32_t length = 0;
    std::memcpy(&length, prefix, sizeof(length));
    const std::uint32_t wanted =
        length < out.size() ? length : static_cast<std::uint32_t>(out.size());
    get(read + static_cast<std::uint32_t>(sizeof(length)), out.first(wanted));
    read_.store(read + static_cast<std::uint32_t>(sizeof(length)) + length,
                std::memory_order_release);
    return wanted;
  }

  std::uint32_t used() const {
    return write_.load(std::memory_order_acquire) - read_.load(std::memory_order_acquire);
  }
  std::uint32_t size() const { return size_; }

 private:
  void put(std::uint32_t at, ByteSpan data) {
    const std::uint32_t offset = at & (size_ - 1);
    const auto size = static_cast<std::uint32_t>(data.size());
    const std::uint32_t first = size < size_ - offset ? size : size_ - offset;
    if (first != 0) std::memcpy(bytes_.get() + offset, data.data(), first);
    if (size != first) std::memcpy(bytes_.get(), data.data() + first, size - first);
  }
  void get(std::uint32_t at, MutableByteSpan out) const {
    const std::uint32_t offset = at & (size_ - 1);
    const auto size = static_cast<std::uint32_t>(out.size());
    const std::uint32_t first = size < size_ - offset ? size : size_ - offset;
    if (first != 0) std::memcpy(out.data(), bytes_.get() + offset, first);
    if (size != first) std::memcpy(out.data() + first, bytes_.get(), size - first);
  }

  const std::uint32_t size_;
  std::unique_ptr<std::uint8_t[]> bytes_;
  alignas(64) std::atomic<std::uint32_t> write_{0};
  alignas(64) std::atomic<std::uint32_t> read_{0};
};

}  // namespace myst::wireguard
