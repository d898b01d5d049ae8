// Hermes over loopback: HTTP in front, SQLite behind, a chain that is a map.
#include "apps/hub/hermes_service.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "core/base/text.hpp"
#include "drivers/hermes/server_codec.hpp"
#include "drivers/storage/hermes_ledger.hpp"
#include "platform/http/client.hpp"
#include "platform/json/json.hpp"
#include "platform/json/writer.hpp"
#include "tests/support/hermes_world.hpp"

namespace myst::hub {
namespace {

using core::hermes::PromiseRequest;
using test::HermesWorld;

constexpr Duration kLimit = std::chrono::seconds{20};

class FakeChain final : public ChainLookup {
 public:
  explicit FakeChain(HermesWorld& world) : world_(world) {}
  void consumer(const core::hermes::ConsumerKey& key,
                Callback<core::hermes::ConsumerFacts> done) override {
    done(world_.consumer_facts[key]);  // from inside the call: the harder case
  }
  void provider(const core::hermes::ProviderKey& key,
                Callback<core::hermes::ProviderFacts> done) override {
    done(world_.provider_facts[key]);
  }

 private:
  HermesWorld& world_;
};

class HermesServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/myst-hermes-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    world_.fund(world_.consumer(), 1000000);
    start();
  }
  void TearDown() override {
    stop();
    (void)std::system(("rm -rf " + folder_).c_str());
  }
  void start() {
    auto ledger = storage::HermesLedger::open(folder_ + "/hermes.db");
    ASSERT_TRUE(ledger.ok());
    service_ = std::make_unique<HermesService>(loop_, test::HermesRunner::default_config(world_),
                                               world_.operator_key(), std::move(*ledger), chain_);
    platform::HttpServer::Options options;
    options.local = {IpAddress::v4(127, 0, 0, 1), 0};
    auto server = platform::HttpServer::listen(loop_, options,
                                               [this](const auto& request, const auto& exchange) {
                                                 if (!service_->handle(request, exchange)) {
                                                   platform::HttpResponse other;
                                                   other.status = 418;
                                                   exchange->respond(std::move(other));
                                                 }
                                               });
    ASSERT_TRUE(server.ok());
    server_.emplace(std::move(*server));
  }
  void stop() {
    if (service_ != nullptr) service_->finish();
    server_.reset();
    service_.reset();
  }
  platform::HttpResponse call(const std::string& method, const std::string& path,
                              const std::string& body = "", platform::HttpHeaders headers = {}) {
    std::optional<Result<platform::HttpResponse>> out;
    platform::HttpClient::Call call;
    call.method = method;
    call.url = "http://127.0.0.1:" + std::to_string(server_->local().port) + path;
    call.body = body;
    call.headers = std::move(headers);
    client_.send(std::move(call), [&](Result<platform::HttpResponse> r) { out = std::move(r); });
    EXPECT_TRUE(loop_.run_until([&] { return out.has_value(); }, kLimit));
    if (!out || !out->ok()) {
      ADD_FAILURE() << "no HTTP answer";
      return {};
    }
    return std::move(**out);
  }
  platform::HttpResponse post(const std::string& call_name, const std::string& body) {
    return call("POST", "/api/v2/" + call_name, body);
  }
  static std::string cause(const platform::HttpResponse& response) {
    const auto document = json::Document::parse(response.body);
    return document.ok() ? document->root()["cause"].string_or("") : "";
  }
  std::string reveal_body(const Secret<32>& r) {
    return R"({"R":")" + to_hex(r.bytes()) + R"(","Provider":")" +
           world_.provider().address().to_string() + R"(","AgreementID":7})";
  }

  std::string folder_;
  platform::Loop loop_;
  HermesWorld world_;
  FakeChain chain_{world_};
  std::unique_ptr<HermesService> service_;
  std::optional<platform::HttpServer> server_;
  platform::HttpClient client_{loop_};
};

TEST_F(HermesServiceTest, APaymentFromRequestToReveal) {
  auto message = world_.message(world_.consumer(), world_.provider().address(), 7, 10, 10);
  const auto promised = post("request_promise", test::promise_body(message.request));
  ASSERT_EQ(promised.status, 200) << promised.body;
  const auto document = json::Document::parse(promised.body);
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->root()["Amount"].to_text(), "10");
  EXPECT_TRUE(document->root()["R"].is_null());
  const auto refused =
      post("request_promise",
           test::promise_body(
               world_.message(world_.consumer(), world_.provider().address(), 7, 20, 20).request));
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.body,
            R"({"cause":"r recovery required","message":"the R of the last promise is not )"
            R"(revealed","data":"00ff"})");
  const auto revealed = post("reveal_r", reveal_body(message.r));
  EXPECT_EQ(revealed.status, 200);
  EXPECT_EQ(revealed.body, R"({"message":"ok"})");
  // What was answered is there after a restart.
  stop();
  start();
  const auto data =
      call("GET", "/hermes/api/v2/data/provider/" + world_.provider().address().to_string());
  ASSERT_EQ(data.status, 200);
  const auto shown = json::Document::parse(data.body);
  ASSERT_TRUE(shown.ok());
  EXPECT_EQ(shown->root()["80001"]["LatestPromise"]["Amount"].to_text(), "10");
}

