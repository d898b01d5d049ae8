// `myst wireguard [-f] NAME`: the engine alone, called like wireguard-go, configured by `wg`.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "drivers/wireguard/comparison.hpp"
#include "drivers/wireguard/data_plane.hpp"
#include "drivers/wireguard/device.hpp"
#include "drivers/wireguard/userspace_device.hpp"
#include "platform/log/log.hpp"
#include "platform/loop/loop.hpp"
#include "platform/loop/signal_watcher.hpp"
#include "platform/system/random.hpp"

namespace myst::wireguard {
namespace {

constexpr char kUsage[] =
    "usage: myst wireguard [-f] NAME\n"
    "       myst wireguard --compare\n"
    "Makes the WireGuard interface NAME, to be configured by wg(8), or measures this machine's\n"
    "kernel module and our engine: prints the kernel's release and the Mb/s of both.\n"
    "  -f, --foreground   stay in the foreground\n"
    "Environment: LOG_LEVEL (error, verbose), MYST_WG_THREADS (1, 2), MYST_WG_TUN (none, tcp, "
    "udp),\n"
    "MYST_WG_UDP (none, many, segment)\n";

struct Arguments {
  bool foreground = false;
  const char* name = nullptr;
};

bool parse(int argc, char** argv, Arguments& out) {
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "-f") == 0 || std::strcmp(argv[i], "--foreground") == 0) {
      out.foreground = true;
    } else if (argv[i][0] == '-' || out.name != nullptr) {
      return false;
    } else {
      out.name = argv[i];
    }
  }
  return out.name != nullptr;
}

// The parent waits for a byte of the child, so that the interface is there when the command ends.
int detach_from_terminal() {
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) return -1;
  const pid_t child = ::fork();
  if (child < 0) return -1;
  if (child > 0) {
    ::close(ready[1]);
    char byte = 0;
    const bool started = ::read(ready[0], &byte, 1) == 1;
    ::_exit(started ? 0 : 1);
  }
  ::close(ready[0]);
  ::setsid();
  return ready[1];
}

}  // namespace

static int compare_main() {
  const auto compared = compare_backends();
  if (!compared.ok()) {
    std::fprintf(stderr, "%s: %s\n", compared.error().what, std::strerror(compared.error().detail));
    return 1;
  }
  std::fputs(format_comparison(*compared).c_str(), stdout);
  return 0;
}

int wireguard_main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--compare") == 0) return compare_main();
  Arguments arguments;
  if (!parse(argc, argv, arguments)) {
    std::fputs(kUsage, stderr);
    return 1;
  }
  const char* const level = std::getenv("LOG_LEVEL");
  const std::string_view wanted = level == nullptr ? "" : level;
  log::set_level(wanted == "verbose" || wanted == "debug" ? log::Level::Debug
                 : wanted == "silent"                     ? log::Level::Off
                                                          : log::Level::Info);
  const char* const foreground = std::getenv("WG_PROCESS_FOREGROUND");
  int ready = -1;
  if (!arguments.foreground && (foreground == nullptr || std::strcmp(foreground, "1") != 0)) {
    ready = detach_from_terminal();
    if (ready < 0) {
      std::perror("detach");
      return 1;
    }
  }
  const char* const threads = std::getenv("MYST_WG_THREADS");
  platform::Loop loop;
  platform::SystemRng rng;
  const unsigned wanted_threads =
      threads == nullptr ? 0 : static_cast<unsigned>(std::strtoul(threads, nullptr, 10));
  auto plane = DataPlane::start(loop, wanted_threads);
  if (!plane.ok()) {
    log::error("data threads do not start", "why", plane.error().what);
    return 1;
  }
  DeviceConfig config;
  config.name = arguments.name;
  config.control_socket = true;
  auto device = UserspaceDevice::open(loop, rng, **plane, userspace_options(), std::move(config));
  if (!device.ok()) {
    log::error("device does not open", "name", arguments.name, "why", device.error().what, "errno",
               device.error().detail);
    return 1;
  }
  (*device)->on_gone([&] { loop.stop(); });
  const auto stop = [&] { loop.stop(); };
  platform::SignalWatcher terminate(loop, SIGTERM, stop);
  platform::SignalWatcher interrupt(loop, SIGINT, stop);
  if (ready >= 0) {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int fd : {0, 1}) (void)::dup2(null, fd);
    if (wanted != "verbose") (void)::dup2(null, 2);
    ::close(null);
    (void)!::write(ready, "1", 1);
    ::close(ready);
  }
  loop.run();
  return 0;
}

}  // namespace myst::wireguard
