#include "core/nat/hole_puncher.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <string>
#include <utility>

namespace myst::core {
namespace {

constexpr std::string_view kPing = "continuously pinging to ";
constexpr std::string_view kOk = "OK";
constexpr std::string_view kOkAck = "OK_ACK";

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

}  // namespace

std::uint8_t HolePuncher::provider_ttl(std::uint8_t initial, std::size_t index, std::size_t count) {
  const std::size_t steps = std::max<std::size_t>(count / kWanted, 1);
  return static_cast<std::uint8_t>(std::min<std::size_t>(initial + index % steps, kTtl));
}

HolePuncher::HolePuncher(const Config& config, Instant now)
    : config_(config),
      sockets_(config.remote_ports.size()),
      start_(now),
      next_ping_(now + config.ping_interval),
      give_up_at_(now + config.limit) {
  failed_ = sockets_.size() < kWanted;
}

void HolePuncher::handle_datagram(Instant now, std::size_t index, const Endpoint& from,
                                  ByteSpan datagram) {
  if (index >= sockets_.size() || pair_ || failed_) return;
  Socket& socket = sockets_[index];
  const std::string_view text = as_text(datagram);
  const bool is_ok = text == kOk;
  switch (socket.state) {
    case State::Ping:
      // Late STUN answers and noise arrive here too.
      if (is_ok || starts_with(text, kPing)) hear(now, socket, from, is_ok);
      return;
    case State::Heard:
      // Anyone could have spoken first. Who comes from the announced address is believed more.
      if (socket.peer.ip != config_.peer && from.ip == config_.peer &&
          (is_ok || starts_with(text, kPing))) {
        hear(now, socket, from, is_ok);
        return;
      }
      if (from != socket.peer) return;
      if (text == (config_.role == Role::Provider ? kOkAck : kOk)) use(socket, now);
      return;
    case State::Usable:
    case State::Closed:
      return;
  }
}

void HolePuncher::hear(Instant now, Socket& socket, const Endpoint& from, bool is_ok) {
  socket.state = State::Heard;
  socket.peer = from;
  socket.ping_due = false;
  // The provider says OK only to whom it has heard: it heard our ping, and waits for OK_ACK.
  // From another address it takes a second OK: a blind stranger needs more than one lucky packet.
  if (is_ok && config_.role == Role::Consumer && from.ip == config_.peer) {
    use(socket, now);
    return;
  }
  socket.ok_due = true;
  socket.repeat_at = now + config_.repeat;
}

void HolePuncher::use(Socket& socket, Instant now) {
  socket.state = State::Usable;
  socket.ok_due = false;
  socket.repeat_at = now + config_.repeat;
  usable_.push_back(static_cast<std::size_t>(&socket - sockets_.data()));
  if (config_.role == Role::Consumer) socket.acks_due = 1;
  if (usable_.size() == kWanted) choose(now);
}

void HolePuncher::choose(Instant now) {
  const std::size_t low = std::min(usable_[0], usable_[1]);
  const std::size_t high = std::max(usable_[0], usable_[1]);
  pair_ = Pair{{low, sockets_[low].peer}, {high, sockets_[high].peer}};
  for (Socket& socket : sockets_) {
    if (socket.state == State::Usable) continue;
    socket = Socket{};
    socket.state = State::Closed;
  }
  if (config_.role == Role::Consumer && config_.ack_repeats > 0) {
    acks_left_ = config_.ack_repeats;
    ack_at_ = now + config_.repeat;
  }
}

void HolePuncher::handle_timeout(Instant now) {
  if (failed_) return;
  if (pair_) {
    if (!ack_at_ || now < *ack_at_) return;
    for (const std::size_t index : usable_) sockets_[index].acks_due = 1;
    ack_at_ = --acks_left_ > 0 ? std::optional<Instant>(now + config_.repeat) : std::nullopt;
    return;
  }
  if (now >= give_up_at_) {
    failed_ = true;
    for (Socket& socket : sockets_) {
      socket.ping_due = socket.ok_due = false;
      socket.acks_due = 0;
    }
    return;
  }
  if (now >= next_ping_) {
    for (Socket& socket : sockets_) {
      if (socket.state == State::Ping) socket.ping_due = true;
    }
    // From now, not from when it was due: after a pause one ping is due, not many.
    next_ping_ = now + (now - start_ >= config_.slow_after ? config_.slow_ping_interval
                                                           : config_.ping_interval);
  }
  for (Socket& socket : sockets_) {
    if (now < socket.repeat_at) continue;
    if (socket.state == State::Heard) {
      socket.ok_due = true;
      socket.repeat_at = now + config_.repeat;
    } else if (socket.state == State::Usable && config_.role == Role::Consumer) {
      // The first of two: its OK_ACK may have been lost while the second is still awaited.
      socket.acks_due = 1;
      socket.repeat_at = now + config_.repeat;
    }
  }
}

void HolePuncher::hurry() {
  if (!pair_ || !ack_at_) return;
  for (const std::size_t index : usable_) sockets_[index].acks_due += acks_left_;
  ack_at_.reset();
}

std::optional<HolePuncher::Transmit> HolePuncher::poll_transmit() {
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    Socket& socket = sockets_[i];
    if (std::exchange(socket.ok_due, false)) return message(i, socket.peer, kTtl, kOk);
    if (socket.acks_due > 0) {
      --socket.acks_due;
      return message(i, socket.peer, kTtl, kOkAck);
    }
    if (std::exchange(socket.ping_due, false)) {
      const Endpoint to{config_.peer, config_.remote_ports[i]};
      const std::uint8_t ttl = config_.role == Role::Consumer
                                   ? kTtl
                                   : provider_ttl(config_.initial_ttl, i, sockets_.size());
      return message(i, to, ttl, std::string(kPing) + to.to_string());
    }
  }
  return std::nullopt;
}

HolePuncher::Transmit HolePuncher::message(std::size_t index, const Endpoint& to, std::uint8_t ttl,
                                           std::string_view text) const {
  Transmit out{index, to, ttl, 0, {}};
  const std::size_t size = std::min(text.size(), out.bytes.size());
  std::memcpy(out.bytes.data(), text.data(), size);
  out.size = static_cast<std::uint8_t>(size);
  return out;
}

std::optional<Instant> HolePuncher::next_timeout() const {
  if (failed_) return std::nullopt;
  if (pair_) return ack_at_;
  std::optional<Instant> next = give_up_at_;
  for (const Socket& socket : sockets_) {
    if (socket.state == State::Ping) {
      next = earliest(next, next_ping_);
    } else if (socket.state == State::Heard ||
               (socket.state == State::Usable && config_.role == Role::Consumer)) {
      next = earliest(next, socket.repeat_at);
    }
  }
  return next;
}

std::size_t HolePuncher::heard() const {
  return static_cast<std::size_t>(std::count_if(
      sockets_.begin(), sockets_.end(),
      [](const Socket& s) { return s.state == State::Heard || s.state == State::Usable; }));
}

}  // namespace myst::core
