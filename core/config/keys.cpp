#include "core/config/keys.hpp"

#include <charconv>

#include "core/base/text.hpp"

namespace myst::core {
namespace {

constexpr std::uint8_t G = ConfigKey::kGlobal, S = ConfigKey::kService, U = ConfigKey::kFile;
constexpr std::uint8_t GH = G | ConfigKey::kHidden, SH = S | ConfigKey::kHidden;
constexpr ConfigType B = ConfigType::Bool, I = ConfigType::Integer, N = ConfigType::Number,
                     T = ConfigType::Text, L = ConfigType::List, D = ConfigType::Duration;
constexpr std::string_view kSame;  // as mainnet

constexpr ConfigKey same(std::string_view name, ConfigType type, std::uint8_t scope,
                         std::string_view value, std::string_view help) {
  return {name, type, scope, value, kSame, kSame, kSame, help};
}
// A service of the public networks: nothing in a network of one's own unless its document names it.
constexpr ConfigKey foreign(std::string_view name, ConfigType type, std::uint8_t scope,
                            std::string_view value, std::string_view help) {
  return {name, type, scope, value, kSame, kSame, "", help};
}

// Names, types and defaults: node: config/flags_*.go, metadata/network.go.
constexpr ConfigKey kKeys[] = {
    // Directories
    same("data-dir", T, G, "~/.mysterium", "keystore, database, password, shell history"),
    same("config-dir", T, G, "~/.mysterium", "directory of the user configuration file"),
    same("log-dir", T, G, "~/.mysterium/logs", "log files; empty: no log file"),
    same("node-ui-dir", T, G, "~/.mysterium/nodeui", "downloaded dashboards"),
    same("runtime-dir", T, G, "@", "temporary files"),
    same("script-dir", T, G, "@/config", "helper scripts and location database"),

    // API, UI, diagnostics
    same("tequilapi.address", T, G, "127.0.0.1", "address the REST API listens on"),
    same("tequilapi.port", I, G, "4050", "port of the REST API"),
    same("tequilapi.allowed-hostnames", T, G, ".localhost, localhost, .localdomain",
         "comma list of host names the REST API answers to; a leading dot: sub-domains"),
    same("tequilapi.auth.username", T, G, "myst", "user name of the REST API"),
    same("tequilapi.auth.password", T, G, "mystberry", "password that `reset` restores"),
    same("tequilapi.debug", B, U, "false", "debug output of the REST API"),
    same("pprof.enable", B, G, "false", "profiler routes (accepted, without effect)"),
    same("sse.enable", B, G, "true", "feed the event stream"),
    same("ui.enable", B, G, "true", "web UI server"),
    same("ui.address", T, G, "", "comma list of web UI addresses; empty: LAN address and loopback"),
    same("ui.port", I, G, "4449", "port of the web UI"),
    same("ui.features", T, G, "", "comma list of features for the web UI"),
    same("local-service-discovery", B, G, "true", "announce the web UI by SSDP and Bonjour"),
    same("log-level", T, G, "debug", "trace, debug, info, warn, error, fatal, panic or disabled"),
    same("log.http", B, G, "false", "log outgoing HTTP exchanges"),
    same("verbose", B, G, "false", "keep logs on in client commands"),
    same("docs-url", T, GH, "https://docs.mysterium.network", "link to the documentation"),
    foreign("feedback.url", T, G, "https://feedback.mysterium.network", "feedback service"),
    same("vendor.id", T, G, "", "distributor id in metrics and claims"),
    same("launcher.ver", T, G, "", "launcher version in metrics (name/version)"),
    same("node.version", T, U, "", "last build that ran `service`"),

    // Run modes
    same("consumer", B, G, "false", "run as consumer only"),
    same("userspace", B, G, "false", "no privileges: in-process network stack"),
    same("usermode", B, G, "false", "unprivileged, with the help of the supervisor"),
    same("proxymode", B, G, "false", "consumer connections become local proxies"),
    same("dvpnmode", B, G, "false", "kernel tunnels without changing system routes"),
    same("keystore.lightweight", B, G, "true", "new keys with the small scrypt setting"),

    // Network and traffic
    same("network", T, G, "mainnet", "mainnet, testnet, localnet, or the URL of a hub"),
    {"chain-id", I, G, "137", "80002", "1", "0", "active chain; 0: network without a chain"},
    {"discovery.address", T, G, "https://discovery.mysterium.network/api/v4",
     "https://discovery-testnet.mysterium.network/api/v4", "http://localhost:8001/v1", "",
     "discovery API"},
    {"api.address", T, G, "https://discovery.mysterium.network/api/v4",
     "https://discovery-testnet.mysterium.network/api/v4", "http://localhost:8001/v1", "",
     "deprecated, unused"},
    {"broker-address", L, G, "nats://broker.mysterium.network",
     "nats://broker.mysterium.network:4223", "localhost", "", "broker URLs"},
    {"ether.client.rpcl1", L, G, "https://ethereum1.mysterium.network/,https://cloudflare-eth.com/",
     kSame, "", "", "RPC URLs of chain 1"},
    {"ether.client.rpcl2", L, G, "https://polygon1.mysterium.network/,https://polygon.drpc.org",
     "https://polygon-amoy1.mysterium.network", "", "", "RPC URLs of chain 2"},
    same("bind.address", T, G, "0.0.0.0", "source address of services and outgoing HTTP"),
    same("proxy.bind.address", T, G, "0.0.0.0", "bind address in proxymode"),
    same("udp.ports", T, G, "10000:60000", "UDP port range, start:end"),
    same("traversal", T, G, "manual,upnp,holepunching", "order of NAT methods"),
    foreign("port-check-servers", T, GH, "echo.mysterium.network:4589",
            "comma list of asymmetric UDP echo servers"),
    foreign("stun-servers", L, G,
            "stun.l.google.com:19302,stun1.l.google.com:19302,stun2.l.google.com:19302",
            "STUN servers for hole punching"),
    same("dns.listen-port", I, G, "11253", "port of the provider's DNS proxy"),
    same("dns-resolution-headstart", D, GH, "1.5s", "head start of DNS over pinned addresses"),
    same("incoming-firewall", B, G, "false", "filter incoming provider traffic"),
    same("outgoing-firewall", B, G, "false", "filter outgoing traffic"),
    same("firewall.killSwitch.always", B, G, "false", "always block traffic outside the tunnel"),
    same("firewall.protected.networks", T, G, "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,127.0.0.0/8",
         "comma list of subnets consumers may not reach"),
    same("keep-connected-on-fail", B, G, "false", "keep a failed tunnel blocked"),
    same("auto-reconnect", B, G, "false", "reconnect a held connection"),
    same("stats-report-interval", D, GH, "1s", "consumer statistics period"),
    same("shaper.enabled", B, G, "false", "limit provider bandwidth"),
    same("shaper.bandwidth", I, G, "6250", "limit in kilobytes per second and direction"),
    same("shaper.total", I, G, "0",
         "limit of all sessions together, shared evenly, as above; 0: none"),
    same("wireguard.backend", T, G, "auto",
         "auto (the kernel's module where it is there and faster), kernel or userspace"),
    same("wireguard.mtu", I, G, "0", "MTU of tunnels: 0 automatic, else 68 to 1500"),
    same("nat-hole-punching", B, G, "true", "deprecated, unused"),
    same("experiment-natpunching", B, GH, "true", "deprecated, unused"),
    same("nat-port-mapping", B, G, "true", "deprecated, unused"),
    same("p2p.listen.ports", T, G, "0:0", "deprecated, unused"),

    // Discovery, location, quality, policies
    same("discovery.type", L, G, "api", "api, broker, dht"),
    same("discovery.ping", D, G, "180s", "proposal announce period"),
    same("discovery.fetch", D, G, "180s", "proposal fetch period"),
    same("discovery.dht.address", T, G, "0.0.0.0", "DHT listen address"),
    same("discovery.dht.port", I, G, "0", "DHT port; 0: random"),
    same("discovery.dht.proto", T, G, "tcp", "DHT protocol"),
    same("discovery.dht.peers", L, G, "", "DHT bootstrap peers"),
    foreign("ip-detector", T, G, "https://location.mysterium.network/api/v1/location",
            "public IP service"),
    same("location.type", T, G, "oracle", "oracle, builtin, mmdb or manual"),
    {"location.address", T, G, "https://location.mysterium.network/api/v1/location", kSame, "", "",
     "location service, or database file below script-dir"},
    same("location.country", T, G, "", "country when location.type is manual"),
    same("location.city", T, G, "", "city when location.type is manual"),
    same("location.ip-type", T, G, "", "IP type when location.type is manual"),
    {"quality.type", T, G, "morqa", kSame, kSame, "none", "morqa, elastic or none"},
    foreign("quality.address", T, G, "https://quality.mysterium.network/api/v3", "quality service"),
    {"access-policy.address", T, G, "https://trust.mysterium.network/api/v1/access-policies/",
     "https://trust-testnet.mysterium.network/api/v1/access-policies/",
     "https://localhost:8081/api/v1/access-policies/", "", "access policy service"},
    same("access-policy.fetch", D, G, "10m", "refresh period of policy copies"),
    same("access-policy.fetching-enabled", B, G, "false", "fetch access policies periodically"),
    same("resident-country", T, G, "", "country for tax; empty: origin country"),

    // Remote services and chains
    {"transactor.address", T, G, "https://transactor.mysterium.network/api/v1",
     "https://transactor-testnet.mysterium.network/api/v1", "", "", "transactor"},
    same("transactor.provider.max-registration-attempts", I, G, "10", "registration attempts"),
    same("transactor.provider.try-free-registration", B, G, "false", "register free when eligible"),
    same("payments.transactor.fees-valid-time", D, GH, "30s", "age at which fees are read again"),
    {"affiliator.address", T, G, "https://affiliator.mysterium.network/api/v1", kSame, "", "",
     "affiliator"},
    {"pilvytis.address", T, G, "https://pilvytis.mysterium.network",
     "https://pilvytis.testnet.mysterium.network", "http://localhost:8002/api/v1", "",
     "top-up service"},
    {"observer.address", T, G, "https://observer.mysterium.network",
     "https://observer.testnet.mysterium.network", "", "", "observer of hermeses"},
    {"mmn.web-address", T, G, "https://my.mystnodes.com", kSame, "http://localhost/", "",
     "mystnodes site"},
    {"mmn.api-address", T, G, "https://api.mystnodes.com/api/v1", kSame, "http://localhost/api/v1",
     "", "mystnodes API"},
    same("mmn.api-key", T, G, "", "mystnodes key"),
    {"chains.1.registry", T, G, "0x87F0F4b7e0FAb14A565C87BAbbA6c40c92281b51", "", "", "",
     "registry contract, chain 1"},
    {"chains.1.hermes", T, G, "0xa62a2a75949d25e17c6f08a7818e7be97c18a8d2", "", "", "",
     "hermes, chain 1"},
    {"chains.1.channelImplementation", T, G, "0xbd20839b331a7a8d10e34cdf7219edf334814c4f", "", "",
     "", "channel implementation, chain 1"},
    {"chains.1.myst", T, G, "0x4Cf89ca06ad997bC732Dc876ed2A7F26a9E7f361", "", "", "",
     "token contract, chain 1"},
    {"chains.1.chainID", I, G, "1", "1", "0", "0", "id of chain 1"},
    {"chains.1.knownHermeses", L, G, "0xa62a2a75949d25e17c6f08a7818e7be97c18a8d2", "", "", "",
     "known hermeses, chain 1"},
    {"chains.2.registry", T, G, "0x87F0F4b7e0FAb14A565C87BAbbA6c40c92281b51",
     "0x935305eBD48264E72067c242231b9c1638f8722c", "", "", "registry contract, chain 2"},
    {"chains.2.hermes", T, G, "0x80ed28d84792d8b153bf2f25f0c4b7a1381de4ab",
     "0xf1e8f60009005cc760c8e96fb3cabd992f9004e6", "", "", "hermes, chain 2"},
    {"chains.2.channelImplementation", T, G, "0x6b423D3885B4877b5760E149364f85f185f477aD",
     "0xA7D2b4834e059720b18EAfa56Fc076622a6d6275", "", "", "channel implementation, chain 2"},
    {"chains.2.myst", T, G, "0x1379e8886a944d2d9d440b3d88df536aea08d9f3",
     "0x5B75A099da7533CC800e77eeAEc3409c12420A15", "", "", "token contract, chain 2"},
    {"chains.2.chainID", I, G, "137", "80002", "0", "0", "id of chain 2"},
    {"chains.2.knownHermeses", L, G,
     "0xa62a2a75949d25e17c6f08a7818e7be97c18a8d2,0x80ed28d84792d8b153bf2f25f0c4b7a1381de4ab",
     "0xf1e8f60009005cc760c8e96fb3cabd992f9004e6", "", "", "known hermeses, chain 2"},
    {"default-currency", T, GH, "MYST", kSame, "", "MYST", "display currency"},

    // Payments
    same("payments.hermes.max.fee", I, G, "3000", "highest accepted hermes fee, 1/10000"),
    same("payments.bc.timeout", D, G, "30s", "blockchain call timeout"),
    same("payments.hermes.promise.threshold", N, G, "0.1", "share of balance left that settles"),
    same("payments.settle.max-fee-percentage", N, G, "0.05", "highest fee share when settling"),
    same("payments.unsettled.max-amount", N, G, "20", "MYST above which the share is ignored"),
    same("payments.zero-stake-unsettled-amount", N, G, "5", "MYST that settles without stake"),
    same("payments.hermes.settle.timeout", D, GH, "3m", "wait for settlement"),
    same("payments.hermes.settle.check-interval", D, GH, "30s", "settlement check period"),
    same("payments.balance-long-poll.interval", D, GH, "1h", "balance poll, at rest"),
    same("payments.balance-short-poll.interval", D, GH, "1m", "balance poll, after a top-up"),
    same("payments.balance-short-poll.timeout", D, GH, "10m", "how long to poll after a top-up"),
    same("payments.registry-transactor-poll.interval", D, GH, "20s", "registration poll"),
    same("payments.registry-transactor-poll.timeout", D, GH, "20m", "how long to poll for it"),
    {"payments.consumer.data-leeway-megabytes", I, G, "20", kSame, "0", kSame,
     "data paid up front"},
    same("payments.consumer.offchain-expiration", D, GH, "30m", "off-chain balance lifetime"),
    same("payments.provider.hermes-status-recheck-interval", D, GH, "2h", "hermes status period"),
    same("payments.provider.invoice-frequency", D, GH, "5s", "first invoice period"),
    same("payments.provider.invoice-frequency-limit", D, G, "5m", "longest invoice period"),
    same("payments.provider.max-unpaid-invoice-value", T, GH, "3000000000000000", "wei, first"),
    same("payments.provider.max-unpaid-invoice-value-limit", T, G, "30000000000000000",
         "wei, highest unpaid value"),
    same("payments.during-session-debug", B, GH, "false", "accept any price"),
    same("payments.amount-during-session-debug-amount", T, GH, "5000000000000000000", "wei"),

    // Services
    same("identity", T, S, "", "provider identity"),
    same("identity.passphrase", T, S, "", "passphrase of the provider identity"),
    same("agreed-terms-and-conditions", B, S, "false", "agree with the terms and conditions"),
    same("active-services", T, S, "scraping,data_transfer,dvpn,monitoring",
         "comma list of services to start"),
    same("stopped-services", T, SH, "", "comma list of services stopped by hand"),
    same("access-policy.list", T, S, "", "comma list of access policies of the services"),
    same("payment.price-gib", N, S, "0.1", "price per GiB in MYST"),
    same("payment.price-hour", N, S, "0.00006", "price per hour in MYST"),
    same("openvpn.binary", T, G, "openvpn", "OpenVPN program"),
    same("openvpn.proto", T, S, "udp", "OpenVPN protocol"),
    same("openvpn.port", I, S, "0", "OpenVPN port; 0: one of udp.ports"),
    same("openvpn.subnet", T, S, "10.8.0.0", "OpenVPN subnet"),
    same("openvpn.netmask", T, S, "255.255.255.0", "OpenVPN subnet mask"),
    same("openvpn.access-policies", T, S, "", "comma list of access policies"),
    same("wireguard.allowed.subnet", T, S, "10.182.0.0/16", "subnet of WireGuard tunnels"),
    same("wireguard.access-policies", T, S, "", "comma list of access policies"),
    same("wireguard.listen.ports", T, S, "0:0", "deprecated, unused"),
    same("noop.access-policies", T, SH, "", "comma list of access policies"),
    same("quic.domain", T, G | S, "", "QUIC domain"),
    same("quic.key", T, G | S, "", "QUIC key file"),
    same("quic.cert", T, G | S, "", "QUIC certificate file"),
    same("quic.login", T, G | S, "mystuser", "QUIC user"),
    same("quic.password", T, G | S, "mystpass", "QUIC password"),
    same("control-plane.accept-unsigned", B, SH, "false",
         "obey unsigned start and stop messages of the broker, as older nodes did"),

    // Written by software only
    same("terms.provider-agreed", B, U, "false", "terms agreed as provider"),
    same("terms.consumer-agreed", B, U, "false", "terms agreed as consumer"),
    same("terms.version", T, U, "", "version of the terms agreed with"),
};

}  // namespace

const char* to_string(NetworkKind kind) {
  switch (kind) {
    case NetworkKind::Mainnet:
      return "mainnet";
    case NetworkKind::Testnet:
      return "testnet";
    case NetworkKind::Localnet:
      return "localnet";
    case NetworkKind::Own:
      return "own";
  }
  return "";
}

Result<NetworkKind> parse_network(std::string_view text) {
  const std::string lower = to_lower(trim(text));
  for (const auto kind : {NetworkKind::Mainnet, NetworkKind::Testnet, NetworkKind::Localnet}) {
    if (lower == to_string(kind)) return kind;
  }
  std::string_view host = lower;
  bool has_scheme = false;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (host.substr(0, scheme.size()) != scheme) continue;
    host.remove_prefix(scheme.size());
    has_scheme = true;
    break;
  }
  host = host.substr(0, host.find('/'));
  constexpr std::string_view kHost = "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]";
  const bool is_host = !host.empty() && host.size() <= 255 && host.back() != ':' &&
                       host.find_first_not_of(kHost) == std::string::npos;
  // Without a scheme a bare word would be a misspelt name more often than a host.
  if (is_host && (has_scheme || host.find_first_of(".:") != std::string::npos)) {
    return NetworkKind::Own;
  }
  return Error{Errc::NotFound, 0, "network is none of mainnet, testnet, localnet, a hub's URL"};
}

