// TLS 1.2 (and 1.3 where the library has it) over another stream.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "platform/loop/loop.hpp"
#include "platform/net/stream.hpp"
#include "platform/net/tls_trust.hpp"

namespace myst::platform {

class TlsStream final : public Stream {
 public:
  // Handshake done, or why not (Unauthorized: certificate; detail: mbedtls verification flags).
  // Until then nothing may be called but the destructor. May destroy the stream.
  using OnOpen = std::function<void(Status)>;

  // `name`: host name or numeric address the certificate must be for. There is no way not to check.
  // A null trust is the system's. The inner stream is to be made with
  // inner_write_limit(write_limit): records add some bytes.
  static Result<std::unique_ptr<TlsStream>> connect(Loop& loop, std::unique_ptr<Stream> inner,
                                                    const std::string& name,
                                                    std::shared_ptr<const TlsTrust> trust,
                                                    OnOpen on_open,
                                                    std::size_t write_limit = kDefaultWriteLimit);
  static Result<std::unique_ptr<TlsStream>> accept(Loop& loop, std::unique_ptr<Stream> inner,
                                                   std::shared_ptr<const TlsIdentity> identity,
                                                   OnOpen on_open,
                                                   std::size_t write_limit = kDefaultWriteLimit);
  static constexpr std::size_t inner_write_limit(std::size_t write_limit) {
    return write_limit + write_limit / 16 + 32 * 1024;
  }
  ~TlsStream() override;

  void start(Handlers handlers) override;
  void pause() override;
  void resume() override;
  Status write(ByteSpan bytes) override;
  std::size_t queued() const override;
  void finish() override;
  Endpoint local() const override;
  Endpoint remote() const override;

  struct State;

 private:
  explicit TlsStream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace myst::platform
