#include "core/session/wireguard_config.hpp"

#include <algorithm>
#include <optional>

#include "core/base/text.hpp"
#include "core/broker/flat_json.hpp"

namespace myst::core {
namespace {

Error malformed(const char* what) { return Error{Errc::Malformed, 0, what}; }

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

// The text of a JSON string or null. Surrogate pairs do not occur in anything read here and are
// refused.
Result<std::string> text_of(std::string_view value) {
  if (value == "null") return std::string();
  if (value.size() < 2 || value.front() != '"') return malformed("not a JSON text");
  value = value.substr(1, value.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] != '\\') {
      out += value[i];
      continue;
    }
    if (++i >= value.size()) return malformed("escape in JSON text");
    constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
    if (const auto at = kFrom.find(value[i]); at != std::string_view::npos) {
      out += kTo[at];
      continue;
    }
    if (value[i] != 'u' || value.size() - i < 5) return malformed("escape in JSON text");
    std::uint32_t code = 0;
    for (std::size_t k = 1; k <= 4; ++k) {
      const int digit = hex_digit(value[i + k]);
      if (digit < 0) return malformed("escape in JSON text");
      code = code << 4 | static_cast<std::uint32_t>(digit);
    }
    if (code >= 0xd800 && code < 0xe000) return malformed("surrogate in JSON text");
    append_utf8(out, code);
    i += 4;
  }
  return out;
}

Result<std::uint16_t> port_of(std::string_view value) {
  if (value == "null") return std::uint16_t{0};
  const auto number = parse_decimal(value);
  if (!number || *number > 65535) return malformed("port");
  return static_cast<std::uint16_t>(*number);
}

// The ports are read by nobody; they have to be an array or null.
Status check_ports(std::string_view value) {
  if (value != "null" && value.front() != '[') return malformed("ports");
  return {};
}

// Calls take(lower-case name, value) for each member; null counts as an empty object.
template <typename Take>
Status each_member(std::string_view json, Take take) {
  if (trim(json) == "null") return {};
  FlatJson reader(json);
  while (const auto member = reader.next()) {
    MYST_TRY(take(to_lower(member->name), member->value));
  }
  if (!reader.ok()) return malformed("not a JSON object");
  return {};
}

// "ip:port", or ":port", which Go reads as no address.
Result<Endpoint> parse_endpoint(std::string_view text) {
  if (text.empty()) return Endpoint{};
  if (text.front() == ':') {
    const auto port = parse_decimal(text.substr(1));
    if (!port || *port > 65535) return malformed("endpoint");
    return Endpoint{IpAddress(), static_cast<std::uint16_t>(*port)};
  }
  return Endpoint::parse(text);
}

}  // namespace

Bytes encode(const WireguardConsumerConfig& config) {
  return to_bytes(as_bytes("{\"PublicKey\":\"" + config.public_key + "\",\"Ports\":null}"));
}

Result<WireguardConsumerConfig> decode_wireguard_consumer_config(ByteSpan json) {
  WireguardConsumerConfig config;
  const auto take = [&](const std::string& name, std::string_view value) -> Status {
    if (name == "publickey") {
      MYST_TRY_ASSIGN(config.public_key, text_of(value));
    } else if (name == "ip") {
      MYST_TRY(text_of(value));
    } else if (name == "ports") {
      MYST_TRY(check_ports(value));
    }
    return {};
  };
  MYST_TRY(each_member(as_text(json), take));
  return config;
}

Bytes encode(const WireguardServiceConfig& config) {
  const std::string endpoint = config.provider_endpoint.ip.is_unspecified()
                                   ? ":" + std::to_string(config.provider_endpoint.port)
                                   : config.provider_endpoint.to_string();
  std::string json = "{\"local_port\":" + std::to_string(config.local_port);
  json += ",\"remote_port\":" + std::to_string(config.remote_port);
  json += ",\"ports\":null,\"provider\":{\"public_key\":\"" + config.provider_key;
  json += "\",\"endpoint\":\"" + endpoint;
  json += "\"},\"consumer\":{\"ip_address\":\"" + config.consumer_address.to_string();
  json += "\",\"dns_ips\":\"" + config.dns_ips + "\"}}";
  return to_bytes(as_bytes(json));
}

Result<WireguardServiceConfig> decode_wireguard_service_config(ByteSpan json) {
  WireguardServiceConfig config;
  std::string endpoint, address;
  const auto provider = [&](const std::string& name, std::string_view value) -> Status {
    if (name == "public_key") {
      MYST_TRY_ASSIGN(config.provider_key, text_of(value));
    } else if (name == "endpoint") {
      MYST_TRY_ASSIGN(endpoint, text_of(value));
    }
    return {};
  };
  const auto consumer = [&](const std::string& name, std::string_view value) -> Status {
    if (name == "ip_address") {
      MYST_TRY_ASSIGN(address, text_of(value));
    } else if (name == "dns_ips") {
      MYST_TRY_ASSIGN(config.dns_ips, text_of(value));
    }
    return {};
  };
  const auto take = [&](const std::string& name, std::string_view value) -> Status {
    if (name == "local_port") {
      MYST_TRY_ASSIGN(config.local_port, port_of(value));
    } else if (name == "remote_port") {
      MYST_TRY_ASSIGN(config.remote_port, port_of(value));
    } else if (name == "ports") {
      MYST_TRY(check_ports(value));
    } else if (name == "provider") {
      MYST_TRY(each_member(value, provider));
    } else if (name == "consumer") {
      MYST_TRY(each_member(value, consumer));
    }
    return {};
  };
  MYST_TRY(each_member(as_text(json), take));
  MYST_TRY_ASSIGN(config.provider_endpoint, parse_endpoint(endpoint));
  if (address.find('/') == std::string::npos) return malformed("tunnel address without mask");
  MYST_TRY_ASSIGN(config.consumer_address, IpPrefix::parse(address));
  return config;
}

Result<x25519::PublicKey> parse_wireguard_key(std::string_view base64) {
  MYST_TRY_ASSIGN(const Bytes raw, from_base64(base64));
  x25519::PublicKey key{};
  if (raw.size() != key.size()) return malformed("WireGuard key");
  std::copy(raw.begin(), raw.end(), key.begin());
  return key;
}

Result<std::vector<IpAddress>> parse_ip_list(std::string_view text) {
  std::vector<IpAddress> list;
  for (const std::string_view piece : split(text, ',')) {
    MYST_TRY_ASSIGN(const IpAddress ip, IpAddress::parse(trim(piece)));
    list.push_back(ip);
  }
  return list;
}

}  // namespace myst::core
