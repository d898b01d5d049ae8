// Settlements that the transactor has, until a fact ends them: the log of the settlement, the
// channel's settled amount, or a failure that the transactor itself tells. What it has is "in
// settlement", however long that takes and however often the node is restarted: each is on the disk
// before the transactor is asked.
//
//   open -> (disk) -> refused | unanswered | taken -> queue and chain, until one of them decides
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include "core/money/effect_queue.hpp"

namespace myst::core::money {

class SettlementWatch {
 public:
  struct Config {
    std::uint64_t chain = 0;
    Duration first_check = std::chrono::seconds{2};  // of the transactor's queue; then longer
    Duration check_interval = std::chrono::seconds{30};
    Duration limit = std::chrono::minutes{3};  // so long somebody waits
    Duration late = std::chrono::minutes{10};  // between checks after that
    // Of an order that was not answered: longer than a transactor works on one. Nobody can be asked
    // about it.
    Duration patience = std::chrono::hours{24};
  };
  // Full: the one of the smallest promise goes. A larger promise contains it.
  static constexpr std::size_t kMaxOfChannel = 8;

  // Error text; empty: settled, or it takes longer than `limit`.
  using Then = std::function<void(Now, const std::string&)>;
  struct Hooks {
    std::function<void(Now, const Address& provider, const Address& hermes, const ChannelAmounts&)>
        channel_read;
    std::function<void(const Address& provider)> changed;  // in_settlement() has
  };

  SettlementWatch(EffectQueue& fx, Config config, Hooks hooks)
      : fx_(fx), config_(config), hooks_(std::move(hooks)) {}

  void resume(Now now);  // what the last run left

  // Puts it on the disk, then the transactor may be asked. One of the same promise that is followed
  // already stays as it is.
  void open(Now now, OpenSettlement settlement, std::function<void(Now)> then);
  // What came of asking. Refused: an order before it for the same promise stays.
  void taken(Now now, const OpenSettlement& settlement, std::string queue_id, Then then);
  void refused(Now now, const OpenSettlement& settlement);
  void unanswered(Now now, const OpenSettlement& settlement);

  // Of what is settled so far, how much more it will be.
  Wei in_settlement(const Address& provider, const Address& hermes, const Wei& settled) const;
  // Does the transactor have that promise?
  bool follows(const Address& provider, const Address& hermes, const Wei& amount) const;
  void handle_timeout(Now now);
  std::optional<Instant> next_timeout() const;

 private:
  using Key = std::tuple<Address, Address, Wei>;
  struct Entry {
    OpenSettlement open;
    Then then;  // not told yet
    Instant give_up_at{};
    std::optional<Instant> check_at;
    Duration pause{};
  };
  using EntryPtr = std::shared_ptr<Entry>;
  static Key key_of(const OpenSettlement& open) {
    return {open.provider, open.hermes, open.amount};
  }
  EntryPtr find(const OpenSettlement& open) const;
  bool alive(const EntryPtr& entry) const { return find(entry->open) == entry; }
  void make_room(const Address& provider, const Address& hermes);
  void forget(const OpenSettlement& open);
  void follow(Now now, const EntryPtr& entry);
  void wait(Now now, const EntryPtr& entry);
  void check(Now now, const EntryPtr& entry);
  void queue_says(Now now, const EntryPtr& entry, const QueueEntry& said);
  void read_channel(const EntryPtr& entry, const QueueEntry& said);
  void look_for_logs(const EntryPtr& entry, std::function<void(Now)> none);
  void close(Now now, const EntryPtr& entry, const std::string& problem);
  void fail(Now now, const EntryPtr& entry, const std::string& error);
  void record(Now now, const EntryPtr& entry, SettlementRecord one);

  EffectQueue& fx_;
  Config config_;
  Hooks hooks_;
  std::map<Key, EntryPtr> entries_;
};

}  // namespace myst::core::money
