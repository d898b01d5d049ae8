// One running service of one identity: listens for consumers and keeps the market informed
// (reference: core/service/manager.go, core/discovery/discovery.go).
//
//   Starting --location known--> Running --stop()--> Stopping --unregistered--> Ended
//
// A location that cannot be found is asked for again with growing pauses: the service starts by
// itself once the back end answers. Announcements begin when the listener runs.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.hpp"
#include "core/dialog/provider_listener.hpp"
#include "core/market/announcer.hpp"
#include "core/market/proposal.hpp"
#include "core/node/context.hpp"
#include "core/node/dialog_host.hpp"
#include "core/node/node_config.hpp"

namespace myst::core::node {

// A channel a consumer has opened, with the node's own ids.
struct ServiceChannel {
  Address consumer;
  std::unique_ptr<Channel> channel;
  SocketId socket = 0;
  Endpoint peer;
  SocketId service_socket = 0;
  std::uint16_t service_port = 0;
  std::uint32_t mapping = 0;  // of ports at the router; 0: none
};

class Service final : private DialogHost {
 public:
  enum class State : std::uint8_t { Starting, Running, Stopping, Ended };
  class Host {
   public:
    virtual ~Host() = default;
    virtual void on_channel(Now now, Service& service, ServiceChannel channel) = 0;
  };

  // `signer` is kept for as long as the service lives.
  Service(Context& context, Host& host, std::string id, const StartService& request,
          std::shared_ptr<const Signer> signer, Now now);

  void start(Now now);
  void stop(Now now, const std::string& reason);
  void handle_broker_connected(Now now);
  void handle_registered(Now now);
  void handle_timeout(Now now);
  std::optional<Instant> next_timeout() const;

  State state() const { return state_; }
  ServiceState public_state() const;
  const std::string& id() const { return id_; }
  const std::string& type() const { return type_; }
  const Address& provider() const { return provider_; }
  const Proposal& proposal() const { return proposal_; }
  bool asks_policy_server() const { return asks_policy_server_; }

  std::uint64_t attempted = 0, successful = 0;  // sessions; those acknowledged

 private:
  void find_location(Now now);
  void run_listener(Now now);
  void check_registration();
  void drain_announcer(Now now);
  void publish(Announcer::Message message);
  void published(Now now, Announcer::Message message, bool ok);

  // DialogHost
  void on_broker_message(Now now, std::uint32_t tag, std::string_view reply_subject,
                         ByteSpan payload) override;
  void on_facts(Now now, const Result<dialog::NetworkFacts>& facts) override;
  void on_udp_opened(Now now, dialog::SocketId socket, const Result<std::uint16_t>& port) override;
  void on_udp(Now now, dialog::SocketId socket, const Endpoint& from, ByteSpan bytes) override;
  void on_broker_connected(Now, const Status&) override {}
  void on_broker_reply(Now, std::uint32_t, const Result<Bytes>&) override {}
  void on_host_route(Now, const Status&) override {}
  void on_ports_mapped(Now now, std::uint32_t exchange, const Status& status) override;
  void on_channel(Now now, dialog::ChannelOpened& opened) override;
  void on_failed(Now now, dialog::DialogFailed& failed) override;
  void drain_machine(Now now) override;

  Host& host_;
  std::string id_, type_;
  Address provider_;
  State state_ = State::Starting;
  Proposal proposal_;
  bool asks_policy_server_ = false;
  std::unique_ptr<ProviderListener> listener_;
  std::unique_ptr<Announcer> announcer_;
  bool unregistering_ = false;
  bool registered_before_ = false;
  Duration location_pause_;
  std::optional<Instant> location_at_, registration_at_;
  Duration registration_pause_ = std::chrono::seconds{5};
  std::string registration_told_;  // why it was not announced, last time
};

}  // namespace myst::core::node
