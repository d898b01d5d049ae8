'use strict';
// Many consumers' promises at once, and what money moves cost in gas.
const { MYST, PAYER, equal, ethers } = require('./world');

const HOME = '0x1234aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa123412';

async function consumers(world, count) {
  const list = [];
  for (let i = 0; i < count; ++i) {
    const person = world.person(`consumer ${i}`);
    list.push({ person, channel: await world.register(person, { funds: 10n * MYST }) });
  }
  return list;
}

const promised = (world, { person, channel }, amount, fee = 0n) => {
  const { r, signature } = world.promise(person, channel, amount, { fee, r: ethers.id(`${person.address} ${amount}`) });
  return { channel: channel.target, amount, fee, preimage: r, signature };
};

const collector = (world) => world.put('PromiseCollector', world.signers[PAYER]);
const gas = async (transaction) => (await (await transaction).wait()).gasUsed;

const tests = {
  async one_transaction_settles_what_100_consumers_paid(world) {
    const all = await consumers(world, 100);
    const cash = await collector(world);
    const [hermes, caller] = [await world.balance(world.hermes), await world.balance(world.signers[PAYER].address)];
    const used = [];
    let next = MYST;
    for (const count of [1, 10, 100]) {
      // The first promise of a channel costs more: all of them were cashed before.
      if (count === 1) await cash.settle(world.token, all.map((c) => promised(world, c, next, 3n)));
      next += MYST;
      used.push(await gas(cash.settle(world.token, all.slice(0, count).map((c) => promised(world, c, next, 3n)))));
    }
    let total = 0n;
    for (const { channel } of all) total += (await channel.hermes())[2];
    equal([await world.balance(world.signers[PAYER].address) - caller, await world.balance(cash)], [211n * 3n, 0n]);
    equal(await world.balance(world.hermes) - hermes, total - 211n * 3n);
    equal(total, 400n * MYST);
    console.log(`gas of cashing the promises of 1, 10, 100 consumers in one transaction: ${used.join(', ')}`);
  },

  // The provider's side: one promise of the Hermes stands for all its consumers.
  async one_promise_to_the_provider_for_100_consumers(world) {
    const bob = world.person('bob');
    await world.register(bob, { beneficiary: HOME });
    await world.hermes.settlePromise(...world.settlement(bob, MYST / 10n, { fee: 3n }));
    const used = [];
    let amount = MYST / 10n;
    for (const count of [1, 10, 100]) {
      amount += BigInt(count) * MYST / 10n;  // a tenth from each
      used.push(await gas(world.hermes.settlePromise(...world.settlement(bob, amount, { fee: 3n }))));
    }
    equal((await world.hermes.channels(world.channelId(bob)))[0], 112n * MYST / 10n);
    console.log(`gas of settling what 1, 10, 100 consumers paid to one provider: ${used.join(', ')}`);
  },

  async what_else_costs_gas(world) {
    const [alice, bob] = [world.person('alice'), world.person('bob')];
    const channel = await world.channelOf(alice);
    await world.mint(channel.target, 10n * MYST);
    await world.register(world.person('first'));
    const register = gas(world.registry.connect(world.signers[PAYER]).registerIdentity(
      world.hermes, 0, MYST, ethers.ZeroAddress, world.signRegistration(alice, { fee: MYST })));
    const { amount, fee, r, signature } = world.promise(alice, channel, MYST, { fee: 3n });
    const costs = { registerIdentity: await register, 'channel settlePromise (first)': await gas(channel.settlePromise(amount, fee, r, signature)) };
    await world.register(bob, { beneficiary: HOME });
    costs['hermes settlePromise (first)'] = await gas(world.hermes.settlePromise(...world.settlement(bob, MYST, { fee: 3n })));
    const to = world.person('home').address;
    costs.settleWithBeneficiary = await gas(
      world.hermes.settleWithBeneficiary(...world.settlement(bob, 2n * MYST, { fee: 3n }), to, world.signBeneficiary(bob, to, 1)));
    for (const [name, used] of Object.entries(costs)) equal(used > 30000n && used < 500000n, true, `gas of ${name}: ${used}`);
    console.log(`gas: ${Object.entries(costs).map(([name, used]) => `${name} ${used}`).join(', ')}`);
  },

  async a_promise_that_fails_does_not_stop_the_others(world) {
    const all = await consumers(world, 4);
    const cash = await collector(world);
    const list = all.map((c) => promised(world, c, MYST));
    list[1] = { ...list[1], amount: 2n * MYST };
    list[2] = { ...list[2], channel: world.person('nobody').address };
    equal(await cash.settle.staticCall(world.token, list), 2n);
    const receipt = await (await cash.settle(world.token, list)).wait();
    const refused = receipt.logs.map((log) => cash.interface.parseLog(log)).filter((e) => e && e.name === 'PromiseRefused').map((e) => e.args);
    equal(refused.map((e) => e[0]), [list[1].channel, list[2].channel]);
    equal(ethers.AbiCoder.defaultAbiCoder().decode(['string'], '0x' + refused[0][1].slice(10))[0], 'promise is not signed by the identity');
    equal(refused[1][1], '0x');
    equal(await Promise.all(all.map(async ({ channel }) => (await channel.hermes())[2])), [MYST, 0n, 0n, MYST]);
  },

  async the_same_promise_twice_in_a_batch(world) {
    const [one] = await consumers(world, 1);
    const cash = await collector(world);
    const p = promised(world, one, MYST, 5n);
    equal(await cash.settle.staticCall(world.token, [p, p]), 1n);
    await cash.settle(world.token, [p, p]);
    equal(await world.balance(one.channel), 9n * MYST);
  },

  // Promises of new channels cost most; an estimate of the gas must not leave any out.
  async enough_gas_for_all_or_none(world) {
    const all = await consumers(world, 12);
    const cash = await collector(world);
    const list = all.map((c) => promised(world, c, MYST, 3n));
    await world.refused(cash.settle.staticCall(world.token, list, { gasLimit: 700000n }), 'not enough gas');
    const estimate = await cash.settle.estimateGas(world.token, list);
    const receipt = await (await cash.settle(world.token, list, { gasLimit: estimate })).wait();
    equal(receipt.logs.filter((log) => cash.interface.parseLog(log)).length, 0, 'refused');
    for (const { channel } of all) equal((await channel.hermes())[2], MYST);
  },

  async an_empty_batch(world) {
    equal(await (await collector(world)).settle.staticCall(world.token, []), 0n);
  },
};

module.exports = { tests };
