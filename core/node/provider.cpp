#include "core/node/provider.hpp"

#include <algorithm>
#include <utility>

#include "core/base/text.hpp"
#include "core/p2p/messages.hpp"
#include "core/session/uuid.hpp"

namespace myst::core::node {
namespace {

constexpr std::chrono::hours kReportsKept{30 * 24};
constexpr std::chrono::seconds kParting{1};  // for consumers' answers, when the node ends

// A missing part counts as zero: our own consumers mean it part by part, and a reference consumer
// never sends just one of them.
payment::Price price_of(const std::optional<pb::Pricing>& wire, bool* ok) {
  payment::Price price;
  *ok = true;
  if (!wire) return price;
  const auto gib = U256::from_bytes(wire->per_gib);
  const auto hour = U256::from_bytes(wire->per_hour);
  *ok = gib.ok() && hour.ok();
  if (!*ok) return price;
  price.per_gib = *gib;
  price.per_hour = *hour;
  return price;
}

}  // namespace

Provider::~Provider() {
  sessions_.clear();  // they use their channels
  channels_.clear();
  services_.clear();
}

Result<std::string> Provider::start_service(Now now, const StartService& request) {
  if (!is_supported_type(request.type)) {
    return Error{Errc::Unsupported, 0, "this service type is not supported"};
  }
  auto signer = context_.signer(request.provider);
  if (!signer) return Error{Errc::Unauthorized, 0, "identity is locked"};
  std::size_t running = 0;
  for (const auto& entry : services_) {
    const Service& service = *entry.second;
    if (service.public_state() == ServiceState::NotRunning) continue;
    ++running;
    if (service.provider() == request.provider && service.type() == request.type) {
      return Error{Errc::AlreadyExists, 0, "service is running already"};
    }
  }
  if (running >= context_.config.max_services) return Error{Errc::Full, 0, "too many services"};
  std::string id = make_uuid(context_.rng);
  auto service = std::make_unique<Service>(context_, *this, id, request, std::move(signer), now);
  Service& ref = *service;
  services_.emplace(id, std::move(service));
  ref.start(now);
  return id;
}

Status Provider::stop_service(Now now, std::string_view id, bool by_request) {
  const auto found = services_.find(std::string(id));
  if (found == services_.end() || found->second->public_state() == ServiceState::NotRunning) {
    return Error{Errc::NotFound, 0, "no such service"};
  }
  Service& service = *found->second;
  if (by_request && service.type() == "monitoring") {
    return Error{Errc::Rejected, 0, "the monitoring service does not stop on request"};
  }
  service.stop(now, {});
  for (auto& entry : sessions_) {
    if (entry.second.session->service_id() == service.id()) {
      entry.second.session->close(now, "service was stopped");
    }
  }
  // Its channels stay until nobody has used them for a while: what is still to be said to their
  // consumers goes out, and whoever asks for a session of them is told that it has ended.
  return {};
}

void Provider::stop_all(Now now) {
  std::vector<std::string> ids;
  for (const auto& entry : services_) ids.push_back(entry.first);
  for (const std::string& id : ids) (void)stop_service(now, id, false);
  for (auto& entry : channels_) entry.second->part(now.instant + kParting);
}

void Provider::handle_broker_connected(Now now) {
  for (auto& entry : services_) entry.second->handle_broker_connected(now);
}

void Provider::handle_registered(Now now, const Address& identity) {
  for (auto& entry : services_) {
    if (entry.second->provider() == identity) entry.second->handle_registered(now);
  }
}

void Provider::handle_timeout(Now now) {
  for (auto& entry : services_) entry.second->handle_timeout(now);
  for (auto& entry : sessions_) entry.second.session->handle_timeout(now);
  for (auto& entry : channels_) entry.second->handle_timeout(now);
}

std::optional<Instant> Provider::next_timeout() const {
  std::optional<Instant> next;
  for (const auto& entry : services_) next = earliest(next, entry.second->next_timeout());
  for (const auto& entry : sessions_) next = earliest(next, entry.second.session->next_timeout());
  for (const auto& entry : channels_) next = earliest(next, entry.second->next_timeout());
  return next;
}

void Provider::settle(Now now) {
  // Closing a session on one channel may leave a reply on another: a second pass finds it.
  for (int pass = 0; pass < 2; ++pass) {
    for (auto& entry : channels_) {
      if (entry.second->link().dirty()) entry.second->link().drain(now);
    }
  }
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    it = it->second.session->closed() ? sessions_.erase(it) : std::next(it);
  }
  for (auto it = channels_.begin(); it != channels_.end();) {
    if (!it->second->closed() && it->second->parted(now)) it->second->close();
    if (!it->second->closed()) {
      ++it;
      continue;
    }
    // The channel is gone: so are its sessions.
    for (auto session = sessions_.begin(); session != sessions_.end();) {
      if (session->second.channel != it->first) {
        ++session;
        continue;
      }
      session->second.session->close(now, "channel was closed");
      session = sessions_.erase(session);
    }
    it = channels_.erase(it);
  }
  for (auto it = services_.begin(); it != services_.end();) {
    it = it->second->state() == Service::State::Ended ? services_.erase(it) : std::next(it);
  }
}

// --- channels -----------------------------------------------------------------------------------

bool Provider::make_room_for_channel(Now now) {
  (void)now;
  std::size_t open = 0;
  ProviderChannel* oldest = nullptr;
  for (auto& entry : channels_) {
    ProviderChannel& channel = *entry.second;
    if (channel.closed()) continue;
    ++open;
    if (channel.in_use()) continue;
    if (oldest == nullptr || channel.idle_since() < oldest->idle_since()) oldest = &channel;
  }
  if (open < context_.config.max_channels) return true;
  if (oldest == nullptr) return false;
  oldest->close();
  return true;
}

