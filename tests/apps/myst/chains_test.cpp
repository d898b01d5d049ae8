// What a node believes of a chain: read once, remembered, and what happens while nobody answers.
#include "apps/myst/chains.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "core/payment/channel.hpp"
#include "tests/support/chain_server.hpp"

namespace myst::app {
namespace {

using chain::RegistrationState;
using std::chrono::seconds;

const Address kRegistry = *Address::parse("0x1111111111111111111111111111111111111111");
const Address kImplementation = *Address::parse("0x2222222222222222222222222222222222222222");
const Address kHermes = *Address::parse("0x3333333333333333333333333333333333333333");
const Address kToken = *Address::parse("0x4444444444444444444444444444444444444444");
const Address kIdentity = *Address::parse("0x265b4a774a5ce7a975ca8401a43440efee58eb15");

class ChainsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/myst-chains-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    server_ = std::make_unique<test::ChainServer>(loop_, 80002);
    open();
  }
  void TearDown() override {
    close();
    (void)std::system(("rm -rf " + folder_).c_str());
  }
  void close() {
    if (store_) store_->finish();
    chains_.reset();
    store_.reset();
  }
  void open() {
    close();
    auto store = storage::Store::open(loop_, folder_ + "/myst.db");
    ASSERT_TRUE(store.ok());
    store_ = std::move(*store);
    Chains::Chain chain;
    chain.id = 80002;
    chain.registry = kRegistry;
    chain.hermes = kHermes;
    chain.channel_implementation = kImplementation;
    chain.token = kToken;
    chain.rpc = {server_->url()};
    Chains::Config config;
    config.active = 80002;
    config.chains = {chain};
    config.call_limit = seconds{2};
    config.balance_interval = std::chrono::hours{1};
    config.close_interval = std::chrono::milliseconds{20};
    config.close_time = std::chrono::milliseconds{300};
    chains_ = std::make_unique<Chains>(loop_, *store_, config);
  }

  template <typename T, typename Ask>
  Result<T> wait(Ask ask) {
    std::optional<Result<T>> answer;
    ask([&](Result<T> result) { answer.emplace(std::move(result)); });
    EXPECT_TRUE(loop_.run_until([&] { return answer.has_value(); }, seconds{10}));
    return answer ? std::move(*answer) : Result<T>(Error{});
  }
  Result<RegistrationState> registration() {
    return wait<RegistrationState>(
        [&](auto done) { chains_->registration(kIdentity, std::move(done)); });
  }
  Result<Wei> balance(bool fresh) {
    return wait<Wei>(
        [&](auto done) { chains_->balance(kIdentity, kHermes, fresh, std::move(done)); });
  }
  Result<Address> hermes(const Address& hermes) {
    return wait<Address>([&](auto done) { chains_->check_hermes(hermes, std::move(done)); });
  }
  void set_registered(bool yes) {
    server_->set_word(kRegistry, chain::registry::is_registered(kIdentity), U256(yes ? 1 : 0));
  }

  std::string folder_;
  platform::Loop loop_;
  std::unique_ptr<test::ChainServer> server_;
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<Chains> chains_;
};

TEST_F(ChainsTest, ARegistrationIsAskedUntilItIsThereAndThenNeverAgain) {
  int told = 0;
  chains_->on_registered([&](const Address& identity) {
    EXPECT_EQ(identity, kIdentity);
    ++told;
  });
  set_registered(false);
  EXPECT_EQ(*registration(), RegistrationState::Unregistered);
  EXPECT_EQ(*registration(), RegistrationState::Unregistered);
  EXPECT_EQ(server_->requests(), 2u);
  set_registered(true);
  EXPECT_EQ(*registration(), RegistrationState::Registered);
  EXPECT_EQ(*registration(), RegistrationState::Registered);
  EXPECT_EQ(server_->requests(), 3u);
  EXPECT_EQ(told, 1);
  // Also after a restart, with no endpoint to ask.
  open();
  server_->answer_with({503, {}, ""});
  EXPECT_EQ(*registration(), RegistrationState::Registered);
  EXPECT_EQ(server_->requests(), 3u);
}

TEST_F(ChainsTest, AnOutageIsAnErrorNotAnAnswer) {
  server_->answer_with({503, {}, ""});
  const auto down = registration();
  ASSERT_FALSE(down.ok());
  EXPECT_EQ(down.error().code, Errc::Unavailable);
  EXPECT_FALSE(chains_->reachable());
  server_->answer_properly();
  set_registered(true);
  auto up = registration();
  for (int i = 0; i < 60 && !up.ok(); ++i) {  // while the endpoint rests
    (void)loop_.run_until([] { return false; }, seconds{1});
    up = registration();
  }
  ASSERT_TRUE(up.ok());
  EXPECT_EQ(*up, RegistrationState::Registered);
  EXPECT_TRUE(chains_->reachable());
}

