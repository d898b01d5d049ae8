// A chain server on loopback that knows what it was told: eth_call by contract and calldata, code,
// chain id. Can be wrong, silent, or without batches.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/u256.hpp"
#include "core/identity/address.hpp"
#include "platform/http/server.hpp"
#include "platform/json/json.hpp"

namespace myst::test {

class ChainServer {
 public:
  ChainServer(platform::Loop& loop, std::uint64_t chain_id,
              Endpoint local = {IpAddress::v4(127, 0, 0, 1), 0});

  std::string url() const;
  std::size_t requests() const { return requests_; }   // HTTP requests
  std::size_t peers() const { return peers_.size(); }  // connections they came over
  const std::vector<std::string>& methods() const { return methods_; }

  // What eth_call to `contract` with exactly this calldata returns. Unknown calls revert.
  void set(const Address& contract, ByteSpan calldata, Bytes returned);
  void set_word(const Address& contract, ByteSpan calldata, const U256& word);
  void revert(const Address& contract, ByteSpan calldata, std::string reason);
  void set_code(const Address& contract, Bytes code);
  // Any other method: its result as JSON.
  void set_method(std::string method, std::string result);
  // Instead of everything else: the result, or an error object when it begins with "!": "!-32000
  // text".
  using Handler =
      std::function<std::optional<std::string>(const std::string& method, json::Value params)>;
  void set_handler(Handler handler) { handler_ = std::move(handler); }

  void answer_with(platform::HttpResponse response) { fixed_ = std::move(response); }
  void answer_properly() { fixed_.reset(); }
  void stay_silent(bool silent = true) { silent_ = silent; }
  void refuse_batches() { batches_ = false; }

 private:
  void handle(const platform::HttpRequest& request, const platform::HttpExchangePtr& exchange);
  std::string answer(json::Value call);
  std::string result_of(const std::string& method, json::Value params);

  std::uint64_t chain_id_;
  std::optional<platform::HttpServer> server_;
  std::map<std::string, std::string> calls_;  // "contract calldata", lower case -> result
  std::map<std::string, std::string> codes_, results_;
  Handler handler_;
  std::optional<platform::HttpResponse> fixed_;
  std::vector<platform::HttpExchangePtr> held_;
  std::vector<std::string> methods_;
  std::set<std::string> peers_;
  std::size_t requests_ = 0;
  bool silent_ = false;
  bool batches_ = true;
};

}  // namespace myst::test
