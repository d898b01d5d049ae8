#include "core/chain/account_queue.hpp"

#include <algorithm>
#include <utility>

#include "core/base/text.hpp"

namespace myst::chain {
namespace {

constexpr std::uint64_t kMaxNonceLead = 64;  // a pending count further ahead is not believed
constexpr int kMaxRefusals = 5;

bool says(const AccountQueue::Refusal& refusal, std::string_view part) {
  return to_lower(refusal.error.message).find(part) != std::string::npos;
}

bool is_known_already(const AccountQueue::Refusal& refusal) {
  return says(refusal, "already known") || says(refusal, "known transaction") ||
         says(refusal, "already imported") || says(refusal, "already exists");
}
bool is_nonce_used(const AccountQueue::Refusal& refusal) {
  return says(refusal, "nonce too low") || says(refusal, "nonce has already been used");
}
bool is_too_cheap(const AccountQueue::Refusal& refusal) {
  return says(refusal, "underpriced") || says(refusal, "fee cap") ||
         says(refusal, "max fee per gas") || says(refusal, "tip");
}

std::string text_of(const AccountQueue::Refusal* refusal, const Error& error) {
  return refusal != nullptr ? refusal->text : std::string(error.what);
}

}  // namespace

const char* to_string(TransactionState state) {
  switch (state) {
    case TransactionState::Waiting:
      return "waiting";
    case TransactionState::Pending:
      return "pending";
    case TransactionState::Succeeded:
      return "succeeded";
    case TransactionState::Reverted:
      return "reverted";
    case TransactionState::Failed:
      return "failed";
  }
  return "failed";
}

AccountQueue::AccountQueue(const Config& config, const Signer& signer,
                           std::vector<TransactionRecord> open, std::uint64_t next_nonce, Now now)
    : config_(config), signer_(signer), next_nonce_(next_nonce), poll_pause_(config.poll_interval) {
  for (TransactionRecord& record : open) {
    if (is_final(record.state)) continue;
    if (record.nonce) next_nonce_ = std::max(next_nonce_, *record.nonce + 1);
    Entry entry;
    entry.to_send = record.state == TransactionState::Pending;
    entry.since = entry.next_try = entry.last_attempt = now.instant;
    entry.retry = config_.first_retry;
    by_id_[record.id] = ++last_entry_;
    entry.record = std::move(record);
    entries_.emplace(last_entry_, std::move(entry));
  }
  step(now);
}

Status AccountQueue::submit(Now now, Wish wish) {
  if (by_id_.count(wish.id) != 0) return Error{Errc::AlreadyExists, 0, "a transaction of that id"};
  if (waiting() >= config_.max_waiting) return Error{Errc::Full, 0, "too many transactions wait"};
  Entry entry;
  TransactionRecord& record = entry.record;
  record.id = std::move(wish.id);
  record.to = wish.to;
  record.value = wish.value;
  record.data = std::move(wish.data);
  record.gas_limit = std::min(wish.gas_limit, config_.max_gas);
  record.created = record.updated = now.wall;
  entry.since = entry.next_try = now.instant;
  entry.retry = config_.first_retry;
  by_id_[record.id] = ++last_entry_;
  Entry& at = entries_.emplace(last_entry_, std::move(entry)).first->second;
  store(now, at, Storing::Acceptance, at.record);
  return {};
}

std::size_t AccountQueue::waiting() const {
  return static_cast<std::size_t>(std::count_if(
      entries_.begin(), entries_.end(),
      [](const auto& entry) { return entry.second.record.state == TransactionState::Waiting; }));
}

std::size_t AccountQueue::pending() const { return entries_.size() - waiting(); }

const TransactionRecord* AccountQueue::find(const std::string& id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &entries_.at(found->second).record;
}

std::optional<AccountQueue::Action> AccountQueue::poll_action() {
  if (actions_.empty()) return std::nullopt;
  Action out = std::move(actions_.front());
  actions_.pop_front();
  return out;
}

std::optional<AccountQueue::Event> AccountQueue::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event out = std::move(events_.front());
  events_.pop_front();
  return out;
}

