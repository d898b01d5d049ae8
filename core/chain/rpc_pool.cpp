#include "core/chain/rpc_pool.hpp"

#include <algorithm>
#include <utility>

#include "core/base/text.hpp"
#include "core/chain/abi.hpp"

namespace myst::chain {
namespace {

constexpr std::size_t kMaxEvents = 16;
constexpr unsigned kFailurePenalty = 16;
constexpr unsigned kMaxPenalty = 1024;

// The parts of messages by which geth, erigon, nethermind, anvil and gateways tell what is wrong
// with a call or a transaction rather than with themselves.
constexpr std::string_view kFinalTexts[] = {"revert",
                                            "nonce too low",
                                            "nonce too high",
                                            "already known",
                                            "known transaction",
                                            "underpriced",
                                            "insufficient funds",
                                            "intrinsic gas",
                                            "exceeds block gas limit",
                                            "invalid sender",
                                            "fee cap",
                                            "invalid opcode",
                                            "out of gas",
                                            "tip above fee",
                                            "priority fee",
                                            "invalid jump",
                                            "already imported",
                                            "nonce has already been used"};
constexpr std::string_view kLimitTexts[] = {"rate limit", "too many requests", "limit exceeded",
                                            "429",        "compute units",     "capacity"};

constexpr std::string_view kSizeTexts[] = {
    "block range",        "range is too",  "range too",  "too many results",
    "returned more than", "response size", "range limit"};

bool contains_any(std::string_view text, Span<const std::string_view> parts) {
  const std::string lower = to_lower(text);
  return std::any_of(parts.begin(), parts.end(),
                     [&](std::string_view part) { return lower.find(part) != std::string::npos; });
}

}  // namespace

bool is_rate_limit(const RpcError& error) {
  // EIP-1474: -32005 limit exceeded. Gateways also put the HTTP status there.
  return error.code == -32005 || error.code == 429 || contains_any(error.message, kLimitTexts);
}

bool is_too_large(const RpcError& error) { return contains_any(error.message, kSizeTexts); }

bool is_unsupported(const RpcError& error) {
  return error.code == -32601 || error.code == -32004 ||  // JSON-RPC 2.0; EIP-1474
         is_too_large(error);
}

bool is_final(const RpcError& error) {
  if (error.code == 3) return true;  // geth: execution reverted, with data
  if (contains_any(error.message, kFinalTexts)) return true;
  if (is_rate_limit(error)) return false;
  return error.code == -32602;  // invalid parameters: ours
}

RpcPool::RpcPool(const Config& config) : config_(config), endpoints_(config.endpoints) {}

bool RpcPool::any_healthy() const {
  return std::any_of(endpoints_.begin(), endpoints_.end(),
                     [](const Endpoint& e) { return e.failures_in_row == 0; });
}

Result<RpcPool::CallId> RpcPool::call(Instant now, Call call) {
  if (endpoints_.empty()) return Error{Errc::Unavailable, 0, "no chain endpoint is configured"};
  // What is done but not collected counts: the caller drains it.
  if (calls_.size() + done_.size() >= config_.max_calls) {
    return Error{Errc::Full, 0, "too many chain calls at once"};
  }
  Pending pending;
  pending.deadline = now + call.limit.value_or(config_.call_limit);
  pending.tried.resize(endpoints_.size());
  pending.call = std::move(call);
  const CallId id = ++last_call_;
  const auto at = calls_.emplace(id, std::move(pending)).first;
  if (hopeless(now, at->second)) {
    give_up(id, at->second, Error{Errc::Unavailable, 0, "the chain endpoints failed a moment ago"});
  }
  return id;
}

void RpcPool::cancel(CallId id) { calls_.erase(id); }

std::optional<std::size_t> RpcPool::best_endpoint(Instant now, const Pending& pending) const {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    const Endpoint& e = endpoints_[i];
    if (pending.tried[i] || (e.rests_until && *e.rests_until > now)) continue;
    if (!best || e.penalty < endpoints_[*best].penalty) best = i;
  }
  return best;
}

