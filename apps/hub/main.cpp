// myst-hub: the services a network needs besides its nodes.
#include <signal.h>
#include <sys/resource.h>

#include <cstdio>

#include "apps/hub/hub.hpp"
#include "platform/loop/signal_watcher.hpp"
#include "platform/system/random.hpp"
#include "platform/system/systemd.hpp"

namespace {

// Each client of the gate costs two descriptors. Takes what the system gives, and says how many
// clients that is.
std::size_t clients_by_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 300;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  constexpr rlim_t kOthers = 1100;  // HTTP and the rest
  return limit.rlim_cur > 2 * kOthers ? static_cast<std::size_t>((limit.rlim_cur - kOthers) / 2)
                                      : static_cast<std::size_t>(limit.rlim_cur / 4);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace myst;
  const auto parsed = hub::parse_options({argv + 1, argv + argc});
  if (std::holds_alternative<hub::HelpWanted>(parsed)) {
    std::fputs(hub::help_text().c_str(), stdout);
    return 0;
  }
  if (std::holds_alternative<hub::VersionWanted>(parsed)) {
    std::puts("myst-hub 0.1.0");
    return 0;
  }
  if (std::holds_alternative<hub::RoutesWanted>(parsed)) {
    for (const hub::RouteName& route : hub::Hub::routes()) {
      std::printf("%s %s\n", route.method.c_str(), route.pattern.c_str());
    }
    return 0;
  }
  if (const auto* error = std::get_if<hub::UsageError>(&parsed)) {
    std::fprintf(stderr, "myst-hub: %s\n", error->line.c_str());
    return 1;
  }
  auto options = std::get<hub::Options>(parsed);
  (void)::signal(SIGPIPE, SIG_IGN);
  const hub::Log log = [](hub::Level level, const std::string& text) {
    std::fprintf(stderr, "%s%s\n", level == hub::Level::Warning ? "warning: " : "", text.c_str());
  };
  if (const std::size_t most = clients_by_descriptors(); most < options.max_broker_clients) {
    log(hub::Level::Info, "the limit of open files allows " + std::to_string(most) +
                              " broker clients, not " + std::to_string(options.max_broker_clients));
    options.max_broker_clients = most;
  }
  platform::Loop loop;
  platform::SystemRng rng;
  auto started = hub::Hub::start(loop, rng, options, log);
  if (const auto* error = std::get_if<hub::Hub::StartError>(&started)) {
    std::fprintf(stderr, "myst-hub: %s\n", error->line.c_str());
    return 1;
  }
  auto& running = std::get<std::unique_ptr<hub::Hub>>(started);
  log(hub::Level::Info,
      "network \"" + options.name + "\": http on " + running->http().to_string() +
          (running->broker() ? ", broker on " + running->broker()->to_string() : "") +
          (running->stun() ? ", STUN on " + running->stun()->to_string() : "") +
          (running->port_check() ? ", port check on " + running->port_check()->to_string() : ""));
  platform::SignalWatcher on_term(loop, SIGTERM, [&] { loop.stop(); });
  platform::SignalWatcher on_int(loop, SIGINT, [&] { loop.stop(); });
  platform::SignalWatcher on_hup(loop, SIGHUP, [&] { running->reload(); });
  (void)platform::systemd_notify("READY=1");
  const platform::SystemdWatchdog watchdog(loop);
  loop.run();
  (void)platform::systemd_notify("STOPPING=1");
  running->shutdown();
  running.reset();
  return 0;
}
