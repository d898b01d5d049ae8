#include "drivers/ethereum/json_rpc.hpp"

#include <optional>

#include "core/chain/abi.hpp"
#include "platform/json/json.hpp"
#include "platform/json/writer.hpp"

namespace myst::ethereum {
namespace {

using chain::RpcPool;

constexpr std::size_t kMaxBytes = 4u << 20;  // logs of a window
constexpr std::size_t kMaxRevertBytes = 4096;

// The bytes of a revert stand at different places: geth has a hex text, others nest it.
Bytes revert_data(json::Value data) {
  if (data.is_object()) data = data["data"].exists() ? data["data"] : data["result"];
  const auto text = data.string();
  if (!text.ok() || text->size() > 2 * kMaxRevertBytes) return {};
  auto bytes = chain::parse_data(*text);
  return bytes.ok() ? std::move(*bytes) : Bytes{};
}

std::optional<chain::RpcError> read_error(json::Value error) {
  if (error.is_nothing()) return std::nullopt;
  chain::RpcError out;
  if (error.is_string()) {
    out.message = chain::printable(error.string_or(""));
    return out;
  }
  out.code = error["code"].i64_or(0);
  out.message = chain::printable(error["message"].string_or("without a message"));
  out.data = revert_data(error["data"]);
  return out;
}

std::optional<RpcPool::Answer> read_answer(json::Value object, std::optional<RpcPool::CallId> id) {
  RpcPool::Answer out;
  const auto said = object["id"].u64();
  if (said.ok()) {
    out.id = *said;
  } else if (id) {
    out.id = *id;  // servers that could not read the request answer with id null
  } else {
    return std::nullopt;
  }
  out.error = read_error(object["error"]);
  if (out.error) return out;
  if (!object["result"].exists()) return std::nullopt;
  out.result = object["result"].to_text();
  return out;
}

}  // namespace

std::string write_request(const RpcPool::Exchange& exchange) {
  std::string text;
  json::Writer out(text);
  const bool batch = exchange.items.size() != 1;
  if (batch) out.begin_array();
  for (const auto& item : exchange.items) {
    out.begin_object()
        .member("jsonrpc", "2.0")
        .member("id", item.id)
        .member("method", item.method)
        .key("params")
        .raw(item.params)
        .end_object();
  }
  if (batch) out.end_array();
  return text;
}

Result<ResponseText> read_response(std::string_view text, const RpcPool::Exchange& exchange) {
  json::Limits limits;
  limits.max_bytes = kMaxBytes;
  MYST_TRY_ASSIGN(const auto document, json::Document::parse(text, limits));
  const json::Value root = document.root();
  ResponseText out;
  if (root.is_array()) {
    for (const auto& [name, object] : root) {
      (void)name;
      if (out.answers.size() >= exchange.items.size()) break;
      if (auto answer = read_answer(object, std::nullopt)) {
        out.answers.push_back(std::move(*answer));
      }
    }
    return out;
  }
  if (!root.is_object() || (root["error"].is_nothing() && !root["result"].exists())) {
    return Error{Errc::Malformed, 0, "no JSON-RPC answer"};
  }
  if (exchange.items.size() != 1) {
    out.instead_of_batch = read_error(root["error"]).value_or(chain::RpcError{});
    return out;
  }
  if (auto answer = read_answer(root, exchange.items.front().id)) {
    out.answers.push_back(std::move(*answer));
  }
  return out;
}

}  // namespace myst::ethereum
