// One real run of the reference's listener and dialer, replayed against our two machines with the
// run's own keys and nonces: what they publish must be the recorded bytes.
#include <gtest/gtest.h>

#include <map>

#include "core/base/text.hpp"
#include "core/dialog/consumer_dial.hpp"
#include "core/dialog/provider_listener.hpp"
#include "tests/core/dialog/scripted_rng.hpp"
#include "tests/support/vectors.hpp"

namespace myst::core {
namespace {

using namespace dialog;
using std::chrono::milliseconds;
using test::array_of;
using test::bytes_of;

constexpr Instant kStart{};

class RecordedRun : public testing::Test {
 protected:
  RecordedRun() {
    for (const auto item : run_["broker"]) {
      if (item.value["payload"].exists()) messages_.push_back(item.value);
    }
  }
  LocalSigner signer(const char* who) {
    return *LocalSigner::from_key(Secret<32>(array_of<32>(run_["identities"][who]["private_key"])));
  }
  // The nonce is the first 24 bytes of the ciphertext, field 2 of the inner message.
  Bytes nonce_of(json::Value message) {
    const auto outer = pb::P2PSignedMsg::decode(bytes_of(message["payload"]));
    const auto inner = pb::P2PConfigExchangeMsg::decode(outer->data);
    return Bytes(inner->config_ciphertext.begin(), inner->config_ciphertext.begin() + 24);
  }
  std::vector<std::uint16_t> ports_in(json::Value message) {
    std::vector<std::uint16_t> ports;
    for (const auto port : message["config"]["ports"]) {
      ports.push_back(static_cast<std::uint16_t>(*port.value.i64()));
    }
    return ports;
  }
  static NetworkFacts facts() { return {IpAddress::v4(127, 0, 0, 1), {}, {}}; }
  template <typename Machine>
  std::vector<Action> drain(Machine& machine) {
    std::vector<Action> out;
    while (auto action = machine.poll_action()) out.push_back(std::move(*action));
    return out;
  }
  template <typename T>
  const T* find(const std::vector<Action>& actions) {
    for (const Action& action : actions) {
      if (const T* found = std::get_if<T>(&action)) return found;
    }
    return nullptr;
  }

