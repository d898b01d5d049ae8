// Promises a second of a hub's Hermes: parsed, both signatures recovered, the ledger's transaction
// on the disk (fsync), ours signed, answered; then R revealed. Everything but the sockets. Each
// provider waits for its answer before it asks again, as nodes do; `providers` of them at a time.
// A promise is one request_promise and one reveal_r; p50_ms and p99_ms are of request_promise.
//
// MYST_BENCH_DIR: where the ledger is; its disk is what is measured (default: /var/tmp).
// MYST_BENCH_POSTGRES: an empty database for the ledger instead, such as "host=/run/x user=y".
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apps/hub/hermes_service.hpp"
#include "core/base/text.hpp"
#include "core/payment/channel.hpp"
#include "drivers/postgres/hermes_ledger.hpp"
#include "drivers/storage/hermes_ledger.hpp"
#include "platform/json/writer.hpp"
#include "platform/system/random.hpp"

namespace myst {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kChain = 137;

class RichChain final : public hub::ChainLookup {
 public:
  void consumer(const core::hermes::ConsumerKey&,
                Callback<core::hermes::ConsumerFacts> done) override {
    done(core::hermes::ConsumerFacts{true, Wei::max().divided_by(4), Wei()});
  }
  void provider(const core::hermes::ProviderKey&,
                Callback<core::hermes::ProviderFacts> done) override {
    done(core::hermes::ProviderFacts{});
  }
};

class Exchange final : public platform::HttpExchange {
 public:
  explicit Exchange(std::function<void(int)> done) : done_(std::move(done)) {}
  void respond(platform::HttpResponse response) override { done_(response.status); }
  void begin_stream(int, const platform::HttpHeaders&) override {}
  Status write(std::string_view) override { return {}; }
  void end_stream() override {}
  void on_drained(std::function<void()>) override {}
  void on_gone(std::function<void()>) override {}
  bool gone() const override { return false; }

 private:
  std::function<void(int)> done_;
};

// A consumer and the provider it pays, with the bodies of a whole session made beforehand: signing
// for the consumer is not the hub's work.
struct Pair {
  LocalSigner consumer, provider;
  std::vector<platform::HttpRequest> requests;  // request_promise, reveal_r, request_promise, ...
  std::size_t next = 0;
  Clock::time_point asked;
};

platform::HttpRequest post(std::string path, std::string body) {
  platform::HttpRequest out;
  out.method = "POST";
  out.path = std::move(path);
  out.body = std::move(body);
  return out;
}

void add_payment(Pair& pair, const core::hermes::ChainConfig& chain, Rng& rng, std::size_t n) {
  const Secret<32> r = payment::make_r(rng);
  payment::Promise promise;
  promise.chain_id = kChain;
  promise.channel = payment::to_word(payment::consumer_channel(
      pair.consumer.address(), chain.hermes, chain.registry, chain.channel_implementation));
  promise.amount = Wei(1000000000000000) /* a second or so of traffic */;
  promise.amount = Wei::saturating_mul(promise.amount, Wei(n + 1));
  promise.hashlock = payment::hashlock_of(r.bytes());
  payment::ExchangeMessage message;
  message.chain_id = kChain;
  message.promise_hash = payment::promise_hash(promise);
  message.agreement_id = U256(7);
  message.agreement_total = promise.amount;
  message.provider = pair.provider.address();
  message.hermes = chain.hermes;
  std::string body;
  json::Writer(body)
      .begin_object()
      .key("exchange_message")
      .begin_object()
      .key("Promise")
      .begin_object()
      .member("ChannelID", to_base64(ByteSpan(promise.channel).subspan(12)))
      .member("ChainID", promise.chain_id)
      .member("Amount", promise.amount)
      .member("Fee", promise.fee)
      .member("Hashlock", to_base64(promise.hashlock))
      .key("R")
      .null()
      .member("Signature", to_base64(*payment::sign_promise(pair.consumer, promise)))
      .end_object()
      .member("AgreementID", message.agreement_id)
      .member("AgreementTotal", message.agreement_total)
      .member("Provider", message.provider.to_string())
      .member("Signature", to_hex(*payment::sign_exchange(pair.consumer, message)))
      .member("HermesID", chain.hermes.to_checksum())
      .member("ChainID", message.chain_id)
      .end_object()
      .member("transactor_fee", 20000000000000000u)
      .member("r_recovery_data", std::string(384, 'a'))
      .end_object();
  pair.requests.push_back(post("/api/v2/request_promise", std::move(body)));
  std::string reveal = R"({"R":")" + to_hex(r.bytes()) + R"(","Provider":")" +
                       message.provider.to_string() + R"(","AgreementID":7})";
  pair.requests.push_back(post("/api/v2/reveal_r", std::move(reveal)));
}

