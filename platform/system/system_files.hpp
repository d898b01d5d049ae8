// Files that belong to the system: /proc/sys, /etc/resolv.conf. For files of our own see files.hpp.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace myst::platform {

// Into the file as it is (a kernel file, a bind mount): no new inode, not atomic.
Status write_in_place(const std::string& path, std::string_view text);

// A new file under that name, all or nothing, on the disk when this returns. InvalidState: the name
// cannot be replaced (a mount point, a read-only folder): write in place.
Status replace_file(const std::string& path, std::string_view text, mode_t mode, uid_t owner,
                    gid_t group);
// Likewise a symbolic link.
Status replace_with_symlink(const std::string& path, const std::string& target);

// key is the path below /proc/sys; the value without line end.
Result<std::string> read_sysctl(const std::string& key);
Status write_sysctl(const std::string& key, std::string_view value);

}  // namespace myst::platform
