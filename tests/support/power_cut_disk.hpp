// A disk under SQLite that loses its power: files in memory whose unsynced writes are lost, torn or
// reordered when it goes. While one of these lives it is SQLite's default file system.
//
//   test::PowerCutDisk disk;
//   disk.power_off_after(n);      // the nth write, truncation or sync from now on fails, as all
//   later
//   ...work until it fails...      // close every database before the next line
//   disk.power_on(rng);           // what was not synced: each sector kept or not, as it happens
//
// Assumed of the hardware, as SQLite does: a synced write stays, a sector of 512 bytes is written
// whole or not at all.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/rng.hpp"
#include "core/base/span.hpp"

namespace myst::test {

class PowerCutDisk {
 public:
  PowerCutDisk();
  ~PowerCutDisk();
  PowerCutDisk(const PowerCutDisk&) = delete;
  PowerCutDisk& operator=(const PowerCutDisk&) = delete;

  void power_off_after(std::uint64_t operations) { left_ = operations; }
  bool is_off() const { return off_; }
  void power_on(Rng& rng);
  // Every write fails as on a full disk; reading works.
  void set_full(bool full) { full_ = full; }
  std::uint64_t syncs() const { return syncs_; }

  struct File {
    struct Operation {
      std::int64_t at = 0;
      Bytes data;                          // a write
      std::optional<std::int64_t> resize;  // else
    };
    Bytes content;  // as the program sees it
    Bytes durable;  // as it is after a power cut, without `unsynced`
    std::vector<Operation> unsynced;
    bool exists_durably = false;
    std::vector<std::unique_ptr<Bytes>> shared;  // the regions of WAL's index
  };

 private:
  friend struct DiskCalls;
  // An error code of SQLite when the power is off or goes now.
  int operate();
  void sync_folder();  // names made and deleted so far stay
  static void apply(Bytes& content, const File::Operation& operation);
  std::map<std::string, std::shared_ptr<File>> files_;
  std::map<std::string, std::shared_ptr<File>> deleted_;  // not yet for good
  std::optional<std::uint64_t> left_;
  bool off_ = false;
  bool full_ = false;
  std::uint64_t syncs_ = 0;
  sqlite3_vfs vfs_{};
  sqlite3_vfs* before_ = nullptr;
};

}  // namespace myst::test
