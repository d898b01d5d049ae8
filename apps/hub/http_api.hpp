// What the hub answers over HTTP, as a function of request and state: discovery API, location,
// access policies, empty but valid quality answers, the network document, its own status.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "apps/hub/options.hpp"
#include "apps/hub/policies.hpp"
#include "apps/hub/routes.hpp"
#include "core/base/rng.hpp"
#include "core/base/time.hpp"
#include "core/broker/address.hpp"
#include "core/hub/gate.hpp"
#include "core/hub/hermes/hermes.hpp"
#include "core/hub/location_table.hpp"
#include "core/hub/price_board.hpp"
#include "core/hub/proposal_index.hpp"
#include "core/hub/transactor/transactor.hpp"
#include "platform/http/message.hpp"

namespace myst::hub {

// What GET /status says besides the index.
struct HubStatus {
  bool broker_connected = false;  // to nats-server, as a reader of proposals
  std::string broker_problem;     // why not; empty when connected
  std::size_t broker_clients = 0;
  std::uint64_t broker_turned_away = 0;
  core::GateCounters gate;
  std::uint64_t proposals_refused = 0;  // messages that were no acceptable proposal
  std::int64_t uptime_seconds = 0;
  std::string data_problem;                              // the data folder cannot be written
  std::optional<core::hermes::Hermes::Counters> hermes;  // nullopt: it does not run here
  std::size_t hermes_waiting = 0;
  std::string hermes_problem;
  std::optional<core::transactor::Transactor::Counters> transactor;  // nullopt: not here
  std::size_t transactor_open = 0;
  std::string transactor_account;
  std::size_t transactions_waiting = 0, transactions_pending = 0;
};

class HttpApi {
 public:
  HttpApi(const Options& options, const core::ProposalIndex& index,
          const core::LocationTable& locations, const Policies& policies,
          const core::PriceBoard& prices, Rng& rng, std::function<HubStatus()> status);
  // The contracts of the network document, from the base URL of this hub; empty: no chain.
  void set_contracts(std::function<std::string(const std::string& base)> contracts) {
    contracts_ = std::move(contracts);
  }

  platform::HttpResponse answer(Now now, const platform::HttpRequest& request) const;
  static std::vector<RouteName> routes();

 private:
  struct Call {
    Now now;
    std::string_view piece;  // of the path
    const platform::HttpRequest& request;
    std::string_view body;  // of the answer, where it is always the same
  };
  struct Route {
    std::string_view method, pattern;
    platform::HttpResponse (*run)(const HttpApi&, const Call&);
    std::string_view body = {};
  };
  static const Route kRoutes[34];
  static platform::HttpResponse fixed(const HttpApi&, const Call& call);
  platform::HttpResponse proposals(const Call& call) const;
  platform::HttpResponse countries(const Call& call) const;
  platform::HttpResponse metadata(const Call& call) const;
  platform::HttpResponse location(const Call& call) const;
  platform::HttpResponse ip(const Call& call) const;
  platform::HttpResponse policies(const Call& call) const;
  platform::HttpResponse network(const platform::HttpRequest& request) const;
  platform::HttpResponse status(Now now) const;
  IpAddress caller(const platform::HttpRequest& request) const;

  const Options& options_;
  const core::ProposalIndex& index_;
  const core::LocationTable& locations_;
  const Policies& policies_;
  const core::PriceBoard& prices_;
  Rng& rng_;
  std::function<HubStatus()> status_;
  std::function<std::string(const std::string& base)> contracts_;
};

}  // namespace myst::hub
