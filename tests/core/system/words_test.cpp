#include "core/system/words.hpp"

#include <gtest/gtest.h>

namespace myst::core {
namespace {

TEST(Words, KeepEmptyAndBinaryWords) {
  const std::vector<std::string> words{"", "%", "a b", std::string("\0\xff", 2), "x"};
  const auto back = decode_words(encode_words(words));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, words);
  EXPECT_TRUE(decode_words("")->empty());
  for (const char* bad : {" ", "a  b", "a ", "%1", "%zz", "a\tb"}) {
    EXPECT_FALSE(decode_words(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace myst::core
