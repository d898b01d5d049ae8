// What all parts of one node share: settings, effects, who listens to which socket, broker
// subscription and tunnel, unlocked identities, prices, sums of promises, session networks.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/rng.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "core/identity/signer.hpp"
#include "core/market/price.hpp"
#include "core/node/effect_queue.hpp"
#include "core/node/effects.hpp"
#include "core/node/node_config.hpp"
#include "core/payment/grand_totals.hpp"
#include "core/session/network_allocator.hpp"

namespace myst::core::node {

class SocketUser {
 public:
  virtual ~SocketUser() = default;
  virtual void on_datagram(Now now, SocketId socket, const Endpoint& from, ByteSpan bytes) = 0;
  virtual void on_refused(Now, const Endpoint& /*to*/) {}  // only after UdpTellRefused
};

class BrokerUser {
 public:
  virtual ~BrokerUser() = default;
  virtual void on_broker_message(Now now, std::uint32_t local_tag, std::string_view reply_subject,
                                 ByteSpan payload) = 0;
};

class TunnelUser {
 public:
  virtual ~TunnelUser() = default;
  virtual void on_tunnel_up(Now now) = 0;
  virtual void on_tunnel_lost(Now now, const Error& why) = 0;
  virtual void on_tunnel_counters(Now now, const TunnelCounters& counters) = 0;
};

struct Context {
  Context(const Config& c, Rng& r)
      : config(c), rng(r), networks(c.session_networks, c.link_prefix) {}

  Config config;
  Rng& rng;
  EffectQueue fx;
  NetworkAllocator networks;
  GrandTotals totals;
  PriceTable prices;
  std::map<Address, std::shared_ptr<const Signer>> signers;
  // Of access policies fetched as documents.
  std::vector<Address> allowed_consumers;  // empty: everybody
  bool dns_rules = false;
  bool broker_connected = false;  // the own one

  // Who gets what arrives. Users take themselves out before they go.
  std::map<SocketId, SocketUser*> sockets;
  std::map<std::uint32_t, std::pair<BrokerUser*, std::uint32_t>> subscriptions;  // by tag
  std::map<TunnelId, TunnelUser*> tunnels;

  SocketId new_socket() { return ++last_socket_; }
  BrokerId new_broker() { return ++last_broker_; }
  std::uint32_t new_tag() { return ++last_tag_; }
  std::uint32_t new_mapping() { return ++last_mapping_; }
  TunnelId new_tunnel() { return ++last_tunnel_; }

  std::shared_ptr<const Signer> signer(const Address& identity) const {
    const auto found = signers.find(identity);
    return found == signers.end() ? nullptr : found->second;
  }

 private:
  SocketId last_socket_ = 0;
  BrokerId last_broker_ = kOwnBroker;
  std::uint32_t last_tag_ = 0, last_mapping_ = 0;
  TunnelId last_tunnel_ = 0;
};

}  // namespace myst::core::node
