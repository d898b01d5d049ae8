// Words in a line of text: separated by one blank, percent-encoded, the empty word written "%".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace myst::core {

std::string encode_words(const std::vector<std::string>& words);
Result<std::vector<std::string>> decode_words(std::string_view line);

}  // namespace myst::core
