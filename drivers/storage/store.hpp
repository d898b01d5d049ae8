// The node's database behind an ordered worker: the loop never waits for the disk.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/base/result.hpp"
#include "drivers/storage/database.hpp"
#include "drivers/storage/money_store.hpp"
#include "drivers/storage/open_settlement_store.hpp"
#include "drivers/storage/promise_store.hpp"
#include "drivers/storage/registration_store.hpp"
#include "drivers/storage/session_store.hpp"
#include "drivers/storage/withdrawal_store.hpp"
#include "platform/loop/work_queue.hpp"

namespace myst::storage {

struct Tables {
  explicit Tables(Database& database)
      : sessions(database),
        money(database),
        connectivity(database),
        registrations(database),
        promises(database),
        settlements(database),
        withdrawals(database),
        open_settlements(database) {}
  SessionStore sessions;
  MoneyStore money;
  ConnectivityStore connectivity;
  RegistrationStore registrations;
  PromiseStore promises;
  SettlementStore settlements;
  WithdrawalStore withdrawals;
  OpenSettlementStore open_settlements;
};

class Store {
 public:
  static constexpr std::size_t kMaxWaiting = 1024;

  // Opens in the calling thread (start-up waits for it: nothing may run without its history).
  // Errors as Database::open.
  static Result<std::unique_ptr<Store>> open(platform::Loop& loop, const std::string& path,
                                             Database::Opened* opened = nullptr);
  ~Store() { finish(); }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Runs `work` in order with all others; `done` in the loop. T is a Status or a Result; it is
  // Errc::Full when kMaxWaiting jobs wait already, and then nothing was written.
  template <typename T>
  void run(std::function<T(Tables&)> work, std::function<void(T)> done) {
    const Status queued =
        queue_.submit_for<T>([this, work = std::move(work)] { return work(tables_); }, done);
    if (!queued.ok() && done) done(T(queued.error()));
  }
  void finish() { queue_.finish(); }  // blocks until all is on the disk

 private:
  Store(platform::Loop& loop, Database database)
      : database_(std::move(database)), tables_(database_), queue_(loop, kMaxWaiting) {}
  Database database_;
  Tables tables_;
  platform::WorkQueue queue_;
};

}  // namespace myst::storage
