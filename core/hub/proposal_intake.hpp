// Whether a message the hub reads from its broker may change the index: the payload is not signed,
// so the identity proved by the subject must be the provider named in the payload.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace myst::core {

class ProposalIntake {
 public:
  struct Config {
    Duration max_skew = std::chrono::seconds{300};
    // Also take "*.proposal-...": from a gate that does not put the signer there. Whoever can
    // publish to the broker directly can then announce and remove anybody.
    bool accept_unnamed = false;
  };
  enum class Kind : std::uint8_t { Announce, Withdraw };
  struct Order {
    Kind kind = Kind::Announce;
    std::string provider_id;  // who may be announced or withdrawn; empty: anybody (accept_unnamed)
  };
  explicit ProposalIntake(const Config& config) : config_(config) {}

  // What the hub subscribes to: behind a gate, and on a bare nats-server.
  static const char* const kSubjects[7];

  // Malformed: not a proposal subject. Rejected: forged, stale, or nobody named.
  Result<Order> judge(Now now, std::string_view subject) const;

 private:
  Config config_;
};

}  // namespace myst::core
