'use strict';
// The token: who mints, allowances, burning, permits.
const { ADMIN, CHAIN_ID, PAYER, STRANGER, equal, ethers } = require('./world');

const ZERO = ethers.ZeroAddress;
const as = (world, n) => world.token.connect(world.signers[n]);

const tests = {
  async what_it_is(world) {
    equal([await world.token.symbol(), await world.token.decimals()], ['MYST', 18n]);
    equal(await world.token.upgradeMaster(), world.signers[ADMIN].address);
  },

  async only_the_upgrade_master_mints(world) {
    const [payer, total] = [world.signers[PAYER].address, await world.token.totalSupply()];
    await world.refused(as(world, PAYER).mint(payer, 1n), 'not the upgrade master');
    const events = await world.events(world.token.mint(payer, 5n));
    equal(events.map((e) => [e.name, ...e.values]), [['Minted', payer, 5n], ['Transfer', ZERO, payer, 5n]]);
    equal([await world.balance(payer), await world.token.totalSupply() - total], [5n, 5n]);
    if (world.other) return;
    await world.refused(as(world, PAYER).setUpgradeMaster(payer), 'not the upgrade master');
    await world.refused(world.token.setUpgradeMaster(ZERO), 'upgrade master is zero');
    equal(await world.event(world.token.setUpgradeMaster(payer), 'UpgradeMasterSet'), [payer]);
    await world.refused(world.token.mint(payer, 1n), 'not the upgrade master');
    await as(world, PAYER).mint(payer, 1n);
  },

  async transfers(world) {
    const [payer, stranger] = [world.signers[PAYER].address, world.signers[STRANGER].address];
    await world.mint(payer, 10n);
    equal(await world.event(as(world, PAYER).transfer(stranger, 4n), 'Transfer'), [payer, stranger, 4n]);
    await world.refused(as(world, PAYER).transfer(stranger, 7n), 'ERC20InsufficientBalance');
    equal([await world.balance(payer), await world.balance(stranger)], [6n, 4n]);
  },

  async transfer_to_nobody_burns(world) {
    const payer = world.signers[PAYER].address;
    await world.mint(payer, 10n);
    const total = await world.token.totalSupply();
    equal((await world.events(as(world, PAYER).transfer(ZERO, 4n))).map((e) => e.name).sort(), ['Burned', 'Transfer']);
    await as(world, PAYER).approve(world.signers[STRANGER].address, 3n);
    await as(world, STRANGER).transferFrom(payer, ZERO, 2n);
    await as(world, PAYER).burn(1n);
    equal([await world.balance(payer), total - await world.token.totalSupply(), await world.token.allowance(payer, world.signers[STRANGER].address)], [3n, 7n, 1n]);
    await world.refused(as(world, PAYER).burn(4n), 'ERC20InsufficientBalance');
    await world.refused(as(world, STRANGER).transferFrom(payer, ZERO, 2n), 'ERC20InsufficientAllowance');
  },

  async allowances(world) {
    const [payer, stranger] = [world.signers[PAYER].address, world.signers[STRANGER].address];
    await world.mint(payer, 100n);
    await world.refused(as(world, PAYER).approve(ZERO, 1n), 'ERC20InvalidSpender');
    equal(await world.event(as(world, PAYER).approve(stranger, 10n), 'Approval'), [payer, stranger, 10n]);
    const events = await world.events(as(world, STRANGER).transferFrom(payer, stranger, 4n));
    equal(events.map((e) => [e.name, ...e.values]), [['Approval', payer, stranger, 6n], ['Transfer', payer, stranger, 4n]]);
    await world.refused(as(world, STRANGER).transferFrom(payer, stranger, 7n), 'ERC20InsufficientAllowance');
    await as(world, PAYER).increaseAllowance(stranger, 5n);
    await as(world, PAYER).decreaseAllowance(stranger, 1n);
    equal(await world.token.allowance(payer, stranger), 10n);
    await world.refused(as(world, PAYER).decreaseAllowance(stranger, 11n), 'panic 0x11');
    await as(world, PAYER).approve(stranger, ethers.MaxUint256);
    equal((await world.events(as(world, STRANGER).transferFrom(payer, stranger, 4n))).map((e) => e.name), ['Transfer']);
    equal(await world.token.allowance(payer, stranger), ethers.MaxUint256);
  },

  async answers_yes(world) {
    const [payer, stranger] = [world.signers[PAYER].address, world.signers[STRANGER].address];
    await world.mint(payer, 10n);
    const own = as(world, PAYER), other = as(world, STRANGER);
    await own.approve(stranger, 5n);
    const answers = [
      own.transfer.staticCall(stranger, 1n), own.transfer.staticCall(ZERO, 1n), own.approve.staticCall(stranger, 1n),
      other.transferFrom.staticCall(payer, stranger, 1n), other.transferFrom.staticCall(payer, ZERO, 1n),
      own.increaseAllowance.staticCall(stranger, 1n), own.decreaseAllowance.staticCall(stranger, 1n),
    ];
    if (!world.other) answers.push(world.token.mint.staticCall(payer, 1n), own.burn.staticCall(1n));
    equal(await Promise.all(answers), answers.map(() => true));
  },

  async permit(world) {
    const alice = world.person('alice');
    const [spender, deadline] = [world.signers[STRANGER].address, await world.now() + 1000];
    await world.mint(alice.address, 10n);
    const domain = { name: await world.token.name(), version: '1', chainId: CHAIN_ID, verifyingContract: world.token.target };
    const types = { Permit: ['owner address', 'spender address', 'value uint256', 'nonce uint256', 'deadline uint256'].map((t) => ({ name: t.split(' ')[0], type: t.split(' ')[1] })) };
    equal(await world.token.DOMAIN_SEPARATOR(), ethers.TypedDataEncoder.hashDomain(domain));
    equal(await world.token.PERMIT_TYPEHASH(), ethers.id(ethers.TypedDataEncoder.from(types).encodeType('Permit')));
    const sign = async (fields) => ethers.Signature.from(await alice.signTypedData(domain, types, { owner: alice.address, spender, value: 7n, nonce: 0n, deadline, ...fields }));
    const send = ({ v, r, s }, value = 7n, until = deadline) => world.token.permit(alice.address, spender, value, until, v, r, s);
    await world.refused(send(await sign({}), 8n), 'ERC2612InvalidSigner');
    await world.refused(send(await sign({ nonce: 1n })), 'ERC2612InvalidSigner');
    await world.refused(send(await sign({ deadline: 1 }), 7n, 1), 'ERC2612ExpiredSignature');
    const good = await sign({});
    await send(good);
    equal([await world.token.allowance(alice.address, spender), await world.token.nonces(alice.address)], [7n, 1n]);
    await world.refused(send(good), 'ERC2612InvalidSigner');
  },
};

module.exports = { tests };
