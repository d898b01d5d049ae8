#include "core/market/announcer.hpp"

#include <gtest/gtest.h>

#include "tests/support/support.hpp"

namespace myst::core {
namespace {

using std::chrono::seconds;
using Message = Announcer::Message;

class AnnouncerTest : public testing::Test {
 protected:
  // Passes time until something is to be sent, publishes it, and says what it was and when.
  std::optional<Message> publish_next(bool ok = true) {
    if (const auto at = announcer_.next_timeout()) {
      now_ = std::max(now_, *at);
      announcer_.handle_timeout(now_);
    }
    const auto message = announcer_.poll_message();
    if (message) announcer_.handle_published(now_, ok);
    return message;
  }
  test::SeededRng rng_{5};
  Instant now_ = Instant{} + seconds{1000};
  Announcer announcer_{{}, true, rng_};
};

TEST_F(AnnouncerTest, RegistersOnceThenPingsOnSchedule) {
  const Instant start = now_;
  EXPECT_EQ(announcer_.poll_message(), Message::Register);
  announcer_.handle_published(now_, true);
  EXPECT_TRUE(announcer_.announced());
  for (int i = 1; i < 4; ++i) {
    ASSERT_EQ(*announcer_.next_timeout(), start + seconds{180} * i);
    now_ = *announcer_.next_timeout() + seconds{7};  // late: the schedule stands
    announcer_.handle_timeout(now_);
    EXPECT_EQ(announcer_.poll_message(), Message::Ping);
    announcer_.handle_published(now_, i != 2);  // a lost ping is no reason to register again
    EXPECT_FALSE(announcer_.poll_message());
  }
  announcer_.handle_registered(now_);
  EXPECT_FALSE(announcer_.poll_message());
}

TEST_F(AnnouncerTest, FailedRegisterIsTriedAgain) {
  EXPECT_EQ(publish_next(false), Message::Register);
  EXPECT_EQ(*announcer_.next_timeout(), now_ + seconds{60});
  EXPECT_EQ(publish_next(false), Message::Register);
  EXPECT_FALSE(announcer_.announced());
  EXPECT_EQ(publish_next(true), Message::Register);
  EXPECT_EQ(publish_next(), Message::Ping);
}

TEST_F(AnnouncerTest, WaitsForRegistration) {
  Announcer waiting({}, false, rng_);
  EXPECT_FALSE(waiting.poll_message());
  EXPECT_FALSE(waiting.next_timeout());
  waiting.handle_broker_connected(now_);
  EXPECT_FALSE(waiting.next_timeout());
  waiting.handle_registered(now_);
  waiting.handle_registered(now_);
  EXPECT_EQ(waiting.poll_message(), Message::Register);
  EXPECT_FALSE(waiting.poll_message());
}

TEST_F(AnnouncerTest, PingsSoonAfterAReconnect) {
  (void)publish_next();
  announcer_.handle_broker_connected(now_);
  EXPECT_LE(*announcer_.next_timeout(), now_ + seconds{5});
  EXPECT_EQ(publish_next(), Message::Ping);
  EXPECT_EQ(*announcer_.next_timeout(), now_ + seconds{180});
}

TEST_F(AnnouncerTest, OnePingAfterALongSleep) {
  (void)publish_next();
  now_ += std::chrono::hours{9};
  announcer_.handle_timeout(now_);
  EXPECT_EQ(announcer_.poll_message(), Message::Ping);
  announcer_.handle_published(now_, true);
  EXPECT_EQ(*announcer_.next_timeout(), now_ + seconds{180});
}

TEST_F(AnnouncerTest, UnregistersOnceAtTheEndWhateverWasBefore) {
  announcer_.stop();
  announcer_.stop();
  EXPECT_EQ(announcer_.poll_message(), Message::Unregister);
  announcer_.handle_published(now_, false);
  announcer_.handle_registered(now_);
  announcer_.handle_broker_connected(now_);
  EXPECT_FALSE(announcer_.poll_message());
  EXPECT_FALSE(announcer_.next_timeout());
  EXPECT_TRUE(announcer_.ended());
  EXPECT_STREQ(subject_of(Message::Unregister), "*.proposal-unregister.v3");
}

}  // namespace
}  // namespace myst::core
