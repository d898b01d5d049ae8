#include "drivers/wireguard/comparison.hpp"

#include <errno.h>
#include <linux/if_link.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <limits>

#include "core/base/text.hpp"
#include "drivers/wireguard/device.hpp"
#include "platform/log/log.hpp"
#include "platform/loop/fd_watcher.hpp"
#include "platform/net/sockaddr.hpp"
#include "platform/netlink/netlink.hpp"
#include "platform/system/random.hpp"

namespace myst::wireguard {
namespace {

constexpr char kNear[] = "mystcmp0", kFar[] = "mystcmp1";
constexpr std::int64_t kWarmUpNs = 150'000'000, kMeasureNs = 600'000'000;
// A first handshake that is lost is repeated after five seconds.
constexpr std::chrono::seconds kLimit{8};

std::int64_t clock_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

struct Pipe {
  int ends[2] = {-1, -1};
  Pipe() { (void)!::pipe2(ends, O_CLOEXEC); }
  ~Pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  bool wait() const {
    char byte = 0;
    return ::read(ends[0], &byte, 1) == 1;
  }
  void tell() const { (void)!::write(ends[1], "1", 1); }
};

// A child that ends with its parent and never returns to the caller's code.
template <typename F>
pid_t child(F&& body) {
  const pid_t id = ::fork();
  if (id != 0) return id;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::_exit(body());
}

void end(pid_t id) {
  if (id <= 0) return;
  ::kill(id, SIGKILL);
  while (::waitpid(id, nullptr, 0) < 0 && errno == EINTR) {
  }
}

platform::UniqueFd tcp_socket() {
  return platform::UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}
platform::SocketAddress far_address() {
  return platform::to_sockaddr(*Endpoint::parse("10.255.77.2:5201"));
}

// The far end: configures its link once it is there, says so, then counts what arrives.
std::uint32_t receive(const Pipe& listens) {
  auto netlink = platform::Netlink::open();
  if (!netlink.ok() || !netlink->add_address({kFar, *IpPrefix::parse("10.255.77.2/30")}).ok() ||
      !netlink->set_link_up(kFar, true).ok()) {
    return 0;
  }
  const platform::UniqueFd listener = tcp_socket();
  const auto address = far_address();
  if (::bind(listener.get(), address.get(), address.size) != 0 ||
      ::listen(listener.get(), 1) != 0) {
    return 0;
  }
  listens.tell();
  const platform::UniqueFd stream(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  static char buffer[128 * 1024];
  std::uint64_t bytes = 0;
  const std::int64_t first = clock_ns();
  for (;;) {
    const ssize_t got = ::recv(stream.get(), buffer, sizeof buffer, 0);
    if (got <= 0) return 0;
    const std::int64_t age = clock_ns() - first - kWarmUpNs;
    if (age > 0) bytes += static_cast<std::uint64_t>(got);
    if (age >= kMeasureNs) {
      return static_cast<std::uint32_t>(bytes * 8 * 1000 / static_cast<std::uint64_t>(age));
    }
  }
}

int send_without_end() {
  const auto address = far_address();
  for (int attempt = 0; attempt < 200; ++attempt) {
    const platform::UniqueFd stream = tcp_socket();
    if (::connect(stream.get(), address.get(), address.size) != 0) {
      ::usleep(10'000);
      continue;
    }
    static char buffer[128 * 1024];
    while (::send(stream.get(), buffer, sizeof buffer, MSG_NOSIGNAL) > 0) {
    }
    return 0;
  }
  return 1;
}

DeviceConfig end_of_tunnel(const char* name, const Secret<32>& own, const PublicKey& other,
                           std::uint16_t port, std::uint16_t other_port) {
  DeviceConfig config;
  config.name = name;
  config.private_key = own;
  config.listen_port = port;
  PeerConfig peer;
  peer.public_key = other;
  peer.endpoint = Endpoint{IpAddress::v4(127, 0, 0, 1), other_port};
  peer.allowed_ips = {IpPrefix{IpAddress(), 0}};
  config.peers.push_back(std::move(peer));
  return config;
}

// In a child: Mb/s, 0 when something does not work.
std::uint32_t measure(BackendWish wish) {
  if (::unshare(CLONE_NEWNET) != 0) return 0;
  auto netlink = platform::Netlink::open();
  if (!netlink.ok() || !netlink->set_link_up("lo", true).ok()) return 0;
  // Both helpers are forked before the engine has threads.
  const Pipe far_ready, far_go, near_go, result;
  const pid_t far = child([&] {
    if (::unshare(CLONE_NEWNET) != 0) return 1;
    far_ready.tell();
    if (!far_go.wait()) return 1;
    const std::uint32_t mbps = receive(near_go);
    return ::write(result.ends[1], &mbps, sizeof mbps) == sizeof mbps ? 0 : 1;
  });
  const pid_t sender = child([&] { return near_go.wait() ? send_without_end() : 1; });
  std::uint32_t mbps = 0;
  const auto run = [&] {
    if (!far_ready.wait()) return;
    platform::Loop loop;
    platform::SystemRng rng;
    Options options;
    options.backend = wish;
    Wireguard wireguard(loop, rng, options);
    const Secret<32> near_key = x25519::make_clamped_key(rng);
    const Secret<32> far_key = x25519::make_clamped_key(rng);
    DeviceConfig near_end =
        end_of_tunnel(kNear, near_key, x25519::public_key(far_key), 51801, 51802);
    near_end.addresses = {*IpPrefix::parse("10.255.77.1/30")};
    near_end.up = true;
    auto near_device = wireguard.open(std::move(near_end));
    auto far_device =
        wireguard.open(end_of_tunnel(kFar, far_key, x25519::public_key(near_key), 51802, 51801));
    if (!near_device.ok() || !far_device.ok()) return;
    if (!netlink->move_link(kFar, far).ok()) return;
    far_go.tell();
    bool done = false;
    auto watcher = platform::FdWatcher::open(loop, result.ends[0], [&](unsigned) {
      if (::read(result.ends[0], &mbps, sizeof mbps) != sizeof mbps) mbps = 0;
      done = true;
    });
    if (!watcher.ok()) return;
    watcher->watch(platform::FdWatcher::kReadable);
    (void)loop.run_until([&] { return done; }, kLimit);
  };
  run();
  end(sender);
  end(far);
  return mbps;
}

// Each in a child of its own: a namespace is a process' for good.
Result<std::uint32_t> measure_apart(BackendWish wish) {
  const Pipe result;
  const pid_t id = child([&] {
    log::set_level(log::Level::Off);
    const std::uint32_t mbps = measure(wish);
    return ::write(result.ends[1], &mbps, sizeof mbps) == sizeof mbps ? 0 : 1;
  });
  if (id < 0) return Error{Errc::Unavailable, errno, "process for a measurement"};
  int status = 0;
  while (::waitpid(id, &status, 0) < 0 && errno == EINTR) {
  }
  std::uint32_t mbps = 0;
  if (status != 0 || ::read(result.ends[0], &mbps, sizeof mbps) != sizeof mbps) return 0u;
  return mbps;
}

// What failed may have failed for want of time; its record would count for as long as the kernel.
Result<std::uint32_t> measure_twice_at_most(BackendWish wish) {
  MYST_TRY_ASSIGN(const std::uint32_t first, measure_apart(wish));
  if (first != 0) return first;
  return measure_apart(wish);
}

}  // namespace

std::string kernel_release() {
  utsname name{};
  return ::uname(&name) == 0 ? std::string(name.release) : std::string();
}

std::string format_comparison(const Comparison& comparison) {
  return comparison.kernel_release + " " + std::to_string(comparison.kernel_mbps) + " " +
         std::to_string(comparison.userspace_mbps) + "\n";
}

Result<Comparison> parse_comparison(std::string_view text) {
  const auto words = split(trim(text), ' ');
  const Error malformed{Errc::Malformed, 0, "comparison of WireGuard backends"};
  if (words.size() != 3 || words[0].empty()) return malformed;
  Comparison out;
  out.kernel_release = std::string(words[0]);
  std::uint32_t* const numbers[] = {&out.kernel_mbps, &out.userspace_mbps};
  for (std::size_t i = 0; i < 2; ++i) {
    const auto number = parse_decimal(words[i + 1]);
    if (!number || *number > std::numeric_limits<std::uint32_t>::max()) return malformed;
    *numbers[i] = static_cast<std::uint32_t>(*number);
  }
  return out;
}

Result<Comparison> compare_backends() {
  if (::geteuid() != 0) return Error{Errc::Unauthorized, EPERM, "network namespaces"};
  Comparison out;
  out.kernel_release = kernel_release();
  if (choose_backend(BackendWish::Auto).backend == Backend::Kernel) {
    MYST_TRY_ASSIGN(out.kernel_mbps, measure_twice_at_most(BackendWish::Kernel));
  }
  MYST_TRY_ASSIGN(out.userspace_mbps, measure_twice_at_most(BackendWish::Userspace));
  return out;
}

}  // namespace myst::wireguard
