'use strict';
// A chain for tests (anvil), the contracts on it, and people who sign.
const assert = require('assert');
const fs = require('fs');
const net = require('net');
const path = require('path');
const { spawn } = require('child_process');
const tools = require('../../drivers/ethereum/contracts/tools');
const deployment = require('../../drivers/ethereum/contracts/deployment');

const { ethers } = deployment;
const CHAIN_ID = 80001;  // that of the vectors
const START = 1790000000;  // before the time of the vectors
const MYST = 10n ** 18n;
const DAY = 86400;
const ADMIN = 0, PAYER = 1, STRANGER = 2;  // accounts of the chain

const vectors = (name) => JSON.parse(fs.readFileSync(path.join(tools.ROOT, 'tests/vectors', `${name}.json`)));

function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function startChain({ chainId = CHAIN_ID } = {}) {
  if (process.arch !== 'x64') return { skip: 'no anvil package for this architecture', stop() {} };
  const port = await freePort();
  const child = spawn(tools.anvil(), ['--port', String(port), '--chain-id', String(chainId), '--silent', '--accounts', '4', '--timestamp', String(START)], { stdio: 'ignore' });
  const stop = () => child.kill('SIGKILL');
  process.on('exit', stop);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));
  const rpcUrl = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; ++tries) {
    if (child.exitCode !== null) throw new Error(`anvil ended with ${child.exitCode}`);
    const up = await new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
      socket.on('error', () => resolve(false));
    });
    if (up) break;
    if (tries > 1000) throw new Error('anvil does not listen');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const provider = await deployment.connect(rpcUrl);
  provider.pollingInterval = 10;
  return { provider, rpcUrl, stop };
}

// Other bytecode than ours, to compare with (constructor of its token: the token before it). What
// only we have, such as the collector, meets the other contracts.
function otherArtifacts(folder) {
  const read = (name) => {
    const artifact = JSON.parse(fs.readFileSync(path.join(folder, `${name}.json`)));
    // The getter in getHermes' answer: an ABI type ethers does not read.
    const readable = (value) => ({ ...value, type: value.type === 'function' ? 'bytes24' : value.type, components: value.components && value.components.map(readable) });
    for (const entry of artifact.abi) {
      for (const list of ['inputs', 'outputs']) if (entry[list]) entry[list] = entry[list].map(readable);
    }
    return artifact;
  };
  const theirs = ['Registry', 'ChannelImplementation', 'HermesImplementation', 'MystToken', 'OldMystToken'];
  return { ...deployment.artifacts(), ...Object.fromEntries(theirs.map((n) => [n, read(n)])) };
}

// What a refused call said: its reason, `panic 0x…`, or the name of a custom error.
function refusal(error) {
  if (error.code !== 'CALL_EXCEPTION' && !error.data && !(error.info && error.info.error)) throw error;
  const data = error.data || (error.info && error.info.error && error.info.error.data) || '0x';
  if (data.startsWith('0x08c379a0')) return ethers.AbiCoder.defaultAbiCoder().decode(['string'], '0x' + data.slice(10))[0];
  if (data.startsWith('0x4e487b71')) return `panic 0x${BigInt('0x' + data.slice(10)).toString(16)}`;
  for (const { abi } of Object.values(deployment.artifacts())) {
    const found = new ethers.Interface(abi).getError(data.slice(0, 10));
    if (found) return found.name;
  }
  return data === '0x' ? 'no words' : data;
}

class World {
  constructor(chain) {
    Object.assign(this, chain);
    this.OURS_ONLY = Symbol('ours only');
    this.other = process.env.MYST_CONTRACTS_UNDER_TEST;
    this.artifacts = this.other ? otherArtifacts(this.other) : deployment.artifacts();
    this.signers = {};
  }

  rpc(method, ...params) {
    return this.provider.send(method, params);
  }

  async isolated(body) {
    const before = await this.rpc('evm_snapshot');
    try {
      return await body();
    } finally {
      await this.rpc('evm_revert', before);
    }
  }

