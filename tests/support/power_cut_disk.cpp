#include "tests/support/power_cut_disk.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace myst::test {
namespace {

constexpr std::size_t kSector = 512;

}  // namespace

// What SQLite calls; a friend, so that the disk's inside stays its own.
struct DiskCalls {
  struct Handle {
    sqlite3_file base;  // first: SQLite sees this
    PowerCutDisk* disk;
    std::shared_ptr<PowerCutDisk::File>* file;
  };
  using File = PowerCutDisk::File;
  static Handle& of(sqlite3_file* f) { return *reinterpret_cast<Handle*>(f); }
  static PowerCutDisk& of(sqlite3_vfs* v) { return *static_cast<PowerCutDisk*>(v->pAppData); }

  static int close(sqlite3_file* f) {
    delete of(f).file;
    of(f).file = nullptr;
    return SQLITE_OK;
  }
  static int read(sqlite3_file* f, void* out, int size, sqlite3_int64 at) {
    const Bytes& content = (*of(f).file)->content;
    if (of(f).disk->off_) return SQLITE_IOERR_READ;
    const auto from = static_cast<std::size_t>(at), wanted = static_cast<std::size_t>(size);
    const std::size_t have = from >= content.size() ? 0 : std::min(wanted, content.size() - from);
    if (have > 0) std::memcpy(out, content.data() + from, have);
    if (have == wanted) return SQLITE_OK;
    std::memset(static_cast<char*>(out) + have, 0, wanted - have);
    return SQLITE_IOERR_SHORT_READ;
  }
  static int write(sqlite3_file* f, const void* data, int size, sqlite3_int64 at) {
    if (of(f).disk->full_) return SQLITE_FULL;
    if (const int failed = of(f).disk->operate()) return failed;
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    File::Operation operation;
    operation.at = at;
    operation.data.assign(bytes, bytes + size);
    File& file = **of(f).file;
    PowerCutDisk::apply(file.content, operation);
    file.unsynced.push_back(std::move(operation));
    return SQLITE_OK;
  }
  static int truncate(sqlite3_file* f, sqlite3_int64 size) {
    if (const int failed = of(f).disk->operate()) return failed;
    File::Operation operation;
    operation.resize = size;
    File& file = **of(f).file;
    PowerCutDisk::apply(file.content, operation);
    file.unsynced.push_back(std::move(operation));
    return SQLITE_OK;
  }
  static int sync(sqlite3_file* f, int) {
    if (const int failed = of(f).disk->operate()) return failed;
    ++of(f).disk->syncs_;
    File& file = **of(f).file;
    file.durable = file.content;
    file.unsynced.clear();
    // With the first sync of a new journal SQLite's own driver syncs the folder too.
    if (!file.exists_durably) of(f).disk->sync_folder();
    file.exists_durably = true;
    return SQLITE_OK;
  }
  static int size(sqlite3_file* f, sqlite3_int64* out) {
    *out = static_cast<sqlite3_int64>((*of(f).file)->content.size());
    return SQLITE_OK;
  }
  static int lock(sqlite3_file*, int) { return SQLITE_OK; }  // one connection at a time
  static int is_reserved(sqlite3_file*, int* out) {
    *out = 0;
    return SQLITE_OK;
  }
  static int control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
  static int sector_size(sqlite3_file*) { return kSector; }
  static int characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

  static int map_shared(sqlite3_file* f, int index, int bytes, int extend, void volatile** out) {
    auto& regions = (*of(f).file)->shared;
    const auto at = static_cast<std::size_t>(index);
    *out = nullptr;
    while (regions.size() <= at) {
      if (extend == 0) return SQLITE_OK;
      regions.push_back(std::make_unique<Bytes>(static_cast<std::size_t>(bytes)));
    }
    *out = regions[at]->data();
    return SQLITE_OK;
  }
  static int lock_shared(sqlite3_file*, int, int, int) { return SQLITE_OK; }
  static void barrier(sqlite3_file*) {}
  static int unmap_shared(sqlite3_file* f, int) {
    (*of(f).file)->shared.clear();
    return SQLITE_OK;
  }

  static const sqlite3_io_methods* methods() {
    static const sqlite3_io_methods kMethods = [] {
      sqlite3_io_methods m{};
      m.iVersion = 2;
      m.xClose = close;
      m.xRead = read;
      m.xWrite = write;
      m.xTruncate = truncate;
      m.xSync = sync;
      m.xFileSize = size;
      m.xLock = lock;
      m.xUnlock = lock;
      m.xCheckReservedLock = is_reserved;
      m.xFileControl = control;
      m.xSectorSize = sector_size;
      m.xDeviceCharacteristics = characteristics;
      m.xShmMap = map_shared;
      m.xShmLock = lock_shared;
      m.xShmBarrier = barrier;
      m.xShmUnmap = unmap_shared;
      return m;
    }();
    return &kMethods;
  }

