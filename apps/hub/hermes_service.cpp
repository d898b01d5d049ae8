#include "apps/hub/hermes_service.hpp"

#include <cassert>
#include <utility>

#include "core/base/text.hpp"
#include "drivers/hermes/server_codec.hpp"
#include "platform/json/writer.hpp"

namespace myst::hub {
namespace {

using core::hermes::Cause;
using core::hermes::Refusal;
using platform::HttpExchangePtr;
using platform::HttpRequest;
using platform::HttpResponse;

constexpr std::string_view kBases[] = {"/api/v2/", "/hermes/api/v2/"};
constexpr std::string_view kAdmin = "/admin/hermes/";

HttpResponse json_answer(int status, std::string body) {
  HttpResponse out;
  out.status = status;
  out.headers.add("Content-Type", "application/json");
  out.body = std::move(body);
  return out;
}

HttpResponse not_found() { return to_response({Cause::NotFound, "no such resource", ""}); }
HttpResponse malformed(const Error& error) {
  return to_response({Cause::MalformedJson, error.what, ""});
}
HttpResponse unsigned_request() {
  return to_response({Cause::InvalidSignature, "the request is not signed", ""});
}

std::optional<Address> signer_of(const HttpRequest& request) {
  return hermes::request_signer(request.headers.get("Authorization"), request.body);
}

HttpResponse to_response(const core::hermes::Answer& answer) {
  if (const auto* refusal = std::get_if<Refusal>(&answer)) return hub::to_response(*refusal);
  if (const auto* promise = std::get_if<core::hermes::SignedPromise>(&answer)) {
    return json_answer(200, hermes::write_promise(*promise));
  }
  if (const auto* data = std::get_if<std::vector<core::hermes::AccountData>>(&answer)) {
    return json_answer(200, hermes::write_data(*data));
  }
  return json_answer(200, hermes::write_done());
}

std::string_view after(std::string_view path, std::string_view beginning) {
  return path.substr(0, beginning.size()) == beginning ? path.substr(beginning.size())
                                                       : std::string_view();
}

// Operators sit at this machine. A proxy in front of the hub sits here too, and names its callers;
// so does a browser with somebody's page in it, which tells its origin, or a host name that was
// made to point here.
bool is_local(const HttpRequest& request) {
  if (!request.peer.ip.is_loopback()) return false;
  for (const char* header : {"X-Forwarded-For", "Forwarded", "Origin"}) {
    if (request.headers.find(header) != nullptr) return false;
  }
  const std::string_view host = request.headers.get("Host");
  for (const std::string_view name : {"localhost", "127.0.0.1", "[::1]"}) {
    const std::string_view rest = after(host, name);
    if (host == name || (!rest.empty() && rest.front() == ':')) return true;
  }
  return false;
}

}  // namespace

HttpResponse to_response(const Refusal& refusal) {
  return json_answer(core::hermes::http_status(refusal.cause), hermes::write_refusal(refusal));
}

std::string write_audit(const core::hermes::Audit& audit) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object()
      .member("balanced", audit.balanced())
      .member("consumers", audit.consumers)
      .member("providers", audit.providers)
      .member("agreements", audit.agreements)
      .member("promised_by_consumers", audit.promised_by_consumers)
      .member("promised_to_providers", audit.promised_to_providers)
      .member("held", audit.held)
      .member("opening", audit.opening)
      .member("recovered", audit.recovered)
      .member("cashable", audit.cashable)
      .member("revealed_to_providers", audit.revealed_to_providers)
      .member("fault_count", audit.fault_count)
      .key("faults")
      .begin_array();
  for (const std::string& fault : audit.faults) writer.value(fault);
  writer.end_array().end_object();
  return out;
}

HermesService::HermesService(platform::Loop& loop, core::hermes::Hermes::Config config,
                             const Signer& operator_key,
                             std::unique_ptr<core::hermes::Ledger> ledger, ChainLookup& chain)
    : loop_(loop),
      machine_(std::move(config), operator_key),
      ledger_(std::move(ledger)),
      chain_(chain),
      timer_(loop,
             [this] {
               machine_.handle_timeout(loop_.now());
               pump();
             }),
      work_(loop),
      self_(std::make_shared<HermesService*>(this)) {}

HermesService::~HermesService() { *self_ = nullptr; }

bool HermesService::is_ours(std::string_view path) {
  return !after(path, kBases[0]).empty() || !after(path, kBases[1]).empty() ||
         !after(path, kAdmin).empty();
}

bool HermesService::handle(const HttpRequest& request, const HttpExchangePtr& exchange) {
  for (const std::string_view base : kBases) {
    if (const auto path = after(request.path, base); !path.empty()) {
      route(kRoutes, path, request, exchange);
      return true;
    }
  }
  if (const auto path = after(request.path, kAdmin); !path.empty()) {
    if (is_local(request)) {
      route(kAdminRoutes, path, request, exchange);
    } else {
      exchange->respond(not_found());
    }
    return true;
  }
  return false;
}

template <std::size_t N>
void HermesService::route(const Route (&table)[N], std::string_view path,
                          const HttpRequest& request, const HttpExchangePtr& exchange) {
  std::string_view piece;
  const Route* found = find_route(table, request.method, path, piece);
  if (found == nullptr) return exchange->respond(not_found());
  found->run(*this, Call{piece, request, exchange});
}

