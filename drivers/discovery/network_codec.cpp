#include "drivers/discovery/network_codec.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/broker/address.hpp"
#include "platform/json/json.hpp"
#include "platform/json/writer.hpp"

namespace myst::discovery {
namespace {

using core::NetworkDocument;
using json::Value;

constexpr std::string_view kFormat = "myst-network/v1";
constexpr std::size_t kMaxEntries = 16;
constexpr std::size_t kMaxText = 1024;
constexpr std::size_t kMaxChains = 2;

bool plain(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7f) return false;
  }
  return !text.empty() && text.size() <= kMaxText;
}

bool is_url(std::string_view text) {
  const std::size_t scheme = text.find("://");
  if (scheme == std::string_view::npos || !plain(text)) return false;
  const std::string_view rest = text.substr(scheme + 3);
  return (text.substr(0, scheme) == "http" || text.substr(0, scheme) == "https") && !rest.empty() &&
         rest.front() != '/';
}

// host:port, as STUN and port check servers are written. The broker's rules for hosts are right
// here too; its default port is not.
bool is_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  return plain(text) && colon != std::string_view::npos &&
         text.find('/') == std::string_view::npos && text.find('@') == std::string_view::npos &&
         core::BrokerAddress::parse(text).ok() && text.find(']', colon) == std::string_view::npos;
}

Status read_url(Value object, std::string_view name, bool required, std::string& out) {
  const Value value = object[name];
  if (value.is_nothing()) {
    if (required) return Error{Errc::Malformed, 0, "network document lacks an address"};
    return {};
  }
  MYST_TRY_ASSIGN(const std::string_view text, value.string());
  if (!is_url(text)) return Error{Errc::Malformed, 0, "network document: not an http or https URL"};
  out = std::string(text);
  return {};
}

template <typename Check>
Status read_list(Value object, std::string_view name, Check check, std::vector<std::string>& out) {
  const Value list = object[name];
  if (list.is_nothing()) return {};
  if (!list.is_array()) return Error{Errc::Malformed, 0, "network document: not a list"};
  for (const auto& [index, item] : list) {
    if (out.size() >= kMaxEntries) return Error{Errc::Full, 0, "network document: list too long"};
    MYST_TRY_ASSIGN(const std::string_view text, item.string());
    if (!check(text)) return Error{Errc::Malformed, 0, "network document: not an address"};
    out.emplace_back(text);
  }
  return {};
}

Status read_address(Value object, std::string_view name, Address& out) {
  MYST_TRY_ASSIGN(const std::string_view text, object[name].string());
  MYST_TRY_ASSIGN(out, Address::parse(text));
  if (out.is_zero()) return Error{Errc::Malformed, 0, "network document: a contract at zero"};
  return {};
}

Status read_chain(Value object, core::NetworkChain& out) {
  MYST_TRY_ASSIGN(out.id, object["chain_id"].u64());
  if (out.id == 0) return Error{Errc::Malformed, 0, "network document: chain 0"};
  MYST_TRY(read_list(object, "rpc", is_url, out.rpc));
  if (out.rpc.empty()) return Error{Errc::Malformed, 0, "network document: chain without rpc"};
  MYST_TRY(read_address(object, "registry", out.registry));
  MYST_TRY(read_address(object, "token", out.token));
  MYST_TRY(read_address(object, "channel_implementation", out.channel_implementation));
  MYST_TRY(read_address(object, "hermes", out.hermes));
  std::vector<std::string> known;
  const auto is_address = [](std::string_view text) { return Address::parse(text).ok(); };
  MYST_TRY(read_list(object, "known_hermeses", is_address, known));
  for (const std::string& text : known) out.known_hermeses.push_back(*Address::parse(text));
  if (std::find(out.known_hermeses.begin(), out.known_hermeses.end(), out.hermes) ==
      out.known_hermeses.end()) {
    out.known_hermeses.insert(out.known_hermeses.begin(), out.hermes);
  }
  return {};
}

