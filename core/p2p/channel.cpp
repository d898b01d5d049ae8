#include "core/p2p/channel.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "core/base/endian.hpp"
#include "core/base/text.hpp"
#include "core/p2p/packet.hpp"

namespace myst::core {
namespace {

constexpr std::uint16_t kFecDataType = 0x00f1;
constexpr std::uint16_t kFecParityType = 0x00f2;
constexpr std::size_t kMaxEventsBeforePause = 32;  // further frames wait in KCP's window
// Enough to keep KCP's window full; the rest of the frames stays in our queue.
constexpr std::size_t kSegmentsAhead = 64;

Error no_handler_error() { return {Errc::NotFound, 4, "peer has no handler for this"}; }

}  // namespace

Channel::Channel(const Config& config, Rng& rng, Instant now)
    : config_(config),
      rng_(rng),
      start_(now),
      now_(now),
      kcp_(config.kcp),
      reader_(config.text_framing) {
  assert(config.kcp.packet_bytes + kPacketHeader + kFecHeader <= kMaxDatagram);
}

std::uint32_t Channel::clock(Instant now) const {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - start_).count();
  return static_cast<std::uint32_t>(ms);
}

// ---------------------------------------------------------------------------------------- input

Status Channel::handle_datagram(Instant now, ByteSpan datagram) {
  std::array<std::uint8_t, kMaxReceivedDatagram> buffer;
  MYST_TRY_ASSIGN(const ByteSpan body, open_packet(config_.key, datagram, buffer));
  if (body.size() < Kcp::kHeader) {
    return Error{Errc::Malformed, static_cast<int>(body.size()), "channel packet body"};
  }
  now_ = std::max(now_, now);
  input_body(now_, body);
  pump(now_);
  return {};
}

void Channel::input_body(Instant now, ByteSpan body) {
  const std::uint16_t type = get_u16le(body.subspan(4));
  if (type != kFecDataType && type != kFecParityType) {
    (void)kcp_.input(clock(now), body, true);
    return;
  }
  const bool parity = type == kFecParityType;
  if (!parity) (void)kcp_.input(clock(now), body.subspan(kFecHeader), true);
  for (const Bytes& segments : fec_in_.input(now, get_u32le(body), parity, body.subspan(6))) {
    (void)kcp_.input(clock(now), segments, false);
  }
}

