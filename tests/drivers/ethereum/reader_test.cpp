// RpcClient and Reader against servers on loopback that are right, wrong, slow or gone.
#include "drivers/ethereum/reader.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "core/payment/channel.hpp"
#include "platform/http/server.hpp"
#include "tests/support/chain_server.hpp"

namespace myst::ethereum {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::ChainServer;

const Address kRegistry = *Address::parse("0x1111111111111111111111111111111111111111");
const Address kHermes = *Address::parse("0x3333333333333333333333333333333333333333");
const Address kIdentity = *Address::parse("0x265b4a774a5ce7a975ca8401a43440efee58eb15");

class ReaderTest : public ::testing::Test {
 protected:
  RpcClient& client(std::vector<std::string> urls, Duration limit = seconds{5}) {
    RpcClient::Options options;
    options.urls = std::move(urls);
    options.chain_id = 137;
    options.pool.call_limit = limit;
    client_ = std::make_unique<RpcClient>(loop_, std::move(options));
    return *client_;
  }
  template <typename T>
  Result<T> wait(const std::function<void(Reader&, Reader::Callback<T>)>& ask) {
    Reader reader(*client_);
    std::optional<Result<T>> answer;
    ask(reader, [&](Result<T> result) { answer.emplace(std::move(result)); });
    EXPECT_TRUE(loop_.run_until([&] { return answer.has_value(); }, seconds{20}));
    return answer ? std::move(*answer) : Result<T>(Error{Errc::Internal, 0, "never answered"});
  }
  Result<bool> registered() {
    return wait<bool>([](Reader& reader, Reader::Callback<bool> done) {
      reader.is_registered(kRegistry, kIdentity, std::move(done));
    });
  }

  platform::Loop loop_;
  std::unique_ptr<RpcClient> client_;
};

TEST_F(ReaderTest, ReadsContracts) {
  ChainServer server(loop_, 137);
  server.set_word(kRegistry, chain::registry::is_registered(kIdentity), U256(1));
  client({server.url()});
  const auto answer = registered();
  ASSERT_TRUE(answer.ok()) << answer.error().what;
  EXPECT_TRUE(*answer);
  EXPECT_EQ(server.requests(), 1u);  // with the chain id in the same batch
}

TEST_F(ReaderTest, CallsOfOneTurnShareARequest) {
  ChainServer server(loop_, 137);
  server.set_word(kRegistry, chain::registry::last_nonce(), U256(5));
  client({server.url()});
  Reader reader(*client_);
  int answers = 0;
  for (int i = 0; i < 5; ++i) {
    reader.registry_nonce(kRegistry, [&](const Result<U256>& nonce) {
      EXPECT_TRUE(nonce.ok());
      ++answers;
    });
  }
  ASSERT_TRUE(loop_.run_until([&] { return answers == 5; }, seconds{20}));
  EXPECT_EQ(server.requests(), 1u);
}

TEST_F(ReaderTest, OneConnectionServesManyCalls) {
  ChainServer server(loop_, 137);
  server.set_word(kRegistry, chain::registry::is_registered(kIdentity), U256(1));
  client({server.url()});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(registered().ok());
  EXPECT_EQ(server.peers(), 1u);
}

TEST_F(ReaderTest, ADeadEndpointIsSkipped) {
  ChainServer server(loop_, 137);
  server.set_word(kRegistry, chain::registry::is_registered(kIdentity), U256(0));
  client({"http://127.0.0.1:1/", "ws://127.0.0.1:2/", server.url()});
  EXPECT_EQ(client_->endpoints(), 2u);
  const auto answer = registered();
  ASSERT_TRUE(answer.ok());
  EXPECT_FALSE(*answer);
}

TEST_F(ReaderTest, LimitsErrorsAndNonsenseMoveOn) {
  for (const auto& broken :
       {platform::HttpResponse{429, {{"Retry-After", "1"}}, "slow down"},
        platform::HttpResponse{503, {}, "<html>"}, platform::HttpResponse{200, {}, "hello"},
        platform::HttpResponse{200, {}, "[]"},
        platform::HttpResponse{
            200, {}, R"({"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"limit"}})"}}) {
    ChainServer good(loop_, 137);
    good.set_word(kRegistry, chain::registry::is_registered(kIdentity), U256(1));
    ChainServer bad(loop_, 137);
    bad.answer_with(broken);
    client({bad.url(), good.url()});
    const auto answer = registered();
    ASSERT_TRUE(answer.ok()) << broken.body;
    EXPECT_TRUE(*answer);
    EXPECT_GE(bad.requests(), 1u);
  }
}

