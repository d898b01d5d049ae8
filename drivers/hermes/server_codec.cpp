#include "drivers/hermes/server_codec.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/base/time_text.hpp"
#include "core/identity/signature.hpp"
#include "core/payment/promise.hpp"
#include "platform/json/fields.hpp"
#include "platform/json/writer.hpp"

namespace myst::hermes {
namespace {

using core::hermes::SignedPromise;
using json::address;
using json::amount_or_zero;
using json::base64;
using json::exactly;
using json::hex;
using json::member;
using json::Value;
using json::without_0x;
using json::Writer;

Result<std::string_view> text(Value object, std::string_view name) {
  return member(object, name).string();
}

Result<U256> amount(Value object, std::string_view name) { return member(object, name).u256(); }

Result<std::uint64_t> chain(Value object, std::string_view name) {
  return member(object, name).u64();
}

Result<std::string> recovery_data(Value object) {
  const Value value = member(object, "r_recovery_data");
  if (value.is_nothing()) return std::string();
  MYST_TRY_ASSIGN(const std::string_view encoded, value.string());
  if (encoded.size() > kMaxRecoveryData || !from_hex(encoded).ok()) {
    return Error{Errc::Malformed, 0, "recovery data"};
  }
  return to_lower(encoded);
}

struct PromiseBody {
  SignedPromise promise;
  std::optional<Bytes> r;
};

Result<PromiseBody> read_promise(Value object) {
  PromiseBody out;
  payment::Promise& promise = out.promise.promise;
  // 20 bytes of a consumer channel, 32 of a provider's.
  MYST_TRY_ASSIGN(const std::string_view encoded, text(object, "ChannelID"));
  MYST_TRY_ASSIGN(const Bytes channel, from_base64(encoded));
  if (channel.size() != 20 && channel.size() != 32) {
    return Error{Errc::Malformed, 0, "channel id"};
  }
  MYST_TRY_ASSIGN(promise.channel, payment::left_padded(channel));
  MYST_TRY_ASSIGN(promise.chain_id, chain(object, "ChainID"));
  MYST_TRY_ASSIGN(promise.amount, amount(object, "Amount"));
  MYST_TRY_ASSIGN(promise.fee, amount_or_zero(object, "Fee"));
  MYST_TRY_ASSIGN(promise.hashlock, base64<32>(object, "Hashlock"));
  MYST_TRY_ASSIGN(out.promise.signature, base64<65>(object, "Signature"));
  if (const Value r = member(object, "R"); !r.is_nothing()) {
    MYST_TRY_ASSIGN(const std::string_view encoded_r, r.string());
    MYST_TRY_ASSIGN(Bytes bytes, from_base64(encoded_r));
    if (!bytes.empty()) out.r = std::move(bytes);
  }
  return out;
}

}  // namespace

Result<core::hermes::PromiseRequest> read_promise_request(std::string_view body, bool withdrawal) {
  MYST_TRY_ASSIGN(const auto document, json::parse_object(body, kMaxBody));
  const Value root = document.root();
  const Value message = member(root, "exchange_message");
  core::hermes::PromiseRequest out;
  MYST_TRY_ASSIGN(const PromiseBody promise, read_promise(member(message, "Promise")));
  out.promise = promise.promise;
  out.withdrawal = withdrawal;
  if (withdrawal && promise.r) {
    MYST_TRY_ASSIGN(const auto r, exactly<32>(*promise.r));
    out.r.emplace(r);
  }
  MYST_TRY_ASSIGN(out.message.chain_id, chain(message, "ChainID"));
  MYST_TRY_ASSIGN(out.message.agreement_id, amount(message, "AgreementID"));
  MYST_TRY_ASSIGN(out.message.agreement_total, amount(message, "AgreementTotal"));
  MYST_TRY_ASSIGN(out.message.provider, address(message, "Provider"));
  MYST_TRY_ASSIGN(const std::string_view hermes, text(message, "HermesID"));
  if (!hermes.empty()) {
    MYST_TRY_ASSIGN(const Address id, Address::parse(hermes));
    out.message.hermes = id;
  }
  MYST_TRY_ASSIGN(out.message_signature, hex<65>(message, "Signature"));
  MYST_TRY_ASSIGN(out.transactor_fee, amount_or_zero(root, "transactor_fee"));
  MYST_TRY_ASSIGN(out.recovery_data, recovery_data(root));
  return out;
}

Result<core::hermes::RevealRequest> read_reveal(std::string_view body) {
  MYST_TRY_ASSIGN(const auto document, json::parse_object(body, kMaxBody));
  core::hermes::RevealRequest out;
  MYST_TRY_ASSIGN(const std::string_view r, text(document.root(), "R"));
  MYST_TRY_ASSIGN(out.r, from_hex(without_0x(r)));
  MYST_TRY_ASSIGN(out.provider, address(document.root(), "Provider"));
  MYST_TRY(amount_or_zero(document.root(), "AgreementID"));
  return out;
}

Result<core::hermes::ChangeFeeRequest> read_change_fee(std::string_view body) {
  MYST_TRY_ASSIGN(const auto document, json::parse_object(body, kMaxBody));
  core::hermes::ChangeFeeRequest out;
  MYST_TRY_ASSIGN(PromiseBody promise, read_promise(member(document.root(), "hermes_promise")));
  out.promise = promise.promise;
  if (promise.r) out.r = std::move(*promise.r);
  MYST_TRY_ASSIGN(out.new_fee, amount_or_zero(document.root(), "new_fee"));
  return out;
}

Result<core::hermes::SyncRequest> read_sync(std::string_view body, const Address& signer) {
  MYST_TRY_ASSIGN(const auto document, json::parse_object(body, kMaxBody));
  const Value root = document.root();
  core::hermes::SyncRequest out;
  out.signer = signer;
  payment::Promise& promise = out.promise.promise;
  MYST_TRY_ASSIGN(promise.channel, hex<32>(root, "channel_id"));
  MYST_TRY_ASSIGN(promise.chain_id, chain(root, "chain_id"));
  MYST_TRY_ASSIGN(promise.amount, amount(root, "amount"));
  MYST_TRY_ASSIGN(promise.fee, amount_or_zero(root, "fee"));
  MYST_TRY_ASSIGN(promise.hashlock, hex<32>(root, "hashlock"));
  MYST_TRY_ASSIGN(out.promise.signature, hex<65>(root, "signature"));
  return out;
}

Result<core::hermes::RefreshRequest> read_refresh(std::string_view body, const Address& signer) {
  MYST_TRY_ASSIGN(const auto document, json::parse_object(body, kMaxBody));
  const Value root = document.root();
  core::hermes::RefreshRequest out;
  out.signer = signer;
  MYST_TRY_ASSIGN(out.chain, chain(root, "chain_id"));
  MYST_TRY_ASSIGN(out.identity, address(root, "identity"));
  MYST_TRY_ASSIGN(out.hashlock, hex<32>(root, "hashlock"));
  MYST_TRY_ASSIGN(out.recovery_data, recovery_data(root));
  return out;
}

Result<core::hermes::OffchainCreditRequest> read_credit(std::string_view body) {
  MYST_TRY_ASSIGN(const auto document, json::parse_object(body, kMaxBody));
  core::hermes::OffchainCreditRequest out;
  MYST_TRY_ASSIGN(out.consumer.chain, chain(document.root(), "chain_id"));
  MYST_TRY_ASSIGN(out.consumer.identity, address(document.root(), "identity"));
  MYST_TRY_ASSIGN(out.amount, amount(document.root(), "amount"));
  return out;
}

std::optional<Address> request_signer(std::string_view authorization, std::string_view body) {
  constexpr std::string_view kScheme = "Signature ";
  if (authorization.substr(0, kScheme.size()) != kScheme) return std::nullopt;
  const auto signature = from_base64(trim(authorization.substr(kScheme.size())));
  if (!signature.ok()) return std::nullopt;
  const auto signer = recover_signer(as_bytes(body), *signature);
  return signer.ok() ? std::optional(*signer) : std::nullopt;
}

std::string write_promise(const SignedPromise& promise) {
  std::string out;
  Writer(out)
      .begin_object()
      .member("ChannelID", to_base64(promise.promise.channel))
      .member("ChainID", promise.promise.chain_id)
      .member("Amount", promise.promise.amount)
      .member("Fee", promise.promise.fee)
      .member("Hashlock", to_base64(promise.promise.hashlock))
      .key("R")
      .null()
      .member("Signature", to_base64(promise.signature))
      .end_object();
  return out;
}

std::string write_data(const std::vector<core::hermes::AccountData>& chains) {
  std::string out;
  Writer writer(out);
  writer.begin_object();
  for (const core::hermes::AccountData& data : chains) {
    const ByteSpan word(data.channel);
    const auto channel = [&](ByteSpan bytes) { return "0x" + to_hex(bytes); };
    const ByteSpan id = data.channel_is_address ? word.subspan(12) : word;
    const auto as_address = Address::from_bytes(id);
    writer.key(std::to_string(data.chain))
        .begin_object()
        .member("Identity", data.identity.to_checksum())
        .member("Beneficiary", data.beneficiary.to_checksum())
        .member("ChannelID", as_address.ok() ? as_address->to_checksum() : channel(id))
        .member("Balance", data.balance)
        .member("Settled", data.settled)
        .member("Stake", data.stake);
    const SignedPromise& latest = data.latest;
    const bool none = latest.promise.amount.is_zero();
    writer.key("LatestPromise")
        .begin_object()
        .member("ChainID", data.chain)
        .member("ChannelID", channel(id))
        .member("Amount", latest.promise.amount)
        .member("Fee", latest.promise.fee)
        .member("Hashlock", none ? "" : "0x" + to_hex(latest.promise.hashlock))
        .member("Signature", none ? "" : "0x" + to_hex(latest.signature))
        .end_object();
    writer
        .member("LatestSettlement",
                data.latest_settlement == 0
                    ? "0001-01-01T00:00:00Z"  // "never", as the reference's encoder writes it
                    : to_rfc3339(WallTime(std::chrono::milliseconds(data.latest_settlement))))
        .member("IsOffchain", data.offchain)
        .end_object();
  }
  writer.end_object();
  return out;
}

std::string write_refusal(const core::hermes::Refusal& refusal) {
  std::string out;
  Writer(out)
      .begin_object()
      .member("cause", core::hermes::wire_text(refusal.cause))
      .member("message", refusal.message)
      .member("data", refusal.data)
      .end_object();
  return out;
}

std::string write_done() { return R"({"message":"ok"})"; }

}  // namespace myst::hermes
