#include "core/hub/hermes/hermes.hpp"

#include <utility>

namespace myst::core::hermes {
namespace {

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

// Any variant of answers as the one of all.
template <typename Variant>
std::variant<Answer, FactsWanted> widen(Variant&& from) {
  return std::visit(
      [](auto&& value) -> std::variant<Answer, FactsWanted> {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, FactsWanted>) {
          return value;
        } else {
          return Answer(std::forward<decltype(value)>(value));
        }
      },
      std::forward<Variant>(from));
}

Address asker_of(const Request& request) {
  return std::visit(Overloaded{[](const PromiseRequest& r) { return r.message.provider; },
                               [](const RevealRequest& r) { return r.provider; },
                               [](const ChangeFeeRequest&) { return Address(); },  // names nobody
                               [](const SyncRequest& r) { return r.signer; },
                               [](const RefreshRequest& r) { return r.signer; },
                               [](const ConsumerDataRequest& r) { return r.identity; },
                               [](const ProviderDataRequest& r) { return r.identity; },
                               [](const OffchainCreditRequest&) { return Address(); }},
                    request);
}

void add_to_footprint(const Job& job, Footprint& footprint) {
  std::visit(
      Overloaded{
          [&](const VerifiedRequest& r) {
            footprint.identities.insert(r.consumer.identity);
            footprint.identities.insert(r.provider.identity);
          },
          [&](const RevealRequest& r) { footprint.identities.insert(r.provider); },
          [&](const ChangeFeeRequest& r) { footprint.channels.insert(r.promise.promise.channel); },
          [&](const SyncRequest& r) { footprint.identities.insert(r.signer); },
          [&](const RefreshRequest& r) { footprint.identities.insert(r.identity); },
          [&](const OffchainCreditRequest& r) { footprint.identities.insert(r.consumer.identity); },
          [&](const Job::ConsumerData& d) { footprint.identities.insert(d.identity); },
          [&](const Job::ProviderData& d) { footprint.identities.insert(d.identity); }},
      job.work);
}

}  // namespace

std::variant<Answer, FactsWanted> Batch::decide(Book& book, const Job& job) const {
  // A known account's data are worth a look at the chain; an unknown one is "not found" at once.
  const auto data = [&](auto&& found) -> std::variant<Answer, FactsWanted> {
    if (!job.facts_asked && std::holds_alternative<std::vector<AccountData>>(found)) {
      for (const AccountData& chain : std::get<std::vector<AccountData>>(found)) {
        if (!chain.offchain) return FactsWanted{true, true};
      }
    }
    return widen(std::forward<decltype(found)>(found));
  };
  return std::visit(
      Overloaded{
          [&](const VerifiedRequest& r) {
            return widen(issue(book, terms_, operator_key_, r, job.facts, job.wall));
          },
          [&](const RevealRequest& r) { return widen(reveal(book, terms_, r)); },
          [&](const ChangeFeeRequest& r) { return widen(change_fee(book, operator_key_, r)); },
          [&](const SyncRequest& r) { return widen(sync(book, terms_, r)); },
          [&](const RefreshRequest& r) { return widen(refresh(book, terms_, operator_key_, r)); },
          [&](const OffchainCreditRequest& r) { return widen(credit_offchain(book, terms_, r)); },
          [&](const Job::ConsumerData& d) {
            return data(consumer_data(book, terms_, d.identity, d.facts));
          },
          [&](const Job::ProviderData& d) {
            return data(provider_data(book, terms_, d.identity, d.facts, job.wall));
          }},
      job.work);
}

void Batch::run(Ledger& ledger) {
  Footprint footprint;
  for (const Job& job : jobs_) add_to_footprint(job, footprint);
  status_ = ledger.transact(footprint, [this](Book& book) {
    for (Job& job : jobs_) job.outcome = decide(book, job);
  });
}

Hermes::Hermes(Config config, const Signer& operator_key)
    : config_(std::move(config)), operator_key_(operator_key) {}

