// Account over HTTP: what it asks a chain server, and what it makes of the answers.
#include "drivers/ethereum/account.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "core/chain/abi.hpp"
#include "core/crypto/keccak.hpp"
#include "drivers/ethereum/codec.hpp"
#include "drivers/ethereum/reader.hpp"
#include "drivers/storage/transaction_store.hpp"
#include "tests/support/chain_server.hpp"
#include "tests/support/nats_server.hpp"
#include "tests/support/support.hpp"

extern char** environ;

namespace myst::ethereum {
namespace {

using chain::TransactionState;
using std::chrono::milliseconds;
using std::chrono::seconds;

const Address kTo = *Address::parse("0x00000000000000000000000000000000000be2ef");

LocalSigner make_signer() {
  test::SeededRng rng(7);
  return LocalSigner::make(rng);
}

// An account with its database; the Account in it can be killed and made again.
class Bench {
 public:
  Bench(platform::Loop& loop, std::vector<std::string> urls, std::uint64_t chain_id,
        chain::AccountQueue::Config config)
      : loop_(loop), config_(config), store_(*storage::TransactionStore::open(":memory:")) {
    RpcClient::Options options;
    options.urls = std::move(urls);
    options.chain_id = chain_id;
    client = std::make_unique<RpcClient>(loop, std::move(options));
    start();
  }
  storage::TransactionStore::Key key() const { return {client->chain_id(), signer.address()}; }
  void start() {
    account.reset();
    persists_.clear();
    auto loaded = store_.load(key());
    account = std::make_unique<Account>(
        loop_, *client, signer, config_,
        Account::Stored{std::move(loaded->open), loaded->next_nonce},
        [this](const chain::TransactionRecord& record, std::function<void(const Status&)> done) {
          const Status status = store_.put(key(), record);
          persists_.push_back(
              std::make_unique<platform::Timer>(loop_, [done, status] { done(status); }));
          persists_.back()->arm(loop_.instant());
        },
        [this](const chain::AccountQueue::Event& event) { events.push_back(event); });
  }
  bool wait_for(const std::string& id, Duration limit = seconds{20}) {
    return loop_.run_until([&] { return final(id); }, limit);
  }
  bool final(const std::string& id) {
    const auto record = store_.find(key(), id);
    return record.ok() && record->has_value() && is_final((*record)->state);
  }
  chain::TransactionRecord record(const std::string& id) {
    return (*store_.find(key(), id)).value_or(chain::TransactionRecord{});
  }

  platform::Loop& loop_;
  chain::AccountQueue::Config config_;
  LocalSigner signer = make_signer();
  storage::TransactionStore store_;
  std::unique_ptr<RpcClient> client;
  std::unique_ptr<Account> account;
  std::vector<std::unique_ptr<platform::Timer>> persists_;
  std::vector<chain::AccountQueue::Event> events;
};

chain::AccountQueue::Config quick() {
  chain::AccountQueue::Config config;
  config.poll_interval = milliseconds{20};
  config.first_retry = milliseconds{20};
  return config;
}

std::string receipt_json(const std::string& hash, const char* status) {
  const std::string block = "0x" + std::string(64, '1');
  return R"({"transactionHash":")" + hash + R"(","blockNumber":"0x5","blockHash":")" + block +
         R"(","status":")" + status + R"(","gasUsed":"0x5208","logs":[]})";
}

