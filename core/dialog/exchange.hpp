// The key exchange of a dial: what travels over the broker and how it is protected (reference:
// p2p/key.go, p2p/common.go). Stateless; the two sides' order of steps is in ConsumerDial and
// ProviderListener.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/span.hpp"
#include "core/crypto/x25519.hpp"
#include "core/identity/address.hpp"
#include "core/identity/signer.hpp"
#include "core/p2p/messages.hpp"

namespace myst::core::dialog {

inline constexpr std::int32_t kCompatibility = 2;             // ours, on both sides
inline constexpr std::int32_t kMinProviderCompatibility = 2;  // a consumer refuses older ones
inline constexpr std::size_t kMaxMessage = 16 * 1024;         // real ones are below 1 kB

std::string exchange_subject(const Address& provider, std::string_view service_type);
std::string ack_subject(const Address& provider, std::string_view service_type);
std::string ready_subject(const Address& provider, std::string_view service_type);

// 64 hex digits of either case, no 0x.
Result<x25519::PublicKey> decode_public_key(std::string_view text);

// A signed exchange message as sent; without a config the ciphertext is left out.
Result<Bytes> make_message(const Signer& signer, const x25519::PublicKey& key,
                           ByteSpan config_ciphertext);

struct Received {
  Address signer;  // whoever it was: the caller compares
  x25519::PublicKey key;
  Bytes config_ciphertext;
};
// Malformed: any layer does not parse. The signature is checked over the bytes as received.
Result<Received> open_message(ByteSpan payload);

// nonce (24) | box of the encoded config, from our secret to the peer's key.
Result<Bytes> seal_config(const Secret<32>& secret, const x25519::PublicKey& peer, Rng& rng,
                          const pb::P2PConnectConfig& config);
Result<pb::P2PConnectConfig> open_config(const Secret<32>& secret, const x25519::PublicKey& peer,
                                         ByteSpan ciphertext);

// Where to send to a peer that published `peer_ip`: 127.0.0.1 when that is our own public address
// (reference: the same-host rule). Malformed: no IPv4 address. Rejected: an address no peer can
// have, or a private one where ours is public: we would send into our own network on its behalf.
Result<IpAddress> peer_address(const IpAddress& own_public_ip, std::string_view peer_ip);

// Ports out of a config. Malformed: one is not in 1..65535.
Result<std::vector<std::uint16_t>> ports_of(const pb::P2PConnectConfig& config);

}  // namespace myst::core::dialog
