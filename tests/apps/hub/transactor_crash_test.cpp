// The program that runs the transactor is killed at every point where it writes; the account that
// sends lives in memory both processes share, and keeps what it was given as its own store would.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "apps/hub/transactor_service.hpp"
#include "core/base/text.hpp"
#include "core/payment/channel.hpp"
#include "platform/json/json.hpp"
#include "platform/json/writer.hpp"
#include "tests/support/hermes_world.hpp"
#include "tests/support/kill_points.hpp"

namespace myst::hub {
namespace {

using test::HermesWorld;
using test::RunEnd;

constexpr std::uint64_t kChain = HermesWorld::kChain;
constexpr std::size_t kTasks = 3;
constexpr Duration kLimit = std::chrono::seconds{20};

struct Shared {
  struct Task {
    char id[33];       // as answered
    char wish[40];     // as the account knows it
    int wishes;        // different ones: more than one would be paid twice
    int transactions;  // sent for it
    bool kept;         // in the account's store
    bool finished;
  };
  Task tasks[kTasks];
  int runs;
};

class SharedSender final : public TransactionSender {
 public:
  SharedSender(platform::Loop& loop, Shared& shared, std::map<Bytes, std::size_t> which)
      : loop_(loop), shared_(shared), which_(std::move(which)) {}
  Status submit(std::uint64_t, chain::AccountQueue::Wish wish) override {
    Shared::Task& task = shared_.tasks[which_.at(wish.data)];
    if (std::strcmp(task.wish, wish.id.c_str()) != 0) {
      ++task.wishes;
      std::snprintf(task.wish, sizeof task.wish, "%s", wish.id.c_str());
      task.kept = false;
    }
    if (task.kept) return Error{Errc::AlreadyExists, 0, "known"};
    // Stored and mined later, as events of their own.
    (void)loop_.post([this, &task] {
      task.kept = true;
      (void)loop_.post([this, &task] { mine(task); });
    });
    return {};
  }
  const chain::TransactionRecord* find_open(std::uint64_t, const std::string&) const override {
    return nullptr;
  }
  Result<std::optional<chain::TransactionRecord>> find(std::uint64_t,
                                                       const std::string& wish) override {
    for (Shared::Task& task : shared_.tasks) {
      if (wish != task.wish || !task.kept) continue;
      if (task.transactions == 0) (void)loop_.post([this, &task] { mine(task); });
      return std::optional(record(task));
    }
    return std::optional<chain::TransactionRecord>();
  }
  TransactorService* service = nullptr;

 private:
  static chain::TransactionRecord record(const Shared::Task& task) {
    chain::TransactionRecord out;
    out.id = task.wish;
    out.state = task.transactions > 0 ? chain::TransactionState::Succeeded
                                      : chain::TransactionState::Pending;
    return out;
  }
  void mine(Shared::Task& task) {
    if (task.transactions == 0) ++task.transactions;
    service->handle_transaction(record(task));
  }
  platform::Loop& loop_;
  Shared& shared_;
  std::map<Bytes, std::size_t> which_;
};

class NoChain final : public TransactorChain {
 public:
  void ask(const Question&, Answer done) override { done(ChainAnswer(Wei())); }
};

class Exchange final : public platform::HttpExchange {
 public:
  explicit Exchange(std::function<void(platform::HttpResponse)> done) : done_(std::move(done)) {}
  void respond(platform::HttpResponse response) override { done_(std::move(response)); }
  void begin_stream(int, const platform::HttpHeaders&) override {}
  Status write(std::string_view) override { return {}; }
  void end_stream() override {}
  void on_drained(std::function<void()>) override {}
  void on_gone(std::function<void()>) override {}
  bool gone() const override { return false; }

