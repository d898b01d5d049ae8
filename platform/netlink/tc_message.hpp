// A traffic control request: put together, then sent; out of memory anywhere shows at the end.
#pragma once

#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <cstdint>
#include <vector>

#include "platform/netlink/nl_socket.hpp"
#include "platform/netlink/rtnl_message.hpp"

namespace myst::platform {

class TcMessage {
 public:
  struct Place {
    std::uint32_t link = 0, handle = 0, parent = 0, info = 0;
  };
  TcMessage(int type, int flags, const Place& place) {
    tcmsg header{};
    header.tcm_family = AF_UNSPEC;
    header.tcm_ifindex = static_cast<int>(place.link);
    header.tcm_handle = place.handle;
    header.tcm_parent = place.parent;
    header.tcm_info = place.info;
    message_ = rtnl_request(type, flags, header);
    failed_ = message_ == nullptr;
  }
  TcMessage& text(int type, const char* value) {
    failed_ = failed_ || nla_put_string(message_.get(), type, value) < 0;
    return *this;
  }
  template <typename T>
  TcMessage& put(int type, const T& value) {
    return bytes(type, &value, sizeof value);
  }
  TcMessage& bytes(int type, const void* data, std::size_t size) {
    failed_ = failed_ || nla_put(message_.get(), type, static_cast<int>(size), data) < 0;
    return *this;
  }
  TcMessage& open(int type) {
    nlattr* const nest = failed_ ? nullptr : nla_nest_start(message_.get(), type);
    failed_ = failed_ || nest == nullptr;
    nests_.push_back(nest);
    return *this;
  }
  TcMessage& close() {
    if (!failed_) nla_nest_end(message_.get(), nests_.back());
    nests_.pop_back();
    return *this;
  }
  Status talk(NlSocket& socket, const char* what) {
    if (failed_) return Error{Errc::Io, ENOMEM, what};
    return socket.talk(message_.get(), what);
  }

 private:
  NlMessage message_;
  std::vector<nlattr*> nests_;
  bool failed_ = false;
};

// --- HTB, handle 1: of a device (netlink_shape.cpp)
inline constexpr std::uint32_t kHtbRoot = 1u << 16;
Status put_htb(NlSocket& socket, std::uint32_t device);
struct HtbClass {
  std::uint32_t parent, handle;
  std::uint64_t rate, ceil;  // what is promised, and the most
};
Status put_htb_class(NlSocket& socket, std::uint32_t device, const HtbClass& wanted);

// --- rates, in bytes a second (netlink_shape.cpp)
std::uint32_t bounded_u32(double value);
// The packet scheduler's unit of time.
double tc_ticks_per_second();
// What the rate brings in 20 ms (a timer tick of 10 ms may come late by one), at least a few full
// packets, also with segmentation offload off.
std::uint32_t tc_burst(std::uint64_t bytes_per_second);

}  // namespace myst::platform
