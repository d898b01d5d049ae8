// A broker, a STUN and a port check server, and any number of dialling nodes on the virtual
// internet. Executes the machines' actions as a node does, on a virtual clock.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/dialog/consumer_dial.hpp"
#include "core/dialog/provider_listener.hpp"
#include "core/hub/udp_services.hpp"
#include "core/p2p/peer_path.hpp"
#include "tests/support/virtual_net.hpp"

namespace myst::test {

using namespace core;
using namespace core::dialog;

class DialWorld {
 public:
  using Path = VirtualNet::Path;
  DialWorld(std::uint64_t seed, const Path& path) : rng(seed), net(seed + 1000, path) {
    const std::size_t servers = net.add_host(kServerIp, NatKind::None);
    const std::size_t checker = net.add_host(IpAddress::v4(192, 0, 2, 9), NatKind::None);
    net.bind(servers, 3478, [this, servers](Instant, const Endpoint& from, ByteSpan bytes) {
      if (const auto answer = answer_stun(bytes, from)) {
        net.send(now, servers, 3478, from, 0, *answer);
      }
    });
    net.bind(servers, 4589, [this, checker](Instant, const Endpoint& from, ByteSpan bytes) {
      if (const auto probe = parse_port_probe(bytes, from)) {
        net.send(now, checker, 1, probe->to, 0, probe->token);
      }
    });
  }

  static inline const IpAddress kServerIp = IpAddress::v4(192, 0, 2, 1);
  static constexpr Instant kStart = Instant{} + std::chrono::hours{5};
  static NetworkFacts facts_for(const IpAddress& public_ip) {
    return {public_ip, {{kServerIp, 3478}}, {{kServerIp, 4589}}};
  }

  // One end of an open channel, and what it was asked and answered.
  struct End {
    ChannelOpened opened;
    std::size_t host = 0;
    std::vector<std::string> asked;
    std::vector<std::string> answers;
    std::vector<std::string> service_heard;
  };

  struct Node {
    std::size_t host = 0;
    std::string name;
    NetworkFacts facts;
    bool facts_fail = false;
    bool broker_ok = true;
    Status map_ports = Error{Errc::Unsupported, 0, "no router"};
    std::function<std::optional<Action>()> poll;
    std::function<std::optional<Instant>()> next;
    std::function<void()> timeout;
    std::unique_ptr<ConsumerDial> dial;
    std::unique_ptr<ProviderListener> listener;
    std::map<SocketId, std::uint16_t> sockets;
    std::map<std::uint32_t, std::string> subscriptions;
    std::set<std::string> routes;
    std::vector<std::string> log;  // kinds of actions, in order
    std::vector<std::unique_ptr<End>> ends;
    std::vector<DialogFailed> failures;
    std::size_t mapped = 0;
  };

  Node& add_provider(const IpAddress& ip, NatKind nat, const LocalSigner& signer,
                     const ProviderListener::Config& config) {
    Node& node = add(ip, nat);
    node.listener = std::make_unique<ProviderListener>(config, signer, rng);
    node.poll = [&node] { return node.listener->poll_action(); };
    node.next = [&node] { return node.listener->next_timeout(); };
    node.timeout = [this, &node] { node.listener->handle_timeout(now); };
    node.listener->start(now);
    run_actions();
    return node;
  }
  Node& add_consumer(const IpAddress& ip, NatKind nat, const LocalSigner& signer,
                     const Address& provider) {
    Node& node = add(ip, nat);
    start_dial(node, signer, provider);
    return node;
  }
  void start_dial(Node& node, const LocalSigner& signer, const Address& provider) {
    ConsumerDial::Config config;
    config.provider = provider;
    config.service_type = "wireguard";
    config.broker_addresses = {"nats://broker"};
    node.dial = std::make_unique<ConsumerDial>(config, signer, rng, now);
    node.poll = [&node] { return node.dial->poll_action(); };
    node.next = [&node] { return node.dial->next_timeout(); };
    node.timeout = [this, &node] { node.dial->handle_timeout(now); };
  }

  // Broker traffic may be lost or watched: false drops the message.
  std::function<bool(const std::string& subject, const Bytes& payload)> broker_filter;
  Duration broker_delay = std::chrono::milliseconds{5};

