#include "platform/http/server.hpp"

#include <gtest/gtest.h>

#include <string>

#include "platform/loop/timer.hpp"
#include "platform/net/tcp_stream.hpp"

namespace myst::platform {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
constexpr Duration kLimit = seconds{20};
const Endpoint kLoopback{IpAddress::v4(127, 0, 0, 1), 0};

// A client that says exactly what a test wants, byte by byte.
struct RawClient {
  RawClient(Loop& owner, const Endpoint& to)
      : loop(owner),
        connecting(owner, TcpConnect::Options{to, {}, 0, 16 * 1024 * 1024},
                   [this](Result<std::unique_ptr<TcpStream>> stream) {
                     ASSERT_TRUE(stream.ok());
                     connected = std::move(*stream);
                     connected->start({[this](ByteSpan b) { got += as_text(b); },
                                       [this](const Status&) { ended = true; },
                                       {}});
                   }) {
    EXPECT_TRUE(loop.run_until([this] { return connected != nullptr; }, kLimit));
  }
  void send(std::string_view text) { EXPECT_TRUE(connected->write(as_bytes(text)).ok()); }
  // All that comes until the server closes.
  std::string rest() {
    EXPECT_TRUE(loop.run_until([this] { return ended; }, kLimit)) << got;
    return got;
  }
  bool sees(std::string_view text) {
    return loop.run_until([&] { return got.find(text) != std::string::npos; }, kLimit);
  }
  Loop& loop;
  std::unique_ptr<TcpStream> connected;
  std::string got;
  bool ended = false;
  TcpConnect connecting;
};

class HttpServerTest : public ::testing::Test {
 protected:
  HttpServerTest() {
    options.local = kLoopback;
    handler = [](HttpRequest request, const HttpExchangePtr& exchange) {
      HttpResponse response;
      response.body =
          request.method + " " + request.path + "?" + request.query + " " + request.body;
      exchange->respond(std::move(response));
    };
  }
  void listen() {
    auto listening =
        HttpServer::listen(loop, options, [this](HttpRequest request, HttpExchangePtr exchange) {
          ++requests;
          handler(std::move(request), std::move(exchange));
        });
    ASSERT_TRUE(listening.ok());
    server.emplace(std::move(*listening));
  }
  // The status line of the answer to these bytes; the connection must be closed after it.
  std::string status_of(std::string_view bytes) {
    if (!server) listen();
    RawClient client(loop, server->local());
    client.send(bytes);
    const std::string answer = client.rest();
    return answer.substr(0, answer.find("\r\n"));
  }
  void settle(Duration time = milliseconds{3}) {
    EXPECT_FALSE(loop.run_until([] { return false; }, time));
  }

