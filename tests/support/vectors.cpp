#include "tests/support/vectors.hpp"

#include <cstdio>
#include <cstdlib>

#include "core/base/text.hpp"
#include "tests/support/support.hpp"

namespace myst::test {

void vector_error(std::string_view what) {
  std::fprintf(stderr, "test vector: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

json::Document vectors(const std::string& name) {
  auto document = json::Document::parse(read_vector(name), {1 << 26, 64});
  if (!document.ok()) vector_error(name + ": " + document.error().what);
  return std::move(document).value();
}

Bytes bytes_of(std::string_view hex) {
  if (hex.substr(0, 2) == "0x") hex.remove_prefix(2);
  auto bytes = from_hex(hex);
  if (!bytes.ok()) vector_error(hex);
  return std::move(bytes).value();
}

}  // namespace myst::test
