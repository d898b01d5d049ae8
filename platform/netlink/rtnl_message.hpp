// Small pieces of rtnetlink messages.
#pragma once

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <optional>

#include "core/base/net.hpp"
#include "platform/netlink/nl_socket.hpp"

namespace myst::platform {

// nullptr: out of memory.
template <typename Header>
NlMessage rtnl_request(int type, int flags, const Header& header) {
  NlMessage message(nlmsg_alloc_simple(type, NLM_F_REQUEST | flags));
  Header copy = header;
  if (message != nullptr && nlmsg_append(message.get(), &copy, sizeof copy, NLMSG_ALIGNTO) < 0) {
    message.reset();
  }
  return message;
}

inline bool put_ip(nl_msg* message, int type, const IpAddress& ip) {
  return nla_put(message, type, static_cast<int>(ip.bytes().size()), ip.bytes().data()) == 0;
}

inline std::optional<IpAddress> read_ip(const nlattr* attribute) {
  const auto* data = static_cast<const std::uint8_t*>(nla_data(attribute));
  if (nla_len(attribute) == 4) return IpAddress::v4(data[0], data[1], data[2], data[3]);
  if (nla_len(attribute) != 16) return std::nullopt;
  ByteArray<16> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = data[i];
  return IpAddress::v6(bytes);
}

}  // namespace myst::platform
