'use strict';
// myst-hub on these contracts: Hermes and transactor over HTTP, as nodes use them.
const { spawn } = require('child_process');
const fs = require('fs');
const http = require('http');
const net = require('net');
const os = require('os');
const path = require('path');
const { CHAIN_ID, MYST, equal, ethers, tools } = require('./world');

const PROGRAM = [process.env.MYST_BIN, path.join(tools.ROOT, 'build/release/bin'), path.join(tools.ROOT, 'build/debug/bin')]
  .filter(Boolean).map((folder) => path.join(folder, 'myst-hub')).find(fs.existsSync);
const REGISTRATION_FEE = MYST / 10n, SETTLEMENT_FEE = MYST / 100n;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const b64 = (hex) => Buffer.from(hex.replace(/^0x/, ''), 'hex').toString('base64');
const bare = (hex) => hex.replace(/^0x/, '');
// Amounts exceed what a double holds: they go out as bare digits and come back as text.
const write = (value) => JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `#${v}#` : v)).replace(/"#(\d+)#"/g, '$1');
const read = (text) => JSON.parse(text.replace(/([:[,])(\d{15,})(?=[,}\]])/g, '$1"$2"'));

async function until(what, check, seconds = 30) {
  let last;
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(50)) {
    last = await check().catch((error) => { if (error.code !== 'ECONNREFUSED') throw error; });
    if (last) return last;
  }
  throw new Error(`in vain waited until ${what}`);
}

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

class Hub {
  constructor(world, folder) {
    Object.assign(this, { world, folder, log: '', flags: [], known: [] });
    this.key = world.person('who pays for transactions');
    fs.writeFileSync(`${folder}/operator.key`, world.operator.privateKey, { mode: 0o600 });
    fs.writeFileSync(`${folder}/transactor.key`, `${bare(this.key.privateKey)}\n`, { mode: 0o600 });
  }

  async prepare() {
    const { world } = this;
    await world.rpc('anvil_setBalance', this.key.address, '0x56bc75e2d63100000');
    this.collector = await world.put('PromiseCollector', world.signers[0]);
    fs.writeFileSync(`${this.folder}/chain.json`, JSON.stringify({
      chain_id: CHAIN_ID, registry: world.registry.target, token: world.token.target, hermes: world.hermes.target,
      channel_implementation: world.channelImplementation.target, hermes_implementation: world.hermesImplementation.target,
      promise_collector: this.collector.target, known_hermeses: [world.hermes.target, ...this.known], rpc: [world.rpcUrl],
    }));
    this.port = this.port || await freePort();
  }

