// One dial of a connection: ConsumerDial run with the node's effects.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/base/time.hpp"
#include "core/dialog/consumer_dial.hpp"
#include "core/node/context.hpp"
#include "core/node/dialog_host.hpp"

namespace myst::core::node {

// An open channel to a provider, with the node's own ids.
struct DialedChannel {
  std::unique_ptr<Channel> channel;
  SocketId socket = 0;
  Endpoint peer;
  SocketId service_socket = 0;
  std::uint16_t service_port = 0;
  Endpoint service_peer;
  IpAddress excluded;  // a host route was asked for; to be released with the channel
  bool direct = false;
};

class Dial final : private DialogHost {
 public:
  class Host {
   public:
    virtual ~Host() = default;
    // At most one of the two, never from inside a call of Dial's own but its handle_timeout.
    virtual void on_dialed(Now now, DialedChannel channel) = 0;
    virtual void on_dial_failed(Now now, const std::string& reason) = 0;
    virtual void on_own_address(Now now, const IpAddress& address) = 0;
  };

  Dial(Context& context, Host& host, const ConsumerDial::Config& config,
       std::shared_ptr<const Signer> signer, Now now);

  void start(Now now) { drain_machine(now); }
  void cancel(Now now);  // nothing more is reported
  void handle_timeout(Now now);
  std::optional<Instant> next_timeout() const;

 private:
  void on_broker_message(Now now, std::uint32_t tag, std::string_view reply_subject,
                         ByteSpan payload) override;
  void on_facts(Now now, const Result<dialog::NetworkFacts>& facts) override;
  void on_udp_opened(Now now, dialog::SocketId socket, const Result<std::uint16_t>& port) override;
  void on_udp(Now now, dialog::SocketId socket, const Endpoint& from, ByteSpan bytes) override;
  void on_broker_connected(Now now, const Status& status) override;
  void on_broker_reply(Now now, std::uint32_t request, const Result<Bytes>& payload) override;
  void on_host_route(Now now, const Status& status) override;
  void on_ports_mapped(Now, std::uint32_t, const Status&) override {}
  void on_channel(Now now, dialog::ChannelOpened& opened) override;
  void on_failed(Now now, dialog::DialogFailed& failed) override;
  void drain_machine(Now now) override;

  Host& host_;
  ConsumerDial dial_;
  bool over_ = false;
};

}  // namespace myst::core::node
