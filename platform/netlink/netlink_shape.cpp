// Traffic shaping through rtnetlink: a token bucket (sch_tbf) as root queue of a link, with a fair
// queue of its flows (fq_codel) inside where the kernel has one.
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <limits>
#include <string_view>

#include "platform/log/log.hpp"
#include "platform/netlink/netlink.hpp"
#include "platform/netlink/tc_message.hpp"

namespace myst::platform {

namespace {

constexpr std::uint32_t kMinBurst = 16 * 1024;
constexpr double kLatencySeconds = 0.4;      // how long a packet may wait before it is dropped
constexpr std::uint32_t kBucket = 1u << 16;  // handle 1:

}  // namespace

std::uint32_t bounded_u32(double value) {
  return static_cast<std::uint32_t>(
      std::min(value, static_cast<double>(std::numeric_limits<std::uint32_t>::max())));
}

// /proc/net/psched tells how many ticks a microsecond has.
double tc_ticks_per_second() {
  unsigned tick_in_us = 0, us_in_tick = 0, clock_resolution = 0;
  std::FILE* file = std::fopen("/proc/net/psched", "re");
  if (file == nullptr) return 15.625e6;
  const int fields = std::fscanf(file, "%x %x %x", &tick_in_us, &us_in_tick, &clock_resolution);
  std::fclose(file);
  if (fields != 3 || us_in_tick == 0) return 15.625e6;
  const double clock_factor = static_cast<double>(clock_resolution) / 1'000'000.0;
  return static_cast<double>(tick_in_us) / static_cast<double>(us_in_tick) * clock_factor * 1e6;
}

std::uint32_t tc_burst(std::uint64_t bytes_per_second) {
  return std::max(kMinBurst, bounded_u32(static_cast<double>(bytes_per_second) / 50));
}

Status Netlink::shape(const core::ShapeLink& change) {
  MYST_TRY_ASSIGN(const std::uint32_t index, index_of(change.link));
  const auto rate = static_cast<double>(change.bytes_per_second);
  const std::uint32_t burst = tc_burst(change.bytes_per_second);
  const double ticks = tc_ticks_per_second();

  tc_tbf_qopt options{};
  options.rate.linklayer = TC_LINKLAYER_ETHERNET;
  options.rate.mpu = 0;
  options.rate.rate = bounded_u32(rate);
  options.limit = bounded_u32(rate * kLatencySeconds + burst);
  options.buffer = bounded_u32(burst / rate * ticks);
  // 256 transmission times of ever larger packets, as tc(8) writes it; kernels since 3.8 compute
  // their own, but want the table to be there.
  std::uint32_t table[256];
  const std::uint8_t cell_log = 3;  // up to 2 KB a packet
  options.rate.cell_log = cell_log;
  options.rate.cell_align = -1;
  for (std::uint32_t i = 0; i < 256; ++i) {
    table[i] = bounded_u32(static_cast<double>((i + 1) << cell_log) / rate * ticks);
  }

  TcMessage message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, {index, kBucket, TC_H_ROOT});
  message.text(TCA_KIND, "tbf").open(TCA_OPTIONS);
  message.put(TCA_TBF_PARMS, options).put(TCA_TBF_BURST, burst);
  message.bytes(TCA_TBF_RTAB, table, sizeof table);
  if (change.bytes_per_second > std::numeric_limits<std::uint32_t>::max()) {
    message.put(TCA_TBF_RATE64, change.bytes_per_second);
  }
  MYST_TRY(message.close().talk(socket_, "shape link"));
  (void)put_fair_queue(index, kBucket | 1);
  return {};
}

// One flow of a session does not make the others wait. False: the kernel has none.
bool Netlink::put_fair_queue(std::uint32_t link, std::uint32_t parent) {
  const Status put = TcMessage(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, {link, 0, parent})
                         .text(TCA_KIND, "fq_codel")
                         .talk(socket_, "fair queue");
  static std::atomic<bool> told{false};
  if (!put.ok() && !told.exchange(true)) {
    log::info("the kernel has no fq_codel: flows of a limited session wait in one queue", "errno",
              put.error().detail);
  }
  return put.ok();
}

Status Netlink::unshape(const std::string& link) {
  MYST_TRY_ASSIGN(const std::uint32_t index, index_of(link));
  bool is_bucket = false;
  tcmsg every{};
  every.tcm_family = AF_UNSPEC;
  const NlMessage query = rtnl_request(RTM_GETQDISC, NLM_F_DUMP, every);
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
        if (found->tcm_ifindex == static_cast<int>(index) && found->tcm_parent == TC_H_ROOT &&
            attributes[TCA_KIND] != nullptr &&
            std::string_view(nla_get_string(attributes[TCA_KIND])) == "tbf") {
          is_bucket = true;
        }
      }));
  if (!is_bucket) return Error{Errc::NotFound, 0, "link is not shaped"};
  return TcMessage(RTM_DELQDISC, 0, {index, 0, TC_H_ROOT}).talk(socket_, "shape link");
}

}  // namespace myst::platform
