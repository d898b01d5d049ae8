// The provider's half of the pingpong: sends invoices, waits for exchange messages, ends the
// session when they stay out or are wrong (reference: session/pingpong/invoice_tracker.go).
// Sans-IO:
//
//   InvoiceTracker tracker(config, rng, now);   // the first invoice is planned at once
//   tracker.handle_*(now, ...);
//   while (auto action = tracker.poll_action()) ...
//   timer.arm(tracker.next_timeout());
//
// Differs from the reference where no consumer can tell, or only a dishonest one: an invoice counts
// as outstanding, and is on disk, before it is sent; the message must repeat the invoice's
// agreement, total, provider and Hermes; the promise must have grown by what was invoiced.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/secret.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "core/p2p/messages.hpp"
#include "core/payment/payment_check.hpp"
#include "core/payment/price.hpp"
#include "core/payment/promise.hpp"
#include "core/payment/settings.hpp"
#include "core/session/record.hpp"

namespace myst::core {

class InvoiceTracker {
 public:
  struct Config {
    ChainConfig chain;
    PaymentConfig payment;
    Address provider, consumer, hermes;
    std::string session_id;
    payment::Price price;
  };
  // Invoices sent and not yet paid. Full: the oldest counts as unpaid.
  static constexpr std::size_t kMaxOutstanding = 32;

  struct Store {  // -> handle_stored
    std::uint64_t token;
    InvoiceRecord record;
  };
  struct Send {  // -> handle_sent
    std::uint64_t token;
    pb::Invoice invoice;
  };
  struct StoreAccepted {  // -> handle_accepted_stored
    std::uint64_t token;
    PaymentRecord record;
  };
  struct AskHermes {  // only a paid session with a chain -> handle_hermes
    std::uint64_t token;
    Bytes message;
    Secret<32> r;
    U256 agreement;
  };
  struct FirstPaid {};
  struct Earned {
    Wei total;
  };
  struct Failed {  // the last action: the session has to end
    Error why;
  };
  using Action = std::variant<Store, Send, StoreAccepted, AskHermes, FirstPaid, Earned, Failed>;

  InvoiceTracker(const Config& config, Rng& rng, Now now);

  void handle_data(Now now, std::uint64_t up_bytes, std::uint64_t down_bytes);  // cumulative
  void handle_stored(Now now, std::uint64_t token, const Status& status);
  void handle_sent(Now now, std::uint64_t token, const Status& answer);
  // The status is the handler's answer to the consumer: only what does not parse is an error there.
  // A message that parses and is wrong ends the session by Failed.
  Status handle_exchange(Now now, ByteSpan message);
  void handle_accepted_stored(Now now, std::uint64_t token, const Status& status);
  void handle_hermes(Now now, std::uint64_t token, const Status& status);
  void handle_timeout(Now now);

  std::optional<Action> poll_action();
  std::optional<Instant> next_timeout() const;
  bool failed() const { return failed_; }
  const Wei& earned() const { return last_total_; }  // agreement total of the last accepted payment
  const U256& agreement() const { return agreement_; }

 private:
  struct Outstanding {
    std::uint64_t token;
    Digest32 hashlock;
    Secret<32> r;
    Wei total;
    bool critical;
    bool first;
    std::optional<Instant> deadline;  // set when it is handed out to be sent
    WallTime created;
  };
  // An accepted message on its way to disk.
  struct Accepted {
    std::uint64_t token;
    Bytes message;
    Secret<32> r;
    bool first;
  };

  Wei due(Instant now) const;
  void tick(Now now);
  void invoice(Now now, bool critical);
  void fail(Errc code, const char* why);

  Config config_;
  Rng& rng_;
  Instant start_;
  Instant last_invoice_;
  Instant tick_at_;
  U256 agreement_;
  payment::DataVolume data_;
  Duration period_;
  Wei max_unpaid_;
  int limit_;  // missed payments, unsent invoices
  int unpaid_ = 0, unsent_ = 0, hermes_failures_ = 0;
  bool first_sent_ = false, first_paid_ = false, failed_ = false;
  Wei last_total_, last_amount_;
  std::uint64_t next_token_ = 1;
  std::vector<Outstanding> outstanding_;  // by age
  std::deque<Accepted> accepted_;         // at most kMaxOutstanding
  std::deque<Action> actions_;            // a few for each input
};

}  // namespace myst::core
