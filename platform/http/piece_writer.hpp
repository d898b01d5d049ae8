// Hands a long text to a stream piece by piece, as fast as its queue empties.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "platform/net/stream.hpp"

namespace myst::platform {

class PieceWriter {
 public:
  bool done() const { return offset_ == text_.size(); }
  void set(std::string text) {
    text_ = std::move(text);
    offset_ = 0;
  }
  // Writes until the queue is full or all is handed over; call again when the stream has drained.
  Status pump(Stream& stream) {
    while (!done()) {
      const std::string_view piece = std::string_view(text_).substr(offset_, kPiece);
      const Status written = stream.write(as_bytes(piece));
      if (!written.ok()) return written.error().code == Errc::Full ? Status() : written;
      offset_ += piece.size();
    }
    set({});
    return {};
  }

 private:
  static constexpr std::size_t kPiece = 32 * 1024;
  std::string text_;
  std::size_t offset_ = 0;
};

}  // namespace myst::platform
