// The node as the REST API sees it: rest::NodeApi on top of the executor, keystore, market, storage
// and configuration. Belongs to the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/myst/executor.hpp"
#include "core/config/node_config.hpp"
#include "drivers/keystore/keystore.hpp"
#include "drivers/rest/node_api.hpp"

namespace myst::app {

class NodeService final : public rest::NodeApi {
 public:
  struct Parts {
    platform::Loop& loop;
    platform::WorkQueue& work;  // config file writes
    core::NodeConfig& config;
    keystore::Keystore& keystore;
    Executor& executor;
    Tunnels& tunnels;
    HostFacts& facts;
    Market& market;
    storage::Store& store;
    Chains& chains;
    Treasurer& treasurer;
  };
  struct Settings {
    rest::BuildInfo build;
    std::string user_file;       // config-mainnet.toml; empty: it could not be loaded, no saving
    std::function<void()> stop;  // ends the program with exit code 1
    // Before the first service starts: DNS proxy and whatever else a provider needs.
    std::function<void(std::function<void(const Status&)> done)> prepare_provider;
  };

  NodeService(Parts parts, Settings settings);

  // Every event of the node passes through here.
  void on_event(const core::node::Event& event);
  // What the command `service` starts: policies from the configuration, retried by the caller.
  void start_configured_service(const Address& provider, const std::string& type,
                                rest::Done<rest::ServiceInfo> done);

  const rest::BuildInfo& build() const override { return settings_.build; }
  Duration uptime() const override { return parts_.loop.instant() - started_; }
  Now now() const override { return parts_.loop.now(); }
  void stop() override { settings_.stop(); }

  const core::NodeConfig& config() const override { return parts_.config; }
  void change_config(std::vector<rest::ConfigChange> changes,
                     rest::Done<rest::Nothing> done) override;

  std::vector<Address> identities() const override { return parts_.keystore.list(); }
  void create_identity(std::string passphrase, rest::Done<Address> done) override;
  void use_identity(std::optional<Address> id, std::string passphrase,
                    rest::Done<Address> done) override;
  void unlock_identity(const Address& id, std::string passphrase,
                       rest::Done<rest::Nothing> done) override;
  void import_identity(rest::ImportRequest request, rest::Done<Address> done) override;
  void export_identity(const Address& id, std::string new_passphrase,
                       rest::Done<std::string> done) override;
  void identity(const Address& id, rest::Done<rest::IdentityInfo> done) override;
  void registration(const Address& id, rest::Done<rest::Registration> done) override;
  void refresh_balance(const Address& id, rest::Done<Wei> done) override;
  bool has_chain() const override { return parts_.chains.present(); }
  void beneficiary(const Address& id, rest::Done<rest::Beneficiary> done) override;
  void register_identity(const Address& id, rest::RegisterRequest request,
                         rest::Done<bool> done) override;
  void payout_wallet(const Address& id, rest::Done<std::string> done) override;
  void set_payout_wallet(const Address& id, const Address& wallet,
                         rest::Done<rest::Nothing> done) override;
  void settle(const Address& id, std::vector<Address> hermeses, bool wait,
              rest::Done<rest::Nothing> done) override;
  void settle_into_stake(const Address& id, std::vector<Address> hermeses, bool wait,
                         rest::Done<rest::Nothing> done) override;
  void withdraw(rest::WithdrawRequest request, rest::Done<rest::Nothing> done) override;
  void decrease_stake(const Address& id, const Wei& amount,
                      rest::Done<rest::Nothing> done) override;
  void migrate_hermes(const Address& id, rest::Done<rest::Nothing> done) override;
  void migration_needed(const Address& id, rest::Done<bool> done) override;
  void change_beneficiary(const Address& id, std::vector<Address> hermeses,
                          const Address& beneficiary) override;
  rest::BeneficiaryChange beneficiary_change(const Address& id) const override;
  void eligible(std::optional<Address> id, rest::Done<bool> done) override;
  void fees(std::optional<std::int64_t> chain, rest::Done<rest::FeeReport> done) override;
  void token_reward(std::string token, rest::Done<Wei> done) override;
  void settlements(rest::SettlementFilter filter, std::uint32_t limit, std::uint64_t offset,
                   rest::Done<rest::SettlementPage> done) override;

