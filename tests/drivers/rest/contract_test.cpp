#include "drivers/rest/contract.hpp"

#include <gtest/gtest.h>

#include "drivers/rest/exchange.hpp"
#include "platform/json/json.hpp"
#include "tests/support/fake_node.hpp"
#include "tests/support/support.hpp"

namespace myst::rest {
namespace {

using test::golden_consumer;
using test::golden_hermes;
using test::golden_proposal;
using test::golden_provider;

// The exact body the reference made, by origin and note.
std::string golden(std::string_view origin, std::string_view note) {
  static const auto document = json::Document::parse(test::read_vector("tequilapi_golden.json"));
  for (const auto& [unused, item] : document->root()["cases"]) {
    if (item["note"].string_or("") == note &&
        item["origin"].string_or("").find(origin) != std::string::npos) {
      return item["json_utf8"].string_or("");
    }
  }
  ADD_FAILURE() << "no golden body " << origin << " " << note;
  return "";
}

template <typename F>
std::string text_of(F&& write) {
  std::string body;
  json::Writer out(body);
  write(out);
  escape_for_html(body);
  return body;
}

TEST(Contract, ProposalsAreTheReferencesBytes) {
  core::PricedProposal priced = golden_proposal();
  const auto text = [&] {
    return text_of([&](json::Writer& out) { write_proposal(out, priced); });
  };
  EXPECT_EQ(text(), golden("NewProposalDTO", "full"));
  priced.price = {*Wei::parse("18446744073709551617"),
                  *Wei::parse("123456789012345678901234567890")};
  EXPECT_EQ(text(), golden("NewProposalDTO",
                           "prices above 2^64: the two numbers wrap, the token texts do not"));
  priced = {};
  priced.proposal.provider_id = "0x1";
  priced.proposal.service_type = "noop";
  EXPECT_EQ(text(), golden("NewProposalDTO", "empty location, no policies, free"));
}

TEST(Contract, ConnectionsAreTheReferencesBytes) {
  ConnectionInfo info;
  const auto text = [&](const ConnectionStatistics* statistics = nullptr) {
    return text_of([&](json::Writer& out) { write_connection(out, info, statistics); });
  };
  EXPECT_EQ(text(), golden("NewConnectionInfoDTO", "not connected"));
  info.state = ConnectionState::Connecting;
  info.consumer = golden_consumer();
  info.hermes = golden_hermes();
  info.proposal = std::make_shared<core::PricedProposal>(golden_proposal());
  EXPECT_EQ(text(), golden("NewConnectionInfoDTO", "connecting"));
  info.state = ConnectionState::Connected;
  info.session_id = "4a1b5f6e-0c2d-4e3f-9a8b-7c6d5e4f3a2b";
  EXPECT_EQ(text(), golden("NewConnectionDTO", "connected, no statistics yet"));
  ConnectionStatistics statistics{1024,  UINT64_MAX, 8000,
                                  16000, 0,          *Wei::parse("1234567890123456789")};
  EXPECT_EQ(text(&statistics), golden("NewConnectionDTO",
                                      "connected, with statistics (start time unset: duration 0)"));
  EXPECT_EQ(text_of([](json::Writer& out) { write_statistics(out, {}); }),
            golden("NewConnectionStatisticsDTO", "no invoice"));
}

TEST(Contract, IdentityIsTheReferencesBytes) {
  IdentityInfo info;
  info.id = golden_provider();
  info.registration = Registration::Registered;
  info.channel = info.hermes = golden_hermes();
  info.balance = *Wei::parse("25000000000000000000");
  info.earnings = 1;
  info.earnings_total = *Wei::parse("123456789012345678901234567890");
  info.per_hermes = {{golden_hermes(), 1, 2000000}};
  EXPECT_EQ(text_of([&](json::Writer& out) { write_identity(out, info, info.id.to_string()); }),
            golden("IdentityDTO", "registered"));
}

TEST(Contract, TokensAreCutNotRounded) {
  static const auto document = json::Document::parse(test::read_vector("tequilapi_golden.json"));
  int seen = 0;
  for (const auto& [unused, item] : document->root()["cases"]) {
    if (item["origin"].string_or("").find("NewTokens") == std::string::npos) continue;
    const auto wei = Wei::parse(item["input"]["wei"].string_or("0"));
    if (!wei.ok()) continue;  // amounts below zero do not occur here
    ++seen;
    EXPECT_EQ(text_of([&](json::Writer& out) { write_tokens(out, *wei); }),
              item["json_utf8"].string_or(""));
  }
  EXPECT_GE(seen, 9);
}

SessionRecord golden_session() {
  SessionRecord session;
  session.id = "4a1b5f6e-0c2d-4e3f-9a8b-7c6d5e4f3a2b";
  session.consumer = golden_consumer();
  session.hermes = golden_hermes();
  session.provider = golden_provider();
  session.service_type = "wireguard";
  session.consumer_country = "DE";
  session.provider_country = "LT";
  session.started = WallTime(std::chrono::milliseconds{1779095287123});
  session.duration_s = 90;
  session.bytes_received = UINT64_MAX;
  session.bytes_sent = 1;
  session.tokens = *Wei::parse("123456789012345678901234567890");
  session.completed = true;
  session.ip_type = "residential";
  return session;
}

TEST(Contract, SessionsAreTheReferencesBytes) {
  EXPECT_EQ(
      text_of([](json::Writer& out) { write_session(out, golden_session()); }),
      golden("NewSessionDTO", "completed: duration in whole seconds, created_at without fraction"));
  const std::string page = text_of([](json::Writer& out) {
    out.begin_object().key("items").begin_array();
    write_session(out, golden_session());
    out.end_array();
    write_page(out, {3, 50, 101, 3});
    out.end_object();
  });
  EXPECT_EQ(page, golden("NewSessionListResponse", "page 3 of 101 items, 50 a page"));
}

TEST(Contract, ServicesAreTheReferencesBytes) {
  ServiceInfo info;
  info.type = "noop";
  EXPECT_EQ(text_of([&](json::Writer& out) { write_service(out, info); }),
            golden("ServiceInfoDTO", "least"));
  info.id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
  info.provider = golden_provider();
  info.type = "wireguard";
  info.options = ServiceOptions{};
  info.options->port = std::uint16_t{1};
  info.options->subnet = "10.182.0.0/16";
  info.state = ServiceState::Running;
  info.proposal = std::make_shared<core::PricedProposal>(golden_proposal());
  info.attempted = 2;
  info.successful = 1;
  EXPECT_EQ(text_of([&](json::Writer& out) { write_service(out, info, true); }),
            golden("ServiceInfoDTO", "running"));
}

TEST(Contract, ErrorsAreTheReferencesBytes) {
  EXPECT_EQ(error_body("not_found", "identity not found", 404, ""),
            golden("apierror.APIError", "not found"));
  EXPECT_EQ(error_body("parse_failed", "Could not parse request", 400, ""),
            golden("apierror.APIError", "parse failure"));
  const std::vector<FieldFault> two{{"b", "required", ""}, {"a", "invalid_value", "no"}};
  EXPECT_EQ(error_body("validation_failed", "Request validation failed", 400, "", &two),
            golden("apierror.APIError", "two fields"));
  const std::vector<FieldFault> one{{"x", "invalid", "'x' is wrong"}};
  EXPECT_EQ(
      error_body("validation_failed", "Request validation failed", 400, "", &one, "'x' is wrong"),
      golden("apierror.APIError", "one field"));
}

TEST(Contract, DatesGoBothWays) {
  for (const char* text : {"1970-01-01", "2000-02-29", "2024-12-31", "1969-12-31", "2100-02-28"}) {
    ASSERT_TRUE(parse_date(text).ok()) << text;
    EXPECT_EQ(date_text(*parse_date(text)), text);
  }
  EXPECT_EQ(*parse_date("2024-01-31"), 19753);
  for (const char* bad : {"2023-02-29", "2024-13-01", "2024-1-1", "", "2024-01-32", "2024/01/01",
                          "2100-02-29", "-024-01-01"}) {
    EXPECT_FALSE(parse_date(bad).ok()) << bad;
  }
  EXPECT_EQ(rfc3339(WallTime(std::chrono::seconds{1706702400})), "2024-01-31T12:00:00Z");
  EXPECT_EQ(rfc3339(WallTime(std::chrono::seconds{-1})), "1969-12-31T23:59:59Z");
}

TEST(Contract, StateHasEveryMember) {
  NodeState state;
  const auto text = [&] { return text_of([&](json::Writer& out) { write_state(out, state); }); };
  EXPECT_EQ(
      text(),
      R"({"service_info":null,"sessions":[],"sessions_stats":{"count":0,"count_consumers":0,)"
      R"("sum_bytes_received":0,"sum_bytes_sent":0,"sum_duration":0,"sum_tokens":0},)"
      R"("consumer":{"connection":{"status":"NotConnected"}},"identities":[],"channels":[]})");
  state.services.emplace();
  state.open_sessions = {golden_session(), golden_session()};
  EXPECT_NE(text().find(R"("service_info":[])"), std::string::npos);
  EXPECT_NE(text().find(R"("count":2,"count_consumers":1)"), std::string::npos);
}

}  // namespace
}  // namespace myst::rest
