#include "apps/hub/answer_sender.hpp"

#include <algorithm>

namespace myst::hub {
namespace {

constexpr std::size_t kPiece = 64 * 1024;

}  // namespace

void AnswerSender::send(platform::HttpExchangePtr exchange, platform::HttpResponse response) {
  if (response.body.size() <= kShortAnswer) {
    exchange->respond(std::move(response));
    return;
  }
  if (bytes_ + response.body.size() > max_bytes_) {
    platform::HttpResponse busy;
    busy.status = 429;
    exchange->respond(std::move(busy));
    return;
  }
  auto sending = std::make_unique<Sending>();
  Sending* raw = sending.get();
  raw->exchange = std::move(exchange);
  raw->body = std::move(response.body);
  bytes_ += raw->body.size();
  sending_[raw] = std::move(sending);
  raw->exchange->begin_stream(response.status, response.headers);
  raw->exchange->on_drained([this, raw] { pump(raw); });
  raw->exchange->on_gone([this, raw] { done(raw); });
  pump(raw);
}

void AnswerSender::pump(Sending* sending) {
  while (sending->sent < sending->body.size()) {
    const std::string_view piece = std::string_view(sending->body).substr(sending->sent, kPiece);
    const Status written = sending->exchange->write(piece);
    if (!written.ok()) return;  // Full: on_drained follows; gone: on_gone
    sending->sent += piece.size();
  }
  const platform::HttpExchangePtr exchange = sending->exchange;
  done(sending);
  exchange->end_stream();
}

void AnswerSender::done(Sending* sending) {
  const auto found = sending_.find(sending);
  if (found == sending_.end()) return;
  bytes_ -= sending->body.size();
  // The exchange may be the caller: it goes when the callback has returned.
  const platform::HttpExchangePtr keep = std::move(sending->exchange);
  sending_.erase(found);
}

}  // namespace myst::hub
