// One line from the terminal with editing, history and completion; from anything else, plain lines.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace myst::app {

// The text being edited, without a terminal around it: what each key does to it.
class LineBuffer {
 public:
  enum class Result : std::uint8_t { More, Enter, Leave, Complete, Clear };
  // A byte of what the terminal sends; escape sequences arrive byte by byte.
  Result key(char c, const std::vector<std::string>& history);
  const std::string& text() const { return text_; }
  std::size_t cursor() const { return cursor_; }  // a byte offset
  void insert(std::string_view piece);
  void reset();

 private:
  void escape(const std::vector<std::string>& history);
  void recall(const std::vector<std::string>& history, bool older);
  void erase_before();
  void erase_at();
  std::size_t left_of(std::size_t at) const;  // by whole UTF-8 characters
  std::size_t right_of(std::size_t at) const;

  static constexpr std::size_t kLongest = 4096;  // more is ignored
  std::string text_, sequence_, draft_;
  std::size_t cursor_ = 0;
  std::size_t from_end_ = 0;  // which line of the history is shown; 0: the user's own
};

class LineEditor {
 public:
  static constexpr std::size_t kMaxHistory = 500;

  explicit LineEditor(std::string history_file);
  void set_completer(std::function<std::vector<std::string>(std::string_view)> completer) {
    completer_ = std::move(completer);
  }
  // nullopt: the user leaves (Ctrl-D or Ctrl-C on an empty line, end of input).
  std::optional<std::string> read(const std::string& prompt);

 private:
  std::optional<std::string> read_plain();
  std::optional<std::string> read_terminal(const std::string& prompt);
  void complete(LineBuffer& buffer, const std::string& prompt);
  void remember(const std::string& line);

  std::string history_file_;
  std::vector<std::string> history_;
  std::function<std::vector<std::string>(std::string_view)> completer_;
};

}  // namespace myst::app
