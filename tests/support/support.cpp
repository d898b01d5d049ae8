#include "tests/support/support.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace myst::test {

std::string read_vector(const std::string& name) {
  std::ifstream file(std::string(MYST_VECTORS) + "/" + name);
  if (!file) {
    std::fprintf(stderr, "missing test vector %s/%s\n", MYST_VECTORS, name.c_str());
    std::abort();
  }
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace myst::test
