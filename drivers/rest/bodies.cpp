#include "drivers/rest/bodies.hpp"

#include "core/base/text.hpp"

namespace myst::rest {
namespace {

const Error kBad{Errc::Malformed, 0, "request body"};

// The length of the first JSON value, found by its brackets; whether it is valid is the parser's
// business. A scalar runs to the end.
std::size_t first_value_length(std::string_view text) {
  std::size_t i = text.find_first_not_of(" \t\r\n");
  if (i == std::string_view::npos || (text[i] != '{' && text[i] != '[')) return text.size();
  std::size_t depth = 0;
  bool quoted = false;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return i + 1;
    }
  }
  return text.size();
}

// Members of one object, each of one type or absent. A wrong type is remembered, so that a parser
// reads all it wants and asks once. Null counts as absent.
class Members {
 public:
  explicit Members(json::Value object) : object_(object) {
    good_ = object.is_nothing() || object.is_object();
  }

  std::optional<std::string> text(std::string_view name) {
    const json::Value value = find(name);
    if (value.is_nothing()) return std::nullopt;
    const auto read = value.string();
    if (!read.ok()) return fault<std::string>();
    return std::string(*read);
  }
  std::string text_or_empty(std::string_view name) { return text(name).value_or(""); }
  std::optional<bool> boolean(std::string_view name) {
    const json::Value value = find(name);
    if (value.is_nothing()) return std::nullopt;
    const auto read = value.boolean();
    if (!read.ok()) return fault<bool>();
    return *read;
  }
  std::optional<std::int64_t> integer(std::string_view name) {
    const json::Value value = find(name);
    if (value.is_nothing()) return std::nullopt;
    const auto read = value.i64();
    if (!read.ok()) return fault<std::int64_t>();
    return *read;
  }
  std::optional<Wei> amount(std::string_view name) {
    const json::Value value = find(name);
    if (value.is_nothing()) return std::nullopt;
    const auto read = value.u256();
    if (!read.ok()) return fault<Wei>();
    return *read;
  }
  std::optional<std::vector<std::string>> texts(std::string_view name) {
    constexpr std::size_t kMost = 1000;  // far above any list a client sends
    const json::Value value = find(name);
    if (value.is_nothing()) return std::nullopt;
    if (!value.is_array()) return fault<std::vector<std::string>>();
    std::vector<std::string> out;
    for (const auto& [unused, item] : value) {
      const auto read = item.string();
      if (!read.ok() || out.size() == kMost) return fault<std::vector<std::string>>();
      out.emplace_back(*read);
    }
    return out;
  }
  // Exactly written first, else without regard to case.
  json::Value find(std::string_view name) const {
    const json::Value exact = object_[name];
    return exact.exists() ? exact : object_.get(name, json::Case::Ignore);
  }
  Members object(std::string_view name) {
    Members inner(find(name));
    if (!inner.good_) good_ = false;
    return inner;
  }
  bool only(std::initializer_list<std::string_view> names) const {
    for (const auto& [name, value] : object_) {
      bool known = false;
      for (const std::string_view allowed : names)
        known = known || equal_ignoring_case(name, allowed);
      if (!known) return false;
    }
    return true;
  }
  bool good() const { return good_; }

 private:
  template <typename T>
  std::optional<T> fault() {
    good_ = false;
    return std::nullopt;
  }
  json::Value object_;
  bool good_ = true;
};

// Numbers become floats, as the reference stores them.
core::ConfigValue to_config(json::Value value) {
  if (value.is_bool()) return *value.boolean();
  if (value.is_number()) return value.number_or(0);
  if (value.is_string()) return std::string(*value.string());
  if (value.is_array()) {
    core::ConfigValue::List list;
    for (const auto& [unused, item] : value) list.push_back(to_config(item));
    return list;
  }
  if (value.is_object()) {
    core::ConfigValue::Table table;
    for (const auto& [name, item] : value) table[std::string(name)] = to_config(item);
    return table;
  }
  return {};
}

bool parse_options(json::Value value, ServiceOptions& out) {
  if (!value.is_object()) return false;
  Members members(value);
  out.subnet = members.text("subnet");
  out.protocol = members.text("protocol");
  out.netmask = members.text("netmask");
  const auto port = members.integer("port");
  if (!members.good() || (port && (*port < 0 || *port > 65535))) return false;
  if (port) out.port = static_cast<std::uint16_t>(*port);
  if (out.netmask && !IpAddress::parse(*out.netmask).ok()) return false;
  // OpenVPN writes the address alone, WireGuard a prefix.
  return !out.subnet || IpPrefix::parse(*out.subnet).ok();
}

}  // namespace

