// UDP -> tun: receives (super-)datagrams, opens the messages in place, merges what belongs together
// and writes it to the tun straight from the receive buffer. Belongs to one data thread, serves all
// devices of the process.
#pragma once

#include <cstdint>
#include <memory>

#include "core/crypto/aead.hpp"
#include "core/wireguard/shared_state.hpp"
#include "core/wireguard/super_packet.hpp"
#include "drivers/wireguard/port.hpp"
#include "drivers/wireguard/udp.hpp"

namespace myst::wireguard {

class DataPlane;

class Receiver {
 public:
  explicit Receiver(DataPlane& plane);
  // Takes what is there, up to a budget.
  void pump(Port& port, bool v6, std::int64_t now);

 private:
  static constexpr std::size_t kBufferSize = 65536;
  static constexpr unsigned kReceiveBudget = 16;
  static constexpr std::size_t kMaxPackets = 128;  // more in a datagram: written in two steps

  // What arrived of one peer, to be noted once.
  struct Account {
    core::wireguard::PeerPath* path = nullptr;
    std::uint64_t bytes = 0;
    bool data = false;
    std::uint32_t wants = 0;
  };

  void take(Port& port, const core::wireguard::Table& table, const Received& received);
  void open_message(Port& port, const core::wireguard::Table& table, MutableByteSpan message);
  void settle(const PathAddress& from);
  void write_tun(Port& port);
  bool write_run(Port& port, std::size_t first, core::wireguard::Run& run);

  DataPlane& plane_;
  BulkAead aead_;
  std::int64_t now_ = 0;
  Account account_;
  const PathAddress* from_ = nullptr;           // of the datagram being taken
  core::wireguard::ReceiveKey* key_ = nullptr;  // the key aead_ has, within one datagram
  std::unique_ptr<std::uint8_t[]> buffer_;
  std::unique_ptr<core::wireguard::PlainPacket[]> packets_;
  std::size_t count_ = 0;
};

}  // namespace myst::wireguard
