// A rate that several links share, each direction: their IPv4 is redirected to one ifb device and
// given back where it came from after it has waited there in an HTB.
//
//   1:1      the rate to the sessions        1:2      the rate from the sessions
//   1:100+n  to network n                    1:200+n  from network n      n: the third octet
//
// A class is promised little and may borrow all; who borrow at the same time get equal parts. A
// link with limits but without a shared rate has classes 1:100+n in a queue of its own.
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <netinet/in.h>

#include <cstring>
#include <limits>

#include "platform/netlink/netlink.hpp"
#include "platform/netlink/tc_message.hpp"

namespace myst::platform {
namespace {

constexpr const char* kWhat = "shared rate";
constexpr std::uint64_t kPromised = 1000;  // bytes a second, little enough for any rate
constexpr std::uint32_t kEnds = TC_H_MAKE(TC_H_CLSACT, 0);

// One direction of the sessions' traffic.
struct Direction {
  std::uint32_t parent, first_class;
  int address_offset;  // in the IPv4 header
  std::uint32_t end_of_link;
};
constexpr Direction kDirections[] = {
    {kHtbRoot | 1, 0x100, 16, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)},
    {kHtbRoot | 2, 0x200, 12, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)},
};
// Those of a session's class: a link's own queue sees only what goes to the session.
Span<const Direction> directions_of(const core::SessionRate& rate) {
  return {kDirections, rate.shared ? std::size_t{2} : 1};
}

std::uint32_t class_number(const Direction& direction, const IpPrefix& network) {
  return direction.first_class + network.ip.bytes()[2];
}
std::uint32_t ipv4_with_priority(std::uint32_t priority) {
  return TC_H_MAKE(priority << 16, htons(ETH_P_IP));
}

// One key: the word at `offset` of the IPv4 header, masked, is `value`. The kernel's struct ends in
// an array of any length.
ByteArray<sizeof(tc_u32_sel) + sizeof(tc_u32_key)> u32_selector(std::uint32_t mask,
                                                                std::uint32_t value, int offset) {
  tc_u32_sel head{};
  head.flags = TC_U32_TERMINAL;
  head.nkeys = 1;
  tc_u32_key key{};
  key.mask = htonl(mask);
  key.val = htonl(value);
  key.off = offset;
  ByteArray<sizeof head + sizeof key> out;
  std::memcpy(out.data(), &head, sizeof head);
  std::memcpy(out.data() + sizeof head, &key, sizeof key);
  return out;
}

}  // namespace

Status Netlink::make_shared_rate(const core::SharedRate& change) {
  MYST_TRY(create_link(change.queue, "ifb"));
  MYST_TRY(set_link_up(change.queue, true));
  MYST_TRY_ASSIGN(const std::uint32_t queue, index_of(change.queue));
  MYST_TRY(put_htb(socket_, queue));
  for (const Direction& direction : kDirections) {
    const std::uint64_t rate = change.bytes_per_second;
    MYST_TRY(put_htb_class(socket_, queue, {kHtbRoot, direction.parent, rate, rate}));
  }
  return {};
}

Status Netlink::join_shared_rate(const core::JoinSharedRate& change) {
  MYST_TRY_ASSIGN(const std::uint32_t link, index_of(change.link));
  MYST_TRY_ASSIGN(const std::uint32_t queue, index_of(change.queue));
  MYST_TRY(TcMessage(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, {link, kEnds, TC_H_CLSACT})
               .text(TCA_KIND, "clsact")
               .talk(socket_, kWhat));
  for (const Direction& direction : kDirections) {
    tc_mirred redirect{};
    redirect.action = TC_ACT_STOLEN;
    redirect.eaction = TCA_EGRESS_REDIR;
    redirect.ifindex = queue;
    MYST_TRY(TcMessage(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL,
                       {link, 0, direction.end_of_link, ipv4_with_priority(1)})
                 .text(TCA_KIND, "u32")
                 .open(TCA_OPTIONS)
                 .put(TCA_U32_SEL, u32_selector(0, 0, 0))
                 .open(TCA_U32_ACT)
                 .open(1)
                 .text(TCA_ACT_KIND, "mirred")
                 .open(TCA_ACT_OPTIONS)
                 .put(TCA_MIRRED_PARMS, redirect)
                 .close()
                 .close()
                 .close()
                 .close()
                 .talk(socket_, kWhat));
  }
  return {};
}

// What was not made, or went with its device, is gone all the same.
Status Netlink::leave_shared_rate(const core::JoinSharedRate& change) {
  const auto link = index_of(change.link);
  if (!link.ok()) return {};
  const Status ended = TcMessage(RTM_DELQDISC, 0, {*link, kEnds, TC_H_CLSACT}).talk(socket_, kWhat);
  // EINVAL is what the kernel says when there is none.
  if (!ended.ok() && ended.error().detail == EINVAL) return {};
  return ended;
}

Status Netlink::make_session_rate(const core::SessionRate& change) {
  MYST_TRY_ASSIGN(const std::uint32_t queue, index_of(change.queue));
  const std::uint32_t mask = change.network.length >= 32
                                 ? std::numeric_limits<std::uint32_t>::max()
                                 : ~(std::numeric_limits<std::uint32_t>::max() >>
                                     static_cast<unsigned>(change.network.length));
  const std::uint32_t address = change.network.ip.v4_host_order();
  const std::uint64_t rate = change.bytes_per_second;
  for (const Direction& direction : directions_of(change)) {
    const std::uint32_t number = class_number(direction, change.network);
    const std::uint32_t handle = kHtbRoot | number;
    MYST_TRY(put_htb_class(socket_, queue,
                           change.shared ? HtbClass{direction.parent, handle, kPromised, rate}
                                         : HtbClass{kHtbRoot, handle, rate, rate}));
    MYST_TRY(put_leaf(queue, handle, rate));
    MYST_TRY(TcMessage(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL,
                       {queue, 0, kHtbRoot, ipv4_with_priority(number)})
                 .text(TCA_KIND, "u32")
                 .open(TCA_OPTIONS)
                 .put(TCA_U32_CLASSID, handle)
                 .put(TCA_U32_SEL, u32_selector(mask, address & mask, direction.address_offset))
                 .close()
                 .talk(socket_, kWhat));
  }
  return {};
}

Status Netlink::drop_session_rate(const core::SessionRate& change) {
  const auto queue = index_of(change.queue);
  if (!queue.ok()) return {};
  Status status;
  // EINVAL is what the kernel says where the queue is not an HTB (any more).
  const auto note = [&status](const Status& one) {
    if (one.ok() || one.error().code == Errc::NotFound || one.error().detail == EINVAL) return;
    if (status.ok()) status = one;
  };
  for (const Direction& direction : directions_of(change)) {
    const std::uint32_t number = class_number(direction, change.network);
    note(TcMessage(RTM_DELTFILTER, 0, {*queue, 0, kHtbRoot, ipv4_with_priority(number)})
             .talk(socket_, kWhat));
    note(TcMessage(RTM_DELTCLASS, 0, {*queue, kHtbRoot | number, 0}).talk(socket_, kWhat));
  }
  return status;
}

}  // namespace myst::platform
