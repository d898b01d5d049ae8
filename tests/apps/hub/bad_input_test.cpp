// Bad input to every call of the hub. The calls are those of the routers' own tables: one that has
// no row here fails the test. What is refused is refused in the words of its service, and leaves
// every table of every database as it was.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <set>

#include "apps/hub/hub.hpp"
#include "core/base/text.hpp"
#include "core/payment/channel.hpp"
#include "core/payment/signed_requests.hpp"
#include "drivers/hermes/server_codec.hpp"
#include "drivers/storage/hermes_ledger.hpp"
#include "drivers/transactor/server_codec.hpp"
#include "platform/http/client.hpp"
#include "platform/json/json.hpp"
#include "platform/json/writer.hpp"
#include "platform/system/random.hpp"
#include "tests/support/hermes_world.hpp"

namespace myst::hub {
namespace {

using Machine = core::transactor::Transactor;
using test::HermesWorld;

constexpr Duration kLimit = std::chrono::seconds{20};
constexpr std::uint64_t kChain = HermesWorld::kChain;

// --- one fault at a time in a body that would be served

struct Broken {
  std::string name, body;
};

// JSON text of a body in which the member at `path` is something else; nullopt: it is left out.
void rewrite(json::Writer& out, json::Value value, const std::string& here, const std::string& path,
             const std::optional<std::string>& instead) {
  if (!value.is_object()) {
    out.value(value);
    return;
  }
  out.begin_object();
  for (const auto& [name, member] : value) {
    const std::string at = here + "/" + std::string(name);
    if (at == path) {
      if (instead) out.key(name).raw(*instead);
      continue;
    }
    out.key(name);
    rewrite(out, member, at, path, instead);
  }
  out.end_object();
}

std::string in_quotes(const std::string& text) { return "\"" + text + "\""; }

// `free`: whatever fits its type is served, nobody signed it.
std::vector<std::pair<std::string, std::string>> replacements(json::Value value, bool free) {
  std::vector<std::pair<std::string, std::string>> out = {{"array", "[1]"}, {"true", "true"}};
  if (value.is_object()) {
    out.insert(out.end(), {{"number", "7"}, {"text", "\"x\""}, {"null", "null"}, {"empty", "{}"}});
    return out;
  }
  out.emplace_back("object", "{\"a\":1}");
  if (value.is_number()) {
    out.insert(out.end(), {{"quoted", in_quotes(value.to_text())},
                           {"negative", "-1"},
                           {"fraction", "1.5"},
                           {"exponent", "1e3"},
                           {"hex", "\"0x10\""},
                           {"two to the 256",
                            "115792089237316195423570985008687907853269984665640564039457584"
                            "007913129639936"},
                           {"hundred digits", "1" + std::string(99, '0')}});
    if (!free) {
      out.insert(out.end(), {{"null", "null"},
                             {"other", "424242"},
                             {"two to the 64", "18446744073709551616"},
                             {"two to the 256 less one",
                              "11579208923731619542357098500868790785326998466564"
                              "0564039457584007913129639935"}});
    }
    return out;
  }
  if (!value.is_string()) {
    out.emplace_back("number", "7");
    return out;
  }
  const std::string text = value.string_or("");
  out.insert(out.end(), {{"number", "7"},
                         {"one less", in_quotes(text.substr(0, text.size() - 1))},
                         {"no digit", in_quotes("0xz!" + text.substr(4))},
                         {"nul", in_quotes(text.substr(0, text.size() - 1) + "\\u0000")},
                         {"not UTF-8", in_quotes(text.substr(0, text.size() - 1) + "\xff")},
                         {"long", in_quotes(std::string(100000, 'a'))}});
  if (!free) {
    std::string other = text;
    char& digit = other[other.size() - 6];
    digit = digit == '0' ? '1' : '0';
    out.insert(out.end(), {{"null", "null"},
                           {"nothing", "\"\""},
                           {"one more", in_quotes(text + "0")},
                           {"two more", in_quotes(text + "00")},
                           {"another", in_quotes(other)}});
  }
  return out;
}

void break_members(json::Value root, json::Value value, const std::string& here,
                   const std::set<std::string>& free, std::vector<Broken>& out) {
  for (const auto& [name, member] : value) {
    const std::string path = here + "/" + std::string(name);
    const bool is_free = free.count(path) != 0 || member.is_null();
    auto with = replacements(member, is_free);
    const auto add = [&](const std::string& what, const std::optional<std::string>& instead) {
      std::string body;
      json::Writer writer(body);
      rewrite(writer, root, "", path, instead);
      out.push_back({path + ": " + what, std::move(body)});
    };
    if (!is_free) add("missing", std::nullopt);
    for (const auto& [what, instead] : with) add(what, instead);
    if (member.is_object()) break_members(root, member, path, free, out);
  }
}

std::vector<Broken> broken(const std::string& body, const std::set<std::string>& free) {
  std::vector<Broken> out = {
      {"nothing", ""},
      {"no JSON", "x"},
      {"open", "{"},
      {"array", "[]"},
      {"null", "null"},
      {"number", "7"},
      {"text", "\"\""},
      {"empty", "{}"},
      {"array of it", "[" + body + "]"},
      {"half", body.substr(0, body.size() / 2)},
      {"and more", body + "}"},
      {"twice", body + body},
      {"deep", std::string(5000, '[')},
      {"deep object", "{\"a\":" + std::string(200, '[') + std::string(200, ']') + "}"},
      {"not UTF-8", "{\"\xff\":1}"},
      {"form", "identity=0x1&amount=1"},
      {"too long", std::string(200000, ' ') + body}};
  const auto document = json::Document::parse(body);
  EXPECT_TRUE(document.ok()) << body;
  if (document.ok()) break_members(document->root(), document->root(), "", free, out);
  return out;
}

// --- the hub's services around one chain that is a map

class FakeChain final : public TransactorChain, public ChainLookup {
 public:
  explicit FakeChain(HermesWorld& world) : world_(world) {}
  void ask(const Question& question, Answer done) override {
    if (const auto* asked = std::get_if<Machine::AskRegistered>(&question.ask)) {
      done(ChainAnswer(Machine::Registered{asked->identity == world_.provider(1).address(), 1000}));
    } else if (std::holds_alternative<Machine::AskSettled>(question.ask)) {
      done(ChainAnswer(Wei()));
    } else {
      const auto& open = std::get<Machine::AskOpen>(question.ask);
      done(ChainAnswer(Machine::Open{open.identity == world_.provider(1).address(), false}));
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
  HermesWorld& world_;
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

class BadInputTest : public testing::Test {
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

  static Row row_of(const std::string& method, const std::string& pattern) {
    Row row;
    row.method = method;
    row.pattern = pattern;
    return row;
  }

  void SetUp() override {
    char name[] = "/tmp/myst-bad-input-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    for (unsigned n = 0; n < 4; ++n) world_.fund(world_.consumer(n), 1000000);
    auto ledger = storage::HermesLedger::open(folder_ + "/hermes.db");
    ASSERT_TRUE(ledger.ok());
    hermes_ = std::make_unique<HermesService>(loop_, test::HermesRunner::default_config(world_),
                                              world_.operator_key(), std::move(*ledger), chain_);
    hermes_->on_cash([] { return true; });
    auto store = storage::TaskStore::open(folder_ + "/transactor.db");
    ASSERT_TRUE(store.ok());
    TransactorService::Options options;
    core::transactor::ChainTerms terms;
    const auto at = *world_.terms().chain(kChain);
    terms.id = kChain;
    terms.registry = at.registry;
    terms.hermes = at.hermes;
    terms.channel_implementation = at.channel_implementation;
    terms.hermeses = {terms.hermes};
    terms.operators[terms.hermes] = world_.operator_key().address();
    terms.fees = {5, 10, 15};
    options.terms.chains = {terms};
    transactor_ = std::make_unique<TransactorService>(loop_, std::move(options), std::move(*store),
                                                      chain_, sender_);
    ASSERT_TRUE(transactor_->restore().ok());
    platform::HttpServer::Options http;
    http.local = {IpAddress::v4(127, 0, 0, 1), 0};
    http.max_body_bytes = Hub::kMaxBody;
    auto server = platform::HttpServer::listen(
        loop_, http, [this](const auto& request, const auto& exchange) {
          if (transactor_->handle(request, exchange) || hermes_->handle(request, exchange)) return;
          exchange->respond(api_.answer(loop_.now(), request));
        });
    ASSERT_TRUE(server.ok());
    server_.emplace(std::move(*server));
    for (const char* file : {"/hermes.db", "/transactor.db"}) {
      sqlite3* handle = nullptr;
      ASSERT_EQ(sqlite3_open_v2((folder_ + file).c_str(), &handle, SQLITE_OPEN_READONLY, nullptr),
                SQLITE_OK);
      databases_.push_back(handle);
    }
  }
  void TearDown() override {
    for (sqlite3* handle : databases_) sqlite3_close(handle);
    if (transactor_ != nullptr) transactor_->finish();
    if (hermes_ != nullptr) hermes_->finish();
    server_.reset();
    transactor_.reset();
    hermes_.reset();
    (void)std::system(("rm -rf " + folder_).c_str());
  }

  // Every row of every table, and what was handed to the account that pays.
  std::string state() {
    std::string out = std::to_string(sender_.wishes) + "\n";
    const auto rows = [&](sqlite3* db, const std::string& sql) {
      std::vector<std::string> found;
      sqlite3_stmt* query = nullptr;
      EXPECT_EQ(sqlite3_prepare_v2(db, sql.c_str(), -1, &query, nullptr), SQLITE_OK) << sql;
      while (sqlite3_step(query) == SQLITE_ROW) {
        std::string row;
        for (int i = 0; i < sqlite3_column_count(query); ++i) {
          const auto* bytes = static_cast<const char*>(sqlite3_column_blob(query, i));
          const auto size = static_cast<std::size_t>(sqlite3_column_bytes(query, i));
          if (bytes != nullptr) row.append(bytes, size);
          row += '|';
        }
        found.push_back(std::move(row));
      }
      sqlite3_finalize(query);
      return found;
    };
    for (sqlite3* db : databases_) {
      for (std::string& table :
           rows(db, "SELECT name FROM sqlite_master WHERE type='table' ORDER BY name")) {
        table.pop_back();
        out += table + ":";
        for (const std::string& row : rows(db, "SELECT * FROM \"" + table + "\"")) out += row;
      }
    }
    return out;
  }

  platform::HttpResponse call(const std::string& method, const std::string& path,
                              const Input& input = {}) {
    std::optional<Result<platform::HttpResponse>> out;
    platform::HttpClient::Call call;
    call.method = method;
    call.url = "http://127.0.0.1:" + std::to_string(server_->local().port) + path;
    call.body = input.body;
    call.headers = input.headers;
    client_.send(std::move(call), [&](Result<platform::HttpResponse> r) { out = std::move(r); });
    EXPECT_TRUE(loop_.run_until([&] { return out.has_value(); }, kLimit));
    if (!out || !out->ok()) {
      ADD_FAILURE() << "no answer to " << method << " " << path;
      return {};
    }
    return std::move(**out);
  }

  // Refused, in the words of the service whose path it is.
  static void expect_refusal(const platform::HttpResponse& answer, const std::string& path,
                             int wanted = 0) {
    EXPECT_GE(answer.status, 400);
    EXPECT_LT(answer.status, 500) << answer.body;
    if (wanted != 0) {
      EXPECT_EQ(answer.status, wanted);
    }
    if (answer.status == 413) return;  // said by the server, before anybody read it
    const auto begins = [&](const char* with) { return path.rfind(with, 0) == 0; };
    const auto document = json::Document::parse(answer.body);
    if (begins("/api/v2/") || begins("/hermes/") || begins("/admin/hermes/")) {
      EXPECT_EQ(answer.headers.get("Content-Type"), "application/json");
      ASSERT_TRUE(document.ok()) << answer.body;
      EXPECT_TRUE(core::hermes::cause_of(document->root()["cause"].string_or("")))
          << answer.body << " has no cause that nodes know";
      EXPECT_TRUE(document->root()["message"].is_string());
      EXPECT_TRUE(document->root()["data"].is_string());
    } else if (begins("/transactor/")) {
      EXPECT_EQ(answer.headers.get("Content-Type"), "application/vnd.mysterium.error+json");
      ASSERT_TRUE(document.ok()) << answer.body;
      EXPECT_NE(document->root()["error"]["code"].string_or(""), "");
      EXPECT_NE(document->root()["error"]["message"].string_or(""), "");
      EXPECT_EQ(document->root()["status"].i64_or(0), answer.status);
      EXPECT_EQ(document->root()["path"].string_or(""), path.substr(0, path.find('?')));
    } else if (document.ok() && document->root().is_object()) {
      EXPECT_TRUE(document->root()["message"].is_string()) << answer.body;
    } else {
      EXPECT_EQ(answer.body, "404 page not found");
    }
  }

  static std::string fill(const std::string& pattern, const std::string& piece) {
    const std::size_t hole = pattern.find("{}");
    return hole == std::string::npos ? pattern
                                     : pattern.substr(0, hole) + piece + pattern.substr(hole + 2);
  }
  static bool served(const std::string& method, const std::string& path) {
    std::string_view piece;
    for (const RouteName& route : Hub::routes()) {
      if (route.method == method && matches(route.pattern, path, piece)) return true;
    }
    return false;
  }
  Input with_signature(const Row& row, std::string body) const {
    Input input{std::move(body), {}};
    if (row.signer != nullptr) {
      const auto signature = row.signer->sign(as_bytes(input.body));
      input.headers.add("Authorization", "Signature " + to_base64(*signature));
    }
    return input;
  }

  void run(const Row& row) {
    const std::string path = fill(row.pattern, row.good_piece);
    SCOPED_TRACE(row.method + " " + path);
    if (row.prepare) row.prepare();
    const std::string before = state();
    const auto unchanged = [&](const std::string& what) {
      EXPECT_TRUE(state() == before) << what << " left a trace";
    };
    for (const char* method : {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
      if (served(method, path)) continue;
      SCOPED_TRACE(method);
      expect_refusal(call(method, path, {"{}", {}}), path, 404);
    }
    for (const char* junk :
         {"x", "/x", "//", "/..", "%2f..", "%00", "%ff", ";a=b", "/{}", "'--", "%0d%0aX-A:%20b"}) {
      SCOPED_TRACE(junk);
      if (served(row.method, path + junk) || row.pattern.back() == '/' ||
          row.pattern.back() == '}') {
        EXPECT_LT(call(row.method, path + junk).status, 500);
      } else if (std::string(junk) != "//") {  // one slash too many may be a redirection
        expect_refusal(call(row.method, path + junk), path + junk);
      }
    }
    const std::string long_path = path + std::string(3000, 'a');
    const auto to_long_path = call(row.method, long_path);
    if (to_long_path.status != 200 || row.pattern.back() != '}') {
      expect_refusal(to_long_path, long_path);
    }
    for (const std::string& piece : row.bad_pieces) {
      SCOPED_TRACE(piece);
      const std::string bad = fill(row.pattern, piece);
      expect_refusal(call(row.method, bad), bad, 404);
    }
    unchanged("junk in the path");
    for (const char* query : {"?", "?=", "?%", "?a=%zz&&=&b", "?limit=-1&limit=9999999999999999999",
                              "?price_hour_max=1e400&price_gib_max=-1&from=NaN", "?ids[]=%00"}) {
      SCOPED_TRACE(query);
      if (row.method == "GET") {
        EXPECT_LT(call("GET", path + query).status, 500);
      }
    }
    unchanged("junk in the query");
    if (!row.good) return;
    const Input good = row.good();
    if (!good.body.empty()) {
      for (const Broken& bad : broken(good.body, row.free)) {
        SCOPED_TRACE(bad.name);
        const auto answer = call(row.method, path, with_signature(row, bad.body));
        expect_refusal(answer, path);
        unchanged(bad.name);
        if (HasFailure()) return;
        ++sent_;
      }
      expect_refusal(call(row.method, path, {std::string(Hub::kMaxBody + 1, ' '), {}}), path, 413);
    }
    if (row.signer != nullptr) {
      const std::string right(good.headers.get("Authorization"));
      for (const std::string& bad :
           {std::string(), std::string("Signature "), std::string("Signature x"),
            std::string("Bearer " + right.substr(10)), right.substr(0, right.size() - 4),
            std::string("Signature ") + to_base64(Bytes(65, 0)),
            std::string("Signature ") + to_base64(Bytes(65, 27))}) {
        SCOPED_TRACE("Authorization: " + bad);
        Input input{good.body, {}};
        if (!bad.empty()) input.headers.add("Authorization", bad);
        expect_refusal(call(row.method, path, input), path, 400);
        unchanged(bad);
      }
      const auto stranger = world_.consumer(9).sign(as_bytes(good.body));
      expect_refusal(call(row.method, path,
                          {good.body, {{"Authorization", "Signature " + to_base64(*stranger)}}}),
                     path, 400);
      unchanged("a stranger's signature");
    }
    const auto answer = call(row.method, path, good);
    EXPECT_EQ(answer.status, row.good_status) << answer.body;
  }

  std::vector<Row> rows();
  void add_hermes(std::vector<Row>& out, const std::string& base, unsigned n);
  void add_transactor(std::vector<Row>& out);

  // --- good bodies

  std::string promise_body(const core::hermes::PromiseRequest& request) {
    std::string out;
    const auto& promise = request.promise.promise;
    json::Writer writer(out);
    writer.begin_object()
        .key("exchange_message")
        .begin_object()
        .key("Promise")
        .begin_object()
        .member("ChannelID", to_base64(ByteSpan(promise.channel).subspan(12)))
        .member("ChainID", promise.chain_id)
        .member("Amount", promise.amount)
        .member("Fee", promise.fee)
        .member("Hashlock", to_base64(promise.hashlock))
        .key("R");
    if (request.r) {
      writer.value(to_base64(request.r->bytes()));
    } else {
      writer.null();
    }
    writer.member("Signature", to_base64(request.promise.signature))
        .end_object()
        .member("AgreementID", request.message.agreement_id)
        .member("AgreementTotal", request.message.agreement_total)
        .member("Provider", request.message.provider.to_string())
        .member("Signature", to_hex(request.message_signature))
        .member("HermesID", request.message.hermes->to_checksum())
        .member("ChainID", request.message.chain_id)
        .end_object()
        .member("transactor_fee", request.transactor_fee)
        .member("r_recovery_data", request.recovery_data)
        .end_object();
    return out;
  }
  core::hermes::ChainConfig at() const { return *world_.terms().chain(kChain); }
  std::string registration(const Signer& who) {
    const Address channel = world_.channel_of(who.address());
    const auto signature = payment::sign_terms(
        who, payment::RegistrationTerms{kChain, at().registry, at().hermes, 1, 5, channel});
    std::string out;
    json::Writer(out)
        .begin_object()
        .member("registryAddress", at().registry.to_checksum())
        .member("hermesID", at().hermes.to_checksum())
        .member("stake", 1)
        .member("fee", 5)
        .member("beneficiary", channel.to_string())
        .member("signature", "0x" + to_hex(*signature))
        .member("identity", who.address().to_string())
        .member("chainID", kChain)
        .end_object();
    return out;
  }
  void settle_members(json::Writer& out, const Signer& who, const Digest32& channel) {
    payment::Promise promise{kChain, channel, 1000, 10, payment::hashlock_of(Bytes(32, 5))};
    const auto signature = payment::sign_promise(world_.operator_key(), promise);
    out.member("hermesID", at().hermes.to_checksum())
        .member("channelID", to_hex(promise.channel))
        .member("amount", promise.amount)
        .member("fee", promise.fee)
        .member("preimage", to_hex(Bytes(32, 5)))
        .member("signature", to_hex(*signature))
        .member("providerID", who.address().to_string())
        .member("chainID", kChain);
  }
  std::string settlement(const Signer& who) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object();
    settle_members(writer, who, payment::provider_channel_id(who.address(), at().hermes));
    writer.end_object();
    return out;
  }

  std::string folder_;
  platform::Loop loop_;
  platform::SystemRng rng_;
  HermesWorld world_;
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
  std::map<unsigned, Secret<32>> secrets_;
  std::map<unsigned, std::string> promises_;  // Hermes' answers
  std::size_t sent_ = 0;
};

void BadInputTest::add_hermes(std::vector<Row>& out, const std::string& base, unsigned n) {
  const Signer& consumer = world_.consumer(n);
  const Signer& provider = world_.provider(n);
  const std::vector<std::string> strangers = {"0x",
                                              "0x19",
                                              "19e7e376e7c213b7e7e7e46cc70a5dd086daff2",
                                              "0x" + std::string(41, '1'),
                                              "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2z",
                                              "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"};
  Row row;
  row.method = "POST";
  row.pattern = base + "request_promise";
  row.free = {"/transactor_fee", "/r_recovery_data", "/exchange_message/Promise/Fee"};
  row.good = [this, &consumer, &provider, n] {
    auto message = world_.message(consumer, provider.address(), 7, 10, 10);
    message.request.transactor_fee = 3;
    secrets_[n] = message.r;
    return Input{promise_body(message.request), {}};
  };
  out.push_back(row);

  row = row_of("POST", base + "reveal_r");
  row.free = {"/AgreementID"};
  row.good = [this, &provider, n] {
    return Input{R"({"R":")" + to_hex(secrets_[n].bytes()) + R"(","Provider":")" +
                     provider.address().to_string() + R"(","AgreementID":7})",
                 {}};
  };
  out.push_back(row);

