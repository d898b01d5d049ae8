// Traffic shaping through rtnetlink: a token bucket (sch_tbf) as root queue of a link.
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string_view>

#include "platform/netlink/netlink.hpp"
#include "platform/netlink/rtnl_message.hpp"

namespace myst::platform {
namespace {

constexpr std::uint32_t kMinBurst = 16 * 1024;  // a few full packets, also with GSO off
constexpr double kLatencySeconds = 0.4;         // how long a packet may wait before it is dropped

// The kernel's packet scheduler counts time in ticks; /proc/net/psched tells how many a
// microsecond.
double ticks_per_microsecond() {
  unsigned tick_in_us = 0, us_in_tick = 0, clock_resolution = 0;
  std::FILE* file = std::fopen("/proc/net/psched", "re");
  if (file == nullptr) return 15.625;
  const int fields = std::fscanf(file, "%x %x %x", &tick_in_us, &us_in_tick, &clock_resolution);
  std::fclose(file);
  if (fields != 3 || us_in_tick == 0) return 15.625;
  const double clock_factor = static_cast<double>(clock_resolution) / 1'000'000.0;
  return static_cast<double>(tick_in_us) / static_cast<double>(us_in_tick) * clock_factor;
}

std::uint32_t bounded(double value) {
  return static_cast<std::uint32_t>(
      std::min(value, static_cast<double>(std::numeric_limits<std::uint32_t>::max())));
}

}  // namespace

Status Netlink::shape(const core::ShapeLink& change) {
  MYST_TRY_ASSIGN(const std::uint32_t index, index_of(change.link));
  const auto rate = static_cast<double>(change.bytes_per_second);
  // What the rate brings in 20 ms: a timer tick of 10 ms may come late by one.
  const std::uint32_t burst = std::max(kMinBurst, bounded(rate / 50));
  const double ticks = ticks_per_microsecond();

  tc_tbf_qopt options{};
  options.rate.linklayer = TC_LINKLAYER_ETHERNET;
  options.rate.mpu = 0;
  options.rate.rate = bounded(rate);
  options.limit = bounded(rate * kLatencySeconds + burst);
  options.buffer = bounded(burst * 1'000'000.0 / rate * ticks);
  // 256 transmission times of ever larger packets, as tc(8) writes it; kernels since 3.8 compute
  // their own, but want the table to be there.
  std::uint32_t table[256];
  const std::uint8_t cell_log = 3;  // up to 2 KB a packet
  options.rate.cell_log = cell_log;
  options.rate.cell_align = -1;
  for (std::uint32_t i = 0; i < 256; ++i) {
    table[i] = bounded(static_cast<double>((i + 1) << cell_log) * 1'000'000.0 / rate * ticks);
  }

  tcmsg header{};
  header.tcm_family = AF_UNSPEC;
  header.tcm_ifindex = static_cast<int>(index);
  header.tcm_parent = TC_H_ROOT;
  const NlMessage message = rtnl_request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, header);
  const Error failed{Errc::Io, ENOMEM, "shape link"};
  if (message == nullptr || nla_put_string(message.get(), TCA_KIND, "tbf") < 0) return failed;
  nlattr* nest = nla_nest_start(message.get(), TCA_OPTIONS);
  if (nest == nullptr ||
      nla_put(message.get(), TCA_TBF_PARMS, static_cast<int>(sizeof options), &options) < 0 ||
      nla_put_u32(message.get(), TCA_TBF_BURST, burst) < 0 ||
      nla_put(message.get(), TCA_TBF_RTAB, static_cast<int>(sizeof table), table) < 0) {
    return failed;
  }
  if (change.bytes_per_second > std::numeric_limits<std::uint32_t>::max() &&
      nla_put_u64(message.get(), TCA_TBF_RATE64, change.bytes_per_second) < 0) {
    return failed;
  }
  nla_nest_end(message.get(), nest);
  return socket_.talk(message.get(), "shape link");
}

Status Netlink::unshape(const std::string& link) {
  MYST_TRY_ASSIGN(const std::uint32_t index, index_of(link));
  tcmsg header{};
  header.tcm_family = AF_UNSPEC;
  header.tcm_ifindex = static_cast<int>(index);
  bool is_bucket = false;
  const NlMessage query = rtnl_request(RTM_GETQDISC, NLM_F_DUMP, header);
  if (query == nullptr) return Error{Errc::Io, ENOMEM, "shape link"};
  MYST_TRY(socket_.dump(
      query.get(), "shape link", [&is_bucket] { is_bucket = false; },
      [&](nlmsghdr* answer) {
        nlattr* attributes[TCA_MAX + 1] = {};
        if (answer->nlmsg_type != RTM_NEWQDISC ||
            nlmsg_parse(answer, sizeof(tcmsg), attributes, TCA_MAX, nullptr) < 0) {
          return;
        }
        const auto* found = static_cast<const tcmsg*>(nlmsg_data(answer));
        if (found->tcm_ifindex == header.tcm_ifindex && found->tcm_parent == TC_H_ROOT &&
            attributes[TCA_KIND] != nullptr &&
            std::string_view(nla_get_string(attributes[TCA_KIND])) == "tbf") {
          is_bucket = true;
        }
      }));
  if (!is_bucket) return Error{Errc::NotFound, 0, "link is not shaped"};
  header.tcm_parent = TC_H_ROOT;
  const NlMessage message = rtnl_request(RTM_DELQDISC, 0, header);
  if (message == nullptr) return Error{Errc::Io, ENOMEM, "shape link"};
  return socket_.talk(message.get(), "shape link");
}

}  // namespace myst::platform
