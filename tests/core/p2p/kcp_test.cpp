#include "core/p2p/kcp.hpp"

#include <gtest/gtest.h>

#include <map>

#include "core/base/endian.hpp"
#include "core/base/text.hpp"
#include "tests/support/vectors.hpp"

namespace myst::core {
namespace {

using test::bytes_of;

std::vector<std::string> packets_of(Kcp& kcp) {
  std::vector<std::string> out;
  std::array<std::uint8_t, 1500> buffer;
  while (const std::size_t size = kcp.poll_packet(buffer)) {
    out.push_back(to_hex(ByteSpan(buffer).first(size)));
  }
  return out;
}

std::string describe(const Kcp::State& s) {
  const std::pair<const char*, std::uint32_t> fields[] = {
      {"cwnd", s.cwnd},       {"incr", s.incr},       {"probe_wait", s.probe_wait},
      {"rcv_buf", s.rcv_buf}, {"rcv_nxt", s.rcv_nxt}, {"rcv_queue", s.rcv_queue},
      {"rmt_wnd", s.rmt_wnd}, {"rto", s.rto},         {"rttvar", s.rttvar},
      {"snd_buf", s.snd_buf}, {"snd_nxt", s.snd_nxt}, {"snd_queue", s.snd_queue},
      {"snd_una", s.snd_una}, {"srtt", s.srtt},       {"ssthresh", s.ssthresh}};
  std::string text;
  for (const auto& [name, value] : fields)
    text += std::string(name) + ' ' + std::to_string(value) + '\n';
  return text;
}

std::string describe(json::Value state) {
  std::map<std::string, std::string> sorted;
  for (const auto field : state) sorted[std::string(field.name)] = field.value.to_text();
  std::string text;
  for (const auto& [name, value] : sorted) text += name + ' ' + value + '\n';
  return text;
}

// Applies one event of a transcript; what the machine returns goes into the expectations at once.
void apply(Kcp& kcp, json::Value event) {
  const std::string op = event["op"].string_or("");
  const auto now = static_cast<std::uint32_t>(*event["t"].i64());
  if (op == "flush") {
    EXPECT_EQ(kcp.flush(now), *event["next_ms"].i64());
  } else if (op == "write") {
    EXPECT_TRUE(kcp.write(bytes_of(event["data"])));
    (void)kcp.flush(now);
  } else if (op == "send_message") {
    EXPECT_TRUE(kcp.write_message(bytes_of(event["data"])));
    (void)kcp.flush(now);
  } else if (op == "queue") {
    for (const auto item : event["data"]) EXPECT_TRUE(kcp.write(bytes_of(item.value)));
  } else if (op == "set") {
    kcp.force_window(static_cast<std::uint32_t>(*event["cwnd"].i64()),
                     static_cast<std::uint32_t>(*event["ssthresh"].i64()));
  } else if (op == "input") {
    const bool ok = kcp.input(now, bytes_of(event["packet"]), *event["regular"].boolean());
    EXPECT_EQ(ok, *event["result"].i64() == 0);
    if (ok && kcp.window_moved()) (void)kcp.flush(now);
  } else if (op == "read") {
    const auto message = kcp.read();
    EXPECT_EQ(message ? static_cast<std::int64_t>(message->size()) : -1, *event["result"].i64());
    if (message) {
      EXPECT_EQ(to_hex(*message), event["data"].string_or(""));
    }
  } else {
    ADD_FAILURE() << "unknown operation " << op;
  }
}

TEST(Kcp, TranscriptsOfTheReferenceReplay) {
  const auto file = test::vectors("kcp.json");
  int scenarios = 0;
  for (const auto scenario : file.root()["scenarios"]) {
    SCOPED_TRACE(scenario.value["name"].string_or(""));
    Kcp::Config config = Kcp::Config::reference();
    config.packet_bytes = static_cast<std::size_t>(*scenario.value["mtu"].i64()) - 28;
    std::map<std::string, Kcp> ends;
    ends.emplace("A", config);
    ends.emplace("B", config);
    EXPECT_EQ(static_cast<std::int64_t>(ends.at("A").mss()), *scenario.value["mss"].i64());
    int index = 0;
    for (const auto event : scenario.value["events"]) {
      SCOPED_TRACE("event " + std::to_string(index++));
      Kcp& kcp = ends.at(event.value["at"].string_or(""));
      apply(kcp, event.value);
      std::vector<std::string> expected;
      for (const auto packet : event.value["out"]) expected.push_back(packet.value.string_or(""));
      EXPECT_EQ(packets_of(kcp), expected);
      ASSERT_EQ(describe(kcp.state()), describe(event.value["state"]));
      if (testing::Test::HasFailure()) return;
    }
    ++scenarios;
  }
  EXPECT_EQ(scenarios, 14);
}

TEST(Kcp, SegmentsAreLaidOutAsInTheSecondSource) {
  const auto file = test::vectors("p2p.json");
  const json::Value segments = file.root()["kcp"]["segments"];
  for (const char* kind : {"push", "ack", "wask", "wins"}) {
    Kcp kcp(Kcp::Config::prompt());
    EXPECT_TRUE(kcp.input(10, bytes_of(segments[kind]), true)) << kind;
  }
}

// Two machines in the prompt rhythm over a path that loses, doubles and delays by a seed.
struct Path {
  explicit Path(std::uint64_t seed, unsigned loss_percent) : state(seed), loss(loss_percent) {}
  std::uint32_t random(std::uint32_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::uint32_t>(state >> 33) % bound;
  }
  std::uint64_t state;
  unsigned loss;
};

TEST(Kcp, DeliversInOrderOverALossyReorderingPath) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Path path(seed, 20);
    Kcp a(Kcp::Config::prompt());
    Kcp b(seed % 2 == 0 ? Kcp::Config::prompt() : Kcp::Config::reference());
    Bytes sent;
    for (std::uint32_t i = 0; i < 60000; ++i)
      sent.push_back(static_cast<std::uint8_t>(path.random(256)));
    Bytes received;
    std::multimap<std::uint32_t, std::pair<Kcp*, Bytes>> flying;
    std::size_t written = 0;
    std::array<std::uint8_t, 1500> buffer;
    std::uint32_t now = 0xffffff00u;  // the clock wraps on the way
    const std::uint32_t start = now;
    for (; received.size() < sent.size() && now - start < 120000; ++now) {
      while (written < sent.size() && a.segments_waiting() < 40) {
        const std::size_t size = std::min<std::size_t>(sent.size() - written, 3000);
        ASSERT_TRUE(a.write(ByteSpan(sent).subspan(written, size)));
        written += size;
      }
      while (!flying.empty() && flying.begin()->first <= now - start) {
        auto packet = std::move(flying.begin()->second);
        flying.erase(flying.begin());
        ASSERT_TRUE(packet.first->input(now, packet.second, true));
      }
      for (Kcp* from : {&a, &b}) {
        const bool slow = from == &b && seed % 2 == 1;
        if (slow ? (now - start) % 100 == 0 : from->flush_due(now)) (void)from->flush(now);
        while (const std::size_t size = from->poll_packet(buffer)) {
          for (int copy = 0; copy < (path.random(20) == 0 ? 2 : 1); ++copy) {
            if (path.random(100) < path.loss) continue;
            flying.emplace(
                now - start + 5 + path.random(40),
                std::make_pair(from == &a ? &b : &a, to_bytes(ByteSpan(buffer).first(size))));
          }
        }
      }
      while (const auto piece = b.read())
        received.insert(received.end(), piece->begin(), piece->end());
    }
    EXPECT_EQ(received, sent);
  }
}