bool ConfigKey::is_secret() const {
  // `identity` and this one would collide as scalar and table in the tree; both are read from the
  // command line only, and a passphrase has no place in an answer without authentication.
  return name == "identity.passphrase";
}

std::string_view ConfigKey::default_text(NetworkKind kind) const {
  const std::string_view text = kind == NetworkKind::Testnet    ? testnet
                                : kind == NetworkKind::Localnet ? localnet
                                : kind == NetworkKind::Own      ? own
                                                                : mainnet;
  return text.data() == nullptr ? mainnet : text;
}

Span<const ConfigKey> config_keys() { return kKeys; }

const ConfigKey* find_config_key(std::string_view name) {
  for (const ConfigKey& key : kKeys) {
    if (equal_ignoring_case(key.name, name)) return &key;
  }
  return nullptr;
}

Result<ConfigValue> parse_config_text(ConfigType type, std::string_view text) {
  switch (type) {
    case ConfigType::Bool: {
      const auto value = parse_bool(text);
      if (!value) return Error{Errc::Malformed, 0, "not a boolean"};
      return ConfigValue(*value);
    }
    case ConfigType::Integer: {
      const auto value = parse_integer(text);
      if (!value) return Error{Errc::Malformed, 0, "not a whole number"};
      return ConfigValue(*value);
    }
    case ConfigType::Number: {
      double value = 0;
      const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (status != std::errc{} || end != text.data() + text.size() || text.empty() ||
          !(value > -1e300 && value < 1e300)) {
        return Error{Errc::Malformed, 0, "not a number"};
      }
      return ConfigValue(value);
    }
    case ConfigType::Text:
      return ConfigValue(std::string(text));
    case ConfigType::List: {
      ConfigValue::List items;
      for (const std::string_view item : split(text, ',')) {
        items.emplace_back(std::string(trim(item)));
      }
      return ConfigValue(std::move(items));
    }
    case ConfigType::Duration: {
      MYST_TRY_ASSIGN(const Duration value, parse_duration(text));
      return ConfigValue(std::int64_t{value.count()});
    }
  }
  return Error{Errc::Internal, 0, "configuration type"};
}

}  // namespace myst::core
