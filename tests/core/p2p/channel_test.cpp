#include "core/p2p/channel.hpp"

#include <gtest/gtest.h>

#include <map>
#include <utility>

#include "core/base/text.hpp"
#include "core/p2p/packet.hpp"
#include "core/p2p/peer_path.hpp"
#include "tests/support/support.hpp"
#include "tests/support/vectors.hpp"

namespace myst::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::array_of;
using test::bytes_of;

constexpr Instant kStart = Instant{} + std::chrono::hours{1000};

// Two channels over a path with delay, loss, duplicates and reordering, and a clock that jumps from
// one event to the next.
class Pair {
 public:
  struct Path {
    unsigned loss_percent = 0;
    unsigned duplicate_percent = 0;
    Duration delay = milliseconds{10};
    Duration jitter{};
  };
  Pair(std::uint64_t seed, const Path& path, const Channel::Config& config_a,
       const Channel::Config& config_b)
      : rng_(seed), path_(path), a_(config_a, rng_, kStart), b_(config_b, rng_, kStart) {}

  Channel& a() { return a_; }
  Channel& b() { return b_; }
  Instant now() const { return now_; }
  std::size_t sent() const { return sent_; }

  // Runs until nothing is left to happen before `until`. B answers each request by `answer`.
  template <typename Answer>
  void run(Duration until, Answer answer) {
    const Instant end = now_ + until;
    for (;;) {
      for (auto* end_point : {&a_, &b_}) {
        while (auto event = end_point->poll_event()) {
          if (auto* incoming = std::get_if<Channel::Incoming>(&*event)) {
            EXPECT_TRUE(end_point->reply(now_, incoming->id, answer(*incoming)).ok());
          } else {
            events_[end_point].push_back(std::move(*event));
          }
        }
        while (auto datagram = end_point->poll_transmit()) {
          send(end_point == &a_ ? &b_ : &a_, std::move(*datagram));
        }
      }
      std::optional<Instant> next = earliest(a_.next_timeout(), b_.next_timeout());
      if (!flying_.empty()) next = earliest(next, flying_.begin()->first);
      if (!next || *next > end) break;
      ++steps_;
      ASSERT_LT(steps_, 200000) << "a timer does not advance";
      now_ = std::max(now_, *next);
      while (!flying_.empty() && flying_.begin()->first <= now_) {
        auto [to, datagram] = std::move(flying_.begin()->second);
        flying_.erase(flying_.begin());
        EXPECT_TRUE(to->handle_datagram(now_, datagram).ok());
      }
      a_.handle_timeout(now_);
      b_.handle_timeout(now_);
    }
    now_ = end;
  }
  std::vector<Channel::Event>& events(Channel& c) { return events_[&c]; }

 private:
  void send(Channel* to, Bytes datagram) {
    ++sent_;
    EXPECT_LE(datagram.size(), Channel::kMaxDatagram);
    const int copies = rng_.below(100) < path_.duplicate_percent ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      if (rng_.below(100) < path_.loss_percent) continue;
      const auto extra = Duration(static_cast<std::int64_t>(
          rng_.below(static_cast<std::uint64_t>(path_.jitter.count()) + 1)));
      flying_.emplace(now_ + path_.delay + extra, std::make_pair(to, datagram));
    }
  }
  test::SeededRng rng_;
  Path path_;
  Channel a_, b_;
  Instant now_ = kStart;
  std::size_t sent_ = 0;
  int steps_ = 0;
  std::multimap<Instant, std::pair<Channel*, Bytes>> flying_;
  std::map<Channel*, std::vector<Channel::Event>> events_;
};

Channel::Config config() {
  Channel::Config c;
  c.key = Secret<32>(ByteArray<32>{1, 2, 3});
  return c;
}

const Channel::Answer* answer_in(const std::vector<Channel::Event>& events, std::uint64_t id) {
  for (const auto& event : events) {
    const auto* answer = std::get_if<Channel::Answer>(&event);
    if (answer != nullptr && answer->id == id) return answer;
  }
  return nullptr;
}