  const auto ours = [this, &provider](const Secret<32>& r, const Wei& amount, const Wei& fee) {
    core::hermes::SignedPromise out_promise;
    out_promise.promise = {kChain, payment::provider_channel_id(provider.address(), at().hermes),
                           amount, fee, payment::hashlock_of(r.bytes())};
    out_promise.signature = *payment::sign_promise(world_.operator_key(), out_promise.promise);
    return out_promise;
  };
  row = row_of("POST", base + "change_promise_fee");
  row.free = {"/new_fee"};
  row.good = [this, ours, n] {
    const auto promise = ours(secrets_[n], 10, 3);
    std::string body;
    json::Writer(body)
        .begin_object()
        .key("hermes_promise")
        .begin_object()
        .member("ChannelID", to_base64(promise.promise.channel))
        .member("ChainID", kChain)
        .member("Amount", promise.promise.amount)
        .member("Fee", promise.promise.fee)
        .member("Hashlock", to_base64(promise.promise.hashlock))
        .member("R", to_base64(secrets_[n].bytes()))
        .member("Signature", to_base64(promise.signature))
        .end_object()
        .member("new_fee", 4)
        .end_object();
    return Input{body, {}};
  };
  out.push_back(row);

  row = row_of("POST", base + "provider/sync_promise");
  row.signer = &provider;
  row.good = [this, ours, n, row] {
    const auto promise = ours(secrets_[n], 12, 3);
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("channel_id", to_hex(promise.promise.channel))
        .member("chain_id", kChain)
        .member("amount", promise.promise.amount)
        .member("fee", promise.promise.fee)
        .member("hashlock", to_hex(promise.promise.hashlock))
        .member("signature", to_hex(promise.signature))
        .end_object();
    return with_signature(row, body);
  };
  out.push_back(row);

