// What the REST layer asks of a node. apps/myst implements it; tests use a fake.
//
// Everything runs on the loop thread. An operation with a Done may finish later; it calls its Done
// exactly once, also when the node stops. Operations that need a chain have a default that says
// there is none, so a network without one overrides nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/time.hpp"
#include "core/base/u256.hpp"
#include "core/config/node_config.hpp"
#include "core/identity/address.hpp"
#include "core/market/filter.hpp"
#include "core/market/price.hpp"
#include "core/market/proposal.hpp"
#include "core/market/ranking.hpp"

namespace myst::rest {

// An error as the API shows it: HTTP status, contractual code, text for people.
struct Failure {
  int status = 500;
  const char* code = "internal";  // a string literal of api.md, such as "err_connect"
  std::string message;
};

struct Nothing {};
template <typename T>
using Outcome = std::variant<T, Failure>;
template <typename T>
using Done = std::function<void(Outcome<T>)>;

struct BuildInfo {
  std::string version, commit, branch, build_number;
};

// --- identities
// -----------------------------------------------------------------------------------

enum class Registration : std::uint8_t {
  Registered,
  Unregistered,
  InProgress,
  RegistrationError,
  Unknown,
};

struct HermesEarnings {
  Address hermes;
  Wei earnings, earnings_total;
};

struct IdentityInfo {
  Address id;
  Registration registration = Registration::Unknown;
  Address channel;  // zero in a network without a chain, as is the hermes
  Address hermes;
  Wei balance, earnings, earnings_total, stake;
  std::vector<HermesEarnings> per_hermes;
  Wei in_settlement;  // of the earnings: on its way to the chain
};

struct RegisterRequest {
  std::string referral_token;
  std::string beneficiary;
  std::optional<Wei> fee;
};

struct Beneficiary {
  Address wallet;
  bool own_channel = false;  // with any known hermes: it cannot be paid out from there
};
struct BeneficiaryChange {
  enum class State : std::uint8_t { None, Pending, Completed } state = State::None;
  std::string error;
  Address change_to;
};

struct Fees {
  Wei registration, settlement, decrease_stake;
  WallTime valid_until{};
};
struct FeeReport {
  Fees current, last;
  WallTime server_time{};
  std::uint32_t hermes_per_10000 = 0;
};

struct WithdrawRequest {
  Address provider, hermes, beneficiary;
  std::uint64_t from = 0, to = 0;  // 0: chain 2, chain 1
  std::optional<Wei> amount;       // nullopt: everything
};

struct SettlementFilter {
  std::optional<WallTime> from, to;  // inclusive
  std::optional<Address> provider, hermes;
  std::optional<bool> withdrawal;
  bool nothing = false;  // asks for two kinds at once, which no settlement is
};
struct Settlement {
  std::string transaction;  // 0x and 64 digits
  Address provider, hermes, channel, beneficiary;
  Wei amount, fees;
  WallTime settled_at{};
  bool withdrawal = false;
  std::string explorer_url, error;
};
struct SettlementPage {
  std::vector<Settlement> items;  // newest first
  std::uint64_t total = 0;        // of the whole filtered set, as is the sum
  Wei withdrawn;
};

struct ImportRequest {
  std::string keystore_json;
  std::string current_passphrase, new_passphrase;
  bool set_default = false;
};

// --- connections
// ----------------------------------------------------------------------------------

enum class ConnectionState : std::uint8_t {
  NotConnected,
  Connecting,
  Connected,
  Disconnecting,
  Reconnecting,
  Unknown,
  Canceled,
  IPNotChanged,
  ConnectionFailed,
  OnHold,
};

struct DnsChoice {
  enum class Kind : std::uint8_t { Auto, Provider, System, Servers } kind = Kind::Auto;
  std::vector<IpAddress> servers;
};

struct ConnectRequest {
  Address consumer;
  std::vector<std::string> providers;  // empty: any
  std::string country;
  std::string ip_type;
  std::string service_type;  // empty: any
  bool include_monitoring_failed = false;
  core::SortBy sort_by = core::SortBy::None;
  std::optional<Address> hermes;  // absent: the active one
  bool disable_kill_switch = false;
  DnsChoice dns;
  int slot = 0;  // proxy port; 0 is the system wide tunnel
};

struct ConnectionInfo {
  ConnectionState state = ConnectionState::NotConnected;
  std::optional<Address> consumer;
  Address hermes;  // zero: not shown
  std::shared_ptr<const core::PricedProposal> proposal;
  std::string session_id;
};

struct ConnectionStatistics {
  std::uint64_t bytes_sent = 0, bytes_received = 0;
  std::uint64_t throughput_sent = 0, throughput_received = 0;  // bit/s
  std::int64_t duration_s = 0;
  Wei tokens_spent;
};

struct Location {
  std::string ip;
  std::uint32_t asn = 0;
  std::string isp, continent, country, region, city, ip_type;
};

// --- services
// -------------------------------------------------------------------------------------

// Members that were given, or are in force. WireGuard family: subnet only.
struct ServiceOptions {
  std::optional<std::string> subnet, protocol, netmask;
  std::optional<std::uint16_t> port;
};

struct ServiceStart {
  Address provider;
  std::string type;                                  // a known one
  std::optional<std::vector<std::string>> policies;  // absent: the type's configured ones
  std::optional<ServiceOptions> options;
  bool keep_user_config = false;  // true: do not rewrite active-services
};

enum class ServiceState : std::uint8_t { NotRunning, Starting, Running };

struct ServiceInfo {
  std::string id;  // UUID; empty for a type that is not running
  std::optional<Address> provider;
  std::string type;
  std::optional<ServiceOptions> options;
  ServiceState state = ServiceState::NotRunning;
  std::shared_ptr<const core::PricedProposal> proposal;
  std::uint64_t attempted = 0, successful = 0;  // sessions, for the event stream
};

// --- sessions
// -------------------------------------------------------------------------------------

enum class Direction : std::uint8_t { Consumed, Provided };

struct SessionFilter {
  std::optional<WallTime> from, to;  // inclusive
  std::optional<Direction> direction;
  std::optional<bool> completed;                                  // status Completed or New
  std::string consumer_id, hermes_id, provider_id, service_type;  // as text; empty: any
};

struct SessionRecord {
  std::string id;
  Direction direction = Direction::Consumed;
  Address consumer, hermes, provider;
  std::string service_type, consumer_country, provider_country, ip_type;
  WallTime started{};
  std::int64_t duration_s = 0;  // of an open session: until now
  // From the provider's point of view received is what the consumer downloaded: swapped on purpose,
  // as clients expect it. The storage already holds it so.
  std::uint64_t bytes_received = 0, bytes_sent = 0;
  std::optional<Wei> tokens;
  bool completed = false;
};

struct SessionPage {
  std::vector<SessionRecord> items;  // newest first
  std::uint64_t total = 0;           // of the whole filtered set
};

struct SessionStats {
  std::uint64_t count = 0, consumers = 0, bytes_received = 0, bytes_sent = 0;
  std::int64_t duration_s = 0;
  Wei tokens;
};

struct DayStats {
  std::int64_t day = 0;  // days since 1970-01-01
  SessionStats stats;
};

struct ConnectivityReport {
  std::string peer_address, session_id, message;
  std::uint32_t code = 0;
  WallTime created{};
};

// --- the whole state, for the event stream
// ------------------------------------------------------------

struct NodeState {
  std::optional<std::vector<ServiceInfo>> services;  // absent until the first service status
  std::vector<SessionRecord> open_sessions;          // provided ones, in order of creation
  ConnectionInfo connection;
  std::optional<ConnectionStatistics> statistics;
  std::vector<IdentityInfo> identities;
};

// One change of the user layer: no value removes the key.
struct ConfigChange {
  std::string key;  // as sent
  std::optional<core::ConfigValue> value;
};

class NodeApi {
 public:
  virtual ~NodeApi() = default;

