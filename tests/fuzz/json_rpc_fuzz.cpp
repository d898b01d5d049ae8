// Answers of chain servers: the frame of JSON-RPC and every result that is read.
#include "drivers/ethereum/codec.hpp"
#include "drivers/ethereum/json_rpc.hpp"
#include "tests/fuzz/fuzz_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  using namespace myst::ethereum;
  const std::string_view text = as_text({data, size});
  for (const std::size_t count : {std::size_t{1}, std::size_t{3}}) {
    chain::RpcPool::Exchange exchange;
    for (std::size_t i = 0; i < count; ++i) exchange.items.push_back({i, "eth_call", "[]"});
    const auto response = read_response(text, exchange);
    if (!response.ok()) continue;
    fuzz::require(response->answers.size() <= count);
    for (const auto& answer : response->answers) {
      if (answer.error) {
        fuzz::require(answer.error->message.size() <= 200);
        (void)chain::is_final(*answer.error);
        continue;
      }
      (void)read_quantity(answer.result);
      (void)read_data(answer.result);
      (void)read_logs(answer.result);
      (void)read_receipt(answer.result);
    }
  }
  (void)read_u64(text);
  (void)read_hash(text);
  (void)read_block(text);
  (void)read_receipt(text);
  (void)read_fee_history(text);
  if (const auto logs = read_logs(text); logs.ok()) {
    for (const auto& log : *logs) fuzz::require(log.topics.size() <= chain::Log::kMaxTopics);
  }
  return 0;
}
