// Exchanges consumers' payments for promises of Hermes: one after the other for the whole node, as
// each promise replaces the one before (reference: session/pingpong/hermes_promise_handler.go).
//
//   ask for a promise -> verify -> on disk -> reveal R -> note that it is revealed
//
// R leaves this node only when the promise that it opens is on disk. A Hermes that knows of a
// promise whose R it has not seen sends back our own encrypted note of it, and gets that R first.
// Unlike the reference, a promise is believed only when it carries the operator's signature, our
// channel and our hashlock, and grows by what the consumer paid since the last exchange (by what is
// known of that after a restart: it never falls).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "core/base/rng.hpp"
#include "core/money/effect_queue.hpp"
#include "core/payment/payment_check.hpp"

namespace myst::core::money {

class PromiseDesk {
 public:
  static constexpr std::size_t kMaxWaiting = 100;      // full: the exchange is refused with Full
  static constexpr std::size_t kMaxAgreements = 1024;  // full: forgotten, and learned again

  struct Job {
    std::uint64_t request = 0;  // 0: nobody waits for the outcome
    Address provider;
    Bytes message;  // exchange message, protobuf
    Secret<32> r;
    U256 agreement;
    std::shared_ptr<const Signer> signer;  // of the provider
  };
  struct Events {
    // A promise is on disk.
    std::function<void(Now, const StoredPromise&)> received;
    // Hermes has its R.
    std::function<void(const StoredPromise&)> revealed;
    // Hermes cannot promise more until the channel is settled.
    std::function<void(Now, std::uint64_t chain, const Address& provider, const Address& hermes)>
        exhausted;
    // The highest amount known of that channel: a promise below it is a lie.
    std::function<Wei(std::uint64_t chain, const Address& provider, const Address& hermes)> known;
    // What is stored of that channel, if anything is.
    std::function<const StoredPromise*(std::uint64_t chain, const Address& provider,
                                       const Address& hermes)>
        stored;
  };

  PromiseDesk(EffectQueue& fx, Rng& rng, Events events)
      : fx_(fx), rng_(rng), events_(std::move(events)) {}

  Status submit(Now now, Job job);
  void handle_timeout(Now now);
  std::optional<Instant> next_timeout() const { return again_at_; }
  std::size_t waiting() const { return jobs_.size(); }

  // Whether `answer` is a promise of that Hermes for that channel and lock.
  static Status verify(const SignedPromise& answer, const payment::Promise& expected,
                       const Address& operator_key);

 private:
  using Then = std::function<void(Now, Status)>;
  void next(Now now);
  void finish(Now now, const Status& status);
  void request(Now now);
  void answered(Now now, Result<HermesAnswer> answer);
  void refused(Now now, const hermes::Refusal& refusal);
  void store(Now now, const SignedPromise& promise);
  void reveal(Now now);
  void recover(Now now, const std::string& data, Then then);
  void resync(Now now);
  void call(HermesCall call, std::function<void(Now, Result<HermesAnswer>)> then);

  EffectQueue& fx_;
  Rng& rng_;
  Events events_;
  std::deque<Job> jobs_;  // the first is being worked on
  bool busy_ = false;
  // Of the job in work:
  std::optional<ParsedPayment> payment_;
  std::uint64_t chain_ = 0;
  Address hermes_, operator_;
  Wei fee_;
  std::string recovery_;
  StoredPromise promise_;
  bool recovered_ = false, synced_ = false;
  int busy_answers_ = 0;
  // What is exchanged of each agreement, so that the next promise can be held against it.
  std::map<std::pair<Address, U256>, Wei> exchanged_;
  std::optional<Instant> again_at_;  // Hermes was busy
};

}  // namespace myst::core::money