void Hermes::handle_request(Now now, RequestId id, Request request) {
  ++counters_.requests;
  Job job;
  job.id = id;
  job.asker = asker_of(request);
  job.wall = now.wall;
  if (waiting_ >= config_.max_waiting) {
    ++counters_.turned_away;
    return refuse(id, Cause::TooManyRequests, "the queue is full");
  }
  if (!job.asker.is_zero()) {
    const auto asked = by_asker_.find(job.asker);
    if (asked != by_asker_.end() && asked->second >= config_.max_per_identity) {
      ++counters_.turned_away;
      return refuse(id, Cause::TooManyRequests, "too many requests of one identity");
    }
  }
  if (auto* promise = std::get_if<PromiseRequest>(&request)) {
    auto verified = verify_request(config_.terms, *promise);
    if (auto* refusal = std::get_if<Refusal>(&verified)) {
      ++counters_.refused;
      answers_.push_back({id, std::move(*refusal)});
      return;
    }
    job.work = std::move(std::get<VerifiedRequest>(verified));
  } else if (auto* change = std::get_if<ChangeFeeRequest>(&request)) {
    if (auto refusal = verify_own_promise(config_.terms, change->promise)) {
      ++counters_.refused;
      answers_.push_back({id, std::move(*refusal)});
      return;
    }
    job.work = std::move(*change);
  } else if (auto* given = std::get_if<SyncRequest>(&request)) {
    if (auto refusal = verify_own_promise(config_.terms, given->promise)) {
      ++counters_.refused;
      answers_.push_back({id, std::move(*refusal)});
      return;
    }
    job.work = std::move(*given);
  } else if (auto* revealed = std::get_if<RevealRequest>(&request)) {
    job.work.emplace<RevealRequest>(std::move(*revealed));
  } else if (auto* renewed = std::get_if<RefreshRequest>(&request)) {
    job.work = std::move(*renewed);
  } else if (auto* credit = std::get_if<OffchainCreditRequest>(&request)) {
    job.work = *credit;
  } else if (auto* consumer = std::get_if<ConsumerDataRequest>(&request)) {
    job.work = Job::ConsumerData{consumer->identity, {}};
  } else if (auto* provider = std::get_if<ProviderDataRequest>(&request)) {
    job.work = Job::ProviderData{provider->identity, {}};
  }
  ++waiting_;
  if (!job.asker.is_zero()) ++by_asker_[job.asker];
  ready_.push_back(std::move(job));
}

std::optional<Hermes::ChainQuery> Hermes::poll_query() {
  if (unasked_.empty()) return std::nullopt;
  ChainQuery query = std::move(unasked_.front());
  unasked_.pop_front();
  return query;
}

std::unique_ptr<Batch> Hermes::poll_batch() {
  if (batch_out_ || ready_.empty()) return nullptr;
  std::unique_ptr<Batch> batch(new Batch(config_.terms, operator_key_));
  while (!ready_.empty() && batch->jobs_.size() < config_.max_batch) {
    batch->jobs_.push_back(std::move(ready_.front()));
    ready_.pop_front();
  }
  batch_out_ = true;
  ++counters_.batches;
  return batch;
}

void Hermes::handle_batch_done(Now now, std::unique_ptr<Batch> batch) {
  batch_out_ = false;
  if (!batch->status_.ok()) {
    ++counters_.failed_batches;
    for (const Job& job : batch->jobs_) {
      answer(job, Refusal{Cause::Internal, "the ledger cannot be written", ""});
    }
    return;
  }
  for (Job& job : batch->jobs_) {
    if (const auto* wanted = std::get_if<FactsWanted>(&job.outcome)) {
      const FactsWanted lacking = *wanted;
      look_up(now, std::move(job), lacking);
    } else {
      Answer out = std::move(std::get<Answer>(job.outcome));
      answer(job, std::move(out));
    }
  }
}

void Hermes::give_facts(Job& job, const ChainAccount& account, const KnownFacts& facts) {
  const auto* consumer = std::get_if<ConsumerFacts>(&facts);
  const auto* provider = std::get_if<ProviderFacts>(&facts);
  if (std::holds_alternative<VerifiedRequest>(job.work)) {
    if (consumer != nullptr) job.facts.consumer = *consumer;
    if (provider != nullptr) job.facts.provider = *provider;
  } else if (auto* payer = std::get_if<Job::ConsumerData>(&job.work)) {
    if (consumer != nullptr) payer->facts[std::get<ConsumerKey>(account).chain] = *consumer;
  } else if (auto* earner = std::get_if<Job::ProviderData>(&job.work)) {
    if (provider != nullptr) earner->facts[std::get<ProviderKey>(account).chain] = *provider;
  }
}

