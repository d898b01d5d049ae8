#include "core/broker/nats_protocol.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/broker/address.hpp"

namespace myst::core {
namespace {

struct Seen {
  std::vector<std::string> tokens;
  std::optional<Error> error;
};

std::string describe(const NatsLine& line) {
  std::string out = std::to_string(static_cast<int>(line.verb));
  for (const std::string_view part : {line.subject, line.reply, line.queue, line.sid, line.text}) {
    out += "|";
    out += part;
  }
  return out + "|" + std::to_string(line.header_size) + "|" + std::to_string(line.size);
}

// Feeds `text` in pieces of `step` bytes; payload pieces are joined.
Seen parse(NatsParser::Sender sender, std::string_view text, std::size_t step,
           NatsParser::Limits limits = {}) {
  Seen seen;
  NatsParser parser(sender, limits);
  std::string payload;
  for (std::size_t at = 0; at < text.size(); at += step) {
    ByteSpan input = as_bytes(text.substr(at, step));
    for (;;) {
      auto token = parser.next(input);
      if (!token.ok()) {
        seen.error = token.error();
        return seen;
      }
      if (!*token) break;
      if (const auto* line = std::get_if<NatsLine>(&**token)) {
        seen.tokens.push_back(describe(*line));
      } else {
        payload += as_text(std::get<NatsPayload>(**token).bytes);
        if (std::get<NatsPayload>(**token).last) {
          seen.tokens.push_back("<" + payload + ">");
          payload.clear();
        }
      }
    }
    EXPECT_TRUE(input.empty());
  }
  return seen;
}

TEST(NatsParser, ReadsTheSameHoweverTheBytesAreCut) {
  const std::string text =
      "INFO {\"max_payload\":1048576}\r\n"
      "MSG foo.bar 9 5\r\nhello\r\n"
      "MSG foo.bar 9 _INBOX.x 0\r\n\r\n"
      "HMSG s 2 12 16\r\nNATS/1.0\r\n\r\nbody\r\n"
      "PING\r\npong\r\n+OK\r\n-ERR 'Unknown Protocol Operation'\r\n";
  const Seen whole = parse(NatsParser::Sender::Server, text, text.size());
  ASSERT_FALSE(whole.error);
  ASSERT_EQ(whole.tokens.size(), 11u);
  EXPECT_EQ(whole.tokens[2], "<hello>");
  EXPECT_EQ(whole.tokens[4], "<>");
  EXPECT_EQ(whole.tokens[6], "<NATS/1.0\r\n\r\nbody>");
  for (std::size_t step = 1; step < 30; ++step) {
    EXPECT_EQ(parse(NatsParser::Sender::Server, text, step).tokens, whole.tokens) << step;
  }
}

TEST(NatsParser, ReadsClientLines) {
  const Seen seen = parse(NatsParser::Sender::Client,
                          "CONNECT {\"verbose\":false}\r\nSUB foo.* 1\r\nSUB foo.*\tq  2\r\n"
                          "UNSUB 1 5\r\nPUB a.b 3\r\nabc\r\nPUB a.b r 0\r\n\r\n"
                          "HPUB a r 4 6\r\nhhhhbb\r\n",
                          7);
  ASSERT_FALSE(seen.error);
  EXPECT_EQ(seen.tokens[1], "6|foo.*|||1||0|0");
  EXPECT_EQ(seen.tokens[2], "6|foo.*||q|2||0|0");
  EXPECT_EQ(seen.tokens[3], "7||||1|5|0|0");
  EXPECT_EQ(seen.tokens[4], "8|a.b|||||0|3");
  EXPECT_EQ(seen.tokens[6], "8|a.b|r||||0|0");
  EXPECT_EQ(seen.tokens[8], "9|a|r||||4|6");
}

TEST(NatsParser, RefusesWhatIsNotTheProtocol) {
  const auto client = NatsParser::Sender::Client;
  for (const char* bad :
       {"HELLO\r\n", "\r\n", "PUB\r\n", "PUB a\r\n", "PUB a -1\r\n", "PUB a 1x\r\n",
        "PUB a b c 1\r\n", "SUB a\r\n", "SUB a q 1 2\r\n", "UNSUB\r\n", "PUB a 3\r\nabcd\r\n",
        "PUB a 3\r\nabc\n\r\n", "HPUB a 5 4\r\n", "MSG a 1 0\r\n\r\n", "INFO {}\r\n",
        "PUB a\rb 1\r\n", "PUB a 99999999999999999999\r\n"}) {
    EXPECT_TRUE(parse(client, bad, 100).error) << bad;
    EXPECT_TRUE(parse(client, bad, 1).error) << bad;
  }
  EXPECT_TRUE(parse(NatsParser::Sender::Server, "SUB a 1\r\n", 100).error);
}

TEST(NatsParser, LimitsLinesAndPayloads) {
  NatsParser::Limits limits;
  limits.line = 64;
  limits.payload = 10;
  const auto client = NatsParser::Sender::Client;
  EXPECT_EQ(parse(client, "PUB a 11\r\n", 3, limits).error->code, Errc::Full);
  EXPECT_EQ(parse(client, std::string(65, 'x'), 5, limits).error->code, Errc::Full);
  EXPECT_FALSE(parse(client, "PUB a 10\r\n0123456789\r\n", 3, limits).error);
  // INFO is the one line that names whole clusters.
  const std::string info = "INFO {\"connect_urls\":[\"" + std::string(500, 'h') + "\"]}\r\n";
  EXPECT_FALSE(parse(NatsParser::Sender::Server, info, 9, limits).error);
  EXPECT_TRUE(
      parse(NatsParser::Sender::Server, "INFO " + std::string(70000, 'h'), 900, limits).error);
}

TEST(NatsInfo, GivesWhatIsUsedAndHidesTheServer) {
  const std::string json =
      R"({"server_id":"N","host":"127.0.0.1","port":4223,"headers":true,"max_payload":1048576,)"
      R"("client_id":5,"connect_urls":["10.0.0.1:4222","[::1]:4222"],"ip":"1.2.3.4","tls_required":false})";
  const auto info = parse_nats_info(json);
  ASSERT_TRUE(info.ok());
  EXPECT_TRUE(info->headers);
  EXPECT_FALSE(info->tls_required);
  EXPECT_EQ(info->max_payload, 1048576u);
  EXPECT_EQ(*strip_nats_info(json),
            R"({"server_id":"N","headers":true,"max_payload":1048576,"client_id":5})");
  EXPECT_EQ(*strip_nats_info(" { } "), "{}");
  for (const char* bad : {"", "{", "[]", "{\"a\"}", "{\"a\":}", "{\"a\":1", "{\"a\":1}x",
                          "{\"a\":[1}", "{\"a\":\"x}", "{,}", "{\"a\":1 \"b\":2}"}) {
    EXPECT_FALSE(parse_nats_info(bad).ok()) << bad;
    EXPECT_FALSE(strip_nats_info(bad).ok()) << bad;
  }
}

TEST(NatsSubject, AcceptsLiteralStarsAndNoBlanks) {
  EXPECT_TRUE(is_nats_subject("*.proposal-ping.v3"));
  EXPECT_TRUE(is_nats_subject("_INBOX.abc.*"));
  for (const char* bad : {"", ".", "a.", ".a", "a..b", "a b", "a\tb", "a\r\nPUB b"}) {
    EXPECT_FALSE(is_nats_subject(bad)) << bad;
  }
}

TEST(NatsWriter, ConnectLineIsThatOfTheNetwork) {
  NatsConnectOptions options;
  options.version = "1.31.0";
  options.headers = true;
  Bytes out;
  write_nats_connect(options, out);
  EXPECT_EQ(as_text(out),
            "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"name\":\"\","
            "\"lang\":\"c++\",\"version\":\"1.31.0\",\"protocol\":1,\"echo\":true,"
            "\"headers\":true,\"no_responders\":true}\r\n");
  options.user = "a\"b";
  options.password = "c\nd";
  out.clear();
  write_nats_connect(options, out);
  EXPECT_NE(as_text(out).find(R"("user":"a\"b","pass":"c\u000ad")"), std::string_view::npos);
}

// Vector nats_url_parse of discovery.json; origin: node,
// communication/nats/connection_wrap_test.go.
TEST(BrokerAddress, IsNormalised) {
  const std::pair<const char*, const char*> good[] = {
      {"127.0.0.1", "nats://127.0.0.1:4222"},
      {"nats://127.0.0.1", "nats://127.0.0.1:4222"},
      {"127.0.0.1:4222", "nats://127.0.0.1:4222"},
      {"nats://127.0.0.1:4222", "nats://127.0.0.1:4222"},
      {"nats://127.0.0.1:4333", "nats://127.0.0.1:4333"},
      {"nats://example.com:4333", "nats://example.com:4333"},
      {"nats-1.example.com", "nats://nats-1.example.com:4222"},
      {"[2001:db8::1]:5", "nats://[2001:db8::1]:5"},
      {"tls://example.com/", "tls://example.com:4222"},
      {"nats://user:secret@example.com", "nats://example.com:4222"},
  };
  for (const auto& [in, out] : good) {
    const auto address = BrokerAddress::parse(in);
    ASSERT_TRUE(address.ok()) << in;
    EXPECT_EQ(address->to_string(), out);
  }
  EXPECT_EQ(BrokerAddress::parse("nats://u:p@h")->password, "p");
  for (const char* bad : {"nats:// example.com", "nats://example.com:a", "", "nats://", "http://x",
                          "h:0", "h:65536", "h:", "[::1", "[nonsense]:1", "h/path", "a:b:c"}) {
    EXPECT_FALSE(BrokerAddress::parse(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace myst::core
