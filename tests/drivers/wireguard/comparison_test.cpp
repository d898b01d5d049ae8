#include "drivers/wireguard/comparison.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "drivers/wireguard/device.hpp"

namespace myst::wireguard {
namespace {

TEST(Comparison, ReadsBackAsItWasWritten) {
  const Comparison written{"6.1.0-18-amd64", 950, 720};
  EXPECT_EQ(format_comparison(written), "6.1.0-18-amd64 950 720\n");
  const auto back = parse_comparison(format_comparison(written));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->kernel_release, written.kernel_release);
  EXPECT_EQ(back->kernel_mbps, 950u);
  EXPECT_EQ(back->userspace_mbps, 720u);
  for (const char* bad : {"", "6.1", "6.1 950", "6.1 950 x", "6.1 950 720 1", "6.1 -1 5",
                          "6.1 99999999999 1", " 950 720"}) {
    EXPECT_FALSE(parse_comparison(bad).ok()) << bad;
  }
}

TEST(Choice, TheFasterOneAndAReasonForIt) {
  const auto choose = [](BackendWish wish, bool works, const Comparison* measured = nullptr) {
    return choose_backend(wish, works, works ? "" : "the kernel has no WireGuard", measured);
  };
  const Comparison slow_kernel{"6.1", 700, 900}, fast_kernel{"6.1", 950, 720}, dead{"6.1", 0, 720};
  EXPECT_EQ(choose(BackendWish::Auto, false).why, "userspace: the kernel has no WireGuard");
  EXPECT_EQ(choose(BackendWish::Auto, true).backend, Backend::Kernel);
  EXPECT_EQ(choose(BackendWish::Auto, true, &fast_kernel).why,
            "kernel: its module brings 950 Mb/s here, ours 720");
  EXPECT_EQ(choose(BackendWish::Auto, true, &slow_kernel).backend, Backend::Userspace);
  EXPECT_EQ(choose(BackendWish::Auto, true, &slow_kernel).why,
            "userspace: faster than the kernel's module with its 700 Mb/s here, ours 900");
  EXPECT_EQ(choose(BackendWish::Auto, true, &dead).backend, Backend::Userspace);
  // A flag overrides what was measured, but cannot make a module appear.
  EXPECT_EQ(choose(BackendWish::Kernel, true, &slow_kernel).backend, Backend::Kernel);
  EXPECT_EQ(choose(BackendWish::Userspace, true, &fast_kernel).backend, Backend::Userspace);
  EXPECT_EQ(choose(BackendWish::Kernel, false).why,
            "userspace: the kernel's was asked for, but the kernel has no WireGuard");
}

// Named so that tests/kernel/run takes it: there both backends exist.
TEST(KernelComparison, MeasuresWhatThereIs) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const auto compared = compare_backends();
  ASSERT_TRUE(compared.ok()) << compared.error().what;
  EXPECT_EQ(compared->kernel_release, kernel_release());
  const bool module = choose_backend(BackendWish::Auto).backend == Backend::Kernel;
  if (!module && compared->userspace_mbps == 0) GTEST_SKIP() << "no tun device or no namespaces";
  EXPECT_EQ(compared->kernel_mbps > 0, module);
  EXPECT_GT(compared->userspace_mbps, 0u);
}

}  // namespace
}  // namespace myst::wireguard
