#include "core/nat/stun.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/endian.hpp"

namespace myst::core {
namespace {

constexpr std::uint16_t kBindingRequest = 0x0001;
constexpr std::uint16_t kBindingSuccess = 0x0101;
constexpr std::uint32_t kMagicCookie = 0x2112a442;
constexpr std::uint16_t kXorMappedAddress = 0x0020;
constexpr std::uint8_t kFamilyIpv4 = 1;
constexpr std::size_t kHeader = 20;
constexpr std::size_t kAnswersWanted = 2;

}  // namespace

ByteArray<kStunRequestSize> stun_request(const StunTransaction& id) {
  ByteArray<kStunRequestSize> out{};
  put_u16be(out.data(), kBindingRequest);
  put_u32be(out.data() + 4, kMagicCookie);
  std::memcpy(out.data() + 8, id.data(), id.size());
  return out;
}

Result<StunAnswer> parse_stun_answer(ByteSpan datagram) {
  const Error malformed{Errc::Malformed, 0, "not a STUN answer"};
  if (datagram.size() < kHeader || get_u16be(datagram) != kBindingSuccess ||
      get_u32be(datagram.subspan(4)) != kMagicCookie) {
    return malformed;
  }
  const std::size_t length = get_u16be(datagram.subspan(2));
  if (length > datagram.size() - kHeader) return malformed;
  StunAnswer answer{};
  std::memcpy(answer.id.data(), datagram.data() + 8, answer.id.size());
  ByteSpan attributes = datagram.subspan(kHeader, length);
  while (attributes.size() >= 4) {
    const std::uint16_t type = get_u16be(attributes);
    const std::size_t size = get_u16be(attributes.subspan(2));
    attributes = attributes.subspan(4);
    if (size > attributes.size()) return malformed;
    if (type == kXorMappedAddress && size >= 8 && attributes[1] == kFamilyIpv4) {
      answer.mapped.port =
          static_cast<std::uint16_t>(get_u16be(attributes.subspan(2)) ^ (kMagicCookie >> 16));
      answer.mapped.ip = IpAddress::v4(get_u32be(attributes.subspan(4)) ^ kMagicCookie);
      if (answer.mapped.port == 0) return malformed;
      return answer;
    }
    const std::size_t padded = (size + 3) & ~std::size_t{3};
    attributes = attributes.subspan(std::min(padded, attributes.size()));
  }
  return malformed;
}

StunProbe::StunProbe(const Config& config, std::uint16_t local_port, std::vector<Endpoint> servers,
                     Rng& rng, Instant now)
    : config_(config),
      servers_(std::move(servers)),
      id_(servers_.empty() ? StunTransaction{} : rng.bytes<12>()),
      give_up_at_(now + config.limit),
      port_(local_port) {
  if (servers_.size() > kMaxServers) servers_.resize(kMaxServers);
  if (servers_.empty()) {
    done_ = true;
    return;
  }
  unsent_ = (1u << servers_.size()) - 1;
  repeat_at_ = now + config.repeat;
}

std::optional<StunProbe::Request> StunProbe::poll_transmit() {
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if ((unsent_ & (1u << i)) == 0) continue;
    unsent_ &= ~(1u << i);
    StunTransaction id = id_;
    id.back() = static_cast<std::uint8_t>(i);
    return Request{servers_[i], stun_request(id)};
  }
  return std::nullopt;
}

bool StunProbe::handle_datagram(Instant now, ByteSpan datagram) {
  const auto answer = parse_stun_answer(datagram);
  if (!answer) return false;
  // The source is not looked at, as servers answer from other addresses; the id is ours alone.
  if (!std::equal(id_.begin(), id_.end() - 1, answer->id.begin())) return false;
  const std::size_t server = answer->id.back();
  if (server >= servers_.size()) return false;
  if (done_ || (answered_ & (1u << server)) != 0) return true;
  answered_ |= 1u << server;
  seen_.push_back(answer->mapped.port);
  if (seen_.size() >= std::min(kAnswersWanted, servers_.size())) {
    finish();
  } else {
    give_up_at_ = std::min(give_up_at_, now + config_.patience);
  }
  return true;
}

void StunProbe::handle_timeout(Instant now) {
  if (done_) return;
  if (now >= give_up_at_) {
    finish();
  } else if (repeat_at_ && now >= *repeat_at_) {
    repeat_at_.reset();
    unsent_ = ((1u << servers_.size()) - 1) & ~answered_;
  }
}

std::optional<Instant> StunProbe::next_timeout() const {
  if (done_) return std::nullopt;
  return earliest(give_up_at_, repeat_at_);
}

void StunProbe::finish() {
  done_ = true;
  unsent_ = 0;
  if (seen_.empty()) return;
  if (seen_.size() == 1 || seen_[0] == seen_[1]) port_ = seen_[0];
}

}  // namespace myst::core
