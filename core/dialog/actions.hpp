// What the two dialog machines (ConsumerDial, ProviderListener) ask of their owner, in order. Each
// action that has an outcome names the handle_* that takes it. Ids of sockets and requests are
// chosen by the machine and mean something only together with it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/p2p/channel.hpp"

namespace myst::core::dialog {

using SocketId = std::uint32_t;

// What the owner knows about this host, looked up on FindNetworkFacts (cached is fine, and fast).
struct NetworkFacts {
  IpAddress public_ip;                 // what the location service says
  std::vector<Endpoint> stun_servers;  // resolved; empty: local ports are published as they are
  std::vector<Endpoint> port_check_servers;  // resolved; provider only; empty: no "manual" method
};

// Own public address and servers, please -> handle_network_facts. Nothing is sent before.
struct FindNetworkFacts {};

// A UDP socket on the IPv4 wildcard address and a free port of the pool -> handle_udp_opened.
// Datagrams it receives -> handle_datagram.
struct OpenUdp {
  SocketId socket;
};
struct CloseUdp {
  SocketId socket;
};
// TTL 0: the system's default. An error when sending is not reported: the datagram counts as lost.
struct SendUdp {
  static constexpr std::size_t kMaxBytes = 64;
  SocketId socket;
  Endpoint to;
  std::uint8_t ttl = 0;
  std::uint8_t size = 0;
  ByteArray<kMaxBytes> bytes{};
  ByteSpan payload() const { return ByteSpan(bytes).first(size); }
};

// Consumer: a broker connection of its own -> handle_broker_connected; later disconnects are the
// client's business (it reconnects and repeats the subscription).
struct BrokerConnect {
  std::vector<std::string> addresses;
};
struct BrokerDisconnect {};
// Messages -> handle_broker_message with this tag. `signed_form`: the subject goes out signed by
// our identity with the time of sending, afresh with every reconnect
// (core/identity/signed_subject.hpp).
struct BrokerSubscribe {
  std::uint32_t tag;
  std::string subject;
  bool signed_form = false;
};
struct BrokerUnsubscribe {
  std::uint32_t tag;
};
// Publish with a fresh reply subject -> handle_broker_reply with this id.
struct BrokerRequest {
  std::uint32_t request;
  std::string subject;
  Bytes payload;
};
struct BrokerPublish {
  std::string subject;
  Bytes payload;
  bool signed_form = false;
};

// Consumer: a host route to `ip` around any tunnel, reference counted by the owner, none for an
// on-link peer -> handle_host_route. Comes before the first datagram to the provider.
struct AddHostRoute {
  IpAddress ip;
};
// The dial failed; on success the route belongs to the owner, who removes it with the channel.
struct RemoveHostRoute {
  IpAddress ip;
};

// Provider: map these local UDP ports to the same external ports (UPnP, NAT-PMP, PCP); answer an
// error when the router's own address is not public -> handle_ports_mapped.
struct MapPorts {
  std::uint32_t exchange;
  std::vector<std::uint16_t> ports;
};
// The exchange came to nothing; on success the mapping belongs to the owner until the channel ends.
struct UnmapPorts {
  std::uint32_t exchange;
};

// One end of an agreed UDP path: an open socket of ours and the peer as it was last seen. The
// peer's port may change, its address not (PeerPath in core/p2p/peer_path.hpp).
struct Path {
  SocketId socket = 0;
  std::uint16_t local_port = 0;
  Endpoint peer;
};

// The channel is open: both sockets now belong to the owner, all others have been closed. The
// service socket must stay open and silent until the service takes it over.
struct ChannelOpened {
  std::uint32_t exchange = 0;  // provider; 0 on the consumer
  std::string peer;            // identity, lower case 0x
  std::unique_ptr<Channel> channel;
  Path channel_path;
  Path service_path;
  bool direct = false;        // open ports, no hole punching
  bool ports_mapped = false;  // provider: by MapPorts with this exchange's number
  IpAddress peer_public_ip;   // as the peer published it; what AddHostRoute was asked for
};

// The dial is over (consumer) or an exchange came to nothing (provider; for logs and counters).
struct DialogFailed {
  std::uint32_t exchange = 0;
  Error error;
  std::string reason;  // a sentence for the user
};

using Action =
    std::variant<FindNetworkFacts, OpenUdp, CloseUdp, SendUdp, BrokerConnect, BrokerDisconnect,
                 BrokerSubscribe, BrokerUnsubscribe, BrokerRequest, BrokerPublish, AddHostRoute,
                 RemoveHostRoute, MapPorts, UnmapPorts, ChannelOpened, DialogFailed>;

}  // namespace myst::core::dialog