// When an endpoint that this call may still try ends its rest.
std::optional<Instant> RpcPool::next_awake(const Pending& pending) const {
  std::optional<Instant> at;
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    if (!pending.tried[i] && endpoints_[i].rests_until) {
      at = earliest(at, endpoints_[i].rests_until);
    }
  }
  return at;
}

// Nobody is left to ask within the patience of this call.
bool RpcPool::hopeless(Instant now, const Pending& pending) const {
  if (best_endpoint(now, pending)) return false;
  const auto awake = next_awake(pending);
  return !awake || *awake > std::min(now + config_.patience, pending.deadline);
}

std::optional<RpcPool::Exchange> RpcPool::poll_exchange(Instant now) {
  if (exchanges_.size() >= config_.max_exchanges) return std::nullopt;
  Exchange out;
  std::optional<std::size_t> endpoint;
  UnderWay under_way;
  Duration left = config_.exchange_limit;
  for (auto& [id, pending] : calls_) {
    if (pending.under_way || pending.deadline <= now) continue;
    const auto best = best_endpoint(now, pending);
    if (!best || (endpoint && *best != *endpoint)) continue;
    const Endpoint& chosen = endpoints_[*best];
    if (!endpoint) {
      endpoint = best;
      const bool check = config_.chain_id != 0 &&
                         (!chosen.verified_at || *chosen.verified_at + config_.check_age <= now);
      if (check) {
        under_way.checks_chain = true;
        out.items.push_back({kChainIdCall, "eth_chainId", "[]"});
        // Without batches the id is asked alone, the calls follow.
        if (!chosen.batches) break;
      }
    }
    // A fair share of what is left of the time for each endpoint that may still be asked.
    const auto untried = std::count(pending.tried.begin(), pending.tried.end(), false);
    left = std::min(left, (pending.deadline - now) / std::max<std::ptrdiff_t>(untried, 1));
    pending.under_way = true;
    under_way.calls.push_back(id);
    out.items.push_back({id, pending.call.method, pending.call.params});
    if (!chosen.batches || out.items.size() >= config_.max_batch) break;
  }
  if (!endpoint) return std::nullopt;
  // One question about the chain id is enough: without batches nothing else goes there meanwhile.
  if (under_way.checks_chain && under_way.calls.empty()) {
    for (const auto& [id, other] : exchanges_) {
      (void)id;
      if (other.endpoint == *endpoint && other.checks_chain) return std::nullopt;
    }
  }
  out.id = ++last_exchange_;
  out.endpoint = *endpoint;
  out.limit = left;
  under_way.endpoint = *endpoint;
  exchanges_.emplace(out.id, std::move(under_way));
  return out;
}

bool RpcPool::chain_matches(const Answer& answer, std::string& said) const {
  std::string_view text = answer.result;
  if (!answer.error && text.size() > 2 && text.front() == '"' && text.back() == '"') {
    const auto id = parse_quantity(text.substr(1, text.size() - 2));
    if (id.ok()) {
      said = "chain " + id->to_string() + " instead of " + std::to_string(config_.chain_id);
      return *id == U256(config_.chain_id);
    }
  }
  said.clear();
  return false;
}

