#include "drivers/storage/store.hpp"

namespace myst::storage {

Result<std::unique_ptr<Store>> Store::open(platform::Loop& loop, const std::string& path,
                                           Database::Opened* opened) {
  auto database = Database::open(path, opened);
  if (!database.ok()) return database.error();
  return std::unique_ptr<Store>(new Store(loop, std::move(*database)));
}

}  // namespace myst::storage
