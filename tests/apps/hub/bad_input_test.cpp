// Bad input to every call of the hub. The calls are those of the routers' own tables: one that has
// no row here fails the test. What is refused is refused in the words of its service, and leaves
// every table of every database as it was.
#include <map>
#include <set>
#include <utility>

#include "core/base/text.hpp"
#include "core/payment/channel.hpp"
#include "core/payment/signed_requests.hpp"
#include "drivers/hermes/server_codec.hpp"
#include "drivers/transactor/server_codec.hpp"
#include "platform/json/json.hpp"
#include "platform/json/writer.hpp"
#include "tests/support/hub_services.hpp"

namespace myst::hub {
namespace {

using Machine = core::transactor::Transactor;
using test::HermesWorld;

constexpr std::uint64_t kChain = HermesWorld::kChain;

class BadInputTest : public HubServices {
 protected:
  static Row row_of(const std::string& method, const std::string& pattern) {
    Row row;
    row.method = method;
    row.pattern = pattern;
    return row;
  }

  std::vector<Row> rows();
  void add_hermes(std::vector<Row>& out, const std::string& base, unsigned n);
  void add_transactor(std::vector<Row>& out);

  // --- good bodies

  core::hermes::ChainConfig at() const { return *world_.terms().chain(kChain); }
  std::string registration(const Signer& who) {
    const Address channel = world_.channel_of(who.address());
    const auto signature = payment::sign_terms(
        who, payment::RegistrationTerms{kChain, at().registry, at().hermes, 1, 5, channel});
    std::string out;
    json::Writer(out)
        .begin_object()
        .member("registryAddress", at().registry.to_checksum())
        .member("hermesID", at().hermes.to_checksum())
        .member("stake", 1)
        .member("fee", 5)
        .member("beneficiary", channel.to_string())
        .member("signature", "0x" + to_hex(*signature))
        .member("identity", who.address().to_string())
        .member("chainID", kChain)
        .end_object();
    return out;
  }
  void settle_members(json::Writer& out, const Signer& who, const Digest32& channel) {
    payment::Promise promise{kChain, channel, 1000, 10, payment::hashlock_of(Bytes(32, 5))};
    const auto signature = payment::sign_promise(world_.operator_key(), promise);
    out.member("hermesID", at().hermes.to_checksum())
        .member("channelID", to_hex(promise.channel))
        .member("amount", promise.amount)
        .member("fee", promise.fee)
        .member("preimage", to_hex(Bytes(32, 5)))
        .member("signature", to_hex(*signature))
        .member("providerID", who.address().to_string())
        .member("chainID", kChain);
  }
  std::string settlement(const Signer& who) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object();
    settle_members(writer, who, payment::provider_channel_id(who.address(), at().hermes));
    writer.end_object();
    return out;
  }

