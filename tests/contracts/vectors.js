'use strict';
// What was recorded from the network's own bytecode, replayed: transactions with their logs,
// reads, addresses, fees, selectors. The account and order of the recording give its addresses.
const { equal, ethers, vectors } = require('./world');

const recorded = vectors('payments');
const DEPLOYER = recorded.e2e_deployment.deployer;
// When the Hermes was registered; its fee is valid from then.
const RECORDED_AT = '0x' + recorded.eth_calls.find((c) => c.label === 'hermes lastFee').result.slice(-16);

const lower = (value) => JSON.parse(JSON.stringify(value).toLowerCase());

async function place(world) {
  const signer = await world.impersonate(DEPLOYER);
  const old = world.other ? 'OldMystToken' : 'DevelopmentDex';  // any contract: only its place counts
  const put = async (name, ...args) => (await world.put(name, signer, ...args)).target;
  const registry = await put('Registry');
  const second = await put(old);
  const token = await (world.other ? put('MystToken', second) : put('MystToken'));
  return { signer, addresses: [registry, second, token, await put('ChannelImplementation'), await put('HermesImplementation')] };
}

// Sends the recorded transactions one after the other; `check` sees each with its receipt.
async function replay(world, signer, check) {
  for (const step of recorded.evm_steps) {
    if (step.label === 'registerHermes') await world.rpc('evm_setNextBlockTimestamp', ethers.toQuantity(RECORDED_AT));
    const receipt = await (await signer.sendTransaction({ to: step.to, data: step.data })).wait();
    await check(step, receipt);
  }
}

async function atTheEnd(world) {
  const { signer } = await place(world);
  await replay(world, signer, () => {});
  return signer;
}

// Writes the fee in force where the contract keeps it: some recorded fees are above its limit.
async function fees(world, cases) {
  const signer = await atTheEnd(world);
  const hermes = world.at('HermesImplementation', recorded.evm_state.hermes, signer);
  const word = (value, validFrom) => ethers.toBeHex((validFrom << 16n) | value, 32);
  const [value, validFrom] = await hermes.lastFee();
  let slot = 0;
  while (await world.provider.getStorage(hermes, slot) !== word(value, validFrom)) equal(++slot < 64, true, 'slot of the fee');
  for (const { amount, fee, fee_per_10000: rate } of cases) {
    await world.rpc('anvil_setStorageAt', hermes.target, ethers.toBeHex(slot, 32), word(BigInt(rate), validFrom));
    equal(await hermes.calculateHermesFee(amount), fee, `${rate}/10000 of ${amount}`);
  }
}

