// The KCP machine: an ordered, reliable byte stream over packets that may be lost, doubled or
// reordered. Wire and timing follow xtaci/kcp-go 5.6.1 with its defaults (conversation 1, windows
// 32/32); Config::reference() behaves exactly like it, Config::prompt() differs where the peer
// cannot tell: it answers at once, starts with an open congestion window and runs no idle timer.
//
// Times are a 32-bit millisecond clock of the owner, any start, wrapping.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "core/base/span.hpp"

namespace myst::core {

class Kcp {
 public:
  static constexpr std::size_t kHeader = 24;
  static constexpr std::uint32_t kConversation = 1;
  static constexpr std::size_t kMaxSegmentsWaiting = 256;  // write() beyond: refused
  static constexpr std::size_t kMaxAcks = 128;  // unsent; further ones are dropped, una covers them

  struct Config {
    std::size_t packet_bytes = 1280 - 28;  // segments in one packet; 28 is crypto and FEC header
    std::uint32_t window = 32;             // segments, both directions
    std::uint32_t interval_ms = 100;       // what flush() returns at most
    std::uint32_t initial_window = 0;      // congestion window before the first flush
    std::uint32_t initial_threshold = 2;
    std::uint32_t fast_resend = 0;  // resend after this many later ACKs; 0: never
    std::uint32_t first_probe_ms = 7000;
    static Config reference() { return {}; }
    static Config prompt() {
      Config c;
      c.initial_window = 8;
      c.initial_threshold = 32;
      c.fast_resend = 2;
      c.first_probe_ms = 1000;
      return c;
    }
  };

  // What a transcript of the reference shows.
  struct State {
    std::uint32_t cwnd, incr, probe_wait, rcv_buf, rcv_nxt, rcv_queue, rmt_wnd, rto, rttvar,
        snd_buf, snd_nxt, snd_queue, snd_una, srtt, ssthresh;
  };

  explicit Kcp(const Config& config);

  // Queues bytes, cut into segments of at most mss(). False: kMaxSegmentsWaiting reached, nothing
  // queued.
  bool write(ByteSpan data);
  // One message whose segments count down `frg`: what a peer other than the reference may send.
  bool write_message(ByteSpan data);
  // One arrived packet. `regular` is false for one rebuilt by error correction: it says nothing
  // about windows and round trips. False: some segment was bad, those before it took effect.
  bool input(std::uint32_t now, ByteSpan packet, bool regular);
  // Plans everything that is to be sent now; returns the ms until the next call is due at the
  // latest when following the reference's rhythm.
  std::uint32_t flush(std::uint32_t now);
  // Did the last input() acknowledge something? Then the reference flushes at once.
  bool window_moved() const { return window_moved_; }

  // For the prompt rhythm: is there any reason to flush at `now`, and if not, in how many ms.
  bool flush_due(std::uint32_t now) const;
  std::optional<std::uint32_t> next_flush_in(std::uint32_t now) const;

  // The next planned packet into `out` (packet_bytes at least); 0: none.
  std::size_t poll_packet(MutableByteSpan out);
  bool has_packet() const { return plan_next_ < plan_.size(); }

  // The next message (or, without fragments, segment) in order; nullopt: not there yet.
  std::optional<Bytes> read();
  bool readable() const;

  std::size_t mss() const { return config_.packet_bytes - kHeader; }
  std::size_t segments_waiting() const { return snd_queue_.size() + snd_buf_.size(); }
  State state() const;
  void force_window(std::uint32_t cwnd, std::uint32_t ssthresh);  // tests
  std::size_t memory() const;

 private:
  struct Outgoing {
    std::uint32_t sn = 0, ts = 0, resend_at = 0, rto = 0, fastack = 0, sent = 0;
    std::uint8_t frg = 0;
    bool acked = false;
    Bytes data;
  };
  struct Arrived {
    std::uint32_t sn = 0;
    std::uint8_t frg = 0;
    Bytes data;
  };
  struct Ack {
    std::uint32_t sn, ts;
  };
  struct Planned {
    std::uint8_t cmd = 0, frg = 0;
    std::uint16_t wnd = 0;
    std::uint32_t ts = 0, sn = 0, una = 0;
  };

  void acknowledge_below(std::uint32_t una);
  void acknowledge(std::uint32_t sn, std::uint32_t ts);
  void store(std::uint32_t sn, std::uint8_t frg, ByteSpan data);
  void deliver();
  void update_rtt(std::uint32_t rtt);
  void grow_window();
  void plan_control(std::uint32_t now);
  std::uint32_t plan_data(std::uint32_t now);
  std::uint32_t usable_window() const;
  std::uint16_t free_slots() const;
  void plan(std::uint8_t cmd, std::uint8_t frg, std::uint32_t ts, std::uint32_t sn);

  Config config_;
  std::uint32_t snd_una_ = 0, snd_nxt_ = 0, rcv_nxt_ = 0;
  std::uint32_t rmt_wnd_;
  std::uint32_t cwnd_, ssthresh_, incr_ = 0;
  std::uint32_t srtt_ = 0, rttvar_ = 0, rto_ = 200;
  std::uint32_t probe_wait_ = 0, probe_at_ = 0;
  bool ask_ = false, tell_ = false, window_moved_ = false;
  std::deque<Outgoing> snd_queue_;  // not yet numbered
  std::deque<Outgoing> snd_buf_;    // consecutive sn, from the first not passed by una
  std::vector<Arrived> rcv_buf_;    // out of order, ascending, inside the window
  std::deque<Arrived> rcv_queue_;   // in order, not yet read
  std::vector<Ack> acks_;
  std::vector<Planned> plan_;
  std::size_t plan_next_ = 0;
};

}  // namespace myst::core
