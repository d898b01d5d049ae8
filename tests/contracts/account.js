'use strict';
// What an owner does with money: a running node, a hub, these contracts. Stake, withdrawal to the
// same and to another chain, the way from one Hermes to another; all through the node's REST API.
const fs = require('fs');
const os = require('os');
const path = require('path');
const { CHAIN_ID, MYST, deployment, equal, ethers, startChain } = require('./world');
const hubs = require('./hub');
const nodes = require('./node');

const { SETTLEMENT_FEE } = hubs;
const { until } = nodes;
const OTHER_CHAIN = 80002;

// A Hermes contract whose URL is the hub's, the hub, a node; for the time of `body`.
async function withAccount(world, body, { otherChain = false, otherHermes = false } = {}) {
  if (!hubs.PROGRAM || !nodes.PROGRAM) return 'myst and myst-hub are not built';
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'myst-account-'));
  const before = { hermes: world.hermes, operator: world.operator };
  const ends = [];
  try {
    const port = await hubs.freePort();
    world.operator = world.person('operator of the hub');
    world.hermes = await world.registerHermes(world.operator.address, { url: `http://127.0.0.1:${port}` });
    await world.mint(world.hermes.target, 1000n * MYST);
    const hub = new hubs.Hub(world, folder);
    ends.push(() => hub.child && hub.kill());
    hub.port = port;
    let there;
    if (otherChain) {
      there = await secondChain(world, hub, folder);
      ends.push(() => there.stop());
    }
    const fresh = otherHermes && await world.registerHermes(world.person('a new operator').address, { url: 'http://127.0.0.1:1' });
    if (fresh) hub.known.push(fresh.target);
    await hub.prepare();
    await hub.start();
    const flags = [`--transactor.address=http://127.0.0.1:${port}/transactor/api/v1`,
      '--payments.hermes.settle.check-interval=200ms', '--payments.registry-transactor-poll.interval=200ms', ...(there ? there.flags : [])];
    const start = (extra, during) => nodes.temporary((home) =>
      nodes.withNode(world, { rpc: [world.rpcUrl], folder: home, ...extra, flags: [...flags, ...(extra.flags || [])] }, during));
    return await body({ hub, there, fresh, start });
  } finally {
    for (const end of ends.reverse()) await end();
    Object.assign(world, before);
    fs.rmSync(folder, { recursive: true });
  }
}

// Contracts and the same operator's Hermes on a chain of another number.
async function secondChain(world, hub, folder) {
  const chain = await startChain({ chainId: OTHER_CHAIN });
  const signer = deployment.account(await chain.provider.getSigner(0));
  const at = await deployment.deploy(signer);
  const hermes = await deployment.registerHermes(signer, at, {
    operator: world.operator.address, url: `http://127.0.0.1:${hub.port}`, stake: 100n * MYST, minStake: 0n, maxStake: 62n * MYST, funds: 500n * MYST });
  await chain.provider.send('anvil_setBalance', [hub.key.address, '0x56bc75e2d63100000']);
  fs.writeFileSync(`${folder}/other.json`, JSON.stringify({ ...at, rpc: [chain.rpcUrl] }));
  hub.flags.push(`--contracts=${folder}/other.json`);
  const token = deployment.contractAt('MystToken', at.token, chain.provider);
  return {
    balance: (of) => token.balanceOf(of),
    stop: () => { chain.provider.destroy(); chain.stop(); },
    flags: [`--chains.1.chainID=${OTHER_CHAIN}`, `--chains.1.registry=${at.registry}`, `--chains.1.hermes=${hermes}`,
      `--chains.1.knownHermeses=${hermes}`, `--chains.1.channelImplementation=${at.channel_implementation}`, `--chains.1.myst=${at.token}`,
      `--ether.client.rpcl1=${chain.rpcUrl}`],
  };
}

async function unlocked(node, person) {
  const id = await nodes.importIdentity(node, person);
  equal((await node.api('PUT', `/identities/${id}/unlock`, { passphrase: '' })).status, 202, 'unlock');
  return id;
}

async function good(answer, status, what) {
  const { status: got, body } = await answer;
  equal(got, status, `${what}: ${JSON.stringify(body)}`);
  return body;
}

const withdrawals = async (node) => (await node.api('GET', '/transactor/settle/history?types=withdrawal')).body;

