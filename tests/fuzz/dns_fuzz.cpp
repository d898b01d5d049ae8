// DNS parsers, and the forwarder fed with arbitrary queries and answers.
#include <cstdlib>

#include "core/dns/forwarder.hpp"

namespace {

class CountingRng final : public myst::Rng {
 public:
  void fill(myst::MutableByteSpan out) override {
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(next_++ * 167 + 13);
  }

 private:
  unsigned next_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  using namespace myst::core::dns;
  const ByteSpan input(data, size);
  (void)parse_question(input);
  (void)parse_addresses(input);
  const auto refused = make_error_answer(input, Rcode::Refused);
  if (refused.ok() && !parse_question(*refused).ok()) std::abort();

  CountingRng rng;
  Forwarder::Config config;
  const Endpoint upstream{IpAddress::v4(192, 0, 2, 1), 53};
  config.upstreams = {upstream};
  config.policy.zones = {"com"};
  Forwarder forwarder(config, rng);
  const std::size_t half = size / 2;
  Instant now{};
  (void)forwarder.handle_query(now, {{IpAddress::v4(10, 0, 0, 2), 1}, size % 2}, input.first(half));
  for (int i = 0; i < 16; ++i) {
    auto action = forwarder.poll_action();
    if (!action) break;
    if (auto* sent = std::get_if<Forwarder::SendQuery>(&*action)) {
      Bytes answer = to_bytes(input.subspan(half));
      if (answer.size() >= kHeaderSize) set_id(answer, parse_header(sent->message)->id);
      (void)forwarder.handle_answer(now, upstream, answer);
    } else if (auto* open = std::get_if<Forwarder::OpenDestinations>(&*action)) {
      forwarder.handle_opened(open->ticket, size % 3 != 0);
    }
  }
  for (int i = 0; i < 4 && forwarder.next_timeout(); ++i) {
    now = *forwarder.next_timeout();
    forwarder.handle_timeout(now);
  }
  if (forwarder.in_flight() != 0) std::abort();
  return 0;
}
