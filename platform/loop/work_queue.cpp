#include "platform/loop/work_queue.hpp"

#include <uv.h>

#include <condition_variable>
#include <deque>
#include <mutex>

namespace myst::platform {

struct WorkQueue::State {
  State(Loop& owner, std::size_t limit) : loop(owner), capacity(limit) {}
  struct Task {
    Job work, done;
  };
  // One request to the pool; outlives the queue when the queue is destroyed meanwhile.
  struct Run {
    uv_work_t request{};
    Task task;
    std::shared_ptr<State> state;
    bool worked = false;   // guarded by State::mutex
    bool settled = false;  // completed by finish(), or nobody waits: nothing left to call
  };

  Loop& loop;
  const std::size_t capacity;
  std::deque<Task> waiting;
  Run* running = nullptr;  // between submission to the pool and its completion
  std::mutex mutex;
  std::condition_variable worked;
};

namespace {

using State = WorkQueue::State;

void start_next(const std::shared_ptr<State>& state) {
  if (state->running != nullptr || state->waiting.empty()) return;
  auto* run = new State::Run;
  run->request.data = run;
  run->task = std::move(state->waiting.front());
  run->state = state;
  state->waiting.pop_front();
  state->running = run;
  uv_queue_work(
      state->loop.uv(), &run->request,
      [](uv_work_t* request) {
        auto* r = static_cast<State::Run*>(request->data);
        r->task.work();
        std::lock_guard<std::mutex> lock(r->state->mutex);
        r->worked = true;
        r->state->worked.notify_all();
      },
      [](uv_work_t* request, int) {
        std::unique_ptr<State::Run> r(static_cast<State::Run*>(request->data));
        if (r->settled) return;
        r->state->running = nullptr;
        if (r->task.done) r->task.done();  // may destroy the queue, which empties `waiting`
        start_next(r->state);
      });
}

// Waits until the running job has been worked, or takes it back from the pool. True: worked.
bool settle_running(State& state) {
  State::Run* run = std::exchange(state.running, nullptr);
  run->settled = true;
  if (uv_cancel(reinterpret_cast<uv_req_t*>(&run->request)) == 0) return false;
  std::unique_lock<std::mutex> lock(state.mutex);
  state.worked.wait(lock, [run] { return run->worked; });
  return true;
}

}  // namespace

WorkQueue::WorkQueue(Loop& loop, std::size_t capacity)
    : state_(std::make_shared<State>(loop, capacity)) {}

WorkQueue::~WorkQueue() {
  state_->waiting.clear();
  if (state_->running != nullptr) (void)settle_running(*state_);
}

Status WorkQueue::submit(Job work, Job done) {
  if (pending() >= state_->capacity) return Error{Errc::Full, 0, "work queue"};
  state_->waiting.push_back({std::move(work), std::move(done)});
  start_next(state_);
  return {};
}

void WorkQueue::finish() {
  const std::shared_ptr<State> state = state_;
  while (pending() > 0) {
    State::Task task;
    bool worked = false;
    if (state->running != nullptr) {
      State::Run* run = state->running;
      worked = settle_running(*state);
      task = std::move(run->task);
    } else {
      task = std::move(state->waiting.front());
      state->waiting.pop_front();
    }
    if (!worked) task.work();
    if (task.done) task.done();
  }
}

std::size_t WorkQueue::pending() const {
  return state_->waiting.size() + (state_->running != nullptr ? 1 : 0);
}

}  // namespace myst::platform
