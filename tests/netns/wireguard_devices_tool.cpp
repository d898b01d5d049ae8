// Opens pairs of devices in one process, joined over loopback, until all have shaken hands: what
// the programs do through device.hpp. Usage: netns_wireguard_devices_tool <pairs> Prints
// "handshakes N", "adopted PORT", "first_ms N" and "kb_per_session N" (RSS of each device after the
// first 20). Or: netns_wireguard_devices_tool wireguard -f NAME, as `myst wireguard -f NAME`, for
// builds (sanitizers) in which the whole program would take too long.
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "drivers/wireguard/device.hpp"
#include "platform/log/log.hpp"
#include "platform/loop/loop.hpp"
#include "platform/net/sockaddr.hpp"
#include "platform/system/random.hpp"

using namespace myst;

namespace {

long resident_kb() {
  long pages = 0, resident = 0;
  FILE* const file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr || std::fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
  if (file != nullptr) std::fclose(file);
  return resident * sysconf(_SC_PAGESIZE) / 1024;
}

platform::UniqueFd bound_socket() {
  platform::UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto any = platform::to_sockaddr(*Endpoint::parse("0.0.0.0:0"));
  if (::bind(fd.get(), any.get(), any.size) != 0) std::exit(1);
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "wireguard") == 0) {
    return wireguard::wireguard_main(argc - 1, argv + 1);
  }
  const int pairs = argc > 1 ? std::atoi(argv[1]) : 1;
  log::set_level(log::Level::Warn);
  platform::Loop loop;
  platform::SystemRng rng;
  wireguard::Options options;
  options.backend = wireguard::BackendWish::Userspace;
  wireguard::Wireguard wireguard(loop, rng, options);
  std::printf("%s\n", wireguard.backend().why.c_str());
  std::vector<std::unique_ptr<wireguard::Device>> devices;
  int handshakes = 0, expected = 0;
  long at_20 = 0;
  const Instant start = loop.instant();
  double first_ms = 0;
  for (int i = 0; i < pairs; ++i) {
    const Secret<32> key_a = x25519::make_clamped_key(rng), key_b = x25519::make_clamped_key(rng);
    wireguard::DeviceConfig b;
    b.name = "mystb" + std::to_string(i);
    b.private_key = key_b;
    b.socket = bound_socket();  // as the second connection of a dial is handed over
    const std::uint16_t port = platform::local_endpoint(b.socket.get()).port;
    wireguard::PeerConfig peer_of_b;
    peer_of_b.public_key = x25519::public_key(key_a);
    peer_of_b.allowed_ips = {*IpPrefix::parse("0.0.0.0/0"), *IpPrefix::parse("::/0")};
    b.peers.push_back(peer_of_b);
    b.up = true;
    auto device_b = wireguard.open(std::move(b));
    if (!device_b.ok()) {
      std::printf("open: %s %d\n", device_b.error().what, device_b.error().detail);
      return 1;
    }
    if ((*device_b)->listen_port() != port) return 1;
    if (i == 0) std::printf("adopted %u\n", unsigned{port});
    wireguard::DeviceConfig a;
    a.name = "mysta" + std::to_string(i);
    a.private_key = key_a;
    wireguard::PeerConfig peer_of_a;
    peer_of_a.public_key = x25519::public_key(key_b);
    peer_of_a.endpoint = Endpoint::parse("127.0.0.1:" + std::to_string(port)).value();
    peer_of_a.allowed_ips = {*IpPrefix::parse("10.182.0.0/16")};
    peer_of_a.keepalive_s = 18;
    a.peers.push_back(peer_of_a);
    a.up = true;
    auto device_a = wireguard.open(std::move(a));
    if (!device_a.ok()) {
      std::printf("open: %s %d\n", device_a.error().what, device_a.error().detail);
      return 1;
    }
    for (auto* device : {&*device_a, &*device_b}) {
      ++expected;
      (*device)->on_handshake([&](const wireguard::PublicKey&) {
        if (++handshakes == 2) {
          first_ms = static_cast<double>((loop.instant() - start).count()) / 1e6;
        }
      });
      devices.push_back(std::move(*device));
    }
    const bool all =
        loop.run_until([&] { return handshakes == expected; }, std::chrono::seconds{10});
    if (!all) {
      std::printf("handshakes %d of %d\n", handshakes, expected);
      return 1;
    }
    if (devices.size() == 20) at_20 = resident_kb();
  }
  std::printf("handshakes %d\nfirst_ms %.1f\nresident_kb %ld\n", handshakes, first_ms,
              resident_kb());
  if (devices.size() > 20) {
    std::printf("kb_per_session %.1f\n", static_cast<double>(resident_kb() - at_20) /
                                             static_cast<double>(devices.size() - 20));
  }
  for (const auto& device : devices) {
    const auto stats = device->stats();
    if (!stats.ok() || stats->size() != 1 || stats->front().tx_bytes == 0 ||
        !stats->front().last_handshake) {
      std::printf("statistics of %s\n", device->name().c_str());
      return 1;
    }
  }
  devices.clear();
  // The interfaces are gone, and their names free, when the devices are.
  wireguard::DeviceConfig again;
  again.name = "mysta0";
  again.private_key = x25519::make_clamped_key(rng);
  const auto reopened = wireguard.open(std::move(again));
  if (!reopened.ok()) {
    std::printf("reopen: %s %d\n", reopened.error().what, reopened.error().detail);
    return 1;
  }
  return 0;
}
