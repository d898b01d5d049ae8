#include "core/chain/contracts.hpp"

#include <gtest/gtest.h>

#include <map>

#include "core/base/text.hpp"
#include "core/chain/events.hpp"
#include "core/crypto/keccak.hpp"
#include "tests/support/vectors.hpp"

namespace myst::chain {
namespace {

using test::bytes_of;
using test::vectors;

Address address_of(json::Value text) { return *Address::parse(text.string_or("")); }
Address address_of(const char* text) { return *Address::parse(text); }

std::string selector_of(const Bytes& call) { return to_data(ByteSpan(call).first(4)); }

// Every builder's selector is the keccak of its signature, and the vectors' own.
TEST(Contracts, SelectorsAreThoseOfTheBindings) {
  const auto document = vectors("payments.json");
  const json::Value abi = document.root()["abi"];
  const Address a;
  const hermes::Settlement s;
  const struct {
    const char* contract;
    const char* signature;
    Bytes call;
  } kCases[] = {
      {"Registry", "isRegistered(address)", registry::is_registered(a)},
      {"Registry", "isHermes(address)", registry::is_hermes(a)},
      {"Registry", "getBeneficiary(address)", registry::get_beneficiary(a)},
      {"Registry", "getHermes(address)", registry::get_hermes(a)},
      {"Registry", "getHermesURL(address)", registry::get_hermes_url(a)},
      {"Registry", "getHermesAddress(address)", registry::get_hermes_address(a)},
      {"Registry", "getChannelImplementation(uint256)", registry::get_channel_implementation(0)},
      {"Registry", "getChannelAddress(address,address)", registry::get_channel_address(a, a)},
      {"Registry", "lastNonce()", registry::last_nonce()},
      {"Registry", "isInitialized()", registry::is_initialized()},
      {"Registry", "registerIdentity(address,uint256,uint256,address,bytes)",
       registry::register_identity(a, 0, 0, a, {})},
      {"Registry", "openConsumerChannel(address,uint256,bytes)",
       registry::open_consumer_channel(a, 0, {})},
      {"Registry", "setBeneficiary(address,address,bytes)", registry::set_beneficiary(a, a, {})},
      {"Registry", "registerHermes(address,uint256,uint16,uint256,uint256,bytes)",
       registry::register_hermes(a, 0, 0, 0, 0, "")},
      {"Registry", "updateHermesURL(address,bytes,bytes)", registry::update_hermes_url(a, "", {})},
      {"Registry", "initialize(address,address,uint256,address,address,address)",
       registry::initialize(a, a, 0, a, a, a)},
      {"HermesImplementation", "channels(bytes32)", hermes::channels({})},
      {"HermesImplementation", "lastFee()", hermes::last_fee()},
      {"HermesImplementation", "getActiveFee()", hermes::get_active_fee()},
      {"HermesImplementation", "calculateHermesFee(uint256)", hermes::calculate_hermes_fee(0)},
      {"HermesImplementation", "isHermesActive()", hermes::is_hermes_active()},
      {"HermesImplementation", "getStatus()", hermes::get_status()},
      {"HermesImplementation", "getOperator()", hermes::get_operator()},
      {"HermesImplementation", "getRegistry()", hermes::get_registry()},
      {"HermesImplementation", "getStakeThresholds()", hermes::get_stake_thresholds()},
      {"HermesImplementation", "getHermesStake()", hermes::get_hermes_stake()},
      {"HermesImplementation", "availableBalance()", hermes::available_balance()},
      {"HermesImplementation", "minimalExpectedBalance()", hermes::minimal_expected_balance()},
      {"HermesImplementation", "settlePromise(address,uint256,uint256,bytes32,bytes)",
       hermes::settle_promise(s)},
      {"HermesImplementation",
       "settleWithBeneficiary(address,uint256,uint256,bytes32,bytes,address,bytes)",
       hermes::settle_with_beneficiary(s, a, {})},
      {"HermesImplementation", "payAndSettle(address,uint256,uint256,bytes32,bytes,address,bytes)",
       hermes::pay_and_settle(s, a, {})},
      {"HermesImplementation", "settleIntoStake(address,uint256,uint256,bytes32,bytes)",
       hermes::settle_into_stake(s)},
      {"HermesImplementation", "increaseStake(bytes32,uint256)", hermes::increase_stake({}, 0)},
      {"HermesImplementation", "decreaseStake(address,uint256,uint256,bytes)",
       hermes::decrease_stake(a, 0, 0, {})},
      {"ChannelImplementation", "hermes()", channel::hermes()},
      {"ChannelImplementation", "operator()", channel::operator_key()},
      {"ChannelImplementation", "settlePromise(uint256,uint256,bytes32,bytes)",
       channel::settle_promise(0, 0, {}, {})},
      {"MystToken", "balanceOf(address)", token::balance_of(a)},
      {"MystToken", "allowance(address,address)", token::allowance(a, a)},
      {"MystToken", "totalSupply()", token::total_supply()},
      {"MystToken", "transfer(address,uint256)", token::transfer(a, 0)},
      {"MystToken", "approve(address,uint256)", token::approve(a, 0)},
      {"MystToken", "mint(address,uint256)", token::mint(a, 0)},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(selector_of(c.call), abi[c.contract]["functions"][c.signature].string_or("?"))
        << c.signature;
    const Digest32 hash = keccak256(as_bytes(c.signature));
    EXPECT_EQ(selector_of(c.call), to_data(ByteSpan(hash).first(4))) << c.signature;
  }
}

TEST(Contracts, ReadsMatchTheRecordedCalls) {
  const auto document = vectors("payments.json");
  const Address consumer = address_of("0xd3634502864258bda8a37e446f603783ba7dc28f");
  const Address unknown = address_of("0x1234aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa123412");
  const Address hermes_id = address_of("0xd68defb97d0765741f8ecf179df2f9564e1466a3");
  const Address operator_key = address_of("0x354bd098b4ef8c9e70b7f21be2d455df559705d7");
  std::map<std::string, Bytes> returned;
  std::map<std::string, std::string> asked;
  for (const auto& [name, call] : document.root()["eth_calls"]) {
    (void)name;
    returned[call["label"].string_or("")] = bytes_of(call["result"]);
    asked[call["label"].string_or("")] = call["data"].string_or("");
  }
  EXPECT_EQ(to_data(registry::is_registered(consumer)), asked["isRegistered consumer"]);
  EXPECT_TRUE(*parse_boolean(returned["isRegistered consumer"]));
  EXPECT_FALSE(*parse_boolean(returned["isRegistered unknown"]));
  EXPECT_EQ(to_data(registry::get_beneficiary(unknown)), asked["getBeneficiary unknown"]);
  EXPECT_TRUE(parse_address(returned["getBeneficiary unknown"])->is_zero());
  EXPECT_EQ(*parse_address(returned["getBeneficiary provider"]),
            address_of("0x00000000000000000000000000000000000be2ef"));
  EXPECT_EQ(parse_number(returned["lastNonce"])->to_string(), "2");
  EXPECT_EQ(to_data(registry::is_hermes(hermes_id)), asked["isHermes"]);
  EXPECT_EQ(to_data(registry::get_hermes_url(hermes_id)), asked["getHermesURL"]);
  EXPECT_EQ(*registry::parse_url(returned["getHermesURL"]), "http://hermes:8890");
  const auto record = registry::parse_hermes(returned["getHermes"]);
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(record->operator_key, operator_key);
  EXPECT_TRUE(record->implementation_version.is_zero());
  EXPECT_EQ(record->url, "http://hermes:8890");
  EXPECT_EQ(to_data(registry::get_channel_implementation(0)), asked["getChannelImplementation(0)"]);
  EXPECT_EQ(to_data(registry::get_channel_address(consumer, hermes_id)),
            asked["getChannelAddress"]);
  const auto channel = hermes::parse_channel(returned["hermes channels(provider)"]);
  ASSERT_TRUE(channel.ok());
  EXPECT_EQ(channel->settled.to_string(), "14000000000000000000");
  EXPECT_EQ(channel->stake.to_string(), "8600000000000000000");
  EXPECT_EQ(channel->last_used_nonce, U256(1));
  const auto fee = hermes::parse_fee(returned["hermes lastFee"]);
  ASSERT_TRUE(fee.ok());
  EXPECT_EQ(fee->per_10000, 400);
  EXPECT_EQ(fee->valid_from, 0x6b0117deu);
  EXPECT_EQ(parse_number(returned["calculateHermesFee"])->to_string(), "120000000000000000");
  EXPECT_TRUE(*parse_boolean(returned["isHermesActive"]));
  EXPECT_EQ(*parse_address(returned["getOperator"]), operator_key);
  const auto stake = hermes::parse_stake_thresholds(returned["getStakeThresholds"]);
  ASSERT_TRUE(stake.ok());
  EXPECT_TRUE(stake->min.is_zero());
  EXPECT_EQ(stake->max.to_string(), "62000000000000000000");
  const auto consumer_channel = channel::parse_hermes(returned["channel hermes()"]);
  ASSERT_TRUE(consumer_channel.ok());
  EXPECT_EQ(consumer_channel->operator_key, operator_key);
  EXPECT_EQ(consumer_channel->contract, hermes_id);
  EXPECT_EQ(consumer_channel->settled.to_string(), "5000000000000000000");
  EXPECT_FALSE(channel::parse_hermes(returned["channel hermes() on address without code"]).ok());
  EXPECT_EQ(*parse_address(returned["channel operator()"]), consumer);
  EXPECT_TRUE(parse_number(returned["balanceOf"]).ok());
}

// The transactions that the reference bytecode accepted, decoded by hand and built again.
TEST(Contracts, TransactionsAreThoseTheReferenceAccepted) {
  const auto document = vectors("payments.json");
  std::map<std::string, Bytes> steps;
  for (const auto& [name, step] : document.root()["evm_steps"]) {
    (void)name;
    steps[step["label"].string_or("")] = bytes_of(step["data"]);
  }
  const auto arguments = [&](const char* label) {
    return WordReader(ByteSpan(steps[label]).subspan(4));
  };
  {
    const WordReader w = arguments("registerIdentity");
    EXPECT_EQ(registry::register_identity(*w.address(0), *w.number(1), *w.number(2), *w.address(3),
                                          *w.bytes(4, 65)),
              steps["registerIdentity"]);
  }
  {
    const WordReader w = arguments("openConsumerChannel");
    EXPECT_EQ(registry::open_consumer_channel(*w.address(0), *w.number(1), *w.bytes(2, 65)),
              steps["openConsumerChannel"]);
  }
  {
    const WordReader w = arguments("registerHermes");
    EXPECT_EQ(registry::register_hermes(*w.address(0), *w.number(1),
                                        static_cast<std::uint16_t>(*w.u64(2)), *w.number(3),
                                        *w.number(4), as_text(*w.bytes(5, 100))),
              steps["registerHermes"]);
  }
  {
    const WordReader w = arguments("updateHermesURL");
    EXPECT_EQ(
        registry::update_hermes_url(*w.address(0), as_text(*w.bytes(1, 100)), *w.bytes(2, 65)),
        steps["updateHermesURL"]);
  }
  {
    const WordReader w = arguments("initialize");
    EXPECT_EQ(registry::initialize(*w.address(0), *w.address(1), *w.number(2), *w.address(3),
                                   *w.address(4), *w.address(5)),
              steps["initialize"]);
  }
  const auto settlement = [](const WordReader& w) {
    hermes::Settlement s;
    s.identity = *w.address(0);
    s.amount = *w.number(1);
    s.fee = *w.number(2);
    s.r = *w.word(3);
    s.signature = *signature_from_bytes(*w.bytes(4, 65));
    return s;
  };
  {
    const WordReader w = arguments("hermes settlePromise");
    EXPECT_EQ(hermes::settle_promise(settlement(w)), steps["hermes settlePromise"]);
  }
  {
    const WordReader w = arguments("settleIntoStake");
    EXPECT_EQ(hermes::settle_into_stake(settlement(w)), steps["settleIntoStake"]);
  }
  {
    const WordReader w = arguments("settleWithBeneficiary");
    EXPECT_EQ(hermes::settle_with_beneficiary(settlement(w), *w.address(5), *w.bytes(6, 65)),
              steps["settleWithBeneficiary"]);
  }
  {
    const WordReader w = arguments("payAndSettle");
    EXPECT_EQ(hermes::pay_and_settle(settlement(w), *w.address(5), *w.bytes(6, 65)),
              steps["payAndSettle"]);
  }
  {
    const WordReader w = arguments("decreaseStake");
    EXPECT_EQ(hermes::decrease_stake(*w.address(0), *w.number(1), *w.number(2), *w.bytes(3, 65)),
              steps["decreaseStake"]);
  }
  {
    const WordReader w = arguments("channel settlePromise");
    EXPECT_EQ(channel::settle_promise(*w.number(0), *w.number(1), *w.word(2), *w.bytes(3, 65)),
              steps["channel settlePromise"]);
  }
  {
    const WordReader w = arguments("approve");
    EXPECT_EQ(token::approve(*w.address(0), *w.number(1)), steps["approve"]);
  }
  {
    const WordReader w = arguments("mint");
    EXPECT_EQ(token::mint(*w.address(0), *w.number(1)), steps["mint"]);
  }
}

Log log_of(json::Value value) {
  Log log;
  log.address = address_of(value["address"]);
  for (const auto& [name, topic] : value["topics"]) {
    (void)name;
    log.topics.push_back(test::array_of<32>(topic));
  }
  log.data = bytes_of(value["data"]);
  return log;
}

TEST(Events, TopicsAreTheHashesOfTheirSignatures) {
  EXPECT_EQ(topic::kHermesPromiseSettled,
            keccak256(as_bytes("PromiseSettled(address,bytes32,address,uint256,uint256,bytes32)")));
  EXPECT_EQ(topic::kChannelPromiseSettled,
            keccak256(as_bytes("PromiseSettled(address,uint256,uint256,bytes32)")));
  EXPECT_EQ(topic::kNewStake, keccak256(as_bytes("NewStake(bytes32,uint256)")));
  EXPECT_EQ(topic::kRegisteredIdentity, keccak256(as_bytes("RegisteredIdentity(address,address)")));
  EXPECT_EQ(topic::kBeneficiaryChanged, keccak256(as_bytes("BeneficiaryChanged(address,address)")));
  EXPECT_EQ(topic::kConsumerChannelCreated,
            keccak256(as_bytes("ConsumerChannelCreated(address,address,address)")));
  EXPECT_EQ(topic::kRegisteredHermes,
            keccak256(as_bytes("RegisteredHermes(address,address,bytes)")));
  EXPECT_EQ(topic::kHermesUrlUpdated, keccak256(as_bytes("HermesURLUpdated(address,bytes)")));
  EXPECT_EQ(topic::kTransfer, keccak256(as_bytes("Transfer(address,address,uint256)")));
}

TEST(Events, LogsOfTheReferenceAreRead) {
  const auto document = vectors("payments.json");
  std::size_t settled = 0;
  for (const auto& [name, value] : document.root()["eth_get_logs"]["logs"]) {
    (void)name;
    const auto event = read_hermes_promise_settled(log_of(value));
    ASSERT_TRUE(event.ok());
    EXPECT_EQ(to_data(event->channel_id),
              "0x80be30c5831c01abd59eed6a7f5cd05984bdeff7ef635083634e5a3e8a52f49b");
    if (settled++ == 0) {
      EXPECT_EQ(event->sent_to_beneficiary.to_string(), "2860000000000000000");
      EXPECT_EQ(event->fees.to_string(), "140000000000000000");
      EXPECT_EQ(to_hex(event->r),
                "32fb03946db4ef5458fb01accf277dea4811bdf18168d59b23a7ee57daacbd03");
    }
    EXPECT_FALSE(read_channel_promise_settled(log_of(value)).ok());
  }
  EXPECT_EQ(settled, 3u);
  std::map<std::string, std::size_t> seen;
  for (const auto& [name, step] : document.root()["evm_steps"]) {
    (void)name;
    for (const auto& [inner, value] : step["logs"]) {
      (void)inner;
      const Log log = log_of(value);
      if (const auto e = read_registered_identity(log); e.ok()) {
        ++seen["identity"];
        EXPECT_FALSE(e->identity.is_zero());
      }
      if (const auto e = read_consumer_channel_created(log); e.ok()) ++seen["channel"];
      if (const auto e = read_beneficiary_changed(log); e.ok()) {
        ++seen["beneficiary"];
        EXPECT_EQ(e->beneficiary, address_of("0x00000000000000000000000000000000000be2ef"));
      }
      if (const auto e = read_new_stake(log); e.ok()) ++seen["stake"];
      if (const auto e = read_transfer(log); e.ok()) ++seen["transfer"];
      if (const auto e = read_channel_promise_settled(log); e.ok()) {
        ++seen["channel settled"];
        EXPECT_EQ(e->total_settled.to_string(), "5000000000000000000");
      }
    }
  }
  EXPECT_EQ(seen["identity"], 3u);
  EXPECT_EQ(seen["channel"], 3u);
  EXPECT_EQ(seen["beneficiary"], 1u);
  EXPECT_EQ(seen["stake"], 2u);
  EXPECT_EQ(seen["channel settled"], 1u);
  EXPECT_GT(seen["transfer"], 10u);
}

TEST(Events, OtherShapesAreMalformed) {
  Log log;
  log.topics = {topic::kNewStake};
  log.data = Bytes(32);
  EXPECT_FALSE(read_new_stake(log).ok());  // the channel's topic is missing
  log.topics.emplace_back();
  EXPECT_TRUE(read_new_stake(log).ok());
  log.data.resize(31);
  EXPECT_FALSE(read_new_stake(log).ok());
  log.topics.clear();
  EXPECT_FALSE(read_transfer(log).ok());
}

}  // namespace
}  // namespace myst::chain
