// Which backend is faster on this machine, measured once per kernel: both ends of a tunnel over
// loopback, one of them in a network namespace of its own, one TCP stream.
//
//   start:       stored record of this kernel? -> choose_backend(wish, record)
//   none:        the module; meanwhile `myst wireguard --compare` runs beside, its record is stored
//                and counts from the next device on
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace myst::wireguard {

struct Comparison {
  std::string kernel_release;        // of uname: another kernel is another measurement
  std::uint32_t kernel_mbps = 0;     // 0: it does not work
  std::uint32_t userspace_mbps = 0;  // 0: it does not work
};

// One line, "6.1.0-18-amd64 950 720"; Malformed: anything else.
std::string format_comparison(const Comparison& comparison);
Result<Comparison> parse_comparison(std::string_view text);

std::string kernel_release();

// Takes about two seconds and forks: for a process of its own, not for the node's. Changes nothing
// outside of namespaces that end with it. Unauthorized: no right to make namespaces.
Result<Comparison> compare_backends();

}  // namespace myst::wireguard
