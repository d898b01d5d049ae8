// The whole hub in one process, with a real nats-server, over loopback.
#include "apps/hub/hub.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "core/base/text.hpp"
#include "core/identity/signed_subject.hpp"
#include "drivers/discovery/api_client.hpp"
#include "drivers/discovery/location_codec.hpp"
#include "drivers/discovery/network_codec.hpp"
#include "drivers/discovery/price_codec.hpp"
#include "drivers/discovery/proposal_codec.hpp"
#include "platform/http/client.hpp"
#include "platform/system/random.hpp"
#include "tests/support/nats_server.hpp"

namespace myst::hub {
namespace {

constexpr Duration kLimit = std::chrono::seconds{20};
const IpAddress kLoopback = IpAddress::v4(127, 0, 0, 1);

class HubTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::NatsServer::installed()) GTEST_SKIP() << "nats-server is not installed";
    options_.name = "test";
    options_.listen = kLoopback;
    options_.http_port = test::free_tcp_port();
    options_.broker_listen = {kLoopback, test::free_tcp_port()};
    options_.upstream_port = test::free_tcp_port();
    options_.stun_port = test::free_tcp_port();
    options_.port_check_port = test::free_tcp_port();
    options_.place = {"LT", "residential"};
  }
  void start_nats() {
    nats_ = test::NatsServer::start(options_.upstream_port);
    ASSERT_NE(nats_, nullptr);
  }
  void start_hub() {
    auto started = Hub::start(loop_, rng_, options_,
                              [this](Level, const std::string& line) { log_.push_back(line); });
    if (const auto* error = std::get_if<Hub::StartError>(&started)) FAIL() << error->line;
    hub_ = std::move(std::get<std::unique_ptr<Hub>>(started));
  }
  void start() {
    ASSERT_NO_FATAL_FAILURE(start_nats());
    ASSERT_NO_FATAL_FAILURE(start_hub());
    ASSERT_TRUE(until([&] { return hub_->broker_connected(); }));
    EXPECT_NE(get("/status").body.find("\"connected\":true"), std::string::npos);
  }
  bool until(const std::function<bool()>& done) { return loop_.run_until(done, kLimit); }
  platform::HttpResponse call(platform::HttpClient::Call call) {
    call.url = "http://127.0.0.1:" + std::to_string(options_.http_port) + call.url;
    std::optional<Result<platform::HttpResponse>> out;
    platform::HttpClient client(loop_);
    client.send(std::move(call), [&](Result<platform::HttpResponse> r) { out = std::move(r); });
    EXPECT_TRUE(loop_.run_until([&] { return out.has_value(); }, kLimit));
    if (!out || !out->ok()) {
      ADD_FAILURE() << "no HTTP answer";
      return {};
    }
    return std::move(**out);
  }
  platform::HttpResponse get(const std::string& path) {
    platform::HttpClient::Call c;
    c.url = path;
    return call(std::move(c));
  }
  std::unique_ptr<nats::Client> node() {
    nats::Client::Options options;
    core::BrokerAddress address;
    address.host = "127.0.0.1";
    address.port = options_.broker_listen.port;
    options.machine.servers = {address};
    options.machine.first_wait = std::chrono::milliseconds{20};
    nats::Client::Handlers handlers;
    handlers.server_error = [this](const nats::ServerError& e) { errors_.push_back(e.text); };
    return std::make_unique<nats::Client>(loop_, rng_, std::move(options), std::move(handlers));
  }
  static core::Proposal proposal(const Signer& provider, const std::string& service = "wireguard") {
    core::Proposal out;
    out.provider_id = provider.address().to_string();
    out.service_type = service;
    out.location.country = "LT";
    out.contacts.push_back({std::string(core::kNatsContact), true, {"nats://hub:4222"}, ""});
    out.access_policies.emplace();
    return out;
  }
  std::string listed() { return get("/api/v4/proposals?access_policy=all").body; }

  platform::Loop loop_;
  platform::SystemRng rng_;
  Options options_;
  std::vector<std::string> log_, errors_;
  std::shared_ptr<LocalSigner> provider_ = std::make_shared<LocalSigner>(LocalSigner::make(rng_));
  std::shared_ptr<LocalSigner> stranger_ = std::make_shared<LocalSigner>(LocalSigner::make(rng_));
  std::unique_ptr<test::NatsServer> nats_;
  std::unique_ptr<Hub> hub_;
};

