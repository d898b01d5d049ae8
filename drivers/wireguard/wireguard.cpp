// The factory of devices and the choice between the backends.
#include "drivers/wireguard/comparison.hpp"
#include "drivers/wireguard/data_plane.hpp"
#include "drivers/wireguard/device.hpp"
#include "drivers/wireguard/kernel_device.hpp"
#include "drivers/wireguard/userspace_device.hpp"
#include "platform/netlink/netlink.hpp"
#include "platform/tun/tun.hpp"

namespace myst::wireguard {
const char* to_string(Backend backend) {
  return backend == Backend::Kernel ? "kernel" : "userspace";
}

BackendChoice choose_backend(BackendWish wish, bool kernel_works, const char* why_not,
                             const Comparison* measured) {
  if (wish == BackendWish::Userspace) return {Backend::Userspace, "userspace: asked for"};
  if (wish == BackendWish::Kernel) {
    if (kernel_works) return {Backend::Kernel, "kernel: asked for"};
    return {Backend::Userspace,
            std::string("userspace: the kernel's was asked for, but ") + why_not};
  }
  if (!kernel_works) return {Backend::Userspace, std::string("userspace: ") + why_not};
  if (measured == nullptr) return {Backend::Kernel, "kernel: its WireGuard module is there"};
  const std::string figures = std::to_string(measured->kernel_mbps) + " Mb/s here, ours " +
                              std::to_string(measured->userspace_mbps);
  if (measured->userspace_mbps > measured->kernel_mbps) {
    return {Backend::Userspace, "userspace: faster than the kernel's module with its " + figures};
  }
  return {Backend::Kernel, "kernel: its module brings " + figures};
}

BackendChoice choose_backend(BackendWish wish, const Comparison* measured) {
  if (wish == BackendWish::Userspace) return choose_backend(wish, false, "", nullptr);
  constexpr char kProbe[] = "iswgsupported";  // the name the reference node probes with, too
  auto netlink = platform::Netlink::open();
  if (!netlink.ok()) return choose_backend(wish, false, "there is no netlink", nullptr);
  const Status made = netlink->create_link(kProbe, "wireguard");
  if (!made.ok()) {
    const bool forbidden = made.error().code == Errc::Unauthorized;
    return choose_backend(
        wish, false, forbidden ? "no right to make kernel devices" : "the kernel has no WireGuard",
        nullptr);
  }
  (void)netlink->delete_link(kProbe);
  return choose_backend(wish, true, "", measured);
}

void Wireguard::learn(const Comparison& measured) {
  if (measured.kernel_release != kernel_release()) return;
  choice_ = choose_backend(options_.backend, &measured);
}

Wireguard::Wireguard(platform::Loop& loop, Rng& rng, Options options)
    : loop_(loop), rng_(rng), options_(options), choice_(choose_backend(options.backend)) {}

Wireguard::~Wireguard() = default;

Status Wireguard::probe() const {
  return choice_.backend == Backend::Kernel ? Status() : platform::probe_tun();
}

Result<std::unique_ptr<Device>> Wireguard::open(DeviceConfig config) {
  if (choice_.backend == Backend::Kernel && config.link == nullptr) {
    MYST_TRY_ASSIGN(auto device, KernelDevice::open(loop_, std::move(config)));
    return std::unique_ptr<Device>(std::move(device));
  }
  if (data_plane_ == nullptr) {
    MYST_TRY_ASSIGN(data_plane_, DataPlane::start(loop_, options_.data_threads));
  }
  MYST_TRY_ASSIGN(auto device, UserspaceDevice::open(loop_, rng_, *data_plane_, userspace_options(),
                                                     std::move(config)));
  return std::unique_ptr<Device>(std::move(device));
}

Result<std::shared_ptr<TunLink>> Wireguard::open_link(const std::string& name,
                                                      std::uint32_t mtu_bytes) {
  return TunLink::open(name, userspace_options().tun_offload, mtu_bytes);
}

}  // namespace myst::wireguard
