// Messages in the channel's byte stream (reference: p2p/wireformat.go). Two forms: length-prefixed
// protobuf envelopes, and dot-stuffed text for peers whose compatibility number is 0. The text form
// loses something by design: CR LF in data arrives as LF, one trailing line end disappears.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/p2p/messages.hpp"

namespace myst::core {

using Frame = pb::P2PChannelEnvelope;

inline constexpr std::size_t kMaxEnvelope = 131072;  // a longer one ends the peer's reader

// Malformed: too long, or topic or msg not UTF-8 (or with a line end, in text). Either would end
// the peer's reader for good.
Result<Bytes> encode_frame(const Frame& frame);
Result<Bytes> encode_text_frame(const Frame& frame);

// Takes the stream in pieces of any size, gives frames. An error is final.
class FrameReader {
 public:
  explicit FrameReader(bool text) : text_(text) {}
  // Full: more than one longest frame buffered; the caller takes next() until nullopt before.
  Status feed(ByteSpan piece);
  Result<std::optional<Frame>> next();
  std::size_t memory() const { return buffer_.capacity(); }

 private:
  Result<std::optional<Frame>> next_envelope();
  Result<std::optional<Frame>> next_text();
  void consume(std::size_t count);

  bool text_;
  bool failed_ = false;
  Bytes buffer_;             // from the first byte of the frame to come
  std::size_t start_ = 0;    // consumed bytes at the front of buffer_
  std::size_t scanned_ = 0;  // text: no end of the frame in the first so many bytes
};

}  // namespace myst::core
