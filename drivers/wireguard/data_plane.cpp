#include "drivers/wireguard/data_plane.hpp"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "drivers/wireguard/receiver.hpp"
#include "drivers/wireguard/transmitter.hpp"
#include "platform/system/memory.hpp"

namespace myst::wireguard {

using core::wireguard::PathAddress;
using core::wireguard::PeerPath;
using core::wireguard::Table;

namespace {

// A number of a port or link: slot in the lower 16 bits, generation above, so that it never means
// two of them. An epoll event carries the number and the kind of descriptor.
constexpr std::uint64_t kSlotMask = 0xffff;
constexpr unsigned kKindShift = 56;
constexpr std::size_t kStackSize = 256 * 1024;
constexpr std::chrono::milliseconds kReclaimDelay{20};
// More handshakes than these waiting when the loop comes to look, about 75, and they must show a
// cookie for at least one second. All sessions of a provider may well begin anew at once; to be
// asked for a cookie costs a peer Rekey-Timeout.
constexpr std::uint32_t kLoadedBytes = 16 * 1024;
constexpr std::chrono::seconds kLoadedFor{1};
// Under load the lines are emptied that often: some 35 thousand answers a second at most, so that a
// flood leaves the data threads their cores.
constexpr std::chrono::milliseconds kRest{5};
// Addresses that are looked through for each message of a flood.
constexpr std::size_t kMaxKnown = 64;

struct UnsentHead {
  std::uint64_t device, peer;
};
struct HandshakeHead {
  std::uint64_t device;
  PathAddress from;
};
static_assert(std::is_trivially_copyable_v<HandshakeHead>, "goes through a ring of bytes");

template <typename T>
ByteSpan raw(const T& value) {
  return {reinterpret_cast<const std::uint8_t*>(&value), sizeof value};
}

int usable_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  return ::sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 0;
}

std::int64_t clock_now() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

}  // namespace

DataPlane::DataPlane(platform::Loop& loop)
    : loop_(loop),
      slots_(new Slot[kMaxSlots]),
      reclaim_timer_(loop, [this] { reclaim(); }),
      rest_timer_(loop,
                  [this] {
                    (void)resting_.exchange(0, std::memory_order_acq_rel);
                    dispatch();
                  }),
      scratch_(new std::uint8_t[kScratchSize]) {}

Result<std::unique_ptr<DataPlane>> DataPlane::start(platform::Loop& loop, unsigned threads) {
  std::unique_ptr<DataPlane> plane(new DataPlane(loop));
  MYST_TRY(plane->open(threads));
  return plane;
}

Status DataPlane::open(unsigned threads) {
  wake_fd_.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake_fd_.valid()) return Error{Errc::Unavailable, errno, "eventfd"};
  MYST_TRY_ASSIGN(wake_watcher_, platform::FdWatcher::open(loop_, wake_fd_.get(),
                                                           [this](unsigned) { on_wake(); }));
  wake_watcher_.watch(platform::FdWatcher::kReadable);
  // Links only: routes that come and go elsewhere would wake an idle engine for nothing.
  constexpr auto kLinks = platform::RouteMonitor::What::Links;
  if (auto monitor = platform::RouteMonitor::open(kLinks); monitor.ok()) {
    monitor_.emplace(std::move(*monitor));
    MYST_TRY_ASSIGN(monitor_watcher_,
                    platform::FdWatcher::open(loop_, monitor_->fd(), [this](unsigned) {
                      if (monitor_->drain()) {
                        each_client([](Client& client) { client.on_link_change(); });
                      }
                    }));
    monitor_watcher_.watch(platform::FdWatcher::kReadable);
  }
  worker_count_ = threads == 1 || (threads == 0 && usable_cores() == 1) ? 1 : 2;
  for (std::size_t i = 0; i < worker_count_; ++i) {
    Worker& worker = workers_[i];
    worker.plane = this;
    worker.index = i;
    worker.epoll.reset(::epoll_create1(EPOLL_CLOEXEC));
    worker.stop.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!worker.epoll.valid() || !worker.stop.valid()) {
      return Error{Errc::Unavailable, errno, "descriptors of a data thread"};
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = std::uint64_t{static_cast<std::uint8_t>(Kind::Stop)} << kKindShift;
    (void)::epoll_ctl(worker.epoll.get(), EPOLL_CTL_ADD, worker.stop.get(), &event);
    // The first one loads libcrypto, the most resident part of all. Before and after it the process
    // leaves behind what it needed to get here.
    if (i == 0) platform::forget_used_code();
    // Made here and not in the thread: a thread that allocates gets a heap of its own.
    if (i == 0) worker.transmitter = std::make_unique<Transmitter>(*this);
    if (i + 1 == worker_count_) worker.receiver = std::make_unique<Receiver>(*this);
  }
  platform::forget_used_code();
  // Signals are the loop's.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, kStackSize);
  int error = 0;
  for (std::size_t i = 0; i < worker_count_ && error == 0; ++i) {
    error = ::pthread_create(&workers_[i].thread, &attributes, thread_main, &workers_[i]);
    workers_[i].started = error == 0;
  }
  ::pthread_attr_destroy(&attributes);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) return Error{Errc::Unavailable, error, "data thread"};
  return {};
}

