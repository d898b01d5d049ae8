// Every protobuf message: what decodes encodes, and its encoding is stable.
#include "core/p2p/messages.hpp"
#include "tests/fuzz/fuzz_input.hpp"

namespace {

template <typename Message>
void check(myst::ByteSpan bytes) {
  const auto first = Message::decode(bytes);
  if (!first.ok()) return;
  const myst::Bytes encoded = first->encode();
  const auto second = Message::decode(encoded);
  myst::fuzz::require(second.ok() && second->encode() == encoded);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst::core::pb;
  const myst::ByteSpan bytes(data, size);
  check<P2PSignedMsg>(bytes);
  check<P2PConfigExchangeMsg>(bytes);
  check<P2PConnectConfig>(bytes);
  check<P2PChannelHandlersReady>(bytes);
  check<P2PKeepAlivePing>(bytes);
  check<P2PChannelEnvelope>(bytes);
  check<SessionRequest>(bytes);
  check<SessionResponse>(bytes);
  check<SessionInfo>(bytes);
  check<SessionStatus>(bytes);
  check<Invoice>(bytes);
  check<Promise>(bytes);
  check<ExchangeMessage>(bytes);
  return 0;
}
