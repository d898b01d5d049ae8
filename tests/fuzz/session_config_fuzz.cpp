#include "core/session/wireguard_config.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const myst::ByteSpan bytes(data, size);
  (void)myst::core::decode_wireguard_consumer_config(bytes);
  const auto config = myst::core::decode_wireguard_service_config(bytes);
  if (config.ok()) {
    (void)myst::core::parse_ip_list(config->dns_ips);
    (void)myst::core::parse_wireguard_key(config->provider_key);
  }
  return 0;
}
