#include "platform/http/client.hpp"

#include <algorithm>
#include <map>
#include <vector>

#include "core/base/text.hpp"
#include "core/base/url.hpp"
#include "platform/http/parser.hpp"
#include "platform/http/piece_writer.hpp"
#include "platform/loop/timer.hpp"
#include "platform/net/dial.hpp"

namespace myst::platform {
namespace {

constexpr Duration kIdleTime = std::chrono::seconds{30};
constexpr std::size_t kMaxIdle = 8;
constexpr std::size_t kMaxHeaderBytes = 64 * 1024;

bool may_be_repeated(const std::string& method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" ||
         method == "OPTIONS";
}

}  // namespace

struct HttpClient::State {
  State(Loop& owner, Options wanted) : loop(owner), options(std::move(wanted)) {}

  struct Exchange;
  // A connection that waits for the next request to the same place.
  struct Idle {
    std::string place;
    std::unique_ptr<Stream> stream;
    std::unique_ptr<Timer> expiry;
  };

  Loop& loop;
  const Options options;
  std::map<Id, std::unique_ptr<Exchange>> exchanges;
  std::vector<Idle> idle;
  Id last_id = 0;

  void keep(const std::string& place, std::unique_ptr<Stream> stream);
  void drop_idle(const Stream* stream);
  std::unique_ptr<Stream> take_idle(const std::string& place);
};

struct HttpClient::State::Exchange {
  Exchange(State& owner, Id number, Call wanted, Callback call)
      : state(owner),
        id(number),
        request(std::move(wanted)),
        callback(std::move(call)),
        deadline(owner.loop,
                 [this] {
                   done(Error{Errc::Timeout, 0, "http exchange"});
                 }),
        fail_later(owner.loop, [this] { done(failure); }),
        parser({std::min(kMaxHeaderBytes, limit()), limit()}, request.method == "HEAD") {}

  State& state;
  const Id id;
  const Call request;
  const Callback callback;
  Timer deadline, fail_later;
  HttpResponseParser parser;
  Url url;
  std::string place;
  Error failure;
  std::unique_ptr<Dial> dial;
  std::unique_ptr<Stream> stream;
  PieceWriter out;
  bool reused = false;  // the connection served before: it may have ended since
  bool over = false;

  std::size_t limit() const {
    return request.max_response_bytes.value_or(state.options.max_response_bytes);
  }
  std::optional<IpAddress> bind() const { return request.bind ? request.bind : state.options.bind; }

  void begin() {
    if (const Status prepared = prepare(); !prepared.ok()) {
      failure = prepared.error();
      fail_later.arm(state.loop.instant());
      return;
    }
    deadline.arm_in(request.timeout.value_or(state.options.timeout));
    if (state.options.keep_alive && (request.may_repeat || may_be_repeated(request.method))) {
      stream = state.take_idle(place);
      if (stream != nullptr) {
        reused = true;
        return send();
      }
    }
    connect();
  }

  Status prepare() {
    MYST_TRY_ASSIGN(url, Url::parse(request.url));
    if (url.scheme != "http" && url.scheme != "https") {
      return Error{Errc::Malformed, 0, "url scheme is not http"};
    }
    if (!is_valid_header(request.method, "")) return Error{Errc::Malformed, 0, "http method"};
    for (const auto& field : request.headers.fields()) {
      if (!is_valid_header(field.name, field.value)) {
        return Error{Errc::Malformed, 0, "http request header"};
      }
    }
    place = url.scheme + "://" + url.authority();
    if (const auto local = bind()) place += " " + local->to_string();
    return {};
  }

  void connect() {
    reused = false;
    DialOptions target;
    target.host = url.host;
    target.tls = url.scheme == "https";
    target.port = url.port_or(target.tls ? 443 : 80);
    target.trust = state.options.trust;
    target.bind = bind();
    target.mark = state.options.mark;
    target.timeout = std::max(deadline.deadline().value() - state.loop.instant(), Duration{1});
    dial = std::make_unique<Dial>(state.loop, target,
                                  [this](Result<std::unique_ptr<Stream>> connected) {
                                    if (!connected.ok()) return done(connected.error());
                                    stream = std::move(*connected);
                                    send();
                                  });
  }

  void send() {
    stream->start({[this](ByteSpan bytes) { on_data(bytes); },
                   [this](const Status& how) { on_ended(how); }, [this] { pump(); }});
    out.set(request_text());
    pump();
  }

  void pump() {
    // An error is told again by `ended`.
    if (!over) (void)out.pump(*stream);
  }

