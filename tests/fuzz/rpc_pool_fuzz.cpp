// The pool of endpoints under any order of calls, answers, failures and time: each call is done
// exactly once, by its deadline, and never before it was asked.
#include <map>

#include "core/chain/rpc_pool.hpp"
#include "tests/fuzz/fuzz_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  using namespace myst::chain;
  fuzz::FuzzInput input(data, size);
  RpcPool::Config config;
  config.endpoints = input.byte() % 5;
  config.chain_id = input.byte() % 2 == 0 ? 0 : 137;
  config.max_calls = 8;
  config.max_batch = 1 + input.byte() % 4;
  config.max_exchanges = 1 + input.byte() % 3;
  RpcPool pool(config);
  Instant now{};
  std::map<RpcPool::CallId, Instant> open;
  std::vector<RpcPool::Exchange> under_way;
  const auto drain = [&] {
    while (const auto done = pool.poll_done()) fuzz::require(open.erase(done->id) == 1);
    while (pool.poll_event()) {
    }
  };
  while (!input.empty()) {
    switch (input.byte() % 6) {
      case 0:
        if (const auto id = pool.call(now, {"m", "[]", std::nullopt}); id.ok()) {
          fuzz::require(open.emplace(*id, now).second);
        }
        break;
      case 1:
        while (auto exchange = pool.poll_exchange(now)) under_way.push_back(std::move(*exchange));
        break;
      case 2:
        now += std::chrono::milliseconds(input.byte() * 100);
        pool.handle_timeout(now);
        break;
      case 3:
        if (!open.empty() && input.byte() % 4 == 0) {
          pool.cancel(open.begin()->first);
          drain();
          open.erase(open.begin());
        } else {
          pool.handle_network_change(now);
        }
        break;
      default: {
        if (under_way.empty()) break;
        const std::size_t at = input.byte() % under_way.size();
        const RpcPool::Exchange exchange = under_way[at];
        if (input.byte() % 8 != 0) {  // else: answered again later
          under_way.erase(under_way.begin() + static_cast<std::ptrdiff_t>(at));
        }
        const std::uint8_t how = input.byte();
        if (how % 8 == 0) {
          pool.handle_failure(now, exchange.id, RpcPool::Failure::Timeout, "late",
                              std::chrono::seconds(input.byte()));
        } else if (how % 8 == 1) {
          pool.handle_no_batches(now, exchange.id);
        } else {
          std::vector<RpcPool::Answer> answers;
          for (const auto& item : exchange.items) {
            const std::uint8_t what = input.byte();
            if (what % 8 == 0) continue;
            RpcPool::Answer answer;
            answer.id = what % 8 == 1 ? what : item.id;
            if (what % 8 == 2) answer.error = RpcError{-32000, "execution reverted", {}};
            if (what % 8 == 3) answer.error = RpcError{-32005, "limit", {}};
            answer.result = item.method == "eth_chainId" && what % 8 != 4 ? "\"0x89\"" : "1";
            answers.push_back(std::move(answer));
          }
          pool.handle_answers(now, exchange.id, std::move(answers));
        }
      }
    }
    drain();
    const auto at = pool.next_timeout();
    pool.handle_timeout(now);
    drain();
    if (at && pool.next_timeout()) fuzz::require(*pool.next_timeout() > now);
  }
  for (const auto& exchange : under_way) {
    pool.handle_failure(now, exchange.id, RpcPool::Failure::Transport, "end");
  }
  now += config.call_limit;
  pool.handle_timeout(now);
  drain();
  fuzz::require(open.empty());
  return 0;
}
