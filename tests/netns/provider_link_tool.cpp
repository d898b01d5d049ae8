// What tests/netns/provider_link.sh talks to: the tunnels of a provider, as the node opens them.
// One command a line, each answered with one line, "ok [value]" or "error <reason>".
//   prepare | open <id> <private key> <peer's key> <port> | close <id> | counters <id> | quit
// Session id's network is 10.182.<id>.0/24.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "apps/myst/tunnels.hpp"
#include "core/base/text.hpp"
#include "platform/log/log.hpp"
#include "platform/system/random.hpp"
#include "tests/support/command_lines.hpp"

namespace {

using namespace myst;

struct Tool {
  platform::Loop loop;
  platform::SystemRng rng;
  std::unique_ptr<platform::HostNetwork> network;
  std::unique_ptr<wireguard::Wireguard> wireguard;
  std::unique_ptr<app::Tunnels> tunnels;

  void answer(const std::optional<core::node::TunnelCounters>& counters) {
    if (!counters) return test::answer_line(Error{Errc::NotFound, 0, "counters"});
    test::answer_line(Status(), std::to_string(counters->received_bytes) + "\t" +
                                    std::to_string(counters->sent_bytes));
  }
  static ByteArray<32> key(std::string_view text) {
    ByteArray<32> out{};
    const auto bytes = from_base64(text);
    if (bytes.ok() && bytes->size() == out.size())
      std::copy(bytes->begin(), bytes->end(), out.begin());
    return out;
  }

  void run(std::string_view line) {
    const auto words = split(line, ' ');
    const auto word = [&words](std::size_t i) {
      return i < words.size() ? words[i] : std::string_view();
    };
    const auto id = static_cast<core::node::TunnelId>(parse_decimal(word(1)).value_or(0));
    if (word(0) == "prepare") {
      return tunnels->prepare_provider([](const Status& status) { test::answer_line(status); });
    }
    if (word(0) == "open") {
      core::node::ServiceTunnelOpen open{};
      open.tunnel = id;
      open.link = "myst" + std::to_string(id);
      open.network = {IpAddress::v4(10, 182, static_cast<std::uint8_t>(id), 0), 24};
      open.address = {IpAddress::v4(10, 182, static_cast<std::uint8_t>(id), 1), 24};
      open.private_key = Secret<32>(key(word(2)));
      open.peer = key(word(3));
      open.listen_port = static_cast<std::uint16_t>(parse_decimal(word(4)).value_or(0));
      return tunnels->open(open, {}, [](const Status& status) { test::answer_line(status); });
    }
    if (word(0) == "close") return tunnels->close(id, [this](const auto& last) { answer(last); });
    if (word(0) == "counters") return answer(tunnels->counters(id));
    if (word(0) == "quit") return loop.stop();
    test::answer_line(Error{Errc::Unsupported, 0, "unknown command"});
  }
};

std::uint64_t number_of(const char* variable) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  Tool tool;
  platform::HostNetwork::Options options;
  options.journal_path = std::string(argv[1]) + "/system.journal";
  options.lock_folder = argv[1];
  if (const char* path = std::getenv("MYST_RESOLV_CONF")) options.resolv_conf = path;
  // Without networks that are protected by configuration: what keeps sessions apart is not that.
  options.protected_networks.clear();
  options.total_bytes_per_second = number_of("MYST_TOTAL_RATE");
  options.on_warning = [](const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); };
  auto network = platform::HostNetwork::open(tool.loop, tool.rng, std::move(options));
  if (!network.ok() || !(*network)->recover().ok()) {
    std::printf("error %s\n", network.ok() ? "recover" : network.error().what);
    return 1;
  }
  tool.network = *std::move(network);
  wireguard::Options engine;
  engine.backend = wireguard::BackendWish::Userspace;
  tool.wireguard = std::make_unique<wireguard::Wireguard>(tool.loop, tool.rng, engine);
  app::Tunnels::Config config;
  config.limit_bytes_per_second = number_of("MYST_LIMIT");
  tool.tunnels = std::make_unique<app::Tunnels>(*tool.network, *tool.wireguard, config,
                                                [](core::node::TunnelId) {});
  if (!test::serve_command_lines(tool.loop, [&tool](std::string_view line) { tool.run(line); })) {
    return 1;
  }
  tool.tunnels.reset();
  tool.network.reset();
  std::printf("ended\n");
  return 0;
}
