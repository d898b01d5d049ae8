#include "drivers/ethereum/account.hpp"

#include <utility>

#include "drivers/ethereum/codec.hpp"
#include "drivers/ethereum/reader.hpp"

namespace myst::ethereum {
namespace {

using chain::AccountQueue;
using Done = RpcClient::Done;

constexpr unsigned kFeeBlocks = 10;
constexpr unsigned kFeePercentile = 50;

AccountQueue::Config with_chain(AccountQueue::Config config, const RpcClient& client) {
  config.chain_id = client.chain_id();
  return config;
}

// The error of an answer that is there but cannot be read, or is not there.
template <typename T>
std::optional<Error> take(const Done& done, Result<T> (*read)(std::string_view), T& out) {
  if (!done.result) return error_of(done);
  Result<T> value = read(*done.result);
  if (!value.ok()) return value.error();
  out = std::move(*value);
  return std::nullopt;
}

std::optional<AccountQueue::Refusal> refusal_of(const Done& done) {
  // What an endpoint says for itself is not the chain's word.
  if (!done.refused || !chain::is_final(*done.refused)) return std::nullopt;
  return AccountQueue::Refusal{*done.refused, text_of(done)};
}

}  // namespace

Account::Account(platform::Loop& loop, RpcClient& client, const Signer& signer,
                 AccountQueue::Config config, Stored stored, Persist persist, OnEvent on_event)
    : loop_(loop),
      client_(client),
      fees_(config.fees),
      queue_(with_chain(std::move(config), client), signer, std::move(stored.open),
             stored.next_nonce, loop.now()),
      persist_(std::move(persist)),
      on_event_(std::move(on_event)),
      timer_(loop, [this] { run([this](Queue& queue) { queue.handle_timeout(loop_.now()); }); }) {
  timer_.arm(loop.instant());  // what was open goes on, from the loop
}

Account::~Account() = default;

Status Account::submit(AccountQueue::Wish wish) {
  const Status status = queue_.submit(loop_.now(), std::move(wish));
  if (status.ok()) timer_.arm(loop_.instant());  // no event from inside the call
  return status;
}

void Account::drain() {
  if (draining_) return;
  draining_ = true;
  for (;;) {
    if (auto action = queue_.poll_action()) {
      std::visit([this](auto&& a) { execute(std::move(a)); }, std::move(*action));
      continue;
    }
    auto event = queue_.poll_event();
    if (!event) break;
    if (on_event_) on_event_(*event);
  }
  draining_ = false;
  timer_.arm(queue_.next_timeout());
}

void Account::execute(Queue::Store&& action) {
  persist_(action.record,
           [this, id = action.id, alive = std::weak_ptr<Alive>(alive_)](const Status& status) {
             if (alive.expired()) return;
             run([&](Queue& queue) { queue.handle_stored(loop_.now(), id, status); });
           });
}

void Account::ask_fees(std::function<void(const std::optional<chain::Fees>&)> done) {
  client_.call("eth_feeHistory", fee_history_params(kFeeBlocks, kFeePercentile),
               [this, done = std::move(done), alive = std::weak_ptr<Alive>(alive_)](Done answer) {
                 if (alive.expired()) return;
                 chain::FeeHistory history;
                 if (!take(answer, read_fee_history, history)) {
                   if (const auto fees = chain::suggest(history, fees_)) return done(fees);
                 }
                 // A chain without base fees, or a server without the method.
                 client_.call("eth_gasPrice", "[]", [this, done, alive](Done price) {
                   if (alive.expired()) return;
                   U256 value;
                   if (take(price, read_quantity, value)) return done(std::nullopt);
                   done(chain::suggest_legacy(value, fees_));
                 });
               });
}

void Account::execute(Queue::Prepare&& action) {
  struct Parts {
    int missing = 0;
    AccountQueue::Prepared prepared;
    std::optional<AccountQueue::Refusal> refusal;
    std::optional<Error> error;
  };
  auto parts = std::make_shared<Parts>();
  parts->missing = action.estimate ? 4 : 3;
  const auto one_more = [this, parts, id = action.id, alive = std::weak_ptr<Alive>(alive_)] {
    if (alive.expired() || --parts->missing > 0) return;
    run([&](Queue& queue) {
      if (!parts->refusal && !parts->error) {
        queue.handle_prepared(loop_.now(), id, parts->prepared);
      } else {
        queue.handle_not_prepared(loop_.now(), id, parts->refusal ? &*parts->refusal : nullptr,
                                  parts->error.value_or(Error{}));
      }
    });
  };
  const Address account = queue_.account();
  if (action.estimate) {
    client_.call("eth_estimateGas", estimate_params(account, action.to, action.value, action.data),
                 [parts, one_more](Done done) {
                   parts->refusal = refusal_of(done);
                   if (const auto error = take(done, read_u64, parts->prepared.gas)) {
                     parts->error = error;
                   }
                   one_more();
                 });
  }
  for (const BlockTag tag : {BlockTag::Latest, BlockTag::Pending}) {
    client_.call(
        "eth_getTransactionCount", address_params(account, tag), [parts, one_more, tag](Done done) {
          auto& count =
              tag == BlockTag::Latest ? parts->prepared.mined_nonce : parts->prepared.pending_nonce;
          if (const auto error = take(done, read_u64, count)) parts->error = error;
          one_more();
        });
  }
  ask_fees([parts, one_more](const std::optional<chain::Fees>& fees) {
    if (fees) {
      parts->prepared.fees = *fees;
    } else {
      parts->error = Error{Errc::Unavailable, 0, "the price of gas is not known"};
    }
    one_more();
  });
}

void Account::execute(Queue::Send&& action) {
  client_.call("eth_sendRawTransaction", data_params(action.raw),
               [this, id = action.id, alive = std::weak_ptr<Alive>(alive_)](Done done) {
                 if (alive.expired()) return;
                 run([&](Queue& queue) {
                   if (done.result) return queue.handle_sent(loop_.now(), id);
                   const auto refusal = refusal_of(done);
                   queue.handle_not_sent(loop_.now(), id, refusal ? &*refusal : nullptr,
                                         error_of(done));
                 });
               });
}

void Account::execute(Queue::Poll&& action) {
  struct Parts {
    std::size_t missing = 0;
    AccountQueue::Polled polled;
    std::optional<Error> error;
  };
  auto parts = std::make_shared<Parts>();
  parts->missing = 3 + action.hashes.size();
  parts->polled.receipts.resize(action.hashes.size());
  const auto one_more = [this, parts, id = action.id, alive = std::weak_ptr<Alive>(alive_)] {
    if (alive.expired() || --parts->missing > 0) return;
    run([&](Queue& queue) {
      if (parts->error) return queue.handle_not_polled(loop_.now(), id, *parts->error);
      queue.handle_polled(loop_.now(), id, parts->polled);
    });
  };
  client_.call("eth_blockNumber", "[]", [parts, one_more](Done done) {
    if (const auto error = take(done, read_u64, parts->polled.head)) parts->error = error;
    one_more();
  });
  client_.call("eth_getTransactionCount", address_params(queue_.account(), BlockTag::Latest),
               [parts, one_more](Done done) {
                 if (const auto error = take(done, read_u64, parts->polled.mined_nonce)) {
                   parts->error = error;
                 }
                 one_more();
               });
  for (std::size_t i = 0; i < action.hashes.size(); ++i) {
    client_.call("eth_getTransactionReceipt", hash_params(action.hashes[i]),
                 [parts, one_more, i](Done done) {
                   if (const auto error = take(done, read_receipt, parts->polled.receipts[i])) {
                     parts->error = error;
                   }
                   one_more();
                 });
  }
  ask_fees([parts, one_more](const std::optional<chain::Fees>& fees) {
    parts->polled.fees = fees;
    one_more();
  });
}

}  // namespace myst::ethereum
