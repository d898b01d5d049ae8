#include "drivers/wireguard/tun_link.hpp"

#include <algorithm>
#include <utility>

#include "drivers/wireguard/data_plane.hpp"
#include "platform/netlink/netlink.hpp"

namespace myst::wireguard {
namespace {

constexpr std::uint32_t kDefaultMtu = 1420;  // fits 1500 over IPv6

}  // namespace

Result<std::shared_ptr<TunLink>> TunLink::open(const std::string& name, platform::TunOffload most,
                                               std::uint32_t mtu) {
  if (mtu == 0) mtu = kDefaultMtu;
  MYST_TRY_ASSIGN(platform::Tun tun, platform::open_tun(name, most));
  MYST_TRY_ASSIGN(platform::Netlink netlink, platform::Netlink::open());
  MYST_TRY_ASSIGN(const platform::Link link, netlink.link(tun.name));
  MYST_TRY(netlink.set_link_mtu(tun.name, mtu));
  // As the kernel's own devices (wg_open): nothing but what is routed there comes out of the tun,
  // so an idle device wakes nobody. Fails where there is no IPv6.
  (void)netlink.set_link_without_local_address(tun.name);
  return std::make_shared<TunLink>(std::move(tun), link.index, mtu);
}

TunLink::TunLink(platform::Tun tun, std::uint32_t index, std::uint32_t mtu)
    : name_(std::move(tun.name)),
      index_(index),
      mtu_(mtu),
      offload_(tun.offload),
      unattached_(std::make_unique<LinkEnd>()),
      end_(unattached_.get()) {
  end_->tun = std::move(tun.fd);
  end_->has_header = offload_ != platform::TunOffload::None;
  end_->merge_tcp.store(end_->has_header);
  end_->merge_udp.store(offload_ == platform::TunOffload::TcpUdp);
  end_->mtu.store(mtu);
}

TunLink::~TunLink() {
  if (plane_ != nullptr) plane_->detach(number_);
  if (index_ == 0) return;
  // The descriptor lives until the data threads have let go of it; the name is free at once.
  if (auto netlink = platform::Netlink::open(); netlink.ok()) {
    const auto link = netlink->link(name_);
    if (link.ok() && link->index == index_) (void)netlink->delete_link(name_);
  }
}

bool TunLink::there() const {
  if (end_ == nullptr) return false;
  auto netlink = platform::Netlink::open();
  if (!netlink.ok()) return true;
  const auto link = netlink->link(name_);
  return link.ok() ? link->index == index_ : link.error().code != Errc::NotFound;
}

Status TunLink::join(DataPlane& plane, Port& port, std::optional<IpPrefix> network) {
  if (end_ == nullptr) return Error{Errc::Unavailable, 0, "link without data thread"};
  if (network) network = network->network();
  for (const Member& member : members_) {
    if (member.network == network)
      return Error{Errc::AlreadyExists, 0, "network of a WireGuard port"};
  }
  if (plane_ == nullptr) {
    MYST_TRY_ASSIGN(number_, plane.reserve());
    if (const Status attached = plane.attach(number_, std::move(unattached_)); !attached.ok()) {
      plane.detach(number_);
      end_ = nullptr;
      return attached;
    }
    plane_ = &plane;
  }
  port.link = end_;
  members_.push_back({&port, network});
  publish();
  return {};
}

void TunLink::leave(const Port& port) {
  const auto of_port = [&port](const Member& member) { return member.port == &port; };
  members_.erase(std::remove_if(members_.begin(), members_.end(), of_port), members_.end());
  if (plane_ != nullptr) publish();
}

void TunLink::publish() {
  auto table = std::make_unique<PortTable>();
  for (const Member& member : members_) {
    if (!member.network) {
      table->rest = member.port;
      continue;
    }
    table->networks.insert(*member.network, static_cast<std::uint32_t>(table->ports.size()));
    table->ports.push_back(member.port);
  }
  plane_->publish(*end_, std::move(table));
}

}  // namespace myst::wireguard
