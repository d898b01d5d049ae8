#include "tests/support/hermes_world.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/payment/payment_check.hpp"
#include "platform/json/writer.hpp"

namespace myst::test {

using namespace core::hermes;  // NOLINT: every second word here is from there

namespace {

template <typename Key, typename Row>
Result<std::optional<Row>> find(const std::map<Key, Row>& table, const Key& key) {
  const auto at = table.find(key);
  return at == table.end() ? std::optional<Row>() : std::optional<Row>(at->second);
}

class MemoryRows final : public RowSource {
 public:
  explicit MemoryRows(const MemoryLedger& ledger) : ledger_(ledger) {}
  Result<std::optional<ConsumerAccount>> load(const ConsumerKey& key) override {
    return find(ledger_.consumers, key);
  }
  Result<std::optional<ProviderAccount>> load(const ProviderKey& key) override {
    return find(ledger_.providers, key);
  }
  Result<std::optional<AgreementAccount>> load(const AgreementKey& key) override {
    return find(ledger_.agreements, key);
  }
  Result<std::optional<ProviderKey>> owner(std::uint64_t chain, const Digest32& channel) override {
    for (const auto& [key, row] : ledger_.providers) {
      if (key.chain == chain && row.latest.promise.channel == channel) return std::optional(key);
    }
    return std::optional<ProviderKey>();
  }

