#include "tests/support/nats_server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace myst::test {
namespace {

constexpr const char* kProgram = "/usr/sbin/nats-server";

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool accepts(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  const bool ok = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return ok;
}

}  // namespace

std::uint16_t free_tcp_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  std::uint16_t port = 0;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    port = ntohs(address.sin_port);
  }
  ::close(fd);
  return port;
}

bool NatsServer::installed() { return ::access(kProgram, X_OK) == 0; }

std::unique_ptr<NatsServer> NatsServer::start(std::uint16_t port,
                                              const std::vector<std::string>& more_flags) {
  if (!installed()) return nullptr;
  if (port == 0) port = free_tcp_port();
  std::vector<std::string> words{kProgram, "-a", "127.0.0.1", "-p", std::to_string(port)};
  words.insert(words.end(), more_flags.begin(), more_flags.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  const int failed = ::posix_spawn(&pid, kProgram, &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return nullptr;
  std::unique_ptr<NatsServer> server(new NatsServer(pid, port));
  // Waits for the port, 10 s at most; poll() without descriptors is a pause of 10 ms.
  for (int i = 0; i < 1000; ++i) {
    if (accepts(port)) return server;
    if (::waitpid(pid, nullptr, WNOHANG) != 0) {
      server->pid_ = 0;
      return nullptr;
    }
    (void)::poll(nullptr, 0, 10);
  }
  return nullptr;
}

NatsServer::~NatsServer() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  (void)::waitpid(pid_, nullptr, 0);
}

}  // namespace myst::test