  // Daemon
  virtual const BuildInfo& build() const = 0;
  virtual Duration uptime() const = 0;
  virtual Now now() const = 0;
  // Called after the answer was sent. The program then ends with exit code 1.
  virtual void stop() = 0;

  // Configuration: reading is direct; a change is applied, saved (serialised) and announced.
  // Errors: err_config_save.
  virtual const core::NodeConfig& config() const = 0;
  virtual void change_config(std::vector<ConfigChange> changes, Done<Nothing> done) = 0;

  // Identities. Errors: not_found, err_id_create, err_id_unlock, err_to_id_use_or_create,
  // err_id_import, err_id_set_default.
  virtual std::vector<Address> identities() const = 0;
  virtual void create_identity(std::string passphrase, Done<Address> done) = 0;
  virtual void use_identity(std::optional<Address> id, std::string passphrase,
                            Done<Address> done) = 0;
  virtual void unlock_identity(const Address& id, std::string passphrase, Done<Nothing> done) = 0;
  virtual void import_identity(ImportRequest request, Done<Address> done) = 0;
  // The keystore document, encrypted with the new passphrase.
  virtual void export_identity(const Address& id, std::string new_passphrase,
                               Done<std::string> done) = 0;
  virtual void identity(const Address& id, Done<IdentityInfo> done) = 0;
  virtual void registration(const Address& id, Done<Registration> done) = 0;
  virtual void refresh_balance(const Address& id, Done<Wei> done) = 0;

