// The command line of myst-hub.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/time.hpp"
#include "core/base/u256.hpp"
#include "core/chain/transaction.hpp"
#include "core/hub/location_table.hpp"
#include "core/hub/price_board.hpp"
#include "core/hub/transactor/requests.hpp"

namespace myst::hub {

struct Options {
  std::string name = "myst";
  IpAddress listen;  // of HTTP, STUN and port check; 0.0.0.0
  std::uint16_t http_port = 8080;
  Endpoint broker_listen{IpAddress(), 4222};  // port 0: no gate
  bool broker_listen_given = false;           // else it listens where --listen says
  std::string upstream_host = "127.0.0.1";
  std::uint16_t upstream_port = 4223;
  std::uint16_t stun_port = 3478;        // 0: none
  std::uint16_t port_check_port = 4589;  // 0: none
  std::string data_dir;                  // empty: nothing survives a restart
  core::Place place{"", "residential"};  // of callers nobody knows
  std::string geo_csv;
  std::vector<std::pair<IpPrefix, core::Place>> places;
  std::string policies_dir;    // empty: every identity is allowed
  std::string public_url;      // empty: the host the caller asked for
  std::string public_address;  // of broker, STUN, port check; empty: the host of the URL
  std::string trusted_proxy;   // whose X-Forwarded-For is believed
  Duration broker_skew = std::chrono::seconds{300};
  std::size_t max_broker_clients = 20000;
  std::size_t max_broker_clients_per_address = 256;
  bool accept_unnamed_proposals = false;
  int compatibility_min = 0;
  // Money: all of it needs `contracts`.
  std::vector<std::string> contracts_files;  // one a chain; the first is the one sessions use
  std::vector<std::string> node_rpc;         // what nodes are told; empty: as in the file
  std::string hermes_key_file;               // empty: no Hermes here
  std::string key_passphrase_file;           // of key files that are encrypted
  std::string ledger_url;                    // of Hermes; empty: SQLite in data_dir
  Wei max_unsettled;                         // of one provider; zero: no limit
  std::string transactor_key_file;           // empty: no transactor here
  core::transactor::Fees fees;               // what identities pay it for its transactions
  Wei coin_price;                            // of one coin, in the token; zero: fees stay
  std::uint64_t free_per_day = 1000;         // transactions nobody pays for
  chain::FeePolicy gas;                      // what it pays the chain
  std::uint64_t confirmations = 1;           // until a transaction counts
  Wei cash_threshold{100000000000000000};    // of one consumer: 0.1 MYST
  Duration cash_interval = std::chrono::minutes{10};
  std::chrono::hours keep_agreements{24 * 90};
  std::vector<core::PriceBoard::Rule> prices;  // none: everything is free
  std::string prices_file;                     // further rules, read again at SIGHUP
};

struct HelpWanted {};
struct VersionWanted {};
struct RoutesWanted {};
struct UsageError {
  std::string line;  // one sentence, names the flag
};
using ParsedOptions = std::variant<Options, HelpWanted, VersionWanted, RoutesWanted, UsageError>;

ParsedOptions parse_options(const std::vector<std::string>& words);
std::string help_text();

}  // namespace myst::hub