TEST(Account, SendsAndWatches) {
  for (const bool legacy : {false, true}) {
    platform::Loop loop;
    test::ChainServer server(loop, 80002);
    std::string raw, hash;
    server.set_handler(
        [&](const std::string& method, json::Value params) -> std::optional<std::string> {
          const std::string first =
              params.size() > 0 ? (*params.begin()).value.string_or("") : std::string();
          if (method == "eth_estimateGas") return "\"0x5208\"";
          if (method == "eth_getTransactionCount") return hash.empty() ? "\"0x7\"" : "\"0x8\"";
          if (method == "eth_gasPrice") return "\"0x77359400\"";
          if (method == "eth_blockNumber") return "\"0x5\"";
          if (method == "eth_feeHistory") {
            if (legacy) return "!-32601 the method does not exist";
            return R"({"baseFeePerGas":["0x3b9aca00"],"reward":[["0x3b9aca00"]]})";
          }
          if (method == "eth_sendRawTransaction") {
            raw = first;
            hash = chain::to_data(keccak256(*chain::parse_data(raw)));
            return "\"" + hash + "\"";
          }
          if (method == "eth_getTransactionReceipt") {
            return first == hash ? receipt_json(hash, "0x1") : "null";
          }
          return std::nullopt;
        });
    Bench bench(loop, {server.url()}, 80002, quick());
    ASSERT_TRUE(bench.account->submit({"a", kTo, Wei(5), {}, 0}).ok());
    ASSERT_TRUE(bench.wait_for("a"));
    const auto record = bench.record("a");
    EXPECT_EQ(record.state, TransactionState::Succeeded);
    EXPECT_EQ(record.nonce, 7u);
    EXPECT_EQ(record.gas_used, 21000u);
    EXPECT_EQ(chain::to_data(record.hash), hash);
    EXPECT_EQ(record.attempts.size(), 1u);
    EXPECT_EQ(record.attempts[0].fees.legacy, legacy);
    EXPECT_EQ(raw.substr(0, 4) == "0x02", !legacy);
    EXPECT_EQ(record.attempts[0].fees.max_fee, legacy ? Wei(2000000000) : Wei(3000000000));
    // Nothing is asked once nothing is open.
    const std::size_t requests = server.requests();
    (void)loop.run_until([] { return false; }, milliseconds{100});
    EXPECT_EQ(server.requests(), requests);
  }
}

TEST(Account, TellsWhyACallWouldRevert) {
  platform::Loop loop;
  test::ChainServer server(loop, 80002);
  server.set_handler([](const std::string& method, json::Value) -> std::optional<std::string> {
    if (method == "eth_estimateGas") return "!3 execution reverted: promise is settled already";
    if (method == "eth_getTransactionCount") return "\"0x0\"";
    if (method == "eth_gasPrice") return "\"0x1\"";
    return std::nullopt;
  });
  Bench bench(loop, {server.url()}, 80002, quick());
  ASSERT_TRUE(bench.account->submit({"a", kTo, {}, Bytes{1}, 0}).ok());
  ASSERT_TRUE(bench.wait_for("a"));
  EXPECT_EQ(bench.record("a").state, TransactionState::Failed);
  EXPECT_EQ(bench.record("a").reason, "execution reverted: promise is settled already");
}

TEST(Account, AnOutageIsWaitedOutWithAReason) {
  platform::Loop loop;
  test::ChainServer server(loop, 80002);
  server.answer_with({503, {}, ""});
  Bench bench(loop, {server.url()}, 80002, quick());
  ASSERT_TRUE(bench.account->submit({"a", kTo, {}, {}, 21000}).ok());
  ASSERT_TRUE(loop.run_until(
      [&] {
        const auto* record = bench.account->queue().find("a");
        return record != nullptr && !record->reason.empty();
      },
      seconds{5}));
  EXPECT_EQ(bench.account->queue().find("a")->state, TransactionState::Waiting);
}

