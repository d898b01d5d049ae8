#include "core/payment/invoice_payer.hpp"

#include <gtest/gtest.h>

#include <map>

#include "core/base/text.hpp"
#include "tests/support/support.hpp"
#include "tests/support/vectors.hpp"

namespace myst::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Rig {
  Now now{Instant{} + seconds{100}, WallTime{} + seconds{1000}};
  GrandTotals totals;
  InvoicePayer::Config config;
  std::shared_ptr<LocalSigner> signer;
  std::optional<InvoicePayer> payer;
  std::vector<InvoicePayer::Action> seen;

  explicit Rig(std::uint64_t seed = 1) {
    test::SeededRng rng(seed);
    signer = std::make_shared<LocalSigner>(LocalSigner::make(rng));
    config.provider = LocalSigner::make(rng).address();
  }
  void start() {
    (void)totals.load({config.chain.chain_id, signer->address(), config.hermes}, Wei{5000});
    payer.emplace(config, signer, totals, now);
  }
  void advance(Duration by) {
    now.instant += by;
    payer->handle_timeout(now);
  }
  template <typename T>
  std::optional<T> next() {
    while (auto action = payer->poll_action()) {
      if (T* found = std::get_if<T>(&*action)) return std::move(*found);
      seen.push_back(std::move(*action));
    }
    return std::nullopt;
  }
  Bytes invoice(std::uint64_t total, std::uint64_t agreement = 7) const {
    pb::Invoice wire;
    wire.agreement_id = std::to_string(agreement);
    wire.agreement_total = std::to_string(total);
    wire.transactor_fee = "0";
    wire.hashlock = std::string(64, 'a');
    wire.provider = config.provider.to_string();
    wire.chain_id = static_cast<std::int64_t>(config.chain.chain_id);
    return wire.encode();
  }
};

TEST(InvoicePayer, AnswersEachInvoiceOfTheReferenceByteByByte) {
  const auto file = test::vectors("promises.json");
  const json::Value flow = file.root()["consumer_flow"];
  Secret<32> key;
  for (const auto& [name, row] : file.root()["keys"]) {
    if (row["name"].string_or("") == flow["consumer"].string_or("")) {
      key = Secret<32>(test::array_of<32>(row["private_key"]));
    }
  }
  Rig rig;
  rig.signer = std::make_shared<LocalSigner>(*LocalSigner::from_key(key));
  for (const auto& [name, row] : file.root()["keys"]) {
    if (row["name"].string_or("") == flow["provider"].string_or("")) {
      rig.config.provider = *Address::parse(row["address"].string_or(""));
    }
  }
  rig.config.hermes = *Address::parse(flow["hermes"].string_or(""));
  rig.config.chain.registry = *Address::parse(flow["registry"].string_or(""));
  rig.config.chain.channel_implementation =
      *Address::parse(flow["channel_implementation"].string_or(""));
  rig.config.chain.chain_id = 137;
  rig.config.price.per_gib = *U256::parse("1" + std::string(70, '0'));  // nothing is too much
  rig.start();
  ASSERT_GT(flow["invoices"].size(), 0u);
  for (const auto& [name, row] : flow["invoices"]) {
    SCOPED_TRACE(row["note"].string_or(""));
    ASSERT_TRUE(rig.payer->handle_invoice(rig.now, test::bytes_of(row["invoice_bytes"])).ok());
    const auto store = rig.next<InvoicePayer::Store>();
    ASSERT_TRUE(store);
    EXPECT_EQ(store->grand_total.to_string(), row["grand_total_after"].string_or(""));
    rig.payer->handle_stored(rig.now, store->token, {});
    rig.advance(rig.config.payment.consumer_pause);
    const auto send = rig.next<InvoicePayer::Send>();
    ASSERT_TRUE(send);
    EXPECT_EQ(to_hex(send->message), row["exchange_bytes"].string_or(""));
  }
}