  // 'empty': nothing was ever sent on the chain. 'deployed': contracts, one Hermes at 4 %.
  async enter(state) {
    if (this.state === state) return;
    for (const n of [ADMIN, PAYER, STRANGER]) this.signers[n] = await this.signer(n);
    this.operator = this.person('operator');
    await this.impersonate(this.operator.address);
    if (state === 'deployed') {
      const admin = this.signers[ADMIN];
      const put = (name, ...args) => this.put(name, admin, ...args);
      this.registry = await put('Registry');
      const old = this.other && await put('OldMystToken');
      this.token = await (old ? put('MystToken', old.target) : put('MystToken'));
      this.channelImplementation = await put('ChannelImplementation');
      this.hermesImplementation = await put('HermesImplementation');
      this.dex = this.other ? undefined : await put('DevelopmentDex');
      await this.registry.initialize(
        this.token, this.dexAddress(), 0, this.channelImplementation, this.hermesImplementation, ethers.ZeroAddress);
      await this.mint(admin.address, 10000n * MYST);
      await this.token.approve(this.registry, ethers.MaxUint256);
      this.hermes = await this.registerHermes(this.operator.address);
      await this.mint(this.hermes.target, 1000n * MYST);
    }
    this.state = state;
  }

  dexAddress() {
    return this.dex ? this.dex.target : '0x0000000000000000000000000000000000000001';
  }

  async put(name, signer, ...args) {
    const { abi, bytecode } = this.artifacts[name];
    const contract = await new ethers.ContractFactory(abi, bytecode, signer).deploy(...args);
    await contract.waitForDeployment();
    return contract;
  }

  at(name, address, runner = this.signers[PAYER]) {
    return new ethers.Contract(address, this.artifacts[name].abi, runner);
  }

  // ---- people ----

  person(name) {
    return new ethers.Wallet(ethers.id(`a person of the tests: ${name}`));
  }

  // Lets an address send transactions itself, as owner or operator.
  async impersonate(address) {
    await this.rpc('anvil_setBalance', address, '0x56bc75e2d63100000');
    await this.rpc('anvil_impersonateAccount', address);
    return this.signer(address);
  }