TEST_F(ChainsTest, AStateInProgressStays) {
  set_registered(false);
  EXPECT_EQ(*registration(), RegistrationState::Unregistered);
  chains_->set_registration(kIdentity, RegistrationState::InProgress);
  EXPECT_EQ(*registration(), RegistrationState::InProgress);
  open();
  EXPECT_EQ(*registration(), RegistrationState::InProgress);
  chains_->set_registration(kIdentity, RegistrationState::Registered);
  chains_->set_registration(kIdentity, RegistrationState::Failed);
  EXPECT_EQ(*registration(), RegistrationState::Registered);
}

TEST_F(ChainsTest, BalanceIsTokensMinusWhatIsPromisedAndNotSettled) {
  const Address channel = payment::consumer_channel(kIdentity, kHermes, kRegistry, kImplementation);
  Bytes state;
  for (const auto& word :
       {payment::to_word(kIdentity), payment::to_word(kHermes), U256(30).to_word()}) {
    state.insert(state.end(), word.begin(), word.end());
  }
  server_->set(channel, chain::channel::hermes(), state);
  server_->set_word(kToken, chain::token::balance_of(channel), U256(100));
  EXPECT_EQ(balance(false)->to_string(), "100");  // nothing promised: 30 settled do not add up
  core::PaymentRecord payment;
  payment.agreement = 1;
  payment.consumer = kIdentity;
  bool stored = false;
  store_->run<Status>(
      [&](storage::Tables& tables) {
        return tables.money.put_payment(payment, 80002, kHermes, Wei(75));
      },
      [&](const Status& status) { stored = status.ok(); });
  ASSERT_TRUE(loop_.run_until([&] { return stored; }, seconds{20}));
  const std::size_t before = server_->requests();
  EXPECT_EQ(balance(false)->to_string(), "55");  // 100 - (75 - 30), without asking the chain
  EXPECT_EQ(server_->requests(), before);
  int told = 0;
  chains_->on_balance([&](const Address&) { ++told; });
  chains_->promised(kIdentity, kHermes, Wei(90));  // one more payment is on the disk
  EXPECT_EQ(*chains_->known_balance(kIdentity), Wei(40));
  EXPECT_EQ(told, 1);
  chains_->promised(kHermes, kHermes, Wei(90));  // of a channel nobody ever read: not a word
  EXPECT_EQ(told, 1);

  server_->set_word(kToken, chain::token::balance_of(channel), U256(40));
  EXPECT_EQ(balance(true)->to_string(), "0");
  EXPECT_EQ(*chains_->known_balance(kIdentity), Wei(0));
  // Nobody answers: the last one stands.
  server_->answer_with({503, {}, ""});
  EXPECT_EQ(balance(true)->to_string(), "0");
}

TEST_F(ChainsTest, AChannelThatIsNotDeployedHasItsTokens) {
  const Address channel = payment::consumer_channel(kIdentity, kHermes, kRegistry, kImplementation);
  server_->set(channel, chain::channel::hermes(), {});
  server_->set_word(kToken, chain::token::balance_of(channel), U256(7));
  EXPECT_EQ(balance(true)->to_string(), "7");
}

TEST_F(ChainsTest, ATopUpThatIsExpectedIsSeen) {
  const Address channel = payment::consumer_channel(kIdentity, kHermes, kRegistry, kImplementation);
  server_->set(channel, chain::channel::hermes(), {});
  server_->set_word(kToken, chain::token::balance_of(channel), U256(0));
  int changes = 0;
  chains_->on_balance([&](const Address&) { ++changes; });
  EXPECT_TRUE(balance(true)->is_zero());
  chains_->watch_balance(kIdentity, false);
  EXPECT_EQ(loop_.next_timer().has_value(), true);
  chains_->watch_balance(kIdentity, true);
  server_->set_word(kToken, chain::token::balance_of(channel), U256(9));
  ASSERT_TRUE(loop_.run_until([&] { return changes == 2; }, seconds{20}));
  EXPECT_EQ(*chains_->known_balance(kIdentity), Wei(9));
  // After that time it is left alone again.
  (void)loop_.run_until([] { return false; }, std::chrono::milliseconds{500});
  const std::size_t requests = server_->requests();
  (void)loop_.run_until([] { return false; }, std::chrono::milliseconds{200});
  EXPECT_EQ(server_->requests(), requests);
  EXPECT_EQ(changes, 2);
}

TEST_F(ChainsTest, HermesHasToBeOneAndActiveAndCheap) {
  const auto word = [](std::uint64_t value) { return to_bytes(U256(value).to_word()); };
  const auto set = [&](const Address& hermes, bool is, bool active, std::uint64_t fee) {
    server_->set(kRegistry, chain::registry::is_hermes(hermes), word(is));
    server_->set(hermes, chain::hermes::is_hermes_active(), word(active));
    Bytes both = word(fee);
    const Bytes from = word(1700000000);
    both.insert(both.end(), from.begin(), from.end());
    server_->set(hermes, chain::hermes::last_fee(), both);
  };
  set(kHermes, true, true, 3000);
  EXPECT_EQ(*hermes(kHermes), kImplementation) << "configured, not asked for";
  const std::size_t before = server_->requests();
  EXPECT_TRUE(hermes(kHermes).ok());
  EXPECT_EQ(server_->requests(), before);
  set(kToken, true, true, 3001);
  EXPECT_STREQ(hermes(kToken).error().what, "the fee of the hermes is too high");
  set(kRegistry, true, false, 0);
  EXPECT_STREQ(hermes(kRegistry).error().what, "the hermes is not active");
  set(kImplementation, false, true, 0);
  EXPECT_EQ(hermes(kImplementation).error().code, Errc::Rejected);
  EXPECT_EQ(hermes(kIdentity).error().code, Errc::Rejected);  // everything reverts
}

