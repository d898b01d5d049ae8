// A real nats-server on loopback for one test; found at /usr/sbin/nats-server or in $PATH.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace myst::test {

class NatsServer {
 public:
  // nullptr: not installed (the test should GTEST_SKIP with that reason) or it did not start.
  // `port` 0: a free one.
  static std::unique_ptr<NatsServer> start(std::uint16_t port = 0,
                                           const std::vector<std::string>& more_flags = {});
  static bool installed();
  ~NatsServer();  // kill and wait
  NatsServer(const NatsServer&) = delete;
  NatsServer& operator=(const NatsServer&) = delete;

  std::uint16_t port() const { return port_; }
  std::string address() const { return "nats://127.0.0.1:" + std::to_string(port_); }

 private:
  NatsServer(pid_t pid, std::uint16_t port) : pid_(pid), port_(port) {}
  pid_t pid_;
  std::uint16_t port_;
};

// A TCP port nobody listens on, on 127.0.0.1.
std::uint16_t free_tcp_port();

}  // namespace myst::test