  void publish(const std::string& subject, const std::string& reply, const Bytes& payload) {
    if (broker_filter && !broker_filter(subject, payload)) return;
    later(2 * broker_delay, [this, subject, reply, payload] {
      if (const auto waiting = inboxes_.find(subject); waiting != inboxes_.end()) {
        const auto callback = waiting->second;
        inboxes_.erase(waiting);
        callback(payload);
        return;
      }
      for (auto& node : nodes) {
        for (const auto& [tag, wanted] : node->subscriptions) {
          if (wanted != subject) continue;
          if (node->listener) node->listener->handle_broker_message(now, tag, reply, payload);
          if (node->dial) node->dial->handle_broker_message(now, tag, payload);
        }
      }
    });
  }

  // Runs until `until` says so or `limit` has passed; false then.
  bool run(Duration limit, const std::function<bool()>& until) {
    const Instant end = now + limit;
    for (int step = 0; step < 2000000; ++step) {
      run_actions();
      if (until()) return true;
      std::optional<Instant> next = net.next_event();
      if (!tasks_.empty()) next = earliest(next, tasks_.begin()->first);
      for (auto& node : nodes) {
        next = earliest(next, node->next());
        for (auto& e : node->ends) next = earliest(next, e->opened.channel->next_timeout());
      }
      if (!next || *next > end) {
        now = end;
        return until();
      }
      now = std::max(now, *next);
      net.deliver(now);
      while (!tasks_.empty() && tasks_.begin()->first <= now) {
        const auto task = std::move(tasks_.begin()->second);
        tasks_.erase(tasks_.begin());
        task();
      }
      for (auto& node : nodes) {
        node->timeout();
        for (auto& e : node->ends) e->opened.channel->handle_timeout(now);
      }
    }
    return false;
  }

  void run_actions() {
    for (bool again = true; again;) {
      again = false;
      for (auto& node : nodes) {
        while (auto action = node->poll()) {
          again = true;
          execute(*node, std::move(*action));
        }
        for (auto& e : node->ends) drain(*node, *e);
      }
    }
  }

  std::size_t open_sockets(const Node& node) const { return node.sockets.size(); }

  SeededRng rng;
  VirtualNet net;
  Instant now = kStart;
  std::vector<std::unique_ptr<Node>> nodes;

 private:
  Node& add(const IpAddress& ip, NatKind nat) {
    nodes.push_back(std::make_unique<Node>());
    nodes.back()->host = net.add_host(ip, nat);
    nodes.back()->facts = facts_for(ip);
    nodes.back()->name = ip.to_string();
    return *nodes.back();
  }
  void later(Duration delay, std::function<void()> task) {
    tasks_.emplace(now + delay, std::move(task));
  }

  void on_datagram(Node& node, SocketId socket, const Endpoint& from, ByteSpan bytes) {
    for (auto& e : node.ends) {
      if (e->opened.channel_path.socket == socket) {
        if (e->opened.channel->handle_datagram(now, bytes).ok()) {
          PeerPath path(e->opened.channel_path.peer);
          (void)path.authenticated(from);
          e->opened.channel_path.peer = path.peer();
        }
        return;
      }
      if (e->opened.service_path.socket == socket) {
        e->service_heard.emplace_back(as_text(bytes));
        return;
      }
    }
    if (node.listener) node.listener->handle_datagram(now, socket, from, bytes);
    if (node.dial) node.dial->handle_datagram(now, socket, from, bytes);
  }

  void drain(Node& node, End& e) {
    while (auto event = e.opened.channel->poll_event()) {
      if (auto* in = std::get_if<Channel::Incoming>(&*event)) {
        e.asked.push_back(in->topic);
        (void)e.opened.channel->reply(now, in->id, Reply::success(in->data));
      } else if (auto* answer = std::get_if<Channel::Answer>(&*event)) {
        e.answers.push_back(answer->result.ok() ? std::string(as_text(*answer->result)) : "error");
      }
    }
    while (auto datagram = e.opened.channel->poll_transmit()) {
      net.send(now, node.host, e.opened.channel_path.local_port, e.opened.channel_path.peer, 0,
               *datagram);
    }
  }

