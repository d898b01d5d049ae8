// Runs a program to which the kernel seems short of buffers: system calls of the given kinds fail
// with ENOBUFS instead of being made. By seccomp's user notification, so that no way past libc
// escapes.
//
//   netns_enobufs_tool <kinds> <every> <burst> <program> <arguments...>
//     kinds: letters of s (sendmsg, sendmmsg), w (writev). After <every> calls that pass the next
//     <burst> fail. SIGUSR1 prints "calls N failed N". <every> 0: none fail
//     until SIGUSR2, then all until the next one.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
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

// In the child: the listener's descriptor.
int install(const std::vector<long>& calls) {
  std::vector<sock_filter> code;
  code.push_back(statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (std::size_t i = 0; i < calls.size(); ++i) {
    code.push_back({BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint8_t>(calls.size() - i), 0,
                    static_cast<std::uint32_t>(calls[i])});
  }
  code.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  code.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
  sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up("no_new_privs");
  const long fd =
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  if (fd < 0) give_up("seccomp");
  return static_cast<int>(fd);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: %s KINDS EVERY BURST PROGRAM...\n", argv[0]);
    return 2;
  }
  std::vector<long> calls;
  if (std::strchr(argv[1], 'w') != nullptr) calls.push_back(SYS_writev);
  if (std::strchr(argv[1], 's') != nullptr) {
    calls.push_back(SYS_sendmsg);
    calls.push_back(SYS_sendmmsg);
  }
  const unsigned long every = std::strtoul(argv[2], nullptr, 10);
  const unsigned long burst = std::strtoul(argv[3], nullptr, 10);
  if (every == 0) plenty = 1;
  int told[2], taken[2];
  if (::pipe(told) != 0 || ::pipe(taken) != 0) give_up("pipe");
  const pid_t child = ::fork();
  if (child < 0) give_up("fork");
  if (child == 0) {
    const int fd = install(calls);
    // The number is told, the parent takes the descriptor itself: sendmsg would wait for the
    // parent.
    char byte = 0;
    if (::write(told[1], &fd, sizeof fd) != sizeof fd || ::read(taken[0], &byte, 1) != 1) {
      give_up("parent");
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::execvp(argv[4], argv + 4);
    give_up(argv[4]);
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
    const bool fail = plenty == 0 && (every == 0 || turn++ % (every + burst) >= every);
    if (fail) {
      answer.error = -ENOBUFS;
      ++failed;
    } else {
      answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    }
    (void)::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
}
