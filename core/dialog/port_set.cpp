#include "core/dialog/port_set.hpp"

#include <algorithm>
#include <utility>

namespace myst::core::dialog {

void PortSet::grow(std::size_t count) {
  while (sockets_.size() < count) {
    Socket socket;
    socket.id = next_id_++;
    actions_.push(OpenUdp{socket.id});
    sockets_.push_back(std::move(socket));
  }
}

void PortSet::map(Instant now, const std::vector<Endpoint>& stun_servers, Rng& rng) {
  map_ = true;
  stun_servers_ = stun_servers;
  for (Socket& socket : sockets_) {
    if (socket.open && !socket.probe) start_probe(now, socket, rng);
  }
}

void PortSet::start_probe(Instant now, Socket& socket, Rng& rng) {
  socket.probe.emplace(StunProbe::Config{}, socket.local_port, stun_servers_, rng, now);
  send_probes(socket);
}

void PortSet::send_probes(Socket& socket) {
  while (const auto request = socket.probe->poll_transmit()) {
    actions_.send(socket.id, request->to, 0, request->bytes);
  }
}

std::optional<std::size_t> PortSet::index_of(SocketId socket) const {
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    if (sockets_[i].id == socket && !sockets_[i].released) return i;
  }
  return std::nullopt;
}

void PortSet::handle_opened(Instant now, std::size_t index, const Result<std::uint16_t>& port,
                            Rng& rng) {
  Socket& socket = sockets_[index];
  if (socket.open) return;
  if (!port) {
    error_ = port.error();
    // Another socket, another port of the pool.
    if (++refusals_ > kMaxRefusals) return;
    socket.id = next_id_++;
    actions_.push(OpenUdp{socket.id});
    return;
  }
  socket.open = true;
  socket.local_port = *port;
  if (map_) start_probe(now, socket, rng);
}

bool PortSet::handle_datagram(Instant now, std::size_t index, ByteSpan bytes) {
  return sockets_[index].probe && sockets_[index].probe->handle_datagram(now, bytes);
}

void PortSet::handle_timeout(Instant now) {
  for (Socket& socket : sockets_) {
    if (!socket.probe) continue;
    socket.probe->handle_timeout(now);
    send_probes(socket);
  }
}

std::optional<Instant> PortSet::next_timeout() const {
  std::optional<Instant> next;
  for (const Socket& socket : sockets_) {
    if (socket.probe) next = earliest(next, socket.probe->next_timeout());
  }
  return next;
}

bool PortSet::opened() const {
  return std::all_of(sockets_.begin(), sockets_.end(), [](const Socket& s) { return s.open; });
}

bool PortSet::ready() const {
  return std::all_of(sockets_.begin(), sockets_.end(), [this](const Socket& s) {
    return s.open && (!map_ || (s.probe && s.probe->done()));
  });
}

std::vector<std::int32_t> PortSet::published() const {
  std::vector<std::int32_t> ports;
  for (const Socket& s : sockets_) ports.push_back(s.probe ? s.probe->port() : s.local_port);
  return ports;
}

void PortSet::shrink(std::size_t count) {
  while (sockets_.size() > count) {
    if (!sockets_.back().released) actions_.push(CloseUdp{sockets_.back().id});
    sockets_.pop_back();
  }
}

void PortSet::close_all() {
  shrink(0);
  map_ = false;
  refusals_ = 0;
}

void PortSet::release(std::size_t index) { sockets_[index].released = true; }

}  // namespace myst::core::dialog
