// The reliable request channel between two nodes over one UDP path: requests and replies in frames,
// frames in a KCP byte stream, packets with error correction, Salsa20 around all of it (reference:
// p2p/channel.go over xtaci/kcp-go 5.6.1).
//
//   channel.handle_datagram(now, bytes);  // or handle_timeout(now), request(...), reply(...)
//   while (auto event = channel.poll_event()) ...          // events first: an answer given at once
//   while (size = channel.poll_transmit(buffer)) send(...);  // shares the packet of the ACK
//   timer.arm(channel.next_timeout());
//
// Idle it sends nothing and wants no timer. There is no close message: dropping the object closes.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/secret.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "core/p2p/fec.hpp"
#include "core/p2p/framing.hpp"
#include "core/p2p/kcp.hpp"

namespace myst::core {

enum class ReplyStatus : std::uint8_t { Ok = 1, PublicError = 2, InternalError = 3, NoHandler = 4 };

struct Reply {
  ReplyStatus status = ReplyStatus::Ok;
  Bytes data;           // with Ok
  std::string message;  // with the others; empty with NoHandler: the reference's usual text
  static Reply success(Bytes data = {}) { return {ReplyStatus::Ok, std::move(data), {}}; }
  static Reply failure(std::string text) {
    return {ReplyStatus::InternalError, {}, std::move(text)};
  }
  static Reply no_handler() { return {ReplyStatus::NoHandler, {}, {}}; }
};

class Channel {
 public:
  static constexpr std::size_t kMaxDatagram = 1280;
  static constexpr std::size_t kMaxRequests = 100;  // ours without an answer
  static constexpr std::size_t kMaxIncoming = 100;  // the peer's without our reply
  static constexpr std::size_t kMaxTopic = 128;     // longer: answered NoHandler, no event
  static constexpr std::size_t kMaxQueuedBytes = 512 * 1024;  // frames KCP has not taken yet

  struct Config {
    Secret<32> key;             // box_precompute of the two session keys
    bool text_framing = false;  // the peer's compatibility number is 0
    Kcp::Config kcp = Kcp::Config::prompt();
  };

  // A request of the peer. reply() with this id exactly once, now or later.
  struct Incoming {
    std::uint64_t id;
    std::string topic;
    Bytes data;
  };
  // The outcome of a request of ours. Errors: Timeout; NotFound: the peer has no handler;
  // Rejected with detail = the peer's status. `text` is what the peer said about an error.
  struct Answer {
    std::uint64_t id;
    Result<Bytes> result;
    std::string text;
  };
  // The peer's byte stream makes no sense; nothing can be received any more. Close the channel.
  struct Broken {
    Error why;
  };
  using Event = std::variant<Incoming, Answer, Broken>;

  // `rng` must outlive the channel.
  Channel(const Config& config, Rng& rng, Instant now);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // An error means the datagram was dropped and changed nothing. Success proves that it came from
  // the peer (as far as a CRC inside the cipher proves that): follow a changed source port only
  // then.
  Status handle_datagram(Instant now, ByteSpan datagram);
  void handle_timeout(Instant now);

  // One datagram into `out` (at least kMaxDatagram bytes); 0: nothing to send.
  std::size_t poll_transmit(MutableByteSpan out);
  std::optional<Bytes> poll_transmit();
  std::optional<Event> poll_event();
  std::optional<Instant> next_timeout() const;

  // The id that the Answer will carry. Full: kMaxRequests unanswered or too many bytes queued;
  // Malformed: topic or size unfit for a frame; InvalidState: broken. Nothing changed then.
  Result<std::uint64_t> request(Instant now, std::string_view topic, ByteSpan data,
                                Duration timeout);
  // NotFound: no such request open (answered before). Full: try again after poll_transmit.
  // Malformed: too long or not UTF-8; the peer was told of an internal error instead.
  Status reply(Instant now, std::uint64_t request_id, const Reply& reply);

  bool broken() const { return broken_; }
  std::size_t unanswered() const { return waiting_.size(); }
  // Heap held by queues and buffers at this moment, for the memory budget.
  std::size_t memory() const;

 private:
  struct Waiting {
    std::uint64_t id;
    Instant deadline;
  };
  struct Open {
    std::uint64_t id;
    std::string topic;  // at most kMaxTopic
  };

  std::uint32_t clock(Instant now) const;
  Status enqueue(const Frame& frame);
  Bytes encode(const Frame& frame) const;
  void pump(Instant now);  // frames -> KCP, KCP -> frames -> events
  void read_frames();
  void on_frame(Frame frame);
  void on_reply(Frame frame);
  void input_body(Instant now, ByteSpan body);

  Config config_;
  Rng& rng_;
  Instant start_;
  Instant now_;
  Kcp kcp_;
  FecSender fec_out_;
  FecReceiver fec_in_;
  FrameReader reader_;
  std::deque<Bytes> frames_;  // encoded, not yet taken by KCP; bounded by kMaxQueuedBytes
  std::size_t frames_bytes_ = 0;
  std::vector<Waiting> waiting_;  // at most kMaxRequests
  std::vector<Open> open_;        // at most kMaxIncoming
  std::deque<Event> events_;      // full: KCP is not read, its window closes
  std::uint64_t next_id_ = 1;
  bool broken_ = false;
};

}  // namespace myst::core
