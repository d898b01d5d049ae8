#include "drivers/rest/paging.hpp"

namespace myst::rest {

std::optional<Page> read_page(Exchange& exchange) {
  Page page;
  for (const auto& [name, into] : {std::pair{"page_size", &page.page_size}, {"page", &page.page}}) {
    const std::string text = exchange.query_or(name, "");
    if (text.empty()) continue;
    const auto number = core::parse_integer(text);
    if (!number) {
      const std::string message = "'" + std::string(name) + "' is not a number";
      exchange.fail_validation({{name, "invalid_value", message}}, message);
      return std::nullopt;
    }
    *into = *number;
  }
  // A page is built in memory, so it has a size; the client sees which.
  page.page_size = std::min(page.page_size, kMaxPageSize);
  return page;
}

std::uint32_t effective_size(const Page& page) {
  return page.page_size < 1 ? 10 : static_cast<std::uint32_t>(page.page_size);
}

std::uint64_t asked_offset(const Page& page) {
  const std::uint64_t before = page.page < 1 ? 0 : static_cast<std::uint64_t>(page.page) - 1;
  // An offset beyond any history would only overflow.
  return std::min<std::uint64_t>(before, 1u << 31) * effective_size(page);
}

std::uint64_t settle_page(Page& page, std::uint64_t total) {
  const std::uint64_t size = effective_size(page);
  page.total_items = total;
  page.total_pages = std::max<std::uint64_t>(1, (total + size - 1) / size);
  if (page.page < 1) page.page = 1;
  if (static_cast<std::uint64_t>(page.page) > page.total_pages) {
    page.page = static_cast<std::int64_t>(page.total_pages);
  }
  return (static_cast<std::uint64_t>(page.page) - 1) * size;
}

}  // namespace myst::rest