  row = row_of("POST", base + "refresh_promise");
  row.free = {"/r_recovery_data", "/hashlock"};
  row.signer = &provider;
  row.good = [this, &provider, row] {
    return with_signature(row, R"({"chain_id":80001,"identity":")" +
                                   provider.address().to_string() + R"(","hashlock":")" +
                                   to_hex(Bytes(32, 9)) + R"(","r_recovery_data":"0102"})");
  };
  row.prepare = [this, &provider, base, n] {  // the R of what was handed in
    const std::string told = R"({"R":")" + to_hex(secrets_[n].bytes()) + R"(","Provider":")" +
                             provider.address().to_string() + R"("})";
    EXPECT_EQ(call("POST", base + "reveal_r", {told, {}}).status, 200);
  };
  out.push_back(row);

  row = row_of("POST", base + "pay_and_settle");
  row.free = {"/transactor_fee", "/r_recovery_data", "/exchange_message/Promise/Fee"};
  row.good = [this, n] {
    auto message = world_.withdrawal(world_.consumer(2 + n), 50, 50, kChain);
    message.request.transactor_fee = 3;
    return Input{promise_body(message.request), {}};
  };
  out.push_back(row);

  row = row_of("GET", base + "data/consumer/{}");
  row.bad_pieces = strangers;
  row.good_piece = consumer.address().to_string();
  row.good = [] { return Input{}; };
  out.push_back(row);
  row.pattern = base + "data/provider/{}";
  row.good_piece = provider.address().to_string();
  out.push_back(row);
}

