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
  return out;
}

}  // namespace myst::core
