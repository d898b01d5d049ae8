'use strict';
// The registry: identities, channels, Hermes contracts, versions, parent, owner.
const { ADMIN, CHAIN_ID, MYST, PAYER, STRANGER, equal, ethers } = require('./world');

const ZERO = ethers.ZeroAddress;
const url = (text) => ethers.toUtf8Bytes(text);
const NOWHERE = '0x00000000000000000000000000000000000000aa';

// A registry nobody initialized yet, as the account that would own it sees it.
const fresh = (world) => world.put('Registry', world.signers[ADMIN]);
const settings = (world, changes = {}) => Object.values({
  token: world.token.target, dex: world.dexAddress(), stake: 0n,
  channel: world.channelImplementation.target, hermes: world.hermesImplementation.target, parent: ZERO, ...changes,
});

// A registry below the world's one.
async function child(world) {
  const registry = await fresh(world);
  await registry.initialize(...settings(world, { parent: world.registry.target }));
  return registry;
}

const register = (world, person, { hermes = world.hermes, stake = 0n, fee = 0n, beneficiary = ZERO, signature, by = PAYER } = {}) =>
  world.registry.connect(world.signers[by]).registerIdentity(
    hermes, stake, fee, beneficiary, signature || world.signRegistration(person, { hermes, stake, fee, beneficiary }));