  Loop loop;
  HttpServer::Options options;
  HttpServer::Handler handler;
  std::optional<HttpServer> server;
  int requests = 0;
};

TEST_F(HttpServerTest, AnswersAndKeepsTheConnection) {
  listen();
  RawClient client(loop, server->local());
  client.send("GET /a/b?x=1#f HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(client.sees("GET /a/b?x=1 "));
  EXPECT_EQ(client.got.substr(0, 17), "HTTP/1.1 200 OK\r\n");
  EXPECT_NE(client.got.find("Content-Length: 13\r\n"), std::string::npos);
  EXPECT_NE(client.got.find("Date: "), std::string::npos);
  client.got.clear();
  client.send("POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbo");
  settle();
  EXPECT_EQ(client.got, "");
  client.send("dy");
  ASSERT_TRUE(client.sees("POST /c? body"));
  client.got.clear();
  client.send(
      "PUT /d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
      "3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: y\r\n\r\n");
  EXPECT_NE(client.rest().find("PUT /d? abcde"), std::string::npos);
  EXPECT_NE(client.got.find("Connection: close"), std::string::npos);
  EXPECT_EQ(requests, 3);
}

TEST_F(HttpServerTest, ByteByByteIsTheSame) {
  listen();
  RawClient client(loop, server->local());
  for (const char c : std::string(
           "POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody")) {
    client.send(std::string(1, c));
    loop.run_until([] { return true; }, kLimit);
  }
  EXPECT_NE(client.rest().find("POST /c? body"), std::string::npos);
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrderOneAtATime) {
  std::vector<std::pair<std::string, HttpExchangePtr>> held;
  handler = [&](HttpRequest request, HttpExchangePtr exchange) {
    held.emplace_back(request.path, std::move(exchange));
  };
  listen();
  RawClient client(loop, server->local());
  std::string all;
  for (int i = 0; i < 5; ++i) {
    all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
  }
  client.send(all);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(loop.run_until([&] { return !held.empty(); }, kLimit));
    settle(milliseconds{1});
    ASSERT_EQ(held.size(), 1u);
    EXPECT_EQ(held[0].first, "/" + std::to_string(i));
    HttpResponse response;
    response.body = "answer " + std::to_string(i);
    const auto exchange = std::move(held[0].second);
    held.clear();
    exchange->respond(std::move(response));
    ASSERT_TRUE(client.sees("answer " + std::to_string(i)));
  }
}

TEST_F(HttpServerTest, ManyPipelinedRequestsAnsweredAtOnce) {
  listen();
  RawClient client(loop, server->local());
  std::string all;
  for (int i = 0; i < 500; ++i) all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
  client.send(all);
  ASSERT_TRUE(client.sees("GET /499? "));
  EXPECT_EQ(requests, 500);
}

TEST_F(HttpServerTest, HeadGetsTheLengthButNoBody) {
  listen();
  RawClient client(loop, server->local());
  client.send("HEAD /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  const std::string answer = client.rest();
  EXPECT_NE(answer.find("Content-Length: 9\r\n"), std::string::npos);
  EXPECT_EQ(answer.substr(answer.size() - 4), "\r\n\r\n");
}

TEST_F(HttpServerTest, AnswersWithoutBodyHaveNoLength) {
  handler = [](const HttpRequest&, const HttpExchangePtr& exchange) {
    HttpResponse response;
    response.status = 204;
    response.headers.add("X-Forged", "a\r\nSet-Cookie: b");
    response.headers.add("Connection", "upgrade");
    exchange->respond(std::move(response));
  };
  listen();
  RawClient client(loop, server->local());
  client.send("GET / HTTP/1.0\r\n\r\n");
  const std::string answer = client.rest();
  EXPECT_EQ(answer.substr(0, 25), "HTTP/1.1 204 No Content\r\n");
  EXPECT_EQ(answer.find("Content-Length"), std::string::npos);
  EXPECT_EQ(answer.find("Set-Cookie"), std::string::npos);
  EXPECT_EQ(answer.find("upgrade"), std::string::npos);
}

TEST_F(HttpServerTest, GarbageIsABadRequest) {
  EXPECT_EQ(status_of("\x16\x03\x01\x02\x00\x01\x00\x01\xfc"), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(status_of("HELLO world\r\n\r\n"), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 400 Bad Request");  // no Host
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(status_of("GET relative HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"),
            "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            "HTTP/1.1 400 Bad Request");
  // Request smuggling: two lengths that disagree.
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: "
                      "chunked\r\n\r\n0\r\n\r\n"),
            "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(status_of("GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
            "HTTP/1.1 505 HTTP Version Not Supported");
  EXPECT_EQ(status_of("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"),
            "HTTP/1.1 405 Method Not Allowed");
  EXPECT_EQ(requests, 0);
}

TEST_F(HttpServerTest, TooMuchIsRefusedByWhatItIs) {
  options.max_header_bytes = 2000;
  options.max_body_bytes = 1000;
  EXPECT_EQ(status_of("GET /" + std::string(3000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n"),
            "HTTP/1.1 414 Request URI Too Long");
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(3000, 'a') + "\r\n\r\n"),
            "HTTP/1.1 431 Request Header Fields Too Large");
  std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 200; ++i) many += "a: b\r\n";
  EXPECT_EQ(status_of(many + "\r\n"), "HTTP/1.1 431 Request Header Fields Too Large");
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n"),
            "HTTP/1.1 413 Request Entity Too Large");
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n")
                .substr(0, 10),
            "HTTP/1.1 4");
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1f4\r\n" +
                      std::string(500, 'x') + "\r\n1f5\r\n"),
            "HTTP/1.1 413 Request Entity Too Large");
  EXPECT_EQ(requests, 0);
}

TEST_F(HttpServerTest, ALongRefusedBodyDoesNotLoseTheAnswer) {
  listen();
  RawClient client(loop, server->local());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n");
  client.send(std::string(10000000, 'x'));
  client.connected->finish();
  EXPECT_EQ(client.rest().substr(0, 12), "HTTP/1.1 413");
}