TEST(Channel, ARequestTakesOneRoundTripAndThenNoTimerRuns) {
  Pair pair(1, {}, config(), config());
  const auto id = pair.a().request(pair.now(), "p2p-keepalive", as_bytes("x"), seconds{5});
  ASSERT_TRUE(id.ok());
  pair.run(milliseconds{20}, [](const Channel::Incoming& in) {
    EXPECT_EQ(in.topic, "p2p-keepalive");
    EXPECT_EQ(as_text(in.data), "x");
    return Reply::success(to_bytes(as_bytes("y")));
  });
  const auto* answer = answer_in(pair.events(pair.a()), *id);
  ASSERT_NE(answer, nullptr);
  EXPECT_EQ(as_text(*answer->result), "y");
  pair.run(seconds{1}, [](const auto&) { return Reply::success(); });
  EXPECT_FALSE(pair.a().next_timeout().has_value());
  EXPECT_FALSE(pair.b().next_timeout().has_value());
  // Request, acknowledgement with the reply in one packet, acknowledgement.
  EXPECT_EQ(pair.sent(), 3u);
}

TEST(Channel, EveryStatusReachesTheCaller) {
  Pair pair(1, {}, config(), config());
  std::map<std::string, Reply> replies = {{"ok", Reply::success()},
                                          {"public", {ReplyStatus::PublicError, {}, "public text"}},
                                          {"internal", Reply::failure("boom")},
                                          {"none", Reply::no_handler()}};
  std::map<std::string, std::uint64_t> ids;
  for (const auto& [topic, reply] : replies) {
    ids[topic] = *pair.a().request(pair.now(), topic, {}, seconds{5});
  }
  pair.run(seconds{1}, [&](const Channel::Incoming& in) { return replies[in.topic]; });
  const auto& events = pair.events(pair.a());
  EXPECT_TRUE(answer_in(events, ids["ok"])->result.ok());
  EXPECT_EQ(answer_in(events, ids["public"])->result.error().code, Errc::Rejected);
  EXPECT_EQ(answer_in(events, ids["public"])->text, "public text");
  EXPECT_EQ(answer_in(events, ids["internal"])->text, "boom");
  EXPECT_EQ(answer_in(events, ids["none"])->result.error().code, Errc::NotFound);
  EXPECT_EQ(answer_in(events, ids["none"])->text, "handler \"none\" not found");
}

TEST(Channel, WithoutAnAnswerTheRequestTimesOut) {
  test::SeededRng rng(1);
  Channel channel(config(), rng, kStart);
  const auto id = channel.request(kStart, "t", {}, seconds{5});
  while (channel.poll_transmit()) {
  }
  ASSERT_TRUE(channel.next_timeout().has_value());
  Instant now = kStart;
  while (now < kStart + seconds{5}) {
    now = *channel.next_timeout();
    channel.handle_timeout(now);
    while (channel.poll_transmit()) {
    }
  }
  const auto event = channel.poll_event();
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(std::get<Channel::Answer>(*event).id, *id);
  EXPECT_EQ(std::get<Channel::Answer>(*event).result.error().code, Errc::Timeout);
  EXPECT_EQ(channel.unanswered(), 0u);
}

TEST(Channel, RequestsAndRepliesSurviveABadPath) {
  for (std::uint64_t seed = 1; seed <= 15; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Channel::Config theirs = config();
    if (seed % 3 == 0) theirs.kcp = Kcp::Config::reference();
    Channel::Config ours = config();
    ours.text_framing = theirs.text_framing = seed % 5 == 0;
    Pair pair(seed, {30, 10, milliseconds{20}, milliseconds{60}}, ours, theirs);
    std::map<std::uint64_t, Bytes> expected;
    test::SeededRng content(seed);
    for (int i = 0; i < 60; ++i) {
      Bytes data(content.below(i % 10 == 0 ? 9000 : 300), static_cast<std::uint8_t>('a' + i % 26));
      const auto id = pair.a().request(pair.now(), "echo", data, seconds{120});
      ASSERT_TRUE(id.ok());
      expected[*id] = std::move(data);
      // The other direction at the same time.
      ASSERT_TRUE(pair.b().request(pair.now(), "back", as_bytes("b"), seconds{120}).ok());
      if (i % 10 == 9) {
        pair.run(milliseconds{300}, [](const auto& in) { return Reply::success(in.data); });
      }
    }
    pair.run(seconds{119}, [](const auto& in) { return Reply::success(in.data); });
    for (const auto& [id, data] : expected) {
      const auto* answer = answer_in(pair.events(pair.a()), id);
      ASSERT_NE(answer, nullptr) << id;
      ASSERT_TRUE(answer->result.ok());
      EXPECT_EQ(*answer->result, data);
    }
    EXPECT_EQ(pair.events(pair.a()).size(), 60u);
    EXPECT_EQ(pair.events(pair.b()).size(), 60u);
    EXPECT_FALSE(pair.a().next_timeout().has_value());
    EXPECT_FALSE(pair.b().next_timeout().has_value());
    EXPECT_LT(pair.a().memory(), 20u * 1024);
    EXPECT_LT(pair.b().memory(), 20u * 1024);
  }
}

