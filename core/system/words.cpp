#include "core/system/words.hpp"

#include <cstddef>

#include "core/base/text.hpp"

namespace myst::core {
namespace {

bool is_plain(char c) { return c > ' ' && c < 0x7f && c != '%'; }

}  // namespace

std::string encode_words(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    if (&word != &words.front()) out += ' ';
    if (word.empty()) out += '%';
    for (const char c : word) {
      if (is_plain(c)) {
        out += c;
      } else {
        append_percent(out, c, PercentDigits::Lower);
      }
    }
  }
  return out;
}

Result<std::vector<std::string>> decode_words(std::string_view line) {
  std::vector<std::string> words;
  if (line.empty()) return words;
  for (const std::string_view piece : split(line, ' ')) {
    if (piece.empty()) return Error{Errc::Malformed, 0, "empty word"};
    std::string word;
    for (std::size_t i = 0; piece != "%" && i < piece.size(); ++i) {
      if (is_plain(piece[i])) {
        word += piece[i];
      } else if (piece[i] == '%' && i + 2 < piece.size() && hex_digit(piece[i + 1]) >= 0 &&
                 hex_digit(piece[i + 2]) >= 0) {
        word += static_cast<char>(hex_digit(piece[i + 1]) * 16 + hex_digit(piece[i + 2]));
        i += 2;
      } else {
        return Error{Errc::Malformed, 0, "word encoding"};
      }
    }
    words.push_back(std::move(word));
  }
  return words;
}

}  // namespace myst::core
