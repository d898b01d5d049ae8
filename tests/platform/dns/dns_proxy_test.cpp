#include "platform/dns/dns_proxy.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "core/base/text.hpp"
#include "platform/net/tcp_stream.hpp"
#include "platform/net/udp_socket.hpp"
#include "platform/system/files.hpp"
#include "tests/support/support.hpp"

namespace myst::platform {
namespace {

constexpr Duration kLimit = std::chrono::seconds{20};
const IpAddress kLocal = IpAddress::v4(127, 0, 0, 1);

Bytes query(std::uint8_t id) {
  Bytes out = *from_hex("00000100000100000000000001780378797a0000010001");
  out[1] = id;
  return out;
}

Bytes answer_to(ByteSpan asked, bool truncated) {
  Bytes out = to_bytes(asked);
  out[2] = static_cast<std::uint8_t>(0x81 | (truncated ? 2 : 0));
  out[3] = 0x80;
  out[7] = 1;
  const Bytes record = *from_hex("c00c000100010000003c00045db8d822");
  out.insert(out.end(), record.begin(), record.end());
  return out;
}

// A resolver on loopback, UDP and TCP, that can be silent or too long for UDP.
class FakeResolver {
 public:
  explicit FakeResolver(Loop& loop) {
    auto socket = UdpSocket::open(loop, {{kLocal, 0}, {}, 0});
    udp_ = std::make_unique<UdpSocket>(*std::move(socket));
    udp_->receive([this](const Endpoint& from, ByteSpan asked) {
      ++udp_queries;
      if (!silent) (void)udp_->send(from, answer_to(asked, truncate));
    });
    TcpListener::Options options;
    options.local = udp_->local();
    auto listener = TcpListener::listen(loop, options, [this](std::unique_ptr<TcpStream> accepted) {
      stream_ = std::move(accepted);
      Stream::Handlers handlers;
      handlers.data = [this](ByteSpan bytes) {
        ++tcp_queries;
        const Bytes answer = answer_to(bytes.subspan(2), false);
        Bytes out{0, static_cast<std::uint8_t>(answer.size())};
        out.insert(out.end(), answer.begin(), answer.end());
        (void)stream_->write(out);
      };
      handlers.ended = [](Status) {};
      stream_->start(std::move(handlers));
    });
    EXPECT_TRUE(listener.ok());
    tcp_ = std::make_unique<TcpListener>(*std::move(listener));
  }
  std::uint16_t port() const { return udp_->local().port; }

  bool silent = false, truncate = false;
  int udp_queries = 0, tcp_queries = 0;

 private:
  std::unique_ptr<UdpSocket> udp_;
  std::unique_ptr<TcpListener> tcp_;
  std::unique_ptr<TcpStream> stream_;
};

class DnsProxyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/myst-dns-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    folder_ = folder;
    ASSERT_TRUE(write_file_atomically(folder_ + "/resolv.conf", "nameserver 127.0.0.1\n").ok());
  }
  void TearDown() override {
    (void)std::remove((folder_ + "/resolv.conf").c_str());
    (void)::rmdir(folder_.c_str());
  }
  std::unique_ptr<DnsProxy> open(DnsProxy::Options options = {}) {
    options.port = 0;
    options.resolv_conf = folder_ + "/resolv.conf";
    options.upstream_port = resolver_.port();
    auto proxy = DnsProxy::open(loop_, rng_, std::move(options));
    EXPECT_TRUE(proxy.ok());
    return *std::move(proxy);
  }
  // What a client gets by UDP; empty: nothing before `stop` says so.
  Bytes ask(DnsProxy& proxy, const Bytes& message) {
    auto client = UdpSocket::open(loop_, {{kLocal, 0}, {}, 0});
    Bytes got;
    client->receive([&](const Endpoint&, ByteSpan bytes) { got = to_bytes(bytes); });
    EXPECT_TRUE(client->send({kLocal, proxy.port()}, message).ok());
    loop_.run_until([&] { return !got.empty(); }, kLimit);
    return got;
  }

  std::string folder_;
  Loop loop_;
  test::SeededRng rng_{3};
  FakeResolver resolver_{loop_};
};