TEST(InvoicePayer, SendsNothingBeforeItIsStoredAndNotAtOnce) {
  Rig rig;
  rig.start();
  ASSERT_TRUE(rig.payer->handle_invoice(rig.now, rig.invoice(0)).ok());
  const auto store = rig.next<InvoicePayer::Store>();
  ASSERT_TRUE(store);
  rig.advance(seconds{1});
  EXPECT_FALSE(rig.next<InvoicePayer::Send>());
  rig.payer->handle_stored(rig.now, store->token, {});
  EXPECT_TRUE(rig.next<InvoicePayer::Send>());

  ASSERT_TRUE(rig.payer->handle_invoice(rig.now, rig.invoice(0)).ok());
  const auto second = rig.next<InvoicePayer::Store>();
  rig.payer->handle_stored(rig.now, second->token, {});
  EXPECT_FALSE(rig.next<InvoicePayer::Send>());
  EXPECT_EQ(rig.payer->next_timeout(), rig.now.instant + milliseconds{20});
  rig.advance(milliseconds{20});
  EXPECT_TRUE(rig.next<InvoicePayer::Send>());
}

TEST(InvoicePayer, AFreeSessionIsOverchargedByOneWei) {
  Rig rig;
  rig.start();
  EXPECT_TRUE(rig.payer->handle_invoice(rig.now, rig.invoice(1)).ok());
  const auto failed = rig.next<InvoicePayer::Failed>();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->why.code, Errc::Rejected);
  EXPECT_FALSE(rig.payer->handle_invoice(rig.now, rig.invoice(0)).ok());
}

TEST(InvoicePayer, RefusesWhatItCannotReadOrWhatIsAnothers) {
  Rig rig;
  rig.start();
  EXPECT_FALSE(rig.payer->handle_invoice(rig.now, as_bytes("\xff\xff")).ok());
  auto wire = *pb::Invoice::decode(rig.invoice(0));
  wire.agreement_total = "-1";
  EXPECT_FALSE(rig.payer->handle_invoice(rig.now, wire.encode()).ok());
  wire = *pb::Invoice::decode(rig.invoice(0));
  wire.provider = rig.signer->address().to_string();
  EXPECT_FALSE(rig.payer->handle_invoice(rig.now, wire.encode()).ok());
  EXPECT_FALSE(rig.payer->failed());
}

TEST(InvoicePayer, AFailingDiskEndsIt) {
  Rig rig;
  rig.start();
  ASSERT_TRUE(rig.payer->handle_invoice(rig.now, rig.invoice(0)).ok());
  const auto store = rig.next<InvoicePayer::Store>();
  rig.payer->handle_stored(rig.now, store->token, Error{Errc::Io, 28, "disk"});
  EXPECT_TRUE(rig.next<InvoicePayer::Failed>());
  rig.advance(seconds{1});
  EXPECT_FALSE(rig.next<InvoicePayer::Send>());
}

TEST(InvoicePayer, AFloodOfInvoicesIsRefusedBeforeItCostsAnything) {
  Rig rig;
  rig.start();
  int stored = 0, refused = 0;
  for (int i = 0; i < 1000; ++i) {
    refused += rig.payer->handle_invoice(rig.now, rig.invoice(0)).ok() ? 0 : 1;
    while (const auto store = rig.next<InvoicePayer::Store>()) {
      ++stored;
      rig.payer->handle_stored(rig.now, store->token, {});
    }
    rig.advance(milliseconds{10});
  }
  EXPECT_EQ(stored + refused, 1000);
  EXPECT_LE(stored, 8 + 10);
  EXPECT_FALSE(rig.payer->failed());
}

TEST(InvoicePayer, TwoConnectionsOfOneIdentityShareTheirSum) {
  Rig rig;
  rig.config.price.per_gib = Wei{1u << 30};
  rig.start();
  InvoicePayer other(rig.config, rig.signer, rig.totals, rig.now);
  ASSERT_TRUE(rig.payer->handle_invoice(rig.now, rig.invoice(10, 1)).ok());
  ASSERT_TRUE(other.handle_invoice(rig.now, rig.invoice(5, 2)).ok());
  const auto action = other.poll_action();
  ASSERT_TRUE(action);
  EXPECT_EQ(std::get<InvoicePayer::Store>(*action).grand_total, Wei{5015});
}

}  // namespace
}  // namespace myst::core
