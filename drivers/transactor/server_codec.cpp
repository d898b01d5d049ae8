#include "drivers/transactor/server_codec.hpp"

#include "core/base/text.hpp"
#include "core/base/time_text.hpp"
#include "platform/json/fields.hpp"
#include "platform/json/writer.hpp"

namespace myst::transactor {
namespace {

using core::transactor::Task;
using core::transactor::TaskState;
using json::address;
using json::amount_or_zero;
using json::hex;
using json::member;
using json::Value;
using json::Writer;

Result<std::uint64_t> chain(Value object, std::string_view name) {
  return member(object, name).u64();
}
Result<core::transactor::SettleRequest> read_settle(Value object, core::transactor::Kind kind) {
  core::transactor::SettleRequest out;
  out.kind = kind;
  MYST_TRY_ASSIGN(out.chain, chain(object, "chainID"));
  MYST_TRY_ASSIGN(out.provider, address(object, "providerID"));
  MYST_TRY_ASSIGN(out.hermes, address(object, "hermesID"));
  MYST_TRY_ASSIGN(out.channel, hex<32>(object, "channelID"));
  MYST_TRY_ASSIGN(out.amount, amount_or_zero(object, "amount"));
  MYST_TRY_ASSIGN(out.fee, amount_or_zero(object, "fee"));
  MYST_TRY_ASSIGN(out.r, hex<32>(object, "preimage"));
  MYST_TRY_ASSIGN(out.signature, hex<65>(object, "signature"));
  return out;
}

std::string hash_text(const Digest32& hash) {
  return hash == Digest32{} ? "" : "0x" + to_hex(hash);
}

const char* registration_status(TaskState state) {
  switch (state) {
    case TaskState::Queued:
      return "created";
    case TaskState::Done:
      return "succeed";
    case TaskState::Failed:
      return "failed";
  }
  return "failed";
}

const char* queue_state(TaskState state) {
  switch (state) {
    case TaskState::Queued:
      return "queue";
    case TaskState::Done:
      return "done";
    case TaskState::Failed:
      return "error";
  }
  return "error";
}

void write_fee_set(Writer& writer, const core::transactor::Fees& fees, WallTime valid_until) {
  writer.begin_object()
      .member("decreaseStake", fees.decrease_stake)
      .member("settle", fees.settle)
      .member("register", fees.register_identity)
      .member("valid_until", to_rfc3339(valid_until))
      .end_object();
}

}  // namespace

Result<core::transactor::RegistrationRequest> read_registration(std::string_view body) {
  MYST_TRY_ASSIGN(const auto document, json::parse_object(body, kMaxBody));
  const Value root = document.root();
  core::transactor::RegistrationRequest out;
  MYST_TRY_ASSIGN(out.terms.chain_id, chain(root, "chainID"));
  MYST_TRY_ASSIGN(out.terms.registry, address(root, "registryAddress"));
  MYST_TRY_ASSIGN(out.terms.hermes, address(root, "hermesID"));
  MYST_TRY_ASSIGN(out.terms.stake, amount_or_zero(root, "stake"));
  MYST_TRY_ASSIGN(out.terms.fee, amount_or_zero(root, "fee"));
  MYST_TRY_ASSIGN(out.terms.beneficiary, address(root, "beneficiary"));
  MYST_TRY_ASSIGN(out.identity, address(root, "identity"));
  MYST_TRY_ASSIGN(out.signature, hex<65>(root, "signature"));
  return out;
}

Result<core::transactor::OpenChannelRequest> read_open_channel(std::string_view body) {
  MYST_TRY_ASSIGN(const auto document, json::parse_object(body, kMaxBody));
  const Value root = document.root();
  core::transactor::OpenChannelRequest out;
  MYST_TRY_ASSIGN(out.terms.chain_id, chain(root, "chainID"));
  MYST_TRY_ASSIGN(out.terms.registry, address(root, "registry_address"));
  MYST_TRY_ASSIGN(out.terms.hermes, address(root, "hermesID"));
  MYST_TRY_ASSIGN(out.terms.fee, amount_or_zero(root, "transactorFee"));
  MYST_TRY_ASSIGN(out.signature, hex<65>(root, "signature"));
  return out;
}

Result<core::transactor::SettleRequest> read_settle(std::string_view body,
                                                    core::transactor::Kind kind) {
  MYST_TRY_ASSIGN(const auto document, json::parse_object(body, kMaxBody));
  return read_settle(document.root(), kind);
}

Result<core::transactor::SettleWithBeneficiaryRequest> read_settle_with_beneficiary(
    std::string_view body) {
  MYST_TRY_ASSIGN(const auto document, json::parse_object(body, kMaxBody));
  const Value root = document.root();
  core::transactor::SettleWithBeneficiaryRequest out;
  MYST_TRY_ASSIGN(out.settle, read_settle(member(root, "Promise"),
                                          core::transactor::Kind::SettleWithBeneficiary));
  MYST_TRY_ASSIGN(out.terms.chain_id, chain(root, "chainID"));
  MYST_TRY_ASSIGN(out.terms.registry, address(root, "registry"));
  MYST_TRY_ASSIGN(out.terms.identity, address(root, "providerID"));
  MYST_TRY_ASSIGN(out.terms.beneficiary, address(root, "beneficiary"));
  MYST_TRY_ASSIGN(out.terms.nonce, amount_or_zero(root, "nonce"));
  MYST_TRY_ASSIGN(out.signature, hex<65>(root, "signature"));
  return out;
}

Result<core::transactor::PayAndSettleRequest> read_pay_and_settle(std::string_view body) {
  MYST_TRY_ASSIGN(const auto document, json::parse_object(body, kMaxBody));
  const Value root = document.root();
  core::transactor::PayAndSettleRequest out;
  MYST_TRY_ASSIGN(out.settle, read_settle(root, core::transactor::Kind::PayAndSettle));
  MYST_TRY_ASSIGN(out.beneficiary, address(root, "beneficiary"));
  MYST_TRY_ASSIGN(out.signature, hex<65>(root, "beneficiarySignature"));
  return out;
}

Result<core::transactor::DecreaseStakeRequest> read_decrease_stake(std::string_view body) {
  MYST_TRY_ASSIGN(const auto document, json::parse_object(body, kMaxBody));
  const Value root = document.root();
  core::transactor::DecreaseStakeRequest out;
  MYST_TRY_ASSIGN(out.terms.chain_id, chain(root, "chain_id"));
  MYST_TRY_ASSIGN(out.terms.channel, hex<32>(root, "channel_id"));
  MYST_TRY_ASSIGN(out.terms.amount, amount_or_zero(root, "amount"));
  MYST_TRY_ASSIGN(out.terms.fee, amount_or_zero(root, "transactor_fee"));
  MYST_TRY_ASSIGN(out.terms.nonce, amount_or_zero(root, "nonce"));
  MYST_TRY_ASSIGN(out.hermes, address(root, "hermes_id"));
  MYST_TRY_ASSIGN(out.provider, address(root, "providerID"));
  MYST_TRY_ASSIGN(out.signature, hex<65>(root, "signature"));
  return out;
}

Result<ChannelStatusRequest> read_channel_status(std::string_view body) {
  MYST_TRY_ASSIGN(const auto document, json::parse_object(body, kMaxBody));
  const Value root = document.root();
  ChannelStatusRequest out;
  MYST_TRY_ASSIGN(out.chain, chain(root, "chainID"));
  MYST_TRY_ASSIGN(out.identity, address(root, "identity"));
  MYST_TRY_ASSIGN(out.hermes, address(root, "hermesID"));
  MYST_TRY_ASSIGN(out.registry, address(root, "registry_address"));
  return out;
}

std::string write_fee(const Wei& fee, WallTime valid_until) {
  std::string out;
  Writer(out)
      .begin_object()
      .member("fee", fee)
      .member("valid_until", to_rfc3339(valid_until))
      .end_object();
  return out;
}

std::string write_fees(const core::transactor::Fees& current, const core::transactor::Fees& last,
                       WallTime now, WallTime valid_until) {
  std::string out;
  Writer writer(out);
  writer.begin_object().key("current");
  write_fee_set(writer, current, valid_until);
  writer.key("last");
  write_fee_set(writer, last, valid_until);
  writer.member("server_time", to_rfc3339(now)).end_object();
  return out;
}

std::string write_eligible(bool eligible) {
  return eligible ? R"({"eligible":true})" : R"({"eligible":false})";
}

std::string write_id(std::string_view id) {
  std::string out;
  Writer(out).begin_object().member("id", id).end_object();
  return out;
}

std::string write_queue_entry(const Task& task) {
  std::string out;
  Writer writer(out);
  writer.begin_object()
      .member("id", task.id)
      .member("tx_hash", hash_text(task.tx_hash))
      .member("state", queue_state(task.state))
      .member("error", task.state == TaskState::Failed ? task.reason : std::string());
  if (task.state == TaskState::Queued && !task.reason.empty()) {
    writer.member("reason", task.reason);
  }
  writer.end_object();
  return out;
}

std::string write_registrations(const std::vector<Task>& tasks) {
  std::string out;
  Writer writer(out);
  writer.begin_array();
  for (const Task& task : tasks) {
    writer.begin_object()
        .member("identity_id", task.identity.to_string())
        .member("status", registration_status(task.state))
        .member("tx_hash", hash_text(task.tx_hash))
        .member("created_at", to_rfc3339(task.created))
        .member("updated_at", to_rfc3339(task.updated))
        .member("bounty_amount", 0)
        .member("chain_id", task.chain);
    if (!task.reason.empty()) writer.member("reason", task.reason);
    writer.end_object();
  }
  writer.end_array();
  return out;
}

std::string write_channel_status(ChannelStatus status, std::string_view reason) {
  static constexpr const char* kTexts[] = {"not_found", "open", "fail", "in_progress"};
  std::string out;
  Writer writer(out);
  writer.begin_object().member("status", kTexts[static_cast<std::size_t>(status)]);
  if (!reason.empty()) writer.member("reason", reason);
  writer.end_object();
  return out;
}

std::string write_error(const core::transactor::Refusal& refusal, std::string_view path) {
  std::string out;
  Writer(out)
      .begin_object()
      .key("error")
      .begin_object()
      .member("code", refusal.code)
      .member("message", refusal.message)
      .end_object()
      .member("status", refusal.status)
      .member("path", path)
      .end_object();
  return out;
}

}  // namespace myst::transactor