Status read_contracts(Value contracts, NetworkDocument& out) {
  if (!contracts.is_object()) return Error{Errc::Malformed, 0, "network document: contracts"};
  MYST_TRY(read_url(contracts, "transactor", true, out.transactor));
  const Value chains = contracts["chains"];
  if (!chains.is_array()) return Error{Errc::Malformed, 0, "network document: chains"};
  for (const auto& [index, object] : chains) {
    if (out.chains.size() >= kMaxChains) {
      return Error{Errc::Full, 0, "network document: more than two chains"};
    }
    core::NetworkChain chain;
    MYST_TRY(read_chain(object, chain));
    if (!out.chains.empty() && out.chains.front().id == chain.id) {
      return Error{Errc::Malformed, 0, "network document: a chain twice"};
    }
    out.chains.push_back(std::move(chain));
  }
  if (out.chains.empty()) return Error{Errc::Malformed, 0, "network document: no chain"};
  out.contracts = contracts.to_text();
  return {};
}

}  // namespace

Result<NetworkDocument> read_network_document(std::string_view text) {
  json::Limits limits;
  limits.max_bytes = 64 * 1024;
  MYST_TRY_ASSIGN(const auto document, json::Document::parse(text, limits));
  const Value root = document.root();
  if (root["format"].string_or("") != kFormat) {
    return Error{Errc::Malformed, 0, "not a network document of a known format"};
  }
  NetworkDocument out;
  out.name = root["name"].string_or("");
  if (out.name.size() > kMaxText)
    return Error{Errc::Malformed, 0, "network document: name too long"};
  const auto is_broker = [](std::string_view address) {
    return plain(address) && core::BrokerAddress::parse(address).ok();
  };
  MYST_TRY(read_list(root, "brokers", is_broker, out.brokers));
  if (out.brokers.empty()) return Error{Errc::Malformed, 0, "network document without a broker"};
  MYST_TRY(read_url(root, "discovery", true, out.discovery));
  MYST_TRY(read_url(root, "location", true, out.location));
  MYST_TRY(read_url(root, "ip_detector", false, out.ip_detector));
  MYST_TRY(read_list(root, "stun_servers", is_host_port, out.stun_servers));
  MYST_TRY(read_list(root, "port_check_servers", is_host_port, out.port_check_servers));
  MYST_TRY(read_url(root, "access_policies", false, out.access_policies));
  MYST_TRY(read_url(root, "quality", false, out.quality));
  if (const Value contracts = root["contracts"]; !contracts.is_nothing()) {
    MYST_TRY(read_contracts(contracts, out));
  }
  return out;
}

std::string write_network_document(const NetworkDocument& document) {
  std::string out;
  json::Writer writer(out);
  const auto list = [&](std::string_view name, const std::vector<std::string>& items) {
    writer.key(name).begin_array();
    for (const std::string& item : items) writer.value(item);
    writer.end_array();
  };
  const auto url = [&](std::string_view name, const std::string& text) {
    if (!text.empty()) writer.member(name, text);
  };
  writer.begin_object().member("format", kFormat).member("name", document.name);
  list("brokers", document.brokers);
  url("discovery", document.discovery);
  url("location", document.location);
  url("ip_detector", document.ip_detector);
  list("stun_servers", document.stun_servers);
  list("port_check_servers", document.port_check_servers);
  url("access_policies", document.access_policies);
  url("quality", document.quality);
  writer.key("contracts");
  if (document.contracts) {
    writer.raw(*document.contracts);
  } else {
    writer.null();
  }
  writer.end_object();
  return out;
}

Result<std::string> network_document_url(std::string_view hub) {
  std::string url(hub.find("://") == std::string_view::npos ? "http://" : "");
  url += hub;
  if (!is_url(url)) return Error{Errc::Malformed, 0, "not an http or https URL of a hub"};
  const std::size_t path = url.find('/', url.find("://") + 3);
  if (path == std::string::npos) return url + "/network";
  if (path + 1 == url.size()) return url + "network";
  return url;
}

}  // namespace myst::discovery
