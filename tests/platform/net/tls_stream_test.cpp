#include "platform/net/tls_stream.hpp"

#include <gtest/gtest.h>

#include <string>

#include "platform/net/dial.hpp"
#include "platform/net/tcp_stream.hpp"
#include "tests/support/tls_certificates.hpp"

namespace myst::platform {
namespace {

using std::chrono::milliseconds;
constexpr Duration kLimit = std::chrono::seconds{20};
const IpAddress kLoopback = IpAddress::v4(127, 0, 0, 1);

const test::TlsCertificates& certificates() {
  static const auto made = test::make_tls_certificates("node.test", kLoopback);
  return made;
}

class TlsStreamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto identity = TlsIdentity::from_pem(certificates().certificate, certificates().key);
    ASSERT_TRUE(identity.ok());
    auto listening = TcpListener::listen(
        loop, {{kLoopback, 0}, 8, TlsStream::inner_write_limit(Stream::kDefaultWriteLimit)},
        [this, identity = *identity](std::unique_ptr<TcpStream> stream) {
          if (plain_server) {
            (void)stream->write(as_bytes("220 this is not tls\r\n"));
            plain = std::move(stream);
            return;
          }
          auto accepted = TlsStream::accept(loop, std::move(stream), identity,
                                            [this](const Status& status) { opened = status; });
          ASSERT_TRUE(accepted.ok());
          server = std::move(*accepted);
        });
    ASSERT_TRUE(listening.ok());
    listener.emplace(std::move(*listening));
  }
  Result<std::unique_ptr<Stream>> dial(const std::string& name, bool trusted = true) {
    DialOptions options;
    options.host = "127.0.0.1";
    options.port = listener->local().port;
    options.tls = true;
    options.tls_name = name;
    const std::string other = test::make_tls_certificates("other.test", kLoopback).authority;
    options.trust = *TlsTrust::from_pem(trusted ? certificates().authority : other);
    options.timeout = std::chrono::seconds{10};
    std::optional<Result<std::unique_ptr<Stream>>> result;
    Dial dialling(loop, options, [&](Result<std::unique_ptr<Stream>> r) { result = std::move(r); });
    EXPECT_TRUE(loop.run_until([&] { return result.has_value(); }, kLimit));
    return std::move(*result);
  }
  void connect() {
    auto stream = dial("node.test");
    ASSERT_TRUE(stream.ok());
    client = std::move(*stream);
    ASSERT_TRUE(loop.run_until([this] { return opened.has_value(); }, kLimit));
    ASSERT_TRUE(opened->ok());
  }

  Loop loop;
  std::optional<TcpListener> listener;
  bool plain_server = false;
  std::optional<Status> opened;
  std::unique_ptr<Stream> client, server, plain;
};

TEST_F(TlsStreamTest, MegabytesTravelBothWaysUnderBackPressure) {
  connect();
  std::string sent, at_server, at_client;
  for (int i = 0; i < 3000000; ++i) sent += static_cast<char>(i * 31 >> 3);
  std::size_t offset = 0;
  auto write_more = [&] {
    while (offset < sent.size()) {
      const std::string_view piece = std::string_view(sent).substr(offset, 50000);
      if (!client->write(as_bytes(piece)).ok()) return;
      offset += piece.size();
    }
  };
  std::size_t echoed = 0;
  auto echo = [&] {
    while (echoed < at_server.size()) {
      const std::string_view piece = std::string_view(at_server).substr(echoed, 50000);
      if (!server->write(as_bytes(piece)).ok()) return;
      echoed += piece.size();
    }
  };
  server->start({[&](ByteSpan data) {
                   at_server += as_text(data);
                   echo();
                 },
                 {},
                 echo});
  client->start({[&](ByteSpan data) { at_client += as_text(data); }, {}, write_more});
  write_more();
  ASSERT_TRUE(loop.run_until([&] { return at_client.size() == sent.size(); }, kLimit));
  EXPECT_EQ(at_client, sent);
}

TEST_F(TlsStreamTest, FinishIsSeenAsAnOrderlyEnd) {
  connect();
  std::optional<Status> end;
  std::string got;
  server->start(
      {[&](ByteSpan data) { got += as_text(data); }, [&](const Status& how) { end = how; }, {}});
  client->start({});
  ASSERT_TRUE(client->write(as_bytes("bye")).ok());
  client->finish();
  ASSERT_TRUE(loop.run_until([&] { return end.has_value(); }, kLimit));
  EXPECT_TRUE(end->ok());
  EXPECT_EQ(got, "bye");
}

TEST_F(TlsStreamTest, ACutConnectionIsNoOrderlyEnd) {
  connect();
  std::optional<Status> end;
  client->start({{}, [&](const Status& how) { end = how; }, {}});
  server.reset();
  ASSERT_TRUE(loop.run_until([&] { return end.has_value(); }, kLimit));
  EXPECT_FALSE(end->ok());
}

