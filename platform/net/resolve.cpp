#include "platform/net/resolve.hpp"

#include <netdb.h>
#include <uv.h>

#include <algorithm>
#include <cstdlib>

#include "platform/loop/timer.hpp"
#include "platform/net/sockaddr.hpp"

namespace myst::platform {

struct Resolve::State {
  State(Loop& owner, Callback call)
      : loop(owner),
        callback(std::move(call)),
        later(owner, [this] { callback(std::move(at_once)); }) {}
  Loop& loop;
  Callback callback;
  Timer later;
  Result<std::vector<IpAddress>> at_once = Error{};
  bool cancelled = false;
  // Set while libuv holds the request below, which then keeps the state alive.
  std::shared_ptr<State> self;
  uv_getaddrinfo_t request{};
};

namespace {

Result<std::vector<IpAddress>> to_addresses(int status, const addrinfo* found) {
  if (status == UV_EAI_NONAME || status == UV_EAI_NODATA || status == UV_EAI_ADDRFAMILY) {
    return Error{Errc::NotFound, status, "no such host name"};
  }
  if (status != 0) return Error{Errc::Unavailable, status, "name resolution"};
  std::vector<IpAddress> addresses;
  for (; found != nullptr && addresses.size() < Resolve::kMaxAddresses; found = found->ai_next) {
    const auto endpoint = from_sockaddr(found->ai_addr);
    if (!endpoint) continue;
    if (std::find(addresses.begin(), addresses.end(), endpoint->ip) == addresses.end()) {
      addresses.push_back(endpoint->ip);
    }
  }
  if (addresses.empty()) return Error{Errc::NotFound, 0, "host name without address"};
  return addresses;
}

void on_answer(uv_getaddrinfo_t* request, int status, addrinfo* found) {
  auto* raw = static_cast<Resolve::State*>(request->data);
  const std::shared_ptr<Resolve::State> state = std::move(raw->self);
  if (!state->cancelled) state->callback(to_addresses(status, found));
  uv_freeaddrinfo(found);
}

}  // namespace

std::vector<IpAddress> addresses_at_once(std::string_view host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  if (auto address = IpAddress::parse(host); address.ok()) return {*address};
  // RFC 6761 section 6.3: never asked from a name server.
  if (host == "localhost") {
    ByteArray<16> v6{};
    v6[15] = 1;
    return {IpAddress::v4(127, 0, 0, 1), IpAddress::v6(v6)};
  }
  return {};
}

Resolve::Resolve(Loop& loop, const std::string& host, Callback callback)
    : state_(std::make_shared<State>(loop, std::move(callback))) {
  if (auto addresses = addresses_at_once(host); !addresses.empty()) {
    state_->at_once = std::move(addresses);
    state_->later.arm(loop.instant());
    return;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  state_->request.data = state_.get();
  state_->self = state_;
  const int error =
      uv_getaddrinfo(loop.uv(), &state_->request, on_answer, host.c_str(), nullptr, &hints);
  if (error == 0) return;
  state_->self.reset();
  state_->at_once = Error{Errc::Malformed, error, "host name"};
  state_->later.arm(loop.instant());
}

Resolve::~Resolve() {
  state_->cancelled = true;
  state_->later.cancel();
  if (state_->self != nullptr) (void)uv_cancel(reinterpret_cast<uv_req_t*>(&state_->request));
  Loop& loop = state_->loop;
  // The callback may be what destroys us.
  loop.dispose(std::make_unique<std::shared_ptr<State>>(std::move(state_)));
}

void ask_again_soon() { (void)::setenv("RES_OPTIONS", "timeout:1 attempts:4", 0); }

}  // namespace myst::platform