  void execute(Node& node, Action action) {
    std::visit([&](auto& a) { on(node, a); }, action);
  }
  void on(Node& node, FindNetworkFacts&) {
    node.log.push_back("facts");
    later(std::chrono::milliseconds{1}, [this, &node] {
      const Result<NetworkFacts> facts =
          node.facts_fail ? Result<NetworkFacts>(Error{Errc::Unavailable, 0, "location"})
                          : Result<NetworkFacts>(node.facts);
      if (node.listener) node.listener->handle_network_facts(now, facts);
      if (node.dial) node.dial->handle_network_facts(now, facts);
    });
  }
  void on(Node& node, OpenUdp& a) {
    std::uint16_t port = 0;
    do {
      port = static_cast<std::uint16_t>(10000 + rng.below(20000));
    } while (ports_.count({node.host, port}) != 0);
    ports_.insert({node.host, port});
    node.sockets[a.socket] = port;
    const SocketId id = a.socket;
    net.bind(node.host, port, [this, &node, id](Instant, const Endpoint& from, ByteSpan bytes) {
      on_datagram(node, id, from, bytes);
    });
    if (node.listener) node.listener->handle_udp_opened(now, id, port);
    if (node.dial) node.dial->handle_udp_opened(now, id, port);
  }
  void on(Node& node, CloseUdp& a) {
    const auto socket = node.sockets.find(a.socket);
    if (socket == node.sockets.end()) return;
    net.unbind(node.host, socket->second);
    node.sockets.erase(socket);
  }
  void on(Node& node, SendUdp& a) {
    const bool to_server = a.to.ip == kServerIp;
    if (!to_server) node.log.push_back("send");
    net.send(now, node.host, node.sockets.at(a.socket), a.to, a.ttl, a.payload());
  }
  void on(Node& node, BrokerConnect&) {
    later(broker_delay, [this, &node] {
      node.dial->handle_broker_connected(
          now, node.broker_ok ? Status() : Status(Error{Errc::Unavailable, 0, "broker"}));
    });
  }
  void on(Node& node, BrokerDisconnect&) { node.subscriptions.clear(); }
  void on(Node& node, BrokerSubscribe& a) { node.subscriptions[a.tag] = a.subject; }
  void on(Node& node, BrokerUnsubscribe& a) { node.subscriptions.erase(a.tag); }
  void on(Node& node, BrokerRequest& a) {
    node.log.push_back("request");
    const std::string inbox = "_INBOX." + std::to_string(next_inbox_++);
    ConsumerDial* const dial = node.dial.get();
    inboxes_[inbox] = [this, dial, id = a.request](const Bytes& payload) {
      dial->handle_broker_reply(now, id, payload);
    };
    publish(a.subject, inbox, a.payload);
  }
  void on(Node&, BrokerPublish& a) { publish(a.subject, "", a.payload); }
  void on(Node& node, AddHostRoute& a) {
    node.log.push_back("route");
    node.routes.insert(a.ip.to_string());
    later(std::chrono::milliseconds{1}, [this, &node] { node.dial->handle_host_route(now, {}); });
  }
  void on(Node& node, RemoveHostRoute& a) { node.routes.erase(a.ip.to_string()); }
  void on(Node& node, MapPorts& a) {
    if (node.map_ports.ok()) ++node.mapped;
    later(std::chrono::milliseconds{5}, [this, &node, a] {
      node.listener->handle_ports_mapped(now, a.exchange, node.map_ports);
    });
  }
  void on(Node& node, UnmapPorts&) { --node.mapped; }
  void on(Node& node, ChannelOpened& a) {
    node.log.push_back("opened");
    node.ends.push_back(std::make_unique<End>());
    node.ends.back()->opened = std::move(a);
    node.ends.back()->host = node.host;
  }
  void on(Node& node, DialogFailed& a) { node.failures.push_back(a); }

  std::multimap<Instant, std::function<void()>> tasks_;
  std::map<std::string, std::function<void(const Bytes&)>> inboxes_;
  std::set<std::pair<std::size_t, std::uint16_t>> ports_;
  int next_inbox_ = 1;
};

}  // namespace myst::test