// --- storing

void AccountQueue::store(Now now, Entry& entry, Storing why, const TransactionRecord& before) {
  entry.before = before;
  entry.storing = why;
  entry.record.updated = now.wall;
  const std::uint64_t id = ++last_action_;
  stores_[id] = by_id_.at(entry.record.id);
  actions_.push_back(Store{id, entry.record});
}

void AccountQueue::handle_stored(Now now, std::uint64_t id, const Status& status) {
  const auto found = stores_.find(id);
  if (found == stores_.end()) return;
  const std::uint64_t number = found->second;
  stores_.erase(found);
  Entry& entry = entries_.at(number);
  const Storing what = std::exchange(entry.storing, Storing::No);
  const TransactionRecord before = std::move(*std::exchange(entry.before, std::nullopt));
  if (!status.ok()) {
    const bool filler = before.nonce && before.attempts.empty();
    if (what == Storing::Acceptance || filler) {
      if (!filler) events_.push_back({entry.record.id, TransactionState::Failed, status});
      by_id_.erase(entry.record.id);
      entries_.erase(number);
      return step(now);
    }
    // Nothing of it has left: as if it had not been thought of, and tried again later.
    if (what == Storing::Attempt && !before.nonce && entry.record.nonce &&
        *entry.record.nonce + 1 == next_nonce_) {
      --next_nonce_;
    }
    entry.record = before;
    back_off(now, entry, std::string("cannot be stored: ") + status.error().what);
    return step(now);
  }
  switch (what) {
    case Storing::No:
      break;
    case Storing::Acceptance:
      events_.push_back({entry.record.id, TransactionState::Waiting, {}});
      break;
    case Storing::Attempt:
      entry.to_send = true;
      entry.next_try = now.instant;
      entry.retry = config_.first_retry;
      entry.last_attempt = now.instant;
      if (!poll_at_) poll_at_ = now.instant + config_.poll_interval;
      if (before.state != TransactionState::Pending) {
        events_.push_back({entry.record.id, TransactionState::Pending, {}});
      }
      break;
    case Storing::Outcome:
      events_.push_back({entry.record.id, entry.record.state, {}});
      by_id_.erase(entry.record.id);
      entries_.erase(number);
      break;
    case Storing::Requeue:
      entry.to_send = false;
      entry.next_try = now.instant;
      break;
  }
  step(now);
}

void AccountQueue::back_off(Now now, Entry& entry, std::string reason) {
  entry.record.reason = std::move(reason);
  entry.next_try = now.instant + entry.retry;
  entry.retry = std::min(entry.retry * 2, config_.longest_retry);
}

void AccountQueue::finish(Now now, Entry& entry, TransactionState state, std::string reason) {
  const TransactionRecord before = entry.record;
  entry.record.state = state;
  entry.record.reason = std::move(reason);
  store(now, entry, Storing::Outcome, before);
}

// --- a nonce

void AccountQueue::expire(Now now) {
  for (auto& [number, entry] : entries_) {
    const TransactionRecord& record = entry.record;
    if (record.state != TransactionState::Waiting || entry.storing != Storing::No ||
        now.instant < entry.since + config_.waiting_limit || entry.next_try > now.instant ||
        (preparing_ && preparing_->second == number)) {
      continue;
    }
    finish(now, entry, TransactionState::Failed,
           record.reason.empty() ? "it could not be sent in time"
                                 : "it could not be sent in time: " + record.reason);
  }
}

// One nonce at a time: the next one is known when the last is stored.
bool AccountQueue::may_prepare() const {
  if (preparing_ || pending() >= config_.max_pending) return false;
  return std::none_of(entries_.begin(), entries_.end(), [](const auto& item) {
    const Entry& entry = item.second;
    return entry.storing == Storing::Attempt && entry.before && !entry.before->nonce;
  });
}

