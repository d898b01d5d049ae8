// The moving half of NodeService: connections, services, sessions, events.
#include <algorithm>
#include <utility>
#include <variant>

#include "apps/myst/node_service.hpp"
#include "core/base/text.hpp"
#include "platform/log/log.hpp"

namespace myst::app {
namespace {

namespace node = core::node;

rest::Failure failure(int status, const char* code, std::string message) {
  return rest::Failure{status, code, std::move(message)};
}

rest::ConnectionState to_rest(node::ConnectionState state) {
  switch (state) {
    case node::ConnectionState::NotConnected:
      return rest::ConnectionState::NotConnected;
    case node::ConnectionState::Connecting:
      return rest::ConnectionState::Connecting;
    case node::ConnectionState::Connected:
      return rest::ConnectionState::Connected;
    case node::ConnectionState::Reconnecting:
      return rest::ConnectionState::Reconnecting;
    case node::ConnectionState::Disconnecting:
      return rest::ConnectionState::Disconnecting;
    case node::ConnectionState::Canceled:
      return rest::ConnectionState::Canceled;
    case node::ConnectionState::OnHold:
      return rest::ConnectionState::OnHold;
    case node::ConnectionState::IpNotChanged:
      return rest::ConnectionState::IPNotChanged;
    case node::ConnectionState::ConnectionFailed:
      return rest::ConnectionState::ConnectionFailed;
  }
  return rest::ConnectionState::Unknown;
}

rest::SessionRecord to_rest(const core::SessionRecord& record, WallTime now) {
  rest::SessionRecord out;
  out.id = record.id;
  out.direction = record.provided ? rest::Direction::Provided : rest::Direction::Consumed;
  out.consumer = record.consumer;
  out.provider = record.provider;
  out.hermes = record.hermes;
  out.service_type = record.service_type;
  out.consumer_country = record.consumer_country;
  out.provider_country = record.provider_country;
  out.ip_type = record.ip_type;
  out.started = record.started;
  const WallTime end = record.updated == WallTime{} ? now : record.updated;
  out.duration_s = std::max<std::int64_t>(0, unix_seconds(end) - unix_seconds(record.started));
  out.bytes_received = record.bytes_received;
  out.bytes_sent = record.bytes_sent;
  out.tokens = record.tokens;
  out.completed = record.completed;
  return out;
}

// nullopt: nothing can match (an identity that is none).
std::optional<storage::SessionFilter> to_storage(const rest::SessionFilter& filter) {
  storage::SessionFilter out;
  out.started_from = filter.from;
  out.started_to = filter.to;
  if (filter.direction) out.provided = *filter.direction == rest::Direction::Provided;
  out.completed = filter.completed;
  const auto parse = [](const std::string& text, std::optional<Address>& into) {
    if (text.empty()) return true;
    const auto address = Address::parse(text);
    if (address.ok()) into = *address;
    return address.ok();
  };
  if (!parse(filter.consumer_id, out.consumer) || !parse(filter.provider_id, out.provider) ||
      !parse(filter.hermes_id, out.hermes)) {
    return std::nullopt;
  }
  if (!filter.service_type.empty()) out.service_type = filter.service_type;
  return out;
}

rest::SessionStats to_rest(const storage::SessionTotals& totals) {
  rest::SessionStats out;
  out.count = totals.count;
  out.consumers = totals.distinct_consumers;
  out.bytes_received = totals.bytes_received;
  out.bytes_sent = totals.bytes_sent;
  out.duration_s = static_cast<std::int64_t>(totals.duration_seconds);
  out.tokens = totals.tokens;
  return out;
}

}  // namespace

// --- connections

rest::ConnectionInfo NodeService::connection(int slot) const {
  const auto view = parts_.executor.node().connection(slot);
  rest::ConnectionInfo info;
  info.state = to_rest(view.state);
  if (!view.consumer.is_zero()) info.consumer = view.consumer;
  info.hermes = view.hermes;
  info.proposal = view.proposal;
  info.session_id = view.session_id;
  return info;
}

void NodeService::connect(rest::ConnectRequest request, rest::Done<rest::ConnectionInfo> done) {
  const Address consumer = request.consumer;
  check_consumer(
      consumer, [this, request = std::move(request), done] { connect_now(request, done); },
      [done](rest::Failure why) { done(std::move(why)); });
}

void NodeService::connect_now(rest::ConnectRequest request, rest::Done<rest::ConnectionInfo> done) {
  node::ConnectOptions options;
  options.slot = request.slot;
  options.consumer = request.consumer;
  options.hermes = request.hermes;
  options.filter.provider_ids = std::move(request.providers);
  options.filter.location_country = std::move(request.country);
  options.filter.ip_type = std::move(request.ip_type);
  options.filter.service_type = std::move(request.service_type);
  options.filter.include_monitoring_failed = request.include_monitoring_failed;
  options.sort = request.sort_by;
  options.disable_kill_switch = request.disable_kill_switch;
  options.dns.kind = static_cast<node::DnsOption::Kind>(request.dns.kind);
  options.dns.servers = std::move(request.dns.servers);
  if (connecting_.count(request.slot) != 0) {
    done(failure(422, "err_connection_already_exists", "Connection already exists"));
    return;
  }
  // Answered by ConnectDone, which may come from inside the command.
  const auto slot = request.slot;
  connecting_[slot] = done;
  // The dial needs it; asked for while proposals are, it costs no time of its own.
  if (slot == 0) parts_.facts.prefetch_address();
  const Status accepted =
      parts_.executor.run([&](core::Node& n, Now now) { return n.connect(now, options); });
  if (accepted.ok()) return;
  connecting_.erase(slot);
  if (accepted.error().code == Errc::AlreadyExists) {
    done(failure(422, "err_connection_already_exists", "Connection already exists"));
  } else {
    done(failure(500, "err_connect", std::string("Failed to connect: ") + accepted.error().what));
  }
}

void NodeService::disconnect(int slot, rest::Done<rest::Nothing> done) {
  disconnecting_[slot].push_back(std::move(done));
  const Status accepted =
      parts_.executor.run([&](core::Node& n, Now now) { return n.disconnect(now, slot); });
  const bool over =
      slot < 0 || !accepted.ok() ||
      parts_.executor.node().connection(slot).state == node::ConnectionState::NotConnected;
  if (!over) return;  // ConnectionChanged answers
  const auto found = disconnecting_.find(slot);
  if (found == disconnecting_.end()) return;
  auto waiting = std::move(found->second);
  disconnecting_.erase(found);
  for (auto& answer : waiting) {
    if (accepted.ok()) {
      answer(rest::Nothing{});
    } else if (accepted.error().code == Errc::NotFound) {
      answer(failure(422, "err_no_connection_exists", "No connection exists"));
    } else {
      answer(failure(500, "err_disconnect", accepted.error().what));
    }
  }
}

rest::ConnectionStatistics NodeService::statistics_of(
    const core::Node::ConnectionView& view) const {
  rest::ConnectionStatistics out;
  out.bytes_sent = view.counters.sent_bytes;
  out.bytes_received = view.counters.received_bytes;
  if (view.started) {
    out.duration_s = unix_seconds(parts_.loop.now().wall) - unix_seconds(*view.started);
  }
  out.tokens_spent = view.tokens_spent;
  if (const auto found = throughput_.find(view.slot); found != throughput_.end()) {
    out.throughput_sent = found->second.sent_bits;
    out.throughput_received = found->second.received_bits;
  }
  return out;
}

rest::ConnectionStatistics NodeService::statistics(std::string_view session_id) const {
  for (const auto& view : parts_.executor.node().connections()) {
    if (session_id.empty() ? !view.session_id.empty() : view.session_id == session_id) {
      return statistics_of(view);
    }
  }
  return {};
}

rest::ConnectionStatistics NodeService::slot_statistics(int slot) const {
  return statistics_of(parts_.executor.node().connection(slot));
}

// --- services

std::vector<std::string> NodeService::default_policies(const std::string& type) const {
  if (type == "scraping" || type == "data_transfer" || type == "dvpn" || type == "monitoring") {
    return {"mysterium"};
  }
  auto own = parts_.config.list(type + ".access-policies");
  own.erase(std::remove(own.begin(), own.end(), std::string()), own.end());
  if (!own.empty()) return own;
  own = parts_.config.list("access-policy.list");
  own.erase(std::remove(own.begin(), own.end(), std::string()), own.end());
  return own;
}

rest::ServiceInfo NodeService::service_info(const core::Node::ServiceView& view) const {
  rest::ServiceInfo info;
  info.id = view.id;
  info.provider = view.provider;
  info.type = view.type;
  if (view.type != "noop") {
    info.options.emplace();
    info.options->subnet = parts_.config.text("wireguard.allowed.subnet");
  }
  info.state = static_cast<rest::ServiceState>(
      view.state == node::ServiceState::Running    ? rest::ServiceState::Running
      : view.state == node::ServiceState::Starting ? rest::ServiceState::Starting
                                                   : rest::ServiceState::NotRunning);
  auto priced = std::make_shared<core::PricedProposal>();
  priced->proposal = view.proposal;
  priced->price =
      parts_.market.prices()
          .current(view.proposal.location.country, view.proposal.location.ip_type, view.type)
          .value_or(core::Price{});
  info.proposal = std::move(priced);
  info.attempted = view.attempted;
  info.successful = view.successful;
  return info;
}

std::vector<rest::ServiceInfo> NodeService::services() const {
  std::vector<rest::ServiceInfo> out;
  for (const auto& view : parts_.executor.node().services()) out.push_back(service_info(view));
  return out;
}

void NodeService::start_configured_service(const Address& provider, const std::string& type,
                                           rest::Done<rest::ServiceInfo> done) {
  rest::ServiceStart request;
  request.provider = provider;
  request.type = type;
  request.keep_user_config = true;
  start_service(std::move(request), std::move(done));
}

void NodeService::start_service(rest::ServiceStart request, rest::Done<rest::ServiceInfo> done) {
  if (request.type == "noop" || !settings_.prepare_provider) {
    return start_prepared(request, std::move(done));
  }
  settings_.prepare_provider([this, request = std::move(request), done](const Status& prepared) {
    if (prepared.ok()) return start_prepared(request, done);
    done(failure(500, "err_service_start",
                 std::string("Cannot start the service: ") + prepared.error().what));
  });
}

void NodeService::start_prepared(const rest::ServiceStart& request,
                                 rest::Done<rest::ServiceInfo> done) {
  node::StartService start;
  start.provider = request.provider;
  start.type = request.type;
  start.policies = request.policies ? *request.policies : default_policies(request.type);
  std::string id;
  const auto started = parts_.executor.run([&](core::Node& n, Now now) {
    auto result = n.start_service(now, start);
    // Known before the node's events are drained: Running may be among them.
    if (result.ok()) starting_[*result] = Start{done, request.keep_user_config};
    return result;
  });
  if (started.ok()) return;
  switch (started.error().code) {
    case Errc::AlreadyExists:
      done(failure(422, "err_service_running", "Service already running"));
      return;
    case Errc::Unauthorized:
      done(failure(500, "err_service_start", "The identity is locked: unlock it first"));
      return;
    default:
      done(failure(500, "err_service_start",
                   std::string("Cannot start the service: ") + started.error().what));
  }
}

void NodeService::answer_start(const std::string& id, const std::string& reason) {
  const auto found = starting_.find(id);
  if (found == starting_.end()) return;
  const Start start = std::move(found->second);
  starting_.erase(found);
  for (const auto& view : parts_.executor.node().services()) {
    if (view.id != id || !reason.empty()) continue;
    if (!start.keep_user_config) remember_active_services();
    start.done(service_info(view));
    return;
  }
  start.done(failure(500, "err_service_start", "Cannot start the service: " + reason));
}

void NodeService::stop_service(std::string id, bool keep_user_config,
                               rest::Done<rest::Nothing> done) {
  const Status stopped =
      parts_.executor.run([&](core::Node& n, Now now) { return n.stop_service(now, id); });
  if (stopped.ok()) {
    if (!keep_user_config) remember_active_services();
    done(rest::Nothing{});
  } else if (stopped.error().code == Errc::NotFound) {
    done(failure(404, "not_found", "Service not found"));
  } else {
    done(failure(500, "err_service_stop", stopped.error().what));
  }
}

void NodeService::remember_active_services() {
  std::string text;
  for (const auto& view : parts_.executor.node().services()) {
    if (view.type == "quic_scraping" || view.state == node::ServiceState::NotRunning) continue;
    if (!text.empty()) text += ',';
    text += view.type;
  }
  change_config({rest::ConfigChange{"active-services", core::ConfigValue(text)}},
                [](const rest::Outcome<rest::Nothing>& saved) {
                  if (const auto* bad = std::get_if<rest::Failure>(&saved)) {
                    log::warn("active-services not saved", "why", bad->message);
                  }
                });
}

// --- history

void NodeService::sessions(rest::SessionFilter filter, std::uint32_t limit, std::uint64_t offset,
                           rest::Done<rest::SessionPage> done) {
  const auto wanted = to_storage(filter);
  if (!wanted) {
    done(rest::SessionPage{});
    return;
  }
  parts_.store.run<Result<storage::SessionPage>>(
      [filter = *wanted, limit, offset](storage::Tables& tables) {
        return tables.sessions.list(filter, limit, offset);
      },
      [this, done](const Result<storage::SessionPage>& page) {
        if (!page.ok()) {
          done(failure(500, "err_session_list", page.error().what));
          return;
        }
        rest::SessionPage out;
        out.total = page->total;
        for (const auto& row : page->rows)
          out.items.push_back(to_rest(row, parts_.loop.now().wall));
        done(std::move(out));
      });
}

void NodeService::session_stats(rest::SessionFilter filter, rest::Done<rest::SessionStats> done) {
  const auto wanted = to_storage(filter);
  if (!wanted) {
    done(rest::SessionStats{});
    return;
  }
  parts_.store.run<Result<storage::SessionTotals>>(
      [filter = *wanted, now = parts_.loop.now().wall](storage::Tables& tables) {
        return tables.sessions.totals(filter, now);
      },
      [done](const Result<storage::SessionTotals>& totals) {
        if (totals.ok()) {
          done(to_rest(*totals));
        } else {
          done(failure(500, "err_session_stats", totals.error().what));
        }
      });
}

void NodeService::session_stats_daily(rest::SessionFilter filter,
                                      rest::Done<std::vector<rest::DayStats>> done) {
  const auto wanted = to_storage(filter);
  if (!wanted) {
    done(std::vector<rest::DayStats>{});
    return;
  }
  using Days = std::map<std::int64_t, storage::SessionTotals>;
  parts_.store.run<Result<Days>>(
      [filter = *wanted, now = parts_.loop.now().wall](storage::Tables& tables) {
        return tables.sessions.totals_by_day(filter, now);
      },
      [done](const Result<Days>& days) {
        if (!days.ok()) {
          done(failure(500, "err_session_stats_daily", days.error().what));
          return;
        }
        std::vector<rest::DayStats> out;
        for (const auto& [day, totals] : *days) out.push_back({day, to_rest(totals)});
        done(std::move(out));
      });
}

std::vector<rest::ConnectivityReport> NodeService::connectivity_reports() const {
  std::vector<rest::ConnectivityReport> out;
  for (const auto& record : parts_.executor.node().connectivity()) {
    out.push_back(
        {record.peer.to_string(), record.session_id, record.message, record.code, record.created});
  }
  return out;
}

// --- events

rest::NodeState NodeService::state() const {
  rest::NodeState out;
  const Now now = parts_.loop.now();
  if (auto running = services(); !running.empty()) out.services = std::move(running);
  for (const auto& record : parts_.executor.node().sessions()) {
    out.open_sessions.push_back(to_rest(record, now.wall));
  }
  out.connection = connection(0);
  if (out.connection.state == rest::ConnectionState::Connected) {
    out.statistics = slot_statistics(0);
  }
  for (const Address& id : parts_.keystore.list()) {
    out.identities.push_back(known_identity(id));
  }
  return out;
}

void NodeService::on_event(const node::Event& event) {
  if (const auto* note = std::get_if<node::Note>(&event)) {
    const log::Level level = note->level == node::Note::Level::Debug  ? log::Level::Debug
                             : note->level == node::Note::Level::Info ? log::Level::Info
                                                                      : log::Level::Warn;
    log::write(level, note->text);
    return;
  }
  if (const auto* service = std::get_if<node::ServiceChanged>(&event)) {
    if (service->state == node::ServiceState::Running) {
      log::info("service runs", "type", service->type, "id", service->service_id);
      answer_start(service->service_id, {});
    } else if (service->state == node::ServiceState::NotRunning) {
      log::info("service ended", "type", service->type, "why",
                service->reason.empty() ? std::string("asked to") : service->reason);
      answer_start(service->service_id,
                   service->reason.empty() ? std::string("it was stopped") : service->reason);
    }
  } else if (const auto* announced = std::get_if<node::ProposalAnnounced>(&event)) {
    if (announced->first) log::info("proposal announced", "service", announced->service_id);
  } else if (const auto* created = std::get_if<node::SessionCreated>(&event)) {
    log::info("session began", "id", created->session.id, "consumer",
              created->session.consumer.to_string(), "type", created->session.service_type);
  } else if (const auto* removed = std::get_if<node::SessionRemoved>(&event)) {
    log::info("session ended", "id", removed->session.id, "received",
              removed->session.bytes_received, "sent", removed->session.bytes_sent, "why",
              removed->reason);
  } else if (const auto* refused = std::get_if<node::SessionRefused>(&event)) {
    log::info("session refused", "consumer", refused->consumer.to_string(), "why", refused->reason);
  } else if (const auto* changed = std::get_if<node::ConnectionChanged>(&event)) {
    log::info("connection", "slot", changed->slot, "state", node::to_string(changed->state),
              "session", changed->session_id, "why", changed->reason);
    if (changed->state == node::ConnectionState::NotConnected) {
      throughput_.erase(changed->slot);
      if (const auto found = disconnecting_.find(changed->slot); found != disconnecting_.end()) {
        auto waiting = std::move(found->second);
        disconnecting_.erase(found);
        for (auto& answer : waiting) answer(rest::Nothing{});
      }
    }
  } else if (const auto* done = std::get_if<node::ConnectDone>(&event)) {
    const auto found = connecting_.find(done->slot);
    if (found != connecting_.end()) {
      const auto answer = std::move(found->second);
      connecting_.erase(found);
      if (!done->error) {
        answer(connection(done->slot));
      } else if (*done->error == node::ConnectError::AlreadyExists) {
        answer(failure(422, "err_connection_already_exists", "Connection already exists"));
      } else if (*done->error == node::ConnectError::Cancelled) {
        answer(failure(422, "err_connection_cancelled", "Connection cancelled"));
      } else {
        answer(failure(500, "err_connect", "Failed to connect: " + done->reason));
      }
    }
  } else if (const auto* statistics = std::get_if<node::ConnectionStatistics>(&event)) {
    Throughput& last = throughput_[statistics->slot];
    const Instant now = parts_.loop.instant();
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - last.at).count();
    const auto& counters = statistics->counters;
    if (last.at != Instant{} && ms > 0 && counters.sent_bytes >= last.counters.sent_bytes &&
        counters.received_bytes >= last.counters.received_bytes) {
      const auto per_second = [ms](std::uint64_t bytes) {
        return bytes * 8 * 1000 / static_cast<std::uint64_t>(ms);
      };
      last.sent_bits = per_second(counters.sent_bytes - last.counters.sent_bytes);
      last.received_bits = per_second(counters.received_bytes - last.counters.received_bytes);
    }
    last.counters = counters;
    last.at = now;
  } else if (const auto* trace = std::get_if<node::Trace>(&event)) {
    log::debug(trace->key, "session", trace->session_id, "us",
               std::chrono::duration_cast<std::chrono::microseconds>(trace->took).count());
  }
  if (changed_) changed_();
}

}  // namespace myst::app
