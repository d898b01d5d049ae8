// Blocking work (disk, scrypt) on the thread pool: one job of a queue at a time, in order; the
// completion runs in the loop's thread before the next job begins.
#pragma once

#include <functional>
#include <memory>

#include "core/base/result.hpp"
#include "platform/loop/loop.hpp"

namespace myst::platform {

class WorkQueue {
 public:
  using Job = std::function<void()>;

  explicit WorkQueue(Loop& loop, std::size_t capacity = 256);
  // Waits for the job that runs, whose completion is not called; jobs not begun are dropped.
  // finish() first where every job counts.
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  // `work` runs on a pool thread, `done` (may be empty) in the loop. Full: not queued.
  Status submit(Job work, Job done);
  // `work` gives a value, `done` takes it.
  template <typename T>
  Status submit_for(std::function<T()> work, std::function<void(T)> done) {
    auto slot = std::make_shared<std::optional<T>>();
    return submit([slot, work = std::move(work)] { slot->emplace(work()); },
                  [slot, done = std::move(done)] { done(std::move(**slot)); });
  }
  // Blocks until all jobs are done and completed; runs those not begun in this thread. For the
  // orderly end of a program; not from inside a completion.
  void finish();
  std::size_t pending() const;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace myst::platform