void Channel::handle_timeout(Instant now) {
  now_ = std::max(now_, now);
  for (std::size_t i = 0; i < waiting_.size();) {
    if (now_ < waiting_[i].deadline) {
      ++i;
      continue;
    }
    events_.push_back(
        Answer{waiting_[i].id, Error{Errc::Timeout, 0, "no answer from the peer"}, {}});
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  pump(now_);
}

void Channel::pump(Instant now) {
  now_ = std::max(now_, now);
  while (!frames_.empty() && kcp_.segments_waiting() < kSegmentsAhead) {
    if (!kcp_.write(frames_.front())) break;
    frames_bytes_ -= frames_.front().size();
    frames_.pop_front();
  }
  read_frames();
}

void Channel::read_frames() {
  while (!broken_ && events_.size() < kMaxEventsBeforePause) {
    auto frame = reader_.next();
    if (frame.ok() && frame->has_value()) {
      on_frame(std::move(**frame));
      continue;
    }
    Status fed;
    if (frame.ok()) {
      const auto piece = kcp_.read();
      if (!piece) return;
      fed = reader_.feed(*piece);
    } else {
      fed = frame.error();
    }
    if (fed.ok()) continue;
    broken_ = true;
    for (const Waiting& w : waiting_) {
      events_.push_back(Answer{w.id, Error{Errc::Unavailable, 0, "channel broken"}, {}});
    }
    waiting_.clear();
    open_.clear();
    events_.push_back(Broken{fed.error()});
  }
}

void Channel::on_frame(Frame frame) {
  if (frame.topic.empty()) {
    on_reply(std::move(frame));
    return;
  }
  // Answered without asking: what no handler of ours could have, and what is too much. Where even
  // this reply does not fit the queue the peer runs into its timeout.
  if (frame.topic.size() > kMaxTopic || open_.size() >= kMaxIncoming) {
    const bool too_many = open_.size() >= kMaxIncoming;
    Frame answer;
    answer.id = frame.id;
    answer.status_code =
        static_cast<std::uint64_t>(too_many ? ReplyStatus::InternalError : ReplyStatus::NoHandler);
    if (too_many) {
      answer.msg = "too many requests";
    } else {
      answer.data = to_bytes(as_bytes("handler not found"));
    }
    (void)enqueue(answer);
    return;
  }
  open_.push_back({frame.id, frame.topic});
  events_.push_back(Incoming{frame.id, std::move(frame.topic), std::move(frame.data)});
}

void Channel::on_reply(Frame frame) {
  const auto waiting = std::find_if(waiting_.begin(), waiting_.end(),
                                    [&](const Waiting& w) { return w.id == frame.id; });
  if (waiting == waiting_.end()) return;  // timed out before, or never asked
  waiting_.erase(waiting);
  Answer answer{frame.id, Error{Errc::Rejected, 0, "peer reports an error"}, {}};
  const auto text_of = [](const Bytes& data) {
    const std::string_view text = as_text(data);
    return is_utf8(text) ? std::string(text) : std::string();
  };
  switch (frame.status_code) {
    case static_cast<std::uint64_t>(ReplyStatus::Ok):
      answer.result = std::move(frame.data);
      break;
    case static_cast<std::uint64_t>(ReplyStatus::PublicError):
      answer.result = Error{Errc::Rejected, 2, "peer reports an error"};
      answer.text = text_of(frame.data);
      break;
    case static_cast<std::uint64_t>(ReplyStatus::NoHandler):
      answer.result = no_handler_error();
      answer.text = text_of(frame.data);
      break;
    case static_cast<std::uint64_t>(ReplyStatus::InternalError):
      answer.result = Error{Errc::Rejected, 3, "peer reports an error"};
      answer.text = std::move(frame.msg);
      break;
    default:  // 0 as well: only 1 is success
      answer.result = Error{Errc::Rejected, static_cast<int>(frame.status_code & 0xffff),
                            "peer answers with an unknown status"};
      answer.text = std::move(frame.msg);
      break;
  }
  events_.push_back(std::move(answer));
}

std::optional<Channel::Event> Channel::poll_event() {
  if (events_.empty()) return std::nullopt;
  std::optional<Event> event(std::move(events_.front()));
  events_.pop_front();
  // There is room again: read what waited in KCP.
  if (events_.size() < kMaxEventsBeforePause / 2) read_frames();
  return event;
}

// --------------------------------------------------------------------------------------- output

Result<std::uint64_t> Channel::request(Instant now, std::string_view topic, ByteSpan data,
                                       Duration timeout) {
  if (broken_) return Error{Errc::InvalidState, 0, "channel broken"};
  // An empty topic would make it a reply.
  if (topic.empty()) return Error{Errc::Malformed, 0, "request without topic"};
  if (waiting_.size() >= kMaxRequests) return Error{Errc::Full, 0, "too many open requests"};
  Frame frame;
  frame.id = next_id_;
  frame.topic.assign(topic);
  frame.data = to_bytes(data);
  MYST_TRY(enqueue(frame));
  waiting_.push_back({next_id_, now + timeout});
  ++next_id_;
  pump(now);
  return frame.id;
}

Status Channel::reply(Instant now, std::uint64_t request_id, const Reply& reply) {
  if (broken_) return Error{Errc::InvalidState, 0, "channel broken"};
  const auto open =
      std::find_if(open_.begin(), open_.end(), [&](const Open& o) { return o.id == request_id; });
  if (open == open_.end()) return Error{Errc::NotFound, 0, "no such open request"};
  Frame frame;
  frame.id = request_id;
  frame.status_code = static_cast<std::uint64_t>(reply.status);
  switch (reply.status) {
    case ReplyStatus::Ok:
      frame.data = reply.data;
      break;
    case ReplyStatus::InternalError:
      frame.msg = reply.message;
      break;
    case ReplyStatus::PublicError:
    case ReplyStatus::NoHandler: {
      std::string text = reply.message;
      if (text.empty() && reply.status == ReplyStatus::NoHandler) {
        text = "handler \"" + open->topic + "\" not found";
      }
      frame.data = to_bytes(as_bytes(text));
      break;
    }
  }
  Status sent = enqueue(frame);
  if (!sent.ok() && sent.error().code == Errc::Malformed) {
    // The peer gets an answer all the same, and the slot is free again.
    Frame instead;
    instead.id = request_id;
    instead.status_code = static_cast<std::uint64_t>(ReplyStatus::InternalError);
    instead.msg = "the answer cannot be sent";
    MYST_TRY(enqueue(instead));
  } else if (!sent.ok()) {
    return sent;
  }
  open_.erase(open);
  pump(now);
  return sent;
}

Status Channel::enqueue(const Frame& frame) {
  MYST_TRY_ASSIGN(Bytes bytes,
                  config_.text_framing ? encode_text_frame(frame) : encode_frame(frame));
  if (frames_bytes_ + bytes.size() > kMaxQueuedBytes) return Error{Errc::Full, 0, "channel queue"};
  frames_bytes_ += bytes.size();
  frames_.push_back(std::move(bytes));
  return {};
}

std::size_t Channel::poll_transmit(MutableByteSpan out) {
  if (out.size() < kMaxDatagram) return 0;
  if (fec_out_.parity_due()) {
    const std::size_t size =
        fec_out_.poll_parity(out.subspan(kPacketHeader, kMaxDatagram - kPacketHeader));
    if (size > 0) {
      seal_packet(config_.key, rng_, out.first(kPacketHeader + size));
      return kPacketHeader + size;
    }
  }
  if (!kcp_.has_packet()) {
    pump(now_);
    if (!kcp_.flush_due(clock(now_))) return 0;
    (void)kcp_.flush(clock(now_));
  }
  const MutableByteSpan body = out.subspan(kPacketHeader, kMaxDatagram - kPacketHeader);
  const std::size_t size = kcp_.poll_packet(body.subspan(kFecHeader));
  if (size == 0) return 0;
  fec_out_.seal(body.first(kFecHeader + size));
  seal_packet(config_.key, rng_, out.first(kPacketHeader + kFecHeader + size));
  return kPacketHeader + kFecHeader + size;
}

std::optional<Bytes> Channel::poll_transmit() {
  std::array<std::uint8_t, kMaxDatagram> buffer;
  const std::size_t size = poll_transmit(MutableByteSpan(buffer));
  if (size == 0) return std::nullopt;
  return Bytes(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(size));
}

std::optional<Instant> Channel::next_timeout() const {
  std::optional<Instant> next;
  for (const Waiting& w : waiting_) next = earliest(next, w.deadline);
  if (kcp_.has_packet() || fec_out_.parity_due()) return earliest(next, now_);
  if (const auto ms = kcp_.next_flush_in(clock(now_))) {
    // The machine's clock counts whole milliseconds since start_.
    const auto whole = std::chrono::duration_cast<std::chrono::milliseconds>(now_ - start_);
    next = earliest(next, start_ + whole + std::chrono::milliseconds(*ms));
  }
  return next;
}

std::size_t Channel::memory() const {
  std::size_t total = kcp_.memory() + fec_in_.memory() + fec_out_.memory() + reader_.memory() +
                      waiting_.capacity() * sizeof(Waiting) + open_.capacity() * sizeof(Open) +
                      events_.size() * sizeof(Event);
  for (const Bytes& frame : frames_) total += frame.capacity();
  return total;
}

}  // namespace myst::core