  std::string request_text() const {
    const HttpHeaders& headers = request.headers;
    std::string text = request.method + " " + url.target() + " HTTP/1.1\r\n";
    const auto add_default = [&](const char* name, const std::string& value) {
      if (headers.find(name) == nullptr) text += std::string(name) + ": " + value + "\r\n";
    };
    add_default("Host", url.authority());
    add_default("User-Agent", state.options.user_agent);
    add_default("Accept", "*/*");
    if (!url.user_info.empty()) {
      const auto user = percent_decode(url.user_info);
      if (user.ok()) add_default("Authorization", "Basic " + to_base64(as_bytes(*user)));
    }
    for (const auto& field : headers.fields()) {
      if (equal_ignoring_case(field.name, "Content-Length") ||
          equal_ignoring_case(field.name, "Transfer-Encoding") ||
          equal_ignoring_case(field.name, "Connection")) {
        continue;
      }
      text += field.name + ": " + field.value + "\r\n";
    }
    const bool has_body =
        !request.body.empty() || request.method == "POST" || request.method == "PUT";
    if (has_body) text += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
    if (!state.options.keep_alive) text += "Connection: close\r\n";
    return text + "\r\n" + request.body;
  }

  void on_data(ByteSpan bytes) {
    const auto used = parser.feed(bytes);
    if (!used.ok()) return done(used.error());
    if (!parser.complete()) return;
    // Bytes behind the answer, or an answer before the question was all sent: not to be used again.
    const bool reusable = *used == bytes.size() && out.done() && parser.keep_alive();
    finish(reusable);
  }

  void on_ended(const Status& how) {
    if (reused && !parser.started()) {
      // The server closed it while our request was on its way.
      stream.reset();
      return connect();
    }
    if (!how.ok()) return done(how.error());
    if (const Status finished = parser.finish(); !finished.ok()) return done(finished.error());
    finish(false);
  }

  void finish(bool reusable) {
    if (reusable && state.options.keep_alive) state.keep(place, std::move(stream));
    done(parser.take());
  }

  void quiet() {
    over = true;
    deadline.cancel();
    fail_later.cancel();
    dial.reset();
    stream.reset();
  }

  void done(Result<HttpResponse> result) {
    if (over) return;
    quiet();
    State& owner = state;
    const auto at = owner.exchanges.find(id);
    owner.loop.dispose(std::move(at->second));
    owner.exchanges.erase(at);
    if (result.ok() && owner.options.observe) owner.options.observe(*result);
    callback(std::move(result));  // may destroy the client; this object lives until the turn ends
  }
};

void HttpClient::State::keep(const std::string& place, std::unique_ptr<Stream> stream) {
  Stream* raw = stream.get();
  if (idle.size() == kMaxIdle) idle.erase(idle.begin());
  auto expiry = std::make_unique<Timer>(loop, [this, raw] { drop_idle(raw); });
  expiry->arm_in(kIdleTime);
  // Whatever an idle connection says or does, it is of no use any more.
  raw->start({[this, raw](ByteSpan) { drop_idle(raw); },
              [this, raw](const Status&) { drop_idle(raw); },
              {}});
  idle.push_back({place, std::move(stream), std::move(expiry)});
}

void HttpClient::State::drop_idle(const Stream* stream) {
  const auto at = std::find_if(idle.begin(), idle.end(),
                               [&](const Idle& i) { return i.stream.get() == stream; });
  if (at != idle.end()) idle.erase(at);
}

std::unique_ptr<Stream> HttpClient::State::take_idle(const std::string& place) {
  const auto at =
      std::find_if(idle.rbegin(), idle.rend(), [&](const Idle& i) { return i.place == place; });
  if (at == idle.rend()) return nullptr;
  auto stream = std::move(at->stream);
  idle.erase(std::next(at).base());
  return stream;
}

HttpClient::HttpClient(Loop& loop, Options options)
    : state_(std::make_unique<State>(loop, std::move(options))) {}

HttpClient::~HttpClient() {
  for (auto& entry : state_->exchanges) {
    entry.second->quiet();
    state_->loop.dispose(std::move(entry.second));
  }
  state_->idle.clear();
  Loop& loop = state_->loop;
  loop.dispose(std::move(state_));
}

HttpClient::Id HttpClient::send(Call call, Callback callback) {
  const Id id = ++state_->last_id;
  const bool full = state_->exchanges.size() >= state_->options.max_calls;
  auto& exchange = state_->exchanges[id];
  exchange = std::make_unique<State::Exchange>(*state_, id, std::move(call), std::move(callback));
  if (full) {
    exchange->failure = Error{Errc::Full, 0, "too many http calls"};
    exchange->fail_later.arm(state_->loop.instant());
  } else {
    exchange->begin();
  }
  return id;
}

HttpClient::Id HttpClient::get(std::string url, Callback callback) {
  Call call;
  call.url = std::move(url);
  return send(std::move(call), std::move(callback));
}

HttpClient::Id HttpClient::post_json(std::string url, std::string body, Callback callback) {
  Call call;
  call.method = "POST";
  call.url = std::move(url);
  call.headers.add("Content-Type", "application/json");
  call.body = std::move(body);
  return send(std::move(call), std::move(callback));
}

void HttpClient::cancel(Id id) {
  const auto at = state_->exchanges.find(id);
  if (at == state_->exchanges.end()) return;
  at->second->quiet();
  state_->loop.dispose(std::move(at->second));
  state_->exchanges.erase(at);
}

std::size_t HttpClient::calls() const { return state_->exchanges.size(); }

}  // namespace myst::platform
