// Pages of a history: what the query asks for, clamped to what there is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>

#include "drivers/rest/handlers.hpp"

namespace myst::rest {

constexpr std::int64_t kMaxPageSize = 1000;

// page and page_size of the query; an unreadable one has been answered when this is empty.
std::optional<Page> read_page(Exchange& exchange);
// What is really asked of the storage: size 1 to 1000, and the offset of a page, not yet clamped.
std::uint32_t effective_size(const Page& page);
std::uint64_t asked_offset(const Page& page);
// Sets total_items, total_pages and the page clamped to them; returns its offset.
std::uint64_t settle_page(Page& page, std::uint64_t total);

// Asks the storage for the page and sends it; beyond the end the last page is shown.
// Found has a member `total`; ask(size, offset, Done<Found>), send(Exchange&, Page, Found).
template <typename Found, typename Ask, typename Send>
void answer_paged(const ExchangePtr& exchange, const Page& asked, Ask ask, Send send) {
  const std::uint32_t size = effective_size(asked);
  const std::uint64_t offset = asked_offset(asked);
  ask(size, offset,
      answer<Found>(exchange, [exchange, page = asked, ask, send, size, offset](
                                  Exchange& e, const Found& found) mutable {
        const std::uint64_t right = settle_page(page, found.total);
        if (right == offset || found.total == 0) return send(e, page, found);
        ask(size, right, answer<Found>(exchange, [page, send](Exchange& ex, const Found& last) {
              send(ex, page, last);
            }));
      }));
}

}  // namespace myst::rest
