#include "apps/myst/host_facts.hpp"

#include <utility>

#include "core/base/text.hpp"

namespace myst::app {
namespace {

constexpr Duration kKeep = std::chrono::minutes(5);
constexpr std::size_t kMaxServers = 8;

Error status_error(int status) {
  return Error{Errc::Unavailable, status, "the location service answered with an error"};
}

}  // namespace

HostFacts::HostFacts(platform::Loop& loop, Rng& rng, platform::HttpClient& http, Config config)
    : loop_(loop),
      http_(http),
      config_(std::move(config)),
      stun_(parse(config_.stun_servers)),
      port_check_(parse(config_.port_check_servers)),
      ports_(loop, rng, platform::PortPool(loop, rng, config_.first_port, config_.end_port)) {}

HostFacts::~HostFacts() = default;

HostFacts::Servers HostFacts::parse(const std::vector<std::string>& texts) {
  Servers out;
  for (const std::string& text : texts) {
    if (out.size() == kMaxServers) break;
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos) continue;
    const auto port = parse_decimal(std::string_view(text).substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) continue;
    Server server;
    server.host = text.substr(0, colon);
    server.port = static_cast<std::uint16_t>(*port);
    out.push_back(std::move(server));
  }
  return out;
}

template <typename T>
bool HostFacts::wait_or_answer(Cached<T>& cached, std::function<void(Result<T>)> done) {
  if (cached.value && loop_.instant() < cached.until) {
    done(*cached.value);
    return true;
  }
  cached.waiting.push_back(std::move(done));
  return cached.waiting.size() > 1;  // somebody asks already
}

template <typename T>
void HostFacts::settle(Cached<T>& cached, Result<T> result) {
  if (result.ok()) {
    cached.value = *result;
    cached.until = loop_.instant() + kKeep;
  }
  auto waiting = std::move(cached.waiting);
  cached.waiting.clear();
  for (auto& done : waiting) done(result);
}

void HostFacts::public_ip(IpDone done) {
  if (wait_or_answer(ip_, std::move(done))) return;
  public_ip_now([this](Result<IpAddress> ip) { settle(ip_, std::move(ip)); });
}

void HostFacts::public_ip_now(IpDone done) {
  http_.get(config_.ip_detector,
            [done = std::move(done)](const Result<platform::HttpResponse>& answer) {
              if (!answer.ok()) {
                done(answer.error());
              } else if (answer->status / 100 != 2) {
                done(status_error(answer->status));
              } else {
                done(discovery::read_ip(answer->body));
              }
            });
}

void HostFacts::location(LocationDone done) {
  if (config_.manual) {
    public_ip([this, done = std::move(done)](const Result<IpAddress>& ip) {
      if (!ip.ok()) {
        done(ip.error());
      } else {
        done(discovery::LocationAnswer{*ip, *config_.manual});
      }
    });
    return;
  }
  if (wait_or_answer(location_, std::move(done))) return;
  http_.get(config_.location_url, [this](const Result<platform::HttpResponse>& answer) {
    if (!answer.ok()) {
      settle<discovery::LocationAnswer>(location_, answer.error());
    } else if (answer->status / 100 != 2) {
      settle<discovery::LocationAnswer>(location_, status_error(answer->status));
    } else {
      auto location = discovery::read_location(answer->body);
      // One question answers both when the detector is the location service.
      if (location.ok() && config_.ip_detector == config_.location_url) {
        ip_.value = location->ip;
        ip_.until = loop_.instant() + kKeep;
      }
      settle(location_, std::move(location));
    }
  });
}

void HostFacts::resolve_all(std::function<void()> done) {
  const Instant now = loop_.instant();
  resolved_.push_back(std::move(done));
  if (unresolved_ > 0) return;
  resolving_.clear();
  for (Servers* servers : {&stun_, &port_check_}) {
    for (Server& server : *servers) {
      if (server.address && now < server.until) continue;
      if (const auto at_once = platform::addresses_at_once(server.host); !at_once.empty()) {
        server.address = at_once.front();
        server.until = Instant::max();
        continue;
      }
      ++unresolved_;
      resolving_.push_back(std::make_unique<platform::Resolve>(
          loop_, server.host, [this, &server](const Result<std::vector<IpAddress>>& found) {
            if (found.ok()) {
              for (const IpAddress& address : *found) {
                if (!address.is_v4()) continue;
                server.address = address;
                server.until = loop_.instant() + kKeep;
                break;
              }
            }
            if (--unresolved_ > 0) return;
            auto waiting = std::move(resolved_);
            resolved_.clear();
            for (auto& next : waiting) next();
          }));
    }
  }
  if (unresolved_ > 0) return;
  auto waiting = std::move(resolved_);
  resolved_.clear();
  for (auto& next : waiting) next();
}

std::vector<Endpoint> HostFacts::endpoints(const Servers& servers) const {
  std::vector<Endpoint> out;
  for (const Server& server : servers) {
    if (server.address) out.push_back(Endpoint{*server.address, server.port});
  }
  return out;
}

void HostFacts::network_facts(FactsDone done) {
  public_ip([this, done = std::move(done)](const Result<IpAddress>& ip) mutable {
    if (!ip.ok()) {
      done(ip.error());
      return;
    }
    resolve_all([this, ip = *ip, done = std::move(done)] {
      core::node::NetworkFacts facts;
      facts.public_ip = ip;
      facts.stun_servers = endpoints(stun_);
      const auto checkers = endpoints(port_check_);
      if (watch_ports_) ports_.run(checkers);
      if (config_.only_open_ports || ports_.worth_checking()) {
        facts.port_check_servers = checkers;
      }
      done(std::move(facts));
    });
  });
}

void HostFacts::prefetch() {
  location([](const Result<discovery::LocationAnswer>&) {});
  network_facts([](const Result<core::node::NetworkFacts>&) {});
}

void HostFacts::prefetch_address() {
  public_ip([](const Result<IpAddress>&) {});
}

void HostFacts::watch_ports() {
  watch_ports_ = true;
  network_facts([](const Result<core::node::NetworkFacts>&) {});
}

void HostFacts::forget() {
  ip_.value.reset();
  location_.value.reset();
  ports_.forget();
}

}  // namespace myst::app
