#include "platform/http/client.hpp"

#include <errno.h>
#include <gtest/gtest.h>

#include <string>

#include "platform/http/server.hpp"
#include "platform/net/tcp_stream.hpp"
#include "tests/support/tls_certificates.hpp"

namespace myst::platform {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
constexpr Duration kLimit = seconds{20};
const IpAddress kLoopback = IpAddress::v4(127, 0, 0, 1);

class HttpClientTest : public ::testing::Test {
 protected:
  // A server that says `answer` to whatever comes and may close then.
  void raw_server(std::string answer, bool close) {
    auto listening =
        TcpListener::listen(loop, {{kLoopback, 0}, 8, 64 * 1024 * 1024},
                            [this, answer, close](std::unique_ptr<TcpStream> stream) {
                              ++accepted;
                              Stream* raw = stream.get();
                              streams.push_back(std::move(stream));
                              raw->start({[this, raw, answer, close](ByteSpan data) {
                                            asked += as_text(data);
                                            if (asked.find("\r\n\r\n") == std::string::npos) return;
                                            EXPECT_TRUE(raw->write(as_bytes(answer)).ok());
                                            if (close) raw->finish();
                                          },
                                          {},
                                          {}});
                            });
    ASSERT_TRUE(listening.ok());
    listener.emplace(std::move(*listening));
    url = "http://127.0.0.1:" + std::to_string(listener->local().port) + "/p?q=1";
  }
  Result<HttpResponse> call(HttpClient& client, HttpClient::Call what) {
    std::optional<Result<HttpResponse>> result;
    client.send(std::move(what), [&](Result<HttpResponse> r) { result = std::move(r); });
    EXPECT_FALSE(result.has_value()) << "called back at once";
    EXPECT_TRUE(loop.run_until([&] { return result.has_value(); }, kLimit));
    return std::move(*result);
  }
  Result<HttpResponse> get(const std::string& from, HttpClient::Options options = {}) {
    HttpClient client(loop, std::move(options));
    HttpClient::Call what;
    what.url = from;
    return call(client, what);
  }

  Loop loop;
  std::optional<TcpListener> listener;
  std::vector<std::unique_ptr<TcpStream>> streams;
  std::string url, asked;
  int accepted = 0;
};

TEST_F(HttpClientTest, AsksAndReadsAnAnswerOfKnownLength) {
  raw_server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello", false);
  HttpClient::Options options;
  options.user_agent = "test agent";
  const auto response = get(url, options);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "hello");
  EXPECT_EQ(response->headers.get("x-a"), "b");
  EXPECT_EQ(asked,
            "GET /p?q=1 HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(listener->local().port) +
                "\r\nUser-Agent: test agent\r\nAccept: */*\r\nConnection: close\r\n\r\n");
}

TEST_F(HttpClientTest, ReadsChunksAndBodiesThatEndWithTheConnection) {
  raw_server(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
      false);
  EXPECT_EQ(get(url)->body, "abcde");
  listener.reset();
  asked.clear();
  raw_server("HTTP/1.0 200 OK\r\n\r\nuntil the end", true);
  EXPECT_EQ(get(url)->body, "until the end");
}

TEST_F(HttpClientTest, InterimAnswersAreSkippedAndRedirectsAreNotFollowed) {
  raw_server(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nLocation: http://x/\r\n"
      "Content-Length: 0\r\n\r\n",
      false);
  const auto response = get(url);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->status, 302);
  EXPECT_EQ(response->headers.get("location"), "http://x/");
}

TEST_F(HttpClientTest, PostsABodyLargerThanAnyBuffer) {
  std::string received;
  HttpServer::Options options;
  options.local = {kLoopback, 0};
  options.max_body_bytes = 64 * 1024 * 1024;
  auto server =
      HttpServer::listen(loop, options, [&](HttpRequest request, const HttpExchangePtr& e) {
        received = std::move(request.body);
        HttpResponse response;
        response.status = 201;
        response.body = request.headers.get("content-type");
        e->respond(std::move(response));
      });
  ASSERT_TRUE(server.ok());
  const std::string body(20 * 1024 * 1024, 'b');
  HttpClient client(loop);
  std::optional<Result<HttpResponse>> result;
  client.post_json("http://127.0.0.1:" + std::to_string(server->local().port), body,
                   [&](Result<HttpResponse> r) { result = std::move(r); });
  ASSERT_TRUE(loop.run_until([&] { return result.has_value(); }, kLimit));
  ASSERT_TRUE(result->ok());
  EXPECT_EQ((*result)->status, 201);
  EXPECT_EQ((*result)->body, "application/json");
  EXPECT_EQ(received, body);
}

TEST_F(HttpClientTest, HeadHasNoBodyWhateverTheLengthSays) {
  raw_server("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", false);
  HttpClient client(loop);
  HttpClient::Call what;
  what.method = "HEAD";
  what.url = url;
  const auto response = call(client, what);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->body, "");
}

TEST_F(HttpClientTest, BrokenAnswersAreErrors) {
  const std::pair<const char*, Errc> cases[] = {
      {"garbage\r\n\r\n", Errc::Malformed},
      {"SSH-2.0-OpenSSH\r\n", Errc::Malformed},
      {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", Errc::Unavailable},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", Errc::Unavailable},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\n", Errc::Malformed},
      {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc",
       Errc::Malformed},
      {"HTTP/1.1 200", Errc::Unavailable},
      {"", Errc::Unavailable},
  };
  for (const auto& [answer, code] : cases) {
    asked.clear();
    raw_server(answer, true);
    const auto response = get(url);
    ASSERT_FALSE(response.ok()) << answer;
    EXPECT_EQ(static_cast<int>(response.error().code), static_cast<int>(code)) << answer;
    listener.reset();
  }
}