TEST_F(HubTest, AnnouncedProposalsAreListedUntilTheyAreWithdrawn) {
  start();
  EXPECT_EQ(listed(), "null");
  const auto provider = node();
  const std::string body = discovery::proposal_message(proposal(*provider_));
  ASSERT_TRUE(provider->publish("*.proposal-register.v3", as_bytes(body), provider_).ok());
  ASSERT_TRUE(until([&] { return hub_->index().size() == 1; }));
  const auto list = discovery::read_proposal_list(listed());
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ(list->front().provider_id, provider_->address().to_string());
  EXPECT_EQ("{\"proposal\":" + listed().substr(1, listed().size() - 2) + "}", body);
  EXPECT_EQ(get("/api/v4/countries").body, R"({"LT":1})");
  EXPECT_NE(get("/api/v3/proposals-metadata").body.find("\"updated_at\":\""), std::string::npos);
  ASSERT_TRUE(provider->publish("*.proposal-unregister.v3", as_bytes(body), provider_).ok());
  ASSERT_TRUE(until([&] { return hub_->index().size() == 0; }));
  EXPECT_EQ(get("/api/v4/countries").body, "{}");
}

TEST_F(HubTest, LastWordsBeforeGoodbyeArrive) {
  start();
  auto provider = node();
  const std::string body = discovery::proposal_message(proposal(*provider_));
  ASSERT_TRUE(provider->publish("*.proposal-register.v3", as_bytes(body), provider_).ok());
  ASSERT_TRUE(until([&] { return hub_->index().size() == 1; }));
  bool done = false;
  ASSERT_TRUE(provider->publish("*.proposal-unregister.v3", as_bytes(body), provider_).ok());
  provider->shutdown([&] { done = true; });
  ASSERT_TRUE(until([&] { return done; }));
  provider.reset();
  EXPECT_TRUE(until([&] { return hub_->index().size() == 0; }));
}

TEST_F(HubTest, NobodySpeaksForAnotherProvider) {
  start();
  const auto attacker = node();
  const std::string body = discovery::proposal_message(proposal(*provider_));
  // Signed by another, unsigned, and by the provider himself but an hour ago.
  ASSERT_TRUE(attacker->publish("*.proposal-register.v3", as_bytes(body), stranger_).ok());
  ASSERT_TRUE(attacker->publish("*.proposal-register.v3", as_bytes(body)).ok());
  ASSERT_TRUE(
      attacker->publish(provider_->address().to_string() + ".proposal-register.v3", as_bytes(body))
          .ok());
  const auto hour_ago = unix_seconds(loop_.now().wall) - 3600;
  ASSERT_TRUE(
      attacker
          ->publish(signed_subject(*provider_, hour_ago, "*.proposal-register.v3"), as_bytes(body))
          .ok());
  // The last one is good: when it is there the others have had their chance.
  const std::string own = discovery::proposal_message(proposal(*stranger_));
  ASSERT_TRUE(attacker->publish("*.proposal-ping.v3", as_bytes(own), stranger_).ok());
  ASSERT_TRUE(until([&] { return hub_->index().size() == 1; }));
  EXPECT_NE(hub_->index().find(stranger_->address().to_string(), "wireguard"), nullptr);
  const std::string status = get("/status").body;
  EXPECT_NE(status.find("\"refused_unsigned\":2"), std::string::npos) << status;
  EXPECT_NE(status.find("\"refused_stale\":1"), std::string::npos) << status;
  // The one with the wrong clock is told.
  ASSERT_TRUE(until([&] { return !errors_.empty(); }));
  EXPECT_NE(errors_[0].find("check the clock"), std::string::npos);
}

