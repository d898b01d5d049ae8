#include "apps/hub/hub.hpp"

#include <cstring>
#include <fstream>

#include "core/base/text.hpp"
#include "drivers/discovery/proposal_codec.hpp"
#include "platform/json/json.hpp"
#include "platform/system/files.hpp"

namespace myst::hub {
namespace {

using storage::HubStore;

constexpr Duration kSweep = std::chrono::seconds{5};
constexpr Duration kFlush = std::chrono::seconds{30};
constexpr Duration kProposalLifetime = std::chrono::seconds{190};
constexpr std::size_t kMaxHttpConnections = 1024;
constexpr std::size_t kMaxUnwritten = 100000;

std::string describe(const Error& error) {
  std::string out = error.what;
  if (error.code == Errc::Io && error.detail > 0)
    out += std::string(": ") + std::strerror(error.detail);
  return out;
}

std::string cannot_listen(const char* what, const Endpoint& where, const Error& error) {
  const bool system = error.code == Errc::Io && error.detail > 0;
  return std::string("cannot listen for ") + what + " on " + where.to_string() + ": " +
         (system ? std::strerror(error.detail) : error.what);
}

core::ProposalIndex::Config index_config(const Options& options) {
  core::ProposalIndex::Config config;
  config.lifetime = kProposalLifetime;
  config.compatibility_min = options.compatibility_min;
  return config;
}

}  // namespace

Hub::Hub(platform::Loop& loop, Rng& rng, const Options& options, Log log)
    : loop_(loop),
      rng_(rng),
      options_(options),
      log_(std::move(log)),
      started_(loop.instant()),
      index_(index_config(options)),
      intake_({options.broker_skew, options.accept_unnamed_proposals}),
      locations_(options.place),
      api_(options_, index_, locations_, policies_, prices_, rng, [this] { return status(); }),
      sweep_timer_(loop, [this] { sweep(); }),
      flush_timer_(loop, [this] { flush(); }) {}

Hub::~Hub() { shutdown(); }

std::variant<std::unique_ptr<Hub>, Hub::StartError> Hub::start(platform::Loop& loop, Rng& rng,
                                                               const Options& options, Log log) {
  std::unique_ptr<Hub> hub(new Hub(loop, rng, options, std::move(log)));
  if (auto problem = hub->open_all()) return StartError{std::move(*problem)};
  return hub;
}

std::vector<RouteName> Hub::routes() {
  std::vector<RouteName> out = HttpApi::routes();
  for (const std::vector<RouteName>& more :
       {HermesService::routes(), TransactorService::routes()}) {
    out.insert(out.end(), more.begin(), more.end());
  }
  out.push_back({"GET", Observer::kPath});
  return out;
}

std::optional<std::string> Hub::open_all() {
  if (auto problem = load_places(locations_)) return problem;
  if (!options_.policies_dir.empty()) {
    std::vector<std::string> problems;
    auto loaded = Policies::load(options_.policies_dir, problems);
    if (!loaded.ok()) {
      return "cannot read --policies " + options_.policies_dir + ": " +
             std::strerror(loaded.error().detail);
    }
    for (const std::string& problem : problems) log_(Level::Warning, "policy left out: " + problem);
    policies_ = std::move(*loaded);
  }
  if (!options_.data_dir.empty()) {
    if (auto problem = open_store()) return problem;
  }
  if (auto problem = load_prices()) return problem;
  auto money = Money::start(loop_, options_, log_);
  if (auto* problem = std::get_if<std::string>(&money)) return std::move(*problem);
  money_ = std::move(std::get<std::unique_ptr<Money>>(money));
  if (money_ != nullptr) {
    api_.set_contracts([this](const std::string& base) { return money_->contracts(base); });
  }
  platform::HttpServer::Options http;
  http.local = {options_.listen, options_.http_port};
  http.max_connections = kMaxHttpConnections;
  http.max_body_bytes = kMaxBody;
  auto server = platform::HttpServer::listen(
      loop_, http,
      [this](const platform::HttpRequest& request, const platform::HttpExchangePtr& exchange) {
        if (money_ != nullptr && money_->handle(request, exchange)) return;
        answers_.send(exchange, api_.answer(loop_.now(), request));
      });
  if (!server.ok()) return cannot_listen("HTTP", http.local, server.error());
  http_.emplace(std::move(*server));
  if (options_.broker_listen.port != 0) {
    BrokerGate::Options gate;
    gate.listen = options_.broker_listen;
    gate.upstream_host = options_.upstream_host;
    gate.upstream_port = options_.upstream_port;
    gate.gate.max_skew = options_.broker_skew;
    gate.ready = [this] { return broker_connected(); };
    gate.limits.total = options_.max_broker_clients;
    gate.limits.per_address = options_.max_broker_clients_per_address;
    auto opened = BrokerGate::open(loop_, gate);
    if (!opened.ok()) return cannot_listen("brokers' clients", gate.listen, opened.error());
    gate_ = std::move(*opened);
  }
  if (store_ != nullptr && gate_ != nullptr) {
    if (const auto known = store_->load_signatures(core::SubscriptionMemory::kCapacity);
        known.ok()) {
      gate_->memory().restore(*known);
    }
  }
  if (auto problem = open_udp()) return problem;
  connect_broker();
  sweep_timer_.arm_in(kSweep);
  if (store_ != nullptr) {
    work_ = std::make_unique<platform::WorkQueue>(loop_);
    flush_timer_.arm_in(kFlush);
  }
  return std::nullopt;
}

std::optional<std::string> Hub::open_store() {
  if (const Status made = platform::make_directories(options_.data_dir, 0700); !made.ok()) {
    return "cannot make --data-dir " + options_.data_dir + ": " + describe(made.error());
  }
  storage::Database::Opened opened;
  auto store = HubStore::open(options_.data_dir + "/hub.db", &opened);
  if (!store.ok()) {
    return "cannot open " + options_.data_dir + "/hub.db: " + describe(store.error());
  }
  if (!opened.moved_aside.empty()) {
    log_(Level::Warning,
         "the database was corrupt; it was kept as " + opened.moved_aside + " and a new one begun");
  }
  store_ = std::make_unique<HubStore>(std::move(*store));
  const Now now = loop_.now();
  const auto lifetime = std::chrono::duration_cast<WallTime::duration>(kProposalLifetime);
  const auto rows = store_->load(now.wall - lifetime);
  if (!rows.ok()) return "cannot read " + options_.data_dir + "/hub.db: " + describe(rows.error());
  for (const HubStore::Row& row : *rows) {
    const auto document = json::Document::parse(row.json);
    if (!document.ok()) continue;
    auto proposal = discovery::read_proposal(document->root());
    if (!proposal.ok()) continue;
    auto indexed = discovery::index_proposal(std::move(*proposal));
    if (indexed.ok()) (void)index_.restore(now, std::move(*indexed), now.wall - row.updated_at);
  }
  if (index_.size() > 0) {
    log_(Level::Info, std::to_string(index_.size()) + " proposals of the last run are still alive");
  }
  return std::nullopt;
}

std::optional<std::string> Hub::open_udp() {
  const auto open = [&](const char* what, std::uint16_t port,
                        std::optional<platform::UdpSocket>& out) -> std::optional<std::string> {
    platform::UdpSocket::Options options;
    options.local = {options_.listen, port};
    auto socket = platform::UdpSocket::open(loop_, options);
    if (!socket.ok()) return cannot_listen(what, options.local, socket.error());
    out.emplace(std::move(*socket));
    return std::nullopt;
  };
  if (options_.stun_port != 0) {
    if (auto problem = open("STUN", options_.stun_port, stun_)) return problem;
    stun_->receive([this](const Endpoint& from, ByteSpan datagram) {
      if (!stun_limiter_.allow(loop_.instant(), from.ip)) return;
      if (const auto answer = core::answer_stun(datagram, from)) (void)stun_->send(from, *answer);
    });
  }
  if (options_.port_check_port != 0) {
    if (auto problem = open("port checks", options_.port_check_port, port_check_)) return problem;
    if (auto problem = open("port check answers", 0, port_check_reply_)) return problem;
    port_check_->receive([this](const Endpoint& from, ByteSpan datagram) {
      const auto probe = core::parse_port_probe(datagram, from);
      // The answer comes from another socket: a NAT that only lets the asked address back in must
      // not look like an open port.
      if (probe && probe_limiter_.allow(loop_.instant(), from.ip)) {
        (void)port_check_reply_->send(probe->to, probe->token);
      }
    });
  }
  return std::nullopt;
}

std::optional<std::string> Hub::load_places(core::LocationTable& table) const {
  if (!options_.geo_csv.empty()) {
    std::ifstream file(options_.geo_csv);
    std::string line;
    std::size_t number = 0;
    while (std::getline(file, line)) {
      ++number;
      if (const Status added = table.add_line(line); !added.ok()) {
        return "--geo-csv " + options_.geo_csv + " line " + std::to_string(number) + ": " +
               added.error().what;
      }
    }
    if (!file.eof()) return "cannot read --geo-csv " + options_.geo_csv;
  }
  for (const auto& [network, place] : options_.places) table.add_network(network, place);
  table.finish();
  return std::nullopt;
}

std::optional<std::string> Hub::load_prices() {
  std::vector<core::PriceBoard::Rule> rules = options_.prices;
  if (!options_.prices_file.empty()) {
    std::ifstream file(options_.prices_file);
    std::string line;
    std::size_t number = 0;
    while (std::getline(file, line)) {
      ++number;
      const std::string_view text = trim(std::string_view(line).substr(0, line.find('#')));
      if (text.empty()) continue;
      const auto rule = core::PriceBoard::parse_rule(text);
      if (!rule.ok() || rules.size() >= core::PriceBoard::kMaxRules) {
        return "--prices " + options_.prices_file + " line " + std::to_string(number) + ": " +
               (rule.ok() ? "too many rules" : "not a price rule");
      }
      rules.push_back(*rule);
    }
    if (!file.eof()) return "cannot read --prices " + options_.prices_file;
  }
  prices_.set(std::move(rules), loop_.now().wall);
  return std::nullopt;
}

void Hub::reload() {
  if (const auto problem = load_prices()) {
    log_(Level::Warning, *problem + "; the old prices stay");
  }
  core::LocationTable table(options_.place);
  if (const auto problem = load_places(table)) {
    log_(Level::Warning, *problem + "; the old country database stays");
  } else {
    locations_ = std::move(table);
  }
  if (options_.policies_dir.empty()) return;
  std::vector<std::string> problems;
  auto loaded = Policies::load(options_.policies_dir, problems);
  for (const std::string& problem : problems) log_(Level::Warning, "policy left out: " + problem);
  if (loaded.ok()) {
    policies_ = std::move(*loaded);
    log_(Level::Info, std::to_string(policies_.size()) + " access policies read");
  } else {
    log_(Level::Warning, "cannot read --policies; the old ones stay");
  }
}

void Hub::connect_broker() {
  nats::Client::Options options;
  core::BrokerAddress upstream;
  upstream.host = options_.upstream_host;
  upstream.port = options_.upstream_port;
  options.machine.servers = {upstream};
  options.machine.version = "0.1.0";
  options.machine.first_wait = std::chrono::milliseconds{50};  // one client, on the same machine
  options.machine.longest_wait = std::chrono::seconds{5};
  nats::Client::Handlers handlers;
  handlers.connected = [this](const nats::Connected& to) {
    broker_problem_.clear();
    log_(Level::Info, "reading proposals from " + to.server.to_string());
  };
  handlers.disconnected = [this](const nats::Disconnected& from) {
    // Said once, not at every attempt.
    const std::string problem =
        "no nats-server at " + from.server.to_string() + ": " + describe(from.why);
    if (problem != broker_problem_) log_(Level::Warning, problem + "; trying again");
    broker_problem_ = problem;
  };
  handlers.server_error = [this](const nats::ServerError& error) {
    log_(Level::Warning, "nats-server says: " + error.text);
  };
  broker_ = std::make_unique<nats::Client>(loop_, rng_, std::move(options), std::move(handlers));
  for (const char* subject : core::ProposalIntake::kSubjects) {
    const auto subscribed =
        broker_->subscribe(subject, [this](const nats::Message& m) { on_proposal(m); });
    if (!subscribed.ok()) log_(Level::Warning, std::string("cannot subscribe ") + subject);
  }
}

void Hub::on_proposal(const nats::Message& message) {
  if (const Status taken = take_proposal(message); !taken.ok()) {
    ++refused_;
    // Anybody can cause this: one line a sweep.
    if (first_refusal_.empty()) first_refusal_ = taken.error().what;
  }
}

Status Hub::take_proposal(const nats::Message& message) {
  const Now now = loop_.now();
  MYST_TRY_ASSIGN(const auto order, intake_.judge(now, message.subject));
  MYST_TRY_ASSIGN(core::Proposal proposal,
                  discovery::read_proposal_message(as_text(message.payload)));
  if (!order.provider_id.empty() && order.provider_id != proposal.provider_id) {
    return Error{Errc::Rejected, 0, "proposal of another identity than its signer"};
  }
  const core::ProposalIndex::Key key{proposal.provider_id, proposal.service_type};
  if (order.kind == core::ProposalIntake::Kind::Withdraw) {
    if (index_.remove(key.first, key.second)) remember(key, std::nullopt);
    return {};
  }
  HubStore::Row row{key.first, key.second, "", now.wall};
  MYST_TRY_ASSIGN(core::IndexedProposal indexed, discovery::index_proposal(std::move(proposal)));
  const core::IndexedProposal* known = index_.find(key.first, key.second);
  const bool changed = known == nullptr || known->json_head != indexed.json_head;
  if (store_ != nullptr) {
    const auto waiting = unwritten_.find(key);
    const bool unwritten =
        waiting != unwritten_.end() && (!waiting->second || !waiting->second->json.empty());
    if (changed || unwritten) row.json = indexed.json_head + "{}}";
  }
  MYST_TRY(index_.put(now, std::move(indexed)));
  remember(key, std::move(row));
  return {};
}

void Hub::remember(const core::ProposalIndex::Key& key, std::optional<HubStore::Row> row) {
  if (store_ == nullptr) return;
  // Full: not kept over a restart, which costs one ping interval.
  if (unwritten_.size() >= kMaxUnwritten && unwritten_.count(key) == 0) return;
  unwritten_[key] = std::move(row);
}

void Hub::sweep() {
  for (const auto& key : index_.expire(loop_.instant())) remember(key, std::nullopt);
  if (!first_refusal_.empty()) {
    log_(Level::Warning, "proposal messages refused, such as: " + first_refusal_ + " (" +
                             std::to_string(refused_) + " since the start)");
    first_refusal_.clear();
  }
  sweep_timer_.arm_in(kSweep);
}

void Hub::flush() {
  if (store_ == nullptr || work_ == nullptr) return;
  flush_timer_.arm_in(kFlush);
  if (writing_) return;
  auto changes = std::make_shared<HubStore::Changes>();
  changes->now = loop_.now().wall;
  for (auto& [key, row] : unwritten_) {
    if (row) {
      changes->announced.push_back(std::move(*row));
    } else {
      changes->removed.push_back(key);
    }
  }
  unwritten_.clear();
  if (gate_ != nullptr) changes->signatures = gate_->memory().take_new();
  if (changes->empty()) return;
  writing_ = true;
  const Status queued = work_->submit_for<Status>(
      [store = store_.get(), changes] { return store->apply(*changes); },
      [this](const Status& written) {
        writing_ = false;
        // Lost changes are made up for by the next ping; the operator should know of a full disk.
        const std::string problem = written.ok() ? "" : describe(written.error());
        if (!problem.empty() && problem != data_problem_) {
          log_(Level::Warning, "cannot write " + options_.data_dir + "/hub.db: " + problem);
        }
        data_problem_ = problem;
      });
  if (!queued.ok()) writing_ = false;
}

void Hub::shutdown() {
  if (money_ != nullptr) money_->finish();
  if (work_ == nullptr) return;
  work_->finish();
  writing_ = false;
  flush();
  work_->finish();
  work_.reset();
}

HubStatus Hub::status() const {
  HubStatus out;
  out.broker_connected = broker_ != nullptr && broker_->connected();
  out.broker_problem = broker_problem_;
  if (gate_ != nullptr) {
    out.broker_clients = gate_->connections();
    out.broker_turned_away = gate_->turned_away();
    out.gate = gate_->counters();
  }
  out.proposals_refused = refused_;
  out.uptime_seconds =
      std::chrono::duration_cast<std::chrono::seconds>(loop_.instant() - started_).count();
  out.data_problem = data_problem_;
  if (money_ != nullptr && money_->hermes() != nullptr) {
    out.hermes = money_->hermes()->machine().counters();
    out.hermes_waiting = money_->hermes()->machine().waiting();
    out.hermes_problem = money_->hermes_problem();
  }
  if (money_ != nullptr && money_->transactor() != nullptr) {
    out.transactor = money_->transactor()->machine().counters();
    out.transactor_open = money_->transactor()->machine().open();
    out.transactor_account = money_->accounts()->address().to_checksum();
    out.transactions_waiting = money_->accounts()->waiting();
    out.transactions_pending = money_->accounts()->pending();
  }
  return out;
}

std::optional<Endpoint> Hub::broker() const {
  if (gate_ == nullptr) return std::nullopt;
  return gate_->local();
}

std::optional<Endpoint> Hub::stun() const {
  if (!stun_) return std::nullopt;
  return stun_->local();
}

std::optional<Endpoint> Hub::port_check() const {
  if (!port_check_) return std::nullopt;
  return port_check_->local();
}

}  // namespace myst::hub
