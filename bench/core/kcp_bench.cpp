// The peer channel: throughput of the whole stack and of its parts, cost of a packet, heap an idle
// channel holds. Two channels meet in memory; the virtual clock stands still but for RTT.
#include <benchmark/benchmark.h>

#include <array>

#include "core/p2p/channel.hpp"
#include "core/p2p/fec.hpp"
#include "core/p2p/kcp.hpp"
#include "core/p2p/packet.hpp"
#include "core/wire/crc32.hpp"

namespace {

using namespace myst;
using namespace myst::core;
using std::chrono::milliseconds;

// Cheap, so that the figure is the channel's and not the random source's.
class CountingRng final : public Rng {
 public:
  void fill(MutableByteSpan out) override {
    for (std::uint8_t& b : out) b = static_cast<std::uint8_t>(state_ += 0x9d);
  }

 private:
  unsigned state_ = 0;
};

Channel::Config config() {
  Channel::Config c;
  c.key = Secret<32>(ByteArray<32>{7});
  return c;
}

struct Pair {
  CountingRng rng;
  Instant now{};
  Channel a{config(), rng, now};
  Channel b{config(), rng, now};
  std::array<std::uint8_t, Channel::kMaxDatagram> buffer{};
  std::size_t packets = 0;

  bool carry(Channel& from, Channel& to) {
    bool any = false;
    while (const std::size_t size = from.poll_transmit(MutableByteSpan(buffer))) {
      (void)to.handle_datagram(now, ByteSpan(buffer).first(size));
      ++packets;
      any = true;
    }
    return any;
  }
  // One request of `size` bytes and its empty reply.
  void exchange(ByteSpan data) {
    (void)a.request(now, "p2p-keepalive", data, std::chrono::seconds{5});
    for (bool answered = false; !answered;) {
      (void)carry(a, b);
      while (auto event = b.poll_event()) {
        if (const auto* in = std::get_if<Channel::Incoming>(&*event)) {
          (void)b.reply(now, in->id, Reply::success());
        }
      }
      (void)carry(b, a);
      while (auto event = a.poll_event()) answered = true;
      now += milliseconds{1};
    }
  }
};

void request_and_reply(benchmark::State& state) {
  Pair pair;
  const Bytes data(static_cast<std::size_t>(state.range(0)), 0x5a);
  for (auto _ : state) pair.exchange(data);
  state.SetBytesProcessed(state.iterations() * state.range(0));
  state.counters["packets"] =
      benchmark::Counter(static_cast<double>(pair.packets), benchmark::Counter::kIsRate);
  state.counters["s/packet"] = benchmark::Counter(
      static_cast<double>(pair.packets), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["heap_after"] = static_cast<double>(pair.a.memory() + pair.b.memory());
}
BENCHMARK(request_and_reply)->Arg(60)->Arg(3000)->Arg(100000);

// A quiet session for an hour: a keep-alive every 5 s one way, every 14 s the other.
void quiet_hour(benchmark::State& state) {
  double packets = 0;
  double heap = 0;
  for (auto _ : state) {
    Pair pair;
    const Bytes ping(60, 1);
    for (int i = 0; i < 720; ++i) {
      pair.exchange(ping);
      pair.now += std::chrono::seconds{5};
      heap = std::max(heap, static_cast<double>(std::max(pair.a.memory(), pair.b.memory())));
    }
    packets = static_cast<double>(pair.packets);
  }
  state.counters["packets_an_hour"] = packets;
  state.counters["most_heap_of_one"] = heap + sizeof(Channel);
}
BENCHMARK(quiet_hour);

void kcp_alone(benchmark::State& state) {
  Kcp a(Kcp::Config::prompt());
  Kcp b(Kcp::Config::prompt());
  std::array<std::uint8_t, 1500> buffer;
  std::uint32_t now = 0;
  const Bytes data(1228, 1);
  std::size_t packets = 0;
  for (auto _ : state) {
    (void)a.write(data);
    (void)a.flush(++now);
    while (const std::size_t n = a.poll_packet(buffer)) {
      (void)b.input(now, ByteSpan(buffer).first(n), true);
      ++packets;
    }
    while (auto piece = b.read()) benchmark::DoNotOptimize(piece);
    (void)b.flush(now);
    while (const std::size_t n = b.poll_packet(buffer)) {
      (void)a.input(now, ByteSpan(buffer).first(n), true);
      ++packets;
    }
  }
  state.SetBytesProcessed(state.iterations() * 1228);
  state.counters["s/packet"] = benchmark::Counter(
      static_cast<double>(packets), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(kcp_alone);

void packet_seal_and_open(benchmark::State& state) {
  CountingRng rng;
  const Secret<32> key(ByteArray<32>{7});
  std::array<std::uint8_t, Channel::kMaxDatagram> packet{};
  std::array<std::uint8_t, kMaxReceivedDatagram> buffer;
  for (auto _ : state) {
    seal_packet(key, rng, packet);
    auto body = open_packet(key, packet, buffer);
    benchmark::DoNotOptimize(body);
    packet[20] = 1;
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(packet.size()));
}
BENCHMARK(packet_seal_and_open);

void fec_send(benchmark::State& state) {
  FecSender sender;
  Bytes body(1260, 3);
  std::array<std::uint8_t, 1300> parity;
  for (auto _ : state) {
    sender.seal(body);
    while (sender.parity_due()) benchmark::DoNotOptimize(sender.poll_parity(parity));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(body.size()));
}
BENCHMARK(fec_send);

void fec_rebuild_three(benchmark::State& state) {
  FecSender sender;
  std::vector<Bytes> shards;
  for (std::size_t i = 0; i < kFecData; ++i) {
    Bytes body(1260, static_cast<std::uint8_t>(i));
    sender.seal(body);
    shards.push_back(body);
  }
  while (sender.parity_due()) {
    Bytes parity(1300);
    parity.resize(sender.poll_parity(parity));
    shards.push_back(parity);
  }
  for (auto _ : state) {
    FecReceiver receiver;
    for (std::size_t i = 3; i < kFecGroup; ++i) {
      auto rebuilt = receiver.input(Instant{}, static_cast<std::uint32_t>(i), i >= kFecData,
                                    ByteSpan(shards[i]).subspan(6));
      benchmark::DoNotOptimize(rebuilt);
    }
  }
}
BENCHMARK(fec_rebuild_three);

void crc_of_a_packet(benchmark::State& state) {
  const Bytes data(1260, 3);
  for (auto _ : state) benchmark::DoNotOptimize(crc32(data));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(data.size()));
}
BENCHMARK(crc_of_a_packet);

}  // namespace