TEST_F(HubTest, ExchangesPassTheGate) {
  start();
  const auto provider = node(), consumer = node();
  const std::string id = provider_->address().to_string();
  ASSERT_TRUE(provider
                  ->subscribe(
                      id + ".wireguard.p2p-config-exchange",
                      [&](const nats::Message& m) {
                        EXPECT_TRUE(provider->publish(m.reply, as_bytes("answer")).ok());
                      },
                      provider_)
                  .ok());
  std::string ready;
  ASSERT_TRUE(
      consumer
          ->subscribe(id + ".wireguard.p2p-channel-handlers-ready",
                      [&](const nats::Message& m) { ready = std::string(as_text(m.payload)); })
          .ok());
  std::optional<Result<Bytes>> answer;
  while (!answer || !answer->ok()) {  // until the provider's subscription is there
    answer.reset();
    ASSERT_TRUE(consumer
                    ->request(id + ".wireguard.p2p-config-exchange", as_bytes("q"), kLimit,
                              [&](Result<Bytes> r) { answer = std::move(r); })
                    .ok());
    ASSERT_TRUE(until([&] { return answer.has_value(); }));
  }
  EXPECT_EQ(as_text(**answer), "answer");
  ASSERT_TRUE(
      provider->publish(id + ".wireguard.p2p-channel-handlers-ready", as_bytes("1"), provider_)
          .ok());
  EXPECT_TRUE(until([&] { return ready == "1"; }));
  // A forged subscription gets nothing, and the forger is told.
  const auto forger = node();
  ASSERT_TRUE(forger
                  ->subscribe(
                      id + ".dvpn.p2p-config-exchange", [](const nats::Message&) {}, stranger_)
                  .ok());
  ASSERT_TRUE(until([&] { return !errors_.empty(); }));
  EXPECT_NE(errors_[0].find("signed by another identity"), std::string::npos);
}

TEST_F(HubTest, SlowReadersSlowTheirSenderNotTheHub) {
  start();
  const auto reader = node(), writer = node();
  std::size_t got = 0;
  ASSERT_TRUE(
      reader->subscribe("bulk", [&](const nats::Message& m) { got += m.payload.size(); }).ok());
  ASSERT_TRUE(until([&] { return reader->connected() && writer->connected(); }));
  bool there = false;
  (void)reader->request("bulk", as_bytes("x"), kLimit, [&](const Result<Bytes>&) { there = true; });
  ASSERT_TRUE(until([&] { return got == 1; }));
  (void)there;
  const Bytes piece(50000, 'x');
  std::size_t sent = 0;
  ASSERT_TRUE(until([&] {
    while (sent < 400 && writer->publish("bulk", piece).ok()) ++sent;
    return got == 1 + 400 * piece.size();
  }));
}

TEST_F(HubTest, ConnectionsOfOneAddressAreLimited) {
  options_.max_broker_clients_per_address = 3;
  start();
  std::vector<std::unique_ptr<nats::Client>> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(node());
  const auto connected = [&] {
    std::size_t count = 0;
    for (const auto& client : clients) count += client->connected() ? 1 : 0;
    return count;
  };
  ASSERT_TRUE(until([&] { return connected() == 3 && !errors_.empty(); }));
  EXPECT_EQ(errors_[0], "maximum connections exceeded");
  for (auto& client : clients) {
    if (!client->connected()) continue;
    client.reset();
    clients.erase(clients.begin() + (&client - clients.data()));
    break;
  }
  EXPECT_TRUE(until([&] { return connected() == 3; }));  // a place became free
}

TEST_F(HubTest, StartsWithoutNatsServerAndFindsItLater) {
  ASSERT_NO_FATAL_FAILURE(start_hub());
  EXPECT_NE(get("/status").body.find("no nats-server at"), std::string::npos);
  EXPECT_EQ(listed(), "null");
  const auto provider = node();
  const std::string body = discovery::proposal_message(proposal(*provider_));
  ASSERT_TRUE(provider->publish("*.proposal-register.v3", as_bytes(body), provider_).ok());
  ASSERT_NO_FATAL_FAILURE(start_nats());
  // No client gets through before the hub itself reads, so nothing is said to nobody.
  ASSERT_TRUE(until([&] { return hub_->index().size() == 1; }));
}

