// What a hub keeps over a restart: live proposals, and the signatures of subscriptions the broker
// gate has seen. Losing it costs one ping interval; so it is written in batches, behind.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "drivers/storage/database.hpp"

namespace myst::storage {

class HubStore {
 public:
  struct Row {
    std::string provider_id;
    std::string service_type;
    std::string json;  // the proposal as announced; empty in a change: as stored
    WallTime updated_at{};
  };
  struct Changes {
    std::vector<Row> announced;
    std::vector<std::pair<std::string, std::string>> removed;  // provider, service
    std::vector<std::uint64_t> signatures;                     // core::SubscriptionMemory digests
    WallTime now{};
    bool empty() const { return announced.empty() && removed.empty() && signatures.empty(); }
  };

  // As Database::open: a corrupt file is moved aside and a new one begun.
  static Result<HubStore> open(const std::string& path, Database::Opened* opened = nullptr);
  Status apply(const Changes& changes);  // all or nothing
  // Proposals announced after `since`; older ones and signatures above `max_signatures` are
  // deleted.
  Result<std::vector<Row>> load(WallTime since);
  Result<std::vector<std::uint64_t>> load_signatures(std::size_t max_signatures);

 private:
  explicit HubStore(Database database) : database_(std::move(database)) {}
  Database database_;
};

}  // namespace myst::storage
