// What contracts return and log: words, dynamic tails, revert reasons, events.
#include "core/chain/abi.hpp"
#include "core/chain/contracts.hpp"
#include "core/chain/events.hpp"
#include "tests/fuzz/fuzz_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  using namespace myst::chain;
  const ByteSpan bytes(data, size);
  const WordReader words(bytes);
  for (std::size_t i = 0; i <= words.words() && i < 8; ++i) {
    (void)words.boolean(i);
    (void)words.address(i);
    if (const auto number = words.number(i); number.ok()) {
      // Numbers survive both of their texts.
      fuzz::require(*parse_quantity(to_quantity(*number)) == *number);
    }
    if (const auto tail = words.bytes(i, 100); tail.ok()) fuzz::require(tail->size() <= 100);
    if (const auto tuple = words.tuple(i); tuple.ok())
      fuzz::require(tuple->words() <= words.words());
  }
  for (const char c : revert_reason(bytes)) fuzz::require(c >= ' ' && c <= '~');
  if (const auto record = registry::parse_hermes(bytes); record.ok()) {
    fuzz::require(record->url.size() <= 2048);
  }
  (void)registry::parse_url(bytes);
  (void)hermes::parse_channel(bytes);
  if (const auto fee = hermes::parse_fee(bytes); fee.ok()) fuzz::require(fee->per_10000 <= 10000);
  (void)hermes::parse_stake_thresholds(bytes);
  (void)hermes::parse_state(bytes);
  (void)channel::parse_hermes(bytes);

  // A log: the first byte says which event, the next so many topics, the rest is data.
  fuzz::FuzzInput input(data, size);
  static const Word* const kTopics[] = {&topic::kHermesPromiseSettled,
                                        &topic::kChannelPromiseSettled,
                                        &topic::kNewStake,
                                        &topic::kRegisteredIdentity,
                                        &topic::kBeneficiaryChanged,
                                        &topic::kConsumerChannelCreated,
                                        &topic::kTransfer};
  Log log;
  log.topics.push_back(*kTopics[input.byte() % 7]);
  for (int more = input.byte() % 4; more > 0; --more) {
    Word topic{};
    for (std::size_t i = 12; i < topic.size(); ++i) topic[i] = input.byte();
    topic[0] = static_cast<std::uint8_t>(input.byte() % 2);
    log.topics.push_back(topic);
  }
  log.data = to_bytes(input.all());
  (void)read_hermes_promise_settled(log);
  (void)read_channel_promise_settled(log);
  (void)read_new_stake(log);
  (void)read_registered_identity(log);
  (void)read_beneficiary_changed(log);
  (void)read_consumer_channel_created(log);
  (void)read_transfer(log);
  return 0;
}
