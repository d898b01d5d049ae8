// Executes what a dialog machine (ConsumerDial, ProviderListener) asks for, with the node's
// effects: its ids of sockets, tags and requests become the node's, its outcomes come back to the
// hooks.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/dialog/actions.hpp"
#include "core/node/context.hpp"

namespace myst::core::node {

class DialogHost : public SocketUser, public BrokerUser {
 public:
  ~DialogHost() override;
  DialogHost(const DialogHost&) = delete;
  DialogHost& operator=(const DialogHost&) = delete;

  void on_datagram(Now now, SocketId socket, const Endpoint& from, ByteSpan bytes) final;

 protected:
  // `broker`: kOwnBroker, or 0xffffffff for a connection of its own made on BrokerConnect.
  static constexpr BrokerId kNoBroker = 0xffffffffu;
  // `signer` signs the subjects that have to be.
  DialogHost(Context& context, BrokerId broker, std::shared_ptr<const Signer> signer)
      : context_(context),
        owner_(context.fx.make_owner()),
        signer_(std::move(signer)),
        broker_(broker) {}

  void execute(Now now, dialog::Action action);
  // The node's id of one of the machine's sockets, which leaves the machine's hands.
  SocketId release_socket(dialog::SocketId socket);
  // The mapping made for an exchange, which leaves the machine's hands. 0: none.
  std::uint32_t release_mapping(std::uint32_t exchange);

  virtual void on_facts(Now now, const Result<dialog::NetworkFacts>& facts) = 0;
  virtual void on_udp_opened(Now now, dialog::SocketId socket,
                             const Result<std::uint16_t>& port) = 0;
  virtual void on_udp(Now now, dialog::SocketId socket, const Endpoint& from, ByteSpan bytes) = 0;
  virtual void on_broker_connected(Now now, const Status& status) = 0;
  virtual void on_broker_reply(Now now, std::uint32_t request, const Result<Bytes>& payload) = 0;
  virtual void on_host_route(Now now, const Status& status) = 0;
  virtual void on_ports_mapped(Now now, std::uint32_t exchange, const Status& status) = 0;
  virtual void on_channel(Now now, dialog::ChannelOpened& opened) = 0;
  virtual void on_failed(Now now, dialog::DialogFailed& failed) = 0;
  virtual void drain_machine(Now now) = 0;  // poll and execute all actions

  Context& context_;
  EffectQueue::Owner owner_;
  std::shared_ptr<const Signer> signer_;

 private:
  void run(Now now, dialog::FindNetworkFacts&);
  void run(Now now, dialog::OpenUdp&);
  void run(Now now, dialog::CloseUdp&);
  void run(Now now, dialog::SendUdp&);
  void run(Now now, dialog::BrokerConnect&);
  void run(Now now, dialog::BrokerDisconnect&);
  void run(Now now, dialog::BrokerSubscribe&);
  void run(Now now, dialog::BrokerUnsubscribe&);
  void run(Now now, dialog::BrokerRequest&);
  void run(Now now, dialog::BrokerPublish&);
  void run(Now now, dialog::AddHostRoute&);
  void run(Now now, dialog::RemoveHostRoute&);
  void run(Now now, dialog::MapPorts&);
  void run(Now now, dialog::UnmapPorts&);
  void run(Now now, dialog::ChannelOpened&);
  void run(Now now, dialog::DialogFailed&);
  void unsubscribe(std::uint32_t local_tag);
  void forget_subscriptions();

  BrokerId broker_;
  std::map<dialog::SocketId, SocketId> sockets_;
  std::map<SocketId, dialog::SocketId> local_sockets_;
  std::map<std::uint32_t, std::uint32_t> tags_;      // local -> the node's
  std::map<std::uint32_t, std::uint32_t> mappings_;  // exchange -> the node's
};

}  // namespace myst::core::node