TEST_F(HttpClientTest, AnAnswerTooLongIsCutOff) {
  HttpClient::Options options;
  options.max_response_bytes = 1000;
  raw_server("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", false);
  EXPECT_EQ(get(url, options).error().code, Errc::Full);
  raw_server("HTTP/1.1 200 OK\r\n\r\n" + std::string(2000, 'x'), true);
  EXPECT_EQ(get(url, options).error().code, Errc::Full);
  raw_server("HTTP/1.1 200 OK\r\nX: " + std::string(2000, 'x'), true);
  EXPECT_EQ(get(url, options).error().code, Errc::Full);
}

TEST_F(HttpClientTest, ASilentServerEndsAtTheDeadline) {
  raw_server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", false);
  HttpClient::Options options;
  options.timeout = milliseconds{10};
  EXPECT_EQ(get(url, options).error().code, Errc::Timeout);
}

TEST_F(HttpClientTest, RefusedConnectionsAndBadUrlsAreErrors) {
  raw_server("", true);
  listener.reset();
  EXPECT_EQ(get(url).error().detail, ECONNREFUSED);
  EXPECT_EQ(get("ftp://127.0.0.1/").error().code, Errc::Malformed);
  EXPECT_EQ(get("127.0.0.1").error().code, Errc::Malformed);
  EXPECT_EQ(get("http://127.0.0.1/a b").error().code, Errc::Malformed);
  HttpClient client(loop);
  HttpClient::Call forged;
  forged.url = url;
  forged.headers.add("X", "a\r\nY: b");
  EXPECT_EQ(call(client, forged).error().code, Errc::Malformed);
}

TEST_F(HttpClientTest, CancelledCallsAndADeadClientAreSilent) {
  raw_server("", false);
  auto client = std::make_unique<HttpClient>(loop);
  const auto id = client->get(url, [](const Result<HttpResponse>&) { ADD_FAILURE(); });
  client->get(url, [](const Result<HttpResponse>&) { ADD_FAILURE(); });
  client->cancel(id);
  client->cancel(id);
  EXPECT_EQ(client->calls(), 1u);
  ASSERT_TRUE(loop.run_until([&] { return accepted > 0; }, kLimit));
  client.reset();
  EXPECT_FALSE(loop.run_until([] { return false; }, milliseconds{3}));
}

TEST_F(HttpClientTest, TheClientMayDieInItsCallback) {
  raw_server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false);
  auto client = std::make_unique<HttpClient>(loop);
  client->get(url, [&](const Result<HttpResponse>& response) {
    EXPECT_TRUE(response.ok());
    client.reset();
  });
  client->get(url, [&](const Result<HttpResponse>&) { client.reset(); });
  ASSERT_TRUE(loop.run_until([&] { return client == nullptr; }, kLimit));
  EXPECT_FALSE(loop.run_until([] { return false; }, milliseconds{3}));
}

TEST_F(HttpClientTest, TooManyCallsAtATimeFail) {
  raw_server("", false);
  HttpClient::Options options;
  options.max_calls = 2;
  HttpClient client(loop, options);
  client.get(url, [](const Result<HttpResponse>&) { ADD_FAILURE(); });
  client.get(url, [](const Result<HttpResponse>&) { ADD_FAILURE(); });
  HttpClient::Call third;
  third.url = url;
  EXPECT_EQ(call(client, third).error().code, Errc::Full);
}

TEST_F(HttpClientTest, AKeptConnectionServesAgainAndItsEndIsForgiven) {
  raw_server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false);
  HttpClient::Options options;
  options.keep_alive = true;
  HttpClient client(loop, options);
  HttpClient::Call what;
  what.url = url;
  for (int i = 0; i < 3; ++i) {
    asked.clear();
    const auto response = call(client, what);
    ASSERT_TRUE(response.ok());
    EXPECT_EQ(response->body, "ok");
  }
  EXPECT_EQ(accepted, 1);
  streams.clear();  // the server goes away while the connection is idle, unnoticed so far
  asked.clear();
  ASSERT_TRUE(call(client, what).ok());
  EXPECT_EQ(accepted, 2);
}

TEST_F(HttpClientTest, HttpsChecksTheCertificate) {
  const auto certificates = test::make_tls_certificates("hub.test", kLoopback);
  HttpServer::Options serving;
  serving.local = {kLoopback, 0};
  serving.tls = *TlsIdentity::from_pem(certificates.certificate, certificates.key);
  auto server =
      HttpServer::listen(loop, serving, [](HttpRequest request, const HttpExchangePtr& e) {
        HttpResponse response;
        response.body = "secret " + request.path + std::string(100000, 'z');
        e->respond(std::move(response));
      });
  ASSERT_TRUE(server.ok());
  const std::string to = "https://127.0.0.1:" + std::to_string(server->local().port) + "/x";
  HttpClient::Options options;
  options.trust = *TlsTrust::from_pem(certificates.authority);
  const auto response = get(to, options);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->body.size(), 100009u);
  EXPECT_EQ(get(to).error().code, Errc::Unauthorized);  // the system does not know our authority
}

TEST_F(HttpClientTest, AnIdleClientAsksForNoWakeUp) {
  raw_server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false);
  HttpClient client(loop);
  HttpClient::Call what;
  what.url = url;
  ASSERT_TRUE(call(client, what).ok());
  EXPECT_FALSE(loop.run_until([] { return false; }, milliseconds{2}));
  EXPECT_EQ(uv_backend_timeout(loop.uv()), -1);
  EXPECT_FALSE(loop.next_timer());
}

}  // namespace
}  // namespace myst::platform
