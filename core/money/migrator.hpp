// Moves what a consumer has with an older Hermes to the active one: opens its channel there, and
// withdraws from the old one into it (reference: consumer/migration/hermes_migrator.go). Whether
// that is needed is read from the chain each time, so nothing has to be remembered.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/money/withdrawer.hpp"

namespace myst::core::money {

class Migrator {
 public:
  struct Config {
    Settler::ChainFacts chain;
    Duration poll = std::chrono::seconds{5};
    Duration limit = std::chrono::hours{1};
    Wei least{100000000000000000u};  // 0.1 tokens: less is not worth the fees
  };
  using Checked = std::function<void(Now, Result<bool>)>;
  using Then = Withdrawer::Then;

  Migrator(EffectQueue& fx, Config config, Withdrawer& withdrawer, Withdrawer::Stored stored)
      : fx_(fx), config_(std::move(config)), withdrawer_(withdrawer), stored_(std::move(stored)) {}

  void check(Now now, const Address& identity, Checked done);
  void start(Now now, const Address& identity, std::shared_ptr<const Signer> signer, Then then);
  void handle_timeout(Now now);
  std::optional<Instant> next_timeout() const;

 private:
  struct Look {  // what there is on both sides
    Address identity, old;
    Checked done;
    Purse before, after;
    Wei promised;
  };
  using LookPtr = std::shared_ptr<Look>;
  struct Run {
    std::shared_ptr<const Signer> signer;
    Then then;
    Address old;
    Instant give_up_at{};
    std::optional<Instant> poll_at;
  };
  std::optional<Address> old_hermes() const;
  template <typename T>
  void ask(const LookPtr& look, Action action, std::function<void(Now, T&)> then);
  bool needed(const Look& look, const Wei& paid_out) const;
  void end(Now now, const Address& identity, const std::string& problem);
  void open(Now now, const Address& identity);
  void poll(const Address& identity);
  void move(Now now, const Address& identity);

  EffectQueue& fx_;
  Config config_;
  Withdrawer& withdrawer_;
  Withdrawer::Stored stored_;
  std::map<Address, Run> runs_;
};

}  // namespace myst::core::money
