// The hub at 10,000 live proposals, and the broker gate. "p99_ms" is what the budget speaks of: a
// filtered query within 20 ms.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "apps/hub/answer_sender.hpp"
#include "apps/hub/http_api.hpp"
#include "core/hub/gate.hpp"
#include "core/identity/signed_subject.hpp"
#include "drivers/discovery/proposal_codec.hpp"
#include "platform/http/client.hpp"
#include "platform/http/server.hpp"
#include "platform/system/random.hpp"

namespace myst {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kProposals = 10000;
constexpr const char* kCountries[] = {"US", "DE", "GB", "FR", "LT", "NL", "PL", "BR", "IN", "JP"};
constexpr const char* kServices[] = {"wireguard", "scraping", "dvpn", "data_transfer",
                                     "monitoring"};

Now now() {
  return {Instant{} + std::chrono::hours{1}, WallTime{} + std::chrono::seconds{1700000000}};
}

core::Proposal make_proposal(std::size_t i) {
  core::Proposal out;
  char id[43];
  std::snprintf(id, sizeof id, "0x%040zx", i / 5 * 2654435761u);
  out.provider_id = id;
  out.service_type = kServices[i % 5];
  out.location = {"EU",
                  kCountries[i / 5 % 10],
                  "Some Region",
                  "Some City",
                  8764,
                  "Example Net",
                  i % 4 == 0 ? "hosting" : "residential"};
  out.contacts.push_back({std::string(core::kNatsContact),
                          true,
                          {"nats://broker.example:4222", "nats://192.0.2.10:4222"},
                          ""});
  out.access_policies.emplace();
  if (i % 5 != 0)
    out.access_policies->push_back(
        {"mysterium", "https://trust.example/access-policies/mysterium"});
  return out;
}

const core::ProposalIndex& full_index() {
  static const core::ProposalIndex index = [] {
    core::ProposalIndex built{core::ProposalIndex::Config{}};
    for (std::size_t i = 0; i < kProposals; ++i)
      (void)built.put(now(), *discovery::index_proposal(make_proposal(i)));
    return built;
  }();
  return index;
}

class Percentile {
 public:
  void add(Clock::time_point from) {
    samples_.push_back(std::chrono::duration<double, std::milli>(Clock::now() - from).count());
  }
  void report(benchmark::State& state) {
    if (samples_.empty()) return;
    std::sort(samples_.begin(), samples_.end());
    state.counters["p99_ms"] = samples_[samples_.size() * 99 / 100];
    state.counters["max_ms"] = samples_.back();
  }

