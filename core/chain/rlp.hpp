// Recursive length prefix encoding (Ethereum yellow paper, appendix B): writing only, nothing here
// is ever read back.
#pragma once

#include "core/base/span.hpp"
#include "core/base/u256.hpp"

namespace myst::chain {

class RlpList {
 public:
  RlpList& bytes(ByteSpan value);
  RlpList& number(const U256& value);  // big-endian without leading zeros; zero is empty
  RlpList& list(const RlpList& inner);
  Bytes finish() const;  // with the list's own prefix

 private:
  Bytes payload_;
};

}  // namespace myst::chain
