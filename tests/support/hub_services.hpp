// The hub's services over HTTP, around one chain that is a map and an account that only counts;
// what is refused is refused in the words of its service, and leaves every table as it was.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "apps/hub/hub.hpp"
#include "platform/http/client.hpp"
#include "platform/system/random.hpp"
#include "tests/support/hermes_world.hpp"

struct sqlite3;

namespace myst::hub {

class FakeChain final : public TransactorChain, public ChainLookup {
 public:
  explicit FakeChain(test::HermesWorld& world) : world_(world) {}
  void ask(const Question& question, Answer done) override {
    if (const auto* asked =
            std::get_if<core::transactor::Transactor::AskRegistered>(&question.ask)) {
      done(ChainAnswer(core::transactor::Transactor::Registered{
          asked->identity == world_.provider(1).address(), 1000}));
    } else if (std::holds_alternative<core::transactor::Transactor::AskSettled>(question.ask)) {
      done(ChainAnswer(Wei()));
    } else {
      const auto& open = std::get<core::transactor::Transactor::AskOpen>(question.ask);
      done(ChainAnswer(core::transactor::Transactor::Open{
          open.identity == world_.provider(1).address(), false}));
    }
  }
  void consumer(const core::hermes::ConsumerKey& key,
                Callback<core::hermes::ConsumerFacts> done) override {
    done(world_.consumer_facts[key]);
  }
  void provider(const core::hermes::ProviderKey& key,
                Callback<core::hermes::ProviderFacts> done) override {
    done(world_.provider_facts[key]);
  }

 private:
  test::HermesWorld& world_;
};

class FakeSender final : public TransactionSender {
 public:
  Status submit(std::uint64_t, chain::AccountQueue::Wish) override {
    ++wishes;
    return {};
  }
  const chain::TransactionRecord* find_open(std::uint64_t, const std::string&) const override {
    return nullptr;
  }
  Result<std::optional<chain::TransactionRecord>> find(std::uint64_t, const std::string&) override {
    return std::optional<chain::TransactionRecord>();
  }
  int wishes = 0;
};

class HubServices : public testing::Test {
 protected:
  struct Input {
    std::string body;
    platform::HttpHeaders headers;
  };
  struct Row {
    std::string method, pattern;
    std::function<Input()> good;  // served, after everything bad was refused; empty: no body
    std::set<std::string> free;   // members that may be anything of their type
    std::vector<std::string> bad_pieces;  // of the path: not found
    std::string good_piece = "x";
    int good_status = 200;
    std::function<void()> prepare;   // what has to happen before
    const Signer* signer = nullptr;  // of the request: it signs the bad bodies too
  };

  void SetUp() override;
  void TearDown() override;

  // Every row of every table, and what was handed to the account that pays.
  std::string state();
  platform::HttpResponse call(const std::string& method, const std::string& path,
                              const Input& input = {});
  // Refused, in the words of the service whose path it is; `wanted` 0: with any 4xx.
  static void expect_refusal(const platform::HttpResponse& answer, const std::string& path,
                             int wanted = 0);
  // In the headers, where the row has a signer.
  Input with_signature(const Row& row, std::string body) const;
  // Junk in the path, in the query, in the body and in the signature; then what is served.
  void run(const Row& row);

  std::string folder_;
  platform::Loop loop_;
  platform::SystemRng rng_;
  test::HermesWorld world_;
  FakeChain chain_{world_};
  FakeSender sender_;
  Options options_;
  core::ProposalIndex index_{core::ProposalIndex::Config{}};
  core::LocationTable locations_{core::Place{"LT", "residential"}};
  Policies policies_;
  core::PriceBoard prices_;
  HttpApi api_{options_, index_, locations_, policies_, prices_, rng_, [] { return HubStatus{}; }};
  std::unique_ptr<HermesService> hermes_;
  std::unique_ptr<TransactorService> transactor_;
  std::optional<platform::HttpServer> server_;
  platform::HttpClient client_{loop_};
  std::vector<sqlite3*> databases_;
  std::size_t sent_ = 0;
};

}  // namespace myst::hub
