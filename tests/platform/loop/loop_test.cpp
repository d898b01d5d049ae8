#include "platform/loop/loop.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

#include "platform/loop/fd_watcher.hpp"
#include "platform/loop/signal_watcher.hpp"
#include "platform/loop/timer.hpp"
#include "platform/loop/work_queue.hpp"
#include "platform/system/unique_fd.hpp"

namespace myst::platform {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
constexpr Duration kLimit = seconds{20};

TEST(Loop, TimersFireInOrderOfTheirDeadlines) {
  Loop loop;
  std::string order;
  Timer c(loop, [&] { order += 'c'; });
  Timer a(loop, [&] { order += 'a'; });
  Timer b(loop, [&] { order += 'b'; });
  const Instant start = loop.instant();
  c.arm(start + milliseconds{6});
  a.arm(start + milliseconds{2});
  b.arm(start + milliseconds{4});
  ASSERT_TRUE(loop.run_until([&] { return order.size() == 3; }, kLimit));
  EXPECT_EQ(order, "abc");
  EXPECT_FALSE(loop.next_timer());
}

TEST(Loop, ManyTimersComeInOrderWhateverWasRearmedOrCancelled) {
  Loop loop;
  const Instant start = loop.instant() - seconds{100};
  std::vector<int> fired;
  std::vector<std::unique_ptr<Timer>> timers;
  for (int i = 0; i < 200; ++i) {
    timers.push_back(std::make_unique<Timer>(loop, [&fired, i] { fired.push_back(i); }));
    timers.back()->arm(start + milliseconds{(i * 37) % 200});
  }
  for (int i = 0; i < 200; i += 3) timers[static_cast<std::size_t>(i)]->cancel();
  for (int i = 1; i < 200; i += 3) {
    timers[static_cast<std::size_t>(i)]->arm(start + milliseconds{(i * 91) % 200});
  }
  std::size_t expected = 0;
  std::optional<Instant> last;
  for (const auto& timer : timers) expected += timer->armed() ? 1 : 0;
  while (loop.next_timer()) {
    const auto next = loop.next_timer();
    EXPECT_TRUE(!last || *last <= *next);
    last = next;
    ASSERT_TRUE(loop.run_until(
        [&, before = loop.next_timer()] { return loop.next_timer() != before; }, kLimit));
  }
  EXPECT_EQ(fired.size(), expected);
}

TEST(Loop, ATimerMayDestroyItselfAndOthers) {
  Loop loop;
  bool fired = false, other_fired = false;
  auto other = std::make_unique<Timer>(loop, [&] { other_fired = true; });
  std::unique_ptr<Timer> timer;
  auto payload = std::make_shared<int>(7);
  timer = std::make_unique<Timer>(loop, [&, payload] {
    timer.reset();
    other.reset();
    EXPECT_EQ(*payload, 7);  // what the callback holds is still there
    fired = true;
  });
  timer->arm_in(milliseconds{1});
  other->arm_in(milliseconds{1});
  ASSERT_TRUE(loop.run_until([&] { return fired; }, kLimit));
  EXPECT_FALSE(other_fired);
  EXPECT_FALSE(loop.run_until([] { return false; }, milliseconds{2}));
  EXPECT_EQ(payload.use_count(), 1);
}

TEST(Loop, ATimerRearmedForThePastDoesNotStarveOthers) {
  Loop loop;
  int count = 0;
  bool posted = false;
  Timer* self = nullptr;
  Timer timer(loop, [&] {
    if (++count == 1) (void)loop.post([&] { posted = true; });
    self->arm(Instant{});
  });
  self = &timer;
  timer.arm(Instant{});
  ASSERT_TRUE(loop.run_until([&] { return posted; }, kLimit));
  EXPECT_LT(count, 100);
}

TEST(Loop, NowStandsStillWithinATurn) {
  Loop loop;
  bool done = false;
  Timer timer(loop, [&] {
    const Instant first = loop.instant();
    for (volatile int i = 0; i < 100000;) i = i + 1;
    EXPECT_EQ(first, loop.instant());
    done = true;
  });
  timer.arm_in(milliseconds{1});
  const Now before = loop.now();
  ASSERT_TRUE(loop.run_until([&] { return done; }, kLimit));
  EXPECT_GT(loop.instant(), before.instant);
  EXPECT_GT(unix_seconds(before.wall), 1600000000);
}

TEST(Loop, AnIdleLoopAsksForNoWakeUp) {
  Loop loop;
  Timer timer(loop, [] {});
  timer.arm_in(seconds{1000});
  timer.cancel();
  bool turned = false;
  ASSERT_TRUE(loop.post([&] { turned = true; }).ok());
  ASSERT_TRUE(loop.run_until([&] { return turned; }, kLimit));
  EXPECT_EQ(uv_backend_timeout(loop.uv()), -1);
  EXPECT_FALSE(loop.next_timer());
}

TEST(Loop, TasksOfOtherThreadsRunInOrderInTheLoop) {
  Loop loop;
  std::vector<int> seen;
  const auto here = std::this_thread::get_id();
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(loop.post([&, i] {
                        EXPECT_EQ(std::this_thread::get_id(), here);
                        seen.push_back(i);
                      })
                      .ok());
    }
    ASSERT_TRUE(loop.post([&] { loop.stop(); }).ok());
  });
  loop.run();
  other.join();
  ASSERT_EQ(seen.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST(Loop, PostedTasksAreBounded) {
  Loop loop;
  for (std::size_t i = 0; i < Loop::kMaxPosted; ++i) ASSERT_TRUE(loop.post([] {}).ok());
  const Status full = loop.post([] {});
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, Errc::Full);
}