const tests = {
  async a_stake_goes_up_by_what_was_earned_and_comes_back(world) {
    return withAccount(world, async ({ hub, start }) => {
      const { consumers: [consumer], provider } = await hubs.people(hub);
      await hub.pay(consumer, provider, { agreement: 5n, total: 3n * MYST, amount: 3n * MYST });
      return start({}, async (node) => {
        // Nothing is on this node's disk: what was earned is known to Hermes.
        const id = await unlocked(node, provider);
        const identity = async () => (await node.api('GET', `/identities/${id}`)).body;
        await until('earnings are recovered', async () => (await identity()).earnings_tokens.wei === (3n * MYST).toString());
        await good(node.api('POST', '/transactor/stake/increase/sync', { provider_id: id, hermes_id: world.hermes.target }), 200, 'increase');
        const stake = async () => (await world.hermes.channels(world.channelId(provider))).stake;
        const fee = await world.hermes.calculateHermesFee(3n * MYST);
        equal(await stake(), 3n * MYST - fee - SETTLEMENT_FEE, 'stake');
        await until('the stake is shown', async () => BigInt((await identity()).stake) === await stake());
        const wallet = world.person('where a stake goes').address;
        const nonce = await world.registry.lastNonce() + 1n;
        await world.registry.setBeneficiary(provider.address, wallet, world.signBeneficiary(provider, wallet, nonce));
        const before = await stake();
        equal((await node.api('POST', '/transactor/stake/decrease', { id, amount: 10000 })).status, 202, 'decrease');
        await until('the stake comes back', async () => await world.balance(wallet) === 10000n);
        equal(await stake(), before - 10000n, 'stake left');
        await hub.audit();
      });
    });
  },
  async a_purse_is_emptied_to_a_wallet(world) {
    return withAccount(world, async ({ hub, start }) => {
      const { consumers: [consumer], provider } = await hubs.people(hub);
      await hub.pay(consumer, provider, { agreement: 5n, total: 2n * MYST, amount: 2n * MYST });
      const wallet = world.person('far away').address;
      return start({}, async (node) => {
        const id = await unlocked(node, consumer);
        const order = { provider_id: id, hermes_id: world.hermes.target, beneficiary: wallet, to_chain_id: CHAIN_ID };
        const refused = await node.api('POST', '/transactor/settle/withdraw', { ...order, amount: (9n * MYST).toString() });
        equal([refused.status, refused.body.error.code], [500, 'err_transactor_withdraw']);
        await good(node.api('POST', '/transactor/settle/withdraw', { ...order, amount: (3n * MYST).toString() }), 200, 'withdraw');
        await until('a part is in the wallet', async () => await world.balance(wallet) === 3n * MYST - SETTLEMENT_FEE);
        await until('the history', async () => (await withdrawals(node)).items.length === 1);
        await good(node.api('POST', '/transactor/settle/withdraw', order), 200, 'withdraw the rest');
        await until('all is in the wallet', async () => await world.balance(wallet) === 8n * MYST - 2n * SETTLEMENT_FEE);
        const history = await until('the history', async () => {
          const found = await withdrawals(node);
          return found.items.length === 2 && found;
        });
        equal(history.withdrawal_total, (8n * MYST - 2n * SETTLEMENT_FEE).toString());
        equal(history.items.map((one) => [one.is_withdrawal, one.beneficiary, one.error]), [[true, wallet, ''], [true, wallet, '']]);
        equal((await node.api('PUT', `/identities/${id}/balance/refresh`)).body.balance_tokens.wei, '0', 'balance');
        const audit = await hub.audit();
        equal(BigInt(audit.promised_by_consumers), 10n * MYST);
        // What it promised is worth what it says: Hermes cashes it down to the last wei.
        equal((await hub.call('POST', '/admin/hermes/cash')).status, 202);
        const purse = (await world.channelOf(consumer)).target;
        await until('the purse is empty', async () => await world.balance(purse) === 0n);
      });
    });
  },
  async money_leaves_for_another_chain(world) {
    return withAccount(world, async ({ hub, there, start }) => {
      const { consumers: [consumer] } = await hubs.people(hub);
      const wallet = world.person('over there').address;
      return start({}, async (node) => {
        const id = await unlocked(node, consumer);
        await good(node.api('POST', '/transactor/settle/withdraw',
          { provider_id: id, hermes_id: world.hermes.target, beneficiary: wallet, amount: (4n * MYST).toString() }), 200, 'withdraw');
        await until('the money is there', async () => await there.balance(wallet) === 4n * MYST - SETTLEMENT_FEE);
        await until('the history', async () => (await withdrawals(node)).items.length === 1);
        equal((await node.api('PUT', `/identities/${id}/balance/refresh`)).body.balance_tokens.wei, (6n * MYST).toString(), 'balance');
        await hub.audit();
        equal((await hub.call('POST', '/admin/hermes/cash')).status, 202);
        const purse = (await world.channelOf(consumer)).target;
        await until('Hermes has it back here', async () => await world.balance(purse) === 6n * MYST);
      });
    }, { otherChain: true });
  },
  async a_consumer_moves_from_one_hermes_to_another(world) {
    return withAccount(world, async ({ hub, fresh, start }) => {
      const { consumers: [consumer] } = await hubs.people(hub);
      const old = world.hermes;
      const target = (await world.channelOf(consumer, fresh)).target;
      return start({ known: [old, fresh], flags: [`--chains.2.hermes=${fresh.target}`] }, async (node) => {
        const id = await unlocked(node, consumer);
        const status = async () => (await good(node.api('GET', `/identities/${id}/migrate-hermes/status`), 200, 'status')).status;
        equal(await status(), 'required');
        await good(node.api('POST', `/identities/${id}/migrate-hermes`), 200, 'migrate');
        await until('the money has moved', async () => await world.balance(target) === 10n * MYST - SETTLEMENT_FEE);
        equal(await status(), 'finished');
        equal((await node.api('PUT', `/identities/${id}/balance/refresh`)).body.balance_tokens.wei, (10n * MYST - SETTLEMENT_FEE).toString(), 'balance');
        equal((await node.api('GET', `/identities/${id}`)).body.channel_address, target);
      });
    }, { otherHermes: true });
  },
};

module.exports = { tests };
