#include "apps/myst/run_node.hpp"

#include <malloc.h>
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>
#include <variant>

#include "apps/myst/build_info.hpp"
#include "apps/myst/chains.hpp"
#include "apps/myst/clock_check.hpp"
#include "apps/myst/executor.hpp"
#include "apps/myst/network_join.hpp"
#include "apps/myst/node_service.hpp"
#include "apps/myst/rest_listener.hpp"
#include "core/base/text.hpp"
#include "core/base/url.hpp"
#include "core/config/document_layer.hpp"
#include "core/crypto/secp256k1.hpp"
#include "drivers/wireguard/comparison.hpp"
#include "platform/loop/signal_watcher.hpp"
#include "platform/net/resolve.hpp"
#include "platform/system/files.hpp"
#include "platform/system/memory.hpp"
#include "platform/system/random.hpp"
#include "platform/system/run.hpp"
#include "platform/system/systemd.hpp"

namespace myst::app {
namespace {

constexpr Duration kIdentityRetry = std::chrono::seconds(10);
// After the start, and after a session or connection was set up, all that ran for it is done.
constexpr Duration kSettleTime = std::chrono::seconds(5);
constexpr Duration kForgetAgain = std::chrono::seconds{15};

int fail(const std::string& line) {
  log::error(line);
  return 1;
}

void tune_memory() {
  // One arena for the few threads, big blocks back to the system at once: see the memory budget.
  (void)mallopt(M_ARENA_MAX, 1);
  (void)mallopt(M_MMAP_THRESHOLD, 64 * 1024);
  (void)mallopt(M_TRIM_THRESHOLD, 128 * 1024);
}

std::string without_slash(std::string url) {
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url;
}

std::vector<core::node::TraversalMethod> traversal(const core::NodeConfig& config) {
  using Method = core::node::TraversalMethod;
  std::vector<Method> out;
  for (const std::string& word : config.list("traversal")) {
    if (word == "manual") out.push_back(Method::Manual);
    if (word == "upnp") out.push_back(Method::Upnp);
    if (word == "holepunching") out.push_back(Method::HolePunching);
  }
  return out.empty() ? core::node::Config{}.traversal : out;
}

core::node::Config node_config(const core::NodeConfig& config, const Chains::Config& chains,
                               const std::vector<core::BrokerAddress>& brokers) {
  core::node::Config out;
  out.chain = Chains::machine_config(chains);
  out.payment.first_charge_period = config.duration("payments.provider.invoice-frequency");
  out.payment.charge_period_limit = config.duration("payments.provider.invoice-frequency-limit");
  out.payment.consumer_leeway_bytes =
      static_cast<std::uint64_t>(config.integer("payments.consumer.data-leeway-megabytes")) << 20;
  out.payment.accept_any_price = config.flag("payments.during-session-debug");
  for (const auto& broker : brokers) out.broker_addresses.push_back(broker.to_string());
  out.traversal = traversal(config);
  if (const auto base = IpPrefix::parse(config.text("wireguard.allowed.subnet"));
      base.ok() && base->ip.is_v4() && base->length <= 24) {
    out.session_networks = base->network();
  } else {
    log::warn("wireguard.allowed.subnet is no IPv4 network of at most /24, using the default");
  }
  out.policy_url = config.text("access-policy.address");
  out.ping_interval = config.duration("discovery.ping");
  out.kill_switch = config.flag("outgoing-firewall");
  out.keep_connected_on_fail = config.flag("keep-connected-on-fail");
  out.auto_reconnect = config.flag("auto-reconnect");
  out.statistics_interval = config.duration("stats-report-interval");
  return out;
}

HostFacts::Config facts_config(const core::NodeConfig& config) {
  HostFacts::Config out;
  out.ip_detector = config.text("ip-detector");
  out.location_url = config.text("location.address");
  if (config.text("location.type") == "manual") {
    core::ProposalLocation location;
    location.country = config.text("location.country");
    location.city = config.text("location.city");
    location.ip_type = config.text("location.ip-type");
    out.manual = std::move(location);
  }
  out.stun_servers = config.list("stun-servers");
  out.port_check_servers = config.list("port-check-servers");
  const auto methods = traversal(config);
  out.only_open_ports =
      methods == std::vector<core::node::TraversalMethod>{core::node::TraversalMethod::Manual};
  return out;
}

// All parts of a running node, made in order and destroyed in reverse.
class Program {
 public:
  explicit Program(NodeLaunch launch)
      : launch_(std::move(launch)),
        config_(launch_.config),
        work_(loop_),
        comparing_(loop_, 1),
        http_(loop_, http_options()),
        retry_(loop_, [this] { select_identity(); }),
        settled_(loop_, [this] {
          platform::trim_heap();
          platform::forget_used_code();
          if (serves()) settled_.arm_in(kForgetAgain);
        }) {
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
      signals_.push_back(
          std::make_unique<platform::SignalWatcher>(loop_, number, [this] { stop(0); }));
    }
    (void)::signal(SIGPIPE, SIG_IGN);
  }