DataPlane::~DataPlane() {
  stopping_.store(true, std::memory_order_seq_cst);
  for (Worker& worker : workers_) {
    if (!worker.started) continue;
    const std::uint64_t one = 1;
    (void)!::write(worker.stop.get(), &one, sizeof one);
    ::pthread_join(worker.thread, nullptr);
  }
}

// --- data threads

void* DataPlane::thread_main(void* argument) {
  Worker& worker = *static_cast<Worker*>(argument);
  ::pthread_setname_np(::pthread_self(), worker.receiver == nullptr      ? "wg-tun-to-udp"
                                         : worker.transmitter == nullptr ? "wg-udp-to-tun"
                                                                         : "wg-data");
  worker.plane->run(worker);
  return nullptr;
}

void DataPlane::run(Worker& worker) {
  constexpr int kEvents = 32;
  epoll_event events[kEvents];
  while (!stopping_.load(std::memory_order_relaxed)) {
    quiescence_.offline(worker.index);
    const int count = ::epoll_wait(worker.epoll.get(), events, kEvents, -1);
    quiescence_.online(worker.index);
    const std::int64_t now = clock_now();
    for (int i = 0; i < count; ++i) {
      const std::uint64_t data = events[i].data.u64;
      const auto kind = static_cast<Kind>(data >> kKindShift);
      if (kind == Kind::Stop) continue;
      const std::uint64_t number = data & ((std::uint64_t{1} << kKindShift) - 1);
      // The event may be older than the device's end: only what is published now is looked at.
      const Slot& slot = slots_[number & kSlotMask];
      if (kind == Kind::Tun) {
        LinkEnd* const link = slot.link.load(std::memory_order_seq_cst);
        if (link == nullptr || link->number != number) continue;
        if (!worker.transmitter->pump(*link, now)) unwatch(kind, link->tun.get());
      } else {
        Port* const port = slot.port.load(std::memory_order_seq_cst);
        if (port == nullptr || port->number != number) continue;
        worker.receiver->pump(*port, kind == Kind::Udp6, now);
      }
    }
  }
  quiescence_.offline(worker.index);
}

void DataPlane::wake() {
  if (awake_.exchange(true, std::memory_order_seq_cst)) return;
  const std::uint64_t one = 1;
  (void)!::write(wake_fd_.get(), &one, sizeof one);
}

bool DataPlane::push_unsent(Port& port, PeerPath& path, ByteSpan packet) {
  const bool pushed = unsent_.push(raw(UnsentHead{port.number, path.id}), packet);
  wake();
  return pushed;
}

bool DataPlane::push_handshake(Port& port, const Table& table, const PathAddress& from,
                               ByteSpan message) {
  // Who shows a cookie, or writes from where a peer is, does not stand in line with a flood. The
  // line is only chosen here: whether the cookie is right is the engine's to see.
  const auto is_there = [&from](const PeerPath* path) {
    const auto known = path->address.load();
    return known && known->remote == from.remote;
  };
  const bool favoured = core::wireguard::has_mac2(message) ||
                        (handshakes_.used() > kLoadedBytes && table.paths.size() <= kMaxKnown &&
                         std::any_of(table.paths.begin(), table.paths.end(), is_there));
  ByteRing& ring = favoured ? favoured_ : handshakes_;
  const bool pushed = ring.push(raw(HandshakeHead{port.number, from}), message);
  // Changed as well as read: who finds the loop resting has pushed before it looks again.
  if (pushed && resting_.fetch_or(0, std::memory_order_acq_rel) == 0) wake();
  return pushed;
}

