#include "core/connection/dial.hpp"

#include <utility>

namespace myst::core::node {

Dial::Dial(Context& context, Host& host, const ConsumerDial::Config& config,
           std::shared_ptr<const Signer> signer, Now now)
    : DialogHost(context, kNoBroker, std::move(signer)),
      host_(host),
      dial_(config, *signer_, context.rng, now.instant) {}

void Dial::cancel(Now now) {
  over_ = true;
  dial_.cancel(now.instant);
  drain_machine(now);
}

void Dial::handle_timeout(Now now) {
  const auto due = dial_.next_timeout();
  if (!due || now.instant < *due) return;
  dial_.handle_timeout(now.instant);
  drain_machine(now);
}

std::optional<Instant> Dial::next_timeout() const { return dial_.next_timeout(); }

void Dial::drain_machine(Now now) {
  while (auto action = dial_.poll_action()) execute(now, std::move(*action));
}

void Dial::on_broker_message(Now now, std::uint32_t tag, std::string_view, ByteSpan payload) {
  dial_.handle_broker_message(now.instant, tag, payload);
  drain_machine(now);
}
void Dial::on_facts(Now now, const Result<dialog::NetworkFacts>& facts) {
  if (facts.ok() && !over_) host_.on_own_address(now, facts->public_ip);
  dial_.handle_network_facts(now.instant, facts);
}
void Dial::on_udp_opened(Now now, dialog::SocketId socket, const Result<std::uint16_t>& port) {
  dial_.handle_udp_opened(now.instant, socket, port);
}
void Dial::on_udp(Now now, dialog::SocketId socket, const Endpoint& from, ByteSpan bytes) {
  dial_.handle_datagram(now.instant, socket, from, bytes);
}
void Dial::on_broker_connected(Now now, const Status& status) {
  dial_.handle_broker_connected(now.instant, status);
}
void Dial::on_broker_reply(Now now, std::uint32_t request, const Result<Bytes>& payload) {
  dial_.handle_broker_reply(now.instant, request, payload);
}
void Dial::on_host_route(Now now, const Status& status) {
  dial_.handle_host_route(now.instant, status);
}

void Dial::on_channel(Now now, dialog::ChannelOpened& opened) {
  DialedChannel channel;
  channel.channel = std::move(opened.channel);
  channel.socket = release_socket(opened.channel_path.socket);
  channel.peer = opened.channel_path.peer;
  channel.service_socket = release_socket(opened.service_path.socket);
  channel.service_port = opened.service_path.local_port;
  channel.service_peer = opened.service_path.peer;
  channel.excluded = opened.peer_public_ip;
  channel.direct = opened.direct;
  if (over_) {  // cancelled at this very moment
    context_.fx.tell(UdpClose{channel.socket});
    context_.fx.tell(UdpClose{channel.service_socket});
    context_.fx.tell(ReleaseAddress{channel.excluded});
    return;
  }
  over_ = true;
  host_.on_dialed(now, std::move(channel));
}

void Dial::on_failed(Now now, dialog::DialogFailed& failed) {
  if (over_) return;
  over_ = true;
  host_.on_dial_failed(now, failed.reason.empty() ? failed.error.what : failed.reason);
}

}  // namespace myst::core::node