const tests = {
  // ---- initialize ----
  async initialize_checks_what_it_gets(world) {
    const registry = await fresh(world);
    equal(await registry.isInitialized(), false);
    await world.refused(registry.initialize(...settings(world, { token: ZERO })), 'token is zero');
    await world.refused(registry.initialize(...settings(world, { dex: ZERO })), 'dex is zero');
    await world.refused(registry.initialize(...settings(world, { channel: NOWHERE })), 'channel implementation has no code');
    await world.refused(registry.initialize(...settings(world, { hermes: NOWHERE })), 'hermes implementation has no code');
    await registry.initialize(...settings(world, { stake: 7n }));
    await world.refused(registry.initialize(...settings(world)), 'already initialized');
    equal(
      [await registry.isInitialized(), await registry.token(), await registry.dex(), await registry.minimalHermesStake(), await registry.parentRegistry(), await registry.hasParentRegistry(), await registry.getLastImplVer(), await registry.lastNonce()],
      [true, world.token.target, world.dexAddress(), 7n, ZERO, false, 0n, 0n]);
  },

  async whoever_initializes_owns(world) {
    const registry = (await fresh(world)).connect(world.signers[STRANGER]);
    equal(await registry.owner(), ZERO);
    const stranger = world.signers[STRANGER].address;
    equal(await world.event(registry.initialize(...settings(world)), 'OwnershipTransferred'), [ZERO, stranger]);
    equal(await registry.owner(), stranger);
  },

  async before_there_is_an_owner_everybody_is(world) {
    const registry = await fresh(world);
    await registry.connect(world.signers[STRANGER]).transferOwnership(world.signers[PAYER].address);
    await world.refused(registry.initialize(...settings(world)), 'not the owner');
    await registry.connect(world.signers[PAYER]).initialize(...settings(world));
  },

  // ---- owner ----
  async ownership_is_transferred_by_the_owner_only(world) {
    const { registry } = world;
    const stranger = world.signers[STRANGER];
    await world.refused(registry.connect(stranger).transferOwnership(stranger.address), 'not the owner');
    await world.refused(registry.transferOwnership(ZERO), 'new owner is zero');
    equal(await world.event(registry.transferOwnership(stranger.address), 'OwnershipTransferred'), [world.signers[ADMIN].address, stranger.address]);
    await world.refused(registry.setMinimalHermesStake(1), 'not the owner');
    await registry.connect(stranger).setMinimalHermesStake(1);
  },

  async minimal_stake_of_a_hermes(world) {
    const { registry } = world;
    equal(await world.event(registry.setMinimalHermesStake(50n * MYST), 'MinimalHermesStakeChanged'), [50n * MYST]);
    const operator = world.person('second operator').address;
    await world.refused(world.registerHermes(operator, { stake: 50n * MYST - 1n }), 'hermes stake is too low');
    await world.registerHermes(operator, { stake: 50n * MYST });
    if (!world.other) await world.refused((await fresh(world)).setMinimalHermesStake(1), 'not initialized');
  },

  async recovery_of_foreign_tokens_and_coin(world) {
    const { registry } = world;
    const foreign = world.other ? await world.put('MystToken', world.signers[ADMIN], ZERO.replace(/0$/, '1')) : await world.put('MystToken', world.signers[ADMIN]);
    await foreign.mint(registry.target, 5n);
    await world.mint(registry.target, 6n);
    const home = world.person('home').address;
    await world.refused(registry.claimTokens(foreign), 'no funds destination');
    await world.refused(registry.claimEthers(), 'no funds destination');
    await world.refused(registry.connect(world.signers[STRANGER]).setFundsDestination(home), 'not the owner');
    await world.refused(registry.setFundsDestination(ZERO), 'funds destination is zero');
    equal(await world.event(registry.setFundsDestination(home), 'DestinationChanged'), [ZERO, home]);
    equal(await registry.getFundsDestination(), home);
    const anyone = registry.connect(world.signers[STRANGER]);
    await world.refused(anyone.claimTokens(world.token), "the network's token cannot be claimed");
    await anyone.claimTokens(foreign);
    equal(await foreign.balanceOf(home), 5n);
    await world.rpc('anvil_setBalance', registry.target, '0x64');
    await anyone.claimEthers();
    equal(await world.provider.getBalance(home), 100n);
  },

  async native_coin_is_not_taken(world) {
    await world.refused(world.signers[PAYER].sendTransaction({ to: world.registry.target, value: 1n }), 'no words');
  },

  // ---- registerIdentity ----
  async registration_opens_the_channel_and_pays(world) {
    const alice = world.person('alice'), home = world.person('home').address;
    const channel = await world.channelOf(alice);
    await world.mint(channel.target, 20n * MYST);
    const before = await world.balance(world.signers[PAYER].address);
    const events = await world.events(register(world, alice, { fee: MYST, beneficiary: home }));
    equal(events.filter((e) => e.address === world.registry.target).map((e) => [e.name, ...e.values]), [
      ['ConsumerChannelCreated', alice.address, world.hermes.target, channel.target],
      ['RegisteredIdentity', alice.address, home],
    ]);
    equal(await world.balance(world.signers[PAYER].address) - before, MYST);
    equal(
      [await world.balance(channel), await world.balance(world.registry), await world.registry.isRegistered(alice.address), await world.registry.getBeneficiary(alice.address), await world.registry.isChannelOpened(alice.address, world.hermes)],
      [19n * MYST, 0n, true, home, true]);
    equal([await channel.operator(), await channel.owner(), await channel.isInitialized()], [alice.address, alice.address, true]);
    equal(await channel.hermes(), [world.operator.address, world.hermes.target, 0n]);
  },

  async default_beneficiary_is_the_channel(world) {
    const alice = world.person('alice');
    const channel = await world.register(alice);
    equal(await world.registry.getBeneficiary(alice.address), channel.target);
  },

  async registration_with_stake(world) {
    const bob = world.person('bob');
    await world.register(bob, { stake: 3n * MYST, fee: MYST, funds: 5n });
    const channel = await world.channelOf(bob);
    equal(await world.hermes.channels(world.channelId(bob)), [0n, 3n * MYST, 0n, 0n]);
    equal([await world.balance(channel), await world.balance(world.registry)], [5n, 0n]);
  },

  async registration_without_enough_funds(world) {
    const alice = world.person('alice');
    await world.mint((await world.channelOf(alice)).target, 2n * MYST - 1n);
    await world.refused(register(world, alice, { fee: 2n * MYST }), 'not enough funds in the channel');
    await world.refused(register(world, alice, { stake: MYST, fee: MYST }), 'not enough funds in the channel');
    await world.refused(register(world, alice, { stake: ethers.MaxUint256, fee: MYST }), 'panic 0x11');
    await register(world, alice, { fee: 2n * MYST - 1n });
  },

  async registration_twice(world) {
    const alice = world.person('alice');
    await world.register(alice);
    await world.refused(register(world, alice), 'FailedDeployment');
  },

  async registration_with_a_malformed_signature(world) {
    const alice = world.person('alice');
    const good = ethers.getBytes(world.signRegistration(alice, {}));
    const vZero = good.slice();
    vZero[64] -= 27;
    const highS = good.slice();
    const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    highS.set(ethers.getBytes(ethers.toBeHex(n - ethers.toBigInt(good.slice(32, 64)), 32)), 32);
    highS[64] = 55 - highS[64];
    const bad = { vZero, highS, short: good.slice(0, 64), long: new Uint8Array([...good, 0]), zeros: new Uint8Array(65), empty: new Uint8Array(0) };
    for (const signature of Object.values(bad)) await world.refused(register(world, alice, { signature }), 'malformed signature');
    await register(world, alice, { signature: good });
  },

  // Any other field signs for an identity nobody has the key of: with a fee its channel is empty.
  async registration_of_other_than_signed_fields(world) {
    const alice = world.person('alice'), other = world.person('other').address;
    await world.mint((await world.channelOf(alice)).target, 10n * MYST);
    const signature = world.signRegistration(alice, { fee: MYST });
    await world.refused(register(world, alice, { fee: 2n * MYST, signature }), 'not enough funds in the channel');
    await world.refused(register(world, alice, { fee: MYST, beneficiary: other, signature }), 'not enough funds in the channel');
    await world.refused(register(world, alice, { stake: 1n, fee: MYST, signature }), 'not enough funds in the channel');
    const onOtherChain = world.sign(alice, CHAIN_ID + 1, world.registry, world.hermes, 0n, MYST, ZERO);
    await world.refused(register(world, alice, { fee: MYST, signature: onOtherChain }), 'not enough funds in the channel');
    equal(await world.registry.isRegistered(alice.address), false);
  },

  async registration_needs_an_active_hermes(world) {
    const alice = world.person('alice');
    await world.refused(world.registry.registerIdentity(NOWHERE, 0, 0, ZERO, world.sign(alice, CHAIN_ID, world.registry, NOWHERE, 0, 0, ZERO)), 'no such hermes');
    const operator = await world.impersonate(world.operator.address);
    await world.hermes.connect(operator).pauseChannelOpening();
    await world.refused(register(world, alice), 'hermes is not active');
    await world.hermes.connect(operator).activateChannelOpening();
    await register(world, alice);
  },

  async a_second_hermes_keeps_the_beneficiary(world) {
    const alice = world.person('alice'), home = world.person('home').address;
    await world.register(alice, { beneficiary: home });
    const second = await world.registerHermes(world.person('second operator').address);
    const events = await world.events(register(world, alice, { hermes: second, beneficiary: world.person('elsewhere').address }));
    equal(events.map((e) => e.name).filter((n) => n === 'RegisteredIdentity'), []);
    equal(await world.registry.getBeneficiary(alice.address), home);
    equal((await (await world.channelOf(alice, second)).hermes())[1], second.target);
  },

  // ---- openConsumerChannel ----
  async open_channel_keeps_the_fee_in_the_registry(world) {
    const alice = world.person('alice');
    const channel = await world.channelOf(alice);
    await world.mint(channel.target, 3n * MYST);
    const sign = (fee) => world.sign(alice, CHAIN_ID, world.registry, world.hermes, fee);
    const open = world.registry.connect(world.signers[PAYER])['openConsumerChannel(address,uint256,bytes)'];
    await world.refused(open(world.hermes, 4n * MYST, sign(4n * MYST)), 'not enough funds in the channel');
    const before = await world.balance(world.signers[PAYER].address);
    await open(world.hermes, MYST, sign(MYST));
    equal(
      [await world.balance(channel), await world.balance(world.registry), await world.balance(world.signers[PAYER].address) - before, await world.registry.getBeneficiary(alice.address)],
      [2n * MYST, MYST, 0n, channel.target]);
    await world.refused(open(world.hermes, 0n, sign(0n)), 'FailedDeployment');
    await world.refused(open(NOWHERE, 0n, sign(0n)), 'no such hermes');
    await world.refused(world.registry.connect(world.signers[STRANGER]).transferCollectedFeeTo(alice.address), 'not the owner');
    await world.registry.transferCollectedFeeTo(alice.address);
    equal([await world.balance(alice.address), await world.balance(world.registry)], [MYST, 0n]);
  },

  // As the network's registry does, which callers know: code at the address is what they ask for.
  async root_registry_cannot_tell_of_channels_that_are_not_open(world) {
    const alice = world.person('alice');
    const open = world.registry['openConsumerChannel(address,address)'];
    await world.refused(world.registry.isChannelOpened(alice.address, world.hermes), 'no words');
    await world.refused(open(alice.address, world.hermes), 'no words');
    await world.register(alice);
    equal(await world.registry.isChannelOpened(alice.address, world.hermes), true);
    await world.refused(open(alice.address, world.hermes), 'channel is already open');
    await world.refused(open(alice.address, NOWHERE), 'no such hermes');
  },

  // ---- beneficiary ----
  async beneficiary_change(world) {
    const alice = world.person('alice'), home = world.person('home').address;
    await world.register(alice);
    const set = (to, nonce, signer = alice) => world.registry.setBeneficiary(alice.address, to, world.signBeneficiary(signer, to, nonce));
    await world.refused(set(ZERO, 1), 'beneficiary is zero');
    await world.refused(set(home, 0), 'not signed by the identity');
    await world.refused(set(home, 2), 'not signed by the identity');
    await world.refused(
      world.registry.setBeneficiary(alice.address, home, world.sign(world.person('bob'), CHAIN_ID, world.registry, alice.address, home, 1)), 'not signed by the identity');
    equal(await world.event(set(home, 1), 'BeneficiaryChanged'), [alice.address, home]);
    equal([await world.registry.getBeneficiary(alice.address), await world.registry.lastNonce()], [home, 1n]);
    await world.refused(set(home, 1), 'not signed by the identity');
    await set(world.person('elsewhere').address, 2);
  },

  async one_nonce_for_all_beneficiaries(world) {
    const [alice, bob, home] = [world.person('alice'), world.person('bob'), world.person('home').address];
    const first = world.signBeneficiary(alice, home, 1), second = world.signBeneficiary(bob, home, 1);
    await world.registry.setBeneficiary(alice.address, home, first);
    await world.refused(world.registry.setBeneficiary(bob.address, home, second), 'not signed by the identity');
  },

  async beneficiary_of_one_who_never_registered(world) {
    const alice = world.person('alice'), home = world.person('home').address;
    await world.registry.setBeneficiary(alice.address, home, world.signBeneficiary(alice, home, 1));
    equal([await world.registry.isRegistered(alice.address), await world.registry.getBeneficiary(alice.address)], [true, home]);
  },

  // ---- Hermes contracts ----
  async hermes_registration(world) {
    const operator = world.person('second operator').address;
    const predicted = await world.registry['getHermesAddress(address)'](operator);
    equal(await world.registry.isHermes(predicted), false);
    const before = await world.balance(world.signers[ADMIN].address);
    const events = await world.events(world.registry.registerHermes(operator, 70n * MYST, 2000, 1n, 5n, url('http://second')));
    equal(events.find((e) => e.name === 'RegisteredHermes').values, [predicted, operator, ethers.hexlify(url('http://second'))]);
    const hermes = world.at('HermesImplementation', predicted);
    equal(before - await world.balance(world.signers[ADMIN].address), 70n * MYST);
    equal(
      [await world.registry.isHermes(predicted), await world.balance(predicted), await hermes.getHermesStake(), await hermes.getOperator(), await hermes.owner(), await hermes.getRegistry(), await hermes.getStatus(), await hermes.isInitialized()],
      [true, 70n * MYST, 70n * MYST, operator, operator, world.registry.target, 0n, true]);
    equal([await hermes.getStakeThresholds(), (await hermes.lastFee())[0], await hermes.getActiveFee(), await hermes.previousFee()], [[1n, 5n], 2000n, 2000n, [0n, 0n]]);
    equal(await world.token.allowance(world.registry, hermes), ethers.MaxUint256);
    equal(await world.token.allowance(hermes, world.dexAddress()), ethers.MaxUint256);
    equal(ethers.toUtf8String(await world.registry.getHermesURL(predicted)), 'http://second');
  },

  async hermes_registration_refused(world) {
    const operator = world.person('second operator').address;
    await world.refused((await fresh(world)).registerHermes(operator, 0, 400, 0, 1, '0x'), 'not initialized');
    await world.refused(world.registerHermes(ZERO), 'operator is zero');
    await world.refused(world.registerHermes(world.operator.address), 'hermes is already registered');
    await world.refused(world.registerHermes(operator, { fee: 5001 }), 'fee is too high');
    await world.refused(world.registerHermes(operator, { min: 5n, max: 5n }), 'max stake is not above min stake');
    await world.refused(
      world.registry.connect(world.signers[STRANGER]).registerHermes(operator, 1n, 400, 0, 1, '0x'), 'ERC20InsufficientAllowance');
    await world.registerHermes(operator, { fee: 5000, min: 4n, max: 5n });
  },

  async no_hermes_at_the_address_of_operator_zero(world) {
    equal(await world.registry.isHermes(NOWHERE), false);
    equal(await world.registry.isHermes(world.person('alice').address), false);
    // The record of nobody derives this address; it has no code, and there is no parent to ask.
    await world.refused(world.registry.isHermes(await world.registry['getHermesAddress(address)'](ZERO)), 'no words');
  },

  async hermes_record(world) {
    const [operator, version, getter, text] = await world.registry.getHermes(world.hermes);
    equal([operator, version, getter, text], [world.operator.address, 0n, world.hermes.target.toLowerCase() + 'fc0e3d90', ethers.hexlify(url('http://hermes:8889'))]);
    equal(await world.registry.getHermes(NOWHERE), [ZERO, 0n, '0x' + '00'.repeat(24), '0x']);
    equal(await world.registry.getHermesURL(NOWHERE), '0x');
  },

  async hermes_url_change(world) {
    const { registry, hermes, operator } = world;
    const home = world.person('home').address, alice = world.person('alice');
    await registry.setBeneficiary(alice.address, home, world.signBeneficiary(alice, home, 1));  // lastNonce is 1 now
    const update = (nonce, { who = operator, text = 'http://new', signed = text } = {}) =>
      registry.connect(world.signers[STRANGER]).updateHermesURL(hermes, url(text), world.sign(who, registry, hermes, ethers.hexlify(url(signed)), nonce));
    await world.refused(update(0), 'not signed by the operator');
    await world.refused(update(2), 'not signed by the operator');
    await world.refused(update(1, { who: alice }), 'not signed by the operator');
    await world.refused(update(1, { signed: 'http://nev' }), 'not signed by the operator');
    equal(await world.event(update(1), 'HermesURLUpdated'), [hermes.target, ethers.hexlify(url('http://new'))]);
    equal([ethers.toUtf8String(await registry.getHermesURL(hermes)), await registry.lastNonce()], ['http://new', 2n]);
    await world.refused(update(1), 'not signed by the operator');
    await world.refused(registry.updateHermesURL(NOWHERE, '0x', world.sign(operator, registry, NOWHERE, 2)), 'no such hermes');
    await world.hermes.connect(await world.impersonate(operator.address)).pauseChannelOpening();
    await world.refused(update(2), 'hermes is not active');
  },

  // ---- versions ----
  async two_versions_of_the_implementations(world) {
    const { registry, hermes } = world;
    const [alice, bob] = [world.person('alice'), world.person('bob')];
    await world.register(alice);
    const channel1 = await world.put('ChannelImplementation', world.signers[ADMIN]);
    const hermes1 = await world.put('HermesImplementation', world.signers[ADMIN]);
    await world.refused(registry.connect(world.signers[STRANGER]).setImplementations(channel1, hermes1), 'not the owner');
    await world.refused(registry.setImplementations(NOWHERE, hermes1), 'channel implementation has no code');
    await world.refused(registry.setImplementations(channel1, NOWHERE), 'hermes implementation has no code');
    const predicted = await registry['getHermesAddress(address)'](world.operator.address);
    await registry.setImplementations(channel1, hermes1);
    equal(
      [await registry.getLastImplVer(), await registry['getChannelImplementation()'](), await registry['getHermesImplementation()'](), await registry['getChannelImplementation(uint256)'](0), await registry['getHermesImplementation(uint256)'](0), await registry['getChannelImplementation(uint256)'](1)],
      [1n, channel1.target, hermes1.target, world.channelImplementation.target, world.hermesImplementation.target, channel1.target]);
    await world.refused(registry['getChannelImplementation(uint256)'](2), 'panic 0x32');

    // The same operator has another Hermes with the new version; the old one stays as it was.
    equal(predicted, hermes.target);
    const second = await world.registerHermes(world.operator.address);
    equal(second.target !== hermes.target, true);
    equal(await registry['getHermesAddress(address,uint256)'](world.operator.address, 0), hermes.target);
    equal([(await registry.getHermes(hermes))[1], (await registry.getHermes(second))[1]], [0n, 1n]);
    equal([await registry.isHermes(hermes), await registry.isHermes(second)], [true, true]);

    const proxy = (implementation) => '0x363d3d373d3d3d363d73' + implementation.target.slice(2).toLowerCase() + '5af43d82803e903d91602b57fd5bf3';
    const [old, young] = [await world.register(bob), await world.register(bob, { hermes: second })];
    equal(await world.provider.getCode(old), proxy(world.channelImplementation));
    equal(await world.provider.getCode(young), proxy(channel1));
    equal(await world.provider.getCode(second), proxy(hermes1));
    equal(await world.provider.getCode(hermes), proxy(world.hermesImplementation));
    equal((await world.channelOf(alice)).target, ethers.getCreate2Address(
      registry.target, world.channelId(alice), ethers.keccak256(await registry.getProxyCode(world.channelImplementation))));
  },

  // ---- parent ----
  async child_registry_asks_its_parent(world) {
    const [alice, home] = [world.person('alice'), world.person('home').address];
    const registry = await child(world);
    equal([await registry.hasParentRegistry(), await registry.parentRegistry()], [true, world.registry.target]);
    equal([await registry.isRegistered(alice.address), await registry.getBeneficiary(alice.address)], [false, ZERO]);
    const channel = await world.register(alice);
    equal([await registry.isRegistered(alice.address), await registry.getBeneficiary(alice.address)], [true, channel.target]);
    await world.refused(registry.setBeneficiary(alice.address, ZERO, '0x'), 'beneficiary is zero');
    const events = await world.events(registry.setBeneficiary(alice.address, home, world.signBeneficiary(alice, home, 1)));
    equal(events.map((e) => [e.address, e.name]), [[world.registry.target, 'BeneficiaryChanged']]);
    equal([await registry.getBeneficiary(alice.address), await registry.lastNonce()], [home, 0n]);
    equal(await registry.isChannelOpened(alice.address, world.hermes), true);
    equal(await registry.getHermes(world.hermes), await world.registry.getHermes(world.hermes));
    equal(await registry.getHermes(NOWHERE), await world.registry.getHermes(NOWHERE));
  },

  async child_registry_has_hermeses_of_its_own(world) {
    const registry = await child(world);
    await world.token.approve(registry, ethers.MaxUint256);
    const operator = world.person('second operator').address;
    await registry.registerHermes(operator, MYST, 400, 0, 1, url('http://child'));
    const hermes = await registry['getHermesAddress(address)'](operator);
    equal([await registry.isHermes(hermes), await world.registry.isHermes(hermes)], [true, false]);
    equal(await registry.isHermes(world.hermes), false);
    equal((await registry.getHermes(hermes))[0], operator);
  },
};

module.exports = { tests };
