#include "core/dialog/provider_listener.hpp"

#include <algorithm>
#include <list>
#include <utility>

#include "core/dialog/provider_exchange.hpp"

namespace myst::core {

using namespace dialog;

namespace {

constexpr std::uint32_t kExchangeTag = 1;
constexpr std::uint32_t kAckTag = 2;

}  // namespace

struct ProviderListener::Impl {
  Impl(const Config& config, const Signer& signer, Rng& rng)
      : shared{config, signer, rng, {}, 1, {}, {}, 0} {}

  using Exchanges = std::list<ProviderExchange>;  // in order of arrival, at most kMaxExchanges

  // Keys travel in the open, so the same one under another name is another exchange.
  Exchanges::iterator find(const Received& message) {
    return std::find_if(exchanges.begin(), exchanges.end(), [&](const ProviderExchange& e) {
      return e.consumer_key() == message.key && e.consumer() == message.signer;
    });
  }

  void sweep() {
    exchanges.remove_if([](const ProviderExchange& e) { return e.done(); });
  }

  // Makes room for one more of `consumer`; false: everything is taken by acknowledged ones.
  bool make_room(const Address& consumer) {
    const auto give_way = [this](auto matches) {
      const auto oldest = std::find_if(exchanges.begin(), exchanges.end(), matches);
      if (oldest == exchanges.end()) return false;
      oldest->fail({Errc::Full, 0, "exchanges"}, "too many dials at once");
      exchanges.erase(oldest);
      return true;
    };
    const auto of_consumer = [&](const ProviderExchange& e) { return e.consumer() == consumer; };
    if (std::count_if(exchanges.begin(), exchanges.end(), of_consumer) >=
        static_cast<std::ptrdiff_t>(kMaxPerConsumer)) {
      return give_way([&](const ProviderExchange& e) { return of_consumer(e) && !e.acked(); });
    }
    if (exchanges.size() < kMaxExchanges) return true;
    return give_way([](const ProviderExchange& e) { return !e.acked(); });
  }

  void on_exchange(Instant now, std::string_view reply_subject, ByteSpan payload) {
    // Any error: no reply, as there is nobody proven to reply to.
    const auto received = open_message(payload);
    if (!received || reply_subject.empty()) return;
    // Somebody may replay what it saw on the broker, even before the original arrives: a repeat is
    // answered like the first, and ends nothing (in the reference it replaces the first).
    if (const auto same = find(*received); same != exchanges.end()) {
      return same->handle_repeat(std::string(reply_subject));
    }
    if (!make_room(received->signer)) return;
    exchanges.emplace_back(shared, next_number++, *received, std::string(reply_subject), now);
    if (!facts_asked) {
      facts_asked = true;
      shared.actions.push(FindNetworkFacts{});
    }
  }

  void on_ack(Instant now, std::string_view reply_subject, ByteSpan payload) {
    const auto received = open_message(payload);
    if (!received || reply_subject.empty()) return;
    const auto exchange = find(*received);
    if (exchange == exchanges.end()) return;
    shared.punching = static_cast<std::size_t>(
        std::count_if(exchanges.begin(), exchanges.end(),
                      [](const ProviderExchange& e) { return e.punching(); }));
    exchange->handle_ack(now, *received, std::string(reply_subject));
    sweep();
  }

  ProviderShared shared;
  Exchanges exchanges;
  std::uint32_t next_number = 1;
  bool facts_asked = false;
  bool started = false;
};

ProviderListener::ProviderListener(const Config& config, const Signer& signer, Rng& rng)
    : impl_(std::make_unique<Impl>(config, signer, rng)) {}
ProviderListener::~ProviderListener() = default;

std::optional<Action> ProviderListener::poll_action() { return impl_->shared.actions.pop(); }
std::size_t ProviderListener::exchanges() const { return impl_->exchanges.size(); }

std::optional<Instant> ProviderListener::next_timeout() const {
  std::optional<Instant> next;
  for (const auto& exchange : impl_->exchanges) next = earliest(next, exchange.next_timeout());
  return next;
}

void ProviderListener::start(Instant now) {
  (void)now;
  if (std::exchange(impl_->started, true)) return;
  const Address self = impl_->shared.signer.address();
  const std::string& service = impl_->shared.config.service_type;
  impl_->shared.actions.push(BrokerSubscribe{kExchangeTag, exchange_subject(self, service), true});
  impl_->shared.actions.push(BrokerSubscribe{kAckTag, ack_subject(self, service), true});
}

void ProviderListener::handle_broker_message(Instant now, std::uint32_t tag,
                                             std::string_view reply_subject, ByteSpan payload) {
  if (!impl_->started) return;
  if (tag == kExchangeTag) impl_->on_exchange(now, reply_subject, payload);
  if (tag == kAckTag) impl_->on_ack(now, reply_subject, payload);
}

void ProviderListener::handle_network_facts(Instant now, const Result<NetworkFacts>& facts) {
  impl_->facts_asked = false;
  for (auto& exchange : impl_->exchanges) {
    if (!exchange.waits_for_facts()) continue;
    if (facts.ok()) {
      exchange.handle_network_facts(now, *facts);
    } else {
      exchange.fail(facts.error(), "own public address could not be found");
    }
  }
  impl_->sweep();
}

void ProviderListener::handle_ports_mapped(Instant now, std::uint32_t exchange,
                                           const Status& status) {
  for (auto& e : impl_->exchanges) {
    if (e.number() == exchange) e.handle_ports_mapped(now, status);
  }
  impl_->sweep();
}

void ProviderListener::handle_udp_opened(Instant now, SocketId socket,
                                         const Result<std::uint16_t>& port) {
  for (auto& exchange : impl_->exchanges) {
    if (!exchange.owns(socket)) continue;
    exchange.handle_udp_opened(now, socket, port);
    break;
  }
  impl_->sweep();
}

void ProviderListener::handle_datagram(Instant now, SocketId socket, const Endpoint& from,
                                       ByteSpan bytes) {
  for (auto& exchange : impl_->exchanges) {
    if (!exchange.owns(socket)) continue;
    exchange.handle_datagram(now, socket, from, bytes);
    break;
  }
  impl_->sweep();
}

void ProviderListener::handle_timeout(Instant now) {
  for (auto& exchange : impl_->exchanges) exchange.handle_timeout(now);
  impl_->sweep();
}

void ProviderListener::stop(Instant now) {
  (void)now;
  for (auto& exchange : impl_->exchanges) {
    exchange.fail({Errc::Cancelled, 0, "exchange"}, "the service stops");
  }
  impl_->exchanges.clear();
  if (!std::exchange(impl_->started, false)) return;
  impl_->facts_asked = false;
  impl_->shared.actions.push(BrokerUnsubscribe{kExchangeTag});
  impl_->shared.actions.push(BrokerUnsubscribe{kAckTag});
}

}  // namespace myst::core