TEST_F(HermesServiceTest, StrangersAreNotFound) {
  for (const char* path : {"/api/v2/data/consumer/0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a",
                           "/api/v2/data/provider/0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a",
                           "/api/v2/data/provider/0x19", "/api/v2/data/consumer/",
                           "/api/v2/nothing", "/api/v2/reveal_r", "/hermes/api/v2/x"}) {
    const auto answer = call("GET", path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(cause(answer), "resource not found") << path;
  }
  EXPECT_EQ(call("GET", "/api/v4/proposals").status, 418) << "somebody else's";
}

TEST_F(HermesServiceTest, BrokenBodiesAreMalformedJson) {
  for (const char* name : {"request_promise", "pay_and_settle", "reveal_r", "change_promise_fee"}) {
    for (const char* body : {"", "x", "{}", "[]", "{\"exchange_message\":{}}"}) {
      const auto answer = post(name, body);
      EXPECT_EQ(answer.status, 400);
      EXPECT_EQ(cause(answer), "malformed json") << name << " " << body;
    }
  }
  EXPECT_EQ(cause(post("refresh_promise", "{}")), "invalid signature");
  EXPECT_EQ(cause(post("provider/sync_promise", "{}")), "invalid signature");
}

TEST_F(HermesServiceTest, ASignedRefreshGivesThePromiseUnderANewLock) {
  auto message = world_.message(world_.consumer(), world_.provider().address(), 7, 10, 10);
  ASSERT_EQ(post("request_promise", test::promise_body(message.request)).status, 200);
  ASSERT_EQ(post("reveal_r", reveal_body(message.r)).status, 200);
  const Secret<32> r = payment::make_r(world_.rng());
  const std::string body = R"({"chain_id":80001,"identity":")" +
                           world_.provider().address().to_string() + R"(","hashlock":")" +
                           to_hex(payment::hashlock_of(r.bytes())) +
                           R"(","r_recovery_data":"0102"})";
  const auto signature = world_.provider().sign(as_bytes(body));
  ASSERT_TRUE(signature.ok());
  const auto answer = call("POST", "/api/v2/refresh_promise", body,
                           {{"Authorization", "Signature " + to_base64(*signature)}});
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_NE(answer.body.find("\"Amount\":10,"), std::string::npos);
}

TEST_F(HermesServiceTest, TheOperatorSeesThatTheLedgerAddsUpAndNobodyElse) {
  auto message = world_.message(world_.consumer(), world_.provider().address(), 7, 10, 30);
  ASSERT_EQ(post("request_promise", test::promise_body(message.request)).status, 200);
  const auto audited = call("GET", "/admin/hermes/audit");
  ASSERT_EQ(audited.status, 200);
  const auto document = json::Document::parse(audited.body);
  ASSERT_TRUE(document.ok());
  EXPECT_TRUE(document->root()["balanced"].boolean_or(false)) << audited.body;
  EXPECT_EQ(document->root()["promised_by_consumers"].to_text(), "30");
  EXPECT_EQ(document->root()["promised_to_providers"].to_text(), "10");
  EXPECT_EQ(document->root()["opening"].to_text(), "20");
  EXPECT_EQ(call("GET", "/admin/hermes/audit", "", {{"X-Forwarded-For", "192.0.2.1"}}).status, 404);
  EXPECT_EQ(call("GET", "/admin/hermes/audit", "", {{"Origin", "http://127.0.0.1"}}).status, 404);
  EXPECT_EQ(call("GET", "/admin/hermes/audit", "", {{"Host", "evil.example"}}).status, 404);
  EXPECT_EQ(call("GET", "/admin/hermes/audit", "", {{"Host", "localhost.evil.example"}}).status,
            404);
  const std::string credit = R"({"chain_id":80001,"identity":")" +
                             world_.consumer(9).address().to_string() + R"(","amount":500})";
  EXPECT_EQ(call("POST", "/admin/hermes/credit", credit).status, 200);
  const auto data =
      call("GET", "/api/v2/data/consumer/" + world_.consumer(9).address().to_string());
  EXPECT_NE(data.body.find("\"IsOffchain\":true"), std::string::npos);
}

}  // namespace
}  // namespace myst::hub