void AccountQueue::start_prepare(Now now) {
  if (!may_prepare()) return;
  for (auto& [number, entry] : entries_) {
    const TransactionRecord& record = entry.record;
    if (record.state != TransactionState::Waiting || entry.storing != Storing::No ||
        entry.next_try > now.instant) {
      continue;
    }
    const std::uint64_t id = ++last_action_;
    preparing_ = {id, number};
    actions_.push_back(Prepare{id, record.to, record.value, record.data, record.gas_limit == 0});
    return;
  }
}

// What the chain counts may be ahead of us (a store that was lost, the key used elsewhere), never
// behind: it does not know yet what we have just sent. A leap is believed when it is told twice.
Status AccountQueue::take_counts(const Prepared& prepared) {
  const std::uint64_t mined = prepared.mined_nonce;
  if (mined > next_nonce_) {
    const bool leap = next_nonce_ > 0 && mined - next_nonce_ > kMaxNonceLead;
    if (leap &&
        (!doubted_count_ || mined < *doubted_count_ || mined - *doubted_count_ > kMaxNonceLead)) {
      doubted_count_ = mined;
      return Error{Errc::InvalidState, 0, "the chain counts far more transactions than were sent"};
    }
    next_nonce_ = mined;
  }
  doubted_count_.reset();
  if (prepared.pending_nonce > next_nonce_ && prepared.pending_nonce >= mined &&
      prepared.pending_nonce - mined <= kMaxNonceLead) {
    next_nonce_ = prepared.pending_nonce;
  }
  return {};
}

void AccountQueue::handle_prepared(Now now, std::uint64_t id, const Prepared& prepared) {
  if (!preparing_ || preparing_->first != id) return;
  Entry& entry = entries_.at(preparing_->second);
  preparing_.reset();
  const TransactionRecord before = entry.record;
  if (entry.record.gas_limit == 0) {
    const std::uint64_t gas = std::min(prepared.gas, config_.max_gas);
    entry.record.gas_limit =
        std::min(gas + gas * config_.gas_margin_percent / 100, config_.max_gas);
  }
  if (prepared.gas > config_.max_gas) {
    finish(now, entry, TransactionState::Failed, "it needs more gas than is allowed");
    return step(now);
  }
  if (const Status counted = take_counts(prepared); !counted.ok()) {
    entry.record = before;
    back_off(now, entry, counted.error().what);
    return step(now);
  }
  entry.record.nonce = next_nonce_++;
  entry.record.state = TransactionState::Pending;
  entry.record.reason.clear();
  entry.since = now.instant;
  entry.nonce_gone_since.reset();
  add_attempt(now, entry, prepared.fees);
  if (entry.storing == Storing::No) {  // it could not be signed
    --next_nonce_;
    entry.record = before;
    back_off(now, entry, "it cannot be signed");
  } else {
    entry.before = before;
  }
  step(now);
}

void AccountQueue::handle_not_prepared(Now now, std::uint64_t id, const Refusal* refusal,
                                       const Error& error) {
  if (!preparing_ || preparing_->first != id) return;
  Entry& entry = entries_.at(preparing_->second);
  preparing_.reset();
  const bool final =
      refusal != nullptr && is_final(refusal->error) && !says(*refusal, "insufficient funds");
  if (final && (pending() == 0 || ++entry.refusals >= kMaxRefusals)) {
    finish(now, entry, TransactionState::Failed, refusal->text);
  } else {
    // Ours that are under way may change what it says; a top-up of the account may too.
    back_off(now, entry, text_of(refusal, error));
  }
  step(now);
}

Transaction AccountQueue::transaction_of(const TransactionRecord& record,
                                         const TransactionRecord::Attempt& attempt) const {
  Transaction out;
  out.chain_id = config_.chain_id;
  out.nonce = attempt.nonce;
  out.fees = attempt.fees;
  out.gas_limit = record.gas_limit;
  out.to = record.to;
  out.value = record.value;
  out.data = record.data;
  return out;
}

