#include "drivers/rest/exchange.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/market/filter.hpp"
#include "drivers/rest/contract.hpp"
#include "platform/json/writer.hpp"

namespace myst::rest {
namespace {

constexpr char kJson[] = "application/json; charset=utf-8";
// Exactly this text, without a charset: clients compare it.
constexpr char kErrorJson[] = "application/vnd.mysterium.error+json";
constexpr char kNoCache[] = "no-cache, no-store, must-revalidate";
constexpr char kValidation[] = "Request validation failed";

std::string message_of(const FieldFault& fault) {
  return fault.message.empty() ? "'" + fault.field + "' is required" : fault.message;
}

}  // namespace

std::pair<std::string_view, std::string_view> split_target(std::string_view target) {
  const std::size_t mark = target.find('?');
  if (mark == std::string_view::npos) return {target, {}};
  return {target.substr(0, mark), target.substr(mark + 1)};
}

std::optional<std::string> decode_path(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '%') {
      out += path[i];
      continue;
    }
    if (path.size() - i < 3) return std::nullopt;
    const int high = hex_digit(path[i + 1]), low = hex_digit(path[i + 2]);
    if (high < 0 || low < 0 || high * 16 + low == 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::string error_body(std::string_view code, std::string_view message, int status,
                       std::string_view target, const std::vector<FieldFault>* faults,
                       std::string_view headline) {
  std::string body;
  json::Writer out(body);
  out.begin_object().key("error").begin_object();
  out.member("code", code).member("message", message);
  if (faults != nullptr && !faults->empty()) {
    std::string detail(headline.empty() ? std::string_view(kValidation) : headline);
    std::string_view separator = ": ";
    for (const FieldFault& fault : *faults) {
      detail += separator;
      detail += fault.field + ": " + message_of(fault) + " [" + fault.code + "]";
      separator = "; ";
    }
    out.member("detail", detail);
    std::vector<const FieldFault*> sorted;
    for (const FieldFault& fault : *faults) sorted.push_back(&fault);
    std::sort(sorted.begin(), sorted.end(),
              [](const FieldFault* a, const FieldFault* b) { return a->field < b->field; });
    out.key("fields").begin_object();
    for (const FieldFault* fault : sorted) {
      out.key(fault->field).begin_object();
      out.member("code", fault->code).member("message", message_of(*fault)).end_object();
    }
    out.end_object();
  }
  out.end_object().member("status", status).member("path", target).end_object();
  escape_for_html(body);
  return body;
}

Exchange::Exchange(Request request, std::unique_ptr<Answerer> answerer)
    : request_(std::move(request)), answerer_(std::move(answerer)) {
  const auto [path, query] = split_target(request_.target);
  query_ = query;
  if (auto decoded = decode_path(path)) {
    path_ = std::move(*decoded);
  } else {
    malformed_ = true;
  }
}

Exchange::~Exchange() {
  if (!answered_) send_empty(500);
}

std::optional<std::string> Exchange::query(std::string_view name) const {
  std::string_view rest = query_;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    if (core::form_decode(pair.substr(0, equals)) != name) continue;
    return equals == std::string_view::npos ? "" : core::form_decode(pair.substr(equals + 1));
  }
  return std::nullopt;
}

std::string Exchange::query_or(std::string_view name, std::string_view other) const {
  auto value = query(name);
  return value ? std::move(*value) : std::string(other);
}

bool Exchange::query_flag(std::string_view name) const {
  return core::parse_bool(query_or(name, "")).value_or(false);
}

const std::string& Exchange::parameter(std::size_t index) const {
  static const std::string kNone;
  return index < parameters_.size() ? parameters_[index] : kNone;
}

void Exchange::send(Response response) {
  if (answered_) return;
  answered_ = true;
  response.headers.emplace_back("Cache-Control", kNoCache);
  if (answerer_ != nullptr) answerer_->answer(std::move(response));
}

void Exchange::send_json(int status, std::string body) {
  escape_for_html(body);
  Response response;
  response.status = status;
  response.content_type = kJson;
  response.body = std::move(body);
  send(std::move(response));
}

void Exchange::send_empty(int status) {
  Response response;
  response.status = status;
  send(std::move(response));
}

void Exchange::send_text(std::string text) {
  Response response;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(text);
  send(std::move(response));
}

void Exchange::send_error(int status, const std::string& body) {
  Response response;
  response.status = status;
  response.content_type = kErrorJson;
  response.body = body;
  send(std::move(response));
}

void Exchange::fail(const Failure& failure) {
  send_error(failure.status,
             error_body(failure.code, failure.message, failure.status, request_.target));
}

void Exchange::fail_parse() { fail({400, "parse_failed", "Could not parse request"}); }

void Exchange::fail_not_found(std::string_view what) {
  fail({404, "not_found", std::string(what) + " not found"});
}

void Exchange::fail_validation(const std::vector<FieldFault>& faults, std::string_view headline) {
  send_error(400,
             error_body("validation_failed", kValidation, 400, request_.target, &faults, headline));
}

std::shared_ptr<Stream> Exchange::open_stream() {
  if (answered_ || answerer_ == nullptr) return nullptr;
  answered_ = true;
  Response head;
  head.content_type = "text/event-stream";
  head.headers.emplace_back("Cache-Control", "no-cache,no-transform");
  return answerer_->open_stream(std::move(head));
}

}  // namespace myst::rest
