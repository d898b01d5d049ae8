// TCP connections, made and accepted.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "platform/loop/fd_watcher.hpp"
#include "platform/loop/loop.hpp"
#include "platform/loop/timer.hpp"
#include "platform/net/stream.hpp"
#include "platform/system/unique_fd.hpp"

namespace myst::platform {

class TcpStream final : public Stream {
 public:
  // Of a connected socket.
  static Result<std::unique_ptr<TcpStream>> adopt(Loop& loop, UniqueFd fd,
                                                  std::size_t write_limit = kDefaultWriteLimit);
  ~TcpStream() override;

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
  explicit TcpStream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// One attempt at one address. Destroyed before it is done: given up.
class TcpConnect {
 public:
  struct Options {
    Endpoint remote;
    std::optional<IpAddress> bind;  // local address
    std::uint32_t mark = 0;         // SO_MARK; 0: none
    std::size_t write_limit = Stream::kDefaultWriteLimit;
  };
  using Callback = std::function<void(Result<std::unique_ptr<TcpStream>>)>;

  TcpConnect(Loop& loop, const Options& options, Callback callback);  // never calls back at once
  ~TcpConnect();
  TcpConnect(const TcpConnect&) = delete;
  TcpConnect& operator=(const TcpConnect&) = delete;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

class TcpListener {
 public:
  struct Options {
    Endpoint local;
    int backlog = 128;
    std::size_t write_limit = Stream::kDefaultWriteLimit;
  };
  // May destroy or pause the listener.
  using Accept = std::function<void(std::unique_ptr<TcpStream>)>;

  // An address in use by a listener is an error (Io, EADDRINUSE); lingering old connections are
  // not.
  static Result<TcpListener> listen(Loop& loop, const Options& options, Accept accept);
  TcpListener(TcpListener&&) noexcept;
  TcpListener& operator=(TcpListener&&) noexcept;
  ~TcpListener();

  void pause();  // new connections wait in the kernel's backlog
  void resume();
  const Endpoint& local() const;

  struct State;

 private:
  explicit TcpListener(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace myst::platform
