#include "core/hub/transactor/transactor.hpp"

#include <gtest/gtest.h>

#include "core/payment/channel.hpp"
#include "core/payment/promise.hpp"
#include "tests/support/support.hpp"

namespace myst::core::transactor {
namespace {

using seconds = std::chrono::seconds;
using minutes = std::chrono::minutes;
using hours = std::chrono::hours;

constexpr std::uint64_t kChain = 80001;

Address address_of(std::uint8_t mark) {
  ByteArray<20> bytes{};
  bytes[0] = mark;
  return Address(bytes);
}

class TransactorTest : public testing::Test {
 protected:
  void SetUp() override {
    ChainTerms chain;
    chain.id = kChain;
    chain.registry = address_of(1);
    chain.token = address_of(2);
    chain.channel_implementation = address_of(3);
    chain.hermes = address_of(4);
    chain.hermeses = {address_of(4), address_of(5)};
    chain.operators[address_of(4)] = operator_.address();
    chain.promise_collector = address_of(6);
    chain.fees = {100, 10, 20};
    terms_.chains = {chain};
  }
  RegistrationRequest registration(const Wei& fee = 100) {
    RegistrationRequest out;
    out.terms = {kChain, address_of(1), address_of(4), 0, fee, address_of(9)};
    out.identity = identity_.address();
    out.signature = *payment::sign_terms(identity_, out.terms);
    return out;
  }
  SettleRequest settle(const Wei& amount = 1000, const Wei& fee = 10) {
    SettleRequest out;
    out.chain = kChain;
    out.provider = identity_.address();
    out.hermes = address_of(4);
    out.channel = payment::provider_channel_id(out.provider, out.hermes);
    return signed_by_hermes(out, amount, fee);
  }
  SettleRequest signed_by_hermes(SettleRequest out, const Wei& amount, const Wei& fee) {
    out.amount = amount;
    out.fee = fee;
    out.r.fill(7);
    payment::Promise promise{kChain, out.channel, amount, fee, payment::hashlock_of(out.r)};
    out.signature = *payment::sign_promise(operator_, promise);
    return out;
  }
  Task task(const Request& request) {
    auto made = make_task(terms_, request, now_.wall);
    const auto* refusal = std::get_if<Refusal>(&made);
    EXPECT_EQ(refusal, nullptr) << refusal->message;
    return refusal == nullptr ? std::get<Task>(made) : Task{};
  }
  std::string refusal(const Request& request) {
    auto made = make_task(terms_, request, now_.wall);
    const auto* found = std::get_if<Refusal>(&made);
    return found == nullptr ? "" : found->code;
  }

  // Stores at once, remembers questions and wishes.
  void drain() {
    for (bool moved = true; moved;) {
      moved = false;
      while (auto store = machine_->poll_store()) {
        moved = true;
        if (!disk_works_) {
          const Error full{Errc::Full, 0, "the disk is full"};
          if (store->accept) {
            machine_->handle_accepted(now_, store->id, full);
          } else {
            machine_->handle_updated(now_, store->id, full);
          }
          continue;
        }
        if (!store->accept) {
          stored_[store->task.id] = store->task;
          machine_->handle_updated(now_, store->id, {});
          continue;
        }
        const auto known = stored_.find(store->task.id);
        if (known != stored_.end() && known->second.state != TaskState::Failed) {
          machine_->handle_accepted(now_, store->id, Transactor::Accepted{known->second, false});
          continue;
        }
        if (known != stored_.end()) store->task.attempt = known->second.attempt + 1;
        stored_[store->task.id] = store->task;
        machine_->handle_accepted(now_, store->id, Transactor::Accepted{store->task, true});
      }
      while (auto question = machine_->poll_question()) {
        moved = true;
        questions_.push_back(*question);
      }
      while (auto wish = machine_->poll_wish()) {
        moved = true;
        wishes_.push_back(*wish);
        machine_->handle_submitted(now_, wish->id, submit_status_);
      }
      while (auto answer = machine_->poll_answer()) answers_.push_back(*answer);
    }
  }
  std::string ask(const Task& wanted) {
    machine_->handle_request(now_, ++requests_, wanted);
    drain();
    for (const auto& answer : answers_) {
      if (answer.id != requests_) continue;
      const auto* id = std::get_if<std::string>(&answer.answer);
      return id != nullptr ? *id : "refused: " + std::get<Refusal>(answer.answer).code;
    }
    return "no answer";
  }
  void reply(Result<Transactor::ChainAnswer> answer) {
    ASSERT_FALSE(questions_.empty());
    const auto question = questions_.back();
    questions_.pop_back();
    machine_->handle_answer(now_, question.id, std::move(answer));
    drain();
  }
  void pass(Duration time) {
    now_.instant += time;
    now_.wall += std::chrono::duration_cast<WallTime::duration>(time);
    machine_->handle_timeout(now_);
    drain();
  }
  void outcome(const std::string& wish, bool succeeded, const std::string& reason = "") {
    Digest32 hash{};
    hash[0] = 0xab;
    machine_->handle_outcome(now_, wish, {succeeded, hash, reason});
    drain();
  }
  static Transactor::ChainAnswer registered(bool yes, const Wei& balance = 0) {
    return Transactor::Registered{yes, balance};
  }

