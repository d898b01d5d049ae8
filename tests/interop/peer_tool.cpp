// A peer of the reference node that writes down what it hears and says, or says what no node
// would. Runs in a namespace of tests/interop; see record.py and refusals.py there.
//
//   interop_peer_tool consumer|provider SETUP.json OUT.json SECONDS [PROVIDER]
//   interop_peer_tool probe SETUP.json PROVIDER
//
// SETUP.json: setup of tests/support/scripted_node.hpp, and "discovery", "location", "ip_detector",
// "stun", "port_check", "state" (a folder).
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iostream>
#include <sstream>

#include "core/base/text.hpp"
#include "core/connection/dial.hpp"
#include "core/node/peer_link.hpp"
#include "core/p2p/messages.hpp"
#include "core/session/wireguard_config.hpp"
#include "platform/json/writer.hpp"
#include "platform/log/log.hpp"
#include "platform/loop/signal_watcher.hpp"
#include "platform/system/random.hpp"
#include "tests/interop/this_host.hpp"
#include "tests/interop/twisted_channel.hpp"
#include "tests/support/scripted_node.hpp"
#include "tests/support/vectors.hpp"

using namespace myst;
using namespace myst::core::node;
using namespace myst::interop;

namespace {

// --- recording

class Recorder final : public Machine {
 public:
  Recorder(platform::Loop& loop, json::Value setup, std::string out)
      : loop_(loop),
        out_path_(std::move(out)),
        setup_(setup.to_text()),
        node_(setup, now()),
        host_(loop, setup, *this),
        timer_(loop, [this] { give("timeout"); }),
        give_up_(loop, [this] { over_ = true; }) {}

  bool connected() const { return connected_; }
  bool failed() const { return failed_; }
  bool not_connected() const { return state_ == "NotConnected"; }
  bool idle() const { return node_.idle(); }
  ThisHost& host() { return host_; }

  void give(const std::string& name, const std::string& members = {}) {
    waiting_.push_back(test::input(now(), name, members));
    if (busy_) return;
    busy_ = true;
    while (!waiting_.empty()) {
      const std::string text = std::move(waiting_.front());
      waiting_.pop_front();
      steps_.push_back(text);
      node_.apply(json::Document::parse(text, kLarge)->root());
      std::vector<Action> actions;
      while (auto action = node_.poll_action()) {
        keep(test::described(*action));
        actions.push_back(std::move(*action));
      }
      while (auto event = node_.poll_event()) {
        keep(test::described(*event));
        look(*event);
      }
      for (Action& action : actions) host_.execute(std::move(action));
    }
    timer_.arm(node_.next_timeout());
    busy_ = false;
  }

  void write() {
    std::ofstream file(out_path_);
    file << "{\"setup\":" << setup_ << ",\n\"steps\":[\n";
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      file << steps_[i] << (i + 1 < steps_.size() ? ",\n" : "\n");
    }
    file << "]}\n";
  }

  void done(ActionId id, Result<Outcome> result) override {
    give("done", test::done_members(id, result));
  }
  void proposals(ActionId id, std::string list) override {
    std::string text;
    json::Writer(text).value(list);
    give("done", "\"id\":" + std::to_string(id) + ",\"kind\":\"proposals\",\"text\":" + text);
  }
  void prices(const std::string& document) {
    std::string text;
    json::Writer(text).value(document);
    give("prices", "\"text\":" + text);
  }
  void datagram(SocketId socket, const Endpoint& from, ByteSpan bytes) override {
    give("datagram", "\"socket\":" + std::to_string(socket) + ",\"from\":\"" + from.to_string() +
                         "\",\"hex\":\"" + to_hex(bytes) + "\"");
  }
  void broker(BrokerId broker, std::uint32_t tag, std::string_view reply,
              ByteSpan payload) override {
    give("broker_message", "\"broker\":" + std::to_string(broker) +
                               ",\"tag\":" + std::to_string(tag) + ",\"reply\":\"" +
                               std::string(reply) + "\",\"hex\":\"" + to_hex(payload) + "\"");
  }
  void broker_connected() override { give("broker_connected"); }
  void broker_lost() override { give("broker_lost"); }
  void tunnel_up(TunnelId tunnel) override {
    give("tunnel_up", "\"tunnel\":" + std::to_string(tunnel));
  }
  void counters(TunnelId tunnel, TunnelCounters counters) override {
    give("counters", "\"tunnel\":" + std::to_string(tunnel) +
                         ",\"sent\":" + std::to_string(counters.sent_bytes) +
                         ",\"received\":" + std::to_string(counters.received_bytes));
  }

 private:
  static constexpr json::Limits kLarge{4u << 20, 32};

  Now now() { return loop_.now(); }
  void keep(std::string text) {
    if (!text.empty()) steps_.push_back(std::move(text));
  }
  void look(const Event& event) {
    if (const auto* changed = std::get_if<ConnectionChanged>(&event)) {
      state_ = to_string(changed->state);
    } else if (const auto* over = std::get_if<ConnectDone>(&event)) {
      connected_ = !over->error;
      failed_ = over->error.has_value();
      if (failed_) std::cerr << "connect: " << over->reason << '\n';
    } else if (const auto* note = std::get_if<Note>(&event)) {
      std::cerr << note->text << '\n';
    }
  }