void DataPlane::want(PeerPath& path, std::uint32_t bits) {
  if (attention_.add(path, bits)) wake();
}

void DataPlane::note_offload(Port&) {
  offload_changed_.store(true, std::memory_order_release);
  wake();
}

// --- loop

Result<std::uint64_t> DataPlane::reserve() {
  for (std::size_t i = 0; i < kMaxSlots; ++i) {
    if (slots_[i].reserved) continue;
    slots_[i].reserved = true;
    slots_[i].number = generation_++ << 16 | i;
    return slots_[i].number;
  }
  return Error{Errc::Full, 0, "WireGuard devices"};
}

DataPlane::Client* DataPlane::client_of(std::uint64_t number) {
  const Slot& slot = slots_[number & kSlotMask];
  return slot.number == number ? slot.client : nullptr;
}

template <typename F>
void DataPlane::each_client(F&& f) {
  for (std::size_t i = 0; i < kMaxSlots; ++i) {
    if (slots_[i].client != nullptr) f(*slots_[i].client);
  }
}

Status DataPlane::watch(Kind kind, int fd, std::uint64_t number) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = number | std::uint64_t{static_cast<std::uint8_t>(kind)} << kKindShift;
  if (::epoll_ctl(worker_of(kind).epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return Error{Errc::Io, errno, "watch a descriptor"};
  }
  return {};
}

void DataPlane::unwatch(Kind kind, int fd) {
  (void)::epoll_ctl(worker_of(kind).epoll.get(), EPOLL_CTL_DEL, fd, nullptr);
}

Status DataPlane::watch_sockets(const Sockets& sockets, std::uint64_t number) {
  if (sockets.v4.valid()) MYST_TRY(watch(Kind::Udp4, sockets.v4.get(), number));
  if (sockets.v6.valid()) MYST_TRY(watch(Kind::Udp6, sockets.v6.get(), number));
  return {};
}

void DataPlane::unwatch_sockets(const Sockets& sockets) {
  if (sockets.v4.valid()) unwatch(Kind::Udp4, sockets.v4.get());
  if (sockets.v6.valid()) unwatch(Kind::Udp6, sockets.v6.get());
}

Status DataPlane::attach(std::uint64_t number, std::unique_ptr<Port> port, Client& client) {
  Slot& slot = slots_[number & kSlotMask];
  port->number = number;
  Port* const published = port.release();  // detach() takes it back
  slot.client = &client;
  slot.port.store(published, std::memory_order_seq_cst);
  return watch_sockets(*published->sockets.load(), number);
}

Status DataPlane::attach(std::uint64_t number, std::unique_ptr<LinkEnd> link) {
  link->number = number;
  LinkEnd* const published = link.release();  // detach() takes it back
  slots_[number & kSlotMask].link.store(published, std::memory_order_seq_cst);
  return watch(Kind::Tun, published->tun.get(), number);
}

void DataPlane::publish(LinkEnd& link, std::unique_ptr<PortTable> ports) {
  retire(
      std::unique_ptr<PortTable>(link.ports.exchange(ports.release(), std::memory_order_seq_cst)));
}

void DataPlane::detach(std::uint64_t number) {
  Slot& slot = slots_[number & kSlotMask];
  if (slot.number != number) return;
  slot.client = nullptr;
  slot.number = 0;
  slot.reserved = false;
  if (std::unique_ptr<LinkEnd> link{slot.link.exchange(nullptr, std::memory_order_seq_cst)}) {
    unwatch(Kind::Tun, link->tun.get());
    publish(*link, nullptr);
    retire(std::move(link));
  }
  std::unique_ptr<Port> port(slot.port.exchange(nullptr, std::memory_order_seq_cst));
  if (port == nullptr) return;
  std::unique_ptr<Sockets> sockets(port->sockets.exchange(nullptr, std::memory_order_seq_cst));
  if (sockets != nullptr) unwatch_sockets(*sockets);
  retire(std::unique_ptr<core::wireguard::Table>(port->table.exchange(nullptr)));
  retire(std::move(sockets));
  retire(std::move(port));
}