TEST(Channel, TheLongestFrameArrives) {
  Pair pair(3, {5, 0, milliseconds{5}, milliseconds{5}}, config(), config());
  const Bytes big(kMaxEnvelope - 40, 0x33);
  const auto id = pair.a().request(pair.now(), "big", big, seconds{60});
  ASSERT_TRUE(id.ok());
  EXPECT_FALSE(pair.a().request(pair.now(), "big", Bytes(kMaxEnvelope), seconds{60}).ok());
  pair.run(seconds{50}, [&](const Channel::Incoming& in) {
    EXPECT_EQ(in.data, big);
    return Reply::success(in.data);
  });
  const auto* answer = answer_in(pair.events(pair.a()), *id);
  ASSERT_NE(answer, nullptr);
  EXPECT_EQ(*answer->result, big);
  EXPECT_LT(pair.a().memory(), 20u * 1024);
  EXPECT_LT(pair.b().memory(), 20u * 1024);
}

TEST(Channel, QueuesAreBoundedAndSayFull) {
  test::SeededRng rng(1);
  Channel channel(config(), rng, kStart);
  for (std::size_t i = 0; i < Channel::kMaxRequests; ++i) {
    ASSERT_TRUE(channel.request(kStart, "t", {}, seconds{5}).ok());
  }
  EXPECT_EQ(channel.request(kStart, "t", {}, seconds{5}).error().code, Errc::Full);
  Channel other(config(), rng, kStart);
  Status last;
  for (int i = 0; i < 20 && last.ok(); ++i) {
    const auto id = other.request(kStart, "t", Bytes(100000), seconds{5});
    if (!id.ok()) last = id.error();
  }
  ASSERT_FALSE(last.ok());
  EXPECT_EQ(last.error().code, Errc::Full);
}

TEST(Channel, AFloodOfRequestsIsHeldBackAndThenRefused) {
  // The peer asks without end and we neither poll nor answer: memory stays bounded.
  test::SeededRng rng(1);
  Channel a(config(), rng, kStart);
  Channel b(config(), rng, kStart);
  Instant now = kStart;
  for (int i = 0; i < 3000; ++i) {
    (void)a.request(now, "flood", Bytes(1000), milliseconds{50});
    while (auto d = a.poll_transmit()) (void)b.handle_datagram(now, *d);
    while (auto d = b.poll_transmit()) (void)a.handle_datagram(now, *d);
    now += milliseconds{10};
    a.handle_timeout(now);
    b.handle_timeout(now);
    while (a.poll_event()) {
    }
  }
  EXPECT_LT(b.memory(), 300u * 1024);
  // Polled but never answered: at most kMaxIncoming stay open, further ones are refused.
  std::size_t asked = 0;
  std::size_t refused = 0;
  for (int i = 0; i < 3000; ++i) {
    (void)a.request(now, "flood", Bytes(10), seconds{50});
    while (auto d = a.poll_transmit()) (void)b.handle_datagram(now, *d);
    while (b.poll_event()) ++asked;
    while (auto d = b.poll_transmit()) (void)a.handle_datagram(now, *d);
    now += milliseconds{10};
    a.handle_timeout(now);
    b.handle_timeout(now);
    while (auto event = a.poll_event()) {
      const auto* answer = std::get_if<Channel::Answer>(&*event);
      if (answer != nullptr && !answer->result.ok() && answer->text == "too many requests")
        ++refused;
    }
  }
  EXPECT_EQ(asked, Channel::kMaxIncoming);
  EXPECT_GT(refused, 100u);
}