  // Chain. Defaults: a clear refusal.
  virtual bool has_chain() const { return false; }
  // As the registry says it; zero when not registered.
  virtual void beneficiary(const Address& id, Done<Beneficiary> done);
  // True: already registered.
  virtual void register_identity(const Address& id, RegisterRequest request, Done<bool> done);
  // Stored payout wallet, empty when none.
  virtual void payout_wallet(const Address& id, Done<std::string> done);
  virtual void set_payout_wallet(const Address& id, const Address& wallet, Done<Nothing> done);
  // A zero address among the hermeses means the active one.
  virtual void settle(const Address& id, std::vector<Address> hermeses, bool wait,
                      Done<Nothing> done);
  virtual void settle_into_stake(const Address& id, std::vector<Address> hermeses, bool wait,
                                 Done<Nothing> done);
  // Out of the identity's own channel. Errors: err_transactor_withdraw.
  virtual void withdraw(WithdrawRequest request, Done<Nothing> done);
  virtual void decrease_stake(const Address& id, const Wei& amount, Done<Nothing> done);
  // From an older Hermes to the active one. Errors: err_id_locked, err_id_check_hermes_migration.
  virtual void migrate_hermes(const Address& id, Done<Nothing> done);
  virtual void migration_needed(const Address& id, Done<bool> done);
  // With the next settlement, in the background; how it went: beneficiary_change().
  virtual void change_beneficiary(const Address& id, std::vector<Address> hermeses,
                                  const Address& beneficiary);
  virtual BeneficiaryChange beneficiary_change(const Address& id) const;
  // May it register for free? Absent: providers in general.
  virtual void eligible(std::optional<Address> id, Done<bool> done);
  virtual void fees(std::optional<std::int64_t> chain, Done<FeeReport> done);
  // What a registration token is worth.
  virtual void token_reward(std::string token, Done<Wei> done);
  virtual void settlements(SettlementFilter filter, std::uint32_t limit, std::uint64_t offset,
                           Done<SettlementPage> done);

  // Connections
  virtual ConnectionInfo connection(int slot) const = 0;
  // Errors: err_id_not_registered, err_connection_already_exists, err_connection_cancelled (422),
  // err_connect (500).
  virtual void connect(ConnectRequest request, Done<ConnectionInfo> done) = 0;
  // A negative slot: all. Errors: err_no_connection_exists (422), err_disconnect (500).
  virtual void disconnect(int slot, Done<Nothing> done) = 0;
  virtual ConnectionStatistics statistics(std::string_view session_id) const = 0;  // empty: any
  virtual ConnectionStatistics slot_statistics(int slot) const = 0;

  // Location. Errors: unavailable (503).
  virtual void public_ip(int slot, Done<std::string> done) = 0;  // as seen through the tunnel
  virtual void location(int slot, Done<Location> done) = 0;      // as seen through the tunnel
  virtual void origin_location(Done<Location> done) = 0;         // of the host, outside it
  // none, fullcone, rcone, prcone, symmetric. Errors: err_nat_probe.
  virtual void nat_type(Done<std::string> done) = 0;

  // Market. Lists are bounded by the discovery client. Errors: err_proposals_query.
  virtual void proposals(core::ProposalFilter filter,
                         Done<std::vector<core::PricedProposal>> done) = 0;
  virtual std::vector<core::FilterPreset> presets() const = 0;
  virtual void current_prices(
      Done<core::PriceSet> done) = 0;  // for this node's country and IP type

  // Services. Errors: err_service_running, err_service_location (422), err_service_start,
  // err_service_stop (500), not_found.
  virtual std::vector<ServiceInfo> services() const = 0;  // running ones
  virtual void start_service(ServiceStart request, Done<ServiceInfo> done) = 0;
  virtual void stop_service(std::string id, bool keep_user_config, Done<Nothing> done) = 0;

  // History. At most `limit` items are read.
  virtual void sessions(SessionFilter filter, std::uint32_t limit, std::uint64_t offset,
                        Done<SessionPage> done) = 0;
  virtual void session_stats(SessionFilter filter, Done<SessionStats> done) = 0;
  // Days without sessions may be left out.
  virtual void session_stats_daily(SessionFilter filter, Done<std::vector<DayStats>> done) = 0;
  virtual std::vector<ConnectivityReport> connectivity_reports() const {
    return {};
  }  // newest first

  // Provider's verdict of the quality service: success, failed, pending, unknown.
  virtual std::string monitoring_status() const { return "unknown"; }

  // Event stream. The node calls `changed` after any change; a snapshot is asked for later, at most
  // five times a second and only while somebody listens. Empty: stop calling.
  virtual NodeState state() const = 0;
  virtual void watch_state(std::function<void()> changed) = 0;
};

}  // namespace myst::rest