  async start() {
    this.child = spawn(PROGRAM, [
      '--name=suite', '--listen=127.0.0.1', `--http-port=${this.port}`, '--broker-listen=0', '--stun-port=0', '--port-check-port=0',
      `--data-dir=${this.folder}/data`, `--contracts=${this.folder}/chain.json`, ...this.flags, `--hermes-key=${this.folder}/operator.key`,
      `--transactor-key=${this.folder}/transactor.key`, `--registration-fee=${REGISTRATION_FEE}`, `--settlement-fee=${SETTLEMENT_FEE}`,
      '--price=60000000000000,100000000000000000'], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on('data', (text) => { this.log += text; });
    this.exit = new Promise((resolve) => this.child.on('exit', resolve));
    await until('the hub answers', () => this.get('/status'));
  }

  async kill(signal = 'SIGKILL') {
    this.child.kill(signal);
    await this.exit;
  }

  call(method, target, content, headers = {}) {
    return new Promise((resolve, reject) => {
      const body = content === undefined ? '' : typeof content === 'string' ? content : write(content);
      const request = http.request({ host: '127.0.0.1', port: this.port, method, path: target, agent: false, headers }, (response) => {
        let text = '';
        response.on('data', (piece) => { text += piece; });
        response.on('end', () => resolve({ status: response.statusCode, text, body: /^[[{]/.test(text) ? read(text) : undefined }));
      });
      request.on('error', reject);
      request.end(body);
    });
  }
  get(target) { return this.call('GET', target); }
  hermes(name, content) { return this.call('POST', `/api/v2/${name}`, content); }
  transactor(name, content) { return this.call('POST', `/transactor/api/v1/${name}`, content); }

  // ---- what nodes do ----

  async channel(person) {
    return (await this.world.channelOf(person)).target;
  }

  async registration(person, { fee = REGISTRATION_FEE, beneficiary } = {}) {
    const { world } = this;
    beneficiary = beneficiary || await this.channel(person);
    return {
      registryAddress: world.registry.target, hermesID: world.hermes.target, stake: 0, fee, beneficiary: beneficiary.toLowerCase(),
      signature: world.signRegistration(person, { fee, beneficiary }), identity: person.address.toLowerCase(), chainID: CHAIN_ID,
    };
  }

  async registered(person) {
    const status = async () => (await this.get(`/transactor/api/v1/identity/${person.address}/status`)).body[0];
    return until(`${person.address} is registered`, async () => {
      const entry = await status();
      if (entry && entry.status === 'failed') throw new Error(`registration: ${entry.reason}`);
      return entry && entry.status === 'succeed' && entry;
    });
  }

  async exchange(consumer, provider, { agreement, total, amount, fee = SETTLEMENT_FEE }) {
    const { world } = this;
    const r = ethers.hexlify(ethers.randomBytes(32)), hashlock = ethers.keccak256(r), channel = await this.channel(consumer);
    const preimage = ethers.concat([ethers.toBeHex(CHAIN_ID, 32), ethers.zeroPadValue(channel, 32), ethers.toBeHex(amount, 32),
      ethers.toBeHex(0, 32), hashlock]);
    const message = world.sign(consumer, CHAIN_ID, ethers.keccak256(preimage), agreement, total, provider.address, world.hermes);
    return {
      r,
      body: {
        exchange_message: {
          Promise: { ChannelID: b64(channel), ChainID: CHAIN_ID, Amount: amount, Fee: 0, Hashlock: b64(hashlock), R: null,
            Signature: b64(consumer.signingKey.sign(ethers.keccak256(preimage)).serialized) },
          AgreementID: agreement, AgreementTotal: total, Provider: provider.address.toLowerCase(), Signature: bare(message),
          HermesID: world.hermes.target, ChainID: CHAIN_ID,
        },
        transactor_fee: fee, r_recovery_data: '00ff',
      },
    };
  }

  // One payment of a session, R revealed.
  async pay(consumer, provider, terms) {
    const { r, body } = await this.exchange(consumer, provider, terms);
    const answer = await this.hermes('request_promise', body);
    equal(answer.status, 200, answer.text);
    const revealed = await this.hermes('reveal_r', { R: bare(r), Provider: provider.address.toLowerCase(), AgreementID: terms.agreement });
    equal(revealed.status, 200, revealed.text);
    return { r, promise: answer.body };
  }

  settlement(provider, { r, promise }) {
    const hex = (text) => Buffer.from(text, 'base64').toString('hex');
    return {
      hermesID: this.world.hermes.target, channelID: hex(promise.ChannelID), amount: BigInt(promise.Amount), fee: BigInt(promise.Fee),
      preimage: bare(r), signature: hex(promise.Signature), providerID: provider.address.toLowerCase(), chainID: CHAIN_ID,
    };
  }

  async done(id) {
    return until(`task ${id} is done`, async () => {
      const { body } = await this.get(`/transactor/api/v1/queue/${id}`);
      if (body.state === 'error') throw new Error(body.error);
      return body.state === 'done' && body;
    });
  }

  async audit() {
    const { body } = await this.get('/admin/hermes/audit');
    equal(body.faults, [], 'audit');
    equal(body.balanced, true, 'audit');
    return body;
  }
}

async function withHub(world, body) {
  if (!PROGRAM) return 'myst-hub is not built';
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'myst-hub-'));
  const hub = new Hub(world, folder);
  try {
    await hub.prepare();
    await hub.start();
    return await body(hub);
  } catch (error) {
    if (process.env.MYST_TEST_TRACE) console.error(hub.log);
    throw error;
  } finally {
    if (hub.child) await hub.kill();
    fs.rmSync(folder, { recursive: true });
  }
}

// Consumers with money and a provider, registered through the transactor.
async function people(hub, consumers = 1) {
  const { world } = hub;
  const all = Array.from({ length: consumers }, (_, n) => world.person(`consumer ${n}`));
  const provider = world.person('provider');
  for (const person of [...all, provider]) {
    await world.mint(await hub.channel(person), person === provider ? REGISTRATION_FEE : 10n * MYST + REGISTRATION_FEE);
    equal((await hub.transactor('identity/register', await hub.registration(person))).text, '{}');
  }
  for (const person of [...all, provider]) await hub.registered(person);
  return { consumers: all, provider };
}

const all = {
  async what_consumers_pay_arrives_to_the_wei(world) {
    return withHub(world, async (hub) => {
      const network = (await hub.get('/network')).body;
      equal(network.contracts.chains[0].hermes, world.hermes.target);
      equal(network.contracts.transactor, `http://127.0.0.1:${hub.port}/transactor/api/v1`);
      const [observed] = await until('the Hermes is observed', async () => {
        const found = (await hub.get('/observer/api/v1/observed/hermes?approved=true')).body[CHAIN_ID];
        return found.length > 0 && found;
      });
      equal(observed, { hermes_address: world.hermes.target, operator: world.operator.address, channel_impl: world.channelImplementation.target,
        version: 0, fee: 400, url: 'http://hermes:8889', active: true, approved: true });
      const { consumers, provider } = await people(hub, 3);
      equal(await world.balance(hub.key.address), 4n * REGISTRATION_FEE, 'fees of registrations');
      const hermes = await world.balance(world.hermes.target);
      let last, promised = 0n;
      for (let round = 1n; round <= 3n; ++round) {
        for (const [n, consumer] of consumers.entries()) {
          const total = round * (MYST / 2n + BigInt(n));
          promised += MYST / 2n + BigInt(n);
          last = await hub.pay(consumer, provider, { agreement: BigInt(n + 1), total, amount: total });
          equal(BigInt(last.promise.Amount), promised);
        }
      }
      // Settled to a wallet: one transaction for all of them.
      const wallet = world.person('wallet').address;
      const nonce = await world.registry.lastNonce() + 1n;
      const settle = hub.settlement(provider, last);
      const queued = await hub.transactor('identity/settle_with_beneficiary', {
        Promise: settle, beneficiary: wallet.toLowerCase(), nonce, signature: world.signBeneficiary(provider, wallet, nonce),
        providerID: settle.providerID, chainID: CHAIN_ID, registry: world.registry.target,
      });
      equal(queued.status, 200, queued.text);
      await hub.done(queued.body.id);
      const hermesFee = await world.hermes.calculateHermesFee(promised);
      equal(await world.balance(wallet), promised - hermesFee - SETTLEMENT_FEE, 'the provider got');
      equal(await world.balance(hub.key.address), 4n * REGISTRATION_FEE + SETTLEMENT_FEE, 'the transactor got');
      // Hermes cashes its consumers in one transaction.
      const before = await world.provider.getTransactionCount(hub.key.address);
      equal((await hub.call('POST', '/admin/hermes/cash')).status, 202);
      await until('consumers are cashed', async () => await world.balance(world.hermes.target) === hermes - promised + hermesFee + promised);
      equal(await world.provider.getTransactionCount(hub.key.address), before + 1, 'transactions');
      for (const [n, consumer] of consumers.entries()) {
        equal(await world.balance(await hub.channel(consumer)), 10n * MYST - 3n * (MYST / 2n + BigInt(n)), 'left to the consumer');
      }
      const audit = await hub.audit();
      equal(BigInt(audit.promised_by_consumers), promised);
      equal(BigInt(audit.promised_to_providers), promised);
    });
  },

  async a_registration_waits_for_its_money_and_says_so(world) {
    return withHub(world, async (hub) => {
      const person = world.person('without money');
      equal((await hub.transactor('identity/register', await hub.registration(person))).text, '{}');
      const entry = await until('the reason is told', async () => {
        const [found] = (await hub.get(`/transactor/api/v1/identity/${person.address}/status`)).body;
        return found && found.reason && found;
      });
      equal(entry.status, 'created');
      equal(entry.reason, `waiting for money: the channel ${await hub.channel(person)} holds 0 of ${REGISTRATION_FEE} wei`);
      await world.mint(await hub.channel(person), REGISTRATION_FEE);
      await hub.registered(person);
      equal(await world.registry.isRegistered(person.address), true);
    });
  },

  async what_was_answered_survives_a_kill(world) {
    return withHub(world, async (hub) => {
      const { consumers: [consumer], provider } = await people(hub);
      const wallet = world.person('wallet').address;
      await world.registry.setBeneficiary(provider.address, wallet, world.signBeneficiary(provider, wallet, await world.registry.lastNonce() + 1n));
      let settled = 0n, last;
      for (let round = 1n; round <= 5n; ++round) {
        last = await hub.pay(consumer, provider, { agreement: 1n, total: round * MYST, amount: round * MYST });
        // Mining stops, so that the transaction is under way when the program dies.
        if (round % 2n) await world.rpc('evm_setAutomine', false);
        const { status, text, body } = await hub.transactor('identity/settle_and_rebalance', hub.settlement(provider, last));
        equal(status, 200, text);
        await sleep(Number(round) * 40);
        await hub.kill();
        if (round % 2n) await world.rpc('evm_setAutomine', true);
        await hub.start();
        equal((await hub.transactor('identity/settle_and_rebalance', hub.settlement(provider, last))).body.id, body.id, 'the same task');
        await world.rpc('evm_mine');
        await hub.done(body.id);
        const amount = BigInt(last.promise.Amount);
        const { settled: now } = await world.hermes.channels(world.channelId(provider));
        equal(now, amount, 'settled');
        settled += amount - settled;
        await hub.audit();
      }
      equal(settled, 5n * MYST);
      const logs = await world.provider.getLogs({ address: world.hermes.target, fromBlock: 0, toBlock: 'latest',
        topics: [ethers.id('PromiseSettled(address,bytes32,address,uint256,uint256,bytes32)'), null, world.channelId(provider)] });
      equal(logs.length, 5, 'settlements');
    });
  },

  async fees_follow_the_price_of_gas(world) {
    return withHub(world, async (hub) => {
      await hub.kill();
      hub.flags = [`--coin-price=${100n * MYST}`];
      await hub.start();
      const fee = async (kind) => BigInt((await hub.get(`/transactor/api/v1/fee/${CHAIN_ID}/${kind}`)).body.fee);
      await until('the fee is above its least', async () => await fee('settle') > SETTLEMENT_FEE);
      const { baseFeePerGas } = await world.provider.getBlock('latest');
      const wanted = (baseFeePerGas + 10n ** 9n) * 150000n * 100n * 12n / 10n;
      equal(await fee('settle'), wanted);
      const { body } = await hub.get(`/transactor/api/v1/fee/${CHAIN_ID}`);
      equal([BigInt(body.current.settle), BigInt(body.last.settle)], [wanted, SETTLEMENT_FEE]);
    });
  },
  async a_top_up_counts_when_it_lies_deep_enough(world) {
    return withHub(world, async (hub) => {
      const { consumers: [consumer], provider } = await people(hub);
      await hub.kill();
      hub.flags = ['--confirmations=4'];
      await hub.start();
      const terms = (total) => ({ agreement: 1n, total, amount: total });
      // What lies there for long counts; what has just come does not, and a reorganisation takes it.
      for (let n = 0; n < 4; ++n) await world.rpc('evm_mine');
      const purse = await hub.channel(consumer);
      const before = await world.rpc('evm_snapshot');
      await world.mint(purse, 5n * MYST);
      const early = await hub.hermes('request_promise', (await hub.exchange(consumer, provider, terms(12n * MYST))).body);
      equal(early.body.cause, 'consumer does not have enough balance and is overspending');
      equal(await world.rpc('evm_revert', before), true, 'reorganisation');
      await hub.pay(consumer, provider, terms(10n * MYST));
      await world.mint(purse, 5n * MYST);
      for (let n = 0; n < 3; ++n) await world.rpc('evm_mine');
      await sleep(1100);  // the balance is read anew once a second at most
      await hub.pay(consumer, provider, terms(12n * MYST));
      await hub.audit();
    });
  },
  async a_consumer_cannot_promise_more_than_its_channel_holds(world) {
    return withHub(world, async (hub) => {
      const { consumers: [consumer], provider } = await people(hub);
      await hub.pay(consumer, provider, { agreement: 1n, total: 10n * MYST, amount: 10n * MYST });
      const over = await hub.exchange(consumer, provider, { agreement: 1n, total: 10n * MYST + 1n, amount: 10n * MYST + 1n });
      const refused = await hub.hermes('request_promise', over.body);
      equal(refused.body.cause, 'consumer does not have enough balance and is overspending');
      const stranger = await hub.exchange(world.person('stranger'), provider, { agreement: 1n, total: 1n, amount: 1n });
      equal((await hub.hermes('request_promise', stranger.body)).body.cause, 'consumer unregistered');
      // A top-up counts as soon as it is needed.
      await world.mint(await hub.channel(consumer), 1n);
      await sleep(1100);
      equal((await hub.hermes('request_promise', over.body)).status, 200);
      await hub.audit();
    });
  },

  async what_contracts_refuse_ends_with_their_words(world) {
    return withHub(world, async (hub) => {
      const { consumers: [consumer], provider } = await people(hub);
      // The beneficiary is the provider's own channel; a wrong nonce is signed for another one.
      const paid = await hub.pay(consumer, provider, { agreement: 1n, total: MYST, amount: MYST });
      const settle = hub.settlement(provider, paid), wallet = world.person('wallet').address;
      const nonce = await world.registry.lastNonce() + 7n;
      const { body } = await hub.transactor('identity/settle_with_beneficiary', {
        Promise: settle, beneficiary: wallet, nonce, signature: world.signBeneficiary(provider, wallet, nonce),
        providerID: settle.providerID, chainID: CHAIN_ID, registry: world.registry.target,
      });
      const entry = await until('the task ends', async () => {
        const found = (await hub.get(`/transactor/api/v1/queue/${body.id}`)).body;
        return found.state === 'error' && found;
      });
      equal(entry.error.length > 10, true, `reason: ${entry.error}`);
      equal(entry.tx_hash, '', 'nothing was sent');
    });
  },
};

module.exports = { Hub, PROGRAM, REGISTRATION_FEE, SETTLEMENT_FEE, freePort, people, tests: all };
