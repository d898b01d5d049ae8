// One chain over its endpoints: the pool of core/chain with HTTP under it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/chain/rpc_pool.hpp"
#include "platform/http/client.hpp"
#include "platform/loop/timer.hpp"

namespace myst::ethereum {

class RpcClient {
 public:
  struct Options {
    std::vector<std::string> urls;  // http and https; others are left out with a warning
    std::uint64_t chain_id = 0;     // 0: not checked
    std::string user_agent = "myst";
    chain::RpcPool::Config pool;  // endpoints and chain_id are set from the above
    std::shared_ptr<const platform::TlsTrust> trust;
  };
  using Done = chain::RpcPool::Done;
  using Callback = std::function<void(Done)>;
  using Id = std::uint64_t;

  RpcClient(platform::Loop& loop, Options options);
  ~RpcClient();  // nobody is called back any more
  RpcClient(const RpcClient&) = delete;
  RpcClient& operator=(const RpcClient&) = delete;

  // Calls of one loop turn travel together. Calls back exactly once, never from inside call(),
  // unless cancelled.
  Id call(std::string method, std::string params, Callback callback,
          std::optional<Duration> limit = std::nullopt);
  void cancel(Id id);

  // Routes have changed: connections are made anew and no endpoint rests.
  void reconnect();

  std::uint64_t chain_id() const { return chain_id_; }
  // Whether some endpoint answered last time.
  bool healthy() const { return pool_.any_healthy(); }
  std::size_t endpoints() const { return urls_.size(); }
  std::vector<std::string> hosts() const;

 private:
  void drain();
  void send(chain::RpcPool::Exchange exchange);
  void on_response(const chain::RpcPool::Exchange& exchange,
                   const Result<platform::HttpResponse>& response);
  void log_event(const chain::RpcPool::Event& event);

  platform::Loop& loop_;
  std::uint64_t chain_id_;
  std::vector<std::string> urls_;
  platform::HttpClient::Options http_options_;
  std::unique_ptr<platform::HttpClient> http_;
  chain::RpcPool pool_;
  platform::Timer timer_;
  std::map<chain::RpcPool::ExchangeId, platform::HttpClient::Id> under_way_;
  std::map<Id, Callback> callbacks_;
  std::map<Id, Id> ids_;                       // pool's id -> ours
  std::vector<std::pair<Id, Error>> refused_;  // calls the pool did not take
  Id last_id_ = 0;
};

}  // namespace myst::ethereum
