// Walks the members of one JSON object without building a tree: for the INFO line of a NATS server,
// the only JSON that core reads. Nested values are handed out as text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace myst::core {

class FlatJson {
 public:
  struct Member {
    std::string_view name;   // as written, between the quotes; escapes are not resolved
    std::string_view value;  // as written, with quotes, braces or brackets
  };
  explicit FlatJson(std::string_view text) : rest_(text) {}
  // nullopt: the end, or text that is not an object. ok() tells which.
  std::optional<Member> next();
  bool ok() const { return ok_; }

 private:
  std::optional<Member> fail();
  std::string_view rest_;
  bool started_ = false, done_ = false, ok_ = false;
};

}  // namespace myst::core
