// Names to addresses by the system's resolver, on the thread pool.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "platform/loop/loop.hpp"

namespace myst::platform {

// The addresses that need no question: of a numeric host (brackets around IPv6 allowed) and of
// "localhost"; else empty.
std::vector<IpAddress> addresses_at_once(std::string_view host);

// A lost datagram of a question costs 1 s, not the system's 5 s; the waits add up to the same, as
// each is twice the one before. An owner's RES_OPTIONS stay. Once, before other threads run.
void ask_again_soon();

// One question. Destroyed before the answer: the callback does not come.
class Resolve {
 public:
  static constexpr std::size_t kMaxAddresses = 16;  // more are left out
  // In the system's order of preference, never empty. NotFound: no such name. Unavailable: no
  // resolver answered.
  using Callback = std::function<void(Result<std::vector<IpAddress>>)>;

  Resolve(Loop& loop, const std::string& host, Callback callback);  // never calls back at once
  ~Resolve();
  Resolve(const Resolve&) = delete;
  Resolve& operator=(const Resolve&) = delete;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace myst::platform