  static int open(sqlite3_vfs* v, const char* name, sqlite3_file* f, int flags, int* out) {
    PowerCutDisk& disk = of(v);
    Handle& handle = of(f);
    handle.base.pMethods = nullptr;
    if (disk.off_) return SQLITE_CANTOPEN;
    std::shared_ptr<File> file;
    if (name == nullptr) {
      file = std::make_shared<File>();  // a temporary one nobody finds again
    } else if (const auto known = disk.files_.find(name); known != disk.files_.end()) {
      file = known->second;
    } else {
      if ((flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
      file = std::make_shared<File>();
      disk.files_[name] = file;
    }
    handle.base.pMethods = methods();
    handle.disk = &disk;
    handle.file = new std::shared_ptr<File>(std::move(file));
    if (out != nullptr) *out = flags;
    return SQLITE_OK;
  }
  static int remove(sqlite3_vfs* v, const char* name, int sync_folder) {
    PowerCutDisk& disk = of(v);
    if (const int failed = disk.operate()) return failed;
    const auto known = disk.files_.find(name);
    if (known == disk.files_.end()) return SQLITE_IOERR_DELETE_NOENT;
    disk.deleted_[name] = known->second;
    disk.files_.erase(known);
    if (sync_folder != 0) disk.sync_folder();
    return SQLITE_OK;
  }
  static int access(sqlite3_vfs* v, const char* name, int, int* out) {
    *out = of(v).files_.count(name) > 0 ? 1 : 0;
    return SQLITE_OK;
  }
  static int full_path(sqlite3_vfs*, const char* name, int size, char* out) {
    sqlite3_snprintf(size, out, "%s", name);
    return SQLITE_OK;
  }
  static int randomness(sqlite3_vfs*, int size, char* out) {
    std::memset(out, 7, static_cast<std::size_t>(size));  // repeatable
    return size;
  }
  static int sleep(sqlite3_vfs*, int microseconds) { return microseconds; }
  static int time64(sqlite3_vfs*, sqlite3_int64* out) {
    *out = 212000000000000;  // some day in 2006
    return SQLITE_OK;
  }
  static int time(sqlite3_vfs*, double* out) {
    *out = 2453737.0;
    return SQLITE_OK;
  }
  static int last_error(sqlite3_vfs*, int, char*) { return 0; }
};

PowerCutDisk::PowerCutDisk() : before_(sqlite3_vfs_find(nullptr)) {
  vfs_.iVersion = 2;
  vfs_.szOsFile = static_cast<int>(sizeof(DiskCalls::Handle));
  vfs_.mxPathname = 512;
  vfs_.zName = "power-cut";
  vfs_.pAppData = this;
  vfs_.xOpen = DiskCalls::open;
  vfs_.xDelete = DiskCalls::remove;
  vfs_.xAccess = DiskCalls::access;
  vfs_.xFullPathname = DiskCalls::full_path;
  vfs_.xRandomness = DiskCalls::randomness;
  vfs_.xSleep = DiskCalls::sleep;
  vfs_.xCurrentTime = DiskCalls::time;
  vfs_.xCurrentTimeInt64 = DiskCalls::time64;
  vfs_.xGetLastError = DiskCalls::last_error;
  (void)sqlite3_vfs_register(&vfs_, 1);
}

PowerCutDisk::~PowerCutDisk() {
  (void)sqlite3_vfs_unregister(&vfs_);
  (void)sqlite3_vfs_register(before_, 1);
}

void PowerCutDisk::sync_folder() {
  deleted_.clear();
  for (auto& [name, file] : files_) file->exists_durably = true;
}

int PowerCutDisk::operate() {
  if (off_) return SQLITE_IOERR;
  if (left_ && (*left_)-- == 0) {
    off_ = true;
    left_.reset();
    return SQLITE_IOERR;
  }
  return SQLITE_OK;
}

void PowerCutDisk::apply(Bytes& content, const File::Operation& operation) {
  if (operation.resize) {
    content.resize(static_cast<std::size_t>(*operation.resize));
    return;
  }
  const auto at = static_cast<std::size_t>(operation.at);
  if (content.size() < at + operation.data.size()) content.resize(at + operation.data.size());
  std::copy(operation.data.begin(), operation.data.end(),
            content.begin() + static_cast<std::ptrdiff_t>(at));
}

void PowerCutDisk::power_on(Rng& rng) {
  off_ = false;
  left_.reset();
  // A deletion that was not followed by a sync of the folder may not have happened.
  for (auto& [name, file] : deleted_) {
    if (files_.count(name) == 0 && file->exists_durably && rng.below(2) == 0) files_[name] = file;
  }
  deleted_.clear();
  for (auto at = files_.begin(); at != files_.end();) {
    File& file = *at->second;
    if (!file.exists_durably && rng.below(2) == 0) {
      at = files_.erase(at);
      continue;
    }
    // Each sector of each write by itself, in any order: kept or not.
    std::vector<File::Operation> pieces;
    for (const File::Operation& operation : file.unsynced) {
      if (operation.resize) {
        if (rng.below(2) == 0) pieces.push_back(operation);
        continue;
      }
      for (std::size_t from = 0; from < operation.data.size();) {
        const auto offset = static_cast<std::size_t>(operation.at) + from;
        const std::size_t most = kSector - offset % kSector;
        const std::size_t size = std::min(most, operation.data.size() - from);
        if (rng.below(2) == 0) {
          File::Operation piece;
          piece.at = static_cast<std::int64_t>(offset);
          piece.data.assign(operation.data.begin() + static_cast<std::ptrdiff_t>(from),
                            operation.data.begin() + static_cast<std::ptrdiff_t>(from + size));
          pieces.push_back(std::move(piece));
        }
        from += size;
      }
    }
    if (rng.below(2) == 0) {
      for (std::size_t i = pieces.size(); i > 1; --i)
        std::swap(pieces[i - 1], pieces[rng.below(i)]);
    }
    for (const File::Operation& piece : pieces) apply(file.durable, piece);
    file.content = file.durable;
    file.unsynced.clear();
    file.exists_durably = true;
    file.shared.clear();
    ++at;
  }
}

}  // namespace myst::test
