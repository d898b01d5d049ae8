// A NodeApi that does what a test tells it: canned values, recorded calls, answers kept for later.
#pragma once

#include <string>
#include <vector>

#include "drivers/rest/node_api.hpp"

namespace myst::test {

class FakeNode : public rest::NodeApi {
 public:
  FakeNode();

  // What the operations give.
  core::NodeConfig configuration{{"/home/u", "/opt"}};
  rest::BuildInfo build_info{"0.1.0", "abcdef12", "main", "7"};
  Now clock{};
  std::vector<Address> keystore;
  rest::IdentityInfo identity_info;
  rest::ConnectionInfo connection_info;
  rest::ConnectionStatistics connection_statistics;
  std::vector<rest::ServiceInfo> running;
  std::vector<core::PricedProposal> market;
  std::vector<rest::SessionRecord> history;  // newest first
  rest::SessionStats totals;
  std::vector<rest::DayStats> days;
  rest::NodeState snapshot;
  std::optional<rest::Failure> failure;  // set: every operation with a Done fails with it
  rest::Location place;

  // What was asked.
  int stops = 0;
  std::string passphrase;
  std::optional<rest::ConnectRequest> connect_request;
  rest::Done<rest::ConnectionInfo> pending_connect;  // kept when hold_connect
  bool hold_connect = false;
  std::optional<rest::ServiceStart> service_start;
  std::string stopped_service;
  core::ProposalFilter proposal_filter;
  rest::SessionFilter session_filter;
  std::uint32_t largest_limit = 0;
  std::optional<rest::ImportRequest> import_request;
  std::function<void()> state_watcher;
  int disconnected_slot = -1;

  const rest::BuildInfo& build() const override { return build_info; }
  Duration uptime() const override { return std::chrono::milliseconds{1500}; }
  Now now() const override { return clock; }
  void stop() override { ++stops; }
  const core::NodeConfig& config() const override { return configuration; }
  void change_config(std::vector<rest::ConfigChange> changes,
                     rest::Done<rest::Nothing> done) override;
  std::vector<Address> identities() const override { return keystore; }
  void create_identity(std::string phrase, rest::Done<Address> done) override;
  void use_identity(std::optional<Address> id, std::string phrase,
                    rest::Done<Address> done) override;
  void unlock_identity(const Address& id, std::string phrase,
                       rest::Done<rest::Nothing> done) override;
  void import_identity(rest::ImportRequest request, rest::Done<Address> done) override;
  void export_identity(const Address& id, std::string phrase,
                       rest::Done<std::string> done) override;
  void identity(const Address& id, rest::Done<rest::IdentityInfo> done) override;
  void registration(const Address& id, rest::Done<rest::Registration> done) override;
  void refresh_balance(const Address& id, rest::Done<Wei> done) override;
  rest::ConnectionInfo connection(int) const override { return connection_info; }
  void connect(rest::ConnectRequest request, rest::Done<rest::ConnectionInfo> done) override;
  void disconnect(int slot, rest::Done<rest::Nothing> done) override;
  rest::ConnectionStatistics statistics(std::string_view) const override {
    return connection_statistics;
  }
  rest::ConnectionStatistics slot_statistics(int) const override { return connection_statistics; }
  void public_ip(int slot, rest::Done<std::string> done) override;
  void location(int slot, rest::Done<rest::Location> done) override;
  void origin_location(rest::Done<rest::Location> done) override;
  void nat_type(rest::Done<std::string> done) override;
  void proposals(core::ProposalFilter filter,
                 rest::Done<std::vector<core::PricedProposal>> done) override;
  std::vector<core::FilterPreset> presets() const override { return core::FilterPresets().list(); }
  void current_prices(rest::Done<core::PriceSet> done) override;
  std::vector<rest::ServiceInfo> services() const override { return running; }
  void start_service(rest::ServiceStart request, rest::Done<rest::ServiceInfo> done) override;
  void stop_service(std::string id, bool keep, rest::Done<rest::Nothing> done) override;
  void sessions(rest::SessionFilter filter, std::uint32_t limit, std::uint64_t offset,
                rest::Done<rest::SessionPage> done) override;
  void session_stats(rest::SessionFilter filter, rest::Done<rest::SessionStats> done) override;
  void session_stats_daily(rest::SessionFilter filter,
                           rest::Done<std::vector<rest::DayStats>> done) override;
  rest::NodeState state() const override { return snapshot; }
  void watch_state(std::function<void()> changed) override { state_watcher = std::move(changed); }

 private:
  template <typename T>
  void give(const rest::Done<T>& done, T value) {
    if (failure) {
      done(*failure);
    } else {
      done(std::move(value));
    }
  }
};

// The proposal of the golden bodies, and the identities in them.
core::PricedProposal golden_proposal();
Address golden_provider();
Address golden_consumer();
Address golden_hermes();

}  // namespace myst::test
