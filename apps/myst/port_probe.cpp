#include "apps/myst/port_probe.hpp"

#include <utility>

#include "platform/log/log.hpp"

namespace myst::app {
namespace {

constexpr Duration kKeep = std::chrono::hours(1);
constexpr Duration kHopeless = std::chrono::milliseconds(300);

}  // namespace

void PortProbe::run(const std::vector<Endpoint>& servers) {
  const Instant now = loop_.instant();
  if (check_ || servers.empty()) return;
  if (verdict_ && now - verdict_->at < kKeep) return;
  auto checked = ports_.take();
  auto asking = platform::UdpSocket::open(loop_, {});
  if (!checked.ok() || !asking.ok()) return;
  checked_.emplace(std::move(*checked));
  asking_.emplace(std::move(*asking));
  check_.emplace(checked_->local().port, servers, rng_, now);
  began_ = now;
  checked_->receive([this](const Endpoint&, ByteSpan datagram) {
    if (check_ && check_->handle_datagram(datagram)) end(true);
  });
  while (const auto probe = check_->poll_transmit()) (void)asking_->send(probe->to, probe->bytes);
  timer_.arm(check_->next_timeout());
}

void PortProbe::end(bool reachable) {
  timer_.cancel();
  check_.reset();
  checked_.reset();
  asking_.reset();
  if (!verdict_ || verdict_->reachable != reachable) {
    log::info(reachable ? "UDP ports are open to the internet"
                        : "UDP ports are closed to the internet: consumers come by hole punching");
  }
  verdict_ = Verdict{reachable, loop_.instant()};
}

bool PortProbe::worth_checking() const {
  if (check_) return loop_.instant() - began_ < kHopeless;
  return !verdict_ || verdict_->reachable || loop_.instant() - verdict_->at >= kKeep;
}

}  // namespace myst::app