  // An account whose transactions are in a block when they are said to be sent: anvil mines at
  // once, but answers before.
  async signer(account) {
    const signer = await this.provider.getSigner(account);
    const send = signer.sendTransaction.bind(signer);
    signer.sendTransaction = async (transaction) => {
      const sent = await send(transaction);
      for (const end = Date.now() + 30000; !await this.provider.getTransactionReceipt(sent.hash);) {
        if (Date.now() > end) throw new Error(`transaction ${sent.hash} comes into no block`);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      return sent;
    };
    return signer;
  }

  // ---- money ----

  mint(to, amount) {
    return this.token.connect(this.signers[ADMIN]).mint(to, amount);
  }

  balance(of) {
    return this.token.balanceOf(of);
  }

  // ---- contracts ----

  async registerHermes(operator, { fee = 400, stake = 100n * MYST, min = 0n, max = 62n * MYST, url = 'http://hermes:8889' } = {}) {
    const registry = this.registry.connect(this.signers[ADMIN]);
    await registry.registerHermes(operator, stake, fee, min, max, ethers.toUtf8Bytes(url));
    const hermes = this.at('HermesImplementation', await registry['getHermesAddress(address)'](operator));
    await this.impersonate(operator);
    return hermes;
  }

  async channelOf(person, hermes = this.hermes) {
    return this.at('ChannelImplementation', await this.registry.getChannelAddress(person.address, hermes));
  }

  // An identity with an open channel that holds `funds`.
  async register(person, { hermes = this.hermes, stake = 0n, fee = 0n, beneficiary = ethers.ZeroAddress, funds = 0n } = {}) {
    const channel = await this.channelOf(person, hermes);
    if (stake + fee + funds > 0n) await this.mint(channel.target, stake + fee + funds);
    await this.registry.connect(this.signers[PAYER]).registerIdentity(
      hermes, stake, fee, beneficiary, this.signRegistration(person, { hermes, stake, fee, beneficiary }));
    return channel;
  }

  channelId(person, hermes = this.hermes, kind = '') {
    return ethers.keccak256(ethers.concat([person.address, hermes.target, ethers.toUtf8Bytes(kind)]));
  }

  // ---- signatures ----

  // keccak of the packed fields: bigint and number are 32 bytes, 0x text is itself, other text UTF-8.
  sign(person, ...fields) {
    const preimage = ethers.concat(fields.map((field) => {
      if (typeof field === 'bigint' || typeof field === 'number') return ethers.toBeHex(field, 32);
      if (field.target) return field.target;
      return field.startsWith('0x') ? field : ethers.toUtf8Bytes(field);
    }));
    return person.signingKey.sign(ethers.keccak256(preimage)).serialized;
  }

  signRegistration(person, { hermes = this.hermes, stake = 0n, fee = 0n, beneficiary = ethers.ZeroAddress }) {
    return this.sign(person, CHAIN_ID, this.registry, hermes, stake, fee, beneficiary);
  }

  signBeneficiary(person, beneficiary, nonce) {
    return this.sign(person, CHAIN_ID, this.registry, person.address, beneficiary, nonce);
  }

  // A promise over a consumer's channel or an id of a provider channel.
  promise(signer, where, amount, { fee = 0n, r = ethers.id('R'), chainId = CHAIN_ID } = {}) {
    const id = where.target ? ethers.zeroPadValue(where.target, 32) : where;
    return { amount, fee, r, signature: this.sign(signer, chainId, id, amount, fee, ethers.keccak256(r)) };
  }

  // Arguments of the Hermes' settle functions for its promise to a provider.
  settlement(person, amount, options = {}) {
    const hermes = options.hermes || this.hermes;
    const p = this.promise(options.signer || this.operator, this.channelId(person, hermes, options.kind), amount, options);
    return [person.address, p.amount, p.fee, p.r, p.signature];
  }

  // ---- time and checks ----

  async now() {
    return (await this.provider.getBlock('latest')).timestamp;
  }

  // The next block is `seconds` after the latest.
  async pass(seconds) {
    await this.rpc('evm_setNextBlockTimestamp', ethers.toQuantity(await this.now() + seconds));
    await this.rpc('evm_mine');
  }

  // The call must fail, with these words (of our own contracts; others only have to fail).
  async refused(call, words) {
    let said;
    try {
      await (await call).wait?.();
    } catch (error) {
      said = refusal(error);
    }
    assert.notStrictEqual(said, undefined, `not refused: ${words}`);
    if (!this.other || words.startsWith('panic')) assert.strictEqual(said, words);
  }

  // Logs of a transaction that our ABIs know, as `Contract.Event(values)`.
  async events(transaction) {
    const receipt = await (await transaction).wait();
    const known = ['HermesImplementation', 'ChannelImplementation', 'Registry', 'MystToken'].map((n) => new ethers.Interface(this.artifacts[n].abi));
    return receipt.logs.map((log) => {
      for (const abi of known) {
        const event = abi.parseLog(log);
        if (event) return { address: log.address, name: event.name, args: event.args.toObject(), values: event.args.toArray() };
      }
      return { address: log.address, name: log.topics[0], args: {}, values: [] };
    });
  }

  async event(transaction, name) {
    const found = (await this.events(transaction)).filter((e) => e.name === name);
    assert.strictEqual(found.length, 1, `${found.length} events ${name}`);
    return found[0].values;
  }
}

// Numbers as text: the message of a failed comparison should show them.
const plain = (value) => JSON.parse(JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? v.toString() : v)));
const equal = (got, wanted, what) => assert.deepStrictEqual(plain(got), plain(wanted),
  `${what || 'value'}: ${JSON.stringify(plain(got))} is not ${JSON.stringify(plain(wanted))}`);

module.exports = { ADMIN, CHAIN_ID, DAY, MYST, PAYER, STRANGER, World, deployment, equal, ethers, startChain, tools, vectors };
