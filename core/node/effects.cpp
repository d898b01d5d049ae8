#include "core/node/effects.hpp"

namespace myst::core::node {

const char* to_string(ConnectionState state) {
  switch (state) {
    case ConnectionState::NotConnected:
      return "NotConnected";
    case ConnectionState::Connecting:
      return "Connecting";
    case ConnectionState::Connected:
      return "Connected";
    case ConnectionState::Reconnecting:
      return "Reconnecting";
    case ConnectionState::Disconnecting:
      return "Disconnecting";
    case ConnectionState::Canceled:
      return "Canceled";
    case ConnectionState::OnHold:
      return "OnHold";
    case ConnectionState::IpNotChanged:
      return "IPNotChanged";
    case ConnectionState::ConnectionFailed:
      return "ConnectionFailed";
  }
  return "Unknown";
}

}  // namespace myst::core::node
