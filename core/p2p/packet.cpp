#include "core/p2p/packet.hpp"

#include <cassert>
#include <cstring>

#include "core/base/endian.hpp"
#include "core/crypto/box.hpp"
#include "core/wire/crc32.hpp"

namespace myst::core {
namespace {

void apply_key_stream(const Secret<32>& key, MutableByteSpan packet) {
  ByteArray<8> nonce;
  std::memcpy(nonce.data(), packet.data(), nonce.size());
  salsa20_xor(key, nonce, packet.subspan(nonce.size()));
}

}  // namespace

void seal_packet(const Secret<32>& key, Rng& rng, MutableByteSpan packet) {
  seal_packet(key, rng.bytes<16>(), packet);
}

void seal_packet(const Secret<32>& key, const ByteArray<16>& nonce, MutableByteSpan packet) {
  assert(packet.size() >= kPacketHeader);
  std::memcpy(packet.data(), nonce.data(), nonce.size());
  put_u32le(packet.data() + nonce.size(),
            crc32(ByteSpan(packet.data(), packet.size()).subspan(kPacketHeader)));
  apply_key_stream(key, packet);
}

Result<ByteSpan> open_packet(const Secret<32>& key, ByteSpan datagram, MutableByteSpan buffer) {
  if (datagram.size() < kPacketHeader || datagram.size() > kMaxReceivedDatagram ||
      datagram.size() > buffer.size()) {
    return Error{Errc::Malformed, static_cast<int>(datagram.size()), "channel packet size"};
  }
  std::memcpy(buffer.data(), datagram.data(), datagram.size());
  const MutableByteSpan plain = buffer.first(datagram.size());
  apply_key_stream(key, plain);
  const ByteSpan body = ByteSpan(plain.data(), plain.size()).subspan(kPacketHeader);
  if (get_u32le({plain.data() + 16, 4}) != crc32(body)) {
    return Error{Errc::Rejected, 0, "channel packet checksum"};
  }
  return body;
}

}  // namespace myst::core
