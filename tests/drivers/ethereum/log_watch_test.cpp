#include "drivers/ethereum/log_watch.hpp"

#include <gtest/gtest.h>

#include "core/chain/abi.hpp"
#include "tests/support/chain_server.hpp"

namespace myst::ethereum {
namespace {

const Address kHermes = *Address::parse("0x3333333333333333333333333333333333333333");

std::string hash_of(std::uint64_t block) { return chain::to_data(U256(block + 1000).to_word()); }

std::string block_json(std::uint64_t number) {
  return R"({"number":")" + chain::to_quantity(number) + R"(","hash":")" + hash_of(number) +
         R"(","parentHash":")" + hash_of(number) + R"(","timestamp":"0x1"})";
}

// A log in every tenth block.
std::string logs_json(std::uint64_t from, std::uint64_t to) {
  std::string out = "[";
  for (std::uint64_t block = from; block <= to; ++block) {
    if (block % 10 != 0) continue;
    if (out.size() > 1) out += ',';
    out += R"({"address":")" + kHermes.to_string() + R"(","topics":[")" +
           chain::to_data(chain::topic::kNewStake) + R"(",")" + hash_of(block) +
           R"("],"data":"0x","blockNumber":")" + chain::to_quantity(block) + R"(","blockHash":")" +
           hash_of(block) + R"(","transactionHash":")" + hash_of(block) + R"(","logIndex":"0x0"})";
  }
  return out + "]";
}

TEST(LogWatch, ReadsInWindowsTheServerTakes) {
  platform::Loop loop;
  test::ChainServer server(loop, 137);
  std::uint64_t head = 95;
  server.set_handler([&](const std::string& method,
                         json::Value params) -> std::optional<std::string> {
    const json::Value first = params.size() > 0 ? (*params.begin()).value : json::Value();
    if (method == "eth_getBlockByNumber") {
      const auto number = chain::parse_quantity(first.string_or(""));
      return block_json(number.ok() ? *number->to_u64() : head);
    }
    if (method == "eth_getLogs") {
      const std::uint64_t from = *chain::parse_quantity(first["fromBlock"].string_or(""))->to_u64();
      const std::uint64_t to = *chain::parse_quantity(first["toBlock"].string_or(""))->to_u64();
      if (to - from >= 16) return "!-32000 block range is too large";
      return logs_json(from, to);
    }
    return std::nullopt;
  });
  RpcClient::Options options;
  options.urls = {server.url()};
  options.chain_id = 137;
  RpcClient client(loop, options);
  chain::LogScan::Config config;
  config.filter.addresses = {kHermes};
  config.filter.topics = {chain::topic::kNewStake};
  config.from_block = 5;
  config.max_window = 40;
  config.poll_interval = std::chrono::milliseconds{20};
  config.first_retry = std::chrono::milliseconds{20};
  std::vector<std::uint64_t> seen;
  std::uint64_t until = 0;
  LogWatch watch(loop, client, config, [&](const chain::LogScan::Event& event) {
    for (const chain::Log& log : event.logs) seen.push_back(log.block);
    until = event.block;
  });
  watch.start();
  ASSERT_TRUE(loop.run_until([&] { return until == 95; }, std::chrono::seconds{20}));
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{10, 20, 30, 40, 50, 60, 70, 80, 90}));
  head = 120;
  ASSERT_TRUE(loop.run_until([&] { return until == 120; }, std::chrono::seconds{20}));
  EXPECT_EQ(seen.back(), 120u);
  watch.stop();
  const std::size_t requests = server.requests();
  (void)loop.run_until([] { return false; }, std::chrono::milliseconds{100});
  EXPECT_LE(server.requests(), requests + 1);
}

}  // namespace
}  // namespace myst::ethereum