  std::map<unsigned, Secret<32>> secrets_;
  std::map<unsigned, std::string> promises_;  // Hermes' answers
};

void BadInputTest::add_hermes(std::vector<Row>& out, const std::string& base, unsigned n) {
  const Signer& consumer = world_.consumer(n);
  const Signer& provider = world_.provider(n);
  const std::vector<std::string> strangers = {"0x",
                                              "0x19",
                                              "19e7e376e7c213b7e7e7e46cc70a5dd086daff2",
                                              "0x" + std::string(41, '1'),
                                              "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2z",
                                              "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"};
  Row row;
  row.method = "POST";
  row.pattern = base + "request_promise";
  row.free = {"/transactor_fee", "/r_recovery_data", "/exchange_message/Promise/Fee"};
  row.good = [this, &consumer, &provider, n] {
    auto message = world_.message(consumer, provider.address(), 7, 10, 10);
    message.request.transactor_fee = 3;
    secrets_[n] = message.r;
    return Input{test::promise_body(message.request), {}};
  };
  out.push_back(row);

  row = row_of("POST", base + "reveal_r");
  row.free = {"/AgreementID"};
  row.good = [this, &provider, n] {
    return Input{R"({"R":")" + to_hex(secrets_[n].bytes()) + R"(","Provider":")" +
                     provider.address().to_string() + R"(","AgreementID":7})",
                 {}};
  };
  out.push_back(row);

  const auto ours = [this, &provider](const Secret<32>& r, const Wei& amount, const Wei& fee) {
    core::hermes::SignedPromise out_promise;
    out_promise.promise = {kChain, payment::provider_channel_id(provider.address(), at().hermes),
                           amount, fee, payment::hashlock_of(r.bytes())};
    out_promise.signature = *payment::sign_promise(world_.operator_key(), out_promise.promise);
    return out_promise;
  };
  row = row_of("POST", base + "change_promise_fee");
  row.free = {"/new_fee"};
  row.good = [this, ours, n] {
    const auto promise = ours(secrets_[n], 10, 3);
    std::string body;
    json::Writer(body)
        .begin_object()
        .key("hermes_promise")
        .begin_object()
        .member("ChannelID", to_base64(promise.promise.channel))
        .member("ChainID", kChain)
        .member("Amount", promise.promise.amount)
        .member("Fee", promise.promise.fee)
        .member("Hashlock", to_base64(promise.promise.hashlock))
        .member("R", to_base64(secrets_[n].bytes()))
        .member("Signature", to_base64(promise.signature))
        .end_object()
        .member("new_fee", 4)
        .end_object();
    return Input{body, {}};
  };
  out.push_back(row);

  row = row_of("POST", base + "provider/sync_promise");
  row.signer = &provider;
  row.good = [this, ours, n, row] {
    const auto promise = ours(secrets_[n], 12, 3);
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("channel_id", to_hex(promise.promise.channel))
        .member("chain_id", kChain)
        .member("amount", promise.promise.amount)
        .member("fee", promise.promise.fee)
        .member("hashlock", to_hex(promise.promise.hashlock))
        .member("signature", to_hex(promise.signature))
        .end_object();
    return with_signature(row, body);
  };
  out.push_back(row);

  row = row_of("POST", base + "refresh_promise");
  row.free = {"/r_recovery_data", "/hashlock"};
  row.signer = &provider;
  row.good = [this, &provider, row] {
    return with_signature(row, R"({"chain_id":80001,"identity":")" +
                                   provider.address().to_string() + R"(","hashlock":")" +
                                   to_hex(Bytes(32, 9)) + R"(","r_recovery_data":"0102"})");
  };
  row.prepare = [this, &provider, base, n] {  // the R of what was handed in
    const std::string told = R"({"R":")" + to_hex(secrets_[n].bytes()) + R"(","Provider":")" +
                             provider.address().to_string() + R"("})";
    EXPECT_EQ(call("POST", base + "reveal_r", {told, {}}).status, 200);
  };
  out.push_back(row);

  row = row_of("POST", base + "pay_and_settle");
  row.free = {"/transactor_fee", "/r_recovery_data", "/exchange_message/Promise/Fee"};
  row.good = [this, n] {
    auto message = world_.withdrawal(world_.consumer(2 + n), 50, 50, kChain);
    message.request.transactor_fee = 3;
    return Input{test::promise_body(message.request), {}};
  };
  out.push_back(row);

  row = row_of("GET", base + "data/consumer/{}");
  row.bad_pieces = strangers;
  row.good_piece = consumer.address().to_string();
  row.good = [] { return Input{}; };
  out.push_back(row);
  row.pattern = base + "data/provider/{}";
  row.good_piece = provider.address().to_string();
  out.push_back(row);
}

