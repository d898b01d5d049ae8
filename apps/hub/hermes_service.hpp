// Hermes over HTTP: routes, and the machine of core/hub/hermes carried by a ledger on a worker and
// by the chain. Nodes take the base URL of a Hermes from the registry, which knows only a host:
// their paths begin with /api/v2/ at its root. /hermes/api/v2/ is the same.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "apps/hub/chain_lookup.hpp"
#include "apps/hub/routes.hpp"
#include "core/hub/hermes/audit.hpp"
#include "core/hub/hermes/hermes.hpp"
#include "platform/http/server.hpp"
#include "platform/loop/timer.hpp"
#include "platform/loop/work_queue.hpp"

namespace myst::hub {

class HermesService {
 public:
  static constexpr std::size_t kMaxOperatorsJobs = 16;
  // Key and lookup outlive the service.
  HermesService(platform::Loop& loop, core::hermes::Hermes::Config config,
                const Signer& operator_key, std::unique_ptr<core::hermes::Ledger> ledger,
                ChainLookup& chain);
  ~HermesService();
  HermesService(const HermesService&) = delete;
  HermesService& operator=(const HermesService&) = delete;

  static bool is_ours(std::string_view path);
  static std::vector<RouteName> routes();
  // False: not a path of Hermes, nothing was done. Otherwise the exchange is or will be answered.
  bool handle(const platform::HttpRequest& request, const platform::HttpExchangePtr& exchange);

  // Off the loop's thread, between transactions; `done` in the loop.
  void audit(std::function<void(Result<core::hermes::Audit>)> done);
  // Work on the ledger between transactions.
  template <typename T>
  Status with_ledger(std::function<T(core::hermes::Ledger&)> work, std::function<void(T)> done) {
    // A place is always left for the next batch.
    if (work_.pending() >= kMaxOperatorsJobs) return Error{Errc::Full, 0, "the ledger is busy"};
    return work_.submit_for<T>([ledger = ledger_.get(), work] { return work(*ledger); }, done);
  }
  // What POST /admin/hermes/cash does; false: not now.
  void on_cash(std::function<bool()> cash) { cash_ = std::move(cash); }
  // What is in the queue is committed and answered; then the ledger may be closed.
  void finish();

  const core::hermes::Hermes& machine() const { return machine_; }

 private:
  struct Call {
    std::string_view piece;  // of the path
    const platform::HttpRequest& request;
    const platform::HttpExchangePtr& exchange;
  };
  struct Route {
    std::string_view method, pattern;
    void (*run)(HermesService&, const Call&);
  };
  static const Route kRoutes[8], kAdminRoutes[3];
  template <std::size_t N>
  void route(const Route (&table)[N], std::string_view path, const platform::HttpRequest& request,
             const platform::HttpExchangePtr& exchange);
  template <typename Parsed>
  void take(Parsed parsed, const Call& call);
  void ask(core::hermes::Request request, const platform::HttpExchangePtr& exchange);
  void pump();
  void start_batch();

  platform::Loop& loop_;
  core::hermes::Hermes machine_;
  std::unique_ptr<core::hermes::Ledger> ledger_;
  ChainLookup& chain_;
  platform::Timer timer_;
  platform::WorkQueue work_;
  std::map<core::hermes::RequestId, platform::HttpExchangePtr> open_;  // bounded by the machine
  core::hermes::RequestId next_id_ = 1;
  std::shared_ptr<HermesService*> self_;  // empty once this is gone: for callbacks of the chain
  bool pumping_ = false;
  std::function<bool()> cash_;
};

platform::HttpResponse to_response(const core::hermes::Refusal& refusal);
std::string write_audit(const core::hermes::Audit& audit);

}  // namespace myst::hub
