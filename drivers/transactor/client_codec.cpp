#include "drivers/transactor/client_codec.hpp"

#include <utility>
#include <variant>

#include "core/base/text.hpp"
#include "core/base/time_text.hpp"
#include "platform/json/fields.hpp"
#include "platform/json/writer.hpp"

namespace myst::transactor {
namespace {

using namespace core::money;  // the calls and their answers
using json::amount_or_zero;
using json::member;
using json::Value;
using json::Writer;

constexpr std::size_t kMaxAnswer = 64 * 1024;
constexpr std::size_t kMaxText = 300;

void settle_members(Writer& out, const SettleBody& body) {
  const payment::Promise& promise = body.promise.promise;
  out.member("hermesID", body.hermes.to_checksum())
      .member("channelID", to_hex(promise.channel))
      .member("amount", promise.amount)
      .member("fee", promise.fee)
      .member("preimage", to_hex(body.r.bytes()))
      .member("signature", to_hex(body.promise.signature))
      .member("providerID", body.provider.to_string())
      .member("chainID", promise.chain_id);
}

WireCall write(const Settle& call) {
  WireCall wire;
  wire.path = call.into_stake ? "identity/settle/into_stake" : "identity/settle_and_rebalance";
  Writer out(wire.body);
  out.begin_object();
  settle_members(out, call.body);
  out.end_object();
  return wire;
}

WireCall write(const SettleWithBeneficiary& call) {
  WireCall wire;
  wire.path = "identity/settle_with_beneficiary";
  Writer out(wire.body);
  out.begin_object().key("Promise").begin_object();
  settle_members(out, call.body);
  out.end_object();
  out.member("beneficiary", call.beneficiary.to_string())
      .member("nonce", call.nonce)
      .member("signature", "0x" + to_hex(call.signature))
      .member("providerID", call.body.provider.to_string())
      .member("chainID", call.body.promise.promise.chain_id)
      .member("registry", call.registry.to_checksum())
      .end_object();
  return wire;
}

WireCall write(const PayAndSettle& call) {
  WireCall wire;
  wire.path = "identity/pay_and_settle";
  Writer out(wire.body);
  out.begin_object();
  settle_members(out, call.body);
  out.member("beneficiary", call.beneficiary.to_checksum())
      .member("beneficiarySignature", to_hex(call.signature))
      .end_object();
  return wire;
}

WireCall write(const RegisterIdentity& call) {
  WireCall wire;
  wire.path = "identity/register";
  if (!call.referral_token.empty()) {
    wire.path += "/referer";
  } else if (call.provider) {
    wire.path += "/provider";
  }
  Writer out(wire.body);
  out.begin_object()
      .member("registryAddress", call.registry.to_checksum())
      .member("hermesID", call.hermes.to_checksum())
      .member("stake", call.stake)
      .member("fee", call.fee)
      .member("beneficiary", call.beneficiary)
      .member("signature", "0x" + to_hex(call.signature))
      .member("identity", call.identity.to_string())
      .member("chainID", call.chain);
  if (!call.referral_token.empty()) out.member("token", call.referral_token);
  out.end_object();
  return wire;
}

// Zero members are left out, as the reference does.
WireCall write(const DecreaseStake& call) {
  WireCall wire;
  wire.path = "stake/decrease";
  Writer out(wire.body);
  out.begin_object().member("channel_id", to_hex(call.channel));
  if (!call.nonce.is_zero()) out.member("nonce", call.nonce);
  out.member("hermes_id", call.hermes.to_checksum());
  if (!call.amount.is_zero()) out.member("amount", call.amount);
  if (!call.fee.is_zero()) out.member("transactor_fee", call.fee);
  out.member("signature", to_hex(call.signature))
      .member("chain_id", call.chain)
      .member("providerID", call.provider.to_string())
      .end_object();
  return wire;
}

WireCall write(const OpenChannel& call) {
  WireCall wire;
  wire.path = "channel/open";
  Writer(wire.body)
      .begin_object()
      .member("transactorFee", 0)
      .member("signature", "0x" + to_hex(call.signature))
      .member("hermesID", call.hermes.to_checksum())
      .member("chainID", call.chain)
      .member("registry_address", call.registry.to_checksum())
      .end_object();
  return wire;
}

// --- answers

Result<json::Document> parse(std::string_view body) {
  json::Limits limits;
  limits.max_bytes = kMaxAnswer;
  limits.max_depth = 8;
  return json::Document::parse(body, limits);
}

// Absent or unreadable: the epoch, so that nothing is kept.
WallTime time_of(Value object, std::string_view name) {
  const auto time = parse_rfc3339(member(object, name).string_or(""));
  return time.ok() ? *time : WallTime{};
}

Result<FeeSet> read_fee_set(Value object) {
  if (!object.is_object()) return Error{Errc::Malformed, 0, "fees of the transactor"};
  FeeSet out;
  MYST_TRY_ASSIGN(out.registration, amount_or_zero(object, "register"));
  MYST_TRY_ASSIGN(out.settlement, amount_or_zero(object, "settle"));
  MYST_TRY_ASSIGN(out.decrease_stake, amount_or_zero(object, "decreaseStake"));
  out.valid_until = time_of(object, "valid_until");
  return out;
}

}  // namespace

WireCall write_call(const TransactorCall& call) {
  return std::visit([](const auto& c) { return write(c); }, call);
}

bool is_queued(const TransactorCall& call) {
  return std::holds_alternative<Settle>(call) || std::holds_alternative<PayAndSettle>(call) ||
         std::holds_alternative<SettleWithBeneficiary>(call);
}

std::string fee_path(std::uint64_t chain, FeeKind kind) {
  const char* what = kind == FeeKind::Register ? "register"
                     : kind == FeeKind::Settle ? "settle"
                                               : "stake/decrease";
  return "fee/" + std::to_string(chain) + "/" + what;
}

Result<std::string> read_queue_id(std::string_view body) {
  MYST_TRY_ASSIGN(const auto document, parse(body));
  MYST_TRY_ASSIGN(const std::string_view id, member(document.root(), "id").string());
  if (id.empty() || id.size() > kMaxText) return Error{Errc::Malformed, 0, "queue id"};
  return std::string(id);
}

Result<QueueEntry> read_queue_entry(std::string_view body) {
  MYST_TRY_ASSIGN(const auto document, parse(body));
  const Value root = document.root();
  QueueEntry out;
  out.id = member(root, "id").string_or("");
  out.transaction = member(root, "tx_hash").string_or("");
  out.error = member(root, "error").string_or("").substr(0, kMaxText);
  MYST_TRY_ASSIGN(const std::string_view state, member(root, "state").string());
  const std::string name = to_lower(state);
  if (name == "queue") out.state = QueueState::Waiting;
  if (name == "done") out.state = QueueState::Done;
  if (name == "error") out.state = QueueState::Failed;
  return out;
}

Result<Fee> read_fee(std::string_view body) {
  MYST_TRY_ASSIGN(const auto document, parse(body));
  Fee out;
  MYST_TRY_ASSIGN(out.amount, member(document.root(), "fee").u256());
  out.valid_until = time_of(document.root(), "valid_until");
  return out;
}

Result<bool> read_eligible(std::string_view body) {
  MYST_TRY_ASSIGN(const auto document, parse(body));
  return member(document.root(), "eligible").boolean();
}

Result<std::vector<RegistrationStatus>> read_registrations(std::string_view body) {
  MYST_TRY_ASSIGN(const auto document, parse(body));
  std::vector<RegistrationStatus> out;
  if (document.root().is_nothing()) return out;
  if (!document.root().is_array()) return Error{Errc::Malformed, 0, "registration status"};
  for (const auto& [name, entry] : document.root()) {
    (void)name;
    if (out.size() >= 64) break;
    RegistrationStatus one;
    const std::string status = to_lower(member(entry, "status").string_or(""));
    if (status == "created") one.progress = RegistrationProgress::Created;
    if (status == "priceincreased") one.progress = RegistrationProgress::PriceIncreased;
    if (status == "failed") one.progress = RegistrationProgress::Failed;
    if (status == "succeed") one.progress = RegistrationProgress::Succeeded;
    one.transaction = member(entry, "tx_hash").string_or("");
    MYST_TRY_ASSIGN(one.bounty, amount_or_zero(entry, "bounty_amount"));
    MYST_TRY_ASSIGN(one.chain, member(entry, "chain_id").u64());
    out.push_back(std::move(one));
  }
  return out;
}

Result<CombinedFees> read_combined_fees(std::string_view body) {
  MYST_TRY_ASSIGN(const auto document, parse(body));
  CombinedFees out;
  MYST_TRY_ASSIGN(out.current, read_fee_set(member(document.root(), "current")));
  MYST_TRY_ASSIGN(out.last, read_fee_set(member(document.root(), "last")));
  out.server_time = time_of(document.root(), "server_time");
  return out;
}

Result<Wei> read_reward(std::string_view body) {
  MYST_TRY_ASSIGN(const auto document, json::Document::parse(body));
  const auto text = document.root().get("reward", json::Case::Ignore).string();
  const auto reward = text.ok() ? Wei::parse(*text) : Result<Wei>(text.error());
  if (!reward.ok()) return Error{Errc::NotFound, 0, "no reward"};
  return reward;
}

std::string read_problem(std::string_view body) {
  if (const auto document = parse(body); document.ok() && document->root().is_object()) {
    const Value root = document->root();
    for (const Value from : {member(root, "error"), root}) {
      const std::string message = member(from, "message").string_or("");
      if (!message.empty()) return message.substr(0, kMaxText);
      if (from.is_string()) return std::string(*from.string()).substr(0, kMaxText);
    }
  }
  const std::string_view text = trim(body);
  return text.empty() ? "no reason given" : std::string(text.substr(0, kMaxText));
}

}  // namespace myst::transactor
