#include "core/node/service.hpp"

#include <algorithm>
#include <utility>

namespace myst::core::node {
namespace {

constexpr Duration kFirstLocationPause = std::chrono::seconds{2};
constexpr Duration kLongestLocationPause = std::chrono::seconds{60};
constexpr Duration kRegistrationPause = std::chrono::seconds{60};
constexpr Duration kFirstRegistrationPause = std::chrono::seconds{5};

std::vector<Traversal> traversal_of(const Config& config) {
  std::vector<Traversal> list;
  for (const TraversalMethod method : config.traversal) {
    switch (method) {
      case TraversalMethod::Manual:
        list.push_back(Traversal::Manual);
        break;
      case TraversalMethod::Upnp:
        list.push_back(Traversal::Upnp);
        break;
      case TraversalMethod::HolePunching:
        list.push_back(Traversal::HolePunching);
        break;
    }
  }
  return list;
}

}  // namespace

Service::Service(Context& context, Host& host, std::string id, const StartService& request,
                 std::shared_ptr<const Signer> signer, Now now)
    : DialogHost(context, kOwnBroker, std::move(signer)),
      host_(host),
      id_(std::move(id)),
      type_(request.type),
      provider_(request.provider),
      location_pause_(kFirstLocationPause) {
  (void)now;
  proposal_.provider_id = provider_.to_string();
  proposal_.service_type = type_;
  ProposalContact contact;
  contact.type = std::string(kNatsContact);
  contact.broker_addresses = context_.config.broker_addresses;
  proposal_.contacts.push_back(std::move(contact));
  std::string base = context_.config.policy_url;
  if (!base.empty() && base.back() != '/') base += '/';
  proposal_.access_policies.emplace();
  for (const std::string& policy : request.policies) {
    proposal_.access_policies->push_back({policy, base + policy});
  }
  asks_policy_server_ = request.policies.size() == 1 && request.policies.front() == "mysterium";
}

void Service::start(Now now) {
  context_.fx.emit(ServiceChanged{id_, provider_, type_, ServiceState::Starting, {}});
  find_location(now);
}

ServiceState Service::public_state() const {
  switch (state_) {
    case State::Starting:
      return ServiceState::Starting;
    case State::Running:
      return ServiceState::Running;
    case State::Stopping:
    case State::Ended:
      break;
  }
  return ServiceState::NotRunning;
}

void Service::find_location(Now now) {
  (void)now;
  location_at_.reset();
  context_.fx.ask(owner_, FindLocation{}, [this](Now at, Result<Outcome>& result) {
    if (state_ != State::Starting) return;
    auto location = outcome_of<ProposalLocation>(result);
    if (!location.ok()) {
      context_.fx.note(
          Note::Level::Warning,
          "service " + type_ + " waits: location is not known (" + location.error().what + ")");
      location_at_ = at.instant + location_pause_;
      location_pause_ = std::min(location_pause_ * 2, kLongestLocationPause);
      return;
    }
    proposal_.location = std::move(*location);
    run_listener(at);
  });
}

void Service::run_listener(Now now) {
  ProviderListener::Config config;
  config.service_type = type_;
  config.traversal = traversal_of(context_.config);
  config.initial_ttl = context_.config.punch_ttl;
  listener_ = std::make_unique<ProviderListener>(config, *signer_, context_.rng);
  Announcer::Config announce;
  announce.ping_interval = context_.config.ping_interval;
  announce.retry_interval = context_.config.register_retry;
  const bool registered = !context_.config.chain.present;
  announcer_ = std::make_unique<Announcer>(announce, registered, context_.rng);
  state_ = State::Running;
  listener_->start(now.instant);
  drain_machine(now);
  context_.fx.emit(ServiceChanged{id_, provider_, type_, ServiceState::Running, {}});
  if (registered) {
    drain_announcer(now);
  } else {
    check_registration();
  }
}

// --- market -------------------------------------------------------------------------------------

void Service::check_registration() {
  registration_at_.reset();
  context_.fx.ask(owner_, CheckRegistration{0, provider_}, [this](Now at, Result<Outcome>& result) {
    if (state_ != State::Running || !announcer_) return;
    if (result.ok()) return handle_registered(at);
    // Not registered, or nobody could tell: sooner again in the second case, and sooner at first.
    const Error& why = result.error();
    if (registration_told_ != why.what) {
      registration_told_ = why.what;
      context_.fx.note(Note::Level::Warning, "service " + type_ +
                                                 " is not announced yet: identity " +
                                                 provider_.to_string() + ": " + why.what);
    }
    if (why.code == Errc::NotFound) {
      registration_at_ = at.instant + kRegistrationPause;
    } else {
      registration_at_ = at.instant + registration_pause_;
      registration_pause_ = std::min(registration_pause_ * 2, kRegistrationPause);
    }
  });
}

void Service::handle_registered(Now now) {
  if (state_ != State::Running || !announcer_) return;
  registration_at_.reset();
  registration_pause_ = kFirstRegistrationPause;
  registration_told_.clear();
  announcer_->handle_registered(now.instant);
  drain_announcer(now);
}

void Service::drain_announcer(Now now) {
  (void)now;
  while (announcer_) {
    const auto message = announcer_->poll_message();
    if (!message) return;
    if (*message == Announcer::Message::Unregister) {
      publish(*message);
      continue;
    }
    // The location may have changed; the last one known is as good as the cache.
    context_.fx.ask(owner_, FindLocation{}, [this, m = *message](Now, Result<Outcome>& result) {
      auto location = outcome_of<ProposalLocation>(result);
      if (location.ok()) proposal_.location = std::move(*location);
      if (state_ == State::Running) publish(m);
    });
  }
}

void Service::publish(Announcer::Message message) {
  if (message == Announcer::Message::Unregister) unregistering_ = true;
  context_.fx.ask(
      owner_, PublishProposal{0, subject_of(message), proposal_, signer_},
      [this, message](Now at, Result<Outcome>& result) { published(at, message, result.ok()); });
}

void Service::published(Now now, Announcer::Message message, bool ok) {
  if (message == Announcer::Message::Unregister) {
    unregistering_ = false;
    state_ = State::Ended;
    return;
  }
  if (state_ != State::Running) return;
  announcer_->handle_published(now.instant, ok);
  if (ok) {
    context_.fx.emit(ProposalAnnounced{id_, !registered_before_});
    registered_before_ = true;
  }
  drain_announcer(now);
}

// --- life ---------------------------------------------------------------------------------------

void Service::stop(Now now, const std::string& reason) {
  if (state_ == State::Stopping || state_ == State::Ended) return;
  const bool was_running = state_ == State::Running;
  state_ = was_running ? State::Stopping : State::Ended;
  if (listener_) {
    listener_->stop(now.instant);
    drain_machine(now);
  }
  if (announcer_) {
    announcer_->stop();
    drain_announcer(now);
  }
  if (!unregistering_) state_ = State::Ended;
  context_.fx.emit(ServiceChanged{id_, provider_, type_, ServiceState::NotRunning, reason});
}

void Service::handle_broker_connected(Now now) {
  if (state_ != State::Running) return;
  announcer_->handle_broker_connected(now.instant);
  drain_announcer(now);
}

void Service::handle_timeout(Now now) {
  if (location_at_ && now.instant >= *location_at_) find_location(now);
  if (registration_at_ && now.instant >= *registration_at_) check_registration();
  if (state_ != State::Running) return;
  if (const auto due = listener_->next_timeout(); due && now.instant >= *due) {
    listener_->handle_timeout(now.instant);
    drain_machine(now);
  }
  if (const auto due = announcer_->next_timeout(); due && now.instant >= *due) {
    announcer_->handle_timeout(now.instant);
    drain_announcer(now);
  }
}

std::optional<Instant> Service::next_timeout() const {
  if (state_ == State::Starting) return location_at_;
  if (state_ != State::Running) return std::nullopt;
  return earliest(registration_at_,
                  earliest(listener_->next_timeout(), announcer_->next_timeout()));
}

// --- the listener's outcomes --------------------------------------------------------------------

void Service::drain_machine(Now now) {
  while (listener_) {
    auto action = listener_->poll_action();
    if (!action) return;
    execute(now, std::move(*action));
  }
}

void Service::on_broker_message(Now now, std::uint32_t tag, std::string_view reply_subject,
                                ByteSpan payload) {
  listener_->handle_broker_message(now.instant, tag, reply_subject, payload);
  drain_machine(now);
}
void Service::on_facts(Now now, const Result<dialog::NetworkFacts>& facts) {
  listener_->handle_network_facts(now.instant, facts);
}
void Service::on_udp_opened(Now now, dialog::SocketId socket, const Result<std::uint16_t>& port) {
  listener_->handle_udp_opened(now.instant, socket, port);
}
void Service::on_udp(Now now, dialog::SocketId socket, const Endpoint& from, ByteSpan bytes) {
  listener_->handle_datagram(now.instant, socket, from, bytes);
}
void Service::on_ports_mapped(Now now, std::uint32_t exchange, const Status& status) {
  listener_->handle_ports_mapped(now.instant, exchange, status);
}

void Service::on_channel(Now now, dialog::ChannelOpened& opened) {
  ServiceChannel channel;
  const auto consumer = Address::parse(opened.peer);
  if (consumer.ok()) channel.consumer = *consumer;
  channel.channel = std::move(opened.channel);
  channel.socket = release_socket(opened.channel_path.socket);
  channel.peer = opened.channel_path.peer;
  channel.service_socket = release_socket(opened.service_path.socket);
  channel.service_port = opened.service_path.local_port;
  if (opened.ports_mapped) channel.mapping = release_mapping(opened.exchange);
  host_.on_channel(now, *this, std::move(channel));
}

void Service::on_failed(Now, dialog::DialogFailed& failed) {
  context_.fx.note(Note::Level::Info,
                   "consumer could not connect to " + type_ + ": " + failed.reason);
}

}  // namespace myst::core::node
