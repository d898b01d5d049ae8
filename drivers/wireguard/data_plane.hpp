// The two data threads (tun -> UDP, UDP -> tun) that serve all userspace devices of the process,
// and the way between them and the loop. With one thread, that one does both.
//
// The loop publishes immutable objects and retires what it has unpublished; data threads load them
// while online (quiescence.hpp). Towards the loop go: packets without session, handshake messages,
// and the list of peers that want something. Sleeping threads are woken by their descriptors only.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/wireguard/engine.hpp"
#include "core/wireguard/shared_state.hpp"
#include "drivers/wireguard/byte_ring.hpp"
#include "drivers/wireguard/port.hpp"
#include "drivers/wireguard/quiescence.hpp"
#include "platform/loop/fd_watcher.hpp"
#include "platform/loop/loop.hpp"
#include "platform/loop/timer.hpp"
#include "platform/netlink/route_monitor.hpp"

namespace myst::wireguard {

class Transmitter;
class Receiver;

class DataPlane {
 public:
  static constexpr std::size_t kMaxSlots = 512;  // ports and links

  // What a device hears, in the loop's thread. After any of the first three comes settle() once.
  class Client {
   public:
    virtual ~Client() = default;
    virtual void on_unsent(std::uint64_t peer_id, ByteSpan packet) = 0;
    virtual void on_handshake(const core::wireguard::PathAddress& from, ByteSpan message,
                              bool under_load) = 0;
    virtual void on_attention(std::uint64_t peer_id, std::uint32_t bits) = 0;
    virtual void settle() = 0;
    virtual void on_offload_changed() = 0;
    virtual void on_link_change() = 0;  // some link of the machine: look at your own
  };

  // threads: 1, 2, or 0 for one where the process may use one core only (two would take turns
  // there, at the price of a fifth more CPU time per byte), else two.
  // Unavailable: no thread, no descriptor, or libcrypto without the cipher.
  static Result<std::unique_ptr<DataPlane>> start(platform::Loop& loop, unsigned threads);
  ~DataPlane();  // after all devices are detached

  // --- loop
  // The number a port (for the engine to stamp on its peers) or a link will have. Full: kMaxSlots.
  Result<std::uint64_t> reserve();
  // The port's sockets are served from here on, until it is detached. Its link knows it already,
  // and does not any more when it is detached.
  Status attach(std::uint64_t number, std::unique_ptr<Port> port, Client& client);
  // The link's tun is served from here on.
  Status attach(std::uint64_t number, std::unique_ptr<LinkEnd> link);
  void detach(std::uint64_t number);  // port or link
  void publish(LinkEnd& link, std::unique_ptr<PortTable> ports);
  Status replace_sockets(Port& port, std::unique_ptr<Sockets> sockets);
  void retire(std::unique_ptr<core::wireguard::Retired> object);
  core::wireguard::StageBudget& stage_budget() { return stage_budget_; }
  // For one message of the loop's own at a time.
  MutableByteSpan scratch() { return {scratch_.get(), kScratchSize}; }

  // --- data threads
  bool push_unsent(Port& port, core::wireguard::PeerPath& path, ByteSpan packet);
  bool push_handshake(Port& port, const core::wireguard::Table& table,
                      const core::wireguard::PathAddress& from, ByteSpan message);
  void want(core::wireguard::PeerPath& path, std::uint32_t bits);
  void note_offload(Port& port);

 private:
  static constexpr std::size_t kScratchSize = 65535 + 64;
  static constexpr std::uint32_t kUnsentRing = 64 * 1024;
  static constexpr std::uint32_t kHandshakeRing = 32 * 1024;  // about 150 messages
  static constexpr std::uint32_t kFavouredRing = 8 * 1024;    // ... that do not stand in line
  enum class Kind : std::uint8_t { Tun, Udp4, Udp6, Stop };

  struct Slot {
    std::atomic<Port*> port{nullptr};
    std::atomic<LinkEnd*> link{nullptr};
    Client* client = nullptr;
    std::uint64_t number = 0;
    bool reserved = false;
  };
  struct Worker {
    DataPlane* plane = nullptr;
    std::size_t index = 0;
    platform::UniqueFd epoll, stop;
    std::unique_ptr<Transmitter> transmitter;
    std::unique_ptr<Receiver> receiver;
    pthread_t thread{};
    bool started = false;
  };
  struct Waiting {
    std::uint64_t ticket;
    std::unique_ptr<core::wireguard::Retired> object;
  };

  explicit DataPlane(platform::Loop& loop);
  Status open(unsigned threads);
  static void* thread_main(void* worker);
  void run(Worker& worker);
  void wake();
  void on_wake();
  void dispatch();
  void take_handshakes();
  void take_handshakes(ByteRing& ring, bool under_load);
  void touch(std::uint64_t number);
  void reclaim();
  Client* client_of(std::uint64_t number);
  template <typename F>
  void each_client(F&& f);
  Worker& worker_of(Kind kind) { return workers_[kind == Kind::Tun ? 0 : worker_count_ - 1]; }
  Status watch(Kind kind, int fd, std::uint64_t number);
  void unwatch(Kind kind, int fd);
  Status watch_sockets(const Sockets& sockets, std::uint64_t number);
  void unwatch_sockets(const Sockets& sockets);

  platform::Loop& loop_;
  Worker workers_[Quiescence::kThreads];
  std::size_t worker_count_ = 0;
  Quiescence quiescence_;
  std::atomic<bool> stopping_{false};
  std::unique_ptr<Slot[]> slots_;
  std::uint64_t generation_ = 1;

  ByteRing unsent_{kUnsentRing}, handshakes_{kHandshakeRing}, favoured_{kFavouredRing};
  core::wireguard::AttentionList attention_;
  std::atomic<bool> offload_changed_{false}, awake_{false};
  std::atomic<unsigned> resting_{0};  // from handshakes: a flood is not to have the whole loop
  platform::UniqueFd wake_fd_;
  platform::FdWatcher wake_watcher_;
  std::optional<platform::RouteMonitor> monitor_;  // none: changes of MTU and state go unseen
  platform::FdWatcher monitor_watcher_;
  std::deque<Waiting> waiting_;
  platform::Timer reclaim_timer_, rest_timer_;
  bool dispatching_ = false;
  std::optional<Instant> loaded_until_;
  std::vector<std::uint64_t> touched_;  // devices to settle after a dispatch
  core::wireguard::StageBudget stage_budget_;
  std::unique_ptr<std::uint8_t[]> scratch_;
};

}  // namespace myst::wireguard
