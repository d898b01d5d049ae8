// The API over real sockets on loopback.
#include "drivers/rest/server.hpp"

#include <gtest/gtest.h>

#include "platform/http/client.hpp"
#include "tests/support/fake_node.hpp"

namespace myst::rest {
namespace {

using std::chrono::seconds;

class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto server = Server::listen(loop_, api_, {IpAddress::v4(127, 0, 0, 1), 0});
    ASSERT_TRUE(server.ok()) << server.error().what;
    server_.emplace(std::move(*server));
  }
  std::string url(const std::string& path) const {
    return "http://" + server_->local().to_string() + path;
  }
  platform::HttpResponse ask(std::string method, const std::string& path, std::string body = "",
                             platform::HttpHeaders headers = {}) {
    platform::HttpClient::Call call;
    call.method = std::move(method);
    call.url = url(path);
    call.body = std::move(body);
    call.headers = std::move(headers);
    std::optional<Result<platform::HttpResponse>> got;
    (void)client_.send(std::move(call), [&](Result<platform::HttpResponse> result) {
      got.emplace(std::move(result));
    });
    EXPECT_TRUE(loop_.run_until([&] { return got.has_value(); }, seconds{20}));
    if (!got || !got->ok()) {
      ADD_FAILURE() << path << ": " << (got ? got->error().what : "no answer");
      return {};
    }
    return **got;
  }

  platform::Loop loop_;
  test::FakeNode node_;
  Authenticator account_{loop_, "/nonexistent/nodeui-pass", Bytes(256, 1)};
  Api api_{loop_, node_, account_, {}};
  std::optional<Server> server_;
  platform::HttpClient client_{loop_};
};

TEST_F(ServerTest, AnswersWithTheApisHeaders) {
  const auto got = ask("GET", "/healthcheck");
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.headers.get("Content-Type"), "application/json; charset=utf-8");
  EXPECT_EQ(got.headers.get("Cache-Control"), "no-cache, no-store, must-revalidate");
  EXPECT_NE(got.body.find("\"uptime\":\"1.5s\""), std::string::npos);
}

TEST_F(ServerTest, ErrorsKeepTheirContentTypeExactly) {
  const auto got = ask("PUT", "/connection", "{\"consumer_id\":");
  EXPECT_EQ(got.status, 400);
  EXPECT_EQ(got.headers.get("Content-Type"), "application/vnd.mysterium.error+json");
  EXPECT_EQ(
      got.body,
      R"({"error":{"code":"parse_failed","message":"Could not parse request"},"status":400,"path":"/connection"})");
}

TEST_F(ServerTest, EmptyAnswersHaveNoContentType) {
  const auto got = ask("DELETE", "/connection?id=3");
  EXPECT_EQ(got.status, 202);
  EXPECT_EQ(got.body, "");
  EXPECT_EQ(got.headers.find("Content-Type"), nullptr);
  EXPECT_EQ(node_.disconnected_slot, 3);
}

TEST_F(ServerTest, ForeignOriginsAreRefused) {
  const auto got = ask("GET", "/healthcheck", "", {{"Origin", "http://evil.example"}});
  EXPECT_EQ(got.status, 403);
  EXPECT_EQ(got.body, "");
}

TEST_F(ServerTest, HugeBodiesAreRefusedUnread) {
  EXPECT_EQ(ask("POST", "/config/user", std::string(kMaxBody + 1, ' ')).status, 413);
  EXPECT_EQ(ask("GET", "/healthcheck").status, 200);
}

TEST_F(ServerTest, DeepAndBrokenJsonIsRefused) {
  for (const std::string& body :
       {std::string(100000, '['),
        std::string(R"({"data":)") + std::string(60, '[') + std::string(60, ']') + "}",
        std::string("{\"data\":{\"a\":\"\xff\"}}"), std::string("{\"data\":{\"a\":1e999}}x"),
        std::string("nul"), std::string("\0", 1)}) {
    const int status = ask("POST", "/config/user", body).status;
    EXPECT_TRUE(status == 400 || status == 500 || status == 200) << status;
  }
  EXPECT_EQ(ask("GET", "/healthcheck").status, 200);
}

TEST_F(ServerTest, StopIsAnsweredBeforeTheNodeStops) {
  EXPECT_EQ(ask("POST", "/stop").status, 202);
  EXPECT_TRUE(loop_.run_until([&] { return node_.stops == 1; }, seconds{20}));
}

TEST_F(ServerTest, AConnectWaitsAndItsClientMayLeave) {
  node_.hold_connect = true;
  platform::HttpClient::Call call;
  call.method = "PUT";
  call.url = url("/connection");
  call.body = R"({"consumer_id":"0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"})";
  const auto id = client_.send(std::move(call), [](Result<platform::HttpResponse>) {});
  ASSERT_TRUE(
      loop_.run_until([&] { return static_cast<bool>(node_.pending_connect); }, seconds{20}));
  client_.cancel(id);
  EXPECT_EQ(ask("GET", "/healthcheck").status, 200);
  node_.pending_connect(ConnectionInfo{});  // goes nowhere, harms nothing
  node_.pending_connect = {};
  EXPECT_EQ(ask("GET", "/healthcheck").status, 200);
}

TEST_F(ServerTest, ALargeListIsSentWhole) {
  node_.market.assign(2000, test::golden_proposal());
  const auto got = ask("GET", "/proposals");
  EXPECT_EQ(got.status, 200);
  EXPECT_GT(got.body.size(), 1000000u);
  EXPECT_EQ(got.body.substr(got.body.size() - 3), "}]}");
}

TEST_F(ServerTest, EventStreamEndsWithTheApi) {
  std::optional<Result<platform::HttpResponse>> got;
  (void)client_.get(url("/events/state"),
                    [&](Result<platform::HttpResponse> result) { got.emplace(std::move(result)); });
  ASSERT_TRUE(loop_.run_until([&] { return api_.events().clients() == 1; }, seconds{20}));
  (void)loop_.run_until([] { return false; }, std::chrono::milliseconds{50});
  node_.state_watcher();
  (void)loop_.run_until([] { return false; }, std::chrono::milliseconds{300});
  api_.stop();
  ASSERT_TRUE(loop_.run_until([&] { return got.has_value(); }, seconds{20}));
  ASSERT_TRUE(got->ok()) << got->error().what;
  EXPECT_EQ((**got).headers.get("Content-Type"), "text/event-stream");
  EXPECT_EQ((**got).headers.get("Cache-Control"), "no-cache,no-transform");
  std::size_t events = 0;
  for (std::size_t at = 0; (at = (**got).body.find("data: ", at)) != std::string::npos; ++at)
    ++events;
  EXPECT_EQ(events, 2u);
}

TEST_F(ServerTest, ABusyPortIsReported) {
  const auto second = Server::listen(loop_, api_, server_->local());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().detail, EADDRINUSE);
}

}  // namespace
}  // namespace myst::rest
