// Bodies nodes send to Hermes and to the transactor: parsed, and what parses goes through all
// checks that need no ledger. The first byte says which request it is.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/text.hpp"
#include "core/hub/hermes/rules.hpp"
#include "core/hub/transactor/requests.hpp"
#include "drivers/hermes/server_codec.hpp"
#include "drivers/transactor/server_codec.hpp"

namespace {

using namespace myst;

Address at(const char* text) { return *Address::parse(text); }

// The contracts of tests/vectors/promises.json, so that its bodies pass.
const Address kRegistry = at("0x87F0F4b7e0FAb14A565C87BAbbA6c40c92281b51");
const Address kHermes = at("0x80Ed28d84792d8b153bf2F25F0C4B7a1381dE4ab");
const Address kChannel = at("0x6b423D3885B4877b5760E149364f85f185f477aD");

core::hermes::Terms hermes_terms() {
  core::hermes::Terms out;
  out.chains = {{137, kRegistry, kHermes, kChannel}, {1, kRegistry, kHermes, kChannel}};
  return out;
}

core::transactor::Terms transactor_terms() {
  core::transactor::ChainTerms chain;
  chain.id = 137;
  chain.registry = kRegistry;
  chain.hermes = kHermes;
  chain.channel_implementation = kChannel;
  chain.hermeses = {kHermes};
  core::transactor::Terms out;
  out.chains = {chain};
  return out;
}

void check(const Result<core::hermes::PromiseRequest>& request) {
  static const auto kTerms = hermes_terms();
  if (!request.ok()) return;
  const auto verified = core::hermes::verify_request(kTerms, *request);
  if (const auto* good = std::get_if<core::hermes::VerifiedRequest>(&verified)) {
    if (good->promise.signature[64] != 27 && good->promise.signature[64] != 28) __builtin_trap();
    if (!good->promise.promise.fee.is_zero()) __builtin_trap();
  }
}

template <typename Request>
void check(const Result<Request>& request) {
  static const auto kTerms = transactor_terms();
  if (!request.ok()) return;
  const auto made = core::transactor::make_task(kTerms, *request, WallTime{});
  if (const auto* task = std::get_if<core::transactor::Task>(&made)) {
    if (task->id.size() != 32 || task->data.size() < 4) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Address signer = kHermes;
  switch (data[0] % 14) {
    case 0:
      check(hermes::read_promise_request(body, false));
      break;
    case 1:
      check(hermes::read_promise_request(body, true));
      break;
    case 2:
      (void)hermes::read_reveal(body);
      break;
    case 3: {
      const auto change = hermes::read_change_fee(body);
      if (change.ok()) (void)core::hermes::verify_own_promise(hermes_terms(), change->promise);
      break;
    }
    case 4:
      (void)hermes::read_sync(body, signer);
      break;
    case 5:
      (void)hermes::read_refresh(body, signer);
      break;
    case 6:
      (void)hermes::read_credit(body);
      break;
    case 7:
      check(transactor::read_registration(body));
      break;
    case 8:
      check(transactor::read_open_channel(body));
      break;
    case 9:
      check(transactor::read_settle(body, core::transactor::Kind::Settle));
      break;
    case 10:
      check(transactor::read_settle_with_beneficiary(body));
      break;
    case 11:
      check(transactor::read_pay_and_settle(body));
      break;
    case 12:
      check(transactor::read_decrease_stake(body));
      break;
    default: {
      (void)transactor::read_channel_status(body);
      const std::size_t half = body.size() / 2;
      (void)hermes::request_signer(body.substr(0, half), body.substr(half));
      break;
    }
  }
  return 0;
}
