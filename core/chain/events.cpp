#include "core/chain/events.hpp"

#include "core/base/text.hpp"

namespace myst::chain {
namespace {

Word of_hex(std::string_view hex) {
  Word out{};
  const Status status = from_hex(hex, out);
  assert(status.ok());
  (void)status;
  return out;
}

// The topics after the first, one word each; Malformed unless it is this event with so many.
Result<Bytes> indexed(const Log& log, const Word& topic, std::size_t count) {
  if (log.topics.size() != count + 1 || log.topics.front() != topic) {
    return Error{Errc::Malformed, 0, "another event"};
  }
  Bytes out;
  for (std::size_t i = 1; i <= count; ++i) {
    out.insert(out.end(), log.topics[i].begin(), log.topics[i].end());
  }
  return out;
}

Result<RegisteredIdentity> read_two_addresses(const Log& log, const Word& topic) {
  MYST_TRY_ASSIGN(const Bytes topics, indexed(log, topic, 1));
  RegisteredIdentity out;
  MYST_TRY_ASSIGN(out.identity, WordReader(topics).address(0));
  MYST_TRY_ASSIGN(out.beneficiary, WordReader(log.data).address(0));
  return out;
}

}  // namespace

namespace topic {
const Word kHermesPromiseSettled =
    of_hex("be62ac0eb86179a8bcebe2f194ee1a147982a61a2ee67ff7e70b3fad25ec16d7");
const Word kChannelPromiseSettled =
    of_hex("7f7697dfbfc8e203dd21764a16312ebed4de12b161eca0b41922de085b2eccd1");
const Word kNewStake = of_hex("c5f0715c45dab2e8f14871936119e3c64fd5841d397130c2d1db743d142522cb");
const Word kRegisteredIdentity =
    of_hex("efaf768237c22e140a862d5d375ad5c153479fac3f8bcf8b580a1651fd62c3ef");
const Word kBeneficiaryChanged =
    of_hex("768099735d1c322a05a5b9d7b76d99682a1833d3f7055e5ede25e0f2eeaa8c6d");
const Word kConsumerChannelCreated =
    of_hex("2ed7bcf2ff03098102c7003d7ce2a633e4b49b8198b07de5383cdf4c0ab9228b");
const Word kRegisteredHermes =
    of_hex("f06d60cc2f463635fd237ad87f1d007af54840b82e7e4561707b1be63d91c260");
const Word kHermesUrlUpdated =
    of_hex("d8c638c85547b8717e0d5ca292cff6dbe8fc02fa6e6863a047971c39511643c7");
const Word kTransfer = of_hex("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
}  // namespace topic

Result<HermesPromiseSettled> read_hermes_promise_settled(const Log& log) {
  MYST_TRY_ASSIGN(const Bytes topics, indexed(log, topic::kHermesPromiseSettled, 3));
  const WordReader words(topics);
  const WordReader data(log.data);
  HermesPromiseSettled out;
  MYST_TRY_ASSIGN(out.identity, words.address(0));
  MYST_TRY_ASSIGN(out.channel_id, words.word(1));
  MYST_TRY_ASSIGN(out.beneficiary, words.address(2));
  MYST_TRY_ASSIGN(out.sent_to_beneficiary, data.number(0));
  MYST_TRY_ASSIGN(out.fees, data.number(1));
  MYST_TRY_ASSIGN(out.r, data.word(2));
  return out;
}

Result<ChannelPromiseSettled> read_channel_promise_settled(const Log& log) {
  MYST_TRY(indexed(log, topic::kChannelPromiseSettled, 0));
  const WordReader data(log.data);
  ChannelPromiseSettled out;
  MYST_TRY_ASSIGN(out.beneficiary, data.address(0));
  MYST_TRY_ASSIGN(out.amount, data.number(1));
  MYST_TRY_ASSIGN(out.total_settled, data.number(2));
  MYST_TRY_ASSIGN(out.r, data.word(3));
  return out;
}

Result<NewStake> read_new_stake(const Log& log) {
  MYST_TRY_ASSIGN(const Bytes topics, indexed(log, topic::kNewStake, 1));
  NewStake out;
  MYST_TRY_ASSIGN(out.channel_id, WordReader(topics).word(0));
  MYST_TRY_ASSIGN(out.stake, WordReader(log.data).number(0));
  return out;
}

Result<RegisteredIdentity> read_registered_identity(const Log& log) {
  return read_two_addresses(log, topic::kRegisteredIdentity);
}

Result<RegisteredIdentity> read_beneficiary_changed(const Log& log) {
  return read_two_addresses(log, topic::kBeneficiaryChanged);
}

Result<ConsumerChannelCreated> read_consumer_channel_created(const Log& log) {
  MYST_TRY_ASSIGN(const Bytes topics, indexed(log, topic::kConsumerChannelCreated, 2));
  const WordReader words(topics);
  ConsumerChannelCreated out;
  MYST_TRY_ASSIGN(out.identity, words.address(0));
  MYST_TRY_ASSIGN(out.hermes, words.address(1));
  MYST_TRY_ASSIGN(out.channel, WordReader(log.data).address(0));
  return out;
}

Result<Transfer> read_transfer(const Log& log) {
  MYST_TRY_ASSIGN(const Bytes topics, indexed(log, topic::kTransfer, 2));
  const WordReader words(topics);
  Transfer out;
  MYST_TRY_ASSIGN(out.from, words.address(0));
  MYST_TRY_ASSIGN(out.to, words.address(1));
  MYST_TRY_ASSIGN(out.amount, WordReader(log.data).number(0));
  return out;
}

}  // namespace myst::chain