TEST(TransactionStore, KeepsWhatTheQueueNeeds) {
  auto store = storage::TransactionStore::open(":memory:");
  ASSERT_TRUE(store.ok());
  const storage::TransactionStore::Key key{137, kTo};
  chain::TransactionRecord record;
  record.id = "a";
  record.to = kTo;
  record.value = Wei::max();
  record.data = {1, 2, 3};
  record.gas_limit = 5;
  record.created = WallTime(milliseconds{1});
  ASSERT_TRUE(store->put(key, record).ok());
  record.state = TransactionState::Pending;
  record.nonce = UINT32_MAX + 5ull;
  record.attempts = {{UINT32_MAX + 5ull, {Wei::max(), Wei(3), false}, Digest32{9}},
                     {UINT32_MAX + 5ull, {Wei(1), Wei(), true}, Digest32{8}}};
  record.reason = "sent";
  ASSERT_TRUE(store->put(key, record).ok());
  const auto loaded = store->load(key);
  ASSERT_TRUE(loaded.ok());
  ASSERT_EQ(loaded->open.size(), 1u);
  EXPECT_EQ(loaded->next_nonce, UINT32_MAX + 6ull);
  const auto& back = loaded->open[0];
  EXPECT_EQ(back.value, Wei::max());
  EXPECT_EQ(back.data, record.data);
  EXPECT_EQ(back.nonce, record.nonce);
  ASSERT_EQ(back.attempts.size(), 2u);
  EXPECT_EQ(back.attempts[0].fees, record.attempts[0].fees);
  EXPECT_EQ(back.attempts[1].fees, record.attempts[1].fees);
  EXPECT_EQ(back.attempts[1].hash, Digest32{8});
  record.state = TransactionState::Succeeded;
  record.hash = Digest32{8};
  record.updated = WallTime(milliseconds{10});
  ASSERT_TRUE(store->put(key, record).ok());
  record.state = TransactionState::Pending;
  EXPECT_EQ(store->put(key, record).error().code, Errc::Rejected);
  EXPECT_TRUE(store->load(key)->open.empty());
  EXPECT_EQ(store->load({1, kTo})->next_nonce, 0u);
  ASSERT_TRUE(store->forget(WallTime(milliseconds{11})).ok());
  EXPECT_FALSE(store->find(key, "a")->has_value());
  EXPECT_EQ(store->load(key)->next_nonce, UINT32_MAX + 6ull);  // the nonce stays given
}

// --- a real EVM

std::string anvil_program() {
  if (const char* given = ::getenv("MYST_ANVIL")) return given;
  // Where the contracts' scripts install it: build/npm-*/node_modules.
  std::error_code error;
  const std::filesystem::path build =
      std::filesystem::path(MYST_VECTORS).parent_path().parent_path() / "build";
  for (const auto& entry : std::filesystem::directory_iterator(build, error)) {
    const auto program = entry.path() / "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil";
    if (std::filesystem::exists(program, error)) return program;
  }
  return {};
}

class AnvilTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string program = anvil_program();
    if (program.empty()) GTEST_SKIP() << "no anvil: drivers/ethereum/contracts/build installs it";
    port_ = test::free_tcp_port();
    std::vector<std::string> words{program, "--port",   std::to_string(port_), "--chain-id",
                                   "31337", "--silent", "--accounts",          "1"};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ASSERT_EQ(::posix_spawn(&pid_, program.c_str(), nullptr, nullptr, argv.data(), environ), 0);
    RpcClient::Options options;
    options.urls = {url()};
    control_ = std::make_unique<RpcClient>(loop_, std::move(options));
    for (int i = 0; i < 100 && rpc("eth_chainId", "[]").empty(); ++i) {
      (void)loop_.run_until([] { return false; }, milliseconds{50});
    }
  }
  void TearDown() override {
    control_.reset();
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }
  // The result, empty when refused.
  std::string rpc(const char* method, std::string params) {
    std::optional<RpcClient::Done> done;
    control_->call(method, std::move(params),
                   [&](RpcClient::Done answer) { done = std::move(answer); });
    (void)loop_.run_until([&] { return done.has_value(); }, seconds{10});
    return done && done->result ? *done->result : std::string();
  }
  void give_coin(const Address& to) {
    rpc("anvil_setBalance", "[\"" + to.to_string() + "\",\"0xde0b6b3a7640000\"]");
  }
  std::uint64_t balance(const Address& of) {
    return *read_u64(rpc("eth_getBalance", address_params(of, BlockTag::Latest)));
  }

  platform::Loop loop_;
  std::uint16_t port_ = 0;
  pid_t pid_ = 0;
  std::unique_ptr<RpcClient> control_;
};

