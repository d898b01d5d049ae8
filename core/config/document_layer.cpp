#include "core/config/document_layer.hpp"

namespace myst::core {
namespace {

ConfigValue list_of(const std::vector<std::string>& texts) {
  ConfigValue::List list;
  for (const std::string& text : texts) list.emplace_back(text);
  return list;
}

}  // namespace

std::vector<FlagValue> document_values(const NetworkDocument& document) {
  std::vector<FlagValue> out;
  out.push_back({"broker-address", list_of(document.brokers)});
  out.push_back({"discovery.address", document.discovery});
  out.push_back({"location.address", document.location});
  out.push_back(
      {"ip-detector", document.ip_detector.empty() ? document.location : document.ip_detector});
  if (!document.stun_servers.empty()) {
    out.push_back({"stun-servers", list_of(document.stun_servers)});
  }
  if (!document.port_check_servers.empty()) {
    std::string joined;  // this key is a text with commas
    for (const std::string& server : document.port_check_servers) {
      joined += (joined.empty() ? "" : ",") + server;
    }
    out.push_back({"port-check-servers", joined});
  }
  if (!document.access_policies.empty()) {
    out.push_back({"access-policy.address", document.access_policies});
  }
  if (!document.quality.empty()) {
    out.push_back({"quality.type", "morqa"});
    out.push_back({"quality.address", document.quality});
  }
  if (document.chains.empty()) return out;
  out.push_back({"transactor.address", document.transactor});
  out.push_back({"chain-id", static_cast<std::int64_t>(document.chains.front().id)});
  for (std::size_t i = 0; i < document.chains.size(); ++i) {
    // Sessions are paid on chain 2 by custom: the first of the document.
    const std::string number = i == 0 ? "2" : "1";
    const std::string prefix = "chains." + number + ".";
    const NetworkChain& chain = document.chains[i];
    out.push_back({prefix + "chainID", static_cast<std::int64_t>(chain.id)});
    out.push_back({"ether.client.rpcl" + number, list_of(chain.rpc)});
    out.push_back({prefix + "registry", chain.registry.to_checksum()});
    out.push_back({prefix + "myst", chain.token.to_checksum()});
    out.push_back({prefix + "channelImplementation", chain.channel_implementation.to_checksum()});
    out.push_back({prefix + "hermes", chain.hermes.to_checksum()});
    std::vector<std::string> known;
    for (const Address& hermes : chain.known_hermeses) known.push_back(hermes.to_checksum());
    out.push_back({prefix + "knownHermeses", list_of(known)});
  }
  return out;
}

}  // namespace myst::core
