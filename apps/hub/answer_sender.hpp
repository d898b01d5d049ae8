// Sends answers of any size with bounded memory: long ones go out piece by piece as the client
// reads, and their sum is limited.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "platform/http/server.hpp"

namespace myst::hub {

class AnswerSender {
 public:
  static constexpr std::size_t kShortAnswer = 64 * 1024;  // below this the server keeps it itself
  explicit AnswerSender(std::size_t max_bytes = 64u << 20) : max_bytes_(max_bytes) {}

  // Beyond the limit the client gets 429 with an empty body, as from the reference server.
  void send(platform::HttpExchangePtr exchange, platform::HttpResponse response);
  std::size_t bytes() const { return bytes_; }

 private:
  struct Sending {
    platform::HttpExchangePtr exchange;
    std::string body;
    std::size_t sent = 0;
  };
  void pump(Sending* sending);
  void done(Sending* sending);
  std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  std::map<Sending*, std::unique_ptr<Sending>> sending_;
};

}  // namespace myst::hub