TEST_F(DnsProxyTest, ForwardsByUdp) {
  auto proxy = open();
  ASSERT_TRUE(proxy->allow({IpAddress::v4(127, 0, 0, 0), 8}).ok());
  EXPECT_EQ(ask(*proxy, query(7)), answer_to(query(7), false));
  EXPECT_EQ(ask(*proxy, query(8)), answer_to(query(8), false));
  EXPECT_EQ(resolver_.udp_queries, 2);
}

TEST_F(DnsProxyTest, StrangersGetNoAnswer) {
  auto proxy = open();
  ASSERT_TRUE(proxy->allow({kLocal, 32}).ok());
  auto stranger = UdpSocket::open(loop_, {{IpAddress::v4(127, 0, 0, 2), 0}, {}, 0});
  bool answered = false;
  stranger->receive([&](const Endpoint&, ByteSpan) { answered = true; });
  ASSERT_TRUE(stranger->send({kLocal, proxy->port()}, query(7)).ok());
  // The proxy reads in order: once this one is answered, the stranger's query was seen.
  (void)ask(*proxy, query(8));
  EXPECT_FALSE(answered);
  EXPECT_EQ(resolver_.udp_queries, 1);
}

TEST_F(DnsProxyTest, TcpClientGetsWhatUdpTruncates) {
  resolver_.truncate = true;
  auto proxy = open();
  ASSERT_TRUE(proxy->allow({kLocal, 32}).ok());
  std::unique_ptr<TcpStream> stream;
  Bytes got;
  TcpConnect::Options options;
  options.remote = {kLocal, proxy->port()};
  TcpConnect connect(loop_, options, [&](Result<std::unique_ptr<TcpStream>> connected) {
    ASSERT_TRUE(connected.ok());
    stream = *std::move(connected);
    Stream::Handlers handlers;
    handlers.data = [&](ByteSpan bytes) { got.insert(got.end(), bytes.begin(), bytes.end()); };
    handlers.ended = [](Status) {};
    stream->start(std::move(handlers));
    const Bytes message = query(9);
    Bytes out{0, static_cast<std::uint8_t>(message.size())};
    out.insert(out.end(), message.begin(), message.end());
    // In two pieces: a stream knows no messages.
    (void)stream->write(ByteSpan(out).first(5));
    (void)stream->write(ByteSpan(out).subspan(5));
  });
  const Bytes expected = answer_to(query(9), false);
  ASSERT_TRUE(loop_.run_until([&] { return got.size() >= expected.size() + 2; }, kLimit));
  EXPECT_EQ(Bytes(got.begin() + 2, got.end()), expected);
  EXPECT_EQ(resolver_.tcp_queries, 1);
}

TEST_F(DnsProxyTest, PolicyOpensBeforeTheAnswer) {
  DnsProxy::Options options;
  options.policy.zones = {"xyz"};
  std::vector<std::string> opened;
  options.open_destinations = [&](std::vector<core::dns::AddressRecord> records,
                                  std::function<void(bool)> done) {
    for (const auto& record : records) opened.push_back(record.address.to_string());
    (void)loop_.post([done] { done(true); });
  };
  auto proxy = open(std::move(options));
  ASSERT_TRUE(proxy->allow({kLocal, 32}).ok());
  EXPECT_EQ(ask(*proxy, query(7)), answer_to(query(7), false));
  EXPECT_EQ(opened, std::vector<std::string>{"93.184.216.34"});
}

TEST_F(DnsProxyTest, AnAnswerThatComesTooLateForTheProxyIsHarmless) {
  DnsProxy::Options options;
  options.policy.zones = {"xyz"};
  std::function<void(bool)> late;
  options.open_destinations = [&](std::vector<core::dns::AddressRecord>,
                                  std::function<void(bool)> done) { late = std::move(done); };
  auto proxy = open(std::move(options));
  ASSERT_TRUE(proxy->allow({kLocal, 32}).ok());
  auto client = UdpSocket::open(loop_, {{kLocal, 0}, {}, 0});
  ASSERT_TRUE(client->send({kLocal, proxy->port()}, query(7)).ok());
  ASSERT_TRUE(loop_.run_until([&] { return static_cast<bool>(late); }, kLimit));
  proxy.reset();
  late(true);
}

TEST_F(DnsProxyTest, TakenPortIsAnError) {
  auto proxy = open();
  DnsProxy::Options options;
  options.port = proxy->port();
  EXPECT_FALSE(DnsProxy::open(loop_, rng_, std::move(options)).ok());
}

}  // namespace
}  // namespace myst::platform