TEST_F(TlsStreamTest, AnotherNameIsUnauthorized) {
  const auto stream = dial("wrong.test");
  ASSERT_FALSE(stream.ok());
  EXPECT_EQ(stream.error().code, Errc::Unauthorized);
}

TEST_F(TlsStreamTest, AnotherAuthorityIsUnauthorized) {
  const auto stream = dial("node.test", false);
  ASSERT_FALSE(stream.ok());
  EXPECT_EQ(stream.error().code, Errc::Unauthorized);
}

TEST_F(TlsStreamTest, AnAddressIsFoundAmongTheAlternativeNames) {
  EXPECT_TRUE(dial("127.0.0.1").ok());
  const auto stream = dial("127.0.0.2");
  ASSERT_FALSE(stream.ok());
  EXPECT_EQ(stream.error().code, Errc::Unauthorized);
}

TEST_F(TlsStreamTest, AServerWithoutTlsIsAnError) {
  plain_server = true;
  const auto stream = dial("node.test");
  ASSERT_FALSE(stream.ok());
  EXPECT_EQ(stream.error().code, Errc::Io);
}

TEST_F(TlsStreamTest, PausedItDeliversNothingAndThenAll) {
  connect();
  std::string got;
  client->start({[&](ByteSpan data) { got += as_text(data); }, {}, {}});
  client->pause();
  server->start({});
  ASSERT_TRUE(server->write(as_bytes("one")).ok());
  ASSERT_TRUE(server->write(as_bytes("two")).ok());
  EXPECT_FALSE(loop.run_until([] { return false; }, milliseconds{3}));
  EXPECT_EQ(got, "");
  client->resume();
  ASSERT_TRUE(loop.run_until([&] { return got.size() == 6; }, kLimit));
}

TEST_F(TlsStreamTest, PausedInTheMiddleOfARecordTheRestComesOnResume) {
  connect();
  std::string got;
  client->start({[&](ByteSpan data) {
                   got += as_text(data);
                   client->pause();
                 },
                 {},
                 {}});
  server->start({});
  ASSERT_TRUE(server->write(as_bytes(std::string(10000, 'x'))).ok());
  ASSERT_TRUE(loop.run_until([&] { return !got.empty(); }, kLimit));
  EXPECT_LT(got.size(), 10000u);
  while (got.size() < 10000) {
    const std::size_t before = got.size();
    client->resume();
    ASSERT_TRUE(loop.run_until([&] { return got.size() > before; }, kLimit));
  }
}

TEST_F(TlsStreamTest, MayBeDestroyedInItsCallbacks) {
  connect();
  auto payload = std::make_shared<int>(1);
  server->start({[&, payload](ByteSpan) {
                   server.reset();
                   EXPECT_EQ(*payload, 1);
                 },
                 {},
                 {}});
  client->start({{},
                 [&, payload](const Status&) {
                   client.reset();
                   EXPECT_EQ(*payload, 1);
                 },
                 {}});
  ASSERT_TRUE(client->write(as_bytes("x")).ok());
  ASSERT_TRUE(loop.run_until([&] { return !client && !server; }, kLimit));
  EXPECT_FALSE(loop.run_until([] { return false; }, milliseconds{2}));
  EXPECT_EQ(payload.use_count(), 1);
}

TEST_F(TlsStreamTest, AnIdleConnectionAsksForNoWakeUp) {
  connect();
  client->start({});
  server->start({});
  EXPECT_FALSE(loop.run_until([] { return false; }, milliseconds{3}));
  EXPECT_EQ(uv_backend_timeout(loop.uv()), -1);
  EXPECT_FALSE(loop.next_timer());
}

TEST(TlsTrust, RejectsWhatIsNoCertificate) {
  EXPECT_FALSE(TlsTrust::from_pem("").ok());
  EXPECT_FALSE(TlsTrust::from_pem("-----BEGIN CERTIFICATE-----\nAAAA\n").ok());
  EXPECT_EQ(TlsTrust::from_file("/nonexistent").error().code, Errc::NotFound);
  EXPECT_FALSE(TlsIdentity::from_pem(certificates().certificate, "no key").ok());
}

TEST(TlsTrust, TheSystemBundleIsSharedAndReleased) {
  auto first = TlsTrust::system();
  if (!first.ok()) GTEST_SKIP() << "this machine has no bundle of certificate authorities";
  auto second = TlsTrust::system();
  EXPECT_EQ(*first, *second);
  const std::weak_ptr<const TlsTrust> watch = *first;
  first = Error{};
  second = Error{};
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace myst::platform