// The first account the job still lacks, after it was given all that is remembered.
std::optional<ChainAccount> Hermes::next_lookup(Now now, Job& job, const FactsWanted& wanted) {
  std::vector<ChainAccount> lacking;
  if (const auto* request = std::get_if<VerifiedRequest>(&job.work)) {
    if (wanted.consumer && !job.facts.consumer) lacking.emplace_back(request->consumer);
    if (wanted.provider && !job.facts.provider) lacking.emplace_back(request->provider);
  } else if (const auto* payer = std::get_if<Job::ConsumerData>(&job.work)) {
    for (const ChainConfig& chain : config_.terms.chains) {
      if (payer->facts.count(chain.id) == 0) {
        lacking.emplace_back(ConsumerKey{chain.id, payer->identity});
      }
    }
  } else if (const auto* earner = std::get_if<Job::ProviderData>(&job.work)) {
    for (const ChainConfig& chain : config_.terms.chains) {
      if (earner->facts.count(chain.id) == 0) {
        lacking.emplace_back(ProviderKey{chain.id, earner->identity, ChannelKind::Earnings});
      }
    }
  }
  for (const ChainAccount& account : lacking) {
    const auto known = remembered_.find(account);
    if (known == remembered_.end() || now.instant >= known->second.at + config_.facts_fresh) {
      return account;
    }
    give_facts(job, account, known->second.facts);
  }
  return std::nullopt;
}

void Hermes::look_up(Now now, Job job, const FactsWanted& wanted) {
  const auto lacking = next_lookup(now, job, wanted);
  job.outcome = wanted;  // what it waits for, until it runs again
  if (!lacking) {
    job.facts_asked = true;
    ready_.push_back(std::move(job));
    return;
  }
  const auto [at, fresh] = queries_.try_emplace(*lacking);
  if (fresh) {
    at->second.id = next_query_++;
    at->second.deadline = now.instant + config_.chain_patience;
    query_ids_.emplace(at->second.id, *lacking);
    unasked_.push_back({at->second.id, *lacking});
    ++counters_.chain_queries;
  }
  at->second.jobs.push_back(std::move(job));
}

void Hermes::handle_facts(Now now, std::uint64_t query, Result<ConsumerFacts> facts) {
  close_query(now, query, facts.ok() ? std::optional<KnownFacts>(*facts) : std::nullopt);
}

void Hermes::handle_facts(Now now, std::uint64_t query, Result<ProviderFacts> facts) {
  close_query(now, query, facts.ok() ? std::optional<KnownFacts>(*facts) : std::nullopt);
}

void Hermes::close_query(Now now, std::uint64_t id, std::optional<KnownFacts> facts) {
  const auto named = query_ids_.find(id);
  if (named == query_ids_.end()) return;
  const ChainAccount account = named->second;
  // The owner mixed up the kinds: as good as no answer.
  if (facts && facts->index() != account.index()) facts.reset();
  query_ids_.erase(named);
  auto node = queries_.extract(account);
  if (facts) {
    if (remembered_.size() >= config_.max_facts) remembered_.clear();
    remembered_[account] = {*facts, now.instant};
  } else {
    ++counters_.chain_failures;
  }
  for (Job& job : node.mapped().jobs) {
    const FactsWanted wanted = std::get<FactsWanted>(job.outcome);
    if (facts) {
      give_facts(job, account, *facts);
      look_up(now, std::move(job), wanted);
    } else if (std::holds_alternative<VerifiedRequest>(job.work)) {
      answer(job, Refusal{Cause::Internal, "the chain cannot be asked now", ""});
    } else {
      job.facts_asked = true;  // the ledger's own figures will do
      ready_.push_back(std::move(job));
    }
  }
}

void Hermes::answer(const Job& job, Answer answer) {
  --waiting_;
  if (!job.asker.is_zero()) {
    const auto asked = by_asker_.find(job.asker);
    if (--asked->second == 0) by_asker_.erase(asked);
  }
  if (std::holds_alternative<Refusal>(answer)) {
    ++counters_.refused;
  } else if (std::holds_alternative<VerifiedRequest>(job.work)) {
    ++counters_.promises;
  } else if (std::holds_alternative<RevealRequest>(job.work)) {
    ++counters_.reveals;
  }
  answers_.push_back({job.id, std::move(answer)});
}

void Hermes::refuse(RequestId id, Cause cause, const char* message) {
  answers_.push_back({id, Refusal{cause, message, ""}});
}

std::optional<Hermes::Answered> Hermes::poll_answer() {
  if (answers_.empty()) return std::nullopt;
  Answered out = std::move(answers_.front());
  answers_.pop_front();
  return out;
}

std::optional<Instant> Hermes::next_timeout() const {
  std::optional<Instant> next;
  for (const auto& [account, query] : queries_) next = earliest(next, query.deadline);
  return next;
}

void Hermes::handle_timeout(Now now) {
  std::vector<std::uint64_t> late;
  for (const auto& [account, query] : queries_) {
    if (now.instant >= query.deadline) late.push_back(query.id);
  }
  for (const std::uint64_t id : late) close_query(now, id, std::nullopt);
}

}  // namespace myst::core::hermes
