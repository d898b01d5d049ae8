#include "core/dns/policy.hpp"

#include <gtest/gtest.h>

namespace myst::core::dns {
namespace {

TEST(DnsPolicy, WithoutRulesEverythingIsAllowed) {
  EXPECT_TRUE(Policy{}.allows("example.com"));
  EXPECT_FALSE(Policy{}.has_rules());
}

TEST(DnsPolicy, ZonesAreSuffixesAndHostnamesExact) {
  const Policy policy{{"example.com"}, {"host.org"}};
  EXPECT_TRUE(policy.allows("example.com"));
  EXPECT_TRUE(policy.allows("a.Example.com"));
  EXPECT_TRUE(policy.allows("badexample.com"));  // as the reference: a plain suffix
  EXPECT_TRUE(policy.allows("host.org"));
  EXPECT_FALSE(policy.allows("a.host.org"));
  EXPECT_FALSE(policy.allows("com"));
}

}  // namespace
}  // namespace myst::core::dns