// Signs and stores one more attempt under the record's nonce; nothing happens when it cannot be
// signed.
void AccountQueue::add_attempt(Now now, Entry& entry, const Fees& fees) {
  const TransactionRecord before = entry.record;
  TransactionRecord::Attempt attempt{*entry.record.nonce, fees, {}};
  const auto made = sign(transaction_of(entry.record, attempt), signer_);
  if (!made.ok()) return;
  attempt.hash = made->hash;
  entry.record.attempts.push_back(attempt);
  store(now, entry, Storing::Attempt, before);
}

// --- sending

void AccountQueue::start_sends(Now now) {
  for (auto& [number, entry] : entries_) {
    if (!entry.to_send || entry.sending || entry.storing != Storing::No ||
        entry.next_try > now.instant || entry.record.attempts.empty()) {
      continue;
    }
    const auto made = sign(transaction_of(entry.record, entry.record.attempts.back()), signer_);
    if (!made.ok()) {
      back_off(now, entry, "it cannot be signed");
      continue;
    }
    entry.sending = true;
    const std::uint64_t id = ++last_action_;
    sends_[id] = number;
    actions_.push_back(Send{id, made->raw});
  }
}

void AccountQueue::handle_sent(Now now, std::uint64_t id) {
  const auto found = sends_.find(id);
  if (found == sends_.end()) return;
  const auto at = entries_.find(found->second);
  sends_.erase(found);
  if (at == entries_.end()) return step(now);
  Entry& entry = at->second;
  entry.sending = false;
  entry.to_send = false;
  entry.record.reason = "sent, waits to be mined";
  entry.retry = config_.first_retry;
  if (!poll_at_) poll_at_ = now.instant + config_.poll_interval;
  step(now);
}

void AccountQueue::handle_not_sent(Now now, std::uint64_t id, const Refusal* refusal,
                                   const Error& error) {
  if (refusal != nullptr && is_known_already(*refusal)) return handle_sent(now, id);
  const auto found = sends_.find(id);
  if (found == sends_.end()) return;
  const auto at = entries_.find(found->second);
  sends_.erase(found);
  if (at == entries_.end()) return step(now);
  Entry& entry = at->second;
  entry.sending = false;
  if (refusal != nullptr && is_nonce_used(*refusal)) {
    // One of its attempts was mined, or somebody else's transaction: receipts tell.
    entry.to_send = false;
    entry.record.reason = "its nonce is used, looking for its receipt";
    poll_at_ = now.instant;
  } else {
    if (refusal != nullptr && is_too_cheap(*refusal)) {
      entry.last_attempt = now.instant - config_.raise_after;  // with the next poll's fees
      poll_at_ = poll_at_ ? std::min(*poll_at_, now.instant + config_.first_retry)
                          : now.instant + config_.first_retry;
    }
    back_off(now, entry, text_of(refusal, error));
    if (!poll_at_) poll_at_ = now.instant + config_.poll_interval;
  }
  step(now);
}

// --- time

void AccountQueue::step(Now now) {
  expire(now);
  start_prepare(now);
  start_sends(now);
  const bool any = std::any_of(entries_.begin(), entries_.end(), [](const auto& entry) {
    return entry.second.record.state == TransactionState::Pending;
  });
  if (any && !poll_at_ && !polling_) poll_at_ = now.instant + config_.poll_interval;
  if (!any) poll_at_.reset();
  start_poll(now);
}

void AccountQueue::handle_timeout(Now now) { step(now); }

std::optional<Instant> AccountQueue::next_timeout() const {
  std::optional<Instant> at = poll_at_;
  const bool room = may_prepare();
  for (const auto& [number, entry] : entries_) {
    if (entry.storing != Storing::No) continue;
    if (entry.record.state == TransactionState::Waiting) {
      if (preparing_ && preparing_->second == number) continue;
      const Instant limit = std::max(entry.since + config_.waiting_limit, entry.next_try);
      at = earliest(at, room ? std::min(entry.next_try, limit) : limit);
    } else if (entry.to_send && !entry.sending) {
      at = earliest(at, entry.next_try);
    }
  }
  return at;
}

}  // namespace myst::chain
