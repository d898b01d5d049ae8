#include "core/config/node_config.hpp"

#include <algorithm>

#include "core/base/net.hpp"
#include "core/base/text.hpp"

namespace myst::core {
namespace {

// The member of a table by name without regard to case; an exact match wins.
const ConfigValue* member(const ConfigValue::Table& table, std::string_view name) {
  if (const auto exact = table.find(name); exact != table.end()) return &exact->second;
  for (const auto& [key, value] : table) {
    if (equal_ignoring_case(key, name)) return &value;
  }
  return nullptr;
}

const ConfigValue* find_in(const ConfigValue& tree, std::string_view key) {
  const ConfigValue* node = &tree;
  for (const std::string_view part : split(key, '.')) {
    const ConfigValue::Table* table = node->table();
    if (table == nullptr) return nullptr;
    node = member(*table, part);
    if (node == nullptr) return nullptr;
  }
  return node;
}

// Creates tables on the way and replaces a scalar in the way.
void put(ConfigValue& tree, std::string_view key, ConfigValue value) {
  ConfigValue* node = &tree;
  for (const std::string_view part : split(key, '.')) {
    if (node->table() == nullptr) *node = ConfigValue(ConfigValue::Table{});
    node = &(*node->table())[std::string(part)];
  }
  *node = std::move(value);
}

// `over` on top of `tree`; keys become lower-case.
void merge(ConfigValue& tree, const ConfigValue& over) {
  const ConfigValue::Table* from = over.table();
  if (from == nullptr) {
    tree = over;
    return;
  }
  if (tree.table() == nullptr) tree = ConfigValue(ConfigValue::Table{});
  for (const auto& [name, value] : *from) merge((*tree.table())[to_lower(name)], value);
}

// Keys a hub must not set for a node: they belong to its owner's machine, purse or consent.
bool belongs_to_the_user(std::string_view name) {
  for (const char* prefix : {"tequilapi.",
                             "ui.",
                             "identity",
                             "terms.",
                             "mmn.api-key",
                             "keystore.",
                             "payments.",
                             "shaper.",
                             "openvpn.binary",
                             "agreed-",
                             "control-plane.",
                             "firewall.",
                             "script-dir",
                             "runtime-dir",
                             "data-dir",
                             "config-dir",
                             "log",
                             "node-ui-dir",
                             "network",
                             "consumer",
                             "userspace",
                             "usermode",
                             "proxymode",
                             "dvpnmode",
                             "quic.",
                             "bind.",
                             "proxy.",
                             "active-services",
                             "stopped-services",
                             "incoming-firewall",
                             "outgoing-firewall"}) {
    if (name.substr(0, std::string_view(prefix).size()) == prefix) return true;
  }
  return false;
}

std::string shown(const ConfigValue& value) {
  if (value.list() == nullptr) return value.as_text();
  std::string out;
  for (const std::string& item : value.as_list()) out += (out.empty() ? "" : ",") + item;
  return out;
}

const ConfigValue* find_flag(const std::vector<FlagValue>& flags, std::string_view key) {
  for (const FlagValue& item : flags) {
    if (equal_ignoring_case(item.name, key)) return &item.value;
  }
  return nullptr;
}

}  // namespace

NodeConfig::NodeConfig(Places places) : places_(std::move(places)) {}

Status NodeConfig::set_command_line(std::vector<FlagValue> flags) {
  Status status;
  command_line_.clear();
  for (FlagValue& item : flags) {
    if (item.name == "network" && !parse_network(item.value.as_text()).ok()) {
      status = parse_network(item.value.as_text()).error();
      continue;
    }
    command_line_.push_back({to_lower(item.name), std::move(item.value)});
  }
  choose_network();
  return status;
}

Status NodeConfig::set_user(ConfigValue tree) {
  if (!tree.is_table()) return Error{Errc::Malformed, 0, "configuration is not a table"};
  MYST_TRY(check_limits(tree));
  user_ = std::move(tree);
  choose_network();
  return {};
}

void NodeConfig::choose_network() {
  network_ = NetworkKind::Mainnet;
  if (const ConfigValue* given = command_line("network")) {
    if (const auto kind = parse_network(given->as_text()); kind.ok()) network_ = *kind;
    return;
  }
  // A network name in the user file does not move the node to other addresses (the reference never
  // did, so setups exist where that would surprise); a hub's URL has no other meaning.
  if (const ConfigValue* stored = find_in(user_, "network")) {
    const auto kind = parse_network(stored->as_text());
    if (kind.ok() && *kind == NetworkKind::Own) network_ = *kind;
  }
}

std::vector<NodeConfig::Taken> NodeConfig::absorb_document(const std::vector<FlagValue>& items) {
  document_.clear();
  for (const FlagValue& item : items) {
    const ConfigKey* key = find_config_key(item.name);
    const std::string name = to_lower(item.name);
    if (key == nullptr || belongs_to_the_user(name) || find_flag(document_, name) != nullptr ||
        !check_limits(item.value).ok() || item.value.is_table()) {
      continue;
    }
    document_.push_back({name, item.value});
  }
  std::vector<Taken> taken;
  for (const FlagValue& item : document_) {
    taken.push_back({item.name, shown(item.value), origin(item.name)});
  }
  return taken;
}

std::string NodeConfig::hub_url() const {
  if (network_ != NetworkKind::Own) return "";
  std::string url = text("network");
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url;
}

std::string NodeConfig::network_folder() const {
  if (network_ != NetworkKind::Own) {
    // The user file may still choose the folder by name.
    const auto kind = parse_network(text("network"));
    return to_string(kind.ok() ? *kind : network_);
  }
  // Two hubs are two networks: sessions and promises of one mean nothing in the other.
  const std::string url = to_lower(hub_url());
  std::string folder = "own-";
  const std::size_t scheme = url.find("://");
  const std::size_t host = scheme == std::string::npos ? 0 : scheme + 3;
  for (const char c : std::string_view(url).substr(host, 100)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    folder += plain ? c : '_';
  }
  return folder;
}

const ConfigValue* NodeConfig::command_line(std::string_view key) const {
  return find_flag(command_line_, key);
}

const ConfigValue* NodeConfig::document(std::string_view key) const {
  return network_ == NetworkKind::Own ? find_flag(document_, key) : nullptr;
}

ConfigValue NodeConfig::default_value(const ConfigKey& key) const {
  const std::string_view plain = key.default_text(network_);
  if (key.type == ConfigType::Text && !plain.empty() && plain.front() == '~') {
    return places_.home + std::string(plain.substr(1));
  }
  if (key.type == ConfigType::Text && !plain.empty() && plain.front() == '@') {
    return places_.program_dir + std::string(plain.substr(1));
  }
  const auto value = parse_config_text(key.type, plain);
  return value.ok() ? *value : ConfigValue();
}

NodeConfig::Layer NodeConfig::origin(std::string_view key) const {
  if (command_line(key) != nullptr) return Layer::CommandLine;
  if (const ConfigValue* stored = find_in(user_, key); stored != nullptr && !stored->is_null()) {
    return Layer::User;
  }
  if (document(key) != nullptr) return Layer::Document;
  return find_config_key(key) != nullptr ? Layer::Default : Layer::None;
}

ConfigValue NodeConfig::get(std::string_view key) const {
  if (const ConfigValue* given = command_line(key)) return *given;
  if (const ConfigValue* stored = find_in(user_, key); stored != nullptr && !stored->is_null()) {
    return *stored;
  }
  if (const ConfigValue* taken = document(key)) return *taken;
  const ConfigKey* known = find_config_key(key);
  return known == nullptr ? ConfigValue() : default_value(*known);
}

std::vector<std::string> NodeConfig::list(std::string_view key) const {
  const ConfigValue value = get(key);
  const ConfigKey* known = find_config_key(key);
  if (value.text() == nullptr || known == nullptr || known->type == ConfigType::List) {
    return value.as_list();
  }
  std::vector<std::string> out;
  for (const std::string_view item : split(*value.text(), ',')) {
    if (!trim(item).empty()) out.emplace_back(trim(item));
  }
  return out;
}

ConfigValue NodeConfig::defaults() const {
  ConfigValue tree{ConfigValue::Table{}};
  for (const ConfigKey& key : config_keys()) {
    if (!key.is_secret()) put(tree, to_lower(key.name), default_value(key));
  }
  return tree;
}

ConfigValue NodeConfig::dump() const {
  ConfigValue tree = defaults();
  if (network_ == NetworkKind::Own) {
    for (const FlagValue& item : document_) put(tree, item.name, item.value);
  }
  merge(tree, user_);
  for (const FlagValue& item : command_line_) {
    const ConfigKey* key = find_config_key(item.name);
    if (key == nullptr || !key->is_secret()) put(tree, item.name, item.value);
  }
  return tree;
}

Status NodeConfig::set_user_value(std::string_view key, ConfigValue value) {
  const std::string name = to_lower(key);
  const std::vector<std::string_view> parts = split(name, '.');
  if (parts.empty() || parts.size() > ConfigLimits::kDepth / 2 || name.size() > 256) {
    return Error{Errc::Rejected, 0, "not a configuration key"};
  }
  for (const std::string_view part : parts) {
    if (part.empty()) return Error{Errc::Rejected, 0, "not a configuration key"};
  }
  for (const ConfigKey& known : config_keys()) {
    if (known.is_secret()) continue;
    const std::string other = to_lower(known.name);
    const auto below = [](const std::string& inner, const std::string& outer) {
      return inner.size() > outer.size() && inner.compare(0, outer.size(), outer) == 0 &&
             inner[outer.size()] == '.';
    };
    if (other == name && value.is_table()) {
      return Error{Errc::Rejected, 0, "this key holds one value, not a group of keys"};
    }
    if (below(other, name) && !value.is_table()) {
      return Error{Errc::Rejected, 0, "this key is a group of keys and cannot hold a value"};
    }
    if (below(name, other)) {
      return Error{Errc::Rejected, 0, "this key lies below a key that holds one value"};
    }
  }
  ConfigValue changed = user_;
  // A hand-edited file may spell a part of the path with capitals: one spelling is kept.
  remove_user_value(key);
  put(user_, name, std::move(value));
  const Status status = check_limits(user_);
  if (!status.ok()) user_ = std::move(changed);
  choose_network();
  return status;
}

void NodeConfig::remove_user_value(std::string_view key) {
  const std::vector<std::string_view> parts = split(key, '.');
  ConfigValue::Table* table = user_.table();
  for (std::size_t i = 0; table != nullptr && i < parts.size(); ++i) {
    auto found = table->find(to_lower(parts[i]));
    if (found == table->end()) {
      found = std::find_if(table->begin(), table->end(), [&](const auto& item) {
        return equal_ignoring_case(item.first, parts[i]);
      });
    }
    if (found == table->end()) return;
    if (i + 1 == parts.size()) {
      table->erase(found);
      choose_network();
      return;
    }
    table = found->second.table();
  }
}

std::string NodeConfig::first_fault() const {
  const auto fault = [&](std::string_view key, const std::string& what) {
    return std::string(key) + " is \"" + shown(get(key)).substr(0, 80) + "\": " + what;
  };
  for (const char* key :
       {"tequilapi.port", "ui.port", "dns.listen-port", "openvpn.port", "discovery.dht.port"}) {
    const std::int64_t port = integer(key);
    if (port < 0 || port > 65535) return fault(key, "a port is a number from 0 to 65535");
  }
  const std::int64_t mtu = integer("wireguard.mtu");
  if (mtu != 0 && (mtu < 68 || mtu > 1500)) {
    return fault("wireguard.mtu", "use 0 (automatic) or a number from 68 to 1500");
  }
  if (!parse_port_range(text("udp.ports")).ok()) {
    return fault("udp.ports", "use start:end with 1 <= start <= end <= 65535");
  }
  for (const char* key : {"tequilapi.address", "bind.address", "proxy.bind.address"}) {
    if (!IpAddress::parse(text(key)).ok()) return fault(key, "use an IP address");
  }
  for (const std::string& subnet : list("firewall.protected.networks")) {
    if (!IpPrefix::parse(subnet).ok()) {
      return fault("firewall.protected.networks", "use subnets such as 10.0.0.0/8");
    }
  }
  if (!IpPrefix::parse(text("wireguard.allowed.subnet")).ok()) {
    return fault("wireguard.allowed.subnet", "use a subnet such as 10.182.0.0/16");
  }
  const auto one_of = [&](std::string_view key, std::initializer_list<const char*> words) {
    const std::string value = text(key);
    return std::any_of(words.begin(), words.end(), [&](const char* word) { return value == word; });
  };
  if (!one_of("location.type", {"oracle", "builtin", "mmdb", "manual"})) {
    return fault("location.type", "use oracle, builtin, mmdb or manual");
  }
  if (!one_of("quality.type", {"morqa", "elastic", "none"})) {
    return fault("quality.type", "use morqa, elastic or none");
  }
  return "";
}

Result<PortRange> parse_port_range(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return Error{Errc::Malformed, 0, "port range"};
  const auto first = parse_decimal(text.substr(0, colon));
  const auto last = parse_decimal(text.substr(colon + 1));
  if (!first || !last || *first < 1 || *last > 65535 || *first > *last) {
    return Error{Errc::Malformed, 0, "port range"};
  }
  return PortRange{static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

}  // namespace myst::core