  int main() {
    if (const std::string problem = open(); !problem.empty()) {
      if (!stopping_) exit_code_ = fail(problem);
      return exit_code_;
    }
    if (stopping_) return exit_code_;
    secp256k1::blind(rng_);
    if (launch_.provider) {
      facts_->watch_ports();  // known before the first consumer can come
      select_identity();
    }
    (void)platform::systemd_notify("READY=1");
    platform::SystemdWatchdog watchdog(loop_);
    loop_.run();
    (void)platform::systemd_notify("STOPPING=1");
    rest_.reset();
    if (store_) store_->finish();
    work_.finish();
    // What devices, routes and rules are left goes now, in order.
    const Status undone = host_ ? host_->finish() : Status();
    if (!undone.ok()) log::error("not everything was undone", "why", undone.error().what);
    service_.reset();
    executor_.reset();
    tunnels_.reset();
    wireguard_.reset();
    host_.reset();
    log::info("stopped", "exit", exit_code_);
    return exit_code_;
  }

 private:
  void check_clock(std::string_view date) {
    switch (clock_.look(date, loop_.now().wall)) {
      case ClockCheck::Verdict::Nothing:
        break;
      case ClockCheck::Verdict::WentWrong:
        log::error(
            "this machine's clock is wrong: set it (timedatectl set-ntp true); until then brokers "
            "refuse what it signs",
            clock_.ahead().count() > 0 ? "ahead_s" : "behind_s",
            clock_.ahead().count() > 0 ? clock_.ahead().count() : -clock_.ahead().count());
        break;
      case ClockCheck::Verdict::IsRight:
        log::info("this machine's clock is right again");
        break;
    }
  }

  platform::HttpClient::Options http_options() {
    platform::HttpClient::Options options;
    options.user_agent = "Mysterium node(" + build().version + "; https://mysterium.network)";
    options.observe = [this](const platform::HttpResponse& answer) {
      check_clock(answer.headers.get("Date"));
    };
    return options;
  }

  // Empty: all is open. Else one sentence for the owner.
  std::string open() {
    const std::string data = config_.text("data-dir");
    if (const std::string fault = config_.first_fault(); !fault.empty()) return fault;
    if (config_.network() == core::NetworkKind::Own) {
      const std::string folder = data + "/" + config_.network_folder();
      if (const Status made = platform::make_directories(folder, 0700); !made.ok()) {
        return "cannot make " + folder + ": " + made.error().what;
      }
      const auto document = join_network(loop_, http_, config_.hub_url(), folder + "/network.json",
                                         [this] { return stopping_; });
      if (!document) return "no network to join at " + config_.hub_url();
      log::info("joining the network", "name", document->name, "hub", config_.hub_url());
      for (const auto& taken : config_.absorb_document(core::document_values(*document))) {
        log::info("from the network document", "key", taken.key, "value", taken.value, "used",
                  taken.used == core::NodeConfig::Layer::Document ? "yes" : "no, set by hand");
      }
    }
    for (const std::string& folder : {data, data + "/" + config_.network_folder() + "/db"}) {
      if (const Status made = platform::make_directories(folder, 0700); !made.ok()) {
        return "cannot make " + folder + ": " + made.error().what;
      }
    }
    if (std::string problem = open_machine(data); !problem.empty()) return problem;
    if (std::string problem = open_store(data); !problem.empty()) return problem;
    return open_node(data);
  }

