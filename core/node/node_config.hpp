// The settings of a node machine, all with the network's defaults, and the values its user hands in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/time.hpp"
#include "core/base/u256.hpp"
#include "core/identity/address.hpp"
#include "core/market/filter.hpp"
#include "core/market/ranking.hpp"

namespace myst::core::node {

// Where promises live. In a network without a chain everything stays zero; the messages flow all the
// same, and nobody asks Hermes or a chain anything.
struct ChainConfig {
  bool present = false;
  std::uint64_t chain_id = 0;
  Address registry;
  Address hermes;                  // the active one
  Address channel_implementation;  // of that Hermes
};

struct PaymentConfig {
  Duration first_charge_period = std::chrono::seconds{5};
  Duration charge_period_limit = std::chrono::minutes{5};
  Wei first_max_unpaid{3000000000000000u};
  Wei max_unpaid_limit{30000000000000000u};
  Duration exchange_wait = std::chrono::seconds{50};
  Duration charge_period_leeway = std::chrono::minutes{2};
  Duration debounce = std::chrono::seconds{5};
  Duration first_invoice_limit = std::chrono::seconds{30};
  int hermes_failure_limit = 10;
  std::uint64_t consumer_leeway_bytes = 20u << 20;
  // The reference counts an invoice as sent only when our acknowledgement has arrived, and drops a
  // payment that comes earlier (seen in 9 of 102 payments after 1 to 2 ms, in none after 10 ms).
  Duration consumer_pause = std::chrono::milliseconds{20};
  bool accept_any_price = false;  // payments.during-session-debug
};

enum class TraversalMethod : std::uint8_t { Manual, Upnp, HolePunching };

struct Config {
  ChainConfig chain;
  PaymentConfig payment;

  // Provider
  std::vector<std::string> broker_addresses;  // of the contact in our proposals
  std::vector<TraversalMethod> traversal = {TraversalMethod::Manual, TraversalMethod::Upnp,
                                            TraversalMethod::HolePunching};
  std::uint8_t punch_ttl = 1;
  IpPrefix session_networks{IpAddress::v4(10, 182, 0, 0), 16};
  std::string link_prefix = "myst";
  std::string policy_url = "https://trust.mysterium.network/api/v1/access-policies/";
  Duration ping_interval = std::chrono::seconds{180};
  Duration register_retry = std::chrono::seconds{60};
  Duration channel_idle = std::chrono::seconds{60};
  Duration provider_keepalive = std::chrono::seconds{14};
  int provider_keepalive_failures = 5;

  // Consumer
  std::string origin_country;  // where this host is, without a tunnel; Node::set_origin_country
  bool kill_switch = false;    // outgoing-firewall
  bool keep_connected_on_fail = false;
  bool auto_reconnect = false;
  Duration consumer_keepalive = std::chrono::seconds{5};
  int consumer_keepalive_failures = 3;
  Duration keepalive_timeout = std::chrono::seconds{5};
  Duration dial_limit = std::chrono::seconds{20};
  Duration handshake_limit = std::chrono::seconds{60};
  Duration statistics_interval = std::chrono::seconds{1};
  int ip_checks = 6;
  Duration ip_check_pause = std::chrono::seconds{3};
  Duration price_check_interval = std::chrono::minutes{5};
  Duration reconnect_pause = std::chrono::seconds{1};  // doubled up to 30 s
  Duration proposal_cooldown = std::chrono::minutes{5};

  // Capacities. Full: a service, connection or session more is refused with a reason; a channel
  // more closes the oldest one without a session.
  std::size_t max_services = 32;
  std::size_t max_connections = 64;
  std::size_t max_channels = 512;
  std::size_t max_sessions = 256;  // the number of session networks is a bound of its own
  std::size_t max_connectivity_reports = 1000;  // the oldest goes
};

struct StartService {
  Address provider;  // unlocked
  std::string type;  // wireguard, scraping, data_transfer, dvpn, monitoring, noop
  std::vector<std::string> policies;
};

struct DnsOption {
  enum class Kind : std::uint8_t { Auto, Provider, System, Servers } kind = Kind::Auto;
  std::vector<IpAddress> servers;
};

struct ConnectOptions {
  int slot = 0;  // proxy port; 0: the whole host
  Address consumer;
  std::optional<Address> hermes;  // nullopt: the active one
  ProposalFilter filter;          // access_policy is set to "all" by the node
  SortBy sort = SortBy::None;
  DnsOption dns;
  bool disable_kill_switch = false;
};

}  // namespace myst::core::node