Result<json::Document> parse_first_value(std::string_view text) {
  auto document = json::Document::parse(text.substr(0, first_value_length(text)), {kMaxBody, 32});
  if (!document.ok()) return kBad;
  return document;
}

Result<Credentials> parse_credentials(std::string_view body) {
  MYST_TRY_ASSIGN(const json::Document document, parse_first_value(body));
  Members members(document.root());
  Credentials out{members.text_or_empty("username"), members.text_or_empty("password"), ""};
  if (!members.good()) return kBad;
  return out;
}

Result<Credentials> parse_password_change(std::string_view body) {
  MYST_TRY_ASSIGN(const json::Document document, parse_first_value(body));
  Members members(document.root());
  Credentials out{members.text_or_empty("username"), members.text_or_empty("old_password"),
                  members.text_or_empty("new_password")};
  if (!members.good()) return kBad;
  return out;
}

Result<std::vector<ConfigChange>> parse_config_changes(std::string_view body) {
  MYST_TRY_ASSIGN(const json::Document document, parse_first_value(body));
  Members members(document.root());
  const json::Value data = members.find("data");
  if (!members.good() || !(data.is_nothing() || data.is_object())) return kBad;
  std::vector<ConfigChange> out;
  for (const auto& [name, value] : data) {
    if (out.size() == core::ConfigLimits::kValues) return kBad;
    ConfigChange change{std::string(name), std::nullopt};
    if (!value.is_null()) change.value = to_config(value);
    out.push_back(std::move(change));
  }
  return out;
}

Result<TermsBody> parse_terms(std::string_view body) {
  MYST_TRY_ASSIGN(const json::Document document, parse_first_value(body));
  Members members(document.root());
  TermsBody out{members.boolean("agreed_provider"), members.boolean("agreed_consumer"),
                members.text_or_empty("agreed_version")};
  if (!members.good()) return kBad;
  return out;
}

Result<PassphraseBody> parse_passphrase(std::string_view body) {
  MYST_TRY_ASSIGN(const json::Document document, parse_first_value(body));
  Members members(document.root());
  PassphraseBody out{members.text("id"), members.text("passphrase")};
  if (!members.good()) return kBad;
  return out;
}

Result<ExportBody> parse_export(std::string_view body) {
  MYST_TRY_ASSIGN(const json::Document document, parse_first_value(body));
  Members members(document.root());
  ExportBody out{members.text_or_empty("identity"), members.text_or_empty("newpassphrase")};
  if (!members.good()) return kBad;
  return out;
}

Result<ImportRequest> parse_import(std::string_view body) {
  MYST_TRY_ASSIGN(const json::Document document, parse_first_value(body));
  Members members(document.root());
  ImportRequest out;
  const std::string data = members.text_or_empty("data");
  out.current_passphrase = members.text_or_empty("current_passphrase");
  out.new_passphrase = members.text_or_empty("new_passphrase");
  out.set_default = members.boolean("set_default").value_or(false);
  const auto decoded = from_base64(data);
  if (!members.good() || !decoded.ok()) return kBad;
  out.keystore_json = std::string(as_text(*decoded));
  return out;
}

Result<RegisterRequest> parse_register(std::string_view body) {
  MYST_TRY_ASSIGN(const json::Document document, parse_first_value(body));
  Members members(document.root());
  RegisterRequest out{members.text_or_empty("referral_token"), members.text_or_empty("beneficiary"),
                      members.amount("fee")};
  if (!members.good()) return kBad;
  return out;
}

Result<std::string> parse_wallet(std::string_view body) {
  MYST_TRY_ASSIGN(const json::Document document, parse_first_value(body));
  Members members(document.root());
  std::string out = members.text_or_empty("address");
  if (!members.good()) return kBad;
  return out;
}

Result<DnsChoice> parse_dns(std::string_view text) {
  DnsChoice out;
  if (text.empty() || text == "auto") return out;
  if (text == "provider") return DnsChoice{DnsChoice::Kind::Provider, {}};
  if (text == "system") return DnsChoice{DnsChoice::Kind::System, {}};
  out.kind = DnsChoice::Kind::Servers;
  for (const std::string_view item : split(text, ',')) {
    if (out.servers.size() == 16) return Error{Errc::Full, 0, "too many DNS servers"};
    MYST_TRY_ASSIGN(const IpAddress server, IpAddress::parse(trim(item)));
    out.servers.push_back(server);
  }
  return out;
}

