// JSON read strictly (RFC 8259) within bounds: cJSON's tree, but integers of any length keep their
// digits. cJSON turns numbers into doubles and cannot read more than 63 digits, so the text is
// checked first, every number that is not a short integer is set aside, and its digits are put back
// into the tree in document order.
//
//   MYST_TRY_ASSIGN(const auto document, json::Document::parse(text));
//   MYST_TRY_ASSIGN(const Wei amount, document.root()["Amount"].u256());
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/u256.hpp"

struct cJSON;

namespace myst::json {

// A tree takes some 80 bytes a value, so besides depth the number of values has a bound: one for 8
// bytes of max_bytes, and 1,000 always. Texts of our protocols have half of that at most.
struct Limits {
  std::size_t max_bytes = 1 << 20;
  unsigned max_depth = 32;  // nested objects and arrays
};

// How names of members are compared. The reference node's reader ignores ASCII case everywhere.
enum class Case : std::uint8_t { Exact, Ignore };

class Value;

// A member of an object or an element of an array (then without name).
struct Member;

// A view of one value: valid while its Document lives. A missing value answers every question:
// exists() is false, conversions fail with NotFound, members are missing again.
class Value {
 public:
  class Iterator;

  Value() = default;
  bool exists() const { return node_ != nullptr; }
  bool is_null() const;
  bool is_bool() const;
  bool is_number() const;
  bool is_string() const;
  bool is_array() const;
  bool is_object() const;
  // Missing or null: what the reference's encoder writes for "nothing".
  bool is_nothing() const { return !exists() || is_null(); }

  // The last member of that name, if this is an object: names may repeat, the last one counts.
  Value operator[](std::string_view name) const { return get(name, Case::Exact); }
  Value get(std::string_view name, Case compare) const;
  // Members or elements in document order; empty for everything else.
  Iterator begin() const;
  Iterator end() const;
  std::size_t size() const;  // counts, linear

  // Malformed: another type, or out of range. Integers are digits with an optional minus sign:
  // 1.0, 1e3 and quoted digits are refused, as by the reference.
  Result<bool> boolean() const;
  Result<std::string_view> string() const;
  Result<std::int64_t> i64() const;
  Result<std::uint64_t> u64() const;
  Result<U256> u256() const;
  Result<double> number() const;

  // The same with a default for missing, null or unfit values.
  bool boolean_or(bool other) const;
  std::string string_or(std::string_view other) const;
  std::int64_t i64_or(std::int64_t other) const;
  double number_or(double other) const;

  std::string to_text() const;  // compact; numbers as they were read

 private:
  friend class Document;
  friend class Writer;
  explicit Value(const cJSON* node) : node_(node) {}
  const cJSON* node_ = nullptr;
};

class Value::Iterator {
 public:
  Member operator*() const;
  Iterator& operator++();
  bool operator!=(const Iterator& o) const { return node_ != o.node_; }
  bool operator==(const Iterator& o) const { return node_ == o.node_; }

 private:
  friend class Value;
  explicit Iterator(const cJSON* node) : node_(node) {}
  const cJSON* node_;
};

struct Member {
  std::string_view name;
  Value value;
};

class Document {
 public:
  // Malformed: not exactly one JSON text, invalid UTF-8, a NUL character in a string (C strings
  // carry the tree), nested too deep. Full: above max_bytes, or too many values. Error::detail is
  // the offset.
  static Result<Document> parse(std::string_view text, const Limits& limits = {});

  Value root() const { return Value(root_.get()); }

 private:
  struct Free {
    void operator()(cJSON* node) const;
  };
  explicit Document(cJSON* root) : root_(root) {}
  std::unique_ptr<cJSON, Free> root_;
};

}  // namespace myst::json
