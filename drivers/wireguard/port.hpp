// Userspace devices as the data threads see them, and what they have learned about them: a port is
// the UDP side, the end of a link the tun side. Many ports may hang on one link.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "core/wireguard/shared_state.hpp"
#include "platform/system/unique_fd.hpp"
#include "platform/tun/tun.hpp"

namespace myst::wireguard {

// How datagrams leave and arrive. Each rung was tried before the one below it is used.
enum class UdpOffload : std::uint8_t {
  None,    // one a system call
  Many,    // sendmmsg
  Segment  // UDP_SEGMENT and UDP_GRO
};
const char* to_string(UdpOffload offload);

struct PortCounters {
  std::atomic<std::uint64_t> unrouted{0};     // from the tun, no peer for the address
  std::atomic<std::uint64_t> send_errors{0};  // datagrams lost by errors of the socket
  std::atomic<std::uint64_t> unknown_key{0};  // transport messages with no (live) session
  std::atomic<std::uint64_t> forged{0};       // ... that do not open
  std::atomic<std::uint64_t> replayed{0};
  std::atomic<std::uint64_t> not_allowed{0};    // inner source is not the peer's
  std::atomic<std::uint64_t> not_at_home{0};    // ... or is another port's of the link
  std::atomic<std::uint64_t> bad_handshake{0};  // not one of our messages, or wrong mac1
  std::atomic<std::uint64_t> ring_full{0};      // handshakes or first packets the loop was late for
  std::atomic<std::uint64_t> tun_errors{0};     // packets the tun refused
  std::atomic<std::uint64_t> socket_drops{0};   // by the kernel, the socket's buffer being full
};

// Two sockets, replaced as one when the port changes.
struct Sockets : core::wireguard::Retired {
  platform::UniqueFd v4, v6;
  int of(bool want_v6) const { return want_v6 ? v6.get() : v4.get(); }
};

struct Port;

// Which port has an address, as of one moment: where packets from the tun go, and where a packet to
// the tun must have come from.
struct PortTable : core::wireguard::Retired {
  core::wireguard::PrefixTrie networks;  // values: positions in `ports`
  std::vector<Port*> ports;
  Port* rest = nullptr;  // has all other addresses

  Port* route_v4(const std::uint8_t* address) const { return at(networks.find_v4(address)); }
  Port* route_v6(const std::uint8_t* address) const { return at(networks.find_v6(address)); }

 private:
  Port* at(std::uint32_t position) const {
    return position == core::wireguard::PrefixTrie::kNone ? rest : ports[position];
  }
};

struct LinkEnd : core::wireguard::Retired {
  std::uint64_t number = 0;  // see DataPlane: slot and generation
  platform::UniqueFd tun;
  bool has_header = false;
  std::atomic<PortTable*> ports{nullptr};
  std::atomic<std::uint32_t> mtu{1420};
  // Lowered by the data threads when the kernel refuses, told by the loop in the log.
  std::atomic<bool> merge_tcp{false}, merge_udp{false};
};

struct Port : core::wireguard::Retired {
  std::uint64_t number = 0;  // see DataPlane
  LinkEnd* link = nullptr;   // goes after its ports
  std::atomic<Sockets*> sockets{nullptr};
  std::atomic<core::wireguard::Table*> table{nullptr};

  // Ladder. Lowered by the data threads when the kernel refuses, told by the loop in the log.
  std::atomic<UdpOffload> send_offload{UdpOffload::Segment};
  // Datagrams above this are not sent by UDP_SEGMENT: the path's MTU is too small for it.
  std::atomic<std::uint32_t> segment_limit{65535};

  PortCounters counters;
};

}  // namespace myst::wireguard
