// Errors as values. Nothing throws across layers; an Error is small, copyable and names its cause
// with a string literal. What an error means for the state stands at each function.
#pragma once

#include <cassert>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

namespace myst {

enum class Errc : std::uint8_t {
  Malformed,     // bytes or text that do not parse
  Rejected,      // well formed, but not acceptable (version, signature, policy)
  InvalidState,  // right input, wrong moment
  NotFound,
  AlreadyExists,
  Full,  // a bounded container is full
  Unauthorized,
  Timeout,
  Unsupported,
  Unavailable,  // another party (broker, back end, kernel feature) cannot serve now: retry later
  Io,           // detail is errno
  Cancelled,
  Internal,
};

const char* to_string(Errc code);

struct Error {
  Errc code = Errc::Internal;
  int detail = 0;         // errno, status, offset: what the code suggests
  const char* what = "";  // a string literal, for logs and REST messages
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT: implicit by design
  Result(Error error) : error_(error) {}         // NOLINT: implicit by design
  // Lets `return some_string_literal` and the like convert once, as they would to T.
  template <typename U, typename = std::enable_if_t<std::is_convertible_v<U&&, T> &&
                                                    !std::is_same_v<std::decay_t<U>, T> &&
                                                    !std::is_same_v<std::decay_t<U>, Error> &&
                                                    !std::is_same_v<std::decay_t<U>, Result>>>
  Result(U&& value) : value_(std::forward<U>(value)) {}  // NOLINT: implicit by design

  bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    assert(!ok());
    return error_;
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& value() & {
    assert(ok());
    return *value_;
  }
  const T& value() const& {
    assert(ok());
    return *value_;
  }
  T&& value() && {
    assert(ok());
    return std::move(*value_);
  }

 private:
  std::optional<T> value_;
  Error error_{};
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(error) {}  // NOLINT: implicit by design
  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    assert(!ok());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

}  // namespace myst

#define MYST_CONCAT_INNER(a, b) a##b
#define MYST_CONCAT(a, b) MYST_CONCAT_INNER(a, b)
// MYST_TRY(expr): returns the error of a Status or Result from the enclosing function.
#define MYST_TRY(...)                                                                    \
  do {                                                                                   \
    if (auto myst_status = (__VA_ARGS__); !myst_status.ok()) return myst_status.error(); \
  } while (false)
// MYST_TRY_ASSIGN(auto x, expr): x is the value of a Result, or its error is returned.
#define MYST_TRY_ASSIGN(declaration, ...) \
  MYST_TRY_ASSIGN_IMPL(MYST_CONCAT(myst_result_, __LINE__), declaration, __VA_ARGS__)
#define MYST_TRY_ASSIGN_IMPL(result, declaration, ...) \
  auto result = (__VA_ARGS__);                         \
  if (!(result).ok()) return (result).error();         \
  declaration = std::move(result).value()