void RpcPool::handle_answers(Instant now, ExchangeId id, std::vector<Answer> answers) {
  const auto found = exchanges_.find(id);
  if (found == exchanges_.end()) return;
  const UnderWay under_way = std::move(found->second);
  exchanges_.erase(found);
  const std::size_t index = under_way.endpoint;

  if (under_way.checks_chain) {
    const auto check = std::find_if(answers.begin(), answers.end(),
                                    [](const Answer& a) { return a.id == kChainIdCall; });
    std::string said;
    const bool matches = check != answers.end() && chain_matches(*check, said);
    if (!matches) {
      const bool other = !said.empty();
      fail_endpoint(now, index, other ? said : "no chain id",
                    other ? std::optional<Duration>(config_.wrong_chain_rest) : std::nullopt,
                    other ? Event::Kind::WrongChain : Event::Kind::Failed);
      for (const CallId call : under_way.calls) {
        put_back(now, call, index,
                 Error{Errc::Unavailable, 0,
                       other ? "the chain endpoint serves another chain"
                             : "the chain endpoint does not tell its chain"});
      }
      return;
    }
    endpoints_[index].verified_at = now;
  }

  std::vector<std::pair<CallId, Error>> back;  // after the endpoint's rest is known
  bool fault = false;
  bool limited = false;
  std::string detail;
  for (const CallId call : under_way.calls) {
    const auto answer =
        std::find_if(answers.begin(), answers.end(), [&](const Answer& a) { return a.id == call; });
    if (answer == answers.end()) {
      fault = true;
      detail = "an answer is missing";
      put_back(now, call, index,
               Error{Errc::Malformed, 0, "the chain endpoint left out an answer"});
      continue;
    }
    if (!answer->error) {
      finish(call, Done{call, std::move(answer->result), std::nullopt, {}});
      continue;
    }
    if (is_final(*answer->error)) {
      finish(call, Done{call, std::nullopt, std::move(answer->error), {}});
      continue;
    }
    if (!is_unsupported(*answer->error)) {
      fault = true;
      limited = limited || is_rate_limit(*answer->error);
      detail = answer->error->message;
    }
    if (const auto pending = calls_.find(call); pending != calls_.end()) {
      pending->second.last_refusal = std::move(answer->error);
    }
    back.emplace_back(call, Error{Errc::Unavailable, 0, "the chain endpoint refused"});
  }
  if (fault) {
    fail_endpoint(now, index, limited ? "rate limit: " + detail : detail, std::nullopt);
  } else {
    praise_endpoint(index);
  }
  for (const auto& [call, why] : back) put_back(now, call, index, why);
}

void RpcPool::handle_failure(Instant now, ExchangeId id, Failure failure, std::string_view detail,
                             std::optional<Duration> retry_after) {
  const auto found = exchanges_.find(id);
  if (found == exchanges_.end()) return;
  const UnderWay under_way = std::move(found->second);
  exchanges_.erase(found);
  if (retry_after) retry_after = std::min(*retry_after, config_.wrong_chain_rest);
  fail_endpoint(now, under_way.endpoint, detail, retry_after);
  Error why{Errc::Unavailable, 0, "the chain endpoint cannot be reached"};
  switch (failure) {
    case Failure::Transport:
      break;
    case Failure::Timeout:
      why = Error{Errc::Timeout, 0, "the chain endpoint did not answer in time"};
      break;
    case Failure::Status:
      why.what = "the chain endpoint answered with an error status";
      break;
    case Failure::RateLimited:
      why.what = "the chain endpoint limits our requests";
      break;
    case Failure::Malformed:
      why = Error{Errc::Malformed, 0, "the chain endpoint's answer cannot be read"};
      break;
  }
  for (const CallId call : under_way.calls) put_back(now, call, under_way.endpoint, why);
}

void RpcPool::handle_no_batches(Instant now, ExchangeId id) {
  const auto found = exchanges_.find(id);
  if (found == exchanges_.end()) return;
  const UnderWay under_way = std::move(found->second);
  exchanges_.erase(found);
  Endpoint& endpoint = endpoints_[under_way.endpoint];
  if (!endpoint.batches) {  // it refuses single calls too
    fail_endpoint(now, under_way.endpoint, "takes no calls", std::nullopt);
    for (const CallId call : under_way.calls) {
      put_back(now, call, under_way.endpoint,
               Error{Errc::Malformed, 0, "the chain endpoint's answer cannot be read"});
    }
    return;
  }
  endpoint.batches = false;
  for (const CallId call : under_way.calls) {
    if (const auto pending = calls_.find(call); pending != calls_.end()) {
      pending->second.under_way = false;
    }
  }
}

