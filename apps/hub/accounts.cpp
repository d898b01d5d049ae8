#include "apps/hub/accounts.hpp"

#include <utility>

namespace myst::hub {

Accounts::Accounts(platform::Loop& loop, const Signer& key, Chains& chains,
                   storage::TransactionStore store)
    : loop_(loop), key_(key), chains_(chains), store_(std::move(store)), work_(loop, 4096) {}

Accounts::~Accounts() = default;

Status Accounts::open(const std::map<std::uint64_t, chain::AccountQueue::Config>& configs) {
  for (auto& [id, chain] : chains_.all()) {
    MYST_TRY_ASSIGN(auto loaded, store_.load({id, key_.address()}));
    const auto config = configs.find(id);
    ethereum::Account::Stored stored;
    stored.open = std::move(loaded.open);
    stored.next_nonce = loaded.next_nonce;
    accounts_[id] = std::make_unique<ethereum::Account>(
        loop_, *chain.client, key_,
        config == configs.end() ? chain::AccountQueue::Config{} : config->second, std::move(stored),
        [this, chain_id = id](const chain::TransactionRecord& record,
                              std::function<void(const Status&)> done) {
          persist(chain_id, record, std::move(done));
        },
        [this, chain_id = id](const chain::AccountQueue::Event& event) {
          on_event(chain_id, event);
        });
  }
  return {};
}

Status Accounts::submit(std::uint64_t chain, chain::AccountQueue::Wish wish) {
  const auto account = accounts_.find(chain);
  if (account == accounts_.end()) return Error{Errc::NotFound, 0, "a chain that is not served"};
  return account->second->submit(std::move(wish));
}

Result<std::optional<chain::TransactionRecord>> Accounts::find(std::uint64_t chain,
                                                               const std::string& wish) {
  return store_.find({chain, key_.address()}, wish);
}

const chain::TransactionRecord* Accounts::find_open(std::uint64_t chain,
                                                    const std::string& wish) const {
  const chain::AccountQueue* known = queue(chain);
  return known == nullptr ? nullptr : known->find(wish);
}

const chain::AccountQueue* Accounts::queue(std::uint64_t chain) const {
  const auto account = accounts_.find(chain);
  return account == accounts_.end() ? nullptr : &account->second->queue();
}

std::size_t Accounts::waiting() const {
  std::size_t out = 0;
  for (const auto& [chain, account] : accounts_) out += account->queue().waiting();
  return out;
}

std::size_t Accounts::pending() const {
  std::size_t out = 0;
  for (const auto& [chain, account] : accounts_) out += account->queue().pending();
  return out;
}

void Accounts::persist(std::uint64_t chain, const chain::TransactionRecord& record,
                       std::function<void(const Status&)> done) {
  const Status queued = work_.submit_for<Status>(
      [this, chain, record] {
        return store_.put({chain, key_.address()}, record);
      },
      [this, record, done](const Status& status) {
        if (status.ok() && chain::is_final(record.state)) finals_[record.id] = record;
        done(status);
        finals_.erase(record.id);  // its event, if any, has come by now
      });
  if (queued.ok()) return;
  // Never from inside the call.
  (void)loop_.post([done, error = queued.error()] { done(error); });
}

void Accounts::on_event(std::uint64_t chain, const chain::AccountQueue::Event& event) {
  if (!event.stored.ok()) {
    if (handlers_.lost) handlers_.lost(event.id, event.stored.error());
    return;
  }
  if (!handlers_.transaction) return;
  if (const auto final = finals_.find(event.id); final != finals_.end()) {
    handlers_.transaction(final->second);
  } else if (const auto* record = accounts_.at(chain)->queue().find(event.id)) {
    handlers_.transaction(*record);
  }
}

}  // namespace myst::hub
