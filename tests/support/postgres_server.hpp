// A real PostgreSQL server of its own for one test program: a fresh cluster in a temporary folder,
// reached through a socket there. As root it runs as the user Debian's package makes.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

namespace myst::test {

class PostgresServer {
 public:
  static bool installed();
  // nullptr: not installed, or it did not start.
  static std::unique_ptr<PostgresServer> start();
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // A new empty database; what to give to a client.
  std::string make_database();
  bool restart(bool crash);  // crash: its processes are killed first
  const std::string& folder() const { return folder_; }

 private:
  explicit PostgresServer(std::string folder) : folder_(std::move(folder)) {}
  bool launch();
  void kill_all();
  std::string folder_;
  pid_t pid_ = 0;
  int databases_ = 0;
};

}  // namespace myst::test
