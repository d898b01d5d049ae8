// The transactor over loopback: HTTP in front, SQLite behind, chain and account from a script.
#include "apps/hub/transactor_service.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "apps/hub/cashier.hpp"
#include "core/base/text.hpp"
#include "core/payment/channel.hpp"
#include "core/payment/signed_requests.hpp"
#include "drivers/transactor/server_codec.hpp"
#include "platform/http/client.hpp"
#include "platform/json/json.hpp"
#include "platform/json/writer.hpp"
#include "tests/support/hermes_world.hpp"

namespace myst::hub {
namespace {

using Machine = core::transactor::Transactor;
using test::HermesWorld;

constexpr Duration kLimit = std::chrono::seconds{20};
constexpr std::uint64_t kChain = HermesWorld::kChain;

class FakeChain final : public TransactorChain, public ChainLookup {
 public:
  void ask(const Question& question, Answer done) override {
    if (const auto* asked = std::get_if<Machine::AskRegistered>(&question.ask)) {
      done(ChainAnswer(Machine::Registered{registered.count(asked->identity) > 0, balance}));
    } else if (std::holds_alternative<Machine::AskSettled>(question.ask)) {
      done(ChainAnswer(settled));
    } else {
      asked_open = std::get<Machine::AskOpen>(question.ask);
      done(ChainAnswer(Machine::Open{true, open}));
    }
  }
  void consumer(const core::hermes::ConsumerKey&,
                Callback<core::hermes::ConsumerFacts> done) override {
    done(core::hermes::ConsumerFacts{true, balance, settled});
  }
  void provider(const core::hermes::ProviderKey&,
                Callback<core::hermes::ProviderFacts> done) override {
    done(core::hermes::ProviderFacts{});
  }
  std::set<Address> registered;
  Wei balance = 1000000;
  Wei settled;
  bool open = false;
  Machine::AskOpen asked_open;  // the last such question
};

class FakeSender final : public TransactionSender {
 public:
  Status submit(std::uint64_t, chain::AccountQueue::Wish wish) override {
    wishes.push_back(std::move(wish));
    return {};
  }
  const chain::TransactionRecord* find_open(std::uint64_t, const std::string&) const override {
    return nullptr;
  }
  Result<std::optional<chain::TransactionRecord>> find(std::uint64_t,
                                                       const std::string& wish) override {
    const auto at = known.find(wish);
    if (at == known.end()) return std::optional<chain::TransactionRecord>();
    return std::optional(at->second);
  }
  std::vector<chain::AccountQueue::Wish> wishes;
  std::map<std::string, chain::TransactionRecord> known;
};

class TransactorServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/myst-transactor-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    start();
  }
  void TearDown() override {
    stop();
    (void)std::system(("rm -rf " + folder_).c_str());
  }
  void start() {
    auto store = storage::TaskStore::open(folder_ + "/transactor.db");
    ASSERT_TRUE(store.ok());
    TransactorService::Options options;
    options.terms.chains = {test::transactor_terms(world_, {0, 10, 0})};
    service_ = std::make_unique<TransactorService>(loop_, std::move(options), std::move(*store),
                                                   chain_, sender_);
    ASSERT_TRUE(service_->restore().ok());
    platform::HttpServer::Options http;
    http.local = {IpAddress::v4(127, 0, 0, 1), 0};
    auto server = platform::HttpServer::listen(loop_, http,
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
                              const std::string& body = "") {
    std::optional<Result<platform::HttpResponse>> out;
    platform::HttpClient::Call call;
    call.method = method;
    call.url =
        "http://127.0.0.1:" + std::to_string(server_->local().port) + "/transactor/api/v1/" + path;
    call.body = body;
    client_.send(std::move(call), [&](Result<platform::HttpResponse> r) { out = std::move(r); });
    EXPECT_TRUE(loop_.run_until([&] { return out.has_value(); }, kLimit));
    if (!out || !out->ok()) {
      ADD_FAILURE() << "no HTTP answer";
      return {};
    }
    return std::move(**out);
  }
  static std::string member(const platform::HttpResponse& response, const char* name) {
    const auto document = json::Document::parse(response.body);
    if (!document.ok()) return "not JSON: " + response.body;
    const json::Value root = document->root();
    return (root.is_array() ? root.begin().operator*().value : root)[name].string_or("");
  }

  std::string registration() {
    const auto terms = world_.terms();
    const auto& chain = *terms.chain(kChain);
    const Signer& who = world_.consumer();
    const Address channel = world_.channel_of(who.address());
    const auto signature = payment::sign_terms(
        who, payment::RegistrationTerms{kChain, chain.registry, chain.hermes, 0, 0, channel});
    std::string out;
    json::Writer(out)
        .begin_object()
        .member("registryAddress", chain.registry.to_checksum())
        .member("hermesID", chain.hermes.to_checksum())
        .member("stake", 0)
        .member("fee", 0)
        .member("beneficiary", channel.to_string())
        .member("signature", "0x" + to_hex(*signature))
        .member("identity", who.address().to_string())
        .member("chainID", kChain)
        .end_object();
    return out;
  }
  std::string settlement(const Wei& amount) {
    const Signer& who = world_.provider();
    const auto terms = world_.terms();
    const Address hermes = terms.chain(kChain)->hermes;
    payment::Promise promise{kChain, payment::provider_channel_id(who.address(), hermes), amount,
                             10, payment::hashlock_of(Bytes(32, 5))};
    const auto signature = payment::sign_promise(world_.operator_key(), promise);
    std::string out;
    json::Writer(out)
        .begin_object()
        .member("hermesID", hermes.to_checksum())
        .member("channelID", to_hex(promise.channel))
        .member("amount", amount)
        .member("fee", 10)
        .member("preimage", to_hex(Bytes(32, 5)))
        .member("signature", to_hex(*signature))
        .member("providerID", who.address().to_string())
        .member("chainID", kChain)
        .end_object();
    return out;
  }
  void outcome(const std::string& wish, chain::TransactionState state, const std::string& reason) {
    chain::TransactionRecord record;
    record.id = wish;
    record.state = state;
    record.reason = reason;
    record.hash.fill(0xcd);
    service_->handle_transaction(record);
    // The outcome is on its way to the disk.
    EXPECT_TRUE(loop_.run_until([&] { return service_->machine().open() == 0; }, kLimit));
  }

  std::string folder_;
  platform::Loop loop_;
  HermesWorld world_;
  FakeChain chain_;
  FakeSender sender_;
  std::unique_ptr<TransactorService> service_;
  std::optional<platform::HttpServer> server_;
  platform::HttpClient client_{loop_};
};

TEST_F(TransactorServiceTest, ARegistrationFromRequestToStatus) {
  const std::string status_path = "identity/" + world_.consumer().address().to_string() + "/status";
  EXPECT_EQ(call("GET", status_path).body, "[]");
  const auto posted = call("POST", "identity/register", registration());
  ASSERT_EQ(posted.status, 200) << posted.body;
  EXPECT_EQ(posted.body, "{}");
  ASSERT_EQ(sender_.wishes.size(), 1u);
  EXPECT_EQ(member(call("GET", status_path), "status"), "created");
  outcome(sender_.wishes[0].id, chain::TransactionState::Succeeded, "");
  const auto status = call("GET", status_path);
  EXPECT_EQ(member(status, "status"), "succeed");
  EXPECT_EQ(member(status, "tx_hash").substr(0, 6), "0xcdcd");
  EXPECT_EQ(call("GET", "identity/register/eligibility/0x1").body, R"({"eligible":true})");
}

TEST_F(TransactorServiceTest, AFailedRegistrationSaysWhyAndIsTriedAnew) {
  ASSERT_EQ(call("POST", "identity/register", registration()).status, 200);
  outcome(sender_.wishes[0].id, chain::TransactionState::Failed, "hermes is not active");
  const auto status =
      call("GET", "identity/" + world_.consumer().address().to_string() + "/status");
  EXPECT_EQ(member(status, "status"), "failed");
  EXPECT_EQ(member(status, "reason"), "hermes is not active");
  ASSERT_EQ(call("POST", "identity/register", registration()).status, 200);
  ASSERT_EQ(sender_.wishes.size(), 2u);
  EXPECT_NE(sender_.wishes[1].id, sender_.wishes[0].id);
}

TEST_F(TransactorServiceTest, ASettlementIsQueuedOnceAndFollowed) {
  const auto posted = call("POST", "identity/settle_and_rebalance", settlement(1000));
  ASSERT_EQ(posted.status, 200) << posted.body;
  const std::string id = member(posted, "id");
  EXPECT_EQ(member(call("POST", "identity/settle_and_rebalance", settlement(1000)), "id"), id);
  ASSERT_EQ(sender_.wishes.size(), 1u);
  EXPECT_EQ(member(call("GET", "queue/" + id), "state"), "queue");
  outcome(sender_.wishes[0].id, chain::TransactionState::Reverted, "no funds");
  const auto failed = call("GET", "queue/" + id);
  EXPECT_EQ(member(failed, "state"), "error");
  EXPECT_EQ(member(failed, "error"), "no funds");
  // Again: it had happened after all.
  chain_.settled = 1000;
  EXPECT_EQ(member(call("POST", "identity/settle_and_rebalance", settlement(1000)), "id"), id);
  outcome(sender_.wishes[1].id, chain::TransactionState::Failed, "nothing to settle");
  EXPECT_EQ(member(call("GET", "queue/" + id), "state"), "done");
}

TEST_F(TransactorServiceTest, WhatIsQueuedSurvivesARestart) {
  const std::string id =
      member(call("POST", "identity/settle_and_rebalance", settlement(1000)), "id");
  const std::string other =
      member(call("POST", "identity/settle_and_rebalance", settlement(2000)), "id");
  ASSERT_EQ(sender_.wishes.size(), 2u);
  // The first one's outcome came while the program was down; of the second nothing was stored.
  chain::TransactionRecord record;
  record.id = sender_.wishes[0].id;
  record.state = chain::TransactionState::Succeeded;
  sender_.known[record.id] = record;
  const std::string second = sender_.wishes[1].id;
  sender_.wishes.clear();
  stop();
  start();
  ASSERT_EQ(sender_.wishes.size(), 1u);
  EXPECT_EQ(sender_.wishes[0].id, second) << "the same wish, so it can be sent only once";
  EXPECT_TRUE(loop_.run_until([&] { return service_->machine().open() == 1; }, kLimit));
  EXPECT_EQ(member(call("GET", "queue/" + id), "state"), "done");
  EXPECT_EQ(member(call("GET", "queue/" + other), "state"), "queue");
}

TEST_F(TransactorServiceTest, TellsItsFees) {
  const auto fee = call("GET", "fee/80001/settle");
  EXPECT_NE(fee.body.find("{\"fee\":10,\"valid_until\":"), std::string::npos);
  EXPECT_NE(call("GET", "fee/80001/register").body.find("{\"fee\":0,"), std::string::npos);
  EXPECT_EQ(call("GET", "fee/80001/stake/decrease").status, 200);
  EXPECT_NE(call("GET", "fee/80001").body.find("\"current\":{\"decreaseStake\":0,\"settle\":10"),
            std::string::npos);
  // Dearer from now on: who signed for the old fee is still served, until the next change.
  core::transactor::Fees dear;
  dear.settle = Wei(20);
  service_->set_fees(80001, dear);
  const std::string fees = call("GET", "fee/80001").body;
  EXPECT_NE(fees.find("\"current\":{\"decreaseStake\":0,\"settle\":20"), std::string::npos);
  EXPECT_NE(fees.find("\"last\":{\"decreaseStake\":0,\"settle\":10"), std::string::npos);
  EXPECT_NE(call("GET", "fee/80001/settle").body.find("{\"fee\":20,"), std::string::npos);
  EXPECT_EQ(call("POST", "identity/settle_and_rebalance", settlement(1000)).status, 200);
  service_->set_fees(80001, dear);
  EXPECT_EQ(call("POST", "identity/settle_and_rebalance", settlement(2000)).status, 402);
  for (const char* path : {"fee/1", "fee/x", "fee/80001/nothing", "queue/nothing",
                           "identity/0x/"
                           "status",
                           "nothing"}) {
    EXPECT_EQ(call("GET", path).status, 404) << path;
  }
}

TEST_F(TransactorServiceTest, RefusalsAreStructured) {
  std::string body = settlement(1000);
  body.replace(body.find("\"amount\":1000"), 13, "\"amount\":1001");
  const auto refused = call("POST", "identity/settle_and_rebalance", body);
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.headers.get("Content-Type"), "application/vnd.mysterium.error+json");
  EXPECT_NE(refused.body.find("\"code\":\"invalid_signature\""), std::string::npos);
  for (const char* path :
       {"identity/register", "identity/register/provider", "identity/register/referer",
        "identity/settle_and_rebalance", "identity/settle/into_stake",
        "identity/settle_with_beneficiary", "identity/pay_and_settle", "stake/decrease",
        "channel/open", "channel/status"}) {
    for (const char* text : {"", "{", "{}", "[]", "null"}) {
      const auto answer = call("POST", path, text);
      EXPECT_EQ(answer.status, 400) << path;
      EXPECT_NE(answer.body.find("\"code\":\"malformed_request\""), std::string::npos) << path;
    }
  }
  EXPECT_EQ(service_->machine().open(), 0u);
  EXPECT_TRUE(sender_.wishes.empty());
}

