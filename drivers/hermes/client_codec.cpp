#include "drivers/hermes/client_codec.hpp"

#include <algorithm>
#include <variant>

#include "core/base/text.hpp"
#include "core/base/url.hpp"
#include "platform/json/fields.hpp"
#include "platform/json/writer.hpp"

namespace myst::hermes {
namespace {

using core::hermes::AccountData;
using core::hermes::Answer;
using core::hermes::Cause;
using core::hermes::Refusal;
using core::hermes::SignedPromise;
using core::money::AskConsumerData;
using core::money::AskPromise;
using core::money::AskProviderData;
using core::money::ChangeFee;
using core::money::RefreshPromise;
using core::money::RevealR;
using core::money::SyncPromise;
using json::amount_or_zero;
using json::base64;
using json::exactly;
using json::member;
using json::Value;
using json::Writer;

constexpr std::size_t kMaxAnswer = 64 * 1024;
constexpr std::size_t kMaxText = 500;

void write_bytes(Writer& out, std::string_view name, ByteSpan bytes) {
  out.key(name);
  if (bytes.empty()) {
    out.null();
  } else {
    out.value(to_base64(bytes));
  }
}

// A decimal of a peer, as a number.
Status write_decimal(Writer& out, std::string_view name, std::string_view text) {
  MYST_TRY_ASSIGN(const U256 number, U256::parse_wire(text));
  out.member(name, number);
  return {};
}

void write_promise(Writer& out, const SignedPromise& promise, ByteSpan r) {
  const payment::Promise& p = promise.promise;
  out.begin_object();
  write_bytes(out, "ChannelID", p.channel);
  out.member("ChainID", p.chain_id).member("Amount", p.amount).member("Fee", p.fee);
  write_bytes(out, "Hashlock", p.hashlock);
  write_bytes(out, "R", r);
  write_bytes(out, "Signature", promise.signature);
  out.end_object();
}

Result<WireCall> write(const AskPromise& call) {
  WireCall wire;
  wire.path = call.r ? "pay_and_settle" : "request_promise";
  const auto& message = call.message;
  const core::pb::Promise promise = message.promise.value_or(core::pb::Promise{});
  Writer out(wire.body);
  out.begin_object().key("exchange_message").begin_object().key("Promise").begin_object();
  write_bytes(out, "ChannelID", promise.channel_id);
  out.member("ChainID", promise.chain_id);
  MYST_TRY(write_decimal(out, "Amount", promise.amount));
  MYST_TRY(write_decimal(out, "Fee", promise.fee));
  write_bytes(out, "Hashlock", promise.hashlock);
  // What a consumer put there is not passed on.
  write_bytes(out, "R", call.r ? ByteSpan(call.r->bytes()) : ByteSpan());
  write_bytes(out, "Signature", promise.signature);
  out.end_object();
  MYST_TRY(write_decimal(out, "AgreementID", message.agreement_id));
  MYST_TRY(write_decimal(out, "AgreementTotal", message.agreement_total));
  out.member("Provider", message.provider)
      .member("Signature", message.signature)
      .member("HermesID", message.hermes_id)
      .member("ChainID", message.chain_id)
      .end_object();
  out.member("transactor_fee", call.transactor_fee)
      .member("r_recovery_data", call.recovery)
      .end_object();
  return wire;
}

Result<WireCall> write(const RevealR& call) {
  WireCall wire;
  wire.path = "reveal_r";
  Writer out(wire.body);
  out.begin_object()
      .member("R", to_hex(call.r))
      .member("Provider", call.provider.to_string())
      .key("AgreementID");
  if (call.agreement) {
    out.value(*call.agreement);
  } else {
    out.null();
  }
  out.end_object();
  return wire;
}

Result<WireCall> write(const ChangeFee& call) {
  WireCall wire;
  wire.path = "change_promise_fee";
  Writer out(wire.body);
  out.begin_object().key("hermes_promise");
  write_promise(out, call.promise, call.r.bytes());
  out.member("new_fee", call.new_fee).end_object();
  return wire;
}

Result<WireCall> write(const SyncPromise& call) {
  WireCall wire;
  wire.path = "provider/sync_promise";
  wire.signed_by_us = true;
  const payment::Promise& p = call.promise.promise;
  Writer(wire.body)
      .begin_object()
      .member("channel_id", to_hex(p.channel))
      .member("chain_id", p.chain_id)
      .member("amount", p.amount)
      .member("fee", p.fee)
      .member("hashlock", to_hex(p.hashlock))
      .member("signature", to_hex(call.promise.signature))
      .end_object();
  return wire;
}

Result<WireCall> write(const RefreshPromise& call) {
  WireCall wire;
  wire.path = "refresh_promise";
  wire.signed_by_us = true;
  Writer(wire.body)
      .begin_object()
      .member("chain_id", call.chain)
      .member("identity", call.identity.to_string())
      .member("hashlock", to_hex(call.hashlock))
      .member("r_recovery_data", call.recovery)
      .end_object();
  return wire;
}

Result<WireCall> write(const AskConsumerData& call) {
  return WireCall{false, "data/consumer/" + call.identity.to_string(), {}, false};
}
Result<WireCall> write(const AskProviderData& call) {
  return WireCall{false, "data/provider/" + call.identity.to_string(), {}, false};
}

// --- answers

// Hex of a chain word, with or without 0x; a shorter one is padded on the left.
Result<ByteArray<32>> hex_word(Value object, std::string_view name) {
  MYST_TRY_ASSIGN(const std::string_view text, member(object, name).string());
  MYST_TRY_ASSIGN(const Bytes bytes, from_hex(json::without_0x(text)));
  return payment::left_padded(bytes);
}

Result<SignedPromise> read_promise(Value object) {
  SignedPromise out;
  payment::Promise& p = out.promise;
  MYST_TRY_ASSIGN(const std::string_view channel, member(object, "ChannelID").string());
  MYST_TRY_ASSIGN(const Bytes channel_bytes, from_base64(channel));
  MYST_TRY_ASSIGN(p.channel, payment::left_padded(channel_bytes));
  MYST_TRY_ASSIGN(p.chain_id, member(object, "ChainID").u64());
  MYST_TRY_ASSIGN(p.amount, member(object, "Amount").u256());
  MYST_TRY_ASSIGN(p.fee, amount_or_zero(object, "Fee"));
  MYST_TRY_ASSIGN(p.hashlock, base64<32>(object, "Hashlock"));
  MYST_TRY_ASSIGN(out.signature, base64<65>(object, "Signature"));
  return out;
}

// The latest promise of an account: hex, unlike the other. Absent or of nothing: amount zero.
Result<SignedPromise> read_latest(Value object) {
  SignedPromise out;
  if (!object.is_object()) return out;
  payment::Promise& p = out.promise;
  MYST_TRY_ASSIGN(p.amount, amount_or_zero(object, "Amount"));
  if (p.amount.is_zero()) return out;
  MYST_TRY_ASSIGN(p.chain_id, member(object, "ChainID").u64());
  MYST_TRY_ASSIGN(p.channel, hex_word(object, "ChannelID"));
  MYST_TRY_ASSIGN(p.fee, amount_or_zero(object, "Fee"));
  MYST_TRY_ASSIGN(p.hashlock, hex_word(object, "Hashlock"));
  MYST_TRY_ASSIGN(std::string_view text, member(object, "Signature").string());
  if (text.substr(0, 2) == "0x") text.remove_prefix(2);
  MYST_TRY_ASSIGN(const Bytes signature, from_hex(text));
  MYST_TRY_ASSIGN(out.signature, exactly<65>(signature));
  return out;
}

Result<std::vector<AccountData>> read_accounts(Value root) {
  std::vector<AccountData> out;
  for (const auto& [name, value] : root) {
    if (out.size() >= 16) break;  // a chain each
    const auto chain = parse_decimal(name);
    if (!chain || !value.is_object()) return Error{Errc::Malformed, 0, "account data"};
    AccountData account;
    account.chain = *chain;
    account.identity = Address::parse_lenient(member(value, "Identity").string_or(""));
    account.beneficiary = Address::parse_lenient(member(value, "Beneficiary").string_or(""));
    MYST_TRY_ASSIGN(account.balance, amount_or_zero(value, "Balance"));
    MYST_TRY_ASSIGN(account.settled, amount_or_zero(value, "Settled"));
    MYST_TRY_ASSIGN(account.stake, amount_or_zero(value, "Stake"));
    MYST_TRY_ASSIGN(account.latest, read_latest(member(value, "LatestPromise")));
    account.offchain = member(value, "IsOffchain").boolean_or(false);
    out.push_back(std::move(account));
  }
  return out;
}

Refusal read_refusal(std::string_view body) {
  Refusal out;
  json::Limits limits;
  limits.max_bytes = kMaxAnswer;
  limits.max_depth = 8;
  const auto document = json::Document::parse(body, limits);
  if (!document.ok() || !document->root().is_object()) {
    out.message = "no reason given";
    return out;
  }
  const Value root = document->root();
  const std::string cause = member(root, "cause").string_or("");
  out.cause = core::hermes::cause_of(cause).value_or(Cause::Internal);
  out.message = member(root, "message").string_or(cause).substr(0, kMaxText);
  if (out.message.empty()) out.message = cause.substr(0, kMaxText);
  out.data = member(root, "data").string_or("");
  return out;
}

}  // namespace

Result<WireCall> write_call(const core::money::HermesCall& call) {
  return std::visit([](const auto& c) { return write(c); }, call);
}

Result<std::string> authorization(const Signer& signer, std::string_view body) {
  MYST_TRY_ASSIGN(const Signature signature, signer.sign(as_bytes(body)));
  return "Signature " + to_base64(signature);
}

Result<Answer> read_answer(const core::money::HermesCall& call, int status, std::string_view body) {
  if (status < 200 || status > 300) return Answer(read_refusal(body));
  const bool promise = std::holds_alternative<AskPromise>(call) ||
                       std::holds_alternative<ChangeFee>(call) ||
                       std::holds_alternative<RefreshPromise>(call);
  const bool accounts = std::holds_alternative<AskConsumerData>(call) ||
                        std::holds_alternative<AskProviderData>(call);
  if (!promise && !accounts) return Answer(core::hermes::Done{});
  json::Limits limits;
  limits.max_bytes = kMaxAnswer;
  limits.max_depth = 8;
  MYST_TRY_ASSIGN(const auto document, json::Document::parse(body, limits));
  if (!document.root().is_object()) return Error{Errc::Malformed, 0, "answer of hermes"};
  if (promise) {
    MYST_TRY_ASSIGN(const SignedPromise read, read_promise(document.root()));
    return Answer(read);
  }
  MYST_TRY_ASSIGN(std::vector<AccountData> read, read_accounts(document.root()));
  return Answer(std::move(read));
}

Result<std::string> base_url(std::string_view registered) {
  MYST_TRY_ASSIGN(const Url url, Url::parse(std::string(registered)));
  if (url.scheme != "http" && url.scheme != "https") {
    return Error{Errc::Malformed, 0, "URL of hermes"};
  }
  std::string out = url.scheme + "://" + url.authority();
  return out + "/api/v2";
}

}  // namespace myst::hermes
