'use strict';
// What operator and owner of a Hermes do: pause, close, stakes, withdrawals; and the emergency.
const { ADMIN, CHAIN_ID, DAY, MYST, PAYER, STRANGER, equal, ethers } = require('./world');

const ZERO = ethers.ZeroAddress;
const HOUR = 3600;
const [ACTIVE, PAUSED, PUNISHMENT, CLOSED] = [0n, 1n, 2n, 3n];

const asOperator = async (world) => world.hermes.connect(await world.impersonate(world.operator.address));

async function settle(world, person, amount, options) {
  return world.hermes.settlePromise(...world.settlement(person, amount, options));
}

// A provider with a stake of 40 whose Hermes has 39 available: its settlement starts the punishment.
async function emergency(world) {
  const person = world.person('bob');
  await world.register(person, { stake: 40n * MYST, beneficiary: world.person('home').address });
  await (await asOperator(world)).withdraw(world.signers[STRANGER].address, 961n * MYST);
  equal(await world.hermes.availableBalance(), 39n * MYST);
  const events = await world.events(settle(world, person, 10n * MYST));
  equal([await world.hermes.getStatus(), events.some((e) => e.name === 'HermesPunishmentActivated')], [PUNISHMENT, true]);
  return person;
}

async function rescuer(world, amount) {
  const signer = world.signers[PAYER];
  await world.mint(signer.address, amount);
  await world.token.connect(signer).approve(world.hermes, ethers.MaxUint256);
  return signer;
}

