// Follows events on a chain: chain::LogScan with endpoints under it.
#pragma once

#include <functional>
#include <memory>

#include "core/chain/log_scan.hpp"
#include "drivers/ethereum/rpc_client.hpp"
#include "platform/loop/timer.hpp"

namespace myst::ethereum {

class LogWatch {
 public:
  using OnEvent = std::function<void(chain::LogScan::Event)>;

  // The client outlives it. Idle until start(); on_event may stop it, not destroy it.
  LogWatch(platform::Loop& loop, RpcClient& client, chain::LogScan::Config config,
           OnEvent on_event);
  LogWatch(const LogWatch&) = delete;
  LogWatch& operator=(const LogWatch&) = delete;

  void start();
  void stop();
  const chain::LogScan& scan() const { return scan_; }

 private:
  struct Alive {};
  void drain();
  void execute(const chain::LogScan::Head& action);
  void execute(const chain::LogScan::BlockAt& action);
  void execute(const chain::LogScan::Window& action);
  void ask_block(std::uint64_t id, std::string params);

  platform::Loop& loop_;
  RpcClient& client_;
  chain::LogFilter filter_;
  chain::LogScan scan_;
  OnEvent on_event_;
  platform::Timer timer_;
  std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
};

}  // namespace myst::ethereum
