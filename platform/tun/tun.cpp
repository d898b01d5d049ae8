#include "platform/tun/tun.hpp"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cstring>

namespace myst::platform {
namespace {

// Of linux/if_tun.h 6.2; Debian 12's headers are older.
constexpr unsigned kTunUso4 = 0x20, kTunUso6 = 0x40;

Error failed(int error, const char* what) {
  switch (error) {
    case EPERM:
    case EACCES:
      return Error{Errc::Unauthorized, error, what};
    case EBUSY:
    case EEXIST:
      return Error{Errc::AlreadyExists, error, what};
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return Error{Errc::Unavailable, error, what};
    default:
      return Error{Errc::Io, error, what};
  }
}

bool attach(int fd, const std::string& name, short flags, ifreq& request) {
  request = ifreq{};
  std::memcpy(request.ifr_name, name.data(), name.size());
  request.ifr_flags = flags;
  return ::ioctl(fd, TUNSETIFF, &request) == 0;
}

}  // namespace

const char* to_string(TunOffload offload) {
  switch (offload) {
    case TunOffload::None:
      return "single packets";
    case TunOffload::Tcp:
      return "TCP super-packets";
    case TunOffload::TcpUdp:
      return "TCP and UDP super-packets";
  }
  return "";
}

Status probe_tun() {
  const UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  unsigned features = 0;
  if (!fd.valid() || ::ioctl(fd.get(), TUNGETFEATURES, &features) != 0) {
    if (errno == EACCES || errno == EPERM) {
      return Error{Errc::Unauthorized, errno,
                   "/dev/net/tun may not be opened: run as root or with CAP_NET_ADMIN"};
    }
    return Error{Errc::Unavailable, errno,
                 "there is no tun device: /dev/net/tun is missing or of no use "
                 "(modprobe tun; in a container: --device /dev/net/tun)"};
  }
  return {};
}

Result<Tun> open_tun(const std::string& name, TunOffload most) {
  if (name.empty() || name.size() >= IFNAMSIZ || name.find('/') != std::string::npos) {
    return Error{Errc::Malformed, 0, "name of a network interface"};
  }
  Tun tun;
  tun.fd.reset(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!tun.fd.valid()) return failed(errno, "open /dev/net/tun");
  ifreq request{};
  bool header = most != TunOffload::None;
  // IFF_TUN_EXCL: never take over an interface that somebody else made persistent.
  short flags = IFF_TUN | IFF_NO_PI;
  flags = static_cast<short>(flags | IFF_TUN_EXCL);
  if (header && !attach(tun.fd.get(), name, static_cast<short>(flags | IFF_VNET_HDR), request)) {
    if (errno != EINVAL) return failed(errno, "make a tun device");
    header = false;
  }
  if (!header && !attach(tun.fd.get(), name, flags, request)) {
    return failed(errno, "make a tun device");
  }
  tun.name = request.ifr_name;
  if (!header) return tun;
  const unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  const int fd = tun.fd.get();
  if (most == TunOffload::TcpUdp && ::ioctl(fd, TUNSETOFFLOAD, tcp | kTunUso4 | kTunUso6) == 0) {
    tun.offload = TunOffload::TcpUdp;
  } else if (::ioctl(fd, TUNSETOFFLOAD, tcp) == 0) {
    tun.offload = TunOffload::Tcp;
  } else {
    // A header that never says anything is no use: begin again without.
    tun.fd.reset();
    return open_tun(name, TunOffload::None);
  }
  return tun;
}

}  // namespace myst::platform
