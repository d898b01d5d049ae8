// The result of a 32-byte hash.
#pragma once

#include "core/base/span.hpp"

namespace myst {

using Digest32 = ByteArray<32>;

}  // namespace myst