TEST_F(TransactorServiceTest, TellsWhetherAChannelIsOpen) {
  const auto terms = world_.terms();
  const auto& chain = *terms.chain(kChain);
  const Signer& who = world_.consumer();
  std::string ask;
  json::Writer(ask)
      .begin_object()
      .member("identity", who.address().to_string())
      .member("hermesID", chain.hermes.to_checksum())
      .member("chainID", kChain)
      .member("registry_address", chain.registry.to_checksum())
      .end_object();
  EXPECT_EQ(member(call("POST", "channel/status", ask), "status"), "not_found");
  const auto signature =
      payment::sign_terms(who, payment::OpenChannelTerms{kChain, chain.registry, chain.hermes, 0});
  std::string open;
  json::Writer(open)
      .begin_object()
      .member("transactorFee", 0)
      .member("signature", "0x" + to_hex(*signature))
      .member("hermesID", chain.hermes.to_checksum())
      .member("chainID", kChain)
      .member("registry_address", chain.registry.to_checksum())
      .end_object();
  ASSERT_EQ(call("POST", "channel/open", open).status, 200);
  EXPECT_EQ(member(call("POST", "channel/status", ask), "status"), "in_progress");
  outcome(sender_.wishes[0].id, chain::TransactionState::Failed, "paused");
  const auto failed = call("POST", "channel/status", ask);
  EXPECT_EQ(member(failed, "status"), "fail");
  EXPECT_EQ(member(failed, "reason"), "paused");
  chain_.open = true;
  EXPECT_EQ(member(call("POST", "channel/status", ask), "status"), "open");
  EXPECT_EQ(chain_.asked_open.channel, world_.channel_of(who.address()));

  // Another Hermes may have another implementation: its channel is not where ours would be.
  const Address other = world_.provider(1).address();
  std::string of_other;
  json::Writer(of_other)
      .begin_object()
      .member("identity", who.address().to_string())
      .member("hermesID", other.to_checksum())
      .member("chainID", kChain)
      .member("registry_address", chain.registry.to_checksum())
      .end_object();
  EXPECT_EQ(member(call("POST", "channel/status", of_other), "status"), "open");
  EXPECT_EQ(chain_.asked_open.identity, who.address());
  EXPECT_TRUE(chain_.asked_open.channel.is_zero());
  EXPECT_EQ(chain_.asked_open.hermes, other);
}

