// What a service answers over HTTP, as a table: it serves what the table says, and the test of bad
// input walks the same table, so that no call is served untested.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace myst::hub {

struct RouteName {
  std::string method, pattern;
};

// "{}" in a pattern is one piece of the path, not empty and without slashes: `piece`.
inline bool matches(std::string_view pattern, std::string_view path, std::string_view& piece) {
  const std::size_t hole = pattern.find("{}");
  piece = {};
  if (hole == std::string_view::npos) return pattern == path;
  const std::string_view before = pattern.substr(0, hole), after = pattern.substr(hole + 2);
  if (path.size() <= before.size() + after.size() || path.substr(0, hole) != before ||
      path.substr(path.size() - after.size()) != after) {
    return false;
  }
  piece = path.substr(hole, path.size() - before.size() - after.size());
  return piece.find('/') == std::string_view::npos;
}

// HEAD is served as GET: the server leaves the body out. nullptr: nothing of the kind.
template <typename Route, std::size_t N>
const Route* find_route(const Route (&table)[N], std::string_view method, std::string_view path,
                        std::string_view& piece) {
  if (method == "HEAD") method = "GET";
  for (const Route& route : table) {
    if (route.method == method && matches(route.pattern, path, piece)) return &route;
  }
  return nullptr;
}

template <typename Route, std::size_t N>
void add_names(std::vector<RouteName>& out, std::string_view base, const Route (&table)[N]) {
  for (const Route& route : table) {
    out.push_back({std::string(route.method), std::string(base) + std::string(route.pattern)});
  }
}

}  // namespace myst::hub