  rest::ConnectionInfo connection(int slot) const override;
  void connect(rest::ConnectRequest request, rest::Done<rest::ConnectionInfo> done) override;
  void disconnect(int slot, rest::Done<rest::Nothing> done) override;
  rest::ConnectionStatistics statistics(std::string_view session_id) const override;
  rest::ConnectionStatistics slot_statistics(int slot) const override;

  void public_ip(int slot, rest::Done<std::string> done) override;
  void location(int slot, rest::Done<rest::Location> done) override;
  void origin_location(rest::Done<rest::Location> done) override;
  void nat_type(rest::Done<std::string> done) override;

  void proposals(core::ProposalFilter filter,
                 rest::Done<std::vector<core::PricedProposal>> done) override;
  std::vector<core::FilterPreset> presets() const override { return presets_.list(); }
  void current_prices(rest::Done<core::PriceSet> done) override;

  std::vector<rest::ServiceInfo> services() const override;
  void start_service(rest::ServiceStart request, rest::Done<rest::ServiceInfo> done) override;
  void stop_service(std::string id, bool keep_user_config, rest::Done<rest::Nothing> done) override;

  void sessions(rest::SessionFilter filter, std::uint32_t limit, std::uint64_t offset,
                rest::Done<rest::SessionPage> done) override;
  void session_stats(rest::SessionFilter filter, rest::Done<rest::SessionStats> done) override;
  void session_stats_daily(rest::SessionFilter filter,
                           rest::Done<std::vector<rest::DayStats>> done) override;
  std::vector<rest::ConnectivityReport> connectivity_reports() const override;

  rest::NodeState state() const override;
  void watch_state(std::function<void()> changed) override { changed_ = std::move(changed); }
  void tell_change() {
    if (changed_) changed_();
  }

 private:
  struct Throughput {
    core::node::TunnelCounters counters;
    Instant at{};
    std::uint64_t sent_bits = 0, received_bits = 0;  // per second
  };
  bool is_idle_proxy(int slot) const;
  void unlocked(const Address& id);
  rest::IdentityInfo known_identity(const Address& id) const;
  void read_chain_of(const Address& id);
  void settle_by(const Address& id, std::vector<Address> hermeses, bool into_stake, bool wait,
                 const char* code, rest::Done<rest::Nothing> done);
  bool pays_now(const Address& id) const;
  void check_consumer(const Address& id, std::function<void()> good,
                      std::function<void(rest::Failure)> bad);
  void connect_now(rest::ConnectRequest request, rest::Done<rest::ConnectionInfo> done);
  rest::ServiceInfo service_info(const core::Node::ServiceView& view) const;
  rest::ConnectionStatistics statistics_of(const core::Node::ConnectionView& view) const;
  std::vector<std::string> default_policies(const std::string& type) const;
  void remember_active_services();
  void start_prepared(const rest::ServiceStart& request, rest::Done<rest::ServiceInfo> done);
  void answer_start(const std::string& id, const std::string& failure);

  Parts parts_;
  Settings settings_;
  Instant started_;
  core::FilterPresets presets_;
  std::function<void()> changed_;
  std::map<int, rest::Done<rest::ConnectionInfo>> connecting_;
  std::map<int, std::vector<rest::Done<rest::Nothing>>> disconnecting_;
  struct Start {
    rest::Done<rest::ServiceInfo> done;
    bool keep_user_config;
  };
  std::map<std::string, Start> starting_;
  std::map<int, Throughput> throughput_;
  std::map<Address, rest::BeneficiaryChange> beneficiary_changes_;  // the last one of each, bounded
  std::optional<rest::Location> origin_;
};

}  // namespace myst::app
