// What tests/netns/host_network.sh talks to: a HostNetwork that takes one command a line and
// answers each with one line, "ok <milliseconds> [value]" or "error <reason>".
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/base/text.hpp"
#include "platform/system/host_network.hpp"
#include "platform/system/random.hpp"
#include "tests/support/command_lines.hpp"

namespace {

using namespace myst;
using Clock = std::chrono::steady_clock;

struct Tool {
  platform::Loop loop;
  platform::SystemRng rng;
  std::unique_ptr<platform::HostNetwork> network;
  Clock::time_point began;

  void answer(const Status& status, const std::string& value = {}) {
    char ms[32];
    std::snprintf(ms, sizeof ms, "%.1f ",
                  std::chrono::duration<double, std::milli>(Clock::now() - began).count());
    test::answer_line(status, ms + value);
  }
  IpAddress ip(std::string_view text) {
    const auto parsed = IpAddress::parse(text);
    return parsed.ok() ? *parsed : IpAddress();
  }
  IpPrefix prefix(std::string_view text) {
    const auto parsed = IpPrefix::parse(text);
    return parsed.ok() ? *parsed : IpPrefix{};
  }

  void run(std::string_view line) {
    const auto words = split(line, ' ');
    const auto done = [this](const Status& status) { answer(status); };
    const auto word = [&words](std::size_t i) {
      return i < words.size() ? std::string(words[i]) : std::string();
    };
    began = Clock::now();
    if (word(0) == "start") return network->start_provider(done);
    if (word(0) == "stop") return network->stop_provider(done);
    if (word(0) == "claim") return network->claim_link(word(1), done);
    if (word(0) == "drop") return network->release_link(word(1), done);
    if (word(0) == "link") return network->open_link({word(1), 0, word(2) == "limited"}, done);
    if (word(0) == "end-link") return network->close_link(word(1), done);
    // session: on a link of its own; join: on one that is open.
    if (word(0) == "session" || word(0) == "join") {
      platform::HostNetwork::Session session;
      session.own_link = word(0) == "session";
      session.link = word(1);
      session.address = prefix(word(2));
      session.network = session.address.network();
      session.limit_bytes_per_second = parse_decimal(word(3)).value_or(0);
      session.dns_policy = word(4) == "policy";
      return network->open_session(session, done);
    }
    if (word(0) == "end-session") return network->close_session(prefix(word(1)), done);
    if (word(0) == "tunnel") {
      platform::HostNetwork::Tunnel tunnel;
      tunnel.link = word(1);
      tunnel.address = prefix(word(2));
      if (!word(3).empty()) tunnel.dns = {ip(word(3))};
      return network->open_tunnel(tunnel, done);
    }
    if (word(0) == "end-tunnel") return network->close_tunnel(word(1), done);
    if (word(0) == "exclude") return network->exclude(ip(word(1)), done);
    if (word(0) == "release") return network->release(ip(word(1)), done);
    if (word(0) == "kill-switch") {
      std::vector<IpAddress> allowed;
      for (std::size_t i = 3; i < words.size(); ++i) allowed.push_back(ip(words[i]));
      return network->kill_switch_on(std::atoi(word(1).c_str()), word(2) == "-" ? "" : word(2),
                                     allowed, done);
    }
    if (word(0) == "end-kill-switch") {
      return network->kill_switch_off(std::atoi(word(1).c_str()), done);
    }
    if (word(0) == "outbound") {
      return network->find_outbound_address([this](Result<IpAddress> found) {
        answer(found.ok() ? Status{} : Status(found.error()),
               found.ok() ? found->to_string() : std::string());
      });
    }
    if (word(0) == "quit") return loop.stop();
    answer(Error{Errc::Unsupported, 0, "unknown command"});
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  Tool tool;
  platform::HostNetwork::Options options;
  options.journal_path = std::string(argv[1]) + "/system.journal";
  options.lock_folder = argv[1];
  if (const char* path = std::getenv("MYST_RESOLV_CONF")) options.resolv_conf = path;
  options.dns_policy.zones = {"allowed.test"};
  if (argc < 3 || std::string(argv[2]) != "policy") options.dns_policy = {};
  if (const char* total = std::getenv("MYST_TOTAL_RATE")) {
    options.total_bytes_per_second = std::strtoull(total, nullptr, 10);
  }
  options.on_warning = [](const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); };
  auto network = platform::HostNetwork::open(tool.loop, tool.rng, std::move(options));
  if (!network.ok() || !(*network)->recover().ok()) {
    std::printf("error %s\n", network.ok() ? "recover" : network.error().what);
    return 1;
  }
  tool.network = *std::move(network);
  if (!test::serve_command_lines(tool.loop, [&tool](std::string_view line) { tool.run(line); })) {
    return 1;
  }
  tool.network.reset();
  std::printf("ended\n");
  return 0;
}
