// The ordered output of a dialog machine. Datagrams beyond kMaxSends waiting are dropped (each is
// repeated or its loss survived); the other actions are few by construction.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>
#include <utility>

#include "core/dialog/actions.hpp"

namespace myst::core::dialog {

class ActionQueue {
 public:
  static constexpr std::size_t kMaxSends = 512;

  template <typename T>
  void push(T action) {
    actions_.emplace_back(std::move(action));
  }
  void send(SocketId socket, const Endpoint& to, std::uint8_t ttl, ByteSpan bytes) {
    if (sends_ >= kMaxSends || bytes.size() > SendUdp::kMaxBytes) return;
    SendUdp out{socket, to, ttl, static_cast<std::uint8_t>(bytes.size()), {}};
    std::copy(bytes.begin(), bytes.end(), out.bytes.begin());
    actions_.emplace_back(out);
    ++sends_;
  }
  std::optional<Action> pop() {
    if (actions_.empty()) return std::nullopt;
    std::optional<Action> action(std::move(actions_.front()));
    actions_.pop_front();
    if (std::holds_alternative<SendUdp>(*action)) --sends_;
    return action;
  }

 private:
  std::deque<Action> actions_;
  std::size_t sends_ = 0;
};

}  // namespace myst::core::dialog
