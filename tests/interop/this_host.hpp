// Does on this machine what a machine of core wants, as the node's executor does, but keeps nothing
// and asks nobody about money: for tools that stand in for a node beside the reference, or for a
// peer that cheats. The setup's "twist" says how: {"promised": "wei"}, what the identity promised
// before;
// {"payments": N}, so many leave and no more; {"inflate": K}, times what was really transferred;
// {"jump": BYTES}, and so much more, as soon as anything was. What it says on its channel:
// twisted_channel.hpp.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "apps/myst/brokers.hpp"
#include "apps/myst/host_facts.hpp"
#include "apps/myst/tunnels.hpp"
#include "drivers/discovery/proposal_codec.hpp"
#include "platform/json/json.hpp"
#include "platform/net/port_pool.hpp"
#include "platform/system/random.hpp"

namespace myst::interop {

using namespace core::node;

[[noreturn]] inline void die(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

// What a machine of core needs from this one. Every answer goes back through `answer`, never from
// inside execute().
class Machine {
 public:
  virtual ~Machine() = default;
  virtual void done(ActionId id, Result<Outcome> result) = 0;
  virtual void proposals(ActionId id, std::string list) = 0;
  virtual void datagram(SocketId socket, const Endpoint& from, ByteSpan bytes) = 0;
  virtual void broker(BrokerId broker, std::uint32_t tag, std::string_view reply,
                      ByteSpan payload) = 0;
  virtual void broker_connected() = 0;
  virtual void broker_lost() = 0;
  virtual void tunnel_up(TunnelId tunnel) = 0;
  virtual void counters(TunnelId tunnel, TunnelCounters counters) = 0;
};

class ThisHost {
 public:
  ThisHost(platform::Loop& loop, json::Value setup, Machine& machine)
      : loop_(loop),
        machine_(machine),
        discovery_(setup["discovery"].string_or("")),
        twist_(read_twist(setup["twist"])),
        http_(loop, http_options()),
        facts_(loop, rng_, http_, facts_config(setup)),
        brokers_(loop, rng_, brokers_config(setup),
                 {[this] { machine_.broker_connected(); },
                  [this](const std::string&, const Error&, bool was) {
                    if (was) machine_.broker_lost();
                  },
                  [](const std::string& text) { std::cerr << "broker: " << text << '\n'; },
                  [this](BrokerId broker, std::uint32_t tag, std::string_view reply,
                         ByteSpan payload) { machine_.broker(broker, tag, reply, payload); }}),
        ports_(loop, rng_, 10000, 60000),
        wireguard_(loop, rng_, wireguard::Options()) {
    platform::HostNetwork::Options options;
    options.journal_path = setup["state"].string_or("/tmp") + "/changes.journal";
    auto host = platform::HostNetwork::open(loop, rng_, std::move(options));
    if (!host.ok()) die(host.error().what);
    network_ = std::move(*host);
    if (!network_->recover().ok()) die("recover");
    tunnels_ =
        std::make_unique<app::Tunnels>(*network_, wireguard_, app::Tunnels::Config(),
                                       [this](TunnelId tunnel) { machine_.tunnel_up(tunnel); });
  }

  platform::HttpClient& http() { return http_; }
  app::Tunnels& tunnels() { return *tunnels_; }
  void finish() {
    tunnels_.reset();
    if (!network_->finish().ok()) die("not everything was undone");
  }

  void execute(Action action) {
    std::visit([this](auto& a) { run(a); }, action);
  }

 private:
  struct Twist {
    Wei promised{};
    std::optional<std::int64_t> payments;
    std::uint64_t inflate = 1, jump = 0;
  };
  static Twist read_twist(json::Value twist) {
    Twist out;
    if (const auto promised = Wei::parse(twist["promised"].string_or("")); promised.ok()) {
      out.promised = *promised;
    }
    if (twist["payments"].exists()) out.payments = twist["payments"].i64_or(0);
    out.inflate = static_cast<std::uint64_t>(twist["inflate"].i64_or(1));
    out.jump = static_cast<std::uint64_t>(twist["jump"].i64_or(0));
    return out;
  }
  static platform::HttpClient::Options http_options() {
    platform::HttpClient::Options options;
    options.user_agent = "Mysterium node(recorder; https://mysterium.network)";
    return options;
  }
  static app::HostFacts::Config facts_config(json::Value setup) {
    app::HostFacts::Config out;
    out.ip_detector = setup["ip_detector"].string_or("");
    out.location_url = setup["location"].string_or("");
    out.stun_servers = {setup["stun"].string_or("")};
    out.port_check_servers = {setup["port_check"].string_or("")};
    out.only_open_ports = setup["traversal"].string_or("") == "manual";
    return out;
  }
  static app::Brokers::Config brokers_config(json::Value setup) {
    const auto server = core::BrokerAddress::parse(setup["broker"].string_or(""));
    if (!server.ok()) die("broker address");
    return {{*server}, "recorder"};
  }

  void later(std::function<void()> task) {
    if (!loop_.post(std::move(task)).ok()) die("too many tasks");
  }
  void answer(ActionId id, Result<Outcome> result) {
    later(
        [this, id, result = std::move(result)]() mutable { machine_.done(id, std::move(result)); });
  }
  void answer_status(ActionId id, const Status& status) {
    answer(id, status.ok() ? Result<Outcome>(Outcome(Done{})) : Result<Outcome>(status.error()));
  }
  std::function<void(const Status&)> answerer(ActionId id) {
    return [this, id](const Status& status) { answer_status(id, status); };
  }
  template <typename T>
  std::function<void(Result<T>)> answerer_of(ActionId id) {
    return [this, id](Result<T> result) {
      answer(id, result.ok() ? Result<Outcome>(Outcome(std::move(*result)))
                             : Result<Outcome>(result.error()));
    };
  }
  platform::UniqueFd take_socket(const std::optional<SocketId>& id) {
    const auto found = id ? sockets_.find(*id) : sockets_.end();
    if (found == sockets_.end()) return {};
    platform::UniqueFd fd(found->second.release_fd());
    sockets_.erase(found);
    return fd;
  }

  void run(UdpOpen& a) {
    auto socket = ports_.take();
    if (!socket.ok()) return answer_status(a.id, socket.error());
    const auto at = sockets_.insert_or_assign(a.socket, std::move(*socket)).first;
    at->second.receive([this, id = a.socket](const Endpoint& from, ByteSpan bytes) {
      machine_.datagram(id, from, bytes);
    });
    answer(a.id, Result<Outcome>(Outcome(Port{at->second.local().port})));
  }
  void run(UdpClose& a) { sockets_.erase(a.socket); }
  void run(UdpTellRefused&) {}
  void run(UdpSend& a) {
    const auto found = sockets_.find(a.socket);
    if (found == sockets_.end()) return;
    const auto ttl = a.ttl == 0 ? std::nullopt : std::optional<int>(a.ttl);
    (void)found->second.send(a.to, a.bytes, ttl);
  }
  void run(BrokerOpen& a) { brokers_.open(a, answerer(a.id)); }
  void run(BrokerClose& a) { brokers_.close(a.broker); }
  void run(BrokerSubscribe& a) { brokers_.subscribe(a); }
  void run(BrokerUnsubscribe& a) { brokers_.unsubscribe(a.broker, a.tag); }
  void run(BrokerPublish& a) { (void)brokers_.publish(a); }
  void run(BrokerRequest& a) { brokers_.request(a, answerer_of<Bytes>(a.id)); }
  void run(PublishProposal& a) {
    const std::string text = discovery::proposal_message(a.proposal);
    answer_status(a.id, brokers_.publish_signed(a.topic, as_bytes(text), a.signer));
  }
  void run(MapPorts& a) { answer_status(a.id, Error{Errc::Unsupported, 0, "no port mapping"}); }
  void run(UnmapPorts&) {}
  void run(FindNetworkFacts& a) { facts_.network_facts(answerer_of<NetworkFacts>(a.id)); }
  void run(FindPublicIp& a) { facts_.public_ip_now(answerer_of<IpAddress>(a.id)); }
  void run(FindLocation& a) {
    facts_.location([this, id = a.id](Result<discovery::LocationAnswer> found) {
      answer(id, found.ok() ? Result<Outcome>(Outcome(found->location))
                            : Result<Outcome>(found.error()));
    });
  }
  void run(ExcludeAddress& a) { tunnels_->exclude(a.ip, answerer(a.id)); }
  void run(ReleaseAddress& a) { tunnels_->release(a.ip); }
  void run(BypassBackends&) {}
  void run(KillSwitchOn& a) { answer_status(a.id, Status()); }
  void run(KillSwitchOff&) {}
  void run(ServiceTunnelOpen& a) { tunnels_->open(a, take_socket(a.socket), answerer(a.id)); }
  void run(ConsumerTunnelOpen& a) {
    tunnels_->open(a, take_socket(a.socket), [this, id = a.id](const Status& status) {
      answer_status(id, status);
      facts_.forget();
    });
  }
  void run(ServiceTunnelClose& a) { close_tunnel(a.tunnel, a.id); }
  void run(ConsumerTunnelClose& a) { close_tunnel(a.tunnel, a.id); }
  void close_tunnel(TunnelId tunnel, ActionId id) {
    tunnels_->close(tunnel, [this, id](const auto& last) {
      answer(id, last ? Result<Outcome>(Outcome(*last)) : Result<Outcome>(Outcome(Done{})));
    });
  }
  void run(ReadTunnel& a) {
    if (const auto counters = tunnels_->counters(a.tunnel)) {
      TunnelCounters said = *counters;
      for (std::uint64_t* one : {&said.sent_bytes, &said.received_bytes}) {
        if (*one != 0) *one = *one * twist_.inflate + twist_.jump;
      }
      later([this, tunnel = a.tunnel, said] { machine_.counters(tunnel, said); });
    }
  }
  void run(FindProposals& a) {
    const std::string url = discovery_ + "/proposals?" + core::to_query(a.filter);
    http_.get(url, [this, id = a.id](const Result<platform::HttpResponse>& response) {
      if (!response.ok() || response->status != 200) {
        return answer_status(id, Error{Errc::Unavailable, 0, "discovery"});
      }
      machine_.proposals(id, response->body);
    });
  }
  // Money is not what is recorded here: whoever asks is told yes.
  void run(CheckAccess& a) { answer_status(a.id, Status()); }
  void run(CheckRegistration& a) { answer_status(a.id, Status()); }
  void run(CheckBalance& a) {
    answer(a.id, Result<Outcome>(Outcome(Wei{10'000'000'000'000'000'000u})));
  }
  void run(CheckHermes& a) { answer_status(a.id, Status()); }
  void run(RequestPromise& a) { answer_status(a.id, Status()); }
  void run(StorePayment& a) {
    // Without an answer it never leaves.
    if (twist_.payments && (*twist_.payments)-- <= 0) return;
    answer_status(a.id, Status());
  }
  void run(StoreInvoice& a) { answer_status(a.id, Status()); }
  void run(StoreAccepted& a) { answer_status(a.id, Status()); }
  void run(LoadGrandTotal& a) { answer(a.id, Result<Outcome>(Outcome(twist_.promised))); }
  void run(StoreSession&) {}
  void run(StoreConnectivity&) {}

  platform::Loop& loop_;
  Machine& machine_;
  std::string discovery_;
  Twist twist_;
  platform::SystemRng rng_;
  platform::HttpClient http_;
  app::HostFacts facts_;
  app::Brokers brokers_;
  platform::PortPool ports_;
  wireguard::Wireguard wireguard_;
  std::unique_ptr<platform::HostNetwork> network_;
  std::unique_ptr<app::Tunnels> tunnels_;
  std::map<SocketId, platform::UdpSocket> sockets_;
};

}  // namespace myst::interop