  test::SeededRng rng_{5};
  LocalSigner operator_ = LocalSigner::make(rng_);
  LocalSigner identity_ = LocalSigner::make(rng_);
  LocalSigner stranger_ = LocalSigner::make(rng_);
  Terms terms_;
  Now now_{Instant{} + hours{1}, WallTime{} + seconds{1700000000}};
  Transactor::Config config_;
  std::unique_ptr<Transactor> machine_ = std::make_unique<Transactor>(config_);
  std::map<std::string, Task> stored_;
  std::vector<Transactor::Question> questions_;
  std::vector<Transactor::Wish> wishes_;
  std::vector<Transactor::Answer> answers_;
  Status submit_status_;
  bool disk_works_ = true;
  std::uint64_t requests_ = 0;
};

TEST_F(TransactorTest, RegistersOnceTheMoneyIsThere) {
  const Task wanted = task(registration());
  EXPECT_EQ(wanted.channel, payment::consumer_channel(identity_.address(), address_of(4),
                                                      address_of(1), address_of(3)));
  const std::string id = ask(wanted);
  EXPECT_EQ(id, wanted.id);
  EXPECT_EQ(stored_[id].state, TaskState::Queued);
  reply(registered(false, 40));
  EXPECT_TRUE(wishes_.empty());
  EXPECT_NE(machine_->find(id)->reason.find("holds 40 of 100 wei"), std::string::npos);
  pass(seconds{10});
  reply(registered(false, 100));
  ASSERT_EQ(wishes_.size(), 1u);
  EXPECT_EQ(wishes_[0].to, address_of(1));
  EXPECT_EQ(wishes_[0].id, id + ".1");
  outcome(id + ".1", true);
  EXPECT_EQ(stored_[id].state, TaskState::Done);
  EXPECT_EQ(stored_[id].tx_hash[0], 0xab);
  EXPECT_EQ(machine_->open(), 0u);
}

TEST_F(TransactorTest, ARegistrationWithoutMoneyEndsWithAReasonAndCanBeAskedForAgain) {
  const Task wanted = task(registration());
  const std::string id = ask(wanted);
  for (int i = 0; i < 400 && machine_->open() > 0; ++i) {
    if (!questions_.empty()) reply(registered(false, 1));
    pass(seconds{10});
  }
  EXPECT_EQ(stored_[id].state, TaskState::Failed);
  EXPECT_NE(stored_[id].reason.find("holds 1 of 100 wei"), std::string::npos);
  EXPECT_FALSE(machine_->next_timeout().has_value());
  EXPECT_EQ(ask(task(registration())), id);
  EXPECT_EQ(stored_[id].attempt, 2u);
  reply(registered(false, 100));
  ASSERT_EQ(wishes_.size(), 1u);
  EXPECT_EQ(wishes_[0].id, id + ".2");
}

TEST_F(TransactorTest, ASilentChainEndsItToo) {
  const std::string id = ask(task(registration()));
  const Error silent{Errc::Unavailable, 0, "no endpoint"};
  for (int i = 0; i < 200 && machine_->open() > 0; ++i) {
    if (!questions_.empty()) reply(silent);
    pass(minutes{1});
  }
  EXPECT_EQ(stored_[id].state, TaskState::Failed);
  EXPECT_NE(stored_[id].reason.find("the chain does not answer"), std::string::npos);
}

TEST_F(TransactorTest, WhoIsRegisteredAlreadyIsDone) {
  const std::string id = ask(task(registration()));
  reply(registered(true));
  EXPECT_EQ(stored_[id].state, TaskState::Done);
  EXPECT_TRUE(wishes_.empty());
  EXPECT_EQ(ask(task(registration())), id) << "the same again is the same";
  EXPECT_EQ(machine_->open(), 0u);
}

TEST_F(TransactorTest, AFailedTransactionIsLookedUpBeforeItIsCalledFailed) {
  const Task wanted = task(settle());
  const std::string id = ask(wanted);
  ASSERT_EQ(wishes_.size(), 1u);
  outcome(id + ".1", false, "hermes: nothing to settle");
  ASSERT_EQ(questions_.size(), 1u);
  reply(Transactor::ChainAnswer(Wei(1000)));
  EXPECT_EQ(stored_[id].state, TaskState::Done) << "another transaction settled it";
  const std::string other = ask(task(settle(2000)));
  outcome(other + ".1", false, "hermes: no funds");
  reply(Transactor::ChainAnswer(Wei(1999)));
  EXPECT_EQ(stored_[other].state, TaskState::Failed);
  EXPECT_EQ(stored_[other].reason, "hermes: no funds");
}

TEST_F(TransactorTest, NothingIsAnsweredThatIsNotOnTheDisk) {
  disk_works_ = false;
  EXPECT_EQ(ask(task(settle())), "refused: unavailable");
  EXPECT_TRUE(wishes_.empty());
  EXPECT_EQ(machine_->open(), 0u);
  disk_works_ = true;
  const std::string id = ask(task(settle()));
  disk_works_ = false;
  outcome(id + ".1", true);
  EXPECT_EQ(stored_[id].state, TaskState::Queued);
  EXPECT_EQ(machine_->open(), 1u) << "the outcome waits for the disk";
  disk_works_ = true;
  pass(minutes{1});
  EXPECT_EQ(stored_[id].state, TaskState::Done);
}

TEST_F(TransactorTest, AFullQueueOfTransactionsIsTriedAgain) {
  submit_status_ = Error{Errc::Full, 0, "too many"};
  const std::string id = ask(task(settle()));
  EXPECT_NE(machine_->find(id)->reason.find("waiting for a place"), std::string::npos);
  submit_status_ = {};
  pass(seconds{3});
  EXPECT_EQ(wishes_.size(), 2u);
  outcome(id + ".1", true);
  EXPECT_EQ(stored_[id].state, TaskState::Done);
}

TEST_F(TransactorTest, AWishThatWasLostIsOfferedAgain) {
  const std::string id = ask(task(settle()));
  machine_->handle_lost(now_, id + ".1", Error{Errc::Full, 0, "the disk is full"});
  pass(seconds{3});
  EXPECT_EQ(wishes_.size(), 2u);
  EXPECT_EQ(wishes_[1].id, wishes_[0].id);
}

TEST_F(TransactorTest, WhatIsNeverMinedFailsWithAReason) {
  const std::string id = ask(task(settle()));
  machine_->handle_progress(id + ".1", Digest32{}, "its fee was raised 5 times");
  pass(hours{25});
  EXPECT_EQ(stored_[id].state, TaskState::Failed);
  EXPECT_NE(stored_[id].reason.find("raised 5 times"), std::string::npos);
}

TEST_F(TransactorTest, ARestartGoesOnWhereItWas) {
  const std::string id = ask(task(settle()));
  const std::string waiting = ask(task(registration()));
  machine_ = std::make_unique<Transactor>(config_);
  questions_.clear();
  wishes_.clear();
  machine_->restore(now_, stored_[id], true);
  machine_->restore(now_, stored_[waiting], false);
  drain();
  EXPECT_TRUE(wishes_.empty()) << "it is under way already";
  ASSERT_EQ(questions_.size(), 1u);
  outcome(id + ".1", true);
  EXPECT_EQ(stored_[id].state, TaskState::Done);
}

TEST_F(TransactorTest, TheSameRequestTwiceAtOnceIsOneTask) {
  machine_->handle_request(now_, 1, task(settle()));
  machine_->handle_request(now_, 2, task(settle()));
  drain();
  ASSERT_EQ(answers_.size(), 2u);
  EXPECT_EQ(std::get<std::string>(answers_[0].answer), std::get<std::string>(answers_[1].answer));
  EXPECT_EQ(wishes_.size(), 1u);
}

TEST_F(TransactorTest, LimitsAreAnswered) {
  config_.max_open = 3;
  config_.max_per_identity = 2;
  config_.max_free_per_day = 1;
  machine_ = std::make_unique<Transactor>(config_);
  (void)ask(task(settle(1001)));
  (void)ask(task(settle(1002)));
  EXPECT_EQ(ask(task(settle(1003))), "refused: too_many_requests");
  CashRequest cash{kChain, {{address_of(8), 5, 0, {}, {}}}};
  (void)ask(task(cash));
  cash.promises[0].amount = 6;
  EXPECT_EQ(ask(task(cash)), "refused: busy");
  machine_ = std::make_unique<Transactor>(config_);
  EXPECT_EQ(refusal(registration(99)), "fee_too_low");
  terms_.chains[0].fees.register_identity = 0;
  RegistrationRequest free = registration(0);
  EXPECT_TRUE(task(free).free);
  EXPECT_EQ(ask(task(free)), task(free).id);
  EXPECT_FALSE(machine_->free_left(now_.wall));
  free.terms.stake = 1;
  free.signature = *payment::sign_terms(identity_, free.terms);
  EXPECT_EQ(ask(task(free)), "refused: fee_too_low");
  EXPECT_TRUE(machine_->free_left(now_.wall + hours{24}));
}

TEST_F(TransactorTest, OnlyRegisteredIdentitiesGetAChannelForNothing) {
  OpenChannelRequest open;
  open.terms = {kChain, address_of(1), address_of(4), 0};
  open.signature = *payment::sign_terms(identity_, open.terms);
  const std::string id = ask(task(open));
  EXPECT_EQ(machine_->find(id)->identity, identity_.address());
  reply(Transactor::ChainAnswer(Transactor::Open{false, false}));
  EXPECT_EQ(stored_[id].state, TaskState::Failed);
  (void)ask(task(open));
  reply(Transactor::ChainAnswer(Transactor::Open{true, false}));
  EXPECT_EQ(wishes_.size(), 1u);
}

TEST_F(TransactorTest, SignaturesMustHold) {
  RegistrationRequest wrong = registration();
  wrong.identity = stranger_.address();
  EXPECT_EQ(refusal(wrong), "invalid_signature");
  wrong = registration();
  wrong.terms.beneficiary = address_of(10);
  EXPECT_EQ(refusal(wrong), "invalid_signature");
  wrong = registration();
  wrong.terms.registry = address_of(10);
  EXPECT_EQ(refusal(wrong), "unknown_registry");
  wrong.terms.chain_id = 1;
  EXPECT_EQ(refusal(wrong), "unknown_chain");
  wrong = registration();
  wrong.terms.hermes = address_of(10);
  EXPECT_EQ(refusal(wrong), "unknown_hermes");

  SettleRequest bad = settle();
  bad.amount = 1001;
  EXPECT_EQ(refusal(bad), "invalid_signature");
  bad = settle();
  bad.r[0] ^= 1;
  EXPECT_EQ(refusal(bad), "invalid_signature");
  bad = settle();
  bad.provider = stranger_.address();
  EXPECT_EQ(refusal(bad), "unknown_channel");
  EXPECT_EQ(refusal(settle(1000, 9)), "fee_too_low");
  EXPECT_EQ(refusal(settle(10, 10)), "invalid_amount");

  SettleWithBeneficiaryRequest with;
  with.settle = settle();
  with.terms = {kChain, address_of(1), identity_.address(), address_of(11), 1};
  with.signature = *payment::sign_terms(identity_, with.terms);
  EXPECT_EQ(refusal(with), "");
  with.terms.nonce = 2;
  EXPECT_EQ(refusal(with), "invalid_signature");

  PayAndSettleRequest pay;
  pay.settle = settle();
  pay.settle.channel = payment::withdrawal_channel_id(identity_.address(), address_of(4));
  pay.settle = signed_by_hermes(pay.settle, 1000, 10);
  pay.beneficiary = address_of(12);
  pay.signature = *payment::sign_terms(
      identity_,
      payment::WithdrawalTerms{kChain, pay.settle.channel, 1000, pay.settle.r, address_of(12)});
  EXPECT_EQ(refusal(pay), "");
  pay.beneficiary = address_of(13);
  EXPECT_EQ(refusal(pay), "invalid_signature");

  DecreaseStakeRequest stake;
  stake.provider = identity_.address();
  stake.hermes = address_of(4);
  stake.terms = {kChain, payment::provider_channel_id(identity_.address(), address_of(4)), 500, 20,
                 1};
  stake.signature = *payment::sign_terms(identity_, stake.terms);
  EXPECT_EQ(refusal(stake), "");
  stake.terms.fee = 19;
  stake.signature = *payment::sign_terms(identity_, stake.terms);
  EXPECT_EQ(refusal(stake), "fee_too_low");
  stake.terms.fee = 21;
  EXPECT_EQ(refusal(stake), "invalid_signature");
}

TEST_F(TransactorTest, EveryKindOfSettlementIsItsOwnTask) {
  SettleRequest plain = settle();
  SettleRequest stake = settle();
  stake.kind = Kind::SettleIntoStake;
  EXPECT_NE(task(plain).id, task(stake).id);
  EXPECT_NE(task(plain).data, task(stake).data);
  EXPECT_NE(task(plain).id, task(settle(1000, 11)).id) << "another fee, another transaction";
}

}  // namespace
}  // namespace myst::core::transactor
