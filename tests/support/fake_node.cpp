#include "tests/support/fake_node.hpp"

#include <algorithm>

namespace myst::test {

using namespace rest;

Address golden_provider() { return *Address::parse("0x53a835143c0ef3bbcbfa796d7eb738ca7dd28f68"); }
Address golden_consumer() { return *Address::parse("0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"); }
Address golden_hermes() { return *Address::parse("0x80Ed28d84792d8b153bf2F25F0C4B7a1381dE4ab"); }

core::PricedProposal golden_proposal() {
  core::PricedProposal out;
  out.proposal.provider_id = golden_provider().to_string();
  out.proposal.service_type = "wireguard";
  out.proposal.location = {"EU", "LT", "Vilnius", "Vilnius", 8764, "Telia & Co", "residential"};
  out.proposal.access_policies = std::vector<core::AccessPolicyRef>{{"mysterium", "https://x/y"}};
  out.proposal.quality.quality = 2.25;
  out.proposal.quality.latency = 33.5;
  out.proposal.quality.bandwidth = 12.75;
  out.proposal.quality.uptime = 24;
  out.price = {*Wei::parse("60000000000000"), *Wei::parse("100000000000000000")};
  return out;
}

FakeNode::FakeNode() {
  clock.wall = WallTime(std::chrono::seconds{1700000000});
  keystore = {golden_provider(), golden_consumer()};
  identity_info.id = golden_provider();
  identity_info.registration = Registration::Registered;
}

void FakeNode::change_config(std::vector<ConfigChange> changes, Done<Nothing> done) {
  for (ConfigChange& change : changes) {
    if (!change.value) {
      configuration.remove_user_value(change.key);
    } else if (const Status status = configuration.set_user_value(change.key, *change.value);
               !status.ok()) {
      return done(Failure{500, "err_config_save", status.error().what});
    }
  }
  give<Nothing>(done, {});
}

void FakeNode::create_identity(std::string phrase, Done<Address> done) {
  passphrase = std::move(phrase);
  give(done, golden_consumer());
}
void FakeNode::use_identity(std::optional<Address> id, std::string phrase, Done<Address> done) {
  passphrase = std::move(phrase);
  give(done, id.value_or(keystore.front()));
}
void FakeNode::unlock_identity(const Address&, std::string phrase, Done<Nothing> done) {
  passphrase = std::move(phrase);
  give<Nothing>(done, {});
}
void FakeNode::import_identity(ImportRequest request, Done<Address> done) {
  import_request = std::move(request);
  give(done, golden_consumer());
}
void FakeNode::export_identity(const Address&, std::string phrase, Done<std::string> done) {
  passphrase = std::move(phrase);
  give<std::string>(done, R"({"version":3})");
}
void FakeNode::identity(const Address&, Done<IdentityInfo> done) { give(done, identity_info); }
void FakeNode::registration(const Address&, Done<Registration> done) {
  give(done, identity_info.registration);
}
void FakeNode::refresh_balance(const Address&, Done<Wei> done) {
  give(done, identity_info.balance);
}
void FakeNode::connect(ConnectRequest request, Done<ConnectionInfo> done) {
  connect_request = std::move(request);
  if (hold_connect) {
    pending_connect = std::move(done);
  } else {
    give(done, connection_info);
  }
}
void FakeNode::disconnect(int slot, Done<Nothing> done) {
  disconnected_slot = slot;
  give<Nothing>(done, {});
}
void FakeNode::public_ip(int, Done<std::string> done) { give<std::string>(done, "198.51.100.1"); }
void FakeNode::location(int, Done<Location> done) { give(done, place); }
void FakeNode::origin_location(Done<Location> done) { give(done, place); }
void FakeNode::nat_type(Done<std::string> done) { give<std::string>(done, "prcone"); }
void FakeNode::proposals(core::ProposalFilter filter,
                         Done<std::vector<core::PricedProposal>> done) {
  proposal_filter = std::move(filter);
  give(done, market);
}
void FakeNode::current_prices(Done<core::PriceSet> done) {
  core::PriceSet prices;
  prices[static_cast<std::size_t>(core::PricedService::DataTransfer)] = core::default_price();
  give(done, prices);
}
void FakeNode::start_service(ServiceStart request, Done<ServiceInfo> done) {
  service_start = std::move(request);
  ServiceInfo info;
  info.id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
  info.provider = service_start->provider;
  info.type = service_start->type;
  info.options = service_start->options;
  info.state = ServiceState::Running;
  give(done, info);
}
void FakeNode::stop_service(std::string id, bool, Done<Nothing> done) {
  stopped_service = std::move(id);
  give<Nothing>(done, {});
}
void FakeNode::sessions(SessionFilter filter, std::uint32_t limit, std::uint64_t offset,
                        Done<SessionPage> done) {
  session_filter = std::move(filter);
  largest_limit = std::max(largest_limit, limit);
  SessionPage page;
  page.total = history.size();
  for (std::uint64_t i = offset; i < history.size() && page.items.size() < limit; ++i) {
    page.items.push_back(history[static_cast<std::size_t>(i)]);
  }
  give(done, page);
}
void FakeNode::session_stats(SessionFilter filter, Done<SessionStats> done) {
  session_filter = std::move(filter);
  give(done, totals);
}
void FakeNode::session_stats_daily(SessionFilter filter, Done<std::vector<DayStats>> done) {
  session_filter = std::move(filter);
  give(done, days);
}

}  // namespace myst::test
