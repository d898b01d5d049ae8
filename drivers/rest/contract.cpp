#include "drivers/rest/contract.hpp"

#include <algorithm>
#include <cstdio>

#include "core/base/text.hpp"

namespace myst::rest {
namespace {

// The price members are the low 64 bits of the amount (node: contract/proposal.go); the token texts
// next to them are whole.
std::uint64_t low64(const Wei& wei) {
  const ByteArray<32> word = wei.to_word();
  std::uint64_t value = 0;
  for (std::size_t i = 24; i < 32; ++i) value = value << 8 | word[i];
  return value;
}

void tokens(json::Writer& out, std::string_view name, const Wei& wei) {
  out.key(name);
  write_tokens(out, wei);
}

void write_options(json::Writer& out, const ServiceOptions& options) {
  out.begin_object();
  if (options.netmask) out.member("netmask", *options.netmask);
  if (options.port) out.member("port", *options.port);
  if (options.protocol) out.member("protocol", *options.protocol);
  if (options.subnet) out.member("subnet", *options.subnet);
  out.end_object();
}

// Days and civil dates, proleptic Gregorian, valid for every year that fits.
struct Date {
  std::int64_t year;
  int month, day;
};

Date civil(std::int64_t days) {
  days += 719468;  // days from 0000-03-01 to 1970-01-01
  const std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const std::int64_t of_era = days - era * 146097;
  const std::int64_t year_of_era =
      (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const std::int64_t day_of_year =
      of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int shifted = static_cast<int>((5 * day_of_year + 2) / 153);  // month counted from March
  const int day = static_cast<int>(day_of_year) - (153 * shifted + 2) / 5 + 1;
  const int month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

std::int64_t days_of(Date date) {
  const std::int64_t year = date.year - (date.month <= 2 ? 1 : 0);
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const int shifted = date.month > 2 ? date.month - 3 : date.month + 9;
  const std::int64_t day_of_year = (153 * shifted + 2) / 5 + date.day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
         719468;
}

}  // namespace

const char* to_string(Registration state) {
  switch (state) {
    case Registration::Registered:
      return "Registered";
    case Registration::Unregistered:
      return "Unregistered";
    case Registration::InProgress:
      return "InProgress";
    case Registration::RegistrationError:
      return "RegistrationError";
    case Registration::Unknown:
      return "Unknown";
  }
  return "Unknown";
}

const char* to_string(ConnectionState state) {
  switch (state) {
    case ConnectionState::NotConnected:
      return "NotConnected";
    case ConnectionState::Connecting:
      return "Connecting";
    case ConnectionState::Connected:
      return "Connected";
    case ConnectionState::Disconnecting:
      return "Disconnecting";
    case ConnectionState::Reconnecting:
      return "Reconnecting";
    case ConnectionState::Unknown:
      return "Unknown";
    case ConnectionState::Canceled:
      return "Canceled";
    case ConnectionState::IPNotChanged:
      return "IPNotChanged";
    case ConnectionState::ConnectionFailed:
      return "ConnectionFailed";
    case ConnectionState::OnHold:
      return "OnHold";
  }
  return "Unknown";
}

const char* to_string(ServiceState state) {
  switch (state) {
    case ServiceState::NotRunning:
      return "NotRunning";
    case ServiceState::Starting:
      return "Starting";
    case ServiceState::Running:
      return "Running";
  }
  return "NotRunning";
}

std::string myst_text(const Wei& wei, unsigned digits) {
  constexpr std::size_t kDecimals = 18;  // 1 MYST = 10^18 wei
  std::string text = wei.to_string();
  if (text.size() <= kDecimals) text.insert(0, kDecimals + 1 - text.size(), '0');
  text.insert(text.size() - kDecimals, 1, '.');
  text.resize(text.size() - (kDecimals - std::min<std::size_t>(digits, kDecimals)));
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

void write_tokens(json::Writer& out, const Wei& wei) {
  out.begin_object()
      .member("wei", wei.to_string())
      .member("ether", myst_text(wei))
      .member("human", myst_text(wei, 6))
      .end_object();
}

void write_proposal(json::Writer& out, const core::PricedProposal& priced) {
  const core::Proposal& proposal = priced.proposal;
  const core::ProposalLocation& place = proposal.location;
  out.begin_object()
      .member("format", proposal.format)
      .member("compatibility", proposal.compatibility)
      .member("provider_id", proposal.provider_id)
      .member("service_type", proposal.service_type);
  out.key("location").begin_object();
  const auto unless_empty = [&](std::string_view name, const std::string& text) {
    if (!text.empty()) out.member(name, text);
  };
  unless_empty("continent", place.continent);
  unless_empty("country", place.country);
  unless_empty("city", place.city);
  out.member("asn", place.asn);
  unless_empty("isp", place.isp);
  unless_empty("ip_type", place.ip_type);
  out.end_object();
  out.key("price").begin_object().member("currency", "MYST");
  out.member("per_hour", low64(priced.price.per_hour));
  tokens(out, "per_hour_tokens", priced.price.per_hour);
  out.member("per_gib", low64(priced.price.per_gib));
  tokens(out, "per_gib_tokens", priced.price.per_gib);
  out.end_object();
  if (proposal.access_policies) {  // an empty list is one
    out.key("access_policies").begin_array();
    for (const core::AccessPolicyRef& policy : proposal.policies()) {
      out.begin_object().member("id", policy.id).member("source", policy.source).end_object();
    }
    out.end_array();
  }
  const core::ProposalQuality& quality = proposal.quality;
  out.key("quality").begin_object();
  out.key("quality").raw(core::number_text(quality.quality));
  out.key("latency").raw(core::number_text(quality.latency));
  out.key("bandwidth").raw(core::number_text(quality.bandwidth));
  out.key("uptime").raw(core::number_text(quality.uptime));
  out.end_object().end_object();
}

void write_connection(json::Writer& out, const ConnectionInfo& info,
                      const ConnectionStatistics* statistics) {
  out.begin_object().member("status", to_string(info.state));
  if (info.consumer) out.member("consumer_id", info.consumer->to_string());
  if (!info.hermes.is_zero()) out.member("hermes_id", info.hermes.to_checksum());
  if (info.proposal != nullptr) {
    out.key("proposal");
    write_proposal(out, *info.proposal);
  }
  if (!info.session_id.empty()) out.member("session_id", info.session_id);
  if (statistics != nullptr) {
    out.key("statistics");
    write_statistics(out, *statistics);
  }
  out.end_object();
}

void write_statistics(json::Writer& out, const ConnectionStatistics& statistics) {
  out.begin_object()
      .member("bytes_sent", statistics.bytes_sent)
      .member("bytes_received", statistics.bytes_received)
      .member("throughput_sent", statistics.throughput_sent)
      .member("throughput_received", statistics.throughput_received)
      .member("duration", statistics.duration_s)
      .member("tokens_spent", statistics.tokens_spent);
  tokens(out, "spent_tokens", statistics.tokens_spent);
  out.end_object();
}

void write_location(json::Writer& out, const Location& location) {
  out.begin_object()
      .member("ip", location.ip)
      .member("asn", location.asn)
      .member("isp", location.isp)
      .member("continent", location.continent)
      .member("country", location.country)
      .member("region", location.region)
      .member("city", location.city)
      .member("ip_type", location.ip_type)
      .end_object();
}

void write_identity(json::Writer& out, const IdentityInfo& info, std::string_view id) {
  out.begin_object()
      .member("id", id)
      .member("registration_status", to_string(info.registration))
      .member("channel_address", info.channel.to_checksum())
      .member("balance", info.balance)
      .member("earnings", info.earnings)
      .member("earnings_total", info.earnings_total);
  tokens(out, "balance_tokens", info.balance);
  tokens(out, "earnings_tokens", info.earnings);
  tokens(out, "earnings_total_tokens", info.earnings_total);
  out.member("stake", info.stake).member("hermes_id", info.hermes.to_checksum());
  out.key("earnings_per_hermes").begin_object();
  for (const HermesEarnings& item : info.per_hermes) {
    out.key(item.hermes.to_checksum()).begin_object();
    tokens(out, "earnings", item.earnings);
    tokens(out, "earnings_total", item.earnings_total);
    out.end_object();
  }
  out.end_object();
  // Ours, and only while there is something: clients of the reference skip what they do not know.
  if (!info.in_settlement.is_zero()) {
    tokens(out, "earnings_in_settlement_tokens", info.in_settlement);
  }
  out.end_object();
}

void write_identity_ref(json::Writer& out, const Address& id) {
  out.begin_object().member("id", id.to_string()).end_object();
}

void write_service(json::Writer& out, const ServiceInfo& info, bool with_counters) {
  out.begin_object();
  if (!info.id.empty()) out.member("id", info.id);
  if (info.provider) out.member("provider_id", info.provider->to_string());
  out.member("type", info.type);
  if (info.options) {
    out.key("options");
    write_options(out, *info.options);
  }
  out.member("status", to_string(info.state));
  if (info.proposal != nullptr) {
    out.key("proposal");
    write_proposal(out, *info.proposal);
  }
  if (with_counters) {
    out.key("connection_statistics")
        .begin_object()
        .member("attempted", info.attempted)
        .member("successful", info.successful)
        .end_object();
  }
  out.end_object();
}

void write_session(json::Writer& out, const SessionRecord& session) {
  out.begin_object()
      .member("id", session.id)
      .member("direction", session.direction == Direction::Consumed ? "Consumed" : "Provided")
      .member("consumer_id", session.consumer.to_string())
      .member("hermes_id", session.hermes.to_checksum())
      .member("provider_id", session.provider.to_string())
      .member("service_type", session.service_type)
      .member("consumer_country", session.consumer_country)
      .member("provider_country", session.provider_country)
      .member("created_at", rfc3339(session.started))
      .member("duration", session.duration_s)
      .member("bytes_received", session.bytes_received)
      .member("bytes_sent", session.bytes_sent);
  if (session.tokens) {
    out.member("tokens", *session.tokens);
  } else {
    out.key("tokens").null();
  }
  out.member("status", session.completed ? "Completed" : "New")
      .member("ip_type", session.ip_type)
      .end_object();
}

void write_stats(json::Writer& out, const SessionStats& stats) {
  out.begin_object()
      .member("count", stats.count)
      .member("count_consumers", stats.consumers)
      .member("sum_bytes_received", stats.bytes_received)
      .member("sum_bytes_sent", stats.bytes_sent)
      .member("sum_duration", stats.duration_s)
      .member("sum_tokens", stats.tokens)
      .end_object();
}

void write_price(json::Writer& out, std::string_view service, const core::Price& price) {
  out.begin_object().member("service_type", service).member("price_per_hour", price.per_hour);
  tokens(out, "price_per_hour_tokens", price.per_hour);
  out.member("price_per_gib", price.per_gib);
  tokens(out, "price_per_gib_tokens", price.per_gib);
  out.end_object();
}

void write_config(json::Writer& out, const core::ConfigValue& tree) {
  if (const auto* boolean = tree.boolean()) {
    out.value(*boolean);
  } else if (const auto* integer = tree.integer()) {
    out.value(*integer);
  } else if (const auto* number = tree.number()) {
    out.raw(core::number_text(*number));
  } else if (const auto* text = tree.text()) {
    out.value(*text);
  } else if (const auto* list = tree.list()) {
    out.begin_array();
    for (const core::ConfigValue& item : *list) write_config(out, item);
    out.end_array();
  } else if (const auto* table = tree.table()) {
    out.begin_object();
    for (const auto& [name, value] : *table) {
      out.key(name);
      write_config(out, value);
    }
    out.end_object();
  } else {
    out.null();
  }
}

void write_state(json::Writer& out, const NodeState& state) {
  out.begin_object().key("service_info");
  if (state.services) {
    out.begin_array();
    for (const ServiceInfo& info : *state.services) write_service(out, info, true);
    out.end_array();
  } else {
    out.null();  // until the first service status, as clients expect
  }
  out.key("sessions").begin_array();
  SessionStats stats;
  std::vector<Address> consumers;
  for (const SessionRecord& session : state.open_sessions) {
    write_session(out, session);
    ++stats.count;
    stats.bytes_received += session.bytes_received;
    stats.bytes_sent += session.bytes_sent;
    stats.duration_s += session.duration_s;
    if (session.tokens) stats.tokens = Wei::saturating_add(stats.tokens, *session.tokens);
    if (std::find(consumers.begin(), consumers.end(), session.consumer) == consumers.end()) {
      consumers.push_back(session.consumer);
    }
  }
  stats.consumers = consumers.size();
  out.end_array().key("sessions_stats");
  write_stats(out, stats);
  out.key("consumer").begin_object().key("connection");
  write_connection(out, state.connection, state.statistics ? &*state.statistics : nullptr);
  out.end_object().key("identities").begin_array();
  for (const IdentityInfo& info : state.identities) write_identity(out, info, info.id.to_string());
  out.end_array();
  // Provider channels exist on a chain only.
  out.key("channels").begin_array().end_array().end_object();
}

void write_page(json::Writer& out, const Page& page) {
  out.member("page", page.page)
      .member("page_size", page.page_size)
      .member("total_items", page.total_items)
      .member("total_pages", page.total_pages);
}

std::string date_text(std::int64_t day) {
  const Date date = civil(day);
  char text[48];
  (void)std::snprintf(text, sizeof text, "%04lld-%02d-%02d", static_cast<long long>(date.year),
                      date.month, date.day);
  return text;
}

std::string rfc3339(WallTime time) {
  const std::int64_t seconds = unix_seconds(time);
  std::int64_t day = seconds / 86400, rest = seconds % 86400;
  if (rest < 0) {
    rest += 86400;
    --day;
  }
  char text[32];
  (void)std::snprintf(text, sizeof text, "T%02d:%02d:%02dZ", static_cast<int>(rest / 3600),
                      static_cast<int>(rest / 60 % 60), static_cast<int>(rest % 60));
  return date_text(day) + text;
}

Result<std::int64_t> parse_date(std::string_view text) {
  const Error bad{Errc::Malformed, 0, "not a date such as 2024-01-31"};
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return bad;
  const auto year = parse_decimal(text.substr(0, 4));
  const auto month = parse_decimal(text.substr(5, 2));
  const auto day = parse_decimal(text.substr(8, 2));
  if (!year || !month || !day || *month < 1 || *month > 12 || *day < 1 || *day > 31) return bad;
  const std::int64_t days =
      days_of({static_cast<std::int64_t>(*year), static_cast<int>(*month), static_cast<int>(*day)});
  if (date_text(days) != text) return bad;
  return days;
}

void escape_for_html(std::string& json) {
  if (json.find_first_of("<>&") == std::string::npos) return;
  std::string out;
  out.reserve(json.size() + 64);
  for (const char c : json) {
    if (c == '<') {
      out += "\\u003c";
    } else if (c == '>') {
      out += "\\u003e";
    } else if (c == '&') {
      out += "\\u0026";
    } else {
      out += c;
    }
  }
  json = std::move(out);
}

}  // namespace myst::rest