void BadInputTest::add_transactor(std::vector<Row>& out) {
  const std::string base = "/transactor/api/v1/";
  unsigned n = 20;
  for (const char* name :
       {"identity/register", "identity/register/provider", "identity/register/referer"}) {
    Row row = row_of("POST", base + name);
    row.good = [this, n] { return Input{registration(world_.consumer(n)), {}}; };
    out.push_back(row);
    ++n;
  }
  for (const char* name : {"identity/settle_and_rebalance", "identity/settle/into_stake"}) {
    Row row = row_of("POST", base + name);
    row.good = [this, n] { return Input{settlement(world_.provider(n)), {}}; };
    out.push_back(row);
    ++n;
  }
  Row row = row_of("POST", base + "identity/settle_with_beneficiary");
  row.good = [this] {
    const Signer& who = world_.provider(30);
    const Address wallet = world_.provider(31).address();
    const auto signature = payment::sign_terms(
        who, payment::BeneficiaryTerms{kChain, at().registry, who.address(), wallet, 6});
    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("Promise").begin_object();
    settle_members(writer, who, payment::provider_channel_id(who.address(), at().hermes));
    writer.end_object()
        .member("beneficiary", wallet.to_string())
        .member("nonce", 6)
        .member("signature", "0x" + to_hex(*signature))
        .member("providerID", who.address().to_string())
        .member("chainID", kChain)
        .member("registry", at().registry.to_checksum())
        .end_object();
    return Input{body, {}};
  };
  out.push_back(row);

  row = row_of("POST", base + "identity/pay_and_settle");
  row.good = [this] {
    const Signer& who = world_.provider(32);
    const Address wallet = world_.provider(31).address();
    const Digest32 channel = payment::withdrawal_channel_id(who.address(), at().hermes);
    payment::WithdrawalTerms terms{kChain, channel, 1000, {}, wallet};
    terms.r.fill(5);
    const auto signature = payment::sign_terms(who, terms);
    std::string body;
    json::Writer writer(body);
    writer.begin_object();
    settle_members(writer, who, channel);
    writer.member("beneficiary", wallet.to_checksum())
        .member("beneficiarySignature", to_hex(*signature))
        .end_object();
    return Input{body, {}};
  };
  out.push_back(row);

  row = row_of("POST", base + "stake/decrease");
  row.good = [this] {
    const Signer& who = world_.provider(33);
    const Digest32 channel = payment::provider_channel_id(who.address(), at().hermes);
    const auto signature =
        payment::sign_terms(who, payment::StakeDecreaseTerms{kChain, channel, 500, 15, 2});
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("channel_id", to_hex(channel))
        .member("nonce", 2)
        .member("hermes_id", at().hermes.to_checksum())
        .member("amount", 500)
        .member("transactor_fee", 15)
        .member("signature", to_hex(*signature))
        .member("chain_id", kChain)
        .member("providerID", who.address().to_string())
        .end_object();
    return Input{body, {}};
  };
  out.push_back(row);

  row = row_of("POST", base + "channel/open");
  row.good = [this] {
    const auto signature = payment::sign_terms(
        world_.provider(1), payment::OpenChannelTerms{kChain, at().registry, at().hermes, 1});
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("transactorFee", 1)
        .member("signature", "0x" + to_hex(*signature))
        .member("hermesID", at().hermes.to_checksum())
        .member("chainID", kChain)
        .member("registry_address", at().registry.to_checksum())
        .end_object();
    return Input{body, {}};
  };
  out.push_back(row);

  row = row_of("POST", base + "channel/status");
  row.free = {"/identity", "/hermesID"};  // of anybody, with any Hermes: it reads only
  row.good = [this] {
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("identity", world_.consumer().address().to_string())
        .member("hermesID", at().hermes.to_checksum())
        .member("chainID", kChain)
        .member("registry_address", at().registry.to_checksum())
        .end_object();
    return Input{body, {}};
  };
  out.push_back(row);

  const std::vector<std::string> chains = {
      "0",   "1",      "x",
      "-1",  "80001x", "0x13881",
      "8e4", "%31",    "115792089237316195423570985008687907853269984665640"};
  for (const char* name : {"fee/{}", "fee/{}/register", "fee/{}/settle", "fee/{}/stake/decrease"}) {
    row = row_of("GET", base + name);
    row.bad_pieces = chains;
    row.good_piece = "80001";
    row.good = [] { return Input{}; };
    out.push_back(row);
  }
  row = row_of("GET", base + "queue/{}");
  row.bad_pieces = {"nothing", "..", "'", "%00", std::string(500, 'f')};
  out.push_back(row);
  row = row_of("GET", base + "identity/{}/status");
  row.bad_pieces = {"x", "0x", "0x12", "0x" + std::string(40, 'z')};
  row.good_piece = world_.consumer().address().to_string();
  row.good = [] { return Input{}; };
  out.push_back(row);
  row = row_of("GET", base + "identity/register/provider/eligibility");
  row.good = [] { return Input{}; };
  out.push_back(row);
  row.pattern = base + "identity/register/eligibility/{}";
  out.push_back(row);
}