TEST(FdWatcher, TellsOfDataAndMayBeDestroyedInItsCallback) {
  Loop loop;
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  UniqueFd in(ends[0]), out(ends[1]);
  std::optional<FdWatcher> watcher;
  int calls = 0;
  auto payload = std::make_shared<int>(7);
  auto opened = FdWatcher::open(loop, in.get(), [&, payload](unsigned events) {
    EXPECT_EQ(events, unsigned{FdWatcher::kReadable});
    ++calls;
    watcher.reset();
    EXPECT_EQ(*payload, 7);
  });
  ASSERT_TRUE(opened.ok());
  watcher.emplace(std::move(*opened));
  watcher->watch(FdWatcher::kReadable);
  ASSERT_EQ(::write(out.get(), "x", 1), 1);
  ASSERT_TRUE(loop.run_until([&] { return calls > 0; }, kLimit));
  EXPECT_FALSE(loop.run_until([] { return false; }, milliseconds{2}));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(payload.use_count(), 1);
}

TEST(FdWatcher, APlainFileIsUnsupported) {
  Loop loop;
  FILE* file = std::tmpfile();
  const auto watcher = FdWatcher::open(loop, fileno(file), [](unsigned) {});
  ASSERT_FALSE(watcher.ok());
  EXPECT_EQ(watcher.error().code, Errc::Unsupported);
  std::fclose(file);
}

TEST(SignalWatcher, CallsBackInTheLoop) {
  Loop loop;
  int calls = 0;
  auto watcher = std::make_unique<SignalWatcher>(loop, SIGUSR1, [&] { ++calls; });
  ::kill(::getpid(), SIGUSR1);
  ASSERT_TRUE(loop.run_until([&] { return calls == 1; }, kLimit));
}

TEST(WorkQueue, JobsAndCompletionsKeepTheirOrder) {
  Loop loop;
  WorkQueue queue(loop);
  std::string order;
  for (char c : std::string("abcdef")) {
    ASSERT_TRUE(queue
                    .submit([&order, c] { order += c; },
                            [&order, c] { order += static_cast<char>(c - 'a' + 'A'); })
                    .ok());
  }
  ASSERT_TRUE(loop.run_until([&] { return queue.pending() == 0; }, kLimit));
  EXPECT_EQ(order, "aAbBcCdDeEfF");
}

TEST(WorkQueue, AValueTravelsFromTheJobToItsCompletion) {
  Loop loop;
  WorkQueue queue(loop);
  std::string got;
  ASSERT_TRUE(queue
                  .submit_for<std::string>([] { return std::string("value"); },
                                           [&](std::string text) { got = std::move(text); })
                  .ok());
  ASSERT_TRUE(loop.run_until([&] { return !got.empty(); }, kLimit));
  EXPECT_EQ(got, "value");
}

TEST(WorkQueue, AFullQueueRefuses) {
  Loop loop;
  WorkQueue queue(loop, 2);
  ASSERT_TRUE(queue.submit([] {}, {}).ok());
  ASSERT_TRUE(queue.submit([] {}, {}).ok());
  EXPECT_EQ(queue.submit([] {}, {}).error().code, Errc::Full);
}

TEST(WorkQueue, FinishLeavesNothingUndone) {
  Loop loop;
  WorkQueue queue(loop);
  std::string order;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(queue.submit([&] { order += 'w'; }, [&] { order += 'd'; }).ok());
  }
  queue.finish();
  EXPECT_EQ(queue.pending(), 0u);
  EXPECT_EQ(order.size(), 40u);
  EXPECT_FALSE(loop.run_until([] { return false; }, milliseconds{2}));
  EXPECT_EQ(order.size(), 40u);
}

TEST(WorkQueue, DestroyedItCompletesNothingAndFreesWhatItHeld) {
  Loop loop;
  auto payload = std::make_shared<int>(0);
  bool completed = false;
  {
    WorkQueue queue(loop);
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(queue.submit([payload] { ++*payload; }, [&] { completed = true; }).ok());
    }
  }
  const int worked = *payload;
  EXPECT_FALSE(loop.run_until([] { return false; }, milliseconds{3}));
  EXPECT_FALSE(completed);
  EXPECT_LE(worked, 1);
  EXPECT_EQ(*payload, worked);
  EXPECT_EQ(payload.use_count(), 1);
}

TEST(WorkQueue, ACompletionMayDestroyTheQueue) {
  Loop loop;
  auto queue = std::make_unique<WorkQueue>(loop);
  int completed = 0;
  ASSERT_TRUE(queue
                  ->submit([] {},
                           [&] {
                             ++completed;
                             queue.reset();
                           })
                  .ok());
  ASSERT_TRUE(queue->submit([] {}, [&] { ++completed; }).ok());
  ASSERT_TRUE(loop.run_until([&] { return queue == nullptr; }, kLimit));
  EXPECT_FALSE(loop.run_until([] { return false; }, milliseconds{2}));
  EXPECT_EQ(completed, 1);
}

}  // namespace
}  // namespace myst::platform
