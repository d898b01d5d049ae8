// One program a data folder: two nodes with one identity would spend each other's promises.
#pragma once

#include <string>

#include "core/base/result.hpp"
#include "platform/system/unique_fd.hpp"

namespace myst::platform {

class LockFile {
 public:
  // Creates the file when it is missing and writes our process number into it. AlreadyExists:
  // another program holds it; detail is its process number (0: unknown). The kernel lets go when we
  // end, however that happens; the file stays and means nothing by itself.
  static Result<LockFile> acquire(const std::string& path);

 private:
  explicit LockFile(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace myst::platform
