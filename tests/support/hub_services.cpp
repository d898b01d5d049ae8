#include "tests/support/hub_services.hpp"

#include <sqlite3.h>

#include <cstdlib>

#include "core/base/text.hpp"
#include "drivers/storage/hermes_ledger.hpp"
#include "platform/json/json.hpp"
#include "tests/support/broken_bodies.hpp"

namespace myst::hub {
namespace {

constexpr Duration kLimit = std::chrono::seconds{20};

std::string fill(const std::string& pattern, const std::string& piece) {
  const std::size_t hole = pattern.find("{}");
  return hole == std::string::npos ? pattern
                                   : pattern.substr(0, hole) + piece + pattern.substr(hole + 2);
}
bool served(const std::string& method, const std::string& path) {
  std::string_view piece;
  for (const RouteName& route : Hub::routes()) {
    if (route.method == method && matches(route.pattern, path, piece)) return true;
  }
  return false;
}

}  // namespace

void HubServices::SetUp() {
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
  options.terms.chains = {test::transactor_terms(world_, {5, 10, 15})};
  transactor_ = std::make_unique<TransactorService>(loop_, std::move(options), std::move(*store),
                                                    chain_, sender_);
  ASSERT_TRUE(transactor_->restore().ok());
  platform::HttpServer::Options http;
  http.local = {IpAddress::v4(127, 0, 0, 1), 0};
  http.max_body_bytes = Hub::kMaxBody;
  auto server =
      platform::HttpServer::listen(loop_, http, [this](const auto& request, const auto& exchange) {
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

void HubServices::TearDown() {
  for (sqlite3* handle : databases_) sqlite3_close(handle);
  if (transactor_ != nullptr) transactor_->finish();
  if (hermes_ != nullptr) hermes_->finish();
  server_.reset();
  transactor_.reset();
  hermes_.reset();
  (void)std::system(("rm -rf " + folder_).c_str());
}

std::string HubServices::state() {
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

platform::HttpResponse HubServices::call(const std::string& method, const std::string& path,
                                         const Input& input) {
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

void HubServices::expect_refusal(const platform::HttpResponse& answer, const std::string& path,
                                 int wanted) {
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

HubServices::Input HubServices::with_signature(const Row& row, std::string body) const {
  Input input{std::move(body), {}};
  if (row.signer != nullptr) {
    const auto signature = row.signer->sign(as_bytes(input.body));
    input.headers.add("Authorization", "Signature " + to_base64(*signature));
  }
  return input;
}

void HubServices::run(const Row& row) {
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
    if (served(row.method, path + junk) || row.pattern.back() == '/' || row.pattern.back() == '}') {
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
    for (const test::Broken& bad : test::broken(good.body, row.free)) {
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

}  // namespace myst::hub
