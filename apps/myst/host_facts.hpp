// What this host knows about itself from others: public address, location, addresses of the STUN
// and port check servers. Answers are kept for five minutes, questions asked at the same time are
// asked once; forget() after a tunnel came or went.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/myst/port_probe.hpp"
#include "core/node/effects.hpp"
#include "drivers/discovery/location_codec.hpp"
#include "platform/http/client.hpp"
#include "platform/loop/loop.hpp"
#include "platform/net/resolve.hpp"

namespace myst::app {

class HostFacts {
 public:
  struct Config {
    std::string ip_detector;   // URL
    std::string location_url;  // type oracle
    // Type manual: what the owner says, with the public address from the detector.
    std::optional<core::ProposalLocation> manual;
    std::vector<std::string> stun_servers;               // host:port
    std::vector<std::string> port_check_servers;         // host:port
    std::uint16_t first_port = 10000, end_port = 60000;  // udp.ports, without the end
    // There is no other way to be reached than open ports: they are checked for each consumer,
    // whatever was found before.
    bool only_open_ports = false;
  };
  using LocationDone = std::function<void(Result<discovery::LocationAnswer>)>;
  using FactsDone = std::function<void(Result<core::node::NetworkFacts>)>;
  using IpDone = std::function<void(Result<IpAddress>)>;

  HostFacts(platform::Loop& loop, Rng& rng, platform::HttpClient& http, Config config);
  ~HostFacts();

  void network_facts(FactsDone done);
  void public_ip(IpDone done);
  void public_ip_now(IpDone done);  // asks, whatever is cached
  void location(LocationDone done);
  // Asks for everything that a dial will want, in the background.
  void prefetch();
  void prefetch_address();
  void forget();  // public address and location; server addresses stay
  // A provider's host: dials are told the port check servers only while a check may succeed.
  void watch_ports();

 private:
  template <typename T>
  struct Cached {
    std::optional<T> value;
    Instant until{};
    std::vector<std::function<void(Result<T>)>> waiting;
  };
  struct Server {
    std::string host;
    std::uint16_t port = 0;
    std::optional<IpAddress> address;
    Instant until{};
  };
  using Servers = std::vector<Server>;

  template <typename T>
  bool wait_or_answer(Cached<T>& cached, std::function<void(Result<T>)> done);
  template <typename T>
  void settle(Cached<T>& cached, Result<T> result);
  static Servers parse(const std::vector<std::string>& texts);
  void resolve_all(std::function<void()> done);
  std::vector<Endpoint> endpoints(const Servers& servers) const;

  platform::Loop& loop_;
  platform::HttpClient& http_;
  Config config_;
  Cached<IpAddress> ip_;
  Cached<discovery::LocationAnswer> location_;
  Servers stun_, port_check_;
  std::vector<std::unique_ptr<platform::Resolve>> resolving_;
  std::size_t unresolved_ = 0;
  std::vector<std::function<void()>> resolved_;
  PortProbe ports_;
  bool watch_ports_ = false;
};

}  // namespace myst::app
