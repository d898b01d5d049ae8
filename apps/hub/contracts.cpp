#include "apps/hub/contracts.hpp"

#include <algorithm>

#include "platform/json/json.hpp"
#include "platform/json/writer.hpp"

namespace myst::hub {
namespace {

constexpr std::size_t kMaxEntries = 16;  // what readers of the network document take

bool is_url(std::string_view text) {
  return text.substr(0, 7) == "http://" || text.substr(0, 8) == "https://";
}

}  // namespace

std::variant<ChainContracts, std::string> read_contracts(std::string_view text) {
  json::Limits limits;
  limits.max_bytes = 64 * 1024;
  const auto document = json::Document::parse(text, limits);
  if (!document.ok() || !document->root().is_object()) return std::string("is not a JSON object");
  const json::Value root = document->root();
  ChainContracts out;
  const auto chain = root["chain_id"].u64();
  if (!chain.ok() || *chain == 0) return std::string("lacks chain_id");
  out.chain_id = *chain;
  for (const auto& [name, address] :
       {std::pair("registry", &out.registry), std::pair("token", &out.token),
        std::pair("channel_implementation", &out.channel_implementation),
        std::pair("hermes", &out.hermes)}) {
    const auto parsed = Address::parse(root[name].string_or(""));
    if (!parsed.ok() || parsed->is_zero()) return "lacks the address " + std::string(name);
    *address = *parsed;
  }
  for (const auto& [name, address] :
       {std::pair("hermes_implementation", &out.hermes_implementation),
        std::pair("promise_collector", &out.promise_collector)}) {
    if (root[name].is_nothing()) continue;
    const auto parsed = Address::parse(root[name].string_or(""));
    if (!parsed.ok()) return "has no address in " + std::string(name);
    *address = *parsed;
  }
  for (const auto& [index, url] : root["rpc"]) {
    if (!is_url(url.string_or("")) || out.rpc.size() >= kMaxEntries) {
      return std::string("has something else than at most 16 http URLs in rpc");
    }
    out.rpc.push_back(url.string_or(""));
  }
  for (const auto& [index, hermes] : root["known_hermeses"]) {
    const auto parsed = Address::parse(hermes.string_or(""));
    if (!parsed.ok() || out.known_hermeses.size() >= kMaxEntries) {
      return std::string("has something else than at most 16 addresses in known_hermeses");
    }
    out.known_hermeses.push_back(*parsed);
  }
  const auto& known = out.known_hermeses;
  if (std::find(known.begin(), known.end(), out.hermes) == known.end()) {
    out.known_hermeses.insert(out.known_hermeses.begin(), out.hermes);
  }
  return out;
}

std::string write_contracts(const std::vector<ChainContracts>& chains,
                            const std::string& transactor, const std::vector<std::string>& rpc) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("transactor", transactor).key("chains").begin_array();
  for (const ChainContracts& chain : chains) {
    writer.begin_object().member("chain_id", chain.chain_id).key("rpc").begin_array();
    for (const std::string& url : rpc.empty() ? chain.rpc : rpc) writer.value(url);
    writer.end_array()
        .member("registry", chain.registry.to_checksum())
        .member("token", chain.token.to_checksum())
        .member("channel_implementation", chain.channel_implementation.to_checksum())
        .member("hermes", chain.hermes.to_checksum())
        .key("known_hermeses")
        .begin_array();
    for (const Address& hermes : chain.known_hermeses) writer.value(hermes.to_checksum());
    writer.end_array().end_object();
  }
  writer.end_array().end_object();
  return out;
}

}  // namespace myst::hub
