#include "core/money/migrator.hpp"

#include <utility>
#include <variant>
#include <vector>

#include "core/money/run_times.hpp"
#include "core/payment/channel.hpp"
#include "core/payment/signed_requests.hpp"

namespace myst::core::money {

// The one that is not active; none when there are several: nobody could say which.
std::optional<Address> Migrator::old_hermes() const {
  std::optional<Address> found;
  for (const Address& hermes : config_.chain.known_hermeses) {
    if (hermes == config_.chain.hermes || hermes == found) continue;
    if (found) return std::nullopt;
    found = hermes;
  }
  return found;
}

template <typename T>
void Migrator::ask(const LookPtr& look, Action action, std::function<void(Now, T&)> then) {
  const auto answered = [look, then = std::move(then)](Now now, Result<Outcome>& result) {
    auto value = outcome_of<T>(result);
    if (!value.ok()) return look->done(now, value.error());
    then(now, *value);
  };
  std::visit([&](auto& a) { fx_.ask(std::move(a), answered); }, action);
}

void Migrator::check(Now now, const Address& identity, Checked done) {
  const auto old = old_hermes();
  if (!old) return done(now, false);
  auto look = std::make_shared<Look>();
  look->identity = identity;
  look->old = *old;
  look->done = std::move(done);
  const std::uint64_t chain = config_.chain.id;
  ask<Yes>(look, CheckRegistry{0, chain, identity}, [this, look, chain](Now at, Yes& registered) {
    if (!registered.value) return look->done(at, false);
    ask<Purse>(look, ReadPurse{0, chain, look->identity, look->old},
               [this, look, chain](Now then, Purse& before) {
                 if (!before.open) return look->done(then, false);
                 look->before = before;
                 ask<Purse>(look, ReadPurse{0, chain, look->identity, config_.chain.hermes},
                            [this, look, chain](Now, Purse& after) {
                              look->after = after;
                              ask<Wei>(look, LoadPromised{0, chain, look->identity, look->old},
                                       [this, look, chain](Now, Wei& promised) {
                                         look->promised = promised;
                                         ask<ChannelAmounts>(
                                             look,
                                             ReadChannel{0, chain, look->identity, look->old, true},
                                             [this, look](Now last, ChannelAmounts& amounts) {
                                               look->done(last, needed(*look, amounts.settled));
                                             });
                                       });
                            });
               });
  });
}

bool Migrator::needed(const Look& look, const Wei& paid_out) const {
  if (!look.after.open) return true;
  const StoredPromise* held = stored_(config_.chain.id, look.identity, look.old);
  if (held != nullptr && held->promise.promise.amount > paid_out) return true;
  const Wei left = Wei::saturating_sub(look.before.tokens,
                                       Wei::saturating_sub(look.promised, look.before.settled));
  return left > config_.least && look.after.tokens.is_zero();
}

void Migrator::start(Now now, const Address& identity, std::shared_ptr<const Signer> signer,
                     Then then) {
  if (signer == nullptr) return then(now, "the identity is locked: unlock it first");
  if (runs_.count(identity) != 0) return then(now, "a migration is already in progress");
  Run& run = runs_[identity];
  run.signer = std::move(signer);
  run.then = std::move(then);
  run.old = old_hermes().value_or(Address());
  run.give_up_at = now.instant + config_.limit;
  check(now, identity, [this, identity](Now at, const Result<bool>& needed) {
    if (!needed.ok()) {
      return end(at, identity, std::string("not known what to do: ") + needed.error().what);
    }
    if (!*needed) return end(at, identity, "");
    open(at, identity);
  });
}

void Migrator::end(Now now, const Address& identity, const std::string& problem) {
  const auto found = runs_.find(identity);
  if (found == runs_.end()) return;
  const Then then = std::move(found->second.then);
  runs_.erase(found);
  then(now, problem);
}

void Migrator::open(Now, const Address& identity) {
  fx_.ask(ReadPurse{0, config_.chain.id, identity, config_.chain.hermes},
          [this, identity](Now now, Result<Outcome>& result) {
            const auto purse = outcome_of<Purse>(result);
            if (!purse.ok()) return end(now, identity, "channel not read");
            if (purse->open) return move(now, identity);
            const Settler::ChainFacts& chain = config_.chain;
            const auto signature = payment::sign_terms(
                *runs_[identity].signer,
                payment::OpenChannelTerms{chain.id, chain.registry, chain.hermes, Wei()});
            if (!signature.ok()) return end(now, identity, "the new channel could not be signed");
            OpenChannel call{chain.id, chain.registry, chain.hermes, *signature};
            fx_.ask(CallTransactor{0, chain.id, std::move(call)},
                    [this, identity](Now at, Result<Outcome>& taken) {
                      if (taken.ok()) {
                        runs_[identity].poll_at = at.instant + config_.poll;
                        return;
                      }
                      const std::string& why = fx_.refusal();
                      end(at, identity,
                          "the transactor opens no channel: " +
                              (why.empty() ? std::string(taken.error().what) : why));
                    });
          });
}

void Migrator::poll(const Address& identity) {
  runs_[identity].poll_at.reset();
  fx_.ask(ReadPurse{0, config_.chain.id, identity, config_.chain.hermes},
          [this, identity](Now now, Result<Outcome>& result) {
            const auto found = runs_.find(identity);
            if (found == runs_.end()) return;
            const auto purse = outcome_of<Purse>(result);
            if (purse.ok() && purse->open) return move(now, identity);
            if (now.instant >= found->second.give_up_at) {
              return end(now, identity, "the new channel is still not open");
            }
            found->second.poll_at = now.instant + config_.poll;
          });
}

void Migrator::move(Now now, const Address& identity) {
  const Settler::ChainFacts& chain = config_.chain;
  const Run& run = runs_[identity];
  Withdrawer::Order order;
  order.provider = identity;
  order.hermes = run.old;
  order.from = order.to = chain.id;
  order.beneficiary = payment::consumer_channel(identity, chain.hermes, chain.registry,
                                                chain.channel_implementation);
  order.signer = run.signer;
  withdrawer_.start(now, std::move(order), [this, identity](Now at, const std::string& problem) {
    end(at, identity, problem);
  });
}

void Migrator::handle_timeout(Now now) {
  for (const Address& identity :
       due_runs(runs_, now.instant, [](const Run& run) { return run.poll_at; })) {
    poll(identity);
  }
}

std::optional<Instant> Migrator::next_timeout() const {
  return next_run(runs_, [](const Run& run) { return run.poll_at; });
}

}  // namespace myst::core::money
