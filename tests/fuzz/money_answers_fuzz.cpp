// What Hermes and the transactor answer a node. The first byte says to which call, the second the
// HTTP status.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/text.hpp"
#include "drivers/hermes/client_codec.hpp"
#include "drivers/transactor/client_codec.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  using namespace myst::core::money;
  if (size < 2) return 0;
  const std::string_view body = as_text(ByteSpan(data + 2, size - 2));
  const int status = data[1] < 128 ? 200 : 400;
  const auto hermes = [&](const HermesCall& call) {
    const auto answer = hermes::read_answer(call, status, body);
    // A promise that was read can be asked about again.
    if (!answer.ok()) return;
    if (const auto* promise = std::get_if<SignedPromise>(&*answer)) {
      (void)hermes::write_call(SyncPromise{*promise});
      (void)payment::recover_promise_signer(promise->promise, promise->signature);
    }
  };
  switch (data[0] % 10) {
    case 0:
      hermes(AskPromise{});
      break;
    case 1:
      hermes(RevealR{});
      break;
    case 2:
      hermes(AskConsumerData{});
      break;
    case 3:
      (void)hermes::base_url(body);
      break;
    case 4:
      (void)transactor::read_fee(body);
      break;
    case 5:
      (void)transactor::read_combined_fees(body);
      break;
    case 6:
      (void)transactor::read_queue_entry(body);
      (void)transactor::read_queue_id(body);
      break;
    case 7:
      (void)transactor::read_registrations(body);
      break;
    case 8:
      (void)transactor::read_problem(body);
      break;
    default:
      (void)transactor::read_eligible(body);
      break;
  }
  return 0;
}