Status DataPlane::replace_sockets(Port& port, std::unique_ptr<Sockets> sockets) {
  MYST_TRY(watch_sockets(*sockets, port.number));
  std::unique_ptr<Sockets> old(port.sockets.exchange(sockets.release(), std::memory_order_seq_cst));
  if (old != nullptr) unwatch_sockets(*old);
  retire(std::move(old));
  return {};
}

void DataPlane::retire(std::unique_ptr<core::wireguard::Retired> object) {
  if (object == nullptr) return;
  waiting_.push_back({quiescence_.ticket(), std::move(object)});
  if (!reclaim_timer_.armed()) reclaim_timer_.arm_in(kReclaimDelay);
}

void DataPlane::reclaim() {
  if (waiting_.empty()) return;
  std::vector<std::unique_ptr<core::wireguard::Retired>> free_now;
  while (!waiting_.empty() && quiescence_.passed(waiting_.front().ticket)) {
    free_now.push_back(std::move(waiting_.front().object));
    waiting_.pop_front();
  }
  // A peer that is to go may still be on the list; nobody can put it there any more.
  if (!free_now.empty()) dispatch();
  free_now.clear();
  if (!waiting_.empty()) reclaim_timer_.arm_in(kReclaimDelay);
}

void DataPlane::on_wake() {
  // In this order. Who pushes before the exchange is served below, who pushes after it writes
  // again. The other way round a write could be read here and all later ones never be made.
  std::uint64_t count = 0;
  (void)!::read(wake_fd_.get(), &count, sizeof count);
  (void)awake_.exchange(false, std::memory_order_seq_cst);
  dispatch();
}

void DataPlane::touch(std::uint64_t number) {
  if (std::find(touched_.begin(), touched_.end(), number) == touched_.end()) {
    touched_.push_back(number);
  }
}

void DataPlane::take_handshakes(ByteRing& ring, bool under_load) {
  std::uint8_t record[sizeof(HandshakeHead) + core::wireguard::kInitiationSize];
  for (std::uint32_t left = ring.used(); left > 0;) {
    const std::int64_t size = ring.pop(record);
    if (size < 0) break;
    left -= std::min<std::uint32_t>(left, static_cast<std::uint32_t>(size) + 4);
    HandshakeHead head;
    std::memcpy(static_cast<void*>(&head), record, sizeof head);
    if (Client* const client = client_of(head.device)) {
      client->on_handshake(
          head.from, ByteSpan(record + sizeof head, static_cast<std::size_t>(size) - sizeof head),
          under_load);
      touch(head.device);
    }
  }
}

void DataPlane::take_handshakes() {
  if (resting_.load(std::memory_order_relaxed) != 0) return;
  const Instant now = loop_.instant();
  if (handshakes_.used() > kLoadedBytes || favoured_.used() > kFavouredRing / 2) {
    loaded_until_ = now + kLoadedFor;
  }
  const bool under_load = loaded_until_ && now < *loaded_until_;
  take_handshakes(favoured_, under_load);
  take_handshakes(handshakes_, under_load);
  if (!under_load) return;
  resting_.store(1, std::memory_order_release);
  rest_timer_.arm_in(kRest);
}

void DataPlane::dispatch() {
  if (dispatching_) return;
  dispatching_ = true;
  attention_.take_all([&](PeerPath& path, std::uint32_t bits) {
    if (Client* const client = client_of(path.device)) {
      client->on_attention(path.id, bits);
      touch(path.device);
    }
  });
  take_handshakes();
  for (std::uint32_t left = unsent_.used(); left > 0;) {
    const std::int64_t size = unsent_.pop(scratch());
    if (size < 0) break;
    left -= std::min<std::uint32_t>(left, static_cast<std::uint32_t>(size) + 4);
    UnsentHead head;
    std::memcpy(&head, scratch().data(), sizeof head);
    if (Client* const client = client_of(head.device)) {
      client->on_unsent(
          head.peer, scratch().subspan(sizeof head, static_cast<std::size_t>(size) - sizeof head));
      touch(head.device);
    }
  }
  if (offload_changed_.exchange(false, std::memory_order_acq_rel)) {
    each_client([](Client& client) { client.on_offload_changed(); });
  }
  // A callback of settle() may end any device, also this one.
  for (std::size_t i = 0; i < touched_.size(); ++i) {
    if (Client* const client = client_of(touched_[i])) client->settle();
  }
  touched_.clear();
  dispatching_ = false;
}

}  // namespace myst::wireguard
