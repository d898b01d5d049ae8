#include "apps/hub/cashier.hpp"

#include <map>
#include <utility>

#include "core/payment/channel.hpp"

namespace myst::hub {
namespace {

using core::hermes::ConsumerAccount;
using core::hermes::ConsumerFacts;
using core::hermes::ConsumerKey;

Address channel_of(const ByteArray<32>& word) {
  ByteArray<20> bytes;
  std::copy(word.begin() + 12, word.end(), bytes.begin());
  return Address(bytes);
}

}  // namespace

Cashier::Cashier(platform::Loop& loop, Options options, HermesService& hermes,
                 TransactorService& transactor, ChainLookup& chain)
    : options_(std::move(options)),
      hermes_(hermes),
      transactor_(transactor),
      chain_(chain),
      timer_(loop,
             [this] {
               timer_.arm_in(options_.interval);
               (void)run(options_.threshold);
             }),
      self_(std::make_shared<Cashier*>(this)) {
  timer_.arm_in(options_.interval);
}

Cashier::~Cashier() { *self_ = nullptr; }

bool Cashier::run(const Wei& threshold) {
  // What is under way would be counted again.
  if (running_ || transactor_.open_of(core::transactor::Kind::Cash) > 0) return false;
  const auto round = std::make_shared<Round>();
  round->threshold = threshold;
  const auto work = [round](core::hermes::Ledger& ledger) {
    core::hermes::Ledger::Visitors visitors;
    visitors.consumer = [&](const ConsumerKey& key, const ConsumerAccount& account) {
      const Wei open = Wei::saturating_sub(account.cashable.promise.amount, account.settled);
      if (account.offchain || open.is_zero() || open < round->threshold ||
          round->candidates.size() >= kMaxARound) {
        return;
      }
      round->candidates.push_back({key, account.cashable, account.cashable_r, std::nullopt});
    };
    return ledger.scan(visitors);
  };
  const Status queued = hermes_.with_ledger<Status>(
      work, [weak = std::weak_ptr(self_), round](const Status& scanned) {
        const auto self = weak.lock();
        if (self == nullptr || *self == nullptr) return;
        if (!scanned.ok() || round->candidates.empty()) {
          (*self)->running_ = false;
          return;
        }
        (*self)->look_up(round);
      });
  running_ = queued.ok();
  return queued.ok();
}

void Cashier::look_up(const std::shared_ptr<Round>& round) {
  round->unanswered = round->candidates.size();
  for (std::size_t i = 0; i < round->candidates.size(); ++i) {
    chain_.consumer(round->candidates[i].key,
                    [weak = std::weak_ptr(self_), round, i](const Result<ConsumerFacts>& facts) {
                      const auto self = weak.lock();
                      if (self == nullptr || *self == nullptr) return;
                      if (facts.ok()) round->candidates[i].facts = *facts;
                      if (--round->unanswered == 0) (*self)->answered(round);
                    });
  }
}

void Cashier::answered(const std::shared_ptr<Round>& round) {
  running_ = false;
  std::map<std::uint64_t, std::vector<core::transactor::CashRequest::Promise>> chosen;
  for (const Candidate& candidate : round->candidates) {
    if (!candidate.facts) continue;
    const payment::Promise& promise = candidate.promise.promise;
    const Wei open = Wei::saturating_sub(promise.amount, candidate.facts->settled);
    // A channel without money would only refuse.
    if (open.is_zero() || open < round->threshold || candidate.facts->balance.is_zero()) continue;
    core::transactor::CashRequest::Promise cash;
    cash.channel = channel_of(promise.channel);
    cash.amount = promise.amount;
    cash.fee = promise.fee;
    std::copy(candidate.r.bytes().begin(), candidate.r.bytes().end(), cash.r.begin());
    cash.signature = candidate.promise.signature;
    chosen[candidate.key.chain].push_back(cash);
  }
  // The ledger learns what the chain said, so that the next scan is right.
  (void)hermes_.with_ledger<Status>(
      [round](core::hermes::Ledger& ledger) {
        core::hermes::Footprint footprint;
        for (const Candidate& candidate : round->candidates) {
          footprint.identities.insert(candidate.key.identity);
        }
        return ledger.transact(footprint, [&](core::hermes::Book& book) {
          for (const Candidate& candidate : round->candidates) {
            if (candidate.facts) core::hermes::note_facts(book, candidate.key, *candidate.facts);
          }
        });
      },
      [](const Status&) {});
  for (auto& [chain, promises] : chosen) {
    const std::size_t most = options_.collectors.count(chain) > 0 ? kMaxATransaction : 1;
    for (std::size_t from = 0; from < promises.size(); from += most) {
      const std::size_t to = std::min(promises.size(), from + most);
      core::transactor::CashRequest request;
      request.chain = chain;
      request.promises.assign(promises.begin() + static_cast<std::ptrdiff_t>(from),
                              promises.begin() + static_cast<std::ptrdiff_t>(to));
      transactor_.cash(std::move(request));
    }
  }
}

}  // namespace myst::hub
