// A tun device: IP packets of one interface as reads and writes. With offload, a packet of up to
// 64 KB comes and goes as one piece behind a virtio-net header (struct virtio_net_hdr, 10 bytes,
// host byte order).
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.hpp"
#include "platform/system/unique_fd.hpp"

namespace myst::platform {

// A ladder: each rung includes those below it.
enum class TunOffload : std::uint8_t {
  None,   // one packet a read, no header
  Tcp,    // header, checksums and TCP super-packets
  TcpUdp  // ... and UDP ones (Linux 6.2)
};
const char* to_string(TunOffload offload);

struct Tun {
  UniqueFd fd;  // non-blocking; closing it removes the interface
  std::string name;
  TunOffload offload = TunOffload::None;
};

// The highest rung up to `most` that the kernel takes. AlreadyExists: the name is in use.
// Unauthorized: no CAP_NET_ADMIN. Unavailable: no /dev/net/tun. Malformed: the name.
Result<Tun> open_tun(const std::string& name, TunOffload most);

// Whether devices can be made at all; makes none. Errors as open_tun().
Status probe_tun();

}  // namespace myst::platform
