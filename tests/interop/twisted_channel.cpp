#include "tests/interop/twisted_channel.hpp"

#include <algorithm>
#include <cstdio>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/text.hpp"
#include "core/base/u256.hpp"
#include "core/p2p/messages.hpp"
#include "tests/interop/honest_channel.hpp"

namespace myst::interop {
namespace {

namespace pb = core::pb;

struct Twist {
  int honest = 3;
  bool stale = false, repeat = false, agreements = false;
  Duration late{};
  int flood = 0;
  std::string invoice;
  Bytes replay;
};

struct Held {
  Instant until;
  Bytes payment;
};
// One process, one peer: what it has said so far.
struct Said {
  int payments = 0, invoices = 0, shown = 0;
  std::uint64_t agreements = 0;
  Bytes first_payment;
  std::deque<Held> late;  // ends with the process
  std::set<std::pair<const core::Channel*, std::uint64_t>> invoice_ids;
};
// What one invoice of a flood asks for, 0.001 MYST: far less than what is always paid without a
// word.
const Wei kSip{1'000'000'000'000'000u};
// Ids of requests that never leave; the channel's own count from 1.
std::uint64_t next_unsent = std::uint64_t{1} << 60;

Twist twist;
Said said;

bool twists_invoices() { return twist.agreements || twist.flood > 0; }

Bytes payment(ByteSpan honest) {
  ++said.payments;
  if (said.first_payment.empty()) {
    said.first_payment = to_bytes(honest);
    // For a later session: {"replay": this}.
    std::printf("first payment %s\n", to_hex(honest).c_str());
    std::fflush(stdout);
  }
  if (!twist.replay.empty()) return twist.replay;
  // With another lock as well: in turns.
  const bool turn = twist.invoice.empty() || said.payments % 2 == 0;
  if (twist.stale && turn && said.payments > twist.honest) return said.first_payment;
  return to_bytes(honest);
}

// What goes out for one invoice of the core, in order.
std::vector<Bytes> invoices(ByteSpan honest) {
  auto read = pb::Invoice::decode(honest);
  if (!read.ok() || ++said.invoices <= twist.honest) return {to_bytes(honest)};
  if (twist.repeat) return {to_bytes(honest), to_bytes(honest)};
  if (!twists_invoices()) return {to_bytes(honest)};
  if (twist.flood > 0) read->agreement_total = kSip.to_string();
  const auto own = U256::parse(read->agreement_id);
  std::vector<Bytes> all;
  for (int i = 0; i < std::max(twist.flood, 1); ++i) {
    read->agreement_id =
        U256::saturating_add(own.ok() ? *own : U256(), U256(++said.agreements)).to_string();
    all.push_back(read->encode());
  }
  return all;
}

void show_another(Bytes& invoice) {
  if (twist.invoice.empty() || ++said.shown <= twist.honest) return;
  auto read = pb::Invoice::decode(invoice);
  if (!read.ok()) return;
  if (twist.invoice == "another_agreement") {
    read->agreement_id = "7";
  } else if (twist.invoice == "another_total") {
    const auto total = U256::parse(read->agreement_total);
    if (total.ok()) read->agreement_total = U256::saturating_sub(*total, Wei{1}).to_string();
  } else if (twist.invoice == "another_lock" && !read->hashlock.empty()) {
    read->hashlock[0] = read->hashlock[0] == '0' ? '1' : '0';
  }
  invoice = read->encode();
}

}  // namespace

void twist_channels(json::Value setup) {
  twist.honest = static_cast<int>(setup["honest"].i64_or(3));
  twist.stale = setup["stale"].boolean_or(false);
  twist.repeat = setup["repeat"].boolean_or(false);
  twist.agreements = setup["agreements"].boolean_or(false);
  twist.late = std::chrono::seconds{setup["late"].i64_or(0)};
  twist.flood = static_cast<int>(setup["flood"].i64_or(0));
  twist.invoice = setup["invoice"].string_or("");
  const auto replay = from_hex(setup["replay"].string_or(""));
  if (replay.ok()) twist.replay = *replay;
}

}  // namespace myst::interop

namespace myst::core {

using interop::said;
using interop::twist;

Result<std::uint64_t> Channel::request(Instant now, std::string_view topic, ByteSpan data,
                                       Duration timeout) {
  if (topic == topic::kPaymentMessage) {
    while (!said.late.empty() && now >= said.late.front().until) {
      (void)interop::honest_request(*this, now, topic, said.late.front().payment, timeout);
      said.late.pop_front();
    }
    const Bytes payment = interop::payment(data);
    if (twist.late > Duration{} && said.payments > twist.honest) {
      said.late.push_back({now + twist.late, payment});
      return interop::next_unsent++;  // its core waits for no answer
    }
    return interop::honest_request(*this, now, topic, payment, timeout);
  }
  if (topic != topic::kPaymentInvoice) {
    return interop::honest_request(*this, now, topic, data, timeout);
  }
  // The core waits for the answer to one; the others have nobody who waits.
  Result<std::uint64_t> id = Error{Errc::Full, 0, "no invoice"};
  for (const Bytes& invoice : interop::invoices(data)) {
    auto sent = interop::honest_request(*this, now, topic, invoice, timeout);
    if (sent.ok()) said.invoice_ids.insert({this, *sent});
    if (!id.ok()) id = std::move(sent);
  }
  return id;
}

std::optional<Channel::Event> Channel::poll_event() {
  while (auto event = interop::honest_poll_event(*this)) {
    if (auto* incoming = std::get_if<Incoming>(&*event)) {
      if (incoming->topic == topic::kPaymentInvoice) interop::show_another(incoming->data);
      if (incoming->topic == topic::kPaymentMessage && interop::twists_invoices() &&
          said.invoices > twist.honest) {
        // For what its core never asked. An honest one would end the session over it.
        (void)reply(Instant{}, incoming->id, Reply::success());
        continue;
      }
    } else if (auto* answer = std::get_if<Answer>(&*event)) {
      // A cheat that is refused goes on.
      if (said.invoice_ids.erase({this, answer->id}) > 0) answer->result = Bytes();
    }
    return event;
  }
  return std::nullopt;
}

}  // namespace myst::core