void RpcPool::put_back(Instant now, CallId id, std::size_t endpoint, const Error& why) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;  // cancelled
  Pending& pending = found->second;
  pending.under_way = false;
  pending.tried[endpoint] = true;
  pending.last_failure = why;
  const bool all =
      std::find(pending.tried.begin(), pending.tried.end(), false) == pending.tried.end();
  if (all && pending.round < config_.rounds) {
    ++pending.round;
    std::fill(pending.tried.begin(), pending.tried.end(), false);
  }
  if (pending.deadline <= now || hopeless(now, pending)) give_up(id, pending, why);
}

void RpcPool::give_up(CallId id, const Pending& pending, const Error& why) {
  const Error failure = why;  // it may live in `pending`, which goes
  Done done;
  done.id = id;
  done.refused = pending.last_refusal;
  done.failure = failure;
  finish(id, std::move(done));
}

void RpcPool::finish(CallId id, Done done) {
  if (calls_.erase(id) == 0) return;  // cancelled meanwhile
  done_.push_back(std::move(done));
}

void RpcPool::fail_endpoint(Instant now, std::size_t index, std::string_view detail,
                            std::optional<Duration> rest, Event::Kind kind) {
  Endpoint& e = endpoints_[index];
  e.failures_in_row = std::min(e.failures_in_row + 1, 16u);
  e.penalty = std::min(e.penalty + kFailurePenalty, kMaxPenalty);
  e.verified_at.reset();  // another server may answer next time
  Duration pause = config_.first_rest * (1u << std::min(e.failures_in_row - 1, 10u));
  pause = std::min(pause, config_.longest_rest);
  if (rest) pause = std::max(pause, *rest);
  e.rests_until = now + pause;
  if (!e.reported && events_.size() < kMaxEvents) {
    e.reported = true;
    events_.push_back({kind, index, printable(detail)});
  }
}

void RpcPool::praise_endpoint(std::size_t index) {
  Endpoint& e = endpoints_[index];
  e.failures_in_row = 0;
  e.penalty /= 2;
  e.rests_until.reset();
  if (e.reported && events_.size() < kMaxEvents) {
    e.reported = false;
    events_.push_back({Event::Kind::Recovered, index, {}});
  }
}

void RpcPool::handle_timeout(Instant now) {
  for (Endpoint& e : endpoints_) {
    if (e.rests_until && *e.rests_until <= now) e.rests_until.reset();
  }
  for (auto at = calls_.begin(); at != calls_.end();) {
    const CallId id = at->first;
    const Pending& pending = at->second;
    ++at;
    // One under way: its exchange has a limit of its own.
    if (pending.under_way || pending.deadline > now) continue;
    Error why = pending.last_failure;
    why.code = Errc::Timeout;
    give_up(id, pending, why);
  }
}

void RpcPool::handle_network_change(Instant) {
  for (Endpoint& e : endpoints_) {
    e.rests_until.reset();
    e.failures_in_row = 0;
    e.verified_at.reset();
  }
}

std::optional<Instant> RpcPool::next_timeout() const {
  std::optional<Instant> at;
  for (const auto& [id, pending] : calls_) {
    (void)id;
    if (pending.under_way) continue;
    at = earliest(at, pending.deadline);
    at = earliest(at, next_awake(pending));
  }
  return at;
}

std::optional<RpcPool::Done> RpcPool::poll_done() {
  if (done_.empty()) return std::nullopt;
  Done out = std::move(done_.front());
  done_.pop_front();
  return out;
}

std::optional<RpcPool::Event> RpcPool::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event out = std::move(events_.front());
  events_.pop_front();
  return out;
}

}  // namespace myst::chain
