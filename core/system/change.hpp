// What this program may change in the machine it runs on, as values: planned by pure code, tested
// as data, written to a journal, made by platform/system and undone from the journal.
// Every alternative has one exact undo, written beside it. Undo is idempotent: what is already gone
// is not an error.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"

namespace myst::core {

enum class IpFamily : std::uint8_t { V4, V6 };

inline constexpr std::uint32_t kMainTable = 254;  // RT_TABLE_MAIN of linux/rtnetlink.h

// A device that another part is about to create (WireGuard, tun). Making it does nothing but check
// that the name is free; undo deletes the device. Stated first in a plan: it goes last.
struct OwnLink {
  std::string link;
  bool operator==(const OwnLink& o) const { return link == o.link; }
};

// Undo: down again, unless it was up before.
struct SetLinkUp {
  std::string link;
  bool operator==(const SetLinkUp& o) const { return link == o.link; }
};

// Undo: the MTU found before.
struct SetLinkMtu {
  std::string link;
  std::uint32_t mtu_bytes = 0;
  bool operator==(const SetLinkMtu& o) const { return link == o.link && mtu_bytes == o.mtu_bytes; }
};

// Host bits are kept: 10.182.3.2/24. Undo: delete, unless it was there before.
struct AddAddress {
  std::string link;
  IpPrefix address;
  bool operator==(const AddAddress& o) const { return link == o.link && address == o.address; }
};

// Undo: delete, unless the very same route was there before.
struct AddRoute {
  IpPrefix destination;
  std::optional<IpAddress> gateway;  // none: on-link
  std::string link;                  // may be empty when there is a gateway
  std::uint32_t table = kMainTable;
  std::uint32_t metric = 0;  // 0: the kernel's default
  bool operator==(const AddRoute& o) const {
    return destination == o.destination && gateway == o.gateway && link == o.link &&
           table == o.table && metric == o.metric;
  }
};

// A policy rule. Undo: delete, unless the very same rule was there before.
struct AddRule {
  IpFamily family = IpFamily::V4;
  std::uint32_t priority = 0;
  std::uint32_t table = kMainTable;
  std::optional<IpPrefix> from, to;
  std::uint32_t mark = 0;  // 0: any
  bool operator==(const AddRule& o) const {
    return family == o.family && priority == o.priority && table == o.table && from == o.from &&
           to == o.to && mark == o.mark;
  }
};

// Undo: flush and delete. A chain of that name found before is a leftover: it is emptied first, and
// undo deletes it all the same, since the names are ours.
struct IptablesChain {
  IpFamily family = IpFamily::V4;
  std::string table, chain;
  bool operator==(const IptablesChain& o) const {
    return family == o.family && table == o.table && chain == o.chain;
  }
};

// Undo: delete the same specification.
struct IptablesRule {
  IpFamily family = IpFamily::V4;
  std::string table, chain;
  std::uint16_t position = 0;  // 0: appended; n: inserted as n-th
  std::vector<std::string>
      args;  // "-s", "10.182.3.0/24", "-j", "MYST": one word each, never a shell
  bool operator==(const IptablesRule& o) const {
    return family == o.family && table == o.table && chain == o.chain && position == o.position &&
           args == o.args;
  }
};

// key as the path below /proc/sys ("net/ipv4/ip_forward"), because a device name may hold dots.
// Undo: the value found before, if the current one is still ours.
struct SetSysctl {
  std::string key, value;
  bool operator==(const SetSysctl& o) const { return key == o.key && value == o.value; }
};

// The resolvers of the whole machine, reached through `link`. Undo: as found before.
struct SetDns {
  std::string link;
  std::vector<IpAddress> servers;   // at most kMaxDnsServers
  std::vector<std::string> search;  // domains
  bool operator==(const SetDns& o) const {
    return link == o.link && servers == o.servers && search == o.search;
  }
};
inline constexpr std::size_t kMaxDnsServers = 8;

// What the device sends goes through an HTB, in which sessions have their classes (what it
// receives: a rule, see SessionNetwork): where the kernel has no SharedRate. Undo: the HTB is
// deleted, if it is one.
struct ShapeLink {
  std::string link;
  bool operator==(const ShapeLink& o) const { return link == o.link; }
};

// One rate for all sessions together in each direction, shared evenly among those that want some: a
// device of kind ifb whose queue is an HTB. kNoRate: each session has its own limit only. Undo: the
// device is deleted, and all queues with it.
inline constexpr std::uint64_t kNoRate = std::numeric_limits<std::uint64_t>::max();
struct SharedRate {
  std::string queue;
  std::uint64_t bytes_per_second = 0;
  bool operator==(const SharedRate& o) const {
    return queue == o.queue && bytes_per_second == o.bytes_per_second;
  }
};

// All IPv4 of a link goes through the shared queue. Undo: the redirection is deleted.
struct JoinSharedRate {
  std::string link, queue;
  bool operator==(const JoinSharedRate& o) const { return link == o.link && queue == o.queue; }
};

// A session's class in the HTB of a link (to `network`) or of a shared rate (and from it, borrowing
// what others leave). Undo: class and filter are deleted.
struct SessionRate {
  std::string queue;  // the device
  IpPrefix network;   // an IPv4 network of at most 256 addresses
  std::uint64_t bytes_per_second = 0;
  bool shared = false;
  bool operator==(const SessionRate& o) const {
    return queue == o.queue && network == o.network && bytes_per_second == o.bytes_per_second &&
           shared == o.shared;
  }
};

using Change = std::variant<OwnLink, SetLinkUp, SetLinkMtu, AddAddress, AddRoute, AddRule,
                            IptablesChain, IptablesRule, SetSysctl, SetDns, ShapeLink, SharedRate,
                            JoinSharedRate, SessionRate>;
// Made in order, undone in reverse order; all iptables changes of a plan at once, in the place of
// the first of them.
using Plan = std::vector<Change>;

// A change with what was found before it was made, in the words of platform/system: enough to undo.
struct RecordedChange {
  Change change;
  std::string prior;
  bool operator==(const RecordedChange& o) const { return change == o.change && prior == o.prior; }
};

// How the prior of a SetDns begins that replaced /etc/resolv.conf itself.
inline constexpr std::string_view kDnsFilePrior = "file ";

// Outlives a reboot: the resolver file. Everything else lives in the kernel, or in a daemon's /run,
// and is gone with it.
bool survives_reboot(const RecordedChange& recorded);

// Refused before anything is written or made: empty or over-long names, a key outside /proc/sys,
// a table or chain or argument that iptables-restore could read as more than one word.
Status check(const Change& change);

// One line without line end: words separated by one blank, each percent-encoded.
std::string encode(const RecordedChange& recorded);
Result<RecordedChange> decode_change(std::string_view line);

// For logs: "route 0.0.0.0/1 dev myst0".
std::string describe(const Change& change);

}  // namespace myst::core
