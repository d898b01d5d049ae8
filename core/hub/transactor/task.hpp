// One thing a node asked a transactor to put on the chain, from acceptance to outcome.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "core/base/u256.hpp"
#include "core/crypto/digest.hpp"
#include "core/identity/address.hpp"

namespace myst::core::transactor {

enum class Kind : std::uint8_t {  // the numbers are stored
  Register = 0,
  OpenChannel = 1,
  Settle = 2,
  SettleWithBeneficiary = 3,
  SettleIntoStake = 4,
  PayAndSettle = 5,
  DecreaseStake = 6,
  Cash = 7,  // consumers' promises, for Hermes itself
};

enum class TaskState : std::uint8_t { Queued = 0, Done = 1, Failed = 2 };  // the numbers are stored

struct Task {
  std::string id;  // of what was asked: the same request again is the same task
  Kind kind = Kind::Settle;
  std::uint64_t chain = 0;
  Address identity;
  Address hermes;
  // The transaction.
  Address to;
  Bytes data;
  // Register: the future channel has to hold `amount`; zero: not checked. OpenChannel: the channel;
  // zero: of a Hermes with its own implementation, which the chain knows.
  Address channel;
  // Settlements: `amount` of this channel is settled when another transaction has done it.
  Digest32 channel_id{};
  Wei amount;
  bool free = false;  // nobody pays us for it

  unsigned attempt = 1;  // of a task that failed and was asked for again
  TaskState state = TaskState::Queued;
  std::string reason;  // why it waits, or why it failed: for its owner
  Digest32 tx_hash{};  // of the transaction that did it, or tried; zero: none
  WallTime created{};
  WallTime updated{};

  // How the queue of transactions knows it.
  std::string wish_id() const { return id + "." + std::to_string(attempt); }
};

}  // namespace myst::core::transactor
