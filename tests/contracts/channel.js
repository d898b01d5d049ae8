'use strict';
// A consumer's channel: promises cashed, exits, funds that do not belong there.
const { ADMIN, CHAIN_ID, DAY, MYST, PAYER, STRANGER, equal, ethers } = require('./world');

const ZERO = ethers.ZeroAddress;
const settle = (channel, { amount, fee, r, signature }) => channel.settlePromise(amount, fee, r, signature);

async function alice(world, funds = 10n * MYST) {
  const person = world.person('alice');
  return { person, channel: await world.register(person, { funds }) };
}

// A channel's proxy nobody initialized: what the registry would have put somewhere.
async function bare(world) {
  const code = await world.registry.getProxyCode(world.channelImplementation);
  const receipt = await (await world.signers[ADMIN].sendTransaction({ data: code })).wait();
  return world.at('ChannelImplementation', receipt.contractAddress);
}

// Signatures of both sides over an exit.
async function exit(world, channel, person, changes = {}) {
  const request = { amount: 4n * MYST, fee: MYST, beneficiary: world.person('home').address, validUntil: await world.now() + DAY, nonce: 0, ...changes };
  const sign = (who) => world.sign(who, 'Exit request:', CHAIN_ID, BigInt(channel.target), request.amount, request.fee, BigInt(request.beneficiary), request.validUntil, request.nonce);
  const { amount, fee, beneficiary, validUntil } = { ...request, ...changes.sent };
  return channel.fastExit(amount, fee, beneficiary, validUntil, sign(changes.first || person), sign(changes.second || world.operator));
}