 private:
  const MemoryLedger& ledger_;
};

Address address_of(std::uint8_t mark) {
  ByteArray<20> bytes{};
  bytes[0] = mark;
  return Address(bytes);
}

}  // namespace

Status MemoryLedger::transact(const Footprint&, const std::function<void(Book&)>& work) {
  MemoryRows rows(*this);
  Book book(rows);
  work(book);
  MYST_TRY(book.failure());
  if (!next_failure.ok()) return std::exchange(next_failure, Status());
  return book.each_changed(
      [&](const ConsumerKey& key, const ConsumerAccount& row) -> Status {
        consumers[key] = row;
        return {};
      },
      [&](const ProviderKey& key, const ProviderAccount& row) -> Status {
        providers[key] = row;
        return {};
      },
      [&](const AgreementKey& key, const AgreementAccount& row) -> Status {
        agreements[key] = row;
        return {};
      },
      [&](const AgreementKey& key) -> Status {
        agreements.erase(key);
        return {};
      });
}

Status MemoryLedger::scan(const Visitors& visitors) {
  for (const auto& [key, row] : consumers) {
    if (visitors.consumer) visitors.consumer(key, row);
  }
  for (const auto& [key, row] : providers) {
    if (visitors.provider) visitors.provider(key, row);
  }
  for (const auto& [key, row] : agreements) {
    if (visitors.agreement) visitors.agreement(key, row);
  }
  return {};
}

HermesWorld::HermesWorld(std::uint64_t seed) : rng_(seed), operator_(LocalSigner::make(rng_)) {
  terms_.operator_key = operator_.address();
  terms_.chains = {{kChain, address_of(1), address_of(2), address_of(3)},
                   {kOtherChain, address_of(4), address_of(5), address_of(6)}};
}

const LocalSigner& HermesWorld::party(unsigned n) {
  const auto at = parties_.find(n);
  if (at != parties_.end()) return at->second;
  SeededRng rng(77 + n);
  return parties_.emplace(n, LocalSigner::make(rng)).first->second;
}

Address HermesWorld::channel_of(const Address& identity, std::uint64_t chain) const {
  const ChainConfig& config = *terms_.chain(chain);
  return payment::consumer_channel(identity, config.hermes, config.registry,
                                   config.channel_implementation);
}

void HermesWorld::sign(const Signer& from, PromiseRequest& request) {
  request.promise.signature = *payment::sign_promise(from, request.promise.promise);
  request.message.promise_hash = payment::promise_hash(request.promise.promise);
  request.message_signature = *payment::sign_exchange(from, request.message);
}

HermesWorld::Message HermesWorld::message(const Signer& from, const Address& to,
                                          const U256& agreement, const Wei& total,
                                          const Wei& amount) {
  Message out;
  out.r = payment::make_r(rng_);
  PromiseRequest& request = out.request;
  request.promise.promise.chain_id = kChain;
  request.promise.promise.channel = payment::to_word(channel_of(from.address()));
  request.promise.promise.amount = amount;
  request.promise.promise.hashlock = payment::hashlock_of(out.r.bytes());
  request.message.chain_id = kChain;
  request.message.agreement_id = agreement;
  request.message.agreement_total = total;
  request.message.provider = to;
  request.message.hermes = terms_.chain(kChain)->hermes;
  request.recovery_data = "00ff";
  sign(from, request);
  return out;
}

HermesWorld::Message HermesWorld::withdrawal(const Signer& from, const Wei& total,
                                             const Wei& amount, std::uint64_t to_chain) {
  Message out = message(from, from.address(), payment::make_agreement_id(rng_), total, amount);
  out.request.withdrawal = true;
  out.request.r = out.r;
  out.request.message.chain_id = to_chain;
  sign(from, out.request);
  return out;
}

void HermesWorld::fund(const Signer& who, const Wei& balance, std::uint64_t chain) {
  consumer_facts[{chain, who.address()}] = {true, balance, Wei()};
}

Hermes::Config HermesRunner::default_config(HermesWorld& world) {
  Hermes::Config config;
  config.terms = world.terms();
  return config;
}

RequestId HermesRunner::send(Request request) {
  hermes_.handle_request(now_, next_, std::move(request));
  return next_++;
}

Answer HermesRunner::ask(Request request) {
  const RequestId id = send(std::move(request));
  run();
  auto answer = take(id);
  return answer ? std::move(*answer) : Answer(Refusal{Cause::Internal, "no answer", ""});
}

void HermesRunner::answer_queries() {
  while (const auto query = hermes_.poll_query()) {
    const Error silent{Errc::Unavailable, 0, "no chain"};
    if (const auto* consumer = std::get_if<ConsumerKey>(&query->account)) {
      const auto at = world_.consumer_facts.find(*consumer);
      if (!world_.chain_answers) {
        hermes_.handle_facts(now_, query->id, Result<ConsumerFacts>(silent));
      } else {
        hermes_.handle_facts(now_, query->id,
                             Result<ConsumerFacts>(
                                 at == world_.consumer_facts.end() ? ConsumerFacts{} : at->second));
      }
      continue;
    }
    const auto at = world_.provider_facts.find(std::get<ProviderKey>(query->account));
    if (!world_.chain_answers) {
      hermes_.handle_facts(now_, query->id, Result<ProviderFacts>(silent));
    } else {
      hermes_.handle_facts(
          now_, query->id,
          Result<ProviderFacts>(at == world_.provider_facts.end() ? ProviderFacts{} : at->second));
    }
  }
}

void HermesRunner::run() {
  for (;;) {
    answer_queries();
    while (auto answer = hermes_.poll_answer()) {
      answers_.emplace(answer->id, std::move(answer->answer));
    }
    auto batch = hermes_.poll_batch();
    if (batch == nullptr) return;
    batch->run(ledger_);
    hermes_.handle_batch_done(now_, std::move(batch));
  }
}

std::optional<Answer> HermesRunner::take(RequestId id) {
  const auto at = answers_.find(id);
  if (at == answers_.end()) return std::nullopt;
  Answer out = std::move(at->second);
  answers_.erase(at);
  return out;
}

std::string promise_body(const core::hermes::PromiseRequest& request) {
  std::string out;
  const auto& promise = request.promise.promise;
  json::Writer writer(out);
  writer.begin_object()
      .key("exchange_message")
      .begin_object()
      .key("Promise")
      .begin_object()
      .member("ChannelID", to_base64(ByteSpan(promise.channel).subspan(12)))
      .member("ChainID", promise.chain_id)
      .member("Amount", promise.amount)
      .member("Fee", promise.fee)
      .member("Hashlock", to_base64(promise.hashlock))
      .key("R");
  if (request.r) {
    writer.value(to_base64(request.r->bytes()));
  } else {
    writer.null();
  }
  writer.member("Signature", to_base64(request.promise.signature))
      .end_object()
      .member("AgreementID", request.message.agreement_id)
      .member("AgreementTotal", request.message.agreement_total)
      .member("Provider", request.message.provider.to_string())
      .member("Signature", to_hex(request.message_signature))
      .member("HermesID", request.message.hermes->to_checksum())
      .member("ChainID", request.message.chain_id)
      .end_object()
      .member("transactor_fee", request.transactor_fee)
      .member("r_recovery_data", request.recovery_data)
      .end_object();
  return out;
}

core::hermes::PromiseRequest request_of(const core::money::AskPromise& call) {
  const auto parsed = core::parse_payment(call.message.encode());
  core::hermes::PromiseRequest request;
  request.promise.promise = parsed->promise;
  const Bytes& signature = parsed->wire.promise->signature;
  std::copy(signature.begin(), signature.end(), request.promise.signature.begin());
  request.message = parsed->message;
  (void)from_hex(parsed->wire.signature, request.message_signature);
  request.transactor_fee = call.transactor_fee;
  request.recovery_data = call.recovery;
  request.r = call.r;
  request.withdrawal = call.r.has_value();
  return request;
}

core::transactor::ChainTerms transactor_terms(const HermesWorld& world,
                                              const core::transactor::Fees& fees) {
  core::transactor::ChainTerms out;
  const auto terms = world.terms();
  const auto& at = *terms.chain(HermesWorld::kChain);
  out.id = HermesWorld::kChain;
  out.registry = at.registry;
  out.hermes = at.hermes;
  out.channel_implementation = at.channel_implementation;
  out.hermeses = {out.hermes};
  out.operators[out.hermes] = world.operator_key().address();
  out.fees = fees;
  return out;
}

}  // namespace myst::test
