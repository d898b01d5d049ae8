// Hot paths for counting instructions, which unlike seconds do not depend on who else uses the
// machine: `bench_instructions NAME COUNT` does one thing COUNT times. bench/instructions runs it
// twice under callgrind, or qemu-user for ARM, and divides the difference.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "core/base/endian.hpp"
#include "core/base/rng.hpp"
#include "core/base/text.hpp"
#include "core/crypto/aead.hpp"
#include "core/crypto/keccak.hpp"
#include "core/identity/signer.hpp"
#include "core/p2p/channel.hpp"
#include "core/p2p/packet.hpp"
#include "core/payment/promise.hpp"
#include "core/wireguard/checksum.hpp"
#include "core/wireguard/messages.hpp"
#include "core/wireguard/replay_window.hpp"
#include "core/wireguard/super_packet.hpp"

namespace {

using namespace myst;
using namespace myst::core;
using namespace myst::core::wireguard;

// The same bytes in every run.
class CountingRng final : public Rng {
 public:
  void fill(MutableByteSpan out) override {
    for (std::uint8_t& b : out) b = static_cast<std::uint8_t>(state_ += 0x9d);
  }

 private:
  unsigned state_ = 0;
};

CountingRng rng;

[[noreturn]] void broken(const char* what) {
  std::fprintf(stderr, "bench_instructions: %s\n", what);
  std::exit(1);
}

payment::Promise some_promise() {
  payment::Promise promise;
  promise.chain_id = 137;
  promise.channel = rng.bytes<32>();
  promise.amount = 123456789012345678u;
  promise.hashlock = rng.bytes<32>();
  return promise;
}

void promise_sign(std::size_t count) {
  const LocalSigner signer = LocalSigner::make(rng);
  payment::Promise promise = some_promise();
  for (std::size_t i = 0; i < count; ++i) {
    promise.amount = U256::saturating_add(promise.amount, 1);
    if (!payment::sign_promise(signer, promise).ok()) broken("sign");
  }
}

void promise_verify(std::size_t count) {
  const LocalSigner signer = LocalSigner::make(rng);
  const payment::Promise promise = some_promise();
  const Signature signature = *payment::sign_promise(signer, promise);
  for (std::size_t i = 0; i < count; ++i) {
    const auto who = payment::recover_promise_signer(promise, signature);
    if (!who.ok() || *who != signer.address()) broken("verify");
  }
}

void keccak_word(std::size_t count) {
  Digest32 digest{};
  for (std::size_t i = 0; i < count; ++i) digest = keccak256(ByteSpan(digest));
  if (digest == Digest32{}) broken("keccak");
}

void channel_packet(std::size_t count) {
  const Secret<32> key(ByteArray<32>{7});
  std::array<std::uint8_t, Channel::kMaxDatagram> packet{};
  std::array<std::uint8_t, kMaxReceivedDatagram> buffer;
  for (std::size_t i = 0; i < count; ++i) {
    seal_packet(key, rng, packet);
    if (!open_packet(key, packet, buffer).ok()) broken("channel packet");
    packet.fill(1);
  }
}

constexpr std::size_t kHeaders = 40, kSegment = 1380, kSegments = 45;

// What the kernel gives a tun reader for a TCP stream: one packet, to be cut into kSegments.
struct Super {
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(kHeaders + kSegment * kSegments);
  OffloadHeader header;
  Super() {
    std::uint8_t* const p = bytes.data();
    p[0] = 0x45;
    store_be16(p + 2, bytes.size());
    p[6] = 0x40;
    p[8] = 64;
    p[9] = 6;
    p[12] = p[16] = 10;
    p[32] = 0x50;
    p[33] = 0x10;
    header.flags = OffloadHeader::kNeedsChecksum;
    header.type = OffloadHeader::kTcp4;
    header.header_size = kHeaders;
    header.segment_size = kSegment;
    header.checksum_start = 20;
    header.checksum_offset = 16;
    const std::uint16_t sum = checksum_fold(pseudo_header_sum(p, 6, bytes.size() - 20));
    std::memcpy(p + 36, &sum, 2);
  }
};

constexpr std::size_t kMessage = kTransportOverhead + ((kHeaders + kSegment + 15) / 16) * 16;

// Seals one super-packet as messages of kMessage bytes.
void seal_all(BulkAead& aead, const Super& super, std::uint64_t& counter, std::uint8_t* out) {
  const auto split = Splitter::parse(super.header, super.bytes);
  if (!split.ok() || split->count() != kSegments) broken("split");
  for (std::size_t i = 0; i < kSegments; ++i, out += kMessage) {
    write_transport_header(out, 7, counter);
    split->write(i, out + kTransportHeaderSize);
    if (!aead.seal(counter++, {out + kTransportHeaderSize, kMessage - kTransportHeaderSize}))
      broken("seal");
  }
}

void wireguard_send(std::size_t count) {
  BulkAead aead(BulkAead::Direction::Seal);
  if (!aead.set_key(Secret<32>(ByteArray<32>{7}))) broken("key");
  const Super super;
  std::vector<std::uint8_t> out(kMessage * kSegments);
  std::uint64_t counter = 0;
  for (std::size_t i = 0; i < count; ++i) seal_all(aead, super, counter, out.data());
}

void wireguard_receive(std::size_t count) {
  BulkAead sealer(BulkAead::Direction::Seal), opener(BulkAead::Direction::Open);
  const Secret<32> key(ByteArray<32>{7});
  if (!sealer.set_key(key) || !opener.set_key(key)) broken("key");
  const Super super;
  std::vector<std::uint8_t> sealed(kMessage * kSegments), buffer(sealed.size());
  std::uint64_t counter = 0;
  seal_all(sealer, super, counter, sealed.data());
  for (std::size_t i = 0; i < count; ++i) {
    ReplayWindow window;
    std::array<PlainPacket, kSegments> packets;
    std::memcpy(buffer.data(), sealed.data(), sealed.size());
    for (std::size_t k = 0; k < kSegments; ++k) {
      std::uint8_t* const at = buffer.data() + k * kMessage + kTransportHeaderSize;
      if (!opener.open(k, {at, kMessage - kTransportHeaderSize}) || !window.accept(k))
        broken("open");
      packets[k] = {at, kHeaders + kSegment};
    }
    const Run run = merge({packets.data(), packets.size()}, 0, {true, true});
    if (run.count != kSegments) broken("merge");
  }
}

struct Path {
  const char* name;
  void (*run)(std::size_t count);
  std::size_t per;  // operations in one run
};
constexpr Path kPaths[] = {
    {"promise_sign", promise_sign, 1},
    {"promise_verify", promise_verify, 1},
    {"keccak_word", keccak_word, 1},
    {"channel_packet", channel_packet, 1},
    {"wireguard_send", wireguard_send, kSegments},
    {"wireguard_receive", wireguard_receive, kSegments},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc == 1) {
    for (const Path& path : kPaths) std::printf("%s %zu\n", path.name, path.per);
    return 0;
  }
  const auto count = argc == 3 ? parse_decimal(argv[2]) : std::nullopt;
  for (const Path& path : kPaths) {
    if (!count || std::string_view(argv[1]) != path.name) continue;
    path.run(static_cast<std::size_t>(*count));
    return 0;
  }
  std::fprintf(stderr, "usage: bench_instructions [NAME COUNT]\n");
  return 2;
}