TEST_F(AnvilTest, TransfersArriveOnceEach) {
  Bench bench(loop_, {url()}, 31337, quick());
  give_coin(bench.signer.address());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(bench.account->submit({"t" + std::to_string(i), kTo, Wei(100), {}, 0}).ok());
  }
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(bench.wait_for("t" + std::to_string(i))) << i;
    EXPECT_EQ(bench.record("t" + std::to_string(i)).state, TransactionState::Succeeded);
  }
  EXPECT_EQ(balance(kTo), 500u);
}

TEST_F(AnvilTest, StuckOnesPayMoreAndKillsChangeNothing) {
  auto config = quick();
  config.raise_after = milliseconds{300};
  Bench bench(loop_, {url()}, 31337, config);
  give_coin(bench.signer.address());
  rpc("evm_setAutomine", "[false]");
  ASSERT_TRUE(bench.account->submit({"a", kTo, Wei(1), {}, 0}).ok());
  ASSERT_TRUE(bench.account->submit({"b", kTo, Wei(10), {}, 0}).ok());
  ASSERT_TRUE(loop_.run_until([&] { return bench.account->queue().pending() == 2; }, seconds{10}));
  bench.start();  // killed
  ASSERT_TRUE(loop_.run_until([&] { return bench.record("a").attempts.size() >= 3; }, seconds{10}));
  bench.start();
  EXPECT_EQ(balance(kTo), 0u);
  rpc("evm_setAutomine", "[true]");
  rpc("evm_mine", "[]");
  ASSERT_TRUE(bench.wait_for("a"));
  ASSERT_TRUE(bench.wait_for("b"));
  EXPECT_EQ(balance(kTo), 11u);
  EXPECT_EQ(bench.record("a").nonce, 0u);
  EXPECT_EQ(bench.record("b").nonce, 1u);
}

TEST_F(AnvilTest, AReorganisationIsSurvived) {
  auto config = quick();
  config.confirmations = 4;
  Bench bench(loop_, {url()}, 31337, config);
  give_coin(bench.signer.address());
  const std::string snapshot = rpc("evm_snapshot", "[]");
  ASSERT_FALSE(snapshot.empty());
  ASSERT_TRUE(bench.account->submit({"a", kTo, Wei(3), {}, 0}).ok());
  ASSERT_TRUE(loop_.run_until(
      [&] {
        const auto* record = bench.account->queue().find("a");
        return record != nullptr && record->block != 0;
      },
      seconds{10}));
  ASSERT_EQ(rpc("evm_revert", "[" + snapshot + "]"), "true");
  EXPECT_EQ(balance(kTo), 0u);
  ASSERT_TRUE(loop_.run_until([&] { return balance(kTo) == 3; }, seconds{10}));
  for (int i = 0; i < 4; ++i) rpc("evm_mine", "[]");
  ASSERT_TRUE(bench.wait_for("a"));
  EXPECT_EQ(bench.record("a").state, TransactionState::Succeeded);
  EXPECT_EQ(balance(kTo), 3u);
}

TEST_F(AnvilTest, WithoutCoinItSaysSoAndGoesOnAfterATopUp) {
  Bench bench(loop_, {url()}, 31337, quick());
  ASSERT_TRUE(bench.account->submit({"a", kTo, Wei(3), {}, 0}).ok());
  ASSERT_TRUE(loop_.run_until(
      [&] {
        const auto* record = bench.account->queue().find("a");
        return record != nullptr && record->reason.find("nsufficient funds") != std::string::npos;
      },
      seconds{10}));
  give_coin(bench.signer.address());
  ASSERT_TRUE(bench.wait_for("a"));
  EXPECT_EQ(balance(kTo), 3u);
}

}  // namespace
}  // namespace myst::ethereum
