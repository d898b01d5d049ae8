// What the WireGuard services put into session create and its reply: two small JSON documents
// (reference: services/wireguard/service_config.go). Read as a Go peer reads them: keys in any
// letter case, members may be missing or null, unknown ones are skipped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/crypto/x25519.hpp"

namespace myst::core {

struct WireguardConsumerConfig {
  std::string public_key;  // base64, 44 characters; as text, because it may be empty
};
Bytes encode(const WireguardConsumerConfig& config);
Result<WireguardConsumerConfig> decode_wireguard_consumer_config(ByteSpan json);

struct WireguardServiceConfig {
  std::uint16_t local_port = 0;
  std::uint16_t remote_port = 0;
  std::string provider_key;    // base64
  Endpoint provider_endpoint;  // no IP given: unspecified
  IpPrefix consumer_address;   // host bits kept
  std::string dns_ips;         // comma list, may be empty
};
Bytes encode(const WireguardServiceConfig& config);
// Malformed also: an endpoint without port, an address without mask.
Result<WireguardServiceConfig> decode_wireguard_service_config(ByteSpan json);

Result<x25519::PublicKey> parse_wireguard_key(std::string_view base64);
// The addresses of a comma list. Malformed: a piece that is none.
Result<std::vector<IpAddress>> parse_ip_list(std::string_view text);

}  // namespace myst::core
