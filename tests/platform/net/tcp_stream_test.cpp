#include "platform/net/tcp_stream.hpp"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "platform/net/dial.hpp"
#include "platform/net/resolve.hpp"
#include "platform/net/sockaddr.hpp"

namespace myst::platform {
namespace {

using std::chrono::milliseconds;
constexpr Duration kLimit = std::chrono::seconds{20};
const Endpoint kLoopback{IpAddress::v4(127, 0, 0, 1), 0};

// Two ends of one connection over loopback.
class TcpStreamTest : public ::testing::Test {
 protected:
  void connect(std::size_t write_limit = Stream::kDefaultWriteLimit) {
    auto listening = TcpListener::listen(
        loop, {kLoopback, 8, write_limit},
        [this](std::unique_ptr<TcpStream> stream) { server = std::move(stream); });
    ASSERT_TRUE(listening.ok());
    listener.emplace(std::move(*listening));
    TcpConnect::Options options;
    options.remote = listener->local();
    options.write_limit = write_limit;
    TcpConnect connecting(loop, options, [this](Result<std::unique_ptr<TcpStream>> stream) {
      ASSERT_TRUE(stream.ok());
      client = std::move(*stream);
    });
    ASSERT_TRUE(loop.run_until([this] { return client && server; }, kLimit));
  }
  // Nothing happens any more.
  void settle() {
    EXPECT_FALSE(loop.run_until([] { return false; }, milliseconds{3}));
  }

  Loop loop;
  std::optional<TcpListener> listener;
  std::unique_ptr<Stream> client, server;
};

TEST_F(TcpStreamTest, BytesTravelBothWaysAndTheEndIsSeen) {
  connect();
  EXPECT_EQ(client->local(), server->remote());
  std::string at_server, at_client;
  int ends = 0;
  server->start({[&](ByteSpan data) {
                   at_server += as_text(data);
                   EXPECT_TRUE(server->write(data).ok());
                 },
                 [&](const Status& how) {
                   EXPECT_TRUE(how.ok());
                   ++ends;
                   server->finish();
                 },
                 {}});
  client->start({[&](ByteSpan data) { at_client += as_text(data); },
                 [&](const Status& how) {
                   EXPECT_TRUE(how.ok());
                   ++ends;
                 },
                 {}});
  ASSERT_TRUE(client->write(as_bytes("hello")).ok());
  client->finish();
  EXPECT_FALSE(client->write(as_bytes("late")).ok());
  ASSERT_TRUE(loop.run_until([&] { return ends == 2; }, kLimit));
  EXPECT_EQ(at_server, "hello");
  EXPECT_EQ(at_client, "hello");
}

TEST_F(TcpStreamTest, AFullQueueRefusesAndDrainedTellsWhenToGoOn) {
  constexpr std::size_t kLimitBytes = 100000;
  connect(kLimitBytes);
  const std::string piece(10000, 'x');
  std::size_t written = 0, received = 0, drained = 0;
  const std::size_t total = 30 * 1000 * 1000;
  auto write_more = [&] {
    while (written < total) {
      const Status status = client->write(as_bytes(piece));
      if (!status.ok()) {
        EXPECT_EQ(status.error().code, Errc::Full);
        EXPECT_LE(client->queued(), kLimitBytes);
        return;
      }
      written += piece.size();
    }
  };
  client->start({{}, {}, [&] {
                   ++drained;
                   write_more();
                 }});
  write_more();
  ASSERT_LT(written, total);  // nobody reads yet
  settle();
  EXPECT_EQ(drained, 0u);
  server->start({[&](ByteSpan data) { received += data.size(); }, {}, {}});
  ASSERT_TRUE(loop.run_until([&] { return received >= total; }, kLimit));
  EXPECT_EQ(received, written);
  EXPECT_GT(drained, 0u);
}

TEST_F(TcpStreamTest, APausedReaderGetsNothingUntilItResumes) {
  connect();
  std::string got;
  server->start({[&](ByteSpan data) { got += as_text(data); }, {}, {}});
  server->pause();
  ASSERT_TRUE(client->write(as_bytes("later")).ok());
  settle();
  EXPECT_EQ(got, "");
  server->resume();
  ASSERT_TRUE(loop.run_until([&] { return !got.empty(); }, kLimit));
  EXPECT_EQ(got, "later");
}

TEST_F(TcpStreamTest, AResetIsAnErrorAndWritingFails) {
  connect();
  std::optional<Status> how;
  client->start({{}, [&](const Status& status) { how = status; }, {}});
  ASSERT_TRUE(client->write(as_bytes("unread")).ok());
  settle();
  server.reset();  // closed with unread data: the kernel sends a reset
  ASSERT_TRUE(loop.run_until([&] { return how.has_value(); }, kLimit));
  ASSERT_FALSE(how->ok());
  EXPECT_EQ(how->error().detail, ECONNRESET);
  EXPECT_FALSE(client->write(as_bytes("x")).ok());
}

TEST_F(TcpStreamTest, AWriteThatBreaksEndsThePausedStreamFromTheLoop) {
  connect();
  int ends = 0;
  client->start({{},
                 [&](const Status& status) {
                   EXPECT_FALSE(status.ok());
                   ++ends;
                 },
                 {}});
  client->pause();
  server.reset();
  settle();
  Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) {
    status = client->write(as_bytes("x"));
    EXPECT_EQ(ends, 0);
    ::usleep(100);
  }
  ASSERT_FALSE(status.ok());
  ASSERT_TRUE(loop.run_until([&] { return ends == 1; }, kLimit));
}

TEST_F(TcpStreamTest, MayBeDestroyedInEachOfItsCallbacks) {
  connect();
  auto payload = std::make_shared<int>(1);
  server->start({[&, payload](ByteSpan) {
                   server.reset();
                   EXPECT_EQ(*payload, 1);
                 },
                 [](const Status&) { ADD_FAILURE(); },
                 {}});
  client->start({{},
                 [&, payload](const Status&) {
                   client.reset();
                   EXPECT_EQ(*payload, 1);
                 },
                 {}});
  ASSERT_TRUE(client->write(as_bytes("x")).ok());
  ASSERT_TRUE(loop.run_until([&] { return !client && !server; }, kLimit));
  settle();
  EXPECT_EQ(payload.use_count(), 1);
}

TEST_F(TcpStreamTest, AnIdleConnectionAsksForNoWakeUp) {
  connect();
  client->start({});
  server->start({});
  settle();
  EXPECT_EQ(uv_backend_timeout(loop.uv()), -1);
  EXPECT_FALSE(loop.next_timer());
}

TEST_F(TcpStreamTest, APausedListenerLeavesConnectionsWaiting) {
  connect();
  server.reset();
  client.reset();
  listener->pause();
  TcpConnect::Options options;
  options.remote = listener->local();
  TcpConnect connecting(loop, options, [this](Result<std::unique_ptr<TcpStream>> stream) {
    client = std::move(*stream);
  });
  ASSERT_TRUE(loop.run_until([this] { return client != nullptr; }, kLimit));
  settle();
  EXPECT_EQ(server, nullptr);
  listener->resume();
  ASSERT_TRUE(loop.run_until([this] { return server != nullptr; }, kLimit));
}

TEST_F(TcpStreamTest, AnAddressInUseIsAnError) {
  connect();
  const auto again = TcpListener::listen(loop, {listener->local(), 8, 1000}, {});
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().detail, EADDRINUSE);
}

