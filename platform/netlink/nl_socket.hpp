// One rtnetlink conversation over libnl-3: request, answers, acknowledgement. The kernel answers at
// once, so calls are synchronous and take microseconds.
#pragma once

#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <functional>
#include <memory>

#include "core/base/result.hpp"

namespace myst::platform {

struct NlSocketFree {
  void operator()(nl_sock* socket) const { nl_socket_free(socket); }
};
struct NlMessageFree {
  void operator()(nl_msg* message) const { nlmsg_free(message); }
};
using NlMessage = std::unique_ptr<nl_msg, NlMessageFree>;

// errno of the kernel as an Error: AlreadyExists, NotFound, Unauthorized, Unsupported, else Io.
Error netlink_error(int error_number, const char* what);

class NlSocket {
 public:
  static Result<NlSocket> open(int protocol);

  // Sends and waits for the acknowledgement or the end of the dump; `on_answer` sees each message.
  Status talk(nl_msg* message, const char* what,
              const std::function<void(nlmsghdr*)>& on_answer = {});
  // ... for a dump: repeats it when the kernel says that it changed meanwhile; `restart` clears
  // what was collected.
  Status dump(nl_msg* message, const char* what, const std::function<void()>& restart,
              const std::function<void(nlmsghdr*)>& on_answer);
  nl_sock* get() const { return socket_.get(); }

 private:
  explicit NlSocket(nl_sock* socket) : socket_(socket) {}
  std::unique_ptr<nl_sock, NlSocketFree> socket_;
};

}  // namespace myst::platform
