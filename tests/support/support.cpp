#include "tests/support/support.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace myst::test {

void SeededRng::fill(MutableByteSpan out) {
  for (std::size_t i = 0; i < out.size();) {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    for (std::size_t k = 0; k < 8 && i < out.size(); ++k, ++i) {
      out[i] = static_cast<std::uint8_t>(z >> (8 * k));
    }
  }
}

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