class DialTest : public TcpStreamTest {
 protected:
  Result<std::unique_ptr<Stream>> dial(const DialOptions& options) {
    std::optional<Result<std::unique_ptr<Stream>>> result;
    Dial dialling(loop, options, [&](Result<std::unique_ptr<Stream>> r) { result = std::move(r); });
    EXPECT_FALSE(result.has_value()) << "called back at once";
    EXPECT_TRUE(loop.run_until([&] { return result.has_value(); }, kLimit));
    return std::move(*result);
  }
  DialOptions to_listener(const std::string& host) {
    DialOptions options;
    options.host = host;
    options.port = listener->local().port;
    return options;
  }
};

TEST_F(DialTest, NumericAndLocalNamesNeedNoResolver) {
  connect();
  for (const char* host : {"127.0.0.1", "localhost"}) {
    const auto stream = dial(to_listener(host));
    ASSERT_TRUE(stream.ok()) << host;
    EXPECT_EQ((*stream)->remote(), listener->local());
  }
}

TEST_F(DialTest, TheBoundAddressIsUsed) {
  connect();
  DialOptions options = to_listener("127.0.0.1");
  options.bind = IpAddress::v4(127, 0, 0, 2);
  const auto stream = dial(options);
  ASSERT_TRUE(stream.ok());
  EXPECT_EQ((*stream)->local().ip, IpAddress::v4(127, 0, 0, 2));
}

TEST_F(DialTest, ARefusedConnectionNamesTheErrno) {
  connect();
  const DialOptions options = to_listener("127.0.0.1");
  listener.reset();
  const auto stream = dial(options);
  ASSERT_FALSE(stream.ok());
  EXPECT_EQ(stream.error().detail, ECONNREFUSED);
}

TEST_F(DialTest, ASilentPeerEndsAtTheDeadline) {
  // A full backlog swallows connection attempts without an answer.
  UniqueFd deaf(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress any = to_sockaddr(kLoopback);
  ASSERT_EQ(::bind(deaf.get(), any.get(), any.size), 0);
  ASSERT_EQ(::listen(deaf.get(), 0), 0);
  std::vector<UniqueFd> fillers;
  const SocketAddress address = to_sockaddr(local_endpoint(deaf.get()));
  for (int i = 0; i < 4; ++i) {
    fillers.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    (void)::connect(fillers.back().get(), address.get(), address.size);
  }
  DialOptions options;
  options.host = "127.0.0.1";
  options.port = local_endpoint(deaf.get()).port;
  options.timeout = milliseconds{20};
  const auto stream = dial(options);
  ASSERT_FALSE(stream.ok());
  EXPECT_EQ(stream.error().code, Errc::Timeout);
}

TEST_F(DialTest, ANameThatCannotBeIsAnError) {
  DialOptions options;
  options.host = std::string(300, 'a');
  options.port = 1;
  EXPECT_FALSE(dial(options).ok());
}

TEST_F(DialTest, GivenUpItCallsNobody) {
  connect();
  server.reset();
  {
    Dial dialling(loop, to_listener("localhost"),
                  [](const Result<std::unique_ptr<Stream>>&) { ADD_FAILURE(); });
    Resolve resolving(loop, "myst.invalid",
                      [](const Result<std::vector<IpAddress>>&) { ADD_FAILURE(); });
  }
  settle();
}

TEST(Resolve, NumericAddressesComeAtOnceWithAndWithoutBrackets) {
  EXPECT_EQ(addresses_at_once("10.0.0.1").size(), 1u);
  EXPECT_EQ(addresses_at_once("::1"), addresses_at_once("[::1]"));
  EXPECT_EQ(addresses_at_once("localhost").size(), 2u);
  EXPECT_TRUE(addresses_at_once("example.org").empty());
  EXPECT_TRUE(addresses_at_once("").empty());
}

}  // namespace
}  // namespace myst::platform
