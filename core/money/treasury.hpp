// The money of one node on one chain: what Hermes promised each of its identities, what of that is
// settled, and how more gets settled. Sans-IO, like core/node: feed handle_*, then drain
// poll_action and poll_event and arm one timer with next_timeout.
//
//   Treasury treasury(config, rng);
//   treasury.start(now);                               // reads what is stored
//   treasury.handle_unlocked(now, signer);             // each identity that may be used
//   treasury.submit(now, exchange);                    // each accepted payment -> ExchangeDone
//
// Payments that were accepted but never exchanged (a crash, Hermes away) are on disk as claims;
// they are exchanged when their identity is unlocked, and tried again every few minutes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/money/migrator.hpp"
#include "core/money/promise_desk.hpp"
#include "core/money/registrar.hpp"
#include "core/money/settler.hpp"
#include "core/money/withdrawer.hpp"

namespace myst::core::money {

class Treasury {
 public:
  struct Config {
    Settler::Config settler;
    SettleLimits limits;
    Registrar::Config registrar;              // its chain is the settler's
    std::vector<Settler::ChainFacts> chains;  // that one, and others to withdraw to
    Duration claim_retry = std::chrono::minutes{5};
  };
  static constexpr std::size_t kMaxChannels = 4096;  // full: a channel more is not shown

  Treasury(const Config& config, Rng& rng);

  void start(Now now);
  void handle_unlocked(Now now, std::shared_ptr<const Signer> signer);
  void handle_locked(const Address& identity) { signers_.erase(identity); }
  // A provider that is registered is settled by the rules.
  void handle_registered(Now now, const Address& identity);

  struct Exchange {
    std::uint64_t request = 0;
    Address provider;
    Bytes message;
    Secret<32> r;
    U256 agreement;
  };
  void submit(Now now, Exchange exchange);  // -> ExchangeDone

  struct SettleRequest {
    std::uint64_t request = 0;
    Address provider;
    std::vector<Address> hermeses;  // empty: the active one
    bool into_stake = false;
    std::optional<Address> beneficiary;
  };
  void settle(Now now, SettleRequest request);  // -> SettleDone, when all are through
  struct WithdrawRequest {
    std::uint64_t request = 0;
    Address provider, hermes;  // zero: the active one
    std::uint64_t from = 0, to = 0;
    Address beneficiary;
    std::optional<Wei> amount;  // nullopt: everything
  };
  void withdraw(Now now, WithdrawRequest request);  // -> SettleDone, once Hermes has promised it
  // -> SettleDone, when the transactor has taken it.
  void decrease_stake(Now now, std::uint64_t request, const Address& provider, const Wei& amount);
  // From an older Hermes to the active one. -> SettleDone; MigrationChecked.
  void migrate(Now now, std::uint64_t request, const Address& identity);
  void check_migration(Now now, std::uint64_t request, const Address& identity);
  // -> RegisterDone, and RegistrationChanged as it goes on.
  void register_identity(Now now, Registrar::Order order);
  // One that was in progress when the last run ended.
  void resume_registration(Now now, const Address& identity) { registrar_.resume(now, identity); }
  // Reads channel states again.
  void refresh(Now now, const Address& provider);

  // Before handle_action_done of a CallTransactor that was refused: the reason, one sentence.
  void handle_refused(std::string why) { fx_.refused(std::move(why)); }
  void handle_action_done(Now now, ActionId id, Result<Outcome> result) {
    fx_.answer(now, id, std::move(result));
  }
  void handle_timeout(Now now);
  std::optional<Action> poll_action() { return fx_.poll_action(); }
  std::optional<Event> poll_event() { return fx_.poll_event(); }
  std::optional<Instant> next_timeout() const;

  // --- views
  struct HermesEarnings {
    Address hermes;
    Earnings earnings;
    Wei in_settlement;  // part of what is not settled: the transactor has it
  };
  std::vector<HermesEarnings> earnings(const Address& provider) const;
  std::size_t waiting() const { return desk_.waiting(); }

 private:
  struct Key {
    std::uint64_t chain = 0;
    Address provider, hermes;
    bool operator<(const Key& o) const {
      return std::tie(chain, provider, hermes) < std::tie(o.chain, o.provider, o.hermes);
    }
  };
  struct Channel {
    std::optional<StoredPromise> promise;
    ChannelAmounts amounts;
    bool read = false;           // amounts are of the chain
    bool stored_before = false;  // the promise is of an earlier run, and not looked at yet
  };
  const StoredPromise* stored(std::uint64_t chain, const Address& provider,
                              const Address& hermes) const;
  const StoredPromise* stored_withdrawal(std::uint64_t chain, const Address& provider,
                                         const Address& hermes) const;
  std::shared_ptr<const Signer> signer_of(const Address& identity) const;
  void received(Now now, const StoredPromise& promise);
  void keep(const StoredPromise& promise);
  void read_channel(Now now, const Key& key);
  void find_lost_history(const Key& key);
  void consider(Now now, const Key& key);
  void load_claims(Now now, const Address& provider);
  void recover_promise(Now now, const std::shared_ptr<const Signer>& signer);
  void reveal_again(const std::shared_ptr<const Signer>& signer, const StoredPromise& held);
  void refresh_promise(const std::shared_ptr<const Signer>& signer, const SignedPromise& latest);

  Config config_;
  Rng& rng_;
  EffectQueue fx_;
  std::map<Key, Channel> channels_;
  std::map<Key, StoredPromise> withdrawals_;  // bounded like the channels
  std::map<Address, std::shared_ptr<const Signer>> signers_;
  std::set<Address> registered_, recovered_;
  bool loaded_ = false;
  std::optional<Instant> claims_at_;
  PromiseDesk desk_;
  Settler settler_;
  Registrar registrar_;
  Withdrawer withdrawer_;
  Migrator migrator_;
};

}  // namespace myst::core::money
