'use strict';
// A running node that reads these contracts: what its REST API says of identities.
const { spawn } = require('child_process');
const fs = require('fs');
const http = require('http');
const net = require('net');
const os = require('os');
const path = require('path');
const assert = require('assert');
const { ADMIN, CHAIN_ID, MYST, equal, ethers, tools } = require('./world');

const PROGRAM = [process.env.MYST_BIN, path.join(tools.ROOT, 'build/release/bin'), path.join(tools.ROOT, 'build/debug/bin')]
  .filter(Boolean).map((folder) => path.join(folder, 'myst')).find(fs.existsSync);
const PASSWORD = 'mystberry';

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what, check, seconds = 20) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(50)) {
    const value = await check().catch((error) => { if (error.code !== 'ECONNREFUSED') throw error; });
    if (value) return value;
  }
  throw new Error(`in vain waited until ${what}`);
}

const listen = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
async function freePort() {
  const server = net.createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

// The chain's endpoint with a switch: `mode` is undefined, or a status, or 'drop'.
async function endpoint(target) {
  const state = { mode: undefined, requests: 0 };
  const server = http.createServer((request, response) => {
    state.requests += 1;
    if (state.mode === 'drop') return request.socket.destroy();
    if (state.mode) return response.writeHead(state.mode).end();
    const onward = http.request(target, { method: 'POST', headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  state.url = `http://127.0.0.1:${await listen(server)}/`;
  state.close = () => { server.closeAllConnections(); server.close(); };
  return state;
}

// Runs a node on the world's contracts for the time of `body(node)`.
async function withNode(world, { rpc, folder, known = [world.hermes], flags = [] }, body) {
  const port = await freePort();
  const address = (contract) => contract.target;
  const child = spawn(PROGRAM, [
    `--data-dir=${folder}`, `--script-dir=${folder}`, `--config-dir=${folder}`, '--network=localnet', '--userspace',
    `--tequilapi.port=${port}`, '--discovery.address=http://127.0.0.1:1', '--location.address=http://127.0.0.1:1',
    '--broker-address=nats://127.0.0.1:1', `--chain-id=${CHAIN_ID}`, `--chains.2.chainID=${CHAIN_ID}`,
    `--chains.2.registry=${address(world.registry)}`, `--chains.2.hermes=${address(world.hermes)}`,
    `--chains.2.channelImplementation=${address(world.channelImplementation)}`, `--chains.2.myst=${address(world.token)}`,
    `--chains.2.knownHermeses=${known.map(address).join(',')}`, ...flags, ...rpc.map((url) => `--ether.client.rpcl2=${url}`), 'daemon'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const node = { log: '' };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => { node.log += text; });
  node.api = (method, target, content) => new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, method, path: target, auth: `myst:${PASSWORD}`, agent: false }, (response) => {
      let text = '';
      response.on('data', (piece) => { text += piece; });
      response.on('end', () => resolve({ status: response.statusCode, body: text ? JSON.parse(text) : undefined }));
    });
    request.on('error', reject);
    request.end(content === undefined ? '' : JSON.stringify(content));
  });
  node.exit = new Promise((resolve) => child.on('exit', resolve));
  try {
    await until('the node answers', () => node.api('GET', '/healthcheck'));
    return await body(node);
  } finally {
    child.kill('SIGKILL');
    await node.exit;
  }
}

async function temporary(body) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'myst-node-'));
  try {
    return await body(folder);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

// An identity in the node whose key the test has too.
async function importIdentity(node, wallet) {
  const keystore = ethers.encryptKeystoreJsonSync({ address: wallet.address, privateKey: wallet.privateKey }, 'import', { scrypt: { N: 4096, r: 8, p: 1 } });
  const { status } = await node.api('POST', '/identities-import', {
    data: Buffer.from(keystore).toString('base64'), current_passphrase: 'import', new_passphrase: '' });
  equal(status, 200, 'import');
  return wallet.address.toLowerCase();
}

const all = {
  async an_identity_is_registered_once_the_contract_says_so(world) {
    await temporary(async (folder) => withNode(world, { rpc: [world.rpcUrl], folder }, async (node) => {
      const person = world.person('a consumer');
      const id = await importIdentity(node, person);
      equal((await node.api('GET', `/identities/${id}/registration`)).body, { status: 'Unregistered', registered: false });
      const channel = await world.register(person, { funds: 7n * MYST, beneficiary: world.person('wallet').address });
      equal((await node.api('GET', `/identities/${id}/registration`)).body, { status: 'Registered', registered: true });
      const { body } = await node.api('GET', `/identities/${id}`);
      equal(body.registration_status, 'Registered');
      equal(body.channel_address, channel.target);
      equal(body.hermes_id, world.hermes.target);
      equal(body.balance_tokens.wei, (7n * MYST).toString());
      equal((await node.api('GET', `/identities/${id}/beneficiary`)).body,
        { beneficiary: world.person('wallet').address, is_channel_address: false });
    }));
  },
  async a_top_up_is_seen_before_and_after_registration(world) {
    await temporary(async (folder) => withNode(world, { rpc: [world.rpcUrl], folder }, async (node) => {
      const person = world.person('a saver');
      const id = await importIdentity(node, person);
      const refresh = async () => (await node.api('PUT', `/identities/${id}/balance/refresh`)).body.balance_tokens.wei;
      equal(await refresh(), '0');
      await world.mint((await world.channelOf(person)).target, 3n * MYST);
      equal(await refresh(), (3n * MYST).toString());
      await world.register(person, { funds: 1n });
      equal(await refresh(), (3n * MYST + 1n).toString());
    }));
  },
  async an_outage_is_told_and_over_when_it_is_over(world) {
    const way = await endpoint(world.rpcUrl);
    try {
      await temporary(async (folder) => {
        const person = world.person('a patient one');
        await world.register(person);
        const stranger = world.person('one more');
        way.mode = 503;
        await withNode(world, { rpc: [way.url], folder }, async (node) => {
          const id = await importIdentity(node, person);
          const told = await node.api('GET', `/identities/${id}`);
          equal(told.status, 500);
          equal(told.body.error.code, 'err_id_registration_status_check');
          assert.match(node.log, /chain endpoint fails/);
          way.mode = undefined;
          const seen = await until('the chain answers', async () => {
            const { status, body } = await node.api('GET', `/identities/${id}`);
            return status === 200 && body;
          });
          equal(seen.registration_status, 'Registered');
        });
        // Known for good: an outage at the next start hides nothing of it.
        way.mode = 'drop';
        const before = way.requests;
        await withNode(world, { rpc: [way.url], folder }, async (node) => {
          equal((await node.api('GET', `/identities/${person.address.toLowerCase()}/registration`)).body.registered, true);
          equal(way.requests, before);
          const id = await importIdentity(node, stranger);
          equal((await node.api('GET', `/identities/${id}/registration`)).status, 500);
        });
      });
    } finally {
      way.close();
    }
  },
  async a_bad_endpoint_beside_a_good_one_is_not_noticed(world) {
    const bad = [];
    for (const mode of [503, 429, 'drop']) bad.push(Object.assign(await endpoint(world.rpcUrl), { mode }));
    try {
      await temporary(async (folder) => withNode(world, {
        rpc: ['http://127.0.0.1:1/', ...bad.map((way) => way.url), world.rpcUrl], folder }, async (node) => {
        const person = world.person('one in trouble');
        await world.register(person);
        const id = await importIdentity(node, person);
        equal((await node.api('GET', `/identities/${id}/registration`)).body.registered, true);
      }));
    } finally {
      for (const way of bad) way.close();
    }
  },
  async an_unregistered_consumer_is_told_so(world) {
    await temporary(async (folder) => withNode(world, { rpc: [world.rpcUrl], folder }, async (node) => {
      const id = await importIdentity(node, world.person('nobody yet'));
      const { status, body } = await node.api('PUT', '/connection', { consumer_id: id, service_type: 'wireguard' });
      equal([status, body.error.code], [422, 'err_id_not_registered']);
    }));
  },
  async each_hermes_has_its_own_channels(world) {
    // Of a later version: other code, so other addresses, and only the registry says which.
    const [channels, hermeses] = [await world.put('ChannelImplementation', world.signers[ADMIN]), await world.put('HermesImplementation', world.signers[ADMIN])];
    await world.registry.connect(world.signers[ADMIN]).setImplementations(channels, hermeses);
    const newer = await world.registerHermes(world.person('another operator').address);
    const known = [world.hermes, newer];
    const person = world.person('a mover');
    const there = (await world.channelOf(person, newer)).target;
    await world.register(person, { funds: MYST, beneficiary: there });
    await temporary(async (folder) => withNode(world, { rpc: [world.rpcUrl], folder, known }, async (node) => {
      const id = await importIdentity(node, person);
      equal((await node.api('GET', `/identities/${id}/beneficiary`)).body, { beneficiary: there, is_channel_address: true });
    }));
    // The newer one is the active one now; the money is still where the older one's code put it.
    const after = Object.create(world, { hermes: { value: newer }, channelImplementation: { value: channels } });
    await temporary(async (folder) => withNode(after, { rpc: [world.rpcUrl], folder, known }, async (node) => {
      const id = await importIdentity(node, person);
      equal((await node.api('GET', `/identities/${id}`)).body.channel_address, there);
      equal((await node.api('GET', `/identities/${id}/migrate-hermes/status`)).body.status, 'required');
    }));
  },
  async a_token_is_worth_what_the_affiliator_says(world) {
    const asked = [];
    const answers = { good: [200, '{"reward":"123456789012345678901"}'], none: [200, '{"reward":""}'], bad: [500, '{"error":{"message":"closed today"}}'] };
    const server = http.createServer((request, response) => {
      asked.push(request.url);
      const [status, body] = answers[request.url.split('/').pop()] || [404, ''];
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(body);
    });
    const port = await listen(server);
    try {
      await temporary(async (folder) => withNode(world, {
        rpc: [world.rpcUrl], folder, flags: [`--affiliator.address=http://127.0.0.1:${port}/api/v1/`] }, async (node) => {
        for (const group of ['affiliator', 'transactor']) {
          const good = await node.api('GET', `/${group}/token/good/reward`);
          equal(good.status, 200);
          const none = await node.api('GET', `/${group}/token/none/reward`);
          equal([none.status, none.body.error.code], [500, 'err_affiliator_no_reward']);
          const bad = await node.api('GET', `/${group}/token/bad/reward`);
          equal([bad.status, bad.body.error.code], [500, 'err_affiliator_failed']);
          assert.match(bad.body.error.message, /closed today/);
        }
        equal((await node.api('GET', '/affiliator/token/a%20b/reward')).status, 500);
        equal(asked[0], '/api/v1/register-reward/token/good');
        equal(asked.at(-1), '/api/v1/register-reward/token/a%20b');
      }));
    } finally {
      server.close();
    }
  },
};

const tests = PROGRAM ? all : { needs_the_program: async () => 'no myst in build/release/bin or $MYST_BIN' };
module.exports = { PROGRAM, importIdentity, temporary, tests, until, withNode };