TEST_F(HubTest, ProposalsAndSubscriptionsSurviveARestart) {
  char folder[] = "/tmp/myst_hub_test_XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  options_.data_dir = std::string(folder) + "/new";
  start();
  const auto provider = node();
  const std::string body = discovery::proposal_message(proposal(*provider_));
  ASSERT_TRUE(provider->publish("*.proposal-register.v3", as_bytes(body), provider_).ok());
  ASSERT_TRUE(until([&] { return hub_->index().size() == 1; }));
  const std::string before = listed();
  hub_->shutdown();
  hub_.reset();
  ASSERT_NO_FATAL_FAILURE(start_hub());
  EXPECT_EQ(listed(), before);
  // A database that is no database is kept aside.
  hub_.reset();
  std::ofstream(options_.data_dir + "/hub.db") << std::string(5000, 'x');
  log_.clear();
  ASSERT_NO_FATAL_FAILURE(start_hub());
  EXPECT_EQ(listed(), "null");
  ASSERT_FALSE(log_.empty());
  EXPECT_NE(log_[0].find("corrupt"), std::string::npos);
  hub_.reset();
  EXPECT_EQ(std::system(("rm -r " + std::string(folder)).c_str()), 0);
}

TEST_F(HubTest, NetworkDocumentNamesTheHostTheCallerUsed) {
  start();
  const auto document = discovery::read_network_document(get("/network").body);
  ASSERT_TRUE(document.ok());
  const std::string base = "http://127.0.0.1:" + std::to_string(options_.http_port);
  EXPECT_EQ(document->name, "test");
  EXPECT_EQ(
      document->brokers,
      std::vector<std::string>{"nats://127.0.0.1:" + std::to_string(options_.broker_listen.port)});
  EXPECT_EQ(document->discovery, base + "/api/v4");
  EXPECT_EQ(document->stun_servers,
            std::vector<std::string>{"127.0.0.1:" + std::to_string(options_.stun_port)});
  EXPECT_FALSE(document->contracts);
  hub_.reset();
  options_.public_url = "https://hub.example/myst";
  options_.public_address = "2001:db8::1";
  ASSERT_NO_FATAL_FAILURE(start_hub());
  const auto fixed = discovery::read_network_document(get("/network").body);
  ASSERT_TRUE(fixed.ok());
  EXPECT_EQ(fixed->location, "https://hub.example/myst/location");
  EXPECT_EQ(fixed->brokers[0],
            "nats://[2001:db8::1]:" + std::to_string(options_.broker_listen.port));
}

TEST_F(HubTest, SmallServicesAnswer) {
  options_.places = {{*IpPrefix::parse("127.0.0.0/8"), {"DE", "hosting"}}};
  start();
  const auto location = discovery::read_location(get("/location").body);
  ASSERT_TRUE(location.ok());
  EXPECT_EQ(location->ip, kLoopback);
  EXPECT_EQ(location->location.country, "DE");
  EXPECT_EQ(location->location.ip_type, "hosting");
  EXPECT_EQ(*discovery::read_ip(get("/ip").body), kLoopback);
  const auto prices = discovery::read_prices(get("/api/v4/prices").body);
  ASSERT_TRUE(prices.ok());
  EXPECT_TRUE(prices->defaults.current.other[0]->is_free());
  EXPECT_EQ(get("/api/v4/ping").body, R"({"message":"pong"})");
  EXPECT_EQ(get("/api/v4/ping").headers.get("Content-Type"), "application/json; charset=utf-8");
  EXPECT_EQ(get("/api/v4/nonsense").status, 404);
  EXPECT_EQ(get("/api/v3/prices").status, 404);
  EXPECT_EQ(get("/nonsense").status, 404);
  const auto moved = get("/api/v4/proposals/?a=1");
  EXPECT_EQ(moved.status, 301);
  EXPECT_EQ(moved.headers.get("Location"), "/api/v4/proposals?a=1");
  platform::HttpClient::Call post;
  post.method = "POST";
  post.url = "/quality/api/v3/batch";
  post.body = std::string(1000, 'x');
  EXPECT_EQ(call(post).status, 200);
  post.url = "/api/v4/proposals";
  EXPECT_EQ(call(post).status, 404);
  EXPECT_EQ(get("/quality/api/v3/providers/quality").body, "[]");
  EXPECT_EQ(get("/quality/api/v3/provider/series-data?range=1d").body, R"({"data":[]})");
}

