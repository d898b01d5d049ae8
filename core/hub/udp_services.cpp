#include "core/hub/udp_services.hpp"

#include <algorithm>

namespace myst::core {
namespace {

constexpr ByteArray<4> kMagicCookie{0x21, 0x12, 0xa4, 0x42};
constexpr std::size_t kHeader = 20;

}  // namespace

std::optional<Bytes> answer_stun(ByteSpan request, const Endpoint& from) {
  if (request.size() < kHeader || request.size() > 548) return std::nullopt;
  const std::size_t length = std::size_t{request[2]} << 8 | request[3];
  if (request[0] != 0x00 || request[1] != 0x01 || length + kHeader != request.size() ||
      length % 4 != 0 ||
      !std::equal(kMagicCookie.begin(), kMagicCookie.end(), request.begin() + 4)) {
    return std::nullopt;
  }
  const ByteSpan ip = from.ip.bytes();
  const auto attribute = static_cast<std::uint8_t>(4 + ip.size());
  Bytes out{0x01, 0x01, 0x00, static_cast<std::uint8_t>(4 + attribute)};
  out.insert(out.end(), request.begin() + 4, request.begin() + kHeader);
  // XOR-MAPPED-ADDRESS: family, port xor the cookie's first half, address xor cookie (and, for
  // IPv6, transaction id).
  const std::uint8_t family = from.ip.is_v6() ? 0x02 : 0x01;
  const Bytes head{0x00,
                   0x20,
                   0x00,
                   attribute,
                   0x00,
                   family,
                   static_cast<std::uint8_t>((from.port >> 8) ^ kMagicCookie[0]),
                   static_cast<std::uint8_t>((from.port & 0xff) ^ kMagicCookie[1])};
  out.insert(out.end(), head.begin(), head.end());
  for (std::size_t i = 0; i < ip.size(); ++i) {
    out.push_back(static_cast<std::uint8_t>(ip[i] ^ request[4 + i]));
  }
  return out;
}

std::optional<PortProbe> parse_port_probe(ByteSpan datagram, const Endpoint& from) {
  if (datagram.size() < 18) return std::nullopt;
  PortProbe probe;
  probe.to = {from.ip, static_cast<std::uint16_t>(datagram[0] << 8 | datagram[1])};
  if (probe.to.port == 0) return std::nullopt;
  std::copy(datagram.begin() + 2, datagram.begin() + 18, probe.token.begin());
  return probe;
}

bool ProbeLimiter::allow(Instant now, const IpAddress& address) {
  auto found = windows_.find(address);
  if (found == windows_.end()) {
    if (windows_.size() >= kMaxAddresses) windows_.clear();
    found = windows_.emplace(address, Window{now, 0}).first;
  }
  Window& window = found->second;
  if (now - window.start >= std::chrono::seconds{1}) window = {now, 0};
  return ++window.count <= per_second_;
}

}  // namespace myst::core
