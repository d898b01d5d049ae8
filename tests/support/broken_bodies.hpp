// One fault at a time in a JSON body that would be served.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace myst::test {

struct Broken {
  std::string name, body;
};

// `free`: paths ("/promise/amount") of members that may be anything of their type, since nobody
// signed them.
std::vector<Broken> broken(const std::string& body, const std::set<std::string>& free);

}  // namespace myst::test
