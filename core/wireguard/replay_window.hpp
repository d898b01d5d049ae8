// Which counters of a receiving key were seen: a ring of bits, RFC 6479 style. A counter may come
// late by up to kReplayWindow - 64. Belongs to the receiving thread.
#pragma once

#include <array>
#include <cstdint>

#include "core/wireguard/messages.hpp"

namespace myst::core::wireguard {

class ReplayWindow {
 public:
  // True: new, and now marked as seen. Only for authentic counters.
  bool accept(std::uint64_t counter) {
    if (counter >= kRejectAfterMessages) return false;
    const std::uint64_t word = counter / 64;
    if (counter > last_ || !any_) {
      const std::uint64_t last_word = last_ / 64;
      std::uint64_t fresh = word - last_word;
      if (fresh > kWords) fresh = kWords;
      for (std::uint64_t i = 1; i <= fresh; ++i) bits_[(last_word + i) % kWords] = 0;
      last_ = counter;
      any_ = true;
    } else if (last_ - counter > kReplayWindow - 64) {
      return false;
    }
    std::uint64_t& bits = bits_[word % kWords];
    const std::uint64_t bit = std::uint64_t{1} << (counter % 64);
    if ((bits & bit) != 0) return false;
    bits |= bit;
    return true;
  }

 private:
  static constexpr std::uint64_t kWords = kReplayWindow / 64;
  std::array<std::uint64_t, kWords> bits_{};
  std::uint64_t last_ = 0;
  bool any_ = false;
};

}  // namespace myst::core::wireguard