TEST(Channel, ARequestIsAnsweredOnce) {
  Pair pair(1, {}, config(), config());
  (void)*pair.a().request(pair.now(), "t", {}, seconds{5});
  std::uint64_t seen = 0;
  pair.run(seconds{1}, [&](const Channel::Incoming& in) {
    seen = in.id;
    return Reply::success();
  });
  EXPECT_EQ(pair.b().reply(pair.now(), seen, Reply::success()).error().code, Errc::NotFound);
}

TEST(Channel, AReplyThatCannotBeSentIsReplacedByAnError) {
  Pair pair(1, {}, config(), config());
  std::uint64_t id = *pair.a().request(pair.now(), "t", {}, seconds{5});
  bool first = true;
  Status sent;
  while (auto d = pair.a().poll_transmit()) (void)pair.b().handle_datagram(pair.now(), *d);
  while (auto event = pair.b().poll_event()) {
    auto& in = std::get<Channel::Incoming>(*event);
    ASSERT_TRUE(std::exchange(first, false));
    sent = pair.b().reply(pair.now(), in.id, Reply::failure("\xff\xfe"));
  }
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().code, Errc::Malformed);
  pair.run(seconds{1}, [](const auto&) { return Reply::success(); });
  EXPECT_EQ(answer_in(pair.events(pair.a()), id)->text, "the answer cannot be sent");
}

TEST(Channel, NonsenseInTheStreamBreaksItAndFailsWhatWaits) {
  test::SeededRng rng(1);
  Channel channel(config(), rng, kStart);
  ASSERT_TRUE(channel.request(kStart, "t", {}, seconds{5}).ok());
  // One PUSH with a length far beyond the limit, in a bare body without FEC header.
  Bytes packet(kPacketHeader);
  const Bytes body = *from_hex("010000005100200000000000000000000000000005000000ffffffff0f");
  packet.insert(packet.end(), body.begin(), body.end());
  seal_packet(config().key, rng, packet);
  ASSERT_TRUE(channel.handle_datagram(kStart, packet).ok());
  EXPECT_EQ(std::get<Channel::Answer>(*channel.poll_event()).result.error().code,
            Errc::Unavailable);
  EXPECT_TRUE(std::holds_alternative<Channel::Broken>(*channel.poll_event()));
  EXPECT_TRUE(channel.broken());
  EXPECT_FALSE(channel.request(kStart, "t", {}, seconds{5}).ok());
}

TEST(Channel, StrayDatagramsChangeNothing) {
  test::SeededRng rng(1);
  Channel channel(config(), rng, kStart);
  for (const char* text : {"", "OK", "OK_ACK", "continuously pinging to 127.0.0.1:36887"}) {
    EXPECT_FALSE(channel.handle_datagram(kStart, as_bytes(text)).ok()) << text;
  }
  Bytes empty_body(kPacketHeader);
  seal_packet(config().key, rng, empty_body);
  EXPECT_FALSE(channel.handle_datagram(kStart, empty_body).ok());
  EXPECT_FALSE(channel.next_timeout().has_value());
  EXPECT_FALSE(channel.poll_transmit().has_value());
}

// ------------------------------------------------------- what the reference's own sessions said

TEST(Channel, CaptureOfTheReferenceTransportIsUnderstood) {
  const auto file = test::vectors("p2p.json");
  const json::Value capture = file.root()["kcp_go_capture"];
  for (const char* direction : {"consumer>provider", "provider>consumer"}) {
    Kcp kcp(Kcp::Config::prompt());
    FecReceiver fec;
    Bytes stream;
    std::array<std::uint8_t, kMaxReceivedDatagram> buffer;
    const Secret<32> key(array_of<32>(capture["key"]));
    for (const auto item : capture["datagrams"]) {
      if (item.value["dir"].string_or("") != direction) continue;
      if (item.value["dropped"].boolean_or(false)) continue;
      const auto body = open_packet(key, bytes_of(item.value["hex"]), buffer);
      ASSERT_TRUE(body.ok());
      const bool parity = (*body)[4] == 0xf2;
      if (!parity) {
        EXPECT_TRUE(kcp.input(0, body->subspan(8), true));
      }
      for (const Bytes& rebuilt : fec.input(kStart, (*body)[0], parity, body->subspan(6))) {
        EXPECT_TRUE(kcp.input(0, rebuilt, false));
      }
      while (const auto piece = kcp.read())
        stream.insert(stream.end(), piece->begin(), piece->end());
    }
    const bool up = std::string_view(direction) == "consumer>provider";
    EXPECT_EQ(
        to_hex(stream),
        capture[up ? "consumer_to_provider_stream" : "provider_to_consumer_stream"].string_or(""));
  }
}