Result<ConnectBody> parse_connect(std::string_view body) {
  MYST_TRY_ASSIGN(const json::Document document, parse_first_value(body));
  Members members(document.root());
  Members filter = members.object("filter");
  Members options = members.object("connect_options");
  ConnectBody out;
  ConnectRequest& request = out.request;
  out.consumer_id = members.text_or_empty("consumer_id");
  request.providers = filter.texts("providers").value_or(std::vector<std::string>{});
  if (std::string provider = members.text_or_empty("provider_id"); !provider.empty()) {
    request.providers.push_back(std::move(provider));
  }
  for (std::string& provider : request.providers) provider = to_lower(provider);
  request.country = filter.text_or_empty("country_code");
  request.ip_type = filter.text_or_empty("ip_type");
  request.include_monitoring_failed = filter.boolean("include_monitoring_failed").value_or(false);
  out.sort_by = filter.text_or_empty("sort_by");
  // Only an absent member means the active hermes; an empty text is the zero address.
  if (const auto hermes = members.text("hermes_id"))
    request.hermes = Address::parse_lenient(*hermes);
  request.service_type = members.text_or_empty("service_type");
  // The member's meaning is inverted: true turns the kill switch off. The other name is what the
  // JavaScript client sends.
  request.disable_kill_switch = options.boolean("kill_switch").value_or(false) ||
                                options.boolean("disable_kill_switch").value_or(false);
  const auto slot = options.integer("proxy_port");
  const auto dns = parse_dns(options.text_or_empty("dns"));
  if (!members.good() || !filter.good() || !options.good() || !dns.ok() ||
      (slot && (*slot < 0 || *slot > 65535))) {
    return kBad;
  }
  request.slot = static_cast<int>(slot.value_or(0));
  request.dns = *dns;
  return out;
}

Result<ServiceBody> parse_service(std::string_view body) {
  MYST_TRY_ASSIGN(const json::Document document, parse_first_value(body));
  Members members(document.root());
  Members policies = members.object("access_policies");
  ServiceBody out;
  out.provider_id = members.text_or_empty("provider_id");
  out.type = members.text_or_empty("type");
  if (members.find("access_policies").is_object()) {
    out.policies = policies.texts("ids").value_or(std::vector<std::string>{});
  }
  if (const json::Value options = members.find("options"); !options.is_nothing()) {
    ServiceOptions read;
    out.options_fault = !parse_options(options, read);
    out.options = read;
  }
  if (!members.good() || !policies.good() || !policies.only({"ids"}) ||
      !members.only({"provider_id", "type", "access_policies", "options"})) {
    return kBad;
  }
  return out;
}

Result<SettleBody> parse_settle(std::string_view body) {
  MYST_TRY_ASSIGN(const json::Document document, parse_first_value(body));
  Members members(document.root());
  SettleBody out;
  out.provider_id = members.text_or_empty("provider_id");
  const auto several = members.texts("hermes_ids");
  const std::string one = members.text_or_empty("hermes_id");
  if (!members.good()) return kBad;
  for (const std::string& hermes : several.value_or(std::vector<std::string>{})) {
    out.hermeses.push_back(Address::parse_lenient(hermes));
  }
  if (out.hermeses.empty()) out.hermeses.push_back(Address::parse_lenient(one));
  return out;
}

Result<WithdrawBody> parse_withdraw(std::string_view body) {
  MYST_TRY_ASSIGN(const json::Document document, parse_first_value(body));
  Members members(document.root());
  WithdrawBody out;
  out.provider_id = members.text_or_empty("provider_id");
  out.hermes_id = members.text_or_empty("hermes_id");
  out.beneficiary = members.text_or_empty("beneficiary");
  out.amount = members.text_or_empty("amount");
  out.from = members.integer("from_chain_id").value_or(0);
  out.to = members.integer("to_chain_id").value_or(0);
  if (!members.good()) return kBad;
  return out;
}

Result<StakeBody> parse_decrease_stake(std::string_view body) {
  MYST_TRY_ASSIGN(const json::Document document, parse_first_value(body));
  Members members(document.root());
  StakeBody out;
  out.id = members.text_or_empty("id");
  out.amount = members.amount("amount").value_or(Wei());
  if (!members.good()) return kBad;
  return out;
}

Result<BeneficiaryBody> parse_beneficiary_change(std::string_view body) {
  MYST_TRY_ASSIGN(const json::Document document, parse_first_value(body));
  Members members(document.root());
  BeneficiaryBody out;
  out.beneficiary = members.text_or_empty("beneficiary");
  const Address hermes = Address::parse_lenient(members.text_or_empty("hermes_id"));
  if (!members.good()) return kBad;
  if (!hermes.is_zero()) out.hermeses.push_back(hermes);
  return out;
}

}  // namespace myst::rest
