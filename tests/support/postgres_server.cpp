#include "tests/support/postgres_server.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace myst::test {
namespace {

const std::string kBin = "/usr/lib/postgresql/15/bin/";

// The server refuses to run as root.
std::string as_its_user(const std::string& command) {
  return ::geteuid() == 0
             ? "exec setpriv --reuid=postgres --regid=postgres --clear-groups " + command
             : "exec " + command;
}
int shell(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str());
}

}  // namespace

bool PostgresServer::installed() { return ::access((kBin + "postgres").c_str(), X_OK) == 0; }

std::unique_ptr<PostgresServer> PostgresServer::start() {
  if (!installed()) return nullptr;
  char name[] = "/tmp/myst-postgres-XXXXXX";
  if (mkdtemp(name) == nullptr) return nullptr;
  std::unique_ptr<PostgresServer> server(new PostgresServer(name));
  if (::geteuid() == 0 && shell("chown postgres:postgres " + server->folder_) != 0) return nullptr;
  if (shell("cd / && " + as_its_user(kBin + "initdb -D " + server->folder_ +
                                     "/data -U postgres -A trust --no-sync")) != 0) {
    return nullptr;
  }
  return server->launch() ? std::move(server) : nullptr;
}

bool PostgresServer::launch() {
  const std::string command = as_its_user(kBin + "postgres -D " + folder_ + "/data -k " + folder_ +
                                          " -c listen_addresses='' -c deadlock_timeout=200ms");
  pid_ = ::fork();
  if (pid_ == 0) {
    ::setpgid(0, 0);
    const int log = ::open((folder_ + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::dup2(log, 1);
    ::dup2(log, 2);
    if (::chdir("/") != 0) ::_exit(1);
    ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    ::_exit(1);
  }
  // 20 s at most; poll() without descriptors is a pause of 20 ms.
  for (int i = 0; i < 1000; ++i) {
    if (shell(kBin + "pg_isready -h " + folder_) == 0) return true;
    if (::waitpid(pid_, nullptr, WNOHANG) != 0) {
      pid_ = 0;
      return false;
    }
    (void)::poll(nullptr, 0, 20);
  }
  return false;
}

void PostgresServer::kill_all() {
  if (pid_ == 0) return;
  ::kill(-pid_, SIGKILL);
  (void)::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

PostgresServer::~PostgresServer() {
  kill_all();
  (void)shell("rm -rf " + folder_);
}

std::string PostgresServer::make_database() {
  const std::string name = "test" + std::to_string(++databases_);
  (void)shell(kBin + "createdb -h " + folder_ + " -U postgres " + name);
  return "host=" + folder_ + " user=postgres dbname=" + name;
}

bool PostgresServer::restart(bool crash) {
  if (crash) {
    kill_all();
  } else if (pid_ != 0) {
    ::kill(pid_, SIGINT);  // "fast": its clients are cut off, everything is written
    (void)::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  return launch();
}

}  // namespace myst::test