  platform::Loop& loop_;
  std::string out_path_, setup_;
  test::ScriptedNode node_;
  ThisHost host_;
  platform::Timer timer_, give_up_;
  std::deque<std::string> waiting_;
  std::vector<std::string> steps_;
  std::string state_;
  bool busy_ = false, connected_ = false, failed_ = false, over_ = false;
};

int record(platform::Loop& loop, json::Value setup, const std::string& role, const std::string& out,
           int seconds, const std::string& provider) {
  Recorder recorder(loop, setup, out);
  bool stop = false;
  platform::SignalWatcher term(loop, SIGTERM, [&] { stop = true; });
  recorder.give("unlocked");
  const auto wait = [&](int limit_s, const std::function<bool()>& until) {
    return loop.run_until(until, std::chrono::seconds(limit_s));
  };
  if (setup["chain"].is_object()) {
    bool known = false;
    recorder.host().http().get(setup["discovery"].string_or("") + "/prices",
                               [&](const Result<platform::HttpResponse>& answer) {
                                 if (answer.ok()) recorder.prices(answer->body);
                                 known = answer.ok();
                               });
    if (!wait(10, [&] { return known; })) die("no prices");
  }
  if (role == "consumer") {
    recorder.give("connect", "\"provider\":\"" + provider + "\"");
    (void)wait(60, [&] { return recorder.connected() || recorder.failed(); });
    if (!recorder.connected()) {
      recorder.write();
      die("not connected");
    }
    std::puts("connected");
    std::fflush(stdout);
    (void)wait(seconds, [&] { return stop; });
    recorder.give("disconnect");
    (void)wait(20, [&] { return recorder.not_connected(); });
  } else {
    bool prepared = false;
    recorder.host().tunnels().prepare_provider([&](const Status& status) {
      if (!status.ok()) die(status.error().what);
      prepared = true;
    });
    (void)wait(20, [&] { return prepared; });
    recorder.give("start_service");
    std::puts("started");
    std::fflush(stdout);
    (void)wait(seconds, [&] { return stop; });
  }
  recorder.give("shutdown");
  (void)wait(10, [&] { return recorder.idle(); });
  recorder.write();
  recorder.host().finish();
  return 0;
}

// --- saying what no node would

// Dials a provider and asks one thing after the other; prints "ask: what was answered".
class Probe final : public Machine, public Dial::Host {
 public:
  Probe(platform::Loop& loop, json::Value setup, const std::string& provider)
      : loop_(loop),
        context_(config(setup), rng_),
        signer_(std::make_shared<LocalSigner>(
            *LocalSigner::from_key(Secret<32>(test::array_of<32>(setup["key"]))))),
        hermes_(setup["chain"]["hermes"].string_or("")),
        host_(loop, setup, *this),
        timer_(loop, [this] { turn([this](Now now) { on_time(now); }); }) {
    core::ConsumerDial::Config dial;
    dial.provider = *Address::parse(provider);
    dial.service_type = "wireguard";
    dial.broker_addresses = {setup["broker"].string_or("")};
    dial_ = std::make_unique<Dial>(context_, *this, dial, signer_, loop.now());
    turn([this](Now now) { dial_->start(now); });
  }
  bool over() const { return over_; }
  void finish() { host_.finish(); }

 private:
  struct Ask {
    const char* name;
    std::string_view topic;
    std::function<Bytes()> message;
  };

  static Config config(json::Value setup) {
    Config out;
    out.broker_addresses = {setup["broker"].string_or("")};
    return out;
  }
  void turn(const std::function<void(Now)>& input) {
    const Now now = loop_.now();
    input(now);
    if (link_) link_->drain(now);
    while (auto action = context_.fx.poll_action()) host_.execute(std::move(*action));
    while (auto event = context_.fx.poll_event()) (void)event;
    timer_.arm(earliest(link_ ? link_->next_timeout() : std::nullopt,
                        dial_ ? dial_->next_timeout() : std::nullopt));
  }
  void on_time(Now now) {
    if (dial_) dial_->handle_timeout(now);
    if (link_) link_->handle_timeout(now);
  }

  void on_dialed(Now now, DialedChannel channel) override {
    link_ = std::make_unique<PeerLink>(context_, std::move(channel.channel), channel.socket,
                                       channel.peer);
    ask(now);
  }
  void on_dial_failed(Now, const std::string& reason) override {
    std::printf("dial: %s\n", reason.c_str());
    over_ = true;
  }
  void on_own_address(Now, const IpAddress&) override {}

