#include "core/p2p/kcp.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "core/base/endian.hpp"

namespace myst::core {
namespace {

enum : std::uint8_t { kPush = 81, kAck = 82, kAskWindow = 83, kTellWindow = 84 };

constexpr std::uint32_t kMinRtoMs = 100;
constexpr std::uint32_t kMaxRtoMs = 60000;
constexpr std::uint32_t kMaxProbeMs = 120000;
constexpr std::uint32_t kMinThreshold = 2;
constexpr std::size_t kMaxPlanned = 1024;

// Sequence numbers and clocks wrap: only their signed difference means something.
std::int32_t difference(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(a - b);
}

}  // namespace

Kcp::Kcp(const Config& config)
    : config_(config),
      rmt_wnd_(config.window),
      cwnd_(config.initial_window),
      ssthresh_(config.initial_threshold) {
  assert(config.packet_bytes > kHeader);
  incr_ = cwnd_ * static_cast<std::uint32_t>(mss());
}

bool Kcp::write(ByteSpan data) {
  const std::size_t count = (data.size() + mss() - 1) / mss();
  if (segments_waiting() + count > kMaxSegmentsWaiting) return false;
  while (!data.empty()) {
    const std::size_t size = std::min(data.size(), mss());
    Outgoing segment;
    segment.data = to_bytes(data.first(size));
    snd_queue_.push_back(std::move(segment));
    data = data.subspan(size);
  }
  return true;
}

bool Kcp::write_message(ByteSpan data) {
  const std::size_t count = (data.size() + mss() - 1) / mss();
  if (count > 255 || !write(data)) return false;
  for (std::size_t i = 0; i < count; ++i) {
    snd_queue_[snd_queue_.size() - 1 - i].frg = static_cast<std::uint8_t>(i);
  }
  return true;
}

// ---------------------------------------------------------------------------------------- input

bool Kcp::input(std::uint32_t now, ByteSpan packet, bool regular) {
  window_moved_ = false;
  if (packet.size() < kHeader) return false;
  const std::uint32_t una_before = snd_una_;
  bool acked = false;
  std::uint32_t latest = 0;
  while (packet.size() >= kHeader) {
    const std::uint8_t cmd = packet[4];
    const std::uint8_t frg = packet[5];
    const std::uint16_t wnd = get_u16le(packet.subspan(6));
    const std::uint32_t ts = get_u32le(packet.subspan(8));
    const std::uint32_t sn = get_u32le(packet.subspan(12));
    const std::uint32_t una = get_u32le(packet.subspan(16));
    const std::uint32_t len = get_u32le(packet.subspan(20));
    if (get_u32le(packet) != kConversation) return false;
    packet = packet.subspan(kHeader);
    if (len > packet.size() || cmd < kPush || cmd > kTellWindow) return false;

    if (regular) rmt_wnd_ = wnd;
    acknowledge_below(una);
    if (cmd == kAck) {
      acknowledge(sn, ts);
      acked = true;
      latest = ts;
    } else if (cmd == kPush) {
      if (difference(sn, rcv_nxt_ + config_.window) < 0) {
        // Old and duplicate segments too: their first acknowledgement may have been lost.
        if (acks_.size() < kMaxAcks) acks_.push_back({sn, ts});
        if (difference(sn, rcv_nxt_) >= 0) store(sn, frg, packet.first(len));
      }
    } else if (cmd == kAskWindow) {
      tell_ = true;
    }
    packet = packet.subspan(len);
  }
  if (acked && regular && difference(now, latest) >= 0) update_rtt(now - latest);
  if (difference(snd_una_, una_before) > 0 && cwnd_ < rmt_wnd_) grow_window();
  return true;
}

void Kcp::acknowledge_below(std::uint32_t una) {
  while (!snd_buf_.empty() && difference(una, snd_buf_.front().sn) > 0) {
    snd_buf_.pop_front();
    window_moved_ = true;
  }
  snd_una_ = snd_buf_.empty() ? snd_nxt_ : snd_buf_.front().sn;
}

void Kcp::acknowledge(std::uint32_t sn, std::uint32_t ts) {
  if (difference(sn, snd_una_) < 0 || difference(sn, snd_nxt_) >= 0) return;
  for (Outgoing& segment : snd_buf_) {
    if (segment.sn == sn) {
      // The slot stays until una passes it; what it holds is not needed any more.
      segment.acked = true;
      segment.data = Bytes();
      return;
    }
    if (!segment.acked && difference(segment.ts, ts) <= 0) ++segment.fastack;
  }
}

void Kcp::store(std::uint32_t sn, std::uint8_t frg, ByteSpan data) {
  const auto place = std::lower_bound(
      rcv_buf_.begin(), rcv_buf_.end(), sn,
      [](const Arrived& a, std::uint32_t wanted) { return difference(a.sn, wanted) < 0; });
  if (place == rcv_buf_.end() || place->sn != sn) rcv_buf_.insert(place, {sn, frg, to_bytes(data)});
  deliver();
}

void Kcp::deliver() {
  std::size_t moved = 0;
  while (moved < rcv_buf_.size() && rcv_buf_[moved].sn == rcv_nxt_ &&
         rcv_queue_.size() < config_.window) {
    rcv_queue_.push_back(std::move(rcv_buf_[moved]));
    ++moved;
    ++rcv_nxt_;
  }
  rcv_buf_.erase(rcv_buf_.begin(), rcv_buf_.begin() + static_cast<std::ptrdiff_t>(moved));
}

void Kcp::update_rtt(std::uint32_t rtt) {
  if (srtt_ == 0) {
    srtt_ = rtt;
    rttvar_ = rtt >> 1;
  } else {
    // Wrapping arithmetic on purpose: an absurd sample of a lying peer must not be undefined.
    std::int32_t delta = difference(rtt, srtt_);
    srtt_ += static_cast<std::uint32_t>(delta >> 3);
    if (delta < 0) delta = static_cast<std::int32_t>(0u - static_cast<std::uint32_t>(delta));
    const std::int32_t change = difference(static_cast<std::uint32_t>(delta), rttvar_);
    const bool well_below = difference(rtt, srtt_ - rttvar_) < 0;
    rttvar_ += static_cast<std::uint32_t>(change >> (well_below ? 5 : 2));
  }
  const std::uint64_t rto =
      std::uint64_t{srtt_} + std::max<std::uint64_t>(kMinRtoMs, std::uint64_t{rttvar_} * 4);
  rto_ = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(rto, kMinRtoMs, kMaxRtoMs));
}

