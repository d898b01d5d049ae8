// Reading never crashes, accepts only bounded depth, and what was read reads back equal.
#include <cstdlib>

#include "platform/json/json.hpp"
#include "platform/json/writer.hpp"

namespace {

void visit(myst::json::Value value, unsigned depth) {
  if (depth > 33) std::abort();
  (void)value.i64().ok();
  (void)value.u64().ok();
  (void)value.u256().ok();
  (void)value.number().ok();
  (void)value.string().ok();
  (void)value.get("A", myst::json::Case::Ignore);
  for (const auto& [name, child] : value) visit(child, depth + 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  const auto document = json::Document::parse(as_text({data, size}));
  if (!document.ok()) return 0;
  visit(document->root(), 0);
  const std::string text = document->root().to_text();
  const auto again = json::Document::parse(text, {SIZE_MAX, 32});
  if (!again.ok() || again->root().to_text() != text) std::abort();
  return 0;
}
