#include "core/hub/transactor/requests.hpp"

#include <algorithm>
#include <utility>

#include "core/base/text.hpp"
#include "core/chain/contracts.hpp"
#include "core/crypto/keccak.hpp"
#include "core/payment/channel.hpp"
#include "core/payment/promise.hpp"

namespace myst::core::transactor {
namespace {

using Made = std::variant<Task, Refusal>;

Refusal refuse(const char* code, const char* message) { return {400, code, message}; }
Refusal bad_signature() {
  return refuse("invalid_signature", "the signature is not the identity's, or contracts refuse it");
}

bool serves(const ChainTerms& chain, const Address& hermes) {
  return std::find(chain.hermeses.begin(), chain.hermeses.end(), hermes) != chain.hermeses.end();
}

// What is common to all: chain, Hermes, registry.
std::optional<Refusal> check_place(const ChainTerms* chain, const Address& hermes,
                                   const Address* registry) {
  if (chain == nullptr) return refuse("unknown_chain", "this chain is not served");
  if (!serves(*chain, hermes)) return refuse("unknown_hermes", "this Hermes is not served");
  if (registry != nullptr && *registry != chain->registry) {
    return refuse("unknown_registry", "another registry than this network's");
  }
  return std::nullopt;
}

// The id is a hash of what was signed: who asks twice asks for the same.
template <typename... Parts>
std::string make_id(Kind kind, const Parts&... parts) {
  const std::uint8_t mark[] = {static_cast<std::uint8_t>(kind)};
  Keccak256 hash;
  hash.update(mark);
  (hash.update(ByteSpan(parts)), ...);
  const Digest32 digest = hash.finish();
  return to_hex(ByteSpan(digest).first(16));
}

Task new_task(Kind kind, std::uint64_t chain, WallTime now) {
  Task task;
  task.kind = kind;
  task.chain = chain;
  task.created = now;
  task.updated = now;
  return task;
}

Made make(const Terms& terms, const RegistrationRequest& request, WallTime now) {
  const payment::RegistrationTerms& t = request.terms;
  const ChainTerms* chain = terms.chain(t.chain_id);
  if (auto refusal = check_place(chain, t.hermes, &t.registry)) return *refusal;
  if (t.fee < chain->fees.register_identity) {
    return Refusal{402, "fee_too_low", "the fee is below the fee for registering"};
  }
  const auto signer = payment::recover_terms_signer(t, request.signature);
  if (!signer.ok() || *signer != request.identity) return bad_signature();
  const auto signature = *payment::contract_form(request.signature);
  const auto needed = Wei::checked_add(t.stake, t.fee);
  if (!needed) return refuse("invalid_amount", "stake and fee exceed 256 bits");
  Task task = new_task(Kind::Register, t.chain_id, now);
  task.identity = request.identity;
  task.hermes = t.hermes;
  task.to = t.registry;
  task.data =
      chain::registry::register_identity(t.hermes, t.stake, t.fee, t.beneficiary, signature);
  // Of another Hermes the channel's implementation may be another one: its address is not known.
  if (t.hermes == chain->hermes) {
    task.channel = payment::consumer_channel(request.identity, t.hermes, t.registry,
                                             chain->channel_implementation);
    task.amount = *needed;
  }
  task.free = t.fee.is_zero();
  task.id = make_id(task.kind, payment::preimage(t), request.identity.bytes());
  return task;
}

Made make(const Terms& terms, const OpenChannelRequest& request, WallTime now) {
  const payment::OpenChannelTerms& t = request.terms;
  const ChainTerms* chain = terms.chain(t.chain_id);
  if (auto refusal = check_place(chain, t.hermes, &t.registry)) return *refusal;
  // Whoever signed it: the machine asks the registry before it pays for a channel.
  const auto signer = payment::recover_terms_signer(t, request.signature);
  if (!signer.ok()) return bad_signature();
  Task task = new_task(Kind::OpenChannel, t.chain_id, now);
  task.identity = *signer;
  task.hermes = t.hermes;
  task.to = t.registry;
  const auto signature = *payment::contract_form(request.signature);
  task.data = chain::registry::open_consumer_channel(t.hermes, t.fee, signature);
  if (t.hermes == chain->hermes) {
    task.channel =
        payment::consumer_channel(*signer, t.hermes, t.registry, chain->channel_implementation);
  }
  task.free = true;  // its fee stays in the registry
  task.id = make_id(task.kind, payment::preimage(t), signer->bytes());
  return task;
}

// The settlement part of four requests; `channel` is what the channel's id has to be.
std::variant<chain::hermes::Settlement, Refusal> settlement(const ChainTerms& chain,
                                                            const SettleRequest& request,
                                                            const Digest32& channel) {
  if (request.channel != channel) {
    return refuse("unknown_channel", "the channel is not this provider's with that Hermes");
  }
  if (request.fee < chain.fees.settle) {
    return Refusal{402, "fee_too_low", "the promise's fee is below the fee for settling"};
  }
  if (request.amount <= request.fee) {
    return refuse("invalid_amount", "the promise does not exceed its fee");
  }
  payment::Promise promise;
  promise.chain_id = request.chain;
  promise.channel = request.channel;
  promise.amount = request.amount;
  promise.fee = request.fee;
  promise.hashlock = payment::hashlock_of(request.r);
  const auto signature = payment::contract_form(request.signature);
  const auto signer = payment::recover_promise_signer(promise, request.signature);
  const auto expected = chain.operators.find(request.hermes);
  if (!signature.ok() || !signer.ok() ||
      (expected != chain.operators.end() && *signer != expected->second)) {
    return refuse("invalid_signature", "not a promise of that Hermes, or another R");
  }
  return chain::hermes::Settlement{request.provider, request.amount, request.fee, request.r,
                                   *signature};
}

Task settle_task(Kind kind, const SettleRequest& request, WallTime now) {
  Task task = new_task(kind, request.chain, now);
  task.identity = request.provider;
  task.hermes = request.hermes;
  task.to = request.hermes;
  task.channel_id = request.channel;
  task.amount = request.amount;
  return task;
}

Made make(const Terms& terms, const SettleRequest& request, WallTime now) {
  const ChainTerms* chain = terms.chain(request.chain);
  if (auto refusal = check_place(chain, request.hermes, nullptr)) return *refusal;
  auto made =
      settlement(*chain, request, payment::provider_channel_id(request.provider, request.hermes));
  if (auto* refusal = std::get_if<Refusal>(&made)) return std::move(*refusal);
  const auto& settle = std::get<chain::hermes::Settlement>(made);
  Task task = settle_task(request.kind, request, now);
  task.data = request.kind == Kind::SettleIntoStake ? chain::hermes::settle_into_stake(settle)
                                                    : chain::hermes::settle_promise(settle);
  task.id = make_id(task.kind, task.data, U256(task.chain).to_word(), task.to.bytes());
  return task;
}

Made make(const Terms& terms, const SettleWithBeneficiaryRequest& request, WallTime now) {
  const SettleRequest& part = request.settle;
  const ChainTerms* chain = terms.chain(part.chain);
  if (auto refusal = check_place(chain, part.hermes, &request.terms.registry)) return *refusal;
  if (request.terms.identity != part.provider || request.terms.chain_id != part.chain) {
    return refuse("invalid_request", "promise and beneficiary are of different identities");
  }
  auto made = settlement(*chain, part, payment::provider_channel_id(part.provider, part.hermes));
  if (auto* refusal = std::get_if<Refusal>(&made)) return std::move(*refusal);
  const auto signer = payment::recover_terms_signer(request.terms, request.signature);
  if (!signer.ok() || *signer != part.provider) return bad_signature();
  Task task = settle_task(Kind::SettleWithBeneficiary, part, now);
  task.data = chain::hermes::settle_with_beneficiary(std::get<chain::hermes::Settlement>(made),
                                                     request.terms.beneficiary,
                                                     *payment::contract_form(request.signature));
  task.id = make_id(task.kind, task.data, U256(task.chain).to_word(), task.to.bytes());
  return task;
}

Made make(const Terms& terms, const PayAndSettleRequest& request, WallTime now) {
  const SettleRequest& part = request.settle;
  const ChainTerms* chain = terms.chain(part.chain);
  if (auto refusal = check_place(chain, part.hermes, nullptr)) return *refusal;
  auto made = settlement(*chain, part, payment::withdrawal_channel_id(part.provider, part.hermes));
  if (auto* refusal = std::get_if<Refusal>(&made)) return std::move(*refusal);
  const payment::WithdrawalTerms withdrawal{part.chain, part.channel, part.amount, part.r,
                                            request.beneficiary};
  const auto signer = payment::recover_terms_signer(withdrawal, request.signature);
  if (!signer.ok() || *signer != part.provider) return bad_signature();
  Task task = settle_task(Kind::PayAndSettle, part, now);
  task.data =
      chain::hermes::pay_and_settle(std::get<chain::hermes::Settlement>(made), request.beneficiary,
                                    *payment::contract_form(request.signature));
  task.id = make_id(task.kind, task.data, U256(task.chain).to_word(), task.to.bytes());
  return task;
}

Made make(const Terms& terms, const DecreaseStakeRequest& request, WallTime now) {
  const payment::StakeDecreaseTerms& t = request.terms;
  const ChainTerms* chain = terms.chain(t.chain_id);
  if (auto refusal = check_place(chain, request.hermes, nullptr)) return *refusal;
  if (t.channel != payment::provider_channel_id(request.provider, request.hermes)) {
    return refuse("unknown_channel", "the channel is not this provider's with that Hermes");
  }
  if (t.fee < chain->fees.decrease_stake) {
    return Refusal{402, "fee_too_low", "the fee is below the fee for decreasing a stake"};
  }
  const auto signer = payment::recover_terms_signer(t, request.signature);
  if (!signer.ok() || *signer != request.provider) return bad_signature();
  Task task = new_task(Kind::DecreaseStake, t.chain_id, now);
  task.identity = request.provider;
  task.hermes = request.hermes;
  task.to = request.hermes;
  task.data = chain::hermes::decrease_stake(request.provider, t.amount, t.fee,
                                            *payment::contract_form(request.signature));
  task.id = make_id(task.kind, payment::preimage(t), request.hermes.bytes());
  return task;
}

// settle(address token, (address channel, uint256 amount, uint256 fee, bytes32 preimage, bytes
// signature)[]): PromiseCollector of drivers/ethereum/contracts.
Bytes collect(const Address& token, const std::vector<CashRequest::Promise>& promises) {
  const Digest32 name =
      keccak256(as_bytes("settle(address,(address,uint256,uint256,bytes32,bytes)[])"));
  Bytes out(name.begin(), name.begin() + 4);
  const auto word = [&out](const ByteArray<32>& w) { out.insert(out.end(), w.begin(), w.end()); };
  const auto number = [&word](std::uint64_t n) { word(U256(n).to_word()); };
  // One promise: five words of head, the signature's length, 65 bytes in three words.
  constexpr std::uint64_t kItem = 9 * 32;
  word(payment::to_word(token));
  number(2 * 32);
  number(promises.size());
  for (std::uint64_t i = 0; i < promises.size(); ++i) number(promises.size() * 32 + i * kItem);
  for (const CashRequest::Promise& promise : promises) {
    word(payment::to_word(promise.channel));
    word(promise.amount.to_word());
    word(promise.fee.to_word());
    word(promise.r);
    number(5 * 32);
    number(promise.signature.size());
    out.insert(out.end(), promise.signature.begin(), promise.signature.end());
    out.insert(out.end(), 3 * 32 - promise.signature.size(), 0);
  }
  return out;
}

Made make(const Terms& terms, const CashRequest& request, WallTime now) {
  const ChainTerms* chain = terms.chain(request.chain);
  if (chain == nullptr || request.promises.empty()) {
    return refuse("invalid_request", "nothing to cash");
  }
  Task task = new_task(Kind::Cash, request.chain, now);
  task.hermes = chain->hermes;
  if (request.promises.size() == 1) {
    const CashRequest::Promise& promise = request.promises.front();
    task.to = promise.channel;
    task.data =
        chain::channel::settle_promise(promise.amount, promise.fee, promise.r, promise.signature);
  } else {
    if (!chain->promise_collector) return refuse("invalid_request", "no collector on this chain");
    task.to = *chain->promise_collector;
    task.data = collect(chain->token, request.promises);
  }
  task.id = make_id(task.kind, task.data, U256(task.chain).to_word(), task.to.bytes());
  return task;
}

}  // namespace

const ChainTerms* Terms::chain(std::uint64_t id) const {
  const auto at =
      std::find_if(chains.begin(), chains.end(), [&](const ChainTerms& c) { return c.id == id; });
  return at == chains.end() ? nullptr : &*at;
}

std::variant<Task, Refusal> make_task(const Terms& terms, const Request& request, WallTime now) {
  return std::visit([&](const auto& r) { return make(terms, r, now); }, request);
}

}  // namespace myst::core::transactor