  std::string open_machine(const std::string& data) {
    platform::HostNetwork::Options options;
    options.journal_path = data + "/changes.journal";
    options.protected_networks.clear();
    for (const std::string& text : config_.list("firewall.protected.networks")) {
      const auto network = IpPrefix::parse(trim(text));
      if (network.ok()) options.protected_networks.push_back(network->network());
    }
    if (const auto bind = IpAddress::parse(config_.text("bind.address"));
        bind.ok() && !bind->is_unspecified()) {
      options.bind_address = *bind;
    }
    options.dns_port = static_cast<std::uint16_t>(config_.integer("dns.listen-port"));
    if (config_.flag("shaper.enabled")) {
      options.total_bytes_per_second =
          static_cast<std::uint64_t>(config_.number("shaper.total")) * 1000;
    }
    options.on_warning = [](const std::string& text) {
      log::warn("a helper program said", "text", text);
    };
    auto host = platform::HostNetwork::open(loop_, rng_, std::move(options));
    if (!host.ok()) {
      if (host.error().code == Errc::AlreadyExists) {
        return data + " is in use by another node: stop it or choose another --data-dir";
      }
      return std::string("the journal of system changes cannot be opened in ") + data + ": " +
             host.error().what;
    }
    host_ = std::move(*host);
    if (const Status recovered = host_->recover(); !recovered.ok()) {
      log::error(
          "what the last run left could not all be undone; it will be tried again at the "
          "next start",
          "why", recovered.error().what);
    }
    wireguard::Options wireguard_options;
    const std::string backend = config_.text("wireguard.backend");
    if (backend == "userspace" || config_.flag("userspace")) {
      wireguard_options.backend = wireguard::BackendWish::Userspace;
    } else if (backend == "kernel") {
      wireguard_options.backend = wireguard::BackendWish::Kernel;
    } else if (backend != "auto") {
      log::warn("wireguard.backend is not auto, kernel or userspace: auto", "value", backend);
    }
    wireguard_ = std::make_unique<wireguard::Wireguard>(loop_, rng_, wireguard_options);
    compare_backends(data + "/wireguard-backends");
    Tunnels::Config tunnels;
    tunnels.provider_mtu_bytes = static_cast<std::uint32_t>(config_.integer("wireguard.mtu"));
    if (config_.flag("shaper.enabled")) {
      tunnels.limit_bytes_per_second =
          static_cast<std::uint64_t>(config_.number("shaper.bandwidth")) * 1000;
    }
    tunnels_ = std::make_unique<Tunnels>(
        *host_, *wireguard_, tunnels, [this](core::node::TunnelId tunnel) {
          executor_->run([&](core::Node& node, Now now) { node.handle_tunnel_up(now, tunnel); });
        });
    return {};
  }

  // Where the kernel has WireGuard: what an earlier start measured counts now, or it is measured
  // beside, by a process of its own.
  void compare_backends(const std::string& path) {
    if (wireguard_->backend().backend != wireguard::Backend::Kernel ||
        config_.text("wireguard.backend") != "auto") {
      return;
    }
    if (const auto text = platform::read_file(path, 256); text.ok()) {
      const auto known = wireguard::parse_comparison(*text);
      if (known.ok() && known->kernel_release == wireguard::kernel_release()) {
        return wireguard_->learn(*known);
      }
    }
    (void)comparing_.submit_for<Result<platform::RunResult>>(
        [] {
          return platform::run({"/proc/self/exe", "wireguard", "--compare"}, {},
                               std::chrono::seconds{12});
        },
        [this, path](const Result<platform::RunResult>& ran) {
          const auto compared =
              ran.ok() && ran->exit_code == 0
                  ? wireguard::parse_comparison(ran->output)
                  : Result<wireguard::Comparison>(Error{Errc::Io, 0, "no result"});
          if (!compared.ok()) {
            return log::warn("WireGuard backends could not be compared", "why",
                             ran.ok() ? ran->errors : std::string(ran.error().what));
          }
          (void)platform::write_file_atomically(path, wireguard::format_comparison(*compared));
          wireguard_->learn(*compared);
          log::info("WireGuard backends compared", "choice", wireguard_->backend().why);
        });
  }

  std::string open_store(const std::string& data) {
    // The reference keeps a file of another kind as myst.db there; each leaves the other's alone.
    const std::string path = data + "/" + config_.network_folder() + "/db/node.db";
    storage::Database::Opened opened;
    auto store = storage::Store::open(loop_, path, &opened);
    if (!store.ok()) return "cannot open the database " + path + ": " + store.error().what;
    store_ = std::move(*store);
    if (!opened.moved_aside.empty()) {
      log::error("the database was corrupt; it was kept aside and a new one begun", "kept",
                 opened.moved_aside);
    }
    if (opened.migrated_from >= 0) log::info("database migrated", "backup", opened.backup);
    store_->run<Result<std::uint64_t>>(
        [](storage::Tables& tables) { return tables.sessions.complete_orphans(); },
        [](const Result<std::uint64_t>& orphans) {
          if (orphans.ok() && *orphans > 0) {
            log::info("sessions of a run that ended suddenly were closed", "count", *orphans);
          }
        });
    return {};
  }