TEST_F(HubTest, PoliciesAreServedAndAsked) {
  char folder[] = "/tmp/myst_hub_test_XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string id = provider_->address().to_string();
  std::ofstream(std::string(folder) + "/friends.json")
      << R"({"id":"friends","title":"Friends","description":"","allow":[{"type":"identity","value":")"
      << id << "\"}]}";
  std::ofstream(std::string(folder) + "/broken.json") << "{";
  options_.policies_dir = folder;
  start();
  EXPECT_EQ(log_[0].substr(0, 30), "policy left out: broken.json: ");
  EXPECT_EQ(get("/access-policies/").body.substr(0, 25), R"({"entries":[{"id":"friend)");
  const auto document = get("/access-policies/friends");
  EXPECT_EQ(document.status, 200);
  platform::HttpClient::Call again;
  again.url = "/access-policies/friends";
  again.headers.add("If-None-Match", std::string(document.headers.get("ETag")));
  EXPECT_EQ(call(again).status, 304);
  EXPECT_EQ(get("/access-policies/nobody").status, 404);
  EXPECT_EQ(get("/access-policies/?identity-value=" + id).status, 200);
  EXPECT_EQ(get("/access-policies/?identity-value=" + stranger_->address().to_string()).status,
            404);
  std::ofstream(std::string(folder) + "/friends.json") << R"({"id":"friends","allow":[]})";
  hub_->reload();
  EXPECT_EQ(get("/access-policies/?identity-value=" + id).status, 404);
  EXPECT_NE(get("/access-policies/friends").headers.get("ETag"), document.headers.get("ETag"));
  EXPECT_EQ(std::system(("rm -r " + std::string(folder)).c_str()), 0);
}

TEST_F(HubTest, StunAndPortCheckAnswer) {
  start();
  platform::UdpSocket::Options any;
  any.local = {kLoopback, 0};
  auto socket = platform::UdpSocket::open(loop_, any);
  ASSERT_TRUE(socket.ok());
  Bytes got;
  Endpoint from;
  socket->receive([&](const Endpoint& sender, ByteSpan bytes) {
    from = sender;
    got = to_bytes(bytes);
  });
  ASSERT_TRUE(
      socket->send(*hub_->stun(), *from_hex("000100002112a442a0a1a2a3a4a5a6a7a8a9aaab")).ok());
  ASSERT_TRUE(until([&] { return !got.empty(); }));
  EXPECT_EQ(got.size(), 32u);
  const int port = (got[26] << 8 | got[27]) ^ 0x2112;
  EXPECT_EQ(port, socket->local().port);
  got.clear();
  Bytes probe{static_cast<std::uint8_t>(port >> 8), static_cast<std::uint8_t>(port)};
  for (std::uint8_t i = 0; i < 16; ++i) probe.push_back(i);
  ASSERT_TRUE(socket->send(*hub_->port_check(), probe).ok());
  ASSERT_TRUE(until([&] { return !got.empty(); }));
  EXPECT_EQ(got, Bytes(probe.begin() + 2, probe.end()));
  EXPECT_NE(from.port, hub_->port_check()->port);  // another socket
}

