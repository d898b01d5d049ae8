// What a treasury keeps: its actions, done by the node's database.
#include <utility>
#include <vector>

#include "apps/myst/treasurer.hpp"
#include "platform/log/log.hpp"

namespace myst::app {

using namespace core::money;  // NOLINT: every action is from there

void Treasurer::execute(LoadPromises&& action) {
  store_.run<Result<std::vector<StoredPromise>>>(
      [](storage::Tables& tables) { return tables.promises.all(); },
      answerer<std::vector<StoredPromise>>(action.id));
}

void Treasurer::execute(LoadClaims&& action) {
  store_.run<Result<std::vector<Claim>>>(
      [provider = action.provider](storage::Tables& tables) {
        return tables.promises.claims(provider);
      },
      answerer<std::vector<Claim>>(action.id));
}

void Treasurer::execute(StorePromise&& action) {
  store_.run<Status>(
      [a = action, now = loop_.now().wall](storage::Tables& tables) {
        return tables.promises.put(a.promise, a.claimed, now);
      },
      status_answerer(action.id));
}

void Treasurer::execute(StoreOwnPayment&& action) {
  const Address identity = action.record.consumer, hermes = action.hermes;
  const Wei total = action.grand_total;
  const ActionId id = action.id;
  store_.run<Status>(
      [a = std::move(action)](storage::Tables& tables) {
        return tables.money.put_payment(a.record, a.chain, a.hermes, a.grand_total, &a.withdrawal);
      },
      [this, id, identity, hermes, total](const Status& status) {
        if (status.ok()) chains_.promised(identity, hermes, total);
        status_answerer(id)(status);
      });
}

void Treasurer::execute(StoreWithdrawal&& action) {
  store_.run<Status>(
      [one = action.withdrawal](storage::Tables& tables) { return tables.withdrawals.put(one); },
      status_answerer(action.id));
}

void Treasurer::execute(EndWithdrawal&& action) {
  store_.run<Status>([provider = action.provider](
                         storage::Tables& tables) { return tables.withdrawals.remove(provider); },
                     status_answerer(action.id));
}

void Treasurer::execute(LoadWithdrawals&& action) {
  store_.run<Result<std::vector<OpenWithdrawal>>>(
      [](storage::Tables& tables) { return tables.withdrawals.all(); },
      answerer<std::vector<OpenWithdrawal>>(action.id));
}

void Treasurer::execute(LoadOwnPayment&& action) {
  using Found = Result<std::optional<core::PaymentRecord>>;
  store_.run<Found>(
      [provider = action.provider](storage::Tables& tables) {
        return tables.money.own_payment(provider);
      },
      [this, id = action.id](const Found& found) {
        if (!found.ok()) return answer(id, Result<Outcome>(found.error()));
        std::vector<Claim> own;
        if (const auto& one = *found) {
          own.push_back({one->provider, one->agreement, one->total, one->message, one->r});
        }
        answer(id, Outcome(std::move(own)));
      });
}

void Treasurer::execute(LoadPromised&& action) {
  store_.run<Result<Wei>>(
      [a = action](storage::Tables& tables) {
        return tables.money.grand_total(a.chain, a.identity, a.hermes);
      },
      answerer<Wei>(action.id));
}

void Treasurer::execute(StoreSettlement&& action) {
  store_.run<Status>(
      [record = action.record](storage::Tables& tables) { return tables.settlements.put(record); },
      [this, id = action.id](const Status& status) {
        if (!status.ok()) log::warn("settlement not stored", "why", status.error().what);
        status_answerer(id)(status);
      });
}

void Treasurer::execute(LoadPayoutWallet&& action) {
  store_.run<Result<Address>>(
      [provider = action.provider](storage::Tables& tables) {
        return tables.settlements.wallet(provider);
      },
      answerer<Address>(action.id));
}

void Treasurer::execute(StoreOpenSettlement&& action) {
  store_.run<Status>([one = action.settlement](
                         storage::Tables& tables) { return tables.open_settlements.put(one); },
                     status_answerer(action.id));
}

void Treasurer::execute(EndOpenSettlement&& action) {
  store_.run<Status>(
      [a = action](storage::Tables& tables) {
        return tables.open_settlements.remove(a.chain, a.provider, a.hermes, a.amount);
      },
      status_answerer(action.id));
}

void Treasurer::execute(LoadOpenSettlements&& action) {
  store_.run<Result<std::vector<OpenSettlement>>>(
      [](storage::Tables& tables) { return tables.open_settlements.all(); },
      answerer<std::vector<OpenSettlement>>(action.id));
}

}  // namespace myst::app
