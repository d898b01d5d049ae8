// The consumer's half of the pingpong: checks each invoice against its own reckoning, promises,
// stores, sends (reference: session/pingpong/invoice_payer.go). Sans-IO, used like InvoiceTracker.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "core/identity/signer.hpp"
#include "core/p2p/messages.hpp"
#include "core/payment/grand_totals.hpp"
#include "core/payment/price.hpp"
#include "core/payment/promise.hpp"
#include "core/payment/settings.hpp"
#include "core/session/record.hpp"

namespace myst::core {

class InvoicePayer {
 public:
  struct Config {
    ChainConfig chain;
    PaymentConfig payment;
    Address provider, hermes;
    payment::Price price;
  };
  static constexpr std::size_t kMaxPending = 8;  // full: the invoice is refused
  // Each invoice costs two signatures and a commit to disk, so a provider gets so many at once and
  // one a second; honest ones come 5 s apart at the least. Beyond: refused.
  static constexpr int kBurst = 8;

  struct Store {  // -> handle_stored
    std::uint64_t token;
    PaymentRecord record;
    Wei grand_total;
  };
  struct Send {  // what comes of it does not matter: the next promise covers it
    Bytes message;
  };
  struct Paid {
    Wei agreement_total;
  };
  struct Failed {  // the last action: the connection has to end
    Error why;
  };
  using Action = std::variant<Store, Send, Paid, Failed>;

  // Its clock starts now. `totals` must outlive it and know the key of (chain, signer, hermes).
  InvoicePayer(const Config& config, std::shared_ptr<const Signer> signer, GrandTotals& totals,
               Now now);

  void set_session(std::string session_id) { session_id_ = std::move(session_id); }
  void handle_data(std::uint64_t up_bytes, std::uint64_t down_bytes);  // cumulative
  // The status is the handler's answer to the provider.
  Status handle_invoice(Now now, ByteSpan invoice);
  void handle_stored(Now now, std::uint64_t token, const Status& status);
  void handle_timeout(Now now);

  std::optional<Action> poll_action();
  std::optional<Instant> next_timeout() const;
  bool failed() const { return failed_; }
  const Wei& paid() const { return last_total_; }

 private:
  struct Pending {
    std::uint64_t token;
    Bytes message;
    Wei total;
    Instant not_before;
    bool stored = false;
  };
  Status pay(Now now, const payment::Invoice& invoice, const pb::Invoice& wire);
  void send_ready(Instant now);
  void fail(Errc code, const char* why);

  Config config_;
  std::shared_ptr<const Signer> signer_;
  GrandTotals& totals_;
  Instant start_;
  Address identity_;
  std::string session_id_;
  payment::DataVolume data_;
  std::optional<U256> agreement_;
  Wei last_total_;
  Wei promised_;  // in this session, whatever its invoices call it
  std::uint64_t next_token_ = 1;
  std::deque<Pending> pending_;  // in order of arrival
  std::deque<Action> actions_;
  int credit_ = kBurst;
  Instant credited_;
  bool failed_ = false;
};

}  // namespace myst::core
