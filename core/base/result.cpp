#include "core/base/result.hpp"

namespace myst {

const char* to_string(Errc code) {
  switch (code) {
    case Errc::Malformed:
      return "malformed";
    case Errc::Rejected:
      return "rejected";
    case Errc::InvalidState:
      return "invalid state";
    case Errc::NotFound:
      return "not found";
    case Errc::AlreadyExists:
      return "already exists";
    case Errc::Full:
      return "full";
    case Errc::Unauthorized:
      return "unauthorized";
    case Errc::Timeout:
      return "timed out";
    case Errc::Unsupported:
      return "unsupported";
    case Errc::Unavailable:
      return "unavailable";
    case Errc::Io:
      return "I/O error";
    case Errc::Cancelled:
      return "cancelled";
    case Errc::Internal:
      return "internal error";
  }
  return "unknown";
}

}  // namespace myst