// The client half of drivers/discovery, against what it is for.
TEST_F(HubTest, ANodeFindsItsWayFromTheNetworkDocumentOn) {
  start();
  platform::HttpClient http(loop_);
  std::optional<Result<core::NetworkDocument>> document;
  discovery::fetch_network_document(
      http, "127.0.0.1:" + std::to_string(options_.http_port),
      [&](Result<core::NetworkDocument> d) { document = std::move(d); });
  ASSERT_TRUE(until([&] { return document.has_value(); }));
  ASSERT_TRUE(document->ok());
  discovery::ApiClient api(http, {(*document)->discovery,
                                  (*document)->location,
                                  (*document)->ip_detector,
                                  (*document)->access_policies,
                                  {}});
  const auto provider = node();
  for (const char* service : {"wireguard", "noop", "unheard_of"}) {
    const std::string body = discovery::proposal_message(proposal(*provider_, service));
    ASSERT_TRUE(provider->publish("*.proposal-register.v3", as_bytes(body), provider_).ok());
  }
  ASSERT_TRUE(until([&] { return hub_->index().size() == 3; }));
  core::SupportedKinds kinds;
  kinds.service_types = {"wireguard", "noop"};
  std::optional<Result<std::vector<core::Proposal>>> list;
  std::optional<Result<core::Proposal>> one, none;
  std::optional<Result<std::map<std::string, std::size_t>>> countries;
  std::optional<Result<core::PriceDocument>> prices;
  std::optional<Result<discovery::LocationAnswer>> location;
  std::optional<Result<IpAddress>> ip;
  std::optional<Result<bool>> allowed;
  const std::string id = provider_->address().to_string();
  api.proposals({}, kinds, [&](auto r) { list = std::move(r); });
  api.proposal(id, "noop", kinds, [&](auto r) { one = std::move(r); });
  api.proposal(id, "dvpn", kinds, [&](auto r) { none = std::move(r); });
  api.countries({}, [&](auto r) { countries = std::move(r); });
  api.prices([&](auto r) { prices = std::move(r); });
  api.location([&](auto r) { location = std::move(r); });
  api.public_ip(rng_, [&](auto r) { ip = std::move(r); });
  api.identity_allowed(id, [&](auto r) { allowed = std::move(r); });
  ASSERT_TRUE(until(
      [&] { return list && one && none && countries && prices && location && ip && allowed; }));
  EXPECT_EQ((*list)->size(), 2u);  // the third is of a kind we cannot use
  EXPECT_EQ((*one)->service_type, "noop");
  EXPECT_EQ(none->error().code, Errc::NotFound);
  EXPECT_EQ((**countries)["LT"], 3u);
  EXPECT_TRUE(prices->ok());
  EXPECT_EQ((*location)->location.country, "LT");
  EXPECT_EQ(**ip, kLoopback);
  EXPECT_TRUE(**allowed);
}

TEST_F(HubTest, ServicesThatAreAwayAreErrorsNotCrashes) {
  platform::HttpClient http(loop_);
  const std::string dead = "http://127.0.0.1:" + std::to_string(options_.http_port);
  discovery::ApiClient api(
      http, {dead, dead, "", dead + "/", {dead, dead + "/a", dead + "/b", dead + "/c"}});
  int errors = 0;
  api.proposals({}, {}, [&](const auto& r) { errors += r.ok() ? 0 : 1; });
  api.public_ip(rng_, [&](const auto& r) { errors += r.ok() ? 0 : 1; });
  api.identity_allowed("0x1", [&](const auto& r) { errors += r.ok() ? 0 : 1; });
  discovery::fetch_network_document(http, "not a url",
                                    [&](const auto& r) { errors += r.ok() ? 0 : 1; });
  discovery::fetch_network_document(http, dead, [&](const auto& r) { errors += r.ok() ? 0 : 1; });
  EXPECT_TRUE(until([&] { return errors == 5; }));
}

TEST_F(HubTest, BusyPortIsOneSentence) {
  ASSERT_NO_FATAL_FAILURE(start_hub());
  auto again = Hub::start(loop_, rng_, options_, [](Level, const std::string&) {});
  const auto* error = std::get_if<Hub::StartError>(&again);
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->line, "cannot listen for HTTP on 127.0.0.1:" +
                             std::to_string(options_.http_port) + ": Address already in use");
}

}  // namespace
}  // namespace myst::hub
