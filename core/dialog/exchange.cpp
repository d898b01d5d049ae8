#include "core/dialog/exchange.hpp"

#include <algorithm>
#include <cstring>

#include "core/base/text.hpp"
#include "core/crypto/box.hpp"
#include "core/identity/signature.hpp"

namespace myst::core::dialog {
namespace {

constexpr std::size_t kNonceSize = std::tuple_size<BoxNonce>::value;

std::string subject(const Address& provider, std::string_view service_type, const char* tail) {
  return provider.to_string() + '.' + std::string(service_type) + '.' + tail;
}

}  // namespace

std::string exchange_subject(const Address& provider, std::string_view service_type) {
  return subject(provider, service_type, "p2p-config-exchange");
}
std::string ack_subject(const Address& provider, std::string_view service_type) {
  return subject(provider, service_type, "p2p-config-exchange-ack");
}
std::string ready_subject(const Address& provider, std::string_view service_type) {
  return subject(provider, service_type, "p2p-channel-handlers-ready");
}

Result<x25519::PublicKey> decode_public_key(std::string_view text) {
  x25519::PublicKey key{};
  MYST_TRY(from_hex(text, key));
  return key;
}

Result<Bytes> make_message(const Signer& signer, const x25519::PublicKey& key,
                           ByteSpan config_ciphertext) {
  pb::P2PConfigExchangeMsg inner;
  inner.public_key = to_hex(key);
  inner.config_ciphertext = to_bytes(config_ciphertext);
  pb::P2PSignedMsg outer;
  outer.data = inner.encode();
  MYST_TRY_ASSIGN(const Signature signature, signer.sign(outer.data));
  outer.signature.assign(signature.begin(), signature.end());
  return outer.encode();
}

Result<Received> open_message(ByteSpan payload) {
  if (payload.size() > kMaxMessage) return Error{Errc::Malformed, 0, "exchange message too long"};
  MYST_TRY_ASSIGN(const pb::P2PSignedMsg outer, pb::P2PSignedMsg::decode(payload));
  MYST_TRY_ASSIGN(const Address signer, recover_signer(outer.data, outer.signature));
  MYST_TRY_ASSIGN(pb::P2PConfigExchangeMsg inner, pb::P2PConfigExchangeMsg::decode(outer.data));
  MYST_TRY_ASSIGN(const x25519::PublicKey key, decode_public_key(inner.public_key));
  return Received{signer, key, std::move(inner.config_ciphertext)};
}

Result<Bytes> seal_config(const Secret<32>& secret, const x25519::PublicKey& peer, Rng& rng,
                          const pb::P2PConnectConfig& config) {
  MYST_TRY_ASSIGN(const Secret<32> key, box_precompute(secret, peer));
  const BoxNonce nonce = rng.bytes<kNonceSize>();
  const Bytes box = box_seal(key, nonce, config.encode());
  Bytes out(nonce.begin(), nonce.end());
  out.insert(out.end(), box.begin(), box.end());
  return out;
}

Result<pb::P2PConnectConfig> open_config(const Secret<32>& secret, const x25519::PublicKey& peer,
                                         ByteSpan ciphertext) {
  if (ciphertext.size() < kNonceSize + kBoxTagSize) {
    return Error{Errc::Malformed, static_cast<int>(ciphertext.size()), "config ciphertext size"};
  }
  MYST_TRY_ASSIGN(const Secret<32> key, box_precompute(secret, peer));
  BoxNonce nonce;
  std::memcpy(nonce.data(), ciphertext.data(), nonce.size());
  MYST_TRY_ASSIGN(const Bytes plain, box_open(key, nonce, ciphertext.subspan(kNonceSize)));
  return pb::P2PConnectConfig::decode(plain);
}

Result<IpAddress> peer_address(const IpAddress& own_public_ip, std::string_view peer_ip) {
  const auto parsed = IpAddress::parse(peer_ip);
  if (!parsed || !parsed->is_v4()) return Error{Errc::Malformed, 0, "peer's public address"};
  if (*parsed == own_public_ip) return IpAddress::v4(127, 0, 0, 1);
  const std::uint32_t host = parsed->v4_host_order();
  const bool multicast_or_reserved = (host >> 28) >= 14;  // 224.0.0.0/4 and 240.0.0.0/4
  if (parsed->is_loopback() || (host >> 24) == 0 || multicast_or_reserved) {
    return Error{Errc::Rejected, 0, "peer's public address is none a peer can have"};
  }
  if (parsed->is_private() && !own_public_ip.is_private()) {
    return Error{Errc::Rejected, 0, "peer's public address is private"};
  }
  return *parsed;
}

Result<std::vector<std::uint16_t>> ports_of(const pb::P2PConnectConfig& config) {
  std::vector<std::uint16_t> ports;
  for (const std::int32_t port : config.ports) {
    if (port < 1 || port > 65535) return Error{Errc::Malformed, port, "peer's port"};
    ports.push_back(static_cast<std::uint16_t>(port));
  }
  return ports;
}

}  // namespace myst::core::dialog