 private:
  std::function<void(platform::HttpResponse)> done_;
};

struct Asked {
  std::string body;
  Bytes data;
};

Asked settlement(HermesWorld& world, const core::transactor::Terms& terms, std::size_t n) {
  core::transactor::SettleRequest request;
  request.chain = kChain;
  request.provider = world.provider().address();
  request.hermes = terms.chains[0].hermes;
  request.channel = payment::provider_channel_id(request.provider, request.hermes);
  request.amount = Wei(1000 + n);
  request.r.fill(static_cast<std::uint8_t>(n));
  request.signature = *payment::sign_promise(
      world.operator_key(),
      {kChain, request.channel, request.amount, 0, payment::hashlock_of(request.r)});
  Asked out;
  json::Writer(out.body)
      .begin_object()
      .member("hermesID", request.hermes.to_checksum())
      .member("channelID", to_hex(request.channel))
      .member("amount", request.amount)
      .member("fee", 0)
      .member("preimage", to_hex(request.r))
      .member("signature", to_hex(request.signature))
      .member("providerID", request.provider.to_string())
      .member("chainID", kChain)
      .end_object();
  out.data = std::get<core::transactor::Task>(make_task(terms, request, WallTime{})).data;
  return out;
}

bool run_hub(const std::string& path, Shared& shared) {
  ++shared.runs;
  HermesWorld world;
  const auto of_hermes = *world.terms().chain(kChain);
  TransactorService::Options options;
  core::transactor::ChainTerms chain;
  chain.id = kChain;
  chain.registry = of_hermes.registry;
  chain.hermes = of_hermes.hermes;
  chain.hermeses = {chain.hermes};
  options.terms.chains = {chain};
  std::vector<Asked> asked;
  std::map<Bytes, std::size_t> which;
  for (std::size_t n = 0; n < kTasks; ++n) {
    asked.push_back(settlement(world, options.terms, n));
    which[asked.back().data] = n;
  }
  platform::Loop loop;
  NoChain no_chain;
  SharedSender sender(loop, shared, which);
  auto store = storage::TaskStore::open(path);
  if (!store.ok()) return false;
  TransactorService service(loop, std::move(options), std::move(*store), no_chain, sender);
  sender.service = &service;
  if (!service.restore().ok()) return false;
  for (std::size_t n = 0; n < kTasks; ++n) {
    Shared::Task& task = shared.tasks[n];
    std::optional<platform::HttpResponse> response;
    platform::HttpRequest request;
    request.method = "POST";
    request.path = "/transactor/api/v1/identity/settle_and_rebalance";
    request.body = asked[n].body;
    (void)service.handle(request, std::make_shared<Exchange>(
                                      [&](platform::HttpResponse r) { response = std::move(r); }));
    if (!loop.run_until([&] { return response.has_value(); }, kLimit)) return false;
    const auto document = json::Document::parse(response->body);
    if (response->status != 200 || !document.ok()) return false;
    const std::string id = document->root()["id"].string_or("");
    if (task.id[0] != 0 && id != task.id) return false;  // another answer than before
    std::snprintf(task.id, sizeof task.id, "%s", id.c_str());
  }
  if (!loop.run_until([&] { return service.machine().open() == 0; }, kLimit)) return false;
  for (Shared::Task& task : shared.tasks) task.finished = true;
  service.finish();
  return true;
}

TEST(TransactorCrash, EveryAnsweredTaskHappensOnceWhereverTheHubIsKilled) {
  auto* shared = static_cast<Shared*>(test::shared_memory(sizeof(Shared)));
  ASSERT_NE(shared, nullptr);
  std::size_t kills = 0;
  for (std::size_t point = 0;; ++point) {
    char name[] = "/tmp/myst-crash-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    const std::string folder = name, path = folder + "/transactor.db";
    *shared = Shared{};
    const RunEnd first = test::run_until_point(point, [&] { return run_hub(path, *shared); });
    ASSERT_NE(first, RunEnd::Failed) << "at point " << point;
    if (first == RunEnd::Killed) {
      ++kills;
      // What was answered before the kill is known to the next run, and what was not is harmless.
      ASSERT_EQ(test::run_until_point(100000, [&] { return run_hub(path, *shared); }),
                RunEnd::Completed)
          << "after point " << point;
    }
    for (const Shared::Task& task : shared->tasks) {
      ASSERT_TRUE(task.finished);
      ASSERT_EQ(task.transactions, 1) << "after point " << point;
      ASSERT_EQ(task.wishes, 1) << "after point " << point;
    }
    (void)std::system(("rm -rf " + folder).c_str());
    if (first == RunEnd::Completed) break;
  }
  EXPECT_GT(kills, 20u) << "the points were not found";
}

}  // namespace
}  // namespace myst::hub
