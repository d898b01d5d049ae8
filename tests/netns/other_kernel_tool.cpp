// Runs a program beneath another kernel than there is: one short of buffers, or one that refuses
// what newer ones do. By seccomp and its user notification, so that no way past libc escapes.
//
//   netns_other_kernel_tool short=<kinds>,<every>,<burst> <program> <arguments...>
//     kinds: letters of s (sendmsg, sendmmsg), w (writev). After <every> calls that pass the next
//     <burst> fail with ENOBUFS. SIGUSR1 prints "calls N failed N". <every> 0: none fail until
//     SIGUSR2, then all until the next one.
//   netns_other_kernel_tool <refusal>[,<refusal>...] <program> <arguments...>
//     no-uso       a tun without UDP super-packets (before Linux 6.2)
//     no-offload   a tun without any
//     no-segment   a link without transmit checksums refuses UDP_SEGMENT by EIO (before 6.11)
//     no-gro       sockets without UDP_GRO
//     no-sendmmsg  no such call
//     no-merge     a tun that refuses super-packets when they are written
//     linux-7.0    says it is Linux 7.0.3, which mangles what UDP_SEGMENT sends
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

volatile sig_atomic_t report_asked = 0, plenty = 0;

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  _exit(3);
}

sock_filter statement(unsigned code, std::uint32_t k) {
  return {static_cast<std::uint16_t>(code), 0, 0, k};
}

using Code = std::vector<sock_filter>;

// Loads of the call's number and of the lower half of an argument (little-endian machines).
sock_filter load_call() { return statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)); }
sock_filter load_argument(unsigned i) {
  return statement(BPF_LD | BPF_W | BPF_ABS,
                   static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 8 * i));
}
sock_filter jump(unsigned test, std::uint32_t k, std::uint8_t yes, std::uint8_t no) {
  return {static_cast<std::uint16_t>(BPF_JMP | BPF_K | test), yes, no, k};
}

// Any of these calls does what `then` says where the tests of its arguments hold.
struct Condition {
  unsigned argument, test;
  std::uint32_t value;
};
void rule(Code& code, long call, const std::vector<Condition>& conditions, std::uint32_t then) {
  code.push_back(load_call());
  const auto end = static_cast<std::uint8_t>(2 * conditions.size() + 1);
  code.push_back(jump(BPF_JEQ, static_cast<std::uint32_t>(call), 0, end));
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    code.push_back(load_argument(conditions[i].argument));
    const auto left = static_cast<std::uint8_t>(2 * (conditions.size() - i - 1) + 1);
    code.push_back(jump(conditions[i].test, conditions[i].value, 0, left));
  }
  code.push_back(statement(BPF_RET | BPF_K, then));
}

constexpr std::uint32_t refuse(int error) {
  return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error);
}
constexpr int kUdpSegment = 103, kUdpGro = 104;
constexpr std::uint32_t kUso = 0x60;  // TUN_F_USO4 and 6

bool add_refusal(Code& code, const std::string& what) {
  if (what == "no-uso") {
    rule(code, SYS_ioctl, {{1, BPF_JEQ, TUNSETOFFLOAD}, {2, BPF_JSET, kUso}}, refuse(EINVAL));
  } else if (what == "no-offload") {
    rule(code, SYS_ioctl, {{1, BPF_JEQ, TUNSETOFFLOAD}}, refuse(EINVAL));
  } else if (what == "no-gro") {
    rule(code, SYS_setsockopt, {{1, BPF_JEQ, 17}, {2, BPF_JEQ, kUdpGro}}, refuse(ENOPROTOOPT));
  } else if (what == "no-sendmmsg") {
    rule(code, SYS_sendmmsg, {}, refuse(ENOSYS));
  } else if (what == "no-merge") {
    rule(code, SYS_writev, {{2, BPF_JGT, 2}}, refuse(EINVAL));  // the header and one packet
  } else if (what == "no-segment") {
    rule(code, SYS_sendmsg, {}, SECCOMP_RET_USER_NOTIF);
  } else if (what == "linux-7.0") {
    rule(code, SYS_uname, {}, SECCOMP_RET_USER_NOTIF);
  } else {
    return false;
  }
  return true;
}

template <typename T>
bool peek(pid_t process, std::uint64_t at, T* to, std::size_t count = 1) {
  const iovec here{to, sizeof(T) * count};
  const iovec there{reinterpret_cast<void*>(at), sizeof(T) * count};
  return ::process_vm_readv(process, &here, 1, &there, 1, 0) ==
         static_cast<ssize_t>(sizeof(T) * count);
}

// Whether a sendmsg asks for UDP_SEGMENT.
bool asks_for_segments(const seccomp_notif& asked) {
  msghdr message{};
  alignas(cmsghdr) char control[256] = {};
  const auto process = static_cast<pid_t>(asked.pid);
  if (!peek(process, asked.data.args[1], &message) || message.msg_controllen == 0 ||
      message.msg_controllen > sizeof control ||
      !peek(process, reinterpret_cast<std::uint64_t>(message.msg_control), control,
            message.msg_controllen)) {
    return false;
  }
  message.msg_control = control;
  for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
    if (at->cmsg_level == 17 && at->cmsg_type == kUdpSegment) return true;
  }
  return false;
}

