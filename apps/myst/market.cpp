#include "apps/myst/market.hpp"

#include <algorithm>
#include <utility>

#include "core/identity/address.hpp"
#include "drivers/discovery/price_codec.hpp"
#include "drivers/discovery/proposal_codec.hpp"
#include "platform/log/log.hpp"

namespace myst::app {
namespace {

constexpr Duration kRetry = std::chrono::minutes(1);
constexpr std::size_t kMaxListBytes = 16 * 1024 * 1024;  // some 20,000 proposals

}  // namespace

Market::Market(platform::Loop& loop, platform::HttpClient& http, Config config, OnPrices on_prices)
    : loop_(loop),
      http_(http),
      config_(std::move(config)),
      on_prices_(std::move(on_prices)),
      refresh_(loop, [this] { load_prices(); }) {}

void Market::start() {
  if (config_.free) {
    prices_.load_free();
    on_prices_(prices_);
  } else {
    load_prices();
  }
}

void Market::load_prices() {
  http_.get(config_.discovery_url + "/prices",
            [this](const Result<platform::HttpResponse>& answer) {
              Result<core::PriceDocument> document = Error{Errc::Unavailable, 0, "no answer"};
              if (!answer.ok()) {
                document = answer.error();
              } else if (answer->status == 200) {
                document = discovery::read_prices(answer->body);
              }
              const Now now = loop_.now();
              if (!document.ok()) {
                log::debug("prices not loaded, trying again", "why", document.error().what);
                refresh_.arm_in(kRetry);
                return;
              }
              prices_.load(*document, now.wall);
              on_prices_(prices_);
              const auto until = prices_.valid_until();
              const Duration rest = until ? Duration(*until - now.wall) : Duration(kRetry);
              refresh_.arm_in(std::max<Duration>(rest, std::chrono::seconds(10)));
            });
}

void Market::find(core::ProposalFilter filter, core::SortBy sort, ProposalsDone done) {
  platform::HttpClient::Call call;
  const std::string query = core::to_query(filter);
  call.url = config_.discovery_url + "/proposals" + (query.empty() ? "" : "?" + query);
  call.headers.add("Accept", "application/json");
  call.max_response_bytes = kMaxListBytes;
  http_.send(std::move(call), [this, filter = std::move(filter), sort, done = std::move(done)](
                                  const Result<platform::HttpResponse>& answer) {
    if (!answer.ok()) {
      done(answer.error());
      return;
    }
    if (answer->status / 100 != 2) {
      done(
          Error{Errc::Unavailable, answer->status, "the discovery service answered with an error"});
      return;
    }
    auto list = discovery::read_proposal_list(answer->body);
    if (!list.ok()) {
      done(list.error());
      return;
    }
    core::SupportedKinds kinds;
    kinds.service_types = config_.service_types;
    list->erase(std::remove_if(list->begin(), list->end(),
                               [&](const core::Proposal& proposal) {
                                 return !core::is_valid(proposal) ||
                                        !core::is_supported(proposal, kinds) ||
                                        !core::matches_locally(filter, proposal);
                               }),
                list->end());
    auto priced = core::with_prices(std::move(*list), prices_);
    core::apply_preset(priced, filter.preset_id);
    core::sort_proposals(priced, sort);
    done(std::move(priced));
  });
}

void Market::check_access(const Address& consumer, std::function<void(Status)> done) {
  http_.get(
      config_.access_policy_url + "?identity-value=" + consumer.to_string(),
      [done = std::move(done)](const Result<platform::HttpResponse>& answer) {
        if (!answer.ok()) {
          done(answer.error());
        } else if (answer->status / 100 != 2) {
          done(Error{Errc::Rejected, answer->status, "the access policy denies this identity"});
        } else {
          done({});
        }
      });
}

}  // namespace myst::app
