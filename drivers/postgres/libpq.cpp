#include "drivers/postgres/libpq.hpp"

#include <dlfcn.h>

#include <optional>
#include <type_traits>

namespace myst::postgres {
namespace {

std::optional<Libpq> load() {
  void* const library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return std::nullopt;
  bool complete = true;
  const auto take = [&](auto& function, const char* name) {
    void* const found = dlsym(library, name);
    complete = complete && found != nullptr;
    // POSIX gives functions as object pointers.
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(found);
  };
  Libpq out{};
  take(out.connect, "PQconnectdb");
  take(out.status, "PQstatus");
  take(out.error_message, "PQerrorMessage");
  take(out.finish, "PQfinish");
  take(out.exec, "PQexec");
  take(out.exec_params, "PQexecParams");
  take(out.result_status, "PQresultStatus");
  take(out.result_field, "PQresultErrorField");
  take(out.rows, "PQntuples");
  take(out.value, "PQgetvalue");
  take(out.length, "PQgetlength");
  take(out.clear, "PQclear");
  if (!complete) return std::nullopt;
  return out;
}

}  // namespace

const Libpq* libpq() {
  static const std::optional<Libpq> kLibrary = load();
  return kLibrary ? &*kLibrary : nullptr;
}

}  // namespace myst::postgres