TEST_F(TransactorServiceTest, HermesCashesWhatItMay) {
  auto owned = std::make_unique<test::MemoryLedger>();
  test::MemoryLedger& ledger = *owned;
  for (unsigned n = 0; n < 3; ++n) {
    core::hermes::ConsumerAccount account;
    auto message = world_.message(world_.consumer(n), world_.provider().address(), 1, 500, 500);
    account.cashable = message.request.promise;
    account.cashable_r = message.r;
    account.settled = n == 2 ? Wei(450) : Wei(0);  // too little is left
    ledger.consumers[{kChain, world_.consumer(n).address()}] = account;
  }
  HermesService hermes(loop_, test::HermesRunner::default_config(world_), world_.operator_key(),
                       std::move(owned), chain_);
  Cashier::Options options;
  options.threshold = 100;
  options.interval = std::chrono::hours{1};
  Cashier cashier(loop_, options, hermes, *service_, chain_);
  EXPECT_TRUE(cashier.run(100));
  EXPECT_FALSE(cashier.run(100)) << "one round at a time";
  EXPECT_TRUE(loop_.run_until([&] { return sender_.wishes.size() == 2; }, kLimit));
  EXPECT_EQ(sender_.wishes[0].to,
            world_.channel_of(
                world_.consumer(world_.consumer(0).address() < world_.consumer(1).address() ? 0 : 1)
                    .address()));
  EXPECT_FALSE(cashier.run(100)) << "until these are through";
  hermes.finish();
}

}  // namespace
}  // namespace myst::hub
