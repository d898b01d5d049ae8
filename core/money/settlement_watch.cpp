#include "core/money/settlement_watch.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/money/run_times.hpp"

namespace myst::core::money {
namespace {

constexpr int kHttpNotFound = 404;

}  // namespace

SettlementWatch::EntryPtr SettlementWatch::find(const OpenSettlement& open) const {
  const auto found = entries_.find(key_of(open));
  return found == entries_.end() ? nullptr : found->second;
}

void SettlementWatch::resume(Now) {
  fx_.ask(LoadOpenSettlements{0}, [this](Now now, Result<Outcome>& result) {
    auto all = outcome_of<std::vector<OpenSettlement>>(result);
    if (!all.ok()) {
      return fx_.note(true, std::string("open settlements not read: ") + all.error().what, {});
    }
    for (OpenSettlement& one : *all) {
      // Those of a chain that is not the active one wait on the disk until it is.
      if (one.chain != config_.chain || find(one) != nullptr) continue;
      make_room(one.provider, one.hermes);
      auto entry = std::make_shared<Entry>();
      entry->open = std::move(one);
      entry->give_up_at = now.instant;  // nobody waits for it
      entries_[key_of(entry->open)] = entry;
      follow(now, entry);
      hooks_.changed(entry->open.provider);
    }
  });
}

void SettlementWatch::make_room(const Address& provider, const Address& hermes) {
  const auto first = entries_.lower_bound({provider, hermes, Wei()});
  auto last = first;
  std::size_t count = 0;
  while (last != entries_.end() && last->second->open.provider == provider &&
         last->second->open.hermes == hermes) {
    ++last;
    ++count;
  }
  if (count >= kMaxOfChannel) forget(OpenSettlement(first->second->open));
}

void SettlementWatch::forget(const OpenSettlement& open) {
  entries_.erase(key_of(open));
  fx_.ask(EndOpenSettlement{0, open.chain, open.provider, open.hermes, open.amount}, nullptr);
  hooks_.changed(open.provider);
}

void SettlementWatch::open(Now now, OpenSettlement settlement, std::function<void(Now)> then) {
  if (find(settlement) != nullptr) return then(now);
  make_room(settlement.provider, settlement.hermes);
  auto entry = std::make_shared<Entry>();
  settlement.begun = now.wall;
  entry->open = settlement;
  entries_[key_of(settlement)] = entry;
  hooks_.changed(settlement.provider);
  const Address provider = settlement.provider;
  fx_.ask(StoreOpenSettlement{0, std::move(settlement)},
          [this, provider, then = std::move(then)](Now at, Result<Outcome>& result) {
            // A disk that is full shall not keep earnings from their owner: until the next start
            // it is followed all the same.
            if (!result.ok()) fx_.note(true, "a settlement is followed, and not stored", provider);
            then(at);
          });
}

void SettlementWatch::taken(Now now, const OpenSettlement& settlement, std::string queue_id,
                            Then then) {
  EntryPtr entry = find(settlement);
  if (entry == nullptr) {  // an order before it for the same promise ended while this was asked
    make_room(settlement.provider, settlement.hermes);
    entry = std::make_shared<Entry>();
    entry->open = settlement;
    entry->open.begun = now.wall;
    entries_[key_of(settlement)] = entry;
    hooks_.changed(settlement.provider);
  }
  entry->open.queue_id = std::move(queue_id);
  entry->then = std::move(then);
  entry->give_up_at = now.instant + config_.limit;
  fx_.ask(StoreOpenSettlement{0, entry->open}, nullptr);
  follow(now, entry);
}

void SettlementWatch::refused(Now, const OpenSettlement& settlement) {
  const EntryPtr entry = find(settlement);
  if (entry != nullptr && entry->open.queue_id.empty()) forget(OpenSettlement(entry->open));
}

void SettlementWatch::unanswered(Now now, const OpenSettlement& settlement) {
  const EntryPtr entry = find(settlement);
  if (entry == nullptr || entry->check_at) return;
  entry->give_up_at = now.instant;
  follow(now, entry);
}

Wei SettlementWatch::in_settlement(const Address& provider, const Address& hermes,
                                   const Wei& settled) const {
  Wei most;
  for (auto at = entries_.lower_bound({provider, hermes, Wei()});
       at != entries_.end() && at->second->open.provider == provider &&
       at->second->open.hermes == hermes;
       ++at) {
    const OpenSettlement& open = at->second->open;
    most = std::max(most, Wei::saturating_sub(open.amount, std::max(settled, open.settled)));
  }
  return most;
}

bool SettlementWatch::follows(const Address& provider, const Address& hermes,
                              const Wei& amount) const {
  const auto found = entries_.find({provider, hermes, amount});
  return found != entries_.end() && !found->second->open.queue_id.empty();
}

void SettlementWatch::follow(Now now, const EntryPtr& entry) {
  entry->pause = std::min<Duration>(config_.first_check, config_.check_interval);
  entry->check_at = now.instant + entry->pause;
}

void SettlementWatch::wait(Now now, const EntryPtr& entry) {
  const bool late = now.instant >= entry->give_up_at;
  entry->pause = std::min<Duration>(entry->pause * 2, late ? config_.late : config_.check_interval);
  entry->check_at = now.instant + entry->pause;
  if (!late || !entry->then) return;
  fx_.note(true, "a settlement takes long, it is followed on: " + entry->open.queue_id,
           entry->open.provider);
  std::exchange(entry->then, nullptr)(now, "");
}

void SettlementWatch::check(Now now, const EntryPtr& entry) {
  entry->check_at.reset();
  if (entry->open.queue_id.empty()) {
    return queue_says(now, entry, QueueEntry{{}, {}, {}, QueueState::Waiting});
  }
  fx_.ask(ReadQueue{0, entry->open.queue_id}, [this, entry](Now at, Result<Outcome>& result) {
    if (!alive(entry)) return;
    const auto said = outcome_of<QueueEntry>(result);
    if (said.ok()) return queue_says(at, entry, *said);
    // Soon after the order it may not have come to all parts of a transactor.
    const bool unknown = said.error().code == Errc::Rejected &&
                         said.error().detail == kHttpNotFound && at.instant >= entry->give_up_at;
    QueueEntry guess{{}, {}, "the transactor does not know it any more", QueueState::Unknown};
    if (!unknown) guess = QueueEntry{{}, {}, {}, QueueState::Waiting};
    queue_says(at, entry, guess);
  });
}

void SettlementWatch::queue_says(Now, const EntryPtr& entry, const QueueEntry& said) {
  if (said.state != QueueState::Done) return read_channel(entry, said);
  look_for_logs(entry, [this, entry, said](Now) { read_channel(entry, said); });
}

// By blocks that are mined: what waits to be mined may be dropped again.
void SettlementWatch::read_channel(const EntryPtr& entry, const QueueEntry& said) {
  const OpenSettlement& open = entry->open;
  fx_.ask(ReadChannel{0, open.chain, open.provider, open.hermes, false, true},
          [this, entry, said](Now now, Result<Outcome>& result) {
            if (!alive(entry)) return;
            const auto amounts = outcome_of<ChannelAmounts>(result);
            if (!amounts.ok()) return wait(now, entry);
            const OpenSettlement& of = entry->open;
            // Endpoints that lag behind each other show the log a little later.
            const auto close_if_late = [this, entry](Now at) {
              at.instant >= entry->give_up_at ? close(at, entry, "") : wait(at, entry);
            };
            if (said.state == QueueState::Done) {
              // Its log is older than what is looked through. A Hermes that is short of money
              // settles a part.
              return amounts->settled > of.settled ? close_if_late(now) : wait(now, entry);
            }
            if (amounts->settled >= of.amount) {
              // By another order, or by a larger promise, which has another R.
              return look_for_logs(entry, close_if_late);
            }
            switch (said.state) {
              case QueueState::Failed:
              case QueueState::Unknown:
                return fail(now, entry, said.error);
              case QueueState::Waiting:
              case QueueState::Done:
                break;
            }
            if (of.queue_id.empty() && now.wall - of.begun >= config_.patience) {
              return fail(now, entry, "the transactor never answered");
            }
            wait(now, entry);
          });
}

void SettlementWatch::look_for_logs(const EntryPtr& entry, std::function<void(Now)> none) {
  const OpenSettlement& open = entry->open;
  FindSettlements find_it{0, open.chain, open.hermes, open.channel, open.r};
  fx_.ask(std::move(find_it),
          [this, entry, none = std::move(none)](Now now, Result<Outcome>& result) {
            if (!alive(entry)) return;
            auto found = outcome_of<std::vector<SettlementRecord>>(result);
            if (!found.ok()) return wait(now, entry);
            if (found->empty()) return none(now);
            fx_.ask(ReadChannel{0, entry->open.chain, entry->open.provider, entry->open.hermes},
                    [this, entry, records = std::move(*found)](Now at, Result<Outcome>& read) {
                      if (!alive(entry)) return;
                      const auto amounts = outcome_of<ChannelAmounts>(read);
                      if (!amounts.ok()) return wait(at, entry);
                      hooks_.channel_read(at, entry->open.provider, entry->open.hermes, *amounts);
                      for (SettlementRecord one : records) {
                        one.total_settled = amounts->settled;
                        record(at, entry, std::move(one));
                      }
                      close(at, entry, "");
                    });
          });
}

void SettlementWatch::fail(Now now, const EntryPtr& entry, const std::string& error) {
  SettlementRecord failed;
  failed.error = error.empty() ? "the transactor failed" : error;
  record(now, entry, std::move(failed));
  const std::string problem = "settlement failed: " + (error.empty() ? "no reason given" : error);
  if (!entry->then) fx_.note(true, problem, entry->open.provider);
  close(now, entry, problem);
}

void SettlementWatch::close(Now now, const EntryPtr& entry, const std::string& problem) {
  if (!alive(entry)) return;
  forget(OpenSettlement(entry->open));
  if (entry->then) std::exchange(entry->then, nullptr)(now, problem);
}

void SettlementWatch::record(Now now, const EntryPtr& entry, SettlementRecord one) {
  const OpenSettlement& open = entry->open;
  one.provider = open.provider;
  one.hermes = open.hermes;
  one.chain = open.chain;
  one.channel = open.channel;
  one.at = now.wall;
  if (one.beneficiary.is_zero()) one.beneficiary = open.beneficiary;
  fx_.ask(StoreSettlement{0, one}, nullptr);
  fx_.emit(Settled{std::move(one)});
}

void SettlementWatch::handle_timeout(Now now) {
  const auto when = [](const EntryPtr& entry) { return entry->check_at; };
  for (const auto& key : due_runs(entries_, now.instant, when)) {
    const auto found = entries_.find(key);
    if (found != entries_.end()) check(now, EntryPtr(found->second));
  }
}

std::optional<Instant> SettlementWatch::next_timeout() const {
  return next_run(entries_, [](const EntryPtr& entry) { return entry->check_at; });
}

}  // namespace myst::core::money
