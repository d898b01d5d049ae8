#include "core/p2p/messages.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/text.hpp"
#include "core/base/u256.hpp"
#include "tests/support/support.hpp"
#include "tests/support/vectors.hpp"

namespace myst::core::pb {
namespace {

using test::bytes_of;

// The file spells one string with a NUL, which the JSON reader refuses by design.
json::Document messages_file() {
  std::string text = test::read_vector("messages.json");
  const std::string nul = "\\u0000";
  for (std::size_t at; (at = text.find(nul)) != std::string::npos;)
    text.replace(at, nul.size(), "_");
  auto document = json::Document::parse(text);
  if (!document.ok()) test::vector_error("messages.json");
  return std::move(*document);
}

Bytes price_of(json::Value decimal) {
  return U256::parse(decimal.string_or("0"))->to_minimal_bytes();
}

// Numbers above 2^53 stand in the file as text.
std::int64_t number_in(json::Value fields, const char* name) {
  const json::Value v = fields[name];
  return v.is_string() ? std::stoll(v.string_or("0")) : v.i64_or(0);
}

std::string text_in(json::Value fields, const char* name) { return fields[name].string_or(""); }
Bytes hex_in(json::Value fields, const char* name) {
  return fields[name].exists() ? bytes_of(fields[name]) : Bytes();
}

Promise promise_of(json::Value f) {
  Promise m;
  m.channel_id = hex_in(f, "ChannelID");
  m.amount = text_in(f, "Amount");
  m.fee = text_in(f, "Fee");
  m.hashlock = hex_in(f, "Hashlock");
  m.r = hex_in(f, "R");
  m.chain_id = number_in(f, "ChainID");
  m.signature = hex_in(f, "Signature");
  return m;
}

Bytes encoded(const std::string& name, json::Value f) {
  if (name == "SessionRequest") {
    SessionRequest m;
    if (const json::Value c = f["consumer"]; c.exists()) {
      m.consumer.emplace();
      m.consumer->id = text_in(c, "id");
      m.consumer->hermes_id = text_in(c, "hermesID");
      m.consumer->payment_version = text_in(c, "paymentVersion");
      if (c["country"].exists()) m.consumer->location = LocationInfo{text_in(c, "country")};
      if (c["PerGib"].exists()) {
        m.consumer->pricing = Pricing{price_of(c["PerGib"]), price_of(c["PerHour"])};
      }
    }
    m.proposal_id = number_in(f, "proposalID");
    m.config = to_bytes(as_bytes(text_in(f, "config_utf8")));
    return m.encode();
  }
  if (name == "SessionResponse") {
    return SessionResponse{text_in(f, "ID"), text_in(f, "PaymentInfo"),
                           to_bytes(as_bytes(text_in(f, "config_utf8")))}
        .encode();
  }
  if (name == "SessionInfo") {
    return SessionInfo{text_in(f, "consumerID"), text_in(f, "sessionID")}.encode();
  }
  if (name == "SessionStatus") {
    return SessionStatus{text_in(f, "ConsumerID"), text_in(f, "SessionID"),
                         static_cast<std::uint32_t>(f["Code"].i64_or(0)), text_in(f, "Message")}
        .encode();
  }
  if (name == "Invoice") {
    return Invoice{text_in(f, "AgreementID"),   text_in(f, "AgreementTotal"),
                   text_in(f, "TransactorFee"), text_in(f, "Hashlock"),
                   text_in(f, "Provider"),      number_in(f, "ChainID")}
        .encode();
  }
  if (name == "Promise") return promise_of(f).encode();
  if (name == "ExchangeMessage") {
    ExchangeMessage m;
    if (f["Promise"].is_object()) m.promise = promise_of(f["Promise"]);
    m.agreement_id = text_in(f, "AgreementID");
    m.agreement_total = text_in(f, "AgreementTotal");
    m.provider = text_in(f, "Provider");
    m.signature = text_in(f, "Signature");
    m.hermes_id = text_in(f, "HermesID");
    m.chain_id = number_in(f, "ChainID");
    return m.encode();
  }
  if (name == "P2PKeepAlivePing") return P2PKeepAlivePing{text_in(f, "sessionID")}.encode();
  return P2PChannelHandlersReady{text_in(f, "value")}.encode();
}

template <typename Message>
Bytes round_trip(ByteSpan bytes) {
  const auto message = Message::decode(bytes);
  EXPECT_TRUE(message.ok());
  return message.ok() ? message->encode() : Bytes();
}

Bytes decoded_and_encoded(const std::string& name, ByteSpan bytes) {
  if (name == "SessionRequest") return round_trip<SessionRequest>(bytes);
  if (name == "SessionResponse") return round_trip<SessionResponse>(bytes);
  if (name == "SessionInfo") return round_trip<SessionInfo>(bytes);
  if (name == "SessionStatus") return round_trip<SessionStatus>(bytes);
  if (name == "Invoice") return round_trip<Invoice>(bytes);
  if (name == "Promise") return round_trip<Promise>(bytes);
  if (name == "ExchangeMessage") return round_trip<ExchangeMessage>(bytes);
  if (name == "P2PKeepAlivePing") return round_trip<P2PKeepAlivePing>(bytes);
  return round_trip<P2PChannelHandlersReady>(bytes);
}

TEST(Messages, AreWrittenByteForByteAsTheReferenceWritesThem) {
  const auto file = messages_file();
  int checked = 0;
  for (const auto item : file.root()["messages"]) {
    const std::string name = item.value["message"].string_or("");
    const Bytes bytes = bytes_of(item.value["bytes"]);
    EXPECT_EQ(to_hex(encoded(name, item.value["fields"])), to_hex(bytes)) << name;
    EXPECT_EQ(to_hex(decoded_and_encoded(name, bytes)), to_hex(bytes)) << name;
    ++checked;
  }
  EXPECT_EQ(checked, 21);
}

TEST(Messages, DecoderAcceptsWhatTheReferenceAccepts) {
  const auto file = messages_file();
  for (const auto item : file.root()["invoice_decode"]["cases"]) {
    const auto invoice = Invoice::decode(bytes_of(item.value["bytes"]));
    const std::string name = item.value["name"].string_or("");
    ASSERT_EQ(invoice.ok(), item.value["accepted"].boolean_or(false)) << name;
    if (!invoice.ok()) continue;
    std::string id = invoice->agreement_id;
    std::replace(id.begin(), id.end(), '\0', '_');
    EXPECT_EQ(id, item.value["AgreementID"].string_or("")) << name;
    EXPECT_EQ(invoice->chain_id, item.value["ChainID"].i64_or(0)) << name;
  }
}

TEST(Messages, ConnectConfigAcceptsWhatTheReferenceAccepts) {
  const auto file = test::vectors("p2p_channel.json");
  int checked = 0;
  for (const auto item : file.root()["connect_config_decode"]["cases"]) {
    const auto config = P2PConnectConfig::decode(bytes_of(item.value["bytes"]));
    const std::string name = item.value["name"].string_or("");
    ASSERT_EQ(config.ok(), item.value["accepted"].boolean_or(false)) << name;
    ++checked;
    if (!config.ok()) continue;
    EXPECT_EQ(config->public_ip, item.value["publicIP"].string_or("")) << name;
    EXPECT_EQ(config->compatibility, item.value["compatibility"].i64_or(0)) << name;
    std::size_t i = 0;
    for (const auto port : item.value["ports"]) {
      ASSERT_LT(i, config->ports.size()) << name;
      EXPECT_EQ(config->ports[i++], *port.value.i64()) << name;
    }
    EXPECT_EQ(i, config->ports.size()) << name;
  }
  EXPECT_EQ(checked, 7);
}

TEST(Messages, PortsOfAConnectConfigAreBounded) {
  P2PConnectConfig config;
  config.ports.assign(P2PConnectConfig::kMaxPorts, 1);
  EXPECT_TRUE(P2PConnectConfig::decode(config.encode()).ok());
  config.ports.push_back(1);
  EXPECT_FALSE(P2PConnectConfig::decode(config.encode()).ok());
}

TEST(Messages, SubMessagesGivenTwiceAreMerged) {
  SessionRequest first;
  first.consumer.emplace().id = "a";
  SessionRequest second;
  second.consumer.emplace().hermes_id = "h";
  Bytes both = first.encode();
  const Bytes more = second.encode();
  both.insert(both.end(), more.begin(), more.end());
  const auto merged = SessionRequest::decode(both);
  ASSERT_TRUE(merged.ok());
  EXPECT_EQ(merged->consumer->id, "a");
  EXPECT_EQ(merged->consumer->hermes_id, "h");
}

TEST(Messages, PayloadsOfTheSecondSourceAgree) {
  const auto file = test::vectors("p2p.json");
  const json::Value payloads = file.root()["payloads"];
  const auto same = [&](const char* key, const char* name) {
    const Bytes bytes = bytes_of(payloads[key]["bytes"]);
    EXPECT_EQ(to_hex(decoded_and_encoded(name, bytes)), to_hex(bytes)) << key;
  };
  same("session_request", "SessionRequest");
  same("session_response", "SessionResponse");
  same("session_info", "SessionInfo");
  same("session_status", "SessionStatus");
  same("keepalive_ping", "P2PKeepAlivePing");
  same("invoice", "Invoice");
  same("exchange_message", "ExchangeMessage");
  for (const auto item : file.root()["connect_config_encodings"]) {
    const Bytes plain = bytes_of(item.value["plain"]);
    EXPECT_EQ(to_hex(round_trip<P2PConnectConfig>(plain)), to_hex(plain));
  }
}

}  // namespace
}  // namespace myst::core::pb
