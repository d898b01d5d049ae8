#include "drivers/ethereum/log_watch.hpp"

#include <utility>

#include "drivers/ethereum/codec.hpp"

namespace myst::ethereum {

using chain::LogScan;

LogWatch::LogWatch(platform::Loop& loop, RpcClient& client, LogScan::Config config,
                   OnEvent on_event)
    : loop_(loop),
      client_(client),
      filter_(config.filter),
      scan_(std::move(config)),
      on_event_(std::move(on_event)),
      timer_(loop, [this] {
        scan_.handle_timeout(loop_.instant());
        drain();
      }) {}

void LogWatch::start() {
  scan_.start(loop_.instant());
  timer_.arm(loop_.instant());  // no event from inside the call
}

void LogWatch::stop() {
  scan_.stop();
  timer_.cancel();
}

void LogWatch::drain() {
  while (const auto action = scan_.poll_action()) {
    std::visit([this](const auto& a) { execute(a); }, *action);
  }
  timer_.arm(scan_.next_timeout());
  while (auto event = scan_.poll_event()) on_event_(std::move(*event));
}

void LogWatch::execute(const LogScan::Head& action) {
  ask_block(action.id, block_params(std::nullopt));
}

void LogWatch::execute(const LogScan::BlockAt& action) {
  ask_block(action.id, block_params(action.number));
}

void LogWatch::ask_block(std::uint64_t id, std::string params) {
  client_.call("eth_getBlockByNumber", std::move(params),
               [this, id, alive = std::weak_ptr<Alive>(alive_)](const RpcClient::Done& done) {
                 if (alive.expired()) return;
                 auto block = done.result ? read_block(*done.result)
                                          : Result<std::optional<chain::Block>>(Error{});
                 if (block.ok()) {
                   scan_.handle_block(loop_.instant(), id, *block);
                 } else {
                   scan_.handle_failed(loop_.instant(), id, false);
                 }
                 drain();
               });
}

void LogWatch::execute(const LogScan::Window& action) {
  client_.call(
      "eth_getLogs", logs_params(filter_, action.from, action.to),
      [this, id = action.id, alive = std::weak_ptr<Alive>(alive_)](const RpcClient::Done& done) {
        if (alive.expired()) return;
        auto logs =
            done.result ? read_logs(*done.result) : Result<std::vector<chain::Log>>(Error{});
        if (logs.ok()) {
          scan_.handle_logs(loop_.instant(), id, std::move(*logs));
        } else {
          const bool too_large =
              done.refused ? chain::is_too_large(*done.refused) : logs.error().code == Errc::Full;
          scan_.handle_failed(loop_.instant(), id, too_large);
        }
        drain();
      });
}

}  // namespace myst::ethereum