  core::pb::SessionRequest request(const std::string& consumer, const Bytes& price) const {
    core::pb::SessionRequest out;
    out.consumer =
        core::pb::ConsumerInfo{consumer, hermes_, std::string(core::pb::kPaymentVersion),
                               core::pb::LocationInfo{"DE"}, core::pb::Pricing{price, price}};
    out.config = core::encode(core::WireguardConsumerConfig{to_base64(rng_.bytes<32>())});
    return out;
  }
  std::vector<Ask> asks() {
    const std::string own = signer_->address().to_string();
    const std::string other = "0x" + std::string(40, '7'), session = "no-such-session";
    using namespace core;
    return {
        {"unknown topic", "p2p-nothing", [] { return Bytes(); }},
        {"create, rubbish", topic::kSessionCreate,
         [] {
           return Bytes{0xff, 0xff, 0xff};
         }},
        {"create, another identity", topic::kSessionCreate,
         [=] { return request(other, {}).encode(); }},
        // 2^64 - 1 wei: neither what the provider asks nor below what is always taken.
        {"create, a price nobody asked", topic::kSessionCreate,
         [=] { return request(own, Bytes(8, 0xff)).encode(); }},
        {"acknowledge, unknown session", topic::kSessionAcknowledge,
         [=] {
           return pb::SessionInfo{own, session}.encode();
         }},
        {"acknowledge, another identity", topic::kSessionAcknowledge,
         [=] {
           return pb::SessionInfo{other, session}.encode();
         }},
        {"status, another identity", topic::kSessionStatus,
         [=] {
           return pb::SessionStatus{other, session, 1000, ""}.encode();
         }},
        {"status, unknown session", topic::kSessionStatus,
         [=] {
           return pb::SessionStatus{own, session, 1000, ""}.encode();
         }},
        {"payment without a session", topic::kPaymentMessage,
         [] { return pb::ExchangeMessage().encode(); }},
        {"destroy, another identity", topic::kSessionDestroy,
         [=] {
           return pb::SessionInfo{other, session}.encode();
         }},
        {"destroy, unknown session", topic::kSessionDestroy,
         [=] {
           return pb::SessionInfo{own, session}.encode();
         }},
        {"keep-alive, unknown session", topic::kKeepAlive,
         [=] { return pb::P2PKeepAlivePing{session}.encode(); }},
    };
  }
  void ask(Now now) {
    auto all = asks();
    if (next_ == all.size()) {
      over_ = true;
      return;
    }
    const Ask one = all[next_++];
    const Status sent = link_->request(
        now, owner_, one.topic, one.message(), std::chrono::seconds(8),
        [this, name = one.name](Now at, Result<Bytes>& answer, const std::string& said) {
          std::printf(
              "%s: %s\n", name,
              answer.ok() ? "accepted" : (said.empty() ? answer.error().what : said.c_str()));
          ask(at);
        });
    if (!sent.ok()) die(sent.error().what);
  }

  void done(ActionId id, Result<Outcome> result) override {
    turn([&](Now now) { context_.fx.answer(now, id, std::move(result)); });
  }
  void proposals(ActionId, std::string) override {}
  void datagram(SocketId socket, const Endpoint& from, ByteSpan bytes) override {
    turn([&](Now now) {
      const auto found = context_.sockets.find(socket);
      if (found != context_.sockets.end()) found->second->on_datagram(now, socket, from, bytes);
    });
  }
  void broker(BrokerId, std::uint32_t tag, std::string_view reply, ByteSpan payload) override {
    turn([&](Now now) {
      const auto found = context_.subscriptions.find(tag);
      if (found == context_.subscriptions.end()) return;
      const auto [user, local] = found->second;
      user->on_broker_message(now, local, reply, payload);
    });
  }
  void broker_connected() override {}
  void broker_lost() override {}
  void tunnel_up(TunnelId) override {}
  void counters(TunnelId, TunnelCounters) override {}

  platform::Loop& loop_;
  mutable platform::SystemRng rng_;
  Context context_;
  std::shared_ptr<LocalSigner> signer_;
  std::string hermes_;
  ThisHost host_;
  platform::Timer timer_;
  std::unique_ptr<Dial> dial_;
  std::unique_ptr<PeerLink> link_;
  EffectQueue::Owner owner_ = context_.fx.make_owner();
  std::size_t next_ = 0;
  bool over_ = false;
};

int probe(platform::Loop& loop, json::Value setup, const std::string& provider) {
  Probe probing(loop, setup, provider);
  const bool over = loop.run_until([&] { return probing.over(); }, std::chrono::seconds(90));
  probing.finish();
  return over ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) die("usage: see the top of peer_tool.cpp");
  log::set_level(log::Level::Warn);
  std::ifstream file(argv[2]);
  std::stringstream text;
  text << file.rdbuf();
  const auto setup = json::Document::parse(text.str());
  if (!setup.ok()) die("the setup is no JSON");
  twist_channels(setup->root()["twist"]);
  platform::Loop loop;
  const std::string role = argv[1];
  if (role == "probe") return probe(loop, setup->root(), argv[3]);
  if (role != "consumer" && role != "provider") die("no such role");
  return record(loop, setup->root(), role, argv[3], argc > 4 ? std::atoi(argv[4]) : 20,
                argc > 5 ? argv[5] : "");
}