bool answer_uname(const seccomp_notif& asked) {
  utsname name{};
  if (::uname(&name) != 0) return false;
  std::strcpy(name.release, "7.0.3-test");
  const iovec here{&name, sizeof name};
  const iovec there{reinterpret_cast<void*>(asked.data.args[0]), sizeof name};
  return ::process_vm_writev(static_cast<pid_t>(asked.pid), &here, 1, &there, 1, 0) ==
         static_cast<ssize_t>(sizeof name);
}

// In the child: the listener's descriptor.
int install(Code code) {
  code.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up("no_new_privs");
  const long fd =
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  if (fd < 0) give_up("seccomp");
  return static_cast<int>(fd);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s short=KINDS,EVERY,BURST|REFUSAL[,REFUSAL...] PROGRAM...\n",
                 argv[0]);
    return 2;
  }
  const std::string wanted = argv[1];
  Code code;
  char kinds[8] = {};
  unsigned long every = 0, burst = 0;
  const bool short_of_buffers =
      std::sscanf(argv[1], "short=%7[a-z],%lu,%lu", kinds, &every, &burst) == 3;
  if (short_of_buffers) {
    for (const char* kind = kinds; *kind != 0; ++kind) {
      if (*kind == 'w') rule(code, SYS_writev, {}, SECCOMP_RET_USER_NOTIF);
      if (*kind == 's') rule(code, SYS_sendmsg, {}, SECCOMP_RET_USER_NOTIF);
      if (*kind == 's') rule(code, SYS_sendmmsg, {}, SECCOMP_RET_USER_NOTIF);
    }
  } else {
    for (std::size_t at = 0; at <= wanted.size();) {
      const std::size_t comma = std::min(wanted.find(',', at), wanted.size());
      if (!add_refusal(code, wanted.substr(at, comma - at))) give_up("refusal");
      at = comma + 1;
    }
  }
  if (every == 0) plenty = 1;
  int told[2], taken[2];
  if (::pipe(told) != 0 || ::pipe(taken) != 0) give_up("pipe");
  const pid_t child = ::fork();
  if (child < 0) give_up("fork");
  if (child == 0) {
    const int fd = install(code);
    // The number is told, the parent takes the descriptor itself: sendmsg would wait for the
    // parent.
    char byte = 0;
    if (::write(told[1], &fd, sizeof fd) != sizeof fd || ::read(taken[0], &byte, 1) != 1) {
      give_up("parent");
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::execvp(argv[2], argv + 2);
    give_up(argv[2]);
  }
  int theirs = -1;
  if (::read(told[0], &theirs, sizeof theirs) != sizeof theirs) give_up("no listener");
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  const int listener = static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd, theirs, 0));
  if (listener < 0) give_up("pidfd_getfd");
  if (::write(taken[1], "", 1) != 1) give_up("pipe");
  struct sigaction act {};
  act.sa_handler = [](int) { report_asked = 1; };
  ::sigaction(SIGUSR1, &act, nullptr);
  act.sa_handler = [](int) { plenty = plenty == 0 ? 1 : 0; };
  ::sigaction(SIGUSR2, &act, nullptr);
  static pid_t passed_on = child;
  act.sa_handler = [](int signal) { ::kill(passed_on, signal); };
  ::sigaction(SIGTERM, &act, nullptr);
  unsigned long long seen = 0, failed = 0;
  for (unsigned long turn = 0;;) {
    if (report_asked != 0) {
      report_asked = 0;
      std::printf("calls %llu failed %llu\n", seen, failed);
      std::fflush(stdout);
    }
    pollfd wait{listener, POLLIN, 0};
    if (::poll(&wait, 1, 100) != 1 || (wait.revents & POLLIN) == 0) {
      int status = 0;
      if (::waitpid(child, &status, WNOHANG) == child) return WEXITSTATUS(status);
      continue;
    }
    seccomp_notif asked{};
    if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) {
      if (errno == EINTR || errno == ENOENT) continue;  // who asked has gone
      give_up("receive");
    }
    ++seen;
    seccomp_notif_resp answer{};
    answer.id = asked.id;
    if (!short_of_buffers && asked.data.nr == SYS_uname && answer_uname(asked)) {
      answer.val = 0;
      ++failed;
    } else if (!short_of_buffers && asked.data.nr == SYS_sendmsg && asks_for_segments(asked)) {
      answer.error = -EIO;
      ++failed;
    } else if (short_of_buffers && plenty == 0 &&
               (every == 0 || turn++ % (every + burst) >= every)) {
      answer.error = -ENOBUFS;
      ++failed;
    } else {
      answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    }
    (void)::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
}
