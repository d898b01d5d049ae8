// Files as wholes, and safe against power cuts.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace myst::platform {

// NotFound: no such file. Full: longer than `limit` (nothing is returned). Io: errno.
Result<std::string> read_file(const std::string& path, std::size_t limit);

// After success and at any power cut, the file holds either the old or the new content, whole: a
// temporary file beside it, fsync, rename, fsync of the folder. `mode` is that of the new file.
// On an error the old content stands.
Status write_file_atomically(const std::string& path, std::string_view content,
                             unsigned mode = 0644);

// The folder and its parents; present ones are left as they are.
Status make_directories(const std::string& path, unsigned mode = 0755);

}  // namespace myst::platform
