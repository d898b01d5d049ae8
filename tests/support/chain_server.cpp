#include "tests/support/chain_server.hpp"

#include <cstdlib>

#include "core/base/text.hpp"
#include "core/chain/abi.hpp"
#include "platform/json/writer.hpp"
#include "tests/support/vectors.hpp"

namespace myst::test {
namespace {

std::string quoted(const std::string& text) {
  std::string out;
  json::append_quoted(out, text);
  return out;
}

std::string key_of(const Address& contract, ByteSpan calldata) {
  return contract.to_string() + " " + chain::to_data(calldata);
}

}  // namespace

ChainServer::ChainServer(platform::Loop& loop, std::uint64_t chain_id, Endpoint local)
    : chain_id_(chain_id) {
  platform::HttpServer::Options options;
  options.local = local;
  auto server = platform::HttpServer::listen(
      loop, options,
      [this](const platform::HttpRequest& request, platform::HttpExchangePtr exchange) {
        handle(request, exchange);
      });
  if (!server.ok()) vector_error("no port for a chain server");
  server_.emplace(std::move(*server));
}

std::string ChainServer::url() const {
  return "http://127.0.0.1:" + std::to_string(server_->local().port) + "/";
}

void ChainServer::set(const Address& contract, ByteSpan calldata, Bytes returned) {
  calls_[key_of(contract, calldata)] = quoted(chain::to_data(returned));
}

void ChainServer::set_word(const Address& contract, ByteSpan calldata, const U256& word) {
  set(contract, calldata, to_bytes(word.to_word()));
}

void ChainServer::revert(const Address& contract, ByteSpan calldata, std::string reason) {
  calls_[key_of(contract, calldata)] = "!3 execution reverted: " + reason;
}

void ChainServer::set_code(const Address& contract, Bytes code) {
  codes_[contract.to_string()] = quoted(chain::to_data(code));
}

void ChainServer::set_method(std::string method, std::string result) {
  results_[std::move(method)] = std::move(result);
}

void ChainServer::handle(const platform::HttpRequest& request,
                         const platform::HttpExchangePtr& exchange) {
  ++requests_;
  peers_.insert(request.peer.to_string());
  if (silent_) {
    held_.push_back(exchange);
    return;
  }
  if (fixed_) {
    exchange->respond(*fixed_);
    return;
  }
  const auto document = json::Document::parse(request.body);
  if (!document.ok()) vector_error("a request that is no JSON");
  platform::HttpResponse response;
  response.headers.add("Content-Type", "application/json");
  if (!document->root().is_array()) {
    response.body = answer(document->root());
  } else if (!batches_) {
    response.body =
        R"({"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no batches here"}})";
  } else {
    response.body = "[";
    for (const auto& [name, call] : document->root()) {
      (void)name;
      if (response.body.size() > 1) response.body += ',';
      response.body += answer(call);
    }
    response.body += "]";
  }
  exchange->respond(std::move(response));
}

std::string ChainServer::answer(json::Value call) {
  const std::string method = call["method"].string_or("");
  methods_.push_back(method);
  const std::string result = result_of(method, call["params"]);
  std::string text;
  json::Writer out(text);
  out.begin_object().member("jsonrpc", "2.0").member("id", call["id"]);
  if (result.empty() || result.front() == '!') {
    const std::size_t blank = std::min(result.find(' '), result.size());
    const std::string code = result.empty() ? "-32601" : result.substr(1, blank - 1);
    out.key("error")
        .begin_object()
        .key("code")
        .raw(code)
        .member("message", result.empty() ? "no method " + method : result.substr(blank + 1))
        .end_object();
  } else {
    out.key("result").raw(result);
  }
  out.end_object();
  return text;
}

std::string ChainServer::result_of(const std::string& method, json::Value params) {
  if (handler_) {
    if (auto result = handler_(method, params)) return *result;
  }
  if (const auto found = results_.find(method); found != results_.end()) return found->second;
  if (method == "eth_chainId") return quoted(chain::to_quantity(chain_id_));
  if (!params.is_array() || params.size() == 0) return {};
  const json::Value first = (*params.begin()).value;
  if (method == "eth_call") {
    const auto to = Address::parse(first["to"].string_or(""));
    if (!to.ok()) return "!-32602 no address";
    const auto found = calls_.find(to->to_string() + " " + to_lower(first["input"].string_or("")));
    return found == calls_.end() ? "!3 execution reverted" : found->second;
  }
  if (method == "eth_getCode") {
    const auto found = codes_.find(to_lower(first.string_or("")));
    return found == codes_.end() ? "\"0x\"" : found->second;
  }
  return {};
}

}  // namespace myst::test
