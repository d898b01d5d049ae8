// What the client commands print: lines with a coloured label. Colours are always on, as scripts
// that read the reference's output expect.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/base/u256.hpp"

namespace myst::app {

class Output {
 public:
  using Sink = std::function<void(std::string_view)>;
  Output();  // standard output
  explicit Output(Sink sink) : sink_(sink), error_sink_(std::move(sink)) {}

  void info(std::string_view text) { line("93", "INFO", text); }
  void success(std::string_view text) { line("32", "SUCCESS", text); }
  void warning(std::string_view text) { line("31", "WARNING", text); }
  void error(std::string_view text) { line("31", "ERROR", text); }
  // "[label] text" and an empty line.
  void status(std::string_view label, std::string_view text);
  void plain(std::string_view text) { sink_(text); }           // as it is
  void complain(std::string_view text) { error_sink_(text); }  // the same, on standard error

 private:
  void line(std::string_view colour, std::string_view label, std::string_view text);
  Sink sink_, error_sink_;
};

// "1.5MiB", "640B".
std::string bytes_text(std::uint64_t bytes);
// "12.3 Mbps" of bits a second.
std::string speed_text(std::uint64_t bits_per_second);
// "0.060000MYST" of wei in decimal; what is no number prints as zero.
std::string money_text(std::string_view wei, std::string_view currency = "MYST");
// Text of a remote party without control characters, which could drive the terminal.
std::string printable(std::string_view text);

}  // namespace myst::app
