// When a provider says what about one of its services: registers once its identity is registered
// (at once in a network without a chain), pings on a fixed schedule, unregisters at the end. The
// owner builds the proposal anew for each message, publishes it signed, and says how that went:
//
//   while (auto message = announcer.poll_message())
//     announcer.handle_published(now, broker.publish(now, subject_of(*message), body,
//     signer).ok());
//   timer.arm(announcer.next_timeout());
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/rng.hpp"
#include "core/base/time.hpp"

namespace myst::core {

class Announcer {
 public:
  enum class Message : std::uint8_t { Register, Ping, Unregister };
  struct Config {
    // The server forgets a proposal 190 s after its last message.
    Duration ping_interval = std::chrono::seconds{180};
    Duration retry_interval = std::chrono::seconds{60};
    // After a reconnect a ping is due within this time: the server may have started anew.
    Duration reconnect_spread = std::chrono::seconds{5};
  };
  // `registered`: the identity may announce already.
  Announcer(const Config& config, bool registered, Rng& rng);

  void handle_registered(Instant now);  // repeated calls do nothing: one loop a service
  void handle_broker_connected(Instant now);
  // The result of the message polled last: false is tried again later.
  void handle_published(Instant now, bool ok);
  void handle_timeout(Instant now);
  void stop();  // one Unregister follows, whatever was before
  std::optional<Message> poll_message();
  std::optional<Instant> next_timeout() const;
  bool announced() const { return announced_; }  // a register or ping went out
  bool ended() const { return state_ == State::Ended; }

 private:
  // Waiting --registered--> Registering --published--> Pinging; stop() from anywhere --> Ended
  enum class State : std::uint8_t { Waiting, Registering, Pinging, Ended };
  Config config_;
  Rng& rng_;
  State state_;
  std::optional<Message> message_;
  std::optional<Instant> due_;  // of the next register or ping
  bool announced_ = false;
};

// The plain subject; it is always published in signed form. The "*" is a literal character.
const char* subject_of(Announcer::Message message);

}  // namespace myst::core