class Load {
 public:
  Load(std::size_t providers, std::size_t payments) : operator_(LocalSigner::make(rng_)) {
    const char* where = std::getenv("MYST_BENCH_DIR");
    std::string folder = std::string(where == nullptr ? "/var/tmp" : where) + "/hermes-XXXXXX";
    folder_ = mkdtemp(folder.data()) == nullptr ? "/nowhere" : folder;
    core::hermes::Hermes::Config config;
    const auto address = [this] { return LocalSigner::make(rng_).address(); };
    config.terms.chains = {{kChain, address(), address(), address()}};
    config.terms.operator_key = operator_.address();
    for (std::size_t i = 0; i < providers; ++i) {
      pairs_.push_back(std::make_unique<Pair>(
          Pair{LocalSigner::make(rng_), LocalSigner::make(rng_), {}, 0, {}}));
      for (std::size_t n = 0; n < payments; ++n) {
        add_payment(*pairs_.back(), config.terms.chains.front(), rng_, n);
      }
    }
    std::unique_ptr<core::hermes::Ledger> ledger;
    if (const char* url = std::getenv("MYST_BENCH_POSTGRES")) {
      auto shared = postgres::HermesLedger::open(url);
      if (shared.ok()) ledger = std::move(*shared);
    } else {
      auto own = storage::HermesLedger::open(folder_ + "/hermes.db");
      if (own.ok()) ledger = std::move(*own);
    }
    if (ledger == nullptr) return;
    service_ = std::make_unique<hub::HermesService>(loop_, std::move(config), operator_,
                                                    std::move(ledger), chain_);
  }
  ~Load() {
    service_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  bool run() {
    if (service_ == nullptr) return false;
    for (auto& pair : pairs_) ask(*pair);
    return loop_.run_until([this] { return finished_ == pairs_.size(); },
                           std::chrono::minutes{5}) &&
           failures_ == 0;
  }
  std::size_t promises() const { return latencies_.size(); }
  double percentile(std::size_t percent) {
    std::sort(latencies_.begin(), latencies_.end());
    return latencies_.empty() ? 0 : latencies_[(latencies_.size() - 1) * percent / 100];
  }
  std::uint64_t transactions() const { return service_->machine().counters().batches; }
  bool balanced() {
    std::optional<bool> out;
    service_->audit([&](const Result<core::hermes::Audit>& a) { out = a.ok() && a->balanced(); });
    return loop_.run_until([&] { return out.has_value(); }, std::chrono::minutes{1}) && *out;
  }

 private:
  void ask(Pair& pair) {
    if (pair.next == pair.requests.size()) {
      ++finished_;
      return;
    }
    pair.asked = Clock::now();
    const bool promise = pair.next % 2 == 0;
    const auto answered = [this, &pair, promise](int status) {
      if (status != 200) ++failures_;
      if (promise) {
        latencies_.push_back(
            std::chrono::duration<double, std::milli>(Clock::now() - pair.asked).count());
      }
      // The next one as another event would bring it, not from inside the answer.
      (void)loop_.post([this, &pair] { ask(pair); });
    };
    (void)service_->handle(pair.requests[pair.next++], std::make_shared<Exchange>(answered));
  }

  platform::SystemRng rng_;
  LocalSigner operator_;
  std::string folder_;
  platform::Loop loop_;
  RichChain chain_;
  std::unique_ptr<hub::HermesService> service_;
  std::vector<std::unique_ptr<Pair>> pairs_;
  std::size_t finished_ = 0, failures_ = 0;
  std::vector<double> latencies_;
};

void hermes_promises(benchmark::State& state) {
  const auto providers = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    state.PauseTiming();
    Load load(providers, std::max<std::size_t>(10, 20000 / providers));
    state.ResumeTiming();
    if (!load.run()) state.SkipWithError("a request failed");
    state.PauseTiming();
    if (!load.balanced()) state.SkipWithError("the ledger does not add up");
    state.counters["promises"] =
        benchmark::Counter(static_cast<double>(load.promises()), benchmark::Counter::kIsRate);
    state.counters["p50_ms"] = load.percentile(50);
    state.counters["p99_ms"] = load.percentile(99);
    state.counters["a_transaction"] =
        2 * static_cast<double>(load.promises()) / static_cast<double>(load.transactions());
    state.ResumeTiming();
  }
}
BENCHMARK(hermes_promises)
    ->ArgName("providers")
    ->Arg(1)
    ->Arg(16)
    ->Arg(128)
    ->Arg(1000)
    ->Iterations(1)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace myst
