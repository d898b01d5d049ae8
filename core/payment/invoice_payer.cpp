#include "core/payment/invoice_payer.hpp"

#include <algorithm>
#include <utility>

#include "core/base/text.hpp"
#include "core/payment/payment_message.hpp"

namespace myst::core {
namespace {

struct Parsed {
  pb::Invoice wire;
  payment::Invoice invoice;
};

Result<Parsed> parse(ByteSpan bytes) {
  Parsed p;
  MYST_TRY_ASSIGN(p.wire, pb::Invoice::decode(bytes));
  MYST_TRY_ASSIGN(p.invoice.agreement_id, U256::parse_wire(p.wire.agreement_id));
  MYST_TRY_ASSIGN(p.invoice.agreement_total, U256::parse_wire(p.wire.agreement_total));
  MYST_TRY_ASSIGN(p.invoice.transactor_fee, U256::parse_wire(p.wire.transactor_fee));
  MYST_TRY(from_hex(p.wire.hashlock, p.invoice.hashlock));
  MYST_TRY_ASSIGN(p.invoice.provider, Address::parse(p.wire.provider));
  p.invoice.chain_id = static_cast<std::uint64_t>(p.wire.chain_id);
  return p;
}

}  // namespace

InvoicePayer::InvoicePayer(const Config& config, std::shared_ptr<const Signer> signer,
                           GrandTotals& totals, Now now)
    : config_(config),
      signer_(std::move(signer)),
      totals_(totals),
      start_(now.instant),
      identity_(signer_->address()),
      credited_(now.instant) {}

void InvoicePayer::fail(Errc code, const char* why) {
  if (failed_) return;
  failed_ = true;
  pending_.clear();
  actions_.push_back(Failed{Error{code, 0, why}});
}

void InvoicePayer::handle_data(std::uint64_t up_bytes, std::uint64_t down_bytes) {
  data_.up_bytes = std::max(data_.up_bytes, up_bytes);
  data_.down_bytes = std::max(data_.down_bytes, down_bytes);
}

Status InvoicePayer::handle_invoice(Now now, ByteSpan bytes) {
  const auto parsed = parse(bytes);
  if (!parsed.ok()) return parsed.error();
  if (parsed->invoice.provider != config_.provider) {
    return Error{Errc::Rejected, 0, "invoice of another provider"};
  }
  if (failed_) return Error{Errc::InvalidState, 0, "payments have ended"};
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.instant - credited_);
  if (seconds.count() > 0) {
    credited_ += seconds;
    credit_ = static_cast<int>(std::min<std::int64_t>(kBurst, credit_ + seconds.count()));
  }
  if (credit_ == 0 || pending_.size() >= kMaxPending) {
    return Error{Errc::Full, 0, "too many invoices at once"};
  }
  --credit_;
  if (const Status status = pay(now, parsed->invoice, parsed->wire); !status.ok()) {
    fail(status.error().code, status.error().what);
  }
  return {};  // received; what is wrong with its content ends the connection from our side
}

Status InvoicePayer::pay(Now now, const payment::Invoice& invoice, const pb::Invoice& wire) {
  const Wei bound = payment::largest_acceptable_total(now.instant - start_, data_, config_.price,
                                                      config_.payment.consumer_leeway_bytes);
  // The first invoice of a paid session is one wei, however early it comes.
  const bool token = !config_.price.is_free() && invoice.agreement_total <= Wei{1};
  const Wei difference = agreement_ && *agreement_ == invoice.agreement_id
                             ? U256::saturating_sub(invoice.agreement_total, last_total_)
                             : invoice.agreement_total;
  // The sum counts as well: totals that fall and rise again, or come under ever new agreements, are
  // each within the bound.
  const Wei sum = U256::saturating_add(promised_, difference);
  if (std::max(invoice.agreement_total, sum) > bound && !(token && sum <= Wei{1})) {
    return Error{Errc::Rejected, 0, "provider overcharges"};
  }
  const GrandTotals::Key key{config_.chain.chain_id, identity_, config_.hermes};
  const auto amount = totals_.add(key, difference);
  if (!amount) return Error{Errc::Internal, 0, "sum of promises is not known"};
  agreement_ = invoice.agreement_id;
  last_total_ = invoice.agreement_total;
  promised_ = sum;

  const Address channel = payment::consumer_channel(
      identity_, config_.hermes, config_.chain.registry, config_.chain.channel_implementation);
  payment::Promise promise;
  promise.chain_id = config_.chain.chain_id;
  promise.channel = payment::to_word(channel);
  promise.amount = *amount;
  promise.fee = invoice.transactor_fee;
  promise.hashlock = invoice.hashlock;
  MYST_TRY_ASSIGN(pb::ExchangeMessage out,
                  signed_payment(*signer_, promise,
                                 {invoice.chain_id, invoice.agreement_id, invoice.agreement_total,
                                  invoice.provider, config_.hermes}));
  // Copied as the invoice writes them.
  out.agreement_id = wire.agreement_id;
  out.agreement_total = wire.agreement_total;
  out.provider = wire.provider;

  Pending item{next_token_++, out.encode(), invoice.agreement_total,
               now.instant + config_.payment.consumer_pause};
  PaymentRecord record{invoice.agreement_id,    config_.provider, identity_,    session_id_,
                       invoice.agreement_total, item.message,     Secret<32>{}, now.wall};
  actions_.push_back(Store{item.token, std::move(record), *amount});
  pending_.push_back(std::move(item));
  return {};
}

void InvoicePayer::handle_stored(Now now, std::uint64_t token, const Status& status) {
  if (failed_) return;
  if (!status.ok()) return fail(status.error().code, "payment could not be stored");
  for (auto& item : pending_) {
    if (item.token == token) item.stored = true;
  }
  send_ready(now.instant);
}

void InvoicePayer::handle_timeout(Now now) { send_ready(now.instant); }

void InvoicePayer::send_ready(Instant now) {
  while (!pending_.empty() && pending_.front().stored && now >= pending_.front().not_before) {
    actions_.push_back(Send{std::move(pending_.front().message)});
    actions_.push_back(Paid{pending_.front().total});
    pending_.pop_front();
  }
}

std::optional<InvoicePayer::Action> InvoicePayer::poll_action() {
  if (actions_.empty()) return std::nullopt;
  Action action = std::move(actions_.front());
  actions_.pop_front();
  return action;
}

std::optional<Instant> InvoicePayer::next_timeout() const {
  if (failed_ || pending_.empty() || !pending_.front().stored) return std::nullopt;
  return pending_.front().not_before;
}

}  // namespace myst::core
