#include "drivers/ethereum/rpc_client.hpp"

#include <algorithm>
#include <utility>

#include "core/base/text.hpp"
#include "core/base/url.hpp"
#include "drivers/ethereum/json_rpc.hpp"
#include "platform/log/log.hpp"

namespace myst::ethereum {
namespace {

using chain::RpcPool;

constexpr std::size_t kMaxResponse = 4u << 20;

// Paths of gateways hold keys: logs name the host only.
std::string host_of(const std::string& url) {
  const auto parsed = Url::parse(url);
  return parsed.ok() ? parsed->authority() : "?";
}

std::vector<std::string> usable(const std::vector<std::string>& urls) {
  std::vector<std::string> out;
  for (const std::string& url : urls) {
    const auto parsed = Url::parse(trim(url));
    if (parsed.ok() && (parsed->scheme == "http" || parsed->scheme == "https")) {
      out.emplace_back(trim(url));
    } else if (!trim(url).empty()) {
      log::warn("a chain endpoint is left out: only http and https are spoken", "host",
                parsed.ok() ? parsed->scheme + "://" + parsed->authority() : "?");
    }
  }
  return out;
}

RpcPool::Config pool_config(const RpcClient::Options& options, std::size_t endpoints) {
  RpcPool::Config config = options.pool;
  config.endpoints = endpoints;
  config.chain_id = options.chain_id;
  return config;
}

std::optional<Duration> retry_after(const platform::HttpHeaders& headers) {
  const auto seconds = parse_decimal(trim(headers.get("Retry-After")));
  if (!seconds || *seconds > 86400) return std::nullopt;
  return std::chrono::seconds(*seconds);
}

}  // namespace

RpcClient::RpcClient(platform::Loop& loop, Options options)
    : loop_(loop),
      chain_id_(options.chain_id),
      urls_(usable(options.urls)),
      pool_(pool_config(options, urls_.size())),
      timer_(loop, [this] { drain(); }) {
  http_options_.user_agent = options.user_agent;
  http_options_.keep_alive = true;
  http_options_.max_response_bytes = kMaxResponse;
  http_options_.trust = std::move(options.trust);
  http_ = std::make_unique<platform::HttpClient>(loop_, http_options_);
}

RpcClient::~RpcClient() = default;

std::vector<std::string> RpcClient::hosts() const {
  std::vector<std::string> out;
  for (const std::string& url : urls_) {
    if (const auto parsed = Url::parse(url); parsed.ok()) out.push_back(parsed->host);
  }
  return out;
}

RpcClient::Id RpcClient::call(std::string method, std::string params, Callback callback,
                              std::optional<Duration> limit) {
  const Id id = ++last_id_;
  callbacks_.emplace(id, std::move(callback));
  const auto taken =
      pool_.call(loop_.instant(), RpcPool::Call{std::move(method), std::move(params), limit});
  if (taken.ok()) {
    ids_.emplace(*taken, id);
  } else {
    refused_.emplace_back(id, taken.error());
  }
  timer_.arm(loop_.instant());
  return id;
}

void RpcClient::cancel(Id id) {
  callbacks_.erase(id);
  for (auto at = ids_.begin(); at != ids_.end(); ++at) {
    if (at->second != id) continue;
    pool_.cancel(at->first);
    ids_.erase(at);
    return;
  }
}

void RpcClient::reconnect() {
  // What is under way has lost its connection's route: it goes out again.
  http_ = std::make_unique<platform::HttpClient>(loop_, http_options_);
  const auto lost = std::exchange(under_way_, {});
  for (const auto& [exchange, call] : lost) {
    (void)call;
    pool_.handle_failure(loop_.instant(), exchange, RpcPool::Failure::Transport,
                         "the network changed");
  }
  pool_.handle_network_change(loop_.instant());
  timer_.arm(loop_.instant());
}

void RpcClient::drain() {
  pool_.handle_timeout(loop_.instant());
  while (auto exchange = pool_.poll_exchange(loop_.instant())) send(std::move(*exchange));
  while (const auto event = pool_.poll_event()) log_event(*event);
  timer_.arm(pool_.next_timeout());
  // From here on callbacks run, which may make calls or destroy... their own things only.
  std::vector<std::pair<Callback, Done>> ready;
  for (auto& [id, error] : std::exchange(refused_, {})) {
    const auto found = callbacks_.find(id);
    if (found == callbacks_.end()) continue;
    ready.emplace_back(std::move(found->second), Done{0, std::nullopt, std::nullopt, error});
    callbacks_.erase(found);
  }
  while (auto done = pool_.poll_done()) {
    const auto at = ids_.find(done->id);
    if (at == ids_.end()) continue;
    const auto found = callbacks_.find(at->second);
    ids_.erase(at);
    if (found == callbacks_.end()) continue;
    ready.emplace_back(std::move(found->second), std::move(*done));
    callbacks_.erase(found);
  }
  for (auto& [callback, done] : ready) callback(std::move(done));
}

void RpcClient::send(RpcPool::Exchange exchange) {
  platform::HttpClient::Call call;
  call.method = "POST";
  call.url = urls_[exchange.endpoint];
  call.headers.add("Content-Type", "application/json");
  call.headers.add("Accept", "application/json");
  call.body = write_request(exchange);
  call.timeout = exchange.limit;
  call.may_repeat = true;  // reads, and transactions that are known by their hash
  const RpcPool::ExchangeId id = exchange.id;
  under_way_[id] = http_->send(
      std::move(call),
      [this, exchange = std::move(exchange)](const Result<platform::HttpResponse>& response) {
        under_way_.erase(exchange.id);
        on_response(exchange, response);
        drain();
      });
}

void RpcClient::on_response(const RpcPool::Exchange& exchange,
                            const Result<platform::HttpResponse>& response) {
  using Failure = RpcPool::Failure;
  const Instant now = loop_.instant();
  if (!response.ok()) {
    const bool late = response.error().code == Errc::Timeout;
    pool_.handle_failure(now, exchange.id, late ? Failure::Timeout : Failure::Transport,
                         response.error().what);
    return;
  }
  if (response->status == 429) {
    pool_.handle_failure(now, exchange.id, Failure::RateLimited, "429 too many requests",
                         retry_after(response->headers));
    return;
  }
  // Some servers answer reverts and bad requests with 4xx and 500 and an error object: the body
  // counts when it can be read.
  auto text = read_response(response->body, exchange);
  if (text.ok() && text->instead_of_batch) {
    if (chain::is_rate_limit(*text->instead_of_batch)) {
      pool_.handle_failure(now, exchange.id, Failure::RateLimited, text->instead_of_batch->message,
                           retry_after(response->headers));
    } else if (response->status >= 500) {
      pool_.handle_failure(now, exchange.id, Failure::Status, text->instead_of_batch->message);
    } else {
      pool_.handle_no_batches(now, exchange.id);
    }
  } else if (text.ok() && (!text->answers.empty() || response->status == 200)) {
    pool_.handle_answers(now, exchange.id, std::move(text->answers));
  } else if (response->status != 200) {
    pool_.handle_failure(now, exchange.id, Failure::Status,
                         "HTTP status " + std::to_string(response->status));
  } else {
    pool_.handle_failure(now, exchange.id, Failure::Malformed, "no JSON-RPC answer");
  }
}

void RpcClient::log_event(const RpcPool::Event& event) {
  const std::string host = host_of(urls_[event.endpoint]);
  switch (event.kind) {
    case RpcPool::Event::Kind::Failed:
      log::warn("a chain endpoint fails", "host", host, "chain", chain_id_, "why", event.detail);
      return;
    case RpcPool::Event::Kind::WrongChain:
      log::error("a chain endpoint serves another chain and is not used", "host", host, "said",
                 event.detail);
      return;
    case RpcPool::Event::Kind::Recovered:
      log::info("a chain endpoint works again", "host", host, "chain", chain_id_);
      return;
  }
}

}  // namespace myst::ethereum