const tests = {
  async addresses_of_the_deployment(world) {
    const { addresses } = await place(world);
    equal(lower(addresses), recorded.e2e_deployment.by_nonce.map((c) => c.address));
  },

  async transactions_and_their_logs(world) {
    const { signer } = await place(world);
    await replay(world, signer, (step, receipt) => {
      const logs = receipt.logs.map(({ address, topics, data }) => ({ address, topics: [...topics], data }));
      equal(lower(logs), lower(step.logs), step.label);
    });
  },

  async reads(world) {
    await atTheEnd(world);
    for (const call of recorded.eth_calls) {
      equal(await world.rpc('eth_call', { to: call.to, data: call.data }, 'latest'), call.result, call.label);
    }
  },

  async settlement_search(world) {
    await atTheEnd(world);
    const { filter, logs } = recorded.eth_get_logs;
    const found = await world.rpc('eth_getLogs', filter);
    equal(lower(found.map(({ address, topics, data }) => ({ address, topics, data }))), lower(logs));
  },

  async state_after_the_transactions(world) {
    const { signer } = await place(world);
    const state = recorded.evm_state;
    const person = (name) => recorded.keys.find((k) => k.name === name).address_eip55;
    const [registry, hermes, token] = [['Registry', state.addresses.registry], ['HermesImplementation', state.hermes], ['MystToken', state.addresses.myst]]
      .map(([name, address]) => world.at(name, address, signer));
    const channel = world.at('ChannelImplementation', state.after_register[1], signer);
    const id = ethers.keccak256(ethers.concat([person('spec_provider'), state.hermes]));
    await replay(world, signer, async ({ label }) => {
      if (label === 'registerIdentity') {
        const consumer = person('spec_consumer');
        const got = [await registry.isRegistered(consumer), await registry.getBeneficiary(consumer), await token.balanceOf(channel)];
        equal(got, state.after_register, label);
      } else if (label === 'channel settlePromise') {
        equal(await channel.hermes(), state.channel_hermes_after_settle, label);
      } else if (label === 'hermes settlePromise') {
        equal(await hermes.channels(id), state.provider_channel_after_settle, label);
        equal(await token.balanceOf('0x1234aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa123412'), state.beneficiary_balance_after_settle, label);
      } else if (label === 'settleIntoStake') {
        equal(await hermes.channels(id), state.provider_channel_after_settle_into_stake, label);
      } else if (label === 'decreaseStake') {
        equal(await hermes.channels(id), state.provider_channel_after_decrease_stake, label);
      }
    });
  },

  async transactions_once_more_are_refused(world) {
    const signer = await atTheEnd(world);
    const again = (label) => {
      const step = recorded.evm_steps.find((s) => s.label === label);
      return signer.sendTransaction({ to: step.to, data: step.data });
    };
    const words = {
      'initialize': 'already initialized',
      'registerHermes': 'hermes is already registered',
      'channel settlePromise': 'nothing to settle',
      'hermes settlePromise': 'panic 0x11',  // less than settled meanwhile
      'settleWithBeneficiary': 'not signed by the identity',  // an old nonce
      'payAndSettle': 'amount does not cover the fee',
      'settleIntoStake': 'amount does not cover the fee',
      'decreaseStake': 'not signed by the identity',
      'openConsumerChannel': 'FailedDeployment',
      'fastExit': 'not signed by the identity',
      'updateHermesURL': 'not signed by the operator',
    };
    for (const [label, said] of Object.entries(words)) await world.refused(again(label), said);
    const provider = recorded.evm_steps.find((s) => s.label === 'provider registerIdentity');
    await world.refused(signer.sendTransaction({ to: provider.to, data: provider.data }), 'FailedDeployment');
  },

  async signatures_marked_evm(world) {
    const { signer } = await place(world);
    await replay(world, signer, () => {});
    // Every recorded signature is part of a recorded transaction.
    const sent = recorded.evm_steps.map((s) => s.data).join();
    const marked = [...recorded.signed_requests, ...recorded.promise].filter((r) => r.source.startsWith('evm'));
    equal(marked.length > 8, true);
    for (const { type, signature } of marked) equal(sent.includes(signature.slice(2)), true, type || 'promise');
    const hermes = world.at('HermesImplementation', recorded.evm_state.hermes, signer);
    const promise = recorded.promise.find((p) => p.source.startsWith('evm (Hermes'));
    const sentAs = world.at('HermesImplementation', ethers.ZeroAddress).interface.parseTransaction(
      recorded.evm_steps.find((s) => s.label === 'hermes settlePromise'));
    const r = sentAs.args[3];
    equal(ethers.keccak256(r), promise.hashlock);
    equal(await hermes.validatePromise(promise.channel_id, promise.amount, promise.fee, r, promise.signature), true);
    equal(await hermes.validatePromise(promise.channel_id, promise.amount + '0', promise.fee, r, promise.signature), false);
    await world.refused(
      hermes.validatePromise(promise.channel_id, promise.amount, promise.fee, r, promise.signature_raw), 'malformed signature');
  },

  async channel_addresses_and_ids(world) {
    const { signer } = await place(world);
    await replay(world, signer, () => {});
    const registry = world.at('Registry', recorded.evm_state.addresses.registry, signer);
    const hermes = world.at('HermesImplementation', recorded.evm_state.hermes, signer);
    const mine = (entry) => entry.registry === undefined || entry.registry === registry.target.toLowerCase();
    let checked = 0;
    for (const v of recorded.consumer_channel_address.filter((v) => mine(v) && v.hermes === hermes.target.toLowerCase())) {
      equal(await registry.getChannelAddress(v.identity, v.hermes), v.channel_address_eip55);
      ++checked;
    }
    for (const v of recorded.hermes_address.filter(mine)) {
      equal(lower(await registry['getHermesAddress(address)'](v.operator)), v.hermes);
      equal(lower(await registry['getHermesAddress(address,uint256)'](v.operator, 0)), v.hermes);
      ++checked;
    }
    for (const v of recorded.provider_channel_id.filter((v) => v.hermes === hermes.target.toLowerCase())) {
      equal(await hermes['getChannelId(address)'](v.identity), v.channel_id);
      equal(await hermes['getChannelId(address,string)'](v.identity, 'withdrawal'), v.withdrawal_channel_id);
      ++checked;
    }
    for (const v of recorded.minimal_proxy) {
      const code = await registry.getProxyCode(v.implementation);
      equal(code, v.init_code || code);
      equal(ethers.keccak256(code), v.init_code_hash);
      ++checked;
    }
    equal(checked, 8, 'vectors checked');
    const channel = await registry.getChannelAddress(recorded.keys.find((k) => k.name === 'spec_consumer').address_eip55, hermes);
    const init = recorded.minimal_proxy[0].init_code;
    equal(await world.provider.getCode(channel), '0x' + init.slice(22), 'code of a proxy');
  },

  async hermes_fees(world) {
    const { cases, fee_per_10000: rate } = recorded.hermes_fee;
    await fees(world, cases.map((c) => ({ ...c, fee_per_10000: rate })));
  },

  async hermes_fees_of_promises(world) {
    await fees(world, vectors('promises').hermes_fees.cases);
  },

  // What the network's bindings name and we leave out: an unfinished exit, and what moves tokens
  // from or to another token contract.
  selectors_and_topics(world) {
    if (world.other) return world.OURS_ONLY;
    const without = {
      ChannelImplementation: ['exitRequest()', 'ExitRequested(uint256)'],
      MystToken: ['claimTokens(address)', 'getFundsDestination()', 'setFundsDestination(address)', 'FundsRecoveryDestinationChanged(address,address)',
        'getUpgradeState()', 'isUpgradeAgent()', 'originalSupply()', 'originalToken()', 'setUpgradeAgent(address)', 'totalUpgraded()',
        'upgrade(uint256)', 'upgradeAgent()', 'upgradeFrom(address,uint256)', 'Upgrade(address,address,uint256)', 'UpgradeAgentSet(address)'],
    };
    for (const name of ['Registry', 'ChannelImplementation', 'HermesImplementation', 'MystToken']) {
      const abi = new ethers.Interface(world.artifacts[name].abi);
      const missing = [];
      for (const [signature, selector] of Object.entries(recorded.abi[name].functions)) {
        const ours = abi.getFunction(signature);
        if (ours) equal(ours.selector, selector, signature); else missing.push(signature);
      }
      for (const [signature, topic] of Object.entries(recorded.abi[name].events)) {
        const ours = abi.getEvent(signature);
        if (ours) equal(ours.topicHash, topic, signature); else missing.push(signature);
      }
      equal(missing.sort(), (without[name] || []).sort(), name);
    }
  },

  async raw_transactions_are_understood(world) {
    for (const { fields, raw, tx_hash: hash, from } of recorded.raw_transactions) {
      await world.impersonate(from);
      await world.rpc('anvil_setNonce', from, ethers.toQuantity(fields.nonce));
      equal(await world.rpc('eth_sendRawTransaction', raw), hash);
      equal(lower((await world.provider.getTransaction(hash)).from), lower(from));
      await world.rpc('anvil_setNonce', from, '0x0');
    }
  },
};

module.exports = { tests, empty: true };