void Kcp::grow_window() {
  const auto unit = static_cast<std::uint32_t>(mss());
  if (cwnd_ < ssthresh_) {
    ++cwnd_;
    incr_ += unit;
  } else {
    incr_ = std::max(incr_, unit);
    incr_ += unit * unit / incr_ + unit / 16;
    if ((cwnd_ + 1) * unit <= incr_) cwnd_ = (incr_ + unit - 1) / unit;
  }
  if (cwnd_ > rmt_wnd_) {
    cwnd_ = rmt_wnd_;
    incr_ = rmt_wnd_ * unit;
  }
}

// --------------------------------------------------------------------------------------- output

std::uint32_t Kcp::flush(std::uint32_t now) {
  plan_control(now);
  const std::uint32_t wait = plan_data(now);
  return std::min(wait, config_.interval_ms);
}

void Kcp::plan_control(std::uint32_t now) {
  std::uint32_t ts = 0;
  std::uint32_t sn = 0;
  for (std::size_t i = 0; i < acks_.size(); ++i) {
    // Those below rcv_nxt are covered by una; the last one goes out for its time stamp.
    if (difference(acks_[i].sn, rcv_nxt_) < 0 && i + 1 != acks_.size()) continue;
    ts = acks_[i].ts;
    sn = acks_[i].sn;
    plan(kAck, 0, ts, sn);
  }
  acks_.clear();

  if (rmt_wnd_ != 0) {
    probe_wait_ = 0;
    probe_at_ = 0;
  } else if (probe_wait_ == 0) {
    probe_wait_ = config_.first_probe_ms;
    probe_at_ = now + probe_wait_;
  } else if (difference(now, probe_at_) >= 0) {
    probe_wait_ = std::min(probe_wait_ + probe_wait_ / 2, kMaxProbeMs);
    probe_at_ = now + probe_wait_;
    ask_ = true;
  }
  if (ask_) plan(kAskWindow, 0, ts, sn);
  if (tell_) plan(kTellWindow, 0, ts, sn);
  ask_ = false;
  tell_ = false;
}

