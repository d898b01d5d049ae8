#include "core/wireguard/messages.hpp"

namespace myst::core::wireguard {

std::optional<MessageType> message_type(ByteSpan message) {
  if (message.size() < 4) return std::nullopt;
  switch (load_le32(message.data())) {
    case 1:
      if (message.size() == kInitiationSize) return MessageType::Initiation;
      break;
    case 2:
      if (message.size() == kResponseSize) return MessageType::Response;
      break;
    case 3:
      if (message.size() == kCookieReplySize) return MessageType::Cookie;
      break;
    case 4:
      if (message.size() >= kTransportOverhead) return MessageType::Transport;
      break;
    default:
      break;
  }
  return std::nullopt;
}

}  // namespace myst::core::wireguard
