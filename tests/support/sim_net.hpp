// UDP between simulated hosts: NAT boxes by mapping and filtering behaviour (RFC 4787 sections 4
// and 5), loss, delay, reordering by jitter, duplicates, hop limits, partitions. Everything by a
// seed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "tests/support/support.hpp"

namespace myst::test {

// What a rule looks at: nothing, the peer's address, or its address and port.
enum class NatRule : std::uint8_t {
  EndpointIndependent,
  AddressDependent,
  AddressAndPortDependent
};
struct NatBox {
  NatRule mapping = NatRule::EndpointIndependent;
  NatRule filtering = NatRule::AddressAndPortDependent;
};

class SimNet {
 public:
  struct Path {
    unsigned loss_percent = 0;
    unsigned duplicate_percent = 0;
    Duration delay = std::chrono::milliseconds{10};
    Duration jitter = std::chrono::milliseconds{2};
    unsigned hops = 8;  // routers between two NAT boxes
  };
  using HostId = std::uint32_t;
  using Deliver = std::function<void(Instant now, HostId to, std::uint16_t port,
                                     const Endpoint& from, ByteSpan bytes)>;

  SimNet(std::uint64_t seed, Deliver deliver) : rng_(seed), deliver_(std::move(deliver)) {}

  Path path;  // of all datagrams sent from now on
  // A datagram came upon a port nobody has: the sender's host and port are told (ICMP).
  std::function<void(HostId sender, std::uint16_t port, const Endpoint& to)> refused;
  HostId add_host(const IpAddress& public_ip, std::optional<NatBox> nat);
  void bind(HostId host, std::uint16_t port) { hosts_[host].ports.insert(port); }
  void unbind(HostId host, std::uint16_t port) { hosts_[host].ports.erase(port); }
  bool bound(HostId host, std::uint16_t port) const { return hosts_[host].ports.count(port) != 0; }
  void cut(HostId a, HostId b, bool on);                          // a partition between two hosts
  void reset_nat(HostId host) { hosts_[host].mappings.clear(); }  // the box was restarted

  void send(Instant now, HostId from, std::uint16_t port, const Endpoint& to, unsigned ttl,
            ByteSpan bytes);
  std::optional<Instant> next_event() const;
  void run(Instant now);  // delivers what is due
  std::uint64_t sent() const { return sent_; }

 private:
  struct Mapping {
    std::uint16_t local_port = 0;
    Endpoint key;                // of the mapping rule
    std::set<Endpoint> allowed;  // keys of the filtering rule
  };
  struct Host {
    IpAddress ip;
    std::optional<NatBox> nat;
    std::set<std::uint16_t> ports;
    std::map<std::uint16_t, Mapping> mappings;  // by external port
  };
  struct Flying {
    HostId sender;
    std::uint16_t sender_port;
    bool local;
    Endpoint from, to;
    Bytes bytes;
  };
  static Endpoint key_of(NatRule rule, const Endpoint& peer);
  std::uint16_t external_port(Host& host, std::uint16_t port, const Endpoint& to);

  SeededRng rng_;
  Deliver deliver_;
  std::vector<Host> hosts_;
  std::map<IpAddress, HostId> by_ip_;
  std::set<std::pair<HostId, HostId>> cuts_;
  std::multimap<Instant, Flying> flying_;
  std::uint16_t next_external_ = 20000;
  std::uint64_t sent_ = 0;
};

}  // namespace myst::test