TEST_F(ReaderTest, AnotherChainIsNotBelieved) {
  ChainServer other(loop_, 1);
  other.set_word(kRegistry, chain::registry::is_registered(kIdentity), U256(1));
  client({other.url()});
  const auto answer = registered();
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Errc::Unavailable);
}

TEST_F(ReaderTest, ServersWithoutBatchesWork) {
  ChainServer server(loop_, 137);
  server.refuse_batches();
  server.set_word(kRegistry, chain::registry::is_registered(kIdentity), U256(1));
  client({server.url()});
  const auto answer = registered();
  ASSERT_TRUE(answer.ok()) << answer.error().what;
  EXPECT_TRUE(*answer);
  EXPECT_EQ(server.requests(), 3u);  // the batch, the chain id, the call
}

TEST_F(ReaderTest, ASilentServerCostsItsShareOfTheTimeOnly) {
  ChainServer silent(loop_, 137);
  silent.stay_silent();
  ChainServer good(loop_, 137);
  good.set_word(kRegistry, chain::registry::is_registered(kIdentity), U256(1));
  client({silent.url(), good.url()}, milliseconds{600});
  const Instant start = loop_.instant();
  EXPECT_TRUE(registered().ok());
  EXPECT_LT(loop_.instant() - start, milliseconds{600});
}

TEST_F(ReaderTest, NothingReturnedIsToldFromNoContract) {
  ChainServer server(loop_, 137);
  const Address channel = payment::consumer_channel(kIdentity, kHermes, kRegistry, kHermes);
  server.set(channel, chain::channel::hermes(), {});
  client({server.url()});
  using Found = std::optional<chain::channel::Hermes>;
  const auto ask = [&](Reader& reader, Reader::Callback<Found> done) {
    reader.consumer_channel(channel, std::move(done));
  };
  const auto none = wait<Found>(ask);
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
  server.set_code(channel, {0x36});  // a server that lags behind its own code
  const auto lagging = wait<Found>(ask);
  ASSERT_FALSE(lagging.ok());
  EXPECT_EQ(lagging.error().code, Errc::Malformed);
}

TEST_F(ReaderTest, ARevertIsAnAnswer) {
  ChainServer server(loop_, 137);
  server.revert(kRegistry, chain::registry::is_registered(kIdentity), "not today");
  ChainServer second(loop_, 137);
  client({server.url(), second.url()});
  const auto answer = registered();
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Errc::Rejected);
  EXPECT_EQ(second.requests(), 0u);
}

TEST_F(ReaderTest, WithoutEndpointsTheAnswerIsNo) {
  client({});
  const auto answer = registered();
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Errc::Unavailable);
}

TEST_F(ReaderTest, NobodyIsCalledAfterTheClientIsGone) {
  ChainServer server(loop_, 137);
  server.stay_silent();
  client({server.url()});
  Reader reader(*client_);
  bool called = false;
  reader.registry_nonce(kRegistry, [&](const Result<U256>&) { called = true; });
  ASSERT_TRUE(loop_.run_until([&] { return server.requests() == 1; }, seconds{20}));
  client_.reset();
  (void)loop_.run_until([] { return false; }, milliseconds{20});
  EXPECT_FALSE(called);
}

TEST_F(ReaderTest, ReconnectRepeatsWhatWasUnderWay) {
  ChainServer server(loop_, 137);
  server.stay_silent();
  ChainServer second(loop_, 137);
  second.set_word(kRegistry, chain::registry::last_nonce(), U256(9));
  client({server.url(), second.url()});
  Reader reader(*client_);
  std::optional<Result<U256>> answer;
  reader.registry_nonce(kRegistry, [&](const Result<U256>& nonce) { answer = nonce; });
  ASSERT_TRUE(loop_.run_until([&] { return server.requests() == 1; }, seconds{20}));
  client_->reconnect();
  ASSERT_TRUE(loop_.run_until([&] { return answer.has_value(); }, seconds{20}));
  ASSERT_TRUE(answer->ok());
  EXPECT_EQ(**answer, U256(9));
}

}  // namespace
}  // namespace myst::ethereum
