#include "apps/myst/brokers.hpp"

#include <algorithm>
#include <utility>

namespace myst::app {
namespace {

// Longer than any exchange may take: the node's own limits end it earlier.
constexpr Duration kRequestTimeout = std::chrono::seconds(30);

}  // namespace

Brokers::Brokers(platform::Loop& loop, Rng& rng, Config config, Handlers handlers)
    : loop_(loop), rng_(rng), config_(std::move(config)), handlers_(std::move(handlers)) {
  links_[core::node::kOwnBroker];
  nats::Client::Handlers own;
  own.connected = [this](const nats::Connected&) { handlers_.connected(); };
  own.disconnected = [this](const nats::Disconnected& lost) {
    handlers_.lost(lost.server.to_string(), lost.why, lost.was_connected);
  };
  own.server_error = [this](const nats::ServerError& error) { handlers_.refused(error.text); };
  own_ = make_client(config_.servers, std::move(own));
}

std::unique_ptr<nats::Client> Brokers::make_client(std::vector<core::BrokerAddress> servers,
                                                   nats::Client::Handlers handlers) {
  nats::Client::Options options;
  options.machine.servers = std::move(servers);
  options.machine.version = config_.version;
  return std::make_unique<nats::Client>(loop_, rng_, std::move(options), std::move(handlers));
}

nats::Client* Brokers::client(core::node::BrokerId broker) {
  const auto found = links_.find(broker);
  if (found == links_.end()) return nullptr;
  return found->second.client ? found->second.client.get() : own_.get();
}

void Brokers::open(const core::node::BrokerOpen& request, Done done) {
  std::vector<core::BrokerAddress> servers;
  for (const std::string& text : request.addresses) {
    auto address = core::BrokerAddress::parse(text);
    if (!address.ok()) continue;
    if (std::find(servers.begin(), servers.end(), *address) == servers.end()) {
      servers.push_back(std::move(*address));
    }
  }
  if (servers.empty()) {
    done(Error{Errc::Malformed, 0, "the proposal names no usable broker"});
    return;
  }
  const bool shared =
      own_->connected() && std::any_of(servers.begin(), servers.end(), [this](const auto& server) {
        return std::find(config_.servers.begin(), config_.servers.end(), server) !=
               config_.servers.end();
      });
  Link& link = links_[request.broker];
  if (shared) {
    done({});
    return;
  }
  link.waiting = std::move(done);
  nats::Client::Handlers handlers;
  handlers.connected = [this, broker = request.broker](const nats::Connected&) {
    const auto found = links_.find(broker);
    if (found == links_.end() || !found->second.waiting) return;
    std::exchange(found->second.waiting, nullptr)({});
  };
  link.client = make_client(std::move(servers), std::move(handlers));
}

void Brokers::close(core::node::BrokerId broker) {
  const auto found = links_.find(broker);
  if (found == links_.end() || broker == core::node::kOwnBroker) return;
  Link link = std::move(found->second);
  links_.erase(found);
  if (link.client == nullptr) {
    for (const auto& [tag, sid] : link.tags) {
      (void)tag;
      own_->unsubscribe(sid);
    }
  } else {
    // What was published last is still to be sent; the client lives until that is done.
    auto* raw = link.client.get();
    raw->shutdown([client = std::shared_ptr<nats::Client>(std::move(link.client))] {});
  }
  if (link.waiting) link.waiting(Error{Errc::Cancelled, 0, "the dial ended"});
}

void Brokers::subscribe(const core::node::BrokerSubscribe& request) {
  nats::Client* to = client(request.broker);
  if (to == nullptr) return;
  unsubscribe(request.broker, request.tag);
  const auto sid = to->subscribe(
      request.subject,
      [this, broker = request.broker, tag = request.tag](const nats::Message& m) {
        handlers_.message(broker, tag, m.reply, m.payload);
      },
      request.signer);
  if (sid.ok()) {
    links_[request.broker].tags[request.tag] = *sid;
  } else {
    handlers_.refused(sid.error().what);
  }
}

void Brokers::unsubscribe(core::node::BrokerId broker, std::uint32_t tag) {
  const auto found = links_.find(broker);
  if (found == links_.end()) return;
  const auto subscription = found->second.tags.find(tag);
  if (subscription == found->second.tags.end()) return;
  client(broker)->unsubscribe(subscription->second);
  found->second.tags.erase(subscription);
}

Status Brokers::publish(const core::node::BrokerPublish& request) {
  nats::Client* to = client(request.broker);
  if (to == nullptr) return Error{Errc::NotFound, 0, "no such broker connection"};
  return to->publish(request.subject, request.payload, request.signer);
}

void Brokers::request(const core::node::BrokerRequest& request, Answer answer) {
  nats::Client* to = client(request.broker);
  if (to == nullptr) {
    answer(Error{Errc::NotFound, 0, "no such broker connection"});
    return;
  }
  // Shared with the failure path below: the client takes its callback only on success.
  auto shared = std::make_shared<Answer>(std::move(answer));
  const auto sent = to->request(request.subject, request.payload, kRequestTimeout,
                                [shared](Result<Bytes> reply) { (*shared)(std::move(reply)); });
  if (!sent.ok()) (*shared)(sent.error());
}

Status Brokers::publish_signed(std::string_view subject, ByteSpan payload,
                               std::shared_ptr<const Signer> signer) {
  if (!own_->connected()) return Error{Errc::Unavailable, 0, "the broker is not connected"};
  return own_->publish(subject, payload, std::move(signer));
}

}  // namespace myst::app