  std::string open_node(const std::string& data) {
    keystore::Keystore::Config keys;
    keys.path = data + "/keystore";
    if (!config_.flag("keystore.lightweight")) keys.cost = keystore::kStandardCost;
    keystore_ = std::make_unique<keystore::Keystore>(loop_, work_, rng_, std::move(keys));
    const Chains::Config chains = Chains::configured(config_);
    if (!chains.chains.empty() && !Chains::machine_config(chains).present) {
      return "chain-id=" + config_.text("chain-id") +
             " is neither chains.1.chainID nor chains.2.chainID with a registry";
    }
    chains_ = std::make_unique<Chains>(loop_, *store_, chains);
    treasurer_ = std::make_unique<Treasurer>(loop_, rng_, http_, *chains_, *store_,
                                             Treasurer::configured(config_, *chains_));
    const auto ports = core::parse_port_range(config_.text("udp.ports"));
    if (!ports.ok()) return "udp.ports: '" + config_.text("udp.ports") + "' is no range from:to";
    HostFacts::Config facts = facts_config(config_);
    facts.first_port = ports->first;
    facts.end_port = ports->last;
    facts_ = std::make_unique<HostFacts>(loop_, rng_, http_, std::move(facts));
    Market::Config market;
    market.discovery_url = without_slash(config_.text("discovery.address"));
    market.access_policy_url = config_.text("access-policy.address");
    market.free = !chains_->present();
    market.service_types = {"wireguard", "scraping", "data_transfer", "dvpn", "monitoring", "noop"};
    market_ = std::make_unique<Market>(
        loop_, http_, std::move(market), [this](const core::PriceTable& prices) {
          if (executor_ == nullptr) return;
          executor_->run([&](core::Node& node, Now now) { node.handle_prices(now, prices); });
        });

    Executor::Config executor;
    for (const std::string& text : config_.list("broker-address")) {
      auto address = core::BrokerAddress::parse(trim(text));
      if (!address.ok()) return "broker-address: '" + text + "' is no address of a broker";
      executor.brokers.servers.push_back(std::move(*address));
    }
    if (executor.brokers.servers.empty()) return "no broker-address is configured";
    executor.brokers.version = build().version;
    executor.node = node_config(config_, chains, executor.brokers.servers);
    executor.first_port = ports->first;
    executor.end_port = ports->last;
    for (const auto& server : executor.brokers.servers) {
      executor.backend_hosts.push_back(server.host);
    }
    for (const char* key : {"discovery.address", "location.address"}) {
      const auto url = Url::parse(config_.text(key));
      if (url.ok()) executor.backend_hosts.push_back(url->host);
    }
    for (const std::string& host : chains_->hosts()) executor.backend_hosts.push_back(host);
    executor_ = std::make_unique<Executor>(
        Executor::Parts{loop_, rng_, *tunnels_, *facts_, *market_, *store_, *chains_, *treasurer_},
        std::move(executor), [this](const core::node::Event& event) {
          service_->on_event(event);
          if (std::holds_alternative<core::node::SessionAcknowledged>(event) ||
              std::holds_alternative<core::node::ConnectDone>(event)) {
            settled_.arm_in(kSettleTime);
          }
        });
    settled_.arm_in(kSettleTime);
    chains_->on_registered([this](const Address& identity) {
      executor_->run([&](core::Node& node, Now now) { node.handle_registered(now, identity); });
      // The registration took its fee out of the channel.
      if (!keystore_->contains(identity)) return;
      chains_->watch_balance(identity, true);
      chains_->balance(identity, chains_->active().hermes, true, [](const Result<Wei>&) {});
    });
    chains_->on_balance([this](const Address&) {
      if (service_ != nullptr) service_->tell_change();
    });
    NodeService::Settings settings;
    settings.build = {build().version, build().commit, build().branch, build().number};
    settings.user_file = launch_.user_file.loaded() ? launch_.user_file.path() : std::string();
    settings.stop = [this] { stop(1); };
    settings.prepare_provider = [this](Tunnels::Done done) { prepare_provider(std::move(done)); };
    service_ = std::make_unique<NodeService>(
        NodeService::Parts{loop_, work_, config_, *keystore_, *executor_, *tunnels_, *facts_,
                           *market_, *store_, *chains_, *treasurer_},
        std::move(settings));
    market_->start();
    treasurer_->start();

    std::string problem;
    rest_ = RestListener::open(loop_, config_, *service_, data, rng_, &problem);
    if (rest_ == nullptr) return problem;
    facts_->prefetch();
    log::info("myst runs", "version", build().version, "network", config_.network_folder(),
              "wireguard", wireguard_->backend().why);
    if (launch_.record_terms) record_terms();
    return {};
  }

