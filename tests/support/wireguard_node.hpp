// A WireGuard device with a virtual tun: the engine of core and the data threads' part done by hand
// in one thread, so that tests and simulations run the real state machine on a virtual network.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/crypto/aead.hpp"
#include "core/wireguard/cookie.hpp"
#include "core/wireguard/engine.hpp"
#include "core/wireguard/messages.hpp"
#include "tests/support/support.hpp"

namespace myst::test {

// An IPv4 packet of 20 header bytes and the text.
inline Bytes ip_packet(const std::string& from, const std::string& to, std::string_view text) {
  Bytes out(20 + text.size());
  out[0] = 0x45;
  out[2] = static_cast<std::uint8_t>(out.size() >> 8);
  out[3] = static_cast<std::uint8_t>(out.size());
  const auto source = IpAddress::parse(from), target = IpAddress::parse(to);
  std::copy(source->bytes().begin(), source->bytes().end(), out.begin() + 12);
  std::copy(target->bytes().begin(), target->bytes().end(), out.begin() + 16);
  std::copy(text.begin(), text.end(), out.begin() + 20);
  return out;
}

struct Datagram {
  Endpoint from, to;
  Bytes bytes;
};

class WireguardNode {
 public:
  using Engine = core::wireguard::Engine;

  WireguardNode(std::uint64_t seed, const std::string& at)
      : endpoint(*Endpoint::parse(at)),
        rng_(seed),
        engine_(std::make_unique<Engine>(rng_, budget_)) {
    engine_->set_private_key(x25519::make_clamped_key(rng_));
  }
  // A restart of the process: the keys stay, everything else is gone.
  void restart() {
    const Secret<32> key = engine_->identity().private_key;
    attention_pending_.take_all([](core::wireguard::PeerPath&, std::uint32_t) {});
    engine_ = std::make_unique<Engine>(rng_, budget_);
    engine_->set_private_key(key);
    table_.reset();
    garbage_.clear();
  }

  // Data threads go on while the loop has not heard yet what they want of it.
  bool loop_is_late = false;

  Engine& engine() { return *engine_; }
  const core::wireguard::PublicKey& key() const { return engine_->identity().public_key; }
  Engine::Peer& add_peer(const WireguardNode& other, const std::string& allowed,
                         bool with_endpoint) {
    Engine::Peer* const peer = *engine_->add_peer(other.key());
    if (with_endpoint) engine_->set_endpoint(*peer, other.endpoint);
    (void)engine_->add_allowed_ip(*peer, *IpPrefix::parse(allowed));
    return *peer;
  }

  // A packet from the local tun.
  void send(Now now, ByteSpan packet) {
    using namespace core::wireguard;
    if (table_ == nullptr) settle(now);
    PeerPath* const path = table_->route_v4(packet.data() + 16);
    if (path == nullptr) return;
    SendKey* const key = path->key_to_send();
    if (key == nullptr || send_key_use(*key, to_ns(now.instant)) == KeyUse::Dead) {
      engine_->handle_unsent(now, path->id, packet);
    } else {
      const std::size_t padded = padded_size(packet.size(), engine_->mtu());
      Bytes message(padded + kTransportOverhead);
      const std::uint64_t counter = key->next_counter.fetch_add(1);
      write_transport_header(message.data(), key->remote_index, counter);
      Bytes plain = to_bytes(packet);
      plain.resize(padded);
      aead_seal(key->key, counter_nonce(counter), {}, plain,
                MutableByteSpan(message).subspan(kTransportHeaderSize));
      if (const auto to = path->address.load()) {
        path->tx_bytes += message.size();
        outbox.push_back({endpoint, to->remote, std::move(message)});
        std::uint32_t wants = note_sent(*path, to_ns(now.instant), true);
        if (send_key_use(*key, to_ns(now.instant)) == KeyUse::Aging) wants |= kWantHandshake;
        if (wants != 0) attention_pending_.add(*path, wants);
      }
    }
    settle(now);
  }

  // A datagram from the network; `under_load` as the ring of handshakes would say.
  void receive(Now now, const Endpoint& from, Bytes bytes, bool under_load = false) {
    using namespace core::wireguard;
    if (table_ == nullptr) settle(now);
    const auto type = message_type(bytes);
    const PathAddress address{from, std::nullopt, 0};
    if (type == MessageType::Transport) {
      open(now, address, bytes);
    } else if (type && (*type == MessageType::Cookie || mac1_valid(table_->mac1, bytes))) {
      last_status = engine_->handle_message(now, address, bytes, under_load);
    }
    settle(now);
  }

  void run_timers(Now now) {
    engine_->handle_timeout(now);
    settle(now);
  }

  void settle(Now now) {
    if (loop_is_late && table_ != nullptr) return;
    attention_pending_.take_all([&](core::wireguard::PeerPath& path, std::uint32_t bits) {
      engine_->handle_attention(now, path.id, bits);
    });
    publish();
    Bytes buffer(2048);
    while (const auto out = engine_->poll_transmit(now, buffer)) {
      if (out->path != nullptr) out->path->tx_bytes += out->size;
      outbox.push_back(
          {endpoint, out->to.remote,
           Bytes(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(out->size))});
    }
    publish();
    while (auto event = engine_->poll_event()) events.push_back(*event);
  }

  Endpoint endpoint;
  std::vector<Datagram> outbox;
  std::vector<Bytes> inbox;  // packets that came out of the local tun
  std::vector<Engine::Event> events;
  Status last_status;
  std::size_t replays = 0;

 private:
  void publish() {
    if (auto table = engine_->take_table()) table_ = std::move(table);
    for (auto& object : engine_->take_retired()) garbage_.push_back(std::move(object));
    garbage_.clear();
  }

  void open(Now now, const core::wireguard::PathAddress& from, Bytes& bytes) {
    using namespace core::wireguard;
    ReceiveKey* const key = table_->find_key(load_le32(bytes.data() + 4));
    if (key == nullptr) return;
    const std::int64_t at = to_ns(now.instant);
    const std::uint64_t counter = load_le64(bytes.data() + 8);
    if (at - key->born >= kRejectAfterTime.count()) return;
    Bytes plain(bytes.size() - kTransportOverhead);
    if (!aead_open(key->key, counter_nonce(counter), {},
                   ByteSpan(bytes).subspan(kTransportHeaderSize), plain)
             .ok()) {
      return;
    }
    if (!key->window.accept(counter)) {
      ++replays;
      return;
    }
    PeerPath& path = *key->path;
    path.address.store(from);
    path.rx_bytes += bytes.size();
    std::uint32_t wants = note_received(path, at, !plain.empty());
    if (!key->confirmed.exchange(true)) wants |= kConfirmed;
    if (key->initiator && !key->asked_last_minute && at - key->born >= kLastMinuteAge.count()) {
      key->asked_last_minute = true;
      wants |= kWantHandshake;
    }
    if (wants != 0) attention_pending_.add(path, wants);
    if (plain.empty() || table_->route_v4(plain.data() + 12) != &path) return;
    plain.resize(static_cast<std::size_t>(plain[2] << 8 | plain[3]));
    inbox.push_back(std::move(plain));
  }

  SeededRng rng_;
  core::wireguard::StageBudget budget_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<core::wireguard::Table> table_;
  std::vector<std::unique_ptr<core::wireguard::Retired>> garbage_;
  core::wireguard::AttentionList attention_pending_;
};

}  // namespace myst::test
