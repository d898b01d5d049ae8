#include "apps/myst/cli/output.hpp"

#include <algorithm>
#include <cstdio>

namespace myst::app {

Output::Output()
    : sink_([](std::string_view text) {
        (void)std::fwrite(text.data(), 1, text.size(), stdout);
        (void)std::fflush(stdout);
      }),
      error_sink_(
          [](std::string_view text) { (void)std::fwrite(text.data(), 1, text.size(), stderr); }) {}

void Output::line(std::string_view colour, std::string_view label, std::string_view text) {
  std::string shown = printable(text);
  if (!shown.empty() && shown[0] >= 'a' && shown[0] <= 'z') {
    shown[0] = static_cast<char>(shown[0] - 'a' + 'A');
  }
  std::string out = "\x1b[";
  out += colour;
  out += "m[";
  out += printable(label);
  out += "]\x1b[0m ";
  sink_(out + shown + "\n");
}

void Output::status(std::string_view label, std::string_view text) {
  line("33", label, text);
  sink_("\n");
}

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == '\n' || byte == '\t' || (byte >= 0x20 && byte != 0x7f)) {
      out += c;
    } else {
      out += '?';
    }
  }
  return out;
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return std::to_string(bytes) + "B";
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  (void)std::snprintf(text, sizeof text, "%.1f%s", value, kUnits[unit]);
  return text;
}

std::string speed_text(std::uint64_t bits_per_second) {
  constexpr const char* kUnits[] = {"bps", "Kbps", "Mbps", "Gbps", "Tbps"};
  auto value = static_cast<double>(bits_per_second);
  std::size_t unit = 0;
  while (value >= 1000 && unit + 1 < std::size(kUnits)) {
    value /= 1000;
    ++unit;
  }
  char text[32];
  (void)std::snprintf(text, sizeof text, unit == 0 ? "%.0f%s" : "%.1f%s", value, kUnits[unit]);
  return text;
}

std::string money_text(std::string_view wei, std::string_view currency) {
  // "%.6f" of a decimal amount of any length, without passing through a double.
  constexpr std::size_t kDecimals = 18;
  std::string digits = wei.empty() || wei.find_first_not_of("0123456789") != std::string_view::npos
                           ? "0"
                           : std::string(wei.substr(0, 78));
  if (digits.size() <= kDecimals) digits.insert(0, kDecimals + 1 - digits.size(), '0');
  digits.insert(digits.size() - kDecimals, 1, '.');
  digits.resize(digits.size() - (kDecimals - 6));
  return digits + std::string(currency);
}

}  // namespace myst::app
