// myst-hub composed: broker gate, reader of proposals, HTTP API, STUN, open-port check, store.
// Everything that listens does so when start() returns; nats-server may come later.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/hub/answer_sender.hpp"
#include "apps/hub/broker_gate.hpp"
#include "apps/hub/http_api.hpp"
#include "apps/hub/log.hpp"
#include "apps/hub/money.hpp"
#include "apps/hub/options.hpp"
#include "apps/hub/policies.hpp"
#include "core/hub/proposal_index.hpp"
#include "core/hub/proposal_intake.hpp"
#include "core/hub/udp_services.hpp"
#include "drivers/nats/client.hpp"
#include "drivers/storage/hub_store.hpp"
#include "platform/http/server.hpp"
#include "platform/loop/timer.hpp"
#include "platform/loop/work_queue.hpp"
#include "platform/net/udp_socket.hpp"

namespace myst::hub {

class Hub {
 public:
  // The text of an error is one sentence for the operator.
  struct StartError {
    std::string line;
  };
  static std::variant<std::unique_ptr<Hub>, StartError> start(platform::Loop& loop, Rng& rng,
                                                              const Options& options, Log log);
  // Every call that is served over HTTP.
  static std::vector<RouteName> routes();
  static constexpr std::size_t kMaxBody = 256 * 1024;  // of an HTTP request

  ~Hub();
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  void reload();  // policies, country database, prices; what does not load leaves the old in place
  void shutdown();  // writes what is unwritten; afterwards only the destructor

  Endpoint http() const { return http_->local(); }
  std::optional<Endpoint> broker() const;
  std::optional<Endpoint> stun() const;
  std::optional<Endpoint> port_check() const;
  const core::ProposalIndex& index() const { return index_; }
  bool broker_connected() const {
    return broker_ != nullptr && broker_->connected();
  }  // to nats-server

 private:
  Hub(platform::Loop& loop, Rng& rng, const Options& options, Log log);
  std::optional<std::string> open_all();
  std::optional<std::string> open_store();
  std::optional<std::string> open_udp();
  std::optional<std::string> load_places(core::LocationTable& table) const;
  std::optional<std::string> load_prices();
  void connect_broker();
  void on_proposal(const nats::Message& message);
  Status take_proposal(const nats::Message& message);
  void remember(const core::ProposalIndex::Key& key, std::optional<storage::HubStore::Row> row);
  void sweep();
  void flush();
  HubStatus status() const;

  platform::Loop& loop_;
  Rng& rng_;
  const Options options_;
  const Log log_;
  const Instant started_;
  core::ProposalIndex index_;
  core::ProposalIntake intake_;
  core::LocationTable locations_;
  Policies policies_;
  core::PriceBoard prices_;
  HttpApi api_;
  AnswerSender answers_;
  std::unique_ptr<Money> money_;  // nullptr: a network without a chain

  std::optional<platform::HttpServer> http_;
  std::unique_ptr<BrokerGate> gate_;
  std::unique_ptr<nats::Client> broker_;
  std::string broker_problem_ = "not connected yet";
  std::uint64_t refused_ = 0;
  std::string first_refusal_;  // of the time since the last sweep: one line a sweep at most

  std::optional<platform::UdpSocket> stun_, port_check_, port_check_reply_;
  core::ProbeLimiter stun_limiter_{2000}, probe_limiter_{600};
  platform::Timer sweep_timer_, flush_timer_;

  std::unique_ptr<storage::HubStore> store_;  // used by the work queue only, once it runs
  std::unique_ptr<platform::WorkQueue> work_;
  // What is to be written: provider and service -> announcement, nullopt: gone.
  std::map<core::ProposalIndex::Key, std::optional<storage::HubStore::Row>> unwritten_;
  bool writing_ = false;
  std::string data_problem_;
};

}  // namespace myst::hub
