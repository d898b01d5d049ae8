// What a provider's channel answers to keep-alives, asked over the wire by the consumer's end.
#include "core/node/provider_channel.hpp"

#include <gtest/gtest.h>

#include "core/p2p/messages.hpp"
#include "tests/support/support.hpp"

namespace myst::core::node {
namespace {

using std::chrono::seconds;

constexpr SocketId kSocket = 7;
const Endpoint kPeer{IpAddress::v4(10, 0, 0, 2), 4000};

class KeepAlives : public testing::Test, public ProviderChannel::Host {
 protected:
  KeepAlives() : context_(config(), rng_) {
    ServiceChannel parts;
    parts.consumer = consumer();
    parts.channel = std::make_unique<Channel>(channel_config(), rng_, now_.instant);
    parts.socket = kSocket;
    parts.peer = kPeer;
    ProviderChannel::Host& host = *this;
    channel_.emplace(context_, host, 1u, "service", std::move(parts), now_);
  }
  ~KeepAlives() override {
    session_.reset();
    channel_.reset();
  }
  static Config config() {
    Config out;
    out.payment.accept_any_price = true;
    return out;
  }
  static Channel::Config channel_config() {
    Channel::Config out;
    out.key = Secret<32>(ByteArray<32>{1, 2, 3});
    return out;
  }
  static Address consumer() { return Address(ByteArray<20>{9}); }

  // A free noop session of this channel, as the provider makes it.
  void begin(const std::string& id, bool allowed = true) {
    context_.allowed_consumers.clear();
    if (!allowed) context_.allowed_consumers = {Address(ByteArray<20>{8})};
    ProviderSession::Setup setup;
    setup.record.id = id;
    setup.record.consumer = consumer();
    setup.record.service_type = "noop";
    channel_->acquire();
    session_.emplace(context_, *channel_, channel_->link(), std::move(setup), now_);
    session_->start(now_);
  }
  void end() {
    session_->close(now_, "the owner stops the service");
    ASSERT_TRUE(session_->closed());
  }

  // Empty: success; else what was said.
  std::string ask(ByteSpan body) {
    const auto id = consumer_end_.request(now_.instant, topic::kKeepAlive, body, seconds{5});
    EXPECT_TRUE(id.ok());
    std::string said = "no answer";
    for (int turns = 0; turns < 1000 && said == "no answer"; ++turns) {
      while (auto datagram = consumer_end_.poll_transmit()) {
        channel_->link().on_datagram(now_, kSocket, kPeer, *datagram);
      }
      channel_->link().drain(now_);
      while (auto action = context_.fx.poll_action()) {
        const auto* sent = std::get_if<UdpSend>(&*action);
        if (sent != nullptr) (void)consumer_end_.handle_datagram(now_.instant, sent->bytes);
      }
      while (auto event = consumer_end_.poll_event()) {
        if (const auto* answer = std::get_if<Channel::Answer>(&*event)) {
          if (answer->id == *id) said = answer->result.ok() ? "" : answer->text;
        } else if (const auto* asked = std::get_if<Channel::Incoming>(&*event)) {
          (void)consumer_end_.reply(now_.instant, asked->id, Reply::success());
        }
      }
      now_.instant += std::chrono::milliseconds{10};
      consumer_end_.handle_timeout(now_.instant);
      channel_->handle_timeout(now_);
    }
    return said;
  }
  std::string ask(const std::string& session) {
    return ask(pb::P2PKeepAlivePing{session}.encode());
  }

  test::SeededRng rng_{3};
  Now now_{Instant{} + seconds{100}, WallTime{} + seconds{1700000000}};
  Context context_;
  std::optional<ProviderChannel> channel_;
  std::optional<ProviderSession> session_;
  Channel consumer_end_{channel_config(), rng_, now_.instant};

 private:
  void on_create(Now, ProviderChannel&, Channel::Incoming&) override {}
  ProviderSession* session_of(const ProviderChannel&) override { return nullptr; }
  ProviderSession* find_session(std::string_view) override { return nullptr; }
  void on_report(Now, ConnectivityRecord) override {}
  void on_acknowledged(Now, ProviderSession&) override {}
  void on_allowed(Now, ProviderChannel&, ProviderSession&) override {}
};

// The reference has no handler for keep-alives before there is a session; we say that we live.
TEST_F(KeepAlives, AreAnsweredWhateverTheyNameBeforeThereIsASession) {
  EXPECT_EQ(ask("cc4c0bb6-5a09-4d6b-a3bd-2aef4b8c14b9"), "");
  EXPECT_EQ(ask(""), "");
  EXPECT_EQ(ask(Bytes{0xff, 0xff, 0xff}), "") << "not even a message";
}

TEST_F(KeepAlives, OfASessionThatRunsAndOfUnknownOnesBesideItAreAnswered) {
  begin("first");
  ASSERT_FALSE(session_->closed());
  EXPECT_EQ(ask("first"), "");
  EXPECT_EQ(ask("another"), "");
}

// Its consumer would go on to use a dead tunnel for as long as the channel stays open.
TEST_F(KeepAlives, OfASessionThatHasEndedFail) {
  begin("first");
  end();
  EXPECT_EQ(ask("first"), "session does not exists");
  EXPECT_EQ(ask("first"), "session does not exists") << "the second time, too";
  EXPECT_EQ(ask("another"), "") << "who asks only whether we live is told so";
  EXPECT_EQ(ask(""), "") << "nobody's session is called nothing";
}

TEST_F(KeepAlives, OfTheNextSessionOfTheSameChannelAreAnswered) {
  begin("first");
  end();
  begin("second");
  EXPECT_EQ(ask("second"), "");
  EXPECT_EQ(ask("first"), "session does not exists");
  end();
  EXPECT_EQ(ask("second"), "session does not exists");
}

// It never was one: what its consumer is told is the refusal of its create.
TEST_F(KeepAlives, OfASessionThatWasRefusedAreThoseOfAnUnknownOne) {
  begin("first", false);
  ASSERT_TRUE(session_->closed());
  EXPECT_EQ(ask("first"), "");
}

TEST_F(KeepAlives, AChannelIsClosedAMinuteAfterItsLastSession) {
  begin("first");
  end();
  now_.instant += seconds{59};
  EXPECT_EQ(ask("first"), "session does not exists");
  now_.instant += seconds{2};
  channel_->handle_timeout(now_);
  EXPECT_TRUE(channel_->closed());
}

}  // namespace
}  // namespace myst::core::node
