'use strict';
// Provider channels in a Hermes contract: settlements of all kinds, stakes, fees.
const { CHAIN_ID, DAY, MYST, PAYER, equal, ethers } = require('./world');

const ZERO = ethers.ZeroAddress;
const HOME = '0x1234aaAaaAaaaaaaAAAAaAaaAAaaaaaaAa123412'.toLowerCase();

async function bob(world, { stake = 0n, beneficiary = HOME, hermes } = {}) {
  const person = world.person('bob');
  await world.register(person, { stake, beneficiary, hermes });
  return person;
}

const settled = async (world, person, kind) => (await world.hermes.channels(world.channelId(person, world.hermes, kind)))[0];
const stakeOf = async (world, person) => (await world.hermes.channels(world.channelId(person)))[1];
const settle = (world, person, amount, options = {}) => (options.hermes || world.hermes).settlePromise(...world.settlement(person, amount, options));

// Arguments of payAndSettle: the promise on the withdrawal channel, and where to, signed.
function withdrawal(world, person, amount, { to = HOME, signer = person, signedTo = to, signedAmount = amount, ...options } = {}) {
  const promise = world.settlement(person, amount, { kind: 'withdrawal', ...options });
  return [...promise, to, world.sign(signer, CHAIN_ID, world.channelId(person, world.hermes, 'withdrawal'), signedAmount, promise[3], signedTo)];
}

function decrease(world, person, amount, fee, nonce, { signer = person, sent = amount } = {}) {
  return world.hermes.decreaseStake(person.address, sent, fee, world.sign(signer, 'Stake return request', CHAIN_ID, world.channelId(person), amount, fee, nonce));
}

