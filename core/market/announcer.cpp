#include "core/market/announcer.hpp"

namespace myst::core {

const char* subject_of(Announcer::Message message) {
  switch (message) {
    case Announcer::Message::Register:
      return "*.proposal-register.v3";
    case Announcer::Message::Ping:
      return "*.proposal-ping.v3";
    case Announcer::Message::Unregister:
      return "*.proposal-unregister.v3";
  }
  return "";
}

Announcer::Announcer(const Config& config, bool registered, Rng& rng)
    : config_(config), rng_(rng), state_(registered ? State::Registering : State::Waiting) {
  if (registered) message_ = Message::Register;
}

void Announcer::handle_registered(Instant) {
  if (state_ != State::Waiting) return;
  state_ = State::Registering;
  message_ = Message::Register;
}

void Announcer::handle_broker_connected(Instant now) {
  if (state_ != State::Pinging || message_) return;
  // Spread, so that the nodes of a network do not all ask a restarted hub in the same moment.
  const auto spread = rng_.below(static_cast<std::uint64_t>(config_.reconnect_spread.count()) + 1);
  const Instant soon = now + Duration{static_cast<Duration::rep>(spread)};
  if (!due_ || soon < *due_) due_ = soon;
}

void Announcer::handle_published(Instant now, bool ok) {
  if (state_ == State::Registering) {
    if (!ok) {
      due_ = now + config_.retry_interval;
      return;
    }
    state_ = State::Pinging;
    due_ = now + config_.ping_interval;
  }
  if (ok && state_ == State::Pinging) announced_ = true;
}

void Announcer::handle_timeout(Instant now) {
  if (!due_ || now < *due_) return;
  if (state_ == State::Registering) {
    due_.reset();
    message_ = Message::Register;
  } else if (state_ == State::Pinging) {
    // Counted from the schedule, not from when we came to it: 10 s late is too late. After a long
    // sleep one ping is due, not many.
    *due_ += config_.ping_interval;
    if (*due_ <= now) due_ = now + config_.ping_interval;
    message_ = Message::Ping;
  }
}

void Announcer::stop() {
  if (state_ == State::Ended) return;
  state_ = State::Ended;
  due_.reset();
  message_ = Message::Unregister;
}

std::optional<Announcer::Message> Announcer::poll_message() {
  auto out = message_;
  message_.reset();
  return out;
}

std::optional<Instant> Announcer::next_timeout() const { return due_; }

}  // namespace myst::core