const tests = {
  async initialize_checks_what_it_gets(world) {
    const channel = await bare(world);
    const [token, identity, hermes] = [world.token.target, world.person('alice').address, world.hermes.target];
    equal(await channel.isInitialized(), false);
    await world.refused(channel.initialize(token, ZERO, ZERO, hermes, 0), 'identity is zero');
    await world.refused(channel.initialize(token, ZERO, identity, ZERO, 0), 'hermes is zero');
    await world.refused(channel.initialize(ZERO, ZERO, identity, hermes, 0), 'token is zero');
    await world.refused(channel.initialize(token, ZERO, identity, hermes, 1), 'ERC20InsufficientBalance');
    await world.mint(channel.target, 3n);
    const before = await world.balance(world.signers[PAYER].address);
    await channel.initialize(token, ZERO, identity, hermes, 2);
    equal(await world.balance(world.signers[PAYER].address) - before, 2n, 'the fee is the caller\'s');
    await world.refused(channel.initialize(token, ZERO, identity, hermes, 0), 'already initialized');
    equal([await channel.owner(), await channel.operator(), await channel.token()], [identity, identity, token]);
  },

  async promise_pays_hermes_and_caller(world) {
    const { person, channel } = await alice(world);
    const [hermes, caller] = [await world.balance(world.hermes), await world.balance(world.signers[PAYER].address)];
    const p = world.promise(person, channel, 3n * MYST, { fee: MYST / 10n, r: ethers.id('secret') });
    const done = settle(channel, p);
    equal(await world.event(done, 'PromiseSettled'), [world.hermes.target, 3n * MYST, 3n * MYST, ethers.id('secret')]);
    equal(
      [await world.balance(channel), await world.balance(world.hermes) - hermes, await world.balance(world.signers[PAYER].address) - caller, (await channel.hermes())[2]],
      [7n * MYST, 29n * MYST / 10n, MYST / 10n, 3n * MYST]);
  },

  async promises_are_cumulative(world) {
    const { person, channel } = await alice(world);
    const events = await world.events(settle(channel, world.promise(person, channel, 3n * MYST)));
    if (!world.other) equal(events.map((e) => e.name), ['Transfer', 'PromiseSettled'], 'without a fee');
    equal((await world.event(settle(channel, world.promise(person, channel, 5n * MYST)), 'PromiseSettled')).slice(1, 3), [2n * MYST, 5n * MYST]);
    equal([await world.balance(channel), (await channel.hermes())[2]], [5n * MYST, 5n * MYST]);
  },

  async promise_replayed_or_older(world) {
    const { person, channel } = await alice(world);
    const p = world.promise(person, channel, 3n * MYST);
    await settle(channel, p);
    await world.refused(settle(channel, p), 'nothing to settle');
    await world.refused(settle(channel, world.promise(person, channel, 3n * MYST, { r: ethers.id('another') })), 'nothing to settle');
    await world.refused(settle(channel, world.promise(person, channel, 3n * MYST - 1n)), 'panic 0x11');
    await world.refused(settle(channel, world.promise(person, channel, 0n)), 'panic 0x11');
  },

  async promise_of_zero(world) {
    const { person, channel } = await alice(world);
    await world.refused(settle(channel, world.promise(person, channel, 0n)), 'nothing to settle');
  },

  async promise_with_a_field_changed(world) {
    const { person, channel } = await alice(world);
    const p = world.promise(person, channel, 3n * MYST, { fee: 1n });
    const wrong = 'promise is not signed by the identity';
    await world.refused(settle(channel, { ...p, r: ethers.id('wrong R') }), wrong);
    await world.refused(settle(channel, { ...p, amount: p.amount + 1n }), wrong);
    await world.refused(settle(channel, { ...p, fee: 2n }), wrong);
    await world.refused(settle(channel, { ...p, r: ethers.keccak256(p.r) }), wrong);
    await world.refused(settle(channel, world.promise(person, channel, 3n * MYST, { chainId: CHAIN_ID + 1 })), wrong);
    await settle(channel, p);
  },

  async promise_of_another_signer_or_channel(world) {
    const { person, channel } = await alice(world);
    const bob = world.person('bob');
    const bobs = await world.register(bob, { funds: MYST });
    const wrong = 'promise is not signed by the identity';
    await world.refused(settle(channel, world.promise(bob, channel, MYST)), wrong);
    await world.refused(settle(channel, world.promise(world.operator, channel, MYST)), wrong);
    await world.refused(settle(channel, world.promise(person, bobs, MYST)), wrong);
    await world.refused(settle(bobs, world.promise(person, channel, MYST)), wrong);
    const raw = ethers.getBytes(world.promise(person, channel, MYST).signature);
    raw[64] -= 27;
    await world.refused(settle(channel, { ...world.promise(person, channel, MYST), signature: raw }), 'malformed signature');
  },

  async promise_above_the_funds_in_parts(world) {
    const { person, channel } = await alice(world, 4n * MYST);
    const p = world.promise(person, channel, 10n * MYST, { fee: MYST });
    equal((await world.event(settle(channel, p), 'PromiseSettled')).slice(1, 3), [4n * MYST, 4n * MYST]);
    equal(await world.balance(channel), 0n);
    await world.refused(settle(channel, p), 'panic 0x11');  // an empty channel does not even have the fee
    await world.mint(channel.target, 20n * MYST);
    equal((await world.event(settle(channel, p), 'PromiseSettled')).slice(1, 3), [6n * MYST, 10n * MYST]);
    equal(await world.balance(channel), 14n * MYST);
  },

  async fee_above_the_amount(world) {
    const { person, channel } = await alice(world);
    await world.refused(settle(channel, world.promise(person, channel, MYST, { fee: MYST + 1n })), 'panic 0x11');
    const hermes = await world.balance(world.hermes);
    await settle(channel, world.promise(person, channel, MYST, { fee: MYST }));
    equal(await world.balance(world.hermes), hermes);
  },

  async largest_amounts(world) {
    const { person, channel } = await alice(world);
    equal((await world.event(settle(channel, world.promise(person, channel, ethers.MaxUint256)), 'PromiseSettled')).slice(1, 3), [10n * MYST, 10n * MYST]);
    await world.refused(settle(channel, world.promise(person, channel, ethers.MaxUint256, { fee: ethers.MaxUint256 })), 'panic 0x11');
  },

  async exit_with_both_signatures(world) {
    const { person, channel } = await alice(world);
    const home = world.person('home').address;
    const before = await world.balance(world.signers[PAYER].address);
    equal(await world.event(exit(world, channel, person), 'Withdraw'), [home, 3n * MYST]);
    equal(
      [await world.balance(home), await world.balance(world.signers[PAYER].address) - before, await world.balance(channel), (await channel.hermes())[2]],
      [3n * MYST, MYST, 6n * MYST, 0n]);
    await world.refused(exit(world, channel, person), 'not signed by the identity');  // the nonce has moved on
    await exit(world, channel, person, { nonce: 1, fee: 0n, amount: 5n * MYST });
    await exit(world, channel, person, { nonce: 2, fee: MYST, amount: MYST });  // all of it for the fee
    equal([await world.balance(home), await world.balance(channel)], [8n * MYST, 0n]);
  },

  async exit_refused(world) {
    const { person, channel } = await alice(world);
    const bob = world.person('bob');
    await world.refused(exit(world, channel, person, { first: bob }), 'not signed by the identity');
    await world.refused(exit(world, channel, person, { second: person }), 'not signed by the hermes');
    await world.refused(exit(world, channel, person, { nonce: 1 }), 'not signed by the identity');
    await world.refused(exit(world, channel, person, { sent: { amount: 5n * MYST } }), 'not signed by the identity');
    await world.refused(exit(world, channel, person, { sent: { beneficiary: bob.address } }), 'not signed by the identity');
    await world.refused(exit(world, channel, person, { validUntil: await world.now() - 1 }), 'exit request has expired');
    await world.refused(exit(world, channel, person, { fee: 5n * MYST }), 'amount does not cover the fee');
    await world.refused(exit(world, channel, person, { amount: 11n * MYST }), 'ERC20InsufficientBalance');
    const validUntil = await world.now() + 100;
    await world.pass(101);
    await world.refused(exit(world, channel, person, { validUntil }), 'exit request has expired');
    equal(await world.balance(channel), 10n * MYST);
  },

  async cheque_for_the_destination_of_foreign_funds(world) {
    const { person, channel } = await alice(world);
    const home = world.person('home').address;
    const cheque = (nonce, who = person, to = home) => channel.setFundsDestinationByCheque(to, world.sign(who, 'Set funds destination:', channel, to, nonce));
    await world.refused(cheque(0, world.operator), 'not signed by the identity');
    await world.refused(cheque(1), 'not signed by the identity');
    await world.refused(cheque(0, person, ZERO), 'funds destination is zero');
    equal(await world.event(cheque(0), 'DestinationChanged'), [ZERO, home]);
    equal(await channel.getFundsDestination(), home);
    await world.refused(cheque(0), 'not signed by the identity');
    await exit(world, channel, person, { nonce: 1 });  // one nonce for both kinds
    await cheque(2);
    await world.refused(channel.claimTokens(world.token), "the network's token cannot be claimed");
  },

  async the_identity_owns_its_channel(world) {
    const { person, channel } = await alice(world);
    await world.refused(channel.setFundsDestination(person.address), 'not the owner');
    await world.refused(channel.connect(world.signers[STRANGER]).transferOwnership(person.address), 'not the owner');
    const own = channel.connect(await world.impersonate(person.address));
    await own.setFundsDestination(person.address);
    await own.transferOwnership(world.operator.address);
    await world.refused(own.setFundsDestination(world.operator.address), 'not the owner');
    await settle(channel, world.promise(person, channel, MYST));  // promises stay the identity's
  },

  async native_coin_becomes_tokens(world) {
    if (world.other) return world.OURS_ONLY;
    const { channel } = await alice(world, 0n);
    await world.mint(world.dex.target, 100n * MYST);
    await (await world.signers[STRANGER].sendTransaction({ to: channel.target, value: 2n * MYST })).wait();
    equal([await world.balance(channel), await world.provider.getBalance(world.dex)], [8n * MYST, 2n * MYST]);
    await world.refused(world.signers[STRANGER].sendTransaction({ to: channel.target, value: 100n * MYST }), 'ERC20InsufficientBalance');
  },

  async settles_while_its_hermes_is_paused_or_closed(world) {
    const { person, channel } = await alice(world);
    const hermes = world.hermes.connect(await world.impersonate(world.operator.address));
    await hermes.pauseChannelOpening();
    await settle(channel, world.promise(person, channel, MYST));
    await hermes.closeHermes();
    await settle(channel, world.promise(person, channel, 2n * MYST));
  },
};

module.exports = { tests };