void BadInputTest::add_transactor(std::vector<Row>& out) {
  const std::string base = "/transactor/api/v1/";
  unsigned n = 20;
  for (const char* name :
       {"identity/register", "identity/register/provider", "identity/register/referer"}) {
    Row row = row_of("POST", base + name);
    row.good = [this, n] { return Input{registration(world_.consumer(n)), {}}; };
    out.push_back(row);
    ++n;
  }
  for (const char* name : {"identity/settle_and_rebalance", "identity/settle/into_stake"}) {
    Row row = row_of("POST", base + name);
    row.good = [this, n] { return Input{settlement(world_.provider(n)), {}}; };
    out.push_back(row);
    ++n;
  }
  Row row = row_of("POST", base + "identity/settle_with_beneficiary");
  row.good = [this] {
    const Signer& who = world_.provider(30);
    const Address wallet = world_.provider(31).address();
    const auto signature = payment::sign_terms(
        who, payment::BeneficiaryTerms{kChain, at().registry, who.address(), wallet, 6});
    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("Promise").begin_object();
    settle_members(writer, who, payment::provider_channel_id(who.address(), at().hermes));
    writer.end_object()
        .member("beneficiary", wallet.to_string())
        .member("nonce", 6)
        .member("signature", "0x" + to_hex(*signature))
        .member("providerID", who.address().to_string())
        .member("chainID", kChain)
        .member("registry", at().registry.to_checksum())
        .end_object();
    return Input{body, {}};
  };
  out.push_back(row);

  row = row_of("POST", base + "identity/pay_and_settle");
  row.good = [this] {
    const Signer& who = world_.provider(32);
    const Address wallet = world_.provider(31).address();
    const Digest32 channel = payment::withdrawal_channel_id(who.address(), at().hermes);
    payment::WithdrawalTerms terms{kChain, channel, 1000, {}, wallet};
    terms.r.fill(5);
    const auto signature = payment::sign_terms(who, terms);
    std::string body;
    json::Writer writer(body);
    writer.begin_object();
    settle_members(writer, who, channel);
    writer.member("beneficiary", wallet.to_checksum())
        .member("beneficiarySignature", to_hex(*signature))
        .end_object();
    return Input{body, {}};
  };
  out.push_back(row);

  row = row_of("POST", base + "stake/decrease");
  row.good = [this] {
    const Signer& who = world_.provider(33);
    const Digest32 channel = payment::provider_channel_id(who.address(), at().hermes);
    const auto signature =
        payment::sign_terms(who, payment::StakeDecreaseTerms{kChain, channel, 500, 15, 2});
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("channel_id", to_hex(channel))
        .member("nonce", 2)
        .member("hermes_id", at().hermes.to_checksum())
        .member("amount", 500)
        .member("transactor_fee", 15)
        .member("signature", to_hex(*signature))
        .member("chain_id", kChain)
        .member("providerID", who.address().to_string())
        .end_object();
    return Input{body, {}};
  };
  out.push_back(row);

  row = row_of("POST", base + "channel/open");
  row.good = [this] {
    const auto signature = payment::sign_terms(
        world_.provider(1), payment::OpenChannelTerms{kChain, at().registry, at().hermes, 1});
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("transactorFee", 1)
        .member("signature", "0x" + to_hex(*signature))
        .member("hermesID", at().hermes.to_checksum())
        .member("chainID", kChain)
        .member("registry_address", at().registry.to_checksum())
        .end_object();
    return Input{body, {}};
  };
  out.push_back(row);

  row = row_of("POST", base + "channel/status");
  row.free = {"/identity", "/hermesID"};  // of anybody, with any Hermes: it reads only
  row.good = [this] {
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("identity", world_.consumer().address().to_string())
        .member("hermesID", at().hermes.to_checksum())
        .member("chainID", kChain)
        .member("registry_address", at().registry.to_checksum())
        .end_object();
    return Input{body, {}};
  };
  out.push_back(row);

  const std::vector<std::string> chains = {
      "0",   "1",      "x",
      "-1",  "80001x", "0x13881",
      "8e4", "%31",    "115792089237316195423570985008687907853269984665640"};
  for (const char* name : {"fee/{}", "fee/{}/register", "fee/{}/settle", "fee/{}/stake/decrease"}) {
    row = row_of("GET", base + name);
    row.bad_pieces = chains;
    row.good_piece = "80001";
    row.good = [] { return Input{}; };
    out.push_back(row);
  }
  row = row_of("GET", base + "queue/{}");
  row.bad_pieces = {"nothing", "..", "'", "%00", std::string(500, 'f')};
  out.push_back(row);
  row = row_of("GET", base + "identity/{}/status");
  row.bad_pieces = {"x", "0x", "0x12", "0x" + std::string(40, 'z')};
  row.good_piece = world_.consumer().address().to_string();
  row.good = [] { return Input{}; };
  out.push_back(row);
  row = row_of("GET", base + "identity/register/provider/eligibility");
  row.good = [] { return Input{}; };
  out.push_back(row);
  row.pattern = base + "identity/register/eligibility/{}";
  out.push_back(row);
}

std::vector<BadInputTest::Row> BadInputTest::rows() {
  std::vector<Row> out;
  add_hermes(out, "/api/v2/", 0);
  add_hermes(out, "/hermes/api/v2/", 1);
  add_transactor(out);
  Row row = row_of("POST", "/admin/hermes/credit");
  row.good = [this] {
    return Input{R"({"chain_id":80001,"identity":")" + world_.consumer(8).address().to_string() +
                     R"(","amount":500})",
                 {}};
  };
  row.free = {"/amount", "/identity"};  // the operator's to choose
  out.push_back(row);
  out.push_back(row_of("POST", "/admin/hermes/cash"));
  out.push_back(row_of("GET", "/admin/hermes/audit"));
  // Discovery, location, policies, quality: nothing is read from a body.
  for (const RouteName& route : HttpApi::routes()) {
    row = row_of(route.method, route.pattern);
    if (route.pattern == "/access-policies/{}") row.bad_pieces = {"x", "..", "%00", "'"};
    out.push_back(row);
  }
  return out;
}

TEST_F(BadInputTest, IsRefusedByEveryCallAndChangesNothing) {
  std::set<std::pair<std::string, std::string>> tested;
  for (const Row& row : rows()) {
    run(row);
    if (HasFailure()) return;
    EXPECT_TRUE(tested.emplace(row.method, row.pattern).second) << row.pattern << " twice";
  }
  for (const RouteName& route : Hub::routes()) {
    if (route.pattern == Observer::kPath) continue;  // GET without parameters, tests/network
    EXPECT_EQ(tested.count({route.method, route.pattern}), 1u)
        << route.method << " " << route.pattern << " is served, and no bad input is tested";
  }
  EXPECT_GT(sent_, 2000u);
  RecordProperty("bodies", static_cast<int>(sent_));
}

}  // namespace
}  // namespace myst::hub