template <typename Parsed>
void HermesService::take(Parsed parsed, const Call& call) {
  if (!parsed.ok()) return call.exchange->respond(malformed(parsed.error()));
  ask(std::move(*parsed), call.exchange);
}

const HermesService::Route HermesService::kRoutes[] = {
    {"POST", "request_promise",
     [](HermesService& self, const Call& call) {
       self.take(hermes::read_promise_request(call.request.body, false), call);
     }},
    {"POST", "pay_and_settle",
     [](HermesService& self, const Call& call) {
       self.take(hermes::read_promise_request(call.request.body, true), call);
     }},
    {"POST", "reveal_r",
     [](HermesService& self, const Call& call) {
       self.take(hermes::read_reveal(call.request.body), call);
     }},
    {"POST", "change_promise_fee",
     [](HermesService& self, const Call& call) {
       self.take(hermes::read_change_fee(call.request.body), call);
     }},
    {"POST", "provider/sync_promise",
     [](HermesService& self, const Call& call) {
       const auto signer = signer_of(call.request);
       if (!signer) return call.exchange->respond(unsigned_request());
       self.take(hermes::read_sync(call.request.body, *signer), call);
     }},
    {"POST", "refresh_promise",
     [](HermesService& self, const Call& call) {
       const auto signer = signer_of(call.request);
       if (!signer) return call.exchange->respond(unsigned_request());
       self.take(hermes::read_refresh(call.request.body, *signer), call);
     }},
    {"GET", "data/consumer/{}",
     [](HermesService& self, const Call& call) {
       const auto identity = Address::parse(call.piece);
       if (!identity.ok()) return call.exchange->respond(not_found());
       self.ask(core::hermes::ConsumerDataRequest{*identity}, call.exchange);
     }},
    {"GET", "data/provider/{}",
     [](HermesService& self, const Call& call) {
       const auto identity = Address::parse(call.piece);
       if (!identity.ok()) return call.exchange->respond(not_found());
       self.ask(core::hermes::ProviderDataRequest{*identity}, call.exchange);
     }},
};

const HermesService::Route HermesService::kAdminRoutes[] = {
    {"GET", "audit",
     [](HermesService& self, const Call& call) {
       self.audit([exchange = call.exchange](const Result<core::hermes::Audit>& done) {
         exchange->respond(
             done.ok() ? json_answer(200, write_audit(*done))
                       : hub::to_response({Cause::Internal, "the ledger cannot be read", ""}));
       });
     }},
    {"POST", "credit",
     [](HermesService& self, const Call& call) {
       self.take(hermes::read_credit(call.request.body), call);
     }},
    {"POST", "cash",
     [](HermesService& self, const Call& call) {
       if (!self.cash_) return call.exchange->respond(not_found());
       const bool begun = self.cash_();
       call.exchange->respond(json_answer(
           begun ? 202 : 409, begun ? R"({"message":"begun"})" : R"({"message":"under way"})"));
     }},
};

std::vector<RouteName> HermesService::routes() {
  std::vector<RouteName> out;
  for (const std::string_view base : kBases) add_names(out, base, kRoutes);
  add_names(out, kAdmin, kAdminRoutes);
  return out;
}

void HermesService::ask(core::hermes::Request request, const HttpExchangePtr& exchange) {
  const core::hermes::RequestId id = next_id_++;
  open_.emplace(id, exchange);
  machine_.handle_request(loop_.now(), id, std::move(request));
  pump();
}

void HermesService::pump() {
  if (pumping_) return;  // the chain may answer from inside the call
  pumping_ = true;
  while (const auto query = machine_.poll_query()) {
    const auto answer = [weak = std::weak_ptr(self_), id = query->id](auto facts) {
      const auto self = weak.lock();
      if (self == nullptr || *self == nullptr) return;
      (*self)->machine_.handle_facts((*self)->loop_.now(), id, std::move(facts));
      (*self)->pump();
    };
    if (const auto* consumer = std::get_if<core::hermes::ConsumerKey>(&query->account)) {
      chain_.consumer(*consumer, [answer](Result<core::hermes::ConsumerFacts> f) { answer(f); });
    } else {
      chain_.provider(std::get<core::hermes::ProviderKey>(query->account),
                      [answer](Result<core::hermes::ProviderFacts> f) { answer(f); });
    }
  }
  start_batch();
  while (auto answered = machine_.poll_answer()) {
    auto node = open_.extract(answered->id);
    if (!node.empty()) node.mapped()->respond(to_response(answered->answer));
  }
  timer_.arm(machine_.next_timeout());
  pumping_ = false;
}

void HermesService::start_batch() {
  std::unique_ptr<core::hermes::Batch> next = machine_.poll_batch();
  if (next == nullptr) return;
  const auto batch = std::make_shared<std::unique_ptr<core::hermes::Batch>>(std::move(next));
  const Status queued = work_.submit([this, batch] { (*batch)->run(*ledger_); },
                                     [this, batch] {
                                       machine_.handle_batch_done(loop_.now(), std::move(*batch));
                                       pump();
                                     });
  assert(queued.ok());  // one batch is out at a time, operators' jobs leave it a place
  (void)queued;
}

void HermesService::audit(std::function<void(Result<core::hermes::Audit>)> done) {
  using Audited = Result<core::hermes::Audit>;
  const Status queued = with_ledger<Audited>(
      [](core::hermes::Ledger& ledger) { return core::hermes::audit(ledger); }, done);
  if (!queued.ok()) done(queued.error());
}

void HermesService::finish() { work_.finish(); }

}  // namespace myst::hub
