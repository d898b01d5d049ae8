// The consumer's and provider's view of the market: proposals and prices from the discovery
// service, access checks at the policy service.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/identity/address.hpp"
#include "core/market/filter.hpp"
#include "core/market/price.hpp"
#include "core/market/ranking.hpp"
#include "platform/http/client.hpp"
#include "platform/loop/loop.hpp"
#include "platform/loop/timer.hpp"

namespace myst::app {

class Market {
 public:
  struct Config {
    std::string discovery_url;      // base, no slash at its end
    std::string access_policy_url;  // base
    bool free = false;  // a network without a chain: nothing is asked, all costs nothing
    std::vector<std::string> service_types;  // what this program can use
  };
  using ProposalsDone = std::function<void(Result<std::vector<core::PricedProposal>>)>;
  using OnPrices = std::function<void(const core::PriceTable&)>;

  Market(platform::Loop& loop, platform::HttpClient& http, Config config, OnPrices on_prices);

  // Loads prices and keeps them current: at once, when they expire, and after a failure each
  // minute.
  void start();
  const core::PriceTable& prices() const { return prices_; }
  // Filtered, usable, priced, sorted; a preset applied.
  void find(core::ProposalFilter filter, core::SortBy sort, ProposalsDone done);
  void check_access(const Address& consumer, std::function<void(Status)> done);

 private:
  void load_prices();

  platform::Loop& loop_;
  platform::HttpClient& http_;
  Config config_;
  OnPrices on_prices_;
  core::PriceTable prices_;
  platform::Timer refresh_;
};

}  // namespace myst::app