std::vector<BadInputTest::Row> BadInputTest::rows() {
  std::vector<Row> out;
  add_hermes(out, "/api/v2/", 0);
  add_hermes(out, "/hermes/api/v2/", 1);
  add_transactor(out);
  Row row = row_of("POST", "/admin/hermes/credit");
  row.good = [this] {
    return Input{R"({"chain_id":80001,"identity":")" + world_.consumer(8).address().to_string() +
                     R"(","amount":500})",
                 {}};
  };
  row.free = {"/amount", "/identity"};  // the operator's to choose
  out.push_back(row);
  out.push_back(row_of("POST", "/admin/hermes/cash"));
  out.push_back(row_of("GET", "/admin/hermes/audit"));
  // Discovery, location, policies, quality: nothing is read from a body.
  for (const RouteName& route : HttpApi::routes()) {
    row = row_of(route.method, route.pattern);
    if (route.pattern == "/access-policies/{}") row.bad_pieces = {"x", "..", "%00", "'"};
    out.push_back(row);
  }
  return out;
}

TEST_F(BadInputTest, IsRefusedByEveryCallAndChangesNothing) {
  std::set<std::pair<std::string, std::string>> tested;
  for (const Row& row : rows()) {
    run(row);
    if (HasFailure()) return;
    EXPECT_TRUE(tested.emplace(row.method, row.pattern).second) << row.pattern << " twice";
  }
  for (const RouteName& route : Hub::routes()) {
    if (route.pattern == Observer::kPath) continue;  // GET without parameters, tests/network
    EXPECT_EQ(tested.count({route.method, route.pattern}), 1u)
        << route.method << " " << route.pattern << " is served, and no bad input is tested";
  }
  EXPECT_GT(sent_, 2000u);
  RecordProperty("bodies", static_cast<int>(sent_));
}

}  // namespace
}  // namespace myst::hub