 private:
  std::vector<double> samples_;
};

constexpr const char* kQueries[] = {
    "access_policy=all&compatibility_max=0&compatibility_min=2&service_type=wireguard",
    "location_country=LT",
    "access_policy=mysterium&ip_type=residential&location_country=DE&nat_compatibility=symmetric&"
    "quality_min=1.00",
    "access_policy=all&provider_id=0x000000000000000000000000000000009e3779b1&service_type="
    "wireguard",
    "access_policy=all",
};

void list(benchmark::State& state) {
  const auto& index = full_index();
  platform::SystemRng rng;
  const char* query = kQueries[state.range(0)];
  Percentile percentile;
  std::size_t bytes = 0;
  for (auto _ : state) {
    const auto from = Clock::now();
    const std::string body = index.list(core::parse_proposal_query(query), true, rng);
    benchmark::DoNotOptimize(bytes = body.size());
    percentile.add(from);
  }
  percentile.report(state);
  state.counters["answer_kb"] = static_cast<double>(bytes) / 1024;
}
BENCHMARK(list)->DenseRange(0, 4)->Unit(benchmark::kMillisecond);

void countries(benchmark::State& state) {
  Percentile percentile;
  for (auto _ : state) {
    const auto from = Clock::now();
    benchmark::DoNotOptimize(
        full_index().countries(core::parse_proposal_query("access_policy=all")));
    percentile.add(from);
  }
  percentile.report(state);
}
BENCHMARK(countries)->Unit(benchmark::kMillisecond);

// The same queries through sockets: request to last byte, server and client in one thread.
void http_list(benchmark::State& state) {
  platform::Loop loop;
  platform::SystemRng rng;
  const hub::Options options;
  const core::LocationTable locations({"LT", "residential"});
  const hub::Policies policies;
  const core::PriceBoard prices;
  const hub::HttpApi api(options, full_index(), locations, policies, prices, rng,
                         [] { return hub::HubStatus{}; });
  hub::AnswerSender sender;
  platform::HttpServer::Options listen;
  listen.local = {IpAddress::v4(127, 0, 0, 1), 0};
  auto server = platform::HttpServer::listen(
      loop, listen,
      [&](const platform::HttpRequest& request, const platform::HttpExchangePtr& exchange) {
        sender.send(exchange, api.answer(now(), request));
      });
  platform::HttpClient::Options client_options;
  client_options.keep_alive = true;
  client_options.max_response_bytes = 64u << 20;
  platform::HttpClient client(loop, client_options);
  const std::string url =
      "http://" + server->local().to_string() + "/api/v4/proposals?" + kQueries[state.range(0)];
  Percentile percentile;
  for (auto _ : state) {
    const auto from = Clock::now();
    bool done = false;
    client.get(url, [&](const Result<platform::HttpResponse>& answer) { done = answer.ok(); });
    if (!loop.run_until([&] { return done; }, std::chrono::seconds{10}))
      state.SkipWithError("no answer");
    percentile.add(from);
  }
  percentile.report(state);
}
BENCHMARK(http_list)->DenseRange(0, 4)->Unit(benchmark::kMillisecond);

void announcement(benchmark::State& state) {
  core::ProposalIndex index{core::ProposalIndex::Config{}};
  std::vector<std::string> messages;
  for (std::size_t i = 0; i < kProposals; ++i)
    messages.push_back(discovery::proposal_message(make_proposal(i)));
  std::size_t i = 0;
  for (auto _ : state) {
    auto proposal = discovery::read_proposal_message(messages[i++ % kProposals]);
    (void)index.put(now(), *discovery::index_proposal(std::move(*proposal)));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(announcement);

void gate(benchmark::State& state, const std::string& text, bool from_client) {
  core::GateConfig config;
  config.signatures_burst = 1u << 30;
  core::SubscriptionMemory memory;
  core::GateCounters counters;
  core::GateSession session(config, memory, counters, now());
  std::string batch;
  while (batch.size() + text.size() < 64 * 1024) batch += text;
  for (auto _ : state) {
    (void)(from_client ? session.handle_client(now(), as_bytes(batch))
                       : session.handle_server(now(), as_bytes(batch)));
    benchmark::DoNotOptimize(session.take_to_server());
    benchmark::DoNotOptimize(session.take_to_client());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(batch.size()));
  state.SetItemsProcessed(state.iterations() *
                          static_cast<std::int64_t>(batch.size() / text.size()));
}
void gate_plain_publish(benchmark::State& state) {
  gate(state, "PUB _INBOX.abcdefghijklmnopqrstuv.12345678 500\r\n" + std::string(500, 'x') + "\r\n",
       true);
}
BENCHMARK(gate_plain_publish);
void gate_message(benchmark::State& state) {
  gate(state,
       "MSG _INBOX.abcdefghijklmnopqrstuv.12345678 1 500\r\n" + std::string(500, 'x') + "\r\n",
       false);
}
BENCHMARK(gate_message);
void gate_signed_publish(benchmark::State& state) {
  platform::SystemRng rng;
  const auto signer = LocalSigner::make(rng);
  gate(state,
       "PUB " + signed_subject(signer, 1700000000, "*.proposal-ping.v3") + " 500\r\n" +
           std::string(500, 'x') + "\r\n",
       true);
}
BENCHMARK(gate_signed_publish);

}  // namespace
}  // namespace myst