TEST(Channel, RecordedRunOfTheReferenceReplaysFromBothSides) {
  const auto file = test::vectors("p2p_channel.json");
  const json::Value run = file.root()["run"];
  Channel::Config c;
  c.key = Secret<32>(array_of<32>(run["session_keys"]["shared_key"]));
  for (const std::string& us : {std::string("consumer"), std::string("provider")}) {
    SCOPED_TRACE(us);
    test::SeededRng rng(1);
    Channel channel(c, rng, kStart);
    std::vector<json::Value> ours;
    std::vector<json::Value> theirs;
    for (const auto call : run["calls"]) {
      (call.value["caller"].string_or("") == us ? ours : theirs).push_back(call.value);
    }
    std::vector<std::uint64_t> ids;
    for (const json::Value& call : ours) {
      ids.push_back(*channel.request(kStart, call["topic"].string_or(""), bytes_of(call["data"]),
                                     seconds{20}));
    }
    std::vector<Channel::Incoming> incoming;
    std::map<std::uint64_t, Channel::Answer> answers;
    std::size_t fed = 0;
    for (const auto item : run["datagrams"]) {
      const Instant now = kStart + milliseconds{*item.value["ms"].i64()};
      while (channel.poll_transmit()) {
      }
      if (item.value["dir"].string_or("").substr(0, us.size()) == us) continue;
      ASSERT_TRUE(channel.handle_datagram(now, bytes_of(item.value["hex"])).ok());
      ++fed;
      while (auto event = channel.poll_event()) {
        if (auto* in = std::get_if<Channel::Incoming>(&*event)) {
          EXPECT_TRUE(channel.reply(now, in->id, Reply::success()).ok());
          incoming.push_back(std::move(*in));
        } else if (auto* answer = std::get_if<Channel::Answer>(&*event)) {
          answers.emplace(answer->id, std::move(*answer));
        } else {
          ADD_FAILURE() << "broken";
        }
      }
    }
    EXPECT_GT(fed, 10u);
    ASSERT_EQ(incoming.size(), theirs.size());
    for (std::size_t i = 0; i < theirs.size(); ++i) {
      EXPECT_EQ(incoming[i].id, i + 1);
      EXPECT_EQ(incoming[i].topic, theirs[i]["topic"].string_or(""));
      EXPECT_EQ(to_hex(incoming[i].data), to_hex(bytes_of(theirs[i]["data"])));
    }
    ASSERT_EQ(answers.size(), ours.size());
    for (std::size_t i = 0; i < ours.size(); ++i) {
      const Channel::Answer& answer = answers.at(ids[i]);
      const std::string error = ours[i]["error_seen_by_caller"].string_or("");
      ASSERT_EQ(answer.result.ok(), error.empty());
      if (answer.result.ok()) {
        EXPECT_EQ(to_hex(*answer.result), to_hex(bytes_of(ours[i]["reply_data"])));
      } else {
        EXPECT_NE(error.find(answer.text), std::string::npos) << answer.text;
        EXPECT_FALSE(answer.text.empty());
      }
    }
  }
}

TEST(PeerPath, FollowsThePortButNeverTheAddress) {
  PeerPath path(*Endpoint::parse("203.0.113.7:4000"));
  EXPECT_FALSE(path.authenticated(*Endpoint::parse("203.0.113.7:4000")));
  EXPECT_FALSE(path.authenticated(*Endpoint::parse("203.0.113.8:4001")));
  EXPECT_EQ(path.peer().port, 4000);
  EXPECT_TRUE(path.authenticated(*Endpoint::parse("203.0.113.7:4001")));
  EXPECT_EQ(path.peer().port, 4001);
}

}  // namespace
}  // namespace myst::core
