// Registers identities on the chain through the transactor, and follows each registration to an end
// that its owner is told: Registered, or Failed with a reason. It never stays in progress for ever.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/money/effect_queue.hpp"
#include "core/money/settler.hpp"

namespace myst::core::money {

class Registrar {
 public:
  struct Config {
    Duration first_poll = std::chrono::seconds{1};  // then twice as long each time
    Duration poll_interval = std::chrono::seconds{20};
    Duration limit = std::chrono::minutes{20};
  };
  static constexpr std::size_t kMaxRuns = 64;  // full: refused with a reason

  struct Order {
    std::uint64_t request = 0;
    Address identity;
    std::optional<Wei> fee;      // agreed on before; else it is asked for
    std::string beneficiary;     // address; empty: the identity's own channel
    std::string referral_token;  // not empty: nothing is paid
    std::shared_ptr<const Signer> signer;
  };

  Registrar(EffectQueue& fx, Settler::ChainFacts chain, const Config& config)
      : fx_(fx), chain_(std::move(chain)), config_(config) {}

  void start(Now now, Order order);
  // Follows one that the transactor took in an earlier run.
  void resume(Now now, const Address& identity);
  void handle_timeout(Now now);
  std::optional<Instant> next_timeout() const;

 private:
  struct Run {
    Instant give_up_at{};
    Duration pause{};
    std::optional<Instant> poll_at;  // nullopt: being sent or asked
    std::string last_problem;
  };
  void with_fee(Now now, const Order& order, const Wei& fee);
  void refuse(const Order& order, RegisterDone::Problem problem, std::string reason);
  void poll(const Address& identity);
  void look_at_transactor(const Address& identity);
  void wait(Now now, const Address& identity);
  void end(const Address& identity, RegistrationPhase phase, std::string reason);

  EffectQueue& fx_;
  Settler::ChainFacts chain_;
  Config config_;
  std::map<Address, Run> runs_;
};

}  // namespace myst::core::money
