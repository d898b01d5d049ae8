#include "core/money/treasury.hpp"

#include <algorithm>
#include <utility>

#include "core/payment/channel.hpp"
#include "core/payment/recovery.hpp"
#include "core/payment/signed_requests.hpp"

namespace myst::core::money {
namespace {

Withdrawer::Config withdrawals_of(const Treasury::Config& config) {
  Withdrawer::Config out;
  out.chains = config.chains;
  out.first_check = config.settler.first_check;
  out.check_interval = config.settler.check_interval;
  out.limit = config.settler.limit;
  return out;
}

Migrator::Config migration_of(const Treasury::Config& config) {
  Migrator::Config out;
  out.chain = config.settler.chain;
  return out;
}

}  // namespace

Treasury::Treasury(const Config& config, Rng& rng)
    : config_(config),
      rng_(rng),
      desk_(fx_, rng,
            PromiseDesk::Events{
                [this](Now now, const StoredPromise& promise) { received(now, promise); },
                [this](const StoredPromise& promise) { keep(promise); },
                [this](Now now, std::uint64_t, const Address& provider, const Address& hermes) {
                  settle(now, SettleRequest{0, provider, {hermes}, false, {}});
                },
                [this](std::uint64_t chain, const Address& provider, const Address& hermes) {
                  const StoredPromise* known = stored(chain, provider, hermes);
                  return known == nullptr ? Wei() : known->promise.promise.amount;
                },
                [this](std::uint64_t chain, const Address& provider, const Address& hermes) {
                  return stored(chain, provider, hermes);
                }}),
      settler_(fx_, config.settler,
               Settler::Hooks{
                   [this](std::uint64_t chain, const Address& provider, const Address& hermes) {
                     return stored(chain, provider, hermes);
                   },
                   [this](Now, const StoredPromise& promise) { keep(promise); },
                   [this](Now, const Address& provider, const Address& hermes,
                          const ChannelAmounts& amounts) {
                     Channel& channel = channels_[{config_.settler.chain.id, provider, hermes}];
                     channel.amounts = amounts;
                     channel.read = true;
                     fx_.emit(EarningsChanged{provider});
                   },
                   [this](const Address& provider) { fx_.emit(EarningsChanged{provider}); }}),
      registrar_(fx_, config.settler.chain, config.registrar),
      withdrawer_(
          fx_, rng, withdrawals_of(config),
          [this](std::uint64_t chain, const Address& provider, const Address& hermes) {
            return stored_withdrawal(chain, provider, hermes);
          },
          [this](const StoredPromise& promise) { keep(promise); },
          [this](const Address& identity) { return signer_of(identity); }),
      migrator_(fx_, migration_of(config), withdrawer_,
                [this](std::uint64_t chain, const Address& provider, const Address& hermes) {
                  return stored_withdrawal(chain, provider, hermes);
                }) {}

const StoredPromise* Treasury::stored(std::uint64_t chain, const Address& provider,
                                      const Address& hermes) const {
  const auto found = channels_.find({chain, provider, hermes});
  return found == channels_.end() || !found->second.promise ? nullptr : &*found->second.promise;
}

const StoredPromise* Treasury::stored_withdrawal(std::uint64_t chain, const Address& provider,
                                                 const Address& hermes) const {
  const auto found = withdrawals_.find({chain, provider, hermes});
  return found == withdrawals_.end() ? nullptr : &found->second;
}

std::shared_ptr<const Signer> Treasury::signer_of(const Address& identity) const {
  const auto found = signers_.find(identity);
  return found == signers_.end() ? nullptr : found->second;
}

void Treasury::keep(const StoredPromise& promise) {
  const Key key{promise.promise.promise.chain_id, promise.provider, promise.hermes};
  if (promise.promise.promise.channel ==
      payment::withdrawal_channel_id(promise.provider, promise.hermes)) {
    if (withdrawals_.count(key) == 0 && withdrawals_.size() >= kMaxChannels) return;
    StoredPromise& held = withdrawals_[key];
    if (promise.promise.promise.amount >= held.promise.promise.amount) held = promise;
    return;
  }
  if (channels_.count(key) == 0 && channels_.size() >= kMaxChannels) return;
  Channel& channel = channels_[key];
  if (channel.promise && promise.promise.promise.amount < channel.promise->promise.promise.amount) {
    return;
  }
  channel.promise = promise;
}

void Treasury::start(Now now) {
  settler_.resume(now);  // first: what the transactor has already is not ordered anew
  fx_.ask(LoadPromises{0}, [this](Now at, Result<Outcome>& result) {
    auto promises = outcome_of<std::vector<StoredPromise>>(result);
    if (!promises.ok()) {
      fx_.note(true, std::string("promises not read: ") + promises.error().what, {});
    } else {
      for (const StoredPromise& promise : *promises) keep(promise);
    }
    loaded_ = true;
    for (auto& [key, channel] : channels_) {
      channel.stored_before = channel.promise.has_value();
      read_channel(at, key);
      fx_.emit(EarningsChanged{key.provider});
    }
    withdrawer_.resume(at);
    for (const auto& [address, signer] : signers_) {
      load_claims(at, address);
      recover_promise(at, signer);
    }
  });
}

void Treasury::handle_unlocked(Now now, std::shared_ptr<const Signer> signer) {
  const Address identity = signer->address();
  const bool first = signers_.insert_or_assign(identity, signer).second;
  if (!first || !loaded_) return;
  withdrawer_.handle_unlocked(now, identity);
  load_claims(now, identity);
  recover_promise(now, signer);
}

void Treasury::handle_registered(Now now, const Address& identity) {
  registered_.insert(identity);
  for (const auto& [key, channel] : channels_) {
    if (key.provider == identity && channel.read) consider(now, key);
  }
}

// --- payments into promises

void Treasury::submit(Now now, Exchange exchange) {
  const auto signer = signers_.find(exchange.provider);
  PromiseDesk::Job job;
  job.request = exchange.request;
  job.provider = exchange.provider;
  job.message = std::move(exchange.message);
  job.r = exchange.r;
  job.agreement = exchange.agreement;
  if (signer != signers_.end()) job.signer = signer->second;
  const Status status = desk_.submit(now, std::move(job));
  if (!status.ok() && exchange.request != 0) fx_.emit(ExchangeDone{exchange.request, status});
  claims_at_ = earliest(claims_at_, now.instant + config_.claim_retry);
}

void Treasury::load_claims(Now, const Address& provider) {
  fx_.ask(LoadClaims{0, provider}, [this, provider](Now now, Result<Outcome>& result) {
    auto claims = outcome_of<std::vector<Claim>>(result);
    if (!claims.ok()) return;
    for (Claim& claim : *claims) {
      submit(now, Exchange{0, provider, std::move(claim.message), claim.r, claim.agreement});
    }
  });
}

void Treasury::received(Now now, const StoredPromise& promise) {
  keep(promise);
  fx_.emit(EarningsChanged{promise.provider});
  const Key key{promise.promise.promise.chain_id, promise.provider, promise.hermes};
  const auto found = channels_.find(key);
  if (found == channels_.end()) return;
  if (!found->second.read) return read_channel(now, key);
  consider(now, key);
}

// A node that lost its database, or a promise whose R never arrived.
void Treasury::recover_promise(Now, const std::shared_ptr<const Signer>& signer) {
  const Address identity = signer->address();
  const Settler::ChainFacts& chain = config_.settler.chain;
  if (!recovered_.insert(identity).second) return;
  if (const StoredPromise* held = stored(chain.id, identity, chain.hermes)) {
    if (!held->revealed) reveal_again(signer, *held);
    return;
  }
  fx_.ask(CallHermes{0, chain.id, chain.hermes, AskProviderData{identity}, signer},
          [this, signer, identity](Now, Result<Outcome>& result) {
            const auto answer = outcome_of<HermesAnswer>(result);
            if (!answer.ok()) {
              recovered_.erase(identity);  // asked again at the next unlock
              return;
            }
            const auto* accounts = std::get_if<std::vector<hermes::AccountData>>(answer->get());
            if (accounts == nullptr) return;  // Hermes does not know us
            for (const hermes::AccountData& account : *accounts) {
              if (account.chain != config_.settler.chain.id) continue;
              if (account.latest.promise.amount.is_zero()) return;
              if (stored(account.chain, identity, config_.settler.chain.hermes) != nullptr) return;
              refresh_promise(signer, account.latest);
            }
          });
}

void Treasury::reveal_again(const std::shared_ptr<const Signer>& signer,
                            const StoredPromise& held) {
  RevealR reveal{to_bytes(held.r.bytes()), held.provider, held.agreement};
  fx_.ask(CallHermes{0, held.promise.promise.chain_id, held.hermes, std::move(reveal), signer},
          [this, held](Now, Result<Outcome>& result) {
            const auto answer = outcome_of<HermesAnswer>(result);
            if (!answer.ok() || std::holds_alternative<hermes::Refusal>(**answer)) return;
            const StoredPromise* now_held =
                stored(held.promise.promise.chain_id, held.provider, held.hermes);
            if (now_held == nullptr ||
                now_held->promise.promise.hashlock != held.promise.promise.hashlock) {
              return;  // a newer one came meanwhile
            }
            StoredPromise revealed = *now_held;
            revealed.revealed = true;
            keep(revealed);
            fx_.ask(StorePromise{0, std::move(revealed), {}}, nullptr);
          });
}

void Treasury::refresh_promise(const std::shared_ptr<const Signer>& signer,
                               const SignedPromise& latest) {
  const Settler::ChainFacts& chain = config_.settler.chain;
  const Address identity = signer->address();
  const Secret<32> r = payment::make_r(rng_);
  auto sealed =
      payment::seal_recovery(*signer, rng_, payment::RecoveryData{to_bytes(r.bytes()), U256()});
  if (!sealed.ok()) return;
  payment::Promise expected;
  expected.chain_id = chain.id;
  expected.channel = payment::provider_channel_id(identity, chain.hermes);
  expected.hashlock = payment::hashlock_of(r.bytes());
  expected.amount = latest.promise.amount;
  RefreshPromise refresh{chain.id, identity, expected.hashlock, std::move(*sealed)};
  fx_.ask(FindOperator{0, chain.id, chain.hermes}, [this, signer, identity, r, expected,
                                                    refresh = std::move(refresh)](
                                                       Now, Result<Outcome>& found) {
    const auto operator_key = outcome_of<Address>(found);
    if (!operator_key.ok()) return;
    fx_.ask(
        CallHermes{0, expected.chain_id, config_.settler.chain.hermes, refresh, signer},
        [this, signer, identity, r, expected, key = *operator_key](Now, Result<Outcome>& result) {
          const auto answer = outcome_of<HermesAnswer>(result);
          const auto* promise = answer.ok() ? std::get_if<SignedPromise>(answer->get()) : nullptr;
          if (promise == nullptr || !PromiseDesk::verify(*promise, expected, key).ok()) {
            fx_.note(true, "earnings known to hermes could not be recovered", identity);
            return;
          }
          StoredPromise held{identity, config_.settler.chain.hermes, *promise, r, {}, false, {}};
          fx_.ask(StorePromise{0, held, {}}, [this, signer, held](Now now, Result<Outcome>& kept) {
            if (!kept.ok()) return;
            fx_.note(false, "earnings recovered from hermes", held.provider);
            received(now, held);
            reveal_again(signer, held);
          });
        });
  });
}

// --- promises onto the chain

void Treasury::read_channel(Now, const Key& key) {
  fx_.ask(ReadChannel{0, key.chain, key.provider, key.hermes},
          [this, key](Now now, Result<Outcome>& result) {
            const auto amounts = outcome_of<ChannelAmounts>(result);
            if (!amounts.ok()) return;
            const auto found = channels_.find(key);
            if (found == channels_.end()) return;
            found->second.amounts = *amounts;
            found->second.read = true;
            fx_.emit(EarningsChanged{key.provider});
            find_lost_history(key);
            consider(now, key);
          });
}

// The last run may have ended between a settlement and its line in the history: the chain knows it,
// for as long as its logs are looked through. What is in the history already stays as it is.
void Treasury::find_lost_history(const Key& key) {
  Channel& channel = channels_[key];
  if (!std::exchange(channel.stored_before, false)) return;
  if (!channel.promise || channel.amounts.settled < channel.promise->promise.promise.amount) return;
  const Digest32 id = channel.promise->promise.promise.channel;
  const Wei total = channel.amounts.settled;
  fx_.ask(FindSettlements{0, key.chain, key.hermes, id, channel.promise->r},
          [this, key, id, total](Now now, Result<Outcome>& result) {
            auto found = outcome_of<std::vector<SettlementRecord>>(result);
            if (!found.ok()) return;
            for (SettlementRecord& one : *found) {
              one.provider = key.provider;
              one.hermes = key.hermes;
              one.chain = key.chain;
              one.channel = id;
              one.at = now.wall;
              one.total_settled = total;
              fx_.ask(StoreSettlement{0, std::move(one)}, nullptr);
            }
          });
}

void Treasury::refresh(Now now, const Address& provider) {
  for (const auto& [key, channel] : channels_) {
    (void)channel;
    if (key.provider == provider) read_channel(now, key);
  }
}

void Treasury::consider(Now, const Key& key) {
  if (key.chain != config_.settler.chain.id || registered_.count(key.provider) == 0) return;
  if (settler_.running(key.provider, key.hermes)) return;
  const Channel& channel = channels_[key];
  if (!channel.promise || !channel.read) return;
  const Earnings earnings{channel.promise->promise.promise.amount, channel.amounts.settled,
                          channel.amounts.stake};
  if (settler_.follows(key.provider, key.hermes, earnings.promised)) return;
  const SettleVerdict verdict = should_settle(earnings, config_.limits);
  if (verdict == SettleVerdict::No) return;
  const auto begin = [this, key](Now now, std::optional<Wei> max_fee) {
    const auto signer = signers_.find(key.provider);
    Settler::Order order{key.provider, key.hermes, std::move(max_fee), false, {}, nullptr};
    if (signer != signers_.end()) order.signer = signer->second;
    settler_.start(now, std::move(order), [this, key](Now, const std::string& problem) {
      if (!problem.empty()) fx_.note(true, "automatic settlement: " + problem, key.provider);
    });
  };
  // Also a settlement without a fee limit starts from here, never from inside a caller's loop.
  fx_.ask(FindFee{0, key.chain, FeeKind::Settle},
          [this, key, verdict, begin, earnings](Now now, Result<Outcome>& result) {
            if (settler_.running(key.provider, key.hermes)) return;
            if (verdict == SettleVerdict::Yes) return begin(now, {});
            const auto fee = outcome_of<Fee>(result);
            if (!fee.ok() || fee->amount >= largest_fee(earnings, config_.limits)) return;
            // It may grow by a tenth until it is used.
            begin(now, Wei::saturating_add(fee->amount, fee->amount.divided_by(10)));
          });
}

void Treasury::register_identity(Now now, Registrar::Order order) {
  const auto signer = signers_.find(order.identity);
  if (signer != signers_.end()) order.signer = signer->second;
  registrar_.start(now, std::move(order));
}

void Treasury::withdraw(Now now, WithdrawRequest request) {
  Withdrawer::Order order{request.provider,
                          request.hermes,
                          request.from,
                          request.to,
                          request.beneficiary,
                          request.amount,
                          signer_of(request.provider)};
  withdrawer_.start(now, std::move(order),
                    [this, id = request.request](Now, const std::string& problem) {
                      fx_.emit(SettleDone{id, problem.empty(), problem});
                    });
}

void Treasury::decrease_stake(Now, std::uint64_t request, const Address& provider,
                              const Wei& amount) {
  const auto refuse = [this, request](const std::string& why) {
    fx_.emit(SettleDone{request, false, why});
  };
  const auto signer = signer_of(provider);
  if (signer == nullptr) return refuse("the identity is locked: unlock it first");
  const Settler::ChainFacts& chain = config_.settler.chain;
  fx_.ask(ReadChannel{0, chain.id, provider, chain.hermes}, [this, refuse, request, signer, amount,
                                                             &chain](Now, Result<Outcome>& read) {
    const auto channel = outcome_of<ChannelAmounts>(read);
    if (!channel.ok()) return refuse("the stake could not be read");
    if (amount > channel->stake) return refuse("the stake is smaller than that");
    fx_.ask(FindFee{0, chain.id, FeeKind::DecreaseStake},
            [this, refuse, request, signer, amount, &chain,
             nonce = U256::saturating_add(channel->nonce, U256(1u))](Now, Result<Outcome>& found) {
              const auto fee = outcome_of<Fee>(found);
              if (!fee.ok()) return refuse("the fee for decreasing a stake is not known");
              DecreaseStake call;
              call.chain = chain.id;
              call.hermes = chain.hermes;
              call.provider = signer->address();
              call.channel = payment::provider_channel_id(call.provider, chain.hermes);
              call.amount = amount;
              call.fee = fee->amount;
              call.nonce = nonce;
              const auto signature = payment::sign_terms(
                  *signer, payment::StakeDecreaseTerms{call.chain, call.channel, call.amount,
                                                       call.fee, call.nonce});
              if (!signature.ok()) return refuse("the request could not be signed");
              call.signature = *signature;
              fx_.ask(CallTransactor{0, chain.id, std::move(call)},
                      [this, refuse, request](Now, Result<Outcome>& taken) {
                        if (taken.ok()) return fx_.emit(SettleDone{request, true, {}});
                        const std::string& why = fx_.refusal();
                        refuse(why.empty() ? std::string(taken.error().what) : why);
                      });
            });
  });
}

void Treasury::migrate(Now now, std::uint64_t request, const Address& identity) {
  migrator_.start(now, identity, signer_of(identity),
                  [this, request](Now, const std::string& problem) {
                    fx_.emit(SettleDone{request, problem.empty(), problem});
                  });
}

void Treasury::check_migration(Now now, std::uint64_t request, const Address& identity) {
  migrator_.check(now, identity, [this, request](Now, const Result<bool>& needed) {
    MigrationChecked out{request, {}, false};
    if (needed.ok()) {
      out.needed = *needed;
    } else {
      out.problem = needed.error().what;
    }
    fx_.emit(std::move(out));
  });
}

void Treasury::settle(Now now, SettleRequest request) {
  struct All {
    std::size_t missing = 0, good = 0;
    std::string problems;
  };
  std::vector<Address> hermeses = std::move(request.hermeses);
  if (hermeses.empty()) hermeses.push_back(config_.settler.chain.hermes);
  auto all = std::make_shared<All>();
  all->missing = hermeses.size();
  const auto signer = signers_.find(request.provider);
  for (const Address& hermes : hermeses) {
    Settler::Order order{request.provider,    hermes, {}, request.into_stake,
                         request.beneficiary, nullptr};
    if (signer != signers_.end()) order.signer = signer->second;
    settler_.start(now, std::move(order),
                   [this, all, id = request.request](Now, const std::string& problem) {
                     if (problem.empty()) {
                       ++all->good;
                     } else {
                       all->problems += (all->problems.empty() ? "" : "; ") + problem;
                     }
                     if (--all->missing > 0 || id == 0) return;
                     // A fee that does not pay off with one Hermes is no failure of the others.
                     fx_.emit(SettleDone{id, all->good > 0, all->problems});
                   });
  }
}

void Treasury::handle_timeout(Now now) {
  desk_.handle_timeout(now);
  settler_.handle_timeout(now);
  registrar_.handle_timeout(now);
  withdrawer_.handle_timeout(now);
  migrator_.handle_timeout(now);
  if (claims_at_ && now.instant >= *claims_at_) {
    claims_at_.reset();
    // What is being worked on will be found exchanged, or be answered the same way twice.
    if (desk_.waiting() == 0) {
      for (const auto& [address, signer] : signers_) {
        (void)signer;
        load_claims(now, address);
      }
    }
  }
}

std::optional<Instant> Treasury::next_timeout() const {
  return earliest(earliest(earliest(claims_at_, registrar_.next_timeout()),
                           earliest(withdrawer_.next_timeout(), migrator_.next_timeout())),
                  earliest(desk_.next_timeout(), settler_.next_timeout()));
}

std::vector<Treasury::HermesEarnings> Treasury::earnings(const Address& provider) const {
  std::vector<HermesEarnings> out;
  for (const auto& [key, channel] : channels_) {
    if (key.provider != provider || key.chain != config_.settler.chain.id) continue;
    Earnings earnings;
    if (channel.promise) earnings.promised = channel.promise->promise.promise.amount;
    earnings.settled = channel.amounts.settled;
    earnings.stake = channel.amounts.stake;
    // Where the chain shows it already it is settled, whatever is still being waited for.
    const Wei on_its_way = std::min(settler_.in_settlement(provider, key.hermes, earnings.settled),
                                    earnings.unsettled());
    out.push_back({key.hermes, earnings, on_its_way});
  }
  return out;
}

}  // namespace myst::core::money
