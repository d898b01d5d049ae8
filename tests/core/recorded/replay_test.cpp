// Sessions with the reference node, recorded by tests/interop/record.py with a node of ours on one
// side: given to our machine again, everything the reference said must lead to what was recorded,
// byte for byte. A change of what we send on purpose needs new recordings.
#include <gtest/gtest.h>

#include "tests/support/scripted_node.hpp"
#include "tests/support/vectors.hpp"

namespace myst::core {
namespace {

struct Recording {
  const char* name;
  const char* proof;  // a step that shows that it went well
};

class Recorded : public testing::TestWithParam<Recording> {};

TEST_P(Recorded, IsLivedAgain) {
  const std::string text = test::read_vector("recorded/" + std::string(GetParam().name) + ".json");
  const auto document = json::Document::parse(text, {16u << 20, 32});
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(test::replay(document->root()), "");
  EXPECT_NE(text.find(GetParam().proof), std::string::npos);
}

TEST(Replay, NoticesAnotherByte) {
  std::string text = test::read_vector("recorded/consumer_direct.json");
  const std::size_t at = text.find("\"out\":\"request\"");
  const std::size_t hex = text.find("\"hex\":\"", at) + 7;
  text[hex + 40] = text[hex + 40] == '0' ? '1' : '0';
  const auto document = json::Document::parse(text, {16u << 20, 32});
  ASSERT_TRUE(document.ok());
  EXPECT_NE(test::replay(document->root()), "");
}

INSTANTIATE_TEST_SUITE_P(
    WithTheReference, Recorded,
    testing::Values(Recording{"consumer_direct", R"({"out":"connected","ok":true)"},
                    Recording{"consumer_punched", R"({"out":"connected","ok":true)"},
                    Recording{"consumer_paid", R"({"out":"paid","total":)"},
                    Recording{"provider_direct", R"({"out":"acknowledged"})"},
                    Recording{"provider_punched", R"({"out":"acknowledged"})"},
                    Recording{"provider_paid", R"({"out":"promise",)"}),
    [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace myst::core