TEST_F(HttpServerTest, AClientThatWaitsForContinueIsTold) {
  listen();
  RawClient client(loop, server->local());
  client.send("POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(client.sees("HTTP/1.1 100 Continue\r\n\r\n"));
  client.send("body");
  ASSERT_TRUE(client.sees("POST /c? body"));
}

TEST_F(HttpServerTest, AHalfRequestIsTimedOut) {
  options.request_timeout = milliseconds{10};
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHo"), "HTTP/1.1 408 Request Timeout");
}

TEST_F(HttpServerTest, AnIdleConnectionIsClosedWithoutAWord) {
  options.idle_timeout = milliseconds{10};
  listen();
  RawClient client(loop, server->local());
  client.send("\r\n\r\n");
  EXPECT_EQ(client.rest(), "");
  EXPECT_EQ(server->connections(), 0u);
}

TEST_F(HttpServerTest, AClientThatLeavesEarlyIsForgotten) {
  std::vector<HttpExchangePtr> held;
  handler = [&](const HttpRequest&, HttpExchangePtr exchange) {
    held.push_back(std::move(exchange));
  };
  listen();
  {
    RawClient half(loop, server->local());
    half.send("GET / HTTP/1.1\r\nHo");
    RawClient client(loop, server->local());
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_TRUE(loop.run_until([&] { return !held.empty(); }, kLimit));
  }
  ASSERT_TRUE(loop.run_until([&] { return server->connections() <= 1; }, kLimit));
  held.back()->respond({});  // the client's end is noticed at the latest here
  ASSERT_TRUE(loop.run_until([&] { return server->connections() == 0; }, kLimit));
}

TEST_F(HttpServerTest, AHalfClosedClientStillGetsItsAnswer) {
  std::vector<HttpExchangePtr> held;
  handler = [&](const HttpRequest&, HttpExchangePtr exchange) {
    held.push_back(std::move(exchange));
  };
  listen();
  RawClient client(loop, server->local());
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  client.connected->finish();
  ASSERT_TRUE(loop.run_until([&] { return !held.empty(); }, kLimit));
  settle();
  HttpResponse response;
  response.body = "still here";
  held[0]->respond(std::move(response));
  EXPECT_NE(client.rest().find("still here"), std::string::npos);
}

TEST_F(HttpServerTest, AnExchangeDroppedUnansweredIsAServerError) {
  handler = [](const HttpRequest&, const HttpExchangePtr&) {};
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 500 Internal Server Error");
}

TEST_F(HttpServerTest, AStreamArrivesInChunksUntilItsEnd) {
  HttpExchangePtr stream;
  handler = [&](const HttpRequest&, HttpExchangePtr exchange) {
    exchange->begin_stream(200, {{"Content-Type", "text/event-stream"}});
    stream = std::move(exchange);
  };
  listen();
  RawClient client(loop, server->local());
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(client.sees("Transfer-Encoding: chunked\r\n"));
  ASSERT_TRUE(stream->write("data: 1\n\n").ok());
  ASSERT_TRUE(client.sees("9\r\ndata: 1\n\n\r\n"));
  ASSERT_TRUE(stream->write(std::string(300, 'x')).ok());
  ASSERT_TRUE(client.sees("12c\r\nxxx"));
  EXPECT_EQ(requests, 1);
  auto first = std::move(stream);
  first->end_stream();
  ASSERT_TRUE(client.sees("0\r\n\r\n"));
  ASSERT_TRUE(loop.run_until([&] { return stream != nullptr; }, kLimit));  // the second request
  EXPECT_EQ(first->write("x").error().code, Errc::InvalidState);
}

TEST_F(HttpServerTest, AStreamToAnOldClientEndsWithTheConnection) {
  handler = [](const HttpRequest&, const HttpExchangePtr& exchange) {
    exchange->begin_stream(200, {});
    (void)exchange->write("old");
  };
  listen();
  RawClient client(loop, server->local());
  client.send("GET / HTTP/1.0\r\n\r\n");
  const std::string answer = client.rest();
  EXPECT_EQ(answer.substr(answer.size() - 7), "\r\n\r\nold");
}

TEST_F(HttpServerTest, AStreamTellsWhenTheClientHasGone) {
  HttpExchangePtr stream;
  int gone = 0;
  handler = [&](const HttpRequest&, HttpExchangePtr exchange) {
    exchange->begin_stream(200, {});
    exchange->on_gone([&] {
      ++gone;
      stream.reset();
    });
    stream = std::move(exchange);
  };
  listen();
  {
    RawClient client(loop, server->local());
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_TRUE(loop.run_until([&] { return stream != nullptr; }, kLimit));
  }
  ASSERT_TRUE(loop.run_until([&] { return gone == 1; }, kLimit));
  EXPECT_EQ(server->connections(), 0u);
}

TEST_F(HttpServerTest, ASlowStreamReaderIsFullThenDrainsThenIsCutOff) {
  HttpExchangePtr stream;
  int drained = 0, gone = 0;
  handler = [&](const HttpRequest&, HttpExchangePtr exchange) {
    exchange->begin_stream(200, {});
    exchange->on_drained([&] { ++drained; });
    exchange->on_gone([&] { ++gone; });
    stream = std::move(exchange);
  };
  options.max_queued_bytes = 50000;
  options.write_timeout = milliseconds{30};
  listen();
  RawClient client(loop, server->local());
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(loop.run_until([&] { return stream != nullptr; }, kLimit));
  const auto fill = [&] {
    client.connected->pause();
    Status status;
    for (int i = 0; i < 10000 && status.ok(); ++i) status = stream->write(std::string(10000, 'x'));
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Errc::Full);
  };
  fill();
  client.connected->resume();
  ASSERT_TRUE(loop.run_until([&] { return drained > 0; }, kLimit));
  fill();
  ASSERT_TRUE(loop.run_until([&] { return gone == 1; }, kLimit));
  EXPECT_TRUE(stream->gone());
}