const tests = {
  async initialize_checks_what_it_gets(world) {
    const code = await world.registry.getProxyCode(world.hermesImplementation);
    const receipt = await (await world.signers[ADMIN].sendTransaction({ data: code })).wait();
    const hermes = world.at('HermesImplementation', receipt.contractAddress);
    const [token, operator, dex] = [world.token.target, world.operator.address, world.dexAddress()];
    equal(await hermes.isInitialized(), false);
    await world.refused(hermes.initialize(ZERO, operator, 400, 0, 1, dex), 'token is zero');
    await world.refused(hermes.initialize(token, ZERO, 400, 0, 1, dex), 'operator is zero');
    await world.refused(hermes.initialize(token, operator, 5001, 0, 1, dex), 'fee is too high');
    await world.refused(hermes.initialize(token, operator, 400, 1, 1, dex), 'max stake is not above min stake');
    await world.mint(hermes.target, 7n);
    await hermes.initialize(token, operator, 400, 0, 1, dex);
    equal([await hermes.getHermesStake(), await hermes.getRegistry(), (await hermes.lastFee())[1]], [7n, world.signers[PAYER].address, BigInt(await world.now())]);
    await world.refused(hermes.initialize(token, operator, 400, 0, 1, dex), 'already initialized');
  },

  async balances(world) {
    const { hermes } = world;
    equal([await hermes.getHermesStake(), await hermes.minimalExpectedBalance(), await hermes.availableBalance()], [100n * MYST, 100n * MYST, 1000n * MYST]);
    await world.register(world.person('bob'), { stake: 9n * MYST });
    equal([await hermes.minimalExpectedBalance(), await hermes.availableBalance()], [109n * MYST, 1000n * MYST]);
    const poor = await world.impersonate(hermes.target);
    await world.token.connect(poor).transfer(world.person('thief').address, 1001n * MYST);
    equal([await hermes.availableBalance(), await world.balance(hermes)], [0n, 108n * MYST]);
  },

  async pause_stops_registrations_only(world) {
    const operator = await asOperator(world);
    const [bob, carol] = [world.person('bob'), world.person('carol')];
    await world.register(bob, { beneficiary: world.person('home').address });
    await world.refused(world.hermes.pauseChannelOpening(), 'not the operator');
    await world.refused(operator.activateChannelOpening(), 'hermes is not paused');
    await world.event(operator.pauseChannelOpening(), 'ChannelOpeningPaused');
    equal([await world.hermes.getStatus(), await world.hermes.isHermesActive()], [PAUSED, true]);
    await world.refused(operator.pauseChannelOpening(), 'hermes is not active');
    await world.refused(world.registry.registerIdentity(world.hermes, 0, 0, ZERO, world.signRegistration(carol, {})), 'hermes is not active');
    await settle(world, bob, MYST);
    await operator.withdraw(carol.address, 1n);
    await world.refused(world.hermes.activateChannelOpening(), 'not the operator');
    await world.event(operator.activateChannelOpening(), 'ChannelOpeningActivated');
    equal(await world.hermes.getStatus(), ACTIVE);
    await world.register(carol);
  },

  async the_operator_pauses_the_owner_owns(world) {
    const operator = await asOperator(world);
    const owner = world.signers[STRANGER];
    await operator.transferOwnership(owner.address);
    await world.refused(operator.setHermesFee(1), 'not the owner');
    await world.refused(operator.withdraw(owner.address, 1n), 'not the owner');
    await world.refused(world.hermes.connect(owner).pauseChannelOpening(), 'not the operator');
    await world.hermes.connect(owner).withdraw(owner.address, 1n);
    // Promises stay the operator's.
    const bob = world.person('bob');
    await world.register(bob);
    await settle(world, bob, MYST);
    await world.refused(settle(world, bob, 2n * MYST, { signer: world.person('bob') }), 'promise is not signed by the operator');
    await operator.pauseChannelOpening();
    equal([await world.hermes.getOperator(), await world.hermes.owner()], [world.operator.address, owner.address]);
  },

  async stake_thresholds(world) {
    const operator = await asOperator(world);
    await world.refused(world.hermes.setMinStake(1), 'not the owner');
    await world.refused(world.hermes.setMaxStake(1), 'not the owner');
    await world.refused(operator.setMinStake(62n * MYST), 'max stake is not above min stake');
    equal(await world.event(operator.setMinStake(2n * MYST), 'MinStakeValueUpdated'), [2n * MYST]);
    await world.refused(operator.setMaxStake(2n * MYST), 'max stake is not above min stake');
    equal(await world.event(operator.setMaxStake(3n * MYST), 'MaxStakeValueUpdated'), [3n * MYST]);
    equal(await world.hermes.getStakeThresholds(), [2n * MYST, 3n * MYST]);
    await operator.closeHermes();
    await world.refused(operator.setMinStake(1), 'hermes is not active');
    await world.refused(operator.setMaxStake(9n * MYST), 'hermes is not active');
  },

  async withdrawal_of_what_is_available(world) {
    const operator = await asOperator(world);
    const home = world.person('home').address;
    await world.register(world.person('bob'), { stake: 9n * MYST });
    await world.refused(world.hermes.withdraw(home, 1n), 'not the owner');
    await world.refused(operator.withdraw(ZERO, 1n), 'beneficiary is zero');
    await world.refused(operator.withdraw(home, 1000n * MYST + 1n), 'amount is above the available balance');
    equal(await world.event(operator.withdraw(home, 1000n * MYST), 'FundsWithdrawned'), [1000n * MYST, home]);
    equal([await world.balance(home), await world.balance(world.hermes)], [1000n * MYST, 109n * MYST]);
    await world.refused(operator.withdraw(home, 1n), 'amount is above the available balance');
  },

  async increase_of_the_hermes_stake(world) {
    const operator = await asOperator(world);
    await world.mint(world.operator.address, 50n * MYST);
    await world.refused(world.hermes.increaseHermesStake(1n), 'not the owner');
    await world.refused(operator.increaseHermesStake(50n * MYST), 'ERC20InsufficientAllowance');
    await world.token.connect(await world.impersonate(world.operator.address)).approve(world.hermes, ethers.MaxUint256);
    equal(await world.event(operator.increaseHermesStake(50n * MYST), 'HermesStakeIncreased'), [150n * MYST]);
    equal([await world.hermes.getHermesStake(), await world.hermes.availableBalance()], [150n * MYST, 1000n * MYST]);
  },

  async recovery_leaves_the_networks_token(world) {
    const operator = await asOperator(world);
    await operator.setFundsDestination(world.person('home').address);
    await world.refused(world.hermes.claimTokens(world.token), "the network's token cannot be claimed");
  },

  // ---- closing ----
  async closed_for_good(world) {
    const operator = await asOperator(world);
    const bob = world.person('bob');
    await world.register(bob, { stake: 5n * MYST, beneficiary: world.person('home').address });
    await world.refused(world.hermes.closeHermes(), 'not the owner');
    equal(await world.event(operator.closeHermes(), 'HermesClosed'), [BigInt(await world.now())]);
    equal([await world.hermes.getStatus(), await world.hermes.isHermesActive()], [CLOSED, false]);
    await world.refused(operator.closeHermes(), 'hermes is not active');
    await world.refused(operator.activateChannelOpening(), 'hermes is not paused');
    await world.refused(operator.withdraw(bob.address, 1n), 'hermes is not active');
    await world.refused(settle(world, bob, MYST), 'hermes is not active');
    await world.refused(world.registry.registerIdentity(world.hermes, 0, 0, ZERO, world.signRegistration(world.person('carol'), {})), 'hermes is not active');
    // Providers still take their stakes.
    await world.hermes.decreaseStake(bob.address, 5n * MYST, 0, world.sign(bob, 'Stake return request', CHAIN_ID, world.channelId(bob), 5n * MYST, 0, 1));
    equal(await world.balance(world.person('home').address), 5n * MYST);
  },

  async stake_back_after_300_days(world) {
    const operator = await asOperator(world);
    const home = world.person('home').address;
    await world.register(world.person('bob'), { stake: 5n * MYST });
    await world.refused(operator.getStakeBack(home), 'hermes is not closed');
    await operator.closeHermes();
    await world.refused(world.hermes.getStakeBack(home), 'not the owner');
    await world.refused(operator.getStakeBack(ZERO), 'beneficiary is zero');
    const closed = await world.now();
    await world.pass(300 * DAY - 60);
    await world.refused(operator.getStakeBack(home), 'the closing delay has not passed');
    const statusAt = async (time) => {
      await world.rpc('evm_setNextBlockTimestamp', ethers.toQuantity(time));
      const { hash } = await operator.getStakeBack(home, { gasLimit: 200000n });
      return (await world.provider.getTransactionReceipt(hash)).status;
    };
    if (!world.other) equal(await statusAt(closed + 300 * DAY), 0, 'in the last second');
    equal(await statusAt(closed + 300 * DAY + 1), 1, 'after it');
    equal(await world.balance(home), 1100n * MYST);
    if (world.other) return;
    equal(await world.balance(world.hermes), 5n * MYST, 'the stakes of providers stay');
    await world.refused(operator.getStakeBack(home), 'nothing to take back');
  },

  // ---- emergency ----
  async punishment_pays_once_then_stops(world) {
    const bob = await emergency(world);
    equal(await world.balance(world.person('home').address), 96n * MYST / 10n, 'the settlement itself goes through');
    equal([await world.hermes.isHermesActive(), (await world.hermes.punishment())[0], (await world.hermes.punishment())[1]], [false, BigInt(await world.now()), 0n]);
    await world.refused(settle(world, bob, 20n * MYST), 'hermes is not active');
    const operator = await asOperator(world);
    await world.refused(operator.withdraw(bob.address, 1n), 'hermes is not active');
    await world.refused(operator.closeHermes(), 'hermes is not active');
    await world.refused(operator.pauseChannelOpening(), 'hermes is not active');
    await world.refused(operator.activateChannelOpening(), 'hermes is not paused');
    await world.refused(world.registry.registerIdentity(world.hermes, 0, 0, ZERO, world.signRegistration(world.person('carol'), {})), 'hermes is not active');
  },

  async emergency_is_resolved_by_who_pays(world) {
    const bob = await emergency(world);
    const signer = await rescuer(world, 1000n * MYST);
    const before = [await world.balance(world.hermes), await world.balance(signer.address)];
    await world.event(world.hermes.resolveEmergency(), 'HermesPunishmentDeactivated');
    // Expected: hermes stake 100, provider stake 40, and the maximal stake 62; no punishment in the first hour.
    const needed = 202n * MYST;
    equal([await world.balance(world.hermes), before[1] - await world.balance(signer.address)], [needed, needed - before[0]]);
    equal([await world.hermes.getStatus(), (await world.hermes.punishment())[1]], [ACTIVE, 0n]);
    await settle(world, bob, 20n * MYST);
    await world.refused(world.hermes.resolveEmergency(), 'hermes is not in punishment');
  },

  async emergency_cannot_be_resolved_without_money(world) {
    await emergency(world);
    await world.refused(world.hermes.resolveEmergency(), 'ERC20InsufficientAllowance');
    await rescuer(world, MYST);
    await world.refused(world.hermes.resolveEmergency(), 'ERC20InsufficientBalance');
    equal(await world.hermes.getStatus(), PUNISHMENT);
  },

  // 4 % of the provider stakes per started hour after the first.
  async punishment_grows_by_the_hour(world) {
    await emergency(world);
    await rescuer(world, 100000n * MYST);
    const unit = 40n * MYST * 4n / 100n;
    const started = Number((await world.hermes.punishment())[0]);
    const amountAt = (elapsed) => world.isolated(async () => {
      await world.rpc('evm_setNextBlockTimestamp', ethers.toQuantity(started + elapsed));
      await (await world.hermes.resolveEmergency()).wait();
      return (await world.hermes.punishment())[1];
    });
    for (const [elapsed, units] of [[1, 0n], [HOUR, 0n], [HOUR + 1, 1n], [2 * HOUR, 1n], [2 * HOUR + 1, 2n], [10 * HOUR, 9n], [100 * HOUR + 1, 100n]]) {
      equal(await amountAt(elapsed), units * unit, `${elapsed} s`);
    }
  },

  async punishment_above_the_stake_is_expected_instead_of_it(world) {
    await emergency(world);
    await rescuer(world, 100000n * MYST);
    await world.pass(101 * HOUR - 5);
    await world.hermes.resolveEmergency();
    // 100 hours of 1.6 are 160, more than the stake of 100; provider stake 40; maximal stake 62.
    equal([(await world.hermes.punishment())[1], await world.hermes.minimalExpectedBalance(), await world.balance(world.hermes)], [160n * MYST, 200n * MYST, 262n * MYST]);
    equal(await world.hermes.availableBalance(), 62n * MYST);
  },

  async punishment_adds_up(world) {
    const bob = await emergency(world);
    const signer = await rescuer(world, 100000n * MYST);
    await world.pass(2 * HOUR - 5);
    await world.hermes.resolveEmergency();
    equal((await world.hermes.punishment())[1], 16n * MYST / 10n);
    await (await asOperator(world)).withdraw(signer.address, 30n * MYST);
    await settle(world, bob, 20n * MYST);
    equal(await world.hermes.getStatus(), PUNISHMENT);
    await world.pass(3 * HOUR - 5);
    await world.hermes.resolveEmergency();
    equal((await world.hermes.punishment())[1], 48n * MYST / 10n);
  },

  async rounding_of_the_punishment(world) {
    const bob = world.person('bob');
    await world.register(bob, { stake: 41n, beneficiary: world.person('home').address });
    await (await asOperator(world)).withdraw(world.signers[STRANGER].address, 1000n * MYST - 40n);
    await settle(world, bob, 10n);
    await rescuer(world, 1000n * MYST);
    await world.pass(2 * HOUR - 5);
    await world.hermes.resolveEmergency();
    equal((await world.hermes.punishment())[1], 2n);  // 41 · 4 = 164, rounded up to 200, of it 1/100
  },
};

module.exports = { tests };
