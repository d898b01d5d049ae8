// The settings of a node machine, all with the network's defaults, and the values its user hands
// in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/time.hpp"
#include "core/identity/address.hpp"
#include "core/market/filter.hpp"
#include "core/market/ranking.hpp"
#include "core/payment/settings.hpp"

namespace myst::core::node {

using core::ChainConfig;
using core::PaymentConfig;

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