TEST(Kcp, PromptRhythmWantsNoTimerWhenIdle) {
  Kcp a(Kcp::Config::prompt());
  Kcp b(Kcp::Config::prompt());
  EXPECT_FALSE(a.next_flush_in(5).has_value());
  ASSERT_TRUE(a.write(as_bytes("hello")));
  EXPECT_EQ(a.next_flush_in(5), 0u);
  (void)a.flush(5);
  std::array<std::uint8_t, 1500> buffer;
  std::size_t size = a.poll_packet(buffer);
  EXPECT_EQ(a.next_flush_in(5), 200u);  // only the resend time
  ASSERT_TRUE(b.input(20, ByteSpan(buffer).first(size), true));
  (void)b.flush(20);
  size = b.poll_packet(buffer);
  ASSERT_TRUE(a.input(30, ByteSpan(buffer).first(size), true));
  EXPECT_FALSE(a.next_flush_in(30).has_value());
  EXPECT_FALSE(b.next_flush_in(30).has_value());
}

TEST(Kcp, PromptRhythmProbesAClosedWindowOnlyWhileItHasData) {
  Kcp a(Kcp::Config::prompt());
  // A WINS that says: no free slots.
  ASSERT_TRUE(a.input(0, *from_hex("010000005400000000000000000000000000000000000000"), true));
  EXPECT_FALSE(a.next_flush_in(0).has_value());
  ASSERT_TRUE(a.write(as_bytes("x")));
  (void)a.flush(0);
  EXPECT_EQ(a.next_flush_in(0), 1000u);
  (void)a.flush(1000);
  const auto packets = packets_of(a);
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].substr(8, 2), "53");
  ASSERT_TRUE(a.input(1100, *from_hex("010000005400200000000000000000000000000000000000"), true));
  (void)a.flush(1100);
  EXPECT_EQ(packets_of(a).size(), 1u);
}

TEST(Kcp, QueuesAreBounded) {
  Kcp a(Kcp::Config::prompt());
  const Bytes big(Kcp::kMaxSegmentsWaiting * a.mss());
  EXPECT_TRUE(a.write(big));
  EXPECT_FALSE(a.write(as_bytes("x")));
  // Nobody reads: the queue and the window hold 32 each, the rest is ignored.
  Kcp b(Kcp::Config::prompt());
  for (std::uint32_t sn = 0; sn < 1000; ++sn) {
    Bytes push = *from_hex("010000005100200000000000000000000000000001000000aa");
    put_u32le(push.data() + 12, sn);
    EXPECT_TRUE(b.input(0, push, true));
  }
  EXPECT_EQ(b.state().rcv_queue, 32u);
  EXPECT_EQ(b.state().rcv_buf, 32u);
  EXPECT_LT(b.memory(), 16u * 1024);
}

}  // namespace
}  // namespace myst::core
