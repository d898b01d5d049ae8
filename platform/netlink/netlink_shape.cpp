// Traffic shaping through rtnetlink: a hierarchy of token buckets (sch_htb) as root queue of a
// link, with a fair queue of flows (fq_codel) in each class where the kernel has one.
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
constexpr double kLatencySeconds = 0.4;  // how long a packet may wait before it is dropped
// A turn. Not less than the largest super-packet: HTB sends one in any case, so smaller turns would
// share out packets instead of bytes.
constexpr std::uint32_t kQuantum = 68 * 1024;
constexpr std::uint32_t kMinQueueBytes = 2 * kQuantum, kMaxQueueBytes = 512 * 1024;
constexpr const char* kWhat = "shape link";

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

Status put_htb(NlSocket& socket, std::uint32_t device) {
  tc_htb_glob options{};
  options.version = 3;
  options.rate2quantum = 10;
  return TcMessage(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, {device, kHtbRoot, TC_H_ROOT})
      .text(TCA_KIND, "htb")
      .open(TCA_OPTIONS)
      .put(TCA_HTB_INIT, options)
      .close()
      .talk(socket, kWhat);
}

Status put_htb_class(NlSocket& socket, std::uint32_t device, const HtbClass& wanted) {
  const double ticks = tc_ticks_per_second();
  tc_htb_opt options{};
  const auto fill = [ticks](tc_ratespec& spec, std::uint64_t bytes_per_second) {
    spec.linklayer = TC_LINKLAYER_ETHERNET;
    spec.rate = bounded_u32(static_cast<double>(bytes_per_second));
    return bounded_u32(tc_burst(bytes_per_second) / static_cast<double>(bytes_per_second) * ticks);
  };
  options.buffer = fill(options.rate, wanted.rate);
  options.cbuffer = fill(options.ceil, wanted.ceil);
  options.quantum = kQuantum;
  TcMessage message(RTM_NEWTCLASS, NLM_F_CREATE | NLM_F_REPLACE,
                    {device, wanted.handle, wanted.parent});
  message.text(TCA_KIND, "htb").open(TCA_OPTIONS).put(TCA_HTB_PARMS, options);
  constexpr std::uint32_t kMax32 = std::numeric_limits<std::uint32_t>::max();
  if (wanted.rate > kMax32) message.put(TCA_HTB_RATE64, wanted.rate);
  if (wanted.ceil > kMax32) message.put(TCA_HTB_CEIL64, wanted.ceil);
  return message.close().talk(socket, kWhat);
}

Status Netlink::shape(const core::ShapeLink& change) {
  MYST_TRY_ASSIGN(const std::uint32_t index, index_of(change.link));
  return put_htb(socket_, index);
}

// One flow of a session does not make the others wait, where the kernel has fq_codel.
Status Netlink::put_leaf(std::uint32_t device, std::uint32_t parent,
                         std::uint64_t bytes_per_second) {
  const Status fair = TcMessage(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, {device, 0, parent})
                          .text(TCA_KIND, "fq_codel")
                          .talk(socket_, "fair queue");
  if (fair.ok()) return {};
  static std::atomic<bool> told{false};
  if (!told.exchange(true)) {
    log::info("the kernel has no fq_codel: flows of a limited session wait in one queue", "errno",
              fair.error().detail);
  }
  // The default would be as many packets as the device has room for: 32 on an ifb, too few for one
  // TCP flow to take its part, 500 of 64 KB on a tun.
  const double wanted = static_cast<double>(bytes_per_second) * kLatencySeconds;
  const tc_fifo_qopt fifo{std::clamp(bounded_u32(wanted), kMinQueueBytes, kMaxQueueBytes)};
  return TcMessage(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, {device, 0, parent})
      .text(TCA_KIND, "bfifo")
      .put(TCA_OPTIONS, fifo)
      .talk(socket_, kWhat);
}

Status Netlink::unshape(const std::string& link) {
  MYST_TRY_ASSIGN(const std::uint32_t index, index_of(link));
  bool is_ours = false;
  tcmsg every{};
  every.tcm_family = AF_UNSPEC;
  const NlMessage query = rtnl_request(RTM_GETQDISC, NLM_F_DUMP, every);
  if (query == nullptr) return Error{Errc::Io, ENOMEM, "shape link"};
  MYST_TRY(socket_.dump(
      query.get(), "shape link", [&is_ours] { is_ours = false; },
      [&](nlmsghdr* answer) {
        nlattr* attributes[TCA_MAX + 1] = {};
        if (answer->nlmsg_type != RTM_NEWQDISC ||
            nlmsg_parse(answer, sizeof(tcmsg), attributes, TCA_MAX, nullptr) < 0) {
          return;
        }
        const auto* found = static_cast<const tcmsg*>(nlmsg_data(answer));
        if (found->tcm_ifindex == static_cast<int>(index) && found->tcm_parent == TC_H_ROOT &&
            attributes[TCA_KIND] != nullptr &&
            std::string_view(nla_get_string(attributes[TCA_KIND])) == "htb") {
          is_ours = true;
        }
      }));
  if (!is_ours) return Error{Errc::NotFound, 0, "link is not shaped"};
  return TcMessage(RTM_DELQDISC, 0, {index, 0, TC_H_ROOT}).talk(socket_, "shape link");
}

}  // namespace myst::platform
