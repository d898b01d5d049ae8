#include "drivers/ethereum/codec.hpp"

#include "core/chain/abi.hpp"
#include "platform/json/json.hpp"
#include "platform/json/writer.hpp"

namespace myst::ethereum {
namespace {

using chain::parse_data;
using chain::to_data;
using chain::to_quantity;

constexpr std::size_t kMaxBytes = 4u << 20;
constexpr std::size_t kMaxLogs = 10000;

Result<json::Document> parse(std::string_view text) {
  json::Limits limits;
  limits.max_bytes = kMaxBytes;
  return json::Document::parse(text, limits);
}

Result<U256> quantity(json::Value value) {
  MYST_TRY_ASSIGN(const std::string_view text, value.string());
  return chain::parse_quantity(text);
}

Result<std::uint64_t> u64(json::Value value) {
  MYST_TRY_ASSIGN(const U256 number, quantity(value));
  const auto small = number.to_u64();
  if (!small) return Error{Errc::Malformed, 0, "quantity above 64 bits"};
  return *small;
}

Result<Digest32> hash(json::Value value) {
  MYST_TRY_ASSIGN(const std::string_view text, value.string());
  Digest32 out{};
  MYST_TRY(parse_data(text, out));
  return out;
}

Result<Bytes> data(json::Value value) {
  MYST_TRY_ASSIGN(const std::string_view text, value.string());
  return parse_data(text);
}

Result<Address> address(json::Value value) {
  MYST_TRY_ASSIGN(const std::string_view text, value.string());
  return Address::parse(text);
}

Result<chain::Log> log_of(json::Value value) {
  chain::Log out;
  MYST_TRY_ASSIGN(out.address, address(value["address"]));
  const json::Value topics = value["topics"];
  if (!topics.is_array() || topics.size() > chain::Log::kMaxTopics) {
    return Error{Errc::Malformed, 0, "topics of a log"};
  }
  for (const auto& [name, topic] : topics) {
    (void)name;
    MYST_TRY_ASSIGN(const chain::Word word, hash(topic));
    out.topics.push_back(word);
  }
  MYST_TRY_ASSIGN(out.data, data(value["data"]));
  MYST_TRY_ASSIGN(out.block, u64(value["blockNumber"]));
  MYST_TRY_ASSIGN(out.block_hash, hash(value["blockHash"]));
  MYST_TRY_ASSIGN(out.transaction, hash(value["transactionHash"]));
  MYST_TRY_ASSIGN(out.index, u64(value["logIndex"]));
  out.removed = value["removed"].boolean_or(false);
  return out;
}

Result<std::vector<chain::Log>> logs_of(json::Value list) {
  if (list.is_nothing()) return std::vector<chain::Log>{};
  if (!list.is_array()) return Error{Errc::Malformed, 0, "list of logs"};
  std::vector<chain::Log> out;
  for (const auto& [name, value] : list) {
    (void)name;
    if (out.size() >= kMaxLogs) return Error{Errc::Full, 0, "too many logs"};
    if (value["blockNumber"].is_null()) continue;  // pending
    MYST_TRY_ASSIGN(chain::Log log, log_of(value));
    out.push_back(std::move(log));
  }
  return out;
}

void write_call(json::Writer& out, const Address& to, ByteSpan calldata) {
  const std::string text = to_data(calldata);
  out.member("to", to.to_checksum()).member("input", text).member("data", text);
}

}  // namespace

std::string to_string(const BlockTag& tag) {
  switch (tag.kind) {
    case BlockTag::Kind::Latest:
      return "latest";
    case BlockTag::Kind::Pending:
      return "pending";
    case BlockTag::Kind::Number:
      return to_quantity(tag.number);
  }
  return "latest";
}

std::string call_params(const Address& to, ByteSpan calldata, BlockTag at) {
  std::string text;
  json::Writer out(text);
  out.begin_array().begin_object().member("from", Address().to_string());
  write_call(out, to, calldata);
  out.end_object().value(to_string(at)).end_array();
  return text;
}

std::string estimate_params(const Address& from, const Address& to, const Wei& value,
                            ByteSpan calldata) {
  std::string text;
  json::Writer out(text);
  out.begin_array().begin_object().member("from", from.to_checksum());
  write_call(out, to, calldata);
  out.member("value", to_quantity(value)).end_object().end_array();
  return text;
}

std::string address_params(const Address& of, BlockTag at) {
  std::string text;
  json::Writer(text).begin_array().value(of.to_checksum()).value(to_string(at)).end_array();
  return text;
}

std::string hash_params(const Digest32& of) { return data_params(of); }

std::string data_params(ByteSpan bytes) {
  std::string text;
  json::Writer(text).begin_array().value(to_data(bytes)).end_array();
  return text;
}

std::string block_params(std::optional<std::uint64_t> number) {
  std::string text;
  json::Writer(text)
      .begin_array()
      .value(number ? to_quantity(*number) : std::string("latest"))
      .value(false)
      .end_array();
  return text;
}

std::string logs_params(const chain::LogFilter& filter, std::uint64_t from_block,
                        std::optional<std::uint64_t> to_block) {
  std::string text;
  json::Writer out(text);
  out.begin_array().begin_object();
  out.member("fromBlock", to_quantity(from_block));
  out.member("toBlock", to_block ? to_quantity(*to_block) : std::string("latest"));
  out.key("address").begin_array();
  for (const Address& one : filter.addresses) out.value(one.to_checksum());
  out.end_array().key("topics").begin_array();
  for (const auto& topic : filter.topics) {
    if (topic) {
      out.value(to_data(*topic));
    } else {
      out.null();
    }
  }
  out.end_array().end_object().end_array();
  return text;
}

std::string fee_history_params(unsigned blocks, unsigned percentile) {
  std::string text;
  json::Writer(text)
      .begin_array()
      .value(to_quantity(blocks))
      .value("latest")
      .begin_array()
      .value(percentile)
      .end_array()
      .end_array();
  return text;
}

Result<U256> read_quantity(std::string_view text) {
  MYST_TRY_ASSIGN(const auto document, parse(text));
  return quantity(document.root());
}

Result<std::uint64_t> read_u64(std::string_view text) {
  MYST_TRY_ASSIGN(const auto document, parse(text));
  return u64(document.root());
}

Result<Bytes> read_data(std::string_view text) {
  MYST_TRY_ASSIGN(const auto document, parse(text));
  return data(document.root());
}

Result<Digest32> read_hash(std::string_view text) {
  MYST_TRY_ASSIGN(const auto document, parse(text));
  return hash(document.root());
}

Result<std::optional<chain::Block>> read_block(std::string_view text) {
  MYST_TRY_ASSIGN(const auto document, parse(text));
  const json::Value root = document.root();
  if (root.is_null()) return std::optional<chain::Block>();
  chain::Block out;
  MYST_TRY_ASSIGN(out.number, u64(root["number"]));
  MYST_TRY_ASSIGN(out.hash, hash(root["hash"]));
  MYST_TRY_ASSIGN(out.parent, hash(root["parentHash"]));
  MYST_TRY_ASSIGN(out.time, u64(root["timestamp"]));
  if (!root["baseFeePerGas"].is_nothing()) {
    MYST_TRY_ASSIGN(out.base_fee, quantity(root["baseFeePerGas"]));
  }
  return std::optional<chain::Block>(std::move(out));
}

Result<std::optional<chain::Receipt>> read_receipt(std::string_view text) {
  MYST_TRY_ASSIGN(const auto document, parse(text));
  const json::Value root = document.root();
  if (root.is_null() || root["blockNumber"].is_null()) return std::optional<chain::Receipt>();
  chain::Receipt out;
  MYST_TRY_ASSIGN(out.transaction, hash(root["transactionHash"]));
  MYST_TRY_ASSIGN(out.block, u64(root["blockNumber"]));
  MYST_TRY_ASSIGN(out.block_hash, hash(root["blockHash"]));
  MYST_TRY_ASSIGN(const std::uint64_t status, u64(root["status"]));
  out.succeeded = status == 1;
  MYST_TRY_ASSIGN(out.gas_used, u64(root["gasUsed"]));
  if (!root["effectiveGasPrice"].is_nothing()) {
    MYST_TRY_ASSIGN(out.gas_price, quantity(root["effectiveGasPrice"]));
  }
  MYST_TRY_ASSIGN(out.logs, logs_of(root["logs"]));
  return std::optional<chain::Receipt>(std::move(out));
}

Result<std::vector<chain::Log>> read_logs(std::string_view text) {
  MYST_TRY_ASSIGN(const auto document, parse(text));
  return logs_of(document.root());
}

Result<chain::FeeHistory> read_fee_history(std::string_view text) {
  MYST_TRY_ASSIGN(const auto document, parse(text));
  const json::Value root = document.root();
  const json::Value fees = root["baseFeePerGas"];
  if (!fees.is_array()) return Error{Errc::Malformed, 0, "fee history"};
  chain::FeeHistory out;
  for (const auto& [name, value] : fees) {
    (void)name;
    if (value.is_null()) continue;
    MYST_TRY_ASSIGN(const Wei fee, quantity(value));
    out.base_fees.push_back(fee);
  }
  for (const auto& [name, block] : root["reward"]) {
    (void)name;
    for (const auto& [inner, value] : block) {
      (void)inner;
      MYST_TRY_ASSIGN(const Wei tip, quantity(value));
      out.tips.push_back(tip);
      break;
    }
  }
  return out;
}

}  // namespace myst::ethereum