std::uint32_t Kcp::usable_window() const { return std::min({config_.window, rmt_wnd_, cwnd_}); }

std::uint32_t Kcp::plan_data(std::uint32_t now) {
  const std::uint32_t window = usable_window();
  bool added = false;
  while (!snd_queue_.empty() && difference(snd_nxt_, snd_una_ + window) < 0) {
    snd_buf_.push_back(std::move(snd_queue_.front()));
    snd_queue_.pop_front();
    snd_buf_.back().sn = snd_nxt_++;
    added = true;
  }

  bool early = false;
  bool lost = false;
  std::uint32_t wait = config_.interval_ms;
  for (Outgoing& segment : snd_buf_) {
    if (segment.acked) continue;
    bool send = true;
    if (segment.sent == 0) {
      segment.rto = rto_;
    } else if (config_.fast_resend > 0 && segment.fastack >= config_.fast_resend) {
      segment.fastack = 0;
      segment.rto = rto_;
      early = true;
    } else if (segment.fastack > 0 && !added) {
      segment.fastack = 0;
      segment.rto = rto_;
      early = true;
    } else if (difference(now, segment.resend_at) >= 0) {
      segment.rto = std::min(segment.rto + rto_, kMaxRtoMs * 2);
      segment.fastack = 0;
      lost = true;
    } else {
      send = false;
    }
    if (send) {
      segment.resend_at = now + segment.rto;
      ++segment.sent;
      segment.ts = now;
      plan(kPush, segment.frg, now, segment.sn);
    }
    const std::int32_t left = difference(segment.resend_at, now);
    if (left > 0) wait = std::min(wait, static_cast<std::uint32_t>(left));
  }

  const auto unit = static_cast<std::uint32_t>(mss());
  if (early) {
    ssthresh_ = std::max((snd_nxt_ - snd_una_) / 2, kMinThreshold);
    // With fast resend off the reference adds 2^32 - 1 here.
    cwnd_ = ssthresh_ + (config_.fast_resend > 0 ? config_.fast_resend : ~std::uint32_t{0});
    incr_ = cwnd_ * unit;
  }
  if (lost) {
    ssthresh_ = std::max(window / 2, kMinThreshold);
    cwnd_ = 1;
    incr_ = unit;
  }
  if (cwnd_ < 1) {
    cwnd_ = 1;
    incr_ = unit;
  }
  return wait;
}

bool Kcp::flush_due(std::uint32_t now) const {
  if (!acks_.empty() || ask_ || tell_) return true;
  if (!snd_queue_.empty()) {
    if (rmt_wnd_ == 0 && (probe_wait_ == 0 || difference(now, probe_at_) >= 0)) return true;
    const std::uint32_t window = std::min({config_.window, rmt_wnd_, std::max(cwnd_, 1u)});
    if (difference(snd_nxt_, snd_una_ + window) < 0) return true;
  }
  for (const Outgoing& segment : snd_buf_) {
    if (segment.acked) continue;
    if (segment.fastack > 0 || difference(now, segment.resend_at) >= 0) return true;
  }
  return false;
}

std::optional<std::uint32_t> Kcp::next_flush_in(std::uint32_t now) const {
  if (flush_due(now)) return 0;
  std::optional<std::uint32_t> nearest;
  const auto consider = [&](std::uint32_t at) {
    const auto left = static_cast<std::uint32_t>(std::max(difference(at, now), 0));
    if (!nearest || left < *nearest) nearest = left;
  };
  for (const Outgoing& segment : snd_buf_) {
    if (!segment.acked) consider(segment.resend_at);
  }
  if (rmt_wnd_ == 0 && !snd_queue_.empty()) consider(probe_at_);
  return nearest;
}

std::uint16_t Kcp::free_slots() const {
  return static_cast<std::uint16_t>(
      rcv_queue_.size() < config_.window ? config_.window - rcv_queue_.size() : 0);
}