const tests = {
  // ---- settlePromise ----
  async settlement_pays_the_beneficiary_less_both_fees(world) {
    const person = await bob(world);
    const [caller, hermes] = [await world.balance(world.signers[PAYER].address), await world.balance(world.hermes)];
    const r = ethers.id('secret');
    const done = settle(world, person, 10n * MYST, { fee: MYST / 100n, r });
    // 4 % of 10 is 0.4, and it stays with the Hermes.
    equal((await world.event(done, 'PromiseSettled')).map((v) => (typeof v === 'string' ? v.toLowerCase() : v)),
      [person.address.toLowerCase(), world.channelId(person), HOME, 959n * MYST / 100n, 41n * MYST / 100n, r]);
    equal(
      [await world.balance(HOME), await world.balance(world.signers[PAYER].address) - caller, hermes - await world.balance(world.hermes), await settled(world, person)],
      [959n * MYST / 100n, MYST / 100n, 96n * MYST / 10n, 10n * MYST]);
  },

  async one_settlement_for_any_number_of_consumers(world) {
    const person = await bob(world);
    await settle(world, person, 3n * MYST);
    await settle(world, person, 5n * MYST);
    equal([await settled(world, person), await world.balance(HOME)], [5n * MYST, 48n * MYST / 10n]);
  },

  async settlement_replayed_or_older(world) {
    const person = await bob(world);
    await settle(world, person, 3n * MYST, { fee: 5n });
    await world.refused(settle(world, person, 3n * MYST, { fee: 5n }), 'amount does not cover the fee');
    await world.refused(settle(world, person, 3n * MYST), 'amount does not cover the fee');
    await world.refused(settle(world, person, 3n * MYST - 1n), 'panic 0x11');
    await world.refused(settle(world, person, 3n * MYST + 5n, { fee: 5n }), 'amount does not cover the fee');
    // One wei above the caller's fee: the Hermes fee takes it.
    await settle(world, person, 3n * MYST + 6n, { fee: 5n });
    equal(await settled(world, person), 3n * MYST + 6n);
    await world.refused(settle(world, person, 3n * MYST + 6n + 31n, { fee: 30n }), 'panic 0x11');  // 31 - 30 - 2
  },

  async settlement_with_a_field_changed(world) {
    const person = await bob(world);
    const wrong = 'promise is not signed by the operator';
    const good = world.settlement(person, 3n * MYST, { fee: 1n });
    const change = (index, value) => world.hermes.settlePromise(...good.map((v, i) => (i === index ? value : v)));
    await world.refused(change(1, 3n * MYST + 1n), wrong);
    await world.refused(change(2, 2n), wrong);
    await world.refused(change(3, ethers.id('wrong R')), wrong);
    await world.refused(change(4, world.settlement(person, 3n * MYST, { fee: 1n, signer: person })[4]), wrong);
    await world.refused(change(4, world.settlement(person, 3n * MYST, { fee: 1n, chainId: CHAIN_ID + 1 })[4]), wrong);
    await world.refused(change(4, world.settlement(person, 3n * MYST, { fee: 1n, kind: 'withdrawal' })[4]), wrong);
    const carol = world.person('carol');
    await world.register(carol);
    await world.refused(change(0, carol.address), wrong);
    const raw = ethers.getBytes(good[4]);
    raw[64] -= 27;
    await world.refused(change(4, raw), 'malformed signature');
    await world.hermes.settlePromise(...good);
  },

  async settlement_of_the_unregistered(world) {
    await world.refused(settle(world, world.person('nobody'), MYST), 'identity is not registered');
  },

  async settlement_is_cut_to_what_a_channel_may_take_at_once(world) {
    const person = await bob(world);
    equal((await world.hermes.getStakeThresholds())[1], 62n * MYST);
    await settle(world, person, 100n * MYST);
    equal(await settled(world, person), 62n * MYST);
    await settle(world, person, 100n * MYST);  // the same promise, its rest
    equal([await settled(world, person), await world.balance(HOME)], [100n * MYST, 96n * MYST]);
  },

  async settlement_is_cut_to_a_stake_above_the_maximum(world) {
    const person = await bob(world, { stake: 50n * MYST });
    await world.hermes.connect(await world.impersonate(world.operator.address)).setMaxStake(10n * MYST);
    await settle(world, person, 100n * MYST);
    equal(await settled(world, person), 50n * MYST);
  },

  async settlement_is_cut_to_what_the_hermes_has(world) {
    const person = await bob(world);
    const hermes = world.hermes.connect(await world.impersonate(world.operator.address));
    await hermes.withdraw(world.signers[PAYER].address, 995n * MYST);
    equal(await world.hermes.availableBalance(), 5n * MYST);
    await settle(world, person, 20n * MYST);
    equal([await settled(world, person), await world.hermes.getStatus()], [5n * MYST, 0n]);
    // Only the Hermes fee of it is left: 0.2.
    equal(await world.hermes.availableBalance(), MYST / 5n);
    await world.mint(world.hermes.target, 100n * MYST);
    await settle(world, person, 20n * MYST);
    equal([await settled(world, person), await world.balance(HOME)], [20n * MYST, 192n * MYST / 10n]);
  },

  async stake_is_asked_for_the_first_settlement(world) {
    const hermes = await world.registerHermes(world.person('second operator').address, { min: 2n * MYST, max: 5n * MYST });
    await world.mint(hermes.target, 100n * MYST);
    const options = { hermes, signer: world.person('second operator') };
    const person = await bob(world, { hermes });
    await world.refused(settle(world, person, MYST, options), 'not enough stake');
    const payer = world.token.connect(world.signers[PAYER]);
    await world.mint(world.signers[PAYER].address, 9n * MYST);
    await payer.approve(hermes, ethers.MaxUint256);
    await world.refused(hermes.increaseStake(world.channelId(person, hermes), 2n * MYST - 1n), 'stake is below the minimum');
    await hermes.increaseStake(world.channelId(person, hermes), 2n * MYST);
    await settle(world, person, MYST, options);
  },

  async withdrawal_of_the_hermes_stake_is_not_possible_by_settlement(world) {
    const person = await bob(world);
    await world.hermes.connect(await world.impersonate(world.operator.address)).withdraw(world.signers[PAYER].address, 1000n * MYST);
    equal([await world.balance(world.hermes), await world.hermes.availableBalance()], [100n * MYST, 0n]);
    await world.refused(settle(world, person, MYST, { fee: 1n }), 'panic 0x11');
    equal(await world.balance(world.hermes), 100n * MYST);
  },

  // ---- settleWithBeneficiary ----
  async settlement_with_beneficiary(world) {
    const person = await bob(world);
    const [first, second] = [world.person('first home').address, world.person('second home').address];
    const call = (amount, to, nonce) => world.hermes.settleWithBeneficiary(...world.settlement(person, amount), to, world.signBeneficiary(person, to, nonce));
    const events = await world.events(call(MYST, first, 1));
    equal(events.map((e) => e.name), ['BeneficiaryChanged', 'Transfer', 'PromiseSettled']);
    equal(events[2].values[2], first);
    equal([await world.balance(first), await world.balance(HOME), await world.registry.getBeneficiary(person.address)], [96n * MYST / 100n, 0n, first]);
    await world.refused(call(2n * MYST, second, 1), 'not signed by the identity');
    await world.refused(call(2n * MYST, ZERO, 2), 'beneficiary is zero');
    await world.refused(call(MYST, second, 2), 'amount does not cover the fee');  // and nothing changes
    equal([await world.registry.getBeneficiary(person.address), await world.registry.lastNonce()], [first, 1n]);
    await call(2n * MYST, second, 2);
    equal(await world.balance(second), 96n * MYST / 100n);
  },

  // ---- payAndSettle ----
  async pay_and_settle_takes_no_hermes_fee(world) {
    const person = world.person('bob');  // need not be registered
    const caller = await world.balance(world.signers[PAYER].address);
    const r = ethers.id('secret');
    const event = await world.event(world.hermes.payAndSettle(...withdrawal(world, person, 5n * MYST, { fee: MYST, r })), 'PromiseSettled');
    equal(event.map((v) => (typeof v === 'string' ? v.toLowerCase() : v)),
      [person.address.toLowerCase(), world.channelId(person, world.hermes, 'withdrawal'), HOME, 4n * MYST, MYST, r]);
    equal(
      [await world.balance(HOME), await world.balance(world.signers[PAYER].address) - caller, await settled(world, person, 'withdrawal'), await settled(world, person)],
      [4n * MYST, MYST, 5n * MYST, 0n]);
  },

  async pay_and_settle_refused(world) {
    const person = world.person('bob');
    const call = (options) => world.hermes.payAndSettle(...withdrawal(world, person, 5n * MYST, options));
    const unsigned = 'beneficiary is not signed by the identity';
    await world.refused(call({ signedTo: world.person('thief').address }), unsigned);
    await world.refused(call({ signer: world.person('thief') }), unsigned);
    await world.refused(call({ signedAmount: 4n * MYST }), unsigned);
    await world.refused(call({ signer: world.operator }), unsigned);
    const other = withdrawal(world, person, 5n * MYST);
    other[4] = world.settlement(person, 5n * MYST)[4];  // a promise on the provider channel
    await world.refused(world.hermes.payAndSettle(...other), 'promise is not signed by the operator');
    await call();
    await world.refused(call(), 'amount does not cover the fee');
    await world.refused(call({ r: ethers.id('another') }), 'amount does not cover the fee');
  },

  async pay_and_settle_needs_no_stake(world) {
    const second = world.person('second operator');
    const hermes = await world.registerHermes(second.address, { min: 2n * MYST, max: 5n * MYST });
    await world.mint(hermes.target, 100n * MYST);
    const person = world.person('bob'), id = world.channelId(person, hermes, 'withdrawal'), r = ethers.id('R');
    const promise = world.promise(second, id, MYST, { r });
    await hermes.payAndSettle(person.address, MYST, 0, r, promise.signature, HOME, world.sign(person, CHAIN_ID, id, MYST, r, HOME));
    equal(await world.balance(HOME), MYST);
  },

  // ---- settleIntoStake ----
  async settlement_into_stake(world) {
    const person = await bob(world);
    const before = await world.balance(world.hermes);
    const events = await world.events(world.hermes.settleIntoStake(...world.settlement(person, 10n * MYST, { fee: MYST })));
    const id = world.channelId(person);
    equal(events.slice(1).map((e) => [e.name, ...e.values]), [
      ['PromiseSettled', person.address, id, world.hermes.target, 86n * MYST / 10n, 14n * MYST / 10n, ethers.id('R')],
      ['NewStake', id, 86n * MYST / 10n],
    ]);
    equal(
      [await settled(world, person), await stakeOf(world, person), before - await world.balance(world.hermes), await world.balance(HOME), await world.hermes.minimalExpectedBalance()],
      [10n * MYST, 86n * MYST / 10n, MYST, 0n, 1086n * MYST / 10n]);
  },

  async settlement_into_stake_within_the_thresholds(world) {
    const second = world.person('second operator');
    const hermes = await world.registerHermes(second.address, { min: 2n * MYST, max: 5n * MYST });
    await world.mint(hermes.target, 100n * MYST);
    const person = await bob(world, { hermes });
    const into = (amount) => hermes.settleIntoStake(...world.settlement(person, amount, { hermes, signer: second }));
    await world.refused(into(MYST), 'stake is below the minimum');
    await into(3n * MYST);  // without a stake before
    // Twice the maximum would be cut to the maximum, which still is too much with the stake there.
    await world.refused(into(13n * MYST), 'stake is above the maximum');
    equal((await hermes.channels(world.channelId(person, hermes)))[1], 288n * MYST / 100n);
  },

  // ---- settleWithDEX ----
  async settlement_into_native_coin(world) {
    if (world.other) return world.OURS_ONLY;
    const person = await bob(world);
    await world.rpc('anvil_setBalance', world.dex.target, ethers.toQuantity(10n * MYST));
    const event = await world.event(world.hermes.settleWithDEX(...world.settlement(person, 10n * MYST)), 'PromiseSettled');
    equal(event.slice(3, 5), [96n * MYST / 10n, 4n * MYST / 10n]);
    equal([await world.provider.getBalance(HOME), await world.balance(HOME), await world.balance(world.dex)], [24n * MYST / 10n, 0n, 96n * MYST / 10n]);
    await world.refused(world.hermes.settleWithDEX(...world.settlement(world.person('nobody'), MYST)), 'identity is not registered');
    await world.refused(world.hermes.settleWithDEX(...world.settlement(person, 70n * MYST)), 'cannot pay native coin');
  },

  // ---- stakes ----
  async only_the_registry_opens_channels(world) {
    await world.refused(world.hermes.openChannel(world.person('bob').address, MYST), 'not the registry');
    const registry = await world.impersonate(world.registry.target);
    await world.refused(world.hermes.connect(registry).openChannel(world.person('bob').address, 63n * MYST), 'stake is above the maximum');
    await world.hermes.connect(await world.impersonate(world.operator.address)).pauseChannelOpening();
    await world.refused(world.hermes.connect(registry).openChannel(world.person('bob').address, MYST), 'hermes is not active');
  },

  async registration_with_a_stake_out_of_the_thresholds(world) {
    const hermes = await world.registerHermes(world.person('second operator').address, { min: 2n * MYST, max: 5n * MYST });
    const person = world.person('bob');
    const register = async (stake) => {
      const channel = await world.channelOf(person, hermes);
      await world.mint(channel.target, stake);
      return world.registry.registerIdentity(hermes, stake, 0, ZERO, world.signRegistration(person, { hermes, stake }));
    };
    await world.refused(register(2n * MYST - 1n), 'stake is below the minimum');
    await world.refused(register(5n * MYST + 1n), 'stake is above the maximum');
    await world.isolated(() => register(2n * MYST));
    await register(5n * MYST);
    equal([await hermes.isChannelOpened(world.channelId(person, hermes)), await hermes.minimalExpectedBalance()], [true, 105n * MYST]);
  },

  async anyone_increases_a_stake(world) {
    const person = await bob(world);
    const id = world.channelId(person);
    const payer = world.signers[PAYER];
    await world.mint(payer.address, 100n * MYST);
    await world.refused(world.hermes.increaseStake(id, MYST), 'ERC20InsufficientAllowance');
    await world.token.connect(payer).approve(world.hermes, ethers.MaxUint256);
    equal([await world.hermes.isChannelOpened(id), await world.hermes.availableBalance()], [false, 1000n * MYST]);
    equal(await world.event(world.hermes.increaseStake(id, 62n * MYST), 'NewStake'), [id, 62n * MYST]);
    equal([await world.hermes.isChannelOpened(id), await world.hermes.availableBalance(), await world.hermes.minimalExpectedBalance()], [true, 1000n * MYST, 162n * MYST]);
    await world.refused(world.hermes.increaseStake(id, 1n), 'stake is above the maximum');
    await world.hermes.connect(await world.impersonate(world.operator.address)).closeHermes();
    await world.refused(world.hermes.increaseStake(id, 0n), 'hermes is closed');
  },

  async stake_decrease(world) {
    const person = await bob(world, { stake: 10n * MYST });
    const id = world.channelId(person);
    const before = await world.balance(world.signers[PAYER].address);
    equal(await world.event(decrease(world, person, 4n * MYST, MYST, 1), 'NewStake'), [id, 6n * MYST]);
    equal(
      [await world.balance(HOME), await world.balance(world.signers[PAYER].address) - before, await world.hermes.channels(id), await world.hermes.minimalExpectedBalance()],
      [3n * MYST, MYST, [0n, 6n * MYST, 1n, 0n], 106n * MYST]);
    await world.refused(decrease(world, person, 4n * MYST, MYST, 1), 'not signed by the identity');
    await decrease(world, person, 6n * MYST, 0n, 2);
    equal([await world.balance(HOME), await world.hermes.isChannelOpened(id)], [9n * MYST, false]);
    await world.refused(decrease(world, person, 0n, 0n, 3), 'no such channel');
  },

  async stake_decrease_refused(world) {
    const person = await bob(world, { stake: 10n * MYST });
    await world.refused(decrease(world, person, MYST, 2n * MYST, 1), 'amount does not cover the fee');
    await world.refused(decrease(world, person, 10n * MYST + 1n, 0n, 1), 'amount is above the stake');
    await world.refused(decrease(world, person, MYST, 0n, 0), 'not signed by the identity');
    await world.refused(decrease(world, person, MYST, 0n, 2), 'not signed by the identity');
    await world.refused(decrease(world, person, MYST, 0n, 1, { sent: 2n * MYST }), 'not signed by the identity');
    await world.refused(decrease(world, person, MYST, 0n, 1, { signer: world.operator }), 'not signed by the identity');
    await world.hermes.connect(await world.impersonate(world.operator.address)).setMinStake(8n * MYST);
    await world.refused(decrease(world, person, 3n * MYST, 0n, 1), 'remaining stake is below the minimum');
    await decrease(world, person, MYST, MYST, 1);  // all of it for the fee
    await decrease(world, person, MYST, 0n, 2);
    await decrease(world, person, 8n * MYST, 0n, 3);  // all of it may always go
  },

  async stake_is_not_there_for_others(world) {
    const [person, carol] = [await bob(world, { stake: 30n * MYST }), world.person('carol')];
    await world.register(carol, { beneficiary: world.person('home').address });
    await world.hermes.connect(await world.impersonate(world.operator.address)).withdraw(HOME, 1000n * MYST);
    await world.refused(settle(world, carol, MYST, { fee: 1n }), 'panic 0x11');
    equal(await world.balance(world.hermes), 130n * MYST);
    await decrease(world, person, 30n * MYST, 0n, 1);
    equal(await world.balance(HOME), 1030n * MYST);
  },

  // ---- ids, checks ----
  async ids_and_promise_check(world) {
    const person = world.person('bob');
    const id = world.channelId(person);
    equal([await world.hermes['getChannelId(address)'](person.address), await world.hermes['getChannelId(address,string)'](person.address, 'withdrawal')],
      [id, world.channelId(person, world.hermes, 'withdrawal')]);
    equal(await world.hermes.channels(id), [0n, 0n, 0n, 0n]);
    const { amount, fee, r, signature } = world.promise(world.operator, id, 5n, { fee: 1n });
    equal(await world.hermes.validatePromise(id, amount, fee, r, signature), true);
    equal(await world.hermes.validatePromise(id, amount, fee, ethers.id('wrong R'), signature), false);
    equal(await world.hermes.validatePromise(id, amount, 2n, r, signature), false);
    equal(await world.hermes.validatePromise(id, amount, fee, r, world.promise(person, id, 5n, { fee: 1n }).signature), false);
  },

  // ---- fees ----
  async fee_change_is_delayed(world) {
    const { hermes } = world;
    const owner = hermes.connect(await world.impersonate(world.operator.address));
    const person = await bob(world);
    const [before] = await hermes.lastFee();
    const [value, validFrom] = await world.event(owner.setHermesFee(1000), 'HermesFeeUpdated');
    equal([value, validFrom], [1000n, BigInt(await world.now() + 3 * DAY)]);
    equal([await hermes.lastFee(), (await hermes.previousFee())[0], await hermes.getActiveFee()], [[1000n, validFrom], before, 400n]);
    equal(await hermes.calculateHermesFee(MYST), MYST / 25n);
    await settle(world, person, 10n * MYST);
    equal(await world.balance(HOME), 96n * MYST / 10n);
    await world.refused(owner.setHermesFee(1), 'the last fee is not valid yet');
    await world.pass(Number(validFrom) - 1 - await world.now());
    equal(await hermes.getActiveFee(), 400n);
    await world.pass(1);
    equal([await hermes.getActiveFee(), await hermes.calculateHermesFee(MYST)], [1000n, MYST / 10n]);
    await settle(world, person, 20n * MYST);
    equal(await world.balance(HOME), 186n * MYST / 10n);
    await owner.setHermesFee(0);
    equal([await hermes.getActiveFee(), (await hermes.previousFee())[0]], [1000n, 1000n]);
    await world.pass(3 * DAY);
    await settle(world, person, 30n * MYST);
    equal(await world.balance(HOME), 286n * MYST / 10n);
  },

  async fee_change_refused(world) {
    const owner = world.hermes.connect(await world.impersonate(world.operator.address));
    await world.refused(world.hermes.setHermesFee(1), 'not the owner');
    await world.refused(owner.setHermesFee(5001), 'fee is too high');
    await owner.setHermesFee(5000);
    await owner.closeHermes();
    await world.pass(4 * DAY);
    await world.refused(owner.setHermesFee(1), 'hermes is closed');
  },
};

module.exports = { tests };
