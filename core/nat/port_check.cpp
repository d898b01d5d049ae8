#include "core/nat/port_check.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/endian.hpp"

namespace myst::core {

ByteArray<kPortProbeSize> port_probe(std::uint16_t port, const ByteArray<16>& uuid) {
  ByteArray<kPortProbeSize> out;
  put_u16be(out.data(), port);
  std::memcpy(out.data() + 2, uuid.data(), uuid.size());
  return out;
}

PortCheck::PortCheck(std::uint16_t port, std::vector<Endpoint> servers, Rng& rng, Instant now)
    : port_(port), servers_(std::move(servers)), uuid_(rng.bytes<16>()), give_up_at_(now + kLimit) {
  uuid_[6] = static_cast<std::uint8_t>((uuid_[6] & 0x0f) | 0x40);  // version 4
  uuid_[8] = static_cast<std::uint8_t>((uuid_[8] & 0x3f) | 0x80);
  if (servers_.size() > kMaxServers) servers_.resize(kMaxServers);
  done_ = servers_.empty();
}

std::optional<PortCheck::Probe> PortCheck::poll_transmit() {
  if (done_ || sent_ >= servers_.size() * kCopies) return std::nullopt;
  const Endpoint& to = servers_[sent_ % servers_.size()];
  ++sent_;
  return Probe{to, port_probe(port_, uuid_)};
}

bool PortCheck::handle_datagram(ByteSpan datagram) {
  if (datagram.size() < uuid_.size() || !std::equal(uuid_.begin(), uuid_.end(), datagram.begin())) {
    return false;
  }
  done_ = true;
  reachable_ = true;
  return true;
}

void PortCheck::handle_timeout(Instant now) {
  if (now >= give_up_at_) done_ = true;
}

std::optional<Instant> PortCheck::next_timeout() const {
  if (done_) return std::nullopt;
  return give_up_at_;
}

}  // namespace myst::core