// A Hermes of a later version makes other channels: nobody's configuration says which.
TEST_F(ChainsTest, EachHermesHasItsOwnChannels) {
  const auto word = [](std::uint64_t value) { return to_bytes(U256(value).to_word()); };
  const Address other = kToken, code = kIdentity;
  server_->set(kRegistry, chain::registry::is_hermes(other), word(1));
  server_->set(other, chain::hermes::is_hermes_active(), word(1));
  Bytes both = word(100), record;
  const Bytes from = word(1700000000);
  both.insert(both.end(), from.begin(), from.end());
  server_->set(other, chain::hermes::last_fee(), both);
  EXPECT_FALSE(hermes(other).ok()) << "its implementation cannot be read";
  // (operator, version 1, stake getter, url): offset, then the tuple.
  for (const std::uint64_t w : {0x20u, 0x99u, 1u, 0u, 0x80u, 0u}) {
    const Bytes one = word(w);
    record.insert(record.end(), one.begin(), one.end());
  }
  server_->set(kRegistry, chain::registry::get_hermes(other), record);
  server_->set(kRegistry, chain::registry::get_channel_implementation(U256(1u)),
               to_bytes(payment::to_word(code)));
  const auto found = hermes(other);
  ASSERT_TRUE(found.ok()) << found.error().what;
  EXPECT_EQ(*found, code);
  const auto channel = wait<Address>(
      [&](auto done) { chains_->consumer_channel(kIdentity, other, std::move(done)); });
  ASSERT_TRUE(channel.ok());
  EXPECT_EQ(*channel, payment::consumer_channel(kIdentity, other, kRegistry, code));
}

// Without a channel on the chain, what Hermes keeps for the identity counts.
TEST_F(ChainsTest, AnOffchainBalanceIsOneAndMakesTheIdentityRegistered) {
  const Address channel = payment::consumer_channel(kIdentity, kHermes, kRegistry, kImplementation);
  server_->set(channel, chain::channel::hermes(), {});
  server_->set_word(kToken, chain::token::balance_of(channel), U256());
  set_registered(false);
  int asked = 0;
  std::optional<Chains::Offchain> known;
  chains_->on_no_channel([&](const Address& identity, const Address& hermes,
                             Chains::Callback<std::optional<Chains::Offchain>> done) {
    EXPECT_EQ(identity, kIdentity);
    EXPECT_EQ(hermes, kHermes);
    ++asked;
    done(known);
  });
  EXPECT_EQ(*registration(), RegistrationState::Unregistered);
  EXPECT_EQ(*balance(true), Wei());
  known = Chains::Offchain{Wei(700), Wei(50)};
  EXPECT_EQ(*registration(), RegistrationState::Registered);
  EXPECT_EQ(*balance(true), Wei(700));
  EXPECT_EQ(asked, 4);
  EXPECT_NE(chains_->known_registration(kIdentity), RegistrationState::Registered)
      << "it is not on the chain: not remembered";
  // Tokens on the channel's address are nobody else's: Hermes is not asked.
  server_->set_word(kToken, chain::token::balance_of(channel), U256(9u));
  EXPECT_EQ(*balance(true), Wei(9));
  EXPECT_EQ(asked, 4);
}

TEST_F(ChainsTest, AnOutageIsNoVerdictOnAHermes) {
  server_->answer_with({503, {}, ""});
  EXPECT_NE(hermes(kHermes).error().code, Errc::Rejected);
}

TEST(ChainsConfig, TakesTheActiveChain) {
  core::NodeConfig config({"/home/x", "/usr/bin"});
  const auto mainnet = Chains::configured(config);
  EXPECT_EQ(mainnet.active, 137u);
  ASSERT_EQ(mainnet.chains.size(), 2u);
  EXPECT_EQ(mainnet.chains[1].rpc.size(), 2u);
  EXPECT_EQ(mainnet.chains[1].known_hermeses.size(), 2u);
  EXPECT_EQ(mainnet.max_hermes_fee, 3000);
  const auto machine = Chains::machine_config(mainnet);
  EXPECT_TRUE(machine.present);
  EXPECT_EQ(machine.chain_id, 137u);
  EXPECT_EQ(machine.hermes.to_string(), "0x80ed28d84792d8b153bf2f25f0c4b7a1381de4ab");
}

}  // namespace
}  // namespace myst::app
