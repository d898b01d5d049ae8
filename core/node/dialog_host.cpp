#include "core/node/dialog_host.hpp"

#include <utility>
#include <variant>

namespace myst::core::node {

DialogHost::~DialogHost() {
  context_.fx.forget(owner_);
  for (const auto& entry : sockets_) {
    context_.sockets.erase(entry.second);
    context_.fx.tell(UdpClose{entry.second});
  }
  for (const auto& entry : tags_) context_.subscriptions.erase(entry.second);
  for (const auto& entry : mappings_) context_.fx.tell(UnmapPorts{entry.second});
  if (broker_ != kOwnBroker && broker_ != kNoBroker) context_.fx.tell(BrokerClose{broker_});
}

void DialogHost::execute(Now now, dialog::Action action) {
  std::visit([&](auto& a) { run(now, a); }, action);
}

void DialogHost::on_datagram(Now now, SocketId socket, const Endpoint& from, ByteSpan bytes) {
  const auto found = local_sockets_.find(socket);
  if (found == local_sockets_.end()) return;
  on_udp(now, found->second, from, bytes);
  drain_machine(now);
}

SocketId DialogHost::release_socket(dialog::SocketId socket) {
  const auto found = sockets_.find(socket);
  if (found == sockets_.end()) return 0;
  const SocketId id = found->second;
  context_.sockets.erase(id);
  local_sockets_.erase(id);
  sockets_.erase(found);
  return id;
}

std::uint32_t DialogHost::release_mapping(std::uint32_t exchange) {
  const auto found = mappings_.find(exchange);
  if (found == mappings_.end()) return 0;
  const std::uint32_t id = found->second;
  mappings_.erase(found);
  return id;
}

void DialogHost::forget_subscriptions() {
  for (const auto& entry : tags_) context_.subscriptions.erase(entry.second);
  tags_.clear();
}

void DialogHost::run(Now, dialog::FindNetworkFacts&) {
  context_.fx.ask(owner_, FindNetworkFacts{}, [this](Now now, Result<Outcome>& result) {
    auto facts = outcome_of<NetworkFacts>(result);
    if (facts.ok()) {
      on_facts(now, dialog::NetworkFacts{facts->public_ip, std::move(facts->stun_servers),
                                         std::move(facts->port_check_servers)});
    } else {
      on_facts(now, facts.error());
    }
    drain_machine(now);
  });
}

void DialogHost::run(Now, dialog::OpenUdp& a) {
  const SocketId id = context_.new_socket();
  sockets_[a.socket] = id;
  local_sockets_[id] = a.socket;
  context_.sockets[id] = this;
  context_.fx.ask(owner_, UdpOpen{0, id},
                  [this, local = a.socket](Now now, Result<Outcome>& result) {
                    auto port = outcome_of<Port>(result);
                    if (port.ok()) {
                      on_udp_opened(now, local, port->value);
                    } else {
                      on_udp_opened(now, local, port.error());
                    }
                    drain_machine(now);
                  });
}

void DialogHost::run(Now, dialog::CloseUdp& a) {
  if (const SocketId id = release_socket(a.socket); id != 0) context_.fx.tell(UdpClose{id});
}

void DialogHost::run(Now, dialog::SendUdp& a) {
  const auto found = sockets_.find(a.socket);
  if (found == sockets_.end()) return;
  context_.fx.send(UdpSend{found->second, a.to, a.ttl, to_bytes(a.payload())});
}

void DialogHost::run(Now, dialog::BrokerConnect& a) {
  broker_ = context_.new_broker();
  context_.fx.ask(owner_, BrokerOpen{0, broker_, std::move(a.addresses)},
                  [this](Now now, Result<Outcome>& result) {
                    on_broker_connected(now, status_of(result));
                    drain_machine(now);
                  });
}

void DialogHost::run(Now, dialog::BrokerDisconnect&) {
  forget_subscriptions();
  if (broker_ == kOwnBroker || broker_ == kNoBroker) return;
  context_.fx.tell(BrokerClose{broker_});
  broker_ = kNoBroker;
}

void DialogHost::unsubscribe(std::uint32_t local_tag) {
  const auto found = tags_.find(local_tag);
  if (found == tags_.end()) return;
  context_.subscriptions.erase(found->second);
  context_.fx.tell(BrokerUnsubscribe{broker_, found->second});
  tags_.erase(found);
}

void DialogHost::run(Now, dialog::BrokerSubscribe& a) {
  unsubscribe(a.tag);
  const std::uint32_t tag = context_.new_tag();
  tags_[a.tag] = tag;
  context_.subscriptions[tag] = {this, a.tag};
  context_.fx.tell(
      BrokerSubscribe{broker_, tag, std::move(a.subject), a.signed_form ? signer_ : nullptr});
}

void DialogHost::run(Now, dialog::BrokerUnsubscribe& a) { unsubscribe(a.tag); }

void DialogHost::run(Now, dialog::BrokerRequest& a) {
  context_.fx.ask(owner_, BrokerRequest{0, broker_, std::move(a.subject), std::move(a.payload)},
                  [this, request = a.request](Now now, Result<Outcome>& result) {
                    on_broker_reply(now, request, outcome_of<Bytes>(result));
                    drain_machine(now);
                  });
}

void DialogHost::run(Now, dialog::BrokerPublish& a) {
  context_.fx.tell(BrokerPublish{broker_, std::move(a.subject), std::move(a.payload),
                                 a.signed_form ? signer_ : nullptr});
}

void DialogHost::run(Now, dialog::AddHostRoute& a) {
  context_.fx.ask(owner_, ExcludeAddress{0, a.ip}, [this](Now now, Result<Outcome>& result) {
    on_host_route(now, status_of(result));
    drain_machine(now);
  });
}

void DialogHost::run(Now, dialog::RemoveHostRoute& a) { context_.fx.tell(ReleaseAddress{a.ip}); }

void DialogHost::run(Now, dialog::MapPorts& a) {
  const std::uint32_t mapping = context_.new_mapping();
  mappings_[a.exchange] = mapping;
  context_.fx.ask(owner_, MapPorts{0, mapping, std::move(a.ports)},
                  [this, exchange = a.exchange](Now now, Result<Outcome>& result) {
                    if (!result.ok()) release_mapping(exchange);
                    on_ports_mapped(now, exchange, status_of(result));
                    drain_machine(now);
                  });
}

void DialogHost::run(Now, dialog::UnmapPorts& a) {
  if (const auto id = release_mapping(a.exchange); id != 0) context_.fx.tell(UnmapPorts{id});
}

void DialogHost::run(Now now, dialog::ChannelOpened& a) { on_channel(now, a); }
void DialogHost::run(Now now, dialog::DialogFailed& a) { on_failed(now, a); }

}  // namespace myst::core::node