void Kcp::plan(std::uint8_t cmd, std::uint8_t frg, std::uint32_t ts, std::uint32_t sn) {
  if (plan_next_ == plan_.size()) {
    plan_.clear();
    plan_next_ = 0;
  }
  // Nobody polls: everything planned is repeated later anyway.
  if (plan_.size() >= kMaxPlanned) return;
  plan_.push_back({cmd, frg, free_slots(), ts, sn, rcv_nxt_});
}

std::size_t Kcp::poll_packet(MutableByteSpan out) {
  if (out.size() < config_.packet_bytes) return 0;
  std::size_t size = 0;
  for (; plan_next_ < plan_.size(); ++plan_next_) {
    const Planned& p = plan_[plan_next_];
    const Outgoing* segment = nullptr;
    if (p.cmd == kPush) {
      // Acknowledged between planning and now: nothing left to send.
      if (snd_buf_.empty()) continue;
      const std::uint32_t index = p.sn - snd_buf_.front().sn;
      if (index >= snd_buf_.size() || snd_buf_[index].acked) continue;
      segment = &snd_buf_[index];
    }
    const std::size_t len = segment == nullptr ? 0 : segment->data.size();
    if (size + kHeader + len > config_.packet_bytes) break;
    std::uint8_t* at = out.data() + size;
    put_u32le(at, kConversation);
    at[4] = p.cmd;
    at[5] = p.frg;
    put_u16le(at + 6, p.wnd);
    put_u32le(at + 8, p.ts);
    put_u32le(at + 12, p.sn);
    put_u32le(at + 16, p.una);
    put_u32le(at + 20, static_cast<std::uint32_t>(len));
    if (len > 0) std::memcpy(at + kHeader, segment->data.data(), len);
    size += kHeader + len;
  }
  if (plan_next_ == plan_.size()) {
    plan_.clear();
    plan_next_ = 0;
  }
  return size;
}

// ----------------------------------------------------------------------------------------- read

bool Kcp::readable() const {
  return !rcv_queue_.empty() && rcv_queue_.size() > rcv_queue_.front().frg;
}

std::optional<Bytes> Kcp::read() {
  // A message of more fragments than the window has slots can never be complete in the queue; the
  // layer above wants a byte stream only, so then its parts are handed out as they are.
  if (!readable() && rcv_queue_.size() < config_.window) return std::nullopt;
  const bool was_full = rcv_queue_.size() >= config_.window;
  Bytes message;
  for (std::size_t parts = std::min<std::size_t>(rcv_queue_.front().frg, rcv_queue_.size() - 1) + 1;
       parts > 0; --parts) {
    Arrived& first = rcv_queue_.front();
    const bool last = first.frg == 0;
    if (message.empty()) {
      message = std::move(first.data);
    } else {
      message.insert(message.end(), first.data.begin(), first.data.end());
    }
    rcv_queue_.pop_front();
    if (last) break;
  }
  deliver();
  if (was_full && rcv_queue_.size() < config_.window) tell_ = true;
  return message;
}

Kcp::State Kcp::state() const {
  const auto count = [](std::size_t n) { return static_cast<std::uint32_t>(n); };
  return {cwnd_,    incr_, probe_wait_, count(rcv_buf_.size()), rcv_nxt_, count(rcv_queue_.size()),
          rmt_wnd_, rto_,  rttvar_,     count(snd_buf_.size()), snd_nxt_, count(snd_queue_.size()),
          snd_una_, srtt_, ssthresh_};
}

void Kcp::force_window(std::uint32_t cwnd, std::uint32_t ssthresh) {
  cwnd_ = cwnd;
  ssthresh_ = ssthresh;
}

std::size_t Kcp::memory() const {
  std::size_t total = acks_.capacity() * sizeof(Ack) + plan_.capacity() * sizeof(Planned) +
                      rcv_buf_.capacity() * sizeof(Arrived);
  for (const auto& s : snd_queue_) total += sizeof(s) + s.data.capacity();
  for (const auto& s : snd_buf_) total += sizeof(s) + s.data.capacity();
  for (const auto& s : rcv_buf_) total += s.data.capacity();
  for (const auto& s : rcv_queue_) total += sizeof(s) + s.data.capacity();
  return total;
}

}  // namespace myst::core
