// A reliable byte stream, plain (TcpStream) or encrypted (TlsStream). Writes are queued up to a
// limit; reading can be paused, so that a slow consumer slows its peer down.
#pragma once

#include <cstddef>
#include <functional>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/span.hpp"

namespace myst::platform {

class Stream {
 public:
  static constexpr std::size_t kDefaultWriteLimit = 256 * 1024;

  // All called from the loop, never from inside a call to the stream; each may destroy the stream.
  struct Handlers {
    std::function<void(ByteSpan)> data;  // the view lives until the callback returns
    // Once, the last one: ok when the peer sends no more (writing may still work), else what broke.
    std::function<void(Status)> ended;
    std::function<void()> drained;  // everything written was handed to the kernel
  };

  virtual ~Stream() = default;  // at once; what is still queued is lost
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  virtual void start(Handlers handlers) = 0;  // reading begins; again: replaces the handlers
  virtual void pause() = 0;
  virtual void resume() = 0;
  // All or nothing. Full: not queued, wait for `drained`. Io: broken, `ended` follows.
  virtual Status write(ByteSpan bytes) = 0;
  virtual std::size_t queued() const = 0;
  // Nothing will be written any more: the peer sees the end once the queue is empty.
  virtual void finish() = 0;
  virtual Endpoint local() const = 0;
  virtual Endpoint remote() const = 0;
};

}  // namespace myst::platform