  void prepare_provider(Tunnels::Done done) {
    if (config_.flag("consumer")) {
      return done(Error{Errc::Unsupported, 0, "this node runs as consumer only (--consumer)"});
    }
    tunnels_->prepare_provider([this, done = std::move(done)](const Status& status) {
      if (status.ok()) facts_->watch_ports();
      done(status);
    });
  }

  void record_terms() {
    std::vector<rest::ConfigChange> changes;
    changes.push_back({"terms.provider-agreed", core::ConfigValue(true)});
    changes.push_back({"terms.consumer-agreed", core::ConfigValue(true)});
    changes.push_back({"terms.version", core::ConfigValue(std::string(core::kTermsVersion))});
    service_->change_config(std::move(changes), [](const rest::Outcome<rest::Nothing>&) {});
  }

  // --- the provider's start: identity, then services

  void select_identity() {
    std::optional<Address> wanted;
    const std::string text = config_.text("identity");
    if (!text.empty()) {
      const auto address = Address::parse(text);
      if (!address.ok()) {
        stop(fail("--identity=" + text + " is no identity: 0x and 40 hex digits are"));
        return;
      }
      wanted = *address;
    }
    service_->use_identity(wanted, config_.text("identity.passphrase"),
                           [this](const rest::Outcome<Address>& used) {
                             if (const auto* id = std::get_if<Address>(&used)) {
                               start_services(*id);
                               return;
                             }
                             log::error("the identity cannot be used, trying again", "why",
                                        std::get<rest::Failure>(used).message);
                             retry_.arm_in(kIdentityRetry);
                           });
  }

  void start_services(const Address& id) {
    log::info("provider", "identity", id.to_string());
    auto types = services_to_start(config_);
    if (config_.network() == core::NetworkKind::Own) {
      // Not the public network's habits (its monitoring, dvpn for old set-ups): what was asked for.
      types.clear();
      for (const std::string& text : config_.list("active-services")) {
        if (!trim(text).empty()) types.emplace_back(trim(text));
      }
    }
    for (const std::string& type : types) {
      service_->start_configured_service(
          id, type, [this, type](const rest::Outcome<rest::ServiceInfo>& started) {
            if (const auto* bad = std::get_if<rest::Failure>(&started)) {
              stop(fail("service " + type + ": " + bad->message));
            }
          });
    }
  }

  // A session brings code in that it needs seldom: a signature, a look at the database.
  bool serves() const {
    if (executor_ == nullptr) return false;
    const core::Node& node = executor_->node();
    const auto connections = node.connections();
    return !node.sessions().empty() ||
           std::any_of(connections.begin(), connections.end(), [](const auto& view) {
             return view.state != core::node::ConnectionState::NotConnected;
           });
  }

  void stop(int code) {
    if (stopping_) return;
    stopping_ = true;
    exit_code_ = code;
    if (executor_ == nullptr) {
      loop_.stop();
      return;
    }
    log::info("stopping");
    executor_->shutdown([this] { loop_.stop(); });
  }

  NodeLaunch launch_;
  core::NodeConfig& config_;  // the launch's: changed by the network document and the API
  platform::Loop loop_;
  platform::SystemRng rng_;
  platform::WorkQueue work_;
  platform::WorkQueue comparing_;
  ClockCheck clock_;
  platform::HttpClient http_;
  platform::Timer retry_;
  platform::Timer settled_;
  std::vector<std::unique_ptr<platform::SignalWatcher>> signals_;
  std::unique_ptr<platform::HostNetwork> host_;
  std::unique_ptr<wireguard::Wireguard> wireguard_;
  std::unique_ptr<Tunnels> tunnels_;
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<keystore::Keystore> keystore_;
  std::unique_ptr<Chains> chains_;
  std::unique_ptr<Treasurer> treasurer_;
  std::unique_ptr<HostFacts> facts_;
  std::unique_ptr<Market> market_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<NodeService> service_;
  std::unique_ptr<RestListener> rest_;
  bool stopping_ = false;
  int exit_code_ = 0;
};

}  // namespace

int run_node(NodeLaunch launch) {
  tune_memory();
  platform::ask_again_soon();
  const core::NodeConfig& config = launch.config;
  log::Options log_options;
  const auto level = log::parse_level(config.text("log-level"));
  log_options.level = level.ok() ? *level : log::Level::Debug;
  log_options.folder = config.text("log-dir");
  if (const Status opened = log::open(log_options); !opened.ok()) {
    log::warn("logging to stderr only", "folder", log_options.folder, "why", opened.error().what);
  }
  if (!level.ok()) log::warn("log-level is none of the known ones, using debug");
  for (const std::string& warning : launch.warnings) log::warn(warning);
  Program program(std::move(launch));
  return program.main();
}

}  // namespace myst::app