void Provider::on_channel(Now now, Service& service, ServiceChannel channel) {
  const bool room = make_room_for_channel(now);
  const std::uint64_t id = next_channel_++;
  auto made =
      std::make_unique<ProviderChannel>(context_, *this, id, service.id(), std::move(channel), now);
  if (!room) {
    context_.fx.note(Note::Level::Warning, "too many open channels, a consumer was turned away");
    return made->close();
  }
  channels_.emplace(id, std::move(made));
}

void Provider::on_create(Now now, ProviderChannel& channel, Channel::Incoming& incoming) {
  const auto refuse = [&](const char* why) {
    channel.link().reply(now, incoming.id, Reply::failure(why));
    context_.fx.emit(SessionRefused{channel.service_id(), channel.consumer(), why});
  };
  auto request = pb::SessionRequest::decode(incoming.data);
  if (!request.ok()) return refuse("message cannot be read");
  const pb::ConsumerInfo consumer = request->consumer.value_or(pb::ConsumerInfo{});
  if (to_lower(consumer.id) != channel.consumer().to_string()) {
    return refuse("consumer id mismatch");
  }
  const auto service = services_.find(channel.service_id());
  if (service == services_.end() || service->second->state() != Service::State::Running) {
    return refuse("service is not running");
  }
  ++service->second->attempted;
  // One that is still being judged gives way: a consumer cannot fill the node with questions.
  if (ProviderSession* pending = session_of(channel);
      pending != nullptr && pending->state() == ProviderSession::State::Checking) {
    pending->close(now, "consumer asked again");
  }
  if (sessions_.size() >= context_.config.max_sessions) return refuse("too many sessions");
  bool price_ok = false;
  const Proposal& proposal = service->second->proposal();

  ProviderSession::Setup setup;
  setup.price = price_of(consumer.pricing, &price_ok);
  if (!price_ok) return refuse("price cannot be read");
  setup.record.provided = true;
  setup.record.id = make_uuid(context_.rng);
  setup.record.consumer = channel.consumer();
  setup.record.provider = service->second->provider();
  setup.record.hermes = Address::parse_lenient(consumer.hermes_id);
  setup.record.service_type = service->second->type();
  if (consumer.location) setup.record.consumer_country = consumer.location->country.substr(0, 8);
  setup.record.provider_country = proposal.location.country;
  setup.record.started = now.wall;
  setup.service_id = service->second->id();
  setup.ip_type = proposal.location.ip_type;
  setup.ask_policy_server = service->second->asks_policy_server();
  setup.config = std::move(request->config);
  setup.create_request = incoming.id;

  const std::uint64_t order = next_session_++;
  auto session =
      std::make_unique<ProviderSession>(context_, channel, channel.link(), std::move(setup), now);
  session->order = order;
  ProviderSession& ref = *session;
  sessions_.emplace(order, Entry{std::move(session), channel.id()});
  channel.acquire();
  ref.start(now);
}

ProviderSession* Provider::session_of(const ProviderChannel& channel) {
  for (auto it = sessions_.rbegin(); it != sessions_.rend(); ++it) {
    if (it->second.channel == channel.id() && !it->second.session->closed()) {
      return it->second.session.get();
    }
  }
  return nullptr;
}

ProviderSession* Provider::find_session(std::string_view id) {
  for (auto& entry : sessions_) {
    ProviderSession& session = *entry.second.session;
    if (session.record().id == id && session.counted() && !session.closed()) return &session;
  }
  return nullptr;
}

void Provider::on_allowed(Now now, ProviderChannel& channel, ProviderSession& session) {
  (void)channel;
  // One live session per consumer and service type on the whole node; the newest wins.
  for (auto& entry : sessions_) {
    ProviderSession& other = *entry.second.session;
    if (&other == &session || other.closed() ||
        other.record().consumer != session.record().consumer ||
        other.record().service_type != session.record().service_type) {
      continue;
    }
    other.close(now, "consumer began another session");
  }
}

void Provider::on_acknowledged(Now now, ProviderSession& session) {
  (void)now;
  const auto service = services_.find(session.service_id());
  if (service != services_.end()) ++service->second->successful;
  context_.fx.emit(SessionAcknowledged{session.service_id(), session.record().id});
}

void Provider::on_report(Now now, ConnectivityRecord report) {
  const auto old = [&](const ConnectivityRecord& r) { return r.created + kReportsKept < now.wall; };
  reports_.erase(std::remove_if(reports_.begin(), reports_.end(), old), reports_.end());
  if (reports_.size() >= context_.config.max_connectivity_reports) reports_.erase(reports_.begin());
  context_.fx.tell(StoreConnectivity{report});
  context_.fx.emit(ConnectivityReported{report});
  reports_.push_back(std::move(report));
}

// --- views --------------------------------------------------------------------------------------

std::vector<SessionRecord> Provider::sessions() const {
  std::vector<SessionRecord> list;
  for (const auto& entry : sessions_) {
    const ProviderSession& session = *entry.second.session;
    if (session.counted() && !session.closed()) list.push_back(session.record());
  }
  return list;
}

std::size_t Provider::sessions_of(std::string_view service_id) const {
  std::size_t count = 0;
  for (const auto& entry : sessions_) {
    const ProviderSession& session = *entry.second.session;
    if (session.service_id() == service_id && session.counted() && !session.closed()) ++count;
  }
  return count;
}

std::vector<ConnectivityRecord> Provider::connectivity(WallTime now) const {
  std::vector<ConnectivityRecord> list;
  for (auto it = reports_.rbegin(); it != reports_.rend(); ++it) {
    if (it->created + kReportsKept >= now) list.push_back(*it);
  }
  return list;
}

}  // namespace myst::core::node
