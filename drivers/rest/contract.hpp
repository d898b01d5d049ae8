// The bodies of the API, written member by member in the reference's order (clients compare texts
// in places, and tests compare with bodies the reference made).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/rest/node_api.hpp"
#include "platform/json/writer.hpp"

namespace myst::rest {

const char* to_string(Registration state);
const char* to_string(ConnectionState state);
const char* to_string(ServiceState state);

// Three renderings of an amount: wei, MYST exact, MYST cut to six digits.
void write_tokens(json::Writer& out, const Wei& wei);
// A decimal amount of MYST without trailing zeros, at most `digits` of them after the point.
std::string myst_text(const Wei& wei, unsigned digits = 18);

void write_proposal(json::Writer& out, const core::PricedProposal& priced);
void write_connection(json::Writer& out, const ConnectionInfo& info,
                      const ConnectionStatistics* statistics = nullptr);
void write_statistics(json::Writer& out, const ConnectionStatistics& statistics);
void write_location(json::Writer& out, const Location& location);
// `id` as the client typed it.
void write_identity(json::Writer& out, const IdentityInfo& info, std::string_view id);
void write_identity_ref(json::Writer& out, const Address& id);
void write_service(json::Writer& out, const ServiceInfo& info, bool with_counters = false);
void write_session(json::Writer& out, const SessionRecord& session);
void write_stats(json::Writer& out, const SessionStats& stats);
void write_price(json::Writer& out, std::string_view service, const core::Price& price);
void write_config(json::Writer& out, const core::ConfigValue& tree);
void write_state(json::Writer& out, const NodeState& state);

struct Page {
  std::int64_t page = 1, page_size = 50;
  std::uint64_t total_items = 0, total_pages = 1;
};
void write_page(json::Writer& out, const Page& page);

// "2024-01-31T12:00:00Z", whole seconds.
std::string rfc3339(WallTime time);
// "2024-01-31" of a day since 1970-01-01, and back. Malformed also for days that do not exist.
std::string date_text(std::int64_t day);
Result<std::int64_t> parse_date(std::string_view text);

// <, > and & of a finished JSON text as \u003c, \u003e, \u0026 (they occur in strings only).
void escape_for_html(std::string& json);

}  // namespace myst::rest