TEST_F(HttpServerTest, ALargeAnswerToASlowReaderArrivesWhole) {
  const std::string large(8 * 1024 * 1024, 'y');
  handler = [&](const HttpRequest&, const HttpExchangePtr& exchange) {
    HttpResponse response;
    response.body = large;
    exchange->respond(std::move(response));
  };
  listen();
  RawClient client(loop, server->local());
  client.connected->pause();
  client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  settle();
  client.connected->resume();
  const std::string answer = client.rest();
  EXPECT_EQ(answer.substr(answer.find("\r\n\r\n") + 4), large);
}

TEST_F(HttpServerTest, MoreConnectionsThanAllowedTakeTurns) {
  options.max_connections = 2;
  std::vector<HttpExchangePtr> held;
  handler = [&](const HttpRequest&, HttpExchangePtr exchange) {
    held.push_back(std::move(exchange));
  };
  listen();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<RawClient>(loop, server->local()));
    clients.back()->send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    settle(milliseconds{1});
    EXPECT_LE(server->connections(), 2u);
  }
  EXPECT_EQ(held.size(), 2u);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(loop.run_until([&] { return !held.empty(); }, kLimit)) << i;
    const auto exchange = std::move(held.front());
    held.erase(held.begin());
    exchange->respond({});
  }
  for (auto& client : clients) EXPECT_TRUE(client->sees("200 OK"));
}

TEST_F(HttpServerTest, IdleConnectionsGiveWayToNewOnes) {
  options.max_connections = 2;
  listen();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 6; ++i) {
    clients.push_back(std::make_unique<RawClient>(loop, server->local()));
    clients.back()->send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_TRUE(clients.back()->sees("200 OK")) << i;
  }
  EXPECT_LE(server->connections(), 2u);
}

TEST_F(HttpServerTest, AnIdleServerAsksForNoWakeUp) {
  listen();
  {
    RawClient client(loop, server->local());
    client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    client.rest();
  }
  ASSERT_TRUE(loop.run_until([&] { return server->connections() == 0; }, kLimit));
  settle();
  EXPECT_EQ(uv_backend_timeout(loop.uv()), -1);
  EXPECT_FALSE(loop.next_timer());
}

TEST_F(HttpServerTest, TheServerMayDieInsideAHandlerAndBeforeItsExchanges) {
  HttpExchangePtr held;
  int gone = 0;
  handler = [&](const HttpRequest&, HttpExchangePtr exchange) {
    exchange->on_gone([&] { ++gone; });
    held = std::move(exchange);
    server.reset();
  };
  listen();
  RawClient client(loop, server->local());
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.rest(), "");
  ASSERT_NE(held, nullptr);
  EXPECT_TRUE(held->gone());
  EXPECT_EQ(gone, 0);
  held->respond({});
  held.reset();
  settle();
}

}  // namespace
}  // namespace myst::platform
