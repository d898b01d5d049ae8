#include "apps/hub/transactor_service.hpp"

#include <algorithm>
#include <utility>

#include "core/base/text.hpp"
#include "core/hub/transactor/gas_fees.hpp"
#include "core/payment/channel.hpp"
#include "drivers/transactor/server_codec.hpp"

namespace myst::hub {
namespace {

using core::transactor::Kind;
using core::transactor::Refusal;
using core::transactor::Task;
using platform::HttpExchangePtr;
using platform::HttpRequest;
using platform::HttpResponse;

constexpr std::string_view kBase = "/transactor/api/v1/";
constexpr Duration kForget = std::chrono::hours{6};

std::string_view after(std::string_view path, std::string_view beginning) {
  return path.substr(0, beginning.size()) == beginning ? path.substr(beginning.size())
                                                       : std::string_view();
}

void respond(const HttpExchangePtr& exchange, std::string body) {
  HttpResponse out;
  out.headers.add("Content-Type", "application/json");
  out.body = std::move(body);
  exchange->respond(std::move(out));
}

void respond(const HttpExchangePtr& exchange, const Refusal& refusal, std::string_view path) {
  HttpResponse out;
  out.status = refusal.status;
  out.headers.add("Content-Type", transactor::kErrorType);
  out.body = transactor::write_error(refusal, path);
  exchange->respond(std::move(out));
}

Refusal not_found() { return {404, "not_found", "no such resource"}; }
Refusal malformed(const Error& error) { return {400, "malformed_request", error.what}; }
Refusal unavailable(const char* why) { return {503, "unavailable", why}; }

}  // namespace

TransactorService::TransactorService(platform::Loop& loop, Options options,
                                     storage::TaskStore store, TransactorChain& chain,
                                     TransactionSender& sender)
    : loop_(loop),
      options_(std::move(options)),
      machine_(options_.machine),
      store_(std::move(store)),
      chain_(chain),
      sender_(sender),
      timer_(loop,
             [this] {
               machine_.handle_timeout(loop_.now());
               pump();
             }),
      forget_timer_(loop, [this] { forget_old(); }),
      work_(loop, 4096),
      self_(std::make_shared<TransactorService*>(this)) {
  for (const core::transactor::ChainTerms& terms : options_.terms.chains) {
    fees_[terms.id] = {terms.fees, terms.fees};
  }
  forget_timer_.arm_in(kForget);
}

TransactorService::~TransactorService() { *self_ = nullptr; }

Status TransactorService::restore() {
  MYST_TRY_ASSIGN(const std::vector<Task> queued, store_.queued());
  for (const Task& task : queued) {
    MYST_TRY_ASSIGN(const auto record, sender_.find(task.chain, task.wish_id()));
    machine_.restore(loop_.now(), task, record.has_value());
    if (record) handle_transaction(*record);
  }
  pump();
  return {};
}

bool TransactorService::handle(const HttpRequest& request, const HttpExchangePtr& exchange) {
  const std::string_view path = after(request.path, kBase);
  if (path.empty()) return false;
  std::string_view piece;
  const Route* found = find_route(kRoutes, request.method, path, piece);
  if (found == nullptr) {
    respond(exchange, not_found(), request.path);
  } else {
    found->run(*this, Call{piece, request, exchange});
  }
  return true;
}

template <typename Parsed>
void TransactorService::take(const Parsed& parsed, const Call& call, bool answer_id) {
  if (!parsed.ok()) return respond(call.exchange, malformed(parsed.error()), call.request.path);
  submit(*parsed, call.exchange, call.request.path, answer_id);
}

const TransactorService::Route TransactorService::kRoutes[] = {
    {"GET", "fee/{}", [](TransactorService& self, const Call& call) { self.get_fees(call); }},
    {"GET", "fee/{}/register",
     [](TransactorService& self, const Call& call) {
       self.get_fee(call, &core::transactor::Fees::register_identity);
     }},
    {"GET", "fee/{}/settle",
     [](TransactorService& self, const Call& call) {
       self.get_fee(call, &core::transactor::Fees::settle);
     }},
    {"GET", "fee/{}/stake/decrease",
     [](TransactorService& self, const Call& call) {
       self.get_fee(call, &core::transactor::Fees::decrease_stake);
     }},
    {"GET", "queue/{}",
     [](TransactorService& self, const Call& call) {
       self.get_queue_entry(std::string(call.piece), call.exchange);
     }},
    {"GET", "identity/register/provider/eligibility",
     [](TransactorService& self, const Call& call) { self.get_eligible(call); }},
    {"GET", "identity/register/eligibility/{}",
     [](TransactorService& self, const Call& call) { self.get_eligible(call); }},
    {"GET", "identity/{}/status",
     [](TransactorService& self, const Call& call) {
       const auto identity = Address::parse(call.piece);
       if (!identity.ok()) return respond(call.exchange, not_found(), call.request.path);
       self.get_registrations(*identity, call.exchange);
     }},
    {"POST", "identity/register",
     [](TransactorService& self, const Call& call) {
       self.take(transactor::read_registration(call.request.body), call, false);
     }},
    {"POST", "identity/register/provider",
     [](TransactorService& self, const Call& call) {
       self.take(transactor::read_registration(call.request.body), call, false);
     }},
    {"POST", "identity/register/referer",
     [](TransactorService& self, const Call& call) {
       self.take(transactor::read_registration(call.request.body), call, false);
     }},
    {"POST", "identity/settle_and_rebalance",
     [](TransactorService& self, const Call& call) {
       self.take(transactor::read_settle(call.request.body, Kind::Settle), call, true);
     }},
    {"POST", "identity/settle/into_stake",
     [](TransactorService& self, const Call& call) {
       self.take(transactor::read_settle(call.request.body, Kind::SettleIntoStake), call, true);
     }},
    {"POST", "identity/settle_with_beneficiary",
     [](TransactorService& self, const Call& call) {
       self.take(transactor::read_settle_with_beneficiary(call.request.body), call, true);
     }},
    {"POST", "identity/pay_and_settle",
     [](TransactorService& self, const Call& call) {
       self.take(transactor::read_pay_and_settle(call.request.body), call, true);
     }},
    {"POST", "stake/decrease",
     [](TransactorService& self, const Call& call) {
       self.take(transactor::read_decrease_stake(call.request.body), call, false);
     }},
    {"POST", "channel/open",
     [](TransactorService& self, const Call& call) { self.open_channel(call); }},
    {"POST", "channel/status",
     [](TransactorService& self, const Call& call) {
       self.get_channel_status(call.request.body, call.exchange);
     }},
};

std::vector<RouteName> TransactorService::routes() {
  std::vector<RouteName> out;
  add_names(out, kBase, kRoutes);
  return out;
}

// Any signature is somebody's: whether the registry knows who that is has to be asked before there
// is a task. While the chain does not answer, the task asks itself later.
void TransactorService::open_channel(const Call& call) {
  const auto request = transactor::read_open_channel(call.request.body);
  if (!request.ok()) {
    return respond(call.exchange, malformed(request.error()), call.request.path);
  }
  auto made = core::transactor::make_task(options_.terms, *request, loop_.now().wall);
  if (const auto* refusal = std::get_if<Refusal>(&made)) {
    return respond(call.exchange, *refusal, call.request.path);
  }
  const Task& task = std::get<Task>(made);
  Machine::Question question;
  question.chain = task.chain;
  question.ask = Machine::AskOpen{task.identity, task.channel, task.hermes};
  chain_.ask(question, [weak = std::weak_ptr(self_), request = *request, exchange = call.exchange,
                        path = call.request.path](const Result<Machine::ChainAnswer>& answer) {
    const auto self = weak.lock();
    if (self == nullptr || *self == nullptr) return;
    const auto* known = answer.ok() ? std::get_if<Machine::Open>(&*answer) : nullptr;
    if (known != nullptr && !known->registered) {
      return respond(exchange,
                     {400, "invalid_signature", "not signed by an identity that is registered"},
                     path);
    }
    (*self)->submit(request, exchange, path, false);
  });
}

void TransactorService::get_eligible(const Call& call) {
  const auto& chains = options_.terms.chains;
  const bool free = !chains.empty() && chains.front().fees.register_identity.is_zero();
  respond(call.exchange, transactor::write_eligible(free && machine_.free_left(loop_.now().wall)));
}

void TransactorService::set_fees(std::uint64_t chain, const core::transactor::Fees& fees) {
  for (core::transactor::ChainTerms& terms : options_.terms.chains) {
    if (terms.id != chain) continue;
    Published& published = fees_[chain];
    published.last = published.current;
    published.current = fees;
    terms.fees = core::transactor::smaller_of(published.current, published.last);
  }
}

const TransactorService::Published* TransactorService::fees_of(const Call& call) {
  const auto number = parse_decimal(call.piece);
  const auto found = number ? fees_.find(*number) : fees_.end();
  if (found != fees_.end()) return &found->second;
  respond(call.exchange, not_found(), call.request.path);
  return nullptr;
}

template <typename Member>
void TransactorService::get_fee(const Call& call, Member fee) {
  const WallTime until =
      loop_.now().wall + std::chrono::duration_cast<WallTime::duration>(options_.fee_lifetime);
  if (const Published* published = fees_of(call)) {
    respond(call.exchange, transactor::write_fee(published->current.*fee, until));
  }
}

void TransactorService::get_fees(const Call& call) {
  const WallTime now = loop_.now().wall;
  const WallTime until =
      now + std::chrono::duration_cast<WallTime::duration>(options_.fee_lifetime);
  if (const Published* fees = fees_of(call)) {
    respond(call.exchange, transactor::write_fees(fees->current, fees->last, now, until));
  }
}

void TransactorService::get_queue_entry(std::string id, const HttpExchangePtr& exchange) {
  if (const auto task = current(id)) {
    return respond(exchange, transactor::write_queue_entry(*task));
  }
  using Found = Result<std::optional<Task>>;
  const std::string path = std::string(kBase) + "queue/" + id;
  const Status queued = work_.submit_for<Found>(
      [this, id] { return store_.find(id); },
      [exchange, path](const Found& found) {
        if (!found.ok()) return respond(exchange, unavailable("the store cannot be read"), path);
        if (!*found) return respond(exchange, not_found(), path);
        respond(exchange, transactor::write_queue_entry(**found));
      });
  if (!queued.ok()) respond(exchange, unavailable("busy"), path);
}

void TransactorService::get_registrations(const Address& identity,
                                          const HttpExchangePtr& exchange) {
  using Found = Result<std::vector<Task>>;
  const std::string path = std::string(kBase) + "identity/" + identity.to_string() + "/status";
  const Status queued = work_.submit_for<Found>(
      [this, identity] { return store_.of(identity, Kind::Register); },
      [this, exchange, path](Found found) {
        if (!found.ok()) return respond(exchange, unavailable("the store cannot be read"), path);
        for (Task& task : *found) {
          // What is under way knows more than the disk: why it waits, its transaction.
          if (auto newer = current(task.id)) task = std::move(*newer);
        }
        respond(exchange, transactor::write_registrations(*found));
      });
  if (!queued.ok()) respond(exchange, unavailable("busy"), path);
}

std::optional<Task> TransactorService::current(const std::string& id) const {
  const Task* found = machine_.find(id);
  if (found == nullptr) return std::nullopt;
  Task task = *found;
  if (const auto* record = sender_.find_open(task.chain, task.wish_id())) {
    if (!record->reason.empty()) task.reason = record->reason;
    if (!record->attempts.empty()) task.tx_hash = record->attempts.back().hash;
  }
  return task;
}

void TransactorService::submit(const core::transactor::Request& request,
                               const HttpExchangePtr& exchange, std::string path, bool answer_id) {
  auto made = core::transactor::make_task(options_.terms, request, loop_.now().wall);
  if (const auto* refusal = std::get_if<Refusal>(&made)) {
    return respond(exchange, *refusal, path);
  }
  const Machine::RequestId id = next_id_++;
  open_.emplace(id, Open{exchange, std::move(path), answer_id});
  machine_.handle_request(loop_.now(), id, std::move(std::get<Task>(made)));
  pump();
}

void TransactorService::cash(core::transactor::CashRequest request) {
  auto made = core::transactor::make_task(options_.terms, std::move(request), loop_.now().wall);
  if (!std::holds_alternative<Task>(made)) return;
  machine_.handle_request(loop_.now(), next_id_++, std::move(std::get<Task>(made)));
  pump();
}

std::size_t TransactorService::open_of(Kind kind) const {
  return machine_.of(Address(), kind).size();
}

void TransactorService::get_channel_status(const std::string& body,
                                           const HttpExchangePtr& exchange) {
  const std::string path = std::string(kBase) + "channel/status";
  const auto request = transactor::read_channel_status(body);
  if (!request.ok()) return respond(exchange, malformed(request.error()), path);
  const core::transactor::ChainTerms* terms = options_.terms.chain(request->chain);
  if (terms == nullptr || terms->registry != request->registry) {
    return respond(exchange, {400, "unknown_chain", "this chain is not served"}, path);
  }
  for (const Task* task : machine_.of(request->identity, Kind::OpenChannel)) {
    if (task->chain == request->chain && task->hermes == request->hermes) {
      return respond(exchange, transactor::write_channel_status(
                                   transactor::ChannelStatus::InProgress, task->reason));
    }
  }
  Machine::Question question;
  question.chain = request->chain;
  Machine::AskOpen about{request->identity, Address(), request->hermes};
  if (request->hermes == terms->hermes) {  // of others the chain knows the implementation
    about.channel = payment::consumer_channel(request->identity, request->hermes, terms->registry,
                                              terms->channel_implementation);
  }
  question.ask = about;
  chain_.ask(question, [weak = std::weak_ptr(self_), request = *request, exchange,
                        path](const Result<Machine::ChainAnswer>& answer) {
    const auto self = weak.lock();
    if (self == nullptr || *self == nullptr) return;
    if (!answer.ok()) return respond(exchange, unavailable("the chain does not answer"), path);
    const auto* open = std::get_if<Machine::Open>(&*answer);
    if (open != nullptr && open->open) {
      return respond(exchange,
                     transactor::write_channel_status(transactor::ChannelStatus::Open, ""));
    }
    using Found = Result<std::vector<Task>>;
    const Status queued = (*self)->work_.submit_for<Found>(
        [service = *self, request] {
          return service->store_.of(request.identity, Kind::OpenChannel);
        },
        [exchange, path, request](const Found& found) {
          if (!found.ok()) return respond(exchange, unavailable("the store cannot be read"), path);
          for (const Task& task : *found) {
            if (task.chain != request.chain || task.hermes != request.hermes ||
                task.state != core::transactor::TaskState::Failed) {
              continue;
            }
            return respond(exchange, transactor::write_channel_status(
                                         transactor::ChannelStatus::Failed, task.reason));
          }
          respond(exchange,
                  transactor::write_channel_status(transactor::ChannelStatus::NotFound, ""));
        });
    if (!queued.ok()) respond(exchange, unavailable("busy"), path);
  });
}

void TransactorService::handle_transaction(const chain::TransactionRecord& record) {
  const Now now = loop_.now();
  Digest32 hash = record.hash;
  if (hash == Digest32{} && !record.attempts.empty()) hash = record.attempts.back().hash;
  if (chain::is_final(record.state)) {
    Machine::Outcome outcome;
    outcome.succeeded = record.state == chain::TransactionState::Succeeded;
    outcome.tx_hash = hash;
    outcome.reason = record.reason.empty() ? chain::to_string(record.state) : record.reason;
    machine_.handle_outcome(now, record.id, outcome);
  } else {
    machine_.handle_progress(record.id, hash, record.reason);
  }
  pump();
}

void TransactorService::handle_lost(const std::string& wish, const Error& error) {
  machine_.handle_lost(loop_.now(), wish, error);
  pump();
}

void TransactorService::set_operator(std::uint64_t chain, const Address& hermes,
                                     const Address& operator_key) {
  for (core::transactor::ChainTerms& terms : options_.terms.chains) {
    if (terms.id == chain) terms.operators[hermes] = operator_key;
  }
}

void TransactorService::pump() {
  if (pumping_) return;
  pumping_ = true;
  for (bool moved = true; moved;) {
    moved = false;
    while (const auto question = machine_.poll_question()) {
      moved = true;
      chain_.ask(*question, [weak = std::weak_ptr(self_),
                             id = question->id](Result<Machine::ChainAnswer> answer) {
        const auto self = weak.lock();
        if (self == nullptr || *self == nullptr) return;
        (*self)->machine_.handle_answer((*self)->loop_.now(), id, std::move(answer));
        (*self)->pump();
      });
    }
    while (auto wish = machine_.poll_wish()) {
      moved = true;
      const std::string id = wish->id;
      chain::AccountQueue::Wish transaction;
      transaction.id = wish->id;
      transaction.to = wish->to;
      transaction.data = std::move(wish->data);
      const Status status = sender_.submit(wish->chain, std::move(transaction));
      machine_.handle_submitted(loop_.now(), id, status);
    }
  }
  write();
  while (auto answer = machine_.poll_answer()) {
    auto node = open_.extract(answer->id);
    if (node.empty()) continue;
    const Open& open = node.mapped();
    if (const auto* refusal = std::get_if<Refusal>(&answer->answer)) {
      respond(open.exchange, *refusal, open.path);
    } else {
      respond(open.exchange,
              open.answer_id ? transactor::write_id(std::get<std::string>(answer->answer)) : "{}");
    }
  }
  timer_.arm(machine_.next_timeout());
  pumping_ = false;
}

// What is to be stored now shares one transaction; more comes together while it is written.
void TransactorService::write() {
  if (writing_) return;
  struct Batch {
    std::vector<Machine::Store> stores;
    std::vector<Machine::Accepted> accepted;  // in the order of those that accept
  };
  const auto batch = std::make_shared<Batch>();
  while (auto store = machine_.poll_store()) batch->stores.push_back(std::move(*store));
  if (batch->stores.empty()) return;
  writing_ = true;
  const auto work = [this, batch]() -> Status {
    batch->accepted.clear();
    return store_.together([this, batch]() -> Status {
      for (const Machine::Store& store : batch->stores) {
        if (!store.accept) {
          MYST_TRY(store_.update(store.task));
          continue;
        }
        MYST_TRY_ASSIGN(auto accepted, store_.accept(store.task));
        batch->accepted.push_back(std::move(accepted));
      }
      return {};
    });
  };
  const auto done = [this, batch](const Status& status) {
    writing_ = false;
    auto accepted = batch->accepted.begin();
    for (const Machine::Store& store : batch->stores) {
      if (!store.accept) {
        machine_.handle_updated(loop_.now(), store.id, status);
      } else if (!status.ok()) {
        machine_.handle_accepted(loop_.now(), store.id, status.error());
      } else {
        machine_.handle_accepted(loop_.now(), store.id, std::move(*accepted++));
      }
    }
    pump();
  };
  const Status queued = work_.submit_for<Status>(work, done);
  if (!queued.ok()) done(queued);
}

void TransactorService::forget_old() {
  forget_timer_.arm_in(kForget);
  const WallTime before =
      loop_.now().wall - std::chrono::duration_cast<WallTime::duration>(options_.keep_tasks);
  (void)work_.submit_for<Status>([this, before] { return store_.forget(before); },
                                 [](const Status&) {});
}

void TransactorService::finish() { work_.finish(); }

}  // namespace myst::hub
