// What the hub asks of a chain, against a chain server that answers only the calls it was told.
#include "apps/hub/chain_lookup.hpp"

#include <gtest/gtest.h>

#include "core/payment/channel.hpp"
#include "tests/support/chain_server.hpp"

namespace myst::hub {
namespace {

using Machine = core::transactor::Transactor;

constexpr std::uint64_t kChain = 137;

Address address(std::uint8_t byte) {
  ByteArray<20> bytes;
  bytes.fill(byte);
  return Address(bytes);
}

const Address kRegistry = address(0x11), kImplementation = address(0x22), kHermes = address(0x33),
              kOtherImplementation = address(0x44), kOtherHermes = address(0x55),
              kIdentity = address(0x66), kNobody = address(0x77);

Bytes words(const std::vector<U256>& all) {
  Bytes out;
  for (const U256& one : all) {
    const ByteArray<32> word = one.to_word();
    out.insert(out.end(), word.begin(), word.end());
  }
  return out;
}
U256 number(const Address& address) { return *U256::from_bytes(ByteSpan(address.bytes())); }

class ChainLookupTest : public testing::Test {
 protected:
  void SetUp() override {
    ChainContracts contracts;
    contracts.chain_id = kChain;
    contracts.registry = kRegistry;
    contracts.hermes = kHermes;
    contracts.channel_implementation = kImplementation;
    contracts.known_hermeses = {kHermes, kOtherHermes};
    contracts.rpc = {server_.url()};
    chains_ = std::make_unique<Chains>(loop_, std::vector{contracts});
    server_.set_word(kRegistry, chain::registry::is_registered(kIdentity), U256(1u));
    put_hermes(kOtherHermes, address(0x99), U256(2u));
    put_hermes(kNobody, Address(), U256());
    server_.set_word(kRegistry, chain::registry::get_channel_implementation(U256(1u)),
                     number(kImplementation));
    server_.set_word(kRegistry, chain::registry::get_channel_implementation(U256(2u)),
                     number(kOtherImplementation));
  }
  // operator, version, a function that does not exist, URL
  void put_hermes(const Address& hermes, const Address& operator_key, const U256& version) {
    server_.set(kRegistry, chain::registry::get_hermes(hermes),
                words({U256(32u), number(operator_key), version, U256(), U256(128u), U256(0u)}));
  }
  void open_channel(const Address& hermes, const Address& implementation) {
    const Address channel = payment::consumer_channel(kIdentity, hermes, kRegistry, implementation);
    server_.set(channel, chain::channel::hermes(),
                words({number(address(0x99)), number(hermes), U256(30u)}));
  }
  void no_channel(const Address& hermes, const Address& implementation) {
    server_.set(payment::consumer_channel(kIdentity, hermes, kRegistry, implementation),
                chain::channel::hermes(), Bytes());  // as where there is no contract
  }
  Result<Machine::ChainAnswer> ask(const Machine::AskOpen& what) {
    Machine::Question question;
    question.chain = kChain;
    question.ask = what;
    std::optional<Result<Machine::ChainAnswer>> out;
    chains_->ask(question, [&](Result<Machine::ChainAnswer> answer) { out = std::move(answer); });
    EXPECT_TRUE(loop_.run_until([&] { return out.has_value(); }, std::chrono::seconds{20}));
    return out ? std::move(*out) : Error{Errc::Timeout, 0, "no answer"};
  }
  bool open(const Machine::AskOpen& what) {
    const auto answer = ask(what);
    if (!answer.ok()) {
      ADD_FAILURE() << answer.error().what;
      return false;
    }
    return std::get<Machine::Open>(*answer).open;
  }

  platform::Loop loop_;
  test::ChainServer server_{loop_, kChain};
  std::unique_ptr<Chains> chains_;
};

TEST_F(ChainLookupTest, AChannelOfAnotherHermesHasThatOnesImplementation) {
  const Machine::AskOpen other{kIdentity, Address(), kOtherHermes};
  // Where the active implementation would put it there is something, too: it is not looked at.
  open_channel(kOtherHermes, kImplementation);
  no_channel(kOtherHermes, kOtherImplementation);
  EXPECT_FALSE(open(other));
  open_channel(kOtherHermes, kOtherImplementation);
  EXPECT_TRUE(open(other));
}

TEST_F(ChainLookupTest, AChannelWhoseAddressIsKnownIsLookedAtWithoutQuestions) {
  const Address channel = payment::consumer_channel(kIdentity, kHermes, kRegistry, kImplementation);
  no_channel(kHermes, kImplementation);
  EXPECT_FALSE(open({kIdentity, channel, kHermes}));
  open_channel(kHermes, kImplementation);
  EXPECT_TRUE(open({kIdentity, channel, kHermes}));
}

TEST_F(ChainLookupTest, WhoIsNoHermesHasNoChannels) {
  const auto answer = ask({kIdentity, Address(), kNobody});
  ASSERT_TRUE(answer.ok());
  EXPECT_FALSE(std::get<Machine::Open>(*answer).open);
  EXPECT_TRUE(std::get<Machine::Open>(*answer).registered);
}

TEST_F(ChainLookupTest, AnAnswerThatFailsIsNoClosedChannel) {
  server_.revert(kRegistry, chain::registry::get_hermes(kOtherHermes), "no");
  EXPECT_FALSE(ask({kIdentity, Address(), kOtherHermes}).ok());
}

}  // namespace
}  // namespace myst::hub