  json::Document file_ = test::vectors("p2p_channel.json");
  json::Value run_ = file_.root()["run"];
  // exchange request, its reply, ack request, OK, ready
  std::vector<json::Value> messages_;
  Endpoint loopback(std::uint16_t port) { return {IpAddress::v4(127, 0, 0, 1), port}; }
};

TEST_F(RecordedRun, ConsumerSaysWhatTheReferenceSaid) {
  ASSERT_EQ(messages_.size(), 5u);
  const LocalSigner consumer = signer("consumer");
  test::ScriptedRng rng;
  rng.add(bytes_of(run_["session_keys"]["consumer_private"]));
  rng.add(nonce_of(messages_[2]));
  ConsumerDial::Config config;
  config.provider = signer("provider").address();
  config.service_type = run_["service_type"].string_or("");
  config.broker_addresses = {"nats://broker"};
  ConsumerDial dial(config, consumer, rng, kStart);
  auto actions = drain(dial);
  ASSERT_NE(find<FindNetworkFacts>(actions), nullptr);
  ASSERT_NE(find<BrokerConnect>(actions), nullptr);
  dial.handle_network_facts(kStart, facts());
  dial.handle_broker_connected(kStart, {});
  actions = drain(dial);
  const auto* subscribe = find<BrokerSubscribe>(actions);
  ASSERT_NE(subscribe, nullptr);
  EXPECT_EQ(subscribe->subject,
            run_["broker"].size() > 2
                ? config.provider.to_string() + ".wireguard.p2p-channel-handlers-ready"
                : "");
  const std::uint32_t ready_tag = subscribe->tag;
  const auto* request = find<BrokerRequest>(actions);
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(request->subject, messages_[0]["subject"].string_or(""));
  EXPECT_EQ(to_hex(request->payload), messages_[0]["payload"].string_or(""));

  dial.handle_broker_reply(kStart, request->request, bytes_of(messages_[1]["payload"]));
  const auto own_ports = ports_in(messages_[2]);
  std::map<SocketId, std::size_t> index_of;
  for (const Action& action : drain(dial)) {
    // The provider is on this host: no route for it.
    EXPECT_FALSE(std::holds_alternative<AddHostRoute>(action));
    if (const auto* open = std::get_if<OpenUdp>(&action)) {
      index_of.emplace(open->socket, index_of.size());
    }
  }
  ASSERT_EQ(index_of.size(), own_ports.size());
  for (const auto& [socket, index] : index_of)
    dial.handle_udp_opened(kStart, socket, own_ports[index]);
  actions = drain(dial);
  request = find<BrokerRequest>(actions);
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(request->subject, messages_[2]["subject"].string_or(""));
  EXPECT_EQ(to_hex(request->payload), messages_[2]["payload"].string_or(""));

  dial.handle_broker_reply(kStart, request->request, bytes_of(messages_[3]["payload"]));
  const auto provider_ports = ports_in(messages_[1]);
  const auto feed = [&](std::size_t index, std::string_view text) {
    for (const auto& [socket, at] : index_of) {
      if (at == index) {
        dial.handle_datagram(kStart, socket, loopback(provider_ports[index]), as_bytes(text));
      }
    }
  };
  for (const auto sample : run_["hole_punching"]["ping_samples"]) {
    if (sample.value["dir"].string_or("") != "provider>consumer") continue;
    feed(static_cast<std::size_t>(*sample.value["index"].i64()),
         sample.value["text"].string_or(""));
  }
  // In the order the recorded consumer happened to take them.
  feed(16, "OK");
  feed(7, "OK");
  std::vector<std::size_t> acked;
  for (const Action& action : drain(dial)) {
    const auto* send = std::get_if<SendUdp>(&action);
    if (send == nullptr || as_text(send->payload()) != "OK_ACK") continue;
    EXPECT_EQ(send->ttl, 128);
    acked.push_back(index_of[send->socket]);
  }
  EXPECT_EQ(acked, (std::vector<std::size_t>{16, 7}));
  dial.handle_broker_message(kStart, ready_tag, bytes_of(messages_[4]["payload"]));
  actions = drain(dial);
  const auto* opened = find<ChannelOpened>(actions);
  ASSERT_NE(opened, nullptr);
  EXPECT_TRUE(dial.done());
  const json::Value punched = run_["hole_punching"];
  EXPECT_EQ(opened->channel_path.local_port, *punched["channel_ports"]["consumer"].i64());
  EXPECT_EQ(opened->channel_path.peer.port, *punched["channel_ports"]["provider"].i64());
  EXPECT_EQ(opened->service_path.local_port, *punched["service_ports"]["consumer"].i64());
  EXPECT_EQ(opened->service_path.peer.port, *punched["service_ports"]["provider"].i64());
  EXPECT_FALSE(opened->direct);
  // The channel has the run's key: it understands the provider's first datagram.
  for (const auto datagram : run_["datagrams"]) {
    if (datagram.value["dir"].string_or("") != "provider>consumer") continue;
    EXPECT_TRUE(opened->channel->handle_datagram(kStart, bytes_of(datagram.value["hex"])).ok());
  }
  std::size_t closed = 0;
  for (const Action& action : actions) closed += std::holds_alternative<CloseUdp>(action) ? 1 : 0;
  EXPECT_EQ(closed, 18u);
  EXPECT_NE(find<BrokerDisconnect>(actions), nullptr);
}

TEST_F(RecordedRun, ProviderSaysWhatTheReferenceSaid) {
  const LocalSigner provider = signer("provider");
  test::ScriptedRng rng;
  rng.add(bytes_of(run_["session_keys"]["provider_private"]));
  rng.add(nonce_of(messages_[1]));
  ProviderListener::Config config;
  config.service_type = run_["service_type"].string_or("");
  config.traversal = {Traversal::HolePunching};
  ProviderListener listener(config, provider, rng);
  listener.start(kStart);
  std::map<std::string, std::uint32_t> tags;
  for (const Action& action : drain(listener)) {
    const auto& subscribe = std::get<BrokerSubscribe>(action);
    EXPECT_TRUE(subscribe.signed_form);
    tags[subscribe.subject] = subscribe.tag;
  }
  listener.handle_broker_message(kStart, tags.at(messages_[0]["subject"].string_or("")),
                                 messages_[0]["reply"].string_or(""),
                                 bytes_of(messages_[0]["payload"]));
  ASSERT_NE(find<FindNetworkFacts>(drain(listener)), nullptr);
  listener.handle_network_facts(kStart, facts());
  const auto own_ports = ports_in(messages_[1]);
  std::map<SocketId, std::size_t> index_of;
  for (const Action& action : drain(listener)) {
    if (const auto* open = std::get_if<OpenUdp>(&action))
      index_of.emplace(open->socket, index_of.size());
  }
  ASSERT_EQ(index_of.size(), 20u);
  for (const auto& [socket, index] : index_of) {
    listener.handle_udp_opened(kStart, socket, own_ports[index]);
  }
  auto actions = drain(listener);
  const auto* publish = find<BrokerPublish>(actions);
  ASSERT_NE(publish, nullptr);
  EXPECT_EQ(publish->subject, messages_[1]["subject"].string_or(""));
  EXPECT_EQ(to_hex(publish->payload), messages_[1]["payload"].string_or(""));
  EXPECT_FALSE(publish->signed_form);

  listener.handle_broker_message(kStart, tags.at(messages_[2]["subject"].string_or("")),
                                 messages_[2]["reply"].string_or(""),
                                 bytes_of(messages_[2]["payload"]));
  const auto consumer_ports = ports_in(messages_[2]);
  // Pings go out with the recorded text and TTL.
  listener.handle_timeout(kStart + milliseconds{5});
  std::map<std::size_t, SendUdp> pings;
  for (const Action& action : drain(listener)) {
    if (const auto* send = std::get_if<SendUdp>(&action))
      pings.emplace(index_of[send->socket], *send);
  }
  std::size_t compared = 0;
  for (const auto sample : run_["hole_punching"]["ping_samples"]) {
    if (sample.value["dir"].string_or("") != "provider>consumer") continue;
    const SendUdp& ping = pings.at(static_cast<std::size_t>(*sample.value["index"].i64()));
    EXPECT_EQ(as_text(ping.payload()), sample.value["text"].string_or(""));
    EXPECT_EQ(ping.ttl, *sample.value["ttl"].i64());
    EXPECT_EQ(ping.to.port, *sample.value["to_port"].i64());
    ++compared;
  }
  EXPECT_EQ(compared, 20u);
  // The OK to the ack comes after 5 ms * 20 / 2.
  ASSERT_TRUE(listener.next_timeout().has_value());
  listener.handle_timeout(kStart + milliseconds{49});
  EXPECT_EQ(find<BrokerPublish>(drain(listener)), nullptr);
  listener.handle_timeout(kStart + milliseconds{50});
  actions = drain(listener);
  publish = find<BrokerPublish>(actions);
  ASSERT_NE(publish, nullptr);
  EXPECT_EQ(publish->subject, messages_[3]["subject"].string_or(""));
  EXPECT_EQ(to_hex(publish->payload), messages_[3]["payload"].string_or(""));

  for (const auto mark : run_["hole_punching"]["marks"]) {
    if (mark.value["dir"].string_or("") != "consumer>provider") continue;
    const auto index = static_cast<std::size_t>(*mark.value["index"].i64());
    for (const auto& [socket, at] : index_of) {
      if (at != index) continue;
      listener.handle_datagram(kStart + milliseconds{69}, socket, loopback(consumer_ports[index]),
                               as_bytes(mark.value["text"].string_or("")));
    }
  }
  actions = drain(listener);
  const auto* opened = find<ChannelOpened>(actions);
  ASSERT_NE(opened, nullptr);
  const json::Value punched = run_["hole_punching"];
  EXPECT_EQ(opened->peer, run_["identities"]["consumer"]["address"].string_or(""));
  EXPECT_EQ(opened->channel_path.local_port, *punched["channel_ports"]["provider"].i64());
  EXPECT_EQ(opened->service_path.peer.port, *punched["service_ports"]["consumer"].i64());
  publish = find<BrokerPublish>(actions);
  ASSERT_NE(publish, nullptr);
  EXPECT_TRUE(publish->signed_form);
  EXPECT_EQ(publish->subject,
            config.service_type.empty()
                ? ""
                : provider.address().to_string() + ".wireguard.p2p-channel-handlers-ready");
  EXPECT_EQ(to_hex(publish->payload), messages_[4]["payload"].string_or(""));
  EXPECT_EQ(listener.exchanges(), 0u);
  EXPECT_FALSE(listener.next_timeout().has_value());
}

}  // namespace
}  // namespace myst::core
