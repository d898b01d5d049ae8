// tun -> UDP: reads (super-)packets, splits them into a slot of messages at a constant stride,
// seals them in place and sends the slot by one system call. Belongs to one data thread, serves all
// devices of the process.
#pragma once

#include <cstdint>
#include <memory>

#include "core/crypto/aead.hpp"
#include "core/wireguard/shared_state.hpp"
#include "core/wireguard/super_packet.hpp"
#include "drivers/wireguard/port.hpp"

namespace myst::wireguard {

class DataPlane;

class Transmitter {
 public:
  explicit Transmitter(DataPlane& plane);
  // Reads what is there, up to a budget. False: the tun is gone.
  bool pump(LinkEnd& link, std::int64_t now);

 private:
  static constexpr std::size_t kMaxPacket = 65535;
  static constexpr std::size_t kMaxBatchBytes = 65507;  // the largest UDP payload over IPv4
  static constexpr unsigned kMaxBatch = 64;             // UDP_MAX_SEGMENTS of kernels before 6.9
  static constexpr unsigned kReadBudget = 64;
  static constexpr unsigned kSendAttempts = 8;  // without any progress

  // Messages in slot_ that go to one peer by one key, through its port.
  struct Batch {
    Port* port = nullptr;
    core::wireguard::PeerPath* path = nullptr;
    core::wireguard::SendKey* key = nullptr;
    std::size_t stride = 0, used = 0;
    unsigned count = 0;
    bool closed = false;  // the last one is shorter: nothing may follow
  };

  void append(Port& port, const core::wireguard::Splitter& packet, core::wireguard::PeerPath& path);
  void hand_over(Port& port, const core::wireguard::Splitter& packet,
                 core::wireguard::PeerPath& path);
  void flush();
  // 0 or errno; done: bytes of the messages that left, none of them twice.
  int send(Port& port, int fd, core::wireguard::PeerPath& path, core::wireguard::PathAddress& to,
           std::size_t& done);

  DataPlane& plane_;
  BulkAead aead_;
  Batch batch_;
  std::int64_t now_ = 0;
  std::size_t mtu_ = 0;
  std::unique_ptr<std::uint8_t[]> packet_;  // header and packet as read
  std::unique_ptr<std::uint8_t[]> slot_;
};

}  // namespace myst::wireguard
