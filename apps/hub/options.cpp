#include "apps/hub/options.hpp"

#include <functional>
#include <optional>

#include "core/base/text.hpp"
#include "core/broker/address.hpp"
#include "platform/json/json.hpp"

namespace myst::hub {
namespace {

// What is wrong with a value; nullopt: nothing.
using Problem = std::optional<std::string>;

struct Flag {
  const char* name;
  const char* value;  // what the help calls it; nullptr: a switch
  const char* help;
  std::function<Problem(Options&, const std::string&)> set;
};

template <typename T>
std::function<Problem(Options&, const std::string&)> number(T Options::*field, std::uint64_t least,
                                                            std::uint64_t most) {
  return [field, least, most](Options& options, const std::string& text) -> Problem {
    const auto value = parse_decimal(text);
    if (!value || *value < least || *value > most) {
      return "is not a number from " + std::to_string(least) + " to " + std::to_string(most);
    }
    options.*field = static_cast<T>(*value);
    return {};
  };
}

std::function<Problem(Options&, const std::string&)> text(std::string Options::*field) {
  return [field](Options& options, const std::string& value) -> Problem {
    if (value.empty()) return "must not be empty";
    options.*field = value;
    return {};
  };
}

Problem parse_country(const std::string& value, std::string& out) {
  if (value.size() != 2 ||
      value.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string::npos) {
    return "is not a country code such as LT";
  }
  out = value;
  return {};
}

Problem set_listen(Options& options, const std::string& value) {
  const auto ip = IpAddress::parse(value);
  if (!ip.ok()) return "is not an IP address";
  options.listen = *ip;
  return {};
}

Problem set_broker_listen(Options& options, const std::string& value) {
  if (const auto port = parse_decimal(value); port && *port <= 65535) {
    options.broker_listen.port = static_cast<std::uint16_t>(*port);
    return {};
  }
  const auto endpoint = Endpoint::parse(value);
  if (!endpoint.ok()) return "is neither a port nor address:port";
  options.broker_listen = *endpoint;
  options.broker_listen_given = true;
  return {};
}

Problem set_upstream(Options& options, const std::string& value) {
  const auto address = core::BrokerAddress::parse(value);
  if (!address.ok() || address->tls || !address->user.empty()) {
    return "is not the host:port of a plain nats-server";
  }
  options.upstream_host = address->host;
  options.upstream_port = address->port;
  return {};
}

// <network>=<country>[/<IP type>]
Problem add_place(Options& options, const std::string& value) {
  const std::size_t equals = value.find('=');
  const auto network = IpPrefix::parse(value.substr(0, equals));
  if (equals == std::string::npos || !network.ok()) {
    return "is not of the form 192.0.2.0/24=LT or 192.0.2.0/24=LT/hosting";
  }
  std::string place = value.substr(equals + 1), ip_type = options.place.ip_type;
  if (const std::size_t slash = place.find('/'); slash != std::string::npos) {
    ip_type = place.substr(slash + 1);
    place.resize(slash);
  }
  std::string country;
  if (const Problem problem = parse_country(place, country)) return problem;
  options.places.emplace_back(*network, core::Place{country, ip_type});
  return {};
}

Problem set_url(Options& options, const std::string& value) {
  if (value.rfind("http://", 0) != 0 && value.rfind("https://", 0) != 0) {
    return "is not an http or https URL";
  }
  options.public_url = value;
  while (options.public_url.back() == '/') options.public_url.pop_back();
  return {};
}

Problem set_proxy(Options& options, const std::string& value) {
  if (!IpAddress::parse(value).ok()) return "is not an IP address";
  options.trusted_proxy = value;
  return {};
}

Problem set_skew(Options& options, const std::string& value) {
  const auto seconds = parse_decimal(value);
  if (!seconds || *seconds == 0 || *seconds > 86400)
    return "is not a number of seconds up to 86400";
  options.broker_skew = std::chrono::seconds{*seconds};
  return {};
}

std::function<Problem(Options&, const std::string&)> wei(Wei Options::*field) {
  return [field](Options& options, const std::string& value) -> Problem {
    const auto amount = U256::parse(value);
    if (!amount.ok()) return "is not a number of wei";
    options.*field = *amount;
    return {};
  };
}

Problem add_contracts(Options& options, const std::string& value) {
  // Two chains are what a node can know.
  if (value.empty() || options.contracts_files.size() == 2) return "is no file, or the third one";
  options.contracts_files.push_back(value);
  return {};
}

Problem add_node_rpc(Options& options, const std::string& value) {
  if (value.rfind("http://", 0) != 0 && value.rfind("https://", 0) != 0) {
    return "is not an http or https URL";
  }
  options.node_rpc.push_back(value);
  return {};
}

std::function<Problem(Options&, const std::string&)> fee(Wei core::transactor::Fees::*field) {
  return [field](Options& options, const std::string& value) -> Problem {
    const auto amount = U256::parse(value);
    if (!amount.ok()) return "is not a number of wei";
    options.fees.*field = *amount;
    return {};
  };
}

std::function<Problem(Options&, const std::string&)> gas(Wei chain::FeePolicy::*field) {
  return [field](Options& options, const std::string& value) -> Problem {
    const auto amount = U256::parse(value);
    if (!amount.ok() || amount->is_zero()) return "is not a number of wei above zero";
    options.gas.*field = *amount;
    return {};
  };
}

Problem set_keep_agreements(Options& options, const std::string& value) {
  const auto number = parse_decimal(value);
  if (!number || *number < 7 || *number > 36500) return "is no number of days from 7 to 36500";
  options.keep_agreements = std::chrono::hours{24 * *number};
  return {};
}

Problem set_cash_interval(Options& options, const std::string& value) {
  const auto number = parse_decimal(value);
  if (!number || *number == 0 || *number > 86400) return "is not a number of seconds up to 86400";
  options.cash_interval = std::chrono::seconds{*number};
  return {};
}

Problem add_price(Options& options, const std::string& value) {
  const auto rule = core::PriceBoard::parse_rule(value);
  if (!rule.ok()) return "is not of the form 1000,2000 or LT/residential/dvpn=1000,2000";
  options.prices.push_back(*rule);
  return {};
}

const std::vector<Flag>& flags() {
  static const std::vector<Flag> kFlags{
      {"--name", "NAME", "what the network is called (default: myst)", text(&Options::name)},
      {"--listen", "IP", "address of HTTP, broker, STUN and port check (default: 0.0.0.0)",
       set_listen},
      {"--http-port", "PORT", "discovery API, location, network document (default: 8080)",
       number(&Options::http_port, 1, 65535)},
      {"--broker-listen", "[IP:]PORT",
       "where nodes reach the broker gate; 0: no gate (default: 4222)", set_broker_listen},
      {"--broker-upstream", "HOST:PORT",
       "the nats-server behind the gate; let nobody else reach it (default: 127.0.0.1:4223)",
       set_upstream},
      {"--broker-skew", "SECONDS", "how old or early a signature may be (default: 300)", set_skew},
      {"--max-broker-clients", "N", "connections the gate takes (default: 20000)",
       number(&Options::max_broker_clients, 1, 1000000)},
      {"--max-broker-clients-per-address", "N", "of them from one address (default: 256)",
       number(&Options::max_broker_clients_per_address, 1, 1000000)},
      {"--accept-unnamed-proposals", nullptr,
       "also take proposals another gate passed on without naming their signer",
       [](Options& options, const std::string&) -> Problem {
         options.accept_unnamed_proposals = true;
         return {};
       }},
      {"--compatibility-min", "N", "refuse proposals of nodes older than that (default: 0)",
       number(&Options::compatibility_min, 0, 32767)},
      {"--stun-port", "PORT", "UDP; 0: no STUN server (default: 3478)",
       number(&Options::stun_port, 0, 65535)},
      {"--port-check-port", "PORT", "UDP; 0: no open-port check (default: 4589)",
       number(&Options::port_check_port, 0, 65535)},
      {"--data-dir", "DIR", "keeps proposals over a restart (default: memory only)",
       text(&Options::data_dir)},
      {"--country", "CC", "country of callers nobody knows, such as LT",
       [](Options& options, const std::string& value) {
         return parse_country(value, options.place.country);
       }},
      {"--ip-type", "TYPE", "their IP type (default: residential)",
       [](Options& options, const std::string& value) -> Problem {
         if (value.empty()) return "must not be empty";
         options.place.ip_type = value;
         return {};
       }},
      {"--geo-csv", "FILE", "country database: lines first,last,CC or network/length,CC",
       text(&Options::geo_csv)},
      {"--place", "NET=CC[/TYPE]", "place of one network, before the database; may be repeated",
       add_place},
      {"--policies", "DIR",
       "access policy documents, one *.json each (default: every identity is allowed)",
       text(&Options::policies_dir)},
      {"--public-url", "URL", "how nodes reach HTTP (default: as the caller asked)", set_url},
      {"--public-address", "HOST",
       "how nodes reach broker, STUN and port check (default: the host of the URL)",
       [](Options& options, const std::string& value) -> Problem {
         const bool name = value.find_first_of(":/@") == std::string::npos &&
                           core::BrokerAddress::parse(value).ok();
         if (!name && !IpAddress::parse(value).ok()) return "is not a host name or IP address";
         options.public_address = value;
         return {};
       }},
      {"--contracts", "FILE",
       "a chain and its contracts, as drivers/ethereum/contracts/deploy writes it; a second chain "
       "may follow",
       add_contracts},
      {"--node-rpc", "URL", "JSON-RPC endpoint nodes are told (default: those of --contracts)",
       add_node_rpc},
      {"--hermes-key", "FILE",
       "key of the Hermes operator, hex or keystore: Hermes runs here (needs --data-dir)",
       text(&Options::hermes_key_file)},
      {"--ledger", "URL",
       "keeps Hermes' ledger in PostgreSQL, which several hubs may share, such as "
       "postgresql://user@host/database (default: SQLite in --data-dir)",
       text(&Options::ledger_url)},
      {"--key-passphrase", "FILE", "passphrase of keystore files (default: empty)",
       text(&Options::key_passphrase_file)},
      {"--max-unsettled", "WEI",
       "what one provider may have earned and not settled (default: no limit)",
       wei(&Options::max_unsettled)},
      {"--transactor-key", "FILE",
       "key of the account that sends transactions: the transactor runs here (needs --data-dir)",
       text(&Options::transactor_key_file)},
      {"--registration-fee", "WEI", "what a registration costs its identity (default: nothing)",
       fee(&core::transactor::Fees::register_identity)},
      {"--settlement-fee", "WEI", "what a settlement costs (default: nothing)",
       fee(&core::transactor::Fees::settle)},
      {"--stake-fee", "WEI", "what decreasing a stake costs (default: nothing)",
       fee(&core::transactor::Fees::decrease_stake)},
      {"--coin-price", "WEI",
       "of one of the chain's coins, in wei of the token: the fees above follow the price of gas "
       "and "
       "are only their least",
       wei(&Options::coin_price)},
      {"--free-per-day", "N", "transactions for which nobody pays (default: 1000)",
       number(&Options::free_per_day, 0, 1000000000)},
      {"--min-tip", "WEI", "for a unit of gas, at least (default: 1 gwei; Polygon wants 30)",
       gas(&chain::FeePolicy::min_tip)},
      {"--max-gas-fee", "WEI", "for a unit of gas, at most (default: 1000 gwei)",
       gas(&chain::FeePolicy::max_fee)},
      {"--confirmations", "N",
       "blocks until a transaction, or a consumer's top-up, counts (default: 1)",
       number(&Options::confirmations, 1, 1000)},
      {"--cash-threshold", "WEI",
       "Hermes cashes a consumer's promises from that on (default: 0.1 MYST)",
       wei(&Options::cash_threshold)},
      {"--keep-agreements", "DAYS",
       "rolls up agreements untouched for that long in Hermes' ledger (default: 90)",
       set_keep_agreements},
      {"--cash-interval", "SECONDS", "and looks for them that often (default: 600)",
       set_cash_interval},
      {"--price", "RULE",
       "wei per hour and GiB, such as 60000000000000,100000000000000000 or "
       "LT/residential/dvpn=1,2; may be repeated, later ones win (default: free)",
       add_price},
      {"--prices", "FILE", "further rules, one a line; read again at SIGHUP",
       text(&Options::prices_file)},
      {"--trusted-proxy", "IP", "reverse proxy whose X-Forwarded-For names the caller", set_proxy},
  };
  return kFlags;
}

// {"host","port","nats":{"host","port"},"countries":{"<ip>":"<CC>"}}: how the test laboratory says
// where its parts are. Other members are not ours.
Problem apply_json(Options& options, const std::string& value) {
  const auto document = json::Document::parse(value);
  if (!document.ok() || !document->root().is_object()) return "is not a JSON object";
  const json::Value root = document->root();
  if (root["host"].exists()) {
    if (const Problem problem = set_listen(options, root["host"].string_or("")))
      return "host " + *problem;
  }
  if (root["port"].exists()) {
    const auto set = number(&Options::http_port, 1, 65535);
    if (const Problem problem = set(options, root["port"].to_text())) return "port " + *problem;
  }
  if (const json::Value nats = root["nats"]; nats.exists()) {
    const std::string upstream = nats["host"].string_or("127.0.0.1") + ":" + nats["port"].to_text();
    if (const Problem problem = set_upstream(options, upstream)) return "nats " + *problem;
  }
  for (const auto& [ip, country] : root["countries"]) {
    const std::string place = std::string(ip) + "=" + country.string_or("");
    if (const Problem problem = add_place(options, place)) return "countries " + *problem;
  }
  return {};
}

}  // namespace

ParsedOptions parse_options(const std::vector<std::string>& words) {
  Options options;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--help" || word == "-h") return HelpWanted{};
    if (word == "--version") return VersionWanted{};
    if (word == "--routes") return RoutesWanted{};
    if (!word.empty() && word[0] == '{') {
      if (const Problem problem = apply_json(options, word))
        return UsageError{"settings: " + *problem};
      continue;
    }
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const Flag* flag = nullptr;
    for (const Flag& known : flags()) {
      if (name == known.name) flag = &known;
    }
    if (flag == nullptr) return UsageError{"unknown flag " + name + ", try --help"};
    std::string value;
    if (flag->value == nullptr) {
      if (equals != std::string::npos) return UsageError{name + " takes no value"};
    } else if (equals != std::string::npos) {
      value = word.substr(equals + 1);
    } else if (++i < words.size()) {
      value = words[i];
    } else {
      return UsageError{name + " needs a value"};
    }
    if (const Problem problem = flag->set(options, value)) {
      return UsageError{name + ": \"" + value + "\" " + *problem};
    }
  }
  for (const auto& [flag, file] : {std::pair("--hermes-key", &options.hermes_key_file),
                                   std::pair("--transactor-key", &options.transactor_key_file)}) {
    if (!file->empty() && (options.contracts_files.empty() || options.data_dir.empty())) {
      return UsageError{std::string(flag) + " needs --contracts and --data-dir"};
    }
  }
  if (!options.broker_listen_given) options.broker_listen.ip = options.listen;
  return options;
}

std::string help_text() {
  std::string out =
      "myst-hub: what a network needs besides its nodes and a nats-server: broker gate, discovery "
      "API,\n"
      "location, STUN, open-port check and the network document that nodes join with\n"
      "(myst --network http://<this host>:8080).\n\n"
      "  nats-server -a 127.0.0.1 -p 4223 &\n"
      "  myst-hub --country LT --data-dir /var/lib/myst-hub\n\n"
      "Flags (also as --flag=value):\n";
  for (const Flag& flag : flags()) {
    std::string left = std::string("  ") + flag.name +
                       (flag.value == nullptr ? "" : std::string(" ") + flag.value);
    if (left.size() < 36) left.resize(36, ' ');
    out += left + " " + flag.help + "\n";
  }
  out +=
      "  --version, --help, --routes       the last one lists every call that is served over HTTP\n"
      "A JSON object "
      "{\"host\",\"port\",\"nats\":{\"host\",\"port\"},\"countries\":{\"IP\":\"CC\"}} sets the "
      "same.\n"
      "SIGHUP reads --policies, --geo-csv and --prices again. SIGTERM ends in good order.\n";
  return out;
}

}  // namespace myst::hub
