// AccountQueue: what became of what was sent. Receipts, reorganisations, fees of what is stuck,
// nonces that somebody else used, gaps.
#include <algorithm>
#include <utility>

#include "core/chain/account_queue.hpp"

namespace myst::chain {
namespace {

constexpr std::uint64_t kPlainTransferGas = 21000;
constexpr std::uint64_t kForeignBlocks = 3;
constexpr std::size_t kMaxHashes = 128;  // receipts asked for at a time
constexpr std::uint64_t kMaxFillers = 16;
constexpr std::string_view kFillerPrefix = "gap-";

}  // namespace

void AccountQueue::start_poll(Now now) {
  if (polling_ || !poll_at_ || *poll_at_ > now.instant) return;
  poll_at_.reset();
  Polling polling;
  bool any = false;
  for (const auto& [number, entry] : entries_) {
    const auto& attempts = entry.record.attempts;
    if (attempts.empty()) continue;
    any = any || entry.record.state == TransactionState::Pending;
    // Older ones first; the rest has its turn when these are done.
    if (polling.hashes.size() + attempts.size() > kMaxHashes) continue;
    polling.entries.push_back(number);
    for (const auto& attempt : attempts) polling.hashes.push_back(attempt.hash);
  }
  if (!any) return;
  polling.id = ++last_action_;
  actions_.push_back(Poll{polling.id, polling.hashes});
  polling_ = std::move(polling);
}

AccountQueue::Entry* AccountQueue::lowest_pending() {
  Entry* lowest = nullptr;
  for (auto& [number, entry] : entries_) {
    (void)number;
    if (entry.record.state != TransactionState::Pending || !entry.record.nonce) continue;
    if (lowest == nullptr || *entry.record.nonce < *lowest->record.nonce) lowest = &entry;
  }
  return lowest;
}

void AccountQueue::handle_not_polled(Now now, std::uint64_t id, const Error&) {
  if (!polling_ || polling_->id != id) return;
  polling_.reset();
  poll_pause_ = std::min(poll_pause_ * 2, std::max(config_.longest_retry, config_.poll_interval));
  poll_at_ = now.instant + poll_pause_;
  step(now);
}

void AccountQueue::handle_polled(Now now, std::uint64_t id, const Polled& polled) {
  if (!polling_ || polling_->id != id) return;
  const Polling polling = std::move(*std::exchange(polling_, std::nullopt));
  const std::vector<Digest32>& hashes = polling.hashes;
  poll_pause_ = config_.poll_interval;
  poll_at_ = now.instant + poll_pause_;
  std::map<Digest32, const Receipt*> receipts;
  for (std::size_t i = 0; i < hashes.size() && i < polled.receipts.size(); ++i) {
    const auto& receipt = polled.receipts[i];
    // A receipt of another transaction is no receipt.
    if (receipt && receipt->transaction == hashes[i]) receipts[hashes[i]] = &*receipt;
  }
  fill_gap(now, polled.mined_nonce);
  for (const std::uint64_t number : polling.entries) {
    const auto at = entries_.find(number);
    if (at == entries_.end() || at->second.storing != Storing::No) continue;
    // One whose nonce was lost, as it seemed, is looked at too, unless it is on its way to another
    // nonce this very moment.
    if (preparing_ && preparing_->second == number) continue;
    // Attempts made meanwhile were not asked for: the next poll knows.
    const bool complete = std::all_of(
        at->second.record.attempts.begin(), at->second.record.attempts.end(), [&](const auto& a) {
          return std::find(hashes.begin(), hashes.end(), a.hash) != hashes.end();
        });
    if (complete) look_at(now, at->second, polled, receipts);
  }
  step(now);
}

void AccountQueue::look_at(Now now, Entry& entry, const Polled& polled,
                           const std::map<Digest32, const Receipt*>& receipts) {
  TransactionRecord& record = entry.record;
  const Receipt* receipt = nullptr;
  std::uint64_t nonce = 0;
  for (const auto& attempt : record.attempts) {
    const auto found = receipts.find(attempt.hash);
    // A server that has the receipt counts the nonce as used, or it contradicts itself.
    if (found == receipts.end() || polled.mined_nonce <= attempt.nonce) continue;
    receipt = found->second;
    nonce = attempt.nonce;
  }
  if (receipt != nullptr) {
    entry.nonce_gone_since.reset();
    entry.to_send = false;
    const bool deep =
        polled.head >= receipt->block && polled.head - receipt->block + 1 >= config_.confirmations;
    if (!deep) {
      record.block = receipt->block;
      record.reason = "mined, waits for " + std::to_string(config_.confirmations) + " blocks";
      return;
    }
    const TransactionRecord before = record;
    record.hash = receipt->transaction;
    record.nonce = nonce;
    record.block = receipt->block;
    record.gas_used = receipt->gas_used;
    record.gas_price = receipt->gas_price;
    record.state = receipt->succeeded ? TransactionState::Succeeded : TransactionState::Reverted;
    record.reason = receipt->succeeded ? "" : "the contract reverted";
    store(now, entry, Storing::Outcome, before);
    return;
  }
  if (record.state != TransactionState::Pending) return;
  if (record.block != 0) {  // it was mined, and is not any more
    record.block = 0;
    record.reason = "taken back by a reorganisation, sent again";
    entry.to_send = true;
    entry.next_try = now.instant;
  }
  if (polled.mined_nonce > *record.nonce) {
    if (!entry.nonce_gone_since) {
      entry.nonce_gone_since = now.instant;
      entry.nonce_gone_head = polled.head;
    }
    entry.to_send = false;
    record.reason = "its nonce is used by a transaction that is not known here";
    const bool long_ago = now.instant >= *entry.nonce_gone_since + config_.settled_after;
    const bool deep = polled.head >= entry.nonce_gone_head &&
                      polled.head - entry.nonce_gone_head >= config_.confirmations + kForeignBlocks;
    if (long_ago && deep && record.attempts.size() < config_.max_attempts) {
      if (record.id.compare(0, kFillerPrefix.size(), kFillerPrefix) == 0) {
        return finish(now, entry, TransactionState::Failed, "the gap was filled by another one");
      }
      const TransactionRecord before = record;
      record.nonce.reset();
      record.state = TransactionState::Waiting;
      record.reason = "its nonce was used by another transaction, it gets a new one";
      entry.since = now.instant;
      store(now, entry, Storing::Requeue, before);
    }
    return;
  }
  entry.nonce_gone_since.reset();
  if (now.instant < entry.last_attempt + config_.raise_after) return;
  // Only the lowest nonce can be stuck for its own price; the others wait for it. Those that no
  // server remembers are sent again.
  const bool lowest = lowest_pending() == &entry;
  if (lowest && polled.fees && record.attempts.size() < config_.max_attempts && !entry.sending) {
    const auto more = raised(record.attempts.back().fees, *polled.fees, config_.fees);
    if (more) return add_attempt(now, entry, *more);
    record.reason = "waits to be mined; the limit of fees is reached";
  }
  entry.last_attempt = now.instant;
  if (!entry.to_send) {
    entry.to_send = true;
    entry.next_try = now.instant;
  }
}

// All our nonces are above the one the chain waits for, and nobody fills the gap.
void AccountQueue::fill_gap(Now now, std::uint64_t mined_nonce) {
  const Entry* lowest = lowest_pending();
  if (lowest == nullptr || *lowest->record.nonce <= mined_nonce) {
    gap_since_.reset();
    return;
  }
  if (!gap_since_) gap_since_ = now.instant;
  if (now.instant < *gap_since_ + config_.settled_after) return;
  if (lowest->record.attempts.empty()) return;
  const Fees fees = lowest->record.attempts.back().fees;
  const std::uint64_t end = std::min(*lowest->record.nonce, mined_nonce + kMaxFillers);
  for (std::uint64_t nonce = mined_nonce; nonce < end; ++nonce) add_filler(now, nonce, fees);
}

void AccountQueue::add_filler(Now now, std::uint64_t nonce, const Fees& fees) {
  const std::string id = std::string(kFillerPrefix) + std::to_string(nonce);
  if (by_id_.count(id) != 0) return;
  Entry entry;
  entry.record.id = id;
  entry.record.to = signer_.address();
  entry.record.gas_limit = kPlainTransferGas;
  entry.record.created = entry.record.updated = now.wall;
  entry.since = entry.next_try = entry.last_attempt = now.instant;
  entry.retry = config_.first_retry;
  by_id_[id] = ++last_entry_;
  Entry& at = entries_.emplace(last_entry_, std::move(entry)).first->second;
  at.record.nonce = nonce;
  at.record.state = TransactionState::Pending;
  add_attempt(now, at, fees);
  if (at.storing != Storing::No) return;
  by_id_.erase(id);  // it cannot be signed
  entries_.erase(last_entry_);
}

}  // namespace myst::chain
