// An Rng that hands out prepared bytes first and seeded ones after that.
#pragma once

#include <cstdlib>
#include <deque>

#include "tests/support/support.hpp"

namespace myst::test {

class ScriptedRng final : public Rng {
 public:
  void add(ByteSpan bytes) { script_.insert(script_.end(), bytes.begin(), bytes.end()); }
  void fill(MutableByteSpan out) override {
    if (script_.empty()) return rest_.fill(out);
    for (std::uint8_t& byte : out) {
      if (script_.empty()) vector_error_on_short_script();
      byte = script_.front();
      script_.pop_front();
    }
  }

 private:
  static void vector_error_on_short_script() { std::abort(); }
  std::deque<std::uint8_t> script_;
  SeededRng rest_{99};
};

}  // namespace myst::test
