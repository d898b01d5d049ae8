#include "platform/netlink/nl_socket.hpp"

#include <netlink/errno.h>
#include <netlink/handlers.h>

#include <cerrno>

namespace myst::platform {
namespace {

struct Talk {
  const std::function<void(nlmsghdr*)>* on_answer = nullptr;
  bool done = false;
  bool interrupted = false;
  int error = 0;
};

struct CallbackFree {
  void operator()(nl_cb* callbacks) const { nl_cb_put(callbacks); }
};

int on_valid(nl_msg* message, void* context) {
  auto* talk = static_cast<Talk*>(context);
  if (*talk->on_answer) (*talk->on_answer)(nlmsg_hdr(message));
  return NL_OK;
}

int on_done(nl_msg*, void* context) {
  static_cast<Talk*>(context)->done = true;
  return NL_STOP;
}

int on_interrupted(nl_msg*, void* context) {
  static_cast<Talk*>(context)->interrupted = true;
  return NL_OK;
}

int on_error(sockaddr_nl*, nlmsgerr* error, void* context) {
  auto* talk = static_cast<Talk*>(context);
  talk->done = true;
  talk->error = -error->error;
  return NL_STOP;
}

}  // namespace

Error netlink_error(int error_number, const char* what) {
  switch (error_number) {
    case EEXIST:
      return {Errc::AlreadyExists, error_number, what};
    case ENOENT:
    case ENODEV:
    case ESRCH:
    case EADDRNOTAVAIL:
      return {Errc::NotFound, error_number, what};
    case EPERM:
    case EACCES:
      return {Errc::Unauthorized, error_number, what};
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
    case EAFNOSUPPORT:
      return {Errc::Unsupported, error_number, what};
    default:
      return {Errc::Io, error_number, what};
  }
}

Result<NlSocket> NlSocket::open(int protocol) {
  NlSocket socket(nl_socket_alloc());
  if (socket.get() == nullptr) return Error{Errc::Io, ENOMEM, "netlink socket"};
  if (nl_connect(socket.get(), protocol) < 0) return Error{Errc::Io, errno, "netlink socket"};
  // Big dumps come in messages as large as the caller's buffer; libnl looks before it reads.
  nl_socket_enable_msg_peek(socket.get());
  return socket;
}

Status NlSocket::talk(nl_msg* message, const char* what,
                      const std::function<void(nlmsghdr*)>& on_answer) {
  Talk talk;
  talk.on_answer = &on_answer;
  const std::unique_ptr<nl_cb, CallbackFree> callbacks(nl_cb_alloc(NL_CB_CUSTOM));
  if (callbacks == nullptr) return Error{Errc::Io, ENOMEM, what};
  nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, on_valid, &talk);
  nl_cb_set(callbacks.get(), NL_CB_FINISH, NL_CB_CUSTOM, on_done, &talk);
  nl_cb_set(callbacks.get(), NL_CB_ACK, NL_CB_CUSTOM, on_done, &talk);
  nl_cb_set(callbacks.get(), NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_interrupted, &talk);
  nl_cb_err(callbacks.get(), NL_CB_CUSTOM, on_error, &talk);
  if (nl_send_auto(socket_.get(), message) < 0) return Error{Errc::Io, errno, what};
  while (!talk.done) {
    const int result = nl_recvmsgs(socket_.get(), callbacks.get());
    if (result < 0 && !talk.done && !talk.interrupted) return Error{Errc::Io, -result, what};
  }
  if (talk.error != 0) return netlink_error(talk.error, what);
  if (talk.interrupted) return Error{Errc::Unavailable, EINTR, what};
  return {};
}

Status NlSocket::dump(nl_msg* message, const char* what, const std::function<void()>& restart,
                      const std::function<void(nlmsghdr*)>& on_answer) {
  for (int attempt = 0; attempt < 5; ++attempt) {
    restart();
    nlmsg_hdr(message)->nlmsg_seq = NL_AUTO_SEQ;
    const Status status = talk(message, what, on_answer);
    if (status.ok() || status.error().code != Errc::Unavailable) return status;
  }
  return Error{Errc::Unavailable, EINTR, what};
}

}  // namespace myst::platform
