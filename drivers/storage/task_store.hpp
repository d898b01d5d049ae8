// A transactor's tasks, in a file of their own. Durable when a call returns success, or when the
// transaction that together() makes of several has. Synchronous, see database.hpp.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/hub/transactor/transactor.hpp"
#include "drivers/storage/database.hpp"

namespace myst::storage {

class TaskStore {
 public:
  static constexpr std::uint32_t kMaxOfIdentity = 100;  // newest first

  // A corrupt file is an error (Malformed), not replaced: what was promised to be done is in it.
  static Result<TaskStore> open(const std::string& path, Database::Opened* opened = nullptr);

  // One commit for all calls `work` makes; an error: none of them happened.
  Status together(const std::function<Status()>& work);

  // Puts the task unless its id is there in another state than Failed.
  Result<core::transactor::Transactor::Accepted> accept(core::transactor::Task task);
  Status update(const core::transactor::Task& task);
  Result<std::optional<core::transactor::Task>> find(const std::string& id);
  Result<std::vector<core::transactor::Task>> of(const Address& identity,
                                                 core::transactor::Kind kind);
  Result<std::vector<core::transactor::Task>> queued();
  // Final ones that nobody asks for any more.
  Status forget(WallTime before);

 private:
  explicit TaskStore(Database database) : database_(std::move(database)) {}
  Status put(const core::transactor::Task& task);
  Result<std::vector<core::transactor::Task>> read(Statement& query);
  Database database_;
};

}  // namespace myst::storage
