// When may the loop delete what data threads read without locks? A data thread is online while it
// may hold such pointers and offline while it sleeps. What is unpublished now may go once every
// thread has been offline, or come online anew, since.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace myst::wireguard {

class Quiescence {
 public:
  static constexpr std::size_t kThreads = 2;

  // Data thread. Pointers may be loaded (seq_cst) after online() and until offline().
  void online(std::size_t thread) {
    seen_[thread].value.store(epoch_.load(std::memory_order_seq_cst), std::memory_order_seq_cst);
  }
  void offline(std::size_t thread) {
    seen_[thread].value.store(kOffline, std::memory_order_release);
  }

  // Loop: after unpublishing. The ticket passes when nobody can hold what was unpublished.
  std::uint64_t ticket() { return epoch_.fetch_add(1, std::memory_order_seq_cst) + 1; }
  bool passed(std::uint64_t ticket) const {
    for (const Seen& seen : seen_) {
      if (seen.value.load(std::memory_order_seq_cst) < ticket) return false;
    }
    return true;
  }

 private:
  static constexpr std::uint64_t kOffline = UINT64_MAX;
  struct alignas(64) Seen {
    std::atomic<std::uint64_t> value{kOffline};
  };
  std::atomic<std::uint64_t> epoch_{1};
  Seen seen_[kThreads];
};

}  // namespace myst::wireguard
