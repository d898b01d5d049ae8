#include "core/hub/hermes/rules.hpp"

#include <algorithm>

#include "core/hub/hermes/pruning.hpp"
#include "core/payment/channel.hpp"
#include "core/payment/signed_requests.hpp"

namespace myst::core::hermes {
namespace {

Refusal refuse(Cause cause, const char* message) { return {cause, message, ""}; }

// What a provider must do before it gets another promise.
Refusal reveal_first(const ProviderAccount& account) {
  if (account.recovery.empty()) {
    return refuse(Cause::PreviousRNotRevealed, "the R of the last promise is not revealed");
  }
  return {Cause::RRecoveryRequired, "the R of the last promise is not revealed", account.recovery};
}

Result<SignedPromise> sign(const Signer& operator_key, const payment::Promise& promise) {
  SignedPromise out;
  out.promise = promise;
  MYST_TRY_ASSIGN(out.signature, payment::sign_promise(operator_key, promise));
  return out;
}

void remember_r(Book& book, const ProviderKey& key, ProviderAccount account, ByteSpan r) {
  std::copy(r.begin(), r.end(), account.r.mutable_bytes().begin());
  account.revealed = true;
  if (!account.backing.promise.amount.is_zero()) {
    const ConsumerAccount* found = book.find(account.payer);
    if (found != nullptr && account.backing.promise.amount > found->cashable.promise.amount) {
      ConsumerAccount payer = *found;
      payer.cashable = account.backing;
      payer.cashable_r = account.r;
      book.put(account.payer, std::move(payer));
    }
  }
  book.put(key, std::move(account));
}

// The consumer's side after the message: nullopt with `why` set when it does not pay for `moved`.
struct Payment {
  ConsumerAccount account;
  bool late = false;  // older than the latest promise, paid out of what is held
};
std::variant<Payment, Refusal> pay(const ConsumerAccount& before, const SignedPromise& promise,
                                   const Wei& moved) {
  const Wei& amount = promise.promise.amount;
  Payment out{before, false};
  const auto accounted = Wei::checked_add(before.accounted, moved);
  if (!accounted) return refuse(Cause::PromiseValueTooLow, "amounts above 2^256");
  out.account.accounted = *accounted;
  const auto needed = Wei::checked_add(before.promised(), moved);
  if (needed && amount >= *needed) {
    out.account.held = Wei::saturating_add(before.held, *Wei::checked_sub(amount, *needed));
    out.account.latest = promise;
    return out;
  }
  if (amount >= before.promised() || moved.is_zero() || moved > before.held) {
    return refuse(Cause::PromiseValueTooLow,
                  "the promise does not cover the agreement and what was promised before");
  }
  // A consumer that pays two providers at once signs in one order, and the messages arrive in the
  // other. The later promise covers both, but only once its R is known.
  const Wei covered = Wei::saturating_add(out.account.accounted, before.opening);
  if (before.cashable.promise.amount < covered) {
    return refuse(Cause::TooManyRequests, "a later promise of this consumer is on its way");
  }
  out.account.held = *Wei::checked_sub(before.held, moved);
  out.late = true;
  return out;
}

}  // namespace

const ChainConfig* Terms::chain(std::uint64_t id) const {
  const auto at =
      std::find_if(chains.begin(), chains.end(), [&](const ChainConfig& c) { return c.id == id; });
  return at == chains.end() ? nullptr : &*at;
}

std::variant<VerifiedRequest, Refusal> verify_request(const Terms& terms,
                                                      const PromiseRequest& request) {
  const payment::Promise& promise = request.promise.promise;
  const ChainConfig* from = terms.chain(promise.chain_id);
  const ChainConfig* to = terms.chain(request.message.chain_id);
  if (from == nullptr || to == nullptr || (!request.withdrawal && from != to)) {
    return refuse(Cause::InvalidSignature, "a chain that is not ours");
  }
  if (!request.message.hermes ||
      (*request.message.hermes != to->hermes && *request.message.hermes != from->hermes)) {
    return refuse(Cause::InvalidSignature, "meant for another Hermes");
  }
  const auto signature = payment::contract_form(request.promise.signature);
  const auto message_signature = payment::contract_form(request.message_signature);
  if (!signature.ok() || !message_signature.ok()) {
    return refuse(Cause::InvalidSignature, "a signature contracts would refuse");
  }
  const auto consumer = payment::recover_promise_signer(promise, *signature);
  if (!consumer.ok()) return refuse(Cause::InvalidSignature, "the promise's signature");
  payment::ExchangeMessage message = request.message;
  message.promise_hash = payment::promise_hash(promise);
  const auto sender = payment::recover_exchange_signer(message, ByteSpan(*message_signature));
  if (!sender.ok() || *sender != *consumer) {
    return refuse(Cause::InvalidSignature, "message and promise are not signed by one identity");
  }
  const Address channel = payment::consumer_channel(*consumer, from->hermes, from->registry,
                                                    from->channel_implementation);
  if (promise.channel != payment::to_word(channel)) {
    return refuse(Cause::InvalidSignature, "not the signer's channel");
  }
  // A fee goes to whoever cashes the promise, not to us: nothing would be left to pay the provider.
  if (!promise.fee.is_zero()) {
    return refuse(Cause::PromiseValueTooLow, "a consumer's promise carries no fee");
  }
  if (request.message.provider.is_zero()) {
    return refuse(Cause::InvalidSignature, "no provider");
  }
  VerifiedRequest out;
  out.promise = {promise, *signature};
  out.consumer = {from->id, *consumer};
  out.provider = {to->id, request.message.provider, ChannelKind::Earnings};
  out.provider_channel = payment::provider_channel_id(request.message.provider, to->hermes);
  if (request.withdrawal) {
    if (request.message.provider != *consumer) {
      return refuse(Cause::InvalidSignature, "a withdrawal pays its own signer");
    }
    if (!request.r || payment::hashlock_of(request.r->bytes()) != promise.hashlock) {
      return refuse(Cause::HashlockMismatch, "a withdrawal carries the R of its promise");
    }
    out.provider.kind = ChannelKind::Withdrawal;
    out.provider_channel = payment::withdrawal_channel_id(*consumer, to->hermes);
    out.r = request.r;
  }
  out.agreement = request.message.agreement_id;
  out.total = request.message.agreement_total;
  out.fee = request.transactor_fee;
  out.recovery_data = request.recovery_data;
  return out;
}

std::optional<Refusal> verify_own_promise(const Terms& terms, const SignedPromise& promise) {
  if (terms.chain(promise.promise.chain_id) == nullptr) {
    return refuse(Cause::InvalidSignature, "a chain that is not ours");
  }
  const auto signer = payment::recover_promise_signer(promise.promise, promise.signature);
  if (!signer.ok() || *signer != terms.operator_key) {
    return refuse(Cause::InvalidSignature, "not a promise of this Hermes");
  }
  return std::nullopt;
}

std::variant<SignedPromise, Refusal, FactsWanted> issue(Book& book, const Terms& terms,
                                                        const Signer& operator_key,
                                                        const VerifiedRequest& request,
                                                        const Facts& facts, WallTime now) {
  const Wei& amount = request.promise.promise.amount;
  const ConsumerAccount* known_consumer = book.find(request.consumer);
  const ProviderAccount* known_provider = book.find(request.provider);
  const AgreementAccount* known_agreement = book.find(request.agreement_key());
  const Wei previous_total = known_agreement == nullptr ? Wei() : known_agreement->total;

  FactsWanted wanted;
  const bool trusted =
      known_consumer != nullptr && (known_consumer->registered || known_consumer->offchain);
  wanted.consumer = !facts.consumer && !trusted;
  // A provider we never issued for may come from a ledger that was lost.
  wanted.provider = !facts.provider && known_provider == nullptr;
  if (wanted.consumer || wanted.provider) return wanted;
  if (!trusted && !facts.consumer->registered) {
    return refuse(Cause::ConsumerUnregistered, "the consumer has no channel with this Hermes");
  }

  // The answer to the same request got lost: it is given again, whatever happened to R since.
  if (known_provider != nullptr && known_agreement != nullptr && request.total == previous_total &&
      known_provider->latest.promise.hashlock == request.promise.promise.hashlock &&
      known_provider->agreement == request.agreement && known_provider->payer == request.consumer &&
      known_provider->backing.promise == request.promise.promise) {
    if (known_provider->latest.promise.fee == request.fee) return known_provider->latest;
    ProviderAccount again = *known_provider;
    again.latest.promise.fee = request.fee;
    auto signed_again = sign(operator_key, again.latest.promise);
    if (!signed_again.ok()) return refuse(Cause::Internal, "cannot sign");
    again.latest = *signed_again;
    book.put(request.provider, std::move(again));
    return *signed_again;
  }

  if (known_agreement == nullptr) {
    const AgreementAccount* old = book.find(rolled_up(request.agreement_key()));
    if (old != nullptr && amount <= old->promised) {
      return refuse(Cause::PaymentValueTooLow, "of an agreement that was closed long ago");
    }
  }
  const auto moved = Wei::checked_sub(request.total, previous_total);
  if (!moved) {
    return refuse(Cause::PaymentValueTooLow, "the total is below an earlier one of this agreement");
  }

  ConsumerAccount before;
  if (known_consumer != nullptr) {
    before = *known_consumer;
  }
  if (facts.consumer) {
    before.registered = before.registered || facts.consumer->registered;
    before.settled = std::max(before.settled, facts.consumer->settled);
    if (!before.offchain) before.capacity = facts.consumer->capacity();
  }
  const bool first = before.promised().is_zero();
  if (first) {  // what was taken out of the channel before must have been promised before
    before.latest.promise.amount = before.settled;
    before.opening = before.settled;
  }
  auto paid = pay(before, request.promise, *moved);
  if (auto* refusal = std::get_if<Refusal>(&paid)) return std::move(*refusal);
  Payment& payment = std::get<Payment>(paid);
  if (first) {  // nobody can say whom the rest was meant for: it pays for nothing here
    payment.account.opening = Wei::saturating_add(before.opening, payment.account.held);
    payment.account.held = Wei();
  }
  if (amount > before.capacity) {
    if (!facts.consumer && !before.offchain) return FactsWanted{true, false};
    return refuse(Cause::Overspend, "the promise exceeds the balance of the consumer's channel");
  }

  ProviderAccount provider;
  if (known_provider != nullptr) provider = *known_provider;
  if (!provider.revealed) return reveal_first(provider);
  if (facts.provider) provider.settled = std::max(provider.settled, facts.provider->settled);
  if (provider.settled > provider.latest.promise.amount) {
    return refuse(Cause::InvalidPreviousPromise,
                  "more was settled than this ledger promised: hand in the last promise");
  }
  const auto promised = Wei::checked_add(provider.latest.promise.amount, *moved);
  if (!promised) return refuse(Cause::PaymentValueTooLow, "amounts above 2^256");
  if (!terms.max_unsettled.is_zero() &&
      *Wei::checked_sub(*promised, provider.settled) > terms.max_unsettled) {
    if (!facts.provider) return FactsWanted{false, true};
    return refuse(Cause::ProviderBalanceExhausted, "too much is promised and not settled");
  }

  payment::Promise ours;
  ours.chain_id = request.provider.chain;
  ours.channel = request.provider_channel;
  ours.amount = *promised;
  ours.fee = request.fee;
  ours.hashlock = request.promise.promise.hashlock;
  auto issued = sign(operator_key, ours);
  if (!issued.ok()) return refuse(Cause::Internal, "cannot sign");

  provider.latest = *issued;
  provider.agreement = request.agreement;
  provider.revealed = false;
  provider.r.clear();
  provider.recovery = request.recovery_data;
  provider.payer = request.consumer;
  provider.backing = request.promise;
  book.put(request.consumer, std::move(payment.account));
  book.put(request.agreement_key(),
           AgreementAccount{
               request.total,
               known_agreement == nullptr ? amount : std::max(amount, known_agreement->promised),
               now.time_since_epoch().count()});
  if (request.r) {
    remember_r(book, request.provider, std::move(provider), request.r->bytes());
  } else {
    book.put(request.provider, std::move(provider));
  }
  return *issued;
}

std::variant<Done, Refusal> reveal(Book& book, const Terms& terms, const RevealRequest& request) {
  const Digest32 hashlock = payment::hashlock_of(request.r);
  bool any = false;
  for (const ChainConfig& chain : terms.chains) {
    for (const ChannelKind kind : {ChannelKind::Earnings, ChannelKind::Withdrawal}) {
      const ProviderKey key{chain.id, request.provider, kind};
      const ProviderAccount* account = book.find(key);
      if (account == nullptr) continue;
      any = true;
      if (request.r.size() != 32 || account->latest.promise.hashlock != hashlock) continue;
      if (!account->revealed) remember_r(book, key, *account, request.r);
      return Done{};
    }
  }
  return any ? refuse(Cause::HashlockMismatch, "this R opens no promise of that provider")
             : refuse(Cause::NoPreviousPromise, "nothing was promised to that provider");
}

std::variant<SignedPromise, Refusal> change_fee(Book& book, const Signer& operator_key,
                                                const ChangeFeeRequest& request) {
  const payment::Promise& given = request.promise.promise;
  if (request.r.size() != 32 || payment::hashlock_of(request.r) != given.hashlock) {
    return refuse(Cause::HashlockMismatch, "this R does not open that promise");
  }
  if (request.new_fee > given.amount) {
    return refuse(Cause::PromiseValueTooLow, "the fee exceeds the promise");
  }
  const auto key = book.owner(given.chain_id, given.channel);
  const ProviderAccount* account = key ? book.find(*key) : nullptr;
  if (account == nullptr) return refuse(Cause::NoPreviousPromise, "an unknown channel");
  const payment::Promise& latest = account->latest.promise;
  if (given.amount > latest.amount) {
    return refuse(Cause::InvalidPreviousPromise, "this ledger promised less: hand in the promise");
  }
  payment::Promise changed = given;
  changed.fee = request.new_fee;
  auto issued = sign(operator_key, changed);
  if (!issued.ok()) return refuse(Cause::Internal, "cannot sign");
  if (given.amount == latest.amount && given.hashlock == latest.hashlock) {
    ProviderAccount after = *account;
    after.latest = *issued;
    if (after.revealed) {
      book.put(*key, std::move(after));
    } else {
      remember_r(book, *key, std::move(after), request.r);
    }
  }
  return *issued;
}

std::variant<Done, Refusal> sync(Book& book, const Terms& terms, const SyncRequest& request) {
  const payment::Promise& given = request.promise.promise;
  const ChainConfig* chain = terms.chain(given.chain_id);
  if (chain == nullptr) return refuse(Cause::InvalidSignature, "a chain that is not ours");
  ProviderKey key{given.chain_id, request.signer, ChannelKind::Earnings};
  if (given.channel == payment::withdrawal_channel_id(request.signer, chain->hermes)) {
    key.kind = ChannelKind::Withdrawal;
  } else if (given.channel != payment::provider_channel_id(request.signer, chain->hermes)) {
    return refuse(Cause::InvalidSignature, "not a channel of the signer");
  }
  const ProviderAccount* known = book.find(key);
  ProviderAccount account;
  if (known != nullptr) account = *known;
  const auto lost = Wei::checked_sub(given.amount, account.latest.promise.amount);
  if (!lost || lost->is_zero()) return Done{};  // we hold as much: nothing was lost
  const auto signature = payment::contract_form(request.promise.signature);
  if (!signature.ok()) return refuse(Cause::InvalidSignature, "a signature contracts would refuse");
  account.recovered = Wei::saturating_add(account.recovered, *lost);
  account.latest = {given, *signature};
  account.agreement = U256();
  account.revealed = false;
  account.r.clear();
  account.recovery.clear();
  account.payer = ConsumerKey{};
  account.backing = SignedPromise{};
  book.put(key, std::move(account));
  return Done{};
}

std::variant<SignedPromise, Refusal> refresh(Book& book, const Terms& terms,
                                             const Signer& operator_key,
                                             const RefreshRequest& request) {
  if (request.signer != request.identity) {
    return refuse(Cause::InvalidSignature, "signed by another identity");
  }
  const ProviderKey key{request.chain, request.identity, ChannelKind::Earnings};
  const ProviderAccount* known = terms.chain(request.chain) == nullptr ? nullptr : book.find(key);
  if (known == nullptr || known->latest.promise.amount.is_zero()) {
    return refuse(Cause::NoPreviousPromise, "nothing was promised to that provider");
  }
  if (known->latest.promise.hashlock == request.hashlock) return known->latest;
  // Under another lock we could never cash what pays for this promise.
  if (!known->revealed) return reveal_first(*known);
  ProviderAccount account = *known;
  payment::Promise promise = account.latest.promise;
  promise.hashlock = request.hashlock;
  auto issued = sign(operator_key, promise);
  if (!issued.ok()) return refuse(Cause::Internal, "cannot sign");
  account.latest = *issued;
  account.agreement = U256();
  account.revealed = false;
  account.r.clear();
  account.recovery = request.recovery_data;
  account.payer = ConsumerKey{};
  account.backing = SignedPromise{};
  book.put(key, std::move(account));
  return *issued;
}

std::variant<Done, Refusal> credit_offchain(Book& book, const Terms& terms,
                                            const OffchainCreditRequest& request) {
  if (terms.chain(request.consumer.chain) == nullptr) {
    return refuse(Cause::NotFound, "a chain that is not ours");
  }
  const ConsumerAccount* known = book.find(request.consumer);
  ConsumerAccount account;
  if (known != nullptr) account = *known;
  if (account.registered) {
    return refuse(Cause::InvalidSignature, "the identity has a channel on the chain");
  }
  account.offchain = true;
  account.capacity = Wei::saturating_add(account.capacity, request.amount);
  book.put(request.consumer, std::move(account));
  return Done{};
}

void note_facts(Book& book, const ConsumerKey& key, const ConsumerFacts& facts) {
  const ConsumerAccount* known = book.find(key);
  if (known == nullptr || known->offchain) return;
  ConsumerAccount account = *known;
  account.registered = account.registered || facts.registered;
  account.settled = std::max(account.settled, facts.settled);
  account.capacity = facts.capacity();
  if (account.registered == known->registered && account.settled == known->settled &&
      account.capacity == known->capacity) {
    return;
  }
  book.put(key, std::move(account));
}

void note_facts(Book& book, const ProviderKey& key, const ProviderFacts& facts, WallTime now) {
  const ProviderAccount* known = book.find(key);
  if (known == nullptr || facts.settled <= known->settled) return;
  ProviderAccount account = *known;
  account.settled = facts.settled;
  account.last_settlement = now.time_since_epoch().count();
  book.put(key, std::move(account));
}

std::variant<std::vector<AccountData>, Refusal> consumer_data(
    Book& book, const Terms& terms, const Address& identity,
    const std::map<std::uint64_t, ConsumerFacts>& facts) {
  std::vector<AccountData> out;
  bool known = false;
  for (const ChainConfig& chain : terms.chains) {
    const ConsumerKey key{chain.id, identity};
    const auto seen = facts.find(chain.id);
    if (seen != facts.end()) note_facts(book, key, seen->second);
    AccountData data;
    data.chain = chain.id;
    data.identity = identity;
    data.channel = payment::to_word(payment::consumer_channel(
        identity, chain.hermes, chain.registry, chain.channel_implementation));
    data.channel_is_address = true;
    if (const ConsumerAccount* account = book.find(key)) {
      known = true;
      data.latest = account->latest;
      data.offchain = account->offchain;
      // Without a channel a promise counts as taken at once: what is left is the balance.
      data.settled = account->offchain ? account->promised() : account->settled;
      data.balance = Wei::saturating_sub(account->capacity, account->promised());
    } else if (seen != facts.end()) {
      data.settled = seen->second.settled;
      data.balance = seen->second.balance;
    }
    out.push_back(std::move(data));
  }
  if (!known) return refuse(Cause::NotFound, "nobody of that name");
  return out;
}

std::variant<std::vector<AccountData>, Refusal> provider_data(
    Book& book, const Terms& terms, const Address& identity,
    const std::map<std::uint64_t, ProviderFacts>& facts, WallTime now) {
  std::vector<AccountData> out;
  bool known = false;
  for (const ChainConfig& chain : terms.chains) {
    const ProviderKey key{chain.id, identity, ChannelKind::Earnings};
    const auto seen = facts.find(chain.id);
    if (seen != facts.end()) note_facts(book, key, seen->second, now);
    AccountData data;
    data.chain = chain.id;
    data.identity = identity;
    data.channel = payment::provider_channel_id(identity, chain.hermes);
    if (seen != facts.end()) {
      data.beneficiary = seen->second.beneficiary;
      data.settled = seen->second.settled;
      data.stake = seen->second.stake;
    }
    if (const ProviderAccount* account = book.find(key)) {
      known = true;
      data.latest = account->latest;
      data.settled = std::max(data.settled, account->settled);
      data.latest_settlement = account->last_settlement;
      data.balance = Wei::saturating_sub(account->latest.promise.amount, data.settled);
    }
    out.push_back(std::move(data));
  }
  if (!known) return refuse(Cause::NotFound, "nobody of that name");
  return out;
}

}  // namespace myst::core::hermes
