// HTTP messages as values, for client and server.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/net.hpp"

namespace myst::platform {

class HttpHeaders {
 public:
  struct Field {
    std::string name, value;
  };
  HttpHeaders() = default;
  HttpHeaders(std::initializer_list<Field> fields) : fields_(fields) {}

  void add(std::string name, std::string value);
  void set(std::string_view name, std::string value);  // replaces all of that name
  // The first of that name, whatever its case; nullptr: none.
  const std::string* find(std::string_view name) const;
  std::string_view get(std::string_view name) const;  // empty: none
  const std::vector<Field>& fields() const { return fields_; }
  bool empty() const { return fields_.empty(); }

 private:
  std::vector<Field> fields_;
};

struct HttpRequest {
  std::string method = "GET";
  std::string path;   // as sent, percent-encoded, begins with "/"
  std::string query;  // as sent, without the "?"
  HttpHeaders headers;
  std::string body;
  Endpoint peer;
};

struct HttpResponse {
  int status = 200;
  HttpHeaders headers;  // Content-Length, Transfer-Encoding, Connection and Date are made by us
  std::string body;
};

// "Not Found"; an unknown status gives "Status".
const char* reason_phrase(int status);
// A name is a token, a value has no line end: anything else could forge a second header.
bool is_valid_header(std::string_view name, std::string_view value);

}  // namespace myst::platform
